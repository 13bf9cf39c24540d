import { readFileSync } from 'node:fs'

const manifest = readFileSync(new URL('../../node_modules/kysely/package.json', import.meta.url), 'utf8')
const { version } = JSON.parse(manifest) as { version: string }
/** `npm run matrix -- kysely-suites` runs the specs with other versions than the project's own. */
const is028 = version.startsWith('0.28.')

// All that the specs and the oracle leave out, or do otherwise, with a certain Kysely. What 0.28 lacks besides is put in its place
// by `matrix/cell.ts`.

/** 0.28 has no `signal` among the options of an execution: it takes none of them. */
export const KNOWS_SIGNALS: boolean = !is028
/** 0.28 puts fewer frames of its own on the stack of an error, so that more callers are among the first ten. */
export const HAS_FEW_FRAMES: boolean = is028
/**
 * 0.29.0 and 0.30.0-beta.2 keep the connection of a controlled transaction whose rollback has failed, with the plugin or without, and SQLite
 * refuses to roll back what it has rolled back by itself. 0.28.19 and 0.29.9 give it back.
 */
export const KEEPS_CONNECTIONS: boolean = version === '0.29.0' || version === '0.30.0-beta.2'
