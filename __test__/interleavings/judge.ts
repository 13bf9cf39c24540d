import { describe } from './explore.ts'
import type { Step } from './explore.ts'

/** A read that was answered with what the row was at no moment that it may answer with. */
export class StaleRead extends Error {}

interface Moment {
  /** after how many steps the database came to be so */
  readonly since: number
  readonly answers: Readonly<Record<string, string>>
}

interface Read {
  readonly query: string
  /** the last commit whose write had returned when the read began, as a number of steps */
  readonly least: number
  readonly began: number
}

/**
 * Judges the reads of one order: what a read answers must have been true at some moment between the latest commit whose
 * write had returned when the read began, whatever it changed, and the read's end.
 */
export class Judge {
  readonly #moments: Moment[]
  readonly #order: Step[] = []
  readonly #answered: string[] = []
  readonly #outcome = new Map<number, string[]>()
  readonly #reads = new Map<number, Read>()
  readonly #commits = new Map<number, number[]>()
  #least = 0

  constructor(answers: Readonly<Record<string, string>>) {
    this.#moments = [{ since: 0, answers }]
  }

  get order(): readonly Step[] {
    return this.#order
  }

  /** What each actor read, whatever happened in between. */
  outcome(): string {
    return JSON.stringify([...this.#outcome].sort(([a], [b]) => a - b))
  }

  /** A step begins. */
  step(step: Step): void {
    this.#order.push(step)
  }

  /**
   * What the database answers after the step.
   *
   * @param letGo who had waited for whoever took the step, and has committed in it, on top of what that one had done.
   */
  now(answers: Readonly<Record<string, string>>, letGo?: number): void {
    const known = this.#moments.at(-1)!.answers
    if (Object.keys(answers).every((query) => answers[query] === known[query])) return
    const since = this.#order.length
    this.#moments.push({ since, answers })
    const actor = letGo ?? this.#order.at(-1)!.actor
    this.#commits.set(actor, [...(this.#commits.get(actor) ?? []), since])
  }

  writeReturned(actor: number): void {
    this.#least = Math.max(this.#least, ...(this.#commits.get(actor) ?? []))
  }

  /** @param goesOn it sees what the actor's first read has seen. */
  readBegan(actor: number, query: string, goesOn = false): void {
    const first = goesOn ? this.#reads.get(actor) : undefined
    this.#reads.set(actor, { query, least: first?.least ?? this.#least, began: this.#order.length })
  }

  readEnded(actor: number, answer: string): void {
    const read = this.#reads.get(actor)!
    const { query, least } = read
    this.#outcome.set(actor, [...(this.#outcome.get(actor) ?? []), answer])
    this.#answered.push(`after step ${this.#order.length} actor ${actor} had read ${query}: ${answer}`)
    const possible = this.#since(least)
    if (possible.some(({ answers }) => answers[query] === answer)) return
    const allowed = possible.map(({ since, answers }) => `${answers[query]} since step ${since}`).join('\n  ')
    this.fail(`a read that began at step ${read.began} answered ${answer}; possible were\n  ${allowed}`)
  }

  /** What was true at some moment since. */
  #since(least: number): readonly Moment[] {
    // The moment before `least` ended with the commit that `least` is.
    return this.#moments.filter((_moment, index) => (this.#moments[index + 1]?.since ?? Infinity) > least)
  }

  /** When nothing happens any more. */
  last(query: string, where: string, answer: string): void {
    const truth = this.#moments.at(-1)!.answers[query]
    if (answer !== truth) this.fail(`in the end ${query} is ${answer} for ${where}, but ${truth} in the database`)
  }

  fail(what: string): never {
    throw new StaleRead(`${what}\norder: ${describe(this.#order)}\n${this.#answered.join('\n')}`)
  }
}
