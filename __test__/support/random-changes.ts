/** Random changes of a PostgreSQL schema that the schema as it is now allows. */

import type { Random } from '../oracle/random.ts'

/** What {@link CHANGING} makes of a database at first. */
export const CHANGING = `create domain small as int; create type mood as enum ('ok', 'bad');
create collation fold (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create function twice(int) returns int immutable language sql as 'select $1 * 2';
create function t() returns trigger language plpgsql as $$ begin return new; end $$`

interface Column {
  readonly name: string
  readonly type: string
  /** it is a parent's, which alone may change it */
  readonly inherited: boolean
}

interface Table {
  readonly name: string
  /** without the key */
  readonly columns: readonly Column[]
  /** names of its unique constraints besides the key */
  readonly uniques: readonly string[]
  readonly foreignKeys: readonly string[]
  readonly policies: readonly string[]
  readonly triggers: readonly string[]
  readonly parents: readonly string[]
}

/** What there is to be changed, as {@link THERE} tells. */
export interface There {
  readonly tables: readonly Table[]
  /** of the domain */
  readonly checks: readonly string[]
}

const list = (query: string): string => `(SELECT coalesce(json_agg(j ORDER BY j::text), '[]') FROM (${query}) s (j))`
const constraints = (kind: string): string =>
  list(`SELECT to_json(conname) FROM pg_constraint WHERE conrelid = c.oid AND contype = '${kind}'`)

/** One row: {@link There} as `there`. */
export const THERE = `SELECT json_build_object(
  'checks', ${list(`SELECT to_json(conname) FROM pg_constraint WHERE contypid = 'small'::regtype AND contype = 'c'`)},
  'tables', ${list(`SELECT json_build_object(
    'name', c.relname,
    'columns', ${list(`SELECT json_build_object('name', attname, 'inherited', attinhcount > 0,
      'type', format_type(atttypid, atttypmod) || CASE WHEN attcollation = 'fold'::regcollation THEN ' collate fold' ELSE '' END)
      FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attname <> 'id'`)},
    'uniques', ${constraints('u')},
    'foreignKeys', ${constraints('f')},
    'policies', ${list(`SELECT to_json(polname) FROM pg_policy WHERE polrelid = c.oid`)},
    'triggers', ${list(`SELECT to_json(tgname) FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal`)},
    'parents', ${list(`SELECT to_json(inhparent::regclass::text) FROM pg_inherits WHERE inhrelid = c.oid`)})
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'`)}) AS there`

const TABLES = ['a', 'b', 'c']
const COLUMNS = ['x', 'y', 'z']
const TYPES = ['int', 'text', 'numeric', 'bool', 'small', 'mood', 'text collate fold', 'int[]']
/** Those that an integer may be assigned to. */
const NUMERIC = ['integer', 'numeric', 'small', 'text', 'text collate fold']

