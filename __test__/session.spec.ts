// Settings of a session, and code of the user's that reads tables: what the text of a query does not tell.
import { linkSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { PGlite } from '@electric-sql/pglite'
import test from 'ava'
import SqliteDatabase from 'better-sqlite3'
import { Kysely, PGliteDialect, sql, SqliteDialect } from 'kysely'

import { cacheopsPlugin } from '../ts/index.ts'
import type { CacheopsOptions } from '../ts/index.ts'

interface DB {
  t: { id: number; v: string }
}

const pglite = new PGlite()

test.before(() =>
  pglite.exec(`
    create schema s2;
    create table public.t (id int primary key, v text);
    create table s2.t (id int primary key, v text);
    insert into public.t values (1, 'public');
    insert into s2.t values (1, 'old');
    create table counted (id int primary key);
    create function counting() returns bigint language sql stable as 'select count(*) from counted';
    create role writer;
    grant usage on schema public to writer;
    grant update on public.t to writer;
    grant select (id) on public.t to writer;
  `),
)
test.after.always(() => pglite.close())
test.afterEach.always(() => pglite.exec('reset search_path; reset role'))

let stores = 0

function open(options: CacheopsOptions<DB> = {}): Kysely<DB> {
  const store = { type: 'embedded', name: `session ${stores++}` } as const
  return new Kysely<DB>({
    dialect: new PGliteDialect({ pglite }),
    plugins: [cacheopsPlugin<DB>({ store, ...options })],
  })
}

test.serial('a write under another search_path drops what it changed there', async (t) => {
  const db = open()
  const read = () => db.withSchema('s2').selectFrom('t').select('v').where('id', '=', 1).cache().executeTakeFirst()
  await read()
  t.deepEqual(await read(), { v: 'old' })
  await db.transaction().execute(async (trx) => {
    await sql`set local search_path to s2`.execute(trx)
    await trx.updateTable('t').set({ v: 'new' }).where('id', '=', 1).execute()
  })
  t.deepEqual(await read(), { v: 'new' })
})

test.serial('not even vary covers another search_path', async (t) => {
  const db = open({ vary: () => 'x' })
  const read = () => db.selectFrom('t').select('v').where('id', '=', 1).cache().executeTakeFirst()
  await read()
  await sql`set search_path to s2`.execute(db)
  await db.updateTable('t').set({ v: 'newer' }).where('id', '=', 1).execute()
  t.deepEqual(await read(), { v: 'newer' })
  await pglite.exec(`update s2.t set v = 'past Kysely'`)
  t.deepEqual(await read(), { v: 'past Kysely' }, 'it goes to the database')
})

test.serial('a role that may write but not read can write', async (t) => {
  const db = open()
  await db.selectFrom('t').selectAll().where('v', '=', 'public').cache().execute()
  const result = await db.transaction().execute(async (trx) => {
    await sql`set local role writer`.execute(trx)
    return trx.updateTable('t').set({ v: 'by the writer' }).where('id', '=', 1).executeTakeFirst()
  })
  t.is(result.numUpdatedRows, 1n)
  t.deepEqual(await db.selectFrom('t').selectAll().where('v', '=', 'public').cache().execute(), [])
})

test.serial("the application's own settings keep writes precise", async (t) => {
  const db = open()
  const read = () => db.withSchema('s2').selectFrom('t').select('v').where('id', '=', 1).cache()
  await read().execute()
  await db.transaction().execute(async (trx) => {
    await sql`select set_config('app.tenant', '7', true)`.execute(trx)
    await trx.updateTable('t').set({ v: 'w' }).where('id', '=', 1).execute()
  })
  await pglite.exec(`update s2.t set v = 'unseen'`)
  t.not((await read().executeTakeFirst())?.v, 'unseen', 'it is still kept')
})

test.serial('a function that reads tables goes with any write, if it is cached at all', async (t) => {
  const db = open()
  const count = () => sql<{ n: string }>`select counting()::text as n`.execute(db)
  const cacheops = cacheopsPlugin<DB>({ store: { type: 'embedded', name: 'functions' } })
  const own = new Kysely<any>({ dialect: new PGliteDialect({ pglite }), plugins: [cacheops] })
  const cached = () => cacheops.run(own, sql<{ n: string }>`select counting()::text as n`)
  await cached()
  await own.insertInto('counted').values({ id: 1 }).execute()
  t.deepEqual((await cached()).rows, (await count()).rows)
})

test.serial('a parameter that means another instant each day is not cached without being asked for', async (t) => {
  const plugin = cacheopsPlugin({
    profiles: { '*.*': { ops: 'all' } },
    store: { type: 'embedded', name: 'instants' },
  })
  const db = new Kysely<any>({ dialect: new PGliteDialect({ pglite }), plugins: [plugin] })
  t.is((await plugin.explain(db.selectFrom('t').selectAll().where('v', '=', 'today'))).reason, 'time_parameter')
  t.true((await plugin.explain(db.selectFrom('t').selectAll().where('v', '=', 'todays'))).cacheable)
})

test.serial("casts of the user's that read tables go with any write", async (t) => {
  const own = new PGlite()
  await own.exec(`
    create type thing as (a int);
    create table things (id int primary key, o thing);
    insert into things values (1, row(1));
    create table counted (id int primary key);
    create function counting(thing) returns text language sql stable as 'select count(*)::text from counted';
    create cast (thing as text) with function counting(thing);
  `)
  const plugin = cacheopsPlugin({ profiles: { '*.*': { ops: 'all' } }, store: { type: 'embedded', name: 'casts' } })
  const db = new Kysely<any>({ dialect: new PGliteDialect({ pglite: own }), plugins: [plugin] })
  const read = () => sql`select o::text as n from things`.execute(db)
  await read()
  await db.insertInto('counted').values({ id: 1 }).execute()
  t.deepEqual((await read()).rows, [{ n: '1' }])
  await db.destroy()
})

test("SQLite: the clock's other spelling is not cached without being asked for", async (t) => {
  const plugin = cacheopsPlugin({ profiles: { '*.*': { ops: 'all' } }, store: { type: 'embedded', name: 'clock' } })
  const database = new SqliteDatabase(':memory:')
  database.exec('create table t (id integer)')
  const db = new Kysely<any>({ dialect: new SqliteDialect({ database }), plugins: [plugin] })
  const query = db.selectFrom('t').select(sql`time('subsec')`.as('now'))
  t.is((await plugin.explain(query)).reason, 'time_function')
  await db.destroy()
})

test('SQLite: a file is the same database by a hard link', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cacheops-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const first = new SqliteDatabase(join(folder, 'a.db'))
  first.exec('create table t (id integer primary key, v integer); insert into t values (1, 1)')
  linkSync(join(folder, 'a.db'), join(folder, 'b.db'))
  const second = new SqliteDatabase(join(folder, 'b.db'))
  const plugin = cacheopsPlugin({ store: { type: 'embedded', name: 'links' } })
  const instances = [first, second].map(
    (database) => new Kysely<any>({ dialect: new SqliteDialect({ database }), plugins: [plugin] }),
  )
  const [reader, writer] = instances as [Kysely<any>, Kysely<any>]
  const read = () => reader.selectFrom('t').select('v').where('id', '=', 1).cache().executeTakeFirst()
  await read()
  await writer.updateTable('t').set({ v: 2 }).where('id', '=', 1).execute()
  t.deepEqual(await read(), { v: 2 })
  for (const instance of instances) await instance.destroy()
})
