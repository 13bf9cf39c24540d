import type { AskedDatabase, DatabaseFacts, DialectName, RunSql } from './facts.ts'
import { askPostgres } from './introspect-postgres.ts'
import { askSqlite } from './introspect-sqlite.ts'

export type * from './facts.ts'

/**
 * Asks a database which one it is, what its driver makes of values, and for digests of its schema: what tells whether facts
 * that are known already are still true. One statement on PostgreSQL, a few on SQLite. Run it on a connection outside of
 * any transaction.
 *
 * @param withContent the digest that speaks for facts of another process, which costs more.
 * @throws whatever the database throws, and an error when the answer could not be relied upon.
 */
export function askDatabase(dialect: DialectName, run: RunSql, withContent = false): Promise<AskedDatabase> {
  return dialect === 'postgres' ? askPostgres(run, withContent) : askSqlite(run, withContent)
}

/**
 * Asks a database what the planner needs to know of it: tables, columns and how they compare, keys, foreign keys,
 * triggers, views, functions; which database it is; and what its driver makes of values.
 *
 * Everything is read as text, past the driver's and the user's type parsers, in as few statements as possible.
 *
 * @throws as {@link askDatabase}. Without facts reads bypass the cache and writes drop everything, which is the safe side.
 *
 * @example
 * ```ts
 * const { identity, facts } = await introspect('postgres', run)
 * facts.tables.find((table) => table.name === 'flight')?.keys // [['id']]
 * ```
 */
export async function introspect(dialect: DialectName, run: RunSql): Promise<DatabaseFacts> {
  const asked = await askDatabase(dialect, run)
  return { ...asked, facts: await asked.facts() }
}
