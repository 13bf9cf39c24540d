import leven from 'leven'

/**
 * The stable codes of {@link CacheopsError}. A code never changes its meaning; new ones may be added.
 */
export type CacheopsErrorCode =
  /** an option, profile or `.cache()` key that does not exist */
  | 'CACHEOPS_UNKNOWN_OPTION'
  /** an option whose value is of the wrong type or out of range */
  | 'CACHEOPS_INVALID_OPTION'
  /** an op that is not one of get, fetch, count, aggregate, exists */
  | 'CACHEOPS_UNKNOWN_OP'
  /** a profile name that is not `table`, `schema.table`, `schema.*` or `*.*` */
  | 'CACHEOPS_INVALID_PATTERN'
  /** a table that the database does not have */
  | 'CACHEOPS_UNKNOWN_TABLE'
  /** a column that the table does not have, or a row without any known column */
  | 'CACHEOPS_INVALID_ROW'
  /** a database that is not supported */
  | 'CACHEOPS_UNSUPPORTED_DATABASE'
  /** a version of Kysely whose executors do not have the methods that cacheops extends */
  | 'CACHEOPS_UNSUPPORTED_KYSELY'
  /** a Kysely instance made by a copy of the kysely package that cacheops has not found, see the option `kysely` */
  | 'CACHEOPS_FOREIGN_KYSELY'
  /** a call that needs to know which Kysely instance is meant */
  | 'CACHEOPS_DATABASE_REQUIRED'
  /** the native addon for this platform could not be loaded */
  | 'CACHEOPS_NATIVE_MISSING'
  /** a Node that is too old */
  | 'CACHEOPS_UNSUPPORTED_NODE'
  /** two versions of cacheops in one process */
  | 'CACHEOPS_TWO_VERSIONS'
  /** the schema facts of a database could not be read */
  | 'CACHEOPS_INTROSPECTION_FAILED'
  /** a schema file that cannot be read, is no JSON, was edited, or is of another format */
  | 'CACHEOPS_INVALID_SCHEMA'

/**
 * What cacheops throws when it is used wrongly. A fault of the cache itself never throws: it is reported as an `error`
 * event and the query goes to the database.
 *
 * @example
 * ```ts
 * try {
 *   cacheopsPlugin({ defualts: {} })
 * } catch (error) {
 *   if (error instanceof CacheopsError) console.log(error.code) // CACHEOPS_UNKNOWN_OPTION
 * }
 * ```
 */
export class CacheopsError extends Error {
  /** A stable code, see {@link CacheopsErrorCode}. */
  readonly code: CacheopsErrorCode

  constructor(code: CacheopsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CacheopsError'
    this.code = code
  }
}

/** What is said when a database could not be asked for its schema. */
export function factsFailed(cause?: unknown): CacheopsError {
  const text = 'The schema facts could not be read; nothing is cached until they can be.'
  return new CacheopsError('CACHEOPS_INTROSPECTION_FAILED', text, cause === undefined ? undefined : { cause })
}

/** ` Did you mean "x"?` for the candidate nearest to a misspelt name, or nothing when none is near. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = leven(name.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best === undefined ? '' : ` Did you mean ${JSON.stringify(best)}?`
}
