import { setImmediate } from 'node:timers/promises'

import test from 'ava'
import { Kysely, PGliteDialect } from 'kysely'
import type { LogEvent } from 'kysely'
import { Migrator } from 'kysely/migration'
import type { Migration } from 'kysely/migration'

import { describe, outcomeOf, spoil } from '../support/describe.ts'
import { KNOWS_STRATEGIES } from '../support/kysely.ts'
import { isPostgres, sharedPglite } from '../support/servers.ts'
import { gather } from './case.ts'
import { expectSameEffects } from './effects.ts'
import { DRIVERS, openTwins } from './twins.ts'
import type { Db, Twins } from './twins.ts'
import type { Calls } from './write-cases.ts'

// What a Kysely instance does besides executing queries: logs, migrations, introspection, streams, signals, its end.

const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ caught: error }),
  )

const genres = (db: Db) => db.selectFrom('genre').selectAll().orderBy('id')

/** A migrator whose folder is a table of functions; its clock must not be compared. */
function migrator(db: Db, migrations: Record<string, Migration>): Migrator {
  return new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } })
}

const MIGRATIONS: Record<string, Migration> = {
  '1-table': {
    up: (db) =>
      db.schema
        .createTable('migrated')
        .addColumn('id', 'integer', (col) => col.primaryKey())
        .execute(),
    down: (db) => db.schema.dropTable('migrated').execute(),
  },
  '2-rows': {
    up: async (db: Db) => {
      await db
        .insertInto('migrated')
        .values([{ id: 1 }, { id: 2 }])
        .execute()
      await db.updateTable('genre').set({ name: 'migrated' }).where('id', '=', 1).execute()
    },
    down: async (db: Db) => {
      await db.deleteFrom('migrated').execute()
      await db.updateTable('genre').set({ name: 'Jazz' }).where('id', '=', 1).execute()
    },
  },
}

const WRONG: Record<string, Migration> = {
  ...MIGRATIONS,
  '3-wrong': {
    async up(db: Db) {
      await db.updateTable('genre').set({ name: 'half' }).where('id', '=', 2).execute()
      await db.insertInto('nope').values({ id: 1 }).execute()
    },
  },
}

/** What migrations left behind, and then nothing of it. */
async function migrated(db: Db, results: unknown[]): Promise<unknown> {
  const tables = (await db.introspection.getTables({ withInternalKyselyTables: true })).map(({ name }) => name).sort()
  const names = await caught(db.selectFrom('kysely_migration').select('name').orderBy('name').execute())
  const rows = await caught(db.selectFrom('migrated').selectAll().orderBy('id').execute())
  for (const table of ['migrated', 'kysely_migration', 'kysely_migration_lock']) {
    await db.schema.dropTable(table).ifExists().execute()
  }
  return [...results, tables, names, rows]
}

