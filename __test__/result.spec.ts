import test from 'ava'
import { CamelCasePlugin, Kysely, sql } from 'kysely'

import { databases } from './support/databases.ts'
import type { DB, Opened } from './support/databases.ts'
import { expectIdentical, expectTwins, outcomeOf } from './support/expect.ts'

// A caller of a write sees what it would see without the plugin.

type Write = (db: Opened['db'], opened: Opened) => Promise<unknown>

const track = (opened: Opened, values: object = {}) => ({
  album_id: 1,
  position: 9,
  title: 'New',
  price: '1.00',
  explicit: opened.flag(false),
  ...values,
})

const WRITES: Record<string, Write> = {
  'insert one': (db, opened) => db.insertInto('track').values(track(opened)).execute(),
  'insert one, first': (db, opened) => db.insertInto('track').values(track(opened)).executeTakeFirstOrThrow(),
  'insert several': (db, opened) =>
    db
      .insertInto('track')
      .values([track(opened), track(opened, { position: 10 })])
      .execute(),
  'insert with an id': (db) => db.insertInto('genre').values({ id: 500, name: 'x' }).executeTakeFirst(),
  'insert default values': (db) => db.insertInto('artist').values({ name: 'Only' }).executeTakeFirst(),
  'insert returning': (db) => db.insertInto('genre').values({ id: 501, name: 'x' }).returning(['name', 'id']).execute(),
  'insert returning all': (db) =>
    db.insertInto('genre').values({ id: 502, name: 'x' }).returningAll().executeTakeFirst(),
  'insert returning an expression': (db) =>
    db
      .insertInto('genre')
      .values({ id: 503, name: 'x' })
      .returning((eb) => sql<string>`upper(${eb.ref('name')})`.as('up'))
      .execute(),
  'insert, conflict, nothing': (db) =>
    db
      .insertInto('genre')
      .values({ id: 1, name: 'x' })
      .onConflict((oc) => oc.doNothing())
      .executeTakeFirst(),
  'insert, conflict in part': (db) =>
    db
      .insertInto('genre')
      .values([
        { id: 1, name: 'x' },
        { id: 504, name: 'y' },
      ])
      .onConflict((oc) => oc.doNothing())
      .executeTakeFirst(),
  'insert after an insert, conflict, nothing': async (db) => {
    await db.insertInto('artist').values({ name: 'before' }).execute()
    return db
      .insertInto('genre')
      .values({ id: 1, name: 'x' })
      .onConflict((oc) => oc.doNothing())
      .executeTakeFirst()
  },
  upsert: (db) =>
    db
      .insertInto('genre')
      .values({ id: 1, name: 'x' })
      .onConflict((oc) => oc.column('id').doUpdateSet({ name: 'up' }))
      .executeTakeFirst(),
  'upsert returning': (db) =>
    db
      .insertInto('genre')
      .values({ id: 1, name: 'x' })
      .onConflict((oc) => oc.column('id').doUpdateSet({ name: 'up' }))
      .returningAll()
      .execute(),
  'insert from select': (db) =>
    db
      .insertInto('genre')
      .columns(['name'])
      .expression((eb) => eb.selectFrom('album').select('title'))
      .executeTakeFirst(),
  'update one': (db) => db.updateTable('track').set({ title: 'x' }).where('id', '=', 1).executeTakeFirst(),
  'update a condition': (db) =>
    db.updateTable('track').set({ album_id: 2, position: 8 }).where('id', '=', 1).executeTakeFirst(),
  'update several': (db) => db.updateTable('track').set({ genre_id: 3 }).where('album_id', 'in', [1, 2]).execute(),
  'update none': (db) => db.updateTable('track').set({ genre_id: 3 }).where('id', '=', 999).executeTakeFirst(),
  'update all': (db) =>
    db
      .updateTable('track')
      .set({ album_id: 1 })
      .set((eb) => ({ position: eb('id', '+', 100) }))
      .executeTakeFirst(),
  'update returning': (db) =>
    db
      .updateTable('track')
      .set({ genre_id: 3 })
      .where('album_id', '=', 1)
      .returning(['id', 'genre_id as genre'])
      .execute(),
  'update returning none': (db) =>
    db.updateTable('track').set({ genre_id: 3 }).where('id', '=', 999).returningAll().execute(),
  'update returning first or throw': (db) =>
    db.updateTable('track').set({ genre_id: 3 }).where('id', '=', 999).returningAll().executeTakeFirstOrThrow(),
  'update aliased': (db) =>
    db.updateTable('track as t').set({ genre_id: 3 }).where('t.album_id', '=', 1).executeTakeFirst(),
  'update from': (db) =>
    db
      .updateTable('track')
      .from('album')
      .set({ genre_id: 3 })
      .whereRef('album.id', '=', 'track.album_id')
      .where('album.artist_id', '=', 1)
      .executeTakeFirst(),
  'delete one': (db) => db.deleteFrom('track').where('id', '=', 1).executeTakeFirst(),
  'delete several': (db) => db.deleteFrom('track').where('album_id', '=', 1).execute(),
  'delete none': (db) => db.deleteFrom('track').where('id', '=', 999).executeTakeFirst(),
  'delete all': (db) => db.deleteFrom('track').executeTakeFirst(),
  'delete returning': (db) =>
    db.deleteFrom('track').where('album_id', '=', 1).returning(['id', 'title', 'genre_id']).execute(),
  'delete with a cascade': (db) => db.deleteFrom('artist').where('id', '=', 1).executeTakeFirst(),
  'raw update': (db) => sql`update track set genre_id = ${3} where album_id = ${1}`.execute(db),
  'raw update with a comment': (db) =>
    sql`update track set genre_id = ${3} where album_id = ${1} -- because`.execute(db),
  'raw update with a semicolon': (db) => sql`update track set genre_id = ${3} where album_id = ${1} ;  `.execute(db),
  'raw insert': (db) => sql`insert into genre (id, name) values (700, 'raw')`.execute(db),
  'raw delete returning': (db) => sql`delete from track where album_id = ${1} returning id`.execute(db),
  'unique violation': (db) => db.insertInto('genre').values({ id: 800, name: 'Jazz' }).execute(),
  'unique violation of an update': (db) => db.updateTable('genre').set({ name: 'Jazz' }).where('id', '=', 2).execute(),
  'unique violation of several': (db) => db.updateTable('genre').set({ name: 'same' }).execute(),
  'foreign key violation': (db, opened) =>
    db
      .insertInto('track')
      .values(track(opened, { album_id: 999 }))
      .execute(),
  'not null violation': (db) => sql`insert into genre (name) values (${null})`.execute(db),
  'unknown column': (db) => sql`update track set nope = 1 where id = 1`.execute(db),
  'unknown column in where': (db) => sql`update track set genre_id = 3 where nope = 1`.execute(db),
  'unknown table': (db) => sql`update nope set a = 1`.execute(db),
  'syntax error': (db) => sql`update track sett genre_id = 3 where album_id = 1`.execute(db),
  'error in the middle': (db) =>
    sql`update track set genre_id = 3 where album_id = 1 and nope(title) = 1 and id = 5`.execute(db),
  'type error in where': (db) => sql`update track set genre_id = 3 where album_id = 1 and title = 5`.execute(db),
  'type error in set': (db) => sql`update track set plays = 1, genre_id = 'abc' where album_id = 1`.execute(db),
  'type error in delete': (db) => sql`delete from track where album_id = 1 and title = 5`.execute(db),
  'wrong parameter': (db) => sql`update track set album_id = ${'abc'} where id = ${'def'}`.execute(db),
  'division by zero': (db) => sql`update track set plays = plays / 0 where album_id = 1`.execute(db),
  'unknown column in returning': (db) => sql`delete from track where album_id = 1 returning nope`.execute(db),
}

