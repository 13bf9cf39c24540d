import { DatabaseSync } from 'node:sqlite'
import type { SQLInputValue, StatementSync } from 'node:sqlite'

import type { SqliteDatabase, SqliteStatement } from 'kysely'

/** Node's own SQLite as Kysely's SqliteDialect wants it: better-sqlite3's shape, nothing more. */
export class NodeSqlite implements SqliteDatabase {
  readonly #database: DatabaseSync
  readonly #bigints: boolean

  /** @param bigints integers come out as bigint, as those need who keep large ones */
  constructor(file: string, bigints = false) {
    this.#database = new DatabaseSync(file)
    this.#bigints = bigints
  }

  prepare(text: string): SqliteStatement {
    const statement = this.#database.prepare(text)
    if (this.#bigints) statement.setReadBigInts(true)
    return new NodeStatement(statement)
  }

  /** All statements of a text; `prepare` takes the first and says nothing of the others. */
  exec(text: string): void {
    this.#database.exec(text)
  }

  close(): void {
    this.#database.close()
  }
}

class NodeStatement implements SqliteStatement {
  readonly reader: boolean
  readonly #statement: StatementSync

  constructor(statement: StatementSync) {
    this.#statement = statement
    this.reader = statement.columns().length > 0
  }

  all(parameters: readonly unknown[]): unknown[] {
    return this.#statement.all(...(parameters as SQLInputValue[]))
  }

  run(parameters: readonly unknown[]): { changes: number | bigint; lastInsertRowid: number | bigint } {
    return this.#statement.run(...(parameters as SQLInputValue[]))
  }

  iterate(parameters: readonly unknown[]): IterableIterator<unknown> {
    return this.#statement.iterate(...(parameters as SQLInputValue[])) as IterableIterator<unknown>
  }
}
