import { CORE_READS } from './core-reads.ts'
import { CORE_WRITES } from './core-writes.ts'
import { FACTS } from './facts.ts'
import { KEYS } from './keys.ts'
import type { Mutant } from './mutant.ts'
import { READS } from './reads.ts'
import { RESULTS } from './results.ts'
import { TRANSACTIONS } from './transactions.ts'
import { WRITES } from './writes.ts'

/** Every guard that is taken away, in the order of the documentation. */
export const MUTANTS: readonly Mutant[] = [
  ...READS,
  ...TRANSACTIONS,
  ...WRITES,
  ...KEYS,
  ...FACTS,
  ...RESULTS,
  ...CORE_READS,
  ...CORE_WRITES,
]
