import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'

import type { PostgresDriverName } from '../support/servers.ts'
import type { Random } from './random.ts'

export type Dialect = 'postgres' | 'sqlite'

/** What a run is on. */
export type DatabaseName = 'sqlite' | PostgresDriverName

/** What statements are made for. */
export interface Target {
  readonly dialect: Dialect
  /** of PostgreSQL */
  readonly version: number
  /** a server with several connections; otherwise all instances share one, or have one each */
  readonly server: boolean
  /** statements of one instance may come to different connections */
  readonly pooled: boolean
  /** a connection may be ended while it is in use: postgres.js 3.4 then fails outside of any promise */
  readonly kills: boolean
}

export function dialectOf(database: DatabaseName): Dialect {
  return database === 'sqlite' ? 'sqlite' : 'postgres'
}

/** What a column holds. Every kind has few values, so that conditions meet rows. */
export type Kind =
  | 'int'
  | 'big'
  | 'text'
  | 'varchar'
  | 'char'
  | 'fold'
  | 'trim'
  | 'bool'
  | 'numeric'
  | 'real'
  | 'float'
  | 'uuid'
  | 'date'
  | 'timestamp'
  | 'json'
  | 'array'
  | 'enum'
  | 'domain'
  | 'any'
  | 'blob'
  | 'string'
  | 'point'
  | 'bytea'
  | 'ctext'

interface KindOf {
  /** as a column definition names it */
  readonly type: string
  /** values that look different are different: DISTINCT and GROUP BY have nothing to choose */
  readonly exact: boolean
  readonly usual: readonly unknown[]
  /** spellings that people and drivers do send, equal to a usual value or just not, and values that are refused */
  readonly odd: readonly unknown[]
}

const UUIDS = ['0b6f1c1e-5a3c-4a57-9a3f-000000000001', '0b6f1c1e-5a3c-4a57-9a3f-00000000000a']
const TEXTS = ['a', 'A', 'b', '1', 'ß']
// Half of them look like something else; one letter is there composed and decomposed, one text is longer than a page.
const ODD_TEXTS: unknown[] = [
  '',
  'a ',
  'a  ',
  ' a',
  '1.0',
  '0x1',
  'Ä',
  'ä',
  'SS',
  'ﬁ',
  '🙂',
  "it's",
  'null',
  'true',
  '\\',
  '%',
  1,
  -0,
  1n,
  '\u00e9',
  'e\u0301',
  'a'.repeat(5000),
]

const POSTGRES: { readonly [kind in Kind]?: KindOf } = {
  int: {
    type: 'integer',
    exact: true,
    usual: [0, 1, 2, 3],
    odd: ['1', 1n, ' 1', '01', '0x1', '1_0', '1.0', -0, -1, 2147483647, 2147483648, 1.5, Infinity, NaN, true, ''],
  },
  big: {
    type: 'bigint',
    exact: true,
    usual: [0, 1, 2, 3n],
    odd: ['1', '9007199254740993', 9007199254740993n, -0, '+1'],
  },
  text: { type: 'text', exact: true, usual: TEXTS, odd: [...ODD_TEXTS, true] },
  varchar: { type: 'varchar(6)', exact: true, usual: TEXTS, odd: ODD_TEXTS },
  char: { type: 'char(3)', exact: true, usual: ['a', 'b', 'A', 'ab'], odd: ['a ', 'a  ', '', '1', 'abcd'] },
  fold: { type: 'text collate "folding"', exact: false, usual: ['a', 'A', 'b'], odd: ['Ä', 'ä', '', 'a '] },
  bool: { type: 'boolean', exact: true, usual: [true, false], odd: ['true', 'f', 'yes', 1, 0, '1'] },
  numeric: {
    type: 'numeric',
    exact: false,
    usual: [0, 1, 1.5, '1.0'],
    odd: ['1', '1.50', '1e2', 100, -0, '-0', 'NaN', '0.1', 0.1, ' 1', '0x1', Infinity, 1e-7, 1e21, 1n],
  },
  real: {
    type: 'real',
    exact: false,
    usual: [0, 1, 1.5],
    odd: [-0, 0.1, '0.1', 'NaN', NaN, 'Infinity', '1e0', '1.50'],
  },
  float: {
    type: 'double precision',
    exact: false,
    usual: [0, 1, 1.5],
    odd: [-0, 0.1, '0.1', 'NaN', 'Infinity', '1e0', '-0'],
  },
  uuid: {
    type: 'uuid',
    exact: true,
    usual: UUIDS,
    odd: [UUIDS[1]!.toUpperCase(), `{${UUIDS[1]}}`, UUIDS[1]!.replaceAll('-', ''), 'x'],
  },
  date: {
    type: 'date',
    exact: true,
    usual: ['2024-01-01', '2024-02-29'],
    odd: ['2024-1-1', '20240101', 'Jan 1, 2024', 'infinity', new Date(1704067200000), '2024-02-30'],
  },
  timestamp: {
    type: 'timestamptz',
    exact: true,
    usual: ['2024-01-01T00:00:00Z', '2024-01-01T12:00:00Z'],
    odd: ['2024-01-01 01:00:00+01', new Date(1704067200000), '2024-01-01T00:00:00.000001Z', 'epoch'],
  },
  json: {
    type: 'jsonb',
    exact: false,
    usual: ['{"a":1}', '[1,2]'],
    odd: [{ a: 1 }, '1', '{"a":1.0}', '{ "a" : 1 }', '"a"'],
  },
  array: { type: 'integer[]', exact: true, usual: [[1, 2], [1]], odd: [[], '{1,2}', [2, 1], '{1,NULL}'] },
  bytea: {
    type: 'bytea',
    exact: true,
    usual: [Buffer.from('a'), Buffer.from('b')],
    odd: ['\\x61', 'a', Buffer.alloc(0), ''],
  },
  ctext: { type: 'text collate "C"', exact: true, usual: TEXTS, odd: ODD_TEXTS },
  enum: { type: '"mood"', exact: true, usual: ['x', 'y'], odd: ['z', 'X'] },
  domain: { type: '"small"', exact: true, usual: [0, 1, 2], odd: ['1', '01', 1000] },
}

