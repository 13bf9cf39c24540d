/** Node, bun and deno: the installed package in each of them, through each driver that they have. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { sharedCluster } from '../../support/postgres-cluster.ts'
import type { Row } from '../table.ts'
import { TOOLS, tools } from '../tools.ts'
import { consumer } from './consumer.ts'
import { execute } from './execute.ts'

type Runtime = keyof (typeof TOOLS)['runtimes']

/** What is written in the table, and what shows it: that the program ends well, or what it fails with. */
type Expected = 'works' | { readonly text: string; readonly fails: RegExp }

const DRIVERS = ['better-sqlite3', 'node:sqlite', 'bun:sqlite', 'pglite', 'pg', 'postgres'] as const
type Driver = (typeof DRIVERS)[number]
type Program = 'import.mjs' | 'require.cjs' | 'typed.ts' | 'alone.mjs'

interface Tried {
  readonly runtime: Runtime
  readonly what: string
  readonly program: Program
  readonly drivers: readonly Driver[]
  readonly expected: Expected
}

const WORKS = 'works'
const SQLITES = ['better-sqlite3', 'node:sqlite'] as const
const SERVERS = ['pglite', 'pg', 'postgres'] as const

function all(runtime: Runtime, drivers: readonly Driver[], embedded: Driver): Tried[] {
  return [
    { runtime, what: '`import`', program: 'import.mjs', drivers, expected: WORKS },
    { runtime, what: '`require`', program: 'require.cjs', drivers: [embedded], expected: WORKS },
    { runtime, what: 'TypeScript', program: 'typed.ts', drivers: [embedded], expected: WORKS },
  ]
}

const TRIED: readonly Tried[] = [
  {
    runtime: 'node-20',
    what: '`import`',
    program: 'import.mjs',
    drivers: ['better-sqlite3'],
    expected: { text: 'refused: CACHEOPS_UNSUPPORTED_NODE', fails: /CACHEOPS_UNSUPPORTED_NODE/ },
  },
  { runtime: 'node-22-oldest', what: '`import`', program: 'import.mjs', drivers: SERVERS, expected: WORKS },
  {
    runtime: 'node-22-oldest',
    what: '`require`',
    program: 'require.cjs',
    drivers: ['pg'],
    expected: { text: 'not before Node 22.12, which can require an ES module', fails: /ERR_REQUIRE_ESM/ },
  },
  {
    runtime: 'node-22-oldest',
    what: 'the driver without cacheops',
    program: 'alone.mjs',
    drivers: ['better-sqlite3'],
    expected: { text: 'the driver ends the process: use a newer Node 22', fails: /^$/ },
  },
  ...all('node-22', [...SQLITES, ...SERVERS], 'better-sqlite3'),
  ...all('node-24', [...SQLITES, ...SERVERS], 'better-sqlite3'),
  ...all('node-26', [...SQLITES, ...SERVERS], 'better-sqlite3'),
  ...all('bun', ['bun:sqlite', ...SQLITES, ...SERVERS], 'bun:sqlite'),
  ...all('deno', [...SQLITES, ...SERVERS], 'node:sqlite'),
]

function programOf(runtime: Runtime): string {
  const modules = join(tools('runtimes'), 'node_modules')
  if (runtime !== 'bun' && runtime !== 'deno') return join(modules, runtime, 'bin', 'node')
  const { platform, arch } = process
  const system = {
    bun: `@oven/bun-${platform}-${arch === 'arm64' ? 'aarch64' : arch}/bin/bun`,
    deno: `@deno/${platform}-${arch}`,
  }
  const candidates = runtime === 'bun' ? [system.bun] : [`${system.deno}-glibc/deno`, `${system.deno}/deno`]
  const found = candidates.map((name) => join(modules, name)).find(existsSync)
  if (found === undefined) throw new Error(`${runtime} has no package for ${platform}-${arch}`)
  return found
}

/** Deno asks for leave for everything; all runtimes get one URL for the server of this run. */
let project: Promise<string> | undefined

async function run({ runtime, program, drivers, expected }: Tried): Promise<void> {
  const folder = await (project ??= consumer())
  const { host, port, user } = await sharedCluster()
  for (const driver of drivers) {
    const args = [program, driver, `postgres://${user}@${host}:${port}/postgres`]
    const flags = runtime === 'deno' ? ['run', '--allow-all', '--node-modules-dir=manual', '--quiet'] : []
    const { code, stdout, stderr } = await execute(programOf(runtime), [...flags, ...args], {
      cwd: folder,
      env: { DENO_NO_UPDATE_CHECK: '1' },
      mayFail: true,
    })
    const worked = code === 0 && stdout.trim() === 'shown'
    if (expected === WORKS ? worked : !worked && expected.fails.test(stderr)) continue
    throw new Error(`${driver}: ended with ${code}\n${`${stdout}\n${stderr}`.slice(-2500)}`)
  }
}

function nameOf(runtime: Runtime): string {
  const version = TOOLS.runtimes[runtime].replace(/^npm:.*@/, '')
  return `${runtime.replace(/-.*/, '').replace(/^./, (first) => first.toUpperCase())} ${version}`
}

export const RUNTIMES: readonly Row[] = TRIED.map((tried) => ({
  cells: [
    nameOf(tried.runtime),
    `${tried.what}: ${tried.drivers.map((driver) => `\`${driver}\``).join(', ')}`,
    tried.expected === WORKS ? WORKS : tried.expected.text,
  ],
  run: () => run(tried),
}))
