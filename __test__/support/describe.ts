/**
 * Everything that a program can tell of a value, as text: two values with one text cannot be told from each other, and two
 * texts show where they differ.
 */

import { types } from 'node:util'

const prototypes = new Map<object, string>()

/** A prototype's name, and a number: two classes of one name are not the same. */
function prototypeName(prototype: object | null): string {
  if (prototype === null) return 'null prototype'
  let name = prototypes.get(prototype)
  if (name === undefined) {
    const made = (prototype as { constructor?: unknown }).constructor
    name = `${typeof made === 'function' ? made.name : 'unnamed'}#${prototypes.size}`
    prototypes.set(prototype, name)
  }
  return name
}

/** Describes a value: types, prototypes, the order of keys, `-0`, what is missing and what is undefined, what is shared. */
export function describe(value: unknown): string {
  return describeAt(value, '', 'it', new Map())
}

function describeAt(value: unknown, indent: string, path: string, seen: Map<object, string>): string {
  // pg-cursor numbers its portals, and PostgreSQL's errors name them.
  if (typeof value === 'string') return JSON.stringify(value.replaceAll(/^portal "C_\d+"/gm, 'portal "C_…"'))
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return `function ${value.name}`
  if (typeof value === 'symbol') return value.toString()
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? '-0' : String(value)
  const before = seen.get(value)
  if (before !== undefined) return `the same as ${before}`
  seen.set(value, path)
  // One of postgres.js's errors has the parameters in it, and a Proxy may throw whatever it is asked.
  if (types.isProxy(value)) return 'a Proxy'
  const parts = [...ownText(value), ...properties(value, `${indent}  `, path, seen)]
  return `${prototypeName(Object.getPrototypeOf(value) as object | null)} {${parts.map((part) => `\n${indent}  ${part}`).join('')}\n${indent}}`
}

/** What an object holds past its properties. */
function ownText(value: object): string[] {
  const state = Object.isFrozen(value) ? ['frozen'] : Object.isExtensible(value) ? [] : ['not extensible']
  if (value instanceof Date) return [...state, `date ${value.getTime()}`]
  if (ArrayBuffer.isView(value)) {
    return [...state, `bytes ${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`]
  }
  if (value instanceof Map || value instanceof Set) return [...state, `members ${describe([...value])}`]
  return state
}

function properties(value: object, indent: string, path: string, seen: Map<object, string>): string[] {
  const described: string[] = []
  for (const key of Reflect.ownKeys(value)) {
    if (key === 'stack' && value instanceof Error) continue
    // What `.cache()` leaves on a query's node, where an error may show it. The caller put it there.
    if (key === Symbol.for('cacheops.explicit')) continue
    // Where Kysely was when a caller gave up. Who gets a hit is never on the way to a connection.
    if (key === '__kysely_timing__') continue
    // Where in PostgreSQL's source it was refused, which a statement that is prepared already comes by elsewhere.
    if ((key === 'routine' || key === 'line') && isRefusal(value)) continue
    if (ArrayBuffer.isView(value) && typeof key === 'string' && /^\d+$/.test(key)) continue
    const descriptor = Object.getOwnPropertyDescriptor(value, key)!
    const { enumerable, writable, configurable, value: inner } = descriptor
    const flags = [
      !enumerable && 'hidden',
      !writable && 'constant',
      !configurable && 'fixed',
      'get' in descriptor && 'getter',
    ]
    const length = Array.isArray(value) && key === 'length'
    const marks = length ? '' : flags.filter((flag) => typeof flag === 'string').join(' ')
    const name = typeof key === 'symbol' ? key.toString() : JSON.stringify(key)
    const text = describeAt(inner, indent, `${path}.${String(key)}`, seen)
    described.push(`${name}${marks === '' ? '' : ` (${marks})`}: ${text}`)
  }
  return described
}

/** An error of a transaction that has failed. */
function isRefusal(value: object): boolean {
  return value instanceof Error && 'code' in value && value.code === '25P02'
}

/** What came of a call. */
export interface Outcome {
  readonly value?: unknown
  readonly error?: unknown
  /** the result or the error, as a caller sees it */
  readonly text: string
  /** whether the error names the function that made the call, so that its reader learns which query it was */
  readonly namesCaller: boolean
}

/**
 * Makes a call and tells what came of it.
 *
 * @param frames how many frames a stack may have
 */
export async function outcomeOf(call: () => Promise<unknown>, frames = 100): Promise<Outcome> {
  const before = Error.stackTraceLimit
  Error.stackTraceLimit = frames
  try {
    const value = await makeTheCall(call)
    return { value, text: describe(value), namesCaller: false }
  } catch (error) {
    const namesCaller = ((error as Error | null)?.stack ?? '').includes(makeTheCall.name)
    return { error, text: `thrown: ${describe(error)}`, namesCaller }
  } finally {
    Error.stackTraceLimit = before
  }
}

async function makeTheCall(call: () => Promise<unknown>): Promise<unknown> {
  return await call()
}

/** Changes everything in a value that can be changed, as a caller may do with what it was given. */
export function spoil(value: unknown, seen = new Set<object>()): void {
  if (typeof value !== 'object' || value === null || seen.has(value)) return
  seen.add(value)
  for (const key of Reflect.ownKeys(value)) {
    const descriptor = Object.getOwnPropertyDescriptor(value, key)!
    spoil(descriptor.value, seen)
    if (descriptor.configurable === true && !ArrayBuffer.isView(value)) Reflect.deleteProperty(value, key)
  }
  if (value instanceof Date) value.setTime(0)
  else if (ArrayBuffer.isView(value)) Buffer.from(value.buffer, value.byteOffset, value.byteLength).fill(7)
  else if (Array.isArray(value) && !Object.isFrozen(value)) value.push('spoilt')
  else if (Object.isExtensible(value)) Object.assign(value, { spoilt: true })
}
