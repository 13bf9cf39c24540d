// A dialect brings a Kysely of its own: its adapter and its driver are of other classes.
import assert from 'node:assert/strict'

import * as kysely from 'kysely'

import { cacheopsPlugin } from '#cacheops'
import { smoke } from './smoke.mjs'

const { SqliteDialect } = await import(process.argv[2])
assert.notEqual(SqliteDialect, kysely.SqliteDialect)
await smoke({ ...kysely, SqliteDialect }, { cacheopsPlugin })
