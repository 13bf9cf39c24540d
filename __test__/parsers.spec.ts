// Parsers, serializers and transforms of the caller's: what they make of values is what comes out of the cache, and where they
// hide what a write has changed, nothing is cached.
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { CamelCasePlugin, DeduplicateJoinsPlugin, Kysely, ParseJSONResultsPlugin, PostgresDialect, sql } from 'kysely'
import type { Dialect, KyselyPlugin, RawBuilder } from 'kysely'
import { PostgresJSDialect } from 'kysely-postgres-js'
import { Pool, types } from 'pg'
import postgres from 'postgres'

import { cacheopsPlugin } from '../ts/index.ts'
import type { Cacheops } from '../ts/index.ts'
import { describe } from './support/describe.ts'
import { sharedCluster } from './support/postgres-cluster.ts'
import type { Cluster } from './support/postgres-cluster.ts'
import { pooledDialect } from './support/servers.ts'

const PLAIN = `create table plain (id int primary key, first_name text, u int, details jsonb);
insert into plain values (1, 'a ', 0, '{"a":[1]}'), (2, 'b', 0, null);`

const SCHEMA = `
create extension hstore;
create type mood as enum ('happy', 'sad'); create type pair as (a int, b text); create type span as range (subtype = int);
create domain label as text; create domain odd_label as text check (value is not null);
create type checked as (a odd_label);
create table t (id int primary key, first_name text, n bigint, m mood, p pair, ms mood[], h hstore, l label, ls label[],
  s span, at date, i interval, u int);
insert into t values (1, 'a ', 7, 'happy', '(1,x)', '{happy,sad}', 'a=>1', 'l', '{l}', '[1,3)',
  '2001-02-03', '1 day 02:00', 0), (2, 'b', 8, 'sad', '(2,y)', '{sad}', 'b=>2', 'm', '{m}', '[2,3)',
  '2001-02-04', '1 day', 0);
`

/** Types of which no value is known. Where columns have any, no two pools share anything. */
const UNSAMPLED = `create extension isn; alter table t add column book isbn default '0-13-110362-8', add column c checked default '(x)';`

let made = 0

interface Server {
  readonly cluster: Cluster
  readonly database: string
}

/** A database of a test's own. */
async function newDatabase(schema: string): Promise<Server> {
  const cluster = await sharedCluster()
  const database = `parsers_${++made}`
  await cluster.exec(`create database ${database}`)
  await cluster.exec(schema, database)
  return { cluster, database }
}

interface Opened {
  readonly cacheops: Cacheops
  readonly db: Kysely<any>
  readonly faults: string[]
  /** its rows, and whether they came from the cache */
  readonly read: (query: RawBuilder<any>) => Promise<{ rows: readonly any[]; hit: boolean }>
}

let stores = 0
const newStore = (): { readonly type: 'embedded'; readonly name: string } => ({
  type: 'embedded',
  name: `parsers ${process.pid} ${stores++}`,
})

function open(
  t: ExecutionContext,
  dialect: Dialect,
  store = newStore(),
  plugins: readonly KyselyPlugin[] = [],
): Opened {
  const cacheops = cacheopsPlugin({ store })
  const faults: string[] = []
  let hit = false
  cacheops.on('read', (event) => (hit = event.hit))
  cacheops.on('error', ({ error }) => faults.push((error.cause as Error).message))
  const db = new Kysely<any>({ dialect, plugins: [...plugins, cacheops] })
  t.teardown(async () => {
    await db.destroy()
    await cacheops.close()
  })
  return {
    cacheops,
    db,
    faults,
    read: async (query) => {
      hit = false
      const { rows } = await cacheops.run(db, query)
      return { rows, hit }
    },
  }
}

type Parser = (text: string) => unknown

function pgDialect(
  { host, port, user }: Cluster,
  database: string,
  parsers: Readonly<Record<number, Parser>>,
): Dialect {
  const getTypeParser = (oid: number, format?: 'text'): Parser =>
    parsers[oid] ?? (types.getTypeParser as (oid: number, format?: 'text') => Parser)(oid, format)
  return new PostgresDialect({
    pool: new Pool({ host, port, user, database, max: 2, types: { getTypeParser: getTypeParser as never } }),
  })
}

