import { join } from 'node:path'

import { PostgresDialect } from 'kysely'
import type { Dialect } from 'kysely'
import { PostgresJSDialect } from 'kysely-postgres-js'
import { Client, Pool } from 'pg'
import Cursor from 'pg-cursor'
import postgres from 'postgres'

import { LockWatch } from '../support/lock-watch.ts'
import { startCluster } from '../support/postgres-cluster.ts'
import type { Cluster } from '../support/postgres-cluster.ts'
import type { PooledDriverName } from '../support/servers.ts'
import { Wire } from '../support/wire.ts'
import type { StageServer } from './stage.ts'

/** Two databases of one server that is the run's own. */
export const NAMES = ['main', 'twin'] as const
export type Name = (typeof NAMES)[number]

const RESET = `do $$ declare s name; begin
  for s in select nspname from pg_namespace where nspname !~ '^(pg_|information_schema$)' loop
    execute format('drop schema %I cascade', s);
  end loop;
end $$; create schema public`

export class OracleServer {
  /** of PostgreSQL */
  readonly version: number
  readonly locks: LockWatch
  readonly #cluster: Cluster
  readonly #admins: Readonly<Record<Name, Client>>

  private constructor(cluster: Cluster, admins: Record<Name, Client>, locks: LockWatch, version: number) {
    this.#cluster = cluster
    this.#admins = admins
    this.locks = locks
    this.version = version
  }

  static async start(): Promise<OracleServer> {
    const binaries = process.env['CACHEOPS_TEST_POSTGRES_BINARIES']
    const cluster = await startCluster({
      // A deadlock is found at once, and what a statement does must not depend on when the server last looked at the tables.
      settings: ['deadlock_timeout=10ms', 'max_connections=100', 'jit=off'],
      ...(binaries === undefined ? {} : { binaries }),
    })
    const connect = async (database: string): Promise<Client> => {
      const client = new Client({ host: cluster.folder, port: cluster.port, user: cluster.user, database })
      client.on('error', () => undefined)
      await client.connect()
      return client
    }
    for (const name of NAMES) await cluster.exec(`create database ${name}`)
    // Whom of those in a deadlock the server chose is done to the same one of the twin's.
    await cluster.exec(`alter database twin set deadlock_timeout = '1h'`)
    const [main, twin, watch] = [await connect('main'), await connect('twin'), await connect('postgres')]
    const { rows } = await main.query<{ version: string }>(`select current_setting('server_version_num') as version`)
    return new OracleServer(
      cluster,
      { main, twin },
      new LockWatch(watch),
      Math.floor(Number(rows[0]!.version) / 10_000),
    )
  }

  /** Empties a database, whoever is still connected to it, and makes a schema in it. */
  async reset(name: Name, ddl: readonly string[]): Promise<void> {
    await this.disconnect(name)
    await this.exec(name, RESET)
    for (const statement of ddl) await this.exec(name, statement)
  }

  async exec(name: Name, sql: string): Promise<Record<string, unknown>[]> {
    return (await this.#admins[name].query<Record<string, unknown>>(sql)).rows
  }

  /** Ends all connections to a database but those of its own. */
  async disconnect(name: Name): Promise<void> {
    await this.exec(
      name,
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`,
    )
  }

  /** What a step may do to connections. */
  stage(name: Name): StageServer {
    return {
      locks: this.locks,
      endsCircles: name === 'main',
      kill: async (pid) => void (await this.exec(name, `select pg_terminate_backend(${pid}, 5000)`)),
      cancel: async (pid) => void (await this.exec(name, `select pg_cancel_backend(${pid})`)),
    }
  }

  /** A dialect over a pool of its own. */
  dialect(driver: PooledDriverName, database: Name, max: number): Dialect {
    const { folder: host, port, user } = this.#cluster
    if (driver === 'postgres.js') {
      const path = join(host, `.s.PGSQL.${port}`)
      return new PostgresJSDialect({ postgres: postgres({ path, user, database, max, onnotice: () => undefined }) })
    }
    const pool = new Pool({ host, port, user, database, max })
    // Connections are killed, whether they are in use or not.
    pool.on('error', () => undefined)
    pool.on('connect', (client) => void client.on('error', () => undefined))
    return new PostgresDialect({ pool, cursor: Cursor })
  }

  wire(database: Name): Promise<Wire> {
    const { folder, port, user } = this.#cluster
    return Wire.open(join(folder, `.s.PGSQL.${port}`), user, database)
  }

  async close(): Promise<void> {
    for (const name of NAMES) await this.#admins[name].end()
    await this.#cluster.stop()
  }
}

let started: Promise<OracleServer> | undefined

/** The one of this process. */
export function oracleServer(): Promise<OracleServer> {
  started ??= OracleServer.start()
  return started
}

export async function closeServer(): Promise<void> {
  await (await started)?.close()
  started = undefined
}
