// Row-level security: what a policy looks at is part of what a read of its table depends on.
import test from 'ava'

import { openPostgres } from './support/postgres.ts'

const SCHEMA = `
  create table members (usr text, org int);
  create table docs (id int primary key, org int, title text);
  create table other (id int);
  insert into members values ('u1', 1);
  insert into docs values (1, 1, 'one'), (2, 2, 'two');
  alter table docs enable row level security;
  do $$ begin create role app; exception when duplicate_object then null; end $$;
  grant all on all tables in schema public to app;`
const MEMBERS = `create policy p on docs using (org in (select org from members where usr = 'u1'));`
const DOCS = 'select id from docs order by id'

test.serial('a table that a policy reads is a dependency, and nothing else is', async (t) => {
  const { keeps } = await openPostgres(t, `${SCHEMA}${MEMBERS} set role app`)
  t.true(await keeps(DOCS, 'insert into other values (1)'))
  t.false(await keeps(DOCS, `insert into members values ('u1', 2)`))
  t.false(await keeps(DOCS, 'delete from members where org = 1'))
})

test.serial('with vary a table with policies is cached by itself, and follows what they read', async (t) => {
  const { db, run } = await openPostgres(t, `${SCHEMA}${MEMBERS} set role app`, {
    vary: () => 'u1',
    profiles: { docs: { ops: 'all' } },
  })
  const ids = () => db.selectFrom('docs').select('id').orderBy('id').execute()
  t.deepEqual(await ids(), [{ id: 1 }])
  await run(`insert into members values ('u1', 2)`)
  t.deepEqual(await ids(), [{ id: 1 }, { id: 2 }])
})

test.serial('what the policies of tables under a view read is a dependency', async (t) => {
  const view = 'create view v with (security_invoker) as select id from docs; grant select on v to app;'
  const { keeps } = await openPostgres(t, `${SCHEMA}${MEMBERS}${view} set role app`)
  t.true(await keeps('select id from v order by id', 'insert into other values (1)'))
  t.false(await keeps('select id from v order by id', `insert into members values ('u1', 2)`))
})

test.serial('policies of tables that policies read are followed', async (t) => {
  const more = `create table allowed (usr text); alter table members enable row level security;
    create policy q on members using (usr in (select usr from allowed)); grant all on allowed to app;`
  const { keeps } = await openPostgres(t, `${SCHEMA}${MEMBERS}${more} set role app`)
  t.false(await keeps(DOCS, `insert into allowed values ('u1')`))
})

test.serial('a column that only a policy looks at counts as read', async (t) => {
  const policy = 'create policy p on docs using (org = 1) with check (true);'
  const { keeps } = await openPostgres(
    t,
    `${SCHEMA}${policy} create policy a on docs for update using (true);
    set role app`,
  )
  t.false(await keeps('select id from docs where id = 1', 'update docs set org = 2'))
})

test.serial('a function that a policy calls may read any table', async (t) => {
  const { keeps } = await openPostgres(
    t,
    `${SCHEMA} create function mine() returns setof int language sql stable as 'select org from members';
    create policy p on docs using (org in (select mine())); set role app`,
  )
  t.false(await keeps(DOCS, `insert into members values ('u1', 2)`))
})

test.serial('a policy that calls nothing of the user keeps what other tables cannot change', async (t) => {
  const { keeps } = await openPostgres(
    t,
    `${SCHEMA} create function unused() returns int language sql stable as 'select 1';
    create policy p on docs using (title = coalesce(current_setting('app.title', true), title)); set role app`,
  )
  t.true(await keeps(DOCS, `insert into members values ('u1', 2)`))
})
