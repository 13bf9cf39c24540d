import { sql } from 'kysely'

import type { Db } from './twins.ts'

/** Something that a caller does, and what it gets. */
export type Calls = Readonly<Record<string, (db: Db) => Promise<unknown>>>

const track = (values: object = {}) => ({
  album_id: 1,
  position: 9,
  title: 'New',
  price: '1.00',
  explicit: sql`1 = 0`,
  ...values,
})

const INSERTS: Calls = {
  'insert one': (db) => db.insertInto('track').values(track()).execute(),
  'insert one, first': (db) => db.insertInto('track').values(track()).executeTakeFirst(),
  'insert one, first or throw': (db) => db.insertInto('track').values(track()).executeTakeFirstOrThrow(),
  'insert several': (db) =>
    db
      .insertInto('track')
      .values([track(), track({ position: 10 })])
      .execute(),
  'insert several, with unlike columns': (db) =>
    db
      .insertInto('track')
      .values([track({ plays: 7 }), track({ position: 10, composer: 'x' })])
      .executeTakeFirst(),
  'insert many': (db) =>
    db
      .insertInto('genre')
      .values(Array.from({ length: 300 }, (_, i) => ({ id: 1000 + i, name: `g${i}` })))
      .executeTakeFirst(),
  'insert with an id': (db) => db.insertInto('genre').values({ id: 500, name: 'x' }).executeTakeFirst(),
  'insert without an id': (db) => db.insertInto('genre').values({ name: 'x' }).executeTakeFirst(),
  'insert nothing but what is needed': (db) => db.insertInto('artist').values({ name: 'Only' }).executeTakeFirst(),
  'insert an undefined column': (db) =>
    db.insertInto('artist').values({ name: 'x', country: undefined }).returningAll().execute(),
  'insert an expression': (db) =>
    db
      .insertInto('genre')
      .values((eb: any) => ({ id: 600, name: eb.fn('upper', [eb.val('up')]) }))
      .returningAll()
      .execute(),
  'insert a subquery': (db) =>
    db
      .insertInto('genre')
      .values((eb: any) => ({ id: 600, name: eb.selectFrom('artist').select('name').where('id', '=', 2) }))
      .returningAll()
      .execute(),
  'insert into a composite key': (db) =>
    db.insertInto('ledger').values({ account: 'cash', entry: 3, amount: 5 }).executeTakeFirst(),
  'insert, giving back a generated column': (db) =>
    db.insertInto('ledger').values({ account: 'cash', entry: 3, amount: 5 }).returning(['twice', 'note']).execute(),
  'insert, giving back': (db) =>
    db.insertInto('genre').values({ id: 501, name: 'x' }).returning(['name', 'id']).execute(),
  'insert, giving back all': (db) =>
    db.insertInto('genre').values({ id: 502, name: 'x' }).returningAll().executeTakeFirst(),
  'insert several, giving back': (db) =>
    db
      .insertInto('genre')
      .values([
        { id: 502, name: 'x' },
        { id: 501, name: 'y' },
      ])
      .returning('id')
      .execute(),
  'insert, giving back an expression': (db) =>
    db
      .insertInto('genre')
      .values({ id: 503, name: 'x' })
      .returning((eb) => [sql<string>`upper(${eb.ref('name')})`.as('up'), sql`1`.as('__proto__')])
      .execute(),
  'insert, giving back a subquery': (db) =>
    db
      .insertInto('genre')
      .values({ id: 503, name: 'x' })
      .returning((eb) => [
        'id',
        eb
          .selectFrom('artist')
          .select((inner) => inner.fn.countAll().as('n'))
          .as('artists'),
      ])
      .execute(),
  'insert, on conflict nothing': (db) =>
    db
      .insertInto('genre')
      .values({ id: 1, name: 'x' })
      .onConflict((oc) => oc.doNothing())
      .executeTakeFirst(),
  'insert, on conflict nothing, in part': (db) =>
    db
      .insertInto('genre')
      .values([
        { id: 1, name: 'x' },
        { id: 504, name: 'y' },
      ])
      .onConflict((oc) => oc.doNothing())
      .executeTakeFirst(),
  'insert, on conflict nothing, giving back': (db) =>
    db
      .insertInto('genre')
      .values({ id: 1, name: 'x' })
      .onConflict((oc) => oc.doNothing())
      .returningAll()
      .executeTakeFirst(),
  'insert, then on conflict nothing': async (db) => [
    await db.insertInto('artist').values({ name: 'before' }).execute(),
    await db
      .insertInto('genre')
      .values({ id: 1, name: 'x' })
      .onConflict((oc) => oc.doNothing())
      .executeTakeFirst(),
  ],
  upsert: (db) =>
    db
      .insertInto('genre')
      .values({ id: 1, name: 'x' })
      .onConflict((oc) => oc.column('id').doUpdateSet({ name: 'up' }))
      .executeTakeFirst(),
  'upsert of what is excluded': (db) =>
    db
      .insertInto('genre')
      .values([
        { id: 1, name: 'x' },
        { id: 77, name: 'y' },
      ])
      .onConflict((oc) => oc.column('id').doUpdateSet((eb) => ({ name: eb.ref('excluded.name') })))
      .executeTakeFirst(),
  'upsert, where': (db) =>
    db
      .insertInto('genre')
      .values({ id: 1, name: 'x' })
      .onConflict((oc) => oc.column('id').doUpdateSet({ name: 'up' }).where('genre.id', '=', 2))
      .executeTakeFirst(),
  'upsert, giving back': (db) =>
    db
      .insertInto('genre')
      .values({ id: 1, name: 'x' })
      .onConflict((oc) => oc.column('id').doUpdateSet({ name: 'up' }))
      .returningAll()
      .execute(),
  'insert from a select': (db) =>
    db
      .insertInto('genre')
      .columns(['name'])
      .expression((eb) => eb.selectFrom('album').select('title').orderBy('id'))
      .executeTakeFirst(),
  'insert from a select, giving back': (db) =>
    db
      .insertInto('genre')
      .columns(['name'])
      .expression((eb) => eb.selectFrom('album').select('title').orderBy('id'))
      .returningAll()
      .execute(),
  'insert from a select of nothing': (db) =>
    db
      .insertInto('genre')
      .columns(['name'])
      .expression((eb) => eb.selectFrom('album').select('title').where('id', '<', 0))
      .executeTakeFirst(),
  'insert with an expression in front': (db) =>
    db
      .with('src', (qb) => qb.selectFrom('album').select('title'))
      .insertInto('genre')
      .columns(['name'])
      .expression((eb: any) => eb.selectFrom('src').select('title'))
      .executeTakeFirst(),
  'insert into a table with a trigger': (db) =>
    db.insertInto('noted').values({ id: 1, name: 'seen' }).executeTakeFirst(),
  'insert defaults': (db) => sql`insert into audit (what) values (${'x'})`.execute(db),
  '$if on an insert': (db) =>
    db
      .insertInto('genre')
      .values({ id: 510, name: 'x' })
      .$if(true, (qb) => qb.returningAll())
      .executeTakeFirst(),
}

