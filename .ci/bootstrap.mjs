// node .ci/bootstrap.mjs <task> [arguments]
//
// Every script of package.json comes here, so that it works on a fresh checkout: dependencies are installed, what the
// task needs is built, and the task runs under the project's own Node. Set-up talks to stderr only.
import { StepError, buildAddon, buildDist, install, run } from './prepare.mjs'
import { SUITES, runSuite } from './suite.mjs'

async function script(path, args) {
  await buildAddon()
  await buildDist()
  // `npm run demo --json` keeps the flag for itself, and its banner off stdout.
  const flags = process.env.npm_config_json === 'true' && !args.includes('--json') ? ['--json'] : []
  const { code } = await run('node', [path, ...flags, ...args])
  return code
}

const TASKS = {
  demo: (args) => script('examples/departures.ts', args),
  bench: (args) => script('__test__/bench/index.ts', args),
  oracle: (args) => script('__test__/oracle/run.ts', args),
  matrix: (args) => script('__test__/matrix/run.ts', args),
  async build() {
    await buildAddon()
    await buildDist()
    return 0
  },
  async format() {
    const formatted = [await run('oxfmt', []), await run('cargo', ['fmt', '--all'])]
    return Math.max(...formatted.map(({ code }) => code))
  },
  ...Object.fromEntries(Object.entries(SUITES).map(([name, steps]) => [name, (args) => runSuite(steps(args))])),
}

const [name, ...args] = process.argv.slice(2)
if (!Object.hasOwn(TASKS, name ?? '')) {
  console.error(`node .ci/bootstrap.mjs ${Object.keys(TASKS).join('|')} [arguments]`)
  process.exit(2)
}
try {
  await install()
  process.exitCode = await TASKS[name](args)
} catch (error) {
  if (!(error instanceof StepError)) throw error
  console.error(error.message)
  if (Object.hasOwn(SUITES, name)) console.log('0 passed, 1 failed')
  process.exitCode = 1
}
