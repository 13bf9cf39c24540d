import { types } from 'node:util'

/**
 * Objects as parameters. What a driver or a serializer of the user makes of one is anybody's guess: it may call
 * `toString()`, `toJSON()`, `toPostgres()`, look at the prototype, or walk through the properties. So an object has a text
 * only if it is plain down to its leaves, and two objects that differ in anything have different texts.
 */

/** A value that has no encoding; the query is not cached. */
export class UnencodableParameter extends Error {}

const MAX_DEPTH = 16

type Bag = Partial<Record<PropertyKey, unknown>>

/**
 * Whether a Date, an array or bytes answer as their class does: nothing that a driver may call or read was put on the object
 * itself.
 *
 * NOTE: the inherited values are compared, one by one and without a list, because that costs almost nothing. Bytes and
 * Dates are not asked for all of their properties, which would cost more than the rest of the key.
 */
export function isAsMade(value: Date | Uint8Array | unknown[]): boolean {
  const made = Object.getPrototypeOf(value) as Bag
  const own = value as unknown as Bag
  return (
    own['toString'] === made['toString'] &&
    own['toJSON'] === made['toJSON'] &&
    own['valueOf'] === made['valueOf'] &&
    own['toPostgres'] === made['toPostgres'] &&
    own['constructor'] === made['constructor'] &&
    own[Symbol.toPrimitive] === made[Symbol.toPrimitive] &&
    (value instanceof Date ? isPlainDate(own, made) : Array.isArray(value) ? isDense(value) : isPlainBytes(value))
  )
}

function isPlainDate(own: Bag, made: Bag): boolean {
  for (const name in own) if (Object.hasOwn(own, name)) return false
  return own['toISOString'] === made['toISOString'] && own['getTime'] === made['getTime']
}

function isPlainBytes(value: Uint8Array): boolean {
  return !Object.hasOwn(value, 'length') && !Object.hasOwn(value, 'buffer') && !Object.hasOwn(value, 'byteLength')
}

/** NOTE: a hole and a property of one's own together give the right number of keys. */
function isDense(value: unknown[]): boolean {
  if (Object.keys(value).length !== value.length || Object.getOwnPropertySymbols(value).length > 0) return false
  for (let i = 0; i < value.length; i++) if (!(i in value)) return false
  return true
}

/**
 * The text of an object: JSON with more kinds of values.
 *
 * @throws UnencodableParameter, and whatever a Proxy throws.
 */
export function textOf(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value)
    case 'bigint':
      return `${value}n`
    case 'boolean':
    case 'undefined':
      return String(value)
    case 'object':
      return value === null ? 'null' : textOfObject(value, depth)
    default:
      throw new UnencodableParameter(`a parameter is or has a ${typeof value}`)
  }
}

function textOfObject(value: object, depth: number): string {
  if (depth >= MAX_DEPTH) throw new UnencodableParameter('a parameter is nested too deeply')
  if (types.isProxy(value)) throw new UnencodableParameter('a parameter is or has a Proxy')
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype) return textOfPlain(value, depth)
  if (prototype === null) return `bare${textOfPlain(value, depth)}`
  if (types.isDate(value) && prototype === Date.prototype && isAsMade(value)) return `Date(${value.getTime()})`
  if (types.isUint8Array(value) && isAsMade(value)) {
    const hex = (): string => Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')
    if (prototype === Buffer.prototype) return `Buffer(${hex()})`
    if (prototype === Uint8Array.prototype) return `Uint8Array(${hex()})`
  }
  if (Array.isArray(value) && prototype === Array.prototype && isAsMade(value)) {
    return `[${value.map((item) => textOf(item, depth + 1)).join()}]`
  }
  throw new UnencodableParameter('a parameter is or has an instance of a class')
}

function textOfPlain(value: object, depth: number): string {
  const properties: string[] = []
  for (const key of Reflect.ownKeys(value)) {
    const property = Object.getOwnPropertyDescriptor(value, key)!
    if (typeof key === 'symbol' || !('value' in property) || !property.enumerable) {
      throw new UnencodableParameter('a parameter is or has an object with more than plain properties')
    }
    properties.push(`${JSON.stringify(key)}:${textOf(property.value, depth + 1)}`)
  }
  return `{${properties.join()}}`
}
