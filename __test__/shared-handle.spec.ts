import test from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'

import { cacheopsPlugin } from '../ts/index.ts'

// Kysely's SQLite driver executes a statement in one go, so whoever shares its handle never sees a half of one.

interface ShelfDB {
  shelf: { id: number; grp: number; name: string | null }
}

function open() {
  const handle = new BetterSqlite3(':memory:')
  handle.exec('create table shelf (id integer primary key, grp integer, name text)')
  handle.exec('insert into shelf values (1, 1, null), (2, 2, null), (3, 3, null)')
  const make = (): Kysely<ShelfDB> =>
    new Kysely({ dialect: new SqliteDialect({ database: handle }), plugins: [cacheopsPlugin()] })
  return { handle, a: make(), b: make() }
}

const group = (db: Kysely<ShelfDB>, grp: number) => db.selectFrom('shelf').selectAll().where('grp', '=', grp).cache()

test('writes of two instances at the same time are both done', async (t) => {
  const { a, b } = open()
  for (const grp of [1, 2, 3, 4]) await group(a, grp).execute()
  const move = (db: Kysely<ShelfDB>, id: number, grp: number) =>
    db.updateTable('shelf').set({ grp }).where('id', '=', id).executeTakeFirst()
  const results = await Promise.all([move(a, 1, 4), move(b, 2, 4), move(a, 3, 4)])
  t.deepEqual(
    results.map(({ numUpdatedRows }) => numUpdatedRows),
    [1n, 1n, 1n],
  )
  for (const grp of [1, 2, 3]) t.deepEqual(await group(b, grp).execute(), [])
  t.is((await group(a, 4).execute()).length, 3)
})

test('inserts of two instances at the same time are told apart', async (t) => {
  const { a, b } = open()
  for (const grp of [11, 12]) t.deepEqual(await group(a, grp).execute(), [])
  await Promise.all([
    a.insertInto('shelf').values({ id: 11, grp: 11 }).execute(),
    b.insertInto('shelf').values({ id: 12, grp: 12 }).execute(),
  ])
  t.deepEqual(await group(a, 11).execute(), [{ id: 11, grp: 11, name: null }])
  t.deepEqual(await group(a, 12).execute(), [{ id: 12, grp: 12, name: null }])
})

test('several rows at a time, by two instances', async (t) => {
  const { a, b } = open()
  await group(a, 20).execute()
  const add = (db: Kysely<ShelfDB>, ids: number[]) =>
    db
      .insertInto('shelf')
      .values(ids.map((id) => ({ id, grp: 20 })))
      .executeTakeFirst()
  const [one, other] = await Promise.all([add(a, [21, 22]), add(b, [23, 24, 25])])
  t.deepEqual([one.insertId, one.numInsertedOrUpdatedRows], [22n, 2n])
  t.deepEqual([other.insertId, other.numInsertedOrUpdatedRows], [25n, 3n])
  t.is((await group(b, 20).execute()).length, 5)
})

test('nobody who shares the handle meets a transaction of ours', async (t) => {
  const { handle, a } = open()
  for (const grp of [1, 2]) await group(a, grp).execute()
  const writes: Record<string, () => Promise<unknown>> = {
    update: () => a.updateTable('shelf').set({ grp: 2 }).where('grp', '=', 1).execute(),
    delete: () => a.deleteFrom('shelf').where('grp', '=', 2).execute(),
    insert: () => a.insertInto('shelf').values({ id: 9, grp: 1 }).execute(),
    failing: () =>
      a
        .insertInto('shelf')
        .values({ id: 9, grp: 1 })
        .execute()
        .catch(() => undefined),
  }
  for (const [name, write] of Object.entries(writes)) {
    const written = write()
    for (let turn = 0; turn < 100; turn++) {
      t.false(handle.inTransaction, name)
      await Promise.resolve()
    }
    await written
  }
})

test('a transaction that somebody else has open on the handle is left to them', async (t) => {
  const { handle, a } = open()
  await group(a, 1).execute()
  handle.exec('begin')
  await a.updateTable('shelf').set({ grp: 7 }).where('grp', '=', 1).execute()
  t.true(handle.inTransaction)
  handle.exec('rollback')
  t.is(handle.prepare('select grp from shelf where id = 1').pluck().get(), 1)
})
