// Writes that the server commits after their callers have heard an error.
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { PostgresDialect, sql } from 'kysely'
import type { Kysely } from 'kysely'
import { Pool } from 'pg'

import { dialectOf, DRIVERS, newDatabase, openPool } from './support/pools.ts'
import type { Opened, PoolOptions } from './support/pools.ts'
import { startProxy } from './support/tcp-proxy.ts'
import type { Cut } from './support/tcp-proxy.ts'

const SCHEMA = `create table p (id int primary key); insert into p values (1), (2);
  create table t (id int primary key, v text, p int not null references p deferrable initially deferred);
  insert into t values (1, 'old', 1), (2, 'old', 1)`
const READ = 'select v from t where id = 1'
const WAITS = 'select 1 from pg_locks where not granted'

/** Instances of one plugin object: one whose connection gets lost, one that reads; and one past it, in another. */
async function open(t: ExecutionContext, driver: PoolOptions['driver']) {
  const at = { driver, ...(await newDatabase(SCHEMA)) }
  const proxy = await startProxy(at)
  t.teardown(() => proxy.close())
  const writer = openPool(t, dialectOf({ ...at, port: proxy.port, max: 1 }))
  const reader = openPool(t, dialectOf(at), writer.cacheops)
  const past = openPool(t, dialectOf({ ...at, driver: 'pg' }))
  await writer.read(READ)
  await warm(reader)
  return { at, proxy, writer, reader, past }
}

/** Minutes go by. */
function later(t: ExecutionContext, minutes: number): void {
  const now = performance.now.bind(performance)
  t.teardown(() => (performance.now = now))
  performance.now = () => now() + minutes * 60_000
}

/** NOTE: nobody may ask postgres.js for a connection after it has lost one, so the server is not asked what has become of it. */
function untilDone(t: ExecutionContext, driver: string): void {
  if (driver === 'postgres.js') later(t, 5.1)
}

/** Read while a write was in doubt, and kept. */
const OTHER = 'select v from t where id = 1 and p > 0'

/** Reads until the cache answers, and gives every answer. */
async function warm({ read, reason }: Opened): Promise<Set<unknown>> {
  const seen = new Set<unknown>()
  do seen.add((await read(READ))[0].v)
  while (reason() !== 'hit')
  return seen
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds()));
}

/** While somebody has locked what a statement selects: from its start until the function that comes back is called. */
async function locked(t: ExecutionContext, { db }: Opened, text: string): Promise<() => Promise<void>> {
  const { promise: over, resolve: release } = Promise.withResolvers<void>()
  const { promise: has, resolve: taken } = Promise.withResolvers<void>()
  const done = db.transaction().execute(async (trx) => {
    await sql.raw(text).execute(trx)
    taken()
    await over
  })
  t.teardown(release)
  await has
  return () => {
    release()
    return done
  }
}

const update = (db: Kysely<any>, v: string) => sql`update t set v = ${v} where id = 1`.execute(db)

/** NOTE: postgres.js ends the process when a transaction is rolled back on a connection that was lost. */
async function transaction(driver: string, db: Kysely<any>): Promise<unknown> {
  const work = (trx: Kysely<any>) => sql`update t set v = 'new', p = 2 where id = 1`.execute(trx)
  if (driver === 'pg') return db.transaction().execute(work)
  return db.connection().execute(async (trx) => {
    await sql`begin`.execute(trx)
    await work(trx)
    await sql`commit`.execute(trx)
  })
}

/** A statement waits for a lock, its caller hears an error, and then it is committed. */
async function commitsLater(
  t: ExecutionContext,
  { reader, past }: { readonly reader: Opened; readonly past: Opened },
  release: () => Promise<void>,
  failed: Promise<unknown>,
): Promise<void> {
  await until(async () => (await past.run(WAITS)).rows.length > 0)
  await t.throwsAsync(failed)
  for (let times = 0; times < 2; times++) {
    t.deepEqual(await reader.read(READ), [{ v: 'old' }])
    t.is(reader.reason(), 'write_in_flight')
  }
  // One that nobody has asked before.
  t.deepEqual(await reader.read(OTHER), [{ v: 'old' }])
  t.is(reader.reason(), 'write_in_flight')
  await release()
  await until(async () => (await past.run(READ)).rows[0].v === 'new')
  t.deepEqual(await reader.read(READ), [{ v: 'new' }])
}

