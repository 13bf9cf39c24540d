/* oxlint-disable typescript/unbound-method -- functions are put in the place of others, and call those with their own `this` */
/**
 * Caches that are wrong on purpose, in this thread: what the interleavings must notice. Nothing of the plugin is changed, only what
 * it calls.
 */
import { LRUCache } from 'lru-cache'

import { native } from '../../ts/native.ts'
import type { DatabaseHandle, Native, ShapeHandle } from '../../ts/native.ts'
import { TransactionState } from '../../ts/transaction.ts'

interface Entry {
  readonly token: number
  readonly kept: object
}

const INPUT_OFFSET = 32
const KEY_BYTES = 16
const NOTHING_DROPPED = '{"dropped":[],"more":0,"warnings":[]}'

const prototype = LRUCache.prototype as unknown as {
  get(this: object, key: string): unknown
  set(this: object, key: string, value: unknown, options?: object): unknown
}

function isEntry(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && 'kept' in value
}

function memory(): Buffer {
  const scratch = native.scratch(1024)
  return Buffer.from(scratch.buffer, scratch.byteOffset, scratch.byteLength)
}

function keyNow(): string {
  return memory().toString('latin1', 0, KEY_BYTES)
}

/** Takes a write's announcement back, and drops nothing: what stays announced is in doubt for ever. */
const dropNothing: Native['invalidate'] = (database, _changes, announced) => {
  if (announced !== undefined) native.retract(database, announced)
  return NOTHING_DROPPED
}

/** Puts other functions in the place of some; gives what takes them out again. */
function replace<T extends object>(target: T, others: Partial<T>): () => void {
  const before = Object.fromEntries(Object.keys(others).map((name) => [name, target[name as keyof T]])) as Partial<T>
  Object.assign(target, others)
  return () => Object.assign(target, before)
}

/** The stamps are taken when the result has come. */
function tokenAfterTheRead(): () => void {
  const { bind } = native
  const { set } = prototype
  const bound = new Map<string, { shape: ShapeHandle; input: Buffer }>()
  const undo = [
    replace<Native>(native, {
      bind(shape, length) {
        const input = Buffer.from(memory().subarray(INPUT_OFFSET, length))
        const token = bind(shape, length)
        bound.set(keyNow(), { shape, input })
        return token
      },
    }),
    replace(prototype, {
      set(key, value, options) {
        const known = isEntry(value) ? bound.get(key) : undefined
        if (known === undefined) return set.call(this, key, value, options)
        known.input.copy(memory(), INPUT_OFFSET)
        const token = bind(known.shape, INPUT_OFFSET + known.input.length)
        return set.call(this, key, { ...(value as Entry), token }, options)
      },
    }),
  ]
  return () => undo.forEach((each) => each())
}

/** What is written is invalidated when it is written, not when it is committed. */
function invalidatedBeforeTheCommit(): () => void {
  const { change, invalidate, prepare } = native
  const databases = new Map<ShapeHandle, DatabaseHandle>()
  return replace<Native>(native, {
    prepare(database, sql) {
      const shape = prepare(database, sql)
      databases.set((JSON.parse(shape) as { id: ShapeHandle }).id, database)
      return shape
    },
    change(shape, length, images) {
      const changes = change(shape, length, images)
      invalidate(databases.get(shape)!, changes)
      return changes
    },
    invalidate: dropNothing,
  })
}

/** Whoever finds a read of the same query under way waits for its result, however old it will be. */
function joinedUnseen(): () => void {
  const { bind } = native
  const { get, set } = prototype
  const underWay = new Map<string, number>()
  let token = -1
  const undo = [
    replace<Native>(native, {
      bind(shape, length) {
        token = bind(shape, length)
        return underWay.get(keyNow()) ?? token
      },
    }),
    replace(prototype, {
      get(key) {
        const value = get.call(this, key)
        const misses = value === undefined || (isEntry(value) && value.token !== token)
        if (misses && key === keyNow() && !underWay.has(key)) underWay.set(key, token)
        return value
      },
      set(key, value, options) {
        underWay.delete(key)
        return set.call(this, key, value, options)
      },
    }),
  ]
  return () => undo.forEach((each) => each())
}

/** Results are found whatever has been written since they were kept. */
function foundWithoutToken(): () => void {
  const { bind } = native
  const { get } = prototype
  let token = -1
  const undo = [
    replace<Native>(native, {
      bind: (shape, length) => (token = bind(shape, length)),
    }),
    replace(prototype, {
      get(key) {
        const value = get.call(this, key)
        return isEntry(value) ? { ...value, token } : value
      },
    }),
  ]
  return () => undo.forEach((each) => each())
}

/** A write invalidates nothing. */
function neverInvalidated(): () => void {
  return replace<Native>(native, { invalidate: dropNothing })
}

/** What a transaction sees is taken for what everybody sees. */
function snapshotsTakenForFresh(): () => void {
  const { begin } = TransactionState.prototype
  return replace(TransactionState.prototype, {
    begin(this: TransactionState, _snapshot: boolean, bySavepoint?: boolean) {
      begin.call(this, false, bySavepoint)
    },
  })
}

/** Each gives what makes the cache right again. To be called before a plugin object is made. */
export const FAULTS = {
  'the token is taken after the read': tokenAfterTheRead,
  'invalidation comes before the commit': invalidatedBeforeTheCommit,
  'a read is joined without a look at its token': joinedUnseen,
  'a result is found without its token': foundWithoutToken,
  'nothing is ever invalidated': neverInvalidated,
} as const

export type FaultName = keyof typeof FAULTS

/** Those that only transactions of several connections show. */
export const SERVER_FAULTS = {
  ...FAULTS,
  'a snapshot is taken for what is true now': snapshotsTakenForFresh,
} as const
