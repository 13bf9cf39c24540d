import { readFileSync } from 'node:fs'

const manifest = readFileSync(new URL('../../node_modules/kysely/package.json', import.meta.url), 'utf8')
const { version } = JSON.parse(manifest) as { version: string }
/** `npm run matrix -- kysely-suites` runs the specs with other versions than the project's own. */
const is028 = version.startsWith('0.28.')

// All that is left out of the specs with Kysely 0.28. What it lacks besides is put in its place by `matrix/cell.ts`.

/** 0.28 has no `signal` among the options of an execution: it takes none of them. */
export const KNOWS_SIGNALS: boolean = !is028
/** 0.28 puts fewer frames of its own on the stack of an error, so that more callers are among the first ten. */
export const HAS_FEW_FRAMES: boolean = is028
