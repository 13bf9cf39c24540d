/* oxlint-disable typescript/unbound-method -- functions are put in the place of others, and call those with their own `this` */
/**
 * One actor in a thread of its own, stopped wherever the scheduler wants: the addon's functions, the store's map and the driver
 * are wrapped, and the thread sleeps until it is let go.
 */
import { workerData } from 'node:worker_threads'

import BetterSqlite3 from 'better-sqlite3'
import { Kysely } from 'kysely'
import { LRUCache } from 'lru-cache'

import { cacheopsPlugin } from '../../ts/index.ts'
import { native } from '../../ts/native.ts'
import { Cell, sleepWhile } from './cells.ts'
import type { ActorData, Program, Stop } from './cells.ts'
import { FAULTS } from './faults.ts'
import { StopPoints } from './points.ts'
import type { Point } from './points.ts'
import { PooledSqliteDialect } from './pool.ts'
import { QUERIES, QUERY_NAMES, WRITERS } from './programs.ts'
import type { Rows } from './programs.ts'

const { actor, file, store, database, cells, message, fault } = workerData as ActorData
const states = new Int32Array(cells)
const length = new Int32Array(message, 0, 1)
const text = new Uint8Array(message, 4)

/** Sleeps until the scheduler lets this actor go on. */
function stop(at: Stop): void {
  const bytes = Buffer.from(JSON.stringify(at))
  text.set(bytes)
  length[0] = bytes.length
  Atomics.store(states, actor, Cell.stopped)
  Atomics.notify(states, actor)
  sleepWhile(states, actor, Cell.stopped)
}

function told(): Program {
  return JSON.parse(Buffer.from(text.slice(0, length[0])).toString()) as Program
}

const stops = { wanted: false, query: '', answer: undefined as string | undefined }

function stopAt(point: Point): void {
  if (!stops.wanted) return
  const { query, answer } = stops
  stops.answer = undefined
  stop({ point, of: query, ...(answer === undefined ? {} : { answer }) })
}

if (fault !== undefined) FAULTS[fault]()

const { bind, invalidate } = native
native.bind = (shape, end) => {
  stopAt('token')
  return bind(shape, end)
}
native.invalidate = (handle, changes, announced) => {
  stopAt('invalidate')
  return invalidate(handle, changes, announced)
}
const entries = LRUCache.prototype as unknown as { set(this: object, key: string, value: unknown, o?: object): unknown }
const { set } = entries
entries.set = function (key, value, options) {
  if (typeof value === 'object' && value !== null && 'kept' in value) stopAt('fill')
  return set.call(this, key, value, options)
}

const points = new StopPoints()

const db = new Kysely<Rows>({
  dialect: new PooledSqliteDialect(
    () => new BetterSqlite3(file, { timeout: 0 }),
    (_connection, sql) => void points.after(sql),
    (sql) => {
      const point = points.before(sql)
      if (point !== undefined) stopAt(point)
    },
  ),
  plugins: [cacheopsPlugin<Rows>({ store: { type: 'embedded', name: store }, database, schemaCheck: 86_400 })],
})

async function execute(program: Exclude<Program, 'stop'>): Promise<Partial<Stop>> {
  if (program === 'look') {
    const looked: Record<string, string> = {}
    for (const query of QUERY_NAMES) looked[query] = JSON.stringify(await QUERIES[query](db).cache().execute())
    return { looked }
  }
  stops.wanted = true
  try {
    if ('write' in program) await WRITERS[program.write](db, program.n)
    else {
      for (const query of program.read) {
        stops.query = query
        stops.answer = JSON.stringify(await QUERIES[query](db).cache().execute())
      }
    }
  } finally {
    stops.wanted = false
    stops.query = ''
  }
  const { answer } = stops
  stops.answer = undefined
  return answer === undefined ? {} : { answer }
}

for (let done: Partial<Stop> = {}; ;) {
  stop({ ...done, point: 'done', of: '' })
  const program = told()
  if (program === 'stop') break
  try {
    done = await execute(program)
  } catch (error) {
    done = { error: String((error as Error).stack) }
  }
}
await db.destroy()
