import test from 'ava'
import * as fc from 'fast-check'
import { sql } from 'kysely'

import type { Explainable } from '../ts/index.ts'
import { databases } from './support/databases.ts'
import type { DB, Opened } from './support/databases.ts'

// Two reads that can differ never share an entry.

const PAIRS: Record<string, readonly [unknown, unknown]> = {
  'text and number': ['1', 1],
  'number and bigint': [1, 1n],
  'text and bigint': ['1', 1n],
  'a Date and its ISO text': [new Date(0), '1970-01-01T00:00:00.000Z'],
  'a Date and its number': [new Date(0), 0],
  'two Dates, a millisecond apart': [new Date(0), new Date(1)],
  'null and undefined': [null, undefined],
  'null and text': [null, 'null'],
  'true and 1': [true, 1],
  'true and text': [true, 'true'],
  'false and 0': [false, 0],
  '0 and -0': [0, -0],
  'empty text and null': ['', null],
  'a Buffer and its text': [Buffer.from('a'), 'a'],
  'a Buffer and an array': [Buffer.from([1]), [1]],
  'a Buffer and other bytes': [Buffer.from('a'), new Uint8Array([97])],
  'an array and its text': [['a', 'b'], 'a,b'],
  'arrays cut differently': [
    ['a, b', 'c'],
    ['a', 'b, c'],
  ],
  'nested arrays': [[[1], 2], [[1, 2]]],
  'an object and its text': [{ a: 1 }, '{"a":1}'],
  'text and text with a blank': ['a', 'a '],
  'upper and lower case': ['a', 'A'],
  'composed and decomposed text': ['\u00e9', 'e\u0301'],
  'two lone surrogates': ['\ud800', '\ud801'],
  'a lone surrogate and its replacement': ['\ud800', '\ufffd'],
  'a NUL': ['a\u0000b', 'a'],
  'large numbers': [2 ** 53, 2n ** 53n + 1n],
}

async function keyOf(opened: Opened, query: Explainable): Promise<string> {
  const { key, reason } = await opened.cacheops.explain(query, { db: opened.db })
  if (key === null) throw new Error(`no key: ${reason}`)
  return key
}

