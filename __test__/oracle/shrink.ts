import { runEpoch } from './epoch-run.ts'
import { allOf } from './epoch.ts'
import type { Epoch, Selection } from './epoch.ts'
import type { Failure } from './failure.ts'
import { noFigures } from './figures.ts'

/**
 * Leaves out steps and reads for as long as something of the same kind goes wrong.
 *
 * @param budget milliseconds
 */
export async function shrink(
  epoch: Epoch,
  found: Failure,
  budget: number,
): Promise<{ selection: Selection; failure: Failure }> {
  const deadline = performance.now() + budget
  const whole: Epoch = { ...epoch, spec: { ...epoch.spec, sample: epoch.reads.length } }
  let best: Selection = {
    steps: allOf(epoch).steps.filter((index) => index <= found.step),
    reads: [...epoch.reads.keys()],
  }
  let failure = found
  const fails = async (selection: Selection): Promise<boolean> => {
    if (performance.now() > deadline) return false
    const now = await runEpoch(whole, selection, noFigures())
    if (now?.kind !== found.kind || (now.read === undefined) !== (found.read === undefined)) return false
    if (found.read !== undefined && now.read !== found.read) return false
    best = { ...selection, steps: selection.steps.filter((index) => index <= now.step) }
    failure = now
    return true
  }
  if (found.read !== undefined) await fails({ ...best, reads: [found.read] })
  for (let size = Math.ceil(best.steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < best.steps.length && performance.now() < deadline;) {
      const steps = best.steps.filter((_, index) => index < from || index >= from + size)
      if (!(await fails({ ...best, steps }))) from += size
    }
  }
  for (const read of best.reads) {
    if (best.reads.length > 1 || found.read === undefined)
      await fails({ ...best, reads: best.reads.filter((each) => each !== read) })
  }
  return { selection: best, failure }
}
