import type BetterSqlite3 from 'better-sqlite3'
import { CompiledQuery, SqliteAdapter, SqliteDialect } from 'kysely'
import type { DatabaseConnection, Dialect, Driver, QueryCompiler, QueryResult } from 'kysely'

/** Hears of each statement at once when SQLite has executed it, before anybody else can. */
export type Executed = (connection: DatabaseConnection, sql: string) => void

/** Hears of it before. */
export type Executing = (sql: string) => void

/** Several connections to one SQLite file under one Kysely instance, as pooled drivers of other databases have them. */
export class PooledSqliteDialect extends SqliteDialect implements Dialect {
  readonly #open: () => BetterSqlite3.Database
  readonly #executed: Executed | undefined
  readonly #executing: Executing | undefined

  constructor(open: () => BetterSqlite3.Database, executed?: Executed, executing?: Executing) {
    super({ database: () => Promise.resolve(open()) })
    this.#open = open
    this.#executed = executed
    this.#executing = executing
  }

  override createDriver(): Driver {
    return new PooledDriver(() => new PooledConnection(this.#open(), this.#executed, this.#executing))
  }

  override createAdapter(): SqliteAdapter {
    return new PooledAdapter()
  }
}

class PooledAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true
  }
}

type Compile = QueryCompiler['compileQuery']

class PooledDriver implements Driver {
  readonly #open: () => PooledConnection
  readonly #all: PooledConnection[] = []
  readonly #free: PooledConnection[] = []

  constructor(open: () => PooledConnection) {
    this.#open = open
  }

  init(): Promise<void> {
    return Promise.resolve()
  }

  acquireConnection(): Promise<DatabaseConnection> {
    let connection = this.#free.pop()
    if (connection === undefined) {
      connection = this.#open()
      this.#all.push(connection)
    }
    return Promise.resolve(connection)
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin'))
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('commit'))
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('rollback'))
  }

  async savepoint(connection: DatabaseConnection, name: string, _compile: Compile): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`savepoint "${name}"`))
  }

  async rollbackToSavepoint(connection: DatabaseConnection, name: string, _compile: Compile): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`rollback to "${name}"`))
  }

  async releaseSavepoint(connection: DatabaseConnection, name: string, _compile: Compile): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`release "${name}"`))
  }

  releaseConnection(connection: DatabaseConnection): Promise<void> {
    this.#free.push(connection as PooledConnection)
    return Promise.resolve()
  }

  destroy(): Promise<void> {
    for (const connection of this.#all) connection.close()
    return Promise.resolve()
  }
}

class PooledConnection implements DatabaseConnection {
  readonly #database: BetterSqlite3.Database
  readonly #executed: Executed | undefined
  readonly #executing: Executing | undefined

  constructor(database: BetterSqlite3.Database, executed: Executed | undefined, executing: Executing | undefined) {
    this.#database = database
    this.#executed = executed
    this.#executing = executing
  }

  /** NOTE: async, so that what SQLite throws becomes a rejection. */
  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    this.#executing?.(sql)
    try {
      const statement = this.#database.prepare(sql)
      if (statement.reader) return { rows: statement.all(parameters) as R[] }
      const { changes, lastInsertRowid } = statement.run(parameters)
      return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) }
    } finally {
      this.#executed?.(this, sql)
    }
  }

  streamQuery(): AsyncIterableIterator<never> {
    throw new Error('nothing is streamed here')
  }

  close(): void {
    this.#database.close()
  }
}
