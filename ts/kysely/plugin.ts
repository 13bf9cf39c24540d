import type {
  CompiledQuery,
  ConnectionProvider,
  DatabaseConnection,
  Kysely,
  KyselyPlugin,
  PluginTransformResultArgs,
  QueryExecutor,
  QueryResult,
  RawBuilder,
  RootOperationNode,
  UnknownRow,
} from 'kysely'

import { parseOptions } from '../config.ts'
import type { CacheOptions, CacheopsOptions, ParsedCacheOptions } from '../config.ts'
import type { Database, Instance } from '../database.ts'
import { Databases } from '../databases.ts'
import { CacheopsError } from '../errors.ts'
import { Events } from '../events.ts'
import type { CacheopsEvents } from '../events.ts'
import { explainRead } from '../explain.ts'
import type { Explanation } from '../explain.ts'
import { invalidateAll, invalidateRow, invalidateTable } from '../invalidate.ts'
import type { InvalidationTarget } from '../invalidate.ts'
import { native } from '../native.ts'
import { warnOfOtherProcesses } from '../other-processes.ts'
import { readAtRoot } from '../read.ts'
import type { ReadRequest, RootRead } from '../read.ts'
import { exportSchema } from '../schema-export.ts'
import type { SchemaFacts } from '../schema-file.ts'
import { openEmbeddedStore } from '../store/embedded.ts'
import { everything } from '../change.ts'
import { CacheOptionsPlugin, explicitOf, installCacheMethods } from './cache-method.ts'
import { watchedOf, WatchedConnection } from './connection.ts'
import { findCopies } from './copies.ts'
import { foreignResult, refuseForeignQuery } from './foreign.ts'
import { extendKysely, interceptExecution, locate, seamPlugin } from './seam.ts'
import type { ConnectionRequest, Execution, SeamHandler } from './seam.ts'

/** Where an invalidation belongs: `db` may be a transaction, whose commit it then waits for. */
export interface InvalidateOptions {
  /** A Kysely instance or transaction. Default: every database that this plugin object has seen. */
  readonly db?: Kysely<any>
}

/** A query that can be explained: a builder, a compiled query, or a raw query. */
export type Explainable = { execute(): Promise<unknown> } | CompiledQuery | RawBuilder<any>

/**
 * The plugin object: the plugin of one or several Kysely instances, and the handle on their cache.
 */
export interface Cacheops<DB = any> extends KyselyPlugin, AsyncDisposable {
  /**
   * Drops the results that depend on a row as it is given. Columns that are left out count as unknown.
   *
   * @throws CacheopsError CACHEOPS_UNKNOWN_TABLE, CACHEOPS_INVALID_ROW
   * @example
   * ```ts
   * await cacheops.invalidateRow('track', { id: 1, album_id: 7 })
   * ```
   */
  invalidateRow<T extends keyof DB & string>(table: T, row: RowOf<DB, T>, options?: InvalidateOptions): Promise<void>
  /**
   * Drops all results that depend on a table.
   *
   * @throws CacheopsError CACHEOPS_UNKNOWN_TABLE
   * @example
   * ```ts
   * await cacheops.invalidateTable('track', { db: trx }) // once trx has committed
   * ```
   */
  invalidateTable(table: keyof DB & string, options?: InvalidateOptions): Promise<void>
  /**
   * Drops all results.
   *
   * @example
   * ```ts
   * await cacheops.invalidateAll()
   * ```
   */
  invalidateAll(options?: InvalidateOptions): Promise<void>
  /**
   * Has the schema facts read again, and drops everything that was cached under older ones. For whoever has changed the
   * schema past Kysely: a migration job, `psql`. Resolves when it is done; while a transaction or a pinned connection is open
   * everything is dropped at once, and the next statement has the facts read. With a transaction as `db`: once it commits.
   *
   * @throws CacheopsError CACHEOPS_INTROSPECTION_FAILED; everything is dropped all the same.
   * @example
   * ```ts
   * await migrateWithAnotherTool()
   * await cacheops.refreshSchema()
   * ```
   */
  refreshSchema(options?: InvalidateOptions): Promise<void>
  /**
   * What is known of a database's schema, as JSON for the option `schema`: a cold start then need not read the catalogs.
   *
   * @param options `db`: the instance, not a transaction of it; needed where the plugin object has seen several databases, or
   * none yet.
   * @throws CacheopsError CACHEOPS_DATABASE_REQUIRED, CACHEOPS_INTROSPECTION_FAILED
   * @example
   * ```ts
   * await writeFile('schema.json', JSON.stringify(await cacheops.exportSchema({ db })))
   * ```
   */
  exportSchema(options?: InvalidateOptions): Promise<SchemaFacts>
  /**
   * Executes a raw query through the cache.
   *
   * @throws CacheopsError when an option is unknown or wrong.
   * @example
   * ```ts
   * const { rows } = await cacheops.run(db, sql<{ n: number }>`select count(*) as n from track`, { timeout: 60 })
   * ```
   */
  run<R>(db: Kysely<any>, query: RawBuilder<R>, options?: CacheOptions): Promise<QueryResult<R>>
  /**
   * Tells what the cache would do with a query, without executing it.
   *
   * @param options `db`: which instance is meant, for a compiled or raw query when there are several.
   * @throws CacheopsError CACHEOPS_DATABASE_REQUIRED
   * @example
   * ```ts
   * const { cacheable, reason, dependencies } = await cacheops.explain(db.selectFrom('track').selectAll().cache())
   * ```
   */
  explain(query: Explainable, options?: InvalidateOptions): Promise<Explanation>
  /**
   * Listens to reads, invalidations and faults. The function that comes back stops listening.
   *
   * @example
   * ```ts
   * const stop = cacheops.on('read', (event) => metrics.count(event.hit ? 'hit' : 'miss'))
   * ```
   */
  on<N extends keyof CacheopsEvents>(name: N, listener: (event: CacheopsEvents[N]) => void): () => void
  /** Ends caching and frees what is kept. The Kysely instances go on without; writes are still seen by other users. */
  close(): Promise<void>
}

