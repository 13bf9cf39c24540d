// Code of the user's that runs though no text names it: behind views, policies, domains, operators and other functions.
import test from 'ava'

import { openPostgres } from './support/postgres.ts'

const SCHEMA = `
  create table audit (id serial, x int);
  create table t (id int primary key, n int);
  create table other (id int);
  insert into t values (1, 1), (2, 2);
  create function log_it(int) returns int language plpgsql as
    $$ begin insert into audit (x) values ($1); return $1; end $$;`
const AUDIT = 'select count(*)::int as n from audit'
const OTHER = 'select id from other'

test.serial('reading a view that calls a writing function drops what it writes, and no more', async (t) => {
  const { keeps } = await openPostgres(
    t,
    `${SCHEMA} create view v as select id, log_it(id) from t;
    create view w as select * from v`,
  )
  t.false(await keeps(AUDIT, 'select * from v'))
  t.false(await keeps(AUDIT, 'select * from w'))
  t.false(await keeps(AUDIT, 'insert into other select id from w'))
  t.true(await keeps('select n from t where id = 1', 'select * from w'))
})

test.serial('a view that calls a function which only reads is no write', async (t) => {
  const { keeps } = await openPostgres(
    t,
    `${SCHEMA} create function peek() returns bigint language sql as 'select count(*) from t';
    create view v as select peek()`,
  )
  t.true(await keeps(AUDIT, 'select * from v'))
})

test.serial(
  'a view that calls what cannot be read drops everything, unless the options say what it writes',
  async (t) => {
    const dynamic = `${SCHEMA} create function run_it() returns int language plpgsql as
    $$ begin execute 'insert into audit (x) values (1)'; return 1; end $$;
    create view v as select run_it()`
    const unknown = await openPostgres(t, dynamic)
    t.false(await unknown.keeps(OTHER, 'select * from v'))
    const declared = await openPostgres(t, dynamic, { functions: { run_it: { writes: ['audit'] } } })
    t.false(await declared.keeps(AUDIT, 'select * from v'))
    t.true(await declared.keeps(OTHER, 'select * from v'))
  },
)

test.serial('a function called as a column may write', async (t) => {
  const { keeps } = await openPostgres(
    t,
    `${SCHEMA} create function log_t(t) returns int language plpgsql as
    $$ begin insert into audit (x) values ($1.id); return 1; end $$`,
  )
  t.false(await keeps(AUDIT, 'select t.log_t from t'))
  t.true(await keeps(AUDIT, 'select t.n from t'))
})

test.serial('a stable function that calls a writing one writes', async (t) => {
  const { keeps } = await openPostgres(
    t,
    `${SCHEMA}
    create function st(int) returns int language plpgsql stable as $$ begin return log_it($1); end $$;
    create function st2(int) returns int language sql stable begin atomic; select st($1); end;
    create function pure(int) returns int language sql stable as 'select $1 + 1'`,
  )
  t.false(await keeps(AUDIT, 'select st(1)'))
  t.false(await keeps(AUDIT, 'select st2(1)'))
  t.true(await keeps(AUDIT, 'select pure(1)'))
})

test.serial('an aggregate writes what its functions write', async (t) => {
  const { keeps } = await openPostgres(
    t,
    `${SCHEMA}
    create function step(int, int) returns int language plpgsql stable as $$ begin return log_it($2); end $$;
    create aggregate total (int) (sfunc = step, stype = int, initcond = '0')`,
  )
  t.false(await keeps(AUDIT, 'select total(n) from t'))
})

test.serial('an operator of the user may write', async (t) => {
  const { read, run } = await openPostgres(
    t,
    `${SCHEMA} create function also(int, int) returns bool language plpgsql as
    $$ begin insert into audit (x) values ($1); return true; end $$;
    create operator <+> (leftarg = int, rightarg = int, function = also)`,
  )
  await read(AUDIT)
  await run('select 1 <+> 2')
  t.deepEqual(await read(AUDIT), [{ n: 1 }])
})

