/**
 * Several clients at once, over a driver that delays each statement at random: random reads, writes and transactions. What a read
 * answers must have been true at some moment between the last write that had returned when it began, and its end.
 *
 *     node __test__/oracle/run.ts --clients 4 --db sqlite --steps 5000 --seed 1
 */

import { AsyncLocalStorage } from 'node:async_hooks'

import { sql } from 'kysely'
import type { ControlledTransaction, IsolationLevel, Kysely } from 'kysely'

import { cacheopsPlugin } from '../../ts/index.ts'
import type { Cacheops } from '../../ts/index.ts'
import { canonical } from './compare.ts'
import { errorText, isBusy, textOf } from './concurrent-answer.ts'
import { closeConcurrent, openConcurrent } from './concurrent-databases.ts'
import type { Commit, ConcurrentWorld, Writer } from './concurrent-databases.ts'
import { History } from './concurrent-history.ts'
import { Random } from './random.ts'
import type { Built, Read } from './read-parts.ts'
import { makeReads } from './reads.ts'
import { makeSchema } from './schema.ts'
import { versionOf } from './databases.ts'
import { dialectOf } from './values.ts'
import type { DatabaseName } from './values.ts'
import type { Write } from './write-parts.ts'
import { WriteMaker } from './writes.ts'

export interface ConcurrentOptions {
  readonly database: DatabaseName
  readonly seed: number
  readonly steps: number
  readonly clients: number
  /** steps on one schema. Default: 400. */
  readonly epoch?: number
  /** queries in the pool. Default: 6. */
  readonly reads?: number
  readonly report?: (text: string) => void
}

export interface ConcurrentFigures {
  steps: number
  /** reads outside of transactions, and how many of them the cache answered */
  compared: number
  hits: number
  /** reads in transactions */
  inside: number
  commits: number
  failedWrites: number
  stale: number
  wrong: number
}

class RolledBack extends Error {}

/** Until such a transaction has ended nobody could look. */
const SHUTS_OUT = /truncate|refresh|table lock/

class Found extends Error {
  readonly kind: 'stale' | 'wrong'

  constructor(kind: 'stale' | 'wrong', text: string) {
    super(text)
    this.kind = kind
  }
}

/** Runs epochs until there have been enough steps, or one was wrong. */
export async function runConcurrent(options: ConcurrentOptions): Promise<ConcurrentFigures> {
  const figures: ConcurrentFigures = {
    steps: 0,
    compared: 0,
    hits: 0,
    inside: 0,
    commits: 0,
    failedWrites: 0,
    stale: 0,
    wrong: 0,
  }
  for (let epoch = 0; figures.steps < options.steps; epoch++) {
    try {
      await runEpoch(options, epoch, figures)
    } catch (error) {
      if (!(error instanceof Found)) throw error
      figures[error.kind]++
      const again = `node __test__/oracle/run.ts --clients ${options.clients} --db ${options.database} --seed ${options.seed} --steps ${figures.steps}`
      options.report?.(`==== ${error.kind.toUpperCase()}, epoch ${epoch}\nagain: ${again}\n${error.message}`)
      break
    }
  }
  return figures
}

export function concurrentLine(name: string, figures: ConcurrentFigures, seconds: number): string {
  const told = Object.entries(figures).map(([figure, count]) => `${figure} ${count}`)
  return `${name}, concurrent: ${told.join(', ')}, ${Math.round(figures.steps / seconds)} steps/s`
}

