import { realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import * as util from 'node:util'

import * as own from 'kysely'

import { CacheopsError } from '../errors.ts'
import { shared } from '../shared.ts'

/**
 * One process may hold several copies of Kysely, each with classes of its own: 0.28 has a CommonJS and an ECMAScript build, a
 * linked package resolves its own copy, a dialect may bring one. Every copy that an instance with the plugin may be made
 * from has to be extended beforehand: one that is not asks a plugin too late, and `withoutPlugins()` never does.
 */

/** The exports of one build of Kysely. */
export type KyselyCopy = typeof own

const copies = shared('copies of kysely', () => new Set<KyselyCopy>())

/** The copies that were found so far. */
export function knownCopies(): Iterable<KyselyCopy> {
  return copies
}

/**
 * Finds the copies of Kysely that the application may use: those that this package, whoever calls `cacheopsPlugin()`, and the
 * main module resolve, in both builds; those that are loaded as CommonJS; and the one that was given.
 *
 * @param given the option `kysely`
 * @throws CacheopsError CACHEOPS_UNSUPPORTED_KYSELY if the copy of this package, or the given one, is of another version. A
 * further copy that is merely there is no fault.
 */
export function findCopies(given: object | undefined): Iterable<KyselyCopy> {
  for (const copy of given === undefined ? [own] : [own, given]) {
    if (!isSupported(copy)) throw unsupportedKysely()
    copies.add(copy)
  }
  // NOTE: not when this module is evaluated. A bundle in CommonJS has no URL, and what is wrong then is told by `native.ts`.
  const require = createRequire(import.meta.url)
  for (const entry of new Set([...placesToLook().flatMap(entriesSeenFrom), ...loadedEntries(require)])) {
    const copy = load(require, entry)
    // NOTE: the namespace that `require` gives is not always the one that `import` gives; the classes are the same.
    if (copy !== undefined && !isKnown(copy)) copies.add(copy)
  }
  return copies
}

function isKnown(copy: KyselyCopy): boolean {
  return [...copies].some(({ DefaultQueryExecutor }) => DefaultQueryExecutor === copy.DefaultQueryExecutor)
}

/** What is extended. `startTransaction` is not, but is new in 0.28. */
const METHODS = {
  DefaultQueryExecutor: ['executeQuery', 'stream', 'provideConnection', 'transformQuery', 'withoutPlugins'],
  DefaultConnectionProvider: ['provideConnection'],
  Kysely: ['destroy', 'startTransaction'],
} as const

function isSupported(copy: object): copy is KyselyCopy {
  const exported = copy as Record<string, { readonly prototype?: Record<string, unknown> } | undefined>
  return Object.entries(METHODS).every(([name, methods]) =>
    methods.every((method) => typeof exported[name]?.prototype?.[method] === 'function'),
  )
}

function unsupportedKysely(): CacheopsError {
  return new CacheopsError(
    'CACHEOPS_UNSUPPORTED_KYSELY',
    'This version of kysely does not have the executor methods that cacheops extends. Use kysely 0.28, 0.29 or 0.30.',
  )
}

/** Files whose `kysely` may be the application's. */
function placesToLook(): string[] {
  const main = process.argv[1]
  return [import.meta.url, ...callers(), main === undefined ? join(process.cwd(), 'main') : realPath(main)]
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

/** The files on the stack, nearest first; none where the runtime does not tell. */
export function callers(): string[] {
  const sites = (util as Partial<typeof util>).getCallSites?.(64) ?? []
  return [...new Set(sites.map(({ scriptName }) => scriptName))].filter((name) =>
    /^(?:file:|[\\/]|[a-z]:\\)/i.test(name),
  )
}

/** The entry that a file's `require('kysely')` resolves to, and that of the build that its `import` does. */
function entriesSeenFrom(file: string): string[] {
  try {
    const entry = createRequire(file).resolve('kysely')
    return [entry, entry.replace(COMMONJS_ENTRY, `$1esm$2`)]
  } catch {
    return []
  }
}

/** Only 0.28 has two builds. */
const COMMONJS_ENTRY = /([\\/]dist[\\/])cjs([\\/]index\.js)$/
const COMMONJS_EXECUTOR = /(?<=[\\/]dist[\\/]cjs[\\/])query-executor[\\/]default-query-executor\.js$/

/** CommonJS builds that somebody has loaded, wherever they lie. */
function loadedEntries(require: Partial<NodeJS.Require>): string[] {
  return Object.keys(require.cache ?? {})
    .filter((file) => COMMONJS_EXECUTOR.test(file))
    .map((file) => file.replace(COMMONJS_EXECUTOR, 'index.js'))
}

function load(require: NodeJS.Require, entry: string): KyselyCopy | undefined {
  try {
    const copy = require(entry) as object
    return isSupported(copy) ? copy : undefined
  } catch {
    // It cannot be loaded here, or is none.
    return undefined
  }
}
