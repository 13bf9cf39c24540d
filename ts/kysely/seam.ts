/* oxlint-disable typescript/unbound-method -- the methods that are replaced are called with the executor they belong to */

import type {
  CompiledQuery,
  ConnectionProvider,
  DatabaseConnection,
  Kysely,
  KyselyPlugin,
  QueryExecutor,
  QueryId,
  QueryResult,
} from 'kysely'

import { CacheopsError } from '../errors.ts'
import { shared } from '../shared.ts'
import type { KyselyCopy } from './copies.ts'
import { newQueryMarks } from './query-marks.ts'
import type { QueryMarks } from './query-marks.ts'

/**
 * The seam into Kysely. A plugin alone can neither answer a query without the database nor see a commit, so
 * `cacheopsPlugin()` extends three classes that Kysely exports, once per copy of Kysely:
 *
 * - `DefaultQueryExecutor.executeQuery` tells the seam which statement is about to be executed;
 * - `DefaultQueryExecutor.provideConnection` tells it that an executor of ours asks for a connection;
 * - `DefaultConnectionProvider.provideConnection` is where a connection is acquired from the driver. Only what is outside
 *   a transaction arrives there; everything that is executed later runs on the connection that it hands out;
 * - `DefaultQueryExecutor.withoutPlugins` gives an executor whose writes must be seen all the same, and so must those of the
 *   executors that are made from it;
 * - `Kysely.destroy` ends what can be answered without a connection;
 * - `DefaultQueryExecutor.transformQuery` marks that this copy is extended, so that an instance of another copy is
 *   noticed before it executes anything; `executeQuery` and `stream` mark the query itself, so that one which no plugin was
 *   asked about (a compiled query) is noticed by its result.
 *
 * Instances without the plugin are not touched. What is private in Kysely is never read.
 */

/** A statement of an instance with the plugin, before a connection is asked for. */
export interface Execution {
  readonly compiled: CompiledQuery
  readonly plugins: readonly KyselyPlugin[]
}

/** Kysely's options of one execution, which 0.28 does not declare. */
export type ExecutionOptions = { readonly signal?: AbortSignal } | undefined

/** Acquires a connection, gives it to the consumer and takes it back. */
export type Provide = <T>(
  consumer: (connection: DatabaseConnection) => Promise<T>,
  options?: ExecutionOptions,
) => Promise<T>

/** A plugin object of ours, as the seam needs it. */
export interface SeamPlugin extends KyselyPlugin {
  readonly [seamPlugin]: SeamHandler
}

/** What the plugin does with what the seam sees. */
export interface SeamHandler {
  /** A statement is about to be executed, at the root or in a transaction. */
  announce(execution: Execution): void
  /** A connection is asked for at the root. */
  acquire<T>(request: ConnectionRequest, consumer: (connection: DatabaseConnection) => Promise<T>): Promise<T>
  /** An instance is being destroyed: whoever asks it from now on is to hear so. */
  destroyed(root: ConnectionProvider, executor: QueryExecutor): void
}

/** Who asks for a connection at the root, and for what. */
export interface ConnectionRequest {
  readonly root: ConnectionProvider
  /** an executor with the plugin, whose names are those of DB */
  readonly executor: QueryExecutor
  /** of the executor that asks; none if it was made by `withoutPlugins()` */
  readonly plugins: readonly KyselyPlugin[]
  /** the one statement that the connection is for; undefined for a transaction or a pinned connection */
  readonly execution: Execution | undefined
  readonly provide: Provide
  /** the caller's, to be handed to `provide` for what is done in its name */
  readonly options: ExecutionOptions
}

/** The property by which a plugin object of ours is known. */
export const seamPlugin: unique symbol = Symbol.for('cacheops.plugin') as never

/** Whose statements an executor executes. */
interface Owner {
  readonly handler: SeamHandler
  /** the executor with the plugins, whose names are those of DB */
  readonly executor: QueryExecutor
}

interface Acquisition extends Owner {
  /** of the executor that asks */
  readonly plugins: readonly KyselyPlugin[]
  readonly execution: Execution | undefined
  /** asks where this executor's connections come from, without acquiring one */
  readonly locate?: (root: ConnectionProvider) => void
}

type AnyProvider = {
  provideConnection<T>(consumer: (connection: DatabaseConnection) => Promise<T>, options?: ExecutionOptions): Promise<T>
}

