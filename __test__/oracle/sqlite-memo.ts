import type { SqliteDatabase } from 'kysely'

/** What Kysely's dialect asks of a database, with statements prepared once: preparing takes longer than executing. */
export interface MemoDatabase {
  prepare(text: string): any
  close(): void
  /** differs from what it was whenever the contents or the schema may have changed through this connection */
  stamp(): string
}

/** More statements than this are not kept. */
const MOST = 400

const PLAIN =
  /^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*(?:select|with|values|insert|replace|update|delete|begin|commit|end|rollback|savepoint|release)\b/i

/** How often the schema of a file may have changed, by whatever connection. */
export interface SharedSchema {
  changes: number
}

/** @param database of better-sqlite3, or of something that prepares and closes in the same way. */
export function memoized(database: SqliteDatabase, shared: SharedSchema): MemoDatabase {
  const statements = new Map<string, ReturnType<SqliteDatabase['prepare']>>()
  const changes = database.prepare('select total_changes() as n')
  let seen = 0
  let failed = 0
  const noting = <T>(call: () => T): T => {
    try {
      return call()
    } catch (error) {
      failed++
      throw error
    }
  }
  // A statement that fails may leave rows behind that total_changes() does not count: an INSERT of several rows in a
  // transaction, one of which has no integer for its key.
  const noted = (statement: ReturnType<SqliteDatabase['prepare']>): ReturnType<SqliteDatabase['prepare']> => ({
    reader: statement.reader,
    all: (parameters) => noting(() => statement.all(parameters)),
    run: (parameters) => noting(() => statement.run(parameters)),
    iterate: (parameters) => statement.iterate(parameters),
  })
  return {
    prepare: (text) => {
      if (seen !== shared.changes) {
        seen = shared.changes
        statements.clear()
        // A statement that fails tells what a connection knew of the schema before another changed it, unless it has looked again.
        database.prepare('select 1 from sqlite_master limit 1').all([])
      }
      if (!PLAIN.test(text)) {
        // Schema, settings, row numbers: SQLite does not count these.
        shared.changes++
        return database.prepare(text)
      }
      const known = statements.get(text)
      if (known !== undefined) return known
      if (statements.size >= MOST) statements.clear()
      const made = noted(database.prepare(text))
      statements.set(text, made)
      return made
    },
    close: () => database.close(),
    stamp: () => `${(changes.all([]) as [{ n: number | bigint }])[0].n}:${shared.changes}:${failed}`,
  }
}
