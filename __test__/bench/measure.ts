/**
 * Ratios of times on a machine that does other things as well.
 *
 * All variants of a comparison run in one process, in short batches that take turns, for many rounds. The time of a variant
 * is the one that a tenth of its batches stay below: those that nothing interrupted, but not the single luckiest. The
 * ratios of each round are kept beside it: where their median says something else, the machine was too busy.
 */

/** Microseconds for one operation. */
export type Micros = number
/** Milliseconds. */
export type Millis = number

/** One way of doing something. */
export interface Variant {
  readonly name: string
  /** does it that many times; only this is timed */
  readonly run: (times: number) => void | Promise<void>
  /** before each batch, untimed */
  readonly before?: (times: number) => void | Promise<void>
  /** after each batch, untimed */
  readonly after?: () => void | Promise<void>
}

/** How long to measure. */
export interface Pace {
  readonly rounds: number
  /** of one variant in one round */
  readonly batch: Millis
  /** most operations of one batch */
  readonly atMost: number
}

/** For what takes microseconds. */
export const QUICK: Pace = { rounds: 201, batch: 1, atMost: 100_000 }
/** For what asks a database. */
export const SLOW: Pace = { rounds: 101, batch: 2.5, atMost: 100 }

/** The part of the batches that count as undisturbed. */
const UNDISTURBED = 0.1

/** What was measured of several variants. */
export class Times {
  readonly #rounds: readonly (readonly Micros[])[]

  constructor(rounds: readonly (readonly Micros[])[]) {
    this.#rounds = rounds
  }

  /** The undisturbed time of a variant, by its index. */
  micros(variant: number): Micros {
    return quantile(this.#of(variant), UNDISTURBED)
  }

  /** How many times longer one variant took than another. */
  ratio(variant: number, base: number): Ratio {
    const ratios = this.#rounds.map((round) => round[variant]! / round[base]!)
    return {
      undisturbed: this.micros(variant) / this.micros(base),
      median: quantile(ratios, 0.5),
      low: quantile(ratios, 0.25),
      high: quantile(ratios, 0.75),
    }
  }

  #of(variant: number): Micros[] {
    return this.#rounds.map((round) => round[variant]!)
  }
}

/** How many times longer one thing takes than another. */
export interface Ratio {
  /** of the undisturbed times: the figure that counts */
  readonly undisturbed: number
  /** of the ratios within rounds */
  readonly median: number
  /** a quarter of the rounds were below */
  readonly low: number
  /** a quarter of the rounds were above */
  readonly high: number
}

/** Where results go, so that none is optimised away. */
export const sink: { last: unknown } = { last: undefined }

/** A variant's `run`: an operation that is done when it returns. */
export function each(operation: () => unknown): Variant['run'] {
  return (times) => {
    for (let i = 0; i < times; i++) sink.last = operation()
  }
}

/** A variant's `run`: an operation that is awaited before the next begins. */
export function eachAwaited(operation: () => Promise<unknown>): Variant['run'] {
  return async (times) => {
    for (let i = 0; i < times; i++) sink.last = await operation()
  }
}

/** Runs variants in turns. */
export async function take(variants: readonly Variant[], { rounds, batch, atMost }: Pace): Promise<Times> {
  const sizes: number[] = []
  for (const variant of variants) {
    // Long enough for the optimising compiler to have had its say.
    let perOperation: Micros = Infinity
    for (let warm = 0, times = 1; warm < 8; warm++) {
      perOperation = Math.min(perOperation, await time(variant, times))
      times = sizeFor(perOperation, batch, atMost)
    }
    sizes.push(sizeFor(perOperation, batch, atMost))
  }
  const taken: Micros[][] = []
  for (let round = 0; round < rounds; round++) {
    const row = new Array<Micros>(variants.length)
    for (let turn = 0; turn < variants.length; turn++) {
      // Each round begins with another, so that none always runs after the same neighbour.
      const index = (turn + round) % variants.length
      row[index] = await time(variants[index]!, sizes[index]!)
    }
    taken.push(row)
  }
  return new Times(taken)
}

function sizeFor(perOperation: Micros, batch: Millis, atMost: number): number {
  return Math.max(1, Math.min(atMost, Math.round((batch * 1000) / perOperation)))
}

async function time({ run, before, after }: Variant, times: number): Promise<Micros> {
  await before?.(times)
  const start = performance.now()
  const running = run(times)
  // A turn of the event loop is no part of what is synchronous.
  if (running !== undefined) await running
  const taken = performance.now() - start
  await after?.()
  return (taken * 1000) / times
}

/** The value that a part of the values are below. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((left, right) => left - right)
  const at = (sorted.length - 1) * part
  const below = sorted[Math.floor(at)]!
  const above = sorted[Math.ceil(at)]!
  return below + (above - below) * (at - Math.floor(at))
}
