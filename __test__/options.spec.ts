import { setImmediate as immediate } from 'node:timers/promises'

import test from 'ava'
import {
  Kysely,
  MssqlAdapter,
  MssqlQueryCompiler,
  MysqlAdapter,
  MysqlQueryCompiler,
  PostgresAdapter,
  PostgresQueryCompiler,
  sql,
} from 'kysely'
import type { Dialect, DialectAdapter, QueryCompiler } from 'kysely'

import { CacheopsError, cacheopsPlugin } from '../ts/index.ts'
import type { CacheopsErrorCode } from '../ts/index.ts'
import { databases } from './support/databases.ts'
import type { DB, Opened } from './support/databases.ts'

const WRONG: Record<string, readonly [options: unknown, code: CacheopsErrorCode, text: RegExp]> = {
  'a misspelt option': [{ profils: {} }, 'CACHEOPS_UNKNOWN_OPTION', /"profils".*Did you mean "profiles"\?/],
  'an option nowhere near': [{ zzzzzzzzzz: 1 }, 'CACHEOPS_UNKNOWN_OPTION', /"zzzzzzzzzz"(?!.*Did you mean)/],
  'a misspelt default': [{ defaults: { timout: 5 } }, 'CACHEOPS_UNKNOWN_OPTION', /Did you mean "timeout"\?/],
  'a misspelt key of a profile': [
    { profiles: { genre: { op: 'get' } } },
    'CACHEOPS_UNKNOWN_OPTION',
    /genre.*Did you mean "ops"\?/,
  ],
  'an unknown op': [{ profiles: { genre: { ops: 'gets' } } }, 'CACHEOPS_UNKNOWN_OP', /"gets".*Did you mean "get"\?/],
  'an unknown op of several': [
    { defaults: { ops: ['get', 'cuont'] } },
    'CACHEOPS_UNKNOWN_OP',
    /Did you mean "count"\?/,
  ],
  'ops of a wrong type': [{ defaults: { ops: 5 } }, 'CACHEOPS_INVALID_OPTION', /ops/],
  'a star alone': [{ profiles: { '*': {} } }, 'CACHEOPS_INVALID_PATTERN', /Did you mean "\*\.\*"\?/],
  'a star for a schema': [{ profiles: { '*.genre': {} } }, 'CACHEOPS_INVALID_PATTERN', /genre/],
  'a partial star': [{ profiles: { 'gen*': {} } }, 'CACHEOPS_INVALID_PATTERN', /gen/],
  'three parts': [{ profiles: { 'a.b.c': {} } }, 'CACHEOPS_INVALID_PATTERN', /a\.b\.c/],
  'an empty part': [{ profiles: { 'public.': {} } }, 'CACHEOPS_INVALID_PATTERN', /public/],
  'an empty name': [{ profiles: { '': {} } }, 'CACHEOPS_INVALID_PATTERN', /profiles/],
  'a negative timeout': [{ defaults: { timeout: -1 } }, 'CACHEOPS_INVALID_OPTION', /defaults.*timeout/],
  'no timeout': [{ defaults: { timeout: 0 } }, 'CACHEOPS_INVALID_OPTION', /timeout/],
  'an endless timeout': [{ profiles: { genre: { timeout: Infinity } } }, 'CACHEOPS_INVALID_OPTION', /genre.*timeout/],
  'a timeout that is no number': [{ profiles: { genre: { timeout: '60' } } }, 'CACHEOPS_INVALID_OPTION', /timeout/],
  'a NaN timeout': [{ defaults: { timeout: Number.NaN } }, 'CACHEOPS_INVALID_OPTION', /timeout/],
  'a profile that is a number': [{ profiles: { genre: 60 } }, 'CACHEOPS_INVALID_OPTION', /genre/],
  'profiles that are a list': [{ profiles: [] }, 'CACHEOPS_INVALID_OPTION', /profiles/],
  'a prefix that is no text': [{ prefix: 5 }, 'CACHEOPS_INVALID_OPTION', /prefix/],
  'vary that is no function': [{ vary: 'tenant' }, 'CACHEOPS_INVALID_OPTION', /vary/],
  'enabled that is text': [{ enabled: 'no' }, 'CACHEOPS_INVALID_OPTION', /enabled/],
  'a store that there is not': [{ store: 'embeded' }, 'CACHEOPS_INVALID_OPTION', /Did you mean "embedded"\?/],
  'a store of another type': [{ store: { type: 'redis' } }, 'CACHEOPS_INVALID_OPTION', /store/],
  'a misspelt key of the store': [
    { store: { type: 'embedded', nam: 'x' } },
    'CACHEOPS_UNKNOWN_OPTION',
    /Did you mean "name"\?/,
  ],
  'no bytes': [{ maxBytes: 0 }, 'CACHEOPS_INVALID_OPTION', /maxBytes/],
  'endless bytes': [{ maxEntryBytes: Infinity }, 'CACHEOPS_INVALID_OPTION', /maxEntryBytes/],
  'a database that is no text': [{ database: 5 }, 'CACHEOPS_INVALID_OPTION', /database/],
  'triggers that are no list': [{ triggers: { genre: 'audit' } }, 'CACHEOPS_INVALID_OPTION', /genre/],
  'functions without writes': [{ functions: { f: {} } }, 'CACHEOPS_INVALID_OPTION', /"f"/],
  'a misspelt key of a function': [
    { functions: { f: { write: [] } } },
    'CACHEOPS_UNKNOWN_OPTION',
    /Did you mean "writes"\?/,
  ],
}

