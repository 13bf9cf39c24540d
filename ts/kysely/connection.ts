/* oxlint-disable typescript/unbound-method -- both methods are bound in the constructor */

import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely'

import type { Database } from '../database.ts'
import { dropForPeers, leaveConnection, useConnection } from '../peers.ts'
import { beginReadOnConnection } from '../read.ts'
import type { KeptRead, ReadRequest, RootRead } from '../read.ts'
import { agrees, checkSession } from '../session-check.ts'
import { shared } from '../shared.ts'
import type { ControlShape, Shape } from '../shapes.ts'
import type { Announcement } from '../native.ts'
import { everything } from '../change.ts'
import type { TransactionState } from '../transaction.ts'
import { mayHaveHappened, mayStillHappen } from '../outcome.ts'
import { dropChanges } from '../in-doubt.ts'
import { beginWrite, changeSchema, flush, writeAnything } from '../write.ts'
import { mayFollow, queues, runUnlogged } from './driver.ts'
import { setsOnlyTimeouts, settingOf, settingsCalled } from './settings.ts'
import { tablesOf } from './node-tables.ts'
import type { ExecutionOptions } from './seam.ts'

/** Methods of a driver's connection that cannot touch a transaction. */
const HARMLESS_METHODS = new Set<PropertyKey>(['collectSessionInfo', 'cancelQuery', 'killSession'])

const watched = shared('watched connections', () => new WeakMap<object, WatchedConnection>())

/** The watched connection behind what Kysely was given; undefined for a connection of its own. */
export function watchedOf(connection: DatabaseConnection): WatchedConnection | undefined {
  return watched.get(connection)
}

/**
 * A real connection while somebody holds it. Every statement is looked at: reads may be answered from the cache, writes
 * are invalidated, transactions are followed.
 */
export class WatchedConnection implements ProxyHandler<object> {
  readonly database: Database
  readonly real: DatabaseConnection
  readonly state: TransactionState
  /** What Kysely and drivers get to see. */
  readonly proxy: DatabaseConnection
  readonly #rootRead: RootRead | undefined
  readonly #requestOf: (compiled: CompiledQuery) => ReadRequest

  /**
   * @param rootRead the one read that this connection was acquired for, which the cache could not answer.
   */
  constructor(
    database: Database,
    real: DatabaseConnection,
    requestOf: (compiled: CompiledQuery) => ReadRequest,
    rootRead: RootRead | undefined,
  ) {
    this.database = database
    this.real = real
    this.state = database.stateOf(real)
    this.#rootRead = rootRead
    this.#requestOf = requestOf
    this.executeQuery = this.executeQuery.bind(this)
    this.streamQuery = this.streamQuery.bind(this)
    // NOTE: an empty target. A frozen connection as target would forbid to answer with other methods than its own.
    this.proxy = new Proxy({}, this) as DatabaseConnection
    watched.set(this.proxy, this)
    useConnection(this.state, database)
  }

  get(_target: object, property: PropertyKey): unknown {
    if (property === 'executeQuery') return this.executeQuery
    if (property === 'streamQuery') return this.streamQuery
    // The receiver is the real connection, so that private fields work.
    const value: unknown = Reflect.get(this.real, property, this.real)
    if (typeof value !== 'function' || property === 'constructor') return value
    if (HARMLESS_METHODS.has(property)) return value.bind(this.real)
    return (...args: unknown[]): unknown => this.#callDriver(value as (...args: unknown[]) => unknown, args)
  }

  has(_target: object, property: PropertyKey): boolean {
    return property in this.real
  }

  getPrototypeOf(): object | null {
    return Reflect.getPrototypeOf(this.real)
  }

  set(_target: object, property: PropertyKey, value: unknown): boolean {
    return Reflect.set(this.real, property, value, this.real)
  }

