import { sql } from 'kysely'
import type { Kysely } from 'kysely'

import type { Random } from './random.ts'
import { quoted } from './tables.ts'
import type { Schema } from './tables.ts'
import { note } from './stage.ts'
import type { Stage, Step } from './stage.ts'
import { valueOf } from './values.ts'
import type { WriteMaker } from './writes.ts'

/** Steps about what a connection remembers, and about what the cache is told. */
export class SessionSteps {
  readonly #random: Random
  readonly #schema: Schema
  readonly #writes: WriteMaker

  constructor(random: Random, schema: Schema, writes: WriteMaker) {
    this.#random = random
    this.#schema = schema
    this.#writes = writes
  }

  /** A transaction all in words of the user, with savepoints of the same name one within another. */
  words(): Step {
    const random = this.#random
    const postgres = this.#schema.dialect === 'postgres'
    const name = (): string => random.pick(['a', 'A', '"a"', 'b'])
    const texts = Array.from({ length: random.between(2, 8) }, () =>
      random.weighted<() => string | undefined>([
        [6, () => undefined],
        [3, () => `${random.pick(['savepoint', 'SAVEPOINT', 'savepoint /* x */'])} ${name()}`],
        [
          2,
          () =>
            `${random.pick(postgres ? ['rollback to', 'rollback to savepoint', 'rollback work to', 'ROLLBACK TRANSACTION TO SAVEPOINT'] : ['rollback to', 'rollback transaction to', 'ROLLBACK TO SAVEPOINT'])} ${name()}`,
        ],
        [2, () => `${random.pick(['release', 'release savepoint', 'RELEASE'])} ${name()}`],
        [postgres ? 1 : 0, () => random.pick(['commit and chain', 'rollback and chain'])],
      ])(),
    )
    const actions = texts.map((text) => (text === undefined ? this.#writes.write() : text))
    const begin = random.pick(
      postgres
        ? ['begin', 'begin work', 'start transaction isolation level serializable', 'begin read write']
        : ['begin', 'begin deferred', 'begin exclusive', 'savepoint a'],
    )
    const end = random.pick(
      postgres
        ? ['commit', 'end', 'end transaction', 'rollback', 'abort', 'commit work']
        : begin.startsWith('savepoint')
          ? ['release a', 'rollback', 'commit']
          : ['commit', 'end transaction', 'rollback', 'rollback transaction', ' COMMIT ;'],
    )
    const pinned = random.chance(0.7) || this.#schema.pooled
    const body = async (stage: Stage, db: Kysely<any>): Promise<void> => {
      await note(stage, begin, () => sql.raw(begin).execute(db))
      for (const action of actions) {
        if (typeof action === 'string') await note(stage, action, () => sql.raw(action).execute(db))
        else await note(stage, action.label, () => action.run(db))
        await (pinned ? stage.inside(db) : stage.between())
      }
      await note(stage, end, () => sql.raw(end).execute(db))
      // Whatever is still open must not reach the next step.
      await note(stage, 'rollback', () => sql.raw('rollback').execute(db))
    }
    return {
      label: `words (${begin}, ${actions.map((action) => (typeof action === 'string' ? action : action.label)).join(', ')}, ${end})`,
      run: (stage) => (pinned ? stage.db.connection().execute((db) => body(stage, db)) : body(stage, stage.db)),
    }
  }

  /** A setting, a write and reads under it, and the setting back. */
  setting(): Step {
    const random = this.#random
    const postgres = this.#schema.dialect === 'postgres'
    const write = this.#writes.write()
    const [set, back] = random.pick<readonly [string, string]>(
      postgres
        ? [
            ['set search_path = "alt", public', 'reset search_path'],
            ["select set_config('search_path', 'alt, public', false)", 'reset search_path'],
            ["set timezone = 'Asia/Tokyo'", 'reset timezone'],
            ["set datestyle = 'German'", 'reset datestyle'],
            ["set bytea_output = 'escape'", 'reset all'],
            ["set default_transaction_isolation = 'repeatable read'", 'reset default_transaction_isolation'],
            ['set session_replication_role = replica', 'reset session_replication_role'],
            ['set role "oracle_reader"', 'reset role'],
          ]
        : [
            ['pragma case_sensitive_like = 1', 'pragma case_sensitive_like = 0'],
            ['pragma recursive_triggers = on', 'pragma recursive_triggers = off'],
            ['pragma reverse_unordered_selects = on', 'pragma reverse_unordered_selects = off'],
            ['pragma ignore_check_constraints = on', 'pragma ignore_check_constraints = off'],
          ],
    )
    return {
      label: `${set}, ${write.label}`,
      run: (stage) =>
        this.#onOne(stage, async (db) => {
          await note(stage, 'set', () => sql.raw(set).execute(db))
          await stage.inside(db)
          await note(stage, write.label, () => write.run(db))
          await stage.inside(db)
          await note(stage, 'back', () => sql.raw(back).execute(db))
        }),
    }
  }

