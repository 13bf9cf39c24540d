// Reads of what a write on its way may have changed, which another that has returned since may stand on.
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
  readonly t: ExecutionContext
  readonly db: Kysely<DB>
  readonly recorder: Recorder
  readonly events: ReadEvent[]
}

let made = 0

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
    await db.destroy()
    await cacheops.close()
  })
  // A connection for each of those who are at work at once.
  await Promise.all([1, 2, 3].map(() => sql`select pg_sleep(0.05)`.execute(db)))
  await group(db, 1)
  events.length = 0
  return { t, db, recorder, events }
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
async function inDoubt({ t, db, recorder }: Place, id: number): Promise<{ gate: Gate; write: Promise<unknown> }> {
  const gate = recorder.hold(/^(?:with|update)/i, 'after')
  t.teardown(() => gate.release())
  const write = count(db, id)
  await gate.reached
  await count(db, 29)
  return { gate, write }
}

const told = ({ events }: Place): string[] => events.splice(0).map(({ reason }) => reason)

test.serial('what a write on its way may have changed is not given before that is known', async (t) => {
  const place = await open(t)
  const { gate, write } = await inDoubt(place, 20)
  t.is((await group(place.db, 1))[0]!.n, 0)
  t.deepEqual(told(place), ['write_in_flight'])
  gate.release()
  await write
  t.is((await group(place.db, 1))[0]!.n, 0)
  t.deepEqual(told(place), ['hit'])
})

test.serial('what is read meanwhile is kept, and given once it is known to be true', async (t) => {
  const place = await open(t)
  const { gate, write } = await inDoubt(place, 10)
  t.is((await group(place.db, 0))[0]!.n, 0)
  t.is((await group(place.db, 1))[0]!.n, 1, 'it is committed')
  t.deepEqual(told(place), ['write_in_flight', 'write_in_flight'])
  gate.release()
  await write
  t.is((await group(place.db, 0))[0]!.n, 0)
  t.is((await group(place.db, 1))[0]!.n, 1)
  t.deepEqual(told(place), ['hit', 'miss'])
})

test.serial('nobody joins a read of what is in doubt', async (t) => {
  const place = await open(t)
  const { gate, write } = await inDoubt(place, 10)
  const reads = await Promise.all([group(place.db, 0), group(place.db, 0)])
  t.deepEqual(reads[0], reads[1])
  t.deepEqual(told(place), ['write_in_flight', 'write_in_flight'])
  gate.release()
  await write
})