for (const driver of DRIVERS) {
  test.serial(`${driver}: a write that waits for a lock when its connection is lost`, async (t) => {
    const opened = await open(t, driver)
    const { proxy, writer, reader, past } = opened
    const release = await locked(t, past, 'select 1 from t where id = 1 for update')
    // NOTE: the value. postgres.js sends the text in front of it, to be told of the types.
    const cut = proxy.cut('running', 'new')
    const failed = update(writer.db, 'new')
    await Promise.all([cut, commitsLater(t, opened, release, failed)])
    untilDone(t, driver)
    t.deepEqual([...(await warm(reader))], ['new'])
    t.deepEqual(await reader.read(OTHER), [{ v: 'new' }], 'what was kept in doubt is dropped once more')
  })

  test.serial(`${driver}: a COMMIT that waits for a lock when its connection is lost`, async (t) => {
    const opened = await open(t, driver)
    const { proxy, writer, reader, past } = opened
    const release = await locked(t, past, 'select 1 from p where id = 2 for update')
    const cut = proxy.cut('running', 'commit')
    await Promise.all([cut, commitsLater(t, opened, release, transaction(driver, writer.db))])
    untilDone(t, driver)
    t.deepEqual([...(await warm(reader))], ['new'])
    t.deepEqual(await reader.read(OTHER), [{ v: 'new' }], 'what was kept in doubt is dropped once more')
  })

  for (const [cut, text, answers] of [
    ['request', 'update', 'old'],
    ['answer', 'UPDATE 1', 'new'],
  ] as [Cut, string, string][]) {
    test.serial(`${driver}: a write whose ${cut} is lost is not in doubt for long`, async (t) => {
      const { proxy, writer, reader } = await open(t, driver)
      const done = proxy.cut(cut, text)
      await t.throwsAsync(update(writer.db, 'new'))
      await done
      untilDone(t, driver)
      t.deepEqual([...(await warm(reader))], [answers])
    })
  }

  test.serial(`${driver}: a write that could not be sent is not in doubt for long`, async (t) => {
    t.timeout(30_000)
    const { writer, reader } = await open(t, driver)
    const unsendable = {
      toPostgres() {
        throw new Error('not to be sent')
      },
    }
    await t.throwsAsync(update(writer.db, (driver === 'pg' ? unsendable : undefined) as never))
    await reader.read(READ)
    t.not(reader.reason(), 'hit', 'it was dropped')
    t.deepEqual([...(await warm(reader))], ['old'])
  })

  test.serial(`${driver}: what never reaches the server is in doubt for minutes, and no longer`, async (t) => {
    const { proxy, writer, reader } = await open(t, driver)
    const done = proxy.cut('unheard', 'update')
    await t.throwsAsync(update(writer.db, 'new'))
    await done
    later(t, 4.9)
    // The server is asked several times.
    for (const start = Date.now(); Date.now() < start + 300;) {
      await reader.read(READ)
      t.is(reader.reason(), 'write_in_flight')
    }
    later(t, 0.2)
    t.deepEqual([...(await warm(reader))], ['old'])
  })
}

test.serial(
  'pg: a write that its caller does not wait for any longer, on a connection that is used again',
  async (t) => {
    const { at, reader, past } = await open(t, 'pg')
    const pool = new Pool({ ...at, user: 'postgres', max: 1, query_timeout: 2_000, idleTimeoutMillis: 0 })
    const writer = openPool(t, new PostgresDialect({ pool }), reader.cacheops)
    await writer.read(READ)
    const release = await locked(t, past, 'select 1 from t where id = 1 for update')
    await commitsLater(t, { reader, past }, release, update(writer.db, 'new'))
    await until(() =>
      writer.run('select 1').then(
        () => true,
        () => false,
      ),
    )
    t.deepEqual([...(await warm(reader))], ['new'])
  },
)

test.serial(
  'postgres.js: what a stream writes that its caller leaves is committed before the caller goes on',
  async (t) => {
    t.timeout(30_000)
    const { writer, reader, past } = await open(t, 'postgres.js')
    await past.run(`create function wait() returns trigger language plpgsql as
    $$ begin perform pg_advisory_xact_lock(1); return null; end $$`)
    await past.run(`create constraint trigger waits after update on t deferrable initially deferred
    for each row execute function wait()`)
    await reader.cacheops.refreshSchema()
    await writer.read(READ)
    await warm(reader)
    const release = await locked(t, past, 'select pg_advisory_xact_lock(1)')
    const rows = writer.db.updateTable('t').set({ v: 'new' }).returning('id').stream(1)
    await rows.next()
    const left = rows.return?.()
    await until(async () => (await past.run(WAITS)).rows.length > 0)
    t.deepEqual([...(await warm(reader))], ['old'])
    await release()
    await left
    t.deepEqual(await reader.read(READ), (await past.run(READ)).rows)
    t.deepEqual([...(await warm(reader))], ['new'])
  },
)