function postgresJsDialect(
  { host, port, user }: Cluster,
  database: string,
  options: postgres.Options<Record<string, postgres.PostgresType>>,
): Dialect {
  return new PostgresJSDialect({ postgres: postgres({ host, port, user, database, max: 2, ...options }) })
}

const TYPES = {
  bigint: ['int8', 'n'],
  'an enum': ['mood', 'm'],
  'an array of an enum': ['mood[]', 'ms'],
  'a composite type': ['pair', 'p'],
  "an extension's type": ['hstore', 'h'],
  'an array of a domain': ['label[]', 'ls'],
  'a range': ['span', 's'],
} as const

const UNSAMPLED_TYPES = {
  'a composite type with a check': ['checked', 'c'],
  'a type of which no value is known': ['isbn', 'book'],
} as const

for (const driver of ['pg', 'postgres.js'] as const) {
  const demandApart = async (
    t: ExecutionContext,
    { cluster, database }: Server,
    columns: Readonly<Record<string, readonly [type: string, column: string]>>,
  ) => {
    const plain = new Kysely<any>({ dialect: pooledDialect(driver, cluster, database) })
    t.teardown(() => plain.destroy())
    const store = newStore()
    const one = open(t, pooledDialect(driver, cluster, database), store)
    for (const [name, [type, column]] of Object.entries(columns)) {
      const { rows } = await sql<{ oid: number }>`select ${sql.lit(type)}::regtype::oid::int4 as oid`.execute(plain)
      const { oid } = rows[0]!
      const two = open(t, parsedBy(driver, cluster, database, oid), store)
      const query = sql`select ${sql.ref(column)} as v from t where id = ${1}`
      const first = await one.read(query)
      t.deepEqual(await one.read(query), { ...first, hit: true }, name)
      const second = await two.read(query)
      t.false(second.hit, name)
      t.truthy(second.rows[0].v.parsed, `${name}: ${JSON.stringify(second.rows)}`)
      t.deepEqual(await two.read(query), { ...second, hit: true }, name)
      t.deepEqual([one.faults, two.faults], [[], []])
    }
  }

  test(`${driver}: two pools with other parsers for a type never share rows`, async (t) => {
    await demandApart(t, await newDatabase(SCHEMA), TYPES)
  })

  test(`${driver}: two pools with other parsers for a type of which no value is known never share rows`, async (t) => {
    await demandApart(t, await newDatabase(SCHEMA + UNSAMPLED), UNSAMPLED_TYPES)
  })

  test(`${driver}: pools with the same parsers share rows, and no others`, async (t) => {
    const { cluster, database } = await newDatabase(`create type mood as enum ('a'); create table t (id int, m mood)`)
    const plain = new Kysely<any>({ dialect: pooledDialect(driver, cluster, database) })
    t.teardown(() => plain.destroy())
    const { rows } = await sql<{ oid: number }>`select 'mood'::regtype::oid::int4 as oid`.execute(plain)
    const store = newStore()
    const [one, two] = [0, 1].map(() => open(t, pooledDialect(driver, cluster, database), store))
    const other = open(t, parsedBy(driver, cluster, database, rows[0]!.oid), store)
    const query = sql`select m from t where id = ${1}`
    t.false((await one!.read(query)).hit)
    t.true((await two!.read(query)).hit)
    t.false((await other.read(query)).hit)
  })
}

/** A pool that makes something else of the values of a type. */
function parsedBy(driver: 'pg' | 'postgres.js', cluster: Server['cluster'], database: string, oid: number): Dialect {
  const parse = (text: string): unknown => ({ parsed: text })
  if (driver === 'pg') return pgDialect(cluster, database, { [oid]: parse })
  return postgresJsDialect(cluster, database, { types: { own: { to: oid, from: [oid], serialize: String, parse } } })
}

