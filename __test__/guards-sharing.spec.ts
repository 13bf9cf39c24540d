import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'
import type { ExecutionContext } from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { CamelCasePlugin, DefaultConnectionProvider, DefaultQueryExecutor, Kysely, sql, SqliteDialect } from 'kysely'
import type { KyselyConfig, LogEvent } from 'kysely'

import { cacheopsPlugin } from '../ts/index.ts'
import { databases } from './support/databases.ts'

// Rules of several users of one database that no other spec shows by itself; each fails when its guard is taken away, see `mutants/`.

interface ShelfDB {
  shelf: { id: number; grp: number }
  audit: { grp: number }
}

const SCHEMA = 'create table shelf (id integer primary key, grp integer); create table audit (grp integer)'

const group = (db: Kysely<ShelfDB>, grp: number) => db.selectFrom('shelf').selectAll().where('grp', '=', grp).cache()
const audits = (db: Kysely<ShelfDB>) => db.selectFrom('audit').selectAll().cache()
const move = (db: Kysely<ShelfDB>, grp: number) => db.updateTable('shelf').set({ grp }).where('id', '=', 1).execute()

function make(database: BetterSqlite3.Database, config: Partial<KyselyConfig> = {}): Kysely<ShelfDB> {
  return new Kysely({ dialect: new SqliteDialect({ database }), plugins: [cacheopsPlugin()], ...config })
}