/** Readers whose schemes make the plugin ask for as many images as it ever does. */
async function readAll(db: Opened['db']): Promise<void> {
  const t = db.selectFrom('track').selectAll()
  await t.cache().execute()
  await t.where('album_id', '=', 1).cache().execute()
  await t.where('genre_id', '=', 1).where('title', '=', 'x').cache().execute()
  await db.selectFrom('genre').selectAll().where('name', '=', 'Jazz').cache().execute()
  await db.selectFrom('genre').selectAll().where('id', '=', 1).cache().execute()
  await db.selectFrom('artist').selectAll().where('country', '=', 'US').cache().execute()
}

for (const database of databases) {
  const { name } = database

  for (const [kind, write] of Object.entries(WRITES)) {
    test.serial(`${name}: ${kind}: the caller gets what it would get without the plugin`, async (t) => {
      const opened = await database.open(t)
      const prepare = async (db: Opened['db']): Promise<void> => {
        if (db === opened.db) await readAll(db)
      }
      await expectTwins(t, opened, (db) => write(db, opened), prepare)
      const { rows: seen } = await sql`select * from track order by id`.execute(opened.plain)
      const genres = await opened.plain.selectFrom('genre').selectAll().orderBy('id').execute()
      await opened.reset()
      await outcomeOf(() => write(opened.plain, opened))
      const { rows: wanted } = await sql`select * from track order by id`.execute(opened.plain)
      t.deepEqual(seen, wanted, 'the database has other rows')
      t.deepEqual(genres, await opened.plain.selectFrom('genre').selectAll().orderBy('id').execute())
    })
  }

  test.serial(
    `${name}: the rows of a RETURNING are the caller's, to the prototype and the order of columns`,
    async (t) => {
      const opened = await database.open(t)
      await readAll(opened.db)
      const write = sql`update track set genre_id = 3 where album_id = 1 returning title as "__proto__", id, price, 1 as "1", genre_id as "b c"`
      const { rows: seen } = await write.execute(opened.db)
      await opened.reset()
      expectIdentical(t, seen, (await write.execute(opened.plain)).rows)
    },
  )

  test.serial(`${name}: RETURNING with CamelCasePlugin in front and behind`, async (t) => {
    for (const order of ['before', 'after'] as const) {
      const opened = await database.open(t, {
        plugins: (cacheops) =>
          order === 'before' ? [new CamelCasePlugin(), cacheops] : [cacheops, new CamelCasePlugin()],
      })
      const db = opened.db.withTables<{
        track: { id: number; albumId: number; genreId: number | null; title: string }
      }>()
      await db.selectFrom('track').selectAll().where('albumId', '=', 1).cache().execute()
      await db.selectFrom('track').select('id').where('genreId', '=', 1).cache().execute()
      const updated = await db
        .updateTable('track')
        .set({ genreId: 3 })
        .where('id', '=', 1)
        .returning(['id', 'albumId', 'genreId'])
        .execute()
      t.deepEqual(updated, [{ id: 1, albumId: 1, genreId: 3 }], order)
      const deleted = await db.deleteFrom('track').where('id', '=', 1).returningAll().executeTakeFirstOrThrow()
      t.deepEqual(Object.keys(deleted), [
        'id',
        'albumId',
        'position',
        'genreId',
        'title',
        'composer',
        'price',
        'explicit',
        'plays',
        'weight',
      ])
    }
  })

  test.serial(`${name}: an error has the caller's frames`, async (t) => {
    const opened = await database.open(t)
    const failing = async function callerOfTheWrite(db: Opened['db']): Promise<void> {
      await db.insertInto('genre').values({ id: 1, name: 'x' }).execute()
    }
    const failingRead = async function callerOfTheRead(db: Opened['db']): Promise<void> {
      await db
        .selectFrom('genre')
        .select(sql`nope`.as('n'))
        .cache()
        .execute()
    }
    await readAll(opened.db)
    const watched = new Kysely<DB>({ dialect: opened.plainDialect(), plugins: [opened.cacheops] })
    const stackOf = async (call: typeof failing, db: Opened['db']) => (await t.throwsAsync(call(db))).stack ?? ''
    const limit = Error.stackTraceLimit
    try {
      for (const call of [failing, failingRead]) {
        for (const frames of [100, 10]) {
          Error.stackTraceLimit = frames
          const inTransaction = (db: Opened['db']) => db.transaction().execute((trx) => call(trx))
          for (const way of [call, inTransaction]) {
            // Ten frames are few: in a transaction they may not reach the caller without the plugin either.
            const shown = (await stackOf(way, opened.plain)).includes(call.name)
            t.true(shown || (frames === 10 && way === inTransaction), 'otherwise this shows nothing')
            const stack = await stackOf(way, watched)
            t.true(stack.includes(call.name) || !shown, `${frames} frames: ${stack}`)
          }
        }
      }
    } finally {
      Error.stackTraceLimit = limit
      await watched.destroy()
    }
  })

  test.serial(`${name}: a failed write drops nothing that did not change`, async (t) => {
    const opened = await database.open(t)
    const { db } = opened
    const genres = db.selectFrom('genre').selectAll().orderBy('id').cache()
    await genres.execute()
    await t.throwsAsync(db.insertInto('genre').values({ id: 1, name: 'x' }).execute())
    t.deepEqual(await genres.execute(), await opened.plain.selectFrom('genre').selectAll().orderBy('id').execute())
    if (name === 'postgres') t.true(await opened.isHit(genres), 'PostgreSQL takes a failed statement back as a whole')
  })

  test.serial(`${name}: a caller that changes its parameters while a write runs changes nothing`, async (t) => {
    const opened = await database.open(t)
    const { db, recorder } = opened
    const query = db.selectFrom('invoice').select('id').where('customer', '=', 'eve').cache()
    await query.execute()
    const document = Buffer.from([1])
    const gate = recorder.hold(/^insert into "invoice"/, 'before')
    const write = db
      .insertInto('invoice')
      .values({ customer: 'eve', total: 1, paid: opened.flag(true), document })
      .execute()
    await gate.reached
    document[0] = 2
    gate.release()
    await write
    t.is((await query.execute()).length, 1)
  })
}

