/**
 * Every order in which some actors can take their steps, each order from the beginning (stateless model checking). With a
 * relation of independence, orders that differ only by swaps of independent neighbours count as one: one of them is run
 * (sleep sets, Godefroid 1996).
 */

/** What an actor will do next, and what its step touches. */
export interface Step {
  readonly actor: number
  readonly point: string
  /** what within the point: the query of a read */
  readonly of: string
}

/** One order, being run. */
export interface Run {
  /** of each actor that can take one; empty: it is over */
  enabled(): readonly Step[]
  advance(step: Step): Promise<void>
  /** @throws when something was wrong that only shows at the end: all actors have finished, and the order is new */
  judge(): Promise<void>
}

export interface Explored {
  /** orders that were run to their end and judged */
  schedules: number
  /** orders that turned out to be swaps of others */
  cut: number
  /** the longest order */
  steps: number
}

export type Independent = (a: Step, b: Step) => boolean

interface Choice {
  readonly enabled: readonly Step[]
  /** steps whose orders from here on have been seen already */
  readonly asleep: Step[]
  step: Step
}

/** Runs every order. `begin` puts everything back to the beginning. */
export async function explore(begin: () => Promise<Run>, independent: Independent = () => false): Promise<Explored> {
  const path: Choice[] = []
  const explored: Explored = { schedules: 0, cut: 0, steps: 0 }
  do {
    const run = await begin()
    const isNew = await take(run, path, independent)
    if (isNew) await run.judge()
    explored[isNew ? 'schedules' : 'cut']++
    explored.steps = Math.max(explored.steps, path.length)
  } while (turn(path))
  return explored
}

/** Takes the steps of the path, and beyond it the first that is awake. False: from some point on all were asleep. */
async function take(run: Run, path: Choice[], independent: Independent): Promise<boolean> {
  for (let depth = 0; ; depth++) {
    const enabled = run.enabled()
    if (enabled.length === 0) return true
    let choice = path[depth]
    if (choice === undefined) {
      const asleep = inherited(path.at(-1), independent)
      const step = enabled.find((each) => !includes(asleep, each))
      if (step === undefined) {
        await finish(run)
        return false
      }
      path.push((choice = { enabled, asleep, step }))
    } else if (!includes(enabled, choice.step)) {
      throw new Error(`the same order is not possible again: ${describe(path.map(({ step }) => step))}`)
    }
    await run.advance(choice.step)
  }
}

/** Actors that nobody asks any more must come to their ends all the same. */
async function finish(run: Run): Promise<void> {
  for (let [step] = run.enabled(); step !== undefined; [step] = run.enabled()) await run.advance(step)
}

function inherited(parent: Choice | undefined, independent: Independent): Step[] {
  return parent === undefined ? [] : parent.asleep.filter((step) => independent(step, parent.step))
}

/** Turns to the next order; false: there is none. */
function turn(path: Choice[]): boolean {
  for (let last = path.at(-1); last !== undefined; last = path.at(-1)) {
    last.asleep.push(last.step)
    const { enabled, asleep } = last
    const step = enabled.find((each) => !includes(asleep, each))
    if (step !== undefined) {
      last.step = step
      return true
    }
    path.pop()
  }
  return false
}

function includes(steps: readonly Step[], step: Step): boolean {
  return steps.some((each) => each.actor === step.actor && each.point === step.point && each.of === step.of)
}

/** The first of all orders that differ from this one by swaps of independent neighbours alone. */
export function canonical(order: readonly Step[], independent: Independent): string {
  const left = [...order]
  const sorted: Step[] = []
  while (left.length > 0) {
    const free = left.filter((step, index) => left.slice(0, index).every((earlier) => independent(earlier, step)))
    const next = free.reduce((a, b) => (b.actor < a.actor ? b : a))
    left.splice(left.indexOf(next), 1)
    sorted.push(next)
  }
  return describe(sorted)
}

export function describe(steps: readonly Step[]): string {
  return steps.map(({ actor, point, of }) => `${actor}:${point}${of === '' ? '' : ` ${of}`}`).join(', ')
}
