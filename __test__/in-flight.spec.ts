// Reads of what a write on its way may have changed, which another that has returned since may stand on.
import { mock } from 'node:test'

import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Kysely, sql } from 'kysely'

import { cacheopsPlugin } from '../ts/index.ts'
import type { ReadEvent } from '../ts/index.ts'
import { sharedCluster } from './support/postgres-cluster.ts'
import type { Gate } from './support/recorder.ts'
import { RecordingDialect, Recorder } from './support/recorder.ts'
import { pooledDialect } from './support/servers.ts'

interface DB {
  shelf: { id: number; grp: number; n: number }
}

interface Place {
  readonly db: Kysely<DB>
  readonly recorder: Recorder
  readonly events: ReadEvent[]
}

let made = 0

/** A pool with timers that stand still. */
async function open(t: ExecutionContext): Promise<Place> {
  const cluster = await sharedCluster()
  const name = `in_flight_${++made}`
  await cluster.exec(`create database ${name}`)
  await cluster.exec(
    'create table shelf (id int primary key, grp int, n int); insert into shelf select i, i / 10, 0 from generate_series(1, 29) i',
    name,
  )
  const recorder = new Recorder()
  const cacheops = cacheopsPlugin<DB>({ store: { type: 'embedded', name } })
  const db = new Kysely<DB>({
    dialect: new RecordingDialect(pooledDialect('pg', cluster, name), recorder),
    plugins: [cacheops],
  })
  const events: ReadEvent[] = []
  cacheops.on('read', (event) => events.push(event))
  t.teardown(async () => {
    mock.timers.reset()
    await db.destroy()
    await cacheops.close()
  })
  // A connection for each of those who are at work at once.
  await Promise.all([1, 2, 3].map(() => sql`select pg_sleep(0.05)`.execute(db)))
  await group(db, 1)
  events.length = 0
  mock.timers.enable({ apis: ['setTimeout'] })
  return { db, recorder, events }
}

const group = (db: Kysely<DB>, grp: number): Promise<DB['shelf'][]> =>
  db.selectFrom('shelf').selectAll().where('grp', '=', grp).orderBy('id').cache().execute()

const count = (db: Kysely<DB>, id: number): Promise<unknown> =>
  db
    .updateTable('shelf')
    .set((eb) => ({ n: eb('n', '+', 1) }))
    .where('id', '=', id)
    .execute()

/** A write that is committed and has not told so; another has returned since. */
async function inDoubt({ db, recorder }: Place, id: number): Promise<{ gate: Gate; write: Promise<unknown> }> {
  const gate = recorder.hold(/^(?:with|update)/i, 'after')
  const write = count(db, id)
  await gate.reached
  await count(db, 29)
  return { gate, write }
}

const told = ({ events }: Place): string[] => events.splice(0).map(({ reason }) => reason)

test.serial('a read waits for a write that may have changed its rows, and is a hit if it has not', async (t) => {
  const place = await open(t)
  const { gate, write } = await inDoubt(place, 20)
  const read = group(place.db, 1)
  await new Promise(setImmediate)
  t.deepEqual(place.events, [])
  const before = place.recorder.statements.length
  gate.release()
  t.is((await read)[0]!.n, 0)
  t.is(place.recorder.statements.length, before)
  await write
  t.deepEqual(told(place), ['hit'])
})

test.serial('a read that waits for a write which has changed its rows asks the database', async (t) => {
  const place = await open(t)
  const { gate, write } = await inDoubt(place, 10)
  const read = group(place.db, 1)
  await new Promise(setImmediate)
  gate.release()
  t.is((await read)[0]!.n, 1)
  await write
  t.deepEqual(told(place), ['miss'])
})

test.serial('a write that takes too long is waited for by nobody; what is read meanwhile is kept', async (t) => {
  const place = await open(t)
  const { gate, write } = await inDoubt(place, 10)
  const read = group(place.db, 2)
  await new Promise(setImmediate)
  mock.timers.tick(10)
  t.is((await read)[0]!.n, 0)
  t.is((await group(place.db, 1))[0]!.n, 1, 'it is committed')
  t.deepEqual(told(place), ['write_in_flight', 'write_in_flight'])
  gate.release()
  await write
  t.is((await group(place.db, 2))[0]!.n, 0)
  t.is((await group(place.db, 1))[0]!.n, 1)
  t.deepEqual(told(place), ['hit', 'miss'])
  // Those that come later are waited for again.
  const again = await inDoubt(place, 20)
  const waiting = group(place.db, 1)
  await new Promise(setImmediate)
  t.deepEqual(place.events, [])
  again.gate.release()
  await waiting
  await again.write
  t.deepEqual(told(place), ['hit'])
})

test.serial('a read waits only for the writes of its beginning', async (t) => {
  const place = await open(t)
  const first = await inDoubt(place, 20)
  const read = group(place.db, 1)
  await new Promise(setImmediate)
  const second = await inDoubt(place, 21)
  first.gate.release()
  await first.write
  t.is((await read)[0]!.n, 0)
  t.deepEqual(told(place), ['write_in_flight'])
  second.gate.release()
  await second.write
})

test.serial('a caller that stops waiting is told so at once', async (t) => {
  const place = await open(t)
  const { gate, write } = await inDoubt(place, 20)
  const controller = new AbortController()
  const read = place.db
    .selectFrom('shelf')
    .selectAll()
    .where('grp', '=', 1)
    .orderBy('id')
    .cache()
    .execute({ signal: controller.signal })
  await new Promise(setImmediate)
  controller.abort(new Error('enough'))
  await t.throwsAsync(read, { message: 'enough' })
  gate.release()
  await write
})
