import test from 'ava'
import { sql } from 'kysely'
import type { CompiledQuery } from 'kysely'

import type { ReadEvent } from '../ts/index.ts'
import { databases } from './support/databases.ts'

for (const database of databases) {
  const { name } = database

  test.serial(`${name}: a second equal read is answered without a statement and without a connection`, async (t) => {
    const { db, recorder } = await database.open(t)
    const query = db.selectFrom('track').selectAll().where('album_id', '=', 1).orderBy('id').cache()
    const first = await query.execute()
    t.is(recorder.count(/from "track"/), 1)
    t.is(first.length, 2)
    recorder.clear()
    const second = await query.execute()
    t.deepEqual(second, first)
    t.deepEqual(recorder.texts(), [])
    t.is(recorder.acquisitions, 0)
  })

  test.serial(`${name}: an equal read built anew is a hit, another one is not`, async (t) => {
    const { db, isHit } = await database.open(t)
    const tracks = (album: number) => db.selectFrom('track').selectAll().where('album_id', '=', album).cache()
    t.false(await isHit(tracks(1)))
    t.true(await isHit(tracks(1)))
    t.false(await isHit(tracks(2)))
    t.false(await isHit(db.selectFrom('track').select('id').where('album_id', '=', 1).cache()))
    t.false(await isHit(tracks(1).limit(1)))
  })

  test.serial(`${name}: nothing is cached without being asked for`, async (t) => {
    const { db, isHit } = await database.open(t)
    const query = db.selectFrom('genre').selectAll()
    await query.execute()
    t.false(await isHit(query))
  })

  test.serial(`${name}: results are fresh objects each time`, async (t) => {
    const { db } = await database.open(t)
    const query = db.selectFrom('genre').selectAll().orderBy('id').cache()
    const wanted = [
      { id: 1, name: 'Jazz' },
      { id: 2, name: 'Afrobeat' },
      { id: 3, name: 'Silence' },
    ]
    for (let round = 0; round < 3; round++) {
      const rows = await query.execute()
      t.deepEqual(rows, wanted)
      rows[0]!.name = 'changed'
      delete (rows[1] as Partial<(typeof rows)[0]>).id
      Object.assign(rows[2]!, { extra: 1 })
      rows.pop()
    }
  })

  test.serial(`${name}: an empty result is a result`, async (t) => {
    const { db, isHit } = await database.open(t)
    const query = db.selectFrom('genre').selectAll().where('id', '=', 99).cache()
    t.deepEqual(await query.execute(), [])
    t.true(await isHit(query))
  })

  test.serial(`${name}: a failing read is not cached and fails as it would without the plugin`, async (t) => {
    const { db, plain, isHit } = await database.open(t)
    const failing = (on: typeof db) => on.selectFrom('genre').select(sql<number>`no_such_column`.as('n'))
    const wanted = await t.throwsAsync(failing(plain).execute())
    const seen = await t.throwsAsync(failing(db).cache().execute())
    t.is(seen.message, wanted.message)
    await t.throwsAsync(isHit(failing(db).cache()))
  })

  test.serial(`${name}: executeTakeFirst and executeTakeFirstOrThrow hit like execute`, async (t) => {
    const { db, recorder } = await database.open(t)
    const query = db.selectFrom('genre').selectAll().where('id', '=', 2).cache()
    t.deepEqual(await query.executeTakeFirst(), { id: 2, name: 'Afrobeat' })
    const before = recorder.count()
    t.deepEqual(await query.executeTakeFirst(), { id: 2, name: 'Afrobeat' })
    t.deepEqual(await query.executeTakeFirstOrThrow(), { id: 2, name: 'Afrobeat' })
    const none = db.selectFrom('genre').selectAll().where('id', '=', 99).cache()
    t.is(recorder.count(), before)
    await t.throwsAsync(none.executeTakeFirstOrThrow())
    t.is(await none.executeTakeFirst(), undefined)
    t.is(recorder.count(), before + 1)
  })

  // ---- what is cached

  test.serial(`${name}: profiles cache the ops that they name`, async (t) => {
    const { db, isHit } = await database.open(t, {
      profiles: { artist: { ops: 'get' }, genre: { ops: 'all' }, album: { ops: ['fetch', 'count'] } },
    })
    const n = (fn: typeof db.fn) => fn.countAll().as('n')
    const cached = async (query: Parameters<typeof isHit>[0]): Promise<boolean> => {
      await query.execute()
      return isHit(query)
    }
    t.true(await cached(db.selectFrom('artist').selectAll().where('id', '=', 1)))
    t.false(await cached(db.selectFrom('artist').selectAll().where('country', '=', 'US')))
    t.false(await cached(db.selectFrom('artist').select(({ fn }) => n(fn))))
    t.true(await cached(db.selectFrom('genre').selectAll()))
    t.true(await cached(db.selectFrom('genre').select(({ fn }) => n(fn))))
    t.true(await cached(db.selectFrom('album').selectAll().where('artist_id', '=', 1)))
    t.true(await cached(db.selectFrom('album').select(({ fn }) => n(fn))))
    t.false(await cached(db.selectFrom('album').select(({ fn }) => fn.max('id').as('m'))))
    t.false(await cached(db.selectFrom('album').selectAll().where('id', '=', 1)))
    t.false(await cached(db.selectFrom('track').selectAll()))
  })

  test.serial(`${name}: a read of several tables needs the profile of each`, async (t) => {
    const { db, isHit } = await database.open(t, { profiles: { artist: { ops: 'all' }, genre: { ops: 'all' } } })
    const joined = db
      .selectFrom('artist')
      .innerJoin('album', 'album.artist_id', 'artist.id')
      .select(['artist.name', 'title'])
    await joined.execute()
    t.false(await isHit(joined))
    const both = db.selectFrom(['artist', 'genre']).select(['artist.id as a', 'genre.id as g'])
    await both.execute()
    t.true(await isHit(both))
  })

  test.serial(`${name}: the most specific profile wins, null forbids`, async (t) => {
    const schema = name === 'postgres' ? 'public' : 'main'
    const { db, isHit, cacheops } = await database.open(t, {
      profiles: { '*.*': { ops: 'all' }, [`${schema}.*`]: {}, genre: { ops: 'fetch' }, [`${schema}.artist`]: null },
    })
    const genres = db.selectFrom('genre').selectAll()
    await genres.execute()
    t.true(await isHit(genres))
    const albums = db.selectFrom('album').selectAll()
    await albums.execute()
    t.false(await isHit(albums))
    await albums.cache().execute()
    t.true(await isHit(albums.cache()))
    const artists = db.selectFrom('artist').selectAll().cache()
    await artists.execute()
    t.false(await isHit(artists))
    const joined = db.selectFrom(['genre', 'artist']).select('genre.id').cache()
    await joined.execute()
    t.false(await isHit(joined))
    t.is((await cacheops.explain(artists)).reason, 'forbidden')
  })

  test.serial(`${name}: '*.*' set to null forbids whatever is not named`, async (t) => {
    const { db, isHit } = await database.open(t, { profiles: { '*.*': null, genre: {} } })
    await db.selectFrom('genre').selectAll().cache().execute()
    t.true(await isHit(db.selectFrom('genre').selectAll().cache()))
    await db.selectFrom('album').selectAll().cache().execute()
    t.false(await isHit(db.selectFrom('album').selectAll().cache()))
  })

  test.serial(`${name}: defaults are what profiles fall back to`, async (t) => {
    const { db, isHit, cacheops } = await database.open(t, {
      defaults: { ops: 'get', timeout: 7 },
      profiles: { genre: { timeout: 9 }, album: { ops: 'fetch' } },
    })
    const genre = db.selectFrom('genre').selectAll().where('id', '=', 1)
    await genre.execute()
    t.true(await isHit(genre))
    t.is((await cacheops.explain(genre)).timeout, 9)
    t.is((await cacheops.explain(db.selectFrom('album').selectAll())).timeout, 7)
    t.is((await cacheops.explain(db.selectFrom('artist').selectAll().where('id', '=', 1))).timeout, 7)
    const joined = db.selectFrom(['genre', 'album']).select('genre.id').cache()
    t.is((await cacheops.explain(joined)).timeout, 7, 'the shortest')
    t.is((await cacheops.explain(joined.cache({ timeout: 100 }))).timeout, 100)
  })

  test.serial(`${name}: .cache({ ops }) caches only what turns out to be one of these`, async (t) => {
    const { db, isHit } = await database.open(t)
    const count = db.selectFrom('genre').select(({ fn }) => fn.countAll().as('n'))
    await count.cache({ ops: ['get', 'exists'] }).execute()
    t.false(await isHit(count.cache({ ops: ['get', 'exists'] })))
    await count.cache({ ops: ['count'] }).execute()
    t.true(await isHit(count.cache({ ops: ['count'] })))
    t.true(await isHit(count.cache({ ops: 'all' })), 'the entry is the same')
    t.true(await isHit(count.cache({ ops: 'count', timeout: 5 })))
    t.false(await isHit(count.cache({ ops: [] })))
  })

  test.serial(`${name}: .nocache() asks the database and keeps nothing`, async (t) => {
    const { db, isHit } = await database.open(t, { profiles: { genre: { ops: 'all' } } })
    const genres = db.selectFrom('genre').selectAll()
    await genres.nocache().execute()
    t.false(await isHit(genres))
    t.false(await isHit(genres.nocache()))
    t.true(await isHit(genres))
    t.false(await isHit(genres.cache().nocache()), 'the last word counts')
    t.true(await isHit(genres.nocache().cache()))
  })

  test.serial(`${name}: what a read asks for`, async (t) => {
    const { db, cacheops } = await database.open(t)
    const track = db.selectFrom('track')
    const op = async (query: Parameters<typeof cacheops.explain>[0]) => (await cacheops.explain(query)).op
    t.is(await op(track.selectAll().where('id', '=', 1)), 'get')
    t.is(await op(track.selectAll().where('album_id', '=', 1).where('position', '=', 2)), 'get')
    t.is(await op(track.selectAll().where('album_id', '=', 1)), 'fetch')
    t.is(await op(track.selectAll().where('album_id', '=', 1).where('position', 'in', [1, 2])), 'fetch')
    t.is(await op(track.selectAll().where('id', 'in', [1, 2])), 'fetch')
    t.is(await op(track.selectAll().where((eb) => eb.or([eb('id', '=', 1), eb('id', '=', 2)]))), 'fetch')
    t.is(await op(track.selectAll().limit(1)), 'get')
    t.is(await op(track.selectAll().limit(2)), 'fetch')
    t.is(await op(track.select(({ fn }) => fn.countAll().as('n'))), 'count')
    t.is(await op(track.select(({ fn }) => fn.count('genre_id').as('n')).where('album_id', '=', 1)), 'count')
    t.is(await op(track.select(({ fn }) => fn.sum('plays').as('n'))), 'aggregate')
    t.is(await op(track.select(({ fn }) => [fn.min('plays').as('a'), fn.max('plays').as('b')])), 'aggregate')
    t.is(await op(track.select(['album_id', db.fn.countAll().as('n')]).groupBy('album_id')), 'fetch')
    const exists = db.selectNoFrom((eb) => eb.exists(track.select('id').where('id', '=', 1)).as('e'))
    t.is(await op(exists), 'exists')
  })

  test.serial(`${name}: what the cache did and why is told by events`, async (t) => {
    const { db, cacheops } = await database.open(t, { profiles: { artist: null } })
    const events: ReadEvent[] = []
    cacheops.on('read', (event) => events.push(event))
    const query = db.selectFrom('track').selectAll().where('id', '=', 1).cache()
    await query.execute()
    await query.execute()
    await query.nocache().execute()
    await db.selectFrom('genre').selectAll().execute()
    await db.selectFrom('artist').selectAll().cache().execute()
    await db.selectFrom('genre').selectAll().cache({ ops: 'get' }).execute()
    t.deepEqual(
      events
        .map(({ tables, op, hit, reason }) => [tables, op, hit, reason])
        .filter(([, , , reason]) => reason !== 'nocache'),
      [
        [['track'], 'get', false, 'miss'],
        [['track'], 'get', true, 'hit'],
        [['genre'], 'fetch', false, 'not_requested'],
        [['artist'], 'fetch', false, 'forbidden'],
        [['genre'], 'fetch', false, 'other_op'],
      ],
    )
    t.true(events.every(({ duration }) => duration >= 0))
    t.regex(events[0]!.key!, /^[0-9a-f]{32}$/)
    t.is(events[1]!.key, events[0]!.key)
  })

  test.serial(`${name}: reads that depend on more than tables are not cached automatically`, async (t) => {
    const { db, cacheops, isHit } = await database.open(t, { profiles: { '*.*': { ops: 'all' } } })
    const genres = db.selectFrom('genre')
    const moment = name === 'postgres' ? sql`now()` : sql`datetime('now')`
    const random = genres.select([sql`random()`.as('r'), 'id'])
    const now = genres.select([moment.as('now'), 'id'])
    for (const [query, reason] of [
      [random, 'volatile_function'],
      [now, 'time_function'],
    ] as const) {
      await query.execute()
      t.false(await isHit(query), reason)
      t.is((await cacheops.explain(query)).reason, reason)
      await query.cache().execute()
      t.true(await isHit(query.cache()), `${reason}: .cache() overrides it`)
    }
    const pure = genres.select([sql`lower(name)`.as('l'), 'id'])
    await pure.execute()
    t.true(await isHit(pure))
    if (name === 'postgres') {
      const user = genres.select([sql`current_user`.as('u'), 'id'])
      await user.execute()
      t.false(await isHit(user))
      t.is((await cacheops.explain(user)).reason, 'session_value')
    } else {
      const fixed = genres.select([sql`datetime('2001-01-01')`.as('d'), 'id'])
      await fixed.execute()
      t.true(await isHit(fixed))
    }
  })

  test.serial(`${name}: views are cached when asked for, and dropped with their tables`, async (t) => {
    const { db, cacheops, isHit } = await database.open(t, {
      profiles: { '*.*': { ops: 'all' } },
      schema: 'create view cheap as select id, title from track where price < 1',
    })
    const cheap = db.withTables<{ cheap: { id: number; title: string } }>().selectFrom('cheap').selectAll()
    t.is((await cacheops.explain(cheap)).reason, 'view')
    await cheap.execute()
    t.false(await isHit(cheap))
    await cheap.cache().execute()
    t.true(await isHit(cheap.cache()))
    await db.updateTable('track').set({ title: 'Changed' }).where('id', '=', 1).execute()
    t.false(await isHit(cheap.cache()))
    t.true((await cheap.cache().execute()).some(({ title }) => title === 'Changed'))
  })

  test.serial(`${name}: system catalogs are never cached`, async (t) => {
    const { db, isHit, cacheops } = await database.open(t)
    const catalog = name === 'postgres' ? 'pg_class' : 'sqlite_master'
    const query = db
      .withTables<Record<string, { relname: string; name: string }>>()
      .selectFrom(catalog)
      .selectAll()
      .cache()
    await query.execute()
    t.false(await isHit(query))
    t.is((await cacheops.explain(query)).reason, 'system_catalog')
  })

  test.serial(`${name}: raw reads are cached by run() and by profile`, async (t) => {
    const { db, cacheops, recorder } = await database.open(t, { profiles: { genre: { ops: 'all' } } })
    const read = (id: number) => sql<{ id: number; title: string }>`select id, title from track where id = ${id}`
    t.deepEqual((await cacheops.run(db, read(1))).rows, [{ id: 1, title: 'Opening' }])
    recorder.clear()
    t.deepEqual((await cacheops.run(db, read(1), { timeout: 60 })).rows, [{ id: 1, title: 'Opening' }])
    t.is(recorder.count(), 0)
    await cacheops.run(db, read(2))
    t.is(recorder.count(), 1)
    await cacheops.run(db, read(1), { ops: ['fetch'] })
    t.is(recorder.count(), 2)
    await read(1).execute(db)
    t.is(recorder.count(), 3, 'not without being asked for')
    const genres = sql<{ name: string }>`select name from genre where id = 1`
    await genres.execute(db)
    recorder.clear()
    t.deepEqual((await genres.execute(db)).rows, [{ name: 'Jazz' }])
    t.is(recorder.count(), 0)
    await db.updateTable('track').set({ title: 'New' }).where('id', '=', 1).execute()
    t.deepEqual((await cacheops.run(db, read(1))).rows, [{ id: 1, title: 'New' }])
  })

  test.serial(`${name}: a hit is not a query to Kysely's log`, async (t) => {
    const logged: string[] = []
    const { db } = await database.open(t, { log: ({ query }) => void logged.push(query.sql) })
    const query = db.selectFrom('genre').selectAll().cache()
    await query.execute()
    t.deepEqual(logged, ['select * from "genre"'], 'one, and none of the plugin itself')
    await query.execute()
    t.is(logged.length, 1)
    await db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute()
    await db.insertInto('genre').values({ id: 9, name: 'nine' }).execute()
    await db.deleteFrom('genre').where('id', '=', 9).execute()
    t.deepEqual(
      logged.slice(1).map((text) => text.split(' ')[0]!.replace('with', 'update')),
      ['update', 'insert', 'delete'],
    )
  })

  test.serial(`${name}: a cached read is executed on the text that Kysely compiled`, async (t) => {
    const { db, recorder } = await database.open(t)
    const query = db.selectFrom('track').select(['id', 'title']).where('album_id', 'in', [1, 2]).orderBy('id').cache()
    await query.execute()
    const compiled: CompiledQuery = query.compile()
    t.deepEqual(recorder.statements.at(-1), { sql: compiled.sql, parameters: compiled.parameters })
  })

  // ---- subqueries, joins, set operations: all one result

  test.serial(`${name}: joins, subqueries, common table expressions and set operations are cached`, async (t) => {
    const { db, isHit, plain } = await database.open(t)
    const build = (on: typeof db) => ({
      join: on
        .selectFrom('track')
        .innerJoin('album', 'album.id', 'track.album_id')
        .leftJoin('genre', 'genre.id', 'track.genre_id')
        .select(['track.id', 'album.title', 'genre.name'])
        .orderBy('track.id'),
      in: on
        .selectFrom('album')
        .selectAll()
        .where('id', 'in', (eb) => eb.selectFrom('track').select('album_id'))
        .orderBy('id'),
      cte: on
        .with('dear', (cte) => cte.selectFrom('track').select(['id', 'album_id']).where('price', '>', 1))
        .selectFrom('dear')
        .innerJoin('album', 'album.id', 'dear.album_id')
        .select(['dear.id', 'album.title'])
        .orderBy('dear.id'),
      union: on.selectFrom('genre').select('name').union(on.selectFrom('artist').select('name')).orderBy('name'),
      from: on
        .selectFrom((eb) => eb.selectFrom('genre').selectAll().as('g'))
        .selectAll()
        .orderBy('id'),
    })
    const cached = build(db)
    const uncached = build(plain)
    for (const [kind, query] of Object.entries(cached) as [keyof typeof cached, (typeof cached)['in']][]) {
      const wanted = await (uncached[kind] as (typeof cached)['in']).execute()
      t.deepEqual(await query.cache().execute(), wanted, kind)
      t.true(await isHit(query.cache()), kind)
      t.deepEqual(await query.cache().execute(), wanted, kind)
    }
  })

  test.serial(`${name}: options on a subquery or an operand mean nothing`, async (t) => {
    const { db, isHit } = await database.open(t)
    const query = db
      .selectFrom((eb) => eb.selectFrom('genre').selectAll().cache().as('g'))
      .selectAll()
      .union(db.selectFrom('genre').selectAll().cache())
    await query.execute()
    t.false(await isHit(query))
  })
}
