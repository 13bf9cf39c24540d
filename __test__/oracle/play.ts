import { sql } from 'kysely'
import type { ControlledTransaction, IsolationLevel, Kysely } from 'kysely'

import { noteInPlace } from './stage.ts'
import type { Stage, StageServer } from './stage.ts'
import type { Write } from './write-parts.ts'

/** Who has a transaction. */
export interface Actor {
  readonly on: 'db' | 'second'
  readonly level: IsolationLevel | undefined
}

/** What one of the actors does next; one more than there are actors has no transaction. */
export interface Act {
  readonly actor: number
  readonly kind: 'begin' | 'write' | 'read' | 'savepoint' | 'rollback to' | 'commit' | 'rollback'
  readonly write?: Write
}

type Controlled = ControlledTransaction<any, string[]>

const CHOSEN = new Set(['40P01', '57014'])

/**
 * Acts of several actors, one after the other. One that waits for a lock lets the others go on; what its actor was to do next is
 * done when it has ended. So the same acts have the same outcome on a database and on its twin.
 */
export class Play {
  readonly #stage: Stage
  readonly #server: StageServer
  readonly #actors: readonly Actor[]
  /** those who were chosen to end a deadlock: noted on the database, repeated on the twin */
  readonly #victims: number[]
  readonly #running = new Set<Promise<unknown>>()
  readonly #busy = new Set<number>()
  readonly #pids = new Map<number, number>()
  readonly #open = new Map<number, Controlled>()
  #later: Act[] = []
  #failure: unknown

  constructor(stage: Stage, actors: readonly Actor[], victims: number[]) {
    this.#stage = stage
    this.#server = stage.server!
    this.#actors = actors
    this.#victims = victims
  }

  async run(acts: readonly Act[]): Promise<void> {
    try {
      for (const act of acts) {
        this.#later.push(act)
        await this.#goOn()
      }
      while (this.#failure === undefined && this.#later.length + this.#running.size > 0) {
        const left = this.#later.length
        await this.#goOn()
        if (this.#running.size > 0 && this.#later.length === left) throw new Error('somebody waits for nobody')
      }
    } finally {
      // Whoever waits is let go by whoever does not.
      for (const busy of [false, true]) {
        if (busy) await Promise.all(this.#running)
        for (const [actor, trx] of this.#open)
          if (this.#busy.has(actor) === busy)
            await trx
              .rollback()
              .execute()
              .catch(() => undefined)
      }
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Does what can be done now. */
  async #goOn(): Promise<void> {
    for (let act = this.#next(); act !== undefined && this.#failure === undefined; act = this.#next()) {
      this.#later = this.#later.filter((each) => each !== act)
      this.#start(act)
      await this.#quiet()
    }
    await this.#quiet()
  }

  #next(): Act | undefined {
    return this.#later.find(({ actor }) => !this.#busy.has(actor))
  }

  #start(act: Act): void {
    const { actor } = act
    this.#busy.add(actor)
    const running = this.#act(act)
      .catch((error: unknown) => (this.#failure ??= error))
      .finally(() => {
        this.#busy.delete(actor)
        this.#pids.delete(actor)
        this.#running.delete(running)
      })
    this.#running.add(running)
  }

  async #quiet(): Promise<void> {
    const { locks, endsCircles } = this.#server
    const stuck = await locks.quiet(this.#running, endsCircles ? undefined : (pids) => this.#endCircle(pids))
    this.#know(stuck)
  }

  /** A connection that has come to wait is that of the actor who had been free until then. */
  #know(waiting: readonly number[]): void {
    const known = new Set(this.#pids.values())
    const pids = waiting.filter((pid) => !known.has(pid))
    const actors = [...this.#busy].filter((actor) => !this.#pids.has(actor))
    if (pids.length === 1 && actors.length === 1) this.#pids.set(actors[0]!, pids[0]!)
  }

  async #endCircle(waiting: readonly number[]): Promise<void> {
    this.#know(waiting)
    const [victim] = this.#victims
    const pid = victim === undefined ? waiting[0] : this.#pids.get(victim)
    if (pid === undefined) throw new Error('nobody knows who was chosen')
    this.#victims.shift()
    await this.#server.cancel(pid)
  }

  async #act(act: Act): Promise<void> {
    const { actor, kind, write } = act
    const stage = this.#stage
    const label = write?.label ?? kind
    const trx = this.#open.get(actor)
    if (actor >= this.#actors.length) {
      if (write === undefined) await stage.inside(stage.second)
      else await noteInPlace(stage, label, () => this.#calm(actor, write.run(stage.second)))
      return
    }
    if (kind === 'begin') {
      const { on, level } = this.#actors[actor]!
      const db: Kysely<any> = stage[on]
      const begin = level === undefined ? db.startTransaction() : db.startTransaction().setIsolationLevel(level)
      this.#open.set(actor, (await begin.execute()) as Controlled)
    } else if (trx === undefined) return
    else if (kind === 'read') await stage.inside(trx)
    else {
      const run = (): Promise<unknown> => {
        if (write !== undefined) return write.run(trx)
        if (kind === 'savepoint') return sql`savepoint s`.execute(trx)
        if (kind === 'rollback to') return sql`rollback to s`.execute(trx)
        this.#open.delete(actor)
        return (kind === 'commit' ? trx.commit() : trx.rollback()).execute()
      }
      await noteInPlace(stage, label, () => this.#calm(actor, run()))
      // A commit that was refused has rolled back, but Kysely still holds the connection.
      if (kind === 'commit' && !trx.isCommitted && !trx.isRolledBack) await trx.rollback().execute()
    }
  }

  /** Who was chosen is the server's business, and how it says so tells numbers of processes. */
  async #calm(actor: number, run: Promise<unknown>): Promise<unknown> {
    try {
      return await run
    } catch (error) {
      if (!CHOSEN.has(String((error as { code?: unknown }).code))) throw error
      if (this.#server.endsCircles) this.#victims.push(actor)
      throw new Error('chosen', { cause: undefined })
    }
  }
}