test.serial('sqlite: insert or ignore, insert or replace, replace', async (t) => {
  const sqlite = databases.find(({ name }) => name === 'sqlite')!
  for (const text of [
    `insert or ignore into genre (id, name) values (1, 'x')`,
    `insert or ignore into genre (id, name) values (1, 'x'), (600, 'y')`,
    `insert or replace into genre (id, name) values (1, 'x'), (601, 'y')`,
    `replace into genre (id, name) values (602, 'Jazz')`,
    `insert or fail into genre (id, name) values (603, 'y'), (1, 'x'), (604, 'z')`,
    `update or ignore genre set name = 'Jazz'`,
    `update or replace genre set name = 'Jazz' where id = 2`,
    `update or fail genre set name = 'same'`,
  ]) {
    const opened = await sqlite.open(t)
    const write = (db: Opened['db']) => sql.raw(text).execute(db)
    await expectTwins(t, opened, write, async (db) => {
      if (db === opened.db) await readAll(db)
    })
    const genres = opened.db.selectFrom('genre').selectAll().orderBy('id')
    t.deepEqual(await genres.cache().execute(), await genres.nocache().execute(), text)
    const one = opened.db.selectFrom('genre').selectAll().where('name', '=', 'Jazz')
    t.deepEqual(await one.cache().execute(), await one.nocache().execute(), text)
  }
})
