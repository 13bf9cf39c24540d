/** The data of the benchmarks: a record shop, the same on both databases. */

import { PGlite } from '@electric-sql/pglite'
import Database from 'better-sqlite3'
import { Kysely, PGliteDialect, SqliteDialect } from 'kysely'
import type { Dialect, KyselyPlugin } from 'kysely'

import type { DialectName } from '../../ts/kysely/introspect.ts'

export interface Shop {
  artist: { id: number; name: string; country: string }
  album: { id: number; artist_id: number; title: string; released_on: unknown; label: string }
  genre: { id: number; name: string }
  track: {
    id: number
    album_id: number
    genre_id: number
    name: string
    composer: string | null
    milliseconds: number
    bytes: unknown
    unit_price: unknown
    rating: number
    explicit: unknown
    added_at: unknown
    isrc: string
  }
  customer: { id: number; email: string; first_name: string; last_name: string; city: string; country: string }
  invoice: {
    id: number
    customer_id: number
    issued_at: unknown
    total: unknown
    currency: string
    status: string
    billing_city: string
    billing_country: string
    note: string | null
    seen_at: unknown
  }
  play: { id: number; track_id: number; customer_id: number; played_at: unknown; seconds: number; source: string }
}

/** A database with the shop in it, and Kysely instances on it. */
export interface ShopDatabase {
  readonly dialect: DialectName
  readonly title: string
  /** an instance of its own on the same data */
  readonly connect: (plugins?: readonly KyselyPlugin[]) => Kysely<Shop>
  /** statements past Kysely */
  readonly execute: (sql: string) => Promise<void>
  /** an instant, as the driver takes it */
  readonly instant: (millis: number) => unknown
  readonly close: () => Promise<void>
}

const SCHEMA = [
  `create table artist (id int primary key, name text not null, country text not null)`,
  `create table album (id int primary key, artist_id int not null references artist, title text not null,
     released_on date not null, label text not null)`,
  `create table genre (id int primary key, name text not null)`,
  `create table track (id int primary key, album_id int not null references album, genre_id int not null references genre,
     name text not null, composer text, milliseconds int not null, bytes bigint not null, unit_price numeric(10, 2) not null,
     rating double precision not null, explicit boolean not null, added_at timestamptz not null, isrc text not null)`,
  `create table customer (id int primary key, email text not null unique, first_name text not null, last_name text not null,
     city text not null, country text not null)`,
  `create table invoice (id int primary key, customer_id int not null references customer, issued_at timestamptz not null,
     total numeric(10, 2) not null, currency text not null, status text not null, billing_city text not null,
     billing_country text not null, note text, seen_at timestamptz)`,
  `create table play (id int primary key, track_id int not null references track, customer_id int not null references customer,
     played_at timestamptz not null, seconds int not null, source text not null)`,
  `create index track_album on track (album_id)`,
  `create index invoice_customer on invoice (customer_id)`,
  `create index play_track on play (track_id)`,
]

export const ALBUMS = 100
export const TRACKS_OF_ALBUM = 20
export const CUSTOMERS = 100
export const INVOICES_OF_CUSTOMER = 20
export const STATUSES = ['paid', 'open', 'refunded', 'overdue'] as const

const DAY = 86_400_000
const EPOCH = Date.UTC(2021, 0, 1)

