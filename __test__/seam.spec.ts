import test from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { PGlite } from '@electric-sql/pglite'
import {
  CamelCasePlugin,
  DeduplicateJoinsPlugin,
  Kysely,
  ParseJSONResultsPlugin,
  PGliteDialect,
  sql,
  SqliteDialect,
  WithSchemaPlugin,
} from 'kysely'
import type { Dialect, Driver, KyselyPlugin } from 'kysely'
import { Migrator } from 'kysely/migration'

import { cacheopsPlugin } from '../ts/index.ts'
import { databases, postgresOnServer } from './support/databases.ts'
import type { DB } from './support/databases.ts'
import { KNOWS_SIGNALS } from './support/kysely.ts'
import { Recorder, RecordingDialect } from './support/recorder.ts'

const testSignals = KNOWS_SIGNALS ? test.serial : test.serial.skip

type CamelDB = { track: { id: number; albumId: number; genreId: number | null; title: string } }

for (const database of databases) {
  const { name } = database
  const mainSchema = name === 'postgres' ? 'public' : 'main'

  const OTHERS: Record<string, () => KyselyPlugin> = {
    CamelCasePlugin: () => new CamelCasePlugin(),
    ParseJSONResultsPlugin: () => new ParseJSONResultsPlugin(),
    DeduplicateJoinsPlugin: () => new DeduplicateJoinsPlugin(),
    WithSchemaPlugin: () => new WithSchemaPlugin(mainSchema),
  }
  for (const [other, make] of Object.entries(OTHERS)) {
    for (const place of ['first', 'last'] as const) {
      test.serial(`${name}: the plugin ${place}, with ${other}`, async (t) => {
        const { db, plain, isHit } = await database.open(t, {
          plugins: (cacheops) => (place === 'first' ? [cacheops, make()] : [make(), cacheops]),
        })
        const wanted = plain.withPlugin(make())
        const build = (on: typeof db) =>
          on
            .selectFrom('invoice')
            .innerJoin('genre', 'genre.id', 'invoice.id')
            .select(['invoice.id', 'customer', 'details'])
            .orderBy('invoice.id')
        const query = build(db).cache()
        const rows = await build(wanted).execute()
        t.deepEqual(await query.execute(), rows)
        t.deepEqual(await query.execute(), rows)
        t.true(await isHit(query))
        await db.updateTable('invoice').set({ customer: 'zoe', details: '{"a": [1]}' }).where('id', '=', 1).execute()
        const after = await build(wanted).execute()
        for (let round = 0; round < 3; round++) {
          const seen = await query.execute()
          t.deepEqual(seen, after)
          ;(seen[0] as { details: unknown }).details = 'changed'
        }
        t.true(await isHit(query))
        await db.insertInto('genre').values({ id: 60, name: 'x' }).returningAll().execute()
        t.is((await db.deleteFrom('genre').where('id', '=', 60).executeTakeFirst()).numDeletedRows, 1n)
      })
    }
  }

  for (const place of ['first', 'last'] as const) {
    test.serial(
      `${name}: names are those of DB with CamelCasePlugin ${place === 'first' ? 'behind' : 'in front'}`,
      async (t) => {
        const { db, cacheops, isHit, exec } = await database.open(t, {
          plugins: (plugin) => (place === 'first' ? [plugin, new CamelCasePlugin()] : [new CamelCasePlugin(), plugin]),
          schema:
            'create table order_line (id integer primary key, order_no integer, unit_price integer); insert into order_line values (1, 10, 100), (2, 20, 200)',
          profiles: { orderLine: { ops: 'all' } } as never,
        })
        const shop = db.withTables<{ orderLine: { id: number; orderNo: number; unitPrice: number } }>()
        const lines = (no: number) => shop.selectFrom('orderLine').selectAll().where('orderNo', '=', no)
        const tables: unknown[] = []
        cacheops.on('read', (event) => void tables.push(event.tables))
        cacheops.on('invalidate', (event) => void tables.push(event.tables))
        t.deepEqual(await lines(10).execute(), [{ id: 1, orderNo: 10, unitPrice: 100 }])
        t.true(await isHit(lines(10)), 'the profile has the name of DB')
        await lines(20).execute()
        await shop.updateTable('orderLine').set({ unitPrice: 5 }).where('id', '=', 1).execute()
        t.deepEqual(await lines(10).execute(), [{ id: 1, orderNo: 10, unitPrice: 5 }])
        t.true(await isHit(lines(20)))
        await exec('update order_line set unit_price = 7 where id = 1')
        await cacheops.invalidateRow('orderLine' as never, { id: 1, orderNo: 10 })
        t.deepEqual(await lines(10).execute(), [{ id: 1, orderNo: 10, unitPrice: 7 }])
        t.true(await isHit(lines(20)))
        await cacheops.invalidateTable('orderLine' as never)
        t.false(await isHit(lines(20)))
        t.true(tables.length > 0)
        t.deepEqual([...new Set(tables.map((list) => JSON.stringify(list)))], ['["orderLine"]'])
        t.deepEqual((await cacheops.explain(lines(10))).tables, ['orderLine'])
      },
    )
  }

  test.serial(`${name}: derived instances share the cache`, async (t) => {
    const { db, isHit } = await database.open(t)
    const read = (on: Kysely<any>) => on.selectFrom('genre').selectAll().where('id', '=', 1).cache()
    await read(db).execute()
    t.true(await isHit(read(db.withTables<{ x: { id: number } }>())))
    t.true(await isHit(read(db.withPlugin(new ParseJSONResultsPlugin()))))
    const write = async (on: Kysely<any>, value: string) => {
      await read(db).execute()
      await on.updateTable('genre').set({ name: value }).where('id', '=', 1).execute()
      t.is(((await read(db).executeTakeFirst()) as { name: string }).name, value)
    }
    await write(db.withPlugin(new ParseJSONResultsPlugin()), 'a')
    await write(db.withSchema(mainSchema), 'b')
    await write(db.withTables<{ x: { id: number } }>(), 'c')
    await write(db.withoutPlugins(), 'd')
    await db
      .withoutPlugins()
      .transaction()
      .execute((trx) => trx.updateTable('genre').set({ name: 'e' }).where('id', '=', 1).execute())
    t.is(((await read(db).executeTakeFirst()) as { name: string }).name, 'e')
  })

  test.serial(`${name}: withoutPlugins() writes are seen, its reads are its own`, async (t) => {
    const { db, isHit, recorder } = await database.open(t, { profiles: { '*.*': { ops: 'all' } } })
    const bare = db.withoutPlugins()
    await db.selectFrom('genre').selectAll().execute()
    t.true(await isHit(db.selectFrom('genre').selectAll()))
    t.false(await isHit(bare.selectFrom('genre').selectAll()))
    t.false(await isHit(bare.selectFrom('genre').selectAll()))
    recorder.clear()
    await bare.insertInto('genre').values({ id: 60, name: 'bare' }).execute()
    t.false(await isHit(db.selectFrom('genre').selectAll()))
    await bare.transaction().execute((trx) => trx.deleteFrom('genre').where('id', '=', 60).execute())
    t.is((await db.selectFrom('genre').selectAll().execute()).length, 3)
  })

  test.serial(`${name}: withoutPlugins() as the first use of an instance`, async (t) => {
    const { db, connect, cacheops } = await database.open(t)
    const query = db.selectFrom('genre').selectAll().where('id', '=', 1).cache()
    await query.execute()
    const late = connect({ plugins: [cacheops] }).withoutPlugins()
    await late.updateTable('genre').set({ name: 'bare' }).where('id', '=', 1).execute()
    t.is((await query.execute())[0]!.name, 'bare')
    const later = connect({ plugins: [cacheops] }).withoutPlugins()
    await later
      .transaction()
      .execute((trx) => trx.updateTable('genre').set({ name: 'later' }).where('id', '=', 1).execute())
    t.is((await query.execute())[0]!.name, 'later')
  })

  test.serial(`${name}: instances without the plugin are left alone`, async (t) => {
    const { connect, recorder } = await database.open(t)
    const without = connect()
    const query = without.selectFrom('genre').selectAll().cache()
    await query.execute()
    await query.execute()
    await without.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute()
    t.deepEqual(
      recorder.texts().map((text) => text.split(' ')[0]),
      ['select', 'select', 'update'],
    )
  })

  test.serial(`${name}: two Kysely instances on one database share results and invalidations`, async (t) => {
    const { db, connect, store, isHit, cacheops } = await database.open(t)
    const same = connect({ plugins: [cacheops] })
    const other = connect({ plugins: [cacheopsPlugin<DB>({ store })] })
    for (const on of [same, other]) await on.selectFrom('artist').selectAll().cache().execute()
    const read = (on: Kysely<DB>) => on.selectFrom('genre').selectAll().orderBy('id').cache()
    await read(db).execute()
    t.true(await isHit(read(same)))
    t.true(await isHit(read(other)))
    for (const [on, value] of [
      [other, 'a'],
      [same, 'b'],
      [db, 'c'],
    ] as const) {
      await on.updateTable('genre').set({ name: value }).where('id', '=', 1).execute()
      for (const reader of [db, same, other]) t.is((await read(reader).execute())[0]!.name, value)
    }
    await cacheops.invalidateAll()
    t.false(await isHit(read(other)))
  })

  test.serial(`${name}: stores of different names share nothing`, async (t) => {
    const { db, connect, isHit } = await database.open(t)
    const other = connect({ plugins: [cacheopsPlugin<DB>({ store: { type: 'embedded', name: `other-${name}` } })] })
    await other.selectFrom('artist').selectAll().cache().execute()
    const read = (on: Kysely<DB>) => on.selectFrom('genre').selectAll().cache()
    await read(db).execute()
    t.false(await isHit(read(other)))
  })

  test.serial(`${name}: two plugin objects on one instance`, async (t) => {
    const second = cacheopsPlugin<DB>({ store: { type: 'embedded', name: `second-${name}` } })
    const { db, isHit } = await database.open(t, { plugins: (cacheops) => [cacheops, second] })
    const query = db.selectFrom('genre').selectAll().orderBy('id').cache()
    await query.execute()
    t.true(await isHit(query))
    await db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute()
    t.is((await query.execute())[0]!.name, 'x')
  })

  test.serial(`${name}: one plugin object on several instances, each with its own options of .cache()`, async (t) => {
    const { db, connect, cacheops, isHit } = await database.open(t)
    const other = connect({ plugins: [new CamelCasePlugin(), cacheops] })
    await other.selectFrom('artist').selectAll().cache().execute()
    const builder = db.selectFrom('genre').selectAll()
    const cached = builder.cache()
    const uncached = builder.nocache()
    await cached.execute()
    t.true(await isHit(cached))
    t.false(await isHit(uncached))
    t.false(await isHit(builder), 'a builder is not changed by .cache()')
    const camel = other.withTables<CamelDB>().selectFrom('track').selectAll().where('albumId', '=', 1).cache()
    t.is((await camel.execute())[0]!.albumId, 1)
    const snake = db.selectFrom('track').selectAll().where('album_id', '=', 1).cache()
    t.is((await snake.execute())[0]!.album_id, 1)
    t.is((await camel.execute())[0]!.albumId, 1)
  })

  test.serial(`${name}: a precompiled query, executed concurrently`, async (t) => {
    const { db, recorder } = await database.open(t, { profiles: { genre: { ops: 'all' } } })
    const compiled = db.selectFrom('genre').selectAll().orderBy('id').compile()
    const cached = db.selectFrom('artist').selectAll().orderBy('id').cache().compile()
    await db.executeQuery(compiled)
    const results = await Promise.all(Array.from({ length: 8 }, () => db.executeQuery(compiled)))
    for (const { rows } of results) t.is(rows.length, 3)
    t.is(recorder.count(/from "genre"/), 1)
    await Promise.all(Array.from({ length: 8 }, () => db.executeQuery(cached)))
    t.is(recorder.count(/from "artist"/), 1, 'a compiled query keeps what .cache() said')
    const write = db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).compile()
    await db.executeQuery(write)
    t.is((await db.executeQuery(compiled)).rows[0]!.name, 'x')
    await db.transaction().execute((trx) => trx.executeQuery(compiled))
  })

  test.serial(`${name}: many queries at once`, async (t) => {
    const { db } = await database.open(t)
    const rounds = Array.from({ length: 60 }, (_, i) => (i % 3) + 1)
    const results = await Promise.all(
      rounds.map((id, i) => {
        const query = db.selectFrom('genre').selectAll().where('id', '=', id)
        return (i % 2 === 0 ? query.cache() : query.nocache()).executeTakeFirstOrThrow()
      }),
    )
    t.deepEqual(
      results.map(({ id }) => id),
      rounds,
    )
    const writes = rounds.map((id, i) =>
      db
        .updateTable('genre')
        .set({ name: `n${i}` })
        .where('id', '=', id)
        .execute(),
    )
    const reads = rounds.map((id) => db.selectFrom('genre').selectAll().where('id', '=', id).cache().execute())
    await Promise.all([...writes, ...reads])
    t.deepEqual(
      await db.selectFrom('genre').selectAll().orderBy('id').cache().execute(),
      await db.selectFrom('genre').selectAll().orderBy('id').nocache().execute(),
    )
    for (const id of [1, 2, 3]) {
      const query = db.selectFrom('genre').selectAll().where('id', '=', id)
      t.deepEqual(await query.cache().execute(), await query.nocache().execute())
    }
  })

  testSignals(`${name}: an abort signal, before and after`, async (t) => {
    const { db, isHit } = await database.open(t)
    const query = db.selectFrom('genre').selectAll().orderBy('id').cache()
    const gone = AbortSignal.abort(new Error('too late'))
    await t.throwsAsync(query.execute({ signal: gone }))
    const open = new AbortController()
    const rows = await query.execute({ signal: open.signal })
    t.is(rows.length, 3)
    t.true(await isHit(query))
    t.deepEqual(await query.execute({ signal: open.signal }), rows)
    await t.throwsAsync(query.execute({ signal: gone }), undefined, 'as it would without the plugin')
    open.abort()
    t.is((await query.execute()).length, 3)
    await db
      .updateTable('genre')
      .set({ name: 'x' })
      .where('id', '=', 1)
      .execute({ signal: new AbortController().signal })
    t.is((await query.execute())[0]!.name, 'x')
  })

  testSignals(`${name}: an aborted write is invalidated when it happens after all`, async (t) => {
    const { db, plain, recorder } = await database.open(t)
    const query = db.selectFrom('genre').selectAll().orderBy('id').cache()
    await query.execute()
    const gate = recorder.hold(/^(?:update|with|begin)/i, 'before')
    const controller = new AbortController()
    const write = db
      .updateTable('genre')
      .set({ name: 'late' })
      .where('id', '=', 1)
      .execute({ signal: controller.signal })
    await gate.reached
    controller.abort(new Error('nobody waits'))
    await t.throwsAsync(write)
    gate.release()
    // The connection is busy until the write is done.
    await db.selectFrom('genre').select('id').nocache().execute()
    t.deepEqual(await query.execute(), await plain.selectFrom('genre').selectAll().orderBy('id').execute())
    t.is((await query.execute())[0]!.name, 'late')
  })

  test.serial(`${name}: Kysely's Migrator`, async (t) => {
    const { db, isHit } = await database.open(t)
    const migrator = new Migrator({
      db,
      provider: {
        getMigrations: () =>
          Promise.resolve({
            one: {
              up: async (on: Kysely<any>) => {
                await on.schema
                  .createTable('shelf')
                  .addColumn('id', 'integer', (column) => column.primaryKey())
                  .addColumn('name', 'text')
                  .execute()
                await on.insertInto('shelf').values({ id: 1, name: 'first' }).execute()
              },
              down: (on: Kysely<any>) => on.schema.dropTable('shelf').execute(),
            },
            two: {
              up: (on: Kysely<any>) => on.schema.alterTable('shelf').addColumn('note', 'text').execute(),
              down: (on: Kysely<any>) => on.schema.alterTable('shelf').dropColumn('note').execute(),
            },
          }),
      },
    })
    const genres = db.selectFrom('genre').selectAll().cache()
    await genres.execute()
    const { error, results } = await migrator.migrateTo('one')
    t.is(error, undefined)
    t.deepEqual(
      results?.map(({ status }) => status),
      ['Success'],
    )
    const shelves = db.withTables<{ shelf: { id: number; name: string } }>().selectFrom('shelf').selectAll().cache()
    t.deepEqual(await shelves.execute(), [{ id: 1, name: 'first' }])
    t.true(await isHit(shelves))
    t.is((await migrator.migrateToLatest()).error, undefined)
    t.deepEqual(await shelves.execute(), [{ id: 1, name: 'first', note: null } as never])
    t.is((await migrator.migrateDown()).error, undefined)
    t.deepEqual(await shelves.execute(), [{ id: 1, name: 'first' }])
  })

  test.serial(`${name}: destroy() is Kysely's, and other instances go on`, async (t) => {
    const { db, connect, cacheops, recorder } = await database.open(t)
    const other = connect({ plugins: [cacheops] })
    await other.selectFrom('genre').selectAll().cache().execute()
    const before = recorder.destroyed
    await other.destroy()
    t.is(recorder.destroyed, before + 1)
    await t.throwsAsync(other.selectFrom('artist').selectAll().execute())
    await t.throwsAsync(other.selectFrom('artist').selectAll().cache().execute())
    // What it had cached is not answered either, though no connection would be needed.
    const message = 'driver has already been destroyed'
    await t.throwsAsync(other.selectFrom('genre').selectAll().cache().execute(), { message })
    await db.selectFrom('artist').selectAll().cache().execute()
    await db.updateTable('artist').set({ country: 'X' }).where('id', '=', 1).execute()
    t.is((await db.selectFrom('artist').selectAll().where('id', '=', 1).cache().executeTakeFirst())?.country, 'X')
  })

  test.serial(`${name}: destroy() before the first query does nothing, as without the plugin`, async (t) => {
    const { db, connect, cacheops } = await database.open(t)
    const other = connect({ plugins: [cacheops] })
    await other.destroy()
    const read = (on: typeof db) => on.selectFrom('genre').select('name').where('id', '=', 1).cache().execute()
    t.deepEqual(await read(db), [{ name: 'Jazz' }])
    await other.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute()
    t.deepEqual(await read(db), [{ name: 'x' }])
    t.deepEqual(await read(other), [{ name: 'x' }])
  })

  test.serial(`${name}: a driver whose connections are proxies`, async (t) => {
    const { plainDialect, store } = await database.open(t)
    const inner = plainDialect()
    const dialect: Dialect = {
      createAdapter: () => inner.createAdapter(),
      createQueryCompiler: () => inner.createQueryCompiler(),
      createIntrospector: (on) => inner.createIntrospector(on),
      createDriver(): Driver {
        const driver = inner.createDriver()
        const acquire = driver.acquireConnection.bind(driver)
        driver.acquireConnection = async () =>
          new Proxy(await acquire(), {
            get(target, key) {
              const value: unknown = Reflect.get(target, key, target)
              return typeof value === 'function' ? value.bind(target) : value
            },
          })
        return driver
      },
    }
    const faults: unknown[] = []
    const cacheops = cacheopsPlugin<DB>({ store })
    cacheops.on('error', (event) => void faults.push(event.error))
    const db = new Kysely<DB>({ dialect, plugins: [cacheops] })
    const read = db.selectFrom('genre').selectAll().where('id', '=', 1).cache()
    t.is((await read.execute())[0]!.name, 'Jazz')
    await db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute()
    t.is((await read.execute())[0]!.name, 'x')
    await db.transaction().execute((trx) => trx.updateTable('genre').set({ name: 'y' }).where('id', '=', 1).execute())
    t.is((await read.execute())[0]!.name, 'y')
    t.deepEqual(faults, [])
    t.true((await cacheops.explain(read)).cached)
    await db.destroy()
  })
}

