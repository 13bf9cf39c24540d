import { sql } from 'kysely'
import { jsonArrayFrom, jsonBuildObject, jsonObjectFrom } from 'kysely/helpers/postgres'

import type { Reads } from './case.ts'

/** What only PostgreSQL can be asked. */
export const POSTGRES_READS: Reads = {
  'lateral join': (db) =>
    db
      .selectFrom('album')
      .innerJoinLateral(
        (eb) =>
          eb
            .selectFrom('track')
            .select(['track.title'])
            .whereRef('track.album_id', '=', 'album.id')
            .orderBy('plays', 'desc')
            .limit(1)
            .as('best'),
        (join) => join.onTrue(),
      )
      .select(['album.id', 'best.title'])
      .orderBy('album.id'),
  'left lateral join': (db) =>
    db
      .selectFrom('artist')
      .leftJoinLateral(
        (eb) => eb.selectFrom('album').selectAll().whereRef('album.artist_id', '=', 'artist.id').limit(1).as('one'),
        (join) => join.onTrue(),
      )
      .select(['artist.id', 'one.title'])
      .orderBy('artist.id'),
  'distinct on': (db) =>
    db
      .selectFrom('track')
      .distinctOn('album_id')
      .select(['album_id', 'title'])
      .orderBy('album_id')
      .orderBy('plays', 'desc'),
  jsonArrayFrom: (db) =>
    db
      .selectFrom('album')
      .select((eb) => [
        'album.id',
        jsonArrayFrom(
          eb
            .selectFrom('track')
            .select(['track.id', 'track.price', 'track.weight'])
            .whereRef('track.album_id', '=', 'album.id')
            .orderBy('track.id'),
        ).as('tracks'),
      ])
      .orderBy('album.id'),
  jsonObjectFrom: (db) =>
    db
      .selectFrom('track')
      .select((eb) => [
        'track.id',
        jsonObjectFrom(eb.selectFrom('genre').selectAll().whereRef('genre.id', '=', 'track.genre_id')).as('genre'),
      ])
      .orderBy('track.id'),
  'json within json': (db) =>
    db
      .selectFrom('artist')
      .select((eb) => [
        'artist.id',
        jsonArrayFrom(
          eb
            .selectFrom('album')
            .select((inner) => [
              'album.id',
              jsonArrayFrom(
                inner
                  .selectFrom('track')
                  .select('track.title')
                  .whereRef('track.album_id', '=', 'album.id')
                  .orderBy('id'),
              ).as('tracks'),
            ])
            .whereRef('album.artist_id', '=', 'artist.id')
            .orderBy('album.id'),
        ).as('albums'),
      ])
      .orderBy('artist.id'),
  jsonBuildObject: (db) =>
    db
      .selectFrom('genre')
      .select((eb) => jsonBuildObject({ id: eb.ref('id'), name: eb.ref('name') }).as('o'))
      .orderBy('id'),
  'eb.fn.jsonAgg': (db) =>
    db
      .selectFrom('track')
      .select((eb) => ['album_id', eb.fn.jsonAgg('title').as('titles')])
      .groupBy('album_id')
      .orderBy('album_id'),
  'eb.fn.toJson': (db) =>
    db
      .selectFrom('genre')
      .select((eb) => eb.fn.toJson('genre').as('g'))
      .orderBy('id'),
  'a JSON path': (db) =>
    db
      .selectFrom('kind')
      .select((eb) => [
        'id',
        eb
          .ref('jb', '->')
          .key('a' as never)
          .as('a'),
        eb
          .ref('jb', '->>')
          .key('b' as never)
          .as('b'),
      ])
      .orderBy('id'),
  'rows as text': (db) =>
    db
      .selectFrom('genre')
      .select(sql`genre::text`.as('t'))
      .orderBy('id'),
  'a row as value': (db) =>
    db
      .selectFrom('genre')
      .select(sql`genre`.as('t'))
      .orderBy('id'),
  'an array aggregate': (db) =>
    db
      .selectFrom('track')
      .select(sql`array_agg(id order by id)`.as('ids'))
      .groupBy('album_id')
      .orderBy('album_id'),
  'arrays of many types': () =>
    sql`select array[1.5::numeric] as n, array[true, null] as b, array['2001-02-03'::date] as d, array['\\x00'::bytea] as by,
      array['{"a": 1}'::jsonb] as j, array[1::int8] as i8, id from genre order by id`,
  'types without a parser': () =>
    sql`select point(1, 2) as p, int8range(1, 5) as range, '<a/>'::text as x, 'a b'::tsvector as v,
      '08:00:2b:01:02:03'::macaddr as mac, '$.a'::jsonpath as path, 1::oid as o, 'x'::name as nm, '1'::"char" as ch, id from genre order by id`,
  'the extremes of dates': () =>
    sql`select '0001-01-01'::date as first, '9999-12-31'::timestamptz as last, '4713-01-01 BC'::date as bc, 'infinity'::timestamptz as never, id from genre`,
  'ANY of an array': (db) =>
    db
      .selectFrom('track')
      .select('id')
      .where(sql<boolean>`album_id = any(${[1, 2]})`)
      .orderBy('id'),
  unnest: () => sql`select * from unnest(array[1, 2], array['a', 'b']) as u (n, t)`,
  generate_series: () => sql`select g.id, n from genre g cross join generate_series(1, 2) n order by g.id, n`,
  'a table of another schema': (db) => db.selectFrom('other.genre').selectAll().orderBy('id'),
  'one name in two schemas': (db) =>
    db.selectFrom('genre').innerJoin('other.genre as o', 'o.id', 'genre.id').select(['genre.name as a', 'o.name as b']),
  withSchema: (db) => db.withSchema('other').selectFrom('genre').selectAll().orderBy('id'),
  'grouping sets': () =>
    sql`select album_id, genre_id, count(*) as n from track group by grouping sets ((album_id), (genre_id), ()) order by 1, 2, 3`,
  rollup: () => sql`select album_id, count(*) as n from track group by rollup (album_id) order by 1`,
  'an ordered aggregate': () => sql`select percentile_cont(0.5) within group (order by plays) as median from track`,
  'a filtered window': () =>
    sql`select id, sum(plays) filter (where plays > 20) over w as s from track window w as (order by id) order by id`,
  'fetch first': (db) => db.selectFrom('track').select('id').orderBy('id').fetch(2),
  'fetch with ties': (db) => db.selectFrom('track').select('price').orderBy('price').fetch(1, 'with ties'),
  'VALUES as a table': () =>
    sql`select v.n, g.name from (values (1), (2)) as v (n) join genre g on g.id = v.n order by 1`,
  'a materialized expression': (db) =>
    db
      .with(
        (cte) => cte('g').materialized(),
        (qb) => qb.selectFrom('genre').selectAll(),
      )
      .selectFrom('g')
      .selectAll()
      .orderBy('id'),
  'search and cycle': () =>
    sql`with recursive t as (select id, parent from tree where id = 1 union all select c.id, c.parent from tree c join t on t.id = c.parent)
      search depth first by id set ord select id from t order by ord`,
  ilike: (db) => db.selectFrom('track').select('id').where('title', 'ilike', 'O%').orderBy('id'),
  'a regular expression': (db) => db.selectFrom('track').select('id').where('title', '~', '^[MO]').orderBy('id'),
  'contained in JSON': (db) =>
    db
      .selectFrom('kind')
      .select('id')
      .where('jb', '@>', JSON.stringify({ b: 1 }))
      .orderBy('id'),
  'an enumeration': (db) => db.selectFrom('kind').select(['id', 'm']).where('m', '=', 'ok'),
  'a row of nothing': () => sql`select from genre`,
  'a name too long': () => sql`select id as ${sql.id('n'.repeat(70))} from genre order by id`,
  'a column without a name': () => sql`select count(*), 1, 'x' from genre`,
  'a locking read': (db) => db.selectFrom('genre').selectAll().orderBy('id').forUpdate(),
  'a share lock': (db) => db.selectFrom('genre').selectAll().orderBy('id').forShare().skipLocked(),
  'the system columns': () => sql`select tableoid::regclass::text as t, id from genre order by id`,
  TABLE: () => sql`table genre`,
  SHOW: () => sql`show time zone`,
  'the catalogue': () => sql`select relname from pg_class where relname = 'genre'`,
  'dollar quotes': () => sql`select $x$it's; -- $1$x$ as q, id from genre order by id`,
  'an escape string': () => sql`select e'a\\nb' as q, U&'\\0041' as u, id from genre order by id`,
}