for (const [what, [options, code, text]] of Object.entries(WRONG)) {
  test(`options: ${what} is refused`, (t) => {
    const error = t.throws(() => cacheopsPlugin(options as never), { instanceOf: CacheopsError })
    t.is(error.code, code)
    t.regex(error.message, text)
    t.is(error.name, 'CacheopsError')
  })
}

test('options: without any, or with all of them, the plugin is made', (t) => {
  t.notThrows(() => cacheopsPlugin())
  t.notThrows(() =>
    cacheopsPlugin<DB>({
      defaults: { ops: 'all', timeout: 0.5 },
      profiles: { genre: { ops: [] }, 'public.album': null, 'audit.*': null, '*.*': {} },
      prefix: 'p',
      vary: () => 1,
      enabled: () => true,
      store: { type: 'embedded', name: 'all-options' },
      maxBytes: 2 ** 20,
      maxEntryBytes: 2 ** 10,
      database: 'd',
      triggers: {},
      functions: {},
    }),
  )
})

for (const database of databases) {
  const { name } = database

  test.serial(`${name}: wrong options of .cache() are refused where they are written`, async (t) => {
    const { db, cacheops } = await database.open(t)
    const query = db.selectFrom('genre').selectAll()
    const wrong: [unknown, CacheopsErrorCode, RegExp][] = [
      [{ timout: 1 }, 'CACHEOPS_UNKNOWN_OPTION', /Did you mean "timeout"\?/],
      [{ timeout: -1 }, 'CACHEOPS_INVALID_OPTION', /timeout/],
      [{ ops: 'fech' }, 'CACHEOPS_UNKNOWN_OP', /Did you mean "fetch"\?/],
      [60, 'CACHEOPS_INVALID_OPTION', /\.cache\(\)/],
      [null, 'CACHEOPS_INVALID_OPTION', /\.cache\(\)/],
    ]
    for (const [options, code, text] of wrong) {
      const error = t.throws(() => query.cache(options as never), { instanceOf: CacheopsError })
      t.is(error.code, code)
      t.regex(error.message, text)
      const raw = await t.throwsAsync(async () => cacheops.run(db, sql`select 1`, options as never), {
        instanceOf: CacheopsError,
      })
      t.is(raw.code, code)
    }
  })

  test.serial(`${name}: a profile of a table that there is not is refused at the first cached read`, async (t) => {
    const { db } = await database.open(t, { profiles: { gnre: { ops: 'all' }, artist: { ops: 'all' } } as never })
    await t.notThrowsAsync(db.selectFrom('genre').selectAll().execute())
    await t.notThrowsAsync(db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute())
    for (const query of [db.selectFrom('genre').selectAll().cache(), db.selectFrom('artist').selectAll()]) {
      const error = await t.throwsAsync(query.execute(), { instanceOf: CacheopsError })
      t.is(error.code, 'CACHEOPS_UNKNOWN_TABLE')
      t.regex(error.message, /"gnre".*Did you mean "genre"\?/)
    }
  })

  test.serial(`${name}: a migration may create the table of a profile`, async (t) => {
    const { db, isHit } = await database.open(t, { profiles: { shelf: { ops: 'all' } } as never })
    await db.selectFrom('genre').selectAll().execute()
    await db.schema.createTable('shelf').addColumn('id', 'integer').execute()
    const shelves = db.withTables<{ shelf: { id: number } }>().selectFrom('shelf').selectAll()
    await shelves.execute()
    t.true(await isHit(shelves))
  })

  test.serial(`${name}: a migration may drop or rename what profiles and triggers name`, async (t) => {
    const warned: string[] = []
    const listen = (warning: Error): void => void warned.push(warning.message)
    process.on('warning', listen)
    t.teardown(() => process.off('warning', listen))
    const { db, isHit } = await database.open(t, {
      profiles: { '*.*': { ops: 'all' }, shelf: null, crate: null } as never,
      triggers: { genre: ['shelf'] as never },
      schema: 'create table shelf (id integer); create table crate (id integer)',
    })
    const genres = db.selectFrom('genre').selectAll()
    await genres.execute()
    await db.schema.dropTable('shelf').execute()
    await sql`alter table crate rename to box`.execute(db)
    await t.notThrowsAsync(genres.execute())
    t.true(await isHit(genres))
    const boxes = db.withTables<{ box: { id: number } }>().selectFrom('box').selectAll().cache()
    await boxes.execute()
    t.true(await isHit(boxes), 'what was said about crate is not said about box')
    await db.schema.createTable('shelf').addColumn('id', 'integer').execute()
    const shelves = db.withTables<{ shelf: { id: number } }>().selectFrom('shelf').selectAll()
    await shelves.execute()
    t.false(await isHit(shelves), 'what was said about shelf is said again')
    await immediate()
    const gone = (table: string): number => warned.filter((text) => text.includes(`"${table}"`)).length
    t.deepEqual([gone('shelf'), gone('crate')], [2, 1], 'once for each option')
  })

  test.serial(`${name}: triggers and functions name tables that there are`, async (t) => {
    const { db, cacheops } = await database.open(t, { triggers: { genre: ['audt'] } })
    const error = await t.throwsAsync(db.selectFrom('genre').selectAll().cache().execute(), {
      instanceOf: CacheopsError,
    })
    t.is(error.code, 'CACHEOPS_UNKNOWN_TABLE')
    t.regex(error.message, /"audt".*Did you mean "audit"\?/)
    await t.notThrowsAsync(db.deleteFrom('genre').where('id', '=', 3).execute())
    await cacheops.close()
  })

  test.serial(`${name}: invalidation with a name that there is not is refused`, async (t) => {
    const { db, cacheops } = await database.open(t)
    await db.selectFrom('genre').selectAll().cache().execute()
    const refused = async (call: Promise<void>, code: CacheopsErrorCode, text: RegExp): Promise<void> => {
      const error = await t.throwsAsync(call, { instanceOf: CacheopsError })
      t.is(error.code, code)
      t.regex(error.message, text)
    }
    await refused(cacheops.invalidateTable('gnre' as never), 'CACHEOPS_UNKNOWN_TABLE', /"gnre".*Did you mean "genre"\?/)
    await refused(cacheops.invalidateRow('gnre' as never, {}), 'CACHEOPS_UNKNOWN_TABLE', /Did you mean "genre"\?/)
    await refused(
      cacheops.invalidateRow('genre', { nam: 1 } as never),
      'CACHEOPS_INVALID_ROW',
      /"nam".*Did you mean "name"\?/,
    )
    await refused(cacheops.invalidateRow('genre', null as never), 'CACHEOPS_INVALID_ROW', /genre/)
    await refused(cacheops.invalidateRow('genre', [] as never), 'CACHEOPS_INVALID_ROW', /genre/)
    await t.notThrowsAsync(cacheops.invalidateRow('genre', {}))
  })

  test.serial(`${name}: explain says what the cache would do, without executing`, async (t) => {
    const opened: Opened = await database.open(t, { profiles: { artist: null } })
    const { db, cacheops, recorder } = opened
    const query = db.selectFrom('track').select(['id', 'title']).where('album_id', '=', 1).cache({ timeout: 60 })
    await db.selectFrom('genre').selectAll().cache().execute()
    recorder.clear()
    const explained = await cacheops.explain(query)
    t.deepEqual(
      {
        ...explained,
        key: explained.key?.length,
        dependencies: explained.dependencies.map((each) => ({
          ...each,
          columns: each.columns === 'all' ? 'all' : [...each.columns].sort(),
        })),
      },
      {
        cacheable: true,
        reason: null,
        op: 'fetch',
        tables: ['track'],
        key: 32,
        cached: false,
        timeout: 60,
        dependencies: [{ table: 'track', columns: ['album_id', 'id', 'title'], conditions: ['album_id = 1'] }],
        cautions: [],
        remarks: [],
      },
    )
    t.is(recorder.count(/track/), 0)
    await query.execute()
    t.true((await cacheops.explain(query)).cached)
    const forbidden = await cacheops.explain(db.selectFrom('artist').selectAll().cache())
    t.deepEqual(
      [forbidden.cacheable, forbidden.reason, forbidden.key, forbidden.timeout],
      [false, 'forbidden', null, null],
    )
    const write = await cacheops.explain(db.deleteFrom('genre'))
    t.deepEqual([write.cacheable, write.reason, write.op], [false, 'not_a_read', null])
    t.is(recorder.count(/delete/), 0)
    const compiled = await cacheops.explain(query.compile(), { db })
    t.is(compiled.key, explained.key)
    t.is((await cacheops.explain(sql`select 1 from genre`, { db })).reason, 'not_requested')
    await db.transaction().execute(async (trx) => {
      await trx.deleteFrom('genre').where('id', '=', 3).execute()
      const dirty = await cacheops.explain(trx.selectFrom('genre').selectAll().cache())
      t.false(dirty.cacheable)
      t.not(dirty.reason, null)
    })
  })

  test.serial(`${name}: explain of what it cannot place is refused, and nothing is executed`, async (t) => {
    const { db, connect, cacheops, recorder } = await database.open(t)
    await db.selectFrom('genre').selectAll().cache().execute()
    const without = connect()
    recorder.clear()
    const required = { instanceOf: CacheopsError, code: 'CACHEOPS_DATABASE_REQUIRED' }
    await t.throwsAsync(cacheops.explain(db.selectFrom('genre').selectAll().compile()), required)
    await t.throwsAsync(cacheops.explain(sql`select 1`), required)
    await t.throwsAsync(cacheops.explain(sql`select 1`, { db: without }), required)
    await t.throwsAsync(cacheops.explain(without.deleteFrom('track')), required)
    t.deepEqual(recorder.texts(), [])
    await t.throwsAsync(cacheops.invalidateTable('genre', { db: without }), required)
  })

  test.serial(`${name}: listeners`, async (t) => {
    const { db, cacheops } = await database.open(t)
    const seen: string[] = []
    const stop = cacheops.on('read', ({ reason }) => void seen.push(reason))
    const stopThrowing = cacheops.on('read', () => {
      throw new Error('the metrics are down')
    })
    const stopRejecting = cacheops.on('invalidate', () => Promise.reject(new Error('so are these')) as never)
    const query = db.selectFrom('genre').selectAll().where('id', '=', 1).cache()
    await query.execute()
    await query.execute()
    await db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute()
    t.is((await query.execute())[0]!.name, 'x')
    t.deepEqual(seen, ['miss', 'hit', 'miss'])
    for (const each of [stop, stop, stopThrowing, stopRejecting]) each()
    await query.execute()
    t.is(seen.length, 3)
  })

  test.serial(`${name}: close() ends caching, the instance goes on`, async (t) => {
    const { db, cacheops, connect, store, isHit } = await database.open(t)
    const other = connect({ plugins: [cacheopsPlugin<DB>({ store })] })
    const query = (on: Kysely<DB>) => on.selectFrom('genre').selectAll().where('id', '=', 1).cache()
    await query(other).execute()
    await query(db).execute()
    t.true(await isHit(query(db)))
    await cacheops.close()
    await cacheops.close()
    t.false(await isHit(query(db)))
    t.false(await isHit(query(db)))
    await db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute()
    t.is((await query(other).execute())[0]!.name, 'x', 'other users of the store still hear of its writes')
    await using disposable = cacheopsPlugin<DB>({ store })
    t.is(typeof disposable.close, 'function')
  })
}