const sqlite = databases.find(({ name }) => name === 'sqlite')!

test.serial('sqlite: streaming asks the database, and gives what it would give', async (t) => {
  const { db, plain, recorder } = await sqlite.open(t, { profiles: { '*.*': { ops: 'all' } } })
  const collect = async (on: Kysely<DB>) => {
    const rows: unknown[] = []
    for await (const row of on.selectFrom('genre').selectAll().orderBy('id').stream()) rows.push(row)
    return rows
  }
  const wanted = await collect(plain)
  await db.selectFrom('genre').selectAll().orderBy('id').execute()
  recorder.clear()
  t.deepEqual(await collect(db), wanted)
  t.is(recorder.count(/from "genre"/), 1)
  for await (const row of db.selectFrom('genre').selectAll().orderBy('id').stream()) {
    t.is((row as { id: number }).id, 1)
    break
  }
  t.is((await db.selectFrom('genre').selectAll().orderBy('id').execute()).length, 3)
})

test.serial('postgres: streaming works or fails as it does without the plugin', async (t) => {
  const { db, plain } = await databases[0]!.open(t)
  const first = async (on: Kysely<DB>) => {
    try {
      for await (const row of on.selectFrom('genre').selectAll().orderBy('id').stream()) return row
      return undefined
    } catch (error) {
      return (error as Error).message
    }
  }
  const wanted = await first(plain)
  t.truthy(wanted)
  t.deepEqual(await first(db), wanted)
})

