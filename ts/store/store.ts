import type { Seconds } from '../config.ts'
import type { KeptResult } from '../rows.ts'

/**
 * What a read knows before it looks: where its result would be, and the state of everything that the result depends on.
 * Both were taken in one step, after the read began.
 */
export interface Bound {
  /** 128 bits over the query, its parameters and whatever varies it, one character a byte */
  readonly key: string
  /**
   * The stamps of all dependencies. Whoever fills must hand back the token that was taken *before* its database read
   * began: a token that has died since makes the entry dead on arrival.
   */
  readonly token: number
}

/**
 * Where results are kept. Every store guarantees:
 * - `lookup` answers only a result whose token equals the stamps now, and never after its timeout;
 * - `fill` with a token that has died keeps nothing that a later `lookup` would answer;
 * - rows that come out are shared with nobody, see `rows.ts`.
 */
export interface Store {
  lookup(bound: Bound): KeptResult | undefined
  fill(bound: Bound, kept: KeptResult, timeout: Seconds): void
  /** Gives back what this user of the store holds; the last one empties it. */
  close(): void
}
