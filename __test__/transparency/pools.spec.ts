import { setImmediate } from 'node:timers/promises'

import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Kysely, PostgresDialect, sql } from 'kysely'
import type { Dialect } from 'kysely'
import { PostgresJSDialect } from 'kysely-postgres-js'
import { Pool, types } from 'pg'
import Cursor from 'pg-cursor'
import postgres from 'postgres'

import { shopOf } from '../support/servers.ts'
import type { PooledDriverName, Shop } from '../support/servers.ts'
import { gather } from './case.ts'
import { expectSameEffects } from './effects.ts'
import { openTwins } from './twins.ts'
import type { Db, Twins } from './twins.ts'
import type { Calls } from './write-cases.ts'

// What only drivers of a server have: parsers and transformations of a pool's own, prepared statements, queries that are
// cancelled. All of it is as it is without the plugin.

/** As a user's parser may make of a number; its prototype has a method. */
class Money {
  readonly amount: string

  constructor(text: string) {
    this.amount = text
  }

  toString(): string {
    return `EUR ${this.amount}`
  }
}

const NUMERIC = 1700
const INT8 = 20
const DATE = 1082
const TIMESTAMPTZ = 1184
const JSONB = 3802

function pgWith(parsers: Readonly<Record<number, (text: string) => unknown>>) {
  return ({ cluster: { host, port, user }, database }: Shop): Dialect => {
    const getTypeParser = ((oid: number, format?: 'text') =>
      // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- there are more types than the enumeration has
      parsers[oid] ?? types.getTypeParser(oid, format)) as typeof types.getTypeParser
    const pool = new Pool({ host, port, user, database, max: 2, types: { getTypeParser } })
    pool.on('error', () => undefined)
    return new PostgresDialect({ pool, cursor: Cursor })
  }
}

function jsWith(options: postgres.Options<any>) {
  return ({ cluster: { host, port, user }, database }: Shop): Dialect => {
    const client = postgres({ host, port, user, database, max: 2, onnotice: () => {}, ...options })
    // NOTE: postgres.js (3.4.9) waits for ever for a connection that it has to open in order to reserve it, where it asks for
    // no types: with the plugin or without. So both are opened by two queries at once.
    const opened = async () => (await Promise.all([client`select 1`, client`select 1`]), client)
    return new PostgresJSDialect({ postgres: (options.fetch_types === false ? opened : client) as never })
  }
}

const asText = (oid: number) => ({ to: oid, from: [oid], serialize: String, parse: (text: string) => text })

/** Dialects of users who changed how values are read and written. */
const CUSTOMS: Readonly<Record<PooledDriverName, Readonly<Record<string, (shop: Shop) => Dialect>>>> = {
  pg: {
    'numbers of every size': pgWith({ [NUMERIC]: Number, [INT8]: BigInt }),
    'dates as text': pgWith({ [DATE]: String, [TIMESTAMPTZ]: String }),
    'instances of a class': pgWith({ [NUMERIC]: (text) => new Money(text) }),
    'documents as text': pgWith({ [JSONB]: String, 114: String }),
    'everything as text': pgWith(new Proxy({}, { get: () => String })),
  },
  'postgres.js': {
    'numbers of every size': jsWith({
      types: { bigint: postgres.BigInt, numeric: { ...asText(NUMERIC), parse: Number } },
    }),
    'dates as text': jsWith({ types: { date: asText(DATE), timestamptz: asText(TIMESTAMPTZ) } }),
    'instances of a class': jsWith({
      types: { numeric: { ...asText(NUMERIC), parse: (text: string) => new Money(text) } },
    }),
    'names in camel case': jsWith({ transform: { column: { from: postgres.toCamel } } }),
    'names in camel case, and those within documents': jsWith({ transform: postgres.camel }),
    'columns in capitals': jsWith({ transform: { column: { from: (name: string) => name.toUpperCase() } } }),
    'rows with a further column': jsWith({ transform: { row: { from: (row: object) => ({ ...row, further: 1 }) } } }),
    'texts in capitals': jsWith({
      transform: {
        value: {
          from: (value: unknown) => (typeof value === 'string' && value.length < 30 ? value.toUpperCase() : value),
        },
      },
    }),
    'undefined is NULL': jsWith({ transform: { undefined: null } }),
    'nothing is prepared': jsWith({ prepare: false }),
    'types are not asked for': jsWith({ fetch_types: false }),
  },
}

