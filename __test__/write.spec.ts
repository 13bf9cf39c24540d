import test from 'ava'
import { sql } from 'kysely'

import { databases } from './support/databases.ts'
import type { Opened } from './support/databases.ts'
import { expectAfter, warm } from './support/expect.ts'

// Each test caches some reads, writes, and asks which of them went to the database again.

function reads({ db, name }: Opened) {
  const track = db.selectFrom('track')
  const q = {
    all: track.selectAll().orderBy('id').cache(),
    album1: track.selectAll().where('album_id', '=', 1).orderBy('id').cache(),
    album2: track.selectAll().where('album_id', '=', 2).orderBy('id').cache(),
    id1: track.selectAll().where('id', '=', 1).cache(),
    id3: track.selectAll().where('id', '=', 3).cache(),
    title1: track.select(['id', 'title']).where('album_id', '=', 1).orderBy('id').cache(),
    title2: track.select(['id', 'title']).where('album_id', '=', 2).orderBy('id').cache(),
    titles: track.select(['id', 'title']).orderBy('id').cache(),
    count: track.select(({ fn }) => fn.countAll().as('n')).cache(),
    count2: track
      .select(({ fn }) => fn.countAll().as('n'))
      .where('album_id', '=', 2)
      .cache(),
    noGenre: track.select('id').where('genre_id', 'is', null).cache(),
    genre2: track.select('id').where('genre_id', '=', 2).orderBy('id').cache(),
    genres: db.selectFrom('genre').selectAll().orderBy('id').cache(),
    albums: db.selectFrom('album').selectAll().orderBy('id').cache(),
    album1row: db.selectFrom('album').selectAll().where('id', '=', 1).cache(),
    album2row: db.selectFrom('album').selectAll().where('id', '=', 2).cache(),
    artists: db.selectFrom('artist').selectAll().orderBy('id').cache(),
    joined1: track
      .innerJoin('album', 'album.id', 'track.album_id')
      .select(['track.id', 'album.title'])
      .where('album.id', '=', 1)
      .orderBy('track.id')
      .cache(),
    joined2: track
      .innerJoin('album', 'album.id', 'track.album_id')
      .select(['track.id', 'album.title'])
      .where('album.id', '=', 2)
      .orderBy('track.id')
      .cache(),
  }
  return { q, flag: (value: boolean) => (name === 'postgres' ? value : Number(value)) }
}

function newTrack(opened: Opened, values: object = {}) {
  return {
    album_id: 1,
    position: 9,
    title: 'New',
    price: '1.00',
    explicit: opened.flag(false),
    ...values,
  }
}

