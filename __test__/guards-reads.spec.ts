import BetterSqlite3 from 'better-sqlite3'
import test from 'ava'
import { Kysely, sql, SqliteDialect } from 'kysely'
import type { KyselyPlugin } from 'kysely'

import { cacheopsPlugin } from '../ts/index.ts'
import { keep } from '../ts/rows.ts'
import { databases } from './support/databases.ts'
import type { DB } from './support/databases.ts'

// Rules of reads that no other spec shows by itself; each fails when its guard is taken away, see `mutants/`.

const genre = (db: Kysely<DB>, id = 1) => db.selectFrom('genre').selectAll().where('id', '=', id).cache()
const rename = (db: Kysely<DB>, name: string, id = 1) =>
  db.updateTable('genre').set({ name }).where('id', '=', id).execute()
const nameOf = async (db: Kysely<DB>, id = 1) => (await genre(db, id).executeTakeFirstOrThrow()).name

const READ = /^select \* from "genre" where "id"/

const [postgres, sqlite] = databases as [(typeof databases)[0], (typeof databases)[0]]

test.serial('sqlite: on a held connection too, what was read before a write is not kept after it', async (t) => {
  const { db, cacheops, connect, recorder } = await sqlite.open(t)
  const other = connect({ plugins: [cacheops] })
  for (const each of [db, other]) await genre(each, 2).execute()
  await db.connection().execute(async (connection) => {
    const gate = recorder.hold(READ, 'after')
    const read = nameOf(connection)
    await gate.reached
    await rename(other, 'new')
    gate.release()
    t.is(await read, 'Jazz', 'it began before the write')
    t.is(await nameOf(connection), 'new')
  })
  t.is(await nameOf(db), 'new')
})

test.serial('sqlite: a read on a held connection joins nobody', async (t) => {
  const { db } = await sqlite.open(t)
  await genre(db, 2).execute()
  await db.connection().execute(async (connection) => {
    const waiting = genre(db).execute()
    t.is(await nameOf(connection), 'Jazz', 'the other one waits for this connection')
    return { waiting }
  })
})

test.serial('sqlite: a hit on a held connection is a copy', async (t) => {
  const { db, isHit } = await sqlite.open(t)
  await genre(db).execute()
  await db.connection().execute(async (connection) => {
    const [row] = await genre(connection).execute()
    row!.name = 'mine'
    t.is(await nameOf(connection), 'Jazz')
    t.true(await isHit(genre(connection)))
  })
})

test.serial('postgres: a read that meets an open transaction on its connection keeps nothing', async (t) => {
  const { db } = await postgres.open(t, { connections: 1 })
  await genre(db, 2).execute()
  const day = async () => {
    const query = db
      .selectFrom('album')
      .select(sql<string>`released::text`.as('day'))
      .where('id', '=', 1)
      .cache()
    return (await query.executeTakeFirstOrThrow()).day
  }
  const read = await db.connection().execute(async (connection) => {
    await sql`begin`.execute(connection)
    await sql`set local datestyle = 'German'`.execute(connection)
    // It begins before the transaction is known to be left open, and waits for its connection.
    return { day: day() }
  })
  t.is(await read.day, '01.01.1959')
  await sql`rollback`.execute(db)
  t.is(await day(), '1959-01-01')
})

test.serial('sqlite: while a transaction is left open, reads at the root are its reads', async (t) => {
  const { db, cacheops, connect } = await sqlite.open(t)
  const other = connect({ plugins: [cacheops] })
  await genre(db, 2).execute()
  await sql`begin`.execute(db)
  await db.selectFrom('artist').selectAll().execute()
  await rename(other, 'new')
  t.is(await nameOf(other), 'new', 'kept now')
  t.is(await nameOf(db), 'Jazz', 'the snapshot of the transaction')
  await sql`commit`.execute(db)
  t.is(await nameOf(db), 'new')
})

test.serial('sqlite: a follower that is aborted is told at once', async (t) => {
  const { db, recorder } = await sqlite.open(t)
  await genre(db, 2).execute()
  const gate = recorder.hold(READ, 'before')
  const leader = nameOf(db)
  await gate.reached
  const controller = new AbortController()
  const follower = genre(db).execute({ signal: controller.signal })
  controller.abort(new Error('nobody waits for this'))
  await t.throwsAsync(follower)
  gate.release()
  t.is(await leader, 'Jazz')
})

