// oxlint-disable unicorn/require-post-message-target-origin -- messages to threads have no origin
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

import test from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'

import { cacheopsPlugin } from '../ts/index.ts'
import { openEmbeddedStore } from '../ts/store/embedded.ts'
import { databases } from './support/databases.ts'
import { storeContract } from './support/store-contract.ts'
import type { WriterData } from './support/writer-thread.ts'

storeContract({ name: 'embedded', open: openEmbeddedStore })

for (const database of databases) {
  const { name } = database

  test.serial(`${name}: maxEntryBytes keeps large results out`, async (t) => {
    const { db, isHit, cacheops } = await database.open(t, { maxEntryBytes: 2000 })
    const reasons: string[] = []
    cacheops.on('read', ({ reason }) => void reasons.push(reason))
    const small = db.selectFrom('genre').selectAll().cache()
    const large = db.selectFrom(['track', 'genre', 'artist']).select(['track.title', 'genre.name', 'artist.id']).cache()
    t.is((await large.execute()).length, 54)
    t.false(await isHit(large))
    await small.execute()
    t.true(await isHit(small))
    t.regex(reasons[0]!, /maxEntryBytes/)
  })

  test.serial(`${name}: maxBytes bounds what is kept`, async (t) => {
    const { db, isHit } = await database.open(t, { maxBytes: 8000 })
    const query = (i: number) => db.selectFrom('track').selectAll().where('plays', '>', -i).cache()
    for (let i = 0; i < 40; i++) await query(i).execute()
    t.true(await isHit(query(39)), 'the last one')
    t.false(await isHit(query(0)), 'the first one')
  })
}

interface Counters {
  counter: { id: number; n: number }
}

test('threads share stamps: a write in one drops the entries of the others', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cacheops-threads-'))
  const file = join(folder, 'counter.db')
  const database = new BetterSqlite3(file)
  database.pragma('journal_mode = wal')
  database.pragma('synchronous = off')
  database.exec('create table counter (id integer primary key, n integer); insert into counter values (1, 0), (2, 0)')
  const store = `threads-${process.pid}`
  const db = new Kysely<Counters>({
    dialect: new SqliteDialect({ database }),
    plugins: [cacheopsPlugin<Counters>({ store: { type: 'embedded', name: store } })],
  })
  const cacheops = cacheopsPlugin<Counters>({ store: { type: 'embedded', name: store } })
  const observed = new Kysely<Counters>({
    dialect: new SqliteDialect({ database: new BetterSqlite3(file) }),
    plugins: [cacheops],
  })
  const hits = { read: 0, hit: 0 }
  cacheops.on('read', ({ hit }) => {
    hits.read++
    if (hit) hits.hit++
  })
  const returned = new SharedArrayBuffer(4)
  const last = new Int32Array(returned)
  const data: WriterData = { file, store, returned }
  const worker = new Worker(new URL('./support/writer-thread.ts', import.meta.url), { workerData: data })
  t.teardown(async () => {
    const gone = once(worker, 'exit')
    worker.postMessage('stop')
    await gone
    await db.destroy()
    await observed.destroy()
    rmSync(folder, { recursive: true, force: true })
  })
  const read = async (on = observed, id = 1) =>
    (await on.selectFrom('counter').select('n').where('id', '=', id).cache().executeTakeFirstOrThrow()).n

  // One write at a time: what has returned there is seen here, and nothing else is dropped.
  t.is(await read(observed, 2), 0)
  for (let n = 1; n <= 20; n++) {
    await read()
    const done = once(worker, 'message')
    worker.postMessage([n])
    await done
    t.is(await read(), n)
    t.is(await read(db), n)
    const before = hits.hit
    t.is(await read(), n)
    t.is(await read(observed, 2), 0)
    t.is(hits.hit, before + 2)
  }

  // All at once, until there have been enough reads: one that begins after a write has returned is never older.
  let reads = 0
  for (let first = 1000; reads < 100; first += 500) {
    const writer = { running: true }
    const done = once(worker, 'message').then(() => (writer.running = false))
    worker.postMessage(Array.from({ length: 500 }, (_, i) => first + i))
    while (writer.running) {
      const least = Atomics.load(last, 0)
      const seen = await read()
      if (seen < least) t.fail(`${seen} was read after the write of ${least} had returned`)
      reads++
      if (reads % 5 === 0) await setImmediate()
    }
    await done
    t.is(await read(), first + 499)
  }
})
