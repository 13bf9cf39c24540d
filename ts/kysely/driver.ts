import { CompiledQuery, MssqlAdapter, MysqlAdapter, PostgresAdapter, SqliteAdapter, SqliteDriver } from 'kysely'
import type { DatabaseConnection, DialectAdapter, QueryResult } from 'kysely'

import { CacheopsError } from '../errors.ts'
import type { DialectName } from './introspect.ts'

/**
 * The dialect behind an adapter.
 *
 * @throws CacheopsError CACHEOPS_UNSUPPORTED_DATABASE for any other than PostgreSQL's and SQLite's.
 */
export function dialectOf(adapter: DialectAdapter): DialectName {
  if (adapter instanceof SqliteAdapter) return 'sqlite'
  if (adapter instanceof PostgresAdapter || adapter.constructor.name === 'PGliteAdapter') return 'postgres'
  const name =
    adapter instanceof MysqlAdapter
      ? 'MySQL'
      : adapter instanceof MssqlAdapter
        ? 'SQL Server'
        : adapter.constructor.name
  throw unsupported(name)
}

/** Says what is supported. */
export function unsupported(name: string): CacheopsError {
  return new CacheopsError(
    'CACHEOPS_UNSUPPORTED_DATABASE',
    `${name} is not supported by this version of cacheops: it supports PostgreSQL 15 and newer, PGlite and SQLite. ` +
      'Remove cacheopsPlugin() from the plugins of this Kysely instance, or set `enabled: false`.',
  )
}

/**
 * Runs a statement of our own. Kysely's `log` is set on the connection object and would show it as one of the user's, so
 * the method behind it is called.
 */
export async function runUnlogged(
  connection: DatabaseConnection,
  sql: string,
  parameters: readonly unknown[] = [],
): Promise<readonly Record<string, unknown>[]> {
  return (await executeUnlogged(connection, CompiledQuery.raw(sql, [...parameters]))).rows as Record<string, unknown>[]
}

function executeUnlogged(connection: DatabaseConnection, query: CompiledQuery): Promise<QueryResult<unknown>> {
  const behind = Object.hasOwn(connection, 'executeQuery')
    ? (Object.getPrototypeOf(connection) as Partial<DatabaseConnection> | null)?.executeQuery?.call(connection, query)
    : undefined
  return behind ?? connection.executeQuery(query)
}

/** `executeQuery` of the connections of Kysely's own SQLite driver. */
let sqliteExecute: DatabaseConnection['executeQuery'] | undefined

/** Learns to know Kysely's connections that execute at once, which it does not export. */
export async function learnDrivers(): Promise<void> {
  if (sqliteExecute !== undefined) return
  const driver = new SqliteDriver({ database: { prepare: () => undefined as never, close() {} } })
  await driver.init()
  // oxlint-disable-next-line typescript/unbound-method -- it is only compared
  sqliteExecute = (await driver.acquireConnection()).executeQuery
}

/**
 * Whether a connection has executed a statement when the call returns, so that nothing of others' can come between two
 * calls of one tick. One that logs, or that anybody has put something in front of, counts as one that takes its time.
 */
export function executesAtOnce(connection: DatabaseConnection): boolean {
  return sqliteExecute !== undefined && connection.executeQuery === sqliteExecute
}
