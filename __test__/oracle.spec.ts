import test from 'ava'

import { parseArguments, UsageError } from './oracle/arguments.ts'
import { closeDatabases } from './oracle/databases.ts'
import type { EngineName } from './oracle/engines.ts'
import type { Figures } from './oracle/figures.ts'
import { figuresLine, runOracle, silenceWarnings } from './oracle/run.ts'
import { scriptOf } from './oracle/script.ts'
import type { DatabaseName } from './oracle/values.ts'

silenceWarnings()

test.after.always(() => closeDatabases())

interface Run {
  readonly figures: Figures
  readonly failures: string
}

async function run(database: DatabaseName, engine: EngineName, seed: number, steps: number): Promise<Run> {
  const failures: string[] = []
  const looks = engine === 'cacheops' ? {} : { shrinking: 0 }
  const figures = await runOracle({
    database,
    engine,
    seed,
    steps,
    epoch: 60,
    ...looks,
    report: (text) => failures.push(text),
  })
  return { figures, failures: failures.join('\n') }
}

const STEPS = { sqlite: 600, pglite: 120 } as const

for (const database of ['sqlite', 'pglite'] as const) {
  test.serial(`${database}: whatever the cache answers is what the database would answer`, async (t) => {
    // The first world of PGlite takes its time on a busy machine.
    t.timeout(180_000)
    const start = performance.now()
    const { figures, failures } = await run(database, 'cacheops', 20_260_101, STEPS[database])
    t.log(figuresLine(database, figures, (performance.now() - start) / 1000))
    t.is(failures, '')
    t.is(figures.stale + figures.wrong, 0)
    // An oracle without hits has shown nothing.
    t.true(figures.hits > figures.compared / 10, `${figures.hits} hits of ${figures.compared}`)
  })

  test.serial(`${database}: without a cache the oracle finds nothing`, async (t) => {
    const { figures, failures } = await run(database, 'none', 7, STEPS[database] / 3)
    t.is(failures, '')
    t.true(figures.compared > 400)
    t.is(figures.hits, 0)
  })

  test.serial(`${database}: a cache that never invalidates is found out`, async (t) => {
    for (const seed of database === 'sqlite' ? [1, 2, 3] : [1]) {
      const { figures } = await run(database, 'never', seed, 300)
      t.is(figures.stale, 1, `seed ${seed}`)
    }
  })

  test.serial(`${database}: a cache that only looks at the written table is found out`, async (t) => {
    const { figures } = await run(database, 'naive', 1, 1500)
    t.is(figures.stale, 1)
  })
}

test('arguments that make no sense are refused', (t) => {
  for (const args of [
    ['--db', 'mysql'],
    ['--steps', '0'],
    ['--seed', 'x'],
    ['--engine', 'x'],
    ['--skip', '('],
    ['--step'],
    ['x'],
  ])
    t.throws(() => parseArguments(args), { instanceOf: UsageError }, args.join(' '))
  t.deepEqual(parseArguments(['--db', 'pglite', '--steps', '7', '--seed', '3']).databases, ['pglite'])
})

test('the program that comes with a failure runs by itself', (t) => {
  const { text, fails, complaints } = scriptOf({
    dialect: 'sqlite',
    ddl: ['create table "it\'s" ("a?" integer primary key, "b" text)'],
    statements: [
      { sql: 'insert into "it\'s" ("a?", "b") values (?, ?) -- why?', parameters: [1, 'a`${1}\\'] },
      { sql: 'begin', parameters: [] },
      { sql: 'update "it\'s" set "b" = \'?\' where "a?" = ?', parameters: [1n] },
      { sql: 'commit', parameters: [] },
    ],
    read: { sql: 'select * from "it\'s" where "a?" = ?', parameters: [1] },
    ordered: false,
  })
  t.is(complaints, '', text)
  t.false(fails)
})
