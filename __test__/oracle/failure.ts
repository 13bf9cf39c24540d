import type { CompiledQuery } from 'kysely'

/** Something that must not happen, and where. */
export interface Failure {
  readonly kind: 'stale' | 'wrong'
  readonly what: string
  /** position in the epoch's list of steps; -1: before the first one */
  readonly step: number
  /** position in the pool; undefined: the result of a write */
  readonly read: number | undefined
  readonly details: string
  /** the read */
  readonly query?: CompiledQuery
}

/** Ends an epoch, through whatever transactions are open. */
export class Failed extends Error {
  readonly failure: Failure

  constructor(failure: Failure) {
    super(failure.what)
    this.failure = failure
  }
}
