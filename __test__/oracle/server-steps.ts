import { sql } from 'kysely'
import type { Kysely } from 'kysely'

import { Play } from './play.ts'
import type { Act, Actor } from './play.ts'
import type { Random } from './random.ts'
import { note, noteInPlace } from './stage.ts'
import type { StageServer, Step } from './stage.ts'
import type { Schema } from './tables.ts'
import type { Write } from './write-parts.ts'
import type { WriteMaker } from './writes.ts'

/** Steps that need several connections to a server. */
export class ServerSteps {
  readonly #random: Random
  readonly #schema: Schema
  readonly #writes: WriteMaker

  constructor(random: Random, schema: Schema, writes: WriteMaker) {
    this.#random = random
    this.#schema = schema
    this.#writes = writes
  }

  /** Two transactions and somebody without one, step by step; some wait for others, and some for each other. */
  interleaved(): Step {
    const random = this.#random
    const actors: Actor[] = [
      { on: 'db', level: this.#level() },
      { on: this.#schema.pooled && random.chance(0.5) ? 'db' : 'second', level: this.#level() },
    ]
    // What one has written is what the other meets.
    const pool = [this.#writes.write(), this.#writes.write()]
    const write = (): Write => (random.chance(0.6) ? random.pick(pool) : this.#writes.write())
    const scripts: Act[][] = actors.map((_, actor) => [
      { actor, kind: 'begin' },
      ...Array.from({ length: random.between(1, 4) }, () =>
        random.weighted<() => Act>([
          [5, () => ({ actor, kind: 'write', write: write() })],
          [3, () => ({ actor, kind: 'read' })],
          [1, () => ({ actor, kind: 'savepoint' })],
          [1, () => ({ actor, kind: 'rollback to' })],
        ])(),
      ),
      { actor, kind: random.chance(0.75) ? 'commit' : 'rollback' },
    ])
    scripts.push(
      Array.from({ length: random.below(4) }, () =>
        random.chance(0.4) ? { actor: 2, kind: 'write', write: write() } : { actor: 2, kind: 'read' },
      ),
    )
    const acts: Act[] = []
    for (let left = scripts; (left = left.filter(({ length }) => length > 0)).length > 0;)
      acts.push(random.pick(left).shift()!)
    const victims: number[] = []
    const told = acts.map(({ actor, kind, write: of }) => `${'ABc'[actor]} ${of?.label ?? kind}`).join(', ')
    return {
      label: `interleaved ${actors.map(({ on, level }) => `${on} ${level ?? 'default'}`).join(' and ')} (${told})`,
      run: (stage) => new Play(stage, actors, victims).run(acts),
    }
  }

  #level(): Actor['level'] {
    return this.#random.weighted([
      [4, undefined],
      [1, 'read committed'],
      [3, 'repeatable read'],
      [3, 'serializable'],
    ] as const)
  }

  /** A statement that is ended from outside, or its whole connection. */
  broken(): Step {
    const [first, then] = [this.#writes.write(), this.#writes.write()]
    const random = this.#random
    const kills = this.#schema.kills ? 1 : 0
    return random.weighted<() => Step>([
      [1, () => this.#killedIdle(then)],
      [kills, () => this.#killedOpen(first, then, random.chance(0.5))],
      [1, () => this.#endedWaiting(first, random.chance(0.5) && kills === 1 ? 'kill' : 'cancel')],
      [1, () => this.#timedOut(first, then, random.pick(['statement_timeout', 'lock_timeout']))],
    ])()
  }

  #killedIdle(then: Write): Step {
    return {
      label: `a killed idle connection, ${then.label}`,
      run: async (stage) => {
        await stage.server!.kill(await pidOf(stage.db))
        await recover(stage.db)
        await note(stage, then.label, () => then.run(stage.db))
      },
    }
  }

  /** @param again the connection is used before the commit that will fail. */
  #killedOpen(first: Write, then: Write, again: boolean): Step {
    return {
      label: `a connection killed in a transaction (${first.label}${again ? `, ${then.label}` : ''})`,
      run: async (stage) => {
        await note(stage, 'transaction', () =>
          lost(
            stage.db.transaction().execute(async (trx) => {
              const pid = await pidOf(trx)
              await note(stage, first.label, () => first.run(trx))
              await stage.inside(trx)
              await stage.server!.kill(pid)
              if (again) await then.run(trx)
            }),
          ),
        )
        await recover(stage.db)
      },
    }
  }

  /** A statement that commits by itself waits for a row. */
  #endedWaiting(write: Write, how: 'kill' | 'cancel'): Step {
    return {
      label: `${how} of a waiting ${write.label}`,
      run: async (stage) => {
        await stage.second.transaction().execute(async (trx) => {
          await note(stage, `first ${write.label}`, () => write.run(trx))
          await whileWaiting(
            stage.server!,
            noteInPlace(stage, write.label, () => lost(write.run(stage.db))),
            (pid) => stage.server![how](pid),
          )
        })
        await recover(stage.db)
      },
    }
  }

  /** In a transaction that goes on all the same. */
  #timedOut(first: Write, then: Write, setting: 'statement_timeout' | 'lock_timeout'): Step {
    const commits = this.#random.chance(0.7)
    return {
      label: `${setting} (${first.label}, ${then.label}) ${commits ? 'committed' : 'rolled back'}`,
      run: async (stage) => {
        await note(stage, 'transaction', () =>
          stage.second.transaction().execute(async (other) => {
            await note(stage, `first ${first.label}`, () => first.run(other))
            // NOTE: noted by itself: an error of a transaction that had failed makes Kysely forget to end the one around it.
            await note(stage, 'waiting transaction', () =>
              stage.db.transaction().execute(async (trx) => {
                await stage.inside(trx)
                await sql`savepoint waiting`.execute(trx)
                await sql.raw(`set local ${setting} = 30`).execute(trx)
                await note(stage, `waiting ${first.label}`, () => first.run(trx))
                if (setting === 'statement_timeout')
                  await note(stage, 'sleep', () => sql`select pg_sleep(9)`.execute(trx))
                await sql`rollback to waiting`.execute(trx)
                await sql.raw(`set local ${setting} = 30`).execute(trx)
                await note(stage, then.label, () => then.run(trx))
                if (!commits) throw new Error('rolled back')
              }),
            )
          }),
        )
      },
    }
  }
}

/** What a connection that is gone says of it depends on who was faster. */
class Lost extends Error {}

const GONE = /terminat|closed|ECONNRESET|EPIPE|57P01|57014|not queryable|CONNECTION_/i

async function lost<T>(run: Promise<T>): Promise<T> {
  try {
    return await run
  } catch (error) {
    const { message, code } = error as Error & { code?: unknown }
    throw GONE.test(`${message} ${String(code)}`) ? new Lost('lost') : error
  }
}

async function pidOf(db: Kysely<any>): Promise<number> {
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db)
  const [row] = rows
  return Number(row!.pid)
}

/** Until the pool has noticed. */
async function recover(db: Kysely<any>): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const alive = await sql`select 1`.execute(db).then(
      () => true,
      () => false,
    )
    if (alive) return
  }
  throw new Error('no connection comes back')
}

/** Ends a statement that waits, or waits for one that does not. */
async function whileWaiting(
  { locks }: StageServer,
  statement: Promise<unknown>,
  end: (pid: number) => Promise<void>,
): Promise<void> {
  const running = new Set([statement])
  void statement.finally(() => running.delete(statement))
  const [pid] = await locks.quiet(running)
  if (pid !== undefined) await end(pid)
  await statement
}
