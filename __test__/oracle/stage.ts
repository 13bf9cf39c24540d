import type { Kysely } from 'kysely'

import { Answer, canonical } from './compare.ts'
import type { Order } from './engines.ts'
import { Failed } from './failure.ts'

/** Where a step runs: on the database with the cache, or on its twin. */
export interface Stage {
  readonly db: Kysely<any>
  /** another Kysely instance on the same database; on the twin the same one */
  readonly second: Kysely<any>
  /** What the caller got of each statement, as texts. */
  readonly outcomes: string[]
  /** Compares some reads on a connection that is in use. */
  inside(db: Kysely<any>): Promise<void>
  /** Compares some reads while a transaction is open that was begun by raw statements. */
  between(): Promise<void>
  /** Tells the cache something; on the twin nobody listens. */
  tell(order: Order, db: Kysely<any>): Promise<void>
  /** Starts reads without waiting for them. */
  concurrently(): readonly Promise<unknown>[]
}

export interface Step {
  readonly label: string
  run(stage: Stage): Promise<void>
}

/** Executes a statement and notes what the caller gets. */
export async function note(stage: Stage, label: string, run: () => Promise<unknown>): Promise<boolean> {
  try {
    const result = await run()
    stage.outcomes.push(
      `${label}: ${typeof result === 'object' && result !== null ? Answer.of(result, true).text : canonical(result)}`,
    )
    return true
  } catch (error) {
    if (error instanceof Failed) throw error
    stage.outcomes.push(`${label}: ${Answer.ofError(error).text}`)
    return false
  }
}
