import { CompiledQuery } from 'kysely'
import type { DatabaseConnection, DialectAdapter, QueryResult } from 'kysely'

import { CacheopsError } from '../errors.ts'
import { knownCopies } from './copies.ts'
import type { KyselyCopy } from './copies.ts'
import type { DialectName } from './facts.ts'

/** Adapters that Kysely exports, and what is behind them. */
const ADAPTERS = {
  SqliteAdapter: 'sqlite',
  PostgresAdapter: 'postgres',
  PGliteAdapter: 'postgres',
  MysqlAdapter: 'MySQL',
  MssqlAdapter: 'SQL Server',
} as const

/**
 * The dialect behind an adapter.
 *
 * @throws CacheopsError CACHEOPS_UNSUPPORTED_DATABASE for any other than PostgreSQL's and SQLite's.
 */
export function dialectOf(adapter: DialectAdapter): DialectName {
  const copies = [...knownCopies()] as Partial<KyselyCopy & Record<keyof typeof ADAPTERS, abstract new () => unknown>>[]
  for (
    let prototype: object | null = adapter;
    prototype !== null;
    prototype = Object.getPrototypeOf(prototype) as object
  ) {
    const { constructor } = prototype
    for (const [name, dialect] of Object.entries(ADAPTERS) as [
      keyof typeof ADAPTERS,
      DialectName | 'MySQL' | 'SQL Server',
    ][]) {
      // NOTE: by its name in a copy that a dialect brings, by the class where a bundler has changed names.
      if (constructor.name !== name && !copies.some((copy) => copy[name] === constructor)) continue
      if (dialect === 'sqlite' || dialect === 'postgres') return dialect
      throw unsupported(dialect)
    }
  }
  throw unsupported(adapter.constructor.name)
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

/** What there is to know of the connections of Kysely's own SQLite driver, which it does not export. */
interface SqliteConnections {
  readonly executeQuery: DatabaseConnection['executeQuery']
  /** the keys of a result without rows, which 0.28 has in another order */
  readonly counts: readonly string[]
}

const sqliteConnections = new Map<KyselyCopy, SqliteConnections>()

/** Learns to know the SQLite drivers of the copies of Kysely. */
export async function learnDrivers(): Promise<void> {
  for (const copy of knownCopies()) {
    if (sqliteConnections.has(copy)) continue
    const statement = { reader: false, run: () => ({ changes: 0n, lastInsertRowid: 0n }) }
    const driver = new copy.SqliteDriver({ database: { prepare: () => statement as never, close() {} } })
    await driver.init()
    const connection = await driver.acquireConnection()
    const counts = Object.keys(await connection.executeQuery(CompiledQuery.raw('')))
    // oxlint-disable-next-line typescript/unbound-method -- it is only compared
    sqliteConnections.set(copy, { executeQuery: connection.executeQuery, counts })
  }
}

/** A result without rows as a connection would have it; as Kysely's own, if it is not Kysely's. */
export function inOrderOf(connection: DatabaseConnection, result: QueryResult<never>): QueryResult<never> {
  const known = [...sqliteConnections.values()]
  // NOTE: behind what Kysely's `log` sets on the connection itself.
  const behind = Object.getPrototypeOf(connection) as Partial<DatabaseConnection> | null
  const { counts } = known.find(({ executeQuery }) => executeQuery === behind?.executeQuery) ?? known[0]!
  return Object.fromEntries(counts.map((key) => [key, result[key as keyof typeof result]])) as never
}

/**
 * Whether a connection has executed a statement when the call returns, so that nothing of others' can come between two
 * calls of one tick. One that logs, or that anybody has put something in front of, counts as one that takes its time.
 */
export function executesAtOnce(connection: DatabaseConnection): boolean {
  // oxlint-disable-next-line typescript/unbound-method -- it is only compared
  const { executeQuery } = connection
  for (const known of sqliteConnections.values()) if (executeQuery === known.executeQuery) return true
  return false
}

/** Whether a connection sends a statement without waiting for the answer of the one before. `pg` warns that it soon will not even take it. */
export function queues(connection: DatabaseConnection): boolean {
  return connection.constructor.name === 'PostgresJSConnection'
}

/**
 * Whether a statement may be sent while another is under way. NOTE: not with parameters. When a value cannot be sent, postgres.js has the
 * one under way fail instead, and takes the answers that come next for those of others.
 */
export function mayFollow(connection: DatabaseConnection, { parameters }: CompiledQuery): boolean {
  return queues(connection) && parameters.length === 0
}

/** Methods by which Kysely gives up a statement, of those that a connection has. */
export function abortMethodsOf(connection: DatabaseConnection): readonly PropertyKey[] {
  return ['cancelQuery', 'killSession'].filter((name) => name in connection)
}
