/** Kysely instances over pools that a test makes in its own way. */

import type { ExecutionContext } from 'ava'
import { Kysely, PostgresDialect, sql } from 'kysely'
import type { DatabaseConnection, Dialect } from 'kysely'
import { PostgresJSDialect } from 'kysely-postgres-js'
import { Pool } from 'pg'
import type { PoolClient } from 'pg'
import Cursor from 'pg-cursor'
import postgres from 'postgres'

import { cacheopsPlugin } from '../../ts/index.ts'
import type { Cacheops, CacheopsOptions } from '../../ts/index.ts'
import { sharedCluster } from './postgres-cluster.ts'
import type { PooledDriverName } from './servers.ts'

export const DRIVERS: readonly PooledDriverName[] = ['pg', 'postgres.js']

export interface PoolOptions {
  readonly driver: PooledDriverName
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user?: string
  readonly max?: number
  /** sent with each new connection, such as `-c search_path=s2` */
  readonly options?: string
  /** `pg` only: whatever an application does with a new connection */
  readonly onConnect?: (client: PoolClient) => void
  /** Kysely's hook */
  readonly onReserve?: (connection: DatabaseConnection) => Promise<void>
  readonly onCreate?: (connection: DatabaseConnection) => Promise<void>
}

export function dialectOf(given: PoolOptions): Dialect {
  const { driver, host, port, database, user = 'postgres', max = 4, options, onConnect, onReserve, onCreate } = given
  const reserve = onReserve === undefined ? {} : { onReserveConnection: onReserve }
  if (driver === 'postgres.js') {
    const connection = options === undefined ? {} : { connection: { options } as never }
    const client = postgres({ host, port, user, database, max, onnotice: () => {}, ...connection })
    return new PostgresJSDialect({ postgres: client, ...reserve })
  }
  const pool = new Pool({ host, port, user, database, max, ...(options === undefined ? {} : { options }) })
  pool.on('error', () => undefined)
  pool.on('connect', (client) => {
    client.on('error', () => undefined)
    onConnect?.(client)
  })
  return new PostgresDialect({
    pool,
    cursor: Cursor,
    ...reserve,
    ...(onCreate === undefined ? {} : { onCreateConnection: onCreate }),
  })
}

let stores = 0

/** A store of a test's own. */
export function newStore(): { readonly type: 'embedded'; readonly name: string } {
  return { type: 'embedded', name: `pools ${process.pid} ${stores++}` }
}

export interface Opened {
  readonly db: Kysely<any>
  readonly cacheops: Cacheops
  /** rows of a cached read */
  readonly read: (text: string) => Promise<readonly any[]>
  /** how the last read came out */
  readonly reason: () => string
  /** executes one statement */
  readonly run: (text: string) => Promise<any>
}

/** @param cacheops the plugin object, or the options of one of this instance's own */
export function openPool(
  t: ExecutionContext,
  dialect: Dialect,
  given: Cacheops | CacheopsOptions = { store: newStore() },
): Opened {
  const cacheops = 'invalidateAll' in given ? given : cacheopsPlugin(given)
  const db = new Kysely<any>({ dialect, plugins: [cacheops] })
  let reason = ''
  cacheops.on('read', (event) => void (reason = event.reason))
  // NOTE: not waited for. A driver may wait for ever for the end of a connection that was lost.
  t.teardown(() => void db.destroy().catch(() => undefined))
  return {
    db,
    cacheops,
    read: async (text) => (await cacheops.run<any>(db, sql.raw(text))).rows,
    reason: () => reason,
    run: (text) => sql.raw(text).execute(db),
  }
}

let databases = 0

/** A database of a test's own on the server of this process. */
export async function newDatabase(schema: string): Promise<{ host: string; port: number; database: string }> {
  const cluster = await sharedCluster()
  const database = `own_${++databases}`
  await cluster.exec(`create database ${database}`)
  await cluster.exec(schema, database)
  return { host: cluster.host, port: cluster.port, database }
}
