import test from 'ava'
import { Client } from 'pg'

import { askDatabase } from '../ts/kysely/introspect.ts'
import type { RunSql } from '../ts/kysely/introspect.ts'
import { Random } from './oracle/random.ts'
import { sharedCluster, startCluster } from './support/postgres-cluster.ts'
import { CHANGING, randomChange, THERE } from './support/random-changes.ts'
import type { There } from './support/random-changes.ts'

const BASE = `
create schema other; create table a (id int primary key, b text, c int); create table k (id int primary key, a_id int references a (id));
create table log (id int, at int) partition by list (at); create table log_1 (id int, at int); create table log_2 (id int, at int);
alter table log attach partition log_1 for values in (1); create table old (x int); create table younger () inherits (old);
create view v as select id from a; create materialized view m as select id from a; create index i on a (c);
create type mood as enum ('ok', 'bad'); create type pair as (x int, y int); create domain small as int;
create function f(int) returns int immutable language sql as 'select $1'; create function w() returns int volatile language sql as 'select 1';
create function t() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger tr before update on a for each row execute function t(); create rule r as on delete to k do also nothing;
create policy p on a using (true); create aggregate agg (int) (sfunc = int4pl, stype = int);
create collation fold (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create operator === (leftarg = int, rightarg = int, function = int4eq); create operator class oc for type int using btree as operator 3 ===, function 1 btint4cmp(int, int);
create text search configuration cfg (copy = english); create text search dictionary dict (template = simple); create sequence s;
create function to_f(pair) returns text immutable language sql as 'select 1::text'; insert into a values (1, 'x', 1);
create role digest_a; create role digest_b; create user digest_c; grant all on a to digest_b;`

/** Every kind of statement that changes what a text means, what may be read, or what a write does. */
const CHANGES = `
create table n (id int)
alter table n rename to n2
alter table n2 set schema other
drop table other.n2
alter table a add column d int
alter table a add column e int default 3
alter table a alter column d type bigint
alter table a alter column b set not null
alter table a alter column e drop default
alter table a alter column e set default 4
alter table a rename column e to e2
alter table a drop column e2
alter table a add column g int generated always as (c * 2) stored
alter table a add column nr int generated always as identity
alter table a alter column b type text collate "C"
alter table a alter column b type text collate fold
alter table a owner to digest_a
alter table a owner to postgres
alter table a add unique (c)
alter table a drop constraint a_c_key
create unique index u on a (c)
drop index u
create unique index u on a (c) where id > 0
alter table a add check (c > 0)
alter table a drop constraint a_c_check
alter table k drop constraint k_a_id_fkey
alter table k add foreign key (a_id) references a (id) on delete cascade
alter table k drop constraint k_a_id_fkey, add foreign key (a_id) references a (id) on delete set null
alter table k drop constraint k_a_id_fkey, add foreign key (a_id) references a (id) on update cascade
alter table k alter constraint k_a_id_fkey deferrable
alter table a enable row level security
alter table a force row level security
alter table a disable row level security
create policy p2 on a for select using (c = 1)
alter policy p on a using (c = 2)
drop policy p2 on a
create trigger tr2 after insert on a for each row execute function t()
alter trigger tr2 on a rename to tr3
alter table a disable trigger tr3
alter table a enable always trigger tr3
drop trigger tr3 on a
create or replace trigger tr before insert or update on a for each row execute function t()
create or replace function t() returns trigger language plpgsql as $$ begin perform count(*) from k; return new; end $$
create rule r2 as on update to k do also nothing
alter table k disable rule r2
drop rule r2 on k
create or replace view v as select id from a where c = 1
create or replace view v as select id from k
alter view v set (security_invoker = true)
alter view v rename to v2
drop view v2
create materialized view m2 as select 1 as x
drop materialized view m2
alter table log attach partition log_2 for values in (2)
alter table log detach partition log_2
alter table younger no inherit old
alter table younger inherit old
create or replace function f(int) returns int immutable language sql as 'select $1 + 1'
alter function f(int) volatile
alter function f(int) set search_path = other
alter function f(int) security definer
alter function f(int) rename to f2
create function f(int, int default 1) returns int immutable language sql as 'select $1'
create or replace function f(int, int default 2) returns int immutable language sql as 'select $1'
drop function f(int, int)
create procedure pr() language sql as 'select 1'
create or replace aggregate agg (int) (sfunc = int4mul, stype = int)
create type x as (a int)
alter type x add attribute b int
alter type x alter attribute b type text
drop type x
alter type mood add value 'new'
alter type mood rename value 'ok' to 'fine'
create domain tiny as int check (value < 10)
alter domain small add check (value < 100)
alter domain small drop constraint small_check
create type rng as range (subtype = int)
create collation copy from "C"
create cast (pair as text) with function to_f(pair) as implicit
drop cast (pair as text)
create operator ~== (leftarg = int, rightarg = int, function = int4eq)
drop operator ~== (int, int)
alter operator === (int, int) set schema other
alter operator family oc using btree add function 1 (int8, int8) btint8cmp(int8, int8)
create extension if not exists pgcrypto
alter extension pgcrypto add function w()
drop extension pgcrypto cascade
alter text search configuration cfg alter mapping for word with simple
alter text search dictionary dict (accept = false)
create schema third
alter schema third rename to fourth
drop schema fourth
grant select on a to digest_a
revoke select on a from digest_a
grant select (b) on a to digest_a
revoke select (b) on a from digest_a
grant usage on schema other to digest_a
grant digest_a to digest_b
revoke digest_a from digest_b
alter role digest_a superuser
alter role digest_a nosuperuser
alter role digest_b noinherit
alter role digest_a rename to digest_d
alter table k owner to digest_d
reassign owned by digest_d to postgres
alter function pg_catalog.lower(text) volatile
alter function pg_catalog.lower(text) immutable
cluster a using a_pkey
`

