// The checks and tests of `npm test`, each of which says how much passed and failed. One that ran nothing has failed.
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { performance } from 'node:perf_hooks'
import { stripVTControlCharacters } from 'node:util'

import { binariesOf, installServer } from './postgres.mjs'
import { ROOT, StepError, buildAddon, buildDist, environment, filesBelow, run } from './prepare.mjs'

const LOCKED = process.env.CI ? ['--locked'] : []

const CARGO_PASSED = /^test result: .*?(\d+) passed;/gm
const CARGO_FAILED = /^test result: .*?(\d+) failed;/gm
const NEXTEST_PASSED = /^\s*Summary .*?(\d+) passed/gm
const NEXTEST_FAILED = /(?<=^\s*Summary .*)(\d+) (?:exec failed|failed|timed out)/gm
const AVA_PASSED = /^\s*(\d+) tests? passed$/gm
// Failures of tests, of hooks, and whatever was thrown outside of any.
const AVA_FAILED = /^\s*(\d+) (?:tests? failed|hooks? failed|uncaught exceptions?|unhandled rejections?)$/gm
// NOTE: a run with failures does not say how many passed.
const AVA_TICK = /^ {2}✔ /gm

function sum(text, pattern) {
  return [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0)
}

/** The counts that a program printed at its end; a failure that it does not count is one nevertheless. */
function counts({ code, text }, passedPattern, failedPattern) {
  const plain = stripVTControlCharacters(text)
  const passed = sum(plain, passedPattern)
  const failed = sum(plain, failedPattern)
  return { passed, failed: code !== 0 || passed + failed === 0 ? Math.max(failed, 1) : failed }
}

function check(name, command, ...args) {
  return {
    name,
    async run() {
      const { code, text } = await run(command, args, { output: 'keep' })
      if (code !== 0) process.stdout.write(text)
      return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1 }
    },
  }
}

function built(name, build) {
  return {
    name,
    async run() {
      await build()
      return { passed: 1, failed: 0 }
    },
  }
}

const rustTests = {
  name: 'rust tests',
  async run() {
    if ((await run('cargo', ['nextest', '--version'], { output: 'keep' })).code !== 0) {
      // Without the examples in docs, which come next.
      const args = ['test', '--workspace', '--all-targets', '--no-fail-fast', ...LOCKED]
      return counts(await run('cargo', args, { output: 'tee' }), CARGO_PASSED, CARGO_FAILED)
    }
    const args = ['nextest', 'run', '--workspace', '--no-fail-fast', '--status-level', 'slow', ...LOCKED]
    return counts(await run('cargo', args, { output: 'tee' }), NEXTEST_PASSED, NEXTEST_FAILED)
  },
}

/** There may be none, which is no failure. */
const rustExamples = {
  name: 'rust doc examples',
  async run() {
    const result = await run('cargo', ['test', '--doc', '--workspace', '--no-fail-fast', ...LOCKED], { output: 'keep' })
    if (result.code !== 0) process.stdout.write(result.text)
    const { passed, failed } = counts(result, CARGO_PASSED, CARGO_FAILED)
    return { passed, failed: result.code === 0 ? 0 : failed }
  },
}

/** Specs that prove by numbers: those that take a minute, and those that take seconds. */
const SLOW = /\.slow\.spec\.ts$/
const THOROUGH = /\.slow\.spec\.ts$|[\\/](?:transparency[\\/]|(?:interleavings|concurrent|oracle)\b)/

function specsThat(isWanted) {
  const specs = filesBelow('__test__').filter((path) => path.endsWith('.spec.ts') && isWanted(path))
  if (specs.length === 0) throw new StepError('no such spec found')
  return specs.map((path) => relative(ROOT, path))
}

function ava(argumentsOf = () => [], name = 'ava', environmentOf = async () => ({})) {
  return {
    name,
    async run() {
      const color = process.stdout.isTTY ? ['--color'] : []
      const env = { ...environment(), ...(await environmentOf()) }
      const result = await run('ava', [...color, ...argumentsOf()], { output: 'tee', env })
      const { passed, failed } = counts(result, AVA_PASSED, AVA_FAILED)
      const ticks = [...stripVTControlCharacters(result.text).matchAll(AVA_TICK)].length
      return { passed: failed > 0 ? ticks : passed, failed }
    },
  }
}

/** Specs that are run once more for each driver of PostgreSQL, and not on SQLite. */
function specsOfDrivers(pattern) {
  const specs = filesBelow('__test__').filter(
    (path) =>
      path.endsWith('.spec.ts') &&
      /from '\.\.?\/support\/(?:databases|postgres)\.ts'|\bDRIVERS\b/.test(readFileSync(path, 'utf8')),
  )
  const chosen = specs.map((path) => relative(ROOT, path)).filter((path) => pattern.test(path))
  if (chosen.length === 0) throw new StepError(`no spec for ${pattern}`)
  return ['--match=!sqlite*', ...chosen]
}

/**
 * The specs on a server of PostgreSQL.
 *
 * @param version the major version, fetched if need be; without it the machine's own
 */
