/**
 * Every build of Kysely that is supported, on every database: a smoke of every feature as an application has it, the specs of
 * the seam, the transparency suite, and the oracle. The versions are installed on demand.
 */

import { spawn } from 'node:child_process'
import { join } from 'node:path'

import { Application } from './application.ts'
import { kyselyFolder, makeCell } from './cell.ts'
import type { KyselyBuild } from './cell.ts'
import type { Row } from './table.ts'
import { ROOT } from './tools.ts'

/** The newest of each line, and the first of 0.29 that is supported, which lacks what later ones repaired. */
const BUILDS: readonly KyselyBuild[] = [
  { version: '0.28.19', build: 'esm' },
  { version: '0.28.19', build: 'cjs' },
  { version: '0.29.1', build: 'esm' },
  { version: '0.29.9', build: 'esm' },
  { version: '0.30.0-beta.2', build: 'esm' },
]

/** What `peerDependencies` begins with. */
const OLDEST: readonly KyselyBuild[] = [
  { version: '0.28.0', build: 'esm' },
  { version: '0.28.0', build: 'cjs' },
]

interface Database {
  readonly name: string
  /** as the oracle calls it */
  readonly oracle: string
  readonly steps: number
  /** for the specs */
  readonly environment: Readonly<Record<string, string>>
  /** titles of the specs of the seam, and of the transparency suite */
  readonly titles: readonly string[]
}

const DATABASES: readonly Database[] = [
  {
    name: 'SQLite (better-sqlite3)',
    oracle: 'sqlite',
    steps: 3000,
    environment: {},
    titles: ['sqlite:*', 'better-sqlite3:*'],
  },
  { name: 'PGlite', oracle: 'pglite', steps: 1000, environment: {}, titles: ['postgres:*', 'pglite:*'] },
  {
    name: 'PostgreSQL 15 (pg)',
    oracle: 'pg',
    steps: 1000,
    environment: { CACHEOPS_TEST_POSTGRES: 'pg' },
    titles: ['postgres:*', 'pg:*'],
  },
]

/** Programs of an application: it imports Kysely, requires it, or does both. */
const PROGRAMS = {
  esm: ['esm.mjs', 'transparent.mjs'],
  cjs: ['required.cjs', 'imported.cjs', 'both.mjs', 'late.cjs'],
} as const

export const heading = '## Kysely'
export const columns: readonly string[] = ['Kysely', 'the application', 'database', 'what holds']
export const rows: readonly Row[] = [...OLDEST, ...BUILDS].map(smoke)
/** What the suites of this project say; `kysely-suites.ts` runs them. */
export const suiteRows: readonly Row[] = BUILDS.flatMap((build) => DATABASES.map((on) => suites(build, on)))

function cellsOf({ version, build }: KyselyBuild): [string, string] {
  return [version, build === 'cjs' ? 'requires it' : 'imports it']
}

function smoke(kysely: KyselyBuild): Row {
  // From 0.29 on there is one build, which CommonJS gets as well.
  const one = kysely.version.startsWith('0.28.') ? PROGRAMS[kysely.build] : [...PROGRAMS.esm, ...PROGRAMS.cjs]
  return {
    cells: [...cellsOf(kysely), 'SQLite (better-sqlite3)', `every feature, installed: ${one.join(', ')}; declarations`],
    async run() {
      using application = new Application(kyselyFolder(kysely.version), 'installed')
      for (const program of one) await application.run(program)
      await application.typecheck()
    },
  }
}

function suites(kysely: KyselyBuild, on: Database): Row {
  const { name, oracle, steps, environment, titles } = on
  return {
    cells: [...cellsOf(kysely), name, `the seam, the transparency suite, ${steps} steps of the oracle`],
    async run() {
      const cell = makeCell(kysely)
      const modules = join(ROOT, 'node_modules')
      const specs = ['__test__/seam.spec.ts', '__test__/transaction.spec.ts', '__test__/transparency/*.spec.ts']
      const matching = titles.map((title) => `--match=${title}`)
      const ava = await execute(cell, [join(modules, 'ava', 'entrypoints/cli.js'), ...specs, ...matching], environment)
      const seeded = ['--db', oracle, '--steps', String(steps), '--seed', '28']
      const figures = await execute(cell, ['__test__/oracle/run.ts', ...seeded], {})
      return [...ava.matchAll(/^ *(\d+ tests? passed)$/gm), ...figures.matchAll(/^(.*), precision .*$/gm)]
        .map(([, said]) => said)
        .join('; ')
    },
  }
}

/** Resolves with the end of what a program of Node's printed; rejects with it, if it fails. */
function execute(
  folder: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<string> {
  return new Promise((done, reject) => {
    const child = spawn(process.execPath, args, { cwd: folder, env: { ...process.env, ...environment } })
    let printed = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (printed = `${printed}${String(chunk)}`.slice(-20_000)))
    }
    child.on('error', reject)
    child.on('close', (code) =>
      code === 0 ? done(printed) : reject(new Error(`${args.join(' ')} failed\n${printed}`)),
    )
  })
}
