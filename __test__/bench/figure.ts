import type { Micros, Ratio, Times } from './measure.ts'

/** One measured ratio. */
export interface Figure {
  readonly group: string
  readonly name: string
  readonly ratio: Ratio
  /** the largest ratio that is good enough; undefined: for orientation */
  readonly goal: number | undefined
  readonly over: Timed
  readonly under: Timed
}

/** What was timed, and how long it takes. */
export interface Timed {
  readonly name: string
  readonly micros: Micros
}

/** Where the time of something goes. */
export interface Breakdown {
  readonly name: string
  readonly parts: readonly Timed[]
}

/** What a group of comparisons came to. */
export interface Findings {
  readonly figures: readonly Figure[]
  readonly breakdowns?: readonly Breakdown[]
  /** lines of a table in Markdown */
  readonly table?: readonly string[]
  /** what was not measured, and why */
  readonly omitted?: readonly string[]
}

/** Several comparisons that belong together. */
export interface Group {
  /** what the filter looks for */
  readonly id: string
  readonly title: string
  readonly measure: (wanted: (name: string) => boolean) => Promise<Findings>
}

/** A figure out of two variants that took turns. */
export function figure(
  about: { readonly group: string; readonly name: string; readonly goal?: number | undefined },
  variants: readonly { readonly name: string }[],
  times: Times,
  [over, under]: readonly [number, number],
): Figure {
  const timed = (index: number): Timed => ({ name: variants[index]!.name, micros: times.micros(index) })
  return {
    group: about.group,
    name: about.name,
    goal: about.goal,
    ratio: times.ratio(over, under),
    over: timed(over),
    under: timed(under),
  }
}