const INSTANCE: Calls = {
  'migrations up': async (db) => migrated(db, [await migrator(db, MIGRATIONS).migrateToLatest()]),
  'migrations up and down': async (db) => {
    const one = migrator(db, MIGRATIONS)
    return migrated(db, [
      await one.migrateToLatest(),
      await one.migrateDown(),
      await one.migrateDown(),
      await one.migrateUp(),
    ])
  },
  'a migration that fails': async (db) => migrated(db, [await migrator(db, WRONG).migrateToLatest()]),
  'migrations that are known': async (db) => {
    const one = migrator(db, MIGRATIONS)
    await one.migrateUp()
    const known = (await one.getMigrations()).map(({ name, executedAt }) => [name, executedAt instanceof Date])
    return migrated(db, known)
  },
  'introspection of tables': (db) => db.introspection.getTables(),
  'introspection of schemas': (db) => db.introspection.getSchemas(),
  'a table is made, filled, changed and dropped': async (db) => [
    await db.schema
      .createTable('made')
      .addColumn('id', 'integer', (col) => col.primaryKey())
      .execute(),
    await db.insertInto('made').values({ id: 1 }).executeTakeFirst(),
    await db.selectFrom('made').selectAll().execute(),
    await db.schema
      .alterTable('made')
      .addColumn('v', 'text', (col) => col.defaultTo('new'))
      .execute(),
    await db.selectFrom('made').selectAll().execute(),
    await db.schema.createIndex('made_v').on('made').column('v').execute(),
    await db.schema.alterTable('made').renameColumn('v', 'w').execute(),
    await db.selectFrom('made').selectAll().execute(),
    await db.schema.dropTable('made').execute(),
    await caught(db.selectFrom('made').selectAll().execute()),
  ],
  'a view is made and dropped': async (db) => {
    await db.schema.createView('quiet').as(db.selectFrom('genre').select('name')).execute()
    const seen = await db.selectFrom('quiet').selectAll().execute()
    await db.schema.dropView('quiet').execute()
    return [seen, await caught(db.selectFrom('quiet').selectAll().execute())]
  },
  // SQLite's first row tells how often the connection has read the schema.
  'an explanation': async (db) => (await genres(db).explain()).filter(({ opcode }) => opcode !== 'Transaction'),
  'an explanation of a write': (db) => db.deleteFrom('track').where('id', '=', 1).explain(),
  'an explanation of something wrong': (db) => db.selectFrom('nope').selectAll().explain(),
  'what an instance is': (db) =>
    Promise.resolve([db.isTransaction, db.constructor.name, Symbol.asyncDispose in db, Object.keys(db)]),
  'what a compiled query is': (db) => {
    const { sql: text, parameters, query } = genres(db).where('id', '=', 1).compile()
    return Promise.resolve([text, parameters, query])
  },
  'a stream': (db) => gather(genres(db).stream()),
  'a stream in chunks': (db) => gather(db.selectFrom('kind').selectAll().orderBy('id').stream(2)),
  'a stream that is left early': async (db) => {
    const seen: unknown[] = []
    for await (const row of genres(db).stream(1)) {
      seen.push(row)
      if (seen.length === 2) break
    }
    return [seen, await genres(db).execute()]
  },
  'a stream whose reader throws': async (db) => {
    for await (const row of genres(db).stream(1)) throw new RangeError(`own ${String(row !== undefined)}`)
  },
  'a stream of something wrong': (db) => gather(db.selectFrom('genre').select('nope').stream()),
  'a stream of a write': (db) =>
    gather(db.updateTable('genre').set({ name: 'streamed' }).where('id', '=', 1).returningAll().stream()),
  'a stream in a transaction': (db) => db.transaction().execute((trx) => gather(genres(trx).stream())),
  'a signal that has fired': (db) => genres(db).execute({ signal: AbortSignal.abort(new RangeError('own')) }),
  'a signal that has fired, without a reason': (db) => genres(db).execute({ signal: AbortSignal.abort() }),
  'a signal that does not fire': (db) => genres(db).execute({ signal: new AbortController().signal }),
  'a signal that fires at once': (db) => {
    const stop = new AbortController()
    const read = genres(db).execute({ signal: stop.signal })
    stop.abort(new RangeError('own'))
    return read
  },
  'a signal for a write that has fired': (db) =>
    db.deleteFrom('track').execute({ signal: AbortSignal.abort(new RangeError('own')) }),
  'a signal for a write that does not fire': (db) =>
    db.deleteFrom('track').where('id', '=', 1).execute({ signal: new AbortController().signal }),
  'a signal in a transaction that has fired': (db) =>
    db.transaction().execute((trx) => genres(trx).execute({ signal: AbortSignal.abort(new RangeError('own')) })),
  'a signal for a stream': (db) => gather(genres(db).stream({ signal: AbortSignal.abort(new RangeError('own')) })),
  'a signal and a strategy that is not there': (db) =>
    genres(db).execute({ signal: new AbortController().signal, inflightQueryAbortStrategy: 'nope' as never }),
  ...(KNOWS_STRATEGIES && {
    'a signal and strategies that are not supported everywhere': (db: Db) =>
      Promise.all(
        (['cancel query', 'kill session'] as const).map((inflightQueryAbortStrategy) =>
          caught(genres(db).execute({ signal: new AbortController().signal, inflightQueryAbortStrategy })),
        ),
      ),
  }),
  'one caller gives up, the other does not': async (db) => {
    const stop = new AbortController()
    const reads = [genres(db).execute({ signal: stop.signal }), genres(db).execute(), genres(db).execute()]
    stop.abort(new RangeError('own'))
    return Promise.all(reads.map(caught))
  },
  'the first caller gives up': async (db) => {
    const stop = new AbortController()
    const reads = [genres(db).execute(), genres(db).execute({ signal: stop.signal })]
    stop.abort(new RangeError('own'))
    return Promise.all(reads.map(caught))
  },
}

test.beforeEach(() => setImmediate())

