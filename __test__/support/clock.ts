import type { ExecutionContext } from 'ava'

/** The time of day as the product sees it, moved by hand until the test ends. Only for tests that run one by one. */
export class Clock {
  #ahead = 0

  constructor(t: ExecutionContext) {
    const real = Date.now
    Date.now = () => real() + this.#ahead
    t.teardown(() => {
      Date.now = real
    })
  }

  /** @param seconds below 0: the clock is set back */
  pass(seconds: number): void {
    this.#ahead += seconds * 1000
  }
}
