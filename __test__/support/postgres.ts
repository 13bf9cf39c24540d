import { PGlite } from '@electric-sql/pglite'
import type { ExecutionContext } from 'ava'
import { Kysely, PGliteDialect, sql } from 'kysely'

import { cacheopsPlugin } from '../../ts/index.ts'
import type { Cacheops, CacheopsOptions } from '../../ts/index.ts'

/** A PGlite with a schema of a test's own. */
export interface Postgres {
  readonly pglite: PGlite
  readonly db: Kysely<any>
  readonly cacheops: Cacheops
  /** the rows of a cached read */
  readonly read: (text: string) => Promise<readonly unknown[]>
  /** executes one statement through Kysely */
  readonly run: (text: string) => Promise<void>
  /** caches a read, executes a statement, and demands that the read is still what the database says; was it kept? */
  readonly keeps: (read: string, statement: string) => Promise<boolean>
}

let stores = 0
/** It takes seconds and 300 MB to start, so one serves all the tests of a file, one after the other. */
let started: Promise<PGlite> | undefined

/** @param schema what is there before the plugin looks at the database */
export async function openPostgres(
  t: ExecutionContext,
  schema: string,
  options: CacheopsOptions = {},
): Promise<Postgres> {
  started ??= PGlite.create()
  const pglite = await started
  // One after the other: several statements at once are a transaction, in which not everything may be discarded.
  for (const statement of [
    'rollback',
    'reset role',
    'discard all',
    'drop schema public cascade; create schema public',
  ]) {
    await pglite.exec(statement)
  }
  await pglite.exec(`grant usage on schema public to public; ${schema}`)
  const store = { type: 'embedded', name: `postgres ${process.pid} ${stores++}` } as const
  const cacheops = cacheopsPlugin({ store, ...options })
  const db = new Kysely<any>({ dialect: new PGliteDialect({ pglite }), plugins: [cacheops] })
  t.teardown(() => cacheops.close())
  const read = async (text: string): Promise<readonly unknown[]> => (await cacheops.run<any>(db, sql.raw(text))).rows
  const run = async (text: string): Promise<void> => {
    await sql.raw(text).execute(db)
  }
  const keeps = async (text: string, statement: string): Promise<boolean> => {
    let hit = false
    const stop = cacheops.on('read', (event) => (hit = event.hit))
    await read(text)
    await read(text)
    t.true(hit, `${text} should have been cached`)
    await run(statement)
    const seen = await read(text)
    stop()
    t.deepEqual(seen, (await pglite.query(text)).rows, `${text} is not what the database says`)
    return hit
  }
  return { pglite, db, cacheops, read, run, keeps }
}