/** What the extended methods share, whichever copy of Kysely they are in. */
interface Seam {
  /**
   * Handed from the executor to the connection provider that it calls synchronously, and only that far: an asynchronous
   * gap in between would let another query pick it up.
   */
  pending: Acquisition | undefined
  /** Root providers whose connections are watched, because an instance with the plugin has used them. */
  readonly owners: WeakMap<object, Owner>
  /** Executors made by `withoutPlugins()` from one with the plugin: what they write must be seen all the same. */
  readonly stripped: WeakMap<object, Owner>
  interceptor: ((executor: QueryExecutor, execution: Execution) => void) | undefined
  inExtendedCopy: boolean
  /** Queries that an extended executor was given. */
  readonly executed: QueryMarks
}

/** Methods that make one executor of another. */
const DERIVING = ['withoutPlugins', 'withPlugin', 'withPlugins', 'withPluginAtFront', 'withConnectionProvider'] as const

const seam = shared('seam', (): Seam => ({
  pending: undefined,
  owners: new WeakMap(),
  stripped: new WeakMap(),
  interceptor: undefined,
  inExtendedCopy: false,
  executed: newQueryMarks(),
}))

const seamMark = Symbol.for('cacheops.seam')

/** @param second of an early 0.28, which does not put the query's identity into the compiled query */
function markQuery(compiled: CompiledQuery, second: unknown): void {
  const id = isQueryId(second) ? second : compiled.queryId
  if (isQueryId(id)) seam.executed.mark(id)
}

function isQueryId(value: unknown): value is QueryId {
  return typeof value === 'object' && value !== null && 'queryId' in value
}

function ownerOf(executor: QueryExecutor): Owner | undefined {
  for (const plugin of executor.plugins) {
    if (seamPlugin in plugin) return { handler: (plugin as SeamPlugin)[seamPlugin], executor }
  }
  return seam.stripped.get(executor)
}

function during<T>(acquisition: Acquisition, call: () => T): T {
  const before = seam.pending
  seam.pending = acquisition
  try {
    return call()
  } finally {
    seam.pending = before
  }
}

/** Extends a copy of Kysely, once. */
export function extendKysely(kysely: KyselyCopy): void {
  const executorPrototype = kysely.DefaultQueryExecutor.prototype as QueryExecutor & { [seamMark]?: true }
  if (executorPrototype[seamMark] === true) return
  Object.defineProperty(executorPrototype, seamMark, { value: true })
  const { executeQuery, provideConnection, stream, transformQuery } = executorPrototype
  const providerPrototype = kysely.DefaultConnectionProvider.prototype as AnyProvider
  const provideRoot = providerPrototype.provideConnection
  const kyselyPrototype: Kysely<any> = kysely.Kysely.prototype
  const { destroy } = kyselyPrototype

  replace(
    executorPrototype,
    'executeQuery',
    function (this: QueryExecutor, compiled: CompiledQuery, options?: ExecutionOptions) {
      const owner = ownerOf(this)
      if (owner === undefined) return executeQuery.call(this, compiled, options)
      const execution: Execution = { compiled, plugins: this.plugins }
      if (seam.interceptor !== undefined) {
        seam.interceptor(this, execution)
        return Promise.resolve<QueryResult<unknown>>({ rows: [] })
      }
      markQuery(compiled, options)
      owner.handler.announce(execution)
      // Kysely asks for a connection before anything else, so this reaches the root provider and nobody else. What is asked
      // for later (a connection to cancel an aborted query on) is no longer in the name of this statement.
      const acquisition = { ...owner, plugins: this.plugins, execution }
      return during(acquisition, () => executeQuery.call(this, compiled, options))
    },
  )

  replace(
    executorPrototype,
    'stream',
    function (this: QueryExecutor, compiled: CompiledQuery, chunkSize: number, options?: ExecutionOptions) {
      markQuery(compiled, options)
      return stream.call(this, compiled, chunkSize, options as never)
    },
  )

  replace(
    executorPrototype,
    'provideConnection',
    function (this: QueryExecutor, consumer: never, options?: ExecutionOptions) {
      const owner = seam.pending === undefined ? ownerOf(this) : undefined
      const call = (): Promise<unknown> => provideConnection.call(this, consumer, options)
      return owner === undefined ? call() : during({ ...owner, plugins: this.plugins, execution: undefined }, call)
    },
  )

  replace(
    providerPrototype,
    'provideConnection',
    function (this: ConnectionProvider, consumer: never, options?: ExecutionOptions) {
      const acquisition = seam.pending
      seam.pending = undefined
      if (acquisition !== undefined) {
        if (!seam.owners.has(this))
          seam.owners.set(this, { handler: acquisition.handler, executor: acquisition.executor })
        if (acquisition.locate !== undefined) {
          acquisition.locate(this)
          return Promise.resolve()
        }
      }
      const owner = acquisition ?? seam.owners.get(this)
      if (owner === undefined) return provideRoot.call(this, consumer, options)
      const provide: Provide = (inner, innerOptions) =>
        provideRoot.call(this, inner as never, innerOptions) as Promise<never>
      const { handler, executor } = owner
      const { plugins = [], execution } = acquisition ?? {}
      return handler.acquire({ root: this, executor, plugins, execution, provide, options }, consumer)
    },
  )

  replace(kyselyPrototype, 'destroy', function (this: Kysely<any>, ...args: Parameters<typeof destroy>) {
    const executor = this.getExecutor()
    const owner = ownerOf(executor)
    if (owner !== undefined) {
      locateRoot(executor, owner, (root) => owner.handler.destroyed(root, owner.executor)).catch(() => undefined)
    }
    return destroy.apply(this, args)
  })

  for (const method of DERIVING) {
    const derive = executorPrototype[method] as ((...args: unknown[]) => QueryExecutor) | undefined
    if (derive === undefined) continue
    replace(executorPrototype, method, function (this: QueryExecutor, ...args: unknown[]) {
      const derived = derive.apply(this, args)
      const owner = method === 'withoutPlugins' ? ownerOf(this) : seam.stripped.get(this)
      if (owner !== undefined) seam.stripped.set(derived, owner)
      return derived
    })
  }

  replace(executorPrototype, 'transformQuery', function (this: QueryExecutor, node: never, queryId: never) {
    const before = seam.inExtendedCopy
    seam.inExtendedCopy = true
    try {
      return transformQuery.call(this, node, queryId)
    } finally {
      seam.inExtendedCopy = before
    }
  })
}

