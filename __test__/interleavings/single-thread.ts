import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate } from 'node:timers/promises'

import { Kysely, sql } from 'kysely'
import type { Dialect } from 'kysely'

import { cacheopsPlugin } from '../../ts/index.ts'
import { native } from '../../ts/native.ts'
import { Recorder } from '../support/recorder.ts'
import type { Run, Step } from './explore.ts'
import { Judge } from './judge.ts'
import { givesLockBack, StopPoints, wantsLock } from './points.ts'
import type { Point } from './points.ts'
import { QUERIES, QUERY_NAMES, WRITERS } from './programs.ts'
import type { Reader, Rows, WriterName } from './programs.ts'

/** A database under test, past Kysely. */
export interface Ground {
  /** A dialect whose statements go through the recorder; `instance`: a Kysely instance of its own. */
  dialect(recorder: Recorder): Dialect
  /** puts the rows back */
  reset(): Promise<void>
  /** what each query answers now, as texts; undefined: a transaction is open on the only connection */
  answers(): Promise<Record<string, string>>
  /** all actors share one connection: a transaction keeps everybody out */
  readonly exclusive: boolean
  /** Rows are locked by whoever writes them: resolves when what is under way has ended, or waits for a lock. */
  readonly quiet?: (running: ReadonlySet<Promise<unknown>>) => Promise<unknown>
  /** of the pool of each instance; opened before anybody is stopped, because opening one takes a time of its own */
  readonly connections?: number
}

/** Who reads, who writes, and where. */
export interface Scene {
  readonly readers: readonly Reader[]
  readonly writers: readonly WriterName[]
  /** actors are spread over so many Kysely instances, each with a plugin object of its own, on one store */
  readonly instances: 1 | 2
  /** readers read in a transaction of this kind */
  readonly within?: 'read committed' | 'repeatable read'
  /** nobody has asked anything of this database before, and its connections have not told their sessions */
  readonly cold: boolean
}

interface Parked {
  readonly step: Step
  readonly go: () => void
}

interface Actor {
  readonly number: number
  readonly points: StopPoints
  /** what it reads just now */
  query: string
}

let stores = 0
/** In seconds. In the midst of an order nobody must look whether the schema has changed. */
const DAY = 86_400

/** The actors of a scene as tasks of one thread, each statement stopped on its way to the database and back. */
export class SingleThread {
  readonly #ground: Ground
  readonly #scene: Scene
  readonly #actors = new AsyncLocalStorage<Actor>()
  readonly #parked = new Map<number, Parked>()
  readonly #recorder: Recorder
  readonly #store = `interleavings-${process.pid}-${++stores}`
  #dbs: { readonly db: Kysely<Rows>; close(): Promise<void> }[] = []
  #names = 0
  #judge!: Judge
  /** Hears of every order that was judged. */
  judged: ((judge: Judge) => void) | undefined
  /** how often actors' reads ended how: `hit`, `joined`, `miss` (was kept), or why not */
  readonly reads = new Map<string, number>()
  readonly #executing = new Set<Promise<unknown>>()
  /** who has committed in this step */
  #committed: number[] = []
  /** counts whatever happens */
  #events = 0
  #running = 0
  #lockedBy: number | undefined
  #failure: unknown

  constructor(ground: Ground, scene: Scene) {
    this.#ground = ground
    this.#scene = scene
    this.#recorder = new StoppingRecorder((sql, execute) => this.#stopAround(sql, execute))
  }

