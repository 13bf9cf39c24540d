/**
 * Row images: the old and new values of the rows that a write changed, told by the database itself. The caller gets what
 * it would have got without them: the same rows, the same counts, the same errors.
 */

import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely'

import type { Database } from '../database.ts'
import { native } from '../native.ts'
import type { ImagePlan, Images, Shape } from '../shapes.ts'
import type { TransactionState } from '../transaction.ts'
import { executesAtOnce, inOrderOf, runUnlogged } from './driver.ts'
import type { ExecutionOptions } from './seam.ts'

/** A row as a driver gives it. */
export type Row = Record<string, unknown>

/** What a write came to. */
export interface Outcome {
  readonly result: QueryResult<unknown>
  /** undefined: none could be had, what the text tells must do */
  readonly images: Images | undefined
}

/** A connection that a write runs on. */
export interface WriteConnection {
  readonly database: Database
  readonly real: DatabaseConnection
  readonly state: TransactionState
}

// NOTE: without `_`, and not beginning with a letter: drivers turn those into other names (`transform: postgres.camel`).
const OLD = '$cacheops$o'
const NEW = '$cacheops$n'
const DIFFERS = '$cacheops$d'
const COUNT = '$cacheops$count'
const RESERVED = '$cacheops$'

/** Plans by shape, good until a scheme is registered or the facts change. */
const plans = new WeakMap<Shape, { readonly version: number; readonly plan: ImagePlan | undefined }>()

/** How to get images for a write; undefined if there is no way, or none that could be told from the plain write. */
export function planImages(database: Database, shape: Shape): ImagePlan | undefined {
  const version = native.registryVersion(database.known!.handle)
  const known = plans.get(shape)
  if (known?.version === version) return known.plan
  let plan: ImagePlan | undefined
  try {
    const answer = JSON.parse(native.images(shape.id)) as ImagePlan | { readonly reason: string }
    plan = 'reason' in answer ? undefined : answer
  } catch (error) {
    database.instance.events.fault(error, 'planning row images')
  }
  plans.set(shape, { version, plan })
  return plan
}

/** A write on its way: what to execute, and what to make of the answer. Whoever began it executes it. */
export interface WriteRun {
  /** the caller's statement, or one that also tells the changed rows */
  readonly compiled: CompiledQuery
  /** Asks what has to be asked in front of the statement; a promise that must be awaited, unless all is asked at once. */
  before?(): Promise<void> | undefined
  /** Asks what has to be asked behind it, in the tick in which it was executed. */
  after?(): void
  done(result: QueryResult<unknown>): Promise<Outcome>
  /** Throws what the caller is to hear, unless the statement could be executed after all. */
  failed(error: unknown): Promise<Outcome>
}

/** The caller's statement as it is; what its text tells must do. */
export function runPlainly(compiled: CompiledQuery): WriteRun {
  return {
    compiled,
    done: (result) => Promise.resolve({ result, images: undefined }),
    failed: rethrow,
  }
}

async function rethrow(error: unknown): Promise<never> {
  throw error
}

/** The caller's statement as it is, of which no image is wanted: only whether there were any rows. */
export function runCounting({ database, real }: WriteConnection, compiled: CompiledQuery): WriteRun {
  const sqlite = database.known!.dialect === 'sqlite'
  // There are SQLite drivers that count 0 whatever happened. One that has counted once is believed, else the database knows.
  const asks = sqlite && !database.driverCounts
  const atOnce = executesAtOnce(real)
  let counts: Promise<Row | undefined> | undefined
  return {
    compiled,
    after() {
      if (asks && atOnce) counts = askCounts(real)
    },
    async done(result) {
      const affected = affectedBy(result)
      if (affected !== null && affected > 0) database.driverCounts = true
      const none = affected === 0 && (!asks || (await (counts ?? askCounts(real)))?.['changed'] === '0')
      return { result, images: { affected, rows: [], ...(none ? { none } : {}) } }
    },
    failed: rethrow,
  }
}

/** A text that returns the changed rows instead of the caller's; gives the caller what is its. */
export function runReturning(
  connection: WriteConnection,
  plan: ImagePlan,
  compiled: CompiledQuery,
  options: ExecutionOptions,
): WriteRun {
  const { database, real, state } = connection
  const sqlite = database.known!.dialect === 'sqlite'
  const asksCounts = sqlite && !plan.callerReturns
  const atOnce = executesAtOnce(real)
  let counts: Promise<Row | undefined> | undefined
  return {
    compiled: Object.freeze({ ...compiled, sql: plan.sql! }),
    after() {
      if (asksCounts && atOnce) counts = askCounts(real)
    },
    async done(result) {
      if (!asksCounts) return returned(plan, result)
      return inserted(real, plan, result, (await (counts ?? askCounts(real)))!)
    },
    async failed(error) {
      if ((sqlite || !state.inTransaction) && isOurs(error, sqlite)) {
        // The facts may be older than the table. The statement had no effect; as the caller wrote it, it may be right.
        const result = await real.executeQuery(compiled, options)
        database.schemaChanged('the facts are older than a table')
        return { result, images: undefined }
      }
      throw tellOfCallersText(error, plan, compiled)
    },
  }
}

/** A SQLite driver answers a statement that returns rows with these instead of the counts. */
const COUNTS = 'select cast(changes() as text) as changed, cast(last_insert_rowid() as text) as inserted'

/** Undefined when the database cannot tell. */
function askCounts(real: DatabaseConnection): Promise<Row | undefined> {
  return runUnlogged(real, COUNTS).then(
    ([row]) => row,
    () => undefined,
  )
}

