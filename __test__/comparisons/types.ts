import * as fc from 'fast-check'

/** A value as a query or a write has it: in the text, or as a parameter. */
export type Spelling = { readonly sql: string } | { readonly parameter: unknown }

/** How a value of a type may be written. */
export interface ComparedType {
  readonly name: string
  /** as in CREATE TABLE */
  readonly type: string
  /** some spellings, most of them of one value by the database's reckoning */
  readonly values: fc.Arbitrary<readonly Spelling[]>
  /** a type of another column that `=` compares with this one; default: the same */
  readonly joined?: string
  /** some drivers take its values for Dates */
  readonly times?: boolean
  /** its values have no `=`: nothing is compared, only the same row by its key */
  readonly incomparable?: boolean
}

const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`
const sql = (text: string): Spelling => ({ sql: text })
const parameter = (value: unknown): Spelling => ({ parameter: value })

/** A text as a quoted literal and as a parameter. */
const texts = (all: readonly string[]): Spelling[] => all.flatMap((text) => [sql(quote(text)), parameter(text)])
const literals = (...all: string[]): Spelling[] => texts(all)

type Values = fc.Arbitrary<readonly Spelling[]>

/** Few numbers, so that they meet. */
const small = fc.oneof({ weight: 5, arbitrary: fc.constantFrom(0, 1, 2, -1, 10) }, fc.integer({ min: -300, max: 300 }))

const integer = (most: bigint): Values =>
  fc
    .oneof(
      { weight: 4, arbitrary: small.map(BigInt) },
      { weight: 1, arbitrary: fc.constantFrom(most, -most, most - 1n) },
      { weight: 1, arbitrary: fc.bigInt(-most, most) },
    )
    .map((n) => [
      sql(`${n}`),
      sql(`${n}.0`),
      sql(`${n}e0`),
      sql(`+${n < 0n ? `(${n})` : n}`),
      ...literals(`${n}`, ` ${n} `, `${n < 0n ? '-' : '+'}0${n < 0n ? -n : n}`, `\t${n}\n`),
      parameter(n),
      parameter(Number(n)),
      parameter(n === 0n ? -0 : Number(n)),
      sql(`${n}::int8`),
      sql(`${n}::numeric`),
      sql(`${n}::float8`),
      sql(`'${n}'::int8`),
    ])

const decimals = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('0', '1.5', '2', '-1.5', '100', '0.1', '1.25', '0.3') },
  { weight: 1, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }).map(String) },
)

const decimal = decimals.map((text) => {
  const number = Number(text)
  const plain = /e/.test(text) ? text : text.includes('.') ? text : `${text}.`
  return [
    sql(text),
    sql(`${plain}00`.replace(/e.*$/, '')),
    sql(`${text}::numeric`),
    sql(`${text}::float8`),
    sql(`${text}::float4`),
    ...literals(
      text,
      ` ${text}`,
      `${plain}00`.replace(/e.*$/, ''),
      number.toExponential(),
      `+${text}`.replace('+-', '-'),
    ),
    parameter(number),
    parameter(number === 0 ? -0 : number),
    ...(Number.isInteger(number) ? [parameter(BigInt(number))] : []),
  ]
})

const odd = (...all: string[]): Values =>
  fc.constantFrom(all).map((each) => [...texts(each), ...each.map(Number).map(parameter)])

const floating = fc.oneof(
  { weight: 4, arbitrary: decimal },
  { weight: 2, arbitrary: odd('NaN', 'nan', ' NAN ') },
  { weight: 1, arbitrary: odd('Infinity', 'inf', '+Infinity', 'INFINITY') },
  { weight: 1, arbitrary: odd('-Infinity', '-inf') },
  {
    weight: 2,
    arbitrary: fc.constant([
      sql("'-0'"),
      parameter('-0.0'),
      parameter(-0),
      sql('0'),
      sql("'-0'::float8"),
      parameter(2 ** 53),
      parameter(2 ** 53 + 2),
      sql('9007199254740993'),
      parameter(9007199254740993n),
      sql('0.1::real'),
      sql("'1e-400'"),
      sql("'5e-324'"),
      parameter(5e-324),
      sql('1e22'),
      parameter(1e22),
      parameter('0.30000000000000004'),
      sql('0.30000000000000004'),
    ]),
  },
)

const letters = ['a', 'A', 'ä', 'a\u0308', 'Ä', 'ß', 'SS', 'i', 'İ', 'I', 'ı', 'e', 'é', 'É', 'a1', 'a01', 'A1']
const words = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...letters) },
  {
    weight: 1,
    arbitrary: fc.string({ minLength: 0, maxLength: 3, unit: 'binary' }).map((text) => text.replaceAll('\0', '')),
  },
)
const text = words.map((word) => [
  ...literals(word, `${word} `, `${word}  `, ` ${word}`, word.toUpperCase(), word.toLowerCase()),
  sql(`E${quote(word.replaceAll('\\', '\\\\'))}`),
  sql(`${quote(word)}::text`),
  sql(`${quote(`${word} `)}::char(4)`),
  sql(`${quote(word)}::varchar(9)`),
  sql(`lower(${quote(word)})`),
  parameter(1),
  parameter('1'),
  sql("'1'"),
  sql("'t'"),
  parameter(true),
  parameter('true'),
])
/** Texts with COLLATE behind them. */
const collated = words.map((word) =>
  ['ci', '"C"', 'accents'].flatMap((collation) => [
    sql(`${quote(word)} collate ${collation}`),
    sql(quote(word)),
    parameter(word),
    parameter(word.toUpperCase()),
  ]),
)

const booleans = fc
  .boolean()
  .map((is) => [
    sql(String(is)),
    ...texts(
      is ? ['t', 'true', 'TRUE', 'yes', 'y', 'on', '1', ' tr '] : ['f', 'false', 'False', 'no', 'n', 'off', '0'],
    ),
    parameter(is),
    parameter(is ? 1 : 0),
    sql(is ? '(1 = 1)' : '(1 = 2)'),
    sql(`${is ? 1 : 0}::bool`),
  ])

const uuids = fc
  .constantFrom('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '00000000-0000-4000-8000-00000000000f')
  .map((id) => [
    ...literals(id, id.toUpperCase(), `{${id}}`, id.replaceAll('-', ''), id.replace(/^(.{4})(.{4})-/, '$1-$2-')),
    sql(`${quote(id)}::uuid`),
  ])

const days = ['2001-02-03', '1999-12-31', '2024-02-29', '0044-03-15 BC', 'infinity', '-infinity', '10000-01-01']
const dates = fc.constantFrom(...days).map((day) => {
  const iso = /^\d{4}-\d\d-\d\d$/.test(day)
  const [year, month, date] = day.split('-')
  return [
    ...literals(day),
    sql(`date ${quote(day)}`),
    ...(iso
      ? [
          ...literals(
            day.replaceAll('-', ''),
            `${month}/${date}/${year}`,
            `${day} 12:00`,
            `${day}T00:00:00.000Z`,
            ` ${day} `,
          ),
          sql(`${quote(day)}::timestamp`),
          sql(`${quote(`${day} 00:00+00`)}::timestamptz`),
          parameter(new Date(`${day}T00:00:00Z`)),
          parameter(new Date(`${day}T23:30:00Z`)),
          parameter(`${day} `),
          sql(`make_date(${Number(year)}, ${Number(month)}, ${Number(date)})`),
        ]
      : []),
  ]
})

const instants = fc.constantFrom(0, 981_173_106_789, 951_782_400_000).map((milliseconds) => {
  const date = new Date(milliseconds)
  const iso = date.toISOString()
  const shifted = new Date(milliseconds + 5.5 * 3_600_000).toISOString().replace('Z', '+05:30')
  return [
    ...literals(
      iso,
      iso.replace('T', ' '),
      iso.replace('Z', '+00'),
      iso.replace('Z', '000+00:00'),
      shifted,
      iso.replace('Z', ''),
    ),
    parameter(date),
    sql(`timestamptz ${quote(iso)}`),
    sql(`to_timestamp(${milliseconds / 1000})`),
    sql(`timestamp ${quote(iso.replace('Z', ''))}`),
    ...literals('infinity', '0044-03-15 12:00:00 BC', '2001-02-03 24:00:00', '2001-02-04 00:00:00', '2001-02-04'),
  ]
})

const intervals = fc
  .constantFrom(
    ['1 day', '24 hours', '1 00:00:00', 'P1D', '@ 1 day', '86400 seconds'],
    ['1 month', '30 days', '720:00:00', 'P1M', '1 mon'],
    ['0', '00:00', '1 day -24 hours'],
  )
  .map(texts)

/** Spellings of values in groups, of which some are equal. */
const groups = (...all: (readonly string[])[]): Values => fc.constantFrom(...all).map(texts)
const group = (type: string, ...all: (readonly string[])[]): Values =>
  fc.constantFrom(...all).map((each) => [...texts(each), ...each.map((one) => sql(`${quote(one)}::${type}`))])
const or = (...all: Values[]): Values => fc.oneof(...all)
const given = (...all: unknown[]): Values => fc.constant(all.map(parameter))

/** What the types below need. */
export const TYPES_SCHEMA = `
create extension if not exists citext; create extension if not exists hstore; create extension if not exists ltree;
create extension if not exists unaccent;
create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create collation accents (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
create collation digits (provider = icu, locale = 'und-u-kn-true', deterministic = true);
create collation "numeric ci" (provider = icu, locale = 'und-u-kn-true-ks-level2', deterministic = false);
create type mood as enum ('happy', 'Happy', 'sad');
create type pair as (a int, b text);
create type money_range as range (subtype = numeric);
create domain d_citext as citext;
create domain d_char as char(4) check (value <> 'bad');
create domain d_int as int check (value > -1000);
create domain d_text as text collate ci;
create domain d_numeric as numeric(6, 2);
create domain d_mood as mood;
create domain d_deep as d_int check (value < 1000);
create type shade as (v text);
create function same_shade(shade, shade) returns bool language sql immutable as 'select lower(($1).v) = lower(($2).v)';
create operator = (leftarg = shade, rightarg = shade, function = same_shade);
`

export const COMPARED: readonly ComparedType[] = [
  { name: 'smallint', type: 'smallint', values: integer(32_767n), joined: 'bigint' },
  { name: 'int', type: 'int', values: integer(2_147_483_647n), joined: 'numeric' },
  { name: 'bigint', type: 'bigint', values: integer(9_223_372_036_854_775_807n), joined: 'float8' },
  { name: 'oid', type: 'oid', values: or(integer(4_294_967_295n), groups(['4294967295', '-1'])) },
  {
    name: 'regclass',
    type: 'regclass',
    values: group('regclass', ['pg_class', '1259', 'pg_catalog.pg_class', 'PG_CLASS']),
  },
  { name: 'numeric', type: 'numeric', values: or(floating, groups(['1e2', '100', '1E+2', '100.000'])), joined: 'int' },
  {
    name: 'numeric(6,2)',
    type: 'numeric(6,2)',
    values: or(decimal, groups(['1.005', '1.01', '1.0'])),
    joined: 'float8',
  },
  { name: 'numeric(3,-1)', type: 'numeric(3,-1)', values: or(integer(900n), decimal) },
  { name: 'double', type: 'float8', values: floating, joined: 'numeric' },
  {
    name: 'real',
    type: 'float4',
    values: or(floating, groups(['0.1', '0.10000000149011612', '1e-1'])),
    joined: 'float8',
  },
  { name: 'boolean', type: 'bool', values: booleans },
  { name: 'text', type: 'text', values: or(text, collated), joined: 'varchar(9)' },
  { name: 'text collate "C"', type: 'text collate "C"', values: or(text, collated), joined: 'name' },
  { name: 'text collate ci', type: 'text collate ci', values: or(text, collated) },
  { name: 'text collate accents', type: 'text collate accents', values: text },
  { name: 'text collate digits', type: 'text collate digits', values: text, joined: 'text collate digits' },
  { name: 'varchar collate "numeric ci"', type: 'varchar(6) collate "numeric ci"', values: text },
  { name: 'varchar(4)', type: 'varchar(4)', values: text, joined: 'char(4)' },
  { name: 'char(4)', type: 'char(4)', values: text, joined: 'text' },
  { name: 'name', type: 'name', values: text, joined: 'text' },
  { name: '"char"', type: '"char"', values: text },
  { name: 'citext', type: 'citext', values: text, joined: 'text' },
  { name: 'uuid', type: 'uuid', values: uuids },
  { name: 'enum', type: 'mood', values: group('mood', ['happy', 'Happy', 'sad']) },
  { name: 'domain over citext', type: 'd_citext', values: text },
  { name: 'domain over char(n)', type: 'd_char', values: text },
  { name: 'domain over int', type: 'd_int', values: integer(900n), joined: 'int' },
  { name: 'domain over a domain', type: 'd_deep', values: integer(900n) },
  { name: 'domain with a collation', type: 'd_text', values: text },
  { name: 'domain over numeric', type: 'd_numeric', values: decimal, joined: 'numeric' },
  { name: 'domain over enum', type: 'd_mood', values: groups(['happy', 'sad']), incomparable: true },
  { name: 'date', type: 'date', times: true, values: dates, joined: 'timestamp' },
  { name: 'timestamp', type: 'timestamp', times: true, values: or(instants, dates), joined: 'date' },
  { name: 'timestamptz', type: 'timestamptz', times: true, values: or(instants, dates), joined: 'timestamp' },
  {
    name: 'time',
    type: 'time',
    values: group('time', ['04:05', '04:05:00', '4:05 am', '040500'], ['24:00', '24:00:00'], ['00:00']),
  },
  { name: 'timetz', type: 'timetz', values: group('timetz', ['04:05+01', '04:05:00+01:00'], ['03:05+00', '03:05Z']) },
  { name: 'interval', type: 'interval', values: intervals },
  {
    name: 'inet',
    type: 'inet',
    values: group('inet', ['10.0.0.1', '10.0.0.1/32'], ['::1', '0:0::1', '::1/128']),
    joined: 'cidr',
  },
  { name: 'cidr', type: 'cidr', values: group('cidr', ['10.0.0.0/8', '10/8', '10.0.0.0/08']) },
  {
    name: 'money',
    type: 'money',
    values: or(group('money', ['1.5', '1.499', '1.504'], ['1000', '1,000']), given(1.5, 1000)),
  },
  {
    name: 'bit',
    type: 'bit(3)',
    values: or(group('bit(3)', ['101', 'b101', 'x5'], ['000']), fc.constant([sql("b'101'"), sql('5::bit(3)')])),
  },
  {
    name: 'varbit',
    type: 'varbit',
    values: or(group('varbit', ['101', 'b101'], ['0101'], ['x5']), fc.constant([sql("x'5'")])),
  },
  {
    name: 'bytea',
    type: 'bytea',
    values: or(
      group('bytea', ['\\x6162', 'ab', '\\141b'], ['']),
      given(Buffer.from('ab'), Buffer.alloc(0), new Uint8Array([97, 98])),
    ),
  },
  {
    name: 'jsonb',
    type: 'jsonb',
    values: or(
      group('jsonb', ['{"a":1,"b":2}', '{"b": 2.0, "a": 1}', '{"a":0,"a":1,"b":2}'], ['1', '1.0', '1e0'], ['"a"']),
      given({ a: 1, b: 2 }, { b: 2, a: 1 }, 1, [1]),
    ),
  },
  { name: 'json', type: 'json', values: groups(['{"a":1}', '1']), incomparable: true },
  { name: 'xml', type: 'xml', values: groups(['<a/>', '<a></a>']), incomparable: true },
  {
    name: 'int[]',
    type: 'int[]',
    values: or(
      group('int[]', ['{1,2}', '{ 1, 02 }', '{"1","2"}', '[1:2]={1,2}'], ['{}'], ['{1}']),
      given([1, 2], [1n, 2n], ['1', '2'], [1], [], '{1}'),
      fc.constant([sql('array[1, 2]'), sql('array[1]')]),
    ),
  },
  {
    name: 'numeric[]',
    type: 'numeric[]',
    values: or(group('numeric[]', ['{1.5,2}', '{1.50,2.00}'], ['{NaN}']), given([1.5, 2], ['1.50', '2.0'])),
  },
  {
    name: 'text[]',
    type: 'text[]',
    values: or(
      group('text[]', ['{a,b}', '{"a","b"}', '{ a , b }'], ['{NULL}', '{"NULL"}', '{null}']),
      given(['a', 'b'], [null], ['NULL']),
    ),
  },
  { name: 'citext[]', type: 'citext[]', values: group('citext[]', ['{a,B}', '{A,b}']) },
  { name: 'enum[]', type: 'mood[]', values: group('mood[]', ['{happy}', '{ "happy" }'], ['{Happy,sad}']) },
  {
    name: 'int range',
    type: 'int4range',
    values: group('int4range', ['[1,3]', '[1,4)', '(0,4)', '(0,3]'], ['empty', '(1,2)', '[1,1)']),
  },
  {
    name: 'numeric range',
    type: 'money_range',
    values: group('money_range', ['[1,2]', '[1.0,2.00]'], ['empty', '(1,1)']),
  },
  {
    name: 'multirange',
    type: 'int4multirange',
    values: group('int4multirange', ['{[1,3],[4,5]}', '{[1,6)}', '{[4,5],[1,3]}'], ['{}', '{empty}']),
  },
  {
    name: 'composite',
    type: 'pair',
    values: or(group('pair', ['(1,a)', '( 1,a)', '(01,"a")'], ['(,)']), fc.constant([sql("row(1, 'a')::pair")])),
  },
  { name: 'an operator = of its own', type: 'shade', values: group('shade', ['(a)', '(A)', '("a")'], ['(b)', '(B)']) },
  { name: 'tsvector', type: 'tsvector', values: group('tsvector', ['a b', 'b a', 'a  b a', "'a' 'b'"], ['a:1 b:2']) },
  {
    name: 'point',
    type: 'box',
    values: group('box', ['((0,0),(1,1))', '(1,1),(0,0)', '((0,0),(1.0000001,1))', '((5,5),(6,6))'], ['((0,0),(2,2))']),
  },
  { name: 'circle', type: 'circle', values: group('circle', ['<(0,0),1>', '<(9,9),1>', '<(0,0),1.0000001>']) },
  { name: 'lseg', type: 'lseg', values: group('lseg', ['[(0,0),(1,1)]', '[(0,0),(1.0000001,1)]']) },
  {
    name: 'hstore',
    type: 'hstore',
    values: group('hstore', ['a=>1, b=>2', '"b"=>"2","a"=>"1"', 'a=>1,a=>1,b=>2'], ['a=>NULL']),
  },
  { name: 'ltree', type: 'ltree', values: group('ltree', ['a.b', 'A.b'], ['a']) },
]
