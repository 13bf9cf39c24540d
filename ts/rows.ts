import type { QueryResult } from 'kysely'

import type { Bytes } from './config.ts'

/**
 * Results as the store keeps them: private copies, and how to make fresh ones.
 *
 * A reader gets objects that nobody else holds, of exactly the types the driver gave. Rows are copied by object spread,
 * which takes the hidden class along and creates properties without calling setters, so that a column named `__proto__`
 * is a column; only the columns that hold something mutable are copied again, value by value. No code is generated.
 */

/** A result that the store keeps. Nobody else may see its rows. */
export interface KeptResult {
  readonly result: QueryResult<unknown>
  /** columns that hold a mutable value in at least one row */
  readonly deep: readonly string[]
  /** rows have no prototype (node:sqlite) */
  readonly bare: boolean
  /** estimated */
  readonly bytes: Bytes
}

type Row = Record<string, unknown>

const MAX_DEPTH = 32
const ROW_BYTES = 64
const VALUE_BYTES = 16

/** Why a result cannot be kept. */
export interface NotKept {
  readonly reason: string
}

/**
 * Copies a result for keeping, or says why it cannot be given back identically.
 *
 * @param maxBytes what is larger is not kept.
 */
export function keep(result: QueryResult<unknown>, maxBytes: Bytes): KeptResult | NotKept {
  const rows: Row[] = []
  const deep = new Set<string>()
  let bytes: Bytes = ROW_BYTES
  let bare: boolean | undefined
  const unusual = unusualShape(result.rows as Row[])
  if (unusual !== undefined) return { reason: unusual }
  for (const row of result.rows as Row[]) {
    const prototype: unknown = Object.getPrototypeOf(row)
    if (prototype !== Object.prototype && prototype !== null) return { reason: 'rows are instances of a class' }
    bare ??= prototype === null
    if (bare !== (prototype === null)) return { reason: 'rows of different kinds' }
    const copy = bare ? copyBare(row) : { ...row }
    for (const column in row) {
      const value = row[column]
      if (typeof value === 'string') bytes += value.length + VALUE_BYTES
      else if (typeof value !== 'object' || value === null) {
        if (typeof value === 'function' || typeof value === 'symbol') return { reason: `a ${typeof value} in a row` }
        bytes += VALUE_BYTES
      } else {
        const size = sizeOf(value, 0)
        if (size === undefined) {
          return { reason: `column ${JSON.stringify(column)} holds a value that cannot be copied exactly` }
        }
        bytes += size
        deep.add(column)
        define(copy, column, copyValue(value))
      }
    }
    bytes += ROW_BYTES
    if (bytes > maxBytes) return { reason: `larger than maxEntryBytes (${maxBytes})` }
    rows.push(copy)
  }
  return { result: { ...result, rows }, deep: [...deep], bare: bare ?? false, bytes }
}

/** What a dialect may have done to rows that a copy would not have; all rows of a result are made alike. */
function unusualShape(rows: readonly Row[]): string | undefined {
  if (Object.isFrozen(rows) || Reflect.ownKeys(rows).length !== rows.length + 1) return 'an unusual list of rows'
  const [row] = rows
  if (row === undefined) return undefined
  const columns = Object.values(Object.getOwnPropertyDescriptors(row))
  const plain = columns.every(({ enumerable, writable, configurable }) => enumerable && writable && configurable)
  const usual = plain && Object.isExtensible(row) && Object.getOwnPropertySymbols(row).length === 0
  return usual ? undefined : 'rows with unusual properties'
}

/** A fresh result, equal to the one that was kept. */
export function copyOf(kept: KeptResult): QueryResult<unknown> {
  const source = kept.result.rows as Row[]
  const rows = new Array<Row>(source.length)
  if (kept.bare) for (let i = 0; i < source.length; i++) rows[i] = copyBare(source[i]!)
  else for (let i = 0; i < source.length; i++) rows[i] = { ...source[i] }
  for (const column of kept.deep) {
    for (const row of rows) {
      const value = row[column]
      if (typeof value === 'object' && value !== null) define(row, column, copyValue(value))
    }
  }
  return { ...kept.result, rows }
}

function copyBare(row: Row): Row {
  return { __proto__: null, ...row }
}

function define(row: Row, column: string, value: unknown): void {
  // NOTE: assignment to `__proto__` would call the setter and lose the column.
  if (column === '__proto__') {
    Object.defineProperty(row, column, { value, writable: true, enumerable: true, configurable: true })
  } else row[column] = value
}

/** The size of a value that can be copied exactly; undefined for any other. */
function sizeOf(value: unknown, depth: number): Bytes | undefined {
  if (typeof value === 'string') return value.length + VALUE_BYTES
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (typeof value !== 'object' || value === null) return VALUE_BYTES
  if (depth > MAX_DEPTH) return undefined
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Date.prototype) return Reflect.ownKeys(value).length === 0 ? VALUE_BYTES : undefined
  if (prototype === Buffer.prototype || prototype === Uint8Array.prototype) {
    return (value as Uint8Array).byteLength + 96
  }
  if (prototype === ArrayBuffer.prototype) return (value as ArrayBuffer).byteLength + 96
  const isArray = prototype === Array.prototype && Array.isArray(value)
  if (!isArray && prototype !== Object.prototype && prototype !== null) return undefined
  let bytes: Bytes = ROW_BYTES
  const keys = Reflect.ownKeys(value)
  // A sparse array, or one with further properties, would not come back as it was.
  if (isArray && keys.length !== value.length + 1) return undefined
  for (const key of keys) {
    if (isArray && key === 'length') continue
    const descriptor = Object.getOwnPropertyDescriptor(value, key)!
    const plain = 'value' in descriptor && descriptor.enumerable && descriptor.writable && descriptor.configurable
    const size = typeof key === 'symbol' || !plain ? undefined : sizeOf(descriptor.value, depth + 1)
    if (size === undefined) return undefined
    bytes += size
  }
  return bytes
}

function copyValue(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(copyValue)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Date.prototype) return new Date((value as Date).getTime())
  if (prototype === Buffer.prototype) return copyBuffer(value as Buffer)
  if (prototype === Uint8Array.prototype) return (value as Uint8Array).slice()
  if (prototype === ArrayBuffer.prototype) return (value as ArrayBuffer).slice(0)
  const source = value as Row
  const copy = prototype === null ? copyBare(source) : { ...source }
  for (const key of Object.keys(copy)) {
    const inner = copy[key]
    if (typeof inner === 'object' && inner !== null) define(copy, key, copyValue(inner))
  }
  return copy
}

/** One that has its memory to itself gets memory of its own: callers look at `buffer.buffer`. */
function copyBuffer(source: Buffer): Buffer {
  if (source.byteLength !== source.buffer.byteLength) return Buffer.from(source)
  const copy = Buffer.allocUnsafeSlow(source.byteLength)
  copy.set(source)
  return copy
}
