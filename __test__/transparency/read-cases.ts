import { sql } from 'kysely'
import type { ExpressionBuilder } from 'kysely'

import type { Reads } from './case.ts'

type Eb = ExpressionBuilder<any, any>

/** What every database can be asked. */
export const READS: Reads = {
  'all of a table': (db) => db.selectFrom('track').selectAll().orderBy('id'),
  'all, in no order': (db) => db.selectFrom('genre').selectAll(),
  'an empty result': (db) => db.selectFrom('track').selectAll().where('id', '=', 999),
  'an empty table': (db) => db.selectFrom('audit').selectAll(),
  'every type of value': (db) => db.selectFrom('kind').selectAll().orderBy('id'),
  'every type of value, backwards': (db) => db.selectFrom('kind').selectAll().orderBy('id', 'desc').limit(2),
  'columns in another order': (db) => db.selectFrom('track').select(['title', 'id', 'album_id']).orderBy('id'),
  'a column twice': (db) => db.selectFrom('genre').select(['id', 'name', 'id']).orderBy('id'),
  'a column under two names': (db) => db.selectFrom('genre').select(['name as a', 'name as b']).orderBy('id'),
  'names that are numbers': (db) => db.selectFrom('genre').select(['name as 2', 'id as 1']).orderBy('id'),
  'names of object properties': (db) =>
    db.selectFrom('genre').select(['id as __proto__', 'name as constructor', 'id as toString']).orderBy('id'),
  'odd names': (db) =>
    db.selectFrom('genre').select(['id as a b', 'name as "', 'id as ä😀', 'name as a.b']).orderBy('id'),
  'names in capitals': (db) => db.selectFrom('genre').select(['id as ID', 'name as Name']).orderBy('id'),
  'equal names of two tables': (db) =>
    db.selectFrom('track').innerJoin('album', 'album.id', 'track.album_id').selectAll().orderBy('track.id'),
  'a column and all': (db) => db.selectFrom('genre').select('name as first').selectAll().orderBy('id'),
  'all of an alias': (db) => db.selectFrom('genre as g').selectAll('g').orderBy('g.id'),
  'a selection by an object': (db) =>
    db
      .selectFrom('genre')
      .select((eb) => [eb.ref('name').as('n'), eb.lit(1).as('one'), eb.lit(null).as('none')])
      .orderBy('id'),
  'one row by key': (db) => db.selectFrom('track').selectAll().where('id', '=', 1),
  'one row by a composite key': (db) =>
    db.selectFrom('ledger').selectAll().where('account', '=', 'cash').where('entry', '=', 2),
  'a generated column': (db) =>
    db.selectFrom('ledger').select(['account', 'twice']).orderBy('account').orderBy('entry'),
  'conditions of a kind': (db) =>
    db
      .selectFrom('track')
      .select('id')
      .where('album_id', '>', 1)
      .where('album_id', '<=', 3)
      .where('title', '!=', 'Gone')
      .where('title', 'like', '%r%')
      .where('composer', 'is not', null)
      .orderBy('id'),
  'either or': (db) =>
    db
      .selectFrom('track')
      .select('id')
      .where((eb) => eb.or([eb('album_id', '=', 1), eb.and([eb('genre_id', '=', 2), eb('plays', '>', 30)])]))
      .orderBy('id'),
  not: (db) =>
    db
      .selectFrom('track')
      .select('id')
      .where((eb) => eb.not(eb('genre_id', '=', 1)))
      .orderBy('id'),
  'is null': (db) => db.selectFrom('track').select(['id', 'genre_id']).where('genre_id', 'is', null),
  'equals null': (db) => db.selectFrom('track').select('id').where('genre_id', '=', null),
  'is distinct from': (db) =>
    db
      .selectFrom('track')
      .select('id')
      .where(sql<boolean>`genre_id is distinct from ${1}`)
      .orderBy('id'),
  'in a list': (db) => db.selectFrom('track').select('id').where('album_id', 'in', [2, 1, 2]).orderBy('id'),
  'in a list of one': (db) => db.selectFrom('track').select('id').where('album_id', 'in', [2]).orderBy('id'),
  'in a long list': (db) =>
    db
      .selectFrom('track')
      .select('id')
      .where(
        'id',
        'in',
        Array.from({ length: 500 }, (_, i) => i),
      )
      .orderBy('id'),
  'not in a list': (db) => db.selectFrom('track').select('id').where('album_id', 'not in', [1, 3]).orderBy('id'),
  'in a list with null': (db) => db.selectFrom('track').select('id').where('genre_id', 'in', [1, null]).orderBy('id'),
  'not in a list with null': (db) => db.selectFrom('track').select('id').where('genre_id', 'not in', [1, null]),
  'a pair in a list': (db) =>
    db
      .selectFrom('ledger')
      .selectAll()
      .where((eb) => eb(eb.refTuple('account', 'entry'), 'in', [eb.tuple('cash', 1), eb.tuple('bank', 1)]))
      .orderBy('account'),
  between: (db) =>
    db
      .selectFrom('track')
      .select('id')
      .where((eb) => eb.between('plays', 20, 40))
      .orderBy('id'),
  'columns compared': (db) => db.selectFrom('track').select('id').whereRef('id', '=', 'album_id').orderBy('id'),
  'by an object': (db) =>
    db
      .selectFrom('track')
      .select('id')
      .where((eb) => eb.and({ album_id: 1, genre_id: 1 }))
      .orderBy('id'),
  'inner join': (db) =>
    db
      .selectFrom('track')
      .innerJoin('album', 'album.id', 'track.album_id')
      .innerJoin('artist', 'artist.id', 'album.artist_id')
      .select(['track.title', 'album.title as album', 'artist.name'])
      .orderBy('track.id'),
  'left join': (db) =>
    db
      .selectFrom('track')
      .leftJoin('genre', 'genre.id', 'track.genre_id')
      .select(['track.id', 'genre.name'])
      .orderBy('track.id'),
  'left join with further conditions': (db) =>
    db
      .selectFrom('album')
      .leftJoin('track', (join) => join.onRef('track.album_id', '=', 'album.id').on('track.plays', '>', 20))
      .select(['album.id as album', 'track.id as track'])
      .orderBy('album.id')
      .orderBy('track.id'),
  'left join, nothing matches': (db) =>
    db.selectFrom('genre').leftJoin('audit', 'audit.id', 'genre.id').selectAll().orderBy('genre.id'),
  'right join': (db) =>
    db
      .selectFrom('track')
      .rightJoin('genre', 'genre.id', 'track.genre_id')
      .select(['track.id as track', 'genre.id as genre'])
      .orderBy('genre.id')
      .orderBy('track.id'),
  'full join': (db) =>
    db
      .selectFrom('track')
      .fullJoin('genre', 'genre.id', 'track.genre_id')
      .select(['track.id as track', 'genre.id as genre'])
      .where((eb) => eb.or([eb('track.id', 'is', null), eb('genre.id', 'is', null)]))
      .orderBy('track.id')
      .orderBy('genre.id'),
  'cross join': (db) =>
    db.selectFrom('genre').crossJoin('artist').select(['genre.id as g', 'artist.id as a']).orderBy('g').orderBy('a'),
  'two tables after FROM': (db) =>
    db
      .selectFrom(['genre', 'artist'])
      .select(['genre.id as g', 'artist.id as a'])
      .whereRef('genre.id', '=', 'artist.id')
      .orderBy('g'),
  'a table joined with itself': (db) =>
    db
      .selectFrom('tree as child')
      .innerJoin('tree as parent', 'parent.id', 'child.parent')
      .select(['child.name as child', 'parent.name as parent'])
      .orderBy('child.id'),
  'join with a subquery': (db) =>
    db
      .selectFrom('album')
      .innerJoin(
        (eb) =>
          eb
            .selectFrom('track')
            .select(['album_id', eb.fn.countAll().as('n')])
            .groupBy('album_id')
            .as('counted'),
        (join) => join.onRef('counted.album_id', '=', 'album.id'),
      )
      .select(['album.id', 'counted.n'])
      .orderBy('album.id'),
  'a subquery after FROM': (db) =>
    db
      .selectFrom((eb) => eb.selectFrom('track').select(['id', 'plays']).where('plays', '>', 10).as('t'))
      .selectAll()
      .orderBy('id'),
  'a subquery after SELECT': (db) =>
    db
      .selectFrom('album')
      .select((eb) => [
        'album.id',
        eb
          .selectFrom('track')
          .select('track.title')
          .whereRef('track.album_id', '=', 'album.id')
          .orderBy('track.id')
          .limit(1)
          .as('first'),
      ])
      .orderBy('album.id'),
  'a subquery in a condition': (db) =>
    db
      .selectFrom('track')
      .select('id')
      .where('plays', '>', (eb: Eb) =>
        eb.selectFrom('track as t').select((inner: Eb) => inner.fn.avg('t.plays').as('a')),
      )
      .orderBy('id'),
  'a subquery in ORDER BY': (db) =>
    db
      .selectFrom('track')
      .select('track.id')
      .orderBy((eb) => eb.selectFrom('album').select('album.title').whereRef('album.id', '=', 'track.album_id'))
      .orderBy('track.id'),
  exists: (db) =>
    db
      .selectFrom('genre')
      .select('name')
      .where((eb) => eb.exists(eb.selectFrom('track').select('track.id').whereRef('track.genre_id', '=', 'genre.id')))
      .orderBy('id'),
  'not exists': (db) =>
    db
      .selectFrom('genre')
      .select('name')
      .where((eb) =>
        eb.not(eb.exists(eb.selectFrom('track').select('track.id').whereRef('track.genre_id', '=', 'genre.id'))),
      )
      .orderBy('id'),
  'exists, as the result': (db) =>
    db.selectNoFrom((eb) => eb.exists(eb.selectFrom('track').select('id').where('id', '=', 1)).as('found')),
  'in a subquery': (db) =>
    db
      .selectFrom('track')
      .select('id')
      .where('album_id', 'in', (eb: Eb) => eb.selectFrom('album').select('id').where('artist_id', '=', 1))
      .orderBy('id'),
  'a common table expression': (db) =>
    db
      .with('popular', (qb) => qb.selectFrom('track').select(['id', 'title']).where('plays', '>=', 30))
      .selectFrom('popular')
      .selectAll()
      .orderBy('id'),
  'expressions that use each other': (db) =>
    db
      .with('a', (qb) => qb.selectFrom('track').select(['id', 'album_id']))
      .with('b', (qb) =>
        qb.selectFrom('a').innerJoin('album', 'album.id', 'a.album_id').select(['a.id', 'album.artist_id']),
      )
      .selectFrom('b')
      .selectAll()
      .orderBy('id'),
  'an expression that shadows a table': (db) =>
    db
      .with('genre', (qb) => qb.selectFrom('artist').select(['id', 'name']))
      .selectFrom('genre')
      .selectAll()
      .orderBy('id'),
  'a recursive expression': (db) =>
    db
      .withRecursive('below', (qb) =>
        qb
          .selectFrom('tree')
          .select(['id', 'parent', 'name'])
          .where('id', '=', 1)
          .unionAll(
            qb
              .selectFrom('tree')
              .innerJoin('below', 'below.id', 'tree.parent')
              .select(['tree.id', 'tree.parent', 'tree.name']),
          ),
      )
      .selectFrom('below')
      .selectAll()
      .orderBy('id'),
  union: (db) => db.selectFrom('genre').select('name').union(db.selectFrom('artist').select('name')).orderBy('name'),
  'union all': (db) => db.selectFrom('genre').select('id').unionAll(db.selectFrom('artist').select('id')).orderBy('id'),
  intersect: (db) =>
    db.selectFrom('track').select('genre_id as id').intersect(db.selectFrom('genre').select('id')).orderBy('id'),
  except: (db) =>
    db.selectFrom('genre').select('id').except(db.selectFrom('track').select('genre_id as id')).orderBy('id'),
  'set operations in a row': (db) =>
    db
      .selectFrom('genre')
      .select('id')
      .union(db.selectFrom('artist').select('id'))
      .except(db.selectFrom('album').select('id').where('id', '=', 2))
      .orderBy('id'),
  'window functions': (db) =>
    db
      .selectFrom('track')
      .select((eb) => [
        'id',
        eb.fn
          .agg('row_number')
          .over((ob) => ob.partitionBy('album_id').orderBy('position'))
          .as('number'),
        eb.fn
          .sum('plays')
          .over((ob) => ob.partitionBy('album_id'))
          .as('plays'),
        eb.fn
          .agg('lag', ['title'])
          .over((ob) => ob.orderBy('id'))
          .as('before'),
      ])
      .orderBy('id'),
  grouping: (db) =>
    db
      .selectFrom('track')
      .select((eb) => [
        'album_id',
        eb.fn.countAll().as('n'),
        eb.fn.sum('plays').as('sum'),
        eb.fn.avg('plays').as('avg'),
        eb.fn.min('title').as('min'),
        eb.fn.max('price').as('max'),
      ])
      .groupBy('album_id')
      .having((eb) => eb.fn.countAll(), '>', 1)
      .orderBy('album_id'),
  'grouping by an expression': (db) =>
    db
      .selectFrom('track')
      .select([sql`plays % 20`.as('rest'), (eb) => eb.fn.count('id').as('n')])
      .groupBy(sql`plays % 20`)
      .orderBy('rest'),
  'a count': (db) => db.selectFrom('track').select((eb) => eb.fn.countAll().as('n')),
  'a count of nothing': (db) =>
    db
      .selectFrom('track')
      .select((eb) => eb.fn.countAll().as('n'))
      .where('id', '<', 0),
  'a count of distinct values': (db) =>
    db.selectFrom('track').select((eb) => eb.fn.count('genre_id').distinct().as('n')),
  'a filtered count': (db) =>
    db.selectFrom('track').select((eb) => eb.fn.count('id').filterWhere('plays', '>', 20).as('n')),
  'aggregates of nothing': (db) =>
    db
      .selectFrom('track')
      .select((eb) => [eb.fn.sum('plays').as('s'), eb.fn.avg('plays').as('a'), eb.fn.max('title').as('m')])
      .where('id', '<', 0),
  'distinct rows': (db) => db.selectFrom('track').select('composer').distinct().orderBy('composer'),
  'order by several': (db) => db.selectFrom('track').select('id').orderBy('composer', 'desc').orderBy('id', 'asc'),
  'order by, nulls first': (db) =>
    db
      .selectFrom('track')
      .select(['id', 'composer'])
      .orderBy('composer', (ob) => ob.asc().nullsFirst())
      .orderBy('id'),
  'order by, nulls last': (db) =>
    db
      .selectFrom('track')
      .select(['id', 'composer'])
      .orderBy('composer', (ob) => ob.desc().nullsLast())
      .orderBy('id'),
  'limit and offset': (db) => db.selectFrom('track').select('id').orderBy('id').limit(2).offset(1),
  'limit 0': (db) => db.selectFrom('track').select('id').limit(0),
  'limit 1': (db) => db.selectFrom('track').selectAll().orderBy('id', 'desc').limit(1),
  'a CASE': (db) =>
    db
      .selectFrom('track')
      .select((eb) => [
        'id',
        eb
          .case()
          .when('plays', '>', 30)
          .then('much')
          .when('plays', '=', 30)
          .then('some')
          .else('little')
          .end()
          .as('heard'),
        eb
          .case('album_id' as never)
          .when(1 as never)
          .then(1.5)
          .else(null)
          .end()
          .as('n'),
      ])
      .orderBy('id'),
  'a cast': (db) =>
    db
      .selectFrom('track')
      .select((eb) => [eb.cast('id', 'text').as('t'), eb.cast('plays', 'real').as('r')])
      .orderBy('id'),
  functions: (db) =>
    db
      .selectFrom('track')
      .select((eb) => [
        eb.fn('upper', ['title']).as('u'),
        eb.fn.coalesce('composer', sql.lit('nobody')).as('c'),
        eb.fn('length', ['title']).as('l'),
        eb('plays', '+', 1).as('p'),
      ])
      .orderBy('id'),
  'literals alone': (db) => db.selectNoFrom((eb) => [eb.lit(1).as('one'), sql.lit('x').as('x')]),
  'a view': (db) => db.selectFrom('loud').selectAll().orderBy('id'),
  'a table with a trigger': (db) => db.selectFrom('noted').selectAll(),
  '$if, taken': (db) =>
    db
      .selectFrom('track')
      .select('id')
      .$if(true, (qb) => qb.select('title'))
      .orderBy('id'),
  '$if, not taken': (db) =>
    db
      .selectFrom('track')
      .select('id')
      .$if(false, (qb) => qb.select('title'))
      .orderBy('id'),
  $call: (db) =>
    db
      .selectFrom('track')
      .select('id')
      .$call((qb) => qb.where('album_id', '=', 1))
      .orderBy('id'),
  $castTo: (db) => db.selectFrom('genre').select('id').$castTo<{ id: string }>().orderBy('id'),
  $narrowType: (db) => db.selectFrom('genre').select('id').$narrowType<{ id: 1 }>().orderBy('id'),
  'a dynamic reference': (db) =>
    db
      .selectFrom('genre')
      .select(db.dynamic.ref('name'))
      .where(db.dynamic.ref('id'), '=', 1)
      .orderBy(db.dynamic.ref('id')),
  'a dynamic table': (db) => db.selectFrom(db.dynamic.table('genre').as('g')).selectAll().orderBy('id'),
  'db.fn': (db) =>
    db
      .selectFrom('track')
      .select([db.fn.max('plays').as('max'), db.fn('lower', ['title']).as('low')])
      .groupBy('title')
      .orderBy('title'),
  'db.case': (db) =>
    db
      .selectFrom('genre')
      .select(
        db
          .case()
          .when(sql<boolean>`id = 1`)
          .then('one')
          .else('more')
          .end()
          .as('n'),
      )
      .orderBy('id'),
  withTables: (db) => db.withTables<{ genre: { id: number } }>().selectFrom('genre').select('id').orderBy('id'),
  'withPlugin of nothing': (db) =>
    db
      .withPlugin({ transformQuery: ({ node }) => node, transformResult: ({ result }) => Promise.resolve(result) })
      .selectFrom('genre')
      .selectAll()
      .orderBy('id'),
  'a raw fragment': (db) =>
    db
      .selectFrom('track')
      .select(['id', sql<string>`title || ${'!'}`.as('loud')])
      .where(sql<boolean>`plays between ${20} and ${50}`)
      .orderBy(sql`plays desc`),
  'raw names': (db) => db.selectFrom(sql.table('genre').as('g')).select(sql.ref('g.name').as('n')).orderBy('g.id'),
  'a modifier at the end': (db) =>
    db
      .selectFrom('genre')
      .selectAll()
      .orderBy('id')
      .modifyEnd(sql`limit 2`),
  'a comment in front': (db) =>
    db
      .selectFrom('genre')
      .selectAll()
      .orderBy('id')
      .modifyFront(sql`/* why; select 2 */`),
  raw: () => sql`select * from genre order by id`,
  'raw, with parameters': () => sql`select id, ${'p'} || name as n from genre where id in (${1}, ${2}) order by id`,
  'raw, with a comment at the end': () => sql`select * from genre order by id -- all of them`,
  'raw, with a semicolon': () => sql`select * from genre order by id;`,
  'raw, with an empty result': () => sql`select * from genre where id = ${-1}`,
  'raw, lists and names': () =>
    sql`select ${sql.join([sql.ref('id'), sql.ref('name')])} from ${sql.table('genre')} order by ${sql.id('id')}`,
  'raw, VALUES': () => sql`values (1, 'a'), (2, 'b')`,
  'raw, a CTE': () => sql`with g as (select * from genre) select * from g order by id`,
  'raw, no table': () => sql`select 1 as one, 'two' as two`,
}
