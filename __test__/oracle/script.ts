import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { CompiledQuery } from 'kysely'

import type { Dialect } from './values.ts'

/** A case that needs nothing but statements one after another. */
export interface PlainCase {
  readonly dialect: Dialect
  readonly ddl: readonly string[]
  readonly statements: readonly Pick<CompiledQuery, 'sql' | 'parameters'>[]
  readonly read: Pick<CompiledQuery, 'sql' | 'parameters'>
  /** rows come in an order that the query gives */
  readonly ordered: boolean
}

/**
 * A program that stands alone: it ends with an AssertionError where the cache answers something else than the database. It is run
 * once, because something that is no plain statement may belong to the case.
 */
export function scriptOf(plain: PlainCase): {
  readonly text: string
  readonly fails: boolean
  readonly complaints: string
} {
  const text = write(plain)
  const file = join(import.meta.dirname, `failed-${process.pid}.ts`)
  writeFileSync(file, text.replace(`from 'cacheops'`, `from '../../ts/index.ts'`))
  try {
    const { stderr } = spawnSync(process.execPath, ['--no-warnings', file], { encoding: 'utf8', timeout: 60_000 })
    return { text, fails: stderr.includes('AssertionError'), complaints: stderr }
  } finally {
    rmSync(file)
  }
}

function write({ dialect, ddl, statements, read, ordered }: PlainCase): string {
  const sqlite = dialect === 'sqlite'
  const rows = (result: string): string =>
    ordered ? `${result}.rows` : `${result}.rows.map((row) => inspect(row, { depth: 9 })).sort()`
  return [
    `import assert from 'node:assert/strict'`,
    `import { inspect } from 'node:util'`,
    sqlite ? `import BetterSqlite from 'better-sqlite3'` : `import { PGlite } from '@electric-sql/pglite'`,
    `import { Kysely, ${sqlite ? 'SqliteDialect' : 'PGliteDialect'}, sql } from 'kysely'`,
    `import { cacheopsPlugin } from 'cacheops'`,
    '',
    sqlite
      ? `const database = new BetterSqlite(':memory:')\ndatabase.pragma('foreign_keys = on')\nconst dialect = new SqliteDialect({ database })`
      : `const pglite = await PGlite.create()\nconst dialect = new PGliteDialect({ pglite })`,
    `const cacheops = cacheopsPlugin<any>()`,
    `const db = new Kysely<any>({ dialect, plugins: [cacheops] })`,
    `const plain = new Kysely<any>({ dialect })`,
    ...ddl.map((each) => `${sqlite ? 'database' : 'await pglite'}.exec(${JSON.stringify(each)})`),
    `const read = ${template(read)}`,
    `await cacheops.run(db, read).catch(() => undefined)`,
    ...statements.flatMap((statement) => [
      `await ${template(statement)}.execute(db).catch((error: unknown) => console.log(String(error)))`,
      `await cacheops.run(db, read).catch(() => undefined)`,
    ]),
    `const [cached, expected] = [await cacheops.run(db, read), await read.execute(plain)]`,
    `assert.deepEqual(${rows('cached')}, ${rows('expected')})`,
    sqlite ? '' : 'await pglite.close()',
    '',
  ].join('\n')
}

/** A statement as Kysely's `sql` takes it. */
function template({ sql, parameters }: Pick<CompiledQuery, 'sql' | 'parameters'>): string {
  let next = 0
  // Quoted texts and comments are passed over; what is left of ? and $1 are parameters.
  const text = sql.replaceAll(
    /"(?:[^"]|"")*"|'(?:[^']|'')*'|--[^\n]*|\/\*[\s\S]*?\*\/|\$\$[\s\S]*?\$\$|\?|\$(\d+)|[\\`]|\$\{/g,
    (found, number?: string) => {
      if (found === '?' || number !== undefined)
        return `\${${literal(parameters[number === undefined ? next++ : Number(number) - 1])}}`
      return found.replaceAll(/[\\`]|\$\{/g, String.raw`\$&`)
    },
  )
  return `sql\`${text}\``
}

function literal(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (value instanceof Uint8Array) return `Buffer.from(${JSON.stringify(Buffer.from(value).toString('hex'))}, 'hex')`
  if (value instanceof Date) return `new Date(${value.getTime()})`
  return JSON.stringify(value) ?? 'undefined'
}
