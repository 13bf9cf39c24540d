import { DatabaseSync } from 'node:sqlite'

import test from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { Kysely, sql, SqliteDialect } from 'kysely'
import type { SqliteDatabase } from 'kysely'

import { cacheopsPlugin } from '../ts/index.ts'
import { databases, postgresDriver } from './support/databases.ts'
import { expectIdentical } from './support/expect.ts'
import { Recorder, RecordingDialect } from './support/recorder.ts'

// A row as it came out of the cache must not be told from one that came out of the driver.

/** What `pg` makes of an interval is an instance of a class, which is not kept. */
const INTERVAL = sql.raw(postgresDriver === 'pg' ? '::text' : '')

const VALUES = {
  postgres: sql<Record<string, unknown>>`
    select 1::int2 as i2, 9007199254740993::int8 as i8, 7::int8 as small8, 1.50::numeric as n, '-0'::float8 as negative_zero,
      'NaN'::float8 as nan, 'Infinity'::float8 as infinity, true as b, null::text as none, '' as empty, 'ä😀' as text,
      '2001-02-03'::date as d, '2001-02-03 04:05:06.789+02'::timestamptz as tz, '2001-02-03 04:05'::timestamp as ts,
      '\\x00ff10'::bytea as bytes, '\\x'::bytea as no_bytes, array[1, 2, null] as ints, array['a,b', 'c"d'] as texts,
      array['2001-02-03'::timestamptz] as moments, array[array[1, 2], array[3, 4]] as nested,
      '{"a": {"b": [1, -0.0, null, {"__proto__": {"c": 1}}]}, "1": 2, "0": 1}'::jsonb as j, 'null'::json as json_null,
      '2 days'::interval${INTERVAL} as span, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid as u, 1 as "__proto__", 2 as "constructor",
      3 as "b c", 4 as "1", id
    from genre order by id`,
  sqlite: sql<Record<string, unknown>>`
    select 1 as i, 9007199254740991 as big, 1.5 as r, -0.0 as negative_zero, 9e999 as infinity, null as none, '' as empty,
      'ä😀' as text, x'00ff10' as bytes, x'' as no_bytes, 1 as "__proto__", 2 as "constructor", 3 as "b c", 4 as "1", id
    from genre order by id`,
}

for (const database of databases) {
  const { name } = database

  test.serial(`${name}: every type of value comes back as the driver gave it`, async (t) => {
    const { db, plain, cacheops, recorder } = await database.open(t)
    const wanted = await VALUES[name].execute(plain)
    t.is(wanted.rows.length, 3)
    expectIdentical(t, (await cacheops.run(db, VALUES[name])).rows, wanted.rows)
    recorder.clear()
    for (let round = 0; round < 2; round++) {
      const hit = await cacheops.run(db, VALUES[name])
      expectIdentical(t, hit.rows, wanted.rows)
      for (const row of hit.rows) {
        for (const value of Object.values(row)) {
          if (value instanceof Uint8Array) value.fill(7)
          else if (value instanceof Date) value.setTime(0)
          else if (Array.isArray(value)) value.length = 0
          else if (typeof value === 'object' && value !== null) Object.assign(value, { changed: true })
        }
      }
    }
    t.is(recorder.count(), 0)
  })

  test.serial(`${name}: the whole result is the driver's, not only its rows`, async (t) => {
    const { db, plain, cacheops } = await database.open(t)
    const query = sql`select id from genre order by id`
    const wanted = await query.execute(plain)
    expectIdentical(t, await cacheops.run(db, query), wanted)
    expectIdentical(t, await cacheops.run(db, query), wanted)
  })

  test.serial(`${name}: a caller that changes the rows of a miss changes nothing for others`, async (t) => {
    const { db } = await database.open(t)
    const query = db.selectFrom('genre').selectAll().orderBy('id').cache()
    const first = await query.execute()
    first[0]!.name = 'changed'
    first.length = 1
    t.deepEqual(
      (await query.execute()).map((row) => row.name),
      ['Jazz', 'Afrobeat', 'Silence'],
    )
  })

  test.serial(`${name}: readers that share one database read do not share rows`, async (t) => {
    const { db } = await database.open(t)
    const query = db.selectFrom('genre').selectAll().orderBy('id').cache()
    await db.selectFrom('artist').selectAll().cache().execute()
    const [one, two, three] = await Promise.all([query.execute(), query.execute(), query.execute()])
    expectIdentical(t, one, two)
    expectIdentical(t, two, three)
    one[0]!.name = 'changed'
    t.is(two[0]!.name, 'Jazz')
    t.is((await query.execute())[0]!.name, 'Jazz')
  })

  test.serial(`${name}: JSON is copied in depth`, async (t) => {
    const { db, plain, exec, isHit } = await database.open(t)
    await exec(`update invoice set details = '{"lines": [{"sku": "a", "qty": 1}]}' where id = 1`)
    const query = db.selectFrom('invoice').select('details').where('id', '=', 1).cache()
    const wanted = await plain.executeQuery(query.compile())
    for (let round = 0; round < 3; round++) {
      const [row] = await query.execute()
      t.deepEqual(row, wanted.rows[0])
      const details = row!.details as { lines?: { qty: number }[] } | string
      if (typeof details === 'object') details.lines![0]!.qty = 99
    }
    t.true(await isHit(query))
  })
}

