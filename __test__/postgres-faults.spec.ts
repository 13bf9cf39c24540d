// Lost connections, failed transactions and unknown outcomes on real connections.
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { sql } from 'kysely'
import type { Kysely } from 'kysely'

import { startCluster } from './support/postgres-cluster.ts'
import { dialectOf, DRIVERS, newDatabase, openPool } from './support/pools.ts'
import type { Opened, PoolOptions } from './support/pools.ts'
import { startProxy } from './support/tcp-proxy.ts'
import type { Cut } from './support/tcp-proxy.ts'

const SCHEMA = `create table t (id int primary key, v text); insert into t values (1, 'old'), (2, 'old')`
const READ = 'select v from t where id = 1'

/** A pool and, past it, another. */
async function open(t: ExecutionContext, driver: PoolOptions['driver'], further: Partial<PoolOptions> = {}) {
  const at = { driver, ...(await newDatabase(SCHEMA)) }
  const past = openPool(t, dialectOf({ ...at, driver: 'pg' }))
  return { ...openPool(t, dialectOf({ ...at, ...further })), at, past }
}

async function warm(t: ExecutionContext, { read, reason }: Opened): Promise<void> {
  await read(READ)
  await read(READ)
  t.is(reason(), 'hit')
}

/** The error of a call, which must not be one of ours. */
async function errorOf(t: ExecutionContext, call: Promise<unknown>): Promise<any> {
  const error: any = await t.throwsAsync(call)
  t.not(error?.name, 'CacheopsError')
  return error
}

/**
 * NOTE: postgres.js ends the process when anything is sent on a connection that was lost while it was reserved, with the cache
 * or without. So nothing is rolled back there, and others read afterwards.
 */
function transaction(driver: string, db: Kysely<any>, work: (trx: Kysely<any>) => Promise<unknown>): Promise<unknown> {
  if (driver === 'pg') return db.transaction().execute(work)
  return db.connection().execute(async (trx) => {
    await sql`begin`.execute(trx)
    await work(trx)
    await sql`commit`.execute(trx)
  })
}

const update = (db: Kysely<any>, v: string) => sql`update t set v = ${v} where id = 1`.execute(db)

