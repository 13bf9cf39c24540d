import { sql } from 'kysely'

import type { Reads } from './case.ts'

/** Values of every JavaScript type, as they are found again and as they come out. */
const PARAMETERS: Readonly<Record<string, unknown>> = {
  null: null,
  undefined,
  zero: 0,
  'minus zero': -0,
  one: 1,
  'a fraction': 1.5,
  NaN: NaN,
  infinity: Infinity,
  'the largest safe integer': Number.MAX_SAFE_INTEGER,
  'more than the largest safe integer': 2 ** 60,
  'a bigint': 7n,
  'a large bigint': 9007199254740993n,
  'too large a bigint': 2n ** 80n,
  true: true,
  false: false,
  'an empty string': '',
  'a string': 'plain',
  'a number in a string': '7',
  blanks: ' plain ',
  quotes: `'"\\`,
  'not ASCII': 'ä😀',
  'half a character': '\ud800',
  'NUL in a string': 'a\0b',
  'a long string': 'x'.repeat(100_000),
  'a Date': new Date('2001-02-03T02:05:06.789Z'),
  'an invalid Date': new Date(NaN),
  'a Buffer': Buffer.from([0, 255, 16]),
  'a Uint8Array': new Uint8Array([0, 255, 16]),
  'an empty Buffer': Buffer.alloc(0),
  'an ArrayBuffer': new Uint8Array([1, 2]).buffer,
  'a Float64Array': new Float64Array([1.5]),
  'an array of numbers': [1, 2, null],
  'an array of strings': ['a,b', 'c"d'],
  'an empty array': [],
  'an array of arrays': [
    [1, 2],
    [3, 4],
  ],
  'an object': { b: 1, a: [1, null] },
  'an object with toJSON': { toJSON: () => 7 },
  'an object with toPostgres': { toPostgres: () => '7' },
  'an instance of a class': new (class Money {
    readonly amount = 7
  })(),
  'an object without prototype': Object.assign(Object.create(null) as object, { a: 1 }),
  'a symbol': Symbol('s'),
  'a Map': new Map([[1, 2]]),
  'a String object': Object('boxed') as object,
}

/** Each value, compared with a column of each kind and given back as it is. */
function parameterReads(columns: readonly string[]): Readonly<Record<string, Reads>> {
  return Object.fromEntries(
    Object.entries(PARAMETERS).map(([name, value]) => {
      const compared = columns.map((column): [string, Reads[string]] => [
        `compared with ${column}`,
        (db) =>
          db
            .selectFrom('kind')
            .select(['id', column])
            .where(column, '=', value as never)
            .orderBy('id'),
      ])
      const reads: Reads = {
        ...Object.fromEntries(compared),
        'given back': (db) => db.selectFrom('genre').select(['id', sql`${value}`.as('v')]),
        'in raw SQL': () => sql`select id from kind where t = ${value} order by id`,
      }
      return [name, reads]
    }),
  )
}

export const POSTGRES_PARAMETERS = parameterReads(['i8', 't', 'f8', 'b', 'by', 'tz', 'jb', 'n', 'ints'])
export const SQLITE_PARAMETERS = parameterReads(['i', 't', 'r', 'by', 'x', 'n'])
