/**
 * A text in which everything counts that a caller can see of a value: types, -0, prototypes, the order of columns.
 */
export function canonical(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value)
    case 'bigint':
      return `${value}n`
    case 'undefined':
    case 'boolean':
      return String(value)
    case 'object':
      return value === null ? 'null' : canonicalObject(value)
    default:
      return `<${typeof value}>`
  }
}

function canonicalObject(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  const name =
    prototype === null ? 'bare' : ((prototype as { constructor?: { name?: string } }).constructor?.name ?? '?')
  if (value instanceof Date) return `${name}(${value.getTime()})`
  if (value instanceof Uint8Array) return `${name}(${Buffer.from(value).toString('hex')})`
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const entries = Object.keys(value).map(
    (key) => `${JSON.stringify(key)}:${canonical((value as Record<string, unknown>)[key])}`,
  )
  return `${prototype === Object.prototype ? '' : name}{${entries.join(',')}}`
}

/** PGlite notes the text that it was sent, and how long the server's message was: neither is what went wrong. */
const NOT_COMPARED = new Set(['stack', 'query'])

/** What an error tells its catcher. */
export function canonicalError(error: unknown): string {
  if (!(error instanceof Error)) return `threw ${canonical(error)}`
  const rest = Object.fromEntries(
    Object.getOwnPropertyNames(error)
      .filter((key) => !NOT_COMPARED.has(key) && (error as unknown as Record<string, unknown>)[key] !== undefined)
      .map((key) => [key, (error as unknown as Record<string, unknown>)[key]]),
  )
  const { cause, ...told } = rest
  return `${error.constructor.name}${canonical(told)}${cause === undefined ? '' : ` caused by ${canonicalError(cause)}`}`
}

/** What a query answered: rows, a whole `QueryResult`, or an error. Made a text only where that is asked for. */
export class Answer {
  readonly #result: unknown
  readonly #ordered: boolean
  #text: string | undefined
  /** an error's text stands for it */
  readonly failed: boolean

  private constructor(result: unknown, ordered: boolean, text?: string) {
    this.#result = result
    this.#ordered = ordered
    this.#text = text
    this.failed = text !== undefined
  }

  /** @param ordered the query says in which order its rows come. */
  static of(result: unknown, ordered: boolean): Answer {
    return new Answer(result, ordered)
  }

  static ofError(error: unknown): Answer {
    return new Answer(undefined, true, canonicalError(error))
  }

  get text(): string {
    return (this.#text ??= textOf(this.#result, this.#ordered))
  }

  equals(other: Answer): boolean {
    if (this === other) return true
    if (this.failed || other.failed) return this.failed === other.failed && this.text === other.text
    // The rows of an unordered query come in the same order nearly always.
    return identical(this.#result, other.#result) || this.text === other.text
  }
}

function textOf(result: unknown, ordered: boolean): string {
  if (Array.isArray(result)) return rowsOf(result, ordered)
  const { rows, ...rest } = result as { rows: unknown[] }
  return `${canonical(rest)} ${rowsOf(rows, ordered)}`
}

function rowsOf(rows: readonly unknown[], ordered: boolean): string {
  const texts = rows.map(canonical)
  return (ordered ? texts : texts.sort()).join('\n')
}

/** Whether two values have the same canonical text; sometimes false although they have. */
function identical(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return Object.is(a, b)
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false
  if (Array.isArray(a)) {
    const other = b as unknown[]
    return a.length === other.length && a.every((each, index) => identical(each, other[index]))
  }
  if (a instanceof Date) return Object.is(a.getTime(), (b as Date).getTime())
  if (a instanceof Uint8Array) return Buffer.compare(a, b as Uint8Array) === 0
  const [keys, others] = [Object.keys(a), Object.keys(b)]
  return (
    keys.length === others.length &&
    keys.every(
      (key, index) =>
        key === others[index] && identical((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
    )
  )
}

/** The same values, were it not for types, the order of columns and of rows. */
export function looselyEqual(a: Answer, b: Answer): boolean {
  const loose = (text: string): string =>
    text
      .replaceAll(/(?<=\d)n\b|["{}[\]]|^-?0$/gm, '')
      .replaceAll(/[a-zA-Z0-9]+\(|\)/g, '')
      .split('')
      .sort()
      .join('')
  return loose(a.text) === loose(b.text)
}
