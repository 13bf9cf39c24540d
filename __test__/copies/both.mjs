// Modules of both kinds in one process, which share one plugin object, and what two plugin objects share.
import { createRequire } from 'node:module'

import * as imported from 'kysely'

import { cacheopsPlugin } from '#cacheops'
import { share, smoke } from './smoke.mjs'

const required = createRequire(import.meta.url)('kysely')
await share([imported, required], cacheopsPlugin())
await smoke(imported, { cacheopsPlugin })
await smoke(required, { cacheopsPlugin })
console.log(imported.Kysely === required.Kysely ? 'one build' : 'two builds')
