import type { DatabaseConnection, QueryExecutor } from 'kysely'

import type { Config } from './config.ts'
import { dropAndReport } from './drops.ts'
import { CacheopsError, factsFailed } from './errors.ts'
import type { Events } from './events.ts'
import { stoppingMethodsOf } from './kysely/cached-connection.ts'
import type { StoppingMethod } from './kysely/cached-connection.ts'
import { dialectOf, learnDrivers, runUnlogged } from './kysely/driver.ts'
import { askDatabase, introspect, withValues } from './kysely/introspect.ts'
import type { DatabaseFacts, DialectName, Facts, RunSql } from './kysely/introspect.ts'
import { Names } from './kysely/names.ts'
import { forbiddenIdentity } from './kysely/postgres-identity.ts'
import type { Provide } from './kysely/seam.ts'
import { NamedTables } from './named-tables.ts'
import { BindCode, native } from './native.ts'
import type { Announcement, DatabaseHandle, StoreHandle } from './native.ts'
import { isOlder, isSignedBy, noteSet, signed } from './own-facts.ts'
import { encode, encodeContext, takeKey, UnencodableParameter } from './parameters.ts'
import { joinPeers } from './peers.ts'
import { Profiles } from './profiles.ts'
import { readFirst } from './schema-file.ts'
import { SchemaWatch, tellsOfChange } from './schema-watch.ts'
import { notePrimary, primaryOf } from './replicas.ts'
import { ShapeCache } from './shape-cache.ts'
import type { Shape } from './shapes.ts'
import type { Bound, Store } from './store/store.ts'
import { TransactionState } from './transaction.ts'
import type { Change } from './transaction.ts'

/** What a plugin object shares among its databases. */
export interface Instance {
  readonly config: Config
  readonly events: Events
  readonly store: Store
  readonly storeHandle: StoreHandle
}

/** After facts could not be read: how long queries go uncached before they are asked for again. */
const FACTS_RETRY_MS = 30_000
/** How often facts are read anew because the schema changed meanwhile; then queries go uncached until the next one asks. */
const FACTS_ATTEMPTS = 5
/** What a connection wrote whose triggers are not those of the facts. */
const FOREIGN = { everything: 'a connection that differs from the one whose facts are known' }
/** No epoch of the core. */
const NOT_READ = -1

/** What is made of a text that cannot even be planned: it may write anything. */
const UNPLANNED: Shape = {
  id: -1,
  parameters: 0,
  kind: 'unparsed',
  unparsed: { read: false, detail: 'it could not be planned' },
}

/**
 * One database as one plugin object sees it: its schema facts, its planned texts, its connections.
 */
export class Database {
  readonly instance: Instance
  /** with the plugin, at the root */
  readonly executor: QueryExecutor
  /** Connections seen with a transaction that was begun by a raw statement and is still open. */
  openTransactions = 0
  /** Why nothing is cached any more: session state was changed on a connection that others use later. */
  sessionChanged: string | undefined
  /** A setting was changed, for good, that may decide which table a name means, what may be read, or how values are written. */
  settingsChanged = false
  /** It decides which table a name means: not even `vary` can cover that. */
  namesChanged = false

  /** Transactions and pinned connections that somebody holds now. */
  heldConnections = 0
  /** SQLite: its driver has told how many rows a write changed, so that 0 means none. */
  driverCounts = false
  /** of the driver's connections, as the first one had them */
  stoppingMethods: readonly StoppingMethod[] | undefined
  /** The Kysely instance was destroyed: its next query asks for a connection, and hears so. */
  destroyed = false

  readonly #named: NamedTables
  readonly #states = new WeakMap<DatabaseConnection, TransactionState>()
  readonly #shapes = new ShapeCache()
  readonly #watch: SchemaWatch
  #known: Known | undefined
  /** how often the schema is known to have changed */
  #changes = 0
  #loading: { readonly promise: Promise<void>; done: boolean } | undefined
  #retryAt = 0
  #foreignFacts = false
  /** Connections of a replica were seen among others. */
  #mixed = false
  #shapesEpoch = -1

