import { mergeAction } from 'kysely/helpers/postgres'
import { sql } from 'kysely'

import type { Calls } from './write-cases.ts'

/** Writes that only PostgreSQL has. */
export const POSTGRES_WRITES: Calls = {
  merge: (db) =>
    db
      .mergeInto('genre')
      .using('other.genre as o', 'o.id', 'genre.id')
      .whenMatched()
      .thenUpdateSet((eb: any) => ({ name: eb.ref('o.name') }))
      .whenNotMatched()
      .thenInsertValues((eb: any) => ({ id: eb.ref('o.id'), name: eb.ref('o.name') }))
      .executeTakeFirst(),
  'merge that deletes': (db) =>
    db.mergeInto('genre').using('other.genre as o', 'o.id', 'genre.id').whenMatched().thenDelete().executeTakeFirst(),
  'merge, giving back': (db) =>
    db
      .mergeInto('genre')
      .using('other.genre as o', 'o.id', 'genre.id')
      .whenMatched()
      .thenUpdateSet({ name: 'merged' })
      .whenNotMatched()
      .thenDoNothing()
      .returning([mergeAction().as('action')])
      .returningAll('genre')
      .execute(),
  'merge of nothing': (db) =>
    db.mergeInto('genre').using('audit as a', 'a.id', 'genre.id').whenMatched().thenDelete().executeTakeFirst(),
  'delete using': (db) =>
    db
      .deleteFrom('track')
      .using('album')
      .whereRef('album.id', '=', 'track.album_id')
      .where('album.artist_id', '=', 1)
      .executeTakeFirst(),
  'delete using, giving back': (db) =>
    db
      .deleteFrom('track')
      .using('album')
      .whereRef('album.id', '=', 'track.album_id')
      .where('album.artist_id', '=', 1)
      .returning(['track.id', 'album.title'])
      .execute(),
  'a write in WITH': (db) =>
    db
      .with('gone', (qb) => qb.deleteFrom('track').where('album_id', '=', 1).returning(['id', 'title']))
      .selectFrom('gone')
      .selectAll()
      .orderBy('id')
      .execute(),
  'two writes in WITH': (db) =>
    db
      .with('gone', (qb) => qb.deleteFrom('track').where('album_id', '=', 1).returning('title'))
      .insertInto('audit')
      .columns(['what'])
      .expression((eb: any) => eb.selectFrom('gone').select('title').orderBy('title'))
      .returningAll()
      .execute(),
  'a write in WITH that nobody reads': (db) =>
    sql`with w as (update genre set name = 'w' where id = 1) select count(*) from track`.execute(db),
  'insert, on a constraint': (db) =>
    db
      .insertInto('genre')
      .values({ id: 950, name: 'Jazz' })
      .onConflict((oc) => oc.constraint('genre_name_key').doUpdateSet({ name: 'again' }))
      .returningAll()
      .execute(),
  'insert, old and new given back': (db) =>
    sql`insert into genre (id, name) values (1, 'x') on conflict (id) do update set name = 'up' returning old.name as o, new.name as n`.execute(
      db,
    ),
  'update, old and new given back': (db) =>
    sql`update genre set name = 'up' where id = 1 returning old.*, new.*`.execute(db),
  'update, old and new renamed': (db) =>
    sql`update genre set name = 'up' where id = 1 returning with (old as o, new as n) o.name as a, n.name as b`.execute(
      db,
    ),
  'insert overriding': (db) => sql`insert into genre (id, name) overriding system value values (960, 'x')`.execute(db),
  'insert default values': (db) => sql`insert into kind default values returning id, t`.execute(db),
  'update only': (db) => sql`update only genre set name = 'only' where id = 1`.execute(db),
  truncate: (db) => sql`truncate audit, ledger`.execute(db),
  'truncate and restart': (db) => sql`truncate track restart identity cascade`.execute(db),
  'an update of JSON': (db) =>
    db
      .updateTable('kind')
      .set({ jb: JSON.stringify({ a: 1 }) })
      .where('id', '=', 1)
      .returning(['jb', 'j'])
      .execute(),
  'every type of value given back': (db) =>
    db.updateTable('kind').set({ t: 'new' }).where('id', 'in', [1, 2, 4]).returningAll().execute(),
  'an update of an array': (db) =>
    db
      .updateTable('kind')
      .set({ ints: [9, 8], texts: ['a'] })
      .where('id', '=', 1)
      .returning(['ints', 'texts'])
      .execute(),
  'a key of another schema': (db) =>
    db.withSchema('other').updateTable('genre').set({ weight: 1 }).where('id', '=', 1).returningAll().execute(),
  'a sequence': (db) => sql`select nextval('genre_id_seq') as n`.execute(db),
  'a function that sets a sequence': (db) => sql`select setval('genre_id_seq', 300) as n`.execute(db),
  'a DO block': (db) => sql`do $$ begin update genre set name = 'do' where id = 1; end $$`.execute(db),
  'against: an enumeration': (db) => db.updateTable('kind').set({ m: 'angry' }).where('id', '=', 1).execute(),
  'against: a length': (db) => db.updateTable('kind').set({ vc: 'too long' }).where('id', '=', 1).execute(),
  'against: a range of numbers': (db) => db.updateTable('kind').set({ i2: 100_000 }).where('id', '=', 1).execute(),
  'against: JSON': (db) => db.updateTable('kind').set({ jb: '{' }).where('id', '=', 1).execute(),
  'against: a row twice': (db) =>
    sql`insert into genre (id, name) values (1, 'a'), (1, 'b') on conflict (id) do update set name = excluded.name`.execute(
      db,
    ),
  'against: an identity always': (db) =>
    sql`insert into track (id, album_id, position, title, price, explicit) values (default, 1, 1, 'x', 1, false)`.execute(
      db,
    ),
  'against: raised in a block': (db) =>
    sql`do $$ begin raise exception 'own' using errcode = 'P0042', detail = 'd', hint = 'h', table = 't'; end $$`.execute(
      db,
    ),
}