  /** NOTE: one frame. An error's stack has room for few besides the caller's. */
  async executeQuery(compiled: CompiledQuery, options?: ExecutionOptions): Promise<QueryResult<any>> {
    const { database, state, real } = this
    const run = (): Promise<QueryResult<unknown>> => real.executeQuery(compiled, options)
    const asks = this.#asksSession(compiled, options)
    const checking = asks === 'first' ? checkSession(database, real, state) : undefined
    // Kysely cancels what was asked last on a connection.
    if (checking !== undefined && (options?.signal !== undefined || !mayFollow(real, compiled))) {
      await checking
      options?.signal?.throwIfAborted()
    }
    const shape = database.known === undefined ? undefined : database.currentShape(compiled.sql)
    try {
      if (shape === undefined) {
        if (compiled.query.kind === 'SelectQueryNode') return await real.executeQuery(compiled, options)
        if (state.inTransaction) state.uncertain = true
        return await writeAnything(this, 'nothing is known of the database', run)
      }
      switch (this.#kindOf(shape, compiled)) {
        case 'read': {
          const read = this.#beginRead(compiled)
          if (typeof read !== 'function') return read.result
          const executed = real.executeQuery(compiled, options)
          const told = asks === 'behind' ? checkSession(database, real, state) : checking
          const result = await executed
          // NOTE: not if it failed. postgres.js never answers what it has not sent by the time that a connection is lost.
          if (told !== undefined) await told
          read(result)
          return result
        }
        case 'write': {
          const write = beginWrite(this, compiled, options)
          const waits = write.before()
          if (waits !== undefined) await waits
          let result: QueryResult<unknown>
          try {
            let executed: Promise<QueryResult<unknown>>
            try {
              executed = real.executeQuery(write.compiled, options)
            } catch (error) {
              // A driver that throws at once, as Kysely 0.28's for SQLite does: what follows must be sent all the same.
              executed = Promise.reject(error)
            }
            write.after()
            result = await executed
          } catch (error) {
            if (checking !== undefined) await checking
            return await write.failed(error)
          }
          if (checking !== undefined) await checking
          // A replica that was written to has been promoted.
          if (database.factsMayLag) state.session = undefined
          return await write.done(result)
        }
        case 'ddl':
          return await changeSchema(this, run)
        case 'control':
          return await this.#control(shape.control!, compiled, run, checking)
        case 'session':
          this.#session(shape, compiled)
          return await real.executeQuery(compiled, options)
        case 'lock':
          state.stopUsing('lock')
          return await real.executeQuery(compiled, options)
        case 'inert':
          return await real.executeQuery(compiled, options)
        case 'unparsed':
          return await this.#writeUnparsed(shape, compiled, run)
        default:
          return await writeAnything(this, 'a statement of an unknown kind', run)
      }
    } catch (error) {
      this.#statementFailed(compiled, error)
      throw error
    }
  }

  /**
   * Whether a connection that has not told its session is asked in front of a statement; or, where that is each time, behind it, which
   * costs no further round trip; or not at all, because nothing will be made of the answer.
   */
  #asksSession({ sql }: CompiledQuery, options: ExecutionOptions | undefined): 'first' | 'behind' | 'never' {
    const { database, real } = this
    if (this.#rootRead === undefined || database.known === undefined || !queues(real)) return 'first'
    const { kind, read } = database.currentShape(sql)
    if (kind !== 'read' || read?.writes !== false || read.session) return 'first'
    if (typeof this.#rootRead === 'string') return 'never'
    return options?.signal === undefined ? 'behind' : 'first'
  }

  #statementFailed({ sql }: CompiledQuery, error: unknown): void {
    const { database, state } = this
    database.suspect(sql, error)
    if (database.known?.dialect === 'sqlite') {
      // SQLite may have rolled the whole transaction back, and what follows then commits by itself.
      if (state.inTransaction) state.uncertain = true
    } else state.statementFailed()
  }

