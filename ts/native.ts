import { createRequire } from 'node:module'

import { CacheopsError } from './errors.ts'
import { shared } from './shared.ts'

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
  openDatabase(store: StoreHandle, identity: string, dialect: string): DatabaseHandle
  /** grows whenever facts are set or dropped */
  factsEpoch(database: DatabaseHandle): number
  /** false: facts were dropped since `epoch`, these may be older and are refused */
  setFacts(database: DatabaseHandle, factsJson: string, epoch: number): boolean
  dropFacts(database: DatabaseHandle): void
  hasFacts(database: DatabaseHandle): boolean
  /** this thread's parameter buffer, at least that long */
  scratch(bytes: number): Uint8Array
  prepare(database: DatabaseHandle, sql: string): string
  release(shape: ShapeHandle): void
  /** a token (≥ 0) and the key in the first 16 bytes of the scratch; or a negative code, see `BindCode` */
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
} as const

function load(): Native {
  try {
    return createRequire(import.meta.url)('../native/index.cjs') as Native
  } catch (cause) {
    throw new CacheopsError(
      'CACHEOPS_NATIVE_MISSING',
      `The native addon of cacheops for ${process.platform}-${process.arch} could not be loaded. ` +
        'Install cacheops with optional dependencies, or run `npm run build` in a checkout.',
      { cause },
    )
  }
}

/** The addon. This is the only file that loads it. */
export const native: Native = shared('native', load)
