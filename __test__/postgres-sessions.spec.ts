// Roles, search paths and settings of real connections: what is known of one is not known of another.
import test from 'ava'
import { Kysely, sql } from 'kysely'
import { PostgresJSDialect } from 'kysely-postgres-js'
import postgres from 'postgres'

import { cacheopsPlugin } from '../ts/index.ts'
import { sharedCluster } from './support/postgres-cluster.ts'
import { dialectOf, DRIVERS, newDatabase, newStore, openPool } from './support/pools.ts'

const SCHEMA = `
  create schema s2;
  create table public.t (id int primary key, v text, secret text);
  create table s2.t (id int primary key, v text, secret text);
  insert into public.t values (1, 'public', 'x'); insert into s2.t values (1, 'two', 'y');
  do $$ begin create role app login; exception when duplicate_object then null; end $$;
  do $$ begin create role other login; exception when duplicate_object then null; end $$;
  grant usage on schema public, s2 to app, other;
  grant select, insert, update, delete on public.t, s2.t to app, other;`
const READ = 'select v from t where id = 1'

for (const driver of DRIVERS) {
  test.serial(
    `${driver}: two pools with other search paths share a database, and neither names nor results`,
    async (t) => {
      const at = { driver, ...(await newDatabase(SCHEMA)) }
      const plugin = cacheopsPlugin({ store: newStore() })
      const one = openPool(t, dialectOf(at), plugin)
      const two = openPool(t, dialectOf({ ...at, options: '-c search_path=s2' }), plugin)
      t.deepEqual(await one.read(READ), [{ v: 'public' }])
      t.deepEqual(await two.read(READ), [{ v: 'two' }])
      // What is learnt of a kind of session for the first time drops all.
      await one.read(READ)
      await one.read(READ)
      t.is(one.reason(), 'hit', 'facts of the other are not in the way')
      await two.read(READ)
      t.is(two.reason(), 'hit')

      await two.run(`update t set v = 'two, again' where id = 1`)
      t.deepEqual(await two.read(READ), [{ v: 'two, again' }])
      await one.read(READ)
      t.is(one.reason(), 'hit', 'it is another table')
      await two.run(`update public.t set v = 'written by two' where id = 1`)
      t.deepEqual(await one.read(READ), [{ v: 'written by two' }])
      await one.db.transaction().execute(async (trx) => {
        await sql.raw(READ).execute(trx)
        // Facts are read while the transaction is open.
        await two.run('create table if not exists s2.u (id int)')
        await two.read(READ)
        await sql`update t set v = 'in a transaction' where id = 1`.execute(trx)
      })
      t.deepEqual(await one.read(READ), [{ v: 'in a transaction' }])
      t.deepEqual(await two.read('select v from public.t where id = 1'), [{ v: 'in a transaction' }])
    },
  )

  test.serial(`${driver}: a schema change by one role is known to the pool of another`, async (t) => {
    const at = { driver, ...(await newDatabase(SCHEMA)) }
    const plugin = cacheopsPlugin({ store: newStore() })
    const one = openPool(t, dialectOf(at), plugin)
    const two = openPool(t, dialectOf({ ...at, user: 'app' }), plugin)
    await two.read('select v from audited').catch(() => undefined)
    await one.run(`create table audited (v text)`)
    await one.run(`grant all on audited to app`)
    await two.read('select v from audited')
    await two.read('select v from audited')
    t.is(two.reason(), 'hit')
    await one.run(`create function tr() returns trigger language plpgsql as
      'begin insert into audited values (new.v); return new; end'`)
    await one.run('create trigger tr after update on t for each row execute function tr()')
    await one.run('alter function tr() security definer')
    await two.run(`update t set v = 'audited' where id = 1`)
    t.deepEqual(await two.read('select v from audited'), [{ v: 'audited' }])
  })

  test.serial(`${driver}: a role that may write a column but not read it can write`, async (t) => {
    const at = {
      driver,
      ...(await newDatabase(`${SCHEMA}
      create table p (id int primary key, v text, secret text); insert into p values (1, 'a', 'b');
      grant select (id, v), update (v, secret) on p to app;`)),
    }
    const { run, read } = openPool(t, dialectOf({ ...at, user: 'app' }))
    await read('select v from p where id = 1')
    const { numAffectedRows } = await run(`update p set secret = 'c', v = 'd' where id = 1`)
    t.is(numAffectedRows, 1n)
    t.deepEqual(await read('select v from p where id = 1'), [{ v: 'd' }])
  })

  test.serial(
    `${driver}: policies that look at a setting: nothing by itself, and writes come out as they would`,
    async (t) => {
      const at = {
        driver,
        ...(await newDatabase(`${SCHEMA}
      create table r (id int primary key, tenant text, v text);
      insert into r values (1, 'a', 'one'), (2, 'b', 'two');
      alter table r enable row level security;
      create policy s on r for select using (tenant = current_setting('app.tenant', true));
      create policy i on r for insert with check (true);
      create policy u on r for update using (true) with check (true);
      grant all on r to app;`)),
      }
      const { db, cacheops, run } = openPool(t, dialectOf({ ...at, user: 'app' }), {
        store: newStore(),
        profiles: { r: { ops: 'all' } },
      })
      t.is((await cacheops.explain(db.selectFrom('r').selectAll())).reason, 'row_security')
      const read = (tenant: string) =>
        db.transaction().execute(async (trx) => {
          await sql`select set_config('app.tenant', ${tenant}, true)`.execute(trx)
          return trx.selectFrom('r').select('v').execute()
        })
      t.deepEqual([await read('a'), await read('b')], [[{ v: 'one' }], [{ v: 'two' }]])
      // With RETURNING the new row would have to pass the policy for SELECT, which it does not.
      t.is((await run(`insert into r values (3, 'c', 'three')`)).numAffectedRows, 1n)
      t.deepEqual(await read('c'), [{ v: 'three' }])
    },
  )

  test.serial(`${driver}: the same rows by a function that is executed as its owner`, async (t) => {
    const at = {
      driver,
      ...(await newDatabase(`${SCHEMA} revoke all on public.t from other;
      create function tell(v text) returns void language sql security definer as 'update public.t set v = $1 where id = 1'`)),
    }
    const plugin = cacheopsPlugin({ store: newStore() })
    const one = openPool(t, dialectOf(at), plugin)
    const two = openPool(t, dialectOf({ ...at, user: 'other' }), plugin)
    await one.read(READ)
    await two.run(`select tell('told')`)
    t.deepEqual(await one.read(READ), [{ v: 'told' }])
    await t.throwsAsync(two.read(READ), { message: /permission denied/ }, 'what one may read is nothing for the other')
  })

  for (const [what, hook] of [
    ['search_path', 'set search_path = s2'],
    ['role', 'set role app'],
    ['DateStyle', `set datestyle = 'German'`],
    ['a temporary table', `create temp table if not exists t (id int, v text)`],
  ] as const) {
    test.serial(`${driver}: connections that differ in ${what}, set past us, answer for themselves`, async (t) => {
      const at = { driver, ...(await newDatabase(SCHEMA)) }
      let hooked = false
      const onReserve = async (connection: any): Promise<void> => {
        if (!hooked) return
        await connection.executeQuery({ ...sql.raw(hook).compile(plain.db) })
      }
      const plain = openPool(t, dialectOf(at))
      const { db, read, reason, run } = openPool(t, dialectOf({ ...at, max: 3, onReserve }))
      await read(READ)
      await read(READ)
      t.is(reason(), 'hit')
      await db.connection().execute(async () => {
        // The one that the facts were read on is in use, so this is another.
        hooked = true
        await read('select v, 1 as other from t where id = 1')
        hooked = false
        t.is(reason(), 'other_session')
      })
      await read(READ)
      t.is(reason(), 'session_changed', 'the instance says so')
      await run(`update s2.t set v = 'z'`)
      await t.notThrowsAsync(read(READ))
    })
  }
}

