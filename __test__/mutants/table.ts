import { COPIES } from './copies.ts'
import { CORE_QUERIES } from './core-queries.ts'
import { CORE_READS } from './core-reads.ts'
import { CORE_WRITES } from './core-writes.ts'
import { FACTS } from './facts.ts'
import { HIDDEN } from './hidden.ts'
import { KEYS } from './keys.ts'
import type { Mutant } from './mutant.ts'
import { PROCESSES } from './processes.ts'
import { READS } from './reads.ts'
import { RESULTS } from './results.ts'
import { SCHEMA } from './schema.ts'
import { SHARING } from './sharing.ts'
import { TRANSACTIONS } from './transactions.ts'
import { VALUES } from './values.ts'
import { WRITES } from './writes.ts'

/** Every guard that is taken away, in the order of the documentation. */
export const MUTANTS: readonly Mutant[] = [
  ...READS,
  ...TRANSACTIONS,
  ...SHARING,
  ...PROCESSES,
  ...COPIES,
  ...WRITES,
  ...KEYS,
  ...VALUES,
  ...FACTS,
  ...SCHEMA,
  ...HIDDEN,
  ...RESULTS,
  ...CORE_READS,
  ...CORE_QUERIES,
  ...CORE_WRITES,
]
