/** Schema changes that somebody else makes, and reads that they make wrong. */

/** One change. */
export interface SchemaChange {
  readonly name: string
  /** what it is made in, beside {@link POSTGRES_BASE} or {@link SQLITE_BASE} */
  readonly before?: string
  readonly change: string
  /** reads that are cached before it; all of them must be hits until it is noticed */
  readonly reads: readonly string[]
  /** a write by the instance afterwards, of which the reads must know */
  readonly write?: string
}

export const POSTGRES_BASE = `
create table parent (id int primary key, name text not null default 'p', n int not null default 0);
create table child (id int primary key, parent_id int, note text);
create table audit (id serial primary key, what text);
insert into parent values (1, 'one', 1), (2, 'two', 2);
insert into child values (1, 1, 'a'), (2, 2, 'b');`

const PARENTS = 'select * from parent order by id'
const CHILDREN = 'select * from child where parent_id = 1 order by id'
const AUDIT = 'select what from audit order by id'

export const POSTGRES_CHANGES: readonly SchemaChange[] = [
  {
    name: 'a column that is added',
    change: `alter table parent add column extra text default 'x'`,
    reads: [PARENTS, 'select p.* from parent p where id = 1'],
    write: `update parent set extra = 'y' where id = 1`,
  },
  { name: 'a column that is dropped', change: 'alter table parent drop column n', reads: [PARENTS] },
  {
    name: 'a column that is renamed',
    change: 'alter table parent rename column name to title',
    reads: [PARENTS, 'select name from parent where id = 1'],
    write: `update parent set title = 'z' where id = 1`,
  },
  {
    name: 'a column whose type changes',
    change: `alter table parent alter column n type text using n || '.0', alter column name type char(9)`,
    reads: [PARENTS, `select id from parent where name = 'three'`],
    write: `update parent set name = 'three ' where id = 1`,
  },
  {
    name: 'a collation that ignores case',
    before: `create collation fold (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
    change: 'alter table parent alter column name type text collate fold',
    reads: [`select id from parent where name = 'ONE'`],
    write: `update parent set name = 'One' where id = 2`,
  },
  {
    name: 'a unique key that goes',
    before: 'create unique index once on parent (n)',
    change: `drop index once; insert into parent values (3, 'three', 1)`,
    reads: ['select * from parent where n = 1 order by id'],
    write: 'update parent set n = 1 where id = 2',
  },
  {
    name: 'a foreign key that cascades',
    change: 'alter table child add foreign key (parent_id) references parent (id) on delete cascade',
    reads: [PARENTS, CHILDREN],
    write: 'delete from parent where id = 1',
  },
  {
    name: 'a trigger',
    before: `create function seen() returns trigger language plpgsql as $$ begin insert into audit (what) values ('seen'); return null; end $$`,
    change: 'create trigger seen after update on parent for each row execute function seen()',
    reads: [AUDIT, PARENTS],
    write: 'update parent set n = 5 where id = 1',
  },
  {
    name: 'the body of a trigger’s function',
    before: `create function seen() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger seen after update on parent for each row execute function seen()`,
    change: `create or replace function seen() returns trigger language plpgsql as $$ begin insert into audit (what) values ('seen'); return null; end $$`,
    reads: [AUDIT, PARENTS],
    write: 'update parent set n = 5 where id = 1',
  },
  {
    name: 'the body of a function that is read',
    before: `create function twice(int) returns int immutable language sql as 'select $1 * 2'`,
    change: `create or replace function twice(int) returns int immutable language sql as 'select $1 * 3'`,
    reads: ['select id, twice(n) as twice from parent order by id'],
  },
  {
    name: 'a view that is made anew',
    before: 'create view seen as select id, name from parent where n = 1; grant select on seen to app',
    change: 'create or replace view seen as select id, name from parent where n = 2',
    reads: ['select * from seen order by id'],
    write: 'update parent set n = 2 where id = 1',
  },
  {
    name: 'a view that reads another table',
    before: 'create view seen as select id from parent; grant select on seen to app',
    change: 'create or replace view seen as select id from child',
    reads: ['select * from seen order by id'],
    write: `insert into child values (9, 1, 'z')`,
  },
  {
    name: 'row-level security',
    change: 'alter table parent enable row level security; create policy only_some on parent using (id = 2)',
    reads: [PARENTS],
    write: 'update parent set n = 7 where id = 2',
  },
  {
    name: 'a policy',
    before: 'alter table parent enable row level security; create policy only_some on parent using (id = 1)',
    change: 'alter policy only_some on parent using (id = 2)',
    reads: [PARENTS],
  },
  { name: 'a right that is taken', change: 'revoke select on parent from app', reads: [PARENTS, CHILDREN] },
  {
    name: 'a right to one column',
    change: 'revoke select on parent from app; grant select (id, name) on parent to app',
    reads: [PARENTS, 'select id, name from parent order by id'],
    write: `update parent set name = 'new' where id = 1`,
  },
  {
    name: 'a membership that is taken',
    before: 'revoke select on child from app; grant select on child to readers; grant readers to app',
    change: 'revoke readers from app',
    reads: [CHILDREN],
  },
  {
    name: 'the check of a domain',
    before: `create domain small as int; create table sized (id int primary key, s small); insert into sized values (1, 1);
      grant all on sized to app`,
    change: 'alter domain small add check (value < 10)',
    reads: ['select 50::small as s', 'select * from sized order by id'],
    write: 'update sized set s = 5 where id = 1',
  },
  {
    name: 'a value of an enum',
    before: `create type mood as enum ('ok', 'bad'); create table felt (id int primary key, mood mood); insert into felt values (1, 'ok');
      grant all on felt to app`,
    change: `alter type mood rename value 'ok' to 'fine'`,
    reads: ['select * from felt order by id', `select id from felt where mood = 'ok'`],
  },
  {
    name: 'two tables that change names',
    change:
      'alter table parent rename to aside; alter table child rename to parent; alter table aside rename to child; grant all on parent, child to app',
    reads: [PARENTS, 'select * from child order by id'],
    write: 'delete from parent where id = 1',
  },
  {
    name: 'a partition that is attached',
    before: `create table log (id int, at int) partition by list (at); create table log_1 partition of log for values in (1);
      create table log_2 (id int, at int); insert into log values (1, 1); insert into log_2 values (2, 2);
      grant all on log, log_1, log_2 to app`,
    change: 'alter table log attach partition log_2 for values in (2)',
    reads: ['select * from log order by id'],
    write: 'insert into log_2 values (3, 2)',
  },
  {
    name: 'a rule',
    change: `create rule more as on update to parent do also insert into audit (what) values ('ruled')`,
    reads: [AUDIT, PARENTS],
    write: 'update parent set n = 5 where id = 1',
  },
  {
    name: 'a schema in front of the others',
    before: 'create schema app; create table app.other (id int)',
    change: `grant usage on schema app to app; create table app.parent (id int, name text); insert into app.parent values (1, 'hidden');
      grant all on app.parent to app`,
    reads: [PARENTS],
    write: `update parent set name = 'new' where id = 1`,
  },
]

export const SQLITE_BASE = `
drop table audit;
create table parent (id integer primary key, name text not null default 'p', n int not null default 0);
create table child (id integer primary key, parent_id int, note text);
create table audit (id integer primary key, what text);
insert into parent values (1, 'one', 1), (2, 'two', 2);
insert into child values (1, 1, 'a'), (2, 2, 'b');`

export const SQLITE_CHANGES: readonly SchemaChange[] = [
  {
    name: 'a column that is added',
    change: `alter table parent add column extra text default 'x'`,
    reads: [PARENTS],
    write: `update parent set extra = 'y' where id = 1`,
  },
  { name: 'a column that is dropped', change: 'alter table parent drop column n', reads: [PARENTS] },
  {
    name: 'a column that is renamed',
    change: 'alter table parent rename column name to title',
    reads: [PARENTS, 'select name from parent where id = 1'],
    write: `update parent set title = 'z' where id = 1`,
  },
  {
    name: 'a table that compares otherwise',
    change: `drop table child; create table child (id integer primary key, parent_id int, note text collate nocase);
      insert into child values (1, 1, 'a'), (2, 2, 'b')`,
    reads: [`select id from child where note = 'A'`],
    write: `update child set note = 'A' where id = 2`,
  },
  {
    name: 'a foreign key that cascades',
    change: `drop table child; create table child (id integer primary key, parent_id int references parent (id) on delete cascade, note text);
      insert into child values (1, 1, 'a'), (2, 2, 'b')`,
    reads: [PARENTS, CHILDREN],
    write: 'delete from parent where id = 1',
  },
  {
    name: 'a trigger',
    change: `create trigger seen after update on parent begin insert into audit (what) values ('seen'); end`,
    reads: [AUDIT, PARENTS],
    write: 'update parent set n = 5 where id = 1',
  },
  {
    name: 'a view that reads another table',
    before: 'create view seen as select id from parent',
    change: 'drop view seen; create view seen as select id from child',
    reads: ['select * from seen order by id'],
    write: `insert into child values (9, 1, 'z')`,
  },
  {
    name: 'a unique key that goes',
    before: 'create unique index once on parent (n)',
    change: `drop index once; insert into parent values (3, 'three', 1)`,
    reads: ['select * from parent where n = 1 order by id'],
    write: 'update parent set n = 1 where id = 2',
  },
  {
    name: 'two tables that change names',
    change: 'alter table parent rename to aside; alter table child rename to parent; alter table aside rename to child',
    reads: [PARENTS, 'select * from child order by id'],
    write: 'delete from parent where id = 1',
  },
]
