/** `npm run matrix -- kysely-suites`: this project's own suites with every build of Kysely. Takes hours on two cores. */

import { suiteRows } from './kysely.ts'

export { columns } from './kysely.ts'
export const heading = '## Kysely'
export const rows = suiteRows
