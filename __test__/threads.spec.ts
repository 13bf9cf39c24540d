/** Threads with a Kysely and a plugin each, on one store: stamps are shared, results are not. And threads that are ended while they write. */
// oxlint-disable unicorn/require-post-message-target-origin -- messages to threads have no origin
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'

import test from 'ava'
import type { ExecutionContext } from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'
import type { Dialect } from 'kysely'
import { Client } from 'pg'

import { cacheopsPlugin } from '../ts/index.ts'
import { sharedCluster } from './support/postgres-cluster.ts'
import { pooledDialect } from './support/servers.ts'
import type { PooledDriverName } from './support/servers.ts'
import type { ShopAnswer, ShopDB, ShopOrder, ShopThreadData } from './support/shop-thread.ts'

class Thread {
  readonly worker: Worker

  constructor(workerData: ShopThreadData) {
    this.worker = new Worker(new URL('support/shop-thread.ts', import.meta.url), { workerData })
  }

  order(order: ShopOrder): void {
    this.worker.postMessage(order)
  }

  async answer(): Promise<ShopAnswer> {
    const [answer] = (await once(this.worker, 'message')) as [ShopAnswer]
    return answer
  }

  ask(order: ShopOrder): Promise<ShopAnswer> {
    const answer = this.answer()
    this.order(order)
    return answer
  }

  async stop(): Promise<void> {
    const exited = once(this.worker, 'exit')
    this.order('stop')
    await exited
  }
}

interface Main {
  readonly db: Kysely<ShopDB>
  readonly read: (id: number) => Promise<ShopAnswer>
}

function mainOf(t: ExecutionContext, dialect: Dialect, store: string): Main {
  const cacheops = cacheopsPlugin<ShopDB>({ store: { type: 'embedded', name: store } })
  const db = new Kysely<ShopDB>({ dialect, plugins: [cacheops] })
  t.teardown(() => db.destroy())
  let hit = false
  cacheops.on('read', (event) => (hit = event.hit))
  return {
    db,
    async read(id) {
      const row = await db.selectFrom('shelf').select('n').where('id', '=', id).cache().executeTakeFirst()
      return { n: row?.n, hit }
    },
  }
}

const SHELVES =
  'drop table if exists shelf; create table shelf (id integer primary key, n integer);' +
  'insert into shelf values (1, 0), (2, 0), (3, 0)'

async function serverOf(driver: PooledDriverName): Promise<NonNullable<ShopThreadData['server']>> {
  const { host, port, user, exec } = await sharedCluster()
  await exec(SHELVES)
  return { driver, cluster: { host, port, user } }
}

for (const driver of ['pg', 'postgres.js'] as const) {
  test.serial(
    `${driver}: pools in three threads: each keeps its own results, and hears of every other's writes`,
    async (t) => {
      const server = await serverOf(driver)
      const store = `threads-${driver}`
      const main = mainOf(t, pooledDialect(driver, await sharedCluster(), 'postgres'), store)
      const threads = [new Thread({ store, server }), new Thread({ store, server })] as const
      const reads = [main.read, ...threads.map((thread) => (read: number) => thread.ask({ read }))]
      const all = (id: number): Promise<ShopAnswer[]> => Promise.all(reads.map((read) => read(id)))
      const thrice = (n: number, hit: boolean): ShopAnswer[] => reads.map(() => ({ n, hit }))

      t.deepEqual([await all(1), await all(2)], [thrice(0, false), thrice(0, false)])
      t.deepEqual([await all(1), await all(2)], [thrice(0, true), thrice(0, true)])
      await threads[0].ask({ write: 1, n: 1 })
      t.deepEqual([await all(1), await all(2)], [thrice(1, false), thrice(0, true)])
      await main.db.updateTable('shelf').set({ n: 2 }).where('id', '=', 2).execute()
      t.deepEqual([await all(1), await all(2)], [thrice(1, true), thrice(2, false)])
      await threads[1].ask({ transaction: [1, 2], n: 3 })
      t.deepEqual([await all(1), await all(2)], [thrice(3, false), thrice(3, false)])
      for (const thread of threads) await thread.stop()
      await main.db.updateTable('shelf').set({ n: 4 }).where('id', '=', 1).execute()
      t.deepEqual(
        [await main.read(1), await main.read(2)],
        [
          { n: 4, hit: false },
          { n: 3, hit: true },
        ],
      )
    },
  )

  test.serial(
    `${driver}: what a thread wrote that was ended meanwhile is dropped with the writes that return after it`,
    async (t) => {
      const server = await serverOf(driver)
      const store = `ended-${driver}`
      const cluster = await sharedCluster()
      const main = mainOf(t, pooledDialect(driver, cluster, 'postgres'), store)
      const thread = new Thread({ store, server })
      t.deepEqual(await thread.ask({ read: 1 }), { n: 0, hit: false })
      await main.read(1)
      // Its write waits for a lock, in the server.
      const locker = new Client({ host: cluster.host, port: cluster.port, user: cluster.user, database: 'postgres' })
      await locker.connect()
      t.teardown(() => locker.end())
      await locker.query('begin; select from shelf where id = 1 for update')
      thread.order({ write: 1, n: 1 })
      for (let waiting = 0; waiting === 0;) {
        const { rows } = await locker.query<{ n: number }>('select count(*)::int as n from pg_locks where not granted')
        waiting = rows[0]!.n
      }
      await thread.worker.terminate()
      t.deepEqual(await main.read(1), { n: 0, hit: false })
      t.deepEqual(await main.read(1), { n: 0, hit: true })
      // Now it is executed, and this waits for it in turn.
      await locker.query('commit')
      const { rows } = await locker.query<{ n: number }>('select n from shelf where id = 1 for update')
      t.is(rows[0]?.n, 1)
      await main.db.updateTable('shelf').set({ n: 9 }).where('id', '=', 3).execute()
      t.deepEqual(await main.read(1), { n: 1, hit: false })
      t.deepEqual(await main.read(2), { n: 0, hit: false })
      await main.db.updateTable('shelf').set({ n: 10 }).where('id', '=', 3).execute()
      t.deepEqual(await main.read(2), { n: 0, hit: true })
    },
  )
}

test('sqlite: what a thread committed that was ended before it could tell is dropped', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cacheops-threads-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'shop.db')
  const database = new BetterSqlite3(file)
  database.exec(SHELVES)
  const main = mainOf(t, new SqliteDialect({ database }), 'ended-sqlite')
  await main.read(2)
  t.deepEqual(await main.read(1), { n: 0, hit: false })
  const thread = new Thread({ store: 'ended-sqlite', file })
  await thread.ask({ write: 1, n: 1 })
  // It has not returned, so the old answer is as good as the new one.
  t.deepEqual(await main.read(1), { n: 0, hit: true })
  await thread.worker.terminate()
  t.deepEqual(await main.read(1), { n: 1, hit: false })
  t.deepEqual(await main.read(2), { n: 0, hit: true })
})
