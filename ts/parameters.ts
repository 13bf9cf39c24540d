import { types } from 'node:util'

import { native } from './native.ts'
import { isAsMade, textOf, UnencodableParameter } from './objects.ts'

/**
 * Writes the parameters of a query into the memory that the Rust core reads: a tag for the type, a length where there is
 * one, the value. Two different lists of parameters never give the same bytes (`1` and `'1'`, `-0` and `0`, `null` and
 * `undefined`, a Date and its ISO text, a Buffer and other bytes all differ), because these bytes are what a cache key is
 * made of, and drivers and their serializers treat all of these differently.
 *
 * Source of the layout: `crates/core/src/value.rs`.
 */

export { UnencodableParameter } from './objects.ts'

const Tag = {
  null: 0,
  undefined: 1,
  false: 2,
  true: 3,
  number: 4,
  bigint: 5,
  string: 6,
  illFormedString: 7,
  date: 8,
  bytes: 9,
  array: 10,
  json: 11,
} as const

/** The key comes out in front of the input. */
const INPUT_OFFSET = 32
const KEY_BYTES = 16
const MAX_BYTES = 4 * 2 ** 20
const MAX_DEPTH = 16

/** For calls that make no key. */
export const NO_CONTEXT: Uint8Array = new Uint8Array(0)

let scratch = native.scratch(64 * 1024)
let buffer = bufferOver(scratch)
let view = viewOver(scratch)
let end = 0

function bufferOver(memory: Uint8Array): Buffer {
  return Buffer.from(memory.buffer, memory.byteOffset, memory.byteLength)
}

function viewOver(memory: Uint8Array): DataView {
  return new DataView(memory.buffer, memory.byteOffset, memory.byteLength)
}

function reserve(bytes: number): void {
  if (end + bytes <= buffer.length) return
  if (end + bytes > MAX_BYTES) throw new UnencodableParameter('the parameters are larger than 4 MiB')
  const written = Buffer.from(buffer.subarray(0, end))
  scratch = native.scratch(Math.min(MAX_BYTES, Math.max(buffer.length * 2, end + bytes)))
  buffer = bufferOver(scratch)
  view = viewOver(scratch)
  written.copy(buffer)
}

/**
 * Encodes a context (what varies a key besides the query) and parameters.
 *
 * @returns the length to hand to the core.
 * @throws UnencodableParameter when a value has no encoding (functions, symbols, class instances, objects with a will of
 * their own, more than 4 MiB), and nothing else.
 */
export function encode(context: Uint8Array, parameters: readonly unknown[]): number {
  begin(context, parameters.length)
  try {
    for (let i = 0; i < parameters.length; i++) encodeValue(parameters[i], 0)
  } catch (error) {
    if (error instanceof UnencodableParameter) throw error
    throw new UnencodableParameter('a parameter cannot be read', { cause: error })
  }
  return end
}

/**
 * The same for a statement whose parameters are read again when it is executed: an object may be another by then, and is
 * unknown to the core. So is everything if the rest is too large. Never throws.
 */
export function encodeOrNothing(parameters: readonly unknown[]): number {
  try {
    begin(NO_CONTEXT, parameters.length)
    for (const value of parameters) encodeValue(isPrimitive(value) ? value : undefined, 0)
    return end
  } catch {
    begin(NO_CONTEXT, 0)
    return end
  }
}

function begin(context: Uint8Array, count: number): void {
  end = INPUT_OFFSET
  reserve(8 + context.length)
  view.setUint32(end, context.length, true)
  buffer.set(context, end + 4)
  end += 4 + context.length
  view.setUint32(end, count, true)
  end += 4
}

function isPrimitive(value: unknown): boolean {
  return typeof value === 'object' ? value === null : typeof value !== 'function' && typeof value !== 'symbol'
}

/** What tells later whether an object among parameters that have an encoding was changed; undefined if there is none. */
export function snapshotOf(parameters: readonly unknown[]): Uint8Array | undefined {
  return parameters.every(isPrimitive) ? undefined : copyEncoded(encode(NO_CONTEXT, parameters))
}

/** Whether parameters are still what they were when the snapshot was taken. */
export function areUnchanged(parameters: readonly unknown[], snapshot: Uint8Array | undefined): boolean {
  if (snapshot === undefined) return true
  try {
    return buffer.compare(snapshot, 0, snapshot.length, INPUT_OFFSET, encode(NO_CONTEXT, parameters)) === 0
  } catch {
    return false
  }
}

