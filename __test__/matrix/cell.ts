/** A copy of this project's tests and sources in which `kysely` is another version or build. */

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { installed, ROOT } from './tools.ts'

/** One build of one version of Kysely. */
export interface KyselyBuild {
  readonly version: string
  /** Only 0.28 has two. With `cjs` the application requires Kysely, and cacheops, which is an ECMAScript module, imports it. */
  readonly build: 'cjs' | 'esm'
}

/** Node strips types in it, as it would not below node_modules. */
const HOME = join(ROOT, 'target', 'matrix')
/** What tests need besides the sources. */
const PARTS = ['ts', '__test__', 'package.json', 'tsconfig.json']
/** Packages that import Kysely, which must find the one of the cell. */
const DEPENDENTS = ['kysely-postgres-js']

/** The folder of one version, from the registry. */
export function kyselyFolder(version: string): string {
  return join(installed(`kysely-${version}`, { kysely: version }), 'node_modules', 'kysely')
}

/** Makes the copy anew; what it has of node_modules are links. */
export function makeCell({ version, build }: KyselyBuild): string {
  const cell = join(HOME, `kysely-${version}-${build}`)
  rmSync(cell, { recursive: true, force: true })
  mkdirSync(join(cell, 'node_modules'), { recursive: true })
  for (const part of PARTS) cpSync(join(ROOT, part), join(cell, part), { recursive: true })
  for (const part of ['native', 'dist']) symlinkSync(join(ROOT, part), join(cell, part), 'junction')
  const modules = join(ROOT, 'node_modules')
  for (const name of readdirSync(modules)) {
    if (name === 'kysely' || name === '.cache' || DEPENDENTS.includes(name)) continue
    symlinkSync(join(modules, name), join(cell, 'node_modules', name), 'junction')
  }
  for (const name of DEPENDENTS) cpSync(join(modules, name), join(cell, 'node_modules', name), { recursive: true })
  cpSync(kyselyFolder(version), join(cell, 'node_modules', 'kysely'), { recursive: true })
  if (!existsSync(join(cell, 'node_modules', 'kysely', 'dist', 'dialect', 'pglite'))) addWhatIsMissing(cell, build)
  return cell
}

/**
 * 0.28 has no PGlite dialect, for which there is one here, and no SafeNullComparisonPlugin, in whose place a plugin does nothing; its
 * migrations are among its other exports. The tests import it from a module that has all of that, and that is the CommonJS build if it is to be.
 */
function addWhatIsMissing(cell: string, build: KyselyBuild['build']): void {
  const entry = `../node_modules/kysely/dist/${build}`
  mkdirSync(join(cell, 'kysely'))
  const lines = [
    `import * as copy from '${entry}/index.js'`,
    `import { pgliteDialectOf } from '../__test__/matrix/pglite-dialect.ts'`,
    `export * from '${entry}/index.js'`,
    'export const PGliteDialect = pgliteDialectOf(copy)',
    'export class SafeNullComparisonPlugin { transformQuery({ node }) { return node } async transformResult({ result }) { return result } }',
  ]
  writeFileSync(join(cell, 'kysely', 'index.js'), `${lines.join('\n')}\n`)
  for (const helper of ['postgres', 'sqlite']) {
    writeFileSync(join(cell, 'kysely', `${helper}.js`), `export * from '${entry}/helpers/${helper}.js'\n`)
  }
  const manifest = JSON.parse(readFileSync(join(cell, 'package.json'), 'utf8')) as Record<string, unknown>
  const imports = {
    '#kysely': './kysely/index.js',
    '#kysely/migration': './kysely/index.js',
    '#kysely/helpers/*': './kysely/*.js',
  }
  writeFileSync(join(cell, 'package.json'), JSON.stringify({ ...manifest, imports }))
  const folders = [join(cell, '__test__')]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) folders.push(path)
      else if (entry.name.endsWith('.ts')) {
        const text = readFileSync(path, 'utf8')
        writeFileSync(path, text.replaceAll(/(?<=^(?:import|export|\}) .*from )'kysely(?=['/])/gm, "'#kysely"))
      }
    }
  }
}
