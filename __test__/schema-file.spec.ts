import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Kysely } from 'kysely'
import type { Dialect } from 'kysely'

import { cacheopsPlugin } from '../ts/index.ts'
import type { Cacheops, CacheopsOptions, SchemaFacts } from '../ts/index.ts'
import { databases } from './support/databases.ts'
import { RecordingDialect, Recorder } from './support/recorder.ts'
import { sharedCluster } from './support/postgres-cluster.ts'
import { pooledDialect, sqliteServer } from './support/servers.ts'

/** A process that starts: nothing is known of the database but what the options say. */
interface Start {
  readonly db: Kysely<any>
  readonly cacheops: Cacheops
  readonly recorder: Recorder
}

let starts = 0

function start(t: ExecutionContext, dialect: Dialect, options: CacheopsOptions): Start {
  const store = { type: 'embedded', name: `start-${process.pid}-${++starts}` } as const
  const cacheops = cacheopsPlugin({ store, ...options })
  const recorder = new Recorder()
  const db = new Kysely<any>({ dialect: new RecordingDialect(dialect, recorder), plugins: [cacheops] })
  t.teardown(async () => {
    await db.destroy()
    await cacheops.close()
  })
  return { db, cacheops, recorder }
}

function warningsOf(t: ExecutionContext): string[] {
  const texts: string[] = []
  const listen = (warning: Error): unknown => texts.push(warning.message)
  process.on('warning', listen)
  t.teardown(() => process.off('warning', listen))
  return texts
}

