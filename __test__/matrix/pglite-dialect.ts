import type { PGlite, Transaction } from '@electric-sql/pglite'
import type { CompiledQuery, DatabaseConnection, Dialect, Driver, QueryResult } from 'kysely'
import type * as kysely from 'kysely'

/**
 * A dialect over PGlite for a Kysely that has none (0.28): one connection, whose transactions are PGlite's own, so that
 * other instances over the same PGlite wait for their end.
 */
export function pgliteDialectOf(copy: typeof kysely): new (config: { pglite: PGlite }) => Dialect {
  class PGliteAdapter extends copy.PostgresAdapter {
    // A getter in some versions, which a field would have to agree with.
    override get supportsMultipleConnections(): boolean {
      return false
    }

    /** The migrations hold the only connection. */
    override acquireMigrationLock(): Promise<void> {
      return Promise.resolve()
    }

    override releaseMigrationLock(): Promise<void> {
      return Promise.resolve()
    }
  }

  return class implements Dialect {
    readonly #pglite: PGlite

    constructor({ pglite }: { pglite: PGlite }) {
      this.#pglite = pglite
    }

    createAdapter(): kysely.PostgresAdapter {
      return new PGliteAdapter()
    }

    createDriver(): Driver {
      return new TransactionDriver(this.#pglite, copy)
    }

    createIntrospector(db: kysely.Kysely<any>): kysely.PostgresIntrospector {
      return new copy.PostgresIntrospector(db)
    }

    createQueryCompiler(): kysely.PostgresQueryCompiler {
      return new copy.PostgresQueryCompiler()
    }
  }
}

/** NOTE: symbols, as in later versions of Kysely: by them it is known what belongs to the driver. */
const BEGIN = Symbol('begin')
const COMMIT = Symbol('commit')
const ROLLBACK = Symbol('rollback')

type CompileNode = Parameters<NonNullable<Driver['savepoint']>>[2]

class TransactionDriver implements Driver {
  readonly #pglite: PGlite
  readonly #connection: TransactionConnection
  #turn = Promise.resolve()
  #release = (): void => {}

  constructor(pglite: PGlite, copy: typeof kysely) {
    this.#pglite = pglite
    this.#connection = new TransactionConnection(pglite, copy)
  }

  async init(): Promise<void> {
    if (this.#pglite.closed) throw new Error('PGlite instance is already closed.')
    await this.#pglite.waitReady
  }

  /** Kysely 0.28 leaves it to the driver that nobody else has the only connection. */
  async acquireConnection(): Promise<DatabaseConnection> {
    const turn = Promise.withResolvers<void>()
    const before = this.#turn
    this.#turn = turn.promise
    await before
    this.#release = turn.resolve
    return this.#connection
  }

  releaseConnection(): Promise<void> {
    this.#release()
    return Promise.resolve()
  }

  async destroy(): Promise<void> {
    if (!this.#pglite.closed) await this.#pglite.close()
  }

  beginTransaction(connection: DatabaseConnection): Promise<void> {
    return (connection as TransactionConnection)[BEGIN]()
  }

  commitTransaction(connection: DatabaseConnection): Promise<void> {
    return (connection as TransactionConnection)[COMMIT]()
  }

  rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    return (connection as TransactionConnection)[ROLLBACK]()
  }

  savepoint(connection: DatabaseConnection, name: string, compile: CompileNode): Promise<void> {
    return runSavepoint(connection, 'savepoint', name, compile)
  }

  rollbackToSavepoint(connection: DatabaseConnection, name: string, compile: CompileNode): Promise<void> {
    return runSavepoint(connection, 'rollback to', name, compile)
  }

  releaseSavepoint(connection: DatabaseConnection, name: string, compile: CompileNode): Promise<void> {
    return runSavepoint(connection, 'release', name, compile)
  }
}

async function runSavepoint(
  connection: DatabaseConnection,
  verb: string,
  name: string,
  compile: CompileNode,
): Promise<void> {
  const node = {
    kind: 'RawNode',
    sqlFragments: [`${verb} `, ''],
    parameters: [{ kind: 'IdentifierNode', name }],
  } as never
  await connection.executeQuery(compile(node, { queryId: 'savepoint' }))
}

class TransactionConnection implements DatabaseConnection {
  readonly #pglite: PGlite
  readonly #copy: typeof kysely
  #transaction: Transaction | undefined
  #leave: { commit: () => void; rollback: (reason: unknown) => void; readonly left: Promise<unknown> } | undefined

  constructor(pglite: PGlite, copy: typeof kysely) {
    this.#pglite = pglite
    this.#copy = copy
  }

  async executeQuery({ sql, parameters }: CompiledQuery): Promise<QueryResult<any>> {
    try {
      const target = this.#transaction ?? this.#pglite
      const { affectedRows, rows } = await target.query(sql, [...parameters], { rowMode: 'object' })
      return { rows, ...(affectedRows === undefined ? {} : { numAffectedRows: BigInt(affectedRows) }) }
    } catch (error) {
      if (error instanceof Error) error.stack = `${error.stack}\n${new Error().stack?.split('\n').slice(1).join('\n')}`
      throw error
    }
  }

  streamQuery(): AsyncIterableIterator<QueryResult<any>> {
    throw new Error('Streaming is not supported by PGlite.')
  }

  [BEGIN](): Promise<void> {
    const end = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const left = this.#pglite.transaction(async (transaction) => {
      this.#transaction = transaction
      begun.resolve()
      await end.promise
    })
    left.catch(begun.reject)
    this.#leave = { commit: end.resolve, rollback: end.reject, left }
    return begun.promise
  }

  async [COMMIT](): Promise<void> {
    this.#leave?.commit()
    try {
      await this.#leave?.left
    } catch (error) {
      throw (error as { code?: unknown }).code === '25P02' ? new this.#copy.AbortedTransactionError() : error
    } finally {
      this.#end()
    }
  }

  async [ROLLBACK](): Promise<void> {
    this.#leave?.rollback(undefined)
    await this.#leave?.left.catch(() => undefined)
    this.#end()
  }

  #end(): void {
    this.#transaction = undefined
    this.#leave = undefined
  }
}
