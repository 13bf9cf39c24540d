import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { PGlite } from '@electric-sql/pglite'
import BetterSqlite from 'better-sqlite3'
import { Kysely, PGliteDialect, SqliteDialect } from 'kysely'
import type { Dialect as KyselyDialect, KyselyPlugin, LogEvent } from 'kysely'

import { NodeSqlite } from '../support/node-sqlite.ts'
import type { PooledDriverName } from '../support/servers.ts'
import { closeServer, oracleServer } from './server.ts'
import type { Name, OracleServer } from './server.ts'
import { memoized } from './sqlite-memo.ts'
import type { MemoDatabase, SharedSchema } from './sqlite-memo.ts'
import { executeOn, PostgresTruths, serializeAs, serializeTexts, SqliteTruths } from './truths.ts'
import type { Truths } from './truths.ts'
import type { DatabaseName } from './values.ts'

/** One database and its twin, empty, under all the instances that a run needs. */
export interface World {
  /** with the cache */
  readonly cached: Kysely<any>
  /** with a cache of its own on the same store; the same database, perhaps by a connection of its own */
  readonly second: Kysely<any>
  /** without the cache; where there is but one connection, on that */
  readonly plain: Kysely<any>
  /** another database that gets the same writes, without the cache */
  readonly twin: Kysely<any>
  /** on the twin, by a connection of its own where `second` has one */
  readonly twinSecond: Kysely<any>
  readonly truths: Truths
  /** a server with connections of its own for everybody */
  readonly server: OracleServer | undefined
  dispose(): Promise<void>
}

export interface WorldOptions {
  readonly plugins: readonly [first: readonly KyselyPlugin[], second: readonly KyselyPlugin[]]
  /** plugins of all instances: they change what a caller sees */
  readonly common: (own: readonly KyselyPlugin[]) => KyselyPlugin[]
  readonly ddl: readonly string[]
  /** SQLite: in a file, with a connection of its own for the second instance */
  readonly file: boolean
  /** SQLite: Node's own driver */
  readonly node: boolean
  /** of the first instance, on a server */
  readonly connections: number
  /** hears of every statement of the twin */
  readonly log: ((event: LogEvent) => void) | undefined
}

function kyselyOn(
  dialect: KyselyDialect,
  options: WorldOptions,
  plugins: readonly KyselyPlugin[] = [],
  logs = false,
): Kysely<any> {
  return new Kysely({
    dialect,
    plugins: options.common(plugins),
    ...(logs && options.log !== undefined ? { log: options.log } : {}),
  })
}

function openSqlite(options: WorldOptions): World {
  const folder = options.file ? mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'oracle-')) : undefined
  const schemas = new Map<string, SharedSchema>()
  const open = (name: string): MemoDatabase => {
    const path = folder === undefined ? ':memory:' : join(folder, name)
    const database = options.node ? new NodeSqlite(path) : new BetterSqlite(path)
    database.exec(
      `pragma foreign_keys = on; pragma synchronous = off${folder === undefined ? '' : '; pragma journal_mode = wal'}`,
    )
    if (!schemas.has(name) || folder === undefined) for (const statement of options.ddl) database.exec(statement)
    const schema = schemas.get(name) ?? { changes: 0 }
    schemas.set(name, schema)
    return memoized(database, folder === undefined ? { changes: 0 } : schema)
  }
  const main = open('main.db')
  const other = folder === undefined ? main : open('main.db')
  const twin = open('twin.db')
  const twinOther = folder === undefined ? twin : open('twin.db')
  const on = (database: MemoDatabase, plugins?: readonly KyselyPlugin[]): Kysely<any> =>
    kyselyOn(new SqliteDialect({ database }), options, plugins, database === twin || database === twinOther)
  const plain = on(main)
  return {
    cached: on(main, options.plugins[0]),
    second: on(other, options.plugins[1]),
    plain,
    twin: on(twin),
    twinSecond: on(twinOther),
    truths: new SqliteTruths(plain, [...new Set([main, other])]),
    server: undefined,
    dispose: async () => {
      for (const database of new Set([main, other, twin, twinOther])) database.close()
      if (folder !== undefined) rmSync(folder, { recursive: true })
    },
  }
}

/** Where files are not written to a disk. */
const MEMORY = '/dev/shm'

let pglites: Promise<readonly [PGlite, PGlite]> | undefined

const RESET = [
  'deallocate all',
  'reset all',
  'reset session authorization',
  'discard temp',
  'drop schema public cascade',
  'create schema public',
]

async function openPglite(options: WorldOptions): Promise<World> {
  // Starting one takes a second: two for the whole process.
  pglites ??= Promise.all([PGlite.create(), PGlite.create()])
  const both = await pglites
  for (const database of both) {
    await database.exec('rollback').catch(() => undefined)
    // After a parameter that it could not send PGlite fails the next statement, whatever it is.
    await database.query('select $1::integer', [1]).catch(() => undefined)
    await database.query('select $1::integer', [1]).catch(() => undefined)
    for (const statement of [...RESET, ...options.ddl]) await database.exec(statement)
  }
  const [main, twin] = both
  const on = (pglite: PGlite, plugins?: readonly KyselyPlugin[]): Kysely<any> =>
    kyselyOn(new PGliteDialect({ pglite }), options, plugins, pglite === twin)
  const plain = on(main)
  return {
    cached: on(main, options.plugins[0]),
    second: on(main, options.plugins[1]),
    plain,
    twin: on(twin),
    twinSecond: on(twin),
    truths: new PostgresTruths(plain, executeOn(main), serializeAs(main)),
    server: undefined,
    dispose: async () => {},
  }
}

/** Everybody has a pool: the twin's are as large as those that they are compared with. */
async function openServer(driver: PooledDriverName, options: WorldOptions): Promise<World> {
  const server = await oracleServer()
  await server.reset('main', options.ddl)
  await server.reset('twin', options.ddl)
  const all: Kysely<any>[] = []
  const on = (name: Name, max: number, plugins?: readonly KyselyPlugin[]): Kysely<any> => {
    const db = kyselyOn(server.dialect(driver, name, max), options, plugins, name === 'twin')
    all.push(db)
    return db
  }
  const plain = on('main', 1)
  const wire = await server.wire('main')
  return {
    cached: on('main', options.connections, options.plugins[0]),
    second: on('main', OTHERS, options.plugins[1]),
    plain,
    twin: on('twin', options.connections),
    twinSecond: on('twin', OTHERS),
    truths: new PostgresTruths(plain, (parts) => wire.execute(parts), serializeTexts),
    server,
    async dispose() {
      wire.close()
      // After a failure somebody may wait for ever.
      for (const name of ['main', 'twin'] as const) await server.disconnect(name)
      await Promise.all(all.map((db) => db.destroy().catch(() => undefined)))
    },
  }
}

/** Connections of the second instances. */
const OTHERS = 2

export async function openWorld(database: DatabaseName, options: WorldOptions): Promise<World> {
  if (database === 'sqlite') return openSqlite(options)
  return database === 'pglite' ? openPglite(options) : openServer(database, options)
}

/** The version of PostgreSQL behind a name. */
export async function versionOf(database: DatabaseName): Promise<number> {
  if (database === 'sqlite') return 0
  return database === 'pglite' ? 18 : (await oracleServer()).version
}

/** Whoever holds a connection holds it for ever: the next world gets databases of its own. */
export function abandonDatabases(): void {
  pglites = undefined
}

/** PGlite, and a server's connections, keep a process alive. */
export async function closeDatabases(): Promise<void> {
  for (const database of (await pglites) ?? []) await database.close()
  await closeServer()
  pglites = undefined
}
