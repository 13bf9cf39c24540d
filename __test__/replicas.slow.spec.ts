// Streaming standbys, and copies of a server: what may be answered with whose results.
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { sql } from 'kysely'
import type { Dialect } from 'kysely'

import { cacheopsPlugin } from '../ts/index.ts'
import type { CacheopsOptions } from '../ts/index.ts'
import { dialectOf, DRIVERS, newStore, openPool } from './support/pools.ts'
import type { Opened } from './support/pools.ts'
import { startCluster } from './support/postgres-cluster.ts'
import type { Cluster } from './support/postgres-cluster.ts'
import { copyOf } from './support/standby.ts'
import type { Copy } from './support/standby.ts'

const SCHEMA = `create table t (id int primary key, v text); insert into t values (1, 'old'), (2, 'old')`
const READ = 'select v from t where id = 1'
const OTHER = 'select v from t where id = 2'

let primary: Cluster
let standby: Copy

test.before(async () => {
  primary = await startCluster({ settings: ['wal_level=replica'] })
  await primary.exec(SCHEMA)
  standby = await copyOf(primary, true)
})
test.after.always(async () => {
  await standby?.stop()
  await primary?.stop()
})
test.beforeEach(async () => {
  await standby.resume()
  await primary.exec(`update t set v = 'old'`)
  await standby.catchUp()
})

/** Lets every second connection that is acquired be one of the standby. */
function spread(one: Dialect, other: Dialect): Dialect {
  const drivers = [one.createDriver(), other.createDriver()] as const
  const of = new WeakMap<object, (typeof drivers)[number]>()
  let turn = 0
  const owner = (connection: object) => of.get(connection)!
  return {
    createAdapter: () => one.createAdapter(),
    createQueryCompiler: () => one.createQueryCompiler(),
    createIntrospector: (db) => one.createIntrospector(db),
    createDriver: () => ({
      init: async (options) => {
        for (const driver of drivers) await driver.init(options)
      },
      async acquireConnection(options) {
        const driver = drivers[turn++ % 2]!
        const connection = await driver.acquireConnection(options)
        of.set(connection, driver)
        return connection
      },
      beginTransaction: (connection, settings) => drivers[0].beginTransaction(connection, settings),
      commitTransaction: (connection) => drivers[0].commitTransaction(connection),
      rollbackTransaction: (connection) => drivers[0].rollbackTransaction(connection),
      releaseConnection: (connection, options) => owner(connection).releaseConnection(connection, options),
      destroy: async (options) => {
        for (const driver of drivers) await driver.destroy(options)
      },
    }),
  }
}

