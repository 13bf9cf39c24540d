// Makes a checkout able to run: dependencies, addon, dist/. Each step is skipped when its result is already there.
// Starts under whatever Node the machine has (18 or later); everything it starts runs under the Node of the lockfile.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const MODULES = join(ROOT, 'node_modules')
const STAMPS = join(MODULES, '.cache', 'cacheops')
const WINDOWS = process.platform === 'win32'
const NODE = join(MODULES, 'node', 'bin', WINDOWS ? 'node.exe' : 'node')

/** A step that failed; what it printed has been shown. */
export class StepError extends Error {}

/** Under which the project's own programs run. */
export function environment() {
  const { PATH = '', ...rest } = process.env
  // NOTE: the project's own Node comes first, also when a script was started by the machine's.
  const path = [join(MODULES, '.bin'), dirname(NODE), PATH, join(homedir(), '.cargo', 'bin')].join(delimiter)
  return { ...rest, PATH: path }
}

/** The machine's own environment: `npm ci` removes the Node it would otherwise run under. */
function environmentOutside() {
  const { PATH = '', ...rest } = process.env
  const outside = PATH.split(delimiter).filter((entry) => !entry.startsWith(MODULES + sep))
  return { ...rest, PATH: outside.join(delimiter) }
}

/**
 * Runs a program in the root and resolves with its exit code and, if it was asked to keep them, its output.
 *
 * @param output `inherit` prints as it comes, `stderr` does so to stderr, `keep` only keeps, `tee` does both.
 */
export function run(command, args, { output = 'inherit', env = environment() } = {}) {
  const piped = output === 'keep' || output === 'tee'
  const stdout = { inherit: 'inherit', stderr: 2 }[output] ?? 'pipe'
  return new Promise((done, reject) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env,
      shell: WINDOWS,
      stdio: [output === 'inherit' ? 'inherit' : 'ignore', stdout, piped ? 'pipe' : 'inherit'],
    })
    const chunks = []
    const listen = (from, to) => {
      from?.on('data', (chunk) => {
        chunks.push(chunk)
        if (output === 'tee') to.write(chunk)
      })
    }
    listen(child.stdout, process.stdout)
    listen(child.stderr, process.stderr)
    child.on('error', (error) => {
      const hint = error.code === 'ENOENT' ? `${command} is not installed, or not on the PATH` : error.message
      reject(new StepError(hint, { cause: error }))
    })
    child.on('close', (code) => {
      done({ code: code ?? 1, text: Buffer.concat(chunks).toString() })
    })
  })
}

function say(text) {
  process.stderr.write(`${text}\n`)
}

/** Every file below a path of the root, in a fixed order; none if there is no such path. */
export function filesBelow(path) {
  const full = resolve(ROOT, path)
  if (!existsSync(full)) return []
  if (statSync(full).isFile()) return [full]
  return readdirSync(full)
    .filter((name) => name !== 'target' && name !== 'node_modules')
    .sort()
    .flatMap((name) => filesBelow(join(full, name)))
}

function digest(paths) {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`)
  for (const file of paths.flatMap(filesBelow)) {
    const content = readFileSync(file)
    hash.update(`\0${relative(ROOT, file)}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex')
}

function readStamp(name) {
  const path = join(STAMPS, name)
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

function writeStamp(name, value) {
  mkdirSync(STAMPS, { recursive: true })
  writeFileSync(join(STAMPS, name), value)
}

/** A build that fails half-way must not be taken for the one before it. */
function dropStamp(name) {
  rmSync(join(STAMPS, name), { force: true })
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'))
}

function isInstalled() {
  const installedPath = join(MODULES, '.package-lock.json')
  if (!existsSync(installedPath) || !existsSync(NODE)) return false
  const wanted = readJson(join(ROOT, 'package-lock.json')).packages
  const installed = readJson(installedPath).packages
  // What package.json asks for is in the lockfile too; if not, `npm ci` says so better than we could.
  const asked = readJson(join(ROOT, 'package.json'))
  const kinds = ['dependencies', 'devDependencies', 'peerDependencies']
  if (kinds.some((kind) => !isDeepStrictEqual(asked[kind], wanted[''][kind]))) return false
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    if (path === '') return true
    const found = installed[path]
    return found === undefined ? optional === true : found.version === version && existsSync(join(ROOT, path))
  })
}

