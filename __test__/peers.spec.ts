import { PGlite } from '@electric-sql/pglite'
import test from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { Kysely, PGliteDialect, PostgresDialect, sql, SqliteDialect } from 'kysely'
import type { Dialect } from 'kysely'
import { Pool } from 'pg'

import { cacheopsPlugin } from '../ts/index.ts'
import { sharedCluster } from './support/postgres-cluster.ts'

// Two Kysely instances over one real connection: what one does while the other has a transaction open belongs to it.

interface PeersDB {
  shelf: { id: number; name: string }
}

interface Peers {
  readonly a: Kysely<PeersDB>
  readonly b: Kysely<PeersDB>
  /** what an instance without the plugin sees */
  readonly truth: () => Promise<string | undefined>
}

const pglite = PGlite.create()
const pools: Pool[] = []
test.after.always(async () => {
  await (await pglite).close()
  for (const pool of pools) await pool.end()
})

const DIALECTS: Record<string, () => Promise<() => Dialect>> = {
  sqlite: () => {
    const database = new BetterSqlite3(':memory:')
    database.pragma('foreign_keys = on')
    return Promise.resolve(() => new SqliteDialect({ database }))
  },
  // One client: what is left open on it is the next one's, too.
  pg: async () => {
    const cluster = await sharedCluster()
    const { host, port, user } = cluster
    await cluster.exec('drop table if exists crate, shelf')
    const pool = new Pool({ host, port, user, database: 'postgres', max: 1 })
    pools.push(pool)
    return () => new PostgresDialect({ pool })
  },
  pglite: async () => {
    const server = await pglite
    await server.exec('rollback; drop table if exists crate, shelf')
    return () => new PGliteDialect({ pglite: server })
  },
}

const shelf = (db: Kysely<PeersDB>) => db.selectFrom('shelf').select('name').where('id', '=', 1)
const nameOf = async (db: Kysely<PeersDB>) => (await shelf(db).cache().executeTakeFirst())?.name
const rename = (db: Kysely<PeersDB>, name: string) =>
  db.updateTable('shelf').set({ name }).where('id', '=', 1).execute()

for (const [kind, open] of Object.entries(DIALECTS)) {
  const peers = async (): Promise<Peers> => {
    const dialect = await open()
    // Two plugin objects: they share the store, and nothing else.
    const make = (): Kysely<PeersDB> => new Kysely({ dialect: dialect(), plugins: [cacheopsPlugin()] })
    const [a, b] = [make(), make()]
    await a.schema.createTable('shelf').addColumn('id', 'integer').addColumn('name', 'text').execute()
    await a.insertInto('shelf').values({ id: 1, name: 'old' }).execute()
    const plain = new Kysely<PeersDB>({ dialect: dialect() })
    await nameOf(b)
    return { a, b, truth: async () => (await shelf(plain).executeTakeFirst())?.name }
  }

  test.serial(`${kind}: what another instance read of a transaction is dropped when it is rolled back`, async (t) => {
    const { a, b, truth } = await peers()
    await sql`begin`.execute(a)
    await rename(a, 'never committed')
    await shelf(b).cache().execute()
    await sql`rollback`.execute(a)
    t.is(await truth(), 'old')
    t.is(await nameOf(b), 'old')
    t.is(await nameOf(a), 'old')
  })

  test.serial(`${kind}: the same for a rollback to a savepoint`, async (t) => {
    const { a, b, truth } = await peers()
    await sql`begin`.execute(a)
    await sql`savepoint one`.execute(a)
    await rename(a, 'never committed')
    await shelf(b).cache().execute()
    await sql`rollback to one`.execute(a)
    await sql`commit`.execute(a)
    t.is(await truth(), 'old')
    t.is(await nameOf(b), 'old')
  })

  test.serial(`${kind}: what another instance wrote goes with the transaction that is rolled back`, async (t) => {
    const { a, b, truth } = await peers()
    await sql`begin`.execute(a)
    await rename(b, 'never committed')
    await shelf(b).cache().execute()
    await sql`rollback`.execute(a)
    t.is(await truth(), 'old')
    t.is(await nameOf(b), 'old')
    t.is(await nameOf(a), 'old')
  })

  test.serial(`${kind}: a schema that another instance learnt of, and that was never committed`, async (t) => {
    const { a, b } = await peers()
    const create = (action: string) =>
      sql.raw(`create table crate (id integer primary key, shelf integer references shelf (id) ${action})`)
    await sql`create unique index shelf_id on shelf (id)`.execute(a)
    await create('on delete cascade').execute(a)
    await sql`insert into crate values (1, 1)`.execute(a)
    // After this nobody knows the schema, until somebody asks: the other instance, in the open transaction.
    await sql`create index crate_shelf on crate (shelf)`.execute(a)
    await sql`begin`.execute(a)
    await sql`drop table crate`.execute(a)
    await create('').execute(a)
    await shelf(b).cache().execute()
    await sql`rollback`.execute(a)
    const crates = b.withTables<{ crate: { id: number } }>().selectFrom('crate').select('id').cache()
    t.deepEqual(await crates.execute(), [{ id: 1 }])
    await b.deleteFrom('shelf').where('id', '=', 1).execute()
    t.deepEqual(await crates.execute(), [])
  })
}

test.serial('sqlite: db.transaction() of one instance, reads and writes of another', async (t) => {
  const database = new BetterSqlite3(':memory:')
  const make = (): Kysely<PeersDB> =>
    new Kysely({ dialect: new SqliteDialect({ database }), plugins: [cacheopsPlugin()] })
  const [a, b] = [make(), make()]
  await a.schema.createTable('shelf').addColumn('id', 'integer').addColumn('name', 'text').execute()
  await a.insertInto('shelf').values({ id: 1, name: 'old' }).execute()
  t.is(await nameOf(b), 'old')
  const undone = a.transaction().execute(async (trx) => {
    await rename(trx, 'never committed')
    await rename(b, 'nor this')
    await shelf(b).cache().execute()
    throw new Error('undo')
  })
  await t.throwsAsync(undone, { message: 'undo' })
  t.is(await nameOf(b), 'old')
  t.is(await nameOf(a), 'old')
})

test.serial('pg: a transaction does not get dirty by what other instances write meanwhile', async (t) => {
  const cluster = await sharedCluster()
  const { host, port, user } = cluster
  await cluster.exec(
    'drop table if exists crate, shelf; create table shelf (id int primary key, name text); insert into shelf values (1, $$old$$)',
  )
  const make = (): Kysely<PeersDB> => {
    const pool = new Pool({ host, port, user, database: 'postgres', max: 2 })
    pools.push(pool)
    return new Kysely({ dialect: new PostgresDialect({ pool }), plugins: [cacheopsPlugin()] })
  }
  const [a, b] = [make(), make()]
  await nameOf(a)
  await nameOf(b)
  const reads: string[] = []
  const cacheops = cacheopsPlugin()
  const pool = new Pool({ host, port, user, database: 'postgres', max: 2 })
  pools.push(pool)
  const c = new Kysely<PeersDB>({ dialect: new PostgresDialect({ pool }), plugins: [cacheops] })
  cacheops.on('read', ({ reason }) => reads.push(reason))
  await c.transaction().execute(async (trx) => {
    await nameOf(trx)
    await rename(a, 'new')
    t.is(await nameOf(trx), 'new')
    t.is(await nameOf(trx), 'new')
  })
  t.deepEqual(reads.slice(-2), ['miss', 'hit'])
})
