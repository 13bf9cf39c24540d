/** A project that has this package as its users install it. */

import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { CACHE, installed, npm, ROOT } from '../tools.ts'
import { execute } from './execute.ts'

const PROGRAMS = join(ROOT, '__test__', 'matrix', 'programs')
/** What the programs use, in the versions of the project. */
const DRIVERS = ['kysely', 'better-sqlite3', '@electric-sql/pglite', 'pg', 'postgres', 'kysely-postgres-js']

let packed: Promise<Record<string, string>> | undefined

/** This package and that of its addon for this platform, packed as for a release. The names of the files tell their content. */
function pack(): Promise<Record<string, string>> {
  return (packed ??= packOnce())
}

async function packOnce(): Promise<Record<string, string>> {
  const folder = join(CACHE, 'packed')
  rmSync(folder, { recursive: true, force: true })
  const platforms = join(folder, 'npm')
  mkdirSync(platforms, { recursive: true })
  await execute('npx', ['napi', 'create-npm-dirs', '--npm-dir', platforms], { cwd: ROOT })
  const addon = readdirSync(join(ROOT, 'native')).find((name) => name.endsWith('.node'))!
  const platform = addon.split('.')[1]!
  cpSync(join(ROOT, 'native', addon), join(platforms, platform, addon))
  const file = (from: string): string => {
    const [name] = npm(folder, 'pack', '--ignore-scripts', '--silent', from).trim().split('\n').slice(-1)
    const content = createHash('sha256')
      .update(readFileSync(join(folder, name!)))
      .digest('hex')
    const named = join(CACHE, `${name!.replace('.tgz', '')}-${content.slice(0, 16)}.tgz`)
    if (!existsSync(named)) cpSync(join(folder, name!), named)
    return `file:${named}`
  }
  return { cacheops: file(ROOT), [`cacheops-${platform}`]: file(join(platforms, platform)) }
}

/** Versions of the project's own development dependencies. */
export function versionsOf(names: readonly string[]): Record<string, string> {
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>
  }
  return Object.fromEntries(names.map((name) => [name, devDependencies[name]!]))
}

/** A folder with the packages installed, which is kept. */
export async function modulesOf(name: string, others: Readonly<Record<string, string>>): Promise<string> {
  return installed(name, { ...(await pack()), ...versionsOf(DRIVERS), ...others })
}

/** A fresh folder of its own, with the programs in it; it goes when the process ends. */
export async function consumer(name = 'consumer', others: Readonly<Record<string, string>> = {}): Promise<string> {
  const modules = await modulesOf(name, others)
  // NOTE: not the folder of the modules itself, which is below node_modules, where no types are stripped.
  const folder = mkdtempSync(join(tmpdir(), 'cacheops-consumer-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  cpSync(PROGRAMS, folder, { recursive: true })
  for (const file of ['node_modules', 'package.json']) symlinkSync(join(modules, file), join(folder, file))
  return folder
}
