import test from 'ava'
import { CamelCasePlugin, Kysely, sql } from 'kysely'

import { databases } from './support/databases.ts'
import type { DB, Opened } from './support/databases.ts'
import { expectIdentical } from './support/expect.ts'

// A caller of a write sees what it would see without the plugin.

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
            // Errors of postgres.js never have them.
            const few = (frames === 10 && way === inTransaction) || opened.driver === 'postgres.js'
            t.true(shown || few, 'otherwise this shows nothing')
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
