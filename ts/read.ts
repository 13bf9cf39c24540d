/**
 * FLOW 1, a read: plan → what the profiles say → key and stamps → the store → the database → the store.
 *
 * The order is what keeps results fresh: the stamps are taken after the read began and before the database is asked, and
 * the result is kept under exactly those. A write that returns in between drops a stamp, so that the entry is dead on
 * arrival.
 */

import type { CompiledQuery, QueryResult } from 'kysely'

import type { Op, ParsedCacheOptions, Seconds } from './config.ts'
import type { BoundNow, Database } from './database.ts'
import { CacheopsError } from './errors.ts'
import { areUnchanged, snapshotOf } from './parameters.ts'
import { copyOf, keep } from './rows.ts'
import type { KeptResult } from './rows.ts'
import type { ReadShape, Shape } from './shapes.ts'
import type { Bound } from './store/store.ts'

/** A statement that may be a read, and what its `.cache()` or `.nocache()` said. */
export interface ReadRequest {
  readonly compiled: CompiledQuery
  /** `false`: `.nocache()`; undefined: nothing was said */
  readonly explicit: ParsedCacheOptions | false | undefined
  /** the caller may stop waiting */
  readonly signal?: AbortSignal | undefined
}

/** A read that may be answered from the cache, or kept there. */
interface Cacheable {
  readonly shape: Shape
  readonly op: Op
  readonly bound: BoundNow
  readonly timeout: Seconds
  /** a replica's: it may be answered, but not kept */
  readonly replica: boolean
  /** what the key was made of */
  readonly parameters: readonly unknown[]
}

/** A read that goes to the database. */
interface Bypassed {
  readonly shape: Shape | undefined
  readonly op: Op | undefined
  readonly reason: string
}

/** What is done about a read, and why. */
export type Decision = Cacheable | Bypassed

/** A read that the cache did not answer: what its result may be kept under. */
export class Miss {
  readonly bound: Bound
  readonly timeout: Seconds
  /** the result, once it is kept; undefined if it could not be */
  readonly outcome: Promise<KeptResult | undefined>
  /** why the result was not kept */
  reason = 'miss'
  readonly #parameters: readonly unknown[]
  readonly #snapshot: Uint8Array | undefined
  #settle!: (kept: KeptResult | undefined) => void

