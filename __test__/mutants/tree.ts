import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { Mutant } from './mutant.ts'

export const ROOT: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
/** Git ignores it, `cargo clean` removes it, and Node strips types in it, as it would not below node_modules. */
const HOME = join(ROOT, 'target', 'mutants')
/** What cargo builds for the mutants stays warm from run to run. */
export const CARGO_TARGET: string = join(HOME, 'cargo')

/** Two runs at once would take each other's guards away. Throws if another one is on its way. */
export function claimTrees(): void {
  const lock = join(HOME, 'running')
  mkdirSync(HOME, { recursive: true })
  const owner = existsSync(lock) ? Number(readFileSync(lock, 'utf8')) : undefined
  if (owner !== undefined && isAlive(owner)) throw new Error(`the mutants are running already, as process ${owner}`)
  writeFileSync(lock, String(process.pid))
  process.once('exit', () => rmSync(lock, { force: true }))
  // Ends what has been started, too, see `program.ts`.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** A copy of the working tree, in which one guard at a time is missing. */
export class Tree {
  readonly path: string
  readonly #files: ReadonlySet<string>

  /** Makes the copy, or brings the one of an earlier run up to date: only what differs is written. */
  constructor(name: string) {
    this.path = join(HOME, name)
    const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT })
    const files = listed
      .toString()
      .split('\0')
      .filter((file) => file !== '' && existsSync(join(ROOT, file)))
    this.#files = new Set(files)
    mkdirSync(this.path, { recursive: true })
    for (const file of this.#below('.')) if (!this.#files.has(file)) rmSync(join(this.path, file))
    for (const file of files) this.#put(file, readFileSync(join(ROOT, file)))
    this.#linkModules()
    this.restoreAddon()
  }

  /** The text of a file as it is without any mutant. */
  original(file: string): string {
    return readFileSync(join(this.path, file), 'utf8')
  }

  /** Takes a guard away while something is done. */
  async without<T>({ file, find, replace }: Mutant, act: () => Promise<T>): Promise<T> {
    const original = this.original(file)
    this.#put(file, Buffer.from(original.replace(find, () => replace)))
    try {
      return await act()
    } finally {
      this.#put(file, Buffer.from(original))
    }
  }

  /** Loads another addon from now on. */
  useAddon(built: string): void {
    const to = join(this.path, 'native', addonName())
    // NOTE: never over a file that a process may have mapped.
    rmSync(to, { force: true })
    copyFileSync(built, to)
  }

  /** Loads the addon that the working tree has. */
  restoreAddon(): void {
    const from = join(ROOT, 'native')
    const to = join(this.path, 'native')
    mkdirSync(to, { recursive: true })
    for (const name of readdirSync(from).filter((name) => !name.startsWith('.'))) {
      const wanted = statSync(join(from, name))
      const found = existsSync(join(to, name)) ? statSync(join(to, name)) : undefined
      if (found?.size === wanted.size && Math.abs(found.mtimeMs - wanted.mtimeMs) < 1) continue
      rmSync(join(to, name), { force: true })
      copyFileSync(join(from, name), join(to, name))
      utimesSync(join(to, name), wanted.atime, wanted.mtime)
    }
  }

  #put(file: string, content: Buffer): void {
    const path = join(this.path, file)
    if (existsSync(path) && readFileSync(path).equals(content)) return
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
  }

  /** Every file of the copy that is its own, as git would name it. */
  #below(folder: string): string[] {
    return readdirSync(join(this.path, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = folder === '.' ? entry.name : `${folder}/${entry.name}`
      if (['node_modules', 'native'].includes(path)) return []
      return entry.isDirectory() ? this.#below(path) : [path]
    })
  }

  /** The packages are those of the working tree; what their programs cache is not. */
  #linkModules(): void {
    const modules = join(this.path, 'node_modules')
    mkdirSync(modules, { recursive: true })
    for (const name of readdirSync(join(ROOT, 'node_modules'))) {
      if (name === '.cache' || existsSync(join(modules, name))) continue
      rmSync(join(modules, name), { force: true })
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name), 'junction')
    }
  }
}

function addonName(): string {
  const name = readdirSync(join(ROOT, 'native')).find((name) => name.endsWith('.node'))
  if (name === undefined) throw new Error('native/ holds no addon: npm run build')
  return name
}