for (const driver of DRIVERS) {
  for (const [cut, committed] of [
    ['request', false],
    ['answer', true],
  ] as [Cut, boolean][]) {
    test.serial(`${driver}: a COMMIT whose ${cut} is lost`, async (t) => {
      const at = { driver, ...(await newDatabase(SCHEMA)) }
      const proxy = await startProxy(at)
      t.teardown(() => proxy.close())
      const writer = openPool(t, dialectOf({ ...at, port: proxy.port, max: 1 }))
      const opened = openPool(t, dialectOf(at), writer.cacheops)
      await writer.read(READ)
      await warm(t, opened)
      const done = proxy.cut(cut, cut === 'answer' ? 'COMMIT\0' : 'commit')
      await errorOf(
        t,
        transaction(driver, writer.db, (trx) => update(trx, 'new')),
      )
      await done
      t.deepEqual(await opened.read(READ), [{ v: committed ? 'new' : 'old' }])
      t.not(opened.reason(), 'hit', 'it was dropped')
    })

    test.serial(`${driver}: a write that commits by itself whose ${cut} is lost`, async (t) => {
      const at = { driver, ...(await newDatabase(SCHEMA)) }
      const proxy = await startProxy(at)
      t.teardown(() => proxy.close())
      const writer = openPool(t, dialectOf({ ...at, port: proxy.port, max: 1 }))
      const opened = openPool(t, dialectOf(at), writer.cacheops)
      await writer.read(READ)
      await warm(t, opened)
      const done = proxy.cut(cut, cut === 'answer' ? 'UPDATE 1' : 'update')
      await errorOf(t, update(writer.db, 'new'))
      await done
      t.deepEqual(await opened.read(READ), [{ v: committed ? 'new' : 'old' }])
      t.not(opened.reason(), 'hit', 'it was dropped')
    })
  }

  test.serial(`${driver}: COMMIT PREPARED, from another connection, whose answer is lost`, async (t) => {
    const cluster = await startCluster({ settings: ['max_prepared_transactions=4'] })
    t.teardown(() => cluster.stop())
    await cluster.exec(SCHEMA)
    const at = { driver, host: cluster.host, port: cluster.port, database: 'postgres' }
    const proxy = await startProxy(at)
    t.teardown(() => proxy.close())
    const writer = openPool(t, dialectOf({ ...at, port: proxy.port, max: 2 }))
    const opened = openPool(t, dialectOf(at), writer.cacheops)
    await writer.read(READ)
    const prepare = (v: string, id: string) =>
      writer.db.connection().execute(async (db) => {
        await sql`begin`.execute(db)
        await update(db, v)
        await sql.raw(`prepare transaction '${id}'`).execute(db)
      })
    await warm(t, opened)
    await prepare('first', 'a')
    t.deepEqual(await opened.read(READ), [{ v: 'old' }])
    await warm(t, opened)
    await writer.run(`commit prepared 'a'`)
    t.deepEqual(await opened.read(READ), [{ v: 'first' }])

    await prepare('second', 'b')
    await warm(t, opened)
    await warm(t, opened)
    const done = proxy.cut('answer', 'COMMIT PREPARED')
    await errorOf(t, writer.run(`commit prepared 'b'`))
    await done
    t.deepEqual(await opened.read(READ), [{ v: 'second' }])
  })

  test.serial(`${driver}: a failed transaction is the database's to answer, and heals by ROLLBACK TO`, async (t) => {
    const opened = await open(t, driver, { max: 1 })
    await warm(t, opened)
    const { cacheops } = opened
    await opened.db.connection().execute(async (db) => {
      const read = () => cacheops.run(db, sql.raw(READ))
      for (const begin of ['begin', 'start transaction', 'begin isolation level read committed']) {
        await sql.raw(begin).execute(db)
        await read()
        t.is(opened.reason(), 'hit', begin)
        await sql`savepoint s`.execute(db)
        t.is((await errorOf(t, sql`select 1 / 0`.execute(db))).code, '22012')
        t.is((await errorOf(t, read())).code, '25P02')
        await sql`rollback to savepoint s`.execute(db)
        await read()
        t.is(opened.reason(), 'hit', 'healed')
        await errorOf(t, sql`select 1 / 0`.execute(db))
        await sql`commit`.execute(db)
        await read()
        t.is(opened.reason(), 'hit')
      }
      for (const begin of [
        'begin isolation level repeatable read',
        'start transaction isolation level serializable',
        'begin; set transaction isolation level serializable',
      ]) {
        for (const part of begin.split(';')) await sql.raw(part).execute(db)
        await read()
        t.is(opened.reason(), 'snapshot', begin)
        await sql`rollback`.execute(db)
      }
    })
  })

  test.serial(`${driver}: serialization failures and deadlocks are retried, and each commit counts`, async (t) => {
    const opened = await open(t, driver)
    await warm(t, opened)
    const codes: unknown[] = []
    const retrying = async (work: () => Promise<unknown>): Promise<void> => {
      for (;;) {
        try {
          await work()
          return
        } catch (error) {
          const { code } = error as { code?: string }
          if (code !== '40001' && code !== '40P01') throw error
          codes.push(code)
        }
      }
    }
    const barrier = (): (() => Promise<void>) => {
      let waiting = 2
      const { promise, resolve } = Promise.withResolvers<void>()
      return () => {
        if (--waiting <= 0) resolve()
        return promise
      }
    }
    const meet = barrier()
    const serial = (v: string) =>
      retrying(() =>
        opened.db
          .transaction()
          .setIsolationLevel('repeatable read')
          .execute(async (trx) => {
            await sql`select v from t`.execute(trx)
            await meet()
            await update(trx, v)
          }),
      )
    await Promise.all([serial('one'), serial('two')])
    t.deepEqual(codes, ['40001'])
    t.deepEqual(await opened.read(READ), (await opened.past.run(READ)).rows)

    codes.length = 0
    const cross = barrier()
    const locking = (first: number, second: number) =>
      retrying(() =>
        opened.db.transaction().execute(async (trx) => {
          await sql`set local deadlock_timeout = '20ms'`.execute(trx)
          await sql`update t set v = v || '.' where id = ${first}`.execute(trx)
          await cross()
          await sql`update t set v = v || '.' where id = ${second}`.execute(trx)
        }),
      )
    await warm(t, opened)
    await Promise.all([locking(1, 2), locking(2, 1)])
    // The database may take either of the two, both, or the one that tries again.
    t.deepEqual([...new Set(codes)], ['40P01'])
    t.deepEqual(await opened.read(READ), (await opened.past.run(READ)).rows)
  })

  test.serial(`${driver}: a backend that is killed in a transaction, while it executes`, async (t) => {
    const opened = await open(t, driver)
    await warm(t, opened)
    const writer = openPool(t, dialectOf({ ...opened.at, max: 1 }), opened.cacheops)
    const sleeping = `pid in (select pid from pg_stat_activity where query like '%pg_sleep(60)%' and pid <> pg_backend_pid())`
    const kill = async (): Promise<void> => {
      const killed = () =>
        opened.past.run(`select pg_terminate_backend(pid, 10000) from pg_stat_activity where ${sleeping}`)
      while ((await killed()).rows.length === 0);
    }
    await errorOf(
      t,
      transaction(driver, writer.db, async (trx) => {
        await update(trx, 'never')
        await Promise.all([sql`select pg_sleep(60)`.execute(trx), kill()])
      }),
    )
    t.deepEqual(await opened.read(READ), [{ v: 'old' }])
    await opened.run(`update t set v = 'after' where id = 1`)
    t.deepEqual(await opened.read(READ), [{ v: 'after' }])
    await warm(t, opened)
  })

  test.serial(`${driver}: statement_timeout takes a write back, and nothing is dropped`, async (t) => {
    const opened = await open(t, driver, { options: '-c statement_timeout=200' })
    await warm(t, opened)
    const error = await errorOf(t, opened.run(`update t set v = 'x' from pg_sleep(10) where id = 1`))
    t.is(error.code, '57014')
    await opened.read(READ)
    t.is(opened.reason(), 'hit')
  })

  test.serial(`${driver}: with one connection nobody waits for himself`, async (t) => {
    const opened = await open(t, driver, { max: 1 })
    const { db, cacheops, run, read } = opened
    await db.transaction().execute(async (trx) => {
      await cacheops.explain(trx.selectFrom('t').selectAll().cache())
      await trx.selectFrom('t').selectAll().cache().execute()
      await cacheops.explain(db.selectFrom('t').selectAll().cache())
      await update(trx, 'in one')
      await cacheops.invalidateTable('t', { db: trx })
      await cacheops.invalidateRow('t', { id: 1 })
      await sql`alter table t add column w int`.execute(trx)
      await update(trx, 'in one, again')
    })
    t.deepEqual(await read(READ), [{ v: 'in one, again' }])
    await run('update t set w = 1')
    await Promise.all(Array.from({ length: 5 }, (_, i) => (i % 2 === 0 ? read(READ) : run(`update t set w = ${i}`))))
    await cacheops.invalidateAll()
    await db.connection().execute((own) => cacheops.explain(own.selectFrom('t').selectAll().cache()))
    t.deepEqual(
      await read('select w from t where id = 1'),
      (await opened.past.run('select w from t where id = 1')).rows,
    )
  })

  test.serial(`${driver}: several statements in one text, of which the first has committed`, async (t) => {
    const opened = await open(t, driver)
    await warm(t, opened)
    await errorOf(t, opened.run(`update t set v = 'committed' where id = 1; commit; select 1 / 0`))
    t.deepEqual(await opened.read(READ), (await opened.past.run(READ)).rows)
    await opened.run(`create procedure p() language plpgsql as
      $$ begin update t set v = 'by the procedure' where id = 1; commit; perform 1 / 0; end $$`)
    await warm(t, opened)
    t.is((await errorOf(t, opened.run('call p()'))).code, '22012')
    t.deepEqual(await opened.read(READ), [{ v: 'by the procedure' }])
    await warm(t, opened)
    await errorOf(t, opened.run(`do $$ begin update t set v = 'done' where id = 1; commit; perform 1 / 0; end $$`))
    t.deepEqual(await opened.read(READ), [{ v: 'done' }])
  })

  test.serial(`${driver}: a connection that is given back in the middle of a transaction`, async (t) => {
    const opened = await open(t, driver, { max: 1 })
    await warm(t, opened)
    await opened.run('begin')
    await opened.run(`update t set v = 'open' where id = 1`)
    await opened.read(READ)
    t.not(opened.reason(), 'hit')
    await opened.run('commit')
    t.deepEqual(await opened.read(READ), [{ v: 'open' }])
    await opened.run('begin')
    await errorOf(t, opened.run('select 1 / 0'))
    t.is((await errorOf(t, opened.read('select v from t where id = 2'))).code, '25P02')
    await opened.run('rollback')
    t.deepEqual(await opened.read(READ), [{ v: 'open' }])
  })

  test.serial(`${driver}: DISCARD ALL, LISTEN and NOTIFY, advisory locks`, async (t) => {
    const opened = await open(t, driver, { max: 1 })
    const { db, cacheops, reason } = opened
    await warm(t, opened)
    for (const text of ['listen c', `notify c, 'x'`, 'unlisten *']) {
      await opened.run(text)
      await opened.read(READ)
      t.is(reason(), 'hit', text)
    }
    await db.transaction().execute(async (trx) => {
      await sql`select pg_advisory_xact_lock(1)`.execute(trx)
      await cacheops.run(trx, sql.raw(READ))
      t.not(reason(), 'hit', 'what comes after a lock must not be older than it')
    })
    await opened.run('discard all')
    t.deepEqual(await opened.read(READ), (await opened.past.run(READ)).rows)
  })
}