testSignals(
  'pg: a hit takes what its driver can do for a caller who gives up, and refuses what it cannot',
  async (t) => {
    const { db, isHit } = await postgresOnServer.open(t)
    const query = db.selectFrom('genre').selectAll().orderBy('id').cache()
    const rows = await query.execute()
    t.true(await isHit(query))
    for (const inflightQueryAbortStrategy of ['ignore query', 'cancel query', 'kill session'] as const) {
      const { signal } = new AbortController()
      t.deepEqual(await query.execute({ signal, inflightQueryAbortStrategy }), rows)
    }
    await t.throwsAsync(
      query.execute({ signal: new AbortController().signal, inflightQueryAbortStrategy: 'nope' as never }),
    )
    t.true(await isHit(query))
  },
)

interface Small {
  t: { id: number; v: string }
}

test('two databases in memory share nothing under one plugin object', async (t) => {
  const cacheops = cacheopsPlugin<Small>({ store: { type: 'embedded', name: 'memories' } })
  const dbs = ['one', 'two'].map((v) => {
    const database = new BetterSqlite3(':memory:')
    database.exec(`create table t (id integer primary key, v text); insert into t values (1, '${v}')`)
    const recorder = new Recorder()
    const dialect = new RecordingDialect(new SqliteDialect({ database }), recorder)
    return { db: new Kysely<Small>({ dialect, plugins: [cacheops] }), recorder }
  })
  const [one, two] = [dbs[0]!, dbs[1]!]
  const read = async (db: Kysely<Small>) =>
    (await db.selectFrom('t').selectAll().where('id', '=', 1).cache().executeTakeFirstOrThrow()).v
  t.is(await read(one.db), 'one')
  t.is(await read(two.db), 'two')
  one.recorder.clear()
  await two.db.updateTable('t').set({ v: 'changed' }).where('id', '=', 1).execute()
  t.is(await read(one.db), 'one')
  t.is(one.recorder.count(), 0, "nor do they drop each other's results")
  t.is(await read(two.db), 'changed')
  for (const { db } of dbs) await db.destroy()
  await cacheops.close()
})