// The install itself runs under the machine's Node, which the packages of the development tools rightly find too old.
const NPM_NOISE = /^npm warn (?:EBADENGINE|Unknown (?:builtin|cli|env|global|project|user) config)/

/** Installs what the lockfile says, unless it is there. Install scripts run for `node` alone, see `allowScripts`. */
export async function install() {
  if (isInstalled()) return
  say('installing dependencies …')
  // NOTE: npm hands its own flags down, and `npm run --silent` would silence the errors of this one as well.
  const args = ['ci', '--no-audit', '--no-fund', '--strict-allow-scripts', '--loglevel=warn', '--json=false']
  const { code, text } = await run('npm', args, { output: 'keep', env: environmentOutside() })
  const lines = text.split('\n').filter((line) => line !== '')
  const shown = code === 0 ? lines.filter((line) => !NPM_NOISE.test(line)) : lines
  if (shown.length > 0) say(shown.join('\n'))
  if (code !== 0) throw new StepError('npm ci failed')
  if (!isInstalled()) throw new StepError('npm ci succeeded, but node_modules is not what package-lock.json says')
}

const ADDON_SOURCES = ['crates', 'Cargo.toml', '.cargo', 'rust-toolchain.toml']
const ADDON_LOADER = 'index.cjs'

/** Builds the addon into native/, unless it was built from these sources. */
export async function buildAddon() {
  const native = join(ROOT, 'native')
  const sources = digest(ADDON_SOURCES)
  const built = existsSync(join(native, ADDON_LOADER)) && readdirSync(native).some((name) => name.endsWith('.node'))
  if (built && readStamp('addon') === sources + digest(['Cargo.lock'])) return
  say('building the addon …')
  dropStamp('addon')
  // NOTE: never over a file that another process may have mapped: build aside, then rename.
  const aside = join('native', `.build-${process.pid}`)
  const args = ['build', '--platform', '--profile', 'local', '--manifest-path', 'crates/node/Cargo.toml']
  args.push('--output-dir', aside, '--js', ADDON_LOADER, '--dts', 'index.d.cts', '--no-const-enum')
  if (process.env.CI) args.push('--', '--locked')
  try {
    const { code } = await run('napi', args, { output: 'stderr' })
    if (code !== 0) throw new StepError('the addon did not build')
    for (const name of readdirSync(join(ROOT, aside))) renameSync(join(ROOT, aside, name), join(native, name))
  } finally {
    rmSync(join(ROOT, aside), { recursive: true, force: true })
  }
  // Cargo.lock is read afterwards, because cargo may have completed it.
  writeStamp('addon', sources + digest(['Cargo.lock']))
}

/**
 * Kysely 0.28 declares other classes to CommonJS than to ECMAScript modules, and which of them `.cache()` is added to depends on
 * what kind of file says so. So every declaration is there twice; the code is not.
 */
function declareForCommonJS(dist) {
  for (const file of filesBelow(dist).filter((path) => path.endsWith('.d.ts'))) {
    const text = readFileSync(file, 'utf8')
    const commonJS = text
      .replaceAll(/((?:from|import\() ?['"]\.[^'"]*)\.ts(?=['"])/g, '$1.cjs')
      .replace(/^\/\/# sourceMappingURL=.*$/m, '')
    writeFileSync(file.replace(/\.d\.ts$/, '.d.cts'), commonJS)
  }
  // What the declarations declare: a module of CommonJS, which is the ES module.
  writeFileSync(join(dist, 'index.cjs'), "module.exports = require('./index.js')\n")
}

/** Compiles ts/ to dist/, unless it was compiled from these sources. */
export async function buildDist() {
  const dist = join(ROOT, 'dist')
  const sources = digest(['.ci/prepare.mjs', 'ts', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'])
  if (existsSync(join(dist, 'index.js')) && readStamp('dist') === sources) return
  say('compiling ts/ …')
  dropStamp('dist')
  rmSync(dist, { recursive: true, force: true })
  const { code } = await run('tsc', ['-p', 'tsconfig.build.json'], { output: 'stderr' })
  if (code !== 0) throw new StepError('ts/ did not compile')
  declareForCommonJS(dist)
  writeStamp('dist', sources)
}
