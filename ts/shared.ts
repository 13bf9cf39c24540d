/**
 * A process may load this package twice: installed below two others, bundled and installed, from `ts/` and `dist/`. What
 * one copy drops, all have to drop; so whatever is one per thread is held by `globalThis`, where all copies of one version find it.
 */

import { VERSION } from './version.ts'

const held = Symbol.for(`cacheops ${VERSION}`)
const versions = Symbol.for('cacheops.versions')

interface Global {
  [held]?: Map<string, unknown>
  [versions]?: Set<string>
}

/** The one thing of that name among all copies of this version of cacheops in this thread. */
export function shared<T>(name: string, make: () => T): T {
  const things = ((globalThis as Global)[held] ??= new Map())
  if (!things.has(name)) things.set(name, make())
  return things.get(name) as T
}

/** Notes that this version is in use, and says so if another one is: they hear nothing of each other's writes. */
export function noteVersion(): void {
  const inUse = ((globalThis as Global)[versions] ??= new Set())
  if (inUse.has(VERSION)) return
  inUse.add(VERSION)
  if (inUse.size === 1) return
  process.emitWarning(
    `cacheops is loaded in several versions (${[...inUse].join(', ')}). They share no results, and what is written through a Kysely ` +
      'instance with one of them does not drop what another has kept. Make sure that one version is installed (`npm ls cacheops`).',
    { type: 'CacheopsWarning', code: 'CACHEOPS_SEVERAL_VERSIONS' },
  )
}
