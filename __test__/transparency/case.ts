import { sql } from 'kysely'
import type { RawBuilder, SelectQueryBuilder } from 'kysely'

import type { Cacheops } from '../../ts/index.ts'
import type { Db } from './twins.ts'

/** A query that has not been executed yet. */
export type Read = SelectQueryBuilder<any, any, any> | RawBuilder<any>

/** Queries by name. */
export type Reads = Readonly<Record<string, (db: Db) => Read>>

type Builder = SelectQueryBuilder<any, any, any>
type Call = () => Promise<unknown>

/** How a caller gets at the result of a query; each gives a function that may be called again and again. */
export interface Ending {
  readonly name: string
  readonly call: (read: Builder, db: Db) => Call
  /** executes another query than the one that says `.cache()`, or never from the cache */
  readonly uncached?: boolean
}

export const ENDINGS: readonly Ending[] = [
  { name: 'execute', call: (read) => () => read.execute() },
  { name: 'take first', call: (read) => () => read.executeTakeFirst() },
  { name: 'take first or throw', call: (read) => () => read.executeTakeFirstOrThrow() },
  { name: 'compiled each time', call: (read, db) => () => db.executeQuery(read.compile()) },
  {
    name: 'compiled once',
    call(read, db) {
      const compiled = read.compile()
      return () => db.executeQuery(compiled)
    },
  },
  { name: 'given to executeQuery', call: (read, db) => () => db.executeQuery(read) },
  { name: 'within raw SQL', call: (read, db) => () => sql`${read}`.execute(db), uncached: true },
  { name: 'streamed', call: (read) => () => gather(read.stream(2)), uncached: true },
]

/** How a raw query is executed; `cacheops` is the one to ask for caching. */
export const RAW_ENDINGS: readonly {
  readonly name: string
  readonly call: (read: RawBuilder<any>, db: Db, cacheops: Cacheops | undefined) => Call
  readonly uncached?: boolean
}[] = [
  {
    name: 'execute',
    call: (read, db, cacheops) => () => (cacheops === undefined ? read.execute(db) : cacheops.run(db, read)),
  },
  { name: 'compiled', call: (read, db) => () => db.executeQuery(read.compile(db)), uncached: true },
]

export function isRaw(read: Read): read is RawBuilder<any> {
  return 'isRawBuilder' in read
}

/** All that comes out of a stream, one item after the other. */
export async function gather(stream: AsyncIterable<unknown>): Promise<unknown[]> {
  const items: unknown[] = []
  for await (const item of stream) items.push(item)
  return items
}
