import Database from 'better-sqlite3'
import { cacheopsPlugin } from 'cacheops'
import { Kysely, SqliteDialect } from 'kysely'

/** Changed by the test, to see which evaluation answers. */
export const VERSION = 'one'

export const cacheops = cacheopsPlugin({ store: 'embedded' })
export const db = new Kysely({
  dialect: new SqliteDialect({ database: new Database(process.env.SHOP_FILE) }),
  plugins: [cacheops],
})
