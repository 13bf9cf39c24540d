/** The reads of the benchmarks, as an application would write them. */

import type { Kysely, SelectQueryBuilder } from 'kysely'

import { STATUSES } from './shop.ts'
import type { Shop, ShopDatabase } from './shop.ts'

export type Read = SelectQueryBuilder<any, any, any>

/** One read: built anew at each use, as applications do. */
export interface NamedRead {
  readonly name: string
  /** how many rows it answers */
  readonly rows: number
  readonly build: (db: Kysely<Shop>) => Read
  /** a column that is a key, larger than 0 */
  readonly key: 'track.id' | 'invoice.id'
  /** Kysely has next to nothing to write, so what is measured against that has no goal. */
  readonly shortest?: true
}

/** @param database whose driver decides how an instant is given as a parameter. */
export function readsOf({ instant }: Pick<ShopDatabase, 'instant'>): readonly NamedRead[] {
  const since = instant(Date.UTC(2021, 0, 1))
  const ids = Array.from({ length: 20 }, (_, index) => 101 + index * 7)
  return [
    {
      name: 'select * by key, 1 row',
      rows: 1,
      key: 'track.id',
      shortest: true,
      build: (db) => db.selectFrom('track').selectAll().where('id', '=', 77),
    },
    {
      name: 'one table by key, 12 columns, 1 row',
      rows: 1,
      key: 'track.id',
      build: (db) => db.selectFrom('track').select(trackColumns).where('id', '=', 77),
    },
    {
      name: 'two joins by key, 11 columns, 1 row',
      rows: 1,
      key: 'track.id',
      build: (db) => tracksWithAlbum(db).where('track.id', '=', 77),
    },
    {
      name: 'two joins, 11 columns, 20 rows',
      rows: 20,
      key: 'track.id',
      build: (db) => tracksWithAlbum(db).where('track.album_id', '=', 12).orderBy('track.id'),
    },
    {
      name: 'a join, 4 conditions, 10 columns, 20 rows',
      rows: 20,
      key: 'invoice.id',
      build: (db) =>
        db
          .selectFrom('invoice')
          .innerJoin('customer', 'customer.id', 'invoice.customer_id')
          .select(['invoice.id', 'invoice.issued_at', 'invoice.total', 'invoice.currency', 'invoice.status'])
          .select(['customer.id as customer_id', 'customer.email', 'customer.first_name', 'customer.last_name'])
          .select('invoice.billing_city')
          .where('customer.country', '=', 'DE')
          .where('invoice.status', 'in', STATUSES.slice(0, 3))
          .where('invoice.currency', '=', 'EUR')
          .where('invoice.issued_at', '>=', since)
          .orderBy('invoice.issued_at', 'desc')
          .orderBy('invoice.id')
          .limit(20),
    },
    {
      name: 'a list of 20 keys, 12 columns, 20 rows',
      rows: 20,
      key: 'track.id',
      build: (db) => db.selectFrom('track').select(trackColumns).where('id', 'in', ids).orderBy('id'),
    },
  ]
}

const trackColumns = [
  'id',
  'album_id',
  'genre_id',
  'name',
  'composer',
  'milliseconds',
  'bytes',
  'unit_price',
  'rating',
  'explicit',
  'added_at',
  'isrc',
] as const

function tracksWithAlbum(db: Kysely<Shop>): Read {
  return db
    .selectFrom('track')
    .innerJoin('album', 'album.id', 'track.album_id')
    .innerJoin('artist', 'artist.id', 'album.artist_id')
    .select(['track.id', 'track.name', 'track.composer', 'track.milliseconds', 'track.bytes', 'track.unit_price'])
    .select(['track.added_at', 'album.title', 'album.released_on', 'artist.name as artist', 'artist.country'])
}