test.serial('operators that write nothing leave everything as precise as it was', async (t) => {
  const { keeps } = await openPostgres(
    t,
    `${SCHEMA} create function also(int, int) returns bool language sql immutable as 'select $1 > $2';
    create operator <+> (leftarg = int, rightarg = int, function = also)`,
  )
  t.true(await keeps('select n from t where id = 1', 'update t set n = 5 where id = 2'))
})

test.serial('a policy may write when its table is read', async (t) => {
  const { keeps } = await openPostgres(
    t,
    `${SCHEMA} create table r (id int); insert into r values (1); alter table r enable row level security;
    create policy p on r using (log_it(id) > 0);
    do $$ begin create role app; exception when duplicate_object then null; end $$;
    grant all on all tables in schema public to app; grant all on all sequences in schema public to app; set role app`,
  )
  t.false(await keeps(AUDIT, 'select * from r'))
})

test.serial('the check of a domain may write, wherever a column has it in its type', async (t) => {
  const { keeps } = await openPostgres(
    t,
    `${SCHEMA} create function chk(int) returns bool language plpgsql as
    $$ begin insert into audit (x) values ($1); return true; end $$;
    create domain dm as int check (chk(value));
    create table d (id int, d dm); create table ds (id int, d dm[])`,
  )
  t.false(await keeps(AUDIT, 'insert into d values (1, 5)'))
  t.false(await keeps(AUDIT, `insert into ds values (1, '{5}')`))
  t.false(await keeps(AUDIT, 'select 5::dm'))
  t.true(await keeps(OTHER, 'insert into d values (1, 5)'))
})

test.serial('a default may write through a stable function', async (t) => {
  const { keeps } = await openPostgres(
    t,
    `${SCHEMA} create function st() returns int language plpgsql stable as $$ begin return log_it(1); end $$;
    create table d (id int, n int default st())`,
  )
  t.false(await keeps(AUDIT, 'insert into d (id) values (1)'))
})

test.serial('what a sequence said last is never cached', async (t) => {
  const { db, read, run } = await openPostgres(
    t,
    `create sequence s; create view v as select last_value from s; select nextval('s')`,
  )
  await db.executeQuery(db.selectNoFrom((eb) => eb.lit(1).as('one')).compile())
  for (const text of [
    `select currval('s')::int as n`,
    'select lastval()::int as n',
    'select last_value::int as n from v',
  ]) {
    await read(text)
    await run(`select nextval('s')`)
    const [before] = (await read(text)) as { n: number }[]
    await run(`select setval('s', ${before!.n + 100})`)
    t.deepEqual(await read(text), [{ n: before!.n + 100 }], text)
  }
})

test.serial('defaults of arguments, conditions of triggers and variables of a domain may write', async (t) => {
  const { keeps } = await openPostgres(
    t,
    `${SCHEMA} create function defaulted(a int default log_it(1)) returns int language sql stable as 'select 1';
    create function says(int) returns bool language plpgsql as $$ begin perform log_it($1); return true; end $$;
    create function nothing() returns trigger language plpgsql as $$ begin return new; end $$;
    create table w (id int);
    create trigger w before insert on w for each row when (says(new.id)) execute function nothing();
    create domain dd as int check (log_it(value) > 0);
    create function declares() returns trigger language plpgsql as $$ declare d dd; begin d := 5; return new; end $$;
    create table d (id int); create trigger d before insert on d for each row execute function declares()`,
  )
  t.false(await keeps(AUDIT, 'select defaulted()'))
  t.false(await keeps(AUDIT, 'insert into w values (1)'))
  t.false(await keeps(AUDIT, 'insert into d values (1)'))
})

const MAKE = 'begin create trigger x after insert on other for each row execute function tr(); end'
for (const how of [`do $$ ${MAKE} $$`, 'select make()', 'call make_too()']) {
  test.serial(`the schema is looked at again after ${how}`, async (t) => {
    const { keeps, read, run } = await openPostgres(
      t,
      `${SCHEMA} create function tr() returns trigger language plpgsql as
        $$ begin insert into audit (x) values (1); return null; end $$;
      create function make() returns void language plpgsql as $$ ${MAKE} $$;
      create procedure make_too() language plpgsql as $$ ${MAKE} $$`,
    )
    await read(AUDIT)
    await run(how)
    t.false(await keeps(AUDIT, 'insert into other values (1)'))
  })
}
