/** Specs in a copy of the tree: whether a named test fails, and by an assertion rather than by a broken mutant. */

import { join } from 'node:path'

import type { Mutant, SpecTest } from './mutant.ts'
import { run } from './program.ts'
import type { Ended } from './program.ts'
import { ROOT } from './tree.ts'
import type { Tree } from './tree.ts'
import { invalid, killed, survived } from './verdict.ts'
import type { Verdict } from './verdict.ts'

const AVA = join(ROOT, 'node_modules', 'ava', 'entrypoints', 'cli.js')
const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')

interface Result {
  readonly title: string
  readonly passed: boolean
  /** how it failed */
  readonly detail: string
}

/** Titles of these tests that fail in a tree, with the reason. */
export async function failingSpecs(tree: Tree, tests: readonly SpecTest[]): Promise<ReadonlyMap<SpecTest, string>> {
  const failing = new Map<SpecTest, string>()
  for (const [spec, named] of Map.groupBy(tests, (test) => test.spec)) {
    const titles = [...new Set(named.map(({ title }) => title))]
    const ended = await ava(tree, spec, titles, 60 + 5 * titles.length)
    const results = resultsOf(ended)
    for (const test of named) {
      const result = results.find(({ title }) => title === test.title)
      if (result === undefined) failing.set(test, `no test of ${spec}.spec.ts has this title`)
      else if (!result.passed) failing.set(test, result.detail)
    }
  }
  return failing
}

/** Whether a mutant compiles. Node strips types unseen, and a fault of the cache fails no query: it must be asked for. */
export async function typeErrors(tree: Tree): Promise<string | undefined> {
  const args = [
    TSC,
    '-p',
    'tsconfig.build.json',
    '--noEmit',
    '--noUnusedLocals',
    'false',
    '--noUnusedParameters',
    'false',
  ]
  const { code, text } = await run(process.execPath, args, { cwd: tree.path, limit: 120 })
  return code === 0 ? undefined : text
}

/** Runs the test of a mutant whose guard is missing in the tree now. */
export async function judgeSpec(tree: Tree, mutant: Mutant, test: SpecTest): Promise<Verdict> {
  const ended = await ava(tree, test.spec, [test.title], mutant.hangs === true ? 20 : 90)
  const result = resultsOf(ended).find(({ title }) => title === test.title)
  if (result === undefined) {
    if (mutant.hangs === true && /timed out|^$/im.test(ended.text)) return killed
    return invalid(ended.code === null ? 'the test does not end' : 'the test did not run', ended.text)
  }
  // A rejection that nobody handles belongs to no test, and would have ended the process.
  const unhandled = ended.code !== 0 && mutant.throws?.test(ended.text) === true
  if (result.passed) return unhandled ? killed : survived('the test passes without it')
  const thrown = /Rejected promise returned by test|Error thrown in test/.test(result.detail)
  if (!thrown) return killed
  return mutant.throws?.test(result.detail) === true ? killed : invalid('the test failed by an error', result.detail)
}

function ava(tree: Tree, spec: string, titles: readonly string[], limit: number): Promise<Ended> {
  const matches = titles.flatMap((title) => ['--match', title])
  const args = [AVA, '--tap', '--no-cache', ...matches, `__test__/${spec}.spec.ts`]
  return run(process.execPath, args, { cwd: tree.path, limit })
}

/** The results in ava's TAP. */
function resultsOf({ text }: Ended): readonly Result[] {
  const points = [...text.matchAll(/^(ok|not ok) \d+ - (.*)\n?((?: {2}.*\n?)*)/gm)]
  return points.map(([, outcome, title, detail]) => ({
    title: title!.replace(/ # (?:SKIP|TODO).*$/, ''),
    passed: outcome === 'ok',
    detail: detail!,
  }))
}