/** A SQLite database whose rows are what a test makes of them. */
function strangeDatabase(change: (row: Record<string, unknown>) => Record<string, unknown>): {
  readonly database: SqliteDatabase
} {
  const real = new BetterSqlite3(':memory:')
  real.exec(`create table t (id integer primary key, v); insert into t values (1, 'one'), (2, 'two')`)
  return {
    database: {
      close: () => real.close(),
      prepare(text: string) {
        const statement = real.prepare(text)
        const mine = /from "t"/.test(text)
        return {
          reader: statement.reader,
          all: (parameters: readonly unknown[]) => {
            const rows = statement.all(...parameters) as Record<string, unknown>[]
            return mine ? rows.map(change) : rows
          },
          run: (parameters: readonly unknown[]) => statement.run(...parameters),
          iterate: (parameters: readonly unknown[]) => statement.iterate(...parameters),
        }
      },
    },
  }
}

interface Strange {
  t: { id: number; v: unknown }
}

/** Reads twice; gives both results and how many statements the second one took. */
async function readTwice(
  database: SqliteDatabase,
): Promise<{ first: unknown[]; second: unknown[]; statements: number; reason: string }> {
  const cacheops = cacheopsPlugin<Strange>({ store: { type: 'embedded', name: `rows-${Math.random()}` } })
  const recorder = new Recorder()
  const db = new Kysely<Strange>({
    dialect: new RecordingDialect(new SqliteDialect({ database }), recorder),
    plugins: [cacheops],
  })
  const reasons: string[] = []
  cacheops.on('read', ({ reason }) => void reasons.push(reason))
  const query = db.selectFrom('t').selectAll().orderBy('id').cache()
  const first = await query.execute()
  recorder.clear()
  const second = await query.execute()
  await db.destroy()
  await cacheops.close()
  return { first, second, statements: recorder.count(), reason: reasons[0]! }
}

const KEPT: Record<string, unknown> = {
  'a Date': new Date(5),
  'an invalid Date': new Date(Number.NaN),
  'a Buffer': Buffer.from([1, 2, 3]),
  'a Uint8Array': new Uint8Array([1, 2, 3]),
  'a bigint': 2n ** 70n,
  '-0': -0,
  NaN: Number.NaN,
  undefined: undefined,
  'an object without prototype': Object.assign(Object.create(null) as object, { a: [1] }),
  'a __proto__ key': JSON.parse('{"__proto__": {"a": 1}, "b": [{"__proto__": null}]}') as unknown,
  'a lone surrogate': '\ud800',
}

for (const [kind, value] of Object.entries(KEPT)) {
  test(`a driver's rows with ${kind} are given back identically`, async (t) => {
    const { first, second, statements } = await readTwice(strangeDatabase((row) => ({ ...row, v: value })).database)
    t.is(statements, 0)
    t.true('v' in (second[0] as object))
    expectIdentical(t, second, [
      { id: 1, v: value },
      { id: 2, v: value },
    ])
    expectIdentical(t, first, second)
  })
}

class Money {
  readonly cents: number
  constructor(cents: number) {
    this.cents = cents
  }
}

const NOT_KEPT: Record<string, () => unknown> = {
  'a class instance': () => new Money(5),
  'a Date of a subclass': () => new (class Day extends Date {})(5),
  'a function': () => () => 5,
  'a symbol': () => Symbol('s'),
  'a Map': () => new Map([[1, 2]]),
  'a getter': () => Object.defineProperty({}, 'a', { get: () => 1, enumerable: true }),
  'a frozen property': () => ({ inner: Object.freeze({ a: 1 }) }),
  'a sparse array': () => Object.assign([], { 3: 1 }),
  'an array with a property': () => Object.assign([1], { extra: 1 }),
  'a symbol key': () => ({ [Symbol.for('k')]: 1 }),
  'a cycle': () => {
    const cycle: Record<string, unknown> = {}
    return Object.assign(cycle, { cycle })
  },
}

