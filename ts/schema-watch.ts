/**
 * When a database is asked whether somebody else has changed its schema. Nothing runs by itself: whoever uses the instance
 * looks at the clock, so an idle process sleeps, and one that was frozen for an hour knows.
 */

import type { Seconds } from './config.ts'

/** Texts whose failures were looked into since the schema has changed the last time. */
const SUSPECTS_MAX = 100

/** The clock of one database's schema facts. */
export class SchemaWatch {
  /**
   * The facts may be older than they are allowed to be: nothing is cached, and nothing is answered from the cache, until the
   * database has been asked.
   */
  overdue = false
  /** A question that is being asked while everybody goes on. */
  asking: Promise<void> | undefined

  readonly #period: number
  readonly #suspects = new Set<string>()
  #trustedAt = 0

  /** @param period how often it is asked at most; `false`: only when a statement has failed in a way that says so */
  constructor(period: Seconds | false) {
    this.#period = period === false ? Infinity : period * 1000
  }

  /** Whether it is time to ask. From twice the period on nobody goes on without. */
  look(): boolean {
    if (this.overdue) return true
    if (this.#period === Infinity) return false
    // NOTE: not a clock that stands still while a machine sleeps. One that was set back may hide any length of time.
    const age = Date.now() - this.#trustedAt
    if (age >= 0 && age < this.#period) return false
    this.overdue = age < 0 || age >= 2 * this.#period
    return true
  }

  /** The facts were those of the database at that time. */
  trust(askedAt: number): void {
    this.#trustedAt = askedAt
    this.overdue = false
  }

  /** The schema has changed. */
  changed(): void {
    this.#suspects.clear()
  }

  /** A statement has failed in a way that outdated facts explain: the next one asks. Once for each text. */
  suspect(sql: string): void {
    if (this.#suspects.has(sql) || this.#suspects.size >= SUSPECTS_MAX) return
    this.#suspects.add(sql)
    this.overdue = true
  }
}

/**
 * PostgreSQL: names that are not there (column, table, schema, type, function), rights, types that do not fit, a statement
 * that was prepared before its table was altered.
 */
const POSTGRES_CODES = new Set(['42703', '42P01', '3F000', '42704', '42883', '42501', '42804'])
const SQLITE_MESSAGES = /no such (?:column|table)|has no column named|has \d+ columns but/

/** Whether a statement may have failed because the schema is another than it was. */
export function tellsOfChange(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { readonly code?: unknown; readonly message?: unknown }
  if (typeof code === 'string' && POSTGRES_CODES.has(code)) return true
  if (code === '0A000') return /cached plan/.test(String(message))
  return SQLITE_MESSAGES.test(String(message))
}