/** Whether the executor that asks a plugin right now is of a copy that is extended. */
export function isInExtendedCopy(): boolean {
  return seam.inExtendedCopy
}

/** Whether an extended executor was given a query. One that has no identity is taken for one. */
export function wasSeen(id: QueryId): boolean {
  return !isQueryId(id) || seam.executed.has(id)
}

/** Where an executor's connections come from: the root provider, or the connection of its transaction. */
export async function locate(
  executor: QueryExecutor,
): Promise<{ readonly root: ConnectionProvider } | { readonly connection: DatabaseConnection }> {
  const owner = ownerOf(executor)
  if (owner === undefined) {
    throw new CacheopsError('CACHEOPS_DATABASE_REQUIRED', 'This Kysely instance does not have the cacheops plugin.')
  }
  let root: ConnectionProvider | undefined
  const connection = await locateRoot(executor, owner, (found) => (root = found))
  return root === undefined ? { connection: connection! } : { root }
}

/** Tells synchronously which root provider an executor asks; resolves with the connection of one that has its own. */
async function locateRoot(
  executor: QueryExecutor,
  owner: Owner,
  locate: (root: ConnectionProvider) => void,
): Promise<DatabaseConnection | undefined> {
  let connection: DatabaseConnection | undefined
  await during({ ...owner, plugins: [], execution: undefined, locate }, () =>
    executor.provideConnection((own: DatabaseConnection) => {
      connection = own
      return Promise.resolve()
    }),
  )
  return connection
}

/** Runs something that executes a query, and gives the statement instead of executing it. */
export function interceptExecution(
  execute: () => Promise<unknown>,
): { readonly executor: QueryExecutor; readonly execution: Execution } | undefined {
  let found: { executor: QueryExecutor; execution: Execution } | undefined
  seam.interceptor = (executor, execution) => (found ??= { executor, execution })
  try {
    // What the caller's builder makes of the empty result (`executeTakeFirstOrThrow`) is of no interest.
    execute().catch(() => undefined)
  } finally {
    seam.interceptor = undefined
  }
  return found
}

function replace<T extends object>(target: T, name: keyof T & string, value: unknown): void {
  Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false })
}
