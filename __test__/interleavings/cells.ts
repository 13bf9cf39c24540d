/** How the scheduler and the actors' threads speak to each other: memory that all see. */

import type { FaultName } from './faults.ts'
import type { Point } from './points.ts'
import type { QueryName, WriterName } from './programs.ts'

/** What an actor's thread is told. */
export interface ActorData {
  readonly actor: number
  readonly file: string
  readonly store: string
  readonly database: string
  /** one cell an actor, see `Cell` */
  readonly cells: SharedArrayBuffer
  /** the actor's own: its program before it starts, what it did at each stop */
  readonly message: SharedArrayBuffer
  readonly fault: FaultName | undefined
}

/** What an actor is to do. */
export type Program =
  | { readonly read: readonly QueryName[] }
  | { readonly write: WriterName; readonly n: number }
  /** ask everything, with the cache */
  | 'look'
  | 'stop'

/** Where an actor stands, and what has become of it. */
export interface Stop {
  readonly point: Point | 'done'
  readonly of: string
  /** what it has read since the last stop */
  readonly answer?: string
  readonly looked?: Readonly<Record<string, string>>
  readonly error?: string
}

/** What an actor's cell holds. */
export const Cell = { running: 0, stopped: 1 } as const

/**
 * Sleeps until a cell holds something else, at most for so long; whether it does. Both sides wait at one cell, so that either may be woken by
 * a call that was meant for the other.
 */
export function sleepWhile(states: Int32Array, cell: number, value: number, patience = Infinity): boolean {
  while (Atomics.load(states, cell) === value) {
    if (Atomics.wait(states, cell, value, patience) === 'timed-out') return false
  }
  return true
}
