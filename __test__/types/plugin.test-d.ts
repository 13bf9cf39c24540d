import { sql } from 'kysely'
import type { CompiledQuery, Generated, Kysely, QueryResult, Transaction } from 'kysely'

import { CacheopsError, cacheopsPlugin } from '../../dist/index.js'
import type {
  CacheopsErrorCode,
  Dropped,
  ErrorEvent,
  Explanation,
  InvalidateEvent,
  ReadEvent,
  SchemaFacts,
} from '../../dist/index.js'
import { same } from './same.ts'

interface DB {
  genre: { id: Generated<number>; name: string }
  track: { id: Generated<number>; genre_id: number | null }
}

declare const db: Kysely<DB>
declare const trx: Transaction<DB>
declare const compiled: CompiledQuery<{ id: number }>

const cacheops = cacheopsPlugin<DB>()

export async function invalidation(): Promise<void> {
  await cacheops.invalidateRow('genre', { id: 1, name: 'Jazz' })
  await cacheops.invalidateRow('track', { genre_id: null }, { db: trx })
  await cacheops.invalidateTable('genre')
  await cacheops.invalidateTable('track', { db })
  await cacheops.invalidateAll()
  await cacheops.invalidateAll({ db: trx })
  // @ts-expect-error -- a table that DB does not have
  await cacheops.invalidateTable('genres')
  // @ts-expect-error -- a table that DB does not have
  await cacheops.invalidateRow('genres', {})
  // @ts-expect-error -- a column that the table does not have
  await cacheops.invalidateRow('genre', { title: 'x' })
  // @ts-expect-error -- a row is needed
  await cacheops.invalidateRow('genre')
  // @ts-expect-error -- a misspelt option
  await cacheops.invalidateAll({ trx })
}

export function events(): void {
  const stop = cacheops.on('read', (event) => {
    same<typeof event, ReadEvent>(true)
    same<typeof event.hit, boolean>(true)
    same<typeof event.key, string | undefined>(true)
  })
  same<typeof stop, () => void>(true)
  cacheops.on('invalidate', (event) => {
    same<typeof event, InvalidateEvent>(true)
    same<typeof event.dropped, readonly Dropped[]>(true)
    same<Dropped['level'], 'database' | 'table' | 'scheme' | 'condition'>(true)
  })
  cacheops.on('error', (event) => {
    same<typeof event, ErrorEvent>(true)
  })
  // @ts-expect-error -- an event that there is not
  cacheops.on('reads', () => undefined)
  // @ts-expect-error -- a field that the event does not have
  cacheops.on('read', ({ dropped }) => dropped)
  // @ts-expect-error -- events are read only
  cacheops.on('read', (event) => (event.hit = true))
}

export async function runAndExplain(): Promise<void> {
  const result = await cacheops.run(db, sql<{ n: number }>`select 1 as n`, { timeout: 60 })
  same<typeof result, QueryResult<{ n: number }>>(true)
  await cacheops.run(trx, sql`select 1`)
  // @ts-expect-error -- a misspelt option
  await cacheops.run(db, sql`select 1`, { timout: 60 })
  const explained = await cacheops.explain(db.selectFrom('genre').selectAll().cache())
  same<typeof explained, Explanation>(true)
  await cacheops.explain(compiled, { db })
  await cacheops.explain(sql`select 1`, { db })
  await cacheops.explain(db.deleteFrom('genre'))
  // @ts-expect-error -- not a query
  await cacheops.explain('select 1')
}

export async function end(): Promise<void> {
  await cacheops.close()
  await using disposable = cacheopsPlugin<DB>()
  same<typeof disposable, typeof cacheops>(true)
}

export function errors(error: unknown): CacheopsErrorCode | undefined {
  if (!(error instanceof CacheopsError)) return undefined
  // @ts-expect-error -- a code that there is not
  if (error.code === 'CACHEOPS_NOPE') return undefined
  // @ts-expect-error -- codes are read only
  error.code = 'CACHEOPS_INVALID_OPTION'
  return error.code
}

export async function schema(): Promise<void> {
  const exported = await cacheops.exportSchema({ db })
  same<typeof exported, SchemaFacts>(true)
  cacheopsPlugin<DB>({ schema: exported })
  cacheopsPlugin<DB>({ schema: JSON.parse(JSON.stringify(exported)) as SchemaFacts })
  const refreshed = cacheops.refreshSchema()
  same<typeof refreshed, Promise<void>>(true)
  await cacheops.refreshSchema({ db: trx })
  // @ts-expect-error -- neither a path nor what was exported
  cacheopsPlugin<DB>({ schema: 7 })
  same<Extract<CacheopsErrorCode, 'CACHEOPS_INVALID_SCHEMA'>, 'CACHEOPS_INVALID_SCHEMA'>(true)
}
