/**
 * Row images: the old and new values of the rows that a write changed, told by the database itself. The caller gets what
 * it would have got without them: the same rows, the same counts, the same errors.
 */

import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely'

import type { Database } from '../database.ts'
import { native } from '../native.ts'
import type { ImagePlan, Images, Shape } from '../shapes.ts'
import type { TransactionState } from '../transaction.ts'
import { runUnlogged } from './driver.ts'
import type { ExecutionOptions } from './seam.ts'

type Row = Record<string, unknown>

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

const OLD = '__cacheops_o'
const NEW = '__cacheops_n'
const DIFFERS = '__cacheops_d'
const COUNT = '__cacheops_count'
const ROW = '__cacheops_row'
const RESERVED = '__cacheops_'

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
  done(result: QueryResult<unknown>): Promise<Outcome>
  /** Throws what the caller is to hear, unless the statement could be executed after all. */
  failed(error: unknown): Promise<Outcome>
}

/** The caller's statement as it is. */
export function runPlainly(
  compiled: CompiledQuery,
  imagesOf: (result: QueryResult<unknown>) => Promise<Images | undefined>,
): WriteRun {
  return {
    compiled,
    done: async (result) => ({ result, images: await imagesOf(result) }),
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
  return {
    compiled: Object.freeze({ ...compiled, sql: plan.sql! }),
    done: (result) => returned(connection, plan, result),
    async failed(error) {
      if ((sqlite || !state.inTransaction) && isOurs(error)) {
        // The facts may be older than the table. The statement had no effect; as the caller wrote it, it may be right.
        const result = await real.executeQuery(compiled, options)
        database.schemaChanged('the facts are older than a table')
        return { result, images: undefined }
      }
      tellOfCallersText(error, plan, compiled)
      throw error
    },
  }
}

async function returned(
  { database, real }: WriteConnection,
  plan: ImagePlan,
  result: QueryResult<unknown>,
): Promise<Outcome> {
  const rows = result.rows as Row[]
  const images = rows.map((row) => imageOf(row, plan))
  if (plan.counted) {
    const affected = rows[0] === undefined ? 0 : Number(rows[0][COUNT])
    return {
      result: { ...result, numAffectedRows: BigInt(affected), rows: [] },
      images: { affected, rows: affected > plan.limit ? [] : images },
    }
  }
  const stripped = plan.callerReturns ? rows.map(strip) : []
  if (database.known!.dialect !== 'sqlite' || plan.callerReturns) {
    return { result: { ...result, rows: stripped }, images: { affected: rows.length, rows: images } }
  }
  // A SQLite driver answers a statement that returns rows with these instead of the counts.
  const [counts] = await runUnlogged(
    real,
    'select cast(changes() as text) as changed, cast(last_insert_rowid() as text) as inserted',
  )
  const numAffectedRows = rows.length === 0 ? 0n : BigInt(counts!['changed'] as string)
  return {
    result: { ...result, insertId: BigInt(counts!['inserted'] as string), numAffectedRows, rows: [] },
    images: { affected: rows.length, rows: images },
  }
}

/**
 * SQLite: the old image by a SELECT before, the new one by a SELECT after, the caller's text untouched in between. All
 * three in one write transaction, or another connection's commit could come between an image and its write.
 */
export async function runBetweenSelects(
  { real, state }: WriteConnection,
  plan: ImagePlan,
  compiled: CompiledQuery,
): Promise<WriteRun> {
  // NOTE: an insert is read again by its row number; nothing has to hold between the two.
  const own = !state.inTransaction && plan.before !== undefined
  if (own) await runUnlogged(real, 'begin immediate')
  else if (state.held.length === 0 && plan.lock !== undefined && !(await takeLock(real, plan.lock))) {
    return runPlainly(compiled, () => Promise.resolve(undefined))
  }
  const old = plan.before === undefined ? undefined : await selectOld(real, plan.before, compiled)
  return {
    compiled,
    async done(result) {
      const images = await imagesAfter(real, plan, old, result)
      if (own) await commitOrRollBack(real)
      return { result, images }
    },
    async failed(error) {
      // NOTE: commit, not rollback. By itself the statement would have kept what OR FAIL keeps of a failed one.
      try {
        if (own) await commitOrRollBack(real)
      } catch {
        // What the caller is to hear is why its statement failed.
      }
      throw error
    },
  }
}

/**
 * Inside a caller's transaction that has not written yet, a SELECT first would pin a snapshot, and the write after it could
 * then fail where it would not have failed alone. A write that matches no row takes the lock instead.
 */
async function takeLock(real: DatabaseConnection, lock: string): Promise<boolean> {
  try {
    await runUnlogged(real, lock)
    return true
  } catch {
    // A trigger of another kind of write may be broken, which is nothing to the caller's.
    return false
  }
}

async function commitOrRollBack(real: DatabaseConnection): Promise<void> {
  try {
    await runUnlogged(real, 'commit')
  } catch (error) {
    // Some failures have rolled back already; then there is nothing to do.
    await runUnlogged(real, 'rollback').catch(() => undefined)
    throw error
  }
}

function rethrow(error: unknown): Promise<never> {
  return Promise.reject(error)
}

/** The rows that the write will meet; undefined if they cannot be read, for which the caller's write must not suffer. */
async function selectOld(
  real: DatabaseConnection,
  before: NonNullable<ImagePlan['before']>,
  compiled: CompiledQuery,
): Promise<readonly Row[] | undefined> {
  const [from, to] = before.parameters
  return runUnlogged(real, before.sql, compiled.parameters.slice(from, to)).catch(() => undefined)
}

async function imagesAfter(
  real: DatabaseConnection,
  plan: ImagePlan,
  old: readonly Row[] | undefined,
  result: QueryResult<unknown>,
): Promise<Images | undefined> {
  const affected = plan.callerReturns ? result.rows.length : affectedBy(result)
  if (plan.before !== undefined && old === undefined) return undefined
  try {
    return { affected, rows: old === undefined ? await inserted(real, plan, affected) : await updated(real, plan, old) }
  } catch {
    return undefined
  }
}

/** The one row of an insert; none if it was ignored. */
async function inserted(real: DatabaseConnection, plan: ImagePlan, affected: number | null): Promise<Images['rows']> {
  if (affected !== 1) return []
  const { prefix, suffix } = plan.after!
  return (await runUnlogged(real, `${prefix}last_insert_rowid()${suffix}`)).map((row) => imageOf(row, plan, 'new'))
}

async function updated(real: DatabaseConnection, plan: ImagePlan, old: readonly Row[]): Promise<Images['rows']> {
  if (old.length > plan.limit) return []
  const news = new Map<unknown, Row>()
  if (plan.after !== undefined && old.length > 0) {
    // Row numbers came out as texts of integers, so they can stand in the text.
    const numbers = old.map((row) => BigInt(row[ROW] as string).toString()).join(',')
    for (const row of await runUnlogged(real, plan.after.prefix + numbers + plan.after.suffix)) news.set(row[ROW], row)
  }
  return old.map((row) => ({ ...imageOf(row, plan, 'old'), ...imageOf(news.get(row[ROW]) ?? {}, plan, 'new') }))
}

/** What is known of the rows of a write that no image was asked of: whether there were any. */
export async function countOnly({ database, real }: WriteConnection, result: QueryResult<unknown>): Promise<Images> {
  const affected = affectedBy(result)
  if (affected !== 0) return { affected, rows: [] }
  if (database.known!.dialect === 'postgres') return { affected, rows: [], none: true }
  // There are SQLite drivers that count 0 whatever happened; the database knows.
  const [row] = await runUnlogged(real, 'select cast(changes() as text) as changed').catch(() => [])
  return { affected, rows: [], none: row?.['changed'] === '0' }
}

function affectedBy(result: QueryResult<unknown>): number | null {
  return result.numAffectedRows === undefined ? null : Number(result.numAffectedRows)
}

function imageOf(row: Row, plan: ImagePlan, only?: 'old' | 'new'): Images['rows'][number] {
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

/** Errors that our addition to a text can have caused: a column, table or function that is not there, or not readable. */
function isOurs(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  return (
    code === '42703' ||
    code === '42P01' ||
    code === '42501' ||
    (typeof message === 'string' && /no such column/.test(message))
  )
}

/** An error speaks of the text that was executed: its query, and a position in it that what stands in front has moved. */
function tellOfCallersText(error: unknown, plan: ImagePlan, compiled: CompiledQuery): void {
  if (typeof error !== 'object' || error === null) return
  const { position, query } = error as { position?: unknown; query?: unknown }
  if (query === plan.sql) Object.assign(error, { query: compiled.sql })
  if (plan.shift === 0) return
  if (typeof position === 'string') Object.assign(error, { position: String(Number(position) - plan.shift) })
  else if (typeof position === 'number') Object.assign(error, { position: position - plan.shift })
}
