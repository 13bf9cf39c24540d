// Two values that PostgreSQL calls equal are one value for invalidation, whatever their types and spellings.
import test from 'ava'

import { compareTypes } from './comparisons/suite.ts'

for (const driver of ['pg', 'postgres.js'] as const) {
  test(`${driver}: a write of a row that a condition means drops the read`, async (t) => {
    await compareTypes(t, driver, { rounds: 1, seed: 1, equal: 1 })
  })
}
