import Database from 'better-sqlite3'
import { cacheopsPlugin } from 'cacheops'
import { Kysely, sql, SqliteDialect } from 'kysely'

import { show } from './shop.mjs'

const database = new Database(':memory:')
database.pragma('foreign_keys = on')
show({ cacheopsPlugin, Kysely, sql, dialect: new SqliteDialect({ database }) }).then(
  () => console.log('shown'),
  (error) => {
    console.error(error)
    process.exitCode = 1
  },
)
