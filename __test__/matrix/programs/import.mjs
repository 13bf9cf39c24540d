import { cacheopsPlugin } from 'cacheops'
import { Kysely, sql } from 'kysely'

import { DIALECTS } from './dialects.mjs'
import { show } from './shop.mjs'

const [driver, url] = process.argv.slice(2)
await show({ cacheopsPlugin, Kysely, sql, dialect: await DIALECTS[driver](url) })
console.log('shown')
process.exit(0)
