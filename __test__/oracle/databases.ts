import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { PGlite } from '@electric-sql/pglite'
import BetterSqlite from 'better-sqlite3'
import { Kysely, PGliteDialect, SqliteDialect } from 'kysely'
import type { Dialect as KyselyDialect, KyselyPlugin, LogEvent } from 'kysely'

import type { Dialect } from './values.ts'

/** One database and its twin, empty, under all the instances that a run needs. */
export interface World {
  /** with the cache */
  readonly cached: Kysely<any>
  /** with a cache of its own on the same store; the same database, perhaps by a connection of its own */
  readonly second: Kysely<any>
  /** on the connection of `cached`, without the cache */
  readonly plain: Kysely<any>
  /** another database that gets the same writes, without the cache */
  readonly twin: Kysely<any>
  /** on the twin, by a connection of its own where `second` has one */
  readonly twinSecond: Kysely<any>
  dispose(): void
}

export interface WorldOptions {
  readonly plugins: readonly [first: readonly KyselyPlugin[], second: readonly KyselyPlugin[]]
  /** plugins of all instances: they change what a caller sees */
  readonly common: (own: readonly KyselyPlugin[]) => KyselyPlugin[]
  readonly ddl: readonly string[]
  /** SQLite: in a file, with a connection of its own for the second instance */
  readonly file: boolean
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
  const folder = options.file ? mkdtempSync(join(tmpdir(), 'oracle-')) : undefined
  const open = (name: string): BetterSqlite.Database => {
    const database = new BetterSqlite(folder === undefined ? ':memory:' : join(folder, name))
    database.pragma('foreign_keys = on')
    if (folder !== undefined) database.pragma('journal_mode = wal')
    database.pragma('synchronous = off')
    return database
  }
  const main = open('main.db')
  const other = folder === undefined ? main : open('main.db')
  const twin = open('twin.db')
  const twinOther = folder === undefined ? twin : open('twin.db')
  for (const statement of options.ddl) {
    main.exec(statement)
    twin.exec(statement)
  }
  const on = (database: BetterSqlite.Database, plugins?: readonly KyselyPlugin[]): Kysely<any> =>
    kyselyOn(new SqliteDialect({ database }), options, plugins, database === twin || database === twinOther)
  return {
    cached: on(main, options.plugins[0]),
    second: on(other, options.plugins[1]),
    plain: on(main),
    twin: on(twin),
    twinSecond: on(twinOther),
    dispose: () => {
      for (const database of new Set([main, other, twin, twinOther])) database.close()
      if (folder !== undefined) rmSync(folder, { recursive: true })
    },
  }
}

let pglites: Promise<readonly [PGlite, PGlite]> | undefined

const RESET = ['reset all', 'drop schema public cascade', 'create schema public']

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
  return {
    cached: on(main, options.plugins[0]),
    second: on(main, options.plugins[1]),
    plain: on(main),
    twin: on(twin),
    twinSecond: on(twin),
    dispose: () => {},
  }
}

export async function openWorld(dialect: Dialect, options: WorldOptions): Promise<World> {
  return dialect === 'sqlite' ? openSqlite(options) : openPglite(options)
}

/** Whoever holds a connection holds it for ever: the next world gets databases of its own. */
export function abandonDatabases(): void {
  pglites = undefined
}

/** PGlite keeps a process alive. */
export async function closeDatabases(): Promise<void> {
  for (const database of (await pglites) ?? []) await database.close()
  pglites = undefined
}
