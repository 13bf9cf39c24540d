// Completes package-lock.json with the optional packages of other platforms.
//
// npm leaves an optional package out of the lockfile when the registry it asks does not have it, as mirrors that hold
// only their own platform do, and `npm ci` then refuses that lockfile everywhere. An entry needs no more than its
// version and its platform: a machine of another platform skips it without asking any registry.
import { readFileSync, writeFileSync } from 'node:fs'

const LOCKFILE = new URL('../package-lock.json', import.meta.url)
const OS = /(?:^|[-/])(android|darwin|freebsd|linux|openharmony|win32)-/
const CPU = /-(arm64|arm|x64|ia32|ppc64|riscv64|s390x|loong64|universal)(?:-|$)/

function platformOf(name) {
  if (name.endsWith('-wasm32-wasi')) return { cpu: ['wasm32'] }
  const os = OS.exec(name)?.[1]
  const cpu = CPU.exec(name)?.[1]
  if (os === undefined || cpu === undefined) return undefined
  const libc = /musl/.test(name) ? 'musl' : os === 'linux' ? 'glibc' : undefined
  return { cpu: [cpu], ...(libc && { libc: [libc] }), os: [os] }
}

const lock = JSON.parse(readFileSync(LOCKFILE, 'utf8'))
const added = []
for (const [path, parent] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const known = `${path}/node_modules/${name}` in lock.packages || `node_modules/${name}` in lock.packages
    const platform = platformOf(name)
    if (known || platform === undefined || !/^\d+\.\d+\.\d+/.test(version)) continue
    lock.packages[`node_modules/${name}`] = {
      version,
      ...platform,
      ...(parent.dev && { dev: true }),
      optional: true,
    }
    added.push(name)
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([left], [right]) => left.localeCompare(right, 'en')),
)
writeFileSync(LOCKFILE, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`package-lock.json: ${added.length} packages of other platforms added`)