for (const [kind, make] of Object.entries(NOT_KEPT)) {
  test(`a driver's rows with ${kind} are not cached, and the reason is given`, async (t) => {
    const { first, second, statements, reason } = await readTwice(
      strangeDatabase((row) => ({ ...row, v: make() })).database,
    )
    t.is(first.length, 2)
    t.is(second.length, 2)
    t.is(statements, 1)
    t.not(reason, 'miss')
    t.not(reason, 'hit')
  })
}

test('rows that are instances of a class are not cached', async (t) => {
  const { first, statements } = await readTwice(strangeDatabase((row) => Object.assign(new Money(1), row)).database)
  t.true(first[0] instanceof Money)
  t.is(statements, 1)
})

test('rows without prototype (node:sqlite) come back without prototype', async (t) => {
  const real = new DatabaseSync(':memory:')
  real.exec(`create table t (id integer primary key, v); insert into t values (1, 'one'), (2, x'0102')`)
  const database = {
    close: () => real.close(),
    prepare(text: string) {
      const statement = real.prepare(text)
      return {
        reader: statement.columns().length > 0,
        all: (parameters: readonly unknown[]) => statement.all(...(parameters as never[])),
        run: (parameters: readonly unknown[]) => statement.run(...(parameters as never[])),
        iterate: (parameters: readonly unknown[]) => statement.iterate(...(parameters as never[])),
      }
    },
  } as unknown as SqliteDatabase
  const { first, second, statements } = await readTwice(database)
  t.is(statements, 0)
  t.is(Object.getPrototypeOf(second[0]), null)
  expectIdentical(t, second, first)
})

test('bytes that have their memory to themselves have so on a hit', async (t) => {
  const db = new Kysely<any>({
    dialect: new SqliteDialect({ database: new BetterSqlite3(':memory:') }),
    plugins: [cacheopsPlugin()],
  })
  await sql`create table vector (id integer primary key, v blob)`.execute(db)
  await db
    .insertInto('vector')
    .values({ id: 1, v: Buffer.from(new Float32Array([1, 2, 3, 4]).buffer) })
    .execute()
  const read = db.selectFrom('vector').select('v').where('id', '=', 1).cache()
  for (const round of ['miss', 'hit', 'hit']) {
    const { v } = await read.executeTakeFirstOrThrow()
    t.deepEqual([...new Float32Array(v.buffer as ArrayBuffer)], [1, 2, 3, 4], round)
  }
})

const UNUSUAL: Record<string, (rows: object[]) => object[]> = {
  'frozen rows': (rows) => rows.map((row) => Object.freeze(row)),
  'a frozen list': (rows) => Object.freeze(rows) as object[],
  'a list with a property': (rows) => Object.assign(rows, { fields: 2 }),
  'a getter': (rows) => rows.map((row) => Object.defineProperty(row, 'id', { get: () => 7, enumerable: true })),
  'a hidden property': (rows) => rows.map((row) => Object.defineProperty(row, 'hidden', { value: 1 })),
}

for (const [name, change] of Object.entries(UNUSUAL)) {
  test(`what a dialect makes of its rows is not lost: ${name}`, async (t) => {
    const handle = new BetterSqlite3(':memory:')
    const database: SqliteDatabase = {
      close: () => handle.close(),
      prepare(text) {
        const statement = handle.prepare(text)
        const { reader } = statement
        return {
          reader,
          all: (parameters) => (text.includes('"shelf"') ? change : Array.from)(statement.all(parameters) as object[]),
          run: (parameters) => statement.run(parameters),
          iterate: (parameters) => statement.iterate(parameters),
        }
      },
    }
    const db = new Kysely<any>({ dialect: new SqliteDialect({ database }), plugins: [cacheopsPlugin()] })
    handle.exec('create table shelf (id integer primary key); insert into shelf values (1)')
    const read = db.selectFrom('shelf').selectAll().cache()
    const describe = (rows: object[]): string =>
      JSON.stringify([
        Object.isFrozen(rows),
        Reflect.ownKeys(rows),
        rows.map((row) => [Object.isFrozen(row), Object.getOwnPropertyDescriptors(row)]),
      ])
    t.is(describe(await read.execute()), describe(await read.execute()))
  })
}
