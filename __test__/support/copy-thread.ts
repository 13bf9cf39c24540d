import { workerData } from 'node:worker_threads'

import BetterSqlite3 from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'

import type * as Package from '../../ts/index.ts'

/** One write, by a copy of the package that this thread was told of. */
const { url, file } = workerData as { readonly url: string; readonly file: string }
const { cacheopsPlugin } = (await import(url)) as typeof Package
const db = new Kysely<{ t: { id: number; n: number } }>({
  dialect: new SqliteDialect({ database: new BetterSqlite3(file) }),
  plugins: [cacheopsPlugin({ store: { type: 'embedded', name: 'reload-thread' } })],
})
await db.updateTable('t').set({ n: 2 }).where('id', '=', 1).execute()
await db.destroy()
