import { sql } from 'kysely'

import type { Db } from './twins.ts'
import type { Calls } from './write-cases.ts'

const raw = (text: string) => (db: Db) => sql.raw(text).execute(db)

/** What the connection says of the last write. */
const counters = (db: Db) => sql`select changes() as changes, last_insert_rowid() as inserted`.execute(db)

/** Writes that only SQLite has, and what it tells of them. */
export const SQLITE_WRITES: Calls = {
  'insert or ignore': raw(`insert or ignore into genre (id, name) values (1, 'x')`),
  'insert or ignore, in part': raw(`insert or ignore into genre (id, name) values (1, 'x'), (600, 'y')`),
  'insert or ignore, giving back': raw(
    `insert or ignore into genre (id, name) values (1, 'x'), (600, 'y') returning id`,
  ),
  'insert or replace': raw(`insert or replace into genre (id, name) values (1, 'x'), (601, 'y')`),
  replace: raw(`replace into genre (id, name) values (602, 'Jazz')`),
  'replace by builder': (db) => db.replaceInto('genre').values({ id: 1, name: 'x' }).executeTakeFirst(),
  'replace, giving back': (db) => db.replaceInto('genre').values({ id: 1, name: 'x' }).returningAll().execute(),
  'insert or fail': raw(`insert or fail into genre (id, name) values (603, 'y'), (1, 'x'), (604, 'z')`),
  'insert or abort': raw(`insert or abort into genre (id, name) values (603, 'y'), (1, 'x'), (604, 'z')`),
  'insert or rollback': raw(`insert or rollback into genre (id, name) values (603, 'y'), (1, 'x')`),
  'update or ignore': raw(`update or ignore genre set name = 'Jazz'`),
  'update or replace': raw(`update or replace genre set name = 'Jazz' where id = 2`),
  'update or fail': raw(`update or fail genre set name = 'same'`),
  'update or rollback': raw(`update or rollback genre set name = 'same'`),
  'orReplace by builder': (db) => db.insertInto('genre').orReplace().values({ id: 1, name: 'x' }).executeTakeFirst(),
  'orIgnore by builder': (db) => db.insertInto('genre').orIgnore().values({ id: 1, name: 'x' }).executeTakeFirst(),
  autoincrement: (db) => db.insertInto('counted').values({ v: 'new' }).executeTakeFirst(),
  'autoincrement, with a number': (db) => db.insertInto('counted').values({ id: 40, v: 'new' }).executeTakeFirst(),
  'a table without rowid': (db) => db.insertInto('pair').values({ a: 'z', b: 1, v: 'new' }).executeTakeFirst(),
  'an update without rowid': (db) => db.updateTable('pair').set({ v: 'new' }).where('a', '=', 'x').executeTakeFirst(),
  'a delete without rowid': (db) => db.deleteFrom('pair').where('a', '=', 'x').returningAll().execute(),
  'a strict table': (db) => db.updateTable('exact').set({ i: 11, x: '2' }).where('id', '=', 1).returningAll().execute(),
  'against: a strict type': (db) => db.updateTable('exact').set({ i: 'eleven' }).where('id', '=', 1).execute(),
  'against: a boolean': (db) => db.updateTable('kind').set({ b: true }).where('id', '=', 1).execute(),
  'against: a Date': (db) =>
    db
      .updateTable('kind')
      .set({ dt: new Date(0) })
      .where('id', '=', 1)
      .execute(),
  'against: an array': (db) =>
    db
      .insertInto('kind')
      .values({ id: 9, t: ['x'] })
      .execute(),
  'against: too large a bigint': (db) =>
    db
      .updateTable('kind')
      .set({ i: 2n ** 70n })
      .where('id', '=', 1)
      .execute(),
  'a bigint': (db) => db.updateTable('kind').set({ i: 9007199254740993n }).where('id', '=', 1).executeTakeFirst(),
  'a bigint, giving back': (db) =>
    db.updateTable('kind').set({ i: 9007199254740993n }).where('id', '=', 1).returning('i').execute(),
  'a row number past what a number holds': (db) =>
    db.insertInto('genre').values({ id: 9007199254740993n, name: 'far' }).executeTakeFirst(),
  bytes: (db) =>
    db
      .updateTable('kind')
      .set({ by: Buffer.from([1, 2]) })
      .where('id', '=', 1)
      .returning('by')
      .execute(),
  'every type of value given back': (db) =>
    db.updateTable('kind').set({ t: 'new' }).where('id', 'in', [1, 3, 4]).returningAll().execute(),
  'the last row number': (db) => sql`insert into genre (name) values ('a'), ('b')`.execute(db),
  'a delete with a limit in a subquery': raw(
    `delete from track where id in (select id from track order by plays desc limit 2)`,
  ),
  'an update of rowid': raw(`update genre set rowid = 70 where id = 1`),
  'text in double quotes': raw(`update genre set name = "quoted" where id = 1`),
  'counters after an insert': async (db) => [
    await db.insertInto('genre').values({ name: 'x' }).executeTakeFirst(),
    await counters(db),
  ],
  'counters after an insert that gives back': async (db) => [
    await db.insertInto('genre').values({ name: 'x' }).returningAll().execute(),
    await counters(db),
  ],
  'counters after an update': async (db) => [
    await db.updateTable('track').set({ genre_id: 2 }).where('album_id', '=', 1).executeTakeFirst(),
    await counters(db),
  ],
  'counters after an update that gives back': async (db) => [
    await db.updateTable('track').set({ genre_id: 2 }).where('album_id', '=', 1).returning('id').execute(),
    await counters(db),
  ],
  'counters after an update of none': async (db) => [
    await db.updateTable('track').set({ genre_id: 2 }).where('id', '=', 1).execute(),
    await db.updateTable('track').set({ genre_id: 2 }).where('id', '=', 999).executeTakeFirst(),
    await counters(db),
  ],
  'counters after a delete': async (db) => [
    await db.deleteFrom('track').where('album_id', '=', 1).executeTakeFirst(),
    await counters(db),
  ],
  'counters after an insert that fails': async (db) => {
    await db.insertInto('genre').values({ name: 'x' }).executeTakeFirst()
    await db
      .insertInto('genre')
      .values({ name: 'x' })
      .executeTakeFirst()
      .catch(() => undefined)
    return counters(db)
  },
  'counters after an update that fails': async (db) => {
    await db.insertInto('genre').values({ name: 'x' }).executeTakeFirst()
    await db
      .updateTable('genre')
      .set({ name: 'x' })
      .execute()
      .catch(() => undefined)
    return counters(db)
  },
  'counters after a trigger': async (db) => [
    await db.insertInto('noted').values({ id: 5, name: 'x' }).executeTakeFirst(),
    await counters(db),
  ],
  'total changes': async (db) =>
    db.connection().execute(async (one) => {
      const before = await sql<{ n: number | bigint }>`select total_changes() as n`.execute(one)
      await one.updateTable('track').set({ genre_id: 2 }).where('album_id', '=', 1).execute()
      await one.insertInto('genre').values({ name: 'x' }).execute()
      await one.deleteFrom('track').where('id', '=', 1).returningAll().execute()
      const after = await sql<{ n: number | bigint }>`select total_changes() as n`.execute(one)
      return Number(after.rows[0]!.n) - Number(before.rows[0]!.n)
    }),
  'a read of counters and rows': (db) => sql`select total_changes() >= 0 as any_changes, id from genre`.execute(db),
}