/** Warnings come a turn later. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const CATALOG = /pg_catalog\.pg_constraint WHERE contype|pragma_foreign_key_list/

async function hitsAndInvalidates(t: ExecutionContext, { db, recorder }: Start): Promise<void> {
  const one = db.selectFrom('artist').selectAll().where('id', '=', 1).cache()
  const two = db.selectFrom('artist').selectAll().where('id', '=', 2).cache()
  const before = [await one.execute(), await two.execute()]
  const asked = recorder.statements.length
  t.deepEqual([await one.execute(), await two.execute()], before)
  t.is(recorder.statements.length, asked)
  await db.updateTable('artist').set({ country: 'XX' }).where('id', '=', 1).execute()
  const written = recorder.statements.length
  t.deepEqual(await two.execute(), before[1])
  t.is(recorder.statements.length, written, 'another row')
  t.is((await one.execute())[0]!.country, 'XX')
}

for (const database of databases) {
  const { name } = database

  test.serial(`${name}: a start from a file reads no catalogs, and knows as much`, async (t) => {
    const warnings = warningsOf(t)
    const { db, cacheops, plainDialect } = await database.open(t)
    const exported = await cacheops.exportSchema({ db })
    t.deepEqual(JSON.parse(JSON.stringify(exported)), exported)
    const folder = mkdtempSync(join(tmpdir(), 'cacheops-schema-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'schema.json')
    writeFileSync(path, JSON.stringify(exported, null, 2))
    for (const schema of [exported, path]) {
      const started = start(t, plainDialect(), { schema })
      await hitsAndInvalidates(t, started)
      t.is(started.recorder.count(CATALOG), 0)
      t.deepEqual((await started.cacheops.exportSchema()).facts, exported.facts)
    }
    const without = start(t, plainDialect(), {})
    await hitsAndInvalidates(t, without)
    t.is(without.recorder.count(CATALOG), 1)
    await turn()
    t.deepEqual(
      warnings.filter((text) => text.includes('schema')),
      [],
    )
  })

  test.serial(`${name}: a file that is out of date is not believed, and says so once`, async (t) => {
    const warnings = warningsOf(t)
    const { db, cacheops, plainDialect, exec, flag } = await database.open(t)
    const schema = await cacheops.exportSchema({ db })
    await exec('create table mark (id integer primary key, genre_id integer references genre (id) on delete cascade)')
    await exec('insert into mark values (1, 3)')
    const started = start(t, plainDialect(), { schema })
    const marks = started.db.selectFrom('mark').selectAll().where('genre_id', '=', 3).cache()
    t.is((await marks.execute()).length, 1)
    await started.db
      .updateTable('track')
      .set({ genre_id: null, explicit: flag(false) })
      .where('genre_id', '=', 3)
      .execute()
    await started.db.deleteFrom('genre').where('id', '=', 3).execute()
    t.deepEqual(await marks.execute(), [])
    t.is(started.recorder.count(CATALOG), 1)
    await turn()
    const told = warnings.filter((text) => text.includes('option `schema`'))
    t.is(told.length, 1)
    t.regex(told[0]!, /the schema has changed since they were exported.*exportSchema\(\)/)
    // What the process itself changes later needs no file to be told.
    await started.db.schema.alterTable('mark').addColumn('note', 'text').execute()
    t.deepEqual(await marks.execute(), [])
  })

  test.serial(`${name}: what is exported is what is there, whoever has changed it`, async (t) => {
    const { db, cacheops, exec, plainDialect } = await database.open(t)
    await db.selectFrom('genre').selectAll().cache().execute()
    await exec('alter table genre add column note text')
    const schema = await cacheops.exportSchema()
    t.true(JSON.stringify(schema.facts).includes('"note"'))
    const started = start(t, plainDialect(), { schema })
    await hitsAndInvalidates(t, started)
    t.is(started.recorder.count(CATALOG), 0)
  })

  test.serial(`${name}: exportSchema() wants to know whose schema, and outside of a transaction`, async (t) => {
    const { db, plain, cacheops, connect } = await database.open(t)
    await t.throwsAsync(cacheops.exportSchema(), { code: 'CACHEOPS_DATABASE_REQUIRED' })
    await db.transaction().execute(async (trx) => {
      await t.throwsAsync(cacheops.exportSchema({ db: trx }), { code: 'CACHEOPS_DATABASE_REQUIRED' })
    })
    await t.notThrowsAsync(cacheops.exportSchema())
    await connect({ plugins: [cacheops] })
      .selectFrom('genre')
      .selectAll()
      .cache()
      .execute()
    await t.throwsAsync(cacheops.exportSchema(), { code: 'CACHEOPS_DATABASE_REQUIRED' })
    await t.throwsAsync(cacheops.exportSchema({ db: plain }), { code: 'CACHEOPS_DATABASE_REQUIRED' })
  })
}

test.serial('sqlite: the file of another database is not believed, that of an equal one is', async (t) => {
  const warnings = warningsOf(t)
  const [shop, equal, other] = [
    sqliteServer('better-sqlite3'),
    sqliteServer('better-sqlite3'),
    sqliteServer('better-sqlite3'),
  ]
  t.teardown(() => Promise.all([shop, equal, other].map((server) => server.close())))
  await other.exec('alter table artist add column note text')
  const { db, cacheops } = start(t, shop.dialect(), {})
  const schema = await cacheops.exportSchema({ db })
  const same = start(t, equal.dialect(), { schema })
  await hitsAndInvalidates(t, same)
  t.is(same.recorder.count(CATALOG), 0)
  const foreign = start(t, other.dialect(), { schema })
  await hitsAndInvalidates(t, foreign)
  t.is(foreign.recorder.count(CATALOG), 1)
  await turn()
  t.is(warnings.filter((text) => text.includes('exported from another database')).length, 1)
})

const TYPES = `create schema odd; create type odd."Mood" as enum ('ok', 'bad'); create domain label as text;
  create type pair as (x int, y text); create type span as range (subtype = int); create extension citext;
  create table t (id int primary key, m odd."Mood", ms odd."Mood"[], p pair, s span, ls label[], c citext);
  insert into t values (1, 'ok', '{ok}', '(1,a)', '[1,3)', '{l}', 'C')`

for (const driver of ['pg', 'postgres.js'] as const) {
  test.serial(`${driver}: types of a file are asked for by their names, and mean what they mean without`, async (t) => {
    const warnings = warningsOf(t)
    const cluster = await sharedCluster()
    const database = `types_${driver.replace('.', '_')}`
    await cluster.exec(`create database ${database}`)
    await cluster.exec(TYPES, database)
    const dialect = (): Dialect => pooledDialect(driver, cluster, database)
    const owner = start(t, dialect(), {})
    const schema = await owner.cacheops.exportSchema({ db: owner.db })
    const store = { type: 'embedded', name: `types of files ${driver}` } as const
    const [with_, without] = [start(t, dialect(), { store, schema }), start(t, dialect(), { store })]
    const read = ({ db }: Start) => db.selectFrom('t').selectAll().cache().execute()
    const rows = await read(with_)
    t.is(with_.recorder.statements.length, 2)
    t.deepEqual(await read(without), rows)
    t.is(without.recorder.count(/^select/), 0, 'a hit: what its driver makes of values is the same')

    // Labels are no part of the facts; what a driver makes of them is asked all the same.
    await cluster.exec(`alter type odd."Mood" rename value 'ok' to 'fine'`, database)
    const renamed = start(t, dialect(), { store, schema })
    t.deepEqual(await read(renamed), [{ ...rows[0], m: 'fine', ms: driver === 'pg' ? '{fine}' : ['fine'] }])

    await cluster.exec('alter table t drop column p; drop type pair', database)
    const dropped = start(t, dialect(), { schema })
    t.deepEqual(Object.keys((await read(dropped))[0]!), ['id', 'm', 'ms', 's', 'ls', 'c'])
    t.is(dropped.recorder.count(CATALOG), 1)
    t.deepEqual(await read(dropped), await read(dropped))
    await turn()
    t.is(warnings.filter((text) => text.includes('the schema has changed since they were exported')).length, 1)
  })
}

test.serial('postgres: the file of another role, search path, or kind of database is not believed', async (t) => {
  const warnings = warningsOf(t)
  const cluster = await sharedCluster()
  await cluster.exec('create role reader login')
  await cluster.exec('create database files')
  await cluster.exec(
    'create table artist (id int primary key, name text, country text); grant select (id, name) on artist to reader',
    'files',
  )
  const dialect = (user: string): Dialect => pooledDialect('pg', { ...cluster, user }, 'files')
  const owner = start(t, dialect('postgres'), {})
  const schema = await owner.cacheops.exportSchema({ db: owner.db })
  const again = start(t, dialect('postgres'), { schema })
  await again.db.selectFrom('artist').selectAll().cache().execute()
  t.is(again.recorder.count(CATALOG), 0)
  // What tells whether the file is right, what the driver makes of values, and the session: one statement. Then the query.
  t.is(again.recorder.statements.length, 2)
  const without = start(t, dialect('postgres'), {})
  await without.db.selectFrom('artist').selectAll().cache().execute()
  // The catalogs, and values of the types that they declare, are two more.
  t.is(without.recorder.statements.length, 4)
  const reader = start(t, dialect('reader'), { schema })
  await reader.db.selectFrom('artist').select('id').cache().execute()
  t.is(reader.recorder.count(CATALOG), 1)
  const server = sqliteServer('better-sqlite3')
  t.teardown(() => server.close())
  await hitsAndInvalidates(t, start(t, server.dialect(), { schema }))
  await cluster.exec('create schema files; alter role postgres set search_path = files, public', 'files')
  const moved = start(t, dialect('postgres'), { schema })
  await moved.db.selectFrom('artist').selectAll().cache().execute()
  t.is(moved.recorder.count(CATALOG), 1)
  await cluster.exec('alter role postgres reset search_path', 'files')
  await turn()
  t.is(warnings.filter((text) => text.includes('another role, search path or connection set-up')).length, 2)
  t.is(warnings.filter((text) => /exported from PostgreSQL \d+\.\d{1,2}, and this is SQLite/.test(text)).length, 1)
})

test('schema: what is not the export of this version is refused when the plugin is made', async (t) => {
  const server = sqliteServer('better-sqlite3')
  t.teardown(() => server.close())
  const { db, cacheops } = start(t, server.dialect(), {})
  const good = await cacheops.exportSchema({ db })
  const folder = mkdtempSync(join(tmpdir(), 'cacheops-schema-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'broken.json')
  writeFileSync(path, '{ "format": 1,')
  const { facts, types: _, ...rest } = good
  const edited = { ...good, facts: { ...facts, attached: true } }
  const wrong: [unknown, RegExp][] = [
    [join(folder, 'none.json'), /none\.json" could not be read/],
    [path, /broken\.json" is not JSON/],
    [{ ...good, format: 99 }, /has the format 99; this version of cacheops has 1/],
    [rest, /is incomplete/],
    [{ ...rest, facts }, /is incomplete/],
    [{ ...good, dialect: 'mysql' }, /is incomplete/],
    [edited, /was changed after it was exported/],
    [{ ...good, types: {} }, /was changed after it was exported/],
    [{}, /is not what exportSchema\(\) gave/],
    [7, /is not what exportSchema\(\) gave/],
    [null, /is not what exportSchema\(\) gave/],
  ]
  for (const [schema, message] of wrong) {
    t.throws(() => cacheopsPlugin({ schema: schema as SchemaFacts }), { code: 'CACHEOPS_INVALID_SCHEMA', message })
  }
  t.throws(() => cacheopsPlugin({ schema: rest as SchemaFacts }), { message: /Write it again: JSON\.stringify/ })
  // One that another version has written is none of the user's mistakes.
  const older = start(t, server.dialect(), { schema: { ...good, version: '0.0.1' } })
  await hitsAndInvalidates(t, older)
  t.is(older.recorder.count(CATALOG), 1)
})
