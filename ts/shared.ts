import { CacheopsError } from './errors.ts'

/** The version of this package. */
export const VERSION = '0.1.0'

interface Shared {
  readonly version: string
  readonly parts: Map<string, unknown>
}

const SHARED: unique symbol = Symbol.for('cacheops') as never

/**
 * What belongs to the thread rather than to one evaluation of this package's modules: tools that reload code evaluate them
 * again and again, a bundle and node_modules may each hold a copy. Whoever comes first makes it.
 *
 * @throws CacheopsError CACHEOPS_TWO_VERSIONS when the first was another version.
 */
export function shared<T>(name: string, make: () => T): T {
  const { version, parts } = ((globalThis as { [SHARED]?: Shared })[SHARED] ??= { version: VERSION, parts: new Map() })
  if (version !== VERSION) throw twoVersions(version)
  if (!parts.has(name)) parts.set(name, make())
  return parts.get(name) as T
}

/** Two versions would not see each other's writes. */
export function twoVersions(other: string): CacheopsError {
  return new CacheopsError(
    'CACHEOPS_TWO_VERSIONS',
    `cacheops ${VERSION} is loaded into a process that uses cacheops ${other}: neither would hear of the other's writes. ` +
      'Make sure that one version is installed (`npm ls cacheops`), and start again after an upgrade.',
  )
}
