/** The oracle, and its clients at once, on a server with pools of connections; with caches that they must find out. */
import test from 'ava'

import { SERVER_FAULTS } from './interleavings/faults.ts'
import { concurrentLine, runConcurrent } from './oracle/concurrent.ts'
import { closeConcurrent } from './oracle/concurrent-databases.ts'
import type { EngineName } from './oracle/engines.ts'
import type { Figures } from './oracle/figures.ts'
import { figuresLine, runOracle, silenceWarnings } from './oracle/run.ts'
import type { PooledDriverName } from './support/servers.ts'

silenceWarnings()

test.after.always(() => closeConcurrent())

const PATIENCE = 300_000

async function run(
  database: PooledDriverName,
  engine: EngineName,
  seed: number,
  steps: number,
): Promise<{ readonly figures: Figures; readonly failures: string }> {
  const failures: string[] = []
  const report = (text: string): void => void failures.push(text)
  const figures = await runOracle({ database, engine, seed, steps, epoch: 60, reads: 10, shrinking: 0, report })
  return { figures, failures: failures.join('\n') }
}

for (const [database, steps] of [
  ['pg', 180],
  ['postgres.js', 60],
] as const) {
  test.serial(`${database}: whatever the cache answers is what the server would answer`, async (t) => {
    t.timeout(PATIENCE)
    const start = performance.now()
    const { figures, failures } = await run(database, 'cacheops', 20_260_101, steps)
    t.log(figuresLine(database, figures, (performance.now() - start) / 1000))
    t.is(failures, '')
    t.is(figures.stale + figures.wrong, 0)
    // An oracle without hits, or without anybody in anybody's way, has shown nothing.
    t.true(figures.hits > figures.compared / 10, `${figures.hits} hits of ${figures.compared}`)
    t.true(figures.insideHits > 0)
    t.true(figures.troubles.size > 0)
  })
}

test.serial('pg: without a cache the oracle finds nothing', async (t) => {
  t.timeout(PATIENCE)
  const { figures, failures } = await run('pg', 'none', 7, 60)
  t.is(failures, '')
  t.true(figures.compared > 400)
  t.is(figures.hits, 0)
})

test.serial('pg: a cache that never invalidates is found out', async (t) => {
  t.timeout(PATIENCE)
  const { figures } = await run('pg', 'never', 1, 300)
  t.is(figures.stale, 1)
})

test.serial('pg: the oracle notices when invalidation comes before the commit', async (t) => {
  t.timeout(PATIENCE)
  const undo = SERVER_FAULTS['invalidation comes before the commit']()
  try {
    const { figures } = await run('pg', 'cacheops', 1, 1500)
    t.is(figures.stale + figures.wrong, 1)
  } finally {
    undo()
  }
})

test.serial('pg: clients at once never read what was true before a write that had returned', async (t) => {
  t.timeout(PATIENCE)
  const failures: string[] = []
  const start = performance.now()
  const figures = await runConcurrent({
    database: 'pg',
    seed: 20_260_101,
    steps: 400,
    epoch: 200,
    clients: 4,
    report: (text) => failures.push(text),
  })
  t.log(concurrentLine('pg', figures, (performance.now() - start) / 1000))
  t.is(failures.join('\n'), '')
  t.is(figures.stale + figures.wrong, 0)
  t.true(figures.hits > figures.compared / 10, `${figures.hits} hits of ${figures.compared}`)
  t.true(figures.commits > figures.steps / 100, `${figures.commits} commits`)
})

test.serial('pg: clients at once notice when nothing is ever invalidated', async (t) => {
  t.timeout(PATIENCE)
  const undo = SERVER_FAULTS['nothing is ever invalidated']()
  try {
    const figures = await runConcurrent({ database: 'pg', seed: 1, steps: 3000, clients: 4 })
    t.is(figures.stale + figures.wrong, 1)
  } finally {
    undo()
  }
})
