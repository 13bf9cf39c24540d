import type { Generated, Kysely } from 'kysely'

import { cacheopsPlugin } from '../../dist/index.js'
import { same } from './same.ts'

interface DB {
  genre: { id: Generated<number>; name: string; note: string | null }
  track: { id: Generated<number>; genre_id: number | null }
  'audit.entry': { id: number }
}

declare const db: Kysely<DB>

const genres = db.selectFrom('genre').select(['id', 'name'])

export async function rowsKeepTheirType(): Promise<void> {
  same<Awaited<ReturnType<typeof genres.execute>>, { id: number; name: string }[]>(true)
  const cached = genres.cache()
  same<typeof cached, typeof genres>(true)
  const rows = await genres.cache({ ops: ['fetch', 'get'], timeout: 60 }).execute()
  same<typeof rows, { id: number; name: string }[]>(true)
  const first = await genres.where('id', '=', 1).cache().executeTakeFirst()
  same<typeof first, { id: number; name: string } | undefined>(true)
  const uncached = await genres.nocache().executeTakeFirstOrThrow()
  same<typeof uncached, { id: number; name: string }>(true)
  // The chain goes on.
  const further = await genres.cache().where('note', 'is', null).orderBy('name').limit(1).nocache().execute()
  same<typeof further, { id: number; name: string }[]>(true)
  const joined = await db
    .selectFrom('genre')
    .leftJoin('track', 'track.genre_id', 'genre.id')
    .cache()
    .select(['genre.name', 'track.id'])
    .execute()
  same<typeof joined, { name: string; id: number | null }[]>(true)
}

export function optionsOfCache(): void {
  genres.cache({})
  genres.cache({ ops: 'all' })
  genres.cache({ ops: 'count' })
  genres.cache({ ops: [] })
  // @ts-expect-error -- an op that there is not
  genres.cache({ ops: 'counts' })
  // @ts-expect-error -- an op that there is not, in a list
  genres.cache({ ops: ['get', 'all'] })
  // @ts-expect-error -- seconds are a number
  genres.cache({ timeout: '60' })
  // @ts-expect-error -- a misspelt option
  genres.cache({ timout: 60 })
  // @ts-expect-error -- it takes no options
  genres.nocache({})
  // @ts-expect-error -- writes are not cached
  db.insertInto('genre').cache()
  // @ts-expect-error -- writes are not cached
  db.updateTable('genre').cache()
  // @ts-expect-error -- writes are not cached
  db.deleteFrom('genre').cache()
}

cacheopsPlugin()
cacheopsPlugin<DB>({ profiles: { genre: { ops: 'all' } } })