for (const driver of DRIVERS) {
  const of = ({ host, port }: { host: string; port: number }): Dialect =>
    dialectOf({ driver, host, port, database: 'postgres' })
  const both = (t: ExecutionContext, options: CacheopsOptions = {}): { main: Opened; replica: Opened } => {
    const store = newStore()
    return {
      main: openPool(t, of(primary), cacheopsPlugin({ store })),
      replica: openPool(t, of(standby), cacheopsPlugin({ store, ...options })),
    }
  }

  for (const options of [{}, { replica: true }]) {
    test.serial(
      `${driver}: a standby, ${'replica' in options ? 'declared' : 'by itself'}, answers with what its primary has read and keeps nothing`,
      async (t) => {
        const { main, replica } = both(t, options)
        await main.read(READ)
        t.deepEqual(await replica.read(OTHER), [{ v: 'old' }])
        t.is(replica.reason(), 'replica')
        await replica.read(OTHER)
        t.is(replica.reason(), 'replica', 'nothing was kept')
        await main.read(READ)
        await replica.read(READ)
        t.is(replica.reason(), 'hit')
        const explained = await replica.cacheops.explain(
          replica.db.selectFrom('t').select('v').where('id', '=', 2).cache(),
        )
        t.like(explained, { cacheable: false, reason: 'replica', cached: false })

        await standby.pause()
        await main.run(`update t set v = 'new'`)
        t.deepEqual(await replica.read(READ), [{ v: 'old' }], 'as without us')
        t.deepEqual(await main.read(READ), [{ v: 'new' }], 'what a replica has read is not kept')
        t.deepEqual(await replica.read(READ), [{ v: 'new' }])
        t.is(replica.reason(), 'hit')
        await replica.db.transaction().execute(async (trx) => {
          await replica.cacheops.run(trx, sql.raw(OTHER))
          t.is(replica.reason(), 'replica')
        })
        t.deepEqual(await main.read(OTHER), [{ v: 'new' }])
      },
    )
  }

  test.serial(`${driver}: facts of a standby that is behind are not those of its primary`, async (t) => {
    const { main, replica } = both(t)
    await main.run('create table a (v text)')
    t.teardown(() => primary.exec('drop table a; drop trigger tr on t; drop function tr()'))
    await standby.catchUp()
    await main.read('select v from a')
    await standby.pause()
    await main.run(`create function tr() returns trigger language plpgsql as
      'begin insert into a values (new.v); return new; end'`)
    await main.run('create trigger tr after update on t for each row execute function tr()')
    await main.read('select v from a')
    // It has the facts read again, and sees no trigger.
    await replica.read(READ)
    await main.run(`update t set v = 'traced' where id = 1`)
    t.deepEqual(await main.read('select v from a'), [{ v: 'traced' }])
  })

  for (const options of [{}, { replica: true }]) {
    test.serial(
      `${driver}: reads that are spread over a primary and its standby, ${'replica' in options ? 'declared' : 'not declared'}, keep nothing old`,
      async (t) => {
        const spreading = openPool(t, spread(of(primary), of(standby)), { store: newStore(), ...options })
        for (let i = 0; i < 3; i++) await spreading.read(OTHER)
        await standby.pause()
        await spreading.db
          .transaction()
          .execute(async (trx) => {
            await sql`update t set v = 'new'`.execute(trx)
          })
          .catch(() => spreading.db.transaction().execute((trx) => sql`update t set v = 'new'`.execute(trx)))
        const answers = [await spreading.read(READ), await spreading.read(READ)].map(([row]) => row.v as string)
        t.deepEqual(answers.toSorted(), ['new', 'old'], 'each server says what it has')
        for (let i = 0; i < 4; i++) {
          await spreading.read(READ)
          t.not(spreading.reason(), 'hit')
        }
      },
    )
  }

  test.serial(`${driver}: a promoted standby is one no more`, async (t) => {
    const own = await copyOf(primary, true)
    t.teardown(() => own.stop())
    await own.catchUp()
    const { read, reason, run } = openPool(t, of(own))
    await read(READ)
    t.is(reason(), 'replica')
    await own.promote()
    t.deepEqual(await read(READ), [{ v: 'old' }])
    await run(`update t set v = 'promoted' where id = 1`)
    t.deepEqual(await read(READ), [{ v: 'promoted' }])
    await read(READ)
    await read(READ)
    t.is(reason(), 'hit')
    await run(`update t set v = 'again' where id = 1`)
    t.deepEqual(await read(READ), [{ v: 'again' }])
  })

  test.serial(`${driver}: a copy that goes its own way never shares results`, async (t) => {
    const copy = await copyOf(primary, false)
    t.teardown(() => copy.stop())
    const plugin = cacheopsPlugin({ store: newStore() })
    const main = openPool(t, of(primary), plugin)
    const other = openPool(t, of(copy), plugin)
    const follower = openPool(t, of(standby), plugin)
    await other.run(`update t set v = 'of the copy'`)
    await main.read(READ)
    t.deepEqual(await other.read(READ), [{ v: 'of the copy' }])
    t.deepEqual(await main.read(READ), [{ v: 'old' }])
    await other.read(READ)
    t.is(other.reason(), 'hit')
    t.deepEqual(await follower.read(READ), [{ v: 'old' }])
    t.is(follower.reason(), 'replica', 'nobody knows whom it follows')
  })
}