test.serial('pg: settings that the pool gives each connection are those of the facts', async (t) => {
  const at = { driver: 'pg' as const, ...(await newDatabase(SCHEMA)) }
  const { db, read, reason } = openPool(
    t,
    dialectOf({ ...at, onConnect: (client) => void client.query('set search_path = s2'), max: 2 }),
  )
  t.deepEqual(await read(READ), [{ v: 'two' }])
  await db.connection().execute(async () => {
    t.deepEqual(await read('select v from t where id = 1 limit 1'), [{ v: 'two' }])
    t.is(reason(), 'miss')
  })
  await read('select v from t where id = 1 limit 1')
  t.is(reason(), 'hit')
})

test.serial('pg: a write on a connection that was set up otherwise drops what it changed', async (t) => {
  const at = { driver: 'pg' as const, ...(await newDatabase(SCHEMA)) }
  let connections = 0
  const { db, read, run, reason } = openPool(
    t,
    dialectOf({
      ...at,
      max: 2,
      onConnect: (client) => void (connections++ > 0 && client.query('set search_path = s2')),
    }),
  )
  await read('select v from s2.t where id = 1')
  await db.connection().execute(() => run(`update t set v = 'by the other' where id = 1`))
  t.is(connections, 2)
  t.deepEqual(await read('select v from s2.t where id = 1'), [{ v: 'by the other' }])
  t.is(reason(), 'session_changed')
})