/** Caches what can be, writes, and demands the same of both: with the plugin and without. */
async function demandTransparent(
  t: ExecutionContext,
  { cluster, database }: Server,
  make: () => Dialect,
  plugins: readonly KyselyPlugin[] = [],
) {
  await cluster.exec(`drop table if exists plain; ${PLAIN}`, database)
  const opened = open(t, make(), newStore(), plugins)
  const twin = new Kysely<any>({ dialect: make(), plugins: [...plugins] })
  t.teardown(() => twin.destroy())
  const reads = [
    sql`select id, first_name, u from plain where first_name = ${'a '} order by id`,
    sql`select id, first_name, u, details from plain order by id`,
  ]
  const compare = async () => {
    for (const read of reads) {
      const truth = describe((await read.execute(twin)).rows)
      for (let time = 0; time < 3; time++) t.is(describe((await opened.read(read)).rows), truth)
    }
  }
  const write = async (query: RawBuilder<unknown>) => {
    const { rows } = await query.execute(opened.db)
    await compare()
    return describe(rows)
  }
  await compare()
  const returning = sql`update plain set u = 1 where id = 1 returning id`
  // Done again past the cache it changes nothing.
  t.is(await write(returning), describe((await returning.execute(twin)).rows))
  await write(sql`insert into plain values (3, ${'a '}, 0, null)`)
  await write(sql`update plain set first_name = ${'a '} where u = ${0} and id = 2`)
  await write(sql`delete from plain where id > ${1}`)
  return opened
}

test('pg: parsers that are set later count once the schema is refreshed', async (t) => {
  const { cluster, database } = await newDatabase(PLAIN)
  const parsers: Record<number, Parser> = {}
  const { cacheops, read } = open(t, pgDialect(cluster, database, parsers))
  const query = sql`select u from plain where id = ${1}`
  t.deepEqual((await read(query)).rows, [{ u: 0 }])
  parsers[23] = (text) => `int ${text}`
  await cacheops.refreshSchema()
  t.deepEqual((await read(query)).rows, [{ u: 'int 0' }])
})

test('pg: a parser of texts hides what was written: nothing is cached, and it is said why', async (t) => {
  const server = await newDatabase(PLAIN)
  const { cluster, database } = server
  for (const parse of [
    (text: string) => text.trim(),
    (text: string) => (text === '' ? null : text),
    (text: string) => (/^\d+$/.test(text) ? Number(text) : text),
    (text: string) => text.normalize('NFC'),
  ]) {
    const { faults } = await demandTransparent(t, server, () => pgDialect(cluster, database, { 25: parse }))
    t.regex(faults[0] ?? '', /changes texts/)
  }
})

test('postgres.js: a transform of texts, or of all names: nothing is cached, and it is said why', async (t) => {
  const server = await newDatabase(PLAIN)
  const { cluster, database } = server
  const trim = (value: unknown): unknown => (typeof value === 'string' ? value.trim() : value)
  for (const [reason, transform] of [
    [/changes texts/, { value: { from: trim } }],
    [/did not answer/, { column: { from: (name: string) => `c_${name}` } }],
  ] as const) {
    const { faults } = await demandTransparent(t, server, () => postgresJsDialect(cluster, database, { transform }))
    t.regex(faults[0] ?? '', reason)
  }
})

test('postgres.js: a serializer that changes what a condition means: nothing is cached', async (t) => {
  const server = await newDatabase(PLAIN)
  const { cluster, database } = server
  const text = { to: 25, from: [25], serialize: (value: unknown) => String(value).trim(), parse: String }
  const make = () => postgresJsDialect(cluster, database, { types: { text } })
  const { faults } = await demandTransparent(t, server, make)
  t.regex(faults[0] ?? '', /changes text parameters/)
})

test('postgres.js: a boolean that is given as a string is another one', async (t) => {
  const { cluster, database } = await newDatabase(
    'create table t (id int primary key, b bool, u int); insert into t values (1, false, 0), (2, true, 0)',
  )
  const { db, read } = open(t, pooledDialect('postgres.js', cluster, database))
  // The driver sends false, whatever the text says.
  const query = sql`select id, u from t where b = ${'true'}`
  await read(query)
  t.deepEqual(await read(query), { rows: [{ id: 1, u: 0 }], hit: true })
  await sql`update t set u = 1 where id = 1`.execute(db)
  t.deepEqual((await read(query)).rows, [{ id: 1, u: 1 }])
})

