/** A small seeded generator (mulberry32), so that a run can be repeated exactly. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  /** In [0, n). */
  below(n: number): number {
    return Math.floor(this.next() * n)
  }

  /** In [from, to], both included. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new Error('nothing to pick from')
    return items[this.below(items.length)] as T
  }

  /** Each with its weight. */
  weighted<T>(items: readonly (readonly [weight: number, item: T])[]): T {
    let at = this.next() * items.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, item] of items) if ((at -= weight) < 0) return item
    return items.at(-1)![1]
  }

  /** `n` different ones, or all if there are fewer. */
  sample<T>(items: readonly T[], n: number): T[] {
    const left = [...items]
    const chosen: T[] = []
    while (chosen.length < n && left.length > 0) chosen.push(left.splice(this.below(left.length), 1)[0] as T)
    return chosen
  }

  /** At least one. */
  some<T>(items: readonly T[], probability = 0.5): T[] {
    const chosen = items.filter(() => this.chance(probability))
    return chosen.length > 0 ? chosen : [this.pick(items)]
  }

  fork(): Random {
    return new Random(Math.floor(this.next() * 2 ** 32))
  }
}
