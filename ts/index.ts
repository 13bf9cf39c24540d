/**
 * cacheops: a query cache for Kysely that drops exactly the results that a write can change.
 *
 * @module
 */

export { CacheopsError } from './errors.ts'
export type { CacheopsErrorCode } from './errors.ts'
export type { CacheopsEvents, ErrorEvent, InvalidateEvent, ReadEvent } from './events.ts'
export type { Explanation } from './explain.ts'
export { cacheopsPlugin } from './kysely/plugin.ts'
export type { Cacheops, Explainable, InvalidateOptions, RowOf } from './kysely/plugin.ts'
export type { Bytes, CacheOptions, CacheopsOptions, Op, Ops, Profile, ProfileName, Seconds } from './config.ts'
export type { SchemaFacts } from './schema-file.ts'
export type { Caution, Dropped } from './shapes.ts'

// Brings `.cache()` and `.nocache()` into the declarations of whoever imports this package.
export type { CacheOptionsPlugin } from './kysely/cache-method.ts'