  constructor(instance: Instance, executor: QueryExecutor) {
    this.instance = instance
    this.executor = executor
    this.#named = new NamedTables(instance.events)
    this.#watch = new SchemaWatch(instance.config.schemaCheck)
  }

  /** What is known of the database; undefined until it has been asked once. */
  get known(): Known | undefined {
    return this.#known
  }

  get handle(): DatabaseHandle | undefined {
    return this.#known?.handle
  }

  get sharesConnections(): boolean {
    return this.#known === undefined || !this.#known.facts.server.startsWith('PostgreSQL')
  }

  /** The database whatever the session, by which instances on one connection know each other. */
  get base(): DatabaseHandle | undefined {
    return this.#known?.base
  }

  /** Reads may see what is older than a write that has returned: they may be answered, but never be kept. */
  get isReplica(): boolean {
    return this.instance.config.replica || this.#mixed || this.factsMayLag
  }

  /** The facts were read on a replica: the schema may have been changed since, so they tell nothing of a write. */
  get factsMayLag(): boolean {
    return this.#known?.facts.origin?.inRecovery === true
  }

  /** Some connections of this instance are those of a replica. */
  servesReplicas(): void {
    this.#mixed = true
    this.instance.events.warn(
      'cacheops keeps no results of a Kysely instance: some of its connections are those of a replica, which may be behind. ' +
        'Say so with the option `replica: true`, and give the primary a Kysely instance of its own.',
    )
  }

  /** Whether the facts are known, those of now, and not older than they may be. */
  get isReady(): boolean {
    return !this.#watch.overdue && this.#agrees
  }

