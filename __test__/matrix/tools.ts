/** Runtimes and tools that the matrix tries: installed on demand, outside of the project's own dependencies. */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** A Node as npm has it: a package with nothing but the program, whose name tells the platform. */
const node = (version: string): string => `npm:node-${process.platform}-${process.arch}@${version}`

/** Every version that is tried, exactly. One folder each, so that none sees the modules of another. */
export const TOOLS = {
  runtimes: {
    'node-20': node('20.20.2'),
    'node-22-oldest': node('22.0.0'),
    'node-22': node('22.23.5'),
    'node-24': node('24.22.3'),
    'node-26': node('26.12.1'),
    bun: '1.4.5',
    deno: '2.9.6',
  },
  bundlers: {
    esbuild: '0.28.2',
    rollup: '4.68.8',
    rolldown: '1.3.3',
    vite: '8.4.0',
    webpack: '5.113.0',
  },
  next: { next: '16.4.6', react: '19.3.1', 'react-dom': '19.3.1' },
  types: {
    'typescript-5': 'npm:typescript@5.9.3',
    'typescript-6': 'npm:typescript@6.0.3',
    'typescript-7': 'npm:typescript@7.0.2',
    publint: '0.3.25',
    '@arethetypeswrong/cli': '0.18.5',
  },
} as const

export type ToolSet = keyof typeof TOOLS

/** Where what is installed on demand lies; it goes with node_modules. */
export const CACHE: string = join(ROOT, 'node_modules', '.cache', 'cacheops-matrix')

/** Installs a folder of packages unless it is there; install scripts never run. */
export function installed(name: string, packages: Readonly<Record<string, string>>): string {
  const folder = join(CACHE, name)
  const wanted = `${JSON.stringify({ private: true, dependencies: packages }, null, 2)}\n`
  const done = join(folder, 'node_modules', '.installed')
  if (existsSync(done) && readFileSync(done, 'utf8') === wanted) return folder
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), wanted)
  npm(folder, 'install', '--ignore-scripts', '--no-package-lock', '--legacy-peer-deps')
  writeFileSync(done, wanted)
  return folder
}

/** The folder of a set of {@link TOOLS}. */
export function tools(set: ToolSet): string {
  return installed(set, TOOLS[set])
}

/** Runs npm; what it says is shown only when it fails. */
export function npm(folder: string, ...args: readonly string[]): string {
  return execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}
