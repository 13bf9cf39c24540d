import type { RunSql } from './facts.ts'
import { fingerprintOf } from './fingerprint.ts'
import { valueOf } from './postgres-types.ts'
import type { TypeSample, UserTypes } from './postgres-types.ts'

/**
 * What a driver, and parsers and serializers of the user's, make of PostgreSQL's values and of parameters: found out by
 * asking, for nothing else tells.
 */

type Row = Readonly<Record<string, unknown>>

/** What has been answered; `received` of these samples. */
export interface Values {
  readonly samples: readonly TypeSample[]
  readonly received: unknown
  readonly sent: unknown
}

/** A part of a SELECT list, and its parameters. */
export interface Columns {
  readonly text: string
  readonly parameters: readonly unknown[]
}

/** Texts that a parser may trim, change, or take for something else. */
const TEXTS = [
  ' a ',
  ' A_b',
  ' Aa\t\u00e4A\u0308\u00df_ ',
  '',
  '1',
  '007',
  'true',
  'null',
  'NULL',
  '{}',
  '[1]',
  '2001-02-03',
  '2001-02-03T04:05:06Z',
  '2001-02-03 04:05:06+00',
  '{"a_b":1}',
]

/** Types by which rows are looked for, and what they are looked for with. */
const PLAIN: readonly (readonly [type: string, value: unknown, text: string])[] = [
  ...TEXTS.map((text) => ['text', text, text] as const),
  ['varchar', TEXTS[0], TEXTS[0]!],
  ['int2', 12, '12'],
  ['int4', 12, '12'],
  ['int4', '12', '12'],
  ['int8', 12, '12'],
  ['int8', '12', '12'],
  ['int8', 12n, '12'],
  ['numeric', 1.5, '1.5'],
  ['numeric', '1.50', '1.50'],
  ['float8', 1.5, '1.5'],
  ['float8', '1.5', '1.5'],
  ['bool', true, 'true'],
  ['bool', false, 'false'],
  ['uuid', '00000000-0000-4000-8000-00000000000A', '00000000-0000-4000-8000-00000000000a'],
  ['date', '2001-02-03', '2001-02-03'],
]

/** Parameters that each driver sends in its own way, and users' serializers in theirs. */
const SENT: readonly (readonly [type: string, value: unknown])[] = [
  ['timestamptz', new Date(981_173_106_789)],
  ['timestamp', new Date(981_173_106_789)],
  ['date', new Date(981_173_106_789)],
  ['jsonb', { b: [1, null], a: 'x' }],
  ['int4[]', [1, 2]],
  ['text[]', ['a', 'B ', null]],
  ['bytea', Buffer.from([0, 255])],
]

// NOTE: names that drivers leave alone, and values that are plain texts, so that their columns can be told from those whose
// values and names are what is looked at.
const PREFIX = '$cacheops$'

const PLAIN_COLUMNS = [
  ...TEXTS.map((text, at) => `'${text}'::text AS "$cacheops$n${at}"`),
  ...PLAIN.map(([type, , text], at) => `($${at + 1}::${type} = '${text}'::${type})::int4::text AS "$cacheops$p${at}"`),
  'NULL::text AS "$cacheops$null"',
].join(', ')

/** The texts that come of {@link SENT}. */
function sentColumns(before: number): string {
  return SENT.map(([type], at) => `($${before + at + 1}::${type})::text AS "$cacheops$s${at}"`).join(', ')
}

const parametersOf = (list: readonly (readonly [string, unknown, ...unknown[]])[]): unknown[] =>
  list.map(([, value]) => value)

/** Everything in one statement, which may fail by any of it. */
export function valueColumns(samples: readonly TypeSample[]): Columns {
  return {
    text: [PLAIN_COLUMNS, sentColumns(PLAIN.length), ...receivedColumns(samples)].join(', '),
    parameters: [...parametersOf(PLAIN), ...parametersOf(SENT)],
  }
}

function receivedColumns(samples: readonly TypeSample[]): string[] {
  return samples.map((sample, at) => `${valueOf(sample)} AS v${at}`)
}

/**
 * What was answered to {@link valueColumns}, and the rest of the row. Undefined if the row has other columns than were asked
 * for, so that nobody knows which are which.
 *
 * @param others how many columns were asked for besides, except for those whose names begin with `$`
 * @throws as {@link fingerprintWith}
 */
export function takeValues(
  row: Row,
  samples: readonly TypeSample[],
  others: number,
): { readonly values: Values; readonly rest: Row } | undefined {
  const entries = Object.entries(row)
  const looked = entries.filter(([name]) => !name.startsWith('$'))
  if (looked.length !== others + samples.length) return undefined
  demandPlain(row)
  const part = (some: readonly [string, unknown][]): Row =>
    Object.assign(Object.create(Object.getPrototypeOf(row) as object | null), Object.fromEntries(some)) as Row
  const values = { samples, received: part(looked.slice(others)), sent: sentIn(row) }
  const rest = entries.filter(([name]) => name.startsWith('$') && !name.startsWith(PREFIX))
  return { values, rest: part([...rest, ...looked.slice(0, others)]) }
}

function sentIn(row: Row): unknown[] {
  return SENT.map((_, at) => row[`$cacheops$s${at}`])
}

/**
 * Digest of what becomes of parameters and of values whose types are not built in.
 *
 * @param answered what is known already
 * @throws when the driver changes texts or plain parameters: then nothing can be said of what a condition means or of what a
 * write has changed.
 */
export async function fingerprintOfValues(
  run: RunSql,
  { samples, unsampled }: UserTypes,
  answered: Values | undefined,
): Promise<string> {
  const ask = async (text: string, parameters: readonly unknown[] = []): Promise<Row | undefined> => {
    const [row] = await run(once(`SELECT ${text}`), parameters)
    return row
  }
  // A parser, a serializer or the database may refuse one of the values.
  const attempt = (...call: Parameters<typeof ask>): Promise<Row | undefined> => ask(...call).catch(() => undefined)
  if (answered === undefined) demandPlain((await ask(PLAIN_COLUMNS, parametersOf(PLAIN))) ?? {})
  const sentRow = answered === undefined ? await attempt(sentColumns(0), parametersOf(SENT)) : undefined
  const sent = answered?.sent ?? (sentRow && sentIn(sentRow))
  const same = answered !== undefined && JSON.stringify(answered.samples) === JSON.stringify(samples)
  const received =
    samples.length === 0 ? null : same ? answered.received : await attempt(receivedColumns(samples).join(', '))
  // What cannot be asked is taken for something that only this driver does.
  const own = unsampled || received === undefined ? crypto.randomUUID() : ''
  return fingerprintOf({ received, sent, own }, null)
}

/** Row images are texts under names of ours, and what a condition means is told by its parameters. */
function demandPlain(row: Row): void {
  const changed = TEXTS.find((text, at) => row[`$cacheops$n${at}`] !== text)
  if (changed !== undefined || (row['$cacheops$null'] ?? null) !== null) {
    const which = changed === undefined ? 'NULL' : JSON.stringify(changed)
    throw new Error(`a parser or transform of the driver changes texts (${which}): nobody can see what a write changed`)
  }
  const other = PLAIN.find((_, at) => row[`$cacheops$p${at}`] !== '1')
  if (other === undefined) return
  throw new Error(`a serializer of the driver changes ${other[0]} parameters: nobody can see what a condition means`)
}

let asked = 0

/**
 * NOTE: a connection of postgres.js hangs at the second statement of a text whose parameter its serializer has refused.
 */
export function once(text: string): string {
  return `/* ${++asked} */ ${text}`
}
