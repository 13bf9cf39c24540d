import type { ExecutionContext } from 'ava'
import { Kysely } from 'kysely'
import type { Compilable, Dialect, KyselyConfig, KyselyPlugin } from 'kysely'

import { cacheopsPlugin } from '../../ts/index.ts'
import type { Cacheops, CacheopsOptions } from '../../ts/index.ts'
import { RecordingDialect, Recorder } from './recorder.ts'
import type { DB, Flag } from './schema.ts'
import { isPostgres, postgresServer, sqliteServer } from './servers.ts'
import type { DriverName, PostgresDriverName, SqliteDriverName } from './servers.ts'

export type { DB, Flag } from './schema.ts'
export { Recorder, RecordingDialect } from './recorder.ts'
export type { Gate } from './recorder.ts'

/** A query builder of any kind. */
export type Query<O = unknown> = Compilable<O> & { execute(): Promise<O[]> }

/** One database, as one test has it. */
export interface Opened {
  readonly name: DatabaseName
  readonly driver: DriverName
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
  /** how many connections a pool may open; PGlite and SQLite always have one. Default: 4 */
  readonly connections?: number
}

export interface TestDatabase {
  readonly name: DatabaseName
  readonly driver: DriverName
  /** Opens a database with the sample schema and its rows, for one test. */
  open(t: ExecutionContext, options?: OpenOptions): Promise<Opened>
}

let stores = 0

async function open(t: ExecutionContext, driver: DriverName, options: OpenOptions): Promise<Opened> {
  const { plugins, log, schema, connections, ...cacheopsOptions } = options
  const postgres = isPostgres(driver)
  const name = postgres ? 'postgres' : 'sqlite'
  const server = postgres ? await postgresServer(driver, connections) : sqliteServer(driver)
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
    driver,
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

/** The drivers of this run. Every spec is to hold on each of them, and is run once more for the others. */
const sqliteDriver = (process.env['CACHEOPS_TEST_SQLITE'] ?? 'better-sqlite3') as SqliteDriverName
export const postgresDriver = (process.env['CACHEOPS_TEST_POSTGRES'] ?? 'pglite') as PostgresDriverName

/** The databases that every behaviour is shown on. */
export const databases: readonly TestDatabase[] = [
  { name: 'postgres', driver: postgresDriver, open: (t, options = {}) => open(t, postgresDriver, options) },
  { name: 'sqlite', driver: sqliteDriver, open: (t, options = {}) => open(t, sqliteDriver, options) },
]

/** A PostgreSQL server, whatever the databases of this run are. */
export const postgresOnServer: TestDatabase = {
  name: 'postgres',
  driver: 'pg',
  open: (t, options = {}) => open(t, 'pg', options),
}
