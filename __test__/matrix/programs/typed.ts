import { cacheopsPlugin } from 'cacheops'
import type { Cacheops } from 'cacheops'
import { Kysely, sql } from 'kysely'

import { DIALECTS } from './dialects.mjs'
import { show } from './shop.mjs'

interface DB {
  matrix_artist: { id: number; name: string }
}

const typed: Cacheops<DB> = cacheopsPlugin<DB>({ profiles: { matrix_artist: { ops: 'all' } } })
await typed.close()
const driver = process.argv[2] as keyof typeof DIALECTS
await show({ cacheopsPlugin, Kysely, sql, dialect: await DIALECTS[driver]('') })
console.log('shown')
process.exit(0)