const kinds = (db: Db) => db.selectFrom('kind').selectAll().orderBy('id')

/** Twice, so that the second is a hit where there are any. */
const twice = async (call: () => Promise<unknown>): Promise<unknown[]> => [await call(), await call()]

const CALLS: Calls = {
  reads: async (db) => [
    await twice(() => kinds(db).execute()),
    await twice(() => db.selectFrom('track').selectAll().where('album_id', '=', 1).orderBy('id').execute()),
    await twice(() => sql`select id, price as the_price from track order by id`.execute(db)),
    await gather(kinds(db).stream(2)),
  ],
  inserts: async (db) => [
    await db.insertInto('genre').values({ id: 900, name: 'new' }).execute(),
    await db.insertInto('genre').values({ id: 901, name: 'newer' }).returningAll().execute(),
  ],
  'an update': (db) => db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute(),
  'updates of several': async (db) => [
    await db.updateTable('track').set({ genre_id: 2 }).where('album_id', '=', 1).execute(),
    await db.updateTable('track').set({ price: 1.25 }).where('album_id', '=', 1).returningAll().execute(),
    await db.updateTable('kind').set({ t: 'new' }).returningAll().execute(),
  ],
  'a transaction': (db) =>
    db
      .transaction()
      .execute(async (trx) => [
        await trx.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).returningAll().execute(),
        await trx.deleteFrom('track').where('album_id', '=', 1).execute(),
        await kinds(trx).execute(),
      ]),
  'against a key': (db) => db.insertInto('genre').values({ id: 1, name: 'x' }).execute(),
}

test.beforeEach(() => setImmediate())

const drivers: readonly PooledDriverName[] = ['pg', 'postgres.js']
for (const driver of drivers) {
  let twins: Twins
  test.before(`${driver}: open`, async () => {
    twins = await openTwins(driver)
  })
  test.after.always(`${driver}: close`, () => twins.close())

  for (const [custom, dialect] of Object.entries(CUSTOMS[driver])) {
    test.serial(`${driver}: ${custom}`, async (t) => {
      const shop = await shopOf(driver)
      const ours = twins.newPlugin({ profiles: { '*.*': { ops: 'all' } } })
      const plain: Db = new Kysely({ dialect: dialect(shop) })
      const cached: Db = new Kysely({ dialect: dialect(shop), plugins: [ours] })
      t.teardown(() => Promise.all([plain.destroy(), cached.destroy()]))
      for (const call of Object.values(CALLS)) await expectSameEffects(t, twins, call, { plain, cached })
      await expectFollowed(t, twins, cached)
    })
  }
}

/** What one who reads in another way has cached is his own, and is dropped by what anybody writes. */
async function expectFollowed(t: ExecutionContext, twins: Twins, cached: Db): Promise<void> {
  await twins.reset()
  const reads = [twins.automatic, cached].map((db) => db.selectFrom('genre').select('name').where('id', '=', 1))
  const [first, second] = [await reads[0]!.execute(), await reads[1]!.execute()]
  t.deepEqual(await reads[0]!.execute(), first)
  t.deepEqual(await reads[1]!.execute(), second)
  await cached.updateTable('genre').set({ name: 'from the one' }).where('id', '=', 1).execute()
  t.deepEqual(await reads[0]!.execute(), [{ name: 'from the one' }])
  await twins.automatic.updateTable('genre').set({ name: 'Jazz' }).where('id', '=', 1).execute()
  t.deepEqual(await reads[1]!.execute(), second)
}