const UPDATES: Calls = {
  'update one': (db) => db.updateTable('track').set({ title: 'x' }).where('id', '=', 1).executeTakeFirst(),
  'update one, or throw': (db) =>
    db.updateTable('track').set({ title: 'x' }).where('id', '=', 1).executeTakeFirstOrThrow(),
  'update to what it is': (db) => db.updateTable('genre').set({ name: 'Jazz' }).where('id', '=', 1).executeTakeFirst(),
  'update a key that others refer to': (db) =>
    db.updateTable('artist').set({ id: 50 }).where('id', '=', 1).executeTakeFirst(),
  'update a primary key': (db) =>
    db.updateTable('ledger').set({ entry: 9 }).where('account', '=', 'cash').where('entry', '=', 1).executeTakeFirst(),
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
  'update by itself': (db) =>
    db
      .updateTable('track')
      .set((eb) => ({ plays: eb('plays', '+', 1), weight: eb.ref('plays') }))
      .where('plays', '>', 20)
      .executeTakeFirst(),
  'update by a subquery': (db) =>
    db
      .updateTable('track')
      .set((eb) => ({
        composer: eb.selectFrom('genre').select('name').whereRef('genre.id', '=', 'track.genre_id'),
      }))
      .executeTakeFirst(),
  'update where a subquery': (db) =>
    db
      .updateTable('track')
      .set({ genre_id: null })
      .where('album_id', 'in', (eb: any) => eb.selectFrom('album').select('id').where('artist_id', '=', 1))
      .executeTakeFirst(),
  'update to null': (db) =>
    db.updateTable('track').set({ genre_id: null, composer: null }).where('id', '=', 3).executeTakeFirst(),
  'update by reference': (db) =>
    db
      .updateTable('track')
      .set('title', (eb) => eb.ref('composer'))
      .where('composer', 'is not', null)
      .execute(),
  'update where null': (db) =>
    db.updateTable('track').set({ genre_id: 2 }).where('genre_id', 'is', null).executeTakeFirst(),
  'update nothing of it': (db) => db.updateTable('genre').set({}).where('id', '=', 1).execute(),
  'update an undefined column': (db) =>
    db.updateTable('genre').set({ name: undefined, id: 1 }).where('id', '=', 1).executeTakeFirst(),
  'update, giving back': (db) =>
    db
      .updateTable('track')
      .set({ genre_id: 3 })
      .where('album_id', '=', 1)
      .returning(['id', 'genre_id as genre'])
      .execute(),
  'update, giving back all': (db) =>
    db.updateTable('track').set({ genre_id: 3 }).where('id', '=', 2).returningAll().execute(),
  'update, giving back odd names': (db) =>
    sql`update track set genre_id = 3 where album_id = 1 returning title as "__proto__", id, price, 1 as "1", genre_id as "b c"`.execute(
      db,
    ),
  'update none, giving back': (db) =>
    db.updateTable('track').set({ genre_id: 3 }).where('id', '=', 999).returningAll().execute(),
  'update none, giving back, first': (db) =>
    db.updateTable('track').set({ genre_id: 3 }).where('id', '=', 999).returningAll().executeTakeFirst(),
  'update none, giving back, first or throw': (db) =>
    db.updateTable('track').set({ genre_id: 3 }).where('id', '=', 999).returningAll().executeTakeFirstOrThrow(),
  'update none, giving back, an error of the caller': (db) =>
    db
      .updateTable('track')
      .set({ genre_id: 3 })
      .where('id', '=', 999)
      .returningAll()
      .executeTakeFirstOrThrow(() => new RangeError('own')),
  'update by an alias': (db) =>
    db.updateTable('track as t').set({ genre_id: 3 }).where('t.album_id', '=', 1).executeTakeFirst(),
  'update from another table': (db) =>
    db
      .updateTable('track')
      .from('album')
      .set({ genre_id: 3 })
      .whereRef('album.id', '=', 'track.album_id')
      .where('album.artist_id', '=', 1)
      .executeTakeFirst(),
  'update from another table, giving back': (db) =>
    db
      .updateTable('track')
      .from('album')
      .set((eb) => ({ title: eb.ref('album.title') }))
      .whereRef('album.id', '=', 'track.album_id')
      .where('album.artist_id', '=', 1)
      .returning(['track.id', 'track.title', 'album.title as album'])
      .execute(),
  'update with an expression in front': (db) =>
    db
      .with('few', (qb) => qb.selectFrom('track').select('id').where('plays', '<', 30))
      .updateTable('track')
      .set({ title: 'few' })
      .where('id', 'in', (eb: any) => eb.selectFrom('few').select('id'))
      .executeTakeFirst(),
  'update a generated column’s base': (db) =>
    db.updateTable('ledger').set({ amount: 11 }).where('account', '=', 'bank').returningAll().execute(),
}