for (const driver of DRIVERS) {
  test.serial(`${driver}: a server that crashes and comes back may have lost what was kept`, async (t) => {
    const cluster = await startCluster()
    t.teardown(() => cluster.stop())
    await cluster.exec(`${SCHEMA}; create unlogged table u (id int primary key); insert into u values (1)`)
    const opened = openPool(t, dialectOf({ driver, host: cluster.host, port: cluster.port, database: 'postgres' }))
    await opened.read('select id from u')
    await opened.read('select id from u')
    t.is(opened.reason(), 'hit')
    await cluster.restart()
    // The first statement that meets the server tells the others; with postgres.js, which asks each time, a read that may be kept.
    const first = driver === 'pg' ? opened.run : opened.read
    for (let tries = 0; tries < 5; tries++) await first(`select ${tries} as n from t`).catch(() => undefined)
    t.deepEqual(await opened.read('select id from u'), [], 'a crash empties what is not logged')
    await opened.run(`update t set v = 'after' where id = 1`)
    t.deepEqual(await opened.read(READ), [{ v: 'after' }])
    await warm(t, opened)
  })
}

test.serial('pg: idle_in_transaction_session_timeout ends a transaction', async (t) => {
  const opened = await open(t, 'pg', { max: 1, options: '-c idle_in_transaction_session_timeout=50' })
  await warm(t, opened)
  await errorOf(
    t,
    transaction('pg', opened.db, async (trx) => {
      await update(trx, 'never')
      while (
        (await opened.past.run(`select 1 from pg_stat_activity where state = 'idle in transaction'`)).rows.length > 0
      );
      await sql`select 1`.execute(trx)
    }),
  )
  t.deepEqual(await opened.read(READ), [{ v: 'old' }])
  await opened.run(`update t set v = 'after' where id = 1`)
  t.deepEqual(await opened.read(READ), [{ v: 'after' }])
})