test.serial('sqlite: a list in one parameter may hold a moving time', async (t) => {
  const { db, cacheops } = await sqlite.open(t, { profiles: { '*.*': { ops: 'all' } } })
  const read = (value: unknown) => cacheops.explain(sql`select id from album where released = ${value}`, { db })
  t.is((await read('now')).reason, 'time_parameter')
  t.is((await read(['2026-01-01', 'now'])).reason, 'time_parameter')
  t.not((await read(['2026-01-01'])).reason, 'time_parameter')
})

test.serial('sqlite: a leader that has ended leaves a later one to its followers', async (t) => {
  const { db, cacheops, connect, recorder } = await sqlite.open(t)
  const other = connect({ plugins: [cacheops] })
  for (const each of [db, other]) await genre(each, 2).execute()
  recorder.clear()
  const first = recorder.hold(READ, 'after')
  const old = nameOf(db)
  await first.reached
  await rename(other, 'new')
  const second = recorder.hold(READ, 'after')
  const leader = nameOf(db)
  first.release()
  t.is(await old, 'Jazz')
  await second.reached
  const follower = nameOf(db)
  second.release()
  t.deepEqual(await Promise.all([leader, follower]), ['new', 'new'])
  t.is(recorder.count(READ), 2)
})

test.serial('sqlite: .cache() counts behind a plugin that rebuilds the query', async (t) => {
  const { db, isHit } = await sqlite.open(t)
  const rebuilding: KyselyPlugin = {
    transformQuery: ({ node }) => Object.fromEntries(Object.entries(node)) as never,
    transformResult: ({ result }) => Promise.resolve(result),
  }
  const query = genre(db).withPlugin(rebuilding)
  await query.execute()
  t.true(await isHit(query))
})

test.serial('postgres: a table with row-level security is cached automatically only with vary', async (t) => {
  const schema = 'alter table genre enable row level security'
  const profiles = { '*.*': { ops: 'all' } } as const
  const without = await postgres.open(t, { schema, profiles })
  const all = without.db.selectFrom('genre').selectAll()
  t.is((await without.cacheops.explain(all)).reason, 'row_security')
  const varied = cacheopsPlugin<DB>({ store: without.store, profiles, vary: () => 'tenant' })
  const db = without.connect({ plugins: [varied] })
  t.is((await varied.explain(db.selectFrom('genre').selectAll())).reason, null)
})

test.serial('sqlite: texts that are alike in length and in some characters are two', async (t) => {
  const { db, cacheops } = await sqlite.open(t)
  for (const [id, name] of [
    [1, 'Jazz'],
    [2, 'Afrobeat'],
    [3, 'Silence'],
  ] as const) {
    const { rows } = await cacheops.run(db, sql.raw<{ name: string }>(`select name from genre where id = ${id}`))
    t.deepEqual(rows, [{ name }])
  }
})

test('a driver whose rows cannot even be looked at: the caller gets them', async (t) => {
  const real = new BetterSqlite3(':memory:')
  real.exec('create table t (id integer primary key); insert into t values (1)')
  const shy = (row: object) =>
    new Proxy(row, {
      getPrototypeOf() {
        throw new Error('do not look')
      },
    })
  const database = {
    close: () => real.close(),
    prepare(text: string) {
      const statement = real.prepare(text)
      const all = (parameters: readonly unknown[]) => statement.all(...parameters) as object[]
      return {
        reader: statement.reader,
        all: (parameters: readonly unknown[]) => (/from "t"/.test(text) ? all(parameters).map(shy) : all(parameters)),
        run: (parameters: readonly unknown[]) => statement.run(...parameters),
        iterate: (parameters: readonly unknown[]) => statement.iterate(...parameters),
      }
    },
  }
  const cacheops = cacheopsPlugin({ store: { type: 'embedded', name: 'guards-shy' } })
  const db = new Kysely<{ t: { id: number } }>({ dialect: new SqliteDialect({ database }), plugins: [cacheops] })
  const faults: string[] = []
  cacheops.on('error', ({ error }) => void faults.push(error.message))
  const [row] = await db.selectFrom('t').selectAll().cache().execute()
  t.is(row!.id, 1)
  t.deepEqual(faults, ['do not look'])
  await db.destroy()
})

test('a date with a property of its own is not kept', (t) => {
  const rows = [{ v: Object.assign(new Date(5), { zone: 'UTC' }) }]
  t.true('reason' in keep({ rows }, 1000))
  t.false('reason' in keep({ rows: [{ v: new Date(5) }] }, 1000))
})
