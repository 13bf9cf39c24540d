import { sql } from 'kysely'
import type { ControlledTransaction, Kysely, Transaction } from 'kysely'

import { KEEPS_CONNECTIONS } from '../support/kysely.ts'
import { DdlMaker } from './ddl.ts'
import type { Random } from './random.ts'
import { note } from './stage.ts'
import type { Stage, Step } from './stage.ts'
import type { Schema } from './tables.ts'
import type { Write } from './write-parts.ts'
import { ServerSteps } from './server-steps.ts'
import { SessionSteps } from './session-steps.ts'
import { WriteMaker } from './writes.ts'

export function makeSteps(random: Random, schema: Schema, count: number, named: readonly string[] = []): Step[] {
  const maker = new StepMaker(random, schema, named)
  return Array.from({ length: count }, () => maker.step())
}

class RolledBack extends Error {}

class StepMaker {
  readonly #random: Random
  readonly #schema: Schema
  readonly #writes: WriteMaker
  readonly #ddls: DdlMaker
  readonly #session: SessionSteps
  readonly #server: ServerSteps

  constructor(random: Random, schema: Schema, named: readonly string[]) {
    this.#random = random
    this.#schema = schema
    this.#writes = new WriteMaker(random, schema)
    this.#ddls = new DdlMaker(random, schema, named)
    this.#session = new SessionSteps(random, schema, this.#writes)
    this.#server = new ServerSteps(random, schema, this.#writes)
  }