for (const database of databases) {
  const { name } = database

  test.serial(`${name}: parameters are part of the key with their types`, async (t) => {
    const opened = await database.open(t, { profiles: { '*.*': { ops: 'all' } } })
    const read = (value: unknown): Explainable => sql`select id from track where composer = ${value}`
    for (const [pair, [one, other]] of Object.entries(PAIRS)) {
      t.not(await keyOf(opened, read(one)), await keyOf(opened, read(other)), pair)
      t.is(await keyOf(opened, read(one)), await keyOf(opened, read(again(one))), `${pair}: the same again`)
    }
  })

  test.serial(`${name}: lists that look alike when they are joined have keys of their own`, async (t) => {
    const { db, isHit } = await database.open(t)
    await db
      .insertInto('artist')
      .values([{ name: 'a, b' }, { name: 'c' }, { name: 'a' }, { name: 'b, c' }])
      .execute()
    const named = (names: string[]) =>
      db.selectFrom('artist').select('name').where('name', 'in', names).orderBy('name').cache()
    t.deepEqual(await named(['a, b', 'c']).execute(), [{ name: 'a, b' }, { name: 'c' }])
    t.false(await isHit(named(['a', 'b, c'])))
    t.deepEqual(await named(['a', 'b, c']).execute(), [{ name: 'a' }, { name: 'b, c' }])
    t.false(await isHit(named(["a', 'b", 'c'])))
  })

  test.serial(`${name}: values cannot move from one parameter to the next`, async (t) => {
    const opened = await database.open(t, { profiles: { '*.*': { ops: 'all' } } })
    const read = (title: unknown, composer: unknown): Explainable =>
      sql`select id from track where title = ${title} and composer = ${composer}`
    t.not(await keyOf(opened, read('a', 'b')), await keyOf(opened, read('b', 'a')))
    t.not(await keyOf(opened, read('ab', '')), await keyOf(opened, read('a', 'b')))
    t.not(await keyOf(opened, read('a&composer=b', null)), await keyOf(opened, read('a', 'b')))
    t.not(await keyOf(opened, read([1, 2], 3)), await keyOf(opened, read([1], [2, 3])))
  })

  test.serial(`${name}: different values never share a key`, async (t) => {
    const opened = await database.open(t, { profiles: { '*.*': { ops: 'all' } } })
    const value = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.integer(),
      fc.double({ noNaN: true }),
      fc.bigInt(),
      fc.boolean(),
      fc.constant(null),
      fc.date({ noInvalidDate: true }),
      fc.uint8Array({ maxLength: 8 }),
      fc.array(fc.oneof(fc.integer(), fc.string()), { maxLength: 4 }),
    )
    const keys = new Map<string, string>()
    await fc.assert(
      fc.asyncProperty(fc.tuple(value, value), async ([one, two]) => {
        const key = await keyOf(opened, sql`select id from track where title = ${one} and composer = ${two}`)
        const text = describe([one, two])
        const before = keys.get(key)
        keys.set(key, text)
        return before === undefined || before === text
      }),
      { numRuns: 300 },
    )
    t.true(keys.size > 100)
  })

  test.serial(`${name}: what differs in the result differs in the key`, async (t) => {
    const opened = await database.open(t, { profiles: { '*.*': { ops: 'all' } } })
    const texts = [
      'select id, title from track',
      'select title, id from track',
      'select id, title as t from track',
      'select id, title as "T" from track',
      'select id, title from track order by id',
      'select id, title from track order by id desc',
      'select id, title from track limit 1',
      'select id, title from track limit 1 offset 1',
      'select distinct id, title from track',
      "select id, 'title' from track",
      'select id, title from track where price > 1',
      'select id, title from track where price >= 1',
      "select id, title from track where title = 'a b'",
      "select id, title from track where title = 'a  b'",
      "select id, title from track where title = 'A b'",
      "select id, title from track where title = 'a /* */ b'",
      "select id, title from track where title = 'a -- b'",
      'select id, title from track union select id, name from genre',
      'select id, title from track union all select id, name from genre',
      'select id, name from genre union select id, title from track',
      'select id, name from genre',
      'select id, name from artist',
    ]
    const keys = new Map<string, string>()
    for (const text of texts) {
      const key = await keyOf(opened, sql.raw(text))
      t.is(keys.get(key), undefined, `${text} has the key of ${keys.get(key)}`)
      keys.set(key, text)
    }
  })

  test.serial(`${name}: equivalent texts share an entry`, async (t) => {
    const opened = await database.open(t, { profiles: { '*.*': { ops: 'all' } } })
    const base = await keyOf(opened, sql.raw(`select id, title from track where album_id = 1 and genre_id = 2`))
    for (const text of [
      `SELECT id,title\n  FROM track\tWHERE album_id=1 AND genre_id = 2`,
      `select id, title /* why */ from track where album_id = 1 and genre_id = 2 -- because`,
      `select id, title from track where genre_id = 2 and album_id = 1`,
      `select id, title from track where album_id = 1 and genre_id = 2;`,
    ]) {
      t.is(await keyOf(opened, sql.raw(text)), base, text)
    }
    const list = (ids: number[]) => opened.db.selectFrom('track').select('id').where('id', 'in', ids)
    t.is(await keyOf(opened, list([1, 2, 3])), await keyOf(opened, list([3, 1, 2])))
    t.not(await keyOf(opened, list([1, 2])), await keyOf(opened, list([1, 2, 3])))
  })

  // SQLite may name a result column by its text, so there each spelling is its own.
  if (name === 'postgres') {
    test.serial(`${name}: quoted and unquoted names that are no keywords share an entry`, async (t) => {
      const opened = await database.open(t, { profiles: { '*.*': { ops: 'all' } } })
      t.is(
        await keyOf(opened, sql.raw('select album_id from track where album_id = 1')),
        await keyOf(opened, sql.raw('select "album_id" from "track" where "album_id" = 1')),
      )
      t.not(
        await keyOf(opened, sql.raw('select id as title from track')),
        await keyOf(opened, sql.raw('select id as "Title" from track')),
      )
    })
  }

  test.serial(`${name}: conditions and lists in another order find the entry`, async (t) => {
    const { db, isHit } = await database.open(t)
    const track = db.selectFrom('track').select('id')
    await track.where('album_id', '=', 1).where('genre_id', 'in', [1, 2]).cache().execute()
    t.true(await isHit(track.where('genre_id', 'in', [2, 1]).where('album_id', '=', 1).cache()))
    t.false(await isHit(track.where('genre_id', 'in', [1, 2]).where('album_id', '=', 2).cache()))
  })

  test.serial(`${name}: a parameter that has no encoding is not cached, and the query works`, async (t) => {
    const { db, isHit, plain } = await database.open(t)
    class Json {
      toString(): string {
        return 'Jazz'
      }
      toJSON(): string {
        return 'Jazz'
      }
    }
    // PGlite asks for its string, others for its JSON.
    const read = (on: Opened['db']) =>
      on
        .selectFrom('genre')
        .select('id')
        .where('id', '=', 1)
        .where(sql<boolean>`${name === 'postgres' ? new Json() : 'Jazz'} in ('Jazz', '"Jazz"')`)
    const query = read(db).cache()
    const first = await query.execute()
    t.deepEqual(first, [{ id: 1 }])
    t.deepEqual(await read(plain).execute(), first)
    t.is(await isHit(query), name === 'sqlite')
    t.deepEqual(await query.execute(), first)
  })

  test.serial(`${name}: an explained key is the key of the entry`, async (t) => {
    const { db, cacheops } = await database.open(t)
    const keys: (string | undefined)[] = []
    cacheops.on('read', ({ key }) => void keys.push(key))
    const query = db.selectFrom('genre').selectAll().where('name', '=', 'Jazz').cache()
    await query.execute()
    const { key, cached } = await cacheops.explain(query)
    t.is(key, keys[0]!)
    t.true(cached)
  })

  test.serial(`${name}: reads of withSchema() and withTables() are reads of the tables they name`, async (t) => {
    const { db, isHit } = await database.open(t)
    const schema = name === 'postgres' ? 'public' : 'main'
    const query = (on: { selectFrom: typeof db.selectFrom }) =>
      on.selectFrom('genre').selectAll().where('id', '=', 1).cache()
    await query(db.withSchema(schema)).execute()
    t.true(await isHit(query(db.withSchema(schema))))
    await db.updateTable('genre').set({ name: 'Bebop' }).where('id', '=', 1).execute()
    t.deepEqual(await query(db.withSchema(schema)).execute(), [{ id: 1, name: 'Bebop' }])
    await query(db).execute()
    await db.withSchema(schema).updateTable('genre').set({ name: 'Swing' }).where('id', '=', 1).execute()
    t.deepEqual(await query(db.withTables<Pick<DB, 'genre'>>() as never).execute(), [{ id: 1, name: 'Swing' }])
  })
}

/** NOTE: a clone of a Buffer is no Buffer. */
function again(value: unknown): unknown {
  return Buffer.isBuffer(value) ? Buffer.from(value) : structuredClone(value)
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(describe).join()}]`
  if (value instanceof Date) return `date ${value.getTime()}`
  if (value instanceof Uint8Array) return `bytes ${[...value].join()}`
  if (typeof value === 'string') return JSON.stringify([...Array(value.length).keys()].map((i) => value.charCodeAt(i)))
  return `${typeof value} ${Object.is(value, -0) ? '-0' : String(value)}`
}