// ---- databases that are not supported

function dummy(adapter: DialectAdapter, compiler: QueryCompiler): { dialect: Dialect; statements: string[] } {
  const statements: string[] = []
  return {
    statements,
    dialect: {
      createAdapter: () => adapter,
      createQueryCompiler: () => compiler,
      createIntrospector: () => {
        throw new Error('not asked for')
      },
      createDriver: () => ({
        init: () => Promise.resolve(),
        acquireConnection: () =>
          Promise.resolve({
            executeQuery: ({ sql: text }) => {
              statements.push(text)
              return Promise.resolve({ rows: [] })
            },
            streamQuery: () => {
              throw new Error('not asked for')
            },
          }),
        beginTransaction: () => Promise.resolve(),
        commitTransaction: () => Promise.resolve(),
        rollbackTransaction: () => Promise.resolve(),
        releaseConnection: () => Promise.resolve(),
        destroy: () => Promise.resolve(),
      }),
    },
  }
}

class OtherAdapter extends PostgresAdapter {}

const UNSUPPORTED: Record<string, readonly [() => DialectAdapter, () => QueryCompiler, RegExp]> = {
  MySQL: [() => new MysqlAdapter(), () => new MysqlQueryCompiler(), /MySQL/],
  'SQL Server': [() => new MssqlAdapter(), () => new MssqlQueryCompiler(), /SQL Server/],
  PostgreSQL: [() => new PostgresAdapter(), () => new PostgresQueryCompiler(), /./],
  'a database that speaks like PostgreSQL': [() => new OtherAdapter(), () => new PostgresQueryCompiler(), /./],
}