  step(): Step {
    const sqlite = this.#schema.dialect === 'sqlite'
    return this.#random.weighted<() => Step>([
      [60, () => this.#single()],
      [3, () => this.#elsewhere('second')],
      [3, () => this.#elsewhere('withoutPlugins')],
      [1, () => this.#elsewhere('withSchema')],
      [3, () => this.#pinned()],
      [8, () => this.#transaction()],
      [6, () => this.#controlled()],
      [3, () => this.#rawTransaction()],
      [6, () => this.#concurrent()],
      [3, () => this.#ddl()],
      [1, () => this.#ddlInTransaction()],
      [3, () => this.#session.words()],
      // After some of these nothing is cached any more on the connection.
      [this.#schema.settings ? 1 : 0, () => this.#session.setting()],
      [1, () => this.#session.settingInTransaction()],
      [1, () => this.#session.shadow()],
      [3, () => this.#session.told()],
      [sqlite && !this.#chained() ? 1 : 0, () => this.#pragma()],
      [1, () => this.#inert()],
      [this.#schema.server ? 16 : 0, () => this.#server.interleaved()],
      [this.#schema.server ? 6 : 0, () => this.#server.broken()],
    ])()
  }

  #list(most: number): Write[] {
    return Array.from({ length: this.#random.between(1, most) }, () => this.#writes.write())
  }

  #single(): Step {
    const write = this.#random.chance(0.5) ? (this.#writes.owed ?? this.#writes.write()) : this.#writes.write()
    if (write === this.#writes.owed) this.#writes.owed = undefined
    return {
      label: write.label,
      run: async (stage) => {
        await note(stage, write.label, () => write.run(stage.db))
      },
    }
  }

  #elsewhere(where: 'second' | 'withoutPlugins' | 'withSchema'): Step {
    const write = this.#writes.write()
    const schema = this.#schema.dialect === 'postgres' ? 'public' : 'main'
    return {
      label: `${write.label}, ${where}`,
      run: async (stage) => {
        const db =
          where === 'second'
            ? stage.second
            : where === 'withSchema'
              ? stage.db.withSchema(schema)
              : stage.db.withoutPlugins()
        await note(stage, write.label, () => write.run(db))
      },
    }
  }

  #pinned(): Step {
    const writes = this.#list(3)
    return {
      label: `pinned (${writes.map(({ label }) => label).join(', ')})`,
      run: (stage) =>
        stage.db.connection().execute(async (db) => {
          for (const write of writes) {
            await note(stage, write.label, () => write.run(db))
            await stage.inside(db)
          }
        }),
    }
  }

  #transaction(): Step {
    const random = this.#random
    const writes = this.#list(3)
    const [commits, readsFirst, pinned] = [random.chance(0.65), random.chance(0.5), random.chance(0.15)]
    const level =
      this.#schema.dialect === 'postgres' && random.chance(0.3)
        ? random.pick(['repeatable read', 'serializable', 'read committed', 'read uncommitted'] as const)
        : undefined
    const built = random.chance(0.5)
    const readOnly = this.#schema.dialect === 'postgres' && random.chance(0.05)
    const body = async (stage: Stage, trx: Transaction<any>): Promise<void> => {
      if (level !== undefined && !built) await sql`set transaction isolation level ${sql.raw(level)}`.execute(trx)
      if (readsFirst) await stage.inside(trx)
      for (const write of writes) {
        await note(stage, write.label, () => write.run(trx))
        await stage.inside(trx)
      }
      if (!commits) throw new RolledBack()
    }
    return {
      label: `transaction${readOnly ? ' read only' : ''} ${commits ? 'committed' : 'rolled back'} (${writes.map(({ label }) => label).join(', ')})`,
      run: async (stage) => {
        const run = (db: Kysely<any>): Promise<unknown> => {
          let builder = db.transaction()
          if (level !== undefined && built) builder = builder.setIsolationLevel(level)
          if (readOnly) builder = builder.setAccessMode('read only')
          return builder.execute((trx) => body(stage, trx))
        }
        await note(stage, 'transaction', () => (pinned ? stage.db.connection().execute(run) : run(stage.db)))
      },
    }
  }

  #controlled(): Step {
    const random = this.#random
    const actions = Array.from({ length: random.between(2, 6) }, () => {
      const write = this.#writes.write()
      return random.weighted<{ label: string; write?: Write; name: string }>([
        [5, { label: 'write', write, name: '' }],
        [2, { label: 'savepoint', name: random.pick(['s1', 's2']) }],
        [2, { label: 'rollback to', name: random.pick(['s1', 's2']) }],
        [1, { label: 'release', name: random.pick(['s1', 's2']) }],
      ])
    })
    const commits = random.chance(0.65)
    const run = async (stage: Stage): Promise<void> => {
      const trx: ControlledTransaction<any, string[]> = await stage.db.startTransaction().execute()
      try {
        await act(stage, trx)
      } catch (error) {
        if (!trx.isCommitted && !trx.isRolledBack) await trx.rollback().execute()
        throw error
      }
    }
    const act = async (stage: Stage, trx: ControlledTransaction<any, string[]>): Promise<void> => {
      for (const { label, write, name } of actions) {
        // Kysely's types know which savepoints there are; a chain of random ones does not.
        const any = trx as any
        if (write !== undefined) await note(stage, write.label, () => write.run(trx))
        else if (label === 'savepoint')
          await note(stage, label, () =>
            any
              .savepoint(name)
              .execute()
              .then(() => null),
          )
        else if (label === 'rollback to')
          await note(stage, label, () =>
            any
              .rollbackToSavepoint(name)
              .execute()
              .then(() => null),
          )
        else
          await note(stage, label, () =>
            any
              .releaseSavepoint(name)
              .execute()
              .then(() => null),
          )
        await stage.inside(trx)
      }
      const ended = await note(stage, 'end', () => (commits ? trx.commit() : trx.rollback()).execute())
      if (ended || trx.isCommitted || trx.isRolledBack) return
      const rolledBack = await note(stage, 'rollback', () => trx.rollback().execute())
      if (rolledBack || !KEEPS_CONNECTIONS) return
      await sql`begin`.execute(trx)
      await trx.rollback().execute()
    }
    return {
      label: `controlled transaction ${commits ? 'committed' : 'rolled back'} (${actions.map(({ label, write, name }) => write?.label ?? `${label} ${name}`).join(', ')})`,
      run,
    }
  }

  /** BEGIN and COMMIT as statements of the user, on whatever connection there is. */
  #rawTransaction(): Step {
    const random = this.#random
    const writes = this.#list(3)
    const pinned = random.chance(0.5) || this.#schema.pooled
    const begin =
      this.#schema.dialect === 'sqlite'
        ? random.pick(['begin', 'BEGIN IMMEDIATE', 'begin transaction', 'savepoint outermost'])
        : random.pick(['begin', 'START TRANSACTION', 'begin isolation level repeatable read'])
    const commits = random.chance(0.65)
    const outer = begin.startsWith('savepoint')
    const end = commits
      ? outer
        ? 'release outermost'
        : random.pick(['commit', 'COMMIT', 'end'])
      : outer
        ? 'rollback to outermost'
        : random.pick(['rollback', 'ROLLBACK'])
    const body = async (stage: Stage, db: Kysely<any>): Promise<void> => {
      await note(stage, begin, () => sql.raw(begin).execute(db))
      for (const write of writes) {
        await note(stage, write.label, () => write.run(db))
        if (pinned) await stage.inside(db)
        else await stage.between()
      }
      const ended = await note(stage, end, () => sql.raw(end).execute(db))
      // SQLite leaves a transaction open that it could not commit.
      if (!ended) await note(stage, 'rollback', () => sql.raw('rollback').execute(db))
      if (outer && !commits) await note(stage, 'release', () => sql.raw('release outermost').execute(db))
    }
    return {
      label: `raw ${begin}${pinned ? ', pinned' : ''}, ${end} (${writes.map(({ label }) => label).join(', ')})`,
      run: (stage) => (pinned ? stage.db.connection().execute((db) => body(stage, db)) : body(stage, stage.db)),
    }
  }

  /** Reads under way while a write happens: what they keep must not outlive it. */
  #concurrent(): Step {
    const write = this.#writes.write()
    const rollsBack = this.#random.weighted<boolean | undefined>([
      [4, undefined],
      [1, true],
      [1, false],
    ])
    return {
      label: `concurrent ${write.label}${rollsBack === undefined ? '' : rollsBack ? ', rolled back' : ', in a transaction'}`,
      run: async (stage) => {
        const before = stage.concurrently()
        const written = note(stage, write.label, () =>
          rollsBack === undefined
            ? write.run(stage.db)
            : stage.db.transaction().execute(async (trx) => {
                await write.run(trx)
                if (rollsBack) throw new RolledBack()
              }),
        )
        const during = stage.concurrently()
        await Promise.allSettled([...before, written, ...during])
      },
    }
  }

  #ddl(): Step {
    const ddl = this.#ddls.statement()
    const second = this.#random.chance(0.2)
    return {
      label: second ? 'ddl, second' : 'ddl',
      run: async (stage) => {
        await note(stage, 'ddl', () => ddl.run(second ? stage.second : stage.db))
      },
    }
  }

  #ddlInTransaction(): Step {
    const [ddl, write] = [this.#ddls.statement(), this.#writes.write()]
    const commits = this.#random.chance(0.5)
    return {
      label: `ddl and ${write.label} in a transaction ${commits ? 'committed' : 'rolled back'}`,
      run: async (stage) => {
        await note(stage, 'transaction', () =>
          stage.db.transaction().execute(async (trx) => {
            await note(stage, 'ddl', () => ddl.run(trx))
            await stage.inside(trx)
            await note(stage, write.label, () => write.run(trx))
            await stage.inside(trx)
            if (!commits) throw new RolledBack()
          }),
        )
      },
    }
  }

  /**
   * A table that both has and is a parent. Rows without parents make SQLite judge an INSERT … RETURNING of such a table otherwise than
   * an INSERT: it counts violations, and a row that mends one may make one.
   */
  #chained(): boolean {
    const { tables } = this.#schema
    return tables.some(
      (table) =>
        table.foreign.length > 0 && tables.some(({ foreign }) => foreign.some(({ parent }) => parent === table)),
    )
  }

  /** Without foreign keys nothing cascades, for one write. */
  #pragma(): Step {
    const write = this.#writes.write()
    return {
      label: `${write.label} without foreign keys`,
      run: async (stage) => {
        await sql`pragma foreign_keys = off`.execute(stage.db)
        await note(stage, write.label, () => write.run(stage.db))
        await sql`pragma foreign_keys = on`.execute(stage.db)
      },
    }
  }

  #inert(): Step {
    const text = this.#random.pick(
      this.#schema.dialect === 'sqlite'
        ? ['analyze', 'pragma user_version', 'vacuum', 'reindex']
        : ['analyze', 'set work_mem = 4096', "set application_name = 'x'", 'explain select 1', 'checkpoint'],
    )
    return {
      label: text,
      run: async (stage) => {
        try {
          await sql.raw(text).execute(stage.db)
        } catch {
          // What matters is what the cache thinks of it.
        }
      },
    }
  }
}
