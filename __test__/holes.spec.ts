import test from 'ava'
import { Kysely, sql } from 'kysely'

import { databases } from './support/databases.ts'
import type { DB, Opened } from './support/databases.ts'
import { expectAfter, expectFresh, warm } from './support/expect.ts'

// Ways in which query caches have been known to go stale, one test each.

type Loose = Kysely<any>

class Undo extends Error {}

for (const database of databases) {
  const { name } = database

  test.serial(`${name}: a fill after an invalidation, for counts, aggregates and existence as well`, async (t) => {
    const opened = await database.open(t)
    const { db, recorder } = opened
    const other = opened.connect({ plugins: [opened.cacheops] })
    for (const on of [db, other]) await on.selectFrom('artist').selectAll().cache().execute()
    const reads = {
      fetch: db.selectFrom('genre').selectAll().orderBy('id').cache(),
      count: db
        .selectFrom('genre')
        .select(({ fn }) => fn.countAll().as('n'))
        .cache(),
      aggregate: db
        .selectFrom('genre')
        .select(({ fn }) => fn.max('id').as('n'))
        .cache(),
      exists: db
        .selectFrom('artist')
        .select('id')
        .where((eb) => eb.exists(eb.selectFrom('genre').select('id').where('id', '>', 90)))
        .cache(),
    }
    let id = 91
    for (const [kind, read] of Object.entries(reads)) {
      const gate = recorder.hold(/from "genre"/, 'after')
      const stale = read.execute()
      await gate.reached
      await other
        .insertInto('genre')
        .values({ id, name: `new ${id++}` })
        .execute()
      gate.release()
      await stale
      await expectFresh(t, opened, { [kind]: read })
      await other.deleteFrom('genre').where('id', '>', 90).execute()
    }
  })

  if (name === 'sqlite') {
    test.serial(`${name}: a snapshot taken before a commit fills nothing after it`, async (t) => {
      const opened = await database.open(t)
      const { db } = opened
      const other = opened.connect({ plugins: [opened.cacheops] })
      const query = (on: Kysely<DB>) => on.selectFrom('genre').selectAll().where('id', '=', 1).cache()
      await query(other).execute()
      await db.transaction().execute(async (trx) => {
        await trx.selectFrom('artist').selectAll().execute()
        await other.updateTable('genre').set({ name: 'new' }).where('id', '=', 1).execute()
        t.is((await query(trx).execute())[0]!.name, 'Jazz', 'its snapshot')
        t.is((await query(other).execute())[0]!.name, 'new')
      })
      t.is((await query(db).execute())[0]!.name, 'new')
    })
  }

  test.serial(`${name}: two writers of one row: what lies between them is dropped too`, async (t) => {
    const opened = await database.open(t)
    const { db, recorder } = opened
    const other = opened.connect({ plugins: [opened.cacheops] })
    const named = (value: string) => db.selectFrom('genre').select('id').where('name', '=', value).cache()
    for (const value of ['Jazz', 'b', 'c']) await named(value).execute()
    await other.selectFrom('artist').selectAll().cache().execute()
    // The second writer is held before its statement; the first one writes; a reader caches what is between.
    const gate = recorder.hold(/^(?:savepoint|update|with)/i, 'before')
    const second = other.updateTable('genre').set({ name: 'c' }).where('id', '=', 1).execute()
    await gate.reached
    await db.updateTable('genre').set({ name: 'b' }).where('id', '=', 1).execute()
    t.deepEqual(await named('b').execute(), [{ id: 1 }])
    gate.release()
    await second
    t.deepEqual(await named('b').execute(), [])
    t.deepEqual(await named('c').execute(), [{ id: 1 }])
    t.deepEqual(await named('Jazz').execute(), [])
  })

  test.serial(`${name}: a commit is seen as a whole`, async (t) => {
    const opened = await database.open(t)
    const { db } = opened
    const one = db.selectFrom('genre').select('name').where('id', '=', 1).cache()
    const two = db.selectFrom('artist').select('name').where('id', '=', 1).cache()
    await warm(t, opened, { one, two })
    const seen: boolean[] = []
    opened.cacheops.on('invalidate', () => {
      // Whoever reads while the commit is being announced finds neither of the old results.
      void Promise.all([opened.cacheops.explain(one), opened.cacheops.explain(two)]).then((both) =>
        seen.push(...both.map(({ cached }) => cached)),
      )
    })
    await db.transaction().execute(async (trx) => {
      await trx.updateTable('genre').set({ name: 'a2' }).where('id', '=', 1).execute()
      await trx.updateTable('artist').set({ name: 'b2' }).where('id', '=', 1).execute()
    })
    t.deepEqual([await one.execute(), await two.execute()], [[{ name: 'a2' }], [{ name: 'b2' }]])
    t.false(seen.includes(true))
  })

  const DIRTY: Record<string, string> = {
    'with … update': `with x as (select 1 as id) update genre set name = 'dirty' where id in (select id from x)`,
    'a comment in front': `/* select */ update genre set name = 'dirty' where id = 1`,
    'insert … on conflict': `insert into genre (id, name) values (1, 'x') on conflict (id) do update set name = 'dirty'`,
    ...(name === 'sqlite'
      ? { replace: `replace into genre (id, name) values (1, 'dirty')` }
      : {
          merge: `merge into genre using (values (1)) v (id) on genre.id = v.id when matched then update set name = 'dirty'`,
          do: `do $$ begin update genre set name = 'dirty' where id = 1; end $$`,
          call: `call make_dirty()`,
          'a function': `select dirty()`,
        }),
  }
  for (const [kind, text] of Object.entries(DIRTY)) {
    test.serial(`${name}: a transaction made dirty by ${kind} keeps nothing for others`, async (t) => {
      const schema = `create function dirty() returns void language sql as $$ update genre set name = 'dirty' where id = 1 $$;
        create procedure make_dirty() language sql as $$ update genre set name = 'dirty' where id = 1 $$`
      const opened = await database.open(t, name === 'postgres' ? { schema } : {})
      const { db } = opened
      const query = (on: Kysely<DB>) => on.selectFrom('genre').select('name').where('id', '=', 1).cache()
      await query(db).execute()
      await t.throwsAsync(
        db.transaction().execute(async (trx) => {
          await sql.raw(text).execute(trx)
          t.is((await query(trx).execute())[0]!.name, 'dirty')
          throw new Undo()
        }),
        { instanceOf: Undo },
      )
      t.is((await query(db).execute())[0]!.name, 'Jazz')
      await sql.raw(text).execute(db)
      t.is((await query(db).execute())[0]!.name, 'dirty')
      await db.updateTable('genre').set({ name: 'clean' }).where('id', '=', 1).execute()
      await query(db).execute()
      await db.transaction().execute((trx) => sql.raw(text).execute(trx))
      t.is((await query(db).execute())[0]!.name, 'dirty')
    })
  }

  if (name === 'postgres') {
    test.serial(`${name}: truncate and copy make a transaction dirty`, async (t) => {
      const opened = await database.open(t)
      const { db } = opened
      const query = (on: Kysely<DB>) => on.selectFrom('audit').selectAll().cache()
      await db.insertInto('audit').values({ id: 1, what: 'x' }).execute()
      await query(db).execute()
      await t.throwsAsync(
        db.transaction().execute(async (trx) => {
          await sql`truncate audit`.execute(trx)
          t.deepEqual(await query(trx).execute(), [])
          throw new Undo()
        }),
        { instanceOf: Undo },
      )
      t.is((await query(db).execute()).length, 1)
    })
  }

  // ---- dependencies that are easily missed

  const DEPENDENCIES: Record<string, (db: Kysely<DB>) => readonly [read: any, write: () => Promise<unknown>]> = {
    'a joined row changes': (db) => [
      db
        .selectFrom('track')
        .innerJoin('album', 'album.id', 'track.album_id')
        .select(['track.id', 'album.title'])
        .orderBy('track.id'),
      () => db.updateTable('album').set({ title: 'x' }).where('id', '=', 1).execute(),
    ],
    'a left joined row appears': (db) => [
      db
        .selectFrom('track')
        .leftJoin('genre', 'genre.id', 'track.genre_id')
        .select(['track.id', 'genre.name'])
        .orderBy('track.id'),
      () => db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute(),
    ],
    'a table that only orders': (db) => [
      db
        .selectFrom('track')
        .innerJoin('album', 'album.id', 'track.album_id')
        .select('track.id')
        .orderBy('album.title')
        .orderBy('track.id'),
      () => db.updateTable('album').set({ title: 'zzz' }).where('id', '=', 1).execute(),
    ],
    'an anti-join and a child that is added': (db) => [
      db
        .selectFrom('genre')
        .leftJoin('track', 'track.genre_id', 'genre.id')
        .select('genre.id')
        .where('track.id', 'is', null)
        .orderBy('genre.id'),
      () => db.updateTable('track').set({ genre_id: null }).where('genre_id', '=', 3).execute(),
    ],
    'a condition on the nullable side of an outer join': (db) => [
      db
        .selectFrom('genre')
        .leftJoin('track', (join) => join.onRef('track.genre_id', '=', 'genre.id').on('track.album_id', '=', 1))
        .select(['genre.id', 'track.id as track_id'])
        .orderBy('genre.id')
        .orderBy('track.id'),
      () => db.updateTable('track').set({ album_id: 1, position: 50 }).where('id', '=', 3).execute(),
    ],
    'several conditions, one of them null': (db) => [
      db
        .selectFrom('track')
        .select('id')
        .where('album_id', '=', 1)
        .where('genre_id', 'is', null)
        .where('composer', 'is', null)
        .orderBy('id'),
      () => db.updateTable('track').set({ genre_id: null }).where('id', '=', 2).execute(),
    ],
    'in (select)': (db) => [
      db
        .selectFrom('album')
        .select('id')
        .where('id', 'in', (eb) => eb.selectFrom('track').select('album_id').where('plays', '>', 45))
        .orderBy('id'),
      () => db.updateTable('track').set({ plays: 99 }).where('id', '=', 1).execute(),
    ],
    'not in (select)': (db) => [
      db
        .selectFrom('album')
        .select('id')
        .where('id', 'not in', (eb) => eb.selectFrom('track').select('album_id'))
        .orderBy('id'),
      () => db.deleteFrom('track').where('id', '=', 6).execute(),
    ],
    exists: (db) => [
      db
        .selectFrom('genre')
        .select('id')
        .where((eb) => eb.exists(eb.selectFrom('track').select('id').whereRef('track.genre_id', '=', 'genre.id')))
        .orderBy('id'),
      () => db.updateTable('track').set({ genre_id: null }).where('genre_id', '=', 3).execute(),
    ],
    'not exists': (db) => [
      db
        .selectFrom('genre')
        .select('id')
        .where((eb) =>
          eb.not(eb.exists(eb.selectFrom('track').select('id').whereRef('track.genre_id', '=', 'genre.id'))),
        )
        .orderBy('id'),
      () => db.updateTable('track').set({ genre_id: null }).where('genre_id', '=', 3).execute(),
    ],
    'a subquery in the select list': (db) => [
      db
        .selectFrom('album')
        .select((eb) => [
          'id',
          eb.fn
            .coalesce(
              eb
                .selectFrom('track')
                .select('title')
                .whereRef('track.album_id', '=', 'album.id')
                .orderBy('position')
                .limit(1),
              sql<string>`'none'`,
            )
            .as('first'),
        ])
        .orderBy('id'),
      () => db.updateTable('track').set({ title: 'x' }).where('id', '=', 6).execute(),
    ],
    'case when exists': (db) => [
      db
        .selectFrom('genre')
        .select((eb) => [
          'id',
          eb
            .case()
            .when(eb.exists(eb.selectFrom('track').select('id').whereRef('track.genre_id', '=', 'genre.id')))
            .then(1)
            .else(0)
            .end()
            .as('used'),
        ])
        .orderBy('id'),
      () => db.updateTable('track').set({ genre_id: null }).where('genre_id', '=', 3).execute(),
    ],
    'a subquery in an order, a group and a having': (db) => [
      db
        .selectFrom('track')
        .select(({ fn }) => ['album_id', fn.countAll().as('n')])
        .groupBy('album_id')
        .having((eb) =>
          eb(
            eb.fn.countAll(),
            '>',
            eb
              .selectFrom('genre')
              .select(({ fn }) => fn.countAll<number>().as('n'))
              .where('name', '=', 'Rock'),
          ),
        )
        .orderBy('album_id'),
      () => db.insertInto('genre').values({ id: 90, name: 'Rock' }).execute(),
    ],
    'a second table without a join': (db) => [
      db
        .selectFrom(['genre', 'artist'])
        .select(['genre.name as g', 'artist.name as a'])
        .whereRef('genre.id', '=', 'artist.id')
        .orderBy('genre.id'),
      () => db.updateTable('artist').set({ name: 'x' }).where('id', '=', 2).execute(),
    ],
    'a common table expression': (db) => [
      db
        .with('a', (cte) => cte.selectFrom('genre').select('id').where('name', '=', 'Jazz'))
        .selectFrom('track')
        .select('track.id')
        .innerJoin('a', 'a.id', 'track.genre_id')
        .orderBy('track.id'),
      () => db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute(),
    ],
    'an arm of a union': (db) => [
      db
        .selectFrom('genre')
        .select('name')
        .where('id', '=', 1)
        .unionAll(db.selectFrom('artist').select('name').where('id', '=', 1))
        .orderBy('name'),
      () => db.updateTable('artist').set({ name: 'x' }).where('id', '=', 1).execute(),
    ],
    'a table joined with itself': (db) => [
      db
        .selectFrom('track as a')
        .innerJoin('track as b', 'b.album_id', 'a.album_id')
        .select(['a.id', 'b.title'])
        .where('a.id', '=', 1)
        .orderBy('b.id'),
      () => db.updateTable('track').set({ title: 'x' }).where('id', '=', 2).execute(),
    ],
    'the middle of a chain of joins': (db) => [
      db
        .selectFrom('artist')
        .innerJoin('album', 'album.artist_id', 'artist.id')
        .innerJoin('track', 'track.album_id', 'album.id')
        .select('track.id')
        .where('artist.name', '=', 'Fela')
        .orderBy('track.id'),
      () => db.updateTable('album').set({ artist_id: 2 }).where('id', '=', 1).execute(),
    ],
    'a slice, and a row above it': (db) => [
      db.selectFrom('genre').select('name').orderBy('name').limit(2).offset(1),
      () => db.insertInto('genre').values({ id: 90, name: 'AAA' }).execute(),
    ],
    'a derived table': (db) => [
      db
        .selectFrom((eb) =>
          eb
            .selectFrom('track')
            .select(({ fn }) => ['album_id', fn.countAll().as('n')])
            .groupBy('album_id')
            .as('x'),
        )
        .selectAll()
        .orderBy('album_id'),
      () => db.updateTable('track').set({ album_id: 1, position: 50 }).where('id', '=', 3).execute(),
    ],
    'a value that the statement computes': (db) => [
      db.selectFrom('track').select('id').where('plays', '=', 11),
      () =>
        db
          .updateTable('track')
          .set((eb) => ({ plays: eb('plays', '+', 1) }))
          .where('id', '=', 1)
          .execute(),
    ],
    'a value that a column takes over from another': (db) => [
      db.selectFrom('track').select('id').where('composer', '=', 'Opening'),
      () =>
        db
          .updateTable('track')
          .set((eb) => ({ composer: eb.ref('title') }))
          .where('id', '=', 1)
          .execute(),
    ],
    'a row that is deleted by another of its columns': (db) => [
      db.selectFrom('track').select('id').where('plays', '=', 60).where('genre_id', '=', 3),
      () => db.deleteFrom('track').where('title', '=', 'Gone').execute(),
    ],
    'set null and two conditions': (db) => [
      db.selectFrom('track').select(['id', 'genre_id']).where('genre_id', '=', 3).where('title', '=', 'Gone'),
      () => db.deleteFrom('genre').where('id', '=', 3).execute(),
    ],
    'set null and a key': (db) => [
      db.selectFrom('track').selectAll().where('id', '=', 6),
      () => db.deleteFrom('genre').where('id', '=', 3).execute(),
    ],
    'a cascade and two conditions': (db) => [
      db.selectFrom('track').select('id').where('album_id', '=', 2).where('position', '=', 1),
      () => db.deleteFrom('album').where('id', '=', 2).execute(),
    ],
    'an upsert that meets another row': (db) => [
      db.selectFrom('genre').select('id').where('name', '=', 'Jazz'),
      () =>
        db
          .insertInto('genre')
          .values({ id: 1, name: 'x' })
          .onConflict((oc) => oc.column('id').doUpdateSet({ name: 'up' }))
          .execute(),
    ],
    'an upsert that takes the excluded value': (db) => [
      db.selectFrom('genre').select('id').where('name', '=', 'taken'),
      () =>
        db
          .insertInto('genre')
          .values({ id: 1, name: 'taken' })
          .onConflict((oc) => oc.column('id').doUpdateSet((eb) => ({ name: eb.ref('excluded.name') })))
          .execute(),
    ],
    'a raw fragment names a table': (db) => [
      db
        .selectFrom('genre')
        .select(['id', sql<number>`(select count(*) from track where track.genre_id = genre.id)`.as('n')])
        .orderBy('id'),
      () => db.updateTable('track').set({ genre_id: 3 }).where('id', '=', 5).execute(),
    ],
    'a recursive expression': (db) => [
      db
        .withRecursive('walk(id)', (cte) =>
          cte
            .selectFrom('genre')
            .select('id')
            .where('id', '=', 1)
            .unionAll(
              (eb) =>
                (eb as never as Loose)
                  .selectFrom('walk')
                  .innerJoin('genre', (join: any) => join.on(sql`genre.id = walk.id + 1`))
                  .select('genre.id') as never,
            ),
        )
        .selectFrom('walk')
        .selectAll()
        .orderBy('id'),
      () => db.deleteFrom('genre').where('id', '=', 2).execute(),
    ],
    'not of an or': (db) => [
      db
        .selectFrom('track')
        .select('id')
        .where((eb) => eb.not(eb.or([eb('album_id', '=', 1), eb('genre_id', '=', 2)])))
        .orderBy('id'),
      () => db.updateTable('track').set({ genre_id: 3 }).where('id', '=', 4).execute(),
    ],
    'is distinct from': (db) => [
      db.selectFrom('track').select('id').where('genre_id', 'is distinct from', 1).orderBy('id'),
      () => db.updateTable('track').set({ genre_id: null }).where('id', '=', 1).execute(),
    ],
    'a condition that is always unknown': (db) => [
      db
        .selectFrom('track')
        .select('id')
        .where((eb) => eb.or([eb('genre_id', '=', null as never), eb('album_id', '=', 4)]))
        .orderBy('id'),
      () => db.deleteFrom('track').where('id', '=', 6).execute(),
    ],
  }
  for (const [kind, make] of Object.entries(DEPENDENCIES)) {
    test.serial(`${name}: ${kind}`, async (t) => {
      const opened = await database.open(t)
      const [read, write] = make(opened.db)
      const query = read.cache()
      const before = await query.execute()
      await warm(t, opened, { query })
      await write()
      const after = await query.execute()
      await expectFresh(t, opened, { query })
      if (kind !== 'a condition that is always unknown') t.notDeepEqual(after, before, 'otherwise this shows nothing')
    })
  }

  test.serial(`${name}: a link table and a deleted owner`, async (t) => {
    const opened = await database.open(t, {
      schema: `create table tag (id integer primary key, name text);
        create table album_tag (album_id integer references album (id) on delete cascade, tag_id integer references tag (id) on delete cascade, primary key (album_id, tag_id));
        insert into tag values (1, 'live'), (2, 'studio'); insert into album_tag values (1, 1), (2, 1), (2, 2)`,
    })
    const db = opened.db as Loose
    const tags = db
      .selectFrom('tag')
      .innerJoin('album_tag', 'album_tag.tag_id', 'tag.id')
      .select(['tag.id', 'tag.name'])
    const both = tags.where('album_tag.album_id', '=', 1).where('tag.id', '=', 1).cache()
    const one = tags.where('album_tag.album_id', '=', 1).cache()
    const other = tags.where('album_tag.album_id', '=', 2).orderBy('tag.id').cache()
    await expectAfter(t, opened, { drops: { both, one }, keeps: { other } }, () =>
      opened.db.deleteFrom('album').where('id', '=', 1).execute(),
    )
    await expectAfter(t, opened, { drops: { other } }, () => db.deleteFrom('tag').where('id', '=', 2).execute())
  })

  test.serial(`${name}: a row given by hand with columns missing`, async (t) => {
    const opened = await database.open(t)
    const { db, cacheops, exec } = opened
    const track = db.selectFrom('track').selectAll()
    const reads = {
      pair: track.where('album_id', '=', 1).where('genre_id', '=', 1).cache(),
      other: track.where('genre_id', '=', 1).orderBy('id').cache(),
      id: track.where('id', '=', 1).cache(),
    }
    const stranger = track.where('id', '=', 3).cache()
    await warm(t, opened, { ...reads, stranger })
    await exec(`update track set title = 'past Kysely' where id = 1`)
    await cacheops.invalidateRow('track', { id: 1 })
    await expectFresh(t, opened, reads)
    t.true(await opened.isHit(stranger))
  })

  test.serial(`${name}: lists of any length are tracked value by value, up to a bound`, async (t) => {
    const opened = await database.open(t)
    const { db } = opened
    const list = (length: number) =>
      db
        .selectFrom('genre')
        .selectAll()
        .where(
          'id',
          'in',
          Array.from({ length }, (_, i) => i + 1),
        )
        .orderBy('id')
        .cache()
    await db.insertInto('genre').values({ id: 1000, name: 'outside' }).execute()
    await expectAfter(
      t,
      opened,
      { drops: {}, keeps: { one: list(1), seven: list(7), eight: list(8), thirty: list(30) } },
      () => db.updateTable('genre').set({ name: 'still outside' }).where('id', '=', 1000).execute(),
    )
    await expectAfter(t, opened, { drops: { one: list(1), seven: list(7), eight: list(8), hundreds: list(300) } }, () =>
      db.updateTable('genre').set({ name: 'inside' }).where('id', '=', 1).execute(),
    )
    await expectAfter(t, opened, { drops: { eight: list(8), hundreds: list(300) }, keeps: { one: list(1) } }, () =>
      db.insertInto('genre').values({ id: 8, name: 'eight' }).execute(),
    )
  })

  test.serial(`${name}: conditions that multiply cost no time`, async (t) => {
    const opened = await database.open(t)
    const { db } = opened
    const query = db
      .selectFrom('track')
      .select('id')
      .where((eb) =>
        eb.and(Array.from({ length: 18 }, (_, i) => eb.or([eb('plays', '=', i), eb('position', '=', i + 1)]))),
      )
      .cache()
    await query.execute()
    const start = performance.now()
    await opened.cacheops.explain(query)
    await db.updateTable('track').set({ plays: 5 }).where('id', '=', 1).execute()
    t.true(performance.now() - start < 1000, '2^18 conjunctions')
    await expectFresh(t, opened, { query })
  })

  // ---- values that the database calls equal

  const EQUAL: readonly (readonly [type: Record<string, string>, asked: unknown, stored: string])[] = [
    [{ postgres: 'numeric', sqlite: 'numeric' }, '1.5', '1.50'],
    [{ postgres: 'numeric', sqlite: 'numeric' }, 2, '2.00'],
    [{ postgres: 'numeric', sqlite: 'numeric' }, '1.10', '1.1'],
    [{ postgres: 'numeric', sqlite: 'numeric' }, 1e21, '1000000000000000000000'],
    [{ postgres: 'numeric', sqlite: 'numeric' }, 0.1, '0.10'],
    [{ postgres: 'double precision', sqlite: 'real' }, -0, '0'],
    [{ postgres: 'double precision', sqlite: 'real' }, 0, '-0.0'],
    [{ postgres: 'double precision', sqlite: 'real' }, 1, '1.0'],
    [{ postgres: 'bigint', sqlite: 'integer' }, '9007199254740993', '9007199254740993'],
    [{ postgres: 'bigint', sqlite: 'integer' }, 9007199254740993n, '9007199254740993'],
    [{ postgres: 'integer', sqlite: 'integer' }, '7', '7'],
    [{ postgres: 'integer', sqlite: 'integer' }, ' 7 ', '7'],
    [{ postgres: 'integer', sqlite: 'integer' }, '+7', '7'],
    [{ postgres: 'integer', sqlite: 'integer' }, '0007', '7'],
    [{ postgres: 'boolean', sqlite: 'boolean' }, true, 'true'],
    [{ postgres: 'boolean', sqlite: 'boolean' }, 'yes', 'true'],
    [{ postgres: 'boolean', sqlite: 'boolean' }, 1, 'true'],
    [
      { postgres: 'uuid', sqlite: 'text' },
      'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
      `'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'`,
    ],
    [
      { postgres: 'uuid', sqlite: 'text' },
      '{a0eebc999c0b4ef8bb6d6bb9bd380a11}',
      `'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'`,
    ],
    [{ postgres: 'date', sqlite: 'text' }, '2001-02-03', `'2001-02-03'`],
    [{ postgres: 'date', sqlite: 'text' }, 'February 3, 2001', `'2001-02-03'`],
    [{ postgres: 'timestamptz', sqlite: 'text' }, '2001-02-03 04:00+02', `'2001-02-03 02:00+00'`],
    [{ postgres: 'timestamptz', sqlite: 'text' }, new Date('2001-02-03T02:00:00Z'), `'2001-02-03 04:00+02'`],
    [{ postgres: 'char(5)', sqlite: 'text collate rtrim' }, 'ab', `'ab   '`],
    [{ postgres: 'text', sqlite: 'text collate nocase' }, 'abc', `'ABC'`],
    [{ postgres: 'text', sqlite: 'text' }, '1', `'1'`],
    [{ postgres: 'text', sqlite: 'text' }, 1n, `'1'`],
    [{ postgres: 'jsonb', sqlite: 'text' }, '{"a":1,"b":2}', `'{"b": 2, "a": 1}'`],
    [{ postgres: 'varchar(3)', sqlite: 'varchar(3)' }, 'abc', `'abc'`],
    [{ postgres: 'integer', sqlite: '' }, 1, '1'],
    [{ postgres: 'interval', sqlite: 'text' }, '24 hours', `'1 day'`],
    [{ postgres: 'bytea', sqlite: 'blob' }, Buffer.from('ab'), name === 'postgres' ? `'\\x6162'` : `x'6162'`],
  ]
  for (const [index, [types, asked, stored]] of EQUAL.entries()) {
    const type = types[name]!
    const label = `${String(index)}: ${type || 'no type'}: ${typeof asked} ${JSON.stringify(typeof asked === 'bigint' ? String(asked) : asked)} and ${stored}`
    test.serial(`${name}: if a row matches, its write drops the read, ${label}`, async (t) => {
      const opened = await database.open(t, { schema: `create table v (id integer primary key, x ${type}, n integer)` })
      const { plain } = opened
      const db = opened.db as Loose
      const query = db.selectFrom('v').selectAll().where('x', '=', asked).cache()
      // A spelling that one database refuses shows nothing there.
      try {
        await plain.executeQuery(query.compile())
      } catch {
        await t.throwsAsync(query.execute())
        return
      }
      const fresh = async (what: string): Promise<void> => {
        const { rows } = await plain.executeQuery(query.compile())
        t.deepEqual(await query.execute(), rows, what)
      }
      await fresh('empty')
      await sql.raw(`insert into v (id, x, n) values (1, ${stored}, 1)`).execute(db)
      await fresh('inserted')
      await db.updateTable('v').set({ n: 2 }).where('id', '=', 1).execute()
      await fresh('updated')
      await db.updateTable('v').set({ x: null }).where('id', '=', 1).execute()
      await fresh('taken away')
      await sql.raw(`update v set x = ${stored} where id = 1`).execute(db)
      await fresh('given back')
      await db.deleteFrom('v').where('id', '=', 1).execute()
      await fresh('deleted')
      await db.insertInto('v').values({ id: 2, x: asked, n: 1 }).execute()
      await fresh('inserted as asked')
      await db.updateTable('v').set({ n: 3 }).where('x', '=', asked).execute()
      await fresh('updated as asked')
    })
  }

  if (name === 'sqlite') {
    test.serial(`${name}: equal texts of another case, both asked for at once`, async (t) => {
      const opened = await database.open(t, {
        schema: `create table v (id integer primary key, x text collate nocase); insert into v values (1, 'b')`,
      })
      const db = opened.db as Loose
      const query = db.selectFrom('v').selectAll().where('x', '=', 'a').where('x', '=', 'A').cache()
      t.deepEqual(await query.execute(), [])
      await db.updateTable('v').set({ x: 'a' }).where('id', '=', 1).execute()
      t.deepEqual(await query.execute(), [{ id: 1, x: 'a' }])
    })
  }

  // ---- keys

  test.serial(`${name}: parameters that read like a query cannot reach another's entry`, async (t) => {
    const opened = await database.open(t)
    const { db } = opened
    await db
      .insertInto('artist')
      .values([
        { id: 50, name: 'a&country=b', country: null },
        { id: 51, name: 'a', country: 'b' },
      ])
      .execute()
    const one = db.selectFrom('artist').select('id').where('name', '=', 'a&country=b').cache()
    const two = db.selectFrom('artist').select('id').where('name', '=', 'a').where('country', '=', 'b').cache()
    t.deepEqual([await one.execute(), await two.execute()], [[{ id: 50 }], [{ id: 51 }]])
    t.deepEqual([await one.execute(), await two.execute()], [[{ id: 50 }], [{ id: 51 }]])
    await expectAfter(t, opened, { drops: { two }, keeps: { one } }, () =>
      db.updateTable('artist').set({ country: 'c' }).where('id', '=', 51).execute(),
    )
  })

  test.serial(`${name}: parameters with the same text are not the same parameters`, async (t) => {
    const { db, cacheops } = await database.open(t)
    const keys = new Set<string | null>()
    const values = [1, '1', 1n, [1], ['1'], { a: 1 }, '{"a":1}', new Date(0), '[object Object]', { a: 2 }]
    for (const value of values) {
      keys.add((await cacheops.explain(db.selectFrom('invoice').select('id').where('details', '=', value).cache())).key)
    }
    t.is(keys.size, values.length)
    t.false(keys.has(null))
  })

  test.serial(`${name}: a result that was cut off is no result`, async (t) => {
    const opened: Opened = await database.open(t, { maxEntryBytes: 500 })
    const large = opened.db.selectFrom('track').selectAll().orderBy('id').cache()
    const small = opened.db.selectFrom('genre').select('id').where('id', '=', 1).cache()
    for (let round = 0; round < 2; round++) t.is((await large.execute()).length, 6)
    t.false(await opened.isHit(large))
    await small.execute()
    t.true(await opened.isHit(small))
  })
}
