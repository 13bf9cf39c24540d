import { readFileSync } from 'node:fs'

const { version } = JSON.parse(
  readFileSync(new URL('../../node_modules/kysely/package.json', import.meta.url), 'utf8'),
) as { version: string }

/** Which line of Kysely the specs run with: `npm run matrix -- kysely-suites` gives them others than this project's own. */
export const KYSELY_028: boolean = version.startsWith('0.28.')