const DELETES: Calls = {
  'delete one': (db) => db.deleteFrom('track').where('id', '=', 1).executeTakeFirst(),
  'delete one, or throw': (db) => db.deleteFrom('track').where('id', '=', 1).executeTakeFirstOrThrow(),
  'delete several': (db) => db.deleteFrom('track').where('album_id', '=', 1).execute(),
  'delete none': (db) => db.deleteFrom('track').where('id', '=', 999).executeTakeFirst(),
  'delete all': (db) => db.deleteFrom('track').executeTakeFirst(),
  'delete, giving back': (db) =>
    db.deleteFrom('track').where('album_id', '=', 1).returning(['id', 'title', 'genre_id']).execute(),
  'delete, giving back all': (db) => db.deleteFrom('genre').where('id', '=', 3).returningAll().executeTakeFirst(),
  'delete with a cascade': (db) => db.deleteFrom('artist').where('id', '=', 1).executeTakeFirst(),
  'delete that sets null': (db) => db.deleteFrom('genre').where('id', '=', 1).executeTakeFirst(),
  'delete where exists': (db) =>
    db
      .deleteFrom('genre')
      .where((eb) =>
        eb.not(
          eb.exists(
            eb.selectFrom('track').select('id').whereRef('track.genre_id', '=', 'genre.id').where('plays', '>', 50),
          ),
        ),
      )
      .executeTakeFirst(),
  'delete by an alias': (db) => db.deleteFrom('track as t').where('t.id', '=', 1).executeTakeFirst(),
  'delete of an empty table': (db) => db.deleteFrom('audit').executeTakeFirst(),
  'delete of a composite key': (db) =>
    db.deleteFrom('ledger').where('account', '=', 'cash').where('entry', '=', 2).returningAll().execute(),
}

