import type { DatabaseConnection, QueryResult } from 'kysely'

/** By which Kysely stops what a connection executes, for a caller who has given up (`inflightQueryAbortStrategy`). */
const STOPPING_METHODS = ['cancelQuery', 'killSession'] as const

export type StoppingMethod = (typeof STOPPING_METHODS)[number]

/** Which of them a driver's connections have: Kysely refuses a strategy without. */
export function stoppingMethodsOf(connection: DatabaseConnection): readonly StoppingMethod[] {
  return STOPPING_METHODS.filter((name) => typeof connection[name] === 'function')
}

/** Answers the one statement that it was made for. */
export class CachedConnection implements DatabaseConnection {
  cancelQuery?: () => Promise<void>
  killSession?: () => Promise<void>
  readonly #result: QueryResult<any> | Promise<QueryResult<any>>

  /** @param stopping what a connection of the driver would have */
  constructor(
    result: QueryResult<unknown> | Promise<QueryResult<unknown>>,
    stopping: readonly StoppingMethod[] | undefined,
  ) {
    this.#result = result
    for (const name of stopping ?? []) this[name] = nothingToStop
  }

  executeQuery(): Promise<QueryResult<any>> {
    return Promise.resolve(this.#result)
  }

  streamQuery(): AsyncIterableIterator<QueryResult<any>> {
    throw new Error('a cached result is not streamed')
  }
}

function nothingToStop(): Promise<void> {
  return Promise.resolve()
}
