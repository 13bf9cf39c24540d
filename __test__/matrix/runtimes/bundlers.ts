/** Bundlers: what they are told to leave out, and what comes of bundling it all the same. */

import { rmSync } from 'node:fs'
import { join } from 'node:path'

import type { Row } from '../table.ts'
import { TOOLS } from '../tools.ts'
import { consumer } from './consumer.ts'
import { execute } from './execute.ts'

type Bundler = keyof (typeof TOOLS)['bundlers']

interface Tried {
  readonly tool: Bundler
  readonly format: 'esm' | 'cjs'
  /** `packages`: all of node_modules */
  readonly external: readonly string[]
  readonly what: string
  readonly fails?: { readonly text: string; readonly with: RegExp }
}

const LEFT_OUT = ['cacheops', 'kysely', 'better-sqlite3']
const BUNDLED = {
  text: 'refused when it starts: CACHEOPS_NATIVE_MISSING, which says what to leave out',
  with: /code: 'CACHEOPS_NATIVE_MISSING'/,
}

const external = (tool: Bundler, option: string, format: 'esm' | 'cjs' = 'esm'): Tried => ({
  tool,
  format,
  external: LEFT_OUT,
  what: `${option}${format === 'cjs' ? ', CommonJS' : ''}`,
})

const TRIED: readonly Tried[] = [
  { tool: 'esbuild', format: 'esm', external: ['packages'], what: "`packages: 'external'`" },
  external('esbuild', "`external: ['cacheops', 'kysely', …]`"),
  external('esbuild', "`external: ['cacheops', 'kysely', …]`", 'cjs'),
  {
    tool: 'esbuild',
    format: 'esm',
    external: ['cacheops', 'better-sqlite3'],
    what: "`external: ['cacheops']`, Kysely bundled",
    fails: { text: 'refused by the first query: CACHEOPS_FOREIGN_KYSELY', with: /code: 'CACHEOPS_FOREIGN_KYSELY'/ },
  },
  { tool: 'esbuild', format: 'esm', external: ['better-sqlite3'], what: 'cacheops bundled', fails: BUNDLED },
  { tool: 'esbuild', format: 'cjs', external: ['better-sqlite3'], what: 'cacheops bundled, CommonJS', fails: BUNDLED },
  external('rollup', "`external: ['cacheops', 'kysely', …]`"),
  external('rolldown', "`external: ['cacheops', 'kysely', …]`"),
  external('vite', '`build.ssr`, `ssr.external`'),
  external('webpack', "`target: 'node'`, `externals`"),
]

let project: Promise<string> | undefined

async function run({ tool, format, external: left, fails }: Tried): Promise<void> {
  const folder = await (project ??= consumer('bundles', TOOLS.bundlers))
  rmSync(join(folder, 'out'), { recursive: true, force: true })
  await execute(process.execPath, ['bundle.mjs', tool, format, 'out', left.join(',')], { cwd: folder })
  const bundle = join('out', format === 'cjs' ? 'bundle.cjs' : 'bundle.mjs')
  const { stdout, stderr } = await execute(process.execPath, [bundle], { cwd: folder, mayFail: true })
  if (fails === undefined ? stdout.trim() === 'shown' : fails.with.test(stderr)) return
  throw new Error(`${stdout}\n${stderr}`.slice(-2500))
}

export const BUNDLERS: readonly Row[] = TRIED.map((tried) => ({
  cells: [`${tried.tool} ${TOOLS.bundlers[tried.tool]}`, tried.what, tried.fails?.text ?? 'works'],
  run: () => run(tried),
}))
