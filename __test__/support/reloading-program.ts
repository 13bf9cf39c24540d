/**
 * `node --expose-gc reloading-program.ts`: what a development server does that evaluates a user's module again and again, over one
 * connection that it keeps. Prints how many of the plugin objects are left, and by how many bytes a round the heap grows.
 */
import { setImmediate } from 'node:timers/promises'

import BetterSqlite3 from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'

import { cacheopsPlugin } from '../../ts/index.ts'

interface Shop {
  t: { id: number; n: number }
}

const database = new BetterSqlite3(':memory:')
database.exec('create table t (id integer primary key, n integer); insert into t values (1, 0)')
let left = 0
// NOTE: no list of them, not even of weak references: what the program keeps itself grows as well.
const collected = new FinalizationRegistry<undefined>(() => left--)
let current: Kysely<Shop>
let heard = 0
let hits = 0

async function evaluate(round: number): Promise<void> {
  const cacheops = cacheopsPlugin<Shop>({ profiles: { t: { ops: 'all' } } })
  left++
  collected.register(cacheops, undefined)
  cacheops.on('read', ({ hit }) => {
    heard++
    if (hit) hits++
  })
  current = new Kysely<Shop>({ dialect: new SqliteDialect({ database }), plugins: [cacheops] })
  const read = current.selectFrom('t').selectAll().where('id', '=', 1)
  // Kept by the object of the round before, then a write, then seen by this one.
  await read.execute()
  await current.updateTable('t').set({ n: round }).where('id', '=', 1).execute()
  const [row] = await read.execute()
  if (row?.n !== round) throw new Error(`stale: ${row?.n} in round ${round}`)
}

async function heap(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    globalThis.gc!()
    await setImmediate()
  }
  return process.memoryUsage().heapUsed
}

const WARM = 600
const WINDOWS = 7
const WINDOW = 200

const listeners = process.eventNames().map((name) => process.listenerCount(name))
let round = 0
while (round < WARM) await evaluate(++round)
const grown: number[] = []
let before = await heap()
for (let window = 0; window < WINDOWS; window++) {
  for (let i = 0; i < WINDOW; i++) await evaluate(++round)
  const now = await heap()
  grown.push((now - before) / WINDOW)
  before = now
}
const doubled = process.eventNames().map((name) => process.listenerCount(name))
console.log(JSON.stringify({ rounds: round, heard, hits, left, grown, listeners, doubled }))
