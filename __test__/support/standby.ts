/** Physical copies of a server: standbys that follow it, and copies that go their own way. */

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Client } from 'pg'

import { installedBinaries } from './postgres-cluster.ts'
import type { Cluster } from './postgres-cluster.ts'

export interface Copy {
  readonly host: string
  readonly port: number
  /** waits until it has what the primary has committed. NOTE: not with `synchronous_commit=off`, where it is not flushed yet */
  catchUp(): Promise<void>
  /** what the primary commits from now on is not seen here until {@link resume} */
  pause(): Promise<void>
  resume(): Promise<void>
  promote(): Promise<void>
  stop(): Promise<void>
}

function ids(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const [uid, gid] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' })))
  return { uid: uid!, gid: gid! }
}

/** Ends the server when whoever started it is gone. */
const KEEPER = `exec 3<&0; folder=$1; shift; "$@" 3<&- <&- & server=$!
{ read -r word <&3; kill -QUIT $server; while kill -0 $server 2>&-; do sleep 0.02; done; rm -rf "$folder"; } 2>&- &
wait $server`

/** @param follows a streaming standby; otherwise a copy that accepts writes of its own */
export async function copyOf(primary: Cluster, follows: boolean): Promise<Copy> {
  const binaries = installedBinaries()
  const folder = mkdtempSync(join(tmpdir(), 'cacheops-copy-'))
  const owner = ids()
  if (owner !== undefined) chownSync(folder, owner.uid, owner.gid)
  chmodSync(folder, 0o755)
  const data = join(folder, 'data')
  const { host } = primary
  const from = ['-h', host, '-p', String(primary.port), '-U', primary.user]
  execFileSync(join(binaries, 'pg_basebackup'), ['-D', data, ...from, '-X', 'stream', '-c', 'fast', '--no-sync'], {
    ...owner,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  if (follows) writeFileSync(join(data, 'standby.signal'), '')
  const probe = createServer().listen(0, host)
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  const settings = [
    'fsync=off',
    'hot_standby=on',
    'log_min_messages=log',
    `primary_conninfo=host=${host} port=${primary.port} user=${primary.user}`,
    'max_connections=60',
    'wal_retrieve_retry_interval=50ms',
  ]
  const command = [join(binaries, 'postgres'), '-D', data, '-p', String(port), '-k', folder, '-h', host]
  for (const setting of settings) command.push('-c', setting)
  const child = spawn('sh', ['-c', KEEPER, 'keeper', folder, ...command], {
    ...owner,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  let said = ''
  for await (const chunk of child.stderr) {
    said += String(chunk)
    if (/ready to accept (?:read-only )?connections/.test(said)) break
  }
  if (!said.includes('ready to accept')) throw new Error(`the copy did not start: ${said}`)
  child.unref()
  for (const stream of [child.stdin, child.stderr] as unknown as { unref?(): void }[]) stream.unref?.()

  const ask = async (server: { port: number }, sql: string): Promise<any> => {
    const client = new Client({ host, port: server.port, user: primary.user, database: 'postgres' })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return (await client.query<any>(sql)).rows[0]
    } finally {
      await client.end()
    }
  }
  const own = { port }
  return {
    host,
    port,
    async catchUp() {
      const { at } = await ask(primary, 'select pg_current_wal_flush_lsn()::text as at')
      while (!(await ask(own, `select pg_last_wal_replay_lsn() >= '${at}' as there`)).there);
    },
    async pause() {
      await ask(own, 'select pg_wal_replay_pause()')
      while ((await ask(own, 'select pg_get_wal_replay_pause_state() as state')).state !== 'paused');
    },
    async resume() {
      await ask(own, 'select pg_wal_replay_resume()')
    },
    async promote() {
      await ask(own, 'select pg_promote(true, 60)')
    },
    async stop() {
      const exited = once(child, 'exit')
      child.ref()
      child.stdin.end('stop\n')
      await exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
