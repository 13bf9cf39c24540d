/** PostgreSQL servers of a test's own: a free port, a temporary folder, gone with the process that started them. */

import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Client } from 'pg'

/** A running server. */
export interface Cluster {
  readonly host: string
  readonly port: number
  readonly user: string
  /** of the postmaster's folder, for tests that look at its files */
  readonly folder: string
  /** executes statements in a database; several in one text are one transaction */
  exec(sql: string, database?: string): Promise<void>
  /** ends it as a crash would; `start` again with the same data is {@link restart} */
  crash(): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
}

export interface ClusterOptions {
  /** folder with `postgres` and `initdb`; default: what CACHEOPS_TEST_POSTGRES_BIN says, or the newest that is installed */
  readonly binaries?: string
  /** further settings, as `name=value` */
  readonly settings?: readonly string[]
}

/** The servers refuse to run as root, as whom tests in containers do. */
const asRoot = process.getuid?.() === 0

/** Where Debian puts the newest version. */
export function installedBinaries(): string {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root) ? readdirSync(root).map(Number).filter(Number.isFinite) : []
  if (versions.length === 0) throw new Error('PostgreSQL is not installed (apt-get install postgresql)')
  return join(root, String(Math.max(...versions)), 'bin')
}

function serverIds(): { readonly uid: number; readonly gid: number } | undefined {
  if (!asRoot) return undefined
  const [uid, gid] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' })))
  return { uid: uid!, gid: gid! }
}

function own(path: string): void {
  const ids = serverIds()
  if (ids !== undefined) chownSync(path, ids.uid, ids.gid)
}

/** `initdb` takes seconds, so its result is made once a version and copied. */
function templateOf(binaries: string): string {
  const version = execFileSync(join(binaries, 'postgres'), ['--version'], { encoding: 'utf8' }).trim()
  const caches = join(tmpdir(), 'cacheops-clusters')
  const template = join(caches, version.replaceAll(/[^\w.]+/g, '-'))
  if (existsSync(template)) return template
  mkdirSync(caches, { recursive: true })
  chmodSync(caches, 0o755)
  const aside = mkdtempSync(join(caches, 'new-'))
  own(aside)
  const args = [
    '-D',
    join(aside, 'data'),
    '-U',
    'postgres',
    '-A',
    'trust',
    '-E',
    'UTF8',
    '--locale=C.UTF-8',
    '--no-sync',
  ]
  execFileSync(join(binaries, 'initdb'), args, { ...serverIds(), cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] })
  try {
    renameSync(join(aside, 'data'), template)
  } catch (error) {
    // Another process was faster.
    if (!existsSync(template)) throw error
  }
  rmSync(aside, { recursive: true, force: true })
  return template
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/**
 * Ends the server when its standard input does, which is when whoever started it is gone; then its folder ($1) goes, too. A
 * word on the input ends the server alone. NOTE: what runs in a shell's background does not get its input.
 */
const KEEPER = `exec 3<&0; folder=$1; shift; "$@" 3<&- <&- & server=$!
{ read -r word <&3; kill -QUIT $server; while kill -0 $server 2>&-; do sleep 0.02; done; [ "$word" = keep ] || rm -rf "$folder"; } 2>&- &
wait $server`

const SETTINGS = [
  'fsync=off',
  'full_page_writes=off',
  'max_connections=60',
  'shared_buffers=32MB',
  'log_min_messages=log',
  'autovacuum=off',
  'jit=off',
]

/** Starts a server. */
export async function startCluster({
  binaries = process.env['CACHEOPS_TEST_POSTGRES_BIN'] ?? installedBinaries(),
  settings = [],
}: ClusterOptions = {}): Promise<Cluster> {
  const template = templateOf(binaries)
  const folder = mkdtempSync(join(tmpdir(), 'cacheops-postgres-'))
  own(folder)
  const data = join(folder, 'data')
  execFileSync('cp', ['-a', template, data])
  const port = await freePort()
  const host = '127.0.0.1'
  const args = ['-D', data, '-p', String(port), '-k', folder, '-h', host]
  for (const setting of [...SETTINGS, ...settings]) args.push('-c', setting)
  let running: ChildProcess | undefined
  const connect = async (database = 'postgres'): Promise<Client> => {
    const client = new Client({ host, port, user: 'postgres', database })
    client.on('error', () => undefined)
    await client.connect()
    return client
  }
  const start = async (): Promise<void> => {
    const child = spawn('sh', ['-c', KEEPER, 'keeper', folder, join(binaries, 'postgres'), ...args], {
      ...serverIds(),
      cwd: '/',
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    running = child
    let said = ''
    for await (const chunk of child.stderr) {
      said += String(chunk)
      if (said.includes('ready to accept connections')) break
      if (said.includes('could not bind')) break
    }
    if (!said.includes('ready to accept connections')) throw new Error(`PostgreSQL did not start: ${said}`)
    child.unref()
    for (const stream of [child.stdin, child.stderr] as unknown as { unref?(): void }[]) stream.unref?.()
  }
  const crash = async (): Promise<void> => {
    const child = running
    running = undefined
    if (child === undefined || child.exitCode !== null) return
    const exited = once(child, 'exit')
    child.ref()
    child.stdin!.end('keep\n')
    await exited
  }
  await start()
  return {
    host,
    port,
    user: 'postgres',
    folder,
    async exec(sql, database) {
      const client = await connect(database)
      try {
        await client.query(sql)
      } finally {
        await client.end()
      }
    },
    crash,
    restart: async () => {
      await crash()
      await start()
    },
    async stop() {
      await crash()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

let shared: Promise<Cluster> | undefined

/** The one server of this process; it ends with it. */
export function sharedCluster(): Promise<Cluster> {
  shared ??= startCluster()
  return shared
}