test('postgres.js: two pools with other serializers never share rows', async (t) => {
  const { cluster, database } = await newDatabase(`create table t (id int, at timestamptz);
    insert into t values (1, '2001-02-03T00:00:00Z'), (2, '2001-02-04T00:00:00Z')`)
  const later = (value: unknown): string => new Date((value as Date).getTime() + 86_400_000).toISOString()
  // Read as by default, so that nothing but what is sent tells them apart.
  const date = { to: 1184, from: [1184], serialize: later, parse: (text: string) => new Date(text) }
  const store = newStore()
  const one = open(t, pooledDialect('postgres.js', cluster, database), store)
  const two = open(t, postgresJsDialect(cluster, database, { types: { date } }), store)
  const query = sql`select id from t where at = ${new Date('2001-02-03T00:00:00Z')}::timestamptz`
  t.deepEqual((await one.read(query)).rows, [{ id: 1 }])
  t.deepEqual((await two.read(query)).rows, [{ id: 2 }])
})

test('postgres.js: other names, null as undefined, rows with more columns', async (t) => {
  const server = await newDatabase(PLAIN)
  const { cluster, database } = server
  for (const transform of [
    postgres.camel,
    postgres.pascal,
    { value: { from: (value: unknown) => (value === null ? undefined : value) } },
    { row: { from: (row: object) => ({ ...row, extra: new Date(0) }) } },
  ]) {
    const { faults } = await demandTransparent(t, server, () =>
      postgresJsDialect(cluster, database, { transform } as never),
    )
    t.deepEqual(faults, [])
  }
})

for (const driver of ['pg', 'postgres.js'] as const) {
  test(`${driver}: plugins of Kysely beside the cache`, async (t) => {
    const server = await newDatabase(PLAIN)
    const { cluster, database } = server
    for (const plugins of [[new CamelCasePlugin()], [new ParseJSONResultsPlugin()], [new DeduplicateJoinsPlugin()]]) {
      const { faults } = await demandTransparent(t, server, () => pooledDialect(driver, cluster, database), plugins)
      t.deepEqual(faults, [])
    }
  })

  test(`${driver}: what a driver makes of each type comes out of the cache as it is, or is not kept`, async (t) => {
    const { cluster, database } = await newDatabase(SCHEMA + UNSAMPLED)
    const plain = new Kysely<any>({ dialect: pooledDialect(driver, cluster, database) })
    t.teardown(() => plain.destroy())
    const opened = open(t, pooledDialect(driver, cluster, database))
    const values = [
      'n',
      'm',
      'p',
      'ms',
      'h',
      'l',
      'ls',
      's',
      'c',
      'book',
      'at',
      'i',
      't',
      "'(1,2)'::point",
      "'<(1,2),3>'::circle",
      "'\\x00ff'::bytea",
      '\'{"a":[1,{"b":null}]}\'::jsonb',
      "'[1]'::json",
      "'NaN'::float8",
      "'-0'::float8",
      "'-Infinity'::float8",
      "'NaN'::numeric",
      "'infinity'::date",
      "'-infinity'::timestamptz",
      "'0044-03-15 BC'::date",
      "'{1,NULL}'::int8[]",
      '\'{"1 day"}\'::interval[]',
      "'{2001-02-03}'::date[]",
      '\'{"(1,2)"}\'::point[]',
      '\'{"\\\\x00"}\'::bytea[]',
      "'1.5'::money",
      "'10/8'::cidr",
      "'101'::varbit",
      "row(1, 'a')",
      'null',
      "'{{1,2},{3,4}}'::int[]",
      "'[0:1]={1,2}'::int[]",
      "'{}'::text[]",
      "'04:05+01'::timetz",
      "'<a/>'::xml",
      "'a:1'::tsvector",
      "'null'::jsonb",
    ]
    const kept: string[] = []
    for (const value of values) {
      const query = sql`select id, ${sql.raw(value)} as v from t order by id`
      const truth = describe((await query.execute(plain)).rows)
      for (let time = 0; time < 3; time++) {
        const { rows, hit } = await opened.read(query)
        t.is(describe(rows), truth, value)
        if (hit && time === 2) kept.push(value)
        if (hit) for (const row of rows) row.v = 'spoilt'
      }
    }
    // Of pg, intervals are instances of a class.
    t.deepEqual(
      values.filter((value) => !kept.includes(value)),
      driver === 'pg' ? ['i', '\'{"1 day"}\'::interval[]'] : [],
    )
  })
}