test.serial('postgres.js: only what may be kept or writes asks for the session, a read behind it', async (t) => {
  const at = await newDatabase(
    `create table t (id int primary key, at timestamptz); insert into t values (1, '2001-02-03')`,
  )
  const sent: string[] = []
  const debug = (_: number, text: string): void =>
    void sent.push(/AS session\b/.test(text) ? 'session' : text.slice(0, text.indexOf(' ')))
  const client = postgres({ ...at, user: 'postgres', max: 1, onnotice: () => {}, debug })
  const cacheops = cacheopsPlugin({ store: newStore() })
  const db = new Kysely<any>({ dialect: new PostgresJSDialect({ postgres: client }), plugins: [cacheops] })
  t.teardown(() => db.destroy())
  const at1 = (value: unknown) => db.selectFrom('t').selectAll().where('at', '>', value)
  await at1('2001-01-01').cache().execute()
  sent.length = 0
  t.is((await at1('2001-01-02').cache().execute()).length, 1)
  t.deepEqual(sent.splice(0), ['select', 'session'])
  t.is((await at1('2001-01-02').cache().execute()).length, 1)
  t.deepEqual(sent.splice(0), [])
  t.is((await at1('2001-01-02').nocache().execute()).length, 1)
  t.deepEqual(sent.splice(0), ['select'])
  await db.updateTable('t').set({ at: '2001-01-01' }).where('id', '=', 1).execute()
  t.is(sent.splice(0)[0], 'session')
  t.is((await at1('2001-01-02').cache().execute()).length, 0)
  // The driver finds out that it cannot send a value when it has begun to: nobody else may get what is answered then.
  sent.length = 0
  await t.throwsAsync(at1('nonsense').cache().execute(), { message: 'Invalid time value' })
  t.deepEqual(sent.splice(0), ['select', 'session'])
  t.is((await at1('2000-01-01').cache().execute()).length, 1)
  await db.connection().execute(async (one) => {
    await t.throwsAsync(one.selectFrom('t').selectAll().where('at', '>', 'nonsense').cache().execute(), {
      message: 'Invalid time value',
    })
    t.is((await one.selectFrom('t').selectAll().where('id', '=', 1).cache().execute()).length, 1)
  })
})

test.serial('a role that may not ask for the identity is told what to do, and a name does it', async (t) => {
  const at = { driver: 'pg' as const, ...(await newDatabase(SCHEMA)), user: 'app' }
  const cluster = await sharedCluster()
  await cluster.exec('revoke execute on function pg_control_system() from public', at.database)
  const errors: string[] = []
  const { read, reason, cacheops } = openPool(t, dialectOf(at))
  cacheops.on('error', ({ error }) => void errors.push(error.message))
  await read(READ)
  t.is(reason(), 'no_facts')
  t.true(
    errors.some((message) => message.includes('give the option `database`')),
    errors.join(),
  )
  const named = openPool(t, dialectOf(at), { store: newStore(), database: 'shop' })
  await named.read(READ)
  await named.read(READ)
  t.is(named.reason(), 'hit')
})
