import { sql } from 'kysely'

import type { Reads } from './case.ts'

/** Reads that the database refuses, or a builder does. */
export const FAILING_READS: Reads = {
  'an unknown table': (db) => db.selectFrom('nope').selectAll(),
  'an unknown schema': (db) => db.selectFrom('nope.genre').selectAll(),
  'an unknown column': (db) => db.selectFrom('genre').select('nope'),
  'an unknown column in a condition': (db) => db.selectFrom('genre').selectAll().where('nope', '=', 1),
  'an unknown alias': (db) => db.selectFrom('genre as g').select('genre.id'),
  'an ambiguous column': (db) =>
    db.selectFrom('track').innerJoin('album', 'album.id', 'track.album_id').select('title'),
  'an unknown function': (db) => db.selectFrom('genre').select((eb) => eb.fn('nope', ['id']).as('n')),
  'a wrong number of arguments': (db) => db.selectFrom('genre').select(sql`upper(name, 1, 2)`.as('n')),
  'a syntax error': () => sql`select * form genre`,
  'a syntax error at the end': () => sql`select * from genre where`,
  'an unfinished string': () => sql.raw(`select * from genre where name = 'x`),
  'a stray bracket': () => sql`select (id from genre`,
  nothing: () => sql.raw(''),
  'a comment alone': () => sql.raw('-- nothing'),
  'several statements': () => sql.raw('select 1 as a; select 2 as b'),
  'a statement and a comment': () => sql.raw('select 1 as a; -- and no more'),
  'a NUL in the text': () => sql.raw('select 1 as a \0, 2 as b'),
  'too few parameters': () => sql.raw('select * from genre where id = $1 or id = ?'),
  'an aggregate in a condition': (db) =>
    db
      .selectFrom('genre')
      .selectAll()
      .where(sql<boolean>`count(*) > 1`),
  'a column without GROUP BY': (db) => db.selectFrom('track').select(['title', (eb) => eb.fn.countAll().as('n')]),
  'unlike operands of a union': (db) =>
    db
      .selectFrom('genre')
      .select('id')
      .union(db.selectFrom('genre').select(['id', 'name'])),
  'an empty list': (db) => db.selectFrom('genre').selectAll().where('id', 'in', []),
  'several rows from a subquery': (db) =>
    db
      .selectFrom('genre')
      .selectAll()
      .where('id', '=', (eb: any) => eb.selectFrom('track').select('id')),
  'division by zero': (db) =>
    db
      .selectFrom('track')
      .select(sql`plays / 0`.as('n'))
      .orderBy('id'),
  'a row too late': (db) =>
    db
      .selectFrom('track')
      .select(sql`1 / (id - 3)`.as('n'))
      .orderBy('id'),
  'a negative limit': (db) => db.selectFrom('track').select('id').orderBy('id').limit(-1),
  'a limit that is no number': (db) =>
    db
      .selectFrom('track')
      .select('id')
      .orderBy('id')
      .limit('x' as never),
  'an order that does not exist': (db) =>
    db
      .selectFrom('genre')
      .selectAll()
      .orderBy(sql`9`),
  'no columns': (db) => db.selectFrom('genre'),
  'too deep an expression': (db) =>
    db.selectFrom('genre').select(sql.raw(`${'('.repeat(3000)}1${')'.repeat(3000)}`).as('n')),
}

export const POSTGRES_FAILING_READS: Reads = {
  'a wrong type': (db) => db.selectFrom('genre').selectAll().where('id', '=', 'abc'),
  'a wrong type in the text': () => sql`select * from genre where id = 'abc'`,
  'types that cannot be compared': () => sql`select * from genre where id = name`,
  'a wrong enumeration': (db) => db.selectFrom('kind').select('id').where('m', '=', 'angry'),
  'wrong JSON': (db) => db.selectFrom('kind').select('id').where('jb', '=', '{'),
  'an overflow': () => sql`select 2147483647 + id from genre`,
  'a cast that fails': () => sql`select name::integer from genre order by id`,
  'a cast of a parameter that fails': () => sql`select ${'x'}::integer as n from genre`,
  'a parameter of no type': () => sql`select ${null} is null as n, ${'x'} as t from genre`,
  'a DO block that raises': () =>
    sql`do $$ begin raise exception 'own' using errcode = 'P0042', detail = 'd', hint = 'h'; end $$`,
  'a read-only function that raises': () => sql`select 1 / (id - id) as n from genre`,
  permission: () => sql`select * from pg_authid where 1 = (select 1 / 0)`,
  'an undefined parameter in between': () => sql.raw('select $2::text as t from genre'),
  COPY: () => sql`copy genre to stdout`,
}

export const SQLITE_FAILING_READS: Reads = {
  'an integer past what a number holds': () => sql`select 9007199254740993 as big, id from genre order by id`,
  'numbered parameters': (db) => db.selectFrom('genre').select(['id', sql`?1 || ?1`.as('v')]),
  'an integer overflow': () => sql`select abs(-9223372036854775807 - 1) as n from genre`,
  'a sum that overflows': () => sql`select sum(n) as s from (select 9223372036854775807 as n union all select 1)`,
  'malformed JSON': () => sql`select json_extract('{', '$.a') from genre`,
  'a wrong pattern': () => sql`select id from genre where name like 'x' escape 'too long'`,
  'too many columns': () =>
    sql.raw(`select ${Array.from({ length: 2001 }, (_, i) => `1 as c${i}`).join(', ')} from genre`),
  'too many parameters': (db) =>
    db
      .selectFrom('genre')
      .select('id')
      .where(
        'id',
        'in',
        Array.from({ length: 33_000 }, (_, i) => i),
      ),
  'a collation that is not there': () => sql`select * from genre order by name collate nope`,
  'RAISE outside of a trigger': () => sql`select raise(abort, 'x') from genre`,
}