const SQLITE: { readonly [kind in Kind]?: KindOf } = {
  int: {
    type: 'INTEGER',
    exact: true,
    usual: [0, 1, 2, 3],
    odd: ['1', 1n, '1.0', ' 1', '1 ', '01', '0x1', '1e0', '1_0', 'x', -0, -1, 1.5, '', Infinity, NaN, Buffer.from('1')],
  },
  big: {
    type: 'BIGINT',
    exact: true,
    usual: [0, 1, 2, 3n],
    odd: [
      '1',
      '9007199254740993',
      9007199254740993n,
      9007199254740992,
      2 ** 63,
      2n ** 63n - 1n,
      '9223372036854775808',
      -0,
    ],
  },
  text: { type: 'TEXT', exact: true, usual: TEXTS, odd: [...ODD_TEXTS, 'a\0b', 'a\0', Buffer.from('a'), 1.5] },
  varchar: { type: 'VARCHAR(6)', exact: true, usual: TEXTS, odd: ODD_TEXTS },
  fold: {
    type: 'TEXT COLLATE NOCASE',
    exact: false,
    usual: ['a', 'A', 'b'],
    odd: ['Ä', 'ä', '', 'a ', 1, '1', Buffer.from('A')],
  },
  trim: { type: 'TEXT COLLATE RTRIM', exact: false, usual: ['a', 'a ', 'b'], odd: ['A', '', '  ', 'a\t'] },
  bool: { type: 'BOOLEAN', exact: true, usual: [0, 1], odd: ['1', 1n, '0', 2, 'true'] },
  numeric: {
    type: 'NUMERIC',
    exact: false,
    usual: [0, 1, 1.5],
    odd: [
      '1',
      '1.0',
      '1.50',
      '1e0',
      ' 1 ',
      '0x1',
      -0,
      0.1,
      '0.1',
      'x',
      Infinity,
      '1e400',
      9007199254740993n,
      Buffer.from('1'),
    ],
  },
  real: { type: 'REAL', exact: false, usual: [0, 1, 1.5], odd: [-0, '1', '1.5', 0.1, Infinity, NaN, 1n, 'x'] },
  date: { type: 'DATE', exact: true, usual: ['2024-01-01', '2024-02-29'], odd: ['2024-1-1', 20240101, '20240101', ''] },
  // Names that people invent: the affinities are NONE, NUMERIC and INTEGER.
  blob: {
    type: 'BLOB',
    exact: false,
    usual: [Buffer.from('a'), 'a', 1],
    odd: ['A', '1', 1n, 1.5, Buffer.alloc(0), ''],
  },
  string: { type: 'STRING', exact: false, usual: [1, 'a', 'b'], odd: ['1', '1.0', '01', ' 1', 'A', 1n, '1e0', 'a '] },
  point: { type: 'FLOATING POINT', exact: false, usual: [0, 1, 1.5], odd: ['1', '1.0', '1.5', 'x', 1n, -0, '1e0'] },
  any: { type: '', exact: false, usual: [0, 1, 'a', 'A'], odd: ['1', 1n, '1.0', 1.5, '1.5', Buffer.from('a'), ''] },
}

export function kindsOf(dialect: Dialect): { readonly [kind in Kind]?: KindOf } {
  return dialect === 'postgres' ? POSTGRES : SQLITE
}

export function kindOf(dialect: Dialect, kind: Kind): KindOf {
  const found = kindsOf(dialect)[kind]
  if (found === undefined) throw new Error(`${dialect} has no kind ${kind}`)
  return found
}

/** A value that a column of this kind may be compared with or set to. */
export function valueOf(random: Random, dialect: Dialect, kind: Kind, { odd = 0.15, nulls = 0.08 } = {}): unknown {
  if (random.chance(nulls)) return null
  const { usual, odd: strange } = kindOf(dialect, kind)
  return random.pick(random.chance(odd) ? strange : usual)
}

/** A value as SQL text; undefined if it has none. */
export function literalOf(dialect: Dialect, value: unknown): string | undefined {
  if (value === null) return 'null'
  if (typeof value === 'number')
    return Number.isFinite(value) ? (Object.is(value, -0) ? '-0.0' : String(value)) : undefined
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'boolean') return dialect === 'postgres' ? String(value) : value ? '1' : '0'
  if (typeof value === 'string') return value.includes('\0') ? undefined : `'${value.replaceAll("'", "''")}'`
  if (Buffer.isBuffer(value)) return dialect === 'sqlite' ? `x'${value.toString('hex')}'` : undefined
  return undefined
}

/** A parameter, or now and then the value in the text. */
export function operandOf(random: Random, dialect: Dialect, value: unknown): RawBuilder<unknown> {
  const literal = random.chance(0.15) ? literalOf(dialect, value) : undefined
  return literal === undefined ? sql`${value}` : sql.raw(literal)
}