async function runEpoch(options: ConcurrentOptions, number: number, figures: ConcurrentFigures): Promise<void> {
  const random = new Random((Math.imul(options.seed, 1_000_003) + Math.imul(number, 7919)) >>> 0)
  const { database } = options
  const server = database === 'pg' || database === 'postgres.js'
  const target = {
    dialect: dialectOf(database),
    version: await versionOf(database),
    server,
    pooled: server,
    kills: false,
  }
  const schema = makeSchema(random.fork(), target, random.chance(0.5))
  const count = options.reads ?? 6
  const candidates = makeReads(random.fork(), schema, count * CANDIDATES, false)
  const clients = new AsyncLocalStorage<Client>()
  const store = { type: 'embedded', name: `concurrent-${process.pid}-${options.seed}-${number}-${Date.now()}` } as const
  const [one, two] = [cacheopsPlugin({ store }), cacheopsPlugin({ store })]
  // A pool, two pools under one plugin object, two pools with one each.
  const caches = server ? random.pick([[one], [one, one], [one, two]]) : [one, two]
  const world = await openConcurrent(database, schema, caches, random.fork(), () => clients.getStore())
  try {
    for (const cache of [one, two]) cache.on('read', ({ hit, reason }) => void (hit && reason !== '' && figures.hits++))
    for (const db of world.dbs) await fill(db, new WriteMaker(random.fork(), schema))
    const reads = await telling(world, candidates, count)
    const history = await History.begin(world, reads)
    const run = {
      server,
      left: Math.min(options.epoch ?? 400, options.steps - figures.steps),
      figures,
      history,
      world,
      reads,
    }
    await Promise.all(
      Array.from({ length: options.clients }, (_, index) => {
        const at = index % world.dbs.length
        const client = new Client(
          run,
          index,
          world.dbs[at]!,
          caches[at]!,
          random.fork(),
          new WriteMaker(random.fork(), schema),
        )
        return clients.run(client, () => client.work())
      }),
    )
    figures.commits += history.changes
  } finally {
    await world.close()
    for (const cache of [one, two]) await cache.close()
  }
}

/** Statements that the tables are filled with. */
const FILLING = 60
/** Queries to choose one from. */
const CANDIDATES = 6

/** The queries that find something: what changes, changes them more often than others. */
async function telling(world: ConcurrentWorld, candidates: readonly Read[], count: number): Promise<readonly Read[]> {
  const answers = await world.observe(candidates, () => undefined)
  const found = candidates.filter((_read, index) => answers[index] !== '' && !answers[index]!.startsWith('error: '))
  const others = candidates.filter((read) => !found.includes(read))
  return [...found, ...others].slice(0, count)
}

/** Rows to begin with, and the facts. */
async function fill(db: Kysely<any>, writes: WriteMaker): Promise<void> {
  for (let i = 0; i < FILLING; i++) {
    await writes
      .write()
      .run(db)
      .catch(() => undefined)
  }
}

interface Running {
  /** several connections, which wait for each other's locks */
  readonly server: boolean
  left: number
  readonly figures: ConcurrentFigures
  readonly history: History
  readonly world: ConcurrentWorld
  readonly reads: readonly Read[]
}

/** One task that does one thing after the other. */
class Client implements Writer {
  readonly number: number
  /** moments that its statements have made since its write began */
  commits: Commit[] = []
  alone = false
  readonly #run: Running
  readonly #db: Kysely<any>
  readonly #cache: Cacheops
  readonly #random: Random
  readonly #writes: WriteMaker
  readonly #server: boolean

  constructor(run: Running, number: number, db: Kysely<any>, cache: Cacheops, random: Random, writes: WriteMaker) {
    this.#run = run
    this.number = number
    this.#db = db
    this.#cache = cache
    this.#random = random
    this.#writes = writes
    this.#server = run.server
  }