/** Rows by table; dates as instants, booleans as booleans. */
function* rowsOf(): Generator<readonly [keyof Shop, Record<string, unknown>]> {
  for (let id = 1; id <= 25; id++) yield ['artist', { id, name: `Artist number ${id}`, country: id % 2 ? 'SE' : 'BR' }]
  for (let id = 1; id <= 10; id++) yield ['genre', { id, name: `Genre ${id}` }]
  for (let id = 1; id <= ALBUMS; id++) {
    const released_on = new Date(EPOCH - id * 40 * DAY).toISOString().slice(0, 10)
    yield [
      'album',
      { id, artist_id: (id % 25) + 1, title: `Album of note ${id}`, released_on, label: `Label ${id % 7}` },
    ]
  }
  for (let id = 1; id <= ALBUMS * TRACKS_OF_ALBUM; id++) {
    const row = {
      id,
      album_id: Math.ceil(id / TRACKS_OF_ALBUM),
      genre_id: (id % 10) + 1,
      name: `A track with a name ${id}`,
      composer: id % 3 ? `Composer ${id % 90}` : null,
      milliseconds: 120_000 + id * 37,
      bytes: 4_000_000 + id * 1013,
      unit_price: id % 4 ? '0.99' : '1.29',
      rating: (id % 50) / 10,
      explicit: id % 9 === 0,
      added_at: new Date(EPOCH + id * 1_000_003),
      isrc: `SEABC${String(2_000_000 + id)}`,
    }
    yield ['track', row]
  }
  for (let id = 1; id <= CUSTOMERS; id++) {
    const country = ['DE', 'FR', 'JP', 'AU'][id % 4]
    const names = { first_name: `First ${id}`, last_name: `Last ${id}` }
    yield ['customer', { id, email: `customer${id}@example.org`, ...names, city: `City ${id % 30}`, country }]
  }
  for (let id = 1; id <= CUSTOMERS * INVOICES_OF_CUSTOMER; id++) {
    const row = {
      id,
      customer_id: Math.ceil(id / INVOICES_OF_CUSTOMER),
      issued_at: new Date(EPOCH + id * 3_600_000),
      total: ((id % 200) + 0.5).toFixed(2),
      currency: 'EUR',
      status: STATUSES[id % 4],
      billing_city: `City ${id % 30}`,
      billing_country: ['DE', 'FR', 'JP', 'AU'][id % 4],
      note: null,
      seen_at: null,
    }
    yield ['invoice', row]
  }
}

export async function create(execute: (sql: string) => unknown, literal: (value: unknown) => string): Promise<void> {
  for (const statement of SCHEMA) await execute(statement)
  const pending = new Map<keyof Shop, string[]>()
  for (const [table, row] of rowsOf()) {
    const tuples = pending.get(table) ?? []
    pending.set(table, tuples)
    tuples.push(`(${Object.values(row).map(literal).join(', ')})`)
  }
  for (const [table, tuples] of pending) {
    for (let from = 0; from < tuples.length; from += 500) {
      await execute(`insert into ${table} values ${tuples.slice(from, from + 500).join(', ')}`)
    }
  }
  await execute('analyze')
}

export function sqlOf(value: unknown): string {
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`
  return value === undefined ? 'null' : JSON.stringify(value)
}

/** PostgreSQL in this process. */
export async function openPglite(): Promise<ShopDatabase> {
  const pglite = await PGlite.create()
  const literal = (value: unknown): string => sqlOf(value instanceof Date ? value.toISOString() : value)
  await create((statement) => pglite.exec(statement), literal)
  return {
    dialect: 'postgres',
    title: 'PGlite',
    connect: (plugins = []) => connect(new PGliteDialect({ pglite }), plugins),
    execute: async (sql) => void (await pglite.exec(sql)),
    instant: (millis) => new Date(millis),
    close: () => pglite.close(),
  }
}

/** SQLite in memory. */
export async function openSqlite(): Promise<ShopDatabase> {
  const database = new Database(':memory:')
  const literal = (value: unknown): string => {
    if (typeof value === 'boolean') return value ? '1' : '0'
    return sqlOf(value instanceof Date ? value.toISOString() : value)
  }
  await create((statement) => database.exec(statement), literal)
  return {
    dialect: 'sqlite',
    title: 'SQLite in memory',
    connect: (plugins = []) => connect(new SqliteDialect({ database }), plugins),
    execute: (sql) => Promise.resolve(void database.exec(sql)),
    instant: (millis) => new Date(millis).toISOString(),
    close: () => Promise.resolve(void database.close()),
  }
}

function connect(dialect: Dialect, plugins: readonly KyselyPlugin[]): Kysely<Shop> {
  return new Kysely<Shop>({ dialect, plugins: [...plugins] })
}
