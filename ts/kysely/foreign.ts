import type { QueryId } from 'kysely'

import { CacheopsError } from '../errors.ts'
import { callers } from './copies.ts'
import { isInExtendedCopy, wasSeen } from './seam.ts'

/**
 * Instances of a Kysely copy that is not extended, because nobody has found it: their writes would not be seen.
 */

/**
 * Refuses a query of such an instance, before it is executed.
 *
 * @throws CacheopsError CACHEOPS_FOREIGN_KYSELY
 */
export function refuseForeignQuery(): void {
  if (!isInExtendedCopy()) throw foreignKysely('')
}

/**
 * What to tell if such an instance has executed a query; undefined if it was another. A compiled query is not shown to a
 * plugin before: this is asked with its result.
 */
export function foreignResult(id: QueryId): CacheopsError | undefined {
  return wasSeen(id)
    ? undefined
    : foreignKysely('The statement has been executed, and everything that was cached is dropped. ')
}

function foreignKysely(done: string): CacheopsError {
  const file = callers().find((caller) => caller.endsWith('query-executor-base.js'))
  return new CacheopsError(
    'CACHEOPS_FOREIGN_KYSELY',
    `This Kysely instance comes from a copy of the kysely package that cacheops has not found${file === undefined ? '' : ` (${file})`}, ` +
      `so its queries cannot be cached and its writes not be seen. ${done}Make sure that one copy is installed (\`npm ls kysely\`), ` +
      "leave kysely and cacheops out of the bundle, or hand over the copy in use: `import * as kysely from 'kysely'` and " +
      '`cacheopsPlugin({ kysely })`.',
  )
}