  /** Puts everything back and starts all actors, up to their first steps. */
  async begin(): Promise<Run> {
    await this.#ground.reset()
    if (this.#scene.cold || this.#dbs.length === 0) await this.#open()
    native.invalidateStore(native.openStore(this.#store))
    this.#judge = new Judge(await this.#ground.answers())
    this.#lockedBy = undefined
    this.#failure = undefined
    const { readers, writers } = this.#scene
    for (const [number, reader] of readers.entries()) this.#start(number, (db) => this.#read(number, db, reader))
    for (const [index, writer] of writers.entries()) {
      const number = readers.length + index
      this.#start(number, async (db) => {
        await WRITERS[writer](db, 100 + number)
        this.#judge.writeReturned(number)
      })
    }
    await this.#settle()
    return this.#run()
  }

  async close(): Promise<void> {
    for (const each of this.#dbs) await each.close()
    this.#dbs = []
  }

  #run(): Run {
    return {
      enabled: () => this.#enabled(),
      advance: async (step) => {
        this.#judge.step(step)
        if (wantsLock(step)) this.#lockedBy = step.actor
        const parked = this.#parked.get(step.actor)!
        this.#parked.delete(step.actor)
        if (step.point === 'token') this.#judge.readBegan(step.actor, step.of, this.#goesOn(step.actor))
        parked.go()
        await this.#settle()
        await this.#look(step.actor)
        if (givesLockBack(step) || step.point === 'write') this.#lockedBy = undefined
        if (this.#failure !== undefined) throw this.#failure
      },
      judge: () => this.#judgeEnd(),
    }
  }

  /** Whether what an actor reads next is of the snapshot of what it has read before. */
  #goesOn(actor: number): boolean {
    const isHis = (step: Step): boolean => step.actor === actor && step.point === 'token'
    return this.#scene.within === 'repeatable read' && this.#judge.order.filter(isHis).length > 1
  }

  async #open(): Promise<void> {
    await this.close()
    const { instances, cold } = this.#scene
    const database = `${this.#store}-${this.#names++}`
    for (let i = 0; i < instances; i++) {
      const cacheops = cacheopsPlugin<Rows>({
        store: { type: 'embedded', name: this.#store },
        database,
        schemaCheck: DAY,
      })
      cacheops.on('read', ({ reason }) => {
        if (this.#actors.getStore() !== undefined) this.reads.set(reason, (this.reads.get(reason) ?? 0) + 1)
      })
      const db = new Kysely<Rows>({ dialect: this.#ground.dialect(this.#recorder), plugins: [cacheops] })
      this.#dbs.push({
        db,
        close: async () => {
          await db.destroy()
          await cacheops.close()
        },
      })
      await openAll(db, this.#ground.connections ?? 0, !cold)
      // Facts are known; whether the queries are is what `cold` decides.
      await db.selectFrom('item').select('id').where('id', '=', -1).cache().execute()
      if (!cold) for (const query of QUERY_NAMES) await QUERIES[query](db).cache().execute()
    }
  }

  #start(number: number, program: (db: Kysely<Rows>) => Promise<void>): void {
    const { db } = this.#dbs[number % this.#dbs.length]!
    this.#running++
    const reader = number < this.#scene.readers.length
    const { exclusive, quiet } = this.#ground
    const points = new StopPoints({ exclusive, reader, waits: quiet !== undefined })
    this.#actors.run({ number, points, query: '' }, () => {
      program(db)
        .catch((error: unknown) => (this.#failure ??= error))
        .finally(() => {
          this.#running--
          this.#events++
        })
    })
  }

  async #read(number: number, db: Kysely<Rows>, reader: Reader): Promise<void> {
    const { within } = this.#scene
    if (within === undefined) return this.#readAll(number, db, reader)
    await db
      .transaction()
      .setIsolationLevel(within)
      .execute((trx) => this.#readAll(number, trx, reader))
  }

  async #readAll(number: number, db: Kysely<Rows>, reader: Reader): Promise<void> {
    const answers = new Map<string, string>()
    for (const query of reader) {
      this.#actors.getStore()!.query = query
      await this.#park({ actor: number, point: 'token', of: query })
      const rows = await QUERIES[query](db).cache().execute()
      const answer = JSON.stringify(rows)
      this.#judge.readEnded(number, answer)
      const before = answers.get(query) ?? answer
      if (this.#scene.within === 'repeatable read' && before !== answer)
        this.#judge.fail(`a snapshot answered ${before} and then ${answer}`)
      answers.set(query, answer)
    }
  }

  #park(step: Step): Promise<void> {
    this.#events++
    return new Promise((go) => this.#parked.set(step.actor, { step, go }))
  }

  async #stopAround<T>(sql: string, execute: () => Promise<T>): Promise<T> {
    const actor = this.#actors.getStore()
    if (actor === undefined) return execute()
    if (ASKS_SESSION.test(sql)) return this.#during(execute)
    const { number, points, query } = actor
    const before = points.before(sql)
    if (before !== undefined && !isOwn(before, query)) await this.#park({ actor: number, point: before, of: query })
    const result = await this.#during(async () => {
      const executed = await execute()
      if (!points.mayCommit(sql)) return executed
      if (this.#ground.quiet === undefined) this.#judge.now(await this.#ground.answers())
      else this.#committed.push(number)
      return executed
    })
    const after = points.after(sql)
    if (after !== undefined && !isOwn(after, query)) await this.#park({ actor: number, point: after, of: query })
    return result
  }

