import type { DatabaseFacts, DialectName, RunSql } from './facts.ts'
import { introspectPostgres } from './introspect-postgres.ts'
import { introspectSqlite } from './introspect-sqlite.ts'

export type * from './facts.ts'

/**
 * Asks a database what the planner needs to know of it: tables, columns and how they compare, keys, foreign keys,
 * triggers, views, functions; which database it is; and what its driver makes of values.
 *
 * Everything is read as text, past the driver's and the user's type parsers, in as few statements as possible
 * (PostgreSQL: two). Run it on a connection outside of any transaction.
 *
 * @throws whatever the database throws, and an error when the answer could not be relied upon. Without facts reads bypass
 * the cache and writes drop everything, which is the safe side.
 *
 * @example
 * ```ts
 * const { identity, facts } = await introspect('postgres', run)
 * facts.tables.find((table) => table.name === 'flight')?.keys // [['id']]
 * ```
 */
export function introspect(dialect: DialectName, run: RunSql): Promise<DatabaseFacts> {
  return dialect === 'postgres' ? introspectPostgres(run) : introspectSqlite(run)
}
