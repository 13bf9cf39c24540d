import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { PGlite } from '@electric-sql/pglite'
import BetterSqlite3 from 'better-sqlite3'
import { PGliteDialect, PostgresDialect, SqliteDialect } from 'kysely'
import type { Dialect, SqliteDatabase } from 'kysely'
import { PostgresJSDialect } from 'kysely-postgres-js'
import { Pool } from 'pg'
import Cursor from 'pg-cursor'
import postgres from 'postgres'
import type { Sql } from 'postgres'

import { NodeSqlite } from './node-sqlite.ts'
import { sharedCluster } from './postgres-cluster.ts'
import type { Cluster } from './postgres-cluster.ts'
import { POSTGRES_ROWS, POSTGRES_TABLES, SQLITE_ROWS, SQLITE_TABLES } from './schema.ts'

/** What carries the statements: the same SQLite gives other rows, counts and errors through another driver. */
export type DriverName = PostgresDriverName | SqliteDriverName
export type PostgresDriverName = 'pglite' | PooledDriverName
/** Drivers of a PostgreSQL server. */
export type PooledDriverName = 'pg' | 'postgres.js'
export type SqliteDriverName = 'better-sqlite3' | 'node:sqlite' | 'node:sqlite with bigints'

export function isPostgres(driver: DriverName): driver is PostgresDriverName {
  return driver === 'pglite' || driver === 'pg' || driver === 'postgres.js'
}

/** A database with the sample schema and its rows, past Kysely. */
export interface Server {
  /** a dialect over a new connection; destroying it leaves the data alone */
  dialect(): Dialect
  exec(sql: string): Promise<void>
  reset(): Promise<void>
  close(): Promise<void>
}

/** Drops what a test before has left in a database. */
export const DROP_SCHEMAS = `do $$ declare s name; begin
  for s in select nspname from pg_namespace where nspname !~ '^(pg_|information_schema$)' loop
    execute format('drop schema %I cascade', s);
  end loop;
end $$; create schema public`

/** A PGlite takes seconds and 300 MB, so one serves all the tests of a file, one after the other. */
let pglite: Promise<PGlite> | undefined

/** The one PGlite of this process. */
export function sharedPglite(): Promise<PGlite> {
  pglite ??= PGlite.create()
  return pglite
}

/** @param connections how many a pool may open; a PGlite has one */
export function postgresServer(driver: PostgresDriverName, connections = 4): Promise<Server> {
  return driver === 'pglite' ? pgliteServer() : pooledServer(driver, connections)
}

async function pgliteServer(): Promise<Server> {
  const server = await sharedPglite()
  const dialect = (): Dialect => {
    const inner = new PGliteDialect({ pglite: server })
    const driver = inner.createDriver()
    driver.destroy = () => Promise.resolve()
    return {
      createDriver: () => driver,
      createAdapter: () => inner.createAdapter(),
      createQueryCompiler: () => inner.createQueryCompiler(),
      createIntrospector: (db) => inner.createIntrospector(db),
    }
  }
  const exec = async (sql: string): Promise<void> => {
    await server.exec(sql)
  }
  // A test that has failed may have left a transaction open.
  await exec('rollback')
  await exec('discard all')
  await exec(`${DROP_SCHEMAS}; ${POSTGRES_TABLES}${POSTGRES_ROWS}`)
  const reset = (): Promise<void> =>
    exec(`truncate track, album, artist, genre, invoice, audit restart identity; ${POSTGRES_ROWS}`)
  return { dialect, exec, reset, close: () => Promise.resolve() }
}

/** A pool of `pg`, and how it is closed is up to whoever uses it. */
export function pgPool({ host, port, user }: Cluster, database: string, connections = 4): Pool {
  const pool = new Pool({ host, port, user, database, max: connections })
  // A server that is stopped says so to the connections that wait.
  pool.on('error', () => undefined)
  return pool
}

/** The same of postgres.js. */
export function postgresJs({ host, port, user }: Cluster, database: string, connections = 4): Sql {
  return postgres({ host, port, user, database, max: connections, onnotice: () => {} })
}

/** A dialect over a pool of its own. */
export function pooledDialect(
  driver: PooledDriverName,
  cluster: Cluster,
  database: string,
  connections?: number,
): Dialect {
  return driver === 'postgres.js'
    ? new PostgresJSDialect({ postgres: postgresJs(cluster, database, connections) })
    : new PostgresDialect({ pool: pgPool(cluster, database, connections), cursor: Cursor })
}

/** A database of the server of this process. */
export interface Shop {
  readonly cluster: Cluster
  readonly database: string
}

const shops = new Map<PooledDriverName, Promise<Shop>>()

/** A driver's database, which serves all the tests of a file, one after the other. */
export function shopOf(driver: PooledDriverName): Promise<Shop> {
  let shop = shops.get(driver)
  if (shop === undefined) {
    const database = driver === 'pg' ? 'shop' : 'shop_js'
    shop = sharedCluster().then(async (cluster) => {
      await cluster.exec(`create database ${database}`)
      return { cluster, database }
    })
    shops.set(driver, shop)
  }
  return shop
}

async function pooledServer(driver: PooledDriverName, connections: number): Promise<Server> {
  const { cluster, database } = await shopOf(driver)
  const exec = (sql: string): Promise<void> => cluster.exec(sql, database)
  await exec(`${DROP_SCHEMAS}; ${POSTGRES_TABLES}${POSTGRES_ROWS}`)
  const reset = (): Promise<void> =>
    exec(`truncate track, album, artist, genre, invoice, audit restart identity; ${POSTGRES_ROWS}`)
  return {
    dialect: () => pooledDialect(driver, cluster, database, connections),
    exec,
    reset,
    close: () => Promise.resolve(),
  }
}

interface SqliteHandle extends SqliteDatabase {
  exec(sql: string): unknown
}

const SETTINGS =
  'pragma journal_mode = wal; pragma synchronous = off; pragma foreign_keys = on; pragma busy_timeout = 0'

function openSqlite(driver: SqliteDriverName, file: string): SqliteHandle {
  const handle =
    driver === 'better-sqlite3' ? new BetterSqlite3(file) : new NodeSqlite(file, driver === 'node:sqlite with bigints')
  handle.exec(SETTINGS)
  return handle
}

export function sqliteServer(driver: SqliteDriverName): Server {
  const folder = mkdtempSync(join(tmpdir(), 'cacheops-test-'))
  const file = join(folder, 'shop.db')
  const own = openSqlite(driver, file)
  const exec = (sql: string): Promise<void> => {
    own.exec(sql)
    return Promise.resolve()
  }
  own.exec(SQLITE_TABLES + SQLITE_ROWS)
  return {
    dialect: () => new SqliteDialect({ database: () => Promise.resolve(openSqlite(driver, file)) }),
    exec,
    reset: () =>
      exec(`delete from track; delete from album; delete from artist; delete from genre; delete from invoice;
      delete from audit; ${SQLITE_ROWS}`),
    close() {
      own.close()
      rmSync(folder, { recursive: true, force: true })
      return Promise.resolve()
    },
  }
}