  /** What a statement is to be treated as; notes what a read does besides reading. */
  #kindOf({ kind, read, unparsed }: Shape, compiled: CompiledQuery): Shape['kind'] {
    if (unparsed?.read === true) return 'read'
    if (kind !== 'read' || read === undefined) return kind
    if (read.locks) this.state.stopUsing('lock')
    if (read.session && !setsOnlyTimeouts(compiled.sql)) {
      const { name, local } = settingsCalled(compiled.sql)
      this.#sessionChanged(name, local)
    }
    return read.writes ? 'write' : 'read'
  }

  #beginRead(compiled: CompiledQuery): KeptRead | ((result: QueryResult<unknown>) => void) {
    const { database, state } = this
    const rootRead = this.#rootRead
    if (rootRead === undefined || rootRead === 'unwanted') {
      const own = rootRead === 'unwanted' || agrees(database, state)
      const bypass = state.bypass ?? (own ? undefined : 'other_session')
      return beginReadOnConnection(database, this.#requestOf(compiled), bypass)
    }
    if (rootRead === 'bypassed' || state.bypass !== undefined) return () => {}
    return (result) => {
      if (agrees(database, state)) rootRead.fill(database, result)
      else rootRead.reason = 'other_session'
    }
  }

  #writeUnparsed(
    shape: Shape,
    compiled: CompiledQuery,
    run: () => Promise<QueryResult<unknown>>,
  ): Promise<QueryResult<unknown>> {
    const { database, state } = this
    const reason = `a statement that cannot be read: ${shape.unparsed!.detail}`
    const tables = tablesOf(compiled.query, database.known!)
    if (tables !== undefined) return writeAnything(this, reason, run, tables)
    database.instance.events.warn(
      `cacheops cannot read a statement and drops everything whenever it is executed: ${compiled.sql.slice(0, 200)}`,
    )
    // It may contain a BEGIN or a COMMIT.
    state.uncertain = true
    return writeAnything(this, reason, run)
  }

  #session(shape: Shape, compiled: CompiledQuery): void {
    const { detail, harmless, snapshot } = shape.session!
    if (snapshot) this.state.stopUsing('snapshot')
    else if (!harmless) this.#sessionChanged(detail, /^\s*set\s+local\b[^;]*;?\s*$/i.test(compiled.sql))
  }

  #sessionChanged(detail: string, local: boolean): void {
    const { database, state } = this
    state.stopUsing('session')
    const setting = settingOf(detail)
    state.settingsChanged ||= setting.changesWrites
    if (local && state.inTransaction) return
    database.settingsChanged ||= setting.changesWrites
    database.namesChanged ||= setting.changesNames
    if (database.sessionChanged === undefined && database.instance.config.vary === undefined) {
      database.instance.events.warn(
        `cacheops stops caching for this Kysely instance: ${detail} changes what the same query means on a connection that ` +
          `others use later. ${database.known?.dialect === 'sqlite' ? 'Set it on the connection before Kysely uses it' : 'Set it inside a transaction (SET LOCAL)'}, or give the option \`vary\`.`,
      )
    }
    database.sessionChanged = detail
  }

  async #control(
    control: ControlShape,
    compiled: CompiledQuery,
    run: () => Promise<QueryResult<unknown>>,
    checking: Promise<void> | undefined,
  ): Promise<QueryResult<unknown>> {
    const { database, state } = this
    const sqlite = database.known!.dialect === 'sqlite'
    if (control.verb === 'commit') return this.#commit(control.chain === true, run)
    // A transaction that was prepared may have been begun anywhere, and be finished here.
    if (control.verb === 'other') state.hold([everything('a transaction that is finished elsewhere')])
    // SQLite: releasing the savepoint that began the transaction commits it.
    const commits = control.verb === 'other' || (control.verb === 'release' && sqlite)
    const announced = commits ? database.announce(state.held) : undefined
    let result: QueryResult<unknown>
    try {
      result = await run()
      if (checking !== undefined) await checking
    } catch (error) {
      if (control.verb === 'other' && mayHaveHappened(error, compiled.sql)) {
        this.#dropHeld(error, announced)
        state.end('uncertain')
      } else database.retract(announced)
      if (control.verb === 'rollback') flush(database, state.end('uncertain'), false)
      throw error
    }
    switch (control.verb) {
      case 'begin':
        // SQLite begins none inside another, so one that was thought to be open is not.
        if (sqlite && state.inTransaction) this.#flushHeld('none')
        if (!state.inTransaction) state.begin(control.snapshot ?? !database.known!.facts.freshStatements)
        break
      case 'rollback': {
        const { schemaChanged, leftOpen } = state
        const undone = state.end(control.chain === true ? 'open' : 'none')
        dropForPeers(database, undone, { schemaChanged, leftOpen })
        break
      }
      case 'savepoint':
        // SQLite: outside of a transaction a savepoint begins one, and releasing it commits.
        if (sqlite && !state.inTransaction) state.begin(true, true)
        state.savepoint(control.name ?? '')
        break
      case 'rollback_to':
        dropForPeers(database, state.rollbackTo(control.name ?? ''), state)
        break
      case 'release':
        state.releaseSavepoint(control.name ?? '')
        if (state.releasedAll) this.#flushHeld('none', announced)
        else database.retract(announced)
        break
      default:
        this.#flushHeld('uncertain', announced)
    }
    return result
  }

  async #commit(chain: boolean, run: () => Promise<QueryResult<unknown>>): Promise<QueryResult<unknown>> {
    const { database, state } = this
    const announced = database.announce(state.held)
    let result: QueryResult<unknown>
    try {
      result = await run()
    } catch (error) {
      // Committed or not: nobody knows. What is dropped too much is only slow.
      this.#dropHeld(error, announced)
      // SQLite leaves the transaction open when its COMMIT fails; PostgreSQL never does.
      if (database.known?.dialect !== 'sqlite') state.end('uncertain')
      throw error
    }
    this.#flushHeld(chain ? 'open' : 'none', announced)
    return result
  }

  #flushHeld(next: 'none' | 'open' | 'uncertain', announced?: Announcement): void {
    const { database, state } = this
    const { schemaChanged } = state
    flush(database, state.end(next), schemaChanged, announced)
  }

  /** Nobody has told whether what is held is committed. */
  #dropHeld(error: unknown, announced: Announcement | undefined): void {
    const { database, state } = this
    const { held, schemaChanged } = state
    dropChanges(this, held, error, announced, (given) => flush(database, held, schemaChanged, given))
  }

  /** A method that only the driver knows: it may begin a transaction, or end the one that is open. */
  #callDriver(method: (...args: unknown[]) => unknown, args: unknown[]): unknown {
    const { state, real } = this
    if (state.mode === 'none') state.mode = 'opaque'
    if (state.held.length === 0) return method.apply(real, args)
    return this.#endByDriver(method, args)
  }

  async #endByDriver(method: (...args: unknown[]) => unknown, args: unknown[]): Promise<unknown> {
    const { database, state, real } = this
    const id = state.transactionId
    const announced = database.announce(state.held)
    try {
      return await method.apply(real, args)
    } finally {
      const fate = id === undefined ? undefined : await this.#fateOf(id)
      if (fate === 'aborted' || fate === 'in progress') database.retract(announced)
      if (fate === 'aborted') state.end()
      else if (fate !== 'in progress') this.#flushHeld(fate === undefined ? 'uncertain' : 'none', announced)
    }
  }

  /** What became of a PostgreSQL transaction; undefined if that cannot be told. */
  async #fateOf(id: string): Promise<unknown> {
    try {
      const [row] = await runUnlogged(this.real, 'select pg_xact_status($1::text::xid8) as status', [id])
      return row?.['status'] ?? undefined
    } catch {
      return undefined
    }
  }

  async *streamQuery(
    compiled: CompiledQuery,
    chunkSize: number,
    options?: ExecutionOptions,
  ): AsyncIterableIterator<any> {
    const { database, real, state } = this
    const shape = database.known === undefined ? undefined : database.currentShape(compiled.sql)
    const kind = shape === undefined ? 'unknown' : this.#kindOf(shape, compiled)
    if (shape === undefined && state.inTransaction) state.uncertain = true
    if (kind === 'write') {
      // What a connection writes that has not told of its session may be anything.
      await checkSession(database, real, state)
      options?.signal?.throwIfAborted()
    }
    const settle = this.#beginStream(kind, compiled)
    let failure: unknown
    let isOver = false
    try {
      yield* real.streamQuery(compiled, chunkSize, options)
      isOver = true
    } catch (error) {
      isOver = true
      failure = error
      this.#statementFailed(compiled, error)
      throw error
    } finally {
      // Also when the caller stops half-way: PostgreSQL has changed all rows before it gives the first.
      if (settle !== undefined && !isOver) failure = await this.#endStream()
      await settle?.(failure)
    }
  }

  /**
   * NOTE: postgres.js does not wait for the end of a stream that its caller leaves, and the server commits then. What is asked behind it is
   * answered after that.
   */
  async #endStream(): Promise<unknown> {
    const { real, state } = this
    if (!queues(real) || !state.mayAutocommit) return undefined
    return runUnlogged(real, 'SELECT 1').then(
      () => undefined,
      (error: unknown) => error,
    )
  }

  /** Announces what a stream may write; gives what makes it come true, once the stream is over in whatever way. */
  #beginStream(
    kind: Shape['kind'] | 'unknown',
    compiled: CompiledQuery,
  ): ((failure: unknown) => Promise<unknown>) | undefined {
    if (kind === 'read' || kind === 'inert') return undefined
    if (kind === 'write') {
      const write = beginWrite(this, compiled, undefined, 'without images')
      return (failure) =>
        failure !== undefined && mayStillHappen(failure) ? quietly(write.failed(failure)) : write.done({ rows: [] })
    }
    const { promise: over, resolve: end, reject: fail } = Promise.withResolvers<QueryResult<unknown>>()
    const written = quietly(
      kind === 'ddl' ? changeSchema(this, () => over) : writeAnything(this, 'a streamed statement', () => over),
    )
    return (failure) => {
      if (failure === undefined) end({ rows: [] })
      else fail(failure)
      return written
    }
  }

  /** The holder gives the connection back. */
  release(): void {
    const { database, state } = this
    if (state.mode === 'open' && state.transactionId === undefined) {
      // Begun by a raw statement and still open: whoever uses the connection next may commit it.
      database.invalidate(state.held)
    } else if (state.held.length > 0 || state.schemaChanged) this.#flushHeld('none')
    else state.end()
    const open = state.mode === 'open'
    if (!open) leaveConnection(state)
    if (open !== state.leftOpen) {
      state.leftOpen = open
      database.openTransactions += open ? 1 : -1
    }
  }
}

/** Its error is the caller's already. */
function quietly(work: Promise<unknown>): Promise<unknown> {
  return work.catch(() => undefined)
}
