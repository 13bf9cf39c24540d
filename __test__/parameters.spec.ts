import test from 'ava'
import { sql } from 'kysely'
import type { QueryResult } from 'kysely'

import { databases } from './support/databases.ts'
import type { Opened } from './support/databases.ts'
import { outcomeOf } from './support/describe.ts'

// Parameters that a driver may take for something else than they look like, and those that their owner changes meanwhile.

const withMethod = <T extends object>(value: T, name: PropertyKey, method: () => unknown): T =>
  Object.defineProperty(value, name, { value: method, enumerable: true, configurable: true })

class Moment extends Date {
  override toISOString(): string {
    return '1999-01-01T00:00:00.000Z'
  }
}

const circular: Record<string, unknown> = {}
circular['self'] = circular

const revoked = (): unknown => {
  const { proxy, revoke } = Proxy.revocable([], {})
  revoke()
  return proxy
}

/** The text that PostgreSQL is asked with, and two parameters that its driver writes differently. */
const PAIRS: Record<string, readonly [cast: string, one: unknown, other: unknown]> = {
  'objects with their own toString()': ['text', { toString: (): string => 'a' }, { toString: (): string => 'b' }],
  'a Buffer and other bytes': ['text', Buffer.from('ab'), new Uint8Array([97, 98])],
  'bytes with a method of their own': [
    'text',
    new Uint8Array([1]),
    withMethod(new Uint8Array([1]), 'toString', () => 'z'),
  ],
  'an array with a method of its own': ['text', [1, 2], withMethod([1, 2], 'toString', () => 'z')],
  'an array with a hole': ['text[]', ['a', undefined, 'b'], Object.assign(Array(3) as string[], { 0: 'a', 2: 'b' })],
  'a subclass of Date': ['timestamptz', new Date(0), new Moment(0)],
  'a Date with a method of its own': [
    'timestamptz',
    new Date(0),
    withMethod(new Date(0), 'toISOString', () => '1999-01-01T00:00:00.000Z'),
  ],
}

/** Nothing of these has a key, and no driver cares for all of them. */
const ODD: Record<string, () => unknown> = {
  'a bigint in an object': () => ({ a: 1n }),
  'an object that contains itself': () => circular,
  'a toJSON() that throws': () =>
    withMethod({}, 'toJSON', () => {
      throw new Error('mine')
    }),
  'a getter that throws': () =>
    Object.defineProperty({}, 'a', {
      get: () => {
        throw new Error('mine')
      },
      enumerable: true,
    }),
  'a Proxy that throws': () =>
    new Proxy(
      {},
      {
        getPrototypeOf() {
          throw new Error('mine')
        },
      },
    ),
  'a revoked Proxy': revoked,
  'a function': () => () => 1,
  'a Map': () => new Map(),
}

for (const database of databases) {
  const { name } = database

  for (const [odd, make] of Object.entries(ODD)) {
    test.serial(`${name}: ${odd} as parameter is answered as without the plugin, and is no fault`, async (t) => {
      const { db, cacheops, connect } = await database.open(t, { profiles: { '*.*': { ops: 'all' } } })
      const faults: unknown[] = []
      cacheops.on('error', ({ error }) => void faults.push(error))
      const twin = connect()
      const value = make()
      for (const call of [
        (on: Opened['db']) =>
          on
            .updateTable('invoice')
            .set({ details: value as never })
            .where('id', '=', 1)
            .execute(),
        (on: Opened['db']) =>
          on
            .selectFrom('invoice')
            .select('id')
            .where('details', '=', value as never)
            .execute(),
      ]) {
        const [seen, wanted] = [await outcomeOf(() => call(db)), await outcomeOf(() => call(twin))]
        t.is(seen.text, wanted.text)
      }
      t.deepEqual(faults, [])
    })
  }

  test.serial(`${name}: a Buffer that is reused during a read does not spoil the entry of what it was`, async (t) => {
    const { db, isHit, plain } = await database.open(t)
    const type = sql.raw(name === 'postgres' ? 'bytea' : 'blob')
    const query = (bytes: Buffer) =>
      db
        .selectFrom('genre')
        .select(sql<Uint8Array>`cast(${bytes} as ${type})`.as('bytes'))
        .where('id', '=', 1)
    await query(Buffer.from([0]))
      .cache()
      .execute()
    const bytes = Buffer.from([1])
    const reading = query(bytes).cache().execute()
    bytes[0] = 2
    await reading
    const { rows } = await plain.executeQuery(query(Buffer.from([1])).compile())
    t.deepEqual(
      await query(Buffer.from([1]))
        .cache()
        .execute(),
      rows,
    )
    t.true(await isHit(query(Buffer.from([1])).cache()))
  })
}

const [postgres] = databases

for (const [pair, [cast, one, other]] of Object.entries(PAIRS)) {
  test.serial(`postgres: ${pair}: neither is answered with the other's result`, async (t) => {
    const { db, cacheops, plain } = await postgres!.open(t)
    const read = (value: unknown) => sql<{ x: unknown }>`select ${value}::${sql.raw(cast)} as x from genre where id = 1`
    for (const value of [one, other, one]) {
      const [seen, wanted] = [
        await outcomeOf(() => cacheops.run(db, read(value))),
        await outcomeOf(() => read(value).execute(plain)),
      ]
      t.is(seen.text, wanted.text)
    }
  })
}

test.serial('postgres: an array that is reused during a read does not spoil the entry of what it was', async (t) => {
  const { db, cacheops } = await postgres!.open(t)
  const run = (ids: number[]): Promise<QueryResult<{ id: number }>> =>
    cacheops.run(db, sql<{ id: number }>`select id from genre where id = any(${ids}::int[])`)
  await run([0])
  const reasons: string[] = []
  cacheops.on('read', ({ reason }) => void reasons.push(reason))
  const ids = [1]
  const reading = run(ids)
  ids[0] = 2
  await reading
  t.deepEqual((await run([1])).rows, [{ id: 1 }])
  t.deepEqual(reasons, ['parameters_changed', 'miss'])
})

test.serial('postgres: plain objects, Dates and bytes still have keys', async (t) => {
  const { db, cacheops } = await postgres!.open(t)
  const values = [{ a: [1, { b: null }], c: undefined }, new Date(0), Buffer.from('a'), new Uint8Array([1]), [[1], [2]]]
  const keys = await Promise.all(
    values.map(async (value) => (await cacheops.explain(sql`select ${value} from genre`, { db })).reason),
  )
  t.deepEqual(new Set(keys), new Set(['not_requested']))
  for (const value of values) {
    const query = db
      .selectFrom('genre')
      .select(sql`${value}`.as('x'))
      .cache()
    t.regex((await cacheops.explain(query)).key!, /^[0-9a-f]{32}$/)
  }
})
