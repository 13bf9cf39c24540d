import test from 'ava'
import { Kysely } from 'kysely'

import { cacheopsPlugin } from '../ts/index.ts'
import { databases } from './support/databases.ts'
import type { DB, Opened } from './support/databases.ts'

// Each test holds one statement at one point and runs another actor to its end meanwhile. Writers have connections of their own.

const genre = (db: Kysely<DB>, id = 1) => db.selectFrom('genre').selectAll().where('id', '=', id).cache()
const rename = (db: Kysely<DB>, name: string, id = 1) =>
  db.updateTable('genre').set({ name }).where('id', '=', id).execute()
const nameOf = async (db: Kysely<DB>, id = 1) => (await genre(db, id).executeTakeFirstOrThrow()).name

const READ = /^select \* from "genre" where "id"/

interface Stage extends Opened {
  /** a second Kysely instance with the plugin object, on a connection of its own */
  readonly other: Kysely<DB>
}

for (const database of databases) {
  const { name } = database

  const stage = async (t: Parameters<typeof database.open>[0]): Promise<Stage> => {
    const opened = await database.open(t)
    const other = opened.connect({ plugins: [opened.cacheops] })
    // Both have read the schema facts; what is recorded from here on is the test's.
    for (const db of [opened.db, other]) await db.selectFrom('artist').selectAll().cache().execute()
    opened.recorder.clear()
    return { ...opened, other }
  }

  test.serial(`${name}: a write between the token and the database read`, async (t) => {
    const { db, other, recorder, isHit } = await stage(t)
    const gate = recorder.hold(READ, 'before')
    const read = nameOf(db)
    await gate.reached
    await rename(other, 'new')
    gate.release()
    t.is(await read, 'new')
    t.is(await nameOf(other), 'new')
    t.true(await isHit(genre(db)))
  })

  test.serial(`${name}: a write between the database read and the fill: the old result is never served`, async (t) => {
    const { db, other, recorder, isHit } = await stage(t)
    const gate = recorder.hold(READ, 'after')
    const read = nameOf(db)
    await gate.reached
    await rename(other, 'new')
    gate.release()
    t.is(await read, 'Jazz', 'it began before the write')
    t.false(await isHit(genre(db)))
    t.is(await nameOf(db), 'new')
    t.is(await nameOf(other), 'new')
  })

  test.serial(`${name}: a committed transaction between the database read and the fill`, async (t) => {
    const { db, other, recorder, isHit } = await stage(t)
    const gate = recorder.hold(READ, 'after')
    const read = nameOf(db)
    await gate.reached
    await other.transaction().execute((trx) => rename(trx, 'new'))
    gate.release()
    await read
    t.false(await isHit(genre(db)))
    t.is(await nameOf(db), 'new')
  })

  test.serial(`${name}: an insert of a row that the read did not find, before the fill`, async (t) => {
    const { db, other, recorder } = await stage(t)
    const found = db.selectFrom('genre').selectAll().where('name', '=', 'Rock').cache()
    const gate = recorder.hold(/^select \* from "genre" where "name"/, 'after')
    const read = found.execute()
    await gate.reached
    await other.insertInto('genre').values({ id: 80, name: 'Rock' }).execute()
    gate.release()
    t.deepEqual(await read, [])
    t.is((await found.execute()).length, 1)
  })

  test.serial(`${name}: invalidation by hand between the database read and the fill`, async (t) => {
    for (const drop of ['invalidateRow', 'invalidateTable', 'invalidateAll'] as const) {
      const { db, cacheops, recorder, exec } = await stage(t)
      const gate = recorder.hold(READ, 'after')
      const read = nameOf(db)
      await gate.reached
      await exec(`update genre set name = 'past Kysely' where id = 1`)
      if (drop === 'invalidateRow') await cacheops.invalidateRow('genre', { id: 1, name: 'x' })
      else if (drop === 'invalidateTable') await cacheops.invalidateTable('genre')
      else await cacheops.invalidateAll()
      gate.release()
      await read
      t.is(await nameOf(db), 'past Kysely', drop)
    }
  })

  test.serial(`${name}: equal misses share one database read`, async (t) => {
    const { db, other, recorder, cacheops } = await stage(t)
    const reasons: string[] = []
    cacheops.on('read', ({ reason }) => void reasons.push(reason))
    const gate = recorder.hold(READ, 'after')
    const leader = genre(db).execute()
    await gate.reached
    const followers = [genre(db).execute(), genre(db).execute(), genre(db).executeTakeFirst()]
    gate.release()
    t.deepEqual(await leader, [{ id: 1, name: 'Jazz' }])
    t.deepEqual(await Promise.all(followers), [
      [{ id: 1, name: 'Jazz' }],
      [{ id: 1, name: 'Jazz' }],
      { id: 1, name: 'Jazz' },
    ])
    t.is(recorder.count(READ), 1)
    t.deepEqual(reasons.sort(), ['joined', 'joined', 'joined', 'miss'])
    t.is(await nameOf(other), 'Jazz')
    t.is(recorder.count(READ), 1)
  })

  test.serial(`${name}: a read is not joined once a write has returned since it began`, async (t) => {
    const { db, other, recorder } = await stage(t)
    const gate = recorder.hold(READ, 'after')
    const old = nameOf(db)
    await gate.reached
    await rename(other, 'new')
    // It waits for the connection, which the held read has; that read must not be its answer.
    const late = nameOf(db)
    gate.release()
    t.is(await old, 'Jazz')
    t.is(await late, 'new')
    t.is(await nameOf(db), 'new')
  })

  test.serial(`${name}: a read that is not joined does not keep others from being joined`, async (t) => {
    const { db, other, recorder } = await stage(t)
    const first = recorder.hold(READ, 'after')
    const old = nameOf(db)
    await first.reached
    await rename(other, 'new')
    const second = recorder.hold(READ, 'after')
    const leader = nameOf(other)
    await second.reached
    const follower = nameOf(other)
    first.release()
    t.is(await old, 'Jazz')
    second.release()
    t.deepEqual(await Promise.all([leader, follower]), ['new', 'new'])
    t.is(recorder.count(READ), 2)
  })

  test.serial(`${name}: when the leader fails its followers read for themselves`, async (t) => {
    const { db, recorder } = await stage(t)
    const gate = recorder.hold(READ, 'before')
    const leader = nameOf(db)
    await gate.reached
    const followers = [nameOf(db), nameOf(db)]
    gate.fail(new Error('the connection was lost'))
    await t.throwsAsync(leader, { message: 'the connection was lost' })
    t.deepEqual(await Promise.all(followers), ['Jazz', 'Jazz'])
    t.true(recorder.count(READ) > 1)
  })

  test.serial(`${name}: when the leader is aborted its followers get their answer`, async (t) => {
    const { db, recorder } = await stage(t)
    const gate = recorder.hold(READ, 'before')
    const controller = new AbortController()
    const leader = genre(db).execute({ signal: controller.signal })
    await gate.reached
    const followers = [nameOf(db), nameOf(db)]
    controller.abort(new Error('nobody waits for this'))
    await t.throwsAsync(leader)
    gate.release()
    t.deepEqual(await Promise.all(followers), ['Jazz', 'Jazz'])
    t.is(await nameOf(db), 'Jazz')
  })

  test.serial(`${name}: an aborted follower leaves the others alone`, async (t) => {
    const { db, recorder } = await stage(t)
    const gate = recorder.hold(READ, 'before')
    const controller = new AbortController()
    const leader = nameOf(db)
    await gate.reached
    const aborted = genre(db).execute({ signal: controller.signal })
    const follower = nameOf(db)
    controller.abort(new Error('nobody waits for this'))
    gate.release()
    await t.throwsAsync(aborted)
    t.deepEqual(await Promise.all([leader, follower]), ['Jazz', 'Jazz'])
  })

  test.serial(`${name}: when the leader's result cannot be kept its followers read for themselves`, async (t) => {
    const opened = await database.open(t, { maxEntryBytes: 1 })
    const { db, recorder } = opened
    await db.selectFrom('artist').selectAll().cache().execute()
    recorder.clear()
    const gate = recorder.hold(READ, 'after')
    const leader = nameOf(db)
    await gate.reached
    const follower = nameOf(db)
    gate.release()
    t.deepEqual(await Promise.all([leader, follower]), ['Jazz', 'Jazz'])
    t.is(recorder.count(READ), 2)
  })

  test.serial(`${name}: a write that is under way: a reader in between keeps nothing for later`, async (t) => {
    const { db, other, recorder } = await stage(t)
    await genre(db).execute()
    const gate = recorder.hold(/^(?:update|with).*"genre"/is, 'after')
    const write = rename(other, 'new')
    await gate.reached
    const meanwhile = nameOf(db)
    gate.release()
    await write
    t.true(['Jazz', 'new'].includes(await meanwhile))
    t.is(await nameOf(db), 'new')
    t.is(await nameOf(other), 'new')
  })

  test.serial(`${name}: a read of a kind that was not known when a write began`, async (t) => {
    const { db, other, recorder } = await stage(t)
    const kinds = {
      byName: (on: Kysely<DB>) => on.selectFrom('artist').selectAll().where('name', '=', 'Nina').cache(),
      byCountry: (on: Kysely<DB>) => on.selectFrom('artist').select('id').where('country', '=', 'US').cache(),
      byBoth: (on: Kysely<DB>) =>
        on.selectFrom('artist').select('name').where('country', '=', 'US').where('id', '=', 1).cache(),
      count: (on: Kysely<DB>) =>
        on
          .selectFrom('artist')
          .select(({ fn }) => fn.countAll().as('n'))
          .where('country', '=', 'US')
          .cache(),
    }
    for (const [kind, query] of Object.entries(kinds)) {
      const set = (value: { name: string; country: string }) =>
        db.updateTable('artist').set(value).where('id', '=', 1).execute()
      await set({ name: 'Nina', country: 'US' })
      const gate = recorder.hold(/^(?:update|with).*"artist"/is, 'before')
      const write = set({ name: 'Simone', country: 'FR' })
      await gate.reached
      const before: unknown = await query(other).execute()
      gate.release()
      await write
      const { rows } = await other.executeQuery<unknown>(query(other).nocache().compile())
      t.notDeepEqual(rows, before, 'otherwise this shows nothing')
      const after: unknown = await query(other).execute()
      t.deepEqual(after, rows, kind)
    }
  })

  test.serial(`${name}: a read that begins while a commit is under way`, async (t) => {
    const { db, other, recorder } = await stage(t)
    const gate = recorder.hold(/^commit/, 'after')
    const commit = other.transaction().execute((trx) => rename(trx, 'new'))
    await gate.reached
    const meanwhile = nameOf(db)
    gate.release()
    await commit
    t.is(await nameOf(db), 'new')
    t.true(['Jazz', 'new'].includes(await meanwhile))
    t.is(await nameOf(db), 'new')
  })

  test.serial(`${name}: the first statements of all, at once`, async (t) => {
    const opened = await database.open(t)
    const { db } = opened
    const [one, , two] = await Promise.all([nameOf(db), rename(db, 'new'), nameOf(db, 2)])
    t.true(['Jazz', 'new'].includes(one))
    t.is(two, 'Afrobeat')
    t.is(await nameOf(db), 'new')
  })

  test.serial(`${name}: a write before anything is known of the database`, async (t) => {
    const opened = await database.open(t)
    const { db, store, connect } = opened
    await genre(db).execute()
    const late = connect({ plugins: [cacheopsPlugin<DB>({ store })] })
    await rename(late, 'new')
    t.is(await nameOf(db), 'new')
    const later = connect({ plugins: [cacheopsPlugin<DB>({ store })] })
    await later.transaction().execute((trx) => rename(trx, 'newer'))
    t.is(await nameOf(db), 'newer')
  })
}
