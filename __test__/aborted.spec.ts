// Signals that fire while a statement waits on a server: what is told and done is what would be without the plugin, nothing
// is stale afterwards, and the pool goes on.
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Kysely, sql } from 'kysely'
import { Client } from 'pg'

import { cacheopsPlugin } from '../ts/index.ts'
import { outcomeOf } from './support/describe.ts'
import { dialectOf, DRIVERS, newDatabase, newStore, openPool } from './support/pools.ts'
import type { PoolOptions } from './support/pools.ts'
import { Recorder, RecordingDialect } from './support/recorder.ts'

const SCHEMA = `create table t (id int primary key, v text); insert into t values (1, 'old'), (2, 'old'), (3, 'old')`
const STRATEGIES = ['ignore query', 'cancel query', 'kill session'] as const
const CONNECTIONS = 3

class Stopped extends Error {}

/** Another session, which holds a lock on the first row until it is told to let go. */
async function hold(t: ExecutionContext, at: PoolOptions) {
  const client = new Client({ host: at.host, port: at.port, database: at.database, user: 'postgres' })
  client.on('error', () => undefined)
  await client.connect()
  t.teardown(() => client.end())
  await client.query('begin')
  await client.query('select from t where id = 1 for update')
  return {
    /** somebody waits for the lock, or nobody does any more */
    async waiting(count: 0 | 1): Promise<void> {
      const text = `select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
      while ((await client.query<{ n: number }>(text)).rows[0]!.n !== count);
    },
    release: () => client.query('commit'),
  }
}

/** Every connection has been given back. */
async function idle(db: Kysely<any>, connections = CONNECTIONS): Promise<void> {
  let release!: () => void
  const all = new Promise<void>((resolve) => (release = resolve))
  let held = 0
  const pin = (): Promise<void> =>
    db
      .connection()
      .execute(async (one) => {
        await sql`select 1`.execute(one)
        if (++held === connections) release()
        await all
      })
      // `pg` gives a connection once more whose session was ended, if it has not heard of it yet: with the plugin or without.
      .catch((error: Error) => {
        if (/terminated|ended|closed|not queryable/i.test(error.message)) return pin()
        throw error
      })
  await Promise.all(Array.from({ length: connections }, pin))
}

const rows = async (db: Kysely<any>): Promise<unknown> => (await sql`select id, v from t order by id`.execute(db)).rows

type Options = { readonly signal: AbortSignal; readonly inflightQueryAbortStrategy: (typeof STRATEGIES)[number] }

/** Uses of a signal that fires as soon as the statement waits for the lock. */
const USES: Readonly<Record<string, (db: Kysely<any>, options: Options) => Promise<unknown>>> = {
  'an update': (db, options) => db.updateTable('t').set({ v: 'new' }).where('id', '=', 1).execute(options),
  'an update of several, giving back': (db, options) =>
    db.updateTable('t').set({ v: 'new' }).returningAll().execute(options),
  'a raw update': (db, options) => sql`update t set v = 'new' where id < 3`.execute(db, options),
  'a deletion': (db, options) => db.deleteFrom('t').where('id', '=', 1).execute(options),
  'a locking read': (db, options) => db.selectFrom('t').selectAll().where('id', '=', 1).forUpdate().execute(options),
  'on a pinned connection': (db, options) =>
    db.connection().execute((one) => one.updateTable('t').set({ v: 'new' }).where('id', '=', 1).execute(options)),
  'in a transaction': (db, options) =>
    db.transaction().execute(async (trx) => {
      await trx.updateTable('t').set({ v: 'first' }).where('id', '=', 2).execute()
      await trx.updateTable('t').set({ v: 'new' }).where('id', '=', 1).execute(options)
    }),
  'in a transaction that goes on': (db, options) =>
    db.transaction().execute(async (trx) => {
      await trx.updateTable('t').set({ v: 'first' }).where('id', '=', 2).execute()
      await trx
        .updateTable('t')
        .set({ v: 'new' })
        .where('id', '=', 1)
        .execute(options)
        .catch(() => undefined)
    }),
  'a streamed update': async (db, { signal }) => {
    for await (const _ of db.updateTable('t').set({ v: 'new' }).returningAll().stream({ signal, chunkSize: 1 }));
  },
}

for (const driver of DRIVERS) {
  for (const [name, use] of Object.entries(USES)) {
    for (const strategy of STRATEGIES) {
      if (name === 'a streamed update' && strategy !== 'ignore query') continue
      // NOTE: postgres.js (3.4.9) forgets who waits for a connection when another one is ended, and ends the process when anything
      // is sent on one that was lost while it was reserved: with the plugin or without.
      if (driver === 'postgres.js' && strategy === 'kill session') continue
      test.serial(`${driver}: ${name}, ${strategy}`, async (t) => {
        const seen: unknown[] = []
        for (const plugged of [false, true]) {
          const at = { driver, max: CONNECTIONS, ...(await newDatabase(SCHEMA)) }
          const cacheops = cacheopsPlugin({ store: newStore() })
          const writer = new Kysely<any>({ dialect: dialectOf(at), plugins: plugged ? [cacheops] : [] })
          t.teardown(() => void writer.destroy().catch(() => undefined))
          const reader = openPool(t, dialectOf(at), cacheops)
          const plain = new Kysely<any>({ dialect: dialectOf(at) })
          t.teardown(() => plain.destroy())
          const reads = [
            'select v from t where id = 1',
            'select v from t where id = 2',
            'select id, v from t order by id',
          ]
          await idle(writer)
          for (const read of reads) await reader.read(read)
          const lock = await hold(t, at)
          const stop = new AbortController()
          const used = outcomeOf(() => use(writer, { signal: stop.signal, inflightQueryAbortStrategy: strategy }))
          await lock.waiting(1)
          stop.abort(new Stopped('enough'))
          // In a transaction Kysely asks for it on the connection that waits.
          if (strategy !== 'ignore query' && (driver !== 'pg' || !name.startsWith('in a transaction')))
            await lock.waiting(0)
          await lock.release()
          const { text } = await used
          await idle(writer)
          seen.push([text, await rows(plain)])
          const agree = async (): Promise<void> => {
            for (const read of reads)
              t.deepEqual(await reader.read(read), (await sql.raw(read).execute(plain)).rows, read)
          }
          if (plugged) await agree()
          // It writes on.
          await writer.updateTable('t').set({ v: 'later' }).where('id', '=', 2).execute()
          if (plugged) await agree()
        }
        t.deepEqual(seen[1], seen[0])
      })
    }
  }
}

for (const driver of DRIVERS) {
  test.serial(
    `${driver}: what is aborted while its connection is asked for its session is never executed`,
    async (t) => {
      const at = { driver, max: 2, ...(await newDatabase(SCHEMA)) }
      const uses: ((db: Kysely<any>, signal: AbortSignal) => Promise<unknown>)[] = [
        (db, signal) => db.updateTable('t').set({ v: 'new' }).execute({ signal }),
        async (db, signal) => {
          for await (const _ of db.updateTable('t').set({ v: 'new' }).returningAll().stream({ signal }));
        },
      ]
      for (const use of uses) {
        const recorder = new Recorder()
        const { db } = openPool(t, new RecordingDialect(dialectOf(at), recorder))
        await rows(db)
        // The one that was asked is taken; postgres.js gives another object each time.
        await db.connection().execute(async (one) => {
          await sql`select 1`.execute(one)
          const gate = recorder.hold(/AS session\b/, 'after')
          const stop = new AbortController()
          const used = use(db, stop.signal)
          await gate.reached
          const reason = new Stopped('enough')
          stop.abort(reason)
          await t.throwsAsync(used, { is: reason })
          gate.release()
        })
        await idle(db, 2)
        t.is(recorder.count(/^update/), 0)
        t.deepEqual(
          await rows(db),
          [1, 2, 3].map((id) => ({ id, v: 'old' })),
        )
      }
    },
  )
}

for (const driver of DRIVERS) {
  test.serial(`${driver}: a hit takes every strategy that a miss takes`, async (t) => {
    const { db, reason } = openPool(t, dialectOf({ driver, ...(await newDatabase(SCHEMA)) }))
    const query = db.selectFrom('t').selectAll().where('id', '=', 1).cache()
    await query.execute()
    for (const inflightQueryAbortStrategy of STRATEGIES) {
      const { signal } = new AbortController()
      t.deepEqual(await query.execute({ signal, inflightQueryAbortStrategy }), [{ id: 1, v: 'old' }])
      t.is(reason(), 'hit')
    }
  })
}
