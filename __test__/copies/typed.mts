// `.cache()` is there for whoever imports the package, in either kind of file and with either declarations of Kysely.
import { cacheopsPlugin } from 'cacheops'
import type { Cacheops, CacheOptions } from 'cacheops'
import { Kysely, sql } from 'kysely'
import type { Dialect, Generated, Transaction } from 'kysely'

interface DB {
  genre: { id: Generated<number>; name: string }
}

declare const dialect: Dialect
declare const trx: Transaction<DB>
const options: CacheOptions = { ops: ['get'], timeout: 60 }
const cacheops: Cacheops<DB> = cacheopsPlugin<DB>({ profiles: { genre: { ops: 'all' } } })
const db = new Kysely<DB>({ dialect, plugins: [cacheops] })

export async function names(): Promise<string[]> {
  const rows = await db.selectFrom('genre').select('name').where('id', '=', 1).cache(options).execute()
  await db.selectFrom('genre').selectAll().nocache().execute()
  await cacheops.run(db, sql<{ n: number }>`select 1 as n`)
  await cacheops.invalidateTable('genre', { db: trx })
  // @ts-expect-error -- there is no such option
  db.selectFrom('genre').select('name').cache({ timout: 60 })
  return rows.map(({ name }) => name)
}
