/** The oracle with several clients at once, and with caches that it must find out. */
import test from 'ava'

import { FAULTS } from './interleavings/faults.ts'
import type { FaultName } from './interleavings/faults.ts'
import { concurrentLine, runConcurrent } from './oracle/concurrent.ts'
import type { ConcurrentFigures } from './oracle/concurrent.ts'
import { closeConcurrent } from './oracle/concurrent-databases.ts'
import type { DatabaseName } from './oracle/values.ts'

test.after.always(() => closeConcurrent())

const CLIENTS = 4
const STEPS = { sqlite: 3000, pglite: 400 } as const

async function run(database: DatabaseName, seed: number, steps: number): Promise<[ConcurrentFigures, string]> {
  const failures: string[] = []
  const figures = await runConcurrent({
    database,
    seed,
    steps,
    clients: CLIENTS,
    report: (text) => failures.push(text),
  })
  return [figures, failures.join('\n')]
}

for (const database of ['sqlite', 'pglite'] as const) {
  test.serial(`${database}: clients at once never read what was true before a write that had returned`, async (t) => {
    const start = performance.now()
    const [figures, failures] = await run(database, 20_260_101, STEPS[database])
    t.log(concurrentLine(database, figures, (performance.now() - start) / 1000))
    t.is(failures, '')
    t.is(figures.stale + figures.wrong, 0)
    // Without hits, or without commits in between, nothing has been shown.
    t.true(figures.hits > figures.compared / 10, `${figures.hits} hits of ${figures.compared}`)
    t.true(figures.commits > figures.steps / 100, `${figures.commits} commits`)
  })
}

const CAUGHT: readonly FaultName[] = [
  'nothing is ever invalidated',
  'invalidation comes before the commit',
  'a result is found without its token',
]

for (const fault of CAUGHT) {
  test.serial(`sqlite: clients at once notice when ${fault}`, async (t) => {
    const undo = FAULTS[fault]()
    try {
      for (const seed of [1, 2]) {
        const [figures] = await run('sqlite', seed, 3000)
        t.is(figures.stale, 1, `seed ${seed}`)
      }
    } finally {
      undo()
    }
  })
}