  /** Until everybody has come to a stop, or waits for somebody who has. */
  async #settle(): Promise<void> {
    const { exclusive, quiet } = this.#ground
    if (quiet === undefined) {
      do await setImmediate()
      while (this.#executing.size > 0)
      if (exclusive) await setImmediate()
      return
    }
    for (let calm = 0; calm < 3;) {
      const before = this.#events
      await setImmediate()
      if (calm === 0) await quiet(this.#executing)
      calm = this.#events === before ? calm + 1 : 0
    }
  }

  async #during<T>(work: () => Promise<T>): Promise<T> {
    this.#events++
    const executing = work().finally(() => {
      this.#events++
      this.#executing.delete(executing)
    })
    this.#executing.add(executing)
    return executing
  }

  /** Where somebody waits, nobody could look between the commit that let him go and his own. */
  async #look(actor: number): Promise<void> {
    const committed = this.#committed
    this.#committed = []
    if (committed.length === 0) return
    this.#judge.now(
      await this.#ground.answers(),
      committed.find((each) => each !== actor),
    )
  }

  #enabled(): readonly Step[] {
    const steps = [...this.#parked.values()].map(({ step }) => step).sort((a, b) => a.actor - b.actor)
    return steps.filter((step) => !this.#waits(step))
  }

  #waits(step: Step): boolean {
    if (this.#ground.quiet !== undefined || this.#lockedBy === undefined || this.#lockedBy === step.actor) return false
    // After a commit PostgreSQL is asked what became of it.
    return wantsLock(step) || (this.#ground.exclusive && (step.point === 'database' || step.point === 'invalidate'))
  }

  async #judgeEnd(): Promise<void> {
    if (this.#running > 0) this.#judge.fail(`${this.#running} actors wait for each other`)
    this.#judge.now(await this.#ground.answers())
    this.judged?.(this.#judge)
    for (const [index, { db }] of this.#dbs.entries()) {
      for (const query of QUERY_NAMES) {
        for (const time of ['first', 'second']) {
          const rows = await QUERIES[query](db).cache().execute()
          this.#judge.last(query, `instance ${index}, the ${time} time`, JSON.stringify(rows))
        }
      }
    }
  }
}

/**
 * Asks for so many connections at once, none of which is given back before all are there.
 *
 * @param told each has told its session, so that what is read on it is kept.
 */
async function openAll(db: Kysely<Rows>, count: number, told: boolean): Promise<void> {
  let open!: () => void
  const all = new Promise<void>((resolve) => (open = resolve))
  let left = count
  const one = (): Promise<void> =>
    db.connection().execute(async (held) => {
      if (told) await sql`select 1`.execute(held)
      if (--left === 0) open()
      return all
    })
  await Promise.all(Array.from({ length: count }, one))
}

/** The plugin's question to each new connection: it looks at no row. */
const ASKS_SESSION = /pg_postmaster_start_time/

/** A question of the plugin's own, on behalf of a writer. */
function isOwn(point: Point, query: string): boolean {
  return query === '' && (point === 'database' || point === 'fill')
}

class StoppingRecorder extends Recorder {
  readonly #around: <T>(sql: string, execute: () => Promise<T>) => Promise<T>

  constructor(around: <T>(sql: string, execute: () => Promise<T>) => Promise<T>) {
    super()
    this.#around = around
  }

  override run<T>(sql: string, _parameters: readonly unknown[], execute: () => Promise<T>): Promise<T> {
    return this.#around(sql, execute)
  }
}
