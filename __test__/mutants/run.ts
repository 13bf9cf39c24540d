/**
 * `npm run mutants`: takes one guard of the cache away at a time, and demands that the test which is named for it fails.
 *
 *     npm run mutants                        # all of them
 *     npm run mutants -- --only 'token|held' # those whose guard, file or test matches
 *     npx node __test__/mutants/run.ts --list
 *     npx node __test__/mutants/run.ts --markdown   # the table of docs/testing.md
 */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'

import { buildAddon, failingInCore, judgeInCore } from './core.ts'
import { markdown } from './markdown.ts'
import { isRust, nameOf, needsAddon } from './mutant.ts'
import type { CargoTest, Mutant, SpecTest } from './mutant.ts'
import { failingSpecs, judgeSpec, typeErrors } from './specs.ts'
import { MUTANTS } from './table.ts'
import { claimTrees, ROOT, Tree } from './tree.ts'
import { invalid } from './verdict.ts'
import type { Verdict } from './verdict.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    list: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
  },
})

let passed = 0
let failed = 0

function report(mark: '✔' | '✘', mutant: Mutant, started: number, why = ''): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const row = [mutant.guard, mutant.file, nameOf(mutant.test), `${seconds} s`].join(' | ')
  process.stdout.write(`${mark} ${row}${why === '' ? '' : `\n    ${why}`}\n`)
}

function fail(line: string): void {
  failed++
  process.stdout.write(`✘ ${line}\n`)
}

/** Mutants whose guard can be found and whose test passes with it; the others fail here. */
async function sound(mutants: readonly Mutant[], tree: Tree, failing: ReadonlyMap<unknown, string>): Promise<Mutant[]> {
  const good: Mutant[] = []
  for (const mutant of mutants) {
    const why = failing.get(mutant.test)
    const found = existsSync(join(tree.path, mutant.file))
      ? tree.original(mutant.file).split(mutant.find).length - 1
      : 0
    if (found !== 1) fail(`${mutant.guard}: ${mutant.file} has its text ${found} times instead of once`)
    else if (why !== undefined) fail(`${mutant.guard}: its test fails with the guard in place: ${why}`)
    else good.push(mutant)
  }
  return good
}

async function judge(tree: Tree, mutant: Mutant): Promise<Verdict> {
  const { test } = mutant
  if (!isRust(mutant)) {
    const errors = await typeErrors(tree)
    return errors === undefined ? judgeSpec(tree, mutant, test as SpecTest) : invalid('it does not compile', errors)
  }
  if (!('spec' in test)) return judgeInCore(tree, mutant, test)
  const errors = await buildAddon(tree)
  return errors === undefined ? judgeSpec(tree, mutant, test) : invalid('it does not compile', errors)
}

async function work(tree: Tree, next: () => Mutant | undefined): Promise<void> {
  for (let mutant = next(); mutant !== undefined; mutant = next()) {
    const { guard } = mutant
    const started = performance.now()
    const current = mutant
    const verdict = await tree.without(current, () => judge(tree, current))
    if (needsAddon(mutant)) tree.restoreAddon()
    if (verdict.outcome === 'killed') {
      passed++
      report('✔', mutant, started)
    } else {
      failed++
      report('✘', mutant, started, `${verdict.outcome.toUpperCase()}: without ${JSON.stringify(guard)} ${verdict.why}`)
    }
  }
}

const specOf = ({ test }: Mutant): SpecTest[] => ('spec' in test ? [test] : [])
const cargoOf = ({ test }: Mutant): CargoTest[] => ('cargo' in test ? [test] : [])

/** The core is built in one tree only; specs run in both. */
async function main(chosen: readonly Mutant[]): Promise<void> {
  claimTrees()
  const [one, two] = [new Tree('one'), new Tree('two')]
  const scripts = chosen.filter((mutant) => !isRust(mutant))
  const core = chosen.filter((mutant) => isRust(mutant) && !needsAddon(mutant))
  const addon = chosen.filter(needsAddon)

  const coreLane = async (): Promise<void> => {
    const queue = await sound(core, one, await failingInCore(one, core.flatMap(cargoOf)))
    await work(one, () => queue.shift())
    if (addon.length === 0) return
    const errors = await buildAddon(one)
    if (errors !== undefined) return fail(`the addon does not build\n${errors}`)
    const rest = await sound(addon, one, await failingSpecs(one, addon.flatMap(specOf)))
    await work(one, () => rest.shift())
    one.restoreAddon()
  }
  const queue: Mutant[] = []
  const scriptLane = async (): Promise<void> => {
    queue.push(...(await sound(scripts, two, await failingSpecs(two, scripts.flatMap(specOf)))))
    await work(two, () => queue.shift())
  }
  const both = scriptLane()
  await coreLane()
  await work(one, () => queue.shift())
  await both
}

/** The table in the documentation is the one that is run. */
function checkDocumentation(): void {
  const path = 'docs/testing.md'
  if (readFileSync(join(ROOT, path), 'utf8').includes(markdown(MUTANTS))) passed++
  else fail(`${path} does not have the table of mutants as it is now: npx node __test__/mutants/run.ts --markdown`)
}

const only = new RegExp(values.only ?? '', 'i')
const chosen = MUTANTS.filter(({ guard, file, test }) => only.test(`${guard} | ${file} | ${nameOf(test)}`))
if (values.markdown) process.stdout.write(markdown(MUTANTS))
else if (values.list) for (const { guard, file, test } of chosen) console.log(`${guard} | ${file} | ${nameOf(test)}`)
else {
  await main(chosen)
  if (values.only === undefined) checkDocumentation()
  process.stdout.write(`${passed} passed, ${failed} failed\n`)
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1
}
