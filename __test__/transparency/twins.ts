import { Kysely, sql } from 'kysely'
import type { Dialect, KyselyConfig } from 'kysely'

import { cacheopsPlugin } from '../../ts/index.ts'
import type { Cacheops, CacheopsEvents, CacheopsOptions } from '../../ts/index.ts'
import { outcomeOf } from '../support/describe.ts'
import type { Outcome } from '../support/describe.ts'
import { isPostgres, postgresServer, sqliteServer } from '../support/servers.ts'
import type { DriverName, PostgresDriverName } from '../support/servers.ts'
import {
  POSTGRES_CONTENTS,
  POSTGRES_EMPTY,
  POSTGRES_SCHEMA,
  SQLITE_CONTENTS,
  SQLITE_EMPTY,
  SQLITE_SCHEMA,
} from './schema.ts'

/** Cases write queries that no table type would allow. */
export type Db = Kysely<any>

export interface Twins {
  readonly driver: DriverName
  readonly dialect: 'postgres' | 'sqlite'
  /** without the plugin */
  readonly plain: Db
  /** with the plugin, caching what says `.cache()` */
  readonly asked: Db
  /** with the plugin, caching all that it may */
  readonly automatic: Db
  readonly cacheops: Cacheops
  /** reads of both instances with the plugin, until they are taken */
  readonly takeReads: () => CacheopsEvents['read'][]
  /** a further instance over the same data, closed with the others */
  readonly connect: (config?: Omit<KyselyConfig, 'dialect'>) => Db
  readonly newDialect: () => Dialect
  /** a further plugin object over the same store */
  readonly newPlugin: (options?: CacheopsOptions) => Cacheops
  readonly exec: (text: string) => Promise<void>
  /** what came of a call, and the database ready for the next */
  readonly outcomeOf: (call: () => Promise<unknown>) => Promise<Outcome>
  /** All tables as they were at first, nothing cached. */
  readonly reset: () => Promise<void>
  /** the same with the whole schema, where a case changes it */
  readonly rebuild: () => Promise<void>
  readonly forget: () => Promise<void>
  readonly close: () => Promise<void>
}

const asked = process.env['CACHEOPS_TEST_POSTGRES'] as PostgresDriverName | undefined

/** All that need no server, or the one that was asked for. */
export const DRIVERS: readonly DriverName[] =
  asked === undefined ? ['pglite', 'better-sqlite3', 'node:sqlite', 'node:sqlite with bigints'] : [asked]

let stores = 0

/** One database with instances with and without the plugin. What they write is undone by `reset`. */
export async function openTwins(driver: DriverName): Promise<Twins> {
  const postgres = isPostgres(driver)
  const dialect = postgres ? 'postgres' : 'sqlite'
  const server = isPostgres(driver) ? await postgresServer(driver) : sqliteServer(driver)
  const store = { type: 'embedded', name: `twins-${process.pid}-${++stores}` } as const
  const instances: Db[] = []
  const newPlugin = (options: CacheopsOptions = {}): Cacheops => cacheopsPlugin({ store, ...options })
  const connect: Twins['connect'] = (config = {}) => {
    const instance: Db = new Kysely({ dialect: server.dialect(), ...config })
    instances.push(instance)
    return instance
  }
  const cacheops = newPlugin()
  const everything = newPlugin({ profiles: { '*.*': { ops: 'all' } } })
  let reads: CacheopsEvents['read'][] = []
  for (const plugin of [cacheops, everything]) plugin.on('read', (event) => reads.push(event))
  const build = async (): Promise<void> => {
    if (postgres)
      await server.exec(`drop schema if exists other cascade; drop schema public cascade; create schema public`)
    else await server.exec(DROP_SQLITE)
    await server.exec(postgres ? POSTGRES_SCHEMA + POSTGRES_CONTENTS : SQLITE_SCHEMA + SQLITE_CONTENTS)
  }
  const forget = (): Promise<void> => cacheops.invalidateAll()
  await build()
  const twins: Twins = {
    driver,
    dialect,
    plain: connect(),
    asked: connect({ plugins: [cacheops] }),
    automatic: connect({ plugins: [everything] }),
    cacheops,
    takeReads() {
      const taken = reads
      reads = []
      return taken
    },
    connect,
    newDialect: () => server.dialect(),
    newPlugin,
    exec: (text) => server.exec(text),
    async outcomeOf(call) {
      const outcome = await outcomeOf(call)
      // A parameter that PGlite cannot write leaves half a message behind, on which the next statements fail.
      if (!postgres || outcome.error === undefined) return outcome
      for (let left = 5; left > 0; left--) {
        if (await healthy(twins.plain)) break
      }
      return outcome
    },
    async reset() {
      await server.exec(postgres ? POSTGRES_EMPTY + POSTGRES_CONTENTS : SQLITE_EMPTY + SQLITE_CONTENTS)
      await forget()
    },
    async rebuild() {
      await build()
      await forget()
    },
    forget,
    async close() {
      for (const instance of instances) await instance.destroy()
      await cacheops.close()
      await everything.close()
      await server.close()
    },
  }
  return twins
}

function healthy(db: Db): Promise<boolean> {
  return sql`select 1`.execute(db).then(
    () => true,
    () => false,
  )
}

const DROP_SQLITE = `
drop view if exists loud;
${[
  'track',
  'album',
  'artist',
  'genre',
  'invoice',
  'audit',
  'ledger',
  'tree',
  'kind',
  'counted',
  'pair',
  'exact',
  'noted',
  'log_line',
]
  .map((table) => `drop table if exists ${table};`)
  .join('\n')}
`
