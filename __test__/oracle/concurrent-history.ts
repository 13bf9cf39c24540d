import type { ConcurrentWorld, Writer } from './concurrent-databases.ts'
import type { Read } from './read-parts.ts'

/** A read under way. */
interface Began {
  readonly query: number
  /** the last moment made by a write that had returned */
  readonly least: number
}

const LOG = 40

/** What each query of the pool answers, moment by moment: a moment begins with a commit. */
export class History {
  readonly #moments: (readonly string[])[]
  readonly #log: string[] = []
  #least = 0
  #changes = 0

  private constructor(first: readonly string[]) {
    this.#moments = [first]
  }

  static async begin(world: ConcurrentWorld, reads: readonly Read[]): Promise<History> {
    const history = new History(
      await world.observe(reads, (answers, writers, sql) => history.#add(answers, writers, sql)),
    )
    return history
  }

  /** Commits of the clients that changed the answer of a query of the pool. */
  get changes(): number {
    return this.#changes
  }

  #add(answers: readonly string[], writers: readonly Writer[], sql: string): void {
    this.#moments.push(answers)
    const moment = this.#moments.length - 1
    const commit = { moment, left: writers.length }
    for (const writer of writers) writer.commits.push(commit)
    const before = this.#moments[moment - 1]!
    if (writers.length > 0 && answers.some((answer, query) => answer !== before[query])) this.#changes++
    this.#note(
      `moment ${moment} by ${writers.length === 0 ? 'nobody' : `client ${writers.map(({ number }) => number).join(', ')}`}: ${sql}`,
    )
  }

  /** A write has returned to its caller. */
  returned(writer: Writer, label: string): void {
    for (const commit of writer.commits) if (--commit.left === 0) this.#least = Math.max(this.#least, commit.moment)
    if (writer.commits.length > 0) {
      this.#note(
        `a ${label} of client ${writer.number} returned: moments ${writer.commits.map(({ moment }) => moment).join(', ')}`,
      )
    }
    writer.commits = []
  }

  /** How many moments there have been. */
  get length(): number {
    return this.#moments.length
  }

  began(query: number): Began {
    return { query, least: this.#least }
  }

  /** What an answer that has just come should have been; undefined if it was true at a moment that it may be of. */
  judge({ query, least }: Began, answer: string): string | undefined {
    if (this.#moments.slice(least).some((moment) => moment[query] === answer)) return undefined
    const possible = [...new Set(this.#moments.slice(least).map((moment) => moment[query]))]
    const was = this.#moments.findLastIndex((moment) => moment[query] === answer)
    return [
      `answered, as was true ${was === -1 ? 'at no moment' : `at moment ${was}`}:\n  ${answer}`,
      `since moment ${least} true were:\n  ${possible.join('\n  ---\n  ')}`,
      ...this.#log,
    ].join('\n')
  }

  #note(line: string): void {
    this.#log.push(line)
    if (this.#log.length > LOG) this.#log.shift()
  }
}