  /** Whether the facts are known, and nobody has dropped them or set others. */
  get #agrees(): boolean {
    return this.#known !== undefined && this.#known.epoch === native.factsEpoch(this.#known.handle)
  }

  /**
   * The facts were read on a connection that has other temporary objects, functions or attached databases than this one:
   * nothing is cached, and a write may have done anything. True until facts are read here.
   */
  get hasForeignFacts(): boolean {
    return this.#foreignFacts
  }

  /** The transaction state of a real connection. */
  stateOf(connection: DatabaseConnection): TransactionState {
    let state = this.#states.get(connection)
    if (state === undefined) {
      this.#states.set(connection, (state = new TransactionState()))
      this.stoppingMethods ??= stoppingMethodsOf(connection)
    }
    return state
  }

  /**
   * Reads the schema facts unless they are known, on a connection of its own: never inside a user's transaction, never by
   * acquiring a second connection while one is held.
   *
   * @throws CacheopsError CACHEOPS_UNSUPPORTED_DATABASE. Any other failure is reported, and nothing is cached meanwhile.
   */
  ready(provide: Provide): Promise<void> {
    const loading = this.#loading
    if (loading !== undefined && (!loading.done || this.isReady)) return loading.promise
    if (this.isReady || this.hasFailed) return Promise.resolve()
    const promise = this.#load(provide).finally(() => {
      started.done = true
      // NOTE: not at once. What comes now must not overtake what has waited.
      setImmediate(() => {
        if (this.#loading === started) this.#loading = undefined
      })
    })
    const started = { promise, done: false }
    this.#loading = started
    return started.promise
  }

  /** What statements wait for that need the facts. */
  get loading(): Promise<void> | undefined {
    return this.#loading?.promise
  }

  async #load(provide: Provide): Promise<void> {
    const dialect = dialectOf(this.executor.adapter)
    try {
      if (dialect === 'sqlite') await learnDrivers()
      await this.#watch.asking
      if (this.isReady) return
      await provide((connection) => this.#introspect(dialect, connection))
    } catch (error) {
      if (error instanceof CacheopsError && error.code === 'CACHEOPS_UNSUPPORTED_DATABASE') throw error
      this.#notRead(error)
    }
  }

  #notRead(cause: unknown): void {
    this.#retryAt = performance.now() + FACTS_RETRY_MS
    this.instance.events.fault(cause instanceof CacheopsError ? cause : factsFailed(cause), 'introspection')
  }

  /**
   * Looks at the clock, for whoever uses the database. When it is time to ask whether somebody else has changed the schema,
   * that is asked while everybody goes on; when it is long past time, whoever needs the facts waits ({@link ready}).
   *
   * @param provide acquires a connection; undefined for one who holds one himself, and must not ask for another.
   */
  look(provide: Provide | undefined): void {
    const watch = this.#watch
    if (!watch.look() || watch.overdue || watch.asking !== undefined || provide === undefined) return
    if (!this.#agrees || this.destroyed || this.#loading?.done === false || this.hasFailed) return
    watch.asking = provide(async (connection) => {
      if (!this.stateOf(connection).inTransaction) await this.#hasChanged(runUnlogged.bind(undefined, connection))
    })
      .catch((error: unknown) => {
        if (!this.destroyed) this.#notRead(error)
      })
      .finally(() => (watch.asking = undefined))
  }

  /** A statement failed: the facts may be older than the schema. */
  suspect(sql: string, error: unknown): void {
    if (this.#known !== undefined && tellsOfChange(error)) this.#watch.suspect(sql)
  }

  /** Whether facts must be read again; if somebody else has changed the schema, they are dropped. */
  async #hasChanged(run: RunSql): Promise<boolean> {
    const known = this.#known!
    const askedAt = Date.now()
    const head = await askDatabase(known.dialect, run)
    // Who dropped them meanwhile, or read them anew, knows more.
    if (this.#known !== known || !this.#agrees) return true
    const { identity, changes, session } = known.facts
    if (head.identity === identity && head.changes === changes && head.session === session) {
      this.#watch.trust(askedAt)
      return false
    }
    this.schemaChanged('somebody else has changed the schema')
    return true
  }

  /** Facts were asked for in vain, not long ago. */
  get hasFailed(): boolean {
    return performance.now() < this.#retryAt
  }

  /**
   * Drops everything and has the facts read again. While somebody holds a connection nobody waits for another: it may be the
   * only one, and the caller's; then the next statement has them read.
   *
   * @throws CacheopsError CACHEOPS_INTROSPECTION_FAILED
   */
  async refresh(): Promise<void> {
    this.schemaChanged('refreshSchema')
    if (this.heldConnections > 0 || this.destroyed) return
    await this.executor.provideConnection(() => Promise.resolve())
    if (this.hasFailed) throw factsFailed()
  }

  async #introspect(dialect: DialectName, connection: DatabaseConnection): Promise<void> {
    // A raw transaction is open on the only connection: its snapshot and its fate are not ours to use.
    if (this.stateOf(connection).inTransaction) return
    const run = runUnlogged.bind(undefined, connection)
    if (this.#agrees && !(await this.#hasChanged(run))) return
    const { config, events } = this.instance
    const first = this.#known === undefined
    const declared = this.#declared()
    for (let attempt = 0; attempt < FACTS_ATTEMPTS; attempt++) {
      const epoch = this.#known === undefined ? 0 : native.factsEpoch(this.#known.handle)
      const changes = this.#changes
      const askedAt = Date.now()
      const found = await (first ? readFirst(config.schema, events, dialect, run) : introspect(dialect, run))
      const known = await this.#understand(dialect, await withValues(dialect, run, found))
      // Who has read the facts of another state of the schema may have kept results of it.
      const shared =
        native.hasFacts(known.handle) &&
        native.factsEpoch(known.handle) === epoch &&
        [declared, found.changes].every((signature) => isSignedBy(known.handle, signature))
      if (this.#known === undefined) joinPeers(known.base)
      this.stateOf(connection).session = found.told
      // Of two connections that differ, the one that came last is served: the other may have been closed.
      const foreign = shared && !isSignedBy(known.handle, known.facts.connection)
      this.#foreignFacts = foreign && !first
      if (this.#foreignFacts) this.#warnOfForeignFacts()
      const json = JSON.stringify(signed(known.facts.facts, [known.facts.connection, declared, found.changes]))
      const keep = shared && (foreign ? this.#foreignFacts : !isOlder(known.handle, epoch, json))
      // Refused: facts were set or dropped while these were read, so they may be the old ones.
      const accepted = changes === this.#changes && (keep || native.setFacts(known.handle, json, epoch))
      if (accepted && !keep) noteSet(known.handle, json)
      this.#known = { ...known, epoch: accepted ? native.factsEpoch(known.handle) : NOT_READ }
      this.#shapes.clear()
      if (accepted) return this.#watch.trust(askedAt)
    }
  }

  #warnOfForeignFacts(): void {
    this.instance.events.warn(
      'cacheops stops caching for a Kysely instance: another connection to the same database has other temporary objects, ' +
        'functions or attached databases. Give all connections the same, or keep the plugin to one of them.',
    )
  }

  /** What the options say of triggers and functions; null if nothing. */
  #declared(): string | null {
    const { triggers, functions } = this.instance.config
    return triggers.size + functions.size === 0 ? null : JSON.stringify([[...triggers], [...functions]])
  }

  async #understand(dialect: DialectName, found: DatabaseFacts): Promise<Known> {
    const { config, storeHandle } = this.instance
    const identity = config.database === undefined ? found.identity : `named:${config.database}`
    const names = await Names.of(dialect, found.facts, this.executor.plugins)
    const lookup = this.#named.in(names)
    const facts = names.declare(found.facts, config, lookup)
    const { origin, view } = found
    if (identity === '') throw forbiddenIdentity()
    const base = native.openDatabase(storeHandle, identity, dialect)
    if (origin?.inRecovery === false) notePrimary(base, origin.started, this.#known?.facts.origin?.started)
    return {
      epoch: NOT_READ,
      base,
      handle: native.openDatabase(storeHandle, identity, dialect, view),
      dialect,
      facts: { ...found, facts },
      found: found.facts,
      names,
      profiles: new Profiles(config, names, lookup),
      context: this.#contextOf(found, origin?.started),
      attached: found.attached.map((other) => native.openDatabase(storeHandle, other, dialect)),
    }
  }

  /** The plan of a text; undefined while nothing is known of the database. */
  shape(sql: string): Shape | undefined {
    try {
      return this.#shapes.get(sql, this.#known?.handle)
    } catch (error) {
      this.instance.events.fault(error, 'planning a text')
      return UNPLANNED
    }
  }

  /** The plan of a text by the facts of now; another instance may have had them read again. */
  currentShape(sql: string): Shape {
    const epoch = native.factsEpoch(this.#known!.handle)
    if (epoch !== this.#shapesEpoch) {
      this.#shapes.clear()
      this.#shapesEpoch = epoch
      const { handle, facts } = this.#known!
      this.#foreignFacts ||= native.hasFacts(handle) && !isSignedBy(handle, facts.connection)
    }
    return this.shape(sql)!
  }

  /**
   * The key of a read and the state of what it depends on; or why there is none.
   */
  bind(shape: Shape, parameters: readonly unknown[]): Bound | { readonly reason: string; readonly code: number } {
    const context = this.#context()
    if (context === undefined) return { reason: 'replica', code: BindCode.notARead }
    let token: number
    try {
      token = native.bind(shape.id, encode(context, parameters))
    } catch (error) {
      if (error instanceof UnencodableParameter) return { reason: error.message, code: BindCode.badParameters }
      throw error
    }
    if (token >= 0) return { key: takeKey(), token }
    return { reason: reasonOf[token] ?? 'unknown', code: token }
  }

  /** What keys begin with; undefined for a replica of a primary that is not known. */
  #context(): Uint8Array | undefined {
    const { vary } = this.instance.config
    const { context: own, facts, base } = this.#known!
    let context: Uint8Array | undefined = own
    if (this.isReplica && facts.origin !== undefined) {
      const started = primaryOf(base)
      context = started === undefined ? undefined : this.#contextOf(facts, started)
    }
    if (vary === undefined || context === undefined) return context
    return Buffer.concat([context, encodeContext([vary()])])
  }

  /** @param started of the server whose results are meant: its copies share its identity, but must not share them */
  #contextOf({ fingerprint }: DatabaseFacts, started: string | undefined): Uint8Array {
    const { prefix, database } = this.instance.config
    return encodeContext([fingerprint, prefix, database === undefined ? started : undefined])
  }

  /** The schema has changed: facts are asked for again, and nothing that was cached is trusted. */
  schemaChanged(reason: string): void {
    this.#shapes.clear()
    this.#retryAt = 0
    this.#changes++
    this.#watch.changed()
    if (this.#known === undefined) return
    // What only this connection has may have changed, and others may read the facts before it does.
    this.#foreignFacts ||= this.#known.facts.connection !== null
    const { handle, attached } = this.#known
    for (const each of [handle, ...attached]) native.dropFacts(each)
    dropAndReport(this, () => native.invalidateDatabase(handle, reason), this.#known.facts.facts.attached)
  }

  /**
   * Announces changes that may become visible from now on: whoever invalidates before they are drops them as well.
   * Undefined before anything is known of the database.
   */
  announce(changes: readonly Change[]): Announcement | undefined {
    const handle = this.#known?.handle
    if (handle === undefined || changes.length === 0) return undefined
    const all = changes.some((change) => 'everything' in change)
    // NOTE: what is no list of changes stands for everything.
    return native.announceChanges(handle, all ? 'everything' : join(changes))
  }

  /** Takes an announcement back: the changes have not happened. */
  retract(announced: Announcement | undefined): void {
    if (announced !== undefined) native.retract(this.#known!.handle, announced)
  }

  /** Drops what changes can affect. They have been committed, or may have been. */
  invalidate(changes: readonly Change[], announced?: Announcement): void {
    if (changes.length === 0 && announced === undefined) return
    const handle = this.#known?.handle
    const all = this.#foreignFacts ? FOREIGN : changes.find((change) => 'everything' in change)
    if (handle === undefined) native.invalidateStore(this.instance.storeHandle)
    else {
      const drop = (): string =>
        all === undefined
          ? native.invalidate(handle, join(changes), announced)
          : native.invalidateDatabase(handle, all.everything)
      dropAndReport(this, drop, this.#mayWriteBeyond)
      if (all !== undefined) this.retract(announced)
    }
  }

  /** A write of anything may have been one of an attached database, which may be another instance's own. */
  get #mayWriteBeyond(): boolean {
    const { dialect, facts } = this.#known!
    return facts.facts.attached || (dialect === 'sqlite' && !this.#agrees)
  }
}

/** What has been learnt of a database. */
export interface Known {
  /** of the core's facts that this agrees with */
  readonly epoch: number
  /** the database, whatever the session */
  readonly base: DatabaseHandle
  /** as sessions with these facts see it */
  readonly handle: DatabaseHandle
  readonly dialect: DialectName
  readonly facts: DatabaseFacts
  /** what the database itself said, without what the options declare */
  readonly found: Facts
  readonly names: Names
  readonly profiles: Profiles
  /** what every key of this database begins with */
  readonly context: Uint8Array
  /** databases that are attached here and may be another instance's own */
  readonly attached: readonly DatabaseHandle[]
}

const reasonOf: Readonly<Record<number, string>> = {
  [BindCode.staleShape]: 'schema_changed',
  [BindCode.noFacts]: 'no_facts',
  [BindCode.badParameters]: 'parameters',
  [BindCode.notARead]: 'not_a_read',
  [BindCode.inDoubt]: 'write_in_flight',
}

/** One JSON array out of several. */
function join(changes: readonly Change[]): string {
  const inner = changes.map((change) => ('json' in change ? change.json.trim().slice(1, -1) : ''))
  return `[${inner.filter((change) => change !== '').join(',')}]`
}