/** A handle on a file of this test's own, as often as it is asked for. */
function file(t: ExecutionContext): () => BetterSqlite3.Database {
  const folder = mkdtempSync(join(tmpdir(), 'cacheops-test-'))
  const opened: BetterSqlite3.Database[] = []
  t.teardown(() => {
    for (const handle of opened) handle.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return () => {
    const handle = new BetterSqlite3(join(folder, 'shelf.db'))
    opened.push(handle)
    return handle
  }
}

test('an insert of somebody else between an insert and its image is noticed', async (t) => {
  const handle = new BetterSqlite3(':memory:')
  handle.exec(SCHEMA)
  // A connection that logs takes its time, and here it lets somebody in who does not use Kysely.
  const log = ({ query }: LogEvent): void => {
    if (query.sql.startsWith('insert')) handle.exec('insert into shelf values (12, 12)')
  }
  const db = make(handle, { log })
  t.deepEqual(await group(db, 11).execute(), [])
  await db.insertInto('shelf').values({ id: 11, grp: 11 }).execute()
  t.deepEqual(await group(db, 11).execute(), [{ id: 11, grp: 11 }])
})

test('a write is described by its own parameters, whatever is written meanwhile', async (t) => {
  const sqlite = databases.find(({ name }) => name === 'sqlite')!
  const { db, connect, cacheops, recorder } = await sqlite.open(t)
  const other = connect({ plugins: [cacheops] })
  const byId = (id: number) => db.selectFrom('genre').select('name').where('id', '=', id).cache()
  const rename = (on: typeof db, name: string, id: number) =>
    on.updateTable('genre').set({ name }).where('id', '=', id).execute()
  await other.selectFrom('genre').select('name').where('id', '=', 2).cache().execute()
  for (const id of [1, 2]) await byId(id).execute()
  const after = recorder.hold(/^update "genre"/, 'after')
  const one = rename(db, 'one', 1)
  await after.reached
  const before = recorder.hold(/^update "genre"/, 'before')
  const two = rename(other, 'two', 2)
  await before.reached
  after.release()
  await one
  t.deepEqual(await byId(1).execute(), [{ name: 'one' }])
  before.release()
  await two
  t.deepEqual(await byId(2).execute(), [{ name: 'two' }])
})

test('inserts of several rows by two instances at the same time have their own counts', async (t) => {
  const handle = new BetterSqlite3(':memory:')
  handle.exec(SCHEMA)
  const [a, b] = [make(handle), make(handle)]
  for (const db of [a, b]) await group(db, 20).execute()
  const add = (db: Kysely<ShelfDB>, ids: number[]) =>
    db
      .insertInto('shelf')
      .values(ids.map((id) => ({ id, grp: 20 })))
      .executeTakeFirst()
  const [one, other] = await Promise.all([add(a, [21, 22]), add(b, [23, 24, 25])])
  t.deepEqual([one.insertId, one.numInsertedOrUpdatedRows], [22n, 2n])
  t.deepEqual([other.insertId, other.numInsertedOrUpdatedRows], [25n, 3n])
})

test('a function is what it is on its own connection', async (t) => {
  const open = file(t)
  const [constant, counting] = [open(), open()]
  constant.exec(`${SCHEMA}; insert into shelf values (1, 1)`)
  constant.function('label', { deterministic: true }, () => 0)
  let calls = 0
  counting.function('label', () => ++calls)
  const [db, other] = [counting, constant].map((handle) =>
    make(handle, { plugins: [cacheopsPlugin({ profiles: { '*.*': { ops: 'all' } } })] }),
  ) as [Kysely<ShelfDB>, Kysely<ShelfDB>]
  const label = async (on: Kysely<ShelfDB>) =>
    (
      await on
        .selectFrom('shelf')
        .select(sql<number>`label()`.as('label'))
        .executeTakeFirstOrThrow()
    ).label
  t.is(await label(db), 1)
  t.is(await label(other), 0)
  t.is(await label(db), 2)
  t.is(await label(db), 3)
})

test('the first write of an instance that was stripped and dressed anew is seen', async (t) => {
  const open = file(t)
  const handle = open()
  handle.exec(`${SCHEMA}; insert into shelf values (1, 1)`)
  const db = make(handle)
  await group(db, 1).execute()
  await move(make(open()).withoutPlugins().withPlugin(new CamelCasePlugin()), 2)
  t.deepEqual(await group(db, 1).execute(), [])
})

test('writes of an executor without the plugin are seen on connections that one with it has used', async (t) => {
  const database = new BetterSqlite3(':memory:')
  database.exec(`${SCHEMA}; insert into shelf values (1, 1)`)
  const dialect = new SqliteDialect({ database })
  const [adapter, driver] = [dialect.createAdapter(), dialect.createDriver()]
  await driver.init()
  const connections = new DefaultConnectionProvider(driver)
  const [db, bare] = [[cacheopsPlugin()], []].map((plugins) => {
    const executor = new DefaultQueryExecutor(dialect.createQueryCompiler(), adapter, connections, plugins)
    return new Kysely<ShelfDB>({ config: { dialect }, driver, dialect, executor })
  }) as [Kysely<ShelfDB>, Kysely<ShelfDB>]
  await group(db, 1).execute()
  await move(bare, 2)
  t.deepEqual(await group(db, 1).execute(), [])
})

test('what another instance learns of a schema that was changed past Kysely is known to all', async (t) => {
  const open = file(t)
  const handle = open()
  handle.exec(`${SCHEMA}; insert into shelf values (1, 1)`)
  const db = make(handle)
  await group(db, 1).execute()
  t.deepEqual(await audits(db).execute(), [])
  open().exec('create trigger noting after update on shelf begin insert into audit values (new.grp); end')
  const late = make(open())
  await group(late, 1).execute()
  await move(late, 2)
  t.deepEqual(await audits(db).execute(), [{ grp: 2 }])
  await move(db, 3)
  t.deepEqual(await audits(late).execute(), [{ grp: 2 }, { grp: 3 }])
})

const NOTING = 'after update on main.shelf begin insert into audit values (new.grp); end'

test('facts that another connection set while a transaction is open tell nothing of its writes', async (t) => {
  const open = file(t)
  const special = open()
  special.exec(`${SCHEMA}; insert into shelf values (1, 1); create temp trigger noting ${NOTING}`)
  const [db, plain] = [make(special), make(open())]
  await group(db, 1).execute()
  await db.transaction().execute(async (trx) => {
    t.deepEqual(await audits(plain).execute(), [])
    await move(trx, 2)
  })
  t.deepEqual(await audits(plain).execute(), [{ grp: 2 }])
})

test('a trigger that is made in an attached file is known to the instance whose own it is', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cacheops-test-'))
  const [own, main] = ['own.db', 'main.db'].map((name) => new BetterSqlite3(join(folder, name))) as [
    BetterSqlite3.Database,
    BetterSqlite3.Database,
  ]
  t.teardown(() => {
    for (const handle of [own, main]) handle.close()
    rmSync(folder, { recursive: true, force: true })
  })
  own.exec(`${SCHEMA}; insert into shelf values (1, 1)`)
  main.exec(`${SCHEMA}; attach '${join(folder, 'own.db')}' as other`)
  const [owner, writer] = [make(own), make(main)]
  await group(writer, 1).execute()
  t.deepEqual(await audits(owner).execute(), [])
  await sql`create trigger other.noting after update on shelf begin insert into audit values (new.grp); end`.execute(
    writer,
  )
  t.deepEqual(await audits(owner).execute(), [])
  await move(owner, 2)
  t.deepEqual(await audits(owner).execute(), [{ grp: 2 }])
})
