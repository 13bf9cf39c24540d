import type { AskedDatabase, DatabaseFacts, DialectName, RunSql, Schema } from './facts.ts'
import { askPostgres } from './introspect-postgres.ts'
import { askSqlite } from './introspect-sqlite.ts'
import { NO_TYPES } from './postgres-types.ts'
import type { UserTypes } from './postgres-types.ts'

export type * from './facts.ts'

/** What is to be asked besides which database it is and whether its schema has changed. */
export interface Asking {
  /** the digest that speaks for facts of another process, which costs more */
  readonly withContent?: boolean
  /** PostgreSQL: what becomes of parameters, and of values of these types as far as they are known */
  readonly withValues?: UserTypes
}

/**
 * Asks a database which one it is, what its driver makes of values, and for digests of its schema: what tells whether facts
 * that are known already are still true. One statement on PostgreSQL, a few on SQLite. Run it on a connection outside of
 * any transaction.
 *
 * @throws whatever the database throws, and an error when the answer could not be relied upon.
 */
export function askDatabase(dialect: DialectName, run: RunSql, asking: Asking = {}): Promise<AskedDatabase> {
  const { withContent = false, withValues } = asking
  return dialect === 'postgres' ? askPostgres(run, withContent, withValues) : askSqlite(run, withContent)
}

/**
 * Asks a database what the planner needs to know of it: tables, columns and how they compare, keys, foreign keys,
 * triggers, views, functions; which database it is; and what its driver makes of values and parameters.
 *
 * Everything is read as text, past the driver's and the user's type parsers, in as few statements as possible: on PostgreSQL
 * one that tells which database it is, one for its catalogs, one for values of the types that they declare.
 *
 * @throws as {@link askDatabase}, and when what the driver does hides what a condition means or what a write has changed.
 * Without facts reads bypass the cache and writes drop everything, which is the safe side.
 *
 * @example
 * ```ts
 * const { identity, facts } = await introspect('postgres', run)
 * facts.tables.find((table) => table.name === 'flight')?.keys // [['id']]
 * ```
 */
export async function introspect(dialect: DialectName, run: RunSql): Promise<DatabaseFacts> {
  const asked = await askDatabase(dialect, run, { withValues: NO_TYPES })
  return complete(asked, await asked.schema())
}

/** What is known of a database once its schema is, wherever that comes from. */
export async function complete(asked: AskedDatabase, { facts, types }: Schema): Promise<DatabaseFacts> {
  const { schema: _, fingerprintWith, ...head } = asked
  return { ...head, facts, types, fingerprint: await fingerprintWith(types) }
}
