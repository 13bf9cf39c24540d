// A sample application in CommonJS, used as the package is: with and without the plugin it must do the same.
import { createRequire } from 'node:module'

import test from 'ava'

import { startCluster } from './support/postgres-cluster.ts'

const { runScenario } = createRequire(import.meta.url)('./app/scenario.cjs') as {
  readonly runScenario: (
    cluster: unknown,
    options: { seed: number; steps: number; concurrentSteps: number },
  ) => Promise<any>
}

test('an application answers the same with the plugin as without, alone and with eight clients', async (t) => {
  const warnings: string[] = []
  const warned = ({ name, message }: Error): unknown => name === 'CacheopsWarning' && warnings.push(message)
  process.on('warning', warned)
  const cluster = await startCluster({ settings: ['max_locks_per_transaction=512'] })
  t.teardown(async () => {
    process.off('warning', warned)
    await cluster.stop()
  })
  const { migrated, serial, contents, concurrent, figures } = await runScenario(cluster, {
    seed: 2,
    steps: 1500,
    concurrentSteps: 100,
  })
  t.deepEqual(migrated.cached, migrated.plain)
  t.deepEqual(serial.differences, [])
  t.deepEqual(contents.found, contents.expected)
  t.true(Object.keys(contents.expected).length > 160)
  t.deepEqual(concurrent.differences, [])
  t.deepEqual(figures.faults, [])
  t.deepEqual(warnings, [])
  // Else it proves nothing.
  t.true(serial.errors > 10, `${serial.errors} errors`)
  t.true(Object.keys(serial.done).length > 70, `${Object.keys(serial.done).length} kinds of operations`)
  t.true(serial.hits > (serial.hits + serial.misses) / 4, `${serial.hits} hits, ${serial.misses} misses`)
  t.true(concurrent.hits > concurrent.compared / 8, `${concurrent.hits} hits of ${concurrent.compared}`)
  t.log({ ...figures.drops, hits: figures.hits, misses: figures.misses })
})
