import type { ExecutionContext } from 'ava'
import * as fc from 'fast-check'

import { sharedCluster } from '../support/postgres-cluster.ts'
import { pooledDialect } from '../support/servers.ts'
import type { PooledDriverName } from '../support/servers.ts'
import { Comparison, rounds } from './compare.ts'
import { COMPARED, TYPES_SCHEMA } from './types.ts'

let databases = 0

/**
 * Compares every type in a number of rounds and prints what was compared. A type of which too few pairs were equal has shown
 * nothing, and fails as well.
 */
export async function compareTypes(
  t: ExecutionContext,
  driver: PooledDriverName,
  options: { readonly rounds: number; readonly seed: number; readonly equal: number },
): Promise<void> {
  const cluster = await sharedCluster()
  const database = `comparisons_${++databases}`
  await cluster.exec(`create database ${database}`)
  await cluster.exec(TYPES_SCHEMA, database)
  const comparison = new Comparison(() => pooledDialect(driver, cluster, database))
  t.teardown(() => comparison.close())
  await comparison.prepare(COMPARED)
  for (const compared of COMPARED) {
    const property = fc.asyncProperty(rounds(compared, driver), (round) => comparison.round(compared, round))
    await t.notThrowsAsync(fc.assert(property, { numRuns: options.rounds, seed: options.seed }), compared.name)
    const { equal, unequal, kept } = comparison.tallies.get(compared.name)!
    t.log(`${driver}, ${compared.name}: ${equal} equal, ${unequal} unequal of which ${kept} were kept`)
    t.true(equal >= options.equal, `${compared.name}: only ${equal} pairs were equal`)
  }
}