  /** What a connection remembers must meet it again. */
  #onOne(stage: Stage, body: (db: Kysely<any>) => Promise<void>): Promise<void> {
    return this.#schema.pooled ? stage.db.connection().execute(body) : body(stage.db)
  }

  /** The same, until a transaction ends. */
  settingInTransaction(): Step {
    const random = this.#random
    const write = this.#writes.write()
    const set = random.pick(
      this.#schema.dialect === 'postgres'
        ? [
            'set local search_path = "alt", public',
            "select set_config('search_path', 'alt, public', true)",
            "set local timezone = 'Asia/Tokyo'",
            'set local role "oracle_reader"',
            'set constraints all deferred',
            'set constraints all immediate',
            'set transaction read only',
            'set local session_replication_role = replica',
          ]
        : this.#schema.settings
          ? ['pragma defer_foreign_keys = on', 'pragma foreign_keys = off']
          : ['pragma foreign_keys = off'],
    )
    const commits = random.chance(0.6)
    return {
      label: `${set} in a transaction, ${write.label}, ${commits ? 'committed' : 'rolled back'}`,
      run: async (stage) => {
        await note(stage, 'transaction', () =>
          stage.db.transaction().execute(async (trx) => {
            await note(stage, set, () => sql.raw(set).execute(trx))
            await stage.inside(trx)
            await note(stage, write.label, () => write.run(trx))
            await stage.inside(trx)
            if (!commits) throw new Error('rolled back')
          }),
        )
      },
    }
  }

  /** A temporary table that hides another, for a while. */
  shadow(): Step {
    const random = this.#random
    const postgres = this.#schema.dialect === 'postgres'
    const table = random.pick(this.#schema.tables)
    const name = quoted(table.name)
    const writes = [this.#writes.write(), this.#writes.write()]
    const create = `create ${random.pick(['temp', 'temporary'])} table ${name} as select * from ${postgres ? 'public' : 'main'}.${name}${random.pick(['', ' limit 1'])}`
    const drop = `drop table ${postgres ? 'pg_temp' : 'temp'}.${name}`
    const inTransaction = random.chance(0.3)
    const body = async (stage: Stage, db: Kysely<any>): Promise<void> => {
      await note(stage, 'create', () => sql.raw(create).execute(db))
      for (const write of writes) {
        await note(stage, write.label, () => write.run(db))
        await stage.inside(db)
      }
      await note(stage, 'drop', () => sql.raw(drop).execute(db))
    }
    return {
      label: `temporary table (${writes.map(({ label }) => label).join(', ')})${inTransaction ? ', in a transaction' : ''}`,
      run: async (stage) => {
        if (inTransaction)
          await note(stage, 'transaction', () => stage.db.transaction().execute((trx) => body(stage, trx)))
        else await this.#onOne(stage, (db) => body(stage, db))
      },
    }
  }

  /** What the cache is told; the twin has none. */
  told(): Step {
    const random = this.#random
    const table = random.pick(this.#schema.tables)
    const some = random.some(table.columns, 0.5)
    const row = Object.fromEntries(
      some.map(({ name, kind }) => [name, valueOf(random, this.#schema.dialect, kind, { odd: 0 })]),
    )
    const order = random.pick([
      { kind: 'table', table: table.name },
      { kind: 'row', table: table.name, row },
      { kind: 'all' },
      { kind: 'vary', value: random.pick(['a', 'b', undefined]) },
      { kind: 'vary', value: random.pick(['a', 'b', undefined]) },
      { kind: 'switch', on: random.chance(0.6) },
    ] as const)
    const write = this.#writes.write()
    const [before, inTransaction] = [random.chance(0.5), random.chance(0.3)]
    const body = async (stage: Stage, db: Kysely<any>): Promise<void> => {
      if (before) await stage.tell(order, db)
      await note(stage, write.label, () => write.run(db))
      if (!before) await stage.tell(order, db)
    }
    return {
      label: `told of ${order.kind}, ${write.label}${inTransaction ? ', in a transaction' : ''}`,
      run: async (stage) => {
        if (inTransaction)
          await note(stage, 'transaction', () => stage.db.transaction().execute((trx) => body(stage, trx)))
        else await body(stage, stage.db)
      },
    }
  }
}
