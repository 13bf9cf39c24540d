// oxlint-disable unicorn/require-post-message-target-origin -- messages to threads have no origin
import { parentPort, workerData } from 'node:worker_threads'

import BetterSqlite3 from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'
import type { Dialect } from 'kysely'

import { cacheopsPlugin } from '../../ts/index.ts'
import type { Cluster } from './postgres-cluster.ts'
import { pooledDialect } from './servers.ts'
import type { PooledDriverName } from './servers.ts'

/** What a thread is told: its database, and the store that it shares with the others. */
export interface ShopThreadData {
  readonly store: string
  readonly server?: { readonly driver: PooledDriverName; readonly cluster: Pick<Cluster, 'host' | 'port' | 'user'> }
  /** a SQLite file; the thread falls asleep for good when its first write is committed, before it can tell anybody */
  readonly file?: string
}

export type ShopOrder =
  | { readonly read: number }
  | { readonly write: number; readonly n: number }
  | { readonly transaction: readonly number[]; readonly n: number }
  | 'stop'

export interface ShopAnswer {
  readonly n?: number | undefined
  readonly hit?: boolean
}

export interface ShopDB {
  shelf: { id: number; n: number }
}

const { store, server, file } = workerData as ShopThreadData

function dialectOf(): Dialect {
  if (server !== undefined) return pooledDialect(server.driver, server.cluster as Cluster, 'postgres')
  const database = new BetterSqlite3(file)
  const { prepare } = database
  let written = false
  database.prepare = ((text: string) => {
    const statement = prepare.call(database, text)
    for (const method of ['run', 'all'] as const) {
      const execute = statement[method].bind(statement) as (...args: unknown[]) => unknown
      statement[method] = ((...args: unknown[]) => {
        const result = execute(...args)
        written ||= /^update/i.test(text)
        if (written && !database.inTransaction) {
          parentPort!.postMessage({})
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
        }
        return result
      }) as never
    }
    return statement
  }) as never
  return new SqliteDialect({ database })
}

const cacheops = cacheopsPlugin<ShopDB>({ store: { type: 'embedded', name: store } })
const db = new Kysely<ShopDB>({ dialect: dialectOf(), plugins: [cacheops] })
let hit = false
cacheops.on('read', (event) => (hit = event.hit))

async function obey(order: Exclude<ShopOrder, 'stop'>): Promise<ShopAnswer> {
  if ('read' in order) {
    const row = await db.selectFrom('shelf').select('n').where('id', '=', order.read).cache().executeTakeFirst()
    return { n: row?.n, hit }
  }
  if ('write' in order) await db.updateTable('shelf').set({ n: order.n }).where('id', '=', order.write).execute()
  else {
    await db.transaction().execute(async (trx) => {
      for (const id of order.transaction)
        await trx.updateTable('shelf').set({ n: order.n }).where('id', '=', id).execute()
    })
  }
  return {}
}

parentPort!.on('message', (order: ShopOrder) => {
  if (order === 'stop') void db.destroy().then(() => parentPort!.close())
  else void obey(order).then((answer) => parentPort!.postMessage(answer))
})
