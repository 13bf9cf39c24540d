/** Next: an application with two route handlers, built and started, and reloaded while it is developed. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import BetterSqlite3 from 'better-sqlite3'

import type { Row } from '../table.ts'
import { TOOLS } from '../tools.ts'
import { modulesOf } from './consumer.ts'
import { execute } from './execute.ts'

const NEXT = join('node_modules', 'next', 'dist', 'bin', 'next')

interface Answer {
  readonly version: string
  readonly pid: number
  readonly name: string
  readonly hit: boolean
}

interface Site {
  artist(id: number): Promise<Answer>
  rename(id: number, name: string): Promise<void>
}

interface Application {
  readonly folder: string
  readonly env: Record<string, string>
}

let application: Promise<Application> | undefined

/** NOTE: a folder with modules of its own. Next follows no link out of it, and compiles nothing below a node_modules. */
async function create(): Promise<Application> {
  const modules = await modulesOf('next', TOOLS.next)
  const folder = mkdtempSync(join(tmpdir(), 'cacheops-next-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  cpSync(modules, folder, { recursive: true, verbatimSymlinks: true })
  cpSync(new URL('../programs/next', import.meta.url), folder, { recursive: true })
  const env = { NEXT_TELEMETRY_DISABLED: '1', CI: '1', SHOP_FILE: join(folder, 'shop.db') }
  return { folder, env }
}

function fill({ env }: Application): void {
  const database = new BetterSqlite3(env['SHOP_FILE'])
  database.exec(`drop table if exists artist; create table artist (id integer primary key, name text);
    insert into artist values (1, 'one'), (2, 'two')`)
  database.close()
}

/** While a server of Next runs. */
async function serving(
  app: Application,
  command: 'start' | 'dev',
  visit: (site: Site) => Promise<void>,
): Promise<void> {
  fill(app)
  const { NODE_ENV: _, ...inherited } = process.env
  const server = spawn(process.execPath, [NEXT, command, '-p', '0'], {
    cwd: app.folder,
    env: { ...inherited, ...app.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(server, 'exit')
  let said = ''
  let origin: string | undefined
  server.stderr.on('data', (chunk) => (said += String(chunk)))
  try {
    for await (const chunk of server.stdout) {
      said += String(chunk)
      origin = /http:\/\/localhost:\d+/.exec(said)?.[0]
      if (origin !== undefined && /ready in/i.test(said)) break
    }
    if (origin === undefined) throw new Error('it did not start')
    server.stdout.resume()
    const fetched = async (path: string, init?: RequestInit): Promise<unknown> => {
      const response = await fetch(`${origin}${path}`, init)
      if (!response.ok) throw new Error(`${path}: ${response.status} ${(await response.text()).slice(0, 500)}`)
      return response.json()
    }
    await visit({
      artist: (id) => fetched(`/artist?id=${id}`) as Promise<Answer>,
      async rename(id, name) {
        await fetched('/rename', { method: 'POST', body: JSON.stringify({ id, name }) })
      },
    })
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${said.slice(-2500)}`, { cause: error })
  } finally {
    server.kill()
    await exited
  }
}

function expect(what: string, { name, hit }: Answer, expected: { readonly name: string; readonly hit: boolean }): void {
  if (name === expected.name && hit === expected.hit) return
  throw new Error(`${what}: ${JSON.stringify({ name, hit })} instead of ${JSON.stringify(expected)}`)
}

async function visit(site: Site): Promise<void> {
  expect('first', await site.artist(1), { name: 'one', hit: false })
  expect('again', await site.artist(1), { name: 'one', hit: true })
  expect('another', await site.artist(2), { name: 'two', hit: false })
  await site.rename(1, 'uno')
  expect('written by another route', await site.artist(1), { name: 'uno', hit: false })
  expect('not touched by it', await site.artist(2), { name: 'two', hit: true })
}

async function build(app: Application, env: Record<string, string> = {}, mayFail = false): Promise<string> {
  rmSync(join(app.folder, '.next'), { recursive: true, force: true })
  const { code, stdout, stderr } = await execute(process.execPath, [NEXT, 'build'], {
    cwd: app.folder,
    env: { ...app.env, ...env },
    mayFail,
  })
  return code === 0 ? '' : `${stdout}\n${stderr}`
}

async function built(): Promise<void> {
  const app = await (application ??= create())
  await build(app)
  await serving(app, 'start', visit)
}

async function developed(): Promise<void> {
  const app = await (application ??= create())
  rmSync(join(app.folder, '.next'), { recursive: true, force: true })
  const path = join(app.folder, 'database.js')
  const text = readFileSync(path, 'utf8')
  try {
    await serving(app, 'dev', async (site) => {
      await visit(site)
      const { pid } = await site.artist(1)
      writeFileSync(path, text.replace("'one'", "'two'"))
      let answer = await site.artist(1)
      while (answer.version === 'one') answer = await site.artist(1)
      if (answer.pid !== pid) throw new Error('it is another process')
      expect('kept before the change', answer, { name: 'uno', hit: true })
      await site.rename(1, 'eins')
      expect('written after the change', await site.artist(1), { name: 'eins', hit: false })
    })
  } finally {
    writeFileSync(path, text)
  }
}

const name = `Next ${TOOLS.next.next}`
const external = "`serverExternalPackages: ['cacheops', 'kysely']`"

export const NEXT_ROWS: readonly Row[] = [
  { cells: [name, `${external}, \`next build\`, \`next start\``, 'works'], run: built },
  {
    cells: [name, `${external}, \`next dev\`, a changed file`, 'works; what is kept outlives the change'],
    run: developed,
  },
]
