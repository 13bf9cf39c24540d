// What an application does, through one build of Kysely: every feature once, on SQLite.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const BetterSqlite3 = createRequire(import.meta.url)('better-sqlite3')

export const TABLES = `create table genre (id integer primary key, name text not null);
  create table track (id integer primary key, genre_id integer, title text);
  insert into genre values (1, 'Jazz'), (2, 'Rock'); insert into track values (1, 1, 'a'), (2, 2, 'b')`

/** A database file that goes when the process ends. */
export function file() {
  const folder = mkdtempSync(join(tmpdir(), 'cacheops-copies-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'shop.db')
  const database = new BetterSqlite3(path)
  database.exec(`pragma journal_mode = wal; ${TABLES}`)
  database.close()
  return path
}

export const open = (path) => new BetterSqlite3(path)

let stores = 0

/** A Kysely instance with a plugin object of its own, which counts its hits. */
export function shop(
  { Kysely, SqliteDialect },
  { cacheopsPlugin },
  { path = file(), plugins = (own) => [own], ...options } = {},
) {
  const cacheops = cacheopsPlugin({ store: { type: 'embedded', name: `smoke-${++stores}` }, ...options })
  const seen = { hits: 0, misses: 0 }
  cacheops.on('read', ({ hit }) => seen[hit ? 'hits' : 'misses']++)
  cacheops.on('error', ({ error }) => {
    throw error
  })
  const db = new Kysely({ dialect: new SqliteDialect({ database: open(path) }), plugins: plugins(cacheops) })
  return { db, cacheops, seen, path }
}

export async function smoke(kysely, cacheopsModule) {
  const { sql, CompiledQuery, CamelCasePlugin } = kysely
  const { db, cacheops, seen, path } = shop(kysely, cacheopsModule)
  const genre = (on = db, id = 1) => on.selectFrom('genre').select('name').where('id', '=', id)
  const name = async (on = db) => (await genre(on).cache().executeTakeFirstOrThrow()).name
  const isHit = async (query) => {
    const before = seen.hits
    await query.execute()
    return seen.hits > before
  }
  const writes = {
    'an update': (value) => db.updateTable('genre').set({ name: value }).where('id', '=', 1).execute(),
    'a raw text': (value) => sql`update genre set name = ${value} where id = 1`.execute(db),
    'a compiled query': (value) =>
      db.executeQuery(CompiledQuery.raw('update genre set name = ? where id = 1', [value])),
    'withoutPlugins()': (value) =>
      db.withoutPlugins().updateTable('genre').set({ name: value }).where('id', '=', 1).execute(),
    'a transaction': (value) =>
      db.transaction().execute(async (trx) => {
        await genre(trx).cache().execute()
        await trx.updateTable('genre').set({ name: value }).where('id', '=', 1).execute()
        assert.equal(await name(trx), value, 'it reads what it wrote')
      }),
    'a controlled transaction': async (value) => {
      const trx = await db.startTransaction().execute()
      const inner = await trx.savepoint('one').execute()
      await inner.updateTable('genre').set({ name: 'undone' }).where('id', '=', 1).execute()
      await (await inner.rollbackToSavepoint('one').execute()).releaseSavepoint('one').execute()
      await trx.updateTable('genre').set({ name: value }).where('id', '=', 1).execute()
      await trx.commit().execute()
    },
    'a pinned connection': (value) =>
      db.connection().execute((on) => on.updateTable('genre').set({ name: value }).where('id', '=', 1).execute()),
    'a pair of deletion and insertion': async (value) => {
      await db.deleteFrom('genre').where('id', '=', 1).execute()
      await db.insertInto('genre').values({ id: 1, name: value }).execute()
    },
    'withSchema()': (value) =>
      db.withSchema('main').updateTable('genre').set({ name: value }).where('id', '=', 1).execute(),
  }
  for (const [how, write] of Object.entries(writes)) {
    await name()
    await genre(db, 2).cache().execute()
    assert.ok(await isHit(genre().cache()), `${how}: a second read is a hit`)
    await write(how)
    assert.equal(await name(), how, `${how}: a read after it sees it`)
    assert.ok(await isHit(genre(db, 2).cache()), `${how}: other rows stay cached`)
  }
  await assert.rejects(async () => db.updateTable('genre').set({ id: 2 }).where('id', '=', 1).execute(), /UNIQUE/)
  await name()
  await assert.rejects(
    db.transaction().execute(async (trx) => {
      await trx.updateTable('genre').set({ name: 'undone' }).where('id', '=', 1).execute()
      throw new Error('rolled back')
    }),
    /rolled back/,
  )
  assert.ok(await isHit(genre().cache()), 'what was rolled back drops nothing')
  assert.ok(!(await isHit(genre().nocache())))

  const compiled = genre().cache().compile()
  await db.executeQuery(compiled)
  const before = seen.hits
  assert.equal((await db.executeQuery(compiled)).rows.length, 1)
  assert.equal(seen.hits, before + 1, 'a compiled query keeps what .cache() said')

  const streamed = []
  for await (const row of db.selectFrom('genre').select('id').orderBy('id').stream()) streamed.push(row.id)
  assert.deepEqual(streamed, [1, 2])

  const count = sql`select count(*) as n from track`
  await cacheops.run(db, count)
  const { rows } = await cacheops.run(db, count)
  assert.equal(Number(rows[0].n), 2)
  assert.ok((await cacheops.explain(genre().cache())).cached)
  for (const drop of [
    () => cacheops.invalidateRow('genre', { id: 1 }),
    () => cacheops.invalidateTable('genre', { db }),
    () => cacheops.invalidateAll(),
  ]) {
    assert.ok(await isHit(genre().cache()))
    await drop()
    assert.ok(!(await isHit(genre().cache())))
  }

  const camel = shop(kysely, cacheopsModule, {
    path,
    plugins: (own) => [own, new CamelCasePlugin()],
    profiles: { track: { ops: 'all' } },
  })
  const tracks = () => camel.db.selectFrom('track').selectAll().where('genreId', '=', 1)
  assert.equal((await tracks().execute())[0].genreId, 1)
  await tracks().execute()
  assert.equal(camel.seen.hits, 1)
  await camel.db.updateTable('track').set({ genreId: 2 }).where('id', '=', 1).execute()
  assert.equal((await tracks().execute()).length, 0)

  await db.destroy()
  await assert.rejects(genre().cache().execute(), /driver has already been destroyed/)
  await camel.db.destroy()
  await cacheops.close()
}

/** Instances of both builds of one version, which share a plugin object, see each other's writes. */
export async function share(builds, cacheops) {
  const path = file()
  const dbs = builds.map((kysely) => shop(kysely, { cacheopsPlugin: () => cacheops }, { path }).db)
  const name = async (db) =>
    (await db.selectFrom('genre').select('name').where('id', '=', 1).cache().executeTakeFirst()).name
  for (const on of [...dbs, ...dbs.map((db) => db.withoutPlugins())]) {
    for (const db of dbs) await name(db)
    const value = `${await name(dbs[0])}!`
    await on.updateTable('genre').set({ name: value }).where('id', '=', 1).execute()
    for (const db of dbs) assert.equal(await name(db), value)
  }
}
