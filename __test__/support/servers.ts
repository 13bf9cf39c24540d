import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { PGlite } from '@electric-sql/pglite'
import BetterSqlite3 from 'better-sqlite3'
import { PGliteDialect, SqliteDialect } from 'kysely'
import type { Dialect, SqliteDatabase } from 'kysely'

import { NodeSqlite } from './node-sqlite.ts'
import { POSTGRES_ROWS, POSTGRES_TABLES, SQLITE_ROWS, SQLITE_TABLES } from './schema.ts'

/** What carries the statements: the same SQLite gives other rows, counts and errors through another driver. */
export type DriverName = 'pglite' | SqliteDriverName
export type SqliteDriverName = 'better-sqlite3' | 'node:sqlite' | 'node:sqlite with bigints'

/** A database with the sample schema and its rows, past Kysely. */
export interface Server {
  /** a dialect over a new connection; destroying it leaves the data alone */
  dialect(): Dialect
  exec(sql: string): Promise<void>
  reset(): Promise<void>
  close(): Promise<void>
}

/** A PGlite takes seconds and 300 MB, so one serves all the tests of a file, one after the other. */
let pglite: Promise<PGlite> | undefined

/** The one PGlite of this process. */
export function sharedPglite(): Promise<PGlite> {
  pglite ??= PGlite.create()
  return pglite
}

export async function postgresServer(): Promise<Server> {
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
  const { rows } = await server.query<{ drop: string }>(
    `select format('drop schema %I cascade', nspname) as drop from pg_namespace where nspname !~ '^(pg_|information_schema$)'`,
  )
  await exec(`${rows.map((row) => row.drop).join(';')}; create schema public; ${POSTGRES_TABLES}${POSTGRES_ROWS}`)
  const reset = (): Promise<void> =>
    exec(`truncate track, album, artist, genre, invoice, audit restart identity; ${POSTGRES_ROWS}`)
  return { dialect, exec, reset, close: () => Promise.resolve() }
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
