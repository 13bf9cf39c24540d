/**
 * An application of its own: a folder whose `node_modules` has the packages that it is given, so that its modules, and those of
 * the package in it, find another Kysely than this project's.
 */

import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

import { ROOT } from './tools.ts'

const MODULES = join(ROOT, 'node_modules')
const PROGRAMS = join(ROOT, '__test__', 'copies')
const execute = promisify(execFile)

/** Where the application's `#cacheops` comes from. */
export type Source =
  /** a copy of `ts/` in its own folder */
  | 'sources'
  /** `dist/`, as npm would install it */
  | 'installed'
  /** this folder by a link, so that it resolves this project's Kysely */
  | 'linked'

export class Application {
  readonly folder: string

  /** @param kysely the folder of the package that it calls `kysely` */
  constructor(kysely: string, source: Source) {
    this.folder = mkdtempSync(join(tmpdir(), 'cacheops-application-'))
    mkdirSync(join(this.folder, 'node_modules'))
    this.link('kysely', kysely)
    for (const name of ['better-sqlite3', 'lru-cache', 'leven', '@types/node']) this.link(name, join(MODULES, name))
    cpSync(PROGRAMS, this.folder, { recursive: true })
    const imports = { '#cacheops': this.#put(source, 'cacheops'), '#again': './again/ts/index.ts' }
    writeFileSync(join(this.folder, 'package.json'), JSON.stringify({ type: 'module', imports }))
  }

  #put(source: Source, name: string): string {
    if (source === 'sources') {
      putPackage(join(this.folder, name), ['ts', 'native', 'package.json'])
      return `./${name}/ts/index.ts`
    }
    if (source === 'installed') {
      putPackage(join(this.folder, 'node_modules', name), ['dist', 'native', 'package.json'])
      return name
    }
    symlinkSync(ROOT, join(this.folder, name), 'junction')
    return `./${name}/ts/index.ts`
  }

  /** Puts `cacheops` there once more, as `#again`. */
  addSecondCopy(): this {
    putPackage(join(this.folder, 'again'), ['ts', 'native', 'package.json'])
    return this
  }

  /** Installs a package by a link to where it lies. */
  link(name: string, folder: string): this {
    const path = join(this.folder, 'node_modules', name)
    mkdirSync(dirname(path), { recursive: true })
    symlinkSync(folder, path, 'junction')
    return this
  }

  /** Copies a package, where its own location matters. */
  copy(name: string, folder: string): this {
    cpSync(folder, join(this.folder, 'node_modules', name), { recursive: true, dereference: true })
    return this
  }

  /** Runs one of its programs to its end, and gives what it printed. Rejects with its errors if it fails. */
  async run(program: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await execute(process.execPath, [join(this.folder, program), ...args], { cwd: this.folder })
    return stdout
  }

  /** Compiles its programs in TypeScript. Rejects with what the compiler says. */
  async typecheck(): Promise<void> {
    const tsc = join(MODULES, 'typescript', 'bin', 'tsc')
    await execute(process.execPath, [tsc, '-p', 'tsconfig.json'], { cwd: this.folder }).catch(
      (error: { stdout?: string }) => {
        throw new Error(error.stdout, { cause: error })
      },
    )
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** The folder of a package of this project's; throws if it is not installed. */
export function projectPackage(name: string): string {
  const folder = join(MODULES, name)
  if (!existsSync(folder)) throw new Error(`${name} is not installed`)
  return folder
}

function putPackage(folder: string, parts: readonly string[]): void {
  mkdirSync(folder, { recursive: true })
  for (const part of parts) cpSync(join(ROOT, part), join(folder, part), { recursive: true })
}
