/** The shop on a PostgreSQL server of the benchmark's own. */

import { Kysely, PostgresDialect } from 'kysely'
import type { Dialect } from 'kysely'
import { PostgresJSDialect } from 'kysely-postgres-js'
import { Client, Pool } from 'pg'
import postgres from 'postgres'

import { startCluster } from '../support/postgres-cluster.ts'
import type { Cluster } from '../support/postgres-cluster.ts'
import { create, sqlOf } from './shop.ts'
import type { Shop, ShopDatabase } from './shop.ts'

export type Way = 'unix socket' | 'TCP'
export type ServerDriver = 'pg' | 'postgres.js'

/** Connections of one instance. */
export const POOL = 8

/** A server, with the shop in its own database. */
export interface ShopServer {
  readonly shop: (driver: ServerDriver, way: Way) => ShopDatabase
  /** a connection pool of Kysely's on it */
  readonly dialect: (driver: ServerDriver, way: Way, database: string) => Dialect
  readonly createDatabase: (name: string, sql: string) => Promise<void>
  readonly close: () => Promise<void>
}

export async function openServer(): Promise<ShopServer> {
  const cluster = await startCluster({ settings: ['shared_buffers=128MB', 'max_connections=300'] })
  await cluster.exec('create database bench')
  const client = new Client({ host: cluster.host, port: cluster.port, user: cluster.user, database: 'bench' })
  await client.connect()
  const exec = async (sql: string): Promise<void> => void (await client.query(sql))
  await create(exec, (value) => sqlOf(value instanceof Date ? value.toISOString() : value))
  const opened: Kysely<any>[] = []
  const dialect: ShopServer['dialect'] = (driver, way, database) => dialectOf(cluster, driver, way, database)
  return {
    shop: (driver, way) => ({
      dialect: 'postgres',
      title: `${driver}, ${way}`,
      connect(plugins = []) {
        const db = new Kysely<Shop>({ dialect: dialect(driver, way, 'bench'), plugins: [...plugins] })
        opened.push(db)
        return db
      },
      execute: exec,
      instant: (millis) => new Date(millis),
      close: () => Promise.resolve(),
    }),
    dialect,
    async createDatabase(name, sql) {
      await cluster.exec(`create database ${name}`)
      await cluster.exec(sql, name)
    },
    async close() {
      for (const db of opened) await db.destroy()
      await client.end()
      await cluster.stop()
    },
  }
}

function dialectOf({ host, port, user, folder }: Cluster, driver: ServerDriver, way: Way, database: string): Dialect {
  const at = { port, user, database, host: way === 'TCP' ? host : folder }
  if (driver === 'pg') return new PostgresDialect({ pool: new Pool({ ...at, max: POOL }) })
  return new PostgresJSDialect({ postgres: postgres({ ...at, max: POOL, onnotice: () => {} }) })
}