test('two Kysely instances on one database in memory share results', async (t) => {
  const cacheops = cacheopsPlugin<Small>({ store: { type: 'embedded', name: 'one-memory' } })
  const database = new BetterSqlite3(':memory:')
  database.exec(`create table t (id integer primary key, v text); insert into t values (1, 'one')`)
  const [one, two] = [1, 2].map(
    () => new Kysely<Small>({ dialect: new SqliteDialect({ database }), plugins: [cacheops] }),
  )
  const read = async (db: Kysely<Small>) =>
    (await db.selectFrom('t').selectAll().where('id', '=', 1).cache().executeTakeFirstOrThrow()).v
  await read(one!)
  await read(two!)
  await two!.updateTable('t').set({ v: 'two' }).where('id', '=', 1).execute()
  t.is(await read(one!), 'two')
  await one!.destroy()
  await cacheops.close()
})

test('two PGlites share nothing', async (t) => {
  const cacheops = cacheopsPlugin<Small>({ store: { type: 'embedded', name: 'pglites' } })
  const dbs: Kysely<Small>[] = []
  for (const v of ['one', 'two']) {
    const pglite = await PGlite.create()
    await pglite.exec(`create table t (id integer primary key, v text); insert into t values (1, '${v}')`)
    dbs.push(new Kysely<Small>({ dialect: new PGliteDialect({ pglite }), plugins: [cacheops] }))
  }
  for (const [index, v] of ['one', 'two'].entries()) {
    const { rows } = await cacheops.run(dbs[index]!, sql<{ v: string }>`select v from t`)
    t.deepEqual(rows, [{ v }])
  }
  for (const db of dbs) await db.destroy()
  await cacheops.close()
})

test('the option `database` names a database', async (t) => {
  const open = (database: string, v: string) => {
    const real = new BetterSqlite3(':memory:')
    real.exec(`create table t (id integer primary key, v text); insert into t values (1, '${v}')`)
    const plugin = cacheopsPlugin<Small>({ store: { type: 'embedded', name: 'named' }, database })
    return new Kysely<Small>({ dialect: new SqliteDialect({ database: real }), plugins: [plugin] })
  }
  const [one, same, other] = [open('a', 'one'), open('a', 'two'), open('b', 'three')]
  const read = async (db: Kysely<Small>) => (await db.selectFrom('t').selectAll().cache().executeTakeFirstOrThrow()).v
  t.is(await read(one), 'one')
  t.is(await read(same), 'one', 'two with the same name are one database')
  t.is(await read(other), 'three')
  for (const db of [one, same, other]) await db.destroy()
})
