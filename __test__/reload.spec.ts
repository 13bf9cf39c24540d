/** Tools that reload code: the user's module is evaluated again and again, and so may be this package's. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'

import test from 'ava'
import type { ExecutionContext } from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'

import { cacheopsPlugin } from '../ts/index.ts'
import type { Cacheops, CacheopsOptions } from '../ts/index.ts'
import { copyPackage } from './support/package-copy.ts'
import { Recorder, RecordingDialect } from './support/recorder.ts'

interface Shop {
  t: { id: number; n: number; text: string }
}

interface Evaluation {
  readonly cacheops: Cacheops<Shop>
  readonly db: Kysely<Shop>
}

interface Reloaded {
  readonly older: Evaluation
  readonly newer: Evaluation
  readonly recorder: Recorder
}

let stores = 0

/** The same program in two evaluations of the package, over one handle in memory. */
async function reloaded(t: ExecutionContext, options: CacheopsOptions<Shop> = {}): Promise<Reloaded> {
  const database = new BetterSqlite3(':memory:')
  database.exec(`create table t (id integer primary key, n integer, text text);
    with recursive r (i) as (select 1 union all select i + 1 from r where i < 100)
    insert into t select i, 0, hex(zeroblob(500)) from r`)
  const recorder = new Recorder()
  const store = { type: 'embedded', name: `reload-${++stores}` } as const
  const evaluate = (plugin: typeof cacheopsPlugin): Evaluation => {
    const cacheops = plugin<Shop>({ store, ...options })
    const dialect = new RecordingDialect(new SqliteDialect({ database }), recorder)
    return { cacheops, db: new Kysely<Shop>({ dialect, plugins: [cacheops] }) }
  }
  const copy = await copyPackage(t).load()
  t.not(copy.cacheopsPlugin, cacheopsPlugin)
  return { older: evaluate(cacheopsPlugin), newer: evaluate(copy.cacheopsPlugin), recorder }
}

const rowOf = (db: Kysely<Shop>, id: number) => db.selectFrom('t').selectAll().where('id', '=', id).cache()
const write = (db: Kysely<Shop>, n: number) => db.updateTable('t').set({ n }).where('id', '=', 1).execute()
const read = async ({ db }: Evaluation): Promise<number | undefined> => (await rowOf(db, 1).executeTakeFirst())?.n

test('what the package kept before it was evaluated again is hit, and writes by either drop it for both', async (t) => {
  const { older, newer, recorder } = await reloaded(t)
  t.is(await read(older), 0)
  await newer.db.selectFrom('t').select('id').execute()
  const before = recorder.statements.length
  t.is(await read(newer), 0)
  t.is(recorder.statements.length, before)
  await write(newer.db, 1)
  t.is(await read(older), 1)
  t.is(await read(newer), 1)
  await write(older.db, 2)
  t.is(await read(newer), 2)
})

test('what one evaluation writes goes with a transaction that another has open on the same handle', async (t) => {
  const { older, newer } = await reloaded(t)
  t.deepEqual([await read(older), await read(newer)], [0, 0])
  await older.db
    .transaction()
    .execute(async (trx) => {
      await write(trx, 5)
      await write(newer.db, 6)
      t.is(await read(newer), 6)
      throw new Error('rolled back')
    })
    .catch(() => undefined)
  t.deepEqual([await read(older), await read(newer)], [0, 0])
})

test('a transaction of one evaluation is known to the other', async (t) => {
  const { older, newer } = await reloaded(t)
  await read(older)
  await older.db.transaction().execute(async (trx) => {
    const { reason } = await newer.cacheops.explain(rowOf(trx, 1), { db: trx })
    t.not(reason, undefined)
    await newer.cacheops.invalidateTable('t', { db: trx })
  })
  t.false(await hits(older, 1))
})

async function hits({ cacheops, db }: Evaluation, id: number): Promise<boolean> {
  let hit = false
  const stop = cacheops.on('read', (event) => (hit = event.hit))
  await rowOf(db, id).execute()
  stop()
  return hit
}

test('two evaluations share one budget', async (t) => {
  const { older, newer } = await reloaded(t, { maxBytes: 40_000 })
  for (let id = 1; id <= 50; id++) await rowOf(older.db, id).execute()
  for (let id = 51; id <= 100; id++) await rowOf(newer.db, id).execute()
  let kept = 0
  for (let id = 100; id >= 1 && (await hits(id > 50 ? newer : older, id)); id--) kept++
  t.true(kept > 5, `${kept}`)
  // More would be those of a second budget.
  t.true(kept < 40, `${kept}`)
  t.false(await hits(older, 50 - 5))
})

test('listeners hear of their own plugin object', async (t) => {
  const { older, newer } = await reloaded(t)
  const heard: string[] = []
  older.cacheops.on('read', () => heard.push('older'))
  newer.cacheops.on('read', () => heard.push('newer'))
  await read(older)
  await read(newer)
  t.deepEqual(heard, ['older', 'newer'])
})

test('a thread whose package is another copy shares the stamps', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cacheops-reload-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'shop.db')
  const database = new BetterSqlite3(file)
  database.exec('create table t (id integer primary key, n integer, text text); insert into t values (1, 1, null)')
  const cacheops = cacheopsPlugin<Shop>({ store: { type: 'embedded', name: 'reload-thread' } })
  const db = new Kysely<Shop>({ dialect: new SqliteDialect({ database }), plugins: [cacheops] })
  t.teardown(() => db.destroy())
  t.is(await read({ cacheops, db }), 1)
  const workerData = { url: copyPackage(t).url, file }
  const [code] = (await once(
    new Worker(new URL('support/copy-thread.ts', import.meta.url), { workerData }),
    'exit',
  )) as [number]
  t.is(code, 0)
  t.is(await read({ cacheops, db }), 2)
})

test('another version of the package is refused', async (t) => {
  const other = copyPackage(t, { file: 'ts/shared.ts', find: "VERSION = '", replace: "VERSION = '9." })
  await t.throwsAsync(other.load(), {
    name: 'CacheopsError',
    code: 'CACHEOPS_TWO_VERSIONS',
    message: /npm ls cacheops/,
  })
})

test('another version in a thread is refused', async (t) => {
  const { url } = copyPackage(t, { file: 'ts/shared.ts', find: "VERSION = '", replace: "VERSION = '9." })
  const worker = new Worker(new URL('support/copy-thread.ts', import.meta.url), {
    workerData: { url, file: ':memory:' },
  })
  const [error] = (await once(worker, 'error')) as [{ code?: string }]
  t.is(error.code, 'CACHEOPS_TWO_VERSIONS')
})

test('the version is that of the package', async (t) => {
  const { VERSION } = await import('../ts/shared.ts')
  const { default: manifest } = await import('../package.json', { with: { type: 'json' } })
  t.is(VERSION, manifest.version)
})