/** A row of a table, or a part of one. */
export type RowOf<DB, T extends keyof DB> = DB[T] extends object
  ? { readonly [column in keyof DB[T]]?: unknown }
  : object

/**
 * Makes the plugin.
 *
 * @param options Default: nothing is cached automatically, `.cache()` is allowed everywhere, for one hour, in the memory of
 * this process.
 * @throws CacheopsError when an option is unknown or wrong, or when this version of Kysely is not supported.
 *
 * @example
 * ```ts
 * const cacheops = cacheopsPlugin<DB>({ profiles: { genre: { ops: 'all' } } })
 * const db = new Kysely<DB>({ dialect, plugins: [cacheops] })
 * ```
 */
export function cacheopsPlugin<DB = any>(options: CacheopsOptions<DB> = {}): Cacheops<DB> {
  const config = parseOptions(options as CacheopsOptions, process.env)
  for (const copy of findCopies(config.kysely)) {
    installCacheMethods(copy)
    if (config.installed) extendKysely(copy)
  }
  const events = new Events()
  if (config.installed && !config.storeChosen) warnOfOtherProcesses()
  const instance: Instance = {
    config,
    events,
    store: openEmbeddedStore(config.storeName, config.maxBytes),
    storeHandle: native.openStore(config.storeName),
  }
  return new CacheopsPlugin(instance)
}

/** Answers the one statement that it was made for. */
class CachedConnection implements DatabaseConnection {
  readonly #result: QueryResult<any> | Promise<QueryResult<any>>

  /** @param methods that Kysely looks for before it believes that a statement can be given up */
  constructor(result: QueryResult<unknown> | Promise<QueryResult<unknown>>, methods: readonly PropertyKey[]) {
    this.#result = result
    for (const name of methods) Object.defineProperty(this, name, { value: () => Promise.resolve() })
  }

  executeQuery(): Promise<QueryResult<any>> {
    return Promise.resolve(this.#result)
  }

  streamQuery(): AsyncIterableIterator<QueryResult<any>> {
    throw new Error('a cached result is not streamed')
  }
}

class CacheopsPlugin implements KyselyPlugin, SeamHandler {
  readonly #instance: Instance
  readonly #databases: Databases
  /** A profile asks for caching without `.cache()`. */
  readonly #automatic: boolean
  /** What `.cache()` said where the compiled query does not tell it any more. */
  readonly #explicit = new WeakMap<CompiledQuery, ParsedCacheOptions | false | undefined>()
  #closed = false