for (const [what, [adapter, compiler, text]] of Object.entries(UNSUPPORTED)) {
  test(`${what} is refused before anything is executed`, async (t) => {
    const calls: Record<string, (db: Kysely<DB>) => Promise<unknown>> = {
      'cached read': (db) => db.selectFrom('genre').selectAll().cache().execute(),
      read: (db) => db.selectFrom('genre').selectAll().execute(),
      write: (db) => db.deleteFrom('genre').execute(),
      transaction: (db) => db.transaction().execute((trx) => trx.deleteFrom('genre').execute()),
      raw: (db) => sql`delete from genre`.execute(db),
    }
    for (const [call, execute] of Object.entries(calls)) {
      const { dialect, statements } = dummy(adapter(), compiler())
      const db = new Kysely<DB>({ dialect, plugins: [cacheopsPlugin<DB>()] })
      const error = await t.throwsAsync(execute(db), { instanceOf: CacheopsError }, call)
      t.is(error?.code, 'CACHEOPS_UNSUPPORTED_DATABASE', call)
      t.regex(error?.message ?? '', text)
      t.false(
        statements.some((statement) => /genre/.test(statement)),
        call,
      )
    }
    const off = dummy(adapter(), compiler())
    const db = new Kysely<DB>({ dialect: off.dialect, plugins: [cacheopsPlugin<DB>({ enabled: false })] })
    await t.notThrowsAsync(db.deleteFrom('genre').execute())
    t.is(off.statements.length, 1)
  })
}
