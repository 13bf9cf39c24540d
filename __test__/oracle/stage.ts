import type { Kysely } from 'kysely'

import { Answer, canonical } from './compare.ts'
import type { Order } from './engines.ts'
import { Failed } from './failure.ts'
import type { LockWatch } from '../support/lock-watch.ts'

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
  /** what can be done to connections, where there is a server */
  readonly server: StageServer | undefined
  /** Starts reads without waiting for them. */
  concurrently(): readonly Promise<unknown>[]
}

/** The server's side of the connections of one database. */
export interface StageServer {
  /** see `LockWatch.quiet` */
  readonly locks: LockWatch
  /** the server ends deadlocks; otherwise that is left to the step */
  readonly endsCircles: boolean
  /** Ends a connection; resolves when it is gone. */
  kill(pid: number): Promise<void>
  /** Ends what a connection executes. */
  cancel(pid: number): Promise<void>
}

export interface Step {
  readonly label: string
  run(stage: Stage): Promise<void>
}

/** Executes a statement and notes what the caller gets. */
export async function note(stage: Stage, label: string, run: () => Promise<unknown>): Promise<boolean> {
  const { ended, outcome } = await outcomeOf(run)
  stage.outcomes.push(`${label}: ${outcome}`)
  return ended
}

/** The same for what may end in another order than it began. */
export async function noteInPlace(stage: Stage, label: string, run: () => Promise<unknown>): Promise<void> {
  const place = stage.outcomes.push(`${label}: not ended`) - 1
  const { outcome } = await outcomeOf(run)
  stage.outcomes[place] = `${label}: ${outcome}`
}

async function outcomeOf(run: () => Promise<unknown>): Promise<{ readonly ended: boolean; readonly outcome: string }> {
  try {
    const result = await run()
    const outcome = typeof result === 'object' && result !== null ? Answer.of(result, true).text : canonical(result)
    return { ended: true, outcome }
  } catch (error) {
    if (error instanceof Failed) throw error
    return { ended: false, outcome: Answer.ofError(error).text }
  }
}
