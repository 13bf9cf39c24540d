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
const NOT_COMPARED = new Set(['stack', 'query', 'params', 'queryOptions', 'length'])

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

/** A result as a text: of rows, of a whole `QueryResult`, or of an error. */
export interface Answer {
  readonly text: string
  /** how many rows; undefined for an error */
  readonly rows: number | undefined
}

/** @param ordered the query says in which order its rows come. */
export function answerOf(result: unknown, ordered: boolean): Answer {
  if (Array.isArray(result)) return { text: rowsOf(result, ordered), rows: result.length }
  const { rows, ...rest } = result as { rows: unknown[] }
  return { text: `${canonical(rest)} ${rowsOf(rows, ordered)}`, rows: rows.length }
}

function rowsOf(rows: readonly unknown[], ordered: boolean): string {
  const texts = rows.map(canonical)
  return (ordered ? texts : texts.sort()).join('\n')
}

export function errorAnswer(error: unknown): Answer {
  return { text: canonicalError(error), rows: undefined }
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
