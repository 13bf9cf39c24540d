import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import test from 'ava'
import { Kysely } from 'kysely'

import { cacheopsPlugin } from '../ts/index.ts'
import { databases } from './support/databases.ts'
import type { DB } from './support/databases.ts'

const run = promisify(execFile)

for (const database of databases) {
  const { name } = database

  test.serial(`${name}: vary is part of every key and asked at each read`, async (t) => {
    let tenant: unknown = 'a'
    const { db, isHit } = await database.open(t, { vary: () => tenant })
    const query = db.selectFrom('genre').selectAll().cache()
    await query.execute()
    t.true(await isHit(query))
    tenant = 'b'
    t.false(await isHit(query))
    t.true(await isHit(query))
    tenant = 'a'
    t.true(await isHit(query))
    for (const next of [1, '1', null, undefined, ['a'], { role: 'a' }]) {
      tenant = next
      t.false(await isHit(query), JSON.stringify(next))
      t.true(await isHit(query), JSON.stringify(next))
    }
  })

  test.serial(`${name}: vary does not narrow an invalidation`, async (t) => {
    let tenant = 'a'
    const { db, isHit } = await database.open(t, { vary: () => tenant })
    const query = db.selectFrom('genre').selectAll().cache()
    await query.execute()
    tenant = 'b'
    await db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute()
    tenant = 'a'
    t.false(await isHit(query))
  })

  test.serial(`${name}: a vary that fails or has no encoding fails no query`, async (t) => {
    let vary: () => unknown = () => {
      throw new Error('no tenant here')
    }
    const { db, plain, cacheops, isHit } = await database.open(t, { vary: () => vary() })
    cacheops.on('error', () => undefined)
    const query = db.selectFrom('genre').selectAll().orderBy('id').cache()
    const wanted = await plain.selectFrom('genre').selectAll().orderBy('id').execute()
    const write = db.updateTable('genre').set({ name: 'Swing' }).where('id', '=', 1)
    t.deepEqual(await query.execute(), wanted)
    await t.notThrowsAsync(write.execute())
    vary = () => Symbol('tenant')
    await query.execute()
    t.false(await isHit(query))
    await t.notThrowsAsync(write.execute())
    await t.notThrowsAsync(cacheops.explain(query))
  })

  test.serial(`${name}: a prefix separates applications on one store`, async (t) => {
    const { db, store, connect, isHit } = await database.open(t, { prefix: 'a:' })
    const same = connect({ plugins: [cacheopsPlugin<DB>({ store, prefix: 'a:' })] })
    const other = connect({ plugins: [cacheopsPlugin<DB>({ store, prefix: 'b:' })] })
    const genres = (on: Kysely<DB>) => on.selectFrom('genre').selectAll().orderBy('id').cache()
    for (const on of [same, other]) await on.selectFrom('artist').selectAll().cache().execute()
    await genres(db).execute()
    t.true(await isHit(genres(same)))
    t.false(await isHit(genres(other)))
    t.true(await isHit(genres(other)))
    await other.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute()
    for (const on of [db, same, other]) t.is((await genres(on).execute())[0]!.name, 'x')
  })

  test.serial(`${name}: enabled: false makes everything a no-op`, async (t) => {
    const { db, cacheops, recorder, isHit } = await database.open(t, {
      enabled: false,
      profiles: { '*.*': { ops: 'all' } },
    })
    const query = db.selectFrom('genre').selectAll().cache({ timeout: 5 })
    await query.execute()
    t.false(await isHit(query))
    t.deepEqual([...new Set(recorder.texts())], ['select * from "genre"'], 'the database is asked nothing else')
    t.false(await isHit(query.nocache()))
    await db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute()
    await cacheops.invalidateAll()
    await cacheops.invalidateTable('genre')
    await cacheops.invalidateRow('genre', { id: 1 })
    const update = recorder.texts(/^update/)
    t.deepEqual(update, [
      'update "genre" set "name" = ' +
        (name === 'postgres' ? '$1' : '?') +
        ' where "id" = ' +
        (name === 'postgres' ? '$2' : '?'),
    ])
  })

  test.serial(`${name}: a function switches at each read, and what was written meanwhile is known`, async (t) => {
    let enabled = true
    const { db, isHit, cacheops } = await database.open(t, { enabled: () => enabled })
    const query = db.selectFrom('genre').selectAll().orderBy('id').cache()
    await query.execute()
    t.true(await isHit(query))
    enabled = false
    t.false(await isHit(query))
    t.is((await cacheops.explain(query)).reason, 'disabled')
    await db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute()
    enabled = true
    t.is((await query.execute())[0]!.name, 'x')
    t.true(await isHit(query))
  })
}

const CHILD = `
  import BetterSqlite3 from 'better-sqlite3'
  import { Kysely, SqliteDialect } from 'kysely'
  import { cacheopsPlugin } from ${JSON.stringify(new URL('../ts/index.ts', import.meta.url).href)}
  const database = new BetterSqlite3(':memory:')
  database.exec("create table t (id integer primary key); insert into t values (1)")
  const cacheops = cacheopsPlugin({ profiles: { '*.*': { ops: 'all' } } })
  const again = cacheopsPlugin()
  const db = new Kysely({ dialect: new SqliteDialect({ database }), plugins: [cacheops] })
  let statements = 0
  const { prepare } = database
  database.prepare = (...args) => { statements += /from "t"/.test(args[0]) ? 1 : 0; return prepare.apply(database, args) }
  const query = db.selectFrom('t').selectAll().cache()
  await query.execute()
  await query.execute()
  console.log(statements)
`

async function runChild(environment: Record<string, string>): Promise<{ stdout: string; stderr: string }> {
  const { NODE_ENV: _, ...inherited } = process.env
  return run(process.execPath, ['--input-type=module-typescript', '--eval', CHILD], {
    cwd: new URL('..', import.meta.url),
    env: { ...inherited, ...environment },
  })
}

test('the environment variable CACHEOPS_ENABLED=0 switches off', async (t) => {
  t.is((await runChild({})).stdout.trim(), '1')
  t.is((await runChild({ CACHEOPS_ENABLED: '0' })).stdout.trim(), '2')
})

test('in production a warning says, once, that other processes are not heard', async (t) => {
  const { stderr } = await runChild({ NODE_ENV: 'production' })
  t.is(stderr.match(/CACHEOPS_SINGLE_PROCESS/g)?.length, 1)
  t.notRegex((await runChild({})).stderr, /CACHEOPS_SINGLE_PROCESS/)
  t.notRegex((await runChild({ NODE_ENV: 'production', CACHEOPS_ENABLED: '0' })).stderr, /CACHEOPS_SINGLE_PROCESS/)
})
