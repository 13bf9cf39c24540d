/**
 * SQLite's row images: a SELECT before the write and one behind it, the caller's text untouched in between, all in one
 * savepoint, or another connection's commit could come between an image and its write.
 *
 * Several users may share one SQLite handle, and nothing of theirs can come between the statements of one tick. So with a
 * driver that executes at once everything is asked in one tick, without waiting for any answer. With any other driver each
 * statement waits for the one before.
 */

import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely'

import { shared } from '../shared.ts'
import type { ImagePlan, Images, ImageSelect } from '../shapes.ts'
import { executesAtOnce, runUnlogged } from './driver.ts'
import { affectedBy, imageOf } from './row-images.ts'
import type { Outcome, Row, WriteConnection, WriteRun } from './row-images.ts'

const ROW = '$cacheops$row'

/** How a statement of ours ended: nobody but us is to hear of its failure. */
type Ended = { readonly rows: readonly Row[] } | { readonly error: unknown }

/** Savepoints of one handle must not share a name: a release ends the innermost. */
const savepoints = shared('savepoints', () => ({ last: 0 }))

export class RunBetweenSelects implements WriteRun {
  readonly compiled: CompiledQuery
  readonly #real: DatabaseConnection
  readonly #plan: ImagePlan
  readonly #atOnce: boolean
  readonly #locks: boolean
  /** undefined: what comes behind belongs to a transaction of the caller's, or has nothing in front of it */
  readonly #savepoint: string | undefined
  #begun: Promise<Ended> | undefined
  #old: Promise<Ended> | undefined
  #new: Promise<Ended> | undefined
  #released: Promise<Ended> | undefined

  constructor({ real, state }: WriteConnection, plan: ImagePlan, compiled: CompiledQuery) {
    this.compiled = compiled
    this.#real = real
    this.#plan = plan
    this.#atOnce = executesAtOnce(real)
    // NOTE: an insert is read again by its row number; nothing has to hold between the two.
    const own = !state.inTransaction && plan.before !== undefined
    this.#savepoint = own ? `"__cacheops_${(savepoints.last = (savepoints.last + 1) % 1_000_000)}"` : undefined
    // A SELECT first would pin a snapshot, and the write after it could then fail where it would not have failed alone. A
    // write that matches no row takes the lock before that.
    this.#locks = plan.lock !== undefined && state.held.length === 0
  }

  before(): Promise<void> | undefined {
    const { before, lock } = this.#plan
    if (before === undefined) return undefined
    const steps = [
      () => (this.#savepoint === undefined ? undefined : (this.#begun = this.#run(`savepoint ${this.#savepoint}`))),
      () => (this.#locks ? this.#run(lock!) : undefined),
      () => (this.#old = this.#select(before)),
    ]
    if (!this.#atOnce) return inTurn(steps)
    for (const step of steps) void step()
    return undefined
  }

  after(): void {
    if (this.#atOnce) for (const step of this.#stepsAfter()) void step()
  }

  async done(result: QueryResult<unknown>): Promise<Outcome> {
    if (!this.#atOnce) await inTurn(this.#stepsAfter())
    const images = await this.#images(result)
    await this.#settle()
    return { result, images }
  }

  /** NOTE: what is open is released, not rolled back. By itself the statement would have kept what OR FAIL keeps of a failed one. */
  async failed(error: unknown): Promise<never> {
    if (!this.#atOnce) await inTurn(this.#stepsAfter())
    try {
      await this.#settle()
    } catch {
      // What the caller is to hear is why its statement failed.
    }
    throw error
  }

  #stepsAfter(): (() => Promise<Ended> | undefined)[] {
    const { after } = this.#plan
    return [
      () => (after === undefined ? undefined : (this.#new = this.#select(after))),
      () => (this.#savepoint === undefined ? undefined : (this.#released = this.#run(`release ${this.#savepoint}`))),
    ]
  }

  #select({ sql, parameters: [from, to] }: ImageSelect): Promise<Ended> {
    return this.#run(sql, this.compiled.parameters.slice(from, to))
  }

  #run(sql: string, parameters: readonly unknown[] = []): Promise<Ended> {
    return runUnlogged(this.#real, sql, parameters).then(
      (rows) => ({ rows }),
      (error: unknown) => ({ error }),
    )
  }

  async #images(result: QueryResult<unknown>): Promise<Images | undefined> {
    const [begun, old, news] = await Promise.all([this.#begun, this.#old, this.#new])
    if (begun !== undefined && 'error' in begun) return undefined
    if ((old !== undefined && 'error' in old) || (news !== undefined && 'error' in news)) return undefined
    const affected = this.#plan.callerReturns ? result.rows.length : affectedBy(result)
    if (old !== undefined) return { affected, rows: this.#updated(old.rows, news?.rows ?? []) }
    return inserted(this.#plan, result, affected, news!.rows)
  }

  #updated(olds: readonly Row[], news: readonly Row[]): Images['rows'] {
    const plan = this.#plan
    if (olds.length > plan.limit) return []
    const newOf = new Map(news.map((row) => [row[ROW], row]))
    // A row that its own WHERE does not find any more has no new image: SET tells of it.
    return olds.map((old) => ({ ...imageOf(old, plan, 'old'), ...imageOf(newOf.get(old[ROW]) ?? {}, plan, 'new') }))
  }

  /**
   * Releasing the outermost savepoint commits, which may fail, and then the write has not happened.
   *
   * @throws what the caller's statement would have failed with.
   */
  async #settle(): Promise<void> {
    const [begun, released] = await Promise.all([this.#begun, this.#released])
    if (begun === undefined || 'error' in begun || released === undefined || 'rows' in released) return
    // It is not there any more: the statement has rolled everything back, or another user of the handle has committed.
    if (/no such savepoint/.test(String((released.error as { message?: unknown } | null)?.message))) return
    await this.#run(`rollback to ${this.#savepoint}`)
    await this.#run(`release ${this.#savepoint}`)
    throw released.error
  }
}

/** The one row of an insert; none if it was ignored. */
function inserted(
  plan: ImagePlan,
  result: QueryResult<unknown>,
  affected: number | null,
  rows: readonly Row[],
): Images | undefined {
  if (affected !== 1) return { affected, rows: [] }
  // Somebody else has inserted through the same handle meanwhile.
  if (result.insertId !== undefined && rows.some((row) => row[ROW] !== String(result.insertId))) return undefined
  return { affected, rows: rows.map((row) => imageOf(row, plan, 'new')) }
}

async function inTurn(steps: readonly (() => Promise<Ended> | undefined)[]): Promise<void> {
  for (const step of steps) await step()
}