/** A statement that may change nothing, and that fails now and then. */
export function randomChange(random: Random, { tables, checks }: There): string {
  const { name: table, columns, ...own } = tables.length === 0 ? NONE : random.pick(tables)
  const other = (): string => random.pick(tables).name
  const changeable = columns.filter(({ inherited }) => !inherited)
  const free = COLUMNS.filter((name) => columns.every((column) => column.name !== name))
  const freeTables = TABLES.filter((name) => tables.every((each) => each.name !== name))
  const orphan = own.parents.length === 0 && tables.every(({ parents }) => !parents.includes(table))
  const makings = freeTables.map(
    (name) => () => `create table ${name} (id int primary key, ${random.pick(COLUMNS)} ${random.pick(TYPES)})`,
  )
  if (table === '') return random.pick(makings)()
  /** For each of what there is, a way to change it; one of the ways of a kind is taken. */
  const kinds: (readonly (() => string)[])[] = [
    makings,
    tables.length > 1 ? [() => `drop table ${table} cascade`] : [],
    freeTables.map((name) => () => `alter table ${table} rename to ${name}`),
    orphan ? free.map((column) => () => `alter table ${table} add column ${column} ${random.pick(TYPES)}`) : [],
    changeable.map(
      ({ name }) =>
        () =>
          `alter table ${table} drop column ${name} cascade`,
    ),
    changeable.flatMap(({ name }) => free.map((to) => () => `alter table ${table} rename column ${name} to ${to}`)),
    changeable.map(
      ({ name }) =>
        () =>
          `alter table ${table} alter column ${name} drop default, alter column ${name} type ${random.pick(TYPES)} using null`,
    ),
    columns.map(
      ({ name }) =>
        () =>
          `alter table ${table} add unique (${name})`,
    ),
    [...own.uniques, ...own.foreignKeys].map((name) => () => `alter table ${table} drop constraint ${name}`),
    columns.map(
      ({ name }) =>
        () =>
          `create ${random.pick(['', 'unique '])}index on ${table} (${name})${random.pick(['', ' where id > 0'])}`,
    ),
    own.foreignKeys.length > 0
      ? []
      : ['cascade', 'set null', 'no action'].map(
          (action) => () =>
            `alter table ${table} add constraint f foreign key (id) references ${other()} (id) on delete ${action}`,
        ),
    ['enable', 'disable'].map((verb) => () => `alter table ${table} ${verb} row level security`),
    own.policies.length > 0
      ? own.policies.map((name) => () => `drop policy ${name} on ${table}`)
      : ['true', `exists (select from ${other()})`, 'twice(id) > 1'].map(
          (condition) => () => `create policy p on ${table} using (${condition})`,
        ),
    ['null', `null; insert into ${other()} default values`, `null; execute 'select 1'`].map(
      (body) => () =>
        `create or replace function t() returns trigger language plpgsql as $$ begin ${body}; return new; end $$`,
    ),
    ['immutable', 'stable', 'volatile'].map(
      (kind) => () =>
        `create or replace function twice(int) returns int ${kind} language sql as 'select $1 * ${random.below(3)}'`,
    ),
    ['insert', 'update', 'delete'].map(
      (event) => () =>
        `create or replace trigger tr ${random.pick(['before', 'after'])} ${event} on ${table} for each row execute function t()`,
    ),
    own.triggers.map(
      (trigger) => () => `alter table ${table} ${random.pick(['enable', 'disable'])} trigger ${trigger}`,
    ),
    ['true', 'twice(id) > 0', `id in (select id from ${other()})`].map(
      (condition) => () => `create or replace view v as select id from ${table} where ${condition}`,
    ),
    [() => `create or replace rule r as on update to ${table} do also nothing`],
    tables
      .filter((each) => isFit(each, { name: table, columns, ...own }))
      .map((parent) => () => `alter table ${table} inherit ${parent.name}`),
    own.parents.map((parent) => () => `alter table ${table} no inherit ${parent}`),
    columns.map(({ name, type }) => () => {
      const value = NUMERIC.includes(type) ? random.pick(['null', 'twice(1)']) : 'null'
      return `alter table ${table} alter column ${name} set default ${value}`
    }),
    checks.map((name) => () => `alter domain small drop constraint ${name}`),
    [() => `alter domain small add check (twice(value) < 10)`],
    ['grant select on', 'revoke select on'].map(
      (verb) => () => `${verb} ${table} ${verb.startsWith('grant') ? 'to' : 'from'} digest_reader`,
    ),
    columns.map(
      ({ name }) =>
        () =>
          `grant select (${name}) on ${table} to digest_reader`,
    ),
    ['grant digest_group to', 'revoke digest_group from'].map((verb) => () => `${verb} digest_reader`),
    [() => `grant select on all tables in schema public to digest_group`],
    [() => `truncate ${table} cascade`],
    [() => `analyze`],
  ]
  return random.pick(random.pick(kinds.filter((ways) => ways.length > 0)))()
}

const NONE: Table = {
  name: '',
  columns: [],
  uniques: [],
  foreignKeys: [],
  policies: [],
  triggers: [],
  parents: [],
}

/** Whether a table can be the parent of another: what it has the other has, and neither has any other relatives. */
function isFit(parent: Table, child: Table): boolean {
  if (parent.name === child.name || parent.parents.length > 0 || child.parents.length > 0) return false
  return parent.columns.every(({ name, type }) =>
    child.columns.some((column) => column.name === name && column.type === type),
  )
}
