import { readFileSync } from 'node:fs'

// All that the specs and the oracle leave out, or do otherwise, with another Kysely than the project's own, which
// `npm run matrix -- kysely-suites` gives them. What 0.28 lacks besides is put in its place by `matrix/cell.ts`.

function read(path: string): unknown {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))
}

const { version } = read('../../node_modules/kysely/package.json') as { version: string }
const { devDependencies } = read('../../package.json') as { devDependencies: Record<string, string> }

/** Others put more or fewer frames of their own on the stack of an error, so that ours push other callers out of the first ten. */
export const IS_OWN: boolean = version === devDependencies['kysely']

/** 0.28 has no `signal` among the options of an execution: it takes none of them. */
export const KNOWS_SIGNALS: boolean = !version.startsWith('0.28.')

/** 0.29.1 keeps the connection of an execution whose strategy for signals the driver does not have, with the plugin or without. */
export const KNOWS_STRATEGIES: boolean = version !== '0.29.1'

/**
 * 0.29.1 and 0.30.0-beta.2 keep the connection of a controlled transaction whose rollback has failed, with the plugin or without, and SQLite
 * refuses to roll back what it has rolled back by itself. 0.28.19 and 0.29.9 give it back.
 */
export const KEEPS_CONNECTIONS: boolean = version === '0.29.1' || version === '0.30.0-beta.2'