const RAW: Calls = {
  'raw update': (db) => sql`update track set genre_id = ${3} where album_id = ${1}`.execute(db),
  'raw update with a comment': (db) =>
    sql`update track set genre_id = ${3} where album_id = ${1} -- because`.execute(db),
  'raw update with a comment in front': (db) =>
    sql`/* select */ update track set genre_id = ${3} where album_id = ${1}`.execute(db),
  'raw update with a semicolon': (db) => sql`update track set genre_id = ${3} where album_id = ${1} ;  `.execute(db),
  'raw insert': (db) => sql`insert into genre (id, name) values (700, 'raw')`.execute(db),
  'raw delete, giving back': (db) => sql`delete from track where album_id = ${1} returning id`.execute(db),
  'compiled and executed twice': async (db) => {
    const compiled = db
      .updateTable('track')
      .set((eb) => ({ plays: eb('plays', '+', 1) }))
      .where('id', '=', 1)
      .compile()
    return [await db.executeQuery(compiled), await db.executeQuery(compiled)]
  },
  'a builder given to executeQuery': (db) => db.executeQuery(db.deleteFrom('track').where('id', '=', 1)),
  'several in a row': async (db) => [
    await db.insertInto('genre').values({ id: 900, name: 'a' }).executeTakeFirst(),
    await db.updateTable('genre').set({ name: 'b' }).where('id', '=', 900).executeTakeFirst(),
    await db.selectFrom('genre').selectAll().where('id', '=', 900).execute(),
    await db.deleteFrom('genre').where('id', '=', 900).executeTakeFirst(),
    await db.selectFrom('genre').selectAll().where('id', '=', 900).execute(),
  ],
  'several at once': (db) =>
    Promise.all([
      db.insertInto('genre').values({ id: 900, name: 'a' }).executeTakeFirst(),
      db.updateTable('track').set({ title: 'b' }).where('id', '=', 1).executeTakeFirst(),
      db.deleteFrom('track').where('id', '=', 2).returningAll().execute(),
      db.selectFrom('artist').selectAll().orderBy('id').execute(),
    ]),
  'without plugins': (db) =>
    db.withoutPlugins().updateTable('track').set({ title: 'x', genre_id: 3 }).where('id', '=', 1).executeTakeFirst(),
  'without plugins, giving back': (db) =>
    db.withoutPlugins().deleteFrom('track').where('album_id', '=', 1).returningAll().execute(),
  'on a pinned connection': (db) =>
    db.connection().execute((one) => one.deleteFrom('track').where('album_id', '=', 1).executeTakeFirst()),
  'a read that writes nothing': (db) => db.selectFrom('track').selectAll().orderBy('id').execute(),
}