/** What happens all the time, and changes nothing of the kind. */
const OTHERS = `
insert into a (id, b, c) select n, 'y', n from generate_series(100, 200) n
update a set b = 'z'
delete from a where id > 150
analyze
vacuum
vacuum freeze
vacuum full
reindex table a
cluster a
truncate k
select nextval('s')
refresh materialized view m
create temporary table passing (id int primary key, small small); create temporary view seen as select * from passing
checkpoint
vacuum full pg_catalog.pg_attribute
`

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')

test.serial(
  'postgres: each change of the schema changes the digest, nothing else does, and equal content has equal facts',
  async (t) => {
    t.timeout(120_000)
    const cluster = await sharedCluster()
    await cluster.exec('create database digest')
    const open = async (user: string): Promise<Client> => {
      const client = new Client({ host: cluster.host, port: cluster.port, user, database: 'digest' })
      await client.connect()
      t.teardown(() => client.end())
      return client
    }
    const client = await open('postgres')
    const run: RunSql = async (sql, parameters = []) => (await client.query(sql, [...parameters])).rows
    await client.query(BASE)
    const factsByContent = new Map<string, string>()
    const factsByChanges = new Map<string, string>()
    const ask = async (): Promise<string> => {
      const asked = await askDatabase('postgres', run, { withContent: true })
      const facts = JSON.stringify(await asked.schema())
      for (const [known, digest] of [
        [factsByContent, asked.content!],
        [factsByChanges, asked.changes],
      ] as const) {
        t.is(known.get(digest) ?? facts, facts)
        known.set(digest, facts)
      }
      return asked.changes
    }
    let before = await ask()
    t.is(await ask(), before)
    for (const change of lines(CHANGES)) {
      await client.query(change)
      const after = await ask()
      t.not(after, before, change)
      before = after
    }
    await client.query(
      'grant all on all tables in schema public to digest_c; grant create, usage on schema public to digest_c',
    )
    before = await ask()
    // Temporary tables of others come and go; those of the own role may be met on a pooled connection.
    const stranger = await open('digest_c')
    for (const other of lines(OTHERS)) {
      await (other.startsWith('create temporary') ? stranger : client).query(other)
      t.is(await ask(), before, other)
    }
    await (await open('postgres')).query('create temporary table mine (id int)')
    t.not(await ask(), before)
    // What the session says counts for itself.
    const sessionOf = async (): Promise<string> => (await askDatabase('postgres', run)).session
    const sessions = [await sessionOf()]
    for (const set of [
      `search_path = other, public`,
      'extra_float_digits = 0',
      `DateStyle = 'SQL'`,
      'role = digest_b',
    ]) {
      await client.query(`set ${set}`)
      sessions.push(await sessionOf())
    }
    t.is(new Set(sessions).size, 5)
  },
)

