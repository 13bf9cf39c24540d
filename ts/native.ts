import { createRequire } from 'node:module'
import { isAbsolute } from 'node:path'
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads'

import { CacheopsError } from './errors.ts'
import { shared, twoVersions, VERSION } from './shared.ts'

/** A store of the process: one array of stamps, seen by every thread. */
export type StoreHandle = number & { readonly __store?: never }
/** A database within a store. */
export type DatabaseHandle = number & { readonly __database?: never }
/** A write that others must reckon with, until it is invalidated. */
export type Announcement = number & { readonly __announcement?: never }
/** One SQL text, planned. */
export type ShapeHandle = number & { readonly __shape?: never }

/**
 * The addon's functions. Texts that end in `Json` are JSON; their shapes are in `shapes.ts`. Free functions of numbers
 * and strings only: a method of a native class costs three times as much.
 */
export interface Native {
  openStore(name: string): StoreHandle
  /** @param view what sessions that see it alike have in common: others have facts of their own, and the same stamps */
  openDatabase(store: StoreHandle, identity: string, dialect: string, view?: string): DatabaseHandle
  /** grows whenever facts are set or dropped */
  factsEpoch(database: DatabaseHandle): number
  /** false: facts were dropped since `epoch`, these may be older and are refused */
  setFacts(database: DatabaseHandle, factsJson: string, epoch: number): boolean
  /** of all its views */
  dropFacts(database: DatabaseHandle): void
  hasFacts(database: DatabaseHandle): boolean
  /** this thread's parameter buffer, at least that long */
  scratch(bytes: number): Uint8Array
  prepare(database: DatabaseHandle, sql: string): string
  release(shape: ShapeHandle): void
  /**
   * A token (≥ 0), or one that is taken from `BindCode.inDoubt`, and the key in the first 16 bytes of the scratch; or another negative
   * code, see `BindCode`.
   */
  bind(shape: ShapeHandle, length: number): number
  images(shape: ShapeHandle): string
  change(shape: ShapeHandle, length: number, imagesJson: string | null): string
  rowChange(database: DatabaseHandle, schema: string, table: string, columnsJson: string, length: number): string
  tableChange(database: DatabaseHandle, schema: string, table: string, reason: string): string
  /** a write that may become visible from now on, with the parameters in the scratch; gives what takes it back */
  announce(shape: ShapeHandle, length: number): Announcement
  announceChanges(database: DatabaseHandle, changesJson: string): Announcement
  /** it has not happened */
  retract(database: DatabaseHandle, announced: Announcement): void
  invalidate(database: DatabaseHandle, changesJson: string, announced?: Announcement): string
  invalidateDatabase(database: DatabaseHandle, reason: string): string
  invalidateStore(store: StoreHandle): void
  explain(shape: ShapeHandle, length: number): string
  registryVersion(database: DatabaseHandle): number
}

/** What `bind` answers instead of a token. */
export const BindCode = {
  staleShape: -1,
  noFacts: -2,
  badParameters: -3,
  notARead: -4,
  /** and below: a write on its way may have changed the result */
  inDoubt: -16,
} as const

const OLDEST_NODE = 22
/** What main tells its worker threads: which addon the process has loaded, and who did. */
const ADDON = 'cacheops.addon'

interface LoadedAddon {
  readonly version: string
  readonly path: string
}

/**
 * Loads the addon. Its memory is what all threads share, so all must load the same file, even where the package is
 * there twice.
 */
function load(): Native {
  // Before anything newer is used than such a Node has.
  if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
    throw new CacheopsError(
      'CACHEOPS_UNSUPPORTED_NODE',
      `cacheops needs Node ${OLDEST_NODE} or newer, and this is ${process.versions.node}. Run the application with a newer Node.`,
    )
  }
  const loaded = getEnvironmentData(ADDON) as LoadedAddon | undefined
  if (loaded !== undefined && loaded.version !== VERSION) throw twoVersions(loaded.version)
  let path = '../native/index.cjs'
  try {
    const require = createRequire(import.meta.url)
    path = loaded?.path ?? require.resolve(path)
    const addon = require(path) as Native
    setEnvironmentData(ADDON, { version: VERSION, path } satisfies LoadedAddon)
    return addon
  } catch (cause) {
    throw new CacheopsError('CACHEOPS_NATIVE_MISSING', isAbsolute(path) ? missing() : BUNDLED, { cause })
  }
}

function missing(): string {
  const platform = `${process.platform}-${process.arch}`
  return (
    `The native addon of cacheops for ${platform} could not be loaded. It is a package of its own, an optional dependency: install ` +
    'cacheops on the platform that it runs on, without `--omit=optional`. There are packages for Linux (x64, arm64; glibc, musl), macOS ' +
    '(x64, arm64) and Windows (x64); anywhere else build it in a checkout with `npm run build`.'
  )
}

const BUNDLED =
  'The native addon of cacheops is not where its code is, which has probably been bundled. Leave cacheops and kysely out of the ' +
  "bundle: esbuild `external: ['cacheops', 'kysely']`, Next `serverExternalPackages: ['cacheops', 'kysely']`, Vite " +
  '`ssr.external`, webpack, Rollup and Rolldown `external`; in a checkout: `npm run build`.'

/** The addon. This is the only file that loads it. */
export const native: Native = shared('native', load)
