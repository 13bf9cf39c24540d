// The same as types.spec.ts, with more pairs. `ROUNDS` and `SEED` choose others.
import test from 'ava'

import { compareTypes } from './comparisons/suite.ts'

const rounds = Number(process.env['ROUNDS'] ?? 12)
const seed = Number(process.env['SEED'] ?? 20_261_128)

for (const driver of ['pg', 'postgres.js'] as const) {
  test.serial(`${driver}: a write of a row that a condition means drops the read, often`, async (t) => {
    t.timeout(1_800_000)
    await compareTypes(t, driver, { rounds, seed, equal: rounds })
  })
}