test('postgres: copies of one server whose schemas went different ways differ in content, if in nothing else', async (t) => {
  const servers = [await startCluster(), await startCluster()]
  t.teardown(() => Promise.all(servers.map((server) => server.stop())))
  const asked = []
  for (const [at, server] of servers.entries()) {
    await server.exec(`create table one (id int primary key, ${at === 0 ? 'name' : 'title'} text)`)
    const client = new Client({ host: server.host, port: server.port, user: 'postgres', database: 'postgres' })
    await client.connect()
    const run: RunSql = async (sql, parameters = []) => (await client.query(sql, [...parameters])).rows
    asked.push(await askDatabase('postgres', run, { withContent: true }))
    await client.end()
  }
  const [a, b] = asked
  t.is(a!.identity, b!.identity)
  t.is(a!.changes, b!.changes)
  t.not(a!.content, b!.content)
})

const STEPS = Number(process.env['CACHEOPS_STEPS'] ?? 120)

test.serial(`postgres: whatever is changed, equal digests have equal facts (${STEPS} random changes)`, async (t) => {
  t.timeout(600_000)
  const cluster = await sharedCluster()
  await cluster.exec('create database random')
  const clients: Client[] = []
  await cluster.exec('create role digest_reader login; create role digest_group')
  for (const user of ['postgres', 'digest_reader']) {
    const client = new Client({ host: cluster.host, port: cluster.port, user, database: 'random' })
    await client.connect()
    t.teardown(() => client.end())
    clients.push(client)
  }
  const [owner, reader] = clients
  await owner!.query(CHANGING)
  const run: RunSql = async (sql, parameters = []) => (await reader!.query(sql, [...parameters])).rows
  const seed = Number(process.env['CACHEOPS_SEED'] ?? 1)
  const random = new Random(seed)
  const known = new Map<string, string>()
  let done = 0
  for (let step = 0; step < STEPS; step++) {
    const texts: string[] = []
    // Several in one transaction have one number; one that fails takes the others back.
    try {
      await owner!.query('begin')
      for (let left = random.between(1, 3); left > 0; left--) {
        const { rows } = await owner!.query<{ there: There }>(THERE)
        texts.push(randomChange(random, rows[0]!.there))
        await owner!.query(texts.at(-1)!)
      }
      await owner!.query('commit')
      done++
    } catch (error) {
      await owner!.query('rollback')
      t.log(`${texts.at(-1)}: ${(error as Error).message}`)
    }
    const asked = await askDatabase('postgres', run, { withContent: true })
    const facts = JSON.stringify(await asked.schema())
    for (const digest of [`${asked.changes} ${asked.session}`, asked.content!]) {
      t.is(known.get(digest) ?? facts, facts, `seed ${seed}, step ${step}: ${texts.join('; ')}`)
      known.set(digest, facts)
    }
  }
  const states = new Set(known.values()).size
  t.log(`${done} were made, ${states} states`)
  t.true(done > 0.95 * STEPS)
  t.true(states > 0.6 * STEPS)
})