for (const database of databases) {
  const { name } = database

  test.serial(`${name}: an insert drops the conditions that the new row meets`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    await expectAfter(
      t,
      opened,
      {
        drops: {
          all: q.all,
          album1: q.album1,
          title1: q.title1,
          titles: q.titles,
          count: q.count,
          joined1: q.joined1,
          noGenre: q.noGenre,
        },
        keeps: {
          album2: q.album2,
          id1: q.id1,
          id3: q.id3,
          title2: q.title2,
          count2: q.count2,
          genre2: q.genre2,
          genres: q.genres,
          albums: q.albums,
          joined2: q.joined2,
        },
      },
      () => opened.db.insertInto('track').values(newTrack(opened)).execute(),
    )
  })

  test.serial(`${name}: several rows inserted at once drop what each of them meets`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    const album3 = opened.db.selectFrom('track').selectAll().where('album_id', '=', 3).cache()
    await expectAfter(
      t,
      opened,
      { drops: { album1: q.album1, album2: q.album2, genre2: q.genre2 }, keeps: { album3, noGenre: q.noGenre } },
      () =>
        opened.db
          .insertInto('track')
          .values([newTrack(opened, { genre_id: 2 }), newTrack(opened, { album_id: 2, genre_id: 1 })])
          .execute(),
    )
  })

  test.serial(`${name}: an update drops what the old and the new row meet`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    const album3 = opened.db.selectFrom('track').selectAll().where('album_id', '=', 3).cache()
    await expectAfter(
      t,
      opened,
      {
        drops: { album1: q.album1, album2: q.album2, id1: q.id1, count2: q.count2, all: q.all },
        keeps: { album3, id3: q.id3, genre2: q.genre2, genres: q.genres, titles: q.titles },
      },
      () => opened.db.updateTable('track').set({ album_id: 2, position: 7 }).where('id', '=', 1).execute(),
    )
  })

  test.serial(`${name}: an update drops only reads of the columns that it changes`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    const plays = opened.db.selectFrom('track').select('plays').where('id', '=', 1).cache()
    await expectAfter(
      t,
      opened,
      {
        drops: { plays, all: q.all, id1: q.id1, album1: q.album1 },
        keeps: { title1: q.title1, titles: q.titles, count: q.count, album2: q.album2, id3: q.id3, joined1: q.joined1 },
      },
      () =>
        opened.db
          .updateTable('track')
          .set(({ eb }) => ({ plays: eb('plays', '+', 1) }))
          .where('id', '=', 1)
          .execute(),
    )
  })

  test.serial(`${name}: an update of a column that only a condition or an order names counts`, async (t) => {
    const opened = await database.open(t)
    const { db } = opened
    const popular = db.selectFrom('track').select('id').where('plays', '>', 35).orderBy('id').cache()
    const ordered = db.selectFrom('track').select('id').orderBy('plays', 'desc').cache()
    const grouped = db
      .selectFrom('track')
      .select(({ fn }) => fn.countAll().as('n'))
      .groupBy('plays')
      .orderBy('plays')
      .cache()
    const titles = db.selectFrom('track').select('title').orderBy('id').cache()
    await expectAfter(t, opened, { drops: { popular, ordered, grouped }, keeps: { titles } }, () =>
      db.updateTable('track').set({ plays: 99 }).where('id', '=', 1).execute(),
    )
  })

  // PGlite tells in the write itself whether a value differs; elsewhere it would take more statements, or locks.
  if (database.driver === 'pglite') {
    test.serial(`${name}: an update to the values that a row already has drops nothing`, async (t) => {
      const opened = await database.open(t)
      const { q } = reads(opened)
      await expectAfter(t, opened, { drops: {}, keeps: { title1: q.title1, titles: q.titles, id1: q.id1 } }, () =>
        opened.db.updateTable('track').set({ title: 'Opening' }).where('id', '=', 1).execute(),
      )
    })
  }

  test.serial(`${name}: a write that meets no row drops nothing`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    await expectAfter(t, opened, { drops: {}, keeps: { all: q.all, count: q.count } }, () =>
      opened.db.updateTable('track').set({ title: 'x' }).where('id', '=', 99).execute(),
    )
    await expectAfter(t, opened, { drops: {}, keeps: { all: q.all, count: q.count } }, () =>
      opened.db.deleteFrom('track').where('id', '=', 99).execute(),
    )
  })

  test.serial(`${name}: an update by a condition on another column finds the rows that it changed`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    await expectAfter(
      t,
      opened,
      {
        drops: { album2: q.album2, id3: q.id3, title2: q.title2 },
        keeps: { album1: q.album1, id1: q.id1, title1: q.title1 },
      },
      () => opened.db.updateTable('track').set({ title: 'Fela was here' }).where('composer', '=', 'Fela').execute(),
    )
  })

  test.serial(`${name}: an update of many rows`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    await expectAfter(
      t,
      opened,
      {
        drops: { album1: q.album1, album2: q.album2, id1: q.id1, titles: q.titles },
        keeps: { genres: q.genres, count: q.count, albums: q.albums },
      },
      () => opened.db.updateTable('track').set({ title: 'all the same' }).execute(),
    )
  })

  test.serial(`${name}: an update to and from null`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    await expectAfter(
      t,
      opened,
      { drops: { noGenre: q.noGenre, genre2: q.genre2 }, keeps: { title1: q.title1, count: q.count } },
      () => opened.db.updateTable('track').set({ genre_id: null }).where('id', '=', 3).execute(),
    )
    await expectAfter(t, opened, { drops: { noGenre: q.noGenre, genre2: q.genre2 } }, () =>
      opened.db.updateTable('track').set({ genre_id: 2 }).where('id', '=', 5).execute(),
    )
  })

  test.serial(`${name}: a changed primary key drops both`, async (t) => {
    const opened = await database.open(t)
    const { db } = opened
    const track = (id: number) => db.selectFrom('track').selectAll().where('id', '=', id).cache()
    await expectAfter(t, opened, { drops: { one: track(1), ninety: track(90) } }, () =>
      db.updateTable('track').set({ id: 90 }).where('id', '=', 1).execute(),
    )
  })

  test.serial(`${name}: a delete drops what the row met`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    await expectAfter(
      t,
      opened,
      {
        drops: { all: q.all, album1: q.album1, id1: q.id1, count: q.count, joined1: q.joined1 },
        keeps: {
          album2: q.album2,
          id3: q.id3,
          count2: q.count2,
          genre2: q.genre2,
          noGenre: q.noGenre,
          joined2: q.joined2,
          genres: q.genres,
        },
      },
      () => opened.db.deleteFrom('track').where('id', '=', 1).execute(),
    )
  })

  test.serial(`${name}: a delete by another column, and of everything`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    await expectAfter(
      t,
      opened,
      { drops: { album2: q.album2, id3: q.id3 }, keeps: { album1: q.album1, id1: q.id1 } },
      () => opened.db.deleteFrom('track').where('title', '=', 'March').execute(),
    )
    await expectAfter(
      t,
      opened,
      { drops: { album1: q.album1, album2: q.album2, count: q.count }, keeps: { genres: q.genres } },
      () => opened.db.deleteFrom('track').execute(),
    )
  })

  test.serial(`${name}: a joined read is dropped by each of its tables, as far as the conditions go`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    await expectAfter(
      t,
      opened,
      {
        drops: { joined1: q.joined1, album1row: q.album1row },
        keeps: { joined2: q.joined2, album2row: q.album2row, album1: q.album1 },
      },
      () => opened.db.updateTable('album').set({ title: 'Renamed' }).where('id', '=', 1).execute(),
    )
  })

  test.serial(`${name}: conditions with OR, IN, NOT and ranges`, async (t) => {
    const opened = await database.open(t)
    const { db } = opened
    const track = db.selectFrom('track').select(['id', 'title'])
    const either = track
      .where((eb) => eb.or([eb('album_id', '=', 1), eb('genre_id', '=', 2)]))
      .orderBy('id')
      .cache()
    const list = track.where('album_id', 'in', [3, 4]).orderBy('id').cache()
    const not = track
      .where((eb) => eb.not(eb('album_id', '=', 4)))
      .orderBy('id')
      .cache()
    const range = track.where('price', '>', 1).where('album_id', '=', 2).orderBy('id').cache()
    await expectAfter(t, opened, { drops: { list, not }, keeps: { either, range } }, () =>
      db.updateTable('track').set({ title: 'x' }).where('id', '=', 5).execute(),
    )
    await expectAfter(t, opened, { drops: { either, not, range }, keeps: { list } }, () =>
      db.updateTable('track').set({ title: 'y' }).where('id', '=', 4).execute(),
    )
  })

  test.serial(`${name}: upserts`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    const { db } = opened
    const jazz = db.selectFrom('genre').selectAll().where('name', '=', 'Jazz').cache()
    const bebop = db.selectFrom('genre').selectAll().where('name', '=', 'Bebop').cache()
    await expectAfter(t, opened, { drops: { genres: q.genres, jazz, bebop }, keeps: { albums: q.albums } }, () =>
      db
        .insertInto('genre')
        .values({ id: 1, name: 'x' })
        .onConflict((oc) => oc.column('id').doUpdateSet({ name: 'Bebop' }))
        .execute(),
    )
    await expectAfter(t, opened, { drops: { genres: q.genres } }, () =>
      db
        .insertInto('genre')
        .values({ id: 50, name: 'new' })
        .onConflict((oc) => oc.column('id').doUpdateSet({ name: 'old' }))
        .execute(),
    )
    await expectAfter(t, opened, { drops: {}, keeps: { albums: q.albums } }, () =>
      db
        .insertInto('genre')
        .values({ id: 1, name: 'y' })
        .onConflict((oc) => oc.doNothing())
        .execute(),
    )
    await expectAfter(t, opened, { drops: { genres: q.genres }, keeps: { bebop } }, () =>
      db
        .insertInto('genre')
        .values({ id: 51, name: 'z' })
        .onConflict((oc) => oc.doNothing())
        .execute(),
    )
  })

  test.serial(`${name}: insert … select`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    await expectAfter(t, opened, { drops: { genres: q.genres }, keeps: { albums: q.albums, artists: q.artists } }, () =>
      opened.db
        .insertInto('genre')
        .columns(['name'])
        .expression((eb) => eb.selectFrom('album').select('title'))
        .execute(),
    )
  })

  test.serial(`${name}: update … from`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    await expectAfter(
      t,
      opened,
      { drops: { titles: q.titles, album2: q.album2, id3: q.id3 }, keeps: { albums: q.albums, genres: q.genres } },
      () =>
        opened.db
          .updateTable('track')
          .from('album')
          .set((eb) => ({ title: eb.ref('album.title') }))
          .whereRef('album.id', '=', 'track.album_id')
          .where('album.artist_id', '=', 2)
          .execute(),
    )
  })

  test.serial(`${name}: a write in a common table expression`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    const { db } = opened
    await warm(t, opened, { genres: q.genres, albums: q.albums })
    if (name === 'sqlite') {
      await db
        .with('chosen', (cte) => cte.selectFrom('genre').select('id').where('name', '=', 'Jazz'))
        .deleteFrom('genre')
        .where('id', 'in', (eb) => eb.selectFrom('chosen').select('id'))
        .execute()
    } else {
      await db
        .with('gone', (cte) => cte.deleteFrom('genre').where('id', '=', 1).returning('id'))
        .selectFrom('gone')
        .selectAll()
        .execute()
    }
    t.false(await opened.isHit(q.genres))
    t.is((await q.genres.execute()).length, 2)
    t.true(await opened.isHit(q.albums))
  })

  test.serial(`${name}: raw writes`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    const { db } = opened
    const raw = (text: string) => () => sql.raw(text).execute(db)
    await expectAfter(
      t,
      opened,
      {
        drops: { id1: q.id1, titles: q.titles },
        keeps: { genres: q.genres, albums: q.albums, id3: q.id3, album2: q.album2 },
      },
      raw(`update track set title = 'raw' where id = 1`),
    )
    await expectAfter(
      t,
      opened,
      { drops: { genres: q.genres }, keeps: { albums: q.albums } },
      raw(`insert into genre (name) values ('raw')`),
    )
    await expectAfter(
      t,
      opened,
      { drops: { genres: q.genres }, keeps: { albums: q.albums } },
      raw(`/* why */ delete from genre where name = 'raw' -- because`),
    )
    await expectAfter(
      t,
      opened,
      { drops: { genres: q.genres }, keeps: { albums: q.albums } },
      raw(`with x as (select 3 as id) update genre set name = 'cte' where id in (select id from x)`),
    )
    const id = 2
    await expectAfter(t, opened, { drops: { genres: q.genres }, keeps: { albums: q.albums } }, () =>
      sql`update ${sql.table('genre')} set name = ${'param'} where id = ${id}`.execute(db),
    )
  })

  test.serial(`${name}: a raw write that cannot be read drops everything`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    if (name === 'postgres') {
      await expectAfter(t, opened, { drops: { genres: q.genres, albums: q.albums } }, () =>
        sql`do $$ begin update genre set name = 'done' where id = 1; end $$`.execute(opened.db),
      )
    } else {
      await expectAfter(t, opened, { drops: { genres: q.genres } }, () =>
        sql`replace into genre (id, name) values (1, 'replaced')`.execute(opened.db),
      )
    }
  })

  test.serial(`${name}: truncate and its likes`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    await expectAfter(
      t,
      opened,
      { drops: { count: q.count, id1: q.id1, all: q.all, album2: q.album2 }, keeps: { genres: q.genres } },
      () => sql.raw(name === 'postgres' ? 'truncate track' : 'delete from track').execute(opened.db),
    )
  })

  test.serial(`${name}: many rows at once go to the table`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    const { db } = opened
    const genre = (id: number) => db.selectFrom('genre').selectAll().where('id', '=', id).cache()
    const many = Array.from({ length: 1500 }, (_, i) => ({ id: 1000 + i, name: `g${i}` }))
    await expectAfter(
      t,
      opened,
      {
        drops: { genres: q.genres, first: genre(1000), last: genre(2499) },
        keeps: { albums: q.albums, titles: q.titles },
      },
      () => db.insertInto('genre').values(many).execute(),
    )
    await expectAfter(
      t,
      opened,
      { drops: { genres: q.genres, first: genre(1000), last: genre(2499) }, keeps: { albums: q.albums } },
      () =>
        db
          .updateTable('genre')
          .set((eb) => ({ name: sql<string>`${eb.ref('name')} || 'x'` }))
          .where('id', '>=', 1000)
          .execute(),
    )
    await expectAfter(
      t,
      opened,
      { drops: { genres: q.genres, first: genre(1000), last: genre(2499) }, keeps: { albums: q.albums } },
      () => db.deleteFrom('genre').where('id', '>=', 1000).execute(),
    )
  })

  test.serial(`${name}: rows below the limit stay precise`, async (t) => {
    const opened = await database.open(t)
    const { db } = opened
    const genre = (id: number) => db.selectFrom('genre').selectAll().where('id', '=', id).cache()
    await db
      .insertInto('genre')
      .values(Array.from({ length: 200 }, (_, i) => ({ id: 1000 + i, name: `g${i}` })))
      .execute()
    await expectAfter(t, opened, { drops: { first: genre(1000), last: genre(1199) }, keeps: { other: genre(1) } }, () =>
      db
        .updateTable('genre')
        .set((eb) => ({ name: sql<string>`${eb.ref('name')} || 'x'` }))
        .where('id', '>=', 1000)
        .execute(),
    )
    await expectAfter(t, opened, { drops: { first: genre(1000), last: genre(1199) }, keeps: { other: genre(1) } }, () =>
      db.deleteFrom('genre').where('id', '>=', 1000).execute(),
    )
  })

  test.serial(`${name}: a deletion cascades, and only to the rows that it reaches`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    await expectAfter(
      t,
      opened,
      {
        drops: { album2: q.album2, albums: q.albums, album2row: q.album2row, count: q.count },
        keeps: { album1: q.album1, album1row: q.album1row, genres: q.genres, artists: q.artists },
      },
      () => opened.db.deleteFrom('album').where('id', '=', 2).execute(),
    )
  })

  test.serial(`${name}: a deletion cascades over two levels`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    await expectAfter(
      t,
      opened,
      {
        drops: {
          artists: q.artists,
          albums: q.albums,
          album1row: q.album1row,
          album1: q.album1,
          id1: q.id1,
          count: q.count,
        },
        keeps: { genres: q.genres },
      },
      () => opened.db.deleteFrom('artist').where('id', '=', 1).execute(),
    )
  })

  test.serial(`${name}: on delete set null`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    const both = opened.db
      .selectFrom('track')
      .select('id')
      .where('genre_id', '=', 2)
      .where('album_id', '=', 2)
      .orderBy('id')
      .cache()
    await expectAfter(
      t,
      opened,
      {
        drops: { genres: q.genres, noGenre: q.noGenre, genre2: q.genre2, both, id3: q.id3 },
        keeps: { titles: q.titles, count: q.count, albums: q.albums },
      },
      () => opened.db.deleteFrom('genre').where('id', '=', 2).execute(),
    )
  })

  test.serial(`${name}: on update cascade`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    await expectAfter(
      t,
      opened,
      {
        drops: { albums: q.albums, album1row: q.album1row, album1: q.album1, id1: q.id1 },
        keeps: { titles: q.titles, genres: q.genres },
      },
      () => opened.db.updateTable('album').set({ id: 77 }).where('id', '=', 1).execute(),
    )
    await expectAfter(
      t,
      opened,
      { drops: { albums: q.albums }, keeps: { titles: q.titles, album2: q.album2, count: q.count } },
      () => opened.db.updateTable('album').set({ title: 'no key changed' }).where('id', '=', 2).execute(),
    )
  })

  test.serial(`${name}: a generated column changes with what it is made of`, async (t) => {
    const opened = await database.open(t, {
      schema: `create table priced (id integer primary key, net integer, name text, gross integer generated always as (net * 2) stored);
        insert into priced (id, net, name) values (1, 10, 'a'), (2, 20, 'b')`,
    })
    const db = opened.db.withTables<{ priced: { id: number; net: number; name: string; gross: number } }>()
    const gross = db.selectFrom('priced').select('gross').where('id', '=', 1).cache()
    const twenty = db.selectFrom('priced').select('id').where('gross', '=', 20).cache()
    const ninety = db.selectFrom('priced').select('id').where('gross', '=', 90).cache()
    const names = db.selectFrom('priced').select('name').orderBy('id').cache()
    await expectAfter(t, opened, { drops: { gross, twenty, ninety }, keeps: { names } }, () =>
      db.updateTable('priced').set({ net: 45 }).where('id', '=', 1).execute(),
    )
    await expectAfter(t, opened, { drops: { names }, keeps: { gross, ninety } }, () =>
      db.updateTable('priced').set({ name: 'c' }).where('id', '=', 1).execute(),
    )
  })

  test.serial(`${name}: a column default is part of the inserted row`, async (t) => {
    const opened = await database.open(t)
    const { db } = opened
    const unplayed = db.selectFrom('track').select('id').where('plays', '=', 0).cache()
    const played = db.selectFrom('track').select('id').where('plays', '=', 10).cache()
    await expectAfter(t, opened, { drops: { unplayed }, keeps: { played } }, () =>
      db.insertInto('track').values(newTrack(opened)).execute(),
    )
  })

  test.serial(`${name}: values of other spellings that the database calls equal`, async (t) => {
    const opened = await database.open(t)
    const { db } = opened
    const dear = db.selectFrom('track').select(['id', 'title']).where('price', '=', '1.5').cache()
    const two = db.selectFrom('track').select(['id', 'title']).where('price', '=', 2).orderBy('id').cache()
    const text = db.selectFrom('track').select(['id', 'title']).where('price', '=', '2.00').orderBy('id').cache()
    const zero = db.selectFrom('track').select('id').where('weight', '=', -0).cache()
    await expectAfter(t, opened, { drops: { dear } }, () =>
      db.updateTable('track').set({ title: 'x' }).where('id', '=', 2).execute(),
    )
    await expectAfter(t, opened, { drops: { two, text } }, () =>
      db.updateTable('track').set({ title: 'y' }).where('id', '=', 3).execute(),
    )
    await expectAfter(t, opened, { drops: { zero } }, () =>
      db.updateTable('track').set({ weight: 1 }).where('id', '=', 4).execute(),
    )
    await expectAfter(t, opened, { drops: { zero } }, () =>
      db.updateTable('track').set({ weight: 0 }).where('id', '=', 1).execute(),
    )
  })

  test.serial(`${name}: what is dropped, and why, is told by events`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    await warm(t, opened, { album1: q.album1, genres: q.genres })
    const events: { tables: readonly string[]; levels: string[]; what: string[] }[] = []
    opened.cacheops.on('invalidate', ({ tables, dropped, duration }) => {
      t.true(duration >= 0)
      events.push({ tables, levels: dropped.map(({ level }) => level), what: dropped.map(({ what }) => what) })
    })
    await opened.db.updateTable('track').set({ title: 'x' }).where('id', '=', 1).execute()
    t.deepEqual(events, [{ tables: ['track'], levels: ['condition'], what: ['album_id = 1'] }])
    events.length = 0
    await opened.cacheops.invalidateTable('genre')
    t.deepEqual(
      events.map(({ tables, levels }) => [tables, levels]),
      [[['genre'], ['table']]],
    )
  })

  test.serial(`${name}: invalidation by hand`, async (t) => {
    const opened = await database.open(t)
    const { q } = reads(opened)
    const { cacheops } = opened
    await expectAfter(
      t,
      opened,
      { drops: { album1: q.album1, all: q.all }, keeps: { album2: q.album2, genres: q.genres } },
      () => cacheops.invalidateRow('track', { id: 2, album_id: 1, genre_id: 1 }),
    )
    await expectAfter(
      t,
      opened,
      { drops: { id3: q.id3, album1: q.album1, album2: q.album2 }, keeps: { id1: q.id1, genres: q.genres } },
      () => cacheops.invalidateRow('track', { id: 3 }),
    )
    await expectAfter(
      t,
      opened,
      { drops: { id3: q.id3, album1: q.album1, all: q.all }, keeps: { genres: q.genres } },
      () => cacheops.invalidateTable('track'),
    )
    await expectAfter(t, opened, { drops: { id3: q.id3, album1: q.album1, genres: q.genres } }, () =>
      cacheops.invalidateAll(),
    )
    await expectAfter(t, opened, { drops: { id3: q.id3, album1: q.album1, genres: q.genres } }, () =>
      cacheops.invalidateAll({ db: opened.db }),
    )
  })
}
