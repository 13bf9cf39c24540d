import { createHash } from 'node:crypto'

const MAX_DEPTH = 6

/**
 * Digest of a sample row and of the session's settings: two drivers that would hand out different values for the same
 * stored data must not share an entry. Only what is the same in every process goes in, never the identity of a class.
 */
export function fingerprintOf(sample: Record<string, unknown> | undefined, settings: unknown): string {
  return hashOf(describe(sample, 0), settings)
}

/** What is equal for equal JSON values; 132 bits, in 22 characters. */
export function hashOf(...values: unknown[]): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('base64url').slice(0, 22)
}

function describe(value: unknown, depth: number): unknown {
  if (value === null) return 'null'
  if (typeof value !== 'object') return [typeof value, asText(value)]
  if (depth > MAX_DEPTH) return 'deep'
  const prototype = Object.getPrototypeOf(value) as object | null
  const made = prototype === null ? null : nameOf(prototype)
  // NOTE: not String(date), which names the time zone even where the instant does not depend on it.
  if (value instanceof Date) return [made, value.getTime()]
  if (ArrayBuffer.isView(value)) {
    return [made, Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')]
  }
  if (Array.isArray(value)) return [made, value.map((item) => describe(item, depth + 1))]
  const entries = Object.entries(value).map(([key, item]) => [key, describe(item, depth + 1)])
  return [made, entries, made === null || made === 'Object' ? '' : asText(value)]
}

function nameOf(prototype: object): string {
  const made: unknown = (prototype as { constructor?: unknown }).constructor
  return typeof made === 'function' ? made.name : ''
}

function asText(value: unknown): string {
  try {
    // Objects of a user's parser often tell what they hold in toString alone; the default one does no harm.
    return String(value)
  } catch {
    return ''
  }
}