function avaOn(driver, pattern, version) {
  const name = `specs on ${driver}${version === undefined ? '' : `, PostgreSQL ${version}`}`
  return ava(
    () => specsOfDrivers(pattern),
    name,
    async () => ({
      CACHEOPS_TEST_POSTGRES: driver,
      ...(version === undefined ? {} : { CACHEOPS_TEST_POSTGRES_BIN: await binariesOf(version) }),
    }),
  )
}

/** What a driver and its pool have a part in: transactions, row images, sessions, what callers are given. */
const NEAR_THE_DRIVER = /\b(?:transaction|write|guards-transactions|freshness|policies|settings)\.spec\.ts$/
const ALL = /(?:)/

const TALLY_PASSED = /^(\d+) passed, \d+ failed$/gm
const TALLY_FAILED = /(?<=^\d+ passed, )(\d+) failed$/gm

/** A program of ours that counts by itself: mutants whose guard a test misses, runtimes and tools that do as the table says. */
function tally(name, program, args = []) {
  return {
    name,
    async run() {
      return counts(await run('node', [program, ...args], { output: 'tee' }), TALLY_PASSED, TALLY_FAILED)
    },
  }
}

const mutants = (args) => tally('mutants', '__test__/mutants/run.ts', args)

const addon = built('addon', buildAddon)
const dist = built('dist', buildDist)
const server = built('PostgreSQL', installServer)
const typecheck = check('typecheck', 'tsc', '-p', 'tsconfig.json')
const typeTests = check('type tests', 'tsc', '-p', '__test__/types/tsconfig.json')
const oxlint = check('oxlint', 'oxlint')
const clippy = check('clippy', 'cargo', 'clippy', '--workspace', '--all-targets', ...LOCKED, '--', '-D', 'warnings')
const rustfmt = check('rustfmt', 'cargo', 'fmt', '--all', '--check')
const oxfmt = check('oxfmt', 'oxfmt', '--check')

/** The oracle for as long as CI has time for; the specs run it for a few hundred steps. */
function oracle(database, ...args) {
  return {
    name: `oracle on ${database}`,
    async run() {
      const { code } = await run('node', ['__test__/oracle/run.ts', '--db', database, ...args])
      return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1 }
    },
  }
}

const checks = [rustfmt, oxfmt, addon, dist, typecheck, typeTests, oxlint, clippy, rustTests, rustExamples, server]
/** A sample application, with the plugin and without. */
const application = {
  name: 'the sample application',
  async run() {
    await buildDist()
    const { code } = await run('node', [
      '__test__/app/run.cjs',
      '--steps',
      '8000',
      '--seed',
      '3',
      '--client-steps',
      '600',
    ])
    return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1 }
  },
}

/** What is proven by numbers, in minutes. */
const proofs = () => [
  ava(() => specsThat((path) => SLOW.test(path)), 'slow specs'),
  oracle('sqlite', '--steps', '20000', '--seed', '72001', '--reads', '10'),
  oracle('pglite', '--steps', '4000', '--seed', '71001', '--reads', '10'),
  oracle('sqlite', '--steps', '3000', '--seed', '5', '--clients', '4'),
  oracle('pg', '--steps', '9000', '--seed', '73001', '--reads', '10'),
  oracle('pg', '--steps', '3000', '--seed', '6', '--clients', '4'),
]

/** What takes longer: other versions of the server, drivers, Kysely, runtimes and tools, and the mutants. */
const everything = () => [
  oracle('pglite', '--steps', '20000', '--seed', '71001', '--reads', '10'),
  application,
  avaOn('pg', ALL),
  avaOn('postgres.js', ALL),
  avaOn('pg', /\b(?:transaction|write)\.spec\.ts$|transparency/, 16),
  avaOn('pg', /\b(?:transaction|write)\.spec\.ts$|transparency/, 18),
  oracle('pg', '--steps', '20000', '--seed', '73001', '--reads', '10'),
  tally('matrix', '__test__/matrix/run.ts'),
  mutants(),
]

/** Steps by the name of their script. */
export const SUITES = {
  test: (args) => {
    const all = args.includes('--all')
    const fast = ava(() => specsThat((path) => !SLOW.test(path)))
    const steps = [...checks, fast, avaOn('pg', NEAR_THE_DRIVER)]
    if (all || args.includes('--proofs')) steps.push(...proofs())
    return all ? [...steps, ...everything()] : steps
  },
  'test:quick': (args) => [
    addon,
    dist,
    typecheck,
    server,
    ava(() => (args.length > 0 ? args : specsThat((path) => !THOROUGH.test(path)))),
  ],
  mutants: (args) => [addon, mutants(args)],
  lint: () => [oxlint, clippy],
  types: () => [dist, typecheck, typeTests],
}

/** Runs every step, whatever the others' outcome, and prints the counts last. Resolves with the exit code. */
export async function runSuite(steps) {
  const total = { passed: 0, failed: 0 }
  for (const step of steps) {
    const started = performance.now()
    const result = await step.run().catch((error) => {
      process.stdout.write(`${error instanceof StepError ? error.message : error.stack}\n`)
      return { passed: 0, failed: 1 }
    })
    total.passed += result.passed
    total.failed += result.failed
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    process.stdout.write(`${result.failed > 0 ? `✘ ${result.failed} failed:` : '✔'} ${step.name} (${seconds} s)\n`)
  }
  process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`)
  return total.failed === 0 && total.passed > 0 ? 0 : 1
}