  constructor(instance: Instance) {
    this.#instance = instance
    this.#databases = new Databases(instance)
    const { defaults, profiles } = instance.config
    this.#automatic = [defaults, ...profiles.values()].some((profile) => profile !== null && profile.ops.size > 0)
    if (instance.config.installed) Object.defineProperty(this, seamPlugin, { value: this })
  }

  // ---- Kysely's plugin interface

  transformQuery({ node }: { readonly node: RootOperationNode }): RootOperationNode {
    if (this.#instance.config.installed) refuseForeignQuery()
    return node
  }

  transformResult({ queryId, result }: PluginTransformResultArgs): Promise<QueryResult<UnknownRow>> {
    const foreign = this.#instance.config.installed ? foreignResult(queryId) : undefined
    if (foreign === undefined) return Promise.resolve(result)
    invalidateAll(this.#instance, this.#everywhere(), true)
    return Promise.reject(foreign)
  }

  // ---- the seam

  announce({ compiled, plugins }: Execution): void {
    const explicit = explicitOf(compiled, plugins)
    // A plugin behind `.cache()` has rebuilt the node that said it.
    if (explicit !== explicitOf(compiled, [])) this.#explicit.set(compiled, explicit)
  }

  /** NOTE: not async. A hit needs no promise of ours, and an error's stack has room for few frames besides the caller's. */
  acquire<T>(request: ConnectionRequest, consumer: (connection: DatabaseConnection) => Promise<T>): Promise<T> {
    const { execution, plugins, provide, options } = request
    const database = this.#databases.of(request.root, request.executor)
    database.provide = provide
    database.look(provide)
    const acquire = (rootRead?: RootRead): Promise<T> =>
      provide((real) => {
        const connection = new WatchedConnection(
          database,
          real,
          (compiled) => this.#request(compiled, plugins),
          rootRead,
        )
        const pinned = execution === undefined ? 1 : 0
        database.heldConnections += pinned
        // NOTE: not async, for the same reason.
        return consumer(connection.proxy).finally(() => {
          database.heldConnections -= pinned
          connection.release()
        })
      }, options)
    let waited = false
    const withFacts = async (next: () => Promise<T>): Promise<T> => {
      await database.ready(provide)
      waited = true
      return next()
    }
    // Connections are given in the order in which they were asked for: nobody overtakes those who wait for the facts.
    const connect = (rootRead?: RootRead): Promise<T> => {
      const { loading } = database
      const go = (): Promise<T> => acquire(rootRead)
      return waited || loading === undefined ? go() : loading.then(go, go)
    }
    if (execution !== undefined && !database.destroyed && this.#wantsRead(execution)) {
      // Kysely 0.28 asks the plugins in front of ours in here. The stack of what they throw leads to the caller only once
      // whoever awaits the consumer has come to it, which is a step behind when it was not asked at once.
      let atOnce = true
      const serve = (result: QueryResult<unknown>): Promise<T> =>
        consumer(
          new CachedConnection(
            atOnce ? result : Promise.resolve().then(() => result),
            options?.signal === undefined ? [] : database.abortMethods,
          ),
        )
      const read = { ...this.#request(execution.compiled, plugins), signal: options?.signal }
      const served = readAtRoot(database, read, { withFacts, connect, serve })
      atOnce = false
      return served
    }
    const wantsFacts = database.known === undefined || mayWrite(database, execution)
    const go = (): Promise<T> => connect(execution === undefined ? undefined : 'unwanted')
    return wantsFacts && !database.isReady ? withFacts(go) : go()
  }

  destroyed(root: ConnectionProvider, executor: QueryExecutor): void {
    this.#databases.of(root, executor).destroyed = true
  }

  /** Whether the cache should look at a statement before a connection is acquired. */
  #wantsRead({ compiled, plugins }: Execution): boolean {
    const { kind } = compiled.query
    if (kind !== 'SelectQueryNode' && kind !== 'RawNode') return false
    const { explicit } = this.#request(compiled, plugins)
    if (explicit === false) return false
    return explicit !== undefined || this.#automatic || this.#instance.events.has('read')
  }

  #request(compiled: CompiledQuery, plugins: readonly KyselyPlugin[]): ReadRequest {
    // An instance made by withoutPlugins(): its writes are seen, its reads are its own.
    if (this.#closed || !plugins.includes(this)) return { compiled, explicit: false }
    return { compiled, explicit: this.#explicit.get(compiled) ?? explicitOf(compiled, []) }
  }

  // ---- what users call

  async invalidateRow(table: string, row: object, options: InvalidateOptions = {}): Promise<void> {
    invalidateRow(await this.#targets(options), table, row)
  }

  async invalidateTable(table: string, options: InvalidateOptions = {}): Promise<void> {
    invalidateTable(await this.#targets(options), table)
  }

  async invalidateAll(options: InvalidateOptions = {}): Promise<void> {
    invalidateAll(this.#instance, await this.#targets(options), options.db === undefined)
  }

  async refreshSchema(options: InvalidateOptions = {}): Promise<void> {
    const changes = [everything('refreshSchema')]
    for (const { database, state } of await this.#targets(options)) {
      if (state?.inTransaction !== true) {
        await database.refresh()
        continue
      }
      state.schemaChanged = true
      state.hold(changes)
    }
  }

  async exportSchema(options: InvalidateOptions = {}): Promise<SchemaFacts> {
    const [target, ...others] = await this.#targets(options)
    if (target === undefined || target.state !== undefined || others.length > 0) {
      throw new CacheopsError(
        'CACHEOPS_DATABASE_REQUIRED',
        'exportSchema() needs to know whose schema is meant: pass { db }, a Kysely instance with this plugin that is no transaction.',
      )
    }
    return exportSchema(target.database)
  }

  #everywhere(): readonly InvalidationTarget[] {
    return this.#databases.all().map((database) => ({ database, state: undefined }))
  }

  async #targets({ db }: InvalidateOptions): Promise<readonly InvalidationTarget[]> {
    if (db === undefined) return this.#everywhere()
    const executor = db.getExecutor()
    const found = await locate(executor)
    if ('root' in found) return [{ database: this.#databases.of(found.root, executor), state: undefined }]
    const connection = watchedOf(found.connection)
    return connection === undefined ? [] : [{ database: connection.database, state: connection.state }]
  }

  run<R>(db: Kysely<any>, query: RawBuilder<R>, options: CacheOptions = {}): Promise<QueryResult<R>> {
    if (typeof (query as Partial<RawBuilder<R>>)?.withPlugin !== 'function') {
      throw new CacheopsError('CACHEOPS_INVALID_OPTION', 'run() takes a raw query: cacheops.run(db, sql`select …`).')
    }
    return query.withPlugin(new CacheOptionsPlugin(options)).execute(db)
  }

  async explain(query: Explainable, { db }: InvalidateOptions = {}): Promise<Explanation> {
    const found = interceptExecution(() => this.#executeFor(query, db))
    if (found === undefined) {
      throw new CacheopsError(
        'CACHEOPS_DATABASE_REQUIRED',
        'explain() needs to know the Kysely instance of a compiled or raw query: pass { db }, an instance with this plugin.',
      )
    }
    const { executor, execution } = found
    const where = await locate(executor)
    const database = 'root' in where ? this.#databases.of(where.root, executor) : watchedOf(where.connection)!.database
    this.announce(execution)
    const request = this.#request(execution.compiled, execution.plugins)
    // Whoever acquires a connection at the root has the facts read first. But the caller may be inside of a transaction on
    // the only connection, and would wait for itself.
    const mayWait = 'root' in where && !database.isReady && database.heldConnections === 0
    if (mayWait) await executor.provideConnection(() => Promise.resolve())
    return explainRead(database, request, 'connection' in where ? watchedOf(where.connection)?.state.bypass : undefined)
  }

  async #executeFor(query: Explainable, db: Kysely<any> | undefined): Promise<unknown> {
    if ('sql' in query && 'parameters' in query) return db?.executeQuery(query)
    if ('isRawBuilder' in query) return db === undefined ? undefined : query.execute(db)
    return query.execute()
  }

  on<N extends keyof CacheopsEvents>(name: N, listener: (event: CacheopsEvents[N]) => void): () => void {
    return this.#instance.events.on(name, listener)
  }

  close(): Promise<void> {
    this.#closed = true
    this.#instance.store.close()
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** Whether a statement is one whose effects the facts help to narrow down. */
function mayWrite(database: Database, execution: Execution | undefined): boolean {
  if (execution === undefined) return true
  const shape = database.known === undefined ? undefined : database.currentShape(execution.compiled.sql)
  return shape?.kind === 'write' || shape?.read?.writes === true
}
