import type {
  CompiledQuery,
  DatabaseConnection,
  DatabaseIntrospector,
  Dialect,
  DialectAdapter,
  Driver,
  Kysely,
  QueryCompiler,
  QueryResult,
  TransactionSettings,
} from 'kysely'

/** A statement as the driver got it; `begin`, `commit` and `rollback` also where the driver has methods for them. */
export interface Statement {
  readonly sql: string
  readonly parameters: readonly unknown[]
}

/** One statement that is held until the test lets it go on. */
export class Gate {
  /** Settles once the statement has come to the gate. */
  readonly reached: Promise<void>
  readonly #released: Promise<void>
  #arrive!: () => void
  #release!: () => void
  #refuse!: (error: Error) => void

  constructor() {
    this.reached = new Promise((resolve) => (this.#arrive = resolve))
    this.#released = new Promise((resolve, reject) => {
      this.#release = resolve
      this.#refuse = reject
    })
    this.#released.catch(() => undefined)
  }

  /** Lets the statement go on. */
  release(): void {
    this.#release()
  }

  /** Makes the statement fail: before the database saw it, or after it was executed there. */
  fail(error: Error): void {
    this.#refuse(error)
  }

  pass(): Promise<void> {
    this.#arrive()
    return this.#released
  }
}

/** Where a statement is held: on its way to the database, or with the database's answer in hand. */
export type GatePoint = 'before' | 'after'

interface Hold {
  readonly pattern: RegExp
  readonly point: GatePoint
  readonly gate: Gate
}

/** What really reaches a database, and the means to stop it on its way. */
export class Recorder {
  readonly statements: Statement[] = []
  /** connections that were asked for */
  acquisitions = 0
  destroyed = 0
  readonly #holds: Hold[] = []

  /** Texts of the statements so far, or of those that match. */
  texts(pattern = /(?:)/): string[] {
    return this.statements.map(({ sql }) => sql).filter((sql) => pattern.test(sql))
  }

  count(pattern?: RegExp): number {
    return this.texts(pattern).length
  }

  clear(): void {
    this.statements.length = 0
    this.acquisitions = 0
  }

  /** Holds the next statement that matches. */
  hold(pattern: RegExp, point: GatePoint): Gate {
    const gate = new Gate()
    this.#holds.push({ pattern, point, gate })
    return gate
  }

  async run<T>(sql: string, parameters: readonly unknown[], execute: () => Promise<T>): Promise<T> {
    const hold = this.#note(sql, parameters)
    if (hold?.point === 'before') await hold.gate.pass()
    const result = await execute()
    if (hold?.point === 'after') await hold.gate.pass()
    return result
  }

  async *stream<T>(sql: string, parameters: readonly unknown[], stream: AsyncIterable<T>): AsyncIterableIterator<T> {
    const hold = this.#note(sql, parameters)
    if (hold?.point === 'before') await hold.gate.pass()
    yield* stream
    if (hold?.point === 'after') await hold.gate.pass()
  }

  #note(sql: string, parameters: readonly unknown[]): Hold | undefined {
    // With postgres.js it is each connection's that Kysely acquires.
    if (!ASKS_SESSION.test(sql)) this.statements.push({ sql, parameters })
    const index = this.#holds.findIndex(({ pattern }) => pattern.test(sql))
    return index === -1 ? undefined : this.#holds.splice(index, 1)[0]
  }
}

/** A dialect whose driver is recorded; a plugin cannot tell it from the real one. */
/** The plugin's question to a connection that it has not met before. */
const ASKS_SESSION = /\bAS session\b/

export class RecordingDialect implements Dialect {
  readonly #inner: Dialect
  readonly #recorder: Recorder

  constructor(inner: Dialect, recorder: Recorder) {
    this.#inner = inner
    this.#recorder = recorder
  }

  createDriver(): Driver {
    return new RecordingDriver(this.#inner.createDriver(), this.#recorder)
  }

  createAdapter(): DialectAdapter {
    return this.#inner.createAdapter()
  }

  createQueryCompiler(): QueryCompiler {
    return this.#inner.createQueryCompiler()
  }

  createIntrospector(db: Kysely<any>): DatabaseIntrospector {
    return this.#inner.createIntrospector(db)
  }
}

type Compile = QueryCompiler['compileQuery']

class RecordingDriver implements Driver {
  readonly #inner: Driver
  readonly #recorder: Recorder
  readonly #connections = new WeakMap<DatabaseConnection, RecordingConnection>()
  /** what the driver's own methods on a connection do just now */
  #phase = ''

  constructor(inner: Driver, recorder: Recorder) {
    this.#inner = inner
    this.#recorder = recorder
  }

  init(): Promise<void> {
    return this.#inner.init()
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    this.#recorder.acquisitions++
    const real = await this.#inner.acquireConnection()
    let connection = this.#connections.get(real)
    if (connection === undefined) {
      connection = new RecordingConnection(real, this.#recorder, () => this.#phase)
      this.#connections.set(real, connection)
    }
    return connection
  }

  beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    return this.#during('begin', () => this.#inner.beginTransaction(connection, settings))
  }

  commitTransaction(connection: DatabaseConnection): Promise<void> {
    return this.#during('commit', () => this.#inner.commitTransaction(connection))
  }

  rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    return this.#during('rollback', () => this.#inner.rollbackTransaction(connection))
  }

  async savepoint(connection: DatabaseConnection, name: string, compile: Compile): Promise<void> {
    await this.#inner.savepoint!(connection, name, compile)
  }

  async rollbackToSavepoint(connection: DatabaseConnection, name: string, compile: Compile): Promise<void> {
    await this.#inner.rollbackToSavepoint!(connection, name, compile)
  }

  async releaseSavepoint(connection: DatabaseConnection, name: string, compile: Compile): Promise<void> {
    await this.#inner.releaseSavepoint!(connection, name, compile)
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    await this.#inner.releaseConnection((connection as RecordingConnection).real ?? connection)
  }

  async destroy(): Promise<void> {
    this.#recorder.destroyed++
    await this.#inner.destroy()
  }

  #during(phase: string, call: () => Promise<void>): Promise<void> {
    this.#phase = phase
    try {
      return call()
    } finally {
      this.#phase = ''
    }
  }
}

type Method = (this: unknown, ...args: unknown[]) => Promise<unknown>

class RecordingConnection implements DatabaseConnection {
  readonly real: DatabaseConnection
  readonly #recorder: Recorder

  constructor(real: DatabaseConnection, recorder: Recorder, phase: () => string) {
    this.real = real
    this.#recorder = recorder
    // What a driver adds to its connections: methods that begin and end transactions.
    for (const key of Reflect.ownKeys(Object.getPrototypeOf(real) as object)) {
      if (key in this) continue
      const method = Reflect.get(real, key) as Method
      const value =
        typeof key === 'symbol'
          ? (...args: unknown[]) => recorder.run(phase(), [], () => method.apply(real, args))
          : method.bind(real)
      Object.defineProperty(this, key, { value, enumerable: false })
    }
  }

  executeQuery<R>(compiled: CompiledQuery, options?: object): Promise<QueryResult<R>> {
    return this.#recorder.run(compiled.sql, compiled.parameters, () => this.real.executeQuery<R>(compiled, options))
  }

  streamQuery<R>(compiled: CompiledQuery, chunkSize: number, options?: object): AsyncIterableIterator<QueryResult<R>> {
    const stream = this.real.streamQuery<R>(compiled, chunkSize, options)
    return this.#recorder.stream(compiled.sql, compiled.parameters, stream)
  }
}