for (const driver of DRIVERS) {
  let twins: Twins
  test.before(`${driver}: open`, async () => {
    twins = await openTwins(driver)
  })
  test.after.always(`${driver}: close`, () => twins.close())

  for (const [name, call] of Object.entries(INSTANCE)) {
    test.serial(`${driver}: ${name}`, async (t) => {
      await expectSameEffects(t, twins, call)
    })
  }

  /** The end of an instance, with what it had cached. */
  const afterTheEnd = async (plugged: boolean, call: (db: Db) => Promise<unknown>): Promise<string> => {
    const ours = twins.newPlugin({ profiles: { '*.*': { ops: 'all' } } })
    const db: Db = new Kysely({ dialect: twins.newDialect(), plugins: plugged ? [ours] : [] })
    await genres(db).execute()
    await genres(db).execute()
    await db.destroy()
    return (await outcomeOf(() => call(db))).text
  }

  const ENDS: Calls = {
    'a read that was cached': (db) => genres(db).execute(),
    'a read that was not cached': (db) => db.selectFrom('artist').selectAll().execute(),
    'a write': (db) => db.deleteFrom('track').execute(),
    'a transaction': (db) => db.transaction().execute(() => Promise.resolve(1)),
    'another end': (db) => db.destroy(),
  }
  for (const [name, call] of Object.entries(ENDS)) {
    test.serial(`${driver}: after destroy: ${name}`, async (t) => {
      t.is(await afterTheEnd(true, call), await afterTheEnd(false, call))
    })
  }

  test.serial(`${driver}: await using`, async (t) => {
    const use = async (plugged: boolean): Promise<string> => {
      let kept: Db
      {
        await using db: Db = new Kysely({
          dialect: twins.newDialect(),
          plugins: plugged ? [twins.newPlugin()] : [],
        })
        kept = db
        await genres(db).execute()
      }
      return (await outcomeOf(() => genres(kept).execute())).text
    }
    t.is(await use(true), await use(false))
  })

  // PostgreSQL's row images come with the write, and the log shows the text that does both.
  const declare = isPostgres(driver) ? test.serial.failing : test.serial
  declare(`${driver}: the log shows the caller's statements and no other, and no hits`, async (t) => {
    const logged = async (plugged: boolean): Promise<string> => {
      await twins.reset()
      const events: LogEvent[] = []
      const ours = twins.newPlugin()
      const db = twins.connect({ log: (event) => void events.push(event), plugins: plugged ? [ours] : [] })
      await genres(db).execute()
      await db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute()
      await db
        .insertInto('genre')
        .values({ id: 1, name: 'x' })
        .execute()
        .catch(() => undefined)
      await db
        .transaction()
        .execute((trx) => trx.deleteFrom('track').where('album_id', '=', 1).returningAll().execute())
      await gather(genres(db).stream()).catch(() => undefined)
      return describe(
        events.map(({ level, query, ...rest }) => [
          level,
          query.sql,
          query.parameters,
          'error' in rest ? rest.error : 'none',
        ]),
      )
    }
    t.is(await logged(true), await logged(false))
    const events: LogEvent[] = []
    const db = twins.connect({ log: (event) => void events.push(event), plugins: [twins.newPlugin()] })
    const read = genres(db).cache()
    await read.execute()
    await read.execute()
    t.is(events.length, 1, 'a hit executes nothing')
  })
}

/** As a user's parser may make of a number; its prototype has a method. */
class Money {
  readonly amount: string

  constructor(text: string) {
    this.amount = text
  }

  toString(): string {
    return `EUR ${this.amount}`
  }
}

test.serial('pglite: what parsers of the caller’s make of values', async (t) => {
  const twins = await openTwins('pglite')
  const server = await sharedPglite()
  const parsers = {
    1700: (text: string) => new Money(text),
    1184: (text: string) => new Map([['at', text]]),
    23: (text: string) => BigInt(text),
    17: (text: string) => Buffer.from(text.slice(2), 'hex'),
  }
  const parsing = new Proxy(server, {
    get(target, property) {
      if (property === 'query') {
        return (text: string, values: unknown[], options: object) => target.query(text, values, { ...options, parsers })
      }
      const value: unknown = Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const open = (plugins: Db extends Kysely<any> ? ReturnType<Twins['newPlugin']>[] : never): Db =>
    new Kysely({ dialect: new PGliteDialect({ pglite: parsing }), plugins })
  const plain = open([])
  const parsed = open([twins.newPlugin({ profiles: { '*.*': { ops: 'all' } } })])
  const other = twins.automatic
  const reads = [
    (db: Db) => db.selectFrom('kind').selectAll().orderBy('id').execute(),
    (db: Db) => db.selectFrom('track').selectAll().orderBy('id').execute(),
    (db: Db) => db.selectFrom('kind').select('by').orderBy('id').execute(),
    (db: Db) => genres(db).execute(),
    (db: Db) => db.selectFrom('kind').select('tz').orderBy('id').execute(),
    (db: Db) => db.updateTable('track').set({ price: '3.00' }).where('id', '=', 1).returningAll().execute(),
    (db: Db) => db.updateTable('track').set({ price: '3.00' }).where('album_id', '=', 1).executeTakeFirst(),
  ]
  for (const read of reads) {
    const wanted = await outcomeOf(() => read(plain))
    for (let round = 0; round < 3; round++) {
      // Another instance over the same data, whose driver makes other values of it.
      await read(other)
      const seen = await outcomeOf(() => read(parsed))
      t.is(seen.text, wanted.text)
      spoil(seen.value)
    }
  }
  await twins.close()
})