const FAILING: Calls = {
  'a unique key': (db) => db.insertInto('genre').values({ id: 800, name: 'Jazz' }).execute(),
  'a unique key, first or throw': (db) =>
    db.insertInto('genre').values({ id: 800, name: 'Jazz' }).executeTakeFirstOrThrow(),
  'a primary key': (db) => db.insertInto('genre').values({ id: 1, name: 'other' }).returningAll().execute(),
  'a unique key in an update': (db) => db.updateTable('genre').set({ name: 'Jazz' }).where('id', '=', 2).execute(),
  'a unique key in an update of several': (db) => db.updateTable('genre').set({ name: 'same' }).execute(),
  'a unique key in the second row': (db) =>
    db
      .insertInto('genre')
      .values([
        { id: 801, name: 'fine' },
        { id: 802, name: 'Jazz' },
      ])
      .execute(),
  'a foreign key': (db) =>
    db
      .insertInto('track')
      .values(track({ album_id: 999 }))
      .execute(),
  'a foreign key in an update': (db) => db.updateTable('track').set({ album_id: 999 }).where('id', '=', 1).execute(),
  'a foreign key in a delete': (db) => db.deleteFrom('tree').where('id', '=', 1).execute(),
  'a check': (db) => db.updateTable('ledger').set({ amount: -5000 }).where('account', '=', 'bank').execute(),
  'a check in an insert': (db) => db.insertInto('ledger').values({ account: 'x', entry: 1, amount: -5000 }).execute(),
  'not null': (db) => sql`insert into genre (id, name) values (803, ${null})`.execute(db),
  'not null in an update': (db) => db.updateTable('genre').set({ name: null }).where('id', '=', 1).execute(),
  'a generated column': (db) => db.updateTable('ledger').set({ twice: 1 }).execute(),
  'a generated column in an insert': (db) =>
    db.insertInto('ledger').values({ account: 'x', entry: 1, amount: 1, twice: 2 }).execute(),
  'an unknown column': (db) => sql`update track set nope = 1 where id = 1`.execute(db),
  'an unknown column in a condition': (db) => sql`update track set genre_id = 3 where nope = 1`.execute(db),
  'an unknown column in an insert': (db) => db.insertInto('genre').values({ id: 1, nope: 2 }).execute(),
  'an unknown column given back': (db) => sql`delete from track where album_id = 1 returning nope`.execute(db),
  'an unknown table': (db) => sql`update nope set a = 1`.execute(db),
  'a view': (db) => db.updateTable('loud').set({ title: 'x' }).execute(),
  syntax: (db) => sql`update track sett genre_id = 3 where album_id = 1`.execute(db),
  'syntax at the end': (db) => sql`update track set genre_id = 3 where album_id = 1 and`.execute(db),
  'an unknown function in the middle': (db) =>
    sql`update track set genre_id = 3 where album_id = 1 and nope(title) = 1 and id = 5`.execute(db),
  'a type in a condition': (db) => sql`update track set genre_id = 3 where album_id = 1 and title = 5`.execute(db),
  'a type in SET': (db) => sql`update track set plays = 1, genre_id = 'abc' where album_id = 1`.execute(db),
  'a type in a delete': (db) => sql`delete from track where album_id = 1 and title = 5`.execute(db),
  'a parameter': (db) => sql`update track set album_id = ${'abc'} where id = ${'def'}`.execute(db),
  'a parameter that cannot be bound': (db) =>
    db
      .updateTable('track')
      .set({ title: Symbol('x') as never })
      .where('id', '=', 1)
      .execute(),
  'undefined as a parameter': (db) => sql`update track set composer = ${undefined} where id = ${1}`.execute(db),
  'NaN as a parameter': (db) => db.updateTable('track').set({ weight: NaN }).where('id', '=', 1).execute(),
  'division by zero': (db) => sql`update track set plays = plays / 0 where album_id = 1`.execute(db),
  'several statements': (db) => sql.raw(`update track set plays = 1 where id = 1; delete from audit`).execute(db),
  'several statements, the second wrong': (db) =>
    sql.raw(`update track set plays = 1 where id = 1; delete from nope`).execute(db),
  'no rows of VALUES': (db) => db.insertInto('genre').values([]).execute(),
  'too few values': (db) => sql`insert into genre (id, name) values (1)`.execute(db),
  'an own error in what builds it': (db) =>
    db
      .updateTable('genre')
      .set(() => {
        throw new RangeError('own')
      })
      .execute(),
}

export const WRITES: Calls = {
  ...INSERTS,
  ...UPDATES,
  ...DELETES,
  ...RAW,
  ...Object.fromEntries(Object.entries(FAILING).map(([name, call]) => [`against: ${name}`, call])),
}
