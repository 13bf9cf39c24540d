import { sql } from 'kysely'
import type { Kysely, SelectQueryBuilder } from 'kysely'

/** What all actors work on: two rows, one in each group. */
export interface Rows {
  item: { id: number; grp: number; n: number }
}

export const TABLE = 'create table item (id integer primary key, grp integer not null, n integer not null)'
export const EMPTY = 'delete from item'
export const FILL = 'insert into item (id, grp, n) values (1, 1, 0), (2, 2, 0)'

type Query = (db: Kysely<Rows>) => SelectQueryBuilder<Rows, 'item', unknown>

/** What readers ask: two conditions of one scheme, another scheme, every row. */
export const QUERIES = {
  first: (db) => db.selectFrom('item').selectAll().where('grp', '=', 1).orderBy('id'),
  second: (db) => db.selectFrom('item').selectAll().where('grp', '=', 2).orderBy('id'),
  one: (db) => db.selectFrom('item').select(['n', 'grp']).where('id', '=', 1),
  sum: (db) => db.selectFrom('item').select(({ fn }) => [fn.sum<number>('n').as('n'), fn.countAll().as('rows')]),
} satisfies Record<string, Query>

export type QueryName = keyof typeof QUERIES

export const QUERY_NAMES = Object.keys(QUERIES) as QueryName[]

/** What is read, one after the other. */
export type Reader = readonly QueryName[]

const update = (db: Kysely<Rows>, n: number, id = 1): Promise<unknown> =>
  db.updateTable('item').set({ n }).where('id', '=', id).execute()

/** Each with a number that nobody else writes. */
export const WRITERS = {
  update: (db, n) => update(db, n),
  /** from one condition to the other */
  move: (db, n) =>
    db
      .updateTable('item')
      .set({ n, grp: sql<number>`3 - grp` })
      .where('id', '=', 1)
      .execute(),
  transaction: (db, n) =>
    db.transaction().execute(async (trx) => {
      await update(trx, n)
      const own = await QUERIES.one(trx).cache().executeTakeFirstOrThrow()
      if (own.n !== n) throw new Error(`a transaction read ${own.n} after it had written ${n}`)
    }),
  rolledBack: (db, n) =>
    db
      .transaction()
      .execute(async (trx) => {
        await update(trx, n)
        throw new RolledBack()
      })
      .catch((error: unknown) => {
        if (!(error instanceof RolledBack)) throw error
      }),
  /** What is kept is written before and after what is taken back, and neither invalidates what the other does. */
  savepoint: async (db, n) => {
    const trx = await db.startTransaction().execute()
    await update(trx, n, 2)
    const saved = await trx.savepoint('s').execute()
    await update(saved, -1)
    const back = await saved.rollbackToSavepoint('s').execute()
    await back.updateTable('item').set({ grp: 3 }).where('id', '=', 1).execute()
    await back.commit().execute()
  },
  /** The row goes and comes again under the other condition. */
  reinsert: (db, n) =>
    db.transaction().execute(async (trx) => {
      await trx.deleteFrom('item').where('id', '=', 1).execute()
      await trx.insertInto('item').values({ id: 1, grp: 2, n }).execute()
    }),
} satisfies Record<string, (db: Kysely<Rows>, n: number) => Promise<unknown>>

export type WriterName = keyof typeof WRITERS

export const WRITER_NAMES = Object.keys(WRITERS) as WriterName[]

class RolledBack extends Error {}

/** Every two of them, each with itself as well. */
export function pairs<T>(items: readonly T[]): [T, T][] {
  return items.flatMap((a, i) => items.slice(i).map((b): [T, T] => [a, b]))
}
