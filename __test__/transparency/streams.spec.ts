import { setImmediate } from 'node:timers/promises'

import test from 'ava'
import { Kysely, sql } from 'kysely'

import { Recorder, RecordingDialect } from '../support/recorder.ts'
import type { PooledDriverName } from '../support/servers.ts'
import { gather } from './case.ts'
import { expectSameEffects } from './effects.ts'
import { openTwins } from './twins.ts'
import type { Db, Twins } from './twins.ts'
import type { Calls } from './write-cases.ts'

// Cursors of both drivers: rows come out as without the plugin, and what a stream writes is seen by everything cached,
// also when the caller stops half-way.

/** Takes so many rows of a stream, and stops. */
async function take(count: number, stream: AsyncIterable<unknown>): Promise<unknown[]> {
  const items: unknown[] = []
  for await (const item of stream) if (items.push(item) === count) break
  return items
}

/** Takes what comes, and tells how it ended. */
async function gatherUntilError(stream: AsyncIterable<unknown>): Promise<unknown[]> {
  const items: unknown[] = []
  try {
    for await (const item of stream) items.push(item)
  } catch (caught) {
    items.push({ caught })
  }
  return items
}

const genres = (db: Db) => db.selectFrom('genre').selectAll().orderBy('id')
const tracks = (db: Db) => db.selectFrom('track').selectAll().orderBy('id')
const renamed = (db: Db) =>
  db
    .updateTable('genre')
    .set({ name: sql`name || '!'` })
    .returningAll()
const added = (db: Db) =>
  db
    .insertInto('genre')
    .values([901, 902, 903].map((id) => ({ id, name: `new ${id}` })))
    .returning(['id', 'name'])
const removed = (db: Db) => db.deleteFrom('track').where('album_id', '=', 1).returning('id')
const quotients = (db: Db) =>
  db.selectFrom(sql<{ n: number }>`generate_series(1, 5)`.as('n')).select(sql`10 / (3 - n)`.as('q'))

const STREAMS: Calls = {
  'a read, row by row': (db) => gather(tracks(db).stream(1)),
  'a read in one chunk': (db) => gather(tracks(db).stream(1000)),
  'a read, every type of value': (db) => gather(db.selectFrom('kind').selectAll().orderBy('id').stream(2)),
  'a read without rows': (db) => gather(tracks(db).where('id', '=', -1).stream()),
  'a read that is abandoned': async (db) => [await take(2, tracks(db).stream(1)), await genres(db).execute()],
  'a read that fails at once': (db) => gather(db.selectFrom('genre').select('nope').stream()),
  'a read that fails in the middle': async (db) => [
    await gatherUntilError(quotients(db).stream(1)),
    await genres(db).execute(),
  ],
  'an insert': (db) => gather(added(db).stream(1)),
  'an insert that is abandoned': (db) => take(1, added(db).stream(1)),
  'an update': (db) => gather(renamed(db).stream(2)),
  'an update that is abandoned': (db) => take(1, renamed(db).stream(1)),
  'an update of nothing': (db) => gather(renamed(db).where('id', '=', -1).stream()),
  'a deletion': (db) => gather(removed(db).stream(1)),
  'a write that fails': (db) => gatherUntilError(renamed(db).set({ name: 'Jazz' }).stream(1)),
  'a write in WITH': (db) =>
    gather(
      db
        .with('gone', (qb) => removed(qb as Db))
        .selectFrom('gone')
        .selectAll()
        .orderBy('id')
        .stream(1),
    ),
  'on a pinned connection': (db) =>
    db.connection().execute(async (one) => [await gather(renamed(one).stream(1)), await genres(one).execute()]),
  'in a transaction': (db) =>
    db.transaction().execute(async (trx) => [await gather(renamed(trx).stream(1)), await genres(trx).execute()]),
  'in a transaction, abandoned': (db) =>
    db.transaction().execute(async (trx) => [await take(1, renamed(trx).stream(1)), await genres(trx).execute()]),
  'in a transaction that is rolled back': async (db) => {
    const trx = await db.startTransaction().execute()
    const seen = [await gather(renamed(trx).stream(1)), await genres(trx).execute()]
    await trx.rollback().execute()
    return [...seen, await genres(db).execute()]
  },
  'a failed stream fails its transaction': (db) =>
    db.transaction().execute(async (trx) => {
      const seen = await gatherUntilError(quotients(trx).stream(1))
      return [seen, await genres(trx).execute()]
    }),
  'a bad size of chunks': (db) => gather(genres(db).stream(0)),
}

test.beforeEach(() => setImmediate())

const drivers: readonly PooledDriverName[] = ['pg', 'postgres.js']
for (const driver of drivers) {
  let twins: Twins
  test.before(`${driver}: open`, async () => {
    twins = await openTwins(driver)
  })
  test.after.always(`${driver}: close`, () => twins.close())

  for (const [name, call] of Object.entries(STREAMS)) {
    test.serial(`${driver}: ${name}`, async (t) => {
      await expectSameEffects(t, twins, call)
    })
  }

  test.serial(`${driver}: a stream drops what its text tells, and no more`, async (t) => {
    await twins.reset()
    const [one, two] = [1, 2].map((id) => genres(twins.automatic).where('id', '=', id))
    for (const read of [one!, two!]) await read.execute()
    await gather(renamed(twins.automatic).where('id', '=', 1).stream())
    twins.takeReads()
    for (const read of [one!, two!]) await read.execute()
    t.deepEqual(
      twins.takeReads().map(({ hit }) => hit),
      [false, true],
    )
  })

  test.serial(
    `${driver}: a stream that is committed and not over yet is dropped by a write that has returned`,
    async (t) => {
      await twins.reset()
      const recorder = new Recorder()
      const { automatic } = twins
      const dialect = new RecordingDialect(twins.newDialect(), recorder)
      const streaming: Db = new Kysely({ dialect, plugins: [twins.cacheops] })
      t.teardown(() => streaming.destroy())
      await genres(streaming).execute()
      const read = genres(automatic).where('id', '=', 1)
      await read.execute()
      const gate = recorder.hold(/^update "genre"/, 'after')
      const streamed = gather(renamed(streaming).where('id', '=', 1).stream())
      await gate.reached
      // It is made on top of what the stream has committed, and returns first.
      await automatic.updateTable('artist').set({ country: 'X' }).where('id', '=', 1).execute()
      const [row] = await read.execute()
      gate.release()
      await streamed
      t.is(row!['name'], 'Jazz!')
    },
  )
}
