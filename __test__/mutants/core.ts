/** The Rust core in a copy of the tree: its own tests, and the addon that specs load. */

import { join } from 'node:path'

import type { CargoTest, Mutant } from './mutant.ts'
import { run } from './program.ts'
import type { Ended } from './program.ts'
import { CARGO_TARGET } from './tree.ts'
import type { Tree } from './tree.ts'
import { invalid, killed, survived } from './verdict.ts'
import type { Verdict } from './verdict.ts'

const LOCKED = process.env['CI'] === undefined ? [] : ['--locked']
/** Compiled in seconds, which counts more here than how fast it runs. */
const ENV = { CARGO_TARGET_DIR: CARGO_TARGET, CARGO_PROFILE_DEV_DEBUG: '0', CARGO_INCREMENTAL: '1' }
/** The first build compiles what the core depends on. */
const BUILD_LIMIT = 600

/** Titles of these tests that fail in a tree, with the reason. */
export async function failingInCore(tree: Tree, tests: readonly CargoTest[]): Promise<ReadonlyMap<CargoTest, string>> {
  const failing = new Map<CargoTest, string>()
  for (const [target, named] of Map.groupBy(tests, (test) => test.cargo)) {
    const ended = await cargoTest(tree, target, [...new Set(named.map(({ title }) => title))])
    for (const test of named) {
      const found = resultOf(ended, test)
      if (found !== 'ok')
        failing.set(test, found === undefined ? `it did not run\n${ended.text.slice(-2000)}` : 'it fails')
    }
  }
  return failing
}

/** Runs the test of a mutant whose guard is missing in the tree now. */
export async function judgeInCore(tree: Tree, { hangs }: Mutant, test: CargoTest): Promise<Verdict> {
  const ended = await cargoTest(tree, test.cargo, [test.title], hangs === true ? 40 : 180)
  if (ended.code === null) return hangs === true ? killed : invalid('the test does not end', ended.text)
  const result = resultOf(ended, test)
  if (result === undefined) return invalid('the test did not run', ended.text)
  return result === 'FAILED' ? killed : survived('the test passes without it')
}

/** Builds the addon of a tree and has the tree load it; what the compiler says, if it does not build. */
export async function buildAddon(tree: Tree): Promise<string | undefined> {
  const args = ['build', '--package', 'cacheops-node', ...LOCKED]
  const { code, text } = await run('cargo', args, { cwd: tree.path, env: ENV, limit: BUILD_LIMIT })
  if (code !== 0) return text
  const library =
    process.platform === 'win32'
      ? 'cacheops_node.dll'
      : `libcacheops_node.${process.platform === 'darwin' ? 'dylib' : 'so'}`
  tree.useAddon(join(CARGO_TARGET, 'debug', library))
  return undefined
}

function cargoTest(tree: Tree, target: string, titles: readonly string[], limit = BUILD_LIMIT): Promise<Ended> {
  const which = target === 'lib' ? ['--lib'] : ['--test', target]
  const args = ['test', '--package', 'cacheops-core', ...which, ...LOCKED, '--', '--exact', ...titles]
  // Few cases find what a guard is for; a shrunk one is not asked for.
  const env = { ...ENV, PROPTEST_CASES: '400', PROPTEST_MAX_SHRINK_ITERS: '0' }
  return run('cargo', args, { cwd: tree.path, env, limit })
}

function resultOf({ text }: Ended, { title }: CargoTest): 'ok' | 'FAILED' | undefined {
  const line = text.split('\n').find((line) => line.startsWith(`test ${title} ... `))
  if (line !== undefined) {
    if (line.endsWith('ok')) return 'ok'
    if (line.endsWith('FAILED')) return 'FAILED'
  }
  return undefined
}
