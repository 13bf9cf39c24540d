import type { ExecutionContext } from 'ava'
import { Kysely, PGliteDialect, PostgresDialect, sql } from 'kysely'
import type { Dialect } from 'kysely'
import { PostgresJSDialect } from 'kysely-postgres-js'

import { cacheopsPlugin } from '../../ts/index.ts'
import type { Cacheops, CacheopsOptions } from '../../ts/index.ts'
import { postgresDriver } from './databases.ts'
import { DROP_SCHEMAS, pgPool, postgresJs, sharedPglite, shopOf } from './servers.ts'
import type { PooledDriverName } from './servers.ts'

/** A database with a schema of a test's own. */
export interface Postgres {
  readonly session: Session
  readonly db: Kysely<any>
  readonly cacheops: Cacheops
  /** the rows of a cached read */
  readonly read: (text: string) => Promise<readonly unknown[]>
  /** executes one statement through Kysely */
  readonly run: (text: string) => Promise<void>
  /** caches a read, executes a statement, and demands that the read is still what the database says; was it kept? */
  readonly keeps: (read: string, statement: string) => Promise<boolean>
}

/** One session of PostgreSQL, in which settings and roles stay what they were set to. */
interface Session {
  readonly dialect: Dialect
  /** past Kysely: the rows of a statement */
  query(text: string): Promise<readonly unknown[]>
  /** past Kysely: statements, as one text */
  exec(text: string): Promise<unknown>
  close(): Promise<unknown>
}

/** One PGlite serves all the tests of a file, one after the other. */
async function pgliteSession(): Promise<Session> {
  const pglite = await sharedPglite()
  // One after the other: several statements at once are a transaction, in which not everything may be discarded.
  for (const statement of ['rollback', 'reset role', 'discard all', DROP_SCHEMAS]) await pglite.exec(statement)
  return {
    dialect: new PGliteDialect({ pglite }),
    query: async (text) => (await pglite.query(text)).rows,
    exec: (text) => pglite.exec(text),
    close: () => Promise.resolve(),
  }
}

/** A pool of one connection. */
async function pooledSession(driver: PooledDriverName): Promise<Session> {
  const { cluster, database } = await shopOf(driver)
  await cluster.exec(DROP_SCHEMAS, database)
  if (driver === 'pg') {
    const pool = pgPool(cluster, database, 1)
    return {
      dialect: new PostgresDialect({ pool }),
      query: async (text) => (await pool.query(text)).rows as unknown[],
      exec: (text) => pool.query(text),
      close: () => pool.end(),
    }
  }
  const client = postgresJs(cluster, database, 1)
  return {
    dialect: new PostgresJSDialect({ postgres: client }),
    query: async (text) => [...(await client.unsafe(text))],
    exec: (text) => client.unsafe(text).simple(),
    close: () => client.end(),
  }
}

let stores = 0

/** @param schema what is there before the plugin looks at the database; a role or a setting stays with the session */
export async function openPostgres(
  t: ExecutionContext,
  schema: string,
  options: CacheopsOptions = {},
): Promise<Postgres> {
  const session = await (postgresDriver === 'pglite' ? pgliteSession() : pooledSession(postgresDriver))
  await session.exec(`grant usage on schema public to public; ${schema}`)
  const store = { type: 'embedded', name: `postgres ${process.pid} ${stores++}` } as const
  const cacheops = cacheopsPlugin({ store, ...options })
  const db = new Kysely<any>({ dialect: session.dialect, plugins: [cacheops] })
  t.teardown(async () => {
    await cacheops.close()
    await session.close()
  })
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
    t.deepEqual(seen, await session.query(text), `${text} is not what the database says`)
    return hit
  }
  return { session, db, cacheops, read, run, keeps }
}
