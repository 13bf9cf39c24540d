import { sql } from 'kysely'
import { jsonArrayFrom, jsonBuildObject, jsonObjectFrom } from 'kysely/helpers/sqlite'

import type { Reads } from './case.ts'

/** What only SQLite can be asked. */
export const SQLITE_READS: Reads = {
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
        jsonObjectFrom(
          eb.selectFrom('genre').select(['genre.id', 'genre.name']).whereRef('genre.id', '=', 'track.genre_id'),
        ).as('genre'),
      ])
      .orderBy('track.id'),
  jsonBuildObject: (db) =>
    db
      .selectFrom('genre')
      .select((eb) => jsonBuildObject({ id: eb.ref('id'), name: eb.ref('name') }).as('o'))
      .orderBy('id'),
  'json functions': () =>
    sql`select json_group_array(name) as a, json_group_object(name, id) as o, json_extract('{"a": [1, 2]}', '$.a[1]') as e from genre`,
  jsonb: () => sql`select jsonb('{"a": 1}') as b, id from genre order by id`,
  json_each: () => sql`select g.id, j.value from genre g, json_each('[1, 2]') j order by g.id, j.value`,
  'the types of values': () =>
    sql`select id, typeof(i) as i, typeof(r) as r, typeof(x) as x, typeof(n) as n, typeof(d) as d from kind order by id`,
  'the smallest integer': () => sql`select -9223372036854775807 - 1 as small, id from genre order by id`,
  'a table without rowid': (db) => db.selectFrom('pair').selectAll().orderBy('a').orderBy('b'),
  'a strict table': (db) => db.selectFrom('exact').selectAll().orderBy('id'),
  autoincrement: (db) => db.selectFrom('counted').selectAll().orderBy('id'),
  rowid: () => sql`select rowid, _rowid_, oid, name from genre order by rowid`,
  'a collation': (db) => db.selectFrom('kind').select(['id', 'f']).where('f', '=', 'FOLD').orderBy('id'),
  'a collation in the query': () => sql`select id from kind where t = 'PLAIN' collate nocase`,
  withSchema: (db) => db.withSchema('main').selectFrom('genre').selectAll().orderBy('id'),
  'a bare column beside max()': () =>
    sql`select album_id, title, max(plays) as m from track group by album_id order by album_id`,
  glob: () => sql`select id from track where title glob 'M*' order by id`,
  'a blob compared with text': () => sql`select id from kind where by = 'abc' or by = x'616263' order by id`,
  'TRUE and FALSE': () => sql`select true as t, false as f, id from genre where true order by id`,
  'text in double quotes': () => sql`select id, 'it''s' as q from genre order by id`,
  'brackets and backticks': () => sql`select [id], \`name\` as [a b] from genre order by id`,
  'a limit with a comma': () => sql`select id from track order by id limit 1, 2`,
  'a negative limit': (db) =>
    db
      .selectFrom('track')
      .select('id')
      .orderBy('id')
      .limit(sql<number>`-1`)
      .offset(4),
  IS: () => sql`select id from track where genre_id is ${null} order by id`,
  'row values': () => sql`select id from track where (album_id, position) = (1, 2)`,
  'a table function': () => sql`select name, type from pragma_table_info('genre') order by cid`,
  sqlite_master: () => sql`select name from sqlite_master where type = 'table' order by name`,
  PRAGMA: () => sql`pragma table_info(genre)`,
  'a PRAGMA without rows': () => sql`pragma foreign_keys`,
  'AS MATERIALIZED': () => sql`with g as materialized (select * from genre) select * from g order by id`,
  dates: () =>
    sql`select date('2001-02-03', '+1 day') as d, julianday('2001-02-03') as j, strftime('%Y', '2001-02-03') as y, id from genre order by id`,
  now: () => sql`select date('now') as d, id from genre order by id`,
  'NULLS and text order': () => sql`select x from kind order by x nulls last, id`,
  group_concat: () => sql`select group_concat(name, ',' order by id) as names from genre`,
  printf: () => sql`select printf('%05.2f', weight) as w, id from track order by id`,
  'iif and coalesce': () =>
    sql`select iif(genre_id is null, 'none', genre_id) as g, ifnull(composer, '-') as c from track order by id`,
  'VALUES after FROM': () => sql`select column1, column2 from (values (1, 'a'), (2, null)) order by 1`,
  'EXPLAIN QUERY PLAN': () => sql`explain query plan select * from genre where id = 1`,
  'CASE with blobs': () =>
    sql`select case id when 1 then x'01' when 2 then 1.0 else null end as v, id from genre order by id`,
}