  async work(): Promise<void> {
    const { figures } = this.#run
    while (this.#run.left-- > 0) {
      figures.steps++
      await this.#random.weighted<() => Promise<void>>([
        [60, () => this.#read()],
        [14, () => this.#write('write', (db) => this.#one(db), true)],
        [16, () => this.#write('transaction', (db) => this.#transaction(db))],
        [10, () => this.#write('controlled transaction', (db) => this.#controlled(db))],
      ])()
    }
  }

  /** Nothing but a commit tells others; whether the caller got an error does not matter. */
  async #write(label: string, run: (db: Kysely<any>) => Promise<unknown>, alone = false): Promise<void> {
    const { history, figures } = this.#run
    this.commits = []
    this.alone = alone
    try {
      await run(this.#db)
    } catch (error) {
      if (error instanceof Found) throw error
      if (!(error instanceof RolledBack)) figures.failedWrites++
    }
    this.alone = false
    history.returned(this, label)
  }

  #one(db: Kysely<any>): Promise<unknown> {
    const write = this.#next()
    return write.run(db)
  }

  #next(): Write {
    for (;;) {
      const write = this.#writes.write()
      if (!this.#server || !SHUTS_OUT.test(write.label)) return write
    }
  }

  #transaction(db: Kysely<any>): Promise<unknown> {
    const random = this.#random
    const commits = random.chance(0.7)
    const level = this.#level()
    const builder = level === undefined ? db.transaction() : db.transaction().setIsolationLevel(level)
    return builder.execute(async (trx) => {
      // What a transaction reads before it has written may be kept.
      for (let i = this.#server ? random.below(3) : 0; i > 0; i--) await this.#readInside(trx, level)
      for (let i = random.between(1, 3); i > 0; i--) {
        await this.#one(trx).catch(() => undefined)
        if (random.chance(0.4)) await this.#readInside(trx, level)
      }
      if (!commits) throw new RolledBack()
    })
  }

  async #controlled(db: Kysely<any>): Promise<void> {
    const random = this.#random
    const trx: ControlledTransaction<any, string[]> = await db.startTransaction().execute()
    try {
      for (let i = random.between(2, 5); i > 0; i--) {
        const act = random.weighted<() => Promise<unknown>>([
          [5, () => this.#one(trx)],
          [2, () => sql`savepoint s1`.execute(trx)],
          [2, () => sql`rollback to s1`.execute(trx)],
          [1, () => sql`release s1`.execute(trx)],
          [2, () => this.#readInside(trx)],
        ])
        await act().catch((error: unknown) => {
          if (error instanceof Found) throw error
        })
      }
      await (random.chance(0.7) ? trx.commit() : trx.rollback()).execute()
    } finally {
      if (!trx.isCommitted && !trx.isRolledBack) await trx.rollback().execute()
    }
  }

  async #read(): Promise<void> {
    const { history, reads, figures } = this.#run
    const at = this.#random.below(reads.length)
    const read = reads[at]!
    const began = history.began(at)
    const text = await answer(read, () => this.#execute(this.#db, read))
    if (isBusy(text)) return
    figures.compared++
    const wrong = history.judge(began, text)
    if (wrong !== undefined) throw new Found('stale', `${this.#describe(read)}\n${wrong}`)
  }

  #level(): IsolationLevel | undefined {
    if (!this.#server) return undefined
    return this.#random.weighted([
      [6, undefined],
      [2, 'repeatable read'],
      [1, 'serializable'],
    ] as const)
  }

  /** In a transaction that writes, or sees a snapshot, the cache must not show; in another the answer must be one of now. */
  async #readInside(trx: Kysely<any>, level?: IsolationLevel): Promise<void> {
    const { history } = this.#run
    const read = this.#random.pick(this.#run.reads)
    const moments = history.length
    const text = await answer(read, () => this.#execute(trx, read))
    const truth = await answer(read, () => execute(read.build(trx.withoutPlugins()), trx.withoutPlugins()))
    this.#run.figures.inside++
    if (text === truth || isBusy(text) || isBusy(truth) || truth.includes('25P02')) return
    // Who was chosen to end a deadlock, or came too late.
    if (/^error: (?:40P01|40001)/.test(truth)) return
    // Each statement sees what others have committed meanwhile.
    if (this.#server && level === undefined && history.length > moments) return
    throw new Found(
      'wrong',
      `in a transaction: ${this.#describe(read)}\nanswered: ${text}\nwithout the cache: ${truth}`,
    )
  }

  #execute(db: Kysely<any>, read: Read): Promise<unknown> {
    const built = read.build(db)
    return 'raw' in built ? this.#cache.run(db, built.raw) : built.builder.cache().execute()
  }

  #describe(read: Read): string {
    const built = read.build(this.#db)
    const { sql, parameters } = 'raw' in built ? built.raw.compile(this.#db) : built.builder.compile()
    return `client ${this.number}, read "${read.label}": ${sql} -- ${parameters.map(canonical).join(', ')}`
  }
}

function execute(built: Built, db: Kysely<any>): Promise<unknown> {
  return 'raw' in built ? built.raw.execute(db) : built.builder.execute()
}

async function answer(read: Read, run: () => Promise<unknown>): Promise<string> {
  try {
    return textOf(read, await run())
  } catch (error) {
    return errorText(error)
  }
}

/** What `run.ts` does with `--clients`. */
export async function concurrentMain(values: {
  readonly clients: string
  readonly database: DatabaseName
  readonly seed: string
  readonly steps: string
}): Promise<void> {
  const { database } = values
  const start = performance.now()
  const [clients, seed, steps] = [Number(values.clients), Number(values.seed), Number(values.steps)]
  const report = (text: string): void => console.log(text)
  const figures = await runConcurrent({ database, seed, steps, clients, report })
  console.log(concurrentLine(database, figures, (performance.now() - start) / 1000))
  if (figures.stale + figures.wrong > 0) process.exitCode = 1
  await closeConcurrent()
}
