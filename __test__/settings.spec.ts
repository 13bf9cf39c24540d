// Settings that give names another meaning, however they are spelt.
import test from 'ava'

import { setsOnlyTimeouts, settingOf, settingsCalled } from '../ts/kysely/settings.ts'
import { openPostgres } from './support/postgres.ts'

const SCHEMA = `
  drop schema if exists s2 cascade; create schema s2; set search_path = public;
  create table public.t (id int); insert into public.t values (1);
  create table s2.t (id int); insert into s2.t values (2);`

for (const statement of [
  `set schema 's2'`,
  'set "search_path" = s2',
  `select set_config('app.x', '1', false), set_config('search_path', 's2', false)`,
  `select set_config('search_' || 'path', 's2', false)`,
]) {
  test.serial(`not even vary covers ${statement}`, async (t) => {
    const { keeps } = await openPostgres(t, SCHEMA, { vary: () => 'x' })
    t.false(await keeps('select id from t', statement))
  })
}

test.serial('a setting is local only if its call says so, not if anything else does', async (t) => {
  const { db, read, session } = await openPostgres(t, SCHEMA)
  await read('select id from t')
  await db.transaction().execute(async (trx) => {
    await trx.executeQuery({
      sql: `select set_config('search_path', 's2', false), coalesce(null, true)`,
      parameters: [],
      query: { kind: 'RawNode', sqlFragments: [], parameters: [] },
      queryId: { queryId: 'settings' },
    })
  })
  t.deepEqual(await read('select id from t'), await session.query('select id from t'))
})

for (const change of [`perform set_config('search_path', 's2', true);`, 'set local search_path = s2;']) {
  test.serial(`a trigger that writes after ${change}`, async (t) => {
    const { keeps } = await openPostgres(
      t,
      `${SCHEMA} create table audit (x int); create table s2.audit (x int); create table w (id int);
      create function tr() returns trigger language plpgsql as
        $$ begin ${change} insert into audit values (new.id); set local search_path = public; return new; end $$;
      create trigger tr after insert on w for each row execute function tr()`,
    )
    t.false(await keeps('select count(*)::int as n from s2.audit', 'insert into w values (1)'))
  })
}

test.serial(`a trigger that makes a setting of the application's is still understood`, async (t) => {
  const { keeps } = await openPostgres(
    t,
    `${SCHEMA} create table audit (x int); create table w (id int);
    create function tr() returns trigger language plpgsql as
      $$ begin perform set_config('app.user', '1', true); insert into audit values (new.id); return new; end $$;
    create trigger tr after insert on w for each row execute function tr()`,
  )
  t.true(await keeps('select id from t', 'insert into w values (1)'))
  t.false(await keeps('select x from audit', 'insert into w values (1)'))
})

test('settings of the application change no names, those of the database do unless they are known', (t) => {
  const changed = (name: string) => Object.values(settingOf(name))
  t.deepEqual(changed('app.tenant'), [false, false])
  t.deepEqual(changed('TimeZone'), [false, false])
  t.deepEqual(changed('DateStyle'), [true, false])
  for (const name of [
    'search_path',
    '"Search_Path"',
    'role',
    'schema',
    'authorization',
    'all',
    'DISCARD',
    'what_is_this',
  ]) {
    t.deepEqual(changed(name), [true, true], name)
  }
})

test('only a query that is nothing but calls of set_config tells what it sets', (t) => {
  t.deepEqual(settingsCalled(`select set_config('app.tenant', $1, true)`), { name: 'app.tenant', local: true })
  t.deepEqual(settingsCalled(`SELECT set_config('app.a', $1::text, true) as "a", set_config('app.b', '', true);`), {
    name: 'app.a',
    local: true,
  })
  t.deepEqual(settingsCalled(`select set_config('app.a', '1', true), set_config('search_path', 'x', false)`), {
    name: 'search_path',
    local: false,
  })
  for (const text of [
    `select set_config($1, 'x', true)`,
    `select set_config('a.' || 'b', 'x', true)`,
    `select set_config('app.a', 'x', $1)`,
    `select set_config('app.a', f(), true)`,
    `select set_config('app.a', '1', true) from t`,
    `with x as (select set_config('role', 'r', false)) select set_config('app.a', '1', true)`,
  ]) {
    t.deepEqual(settingsCalled(text), { name: 'set_config', local: false }, text)
  }
})

test('what sets only how long to wait changes no session', (t) => {
  const lock = `with t as (select set_config('lock_timeout', '3600000', true) as v) select pg_advisory_lock(385) from t`
  t.true(setsOnlyTimeouts(lock))
  t.true(setsOnlyTimeouts(`select SET_CONFIG('statement_timeout', $1, false)`))
  for (const text of [
    `${lock} where set_config('search_path', 's2', true) <> ''`,
    `${lock} where "set_config"('role', 'r', true) <> ''`,
    `${lock} where U&"set\\005Fconfig"('role', 'r', true) <> ''`,
    `${lock} where setseed(0.5) is null`,
    `select set_config('lock_timeout' || '', '1', true)`,
    `select set_config('lock_timeout', set_config('role', 'r', true), true)`,
  ]) {
    t.false(setsOnlyTimeouts(text), text)
  }
})

test.serial('the lock of a migration does not stop caching', async (t) => {
  const { keeps, run } = await openPostgres(t, SCHEMA)
  await run(`with set_timeout as (select set_config('lock_timeout', '3600000', true) as config_val)
    select pg_advisory_lock(3853314791062309107) from set_timeout`)
  t.true(await keeps('select id from t where id = 1', 'insert into t values (77)'))
})

for (const how of [`do $$ begin set search_path = s2; end $$`, 'select move()', 'call move_too()']) {
  test.serial(`names have their new meaning after ${how}`, async (t) => {
    const body = `begin perform set_config('search_path', 's2', false); end`
    const { keeps, read, run } = await openPostgres(
      t,
      `${SCHEMA} create function move() returns void language plpgsql as $$ ${body} $$;
      create procedure move_too() language plpgsql as $$ ${body} $$`,
    )
    await read('select id from t')
    await run(how)
    t.false(await keeps('select id from s2.t', 'insert into t values (3)'))
  })
}