function inserted(real: DatabaseConnection, plan: ImagePlan, result: QueryResult<unknown>, counts: Row): Outcome {
  const rows = result.rows as Row[]
  const numAffectedRows = rows.length === 0 ? 0n : BigInt(counts['changed'] as string)
  return {
    result: inOrderOf(real, { insertId: BigInt(counts['inserted'] as string), numAffectedRows, rows: [] }),
    images: { affected: rows.length, rows: rows.map((row) => imageOf(row, plan)) },
  }
}

function returned(plan: ImagePlan, result: QueryResult<unknown>): Outcome {
  const rows = result.rows as Row[]
  const affected = plan.counted ? Number(rows[0]?.[COUNT] ?? 0) : rows.length
  const images = imagesOf(rows, plan)
  return {
    result: plan.counted
      ? { ...result, numAffectedRows: BigInt(affected), rows: [] }
      : { ...result, rows: plan.callerReturns ? rows.map(strip) : [] },
    images: images === undefined ? undefined : { affected, rows: affected > plan.limit ? [] : images },
  }
}

/** undefined: the old values of a row could not be had */
function imagesOf(rows: readonly Row[], plan: ImagePlan): Images['rows'] | undefined {
  if (!plan.oldAsJson || plan.columns.length === 0) return rows.map((row) => imageOf(row, plan))
  const images: Images['rows'][number][] = []
  for (const row of rows) {
    const old = JSON.parse((row[OLD] as string | null) ?? 'null') as (string | null | false)[] | null
    const o = old?.slice(0, plan.columns.length)
    if (o === undefined || o.includes(false)) return undefined
    images.push({ ...imageOf(row, plan), o: o as (string | null)[] })
  }
  return images
}

export function affectedBy(result: QueryResult<unknown>): number | null {
  return result.numAffectedRows === undefined ? null : Number(result.numAffectedRows)
}

export function imageOf(row: Row, plan: ImagePlan, only?: 'old' | 'new'): Images['rows'][number] {
  const values = (prefix: string, count: number): (string | null)[] | undefined => {
    if (!(`${prefix}0` in row)) return undefined
    return Array.from({ length: count }, (_, index) => (row[prefix + index] as string | null | undefined) ?? null)
  }
  const o = only === 'new' ? undefined : values(OLD, plan.columns.length)
  const n = only === 'old' ? undefined : values(NEW, plan.columns.length)
  const d = values(DIFFERS, plan.differs.length) as string[] | undefined
  return { ...(o === undefined ? {} : { o }), ...(n === undefined ? {} : { n }), ...(d === undefined ? {} : { d }) }
}

/** The caller's part of a row, as the driver would have made it. */
function strip(row: Row): Row {
  const own = (Object.getPrototypeOf(row) === null ? Object.create(null) : {}) as Row
  for (const column of Object.keys(row)) {
    if (column.startsWith(RESERVED)) continue
    Object.defineProperty(own, column, { value: row[column], writable: true, enumerable: true, configurable: true })
  }
  return own
}

/** Errors that our addition to a text can have caused: a column or table that is not there, or not readable. */
function isOurs(error: unknown, sqlite: boolean): boolean {
  const { code, errcode, message, where } = (error ?? {}) as Record<string, unknown>
  // A trigger may raise the same errors: SQLite's have a code of their own, PostgreSQL's say where they come from.
  if (sqlite) return (code === 'SQLITE_ERROR' || errcode === 1) && /no such column/.test(String(message))
  return (where === undefined || where === null) && (code === '42703' || code === '42P01' || code === '42501')
}

/** An error speaks of the text that was executed: its query, a position in it that what stands in front has moved, its verb. */
function tellOfCallersText(thrown: unknown, plan: ImagePlan, compiled: CompiledQuery): unknown {
  if (!(thrown instanceof Error)) return thrown
  const error =
    (thrown as Error & Record<string, unknown>)['query'] === plan.sql ? ofQuery(thrown, compiled.sql) : thrown
  const { position, code, length } = error as Error & Record<string, unknown>
  const verb = /^\s*(?:update|delete|insert)/i.exec(compiled.sql)?.[0].trim().toUpperCase()
  if (code === '25006' && plan.counted && verb !== undefined) {
    error.message = error.message.replace(/SELECT(?: FOR NO KEY UPDATE)?/, verb)
  }
  if (typeof position !== 'string' && typeof position !== 'number') return error
  // Positions count from 1.
  const at = Number(position) - 1
  const piece = plan.pieces.find((candidate) => at >= candidate.at && at <= candidate.at + candidate.length)
  if (piece === undefined) return error
  const own = at - piece.at + piece.from + 1
  Object.assign(error, { position: typeof position === 'string' ? String(own) : own })
  // Of the server's message, which has the position in it.
  if (typeof length === 'number')
    Object.assign(error, { length: length - String(position).length + String(own).length })
  return error
}

/** The error with another query. Errors of postgres.js have theirs fixed, so that it takes another error to tell it. */
function ofQuery(error: Error, query: string): Error {
  const descriptors = Object.getOwnPropertyDescriptors(error) as Record<PropertyKey, PropertyDescriptor>
  const own = descriptors['query']!
  if (own.writable === true) return Object.assign(error, { query })
  const copy = new Error()
  for (const key of Reflect.ownKeys(copy)) Reflect.deleteProperty(copy, key)
  Object.setPrototypeOf(copy, Object.getPrototypeOf(error) as object)
  return Object.defineProperties(copy, { ...descriptors, query: { ...own, value: query } })
}
