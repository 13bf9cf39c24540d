import { cacheopsPlugin } from 'cacheops'
import type { Cacheops } from 'cacheops'
import { Kysely } from 'kysely'

interface DB {
  t: { id: number }
}

const cacheops: Cacheops<DB> = cacheopsPlugin<DB>({ defaults: { timeout: 5 } })

export async function read(db: Kysely<DB>): Promise<{ id: number }[]> {
  await cacheops.invalidateTable('t')
  // @ts-expect-error -- a table that DB does not have
  await cacheops.invalidateTable('u')
  return db.selectFrom('t').selectAll().cache({ timeout: 1 }).execute()
}
