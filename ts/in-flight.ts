/**
 * Writes on their way that this thread has begun on one database, and the reads that wait for them. What such a write may have
 * changed may be neither given nor kept until it has told what it did change. That takes about as long as a question to the database,
 * so a read had better wait a moment, and be answered from the cache then.
 */

import type { Announcement } from './native.ts'

/** A read waits this long at most. Then nobody waits any more before the writes of now are done. */
const PATIENCE_MS = 10

export class WritesInFlight {
  /** NOTE: in the order of their numbers. */
  readonly #announced = new Set<Announcement>()
  #last: Announcement = 0
  /** the last that was announced when somebody waited in vain */
  #givenUp: Announcement = 0
  #next: PromiseWithResolvers<void> | undefined

  begin(announced: Announcement): void {
    this.#announced.add(announced)
    this.#last = announced
  }

  end(announced: Announcement): void {
    this.#announced.delete(announced)
    this.#next?.resolve()
    this.#next = undefined
  }

  /**
   * Asks after each write that ends, until there is an answer or the writes of now have ended. Undefined: there is none, or it takes too
   * long.
   */
  async waitFor<T>(ask: () => T | undefined, signal: AbortSignal | undefined): Promise<T | undefined> {
    const last = this.#last
    if (!this.#isWorthWaiting(last)) return undefined
    const { promise: stopped, resolve: stop } = Promise.withResolvers<'late' | 'aborted'>()
    const timer = setTimeout(stop, PATIENCE_MS, 'late')
    const abort = (): void => stop('aborted')
    signal?.addEventListener('abort', abort)
    if (signal?.aborted === true) abort()
    try {
      while (this.#isWorthWaiting(last)) {
        const { promise: ended } = (this.#next ??= Promise.withResolvers<void>())
        const why = await Promise.race([stopped, ended])
        if (why === 'late') this.#givenUp = last
        if (why !== undefined) break
        const answer = ask()
        if (answer !== undefined) return answer
      }
      return undefined
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
  }

  /** Whether one of the writes up to the last is on its way, and none for too long. */
  #isWorthWaiting(last: Announcement): boolean {
    const [oldest] = this.#announced
    return oldest !== undefined && oldest <= last && oldest > this.#givenUp
  }
}