  constructor({ bound, timeout, parameters }: Cacheable) {
    this.bound = bound
    this.timeout = timeout
    if (bound.inDoubt) this.reason = 'write_in_flight'
    this.#parameters = parameters
    this.#snapshot = snapshotOf(parameters)
    this.outcome = new Promise((resolve) => (this.#settle = resolve))
  }

  /** Keeps a result that was read after the stamps were taken. */
  fill(database: Database, result: QueryResult<unknown>): void {
    const { config, events, store } = database.instance
    try {
      // The caller has reused its Buffer, and the database may have read that.
      if (!areUnchanged(this.#parameters, this.#snapshot)) {
        this.reason = 'parameters_changed'
        return
      }
      const kept = keep(result, config.maxEntryBytes)
      if ('reason' in kept) {
        this.reason = kept.reason
        return
      }
      store.fill(this.bound, kept, this.timeout)
      this.#settle(kept)
    } catch (error) {
      events.fault(error, 'keeping a result')
    }
  }

  /** There will be no result for others; they ask for themselves. */
  abandon(): void {
    this.#settle(undefined)
  }
}

/**
 * What a connection that is acquired for one read is for: to fill the cache, or not even that; `unwanted`: for one statement that the
 * cache has not looked at, since it would neither answer nor keep what it reads.
 */
export type RootRead = Miss | 'bypassed' | 'unwanted'

/** What a read at the root needs of whoever executes it. */
export interface RootAccess<T> {
  /** goes on once the schema facts are known, if they can be */
  readonly withFacts: (next: () => Promise<T>) => Promise<T>
  /** acquires a connection and executes the read there; a miss is handed along to be filled */
  readonly connect: (read: RootRead) => Promise<T>
  /** gives a result to the caller without a connection */
  readonly serve: (result: QueryResult<unknown>) => Promise<T>
}

/**
 * A read outside of any transaction, before a connection is acquired. A hit acquires none, and awaits nothing. Equal
 * misses share one database read.
 */
export function readAtRoot<T>(database: Database, request: ReadRequest, access: RootAccess<T>): Promise<T> {
  const start = database.instance.events.has('read') ? performance.now() : 0
  const decision = decideAtRoot(database, request)
  if ('reason' in decision && needsFacts(decision.reason)) {
    return access.withFacts(() => follow(database, request, access, decideAtRoot(database, request), start))
  }
  return follow(database, request, access, decision, start)
}

function follow<T>(
  database: Database,
  request: ReadRequest,
  access: RootAccess<T>,
  decision: Decision,
  start: number,
): Promise<T> {
  if ('reason' in decision) {
    report(database, decision, false, decision.reason, start)
    return access.connect('bypassed')
  }
  const kept = answerOf(database, decision)
  if (kept === undefined && decision.replica) {
    report(database, decision, false, 'replica', start)
    return access.connect('bypassed')
  }
  if (kept === undefined) return readMissed(database, request, access, decision, start)
  report(database, decision, true, 'hit', start)
  return access.serve(copyOf(kept))
}

function readMissed<T>(
  database: Database,
  request: ReadRequest,
  access: RootAccess<T>,
  decision: Cacheable,
  start: number,
): Promise<T> {
  const leader = inflightOf(database).get(decision.bound.key)
  // NOTE: only a read whose stamps are those of now may be joined. One that began before a write which has returned
  // meanwhile would answer with what was there before.
  if (leader !== undefined && leader.bound.token === decision.bound.token && !decision.bound.inDoubt) {
    return join(database, request, access, decision, start, leader)
  }
  return fillFromDatabase(database, access, decision, start)
}

async function join<T>(
  database: Database,
  request: ReadRequest,
  access: RootAccess<T>,
  decision: Cacheable,
  start: number,
  leader: Miss,
): Promise<T> {
  const kept = await outcomeOf(leader, request.signal)
  if (kept !== undefined) {
    report(database, decision, true, 'joined', start)
    return access.serve(copyOf(kept))
  }
  // The leader failed, was aborted, or read what cannot be kept: ask for oneself, under stamps of now. So does a caller
  // that has stopped waiting, for Kysely to tell it so.
  const again = decideAtRoot(database, request)
  if ('reason' in again) return follow(database, request, access, again, start)
  return fillFromDatabase(database, access, again, start)
}

/** NOTE: not async, for an error's stack has room for few frames besides the caller's. */
function fillFromDatabase<T>(
  database: Database,
  access: RootAccess<T>,
  decision: Cacheable,
  start: number,
): Promise<T> {
  const inflight = inflightOf(database)
  const { key } = decision.bound
  const miss = new Miss(decision)
  inflight.set(key, miss)
  return access.connect(miss).finally(() => {
    miss.abandon()
    if (inflight.get(key) === miss) inflight.delete(key)
    report(database, decision, false, miss.reason, start)
  })
}

/** A read on a connection that somebody holds: in a transaction, or pinned. Its result, or what is to be done with that of the database. */
export function beginReadOnConnection(
  database: Database,
  request: ReadRequest,
  bypass: string | undefined,
): KeptRead | ((result: QueryResult<unknown>) => void) {
  const { events } = database.instance
  const start = events.has('read') ? performance.now() : 0
  database.look(undefined)
  const decision: Decision =
    bypass === undefined ? decide(database, request) : { shape: undefined, op: undefined, reason: bypass }
  if ('reason' in decision) {
    report(database, { ...decision, shape: database.shape(request.compiled.sql) }, false, decision.reason, start)
    return () => {}
  }
  const kept = answerOf(database, decision)
  if (kept !== undefined) {
    report(database, decision, true, 'hit', start)
    return { result: copyOf(kept) }
  }
  if (decision.replica) {
    report(database, decision, false, 'replica', start)
    return () => {}
  }
  const miss = new Miss(decision)
  return (result) => {
    miss.fill(database, result)
    report(database, decision, false, miss.reason, start)
  }
}

/** A read that was answered from the store. */
export interface KeptRead {
  readonly result: QueryResult<unknown>
}

function decideAtRoot(database: Database, request: ReadRequest): Decision {
  // A transaction that was begun by a raw statement is open on a connection that this read may get.
  if (database.openTransactions > 0) return bypassed('open_transaction')
  return decide(database, request)
}

/**
 * Whether and how a read is cached by what is known now. A fault on the way is reported, and the read goes to the database.
 *
 * @throws CacheopsError CACHEOPS_UNKNOWN_TABLE, see `Profiles.check`.
 */
export function decide(database: Database, request: ReadRequest): Decision {
  try {
    return decideOrThrow(database, request)
  } catch (error) {
    if (error instanceof CacheopsError) throw error
    database.instance.events.fault(error, 'deciding about a read')
    return bypassed('fault')
  }
}

function bypassed(reason: string): Bypassed {
  return { shape: undefined, op: undefined, reason }
}

function decideOrThrow(database: Database, request: ReadRequest): Decision {
  const { config } = database.instance
  const shape = database.isReady ? database.shape(request.compiled.sql) : undefined
  if (shape === undefined) return bypassed('no_facts')
  const { read } = shape
  if (read === undefined) return { shape, op: undefined, reason: shape.kind === 'unparsed' ? 'unparsed' : 'not_a_read' }
  const op = opOf(read, request.compiled.parameters)
  const allowed = allow(database, read, op, request)
  if (typeof allowed === 'string') return { shape, op, reason: allowed }
  if (!config.enabled()) return { shape, op, reason: 'disabled' }
  if (database.hasForeignFacts) return { shape, op, reason: 'other_connection' }
  if (database.sessionChanged !== undefined && (config.vary === undefined || database.namesChanged))
    return { shape, op, reason: 'session_changed' }
  const { parameters } = request.compiled
  const bound = database.bind(shape, parameters)
  if ('reason' in bound) return { shape, op, reason: bound.reason }
  // What has a key can be walked through: no cycle, nothing that throws.
  if (request.explicit === undefined && parameters.some(isMovingTime)) return { shape, op, reason: 'time_parameter' }
  return { shape, op, bound, timeout: allowed, replica: database.isReplica, parameters }
}

/** How long a read may be kept, or why it may not be cached. */
function allow(database: Database, read: ReadShape, op: Op, request: ReadRequest): Seconds | string {
  const { explicit } = request
  const { config } = database.instance
  const { profiles } = database.known!
  if (explicit === false) return 'nocache'
  let timeout = Infinity
  let automatic = true
  for (const table of read.named) {
    const profile = profiles.of(table)
    if (profile === null) return 'forbidden'
    if (!profile.ops.has(op)) automatic = false
    timeout = Math.min(timeout, profile.timeout)
  }
  if (read.named.length === 0) automatic = false
  if (explicit === undefined ? !automatic : explicit.ops?.has(op) === false) {
    return explicit === undefined ? 'not_requested' : 'other_op'
  }
  profiles.check()
  if (read.writes) return 'may_write'
  if (read.locks) return 'locking'
  if (read.session) return 'session_value'
  for (const caution of read.cautions) {
    if (caution.overridable && explicit !== undefined) continue
    if (caution.code === 'row_security' && config.vary !== undefined) continue
    return caution.code
  }
  return explicit?.timeout ?? (timeout === Infinity ? config.defaults.timeout : timeout)
}

/** A text that PostgreSQL or SQLite may take for another instant each time: `'now'`, `'today'`, `'subsec'`. */
function isMovingTime(parameter: unknown): boolean {
  if (Array.isArray(parameter)) return parameter.some(isMovingTime)
  return (
    typeof parameter === 'string' &&
    parameter.length <= 64 &&
    /\b(?:now|today|tomorrow|yesterday|subsec|subsecond)\b/i.test(parameter)
  )
}

function opOf(read: ReadShape, parameters: readonly unknown[]): Op {
  if (read.op !== 'get_if_one') return read.op
  const limit = parameters[read.limitParameter ?? -1]
  return limit === 1 || limit === 1n ? 'get' : 'fetch'
}

/** What is kept, and may be given now. */
export function answerOf(database: Database, { bound }: Cacheable): KeptResult | undefined {
  return bound.inDoubt ? undefined : database.instance.store.lookup(bound)
}

function needsFacts(reason: string): boolean {
  return reason === 'no_facts' || reason === 'schema_changed'
}

/** What a leader's read came to; undefined also when the caller stops waiting. */
async function outcomeOf(leader: Miss, signal: AbortSignal | undefined): Promise<KeptResult | undefined> {
  if (signal === undefined) return leader.outcome
  const { promise: stopped, resolve } = Promise.withResolvers<undefined>()
  const stop = (): void => resolve(undefined)
  signal.addEventListener('abort', stop)
  try {
    return signal.aborted ? undefined : await Promise.race([leader.outcome, stopped])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** Misses of a database that are reading now, by key. */
function inflightOf(database: Database): Map<string, Miss> {
  let misses = inflights.get(database)
  if (misses === undefined) inflights.set(database, (misses = new Map()))
  return misses
}

const inflights = new WeakMap<Database, Map<string, Miss>>()

function report(database: Database, decision: Decision, hit: boolean, reason: string, start: number): void {
  const { events } = database.instance
  if (!events.has('read')) return
  const read = decision.shape?.read
  if (read === undefined && decision.shape !== undefined && decision.shape.kind !== 'unparsed') return
  events.emit('read', {
    tables: (read?.named ?? []).map((table) => database.known?.names.nameOf(table) ?? table.name),
    op: decision.op ?? 'fetch',
    hit,
    reason,
    duration: performance.now() - start,
    ...('bound' in decision ? { key: hexOf(decision.bound.key) } : {}),
  })
}

/** A key as people read it. */
export function hexOf(key: string): string {
  return Buffer.from(key, 'latin1').toString('hex')
}