/** The values alone, as bytes of their own: for contexts. */
export function encodeContext(values: readonly unknown[]): Uint8Array {
  end = INPUT_OFFSET
  for (const value of values) encodeValue(value, 0)
  return Uint8Array.prototype.slice.call(buffer, INPUT_OFFSET, end)
}

/** A copy of what was encoded last, to be put back by {@link restore} after something else used the memory. */
export function copyEncoded(length: number): Uint8Array {
  return Uint8Array.prototype.slice.call(buffer, INPUT_OFFSET, length)
}

/** Puts a copy back; gives the length to hand to the core. */
export function restore(copy: Uint8Array): number {
  end = INPUT_OFFSET
  reserve(copy.length)
  buffer.set(copy, INPUT_OFFSET)
  return INPUT_OFFSET + copy.length
}

/** The key that the core wrote, one character a byte. */
export function takeKey(): string {
  return buffer.toString('latin1', 0, KEY_BYTES)
}

function encodeValue(value: unknown, depth: number): void {
  reserve(16)
  switch (typeof value) {
    case 'string':
      encodeString(value)
      return
    case 'number':
      buffer[end] = Tag.number
      view.setFloat64(end + 1, value, true)
      end += 9
      return
    case 'boolean':
      buffer[end++] = value ? Tag.true : Tag.false
      return
    case 'bigint':
      encodeText(Tag.bigint, value.toString())
      return
    case 'undefined':
      buffer[end++] = Tag.undefined
      return
    case 'object':
      encodeObject(value, depth)
      return
    default:
      throw new UnencodableParameter(`a parameter is a ${typeof value}`)
  }
}

function encodeString(value: string): void {
  const length = value.length
  if (length <= 40) {
    // A loop beats the call into the encoder for what identifiers and short texts are made of.
    reserve(5 + length)
    let i = 0
    for (; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code > 127) break
      buffer[end + 5 + i] = code
    }
    if (i === length) {
      buffer[end] = Tag.string
      view.setUint32(end + 1, length, true)
      end += 5 + length
      return
    }
  }
  if (value.isWellFormed()) {
    encodeText(Tag.string, value)
    return
  }
  // NOTE: UTF-8 would turn every lone surrogate into U+FFFD, and two different parameters would share a key.
  reserve(5 + length * 2)
  buffer[end] = Tag.illFormedString
  view.setUint32(end + 1, length * 2, true)
  buffer.write(value, end + 5, 'utf16le')
  end += 5 + length * 2
}

function encodeText(tag: number, text: string): void {
  reserve(5 + text.length * 3)
  const bytes = buffer.write(text, end + 5, 'utf8')
  buffer[end] = tag
  view.setUint32(end + 1, bytes, true)
  end += 5 + bytes
}

function encodeObject(value: object | null, depth: number): void {
  if (value === null) {
    buffer[end++] = Tag.null
    return
  }
  if (depth >= MAX_DEPTH) throw new UnencodableParameter('a parameter is nested too deeply')
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Date.prototype) encodeDate(value as Date)
  else if (prototype === Buffer.prototype) encodeBytes(value as Buffer)
  else if (prototype === Array.prototype) encodeArray(value as unknown[], depth)
  else if (prototype === Uint8Array.prototype) encodeAscii(Tag.json, textOf(value, depth))
  else encodeText(Tag.json, textOf(value, depth))
}

function encodeDate(value: Date): void {
  if (!isAsMade(value)) throw new UnencodableParameter('a parameter is a Date with a method of its own')
  buffer[end] = Tag.date
  view.setFloat64(end + 1, value.getTime(), true)
  end += 9
}

function encodeBytes(value: Buffer): void {
  if (!types.isUint8Array(value) || !isAsMade(value)) {
    throw new UnencodableParameter('a parameter is a Buffer with a method of its own')
  }
  const { length } = value
  reserve(5 + length)
  buffer[end] = Tag.bytes
  view.setUint32(end + 1, length, true)
  buffer.set(value, end + 5)
  end += 5 + length
}

function encodeArray(value: unknown[], depth: number): void {
  if (types.isProxy(value) || !isAsMade(value)) {
    throw new UnencodableParameter('a parameter is an array with holes or with a property of its own')
  }
  buffer[end] = Tag.array
  view.setUint32(end + 1, value.length, true)
  end += 5
  for (let i = 0; i < value.length; i++) encodeValue(value[i], depth + 1)
}

/** NOTE: no object's text begins like this one, so bytes that are no Buffer share a key with nothing. */
function encodeAscii(tag: number, text: string): void {
  reserve(5 + text.length)
  buffer[end] = tag
  view.setUint32(end + 1, text.length, true)
  buffer.write(text, end + 5, 'latin1')
  end += 5 + text.length
}
