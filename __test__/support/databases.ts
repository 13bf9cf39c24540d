import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { PGlite } from '@electric-sql/pglite'
import type { ExecutionContext } from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { Kysely, PGliteDialect, SqliteDialect } from 'kysely'
import type { Compilable, Dialect, KyselyConfig, KyselyPlugin } from 'kysely'

import { cacheopsPlugin } from '../../ts/index.ts'
import type { Cacheops, CacheopsOptions } from '../../ts/index.ts'
import { RecordingDialect, Recorder } from './recorder.ts'
import { POSTGRES_ROWS, POSTGRES_TABLES, SQLITE_ROWS, SQLITE_TABLES } from './schema.ts'
import type { DB, Flag } from './schema.ts'

export type { DB, Flag } from './schema.ts'
export { Recorder, RecordingDialect } from './recorder.ts'
export type { Gate } from './recorder.ts'

/** A query builder of any kind. */
export type Query<O = unknown> = Compilable<O> & { execute(): Promise<O[]> }

/** One database, as one test has it. */
export interface Opened {
  readonly name: DatabaseName
  /** with the plugin; what reaches the driver is recorded */
  readonly db: Kysely<DB>
  /** another connection to the same data, without the plugin and not recorded */
  readonly plain: Kysely<DB>
  readonly cacheops: Cacheops<DB>
  readonly recorder: Recorder
  /** a store name of this test's own, for further plugin objects */
  readonly store: { readonly type: 'embedded'; readonly name: string }
  /** a further Kysely instance over a connection of its own, recorded; closed when the test ends */
  readonly connect: (config?: Omit<KyselyConfig, 'dialect'>) => Kysely<DB>
  /** a dialect over a connection of its own, recorded */
  readonly dialect: () => Dialect
  /** the same, as users have it */
  readonly plainDialect: () => Dialect
  /** executes statements past Kysely */
  readonly exec: (sql: string) => Promise<void>
  /** empties and fills the tables again */
  readonly reset: () => Promise<void>
  readonly flag: (value: boolean) => Flag
  /** whether executing a query sends nothing to the database */
  readonly isHit: (query: Query) => Promise<boolean>
}

export type DatabaseName = 'postgres' | 'sqlite'

export interface OpenOptions extends CacheopsOptions<DB> {
  /** the plugins of `db`; default: the plugin object alone */
  readonly plugins?: (cacheops: Cacheops<DB>) => KyselyPlugin[]
  readonly log?: KyselyConfig['log']
  /** statements to be executed before anything else */
  readonly schema?: string
}

export interface TestDatabase {
  readonly name: DatabaseName
  /** Opens a database with the sample schema and its rows, for one test. */
  open(t: ExecutionContext, options?: OpenOptions): Promise<Opened>
}

interface Server {
  /** a dialect over a new connection; destroying it leaves the data alone */
  dialect(): Dialect
  exec(sql: string): Promise<void>
  reset(): Promise<void>
  close(): Promise<void>
}

let stores = 0
/** A PGlite takes seconds and 300 MB, so one serves all the tests of a file, one after the other. */
let pglite: Promise<PGlite> | undefined

async function postgresServer(): Promise<Server> {
  pglite ??= PGlite.create()
  const server = await pglite
  const dialect = (): Dialect => {
    const inner = new PGliteDialect({ pglite: server })
    const driver = inner.createDriver()
    driver.destroy = () => Promise.resolve()
    return {
      createDriver: () => driver,
      createAdapter: () => inner.createAdapter(),
      createQueryCompiler: () => inner.createQueryCompiler(),
      createIntrospector: (db) => inner.createIntrospector(db),
    }
  }
  const exec = async (sql: string): Promise<void> => {
    await server.exec(sql)
  }
  // A test that has failed may have left a transaction open.
  await exec('rollback')
  await exec('discard all')
  const { rows } = await server.query<{ drop: string }>(
    `select format('drop schema %I cascade', nspname) as drop from pg_namespace where nspname !~ '^(pg_|information_schema$)'`,
  )
  await exec(`${rows.map((row) => row.drop).join(';')}; create schema public; ${POSTGRES_TABLES}${POSTGRES_ROWS}`)
  const reset = (): Promise<void> =>
    exec(`truncate track, album, artist, genre, invoice, audit restart identity; ${POSTGRES_ROWS}`)
  return { dialect, exec, reset, close: () => Promise.resolve() }
}

function sqliteServer(): Server {
  const folder = mkdtempSync(join(tmpdir(), 'cacheops-test-'))
  const file = join(folder, 'shop.db')
  const open = (): BetterSqlite3.Database => {
    const handle = new BetterSqlite3(file, { timeout: 0 })
    handle.pragma('journal_mode = wal')
    handle.pragma('synchronous = off')
    handle.pragma('foreign_keys = on')
    return handle
  }
  const own = open()
  const exec = (sql: string): Promise<void> => {
    own.exec(sql)
    return Promise.resolve()
  }
  own.exec(SQLITE_TABLES + SQLITE_ROWS)
  return {
    dialect: () => new SqliteDialect({ database: () => Promise.resolve(open()) }),
    exec,
    reset: () =>
      exec(`delete from track; delete from album; delete from artist; delete from genre; delete from invoice;
      delete from audit; ${SQLITE_ROWS}`),
    close() {
      own.close()
      rmSync(folder, { recursive: true, force: true })
      return Promise.resolve()
    },
  }
}

async function open(t: ExecutionContext, name: DatabaseName, options: OpenOptions): Promise<Opened> {
  const { plugins, log, schema, ...cacheopsOptions } = options
  const server = name === 'postgres' ? await postgresServer() : sqliteServer()
  if (schema !== undefined) await server.exec(schema)
  const store = { type: 'embedded', name: `test-${process.pid}-${++stores}` } as const
  const cacheops = cacheopsPlugin<DB>({ store, ...cacheopsOptions })
  const recorder = new Recorder()
  const instances: Kysely<any>[] = []
  const connect: Opened['connect'] = (config = {}) => {
    const instance = new Kysely<DB>({ dialect: new RecordingDialect(server.dialect(), recorder), ...config })
    instances.push(instance)
    return instance
  }
  const plain = new Kysely<DB>({ dialect: server.dialect() })
  instances.push(plain)
  const db = connect({ plugins: plugins?.(cacheops) ?? [cacheops], ...(log === undefined ? {} : { log }) })
  t.teardown(async () => {
    for (const instance of instances) await instance.destroy()
    await cacheops.close()
    await server.close()
  })
  return {
    name,
    db,
    plain,
    cacheops,
    recorder,
    store,
    connect,
    dialect: () => new RecordingDialect(server.dialect(), recorder),
    plainDialect: () => server.dialect(),
    exec: (sql) => server.exec(sql),
    reset: () => server.reset(),
    flag: (value) => (name === 'postgres' ? value : Number(value)),
    async isHit(query) {
      const before = recorder.statements.length
      await query.execute()
      return recorder.statements.length === before
    },
  }
}

/** The databases that every behaviour is shown on. */
export const databases: readonly TestDatabase[] = (['postgres', 'sqlite'] as const).map((name) => ({
  name,
  open: (t, options = {}) => open(t, name, options),
}))
