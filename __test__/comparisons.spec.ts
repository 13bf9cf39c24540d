// Operators, casts and settings that make equal what looks different, or write what is different alike.
import test from 'ava'
import { sql } from 'kysely'

import { openPostgres } from './support/postgres.ts'

test.serial('an operator = of the user for varchar decides which rows are meant', async (t) => {
  const { keeps } = await openPostgres(
    t,
    `create table t (id int primary key, v varchar(20), u int, n int); insert into t values (1, 'a', 1, 1);
    create function same(varchar, varchar) returns bool language sql immutable as
      'select lower($1::text) = lower($2::text)';
    create operator = (leftarg = varchar, rightarg = varchar, function = same)`,
  )
  t.false(await keeps(`select id, u from t where v = 'A'`, 'update t set u = 2 where id = 1'))
  t.true(await keeps('select id, u from t where n = 7', 'update t set u = 3 where id = 1'))
})

test.serial('an operator = for a type of its own leaves the others as they were', async (t) => {
  const { keeps } = await openPostgres(
    t,
    `create type pair as (a int, b int); create table t (id int primary key, v text, u int);
    insert into t values (1, 'a', 1);
    create function same(pair, pair) returns bool language sql immutable as 'select ($1).a = ($2).a';
    create operator = (leftarg = pair, rightarg = pair, function = same)`,
  )
  t.true(await keeps(`select id, u from t where v = 'A'`, 'update t set u = 2 where id = 1'))
})

test.serial('a cast of the user to text tells nothing of a value', async (t) => {
  const { keeps } = await openPostgres(
    t,
    `drop type if exists mood; create type mood as enum ('happy', 'sad');
    create table t (id int primary key, m mood, u int); insert into t values (1, 'happy', 1);
    create function label(mood) returns text language sql immutable as $$ select 'label' $$;
    create cast (mood as text) with function label(mood)`,
  )
  t.false(await keeps(`select id, u from t where m = 'happy'`, 'update t set u = 2 where id = 1'))
  t.false(await keeps('select id, m from t', `update t set m = 'sad' where id = 1`))
})

test.serial('too few digits do not hide that a float has changed', async (t) => {
  const { keeps } = await openPostgres(
    t,
    `create table t (id int primary key, f float8, p point, a float8[], v text); set extra_float_digits = 0;
    insert into t values (1, 1, '(1,1)', '{1}', 'x')`,
  )
  t.false(await keeps('select f > 1 as more from t', 'update t set f = 1.0000000000000002 where id = 1'))
  t.false(await keeps('select p[0] > 1 as more from t', `update t set p = '(1.0000000000000002,1)' where id = 1`))
  t.false(await keeps('select a[1] > 1 as more from t', `update t set a = '{1.0000000000000002}' where id = 1`))
  t.true(await keeps('select v from t', `update t set v = 'x' where id = 1`))
})

test.serial('a key that cascades is stored as the column of the child has it', async (t) => {
  const { keeps } = await openPostgres(
    t,
    `create table p (k numeric(5, 2) primary key); create table c (id int, k numeric(4, 1) references p on update cascade);
    insert into p values (1.30), (7), (9); insert into c values (1, 7);
    create table q (k text primary key); create table d (id int, k varchar(2) references q on update cascade);
    insert into q values ('ab'), ('x'), ('z'); insert into d values (1, 'x')`,
  )
  t.false(await keeps('select id from c where k = 1.3', 'update p set k = 1.25 where k = 7'))
  t.false(await keeps(`select id from d where k = 'ab'`, `update q set k = 'ab  ' where k = 'x'`))
  t.true(await keeps(`select id from d where k = 'ab'`, `update q set k = 'y' where k = 'z'`))
})

test.serial('nothing is cached while = NULL means IS NULL', async (t) => {
  const { cacheops, db, session } = await openPostgres(
    t,
    'create table t (id int, n int); set transform_null_equals = on',
  )
  cacheops.on('error', () => undefined)
  const read = async () => (await cacheops.run<any>(db, sql`select id from t where n = null`)).rows
  t.deepEqual(await read(), [])
  await sql`insert into t values (1, null)`.execute(db)
  t.deepEqual(await read(), [{ id: 1 }])
  await session.exec('reset transform_null_equals')
})
