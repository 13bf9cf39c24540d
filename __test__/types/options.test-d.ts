import { Kysely } from 'kysely'
import type { Dialect, Generated, KyselyPlugin } from 'kysely'

import { cacheopsPlugin } from '../../dist/index.js'
import type { Cacheops, CacheopsOptions, Op, Profile } from '../../dist/index.js'

interface DB {
  genre: { id: Generated<number>; name: string }
  track: { id: Generated<number>; genre_id: number | null }
}

declare const dialect: Dialect

export const all: CacheopsOptions<DB> = {
  defaults: { ops: ['get', 'fetch', 'count', 'aggregate', 'exists'], timeout: 3600 },
  profiles: {
    genre: { ops: 'all' },
    track: null,
    'public.track': { timeout: 5 },
    'audit.*': null,
    '*.*': {},
  },
  prefix: 'shop:',
  vary: () => ({ tenant: 1 }),
  enabled: () => true,
  store: { type: 'embedded', name: 'shop' },
  maxBytes: 1,
  maxEntryBytes: 1,
  database: 'shop',
  triggers: { genre: ['track'] },
  functions: { f: { writes: [] } },
  schema: 'schema.json',
  schemaCheck: 30,
}

const cacheops: Cacheops<DB> = cacheopsPlugin<DB>(all)
export const plugin: KyselyPlugin = cacheops
export const db = new Kysely<DB>({ dialect, plugins: [cacheops, cacheopsPlugin()] })

export const op: Op = 'get'
export const profile: Profile = { ops: op }

export function wrong(): void {
  // @ts-expect-error -- a table that DB does not have
  cacheopsPlugin<DB>({ profiles: { genres: {} } })
  // @ts-expect-error -- an op that there is not
  cacheopsPlugin<DB>({ profiles: { genre: { ops: 'gets' } } })
  // @ts-expect-error -- a misspelt key of a profile
  cacheopsPlugin<DB>({ profiles: { genre: { op: 'get' } } })
  // @ts-expect-error -- a misspelt option
  cacheopsPlugin<DB>({ profils: {} })
  // @ts-expect-error -- a store that there is not
  cacheopsPlugin<DB>({ store: 'redis' })
  // @ts-expect-error -- neither a boolean nor a function
  cacheopsPlugin<DB>({ enabled: 'yes' })
  // @ts-expect-error -- vary is a function
  cacheopsPlugin<DB>({ vary: 'tenant' })
  // @ts-expect-error -- `defaults` cannot forbid
  cacheopsPlugin<DB>({ defaults: null })
  // @ts-expect-error -- options are read only
  all.prefix = 'other'
}

export const unchecked: CacheopsOptions = { schemaCheck: false }
// @ts-expect-error -- a number of seconds, or false
export const checked: CacheopsOptions = { schemaCheck: true }
