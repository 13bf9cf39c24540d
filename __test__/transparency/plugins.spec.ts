import { setImmediate } from 'node:timers/promises'

import test from 'ava'
import {
  CamelCasePlugin,
  DeduplicateJoinsPlugin,
  HandleEmptyInListsPlugin,
  ParseJSONResultsPlugin,
  pushValueIntoList,
  replaceWithNoncontingentExpression,
  SafeNullComparisonPlugin,
  sql,
  WithSchemaPlugin,
} from 'kysely'
import type { KyselyPlugin } from 'kysely'
import { jsonArrayFrom as postgresArray } from 'kysely/helpers/postgres'
import { jsonArrayFrom as sqliteArray, jsonObjectFrom as sqliteObject } from 'kysely/helpers/sqlite'

import { spoil } from '../support/describe.ts'
import { isPostgres } from '../support/servers.ts'
import { expectSameEffects } from './effects.ts'
import { DRIVERS, openTwins } from './twins.ts'
import type { Db, Twins } from './twins.ts'
import type { Calls } from './write-cases.ts'

// Kysely's plugins, and a user's own, do what they do, in front of ours and behind it.

/** Turns rows into instances of a class, as a user's plugin may. */
class Wrapped {
  readonly row: unknown

  constructor(row: unknown) {
    this.row = row
  }
}

class WrappingPlugin implements KyselyPlugin {
  transformQuery({ node }: Parameters<KyselyPlugin['transformQuery']>[0]): ReturnType<KyselyPlugin['transformQuery']> {
    return { ...node }
  }

  transformResult({
    result,
  }: Parameters<KyselyPlugin['transformResult']>[0]): ReturnType<KyselyPlugin['transformResult']> {
    return Promise.resolve({ ...result, rows: result.rows.map((row) => new Wrapped(row)) as never })
  }
}

class ThrowingPlugin extends WrappingPlugin {
  override transformResult(): Promise<never> {
    return Promise.reject(new RangeError('own'))
  }
}

class RefusingPlugin extends WrappingPlugin {
  override transformQuery(): never {
    throw new RangeError('own')
  }
}

const CAMEL: Calls = {
  'all columns': (db) => db.selectFrom('track').selectAll().where('albumId', '=', 1).orderBy('id').execute(),
  'some columns': (db) => db.selectFrom('track').select(['id', 'genreId as theGenre']).orderBy('id').executeTakeFirst(),
  'a join': (db) =>
    db
      .selectFrom('track')
      .innerJoin('album', 'album.id', 'track.albumId')
      .select(['album.artistId', 'track.id'])
      .orderBy('track.id')
      .execute(),
  'raw SQL': (db) => sql`select album_id, genre_id from track order by id`.execute(db),
  'an insert, giving back': (db) =>
    db
      .insertInto('track')
      .values({ albumId: 1, position: 9, title: 'New', price: 1, explicit: sql`1 = 0` })
      .returning(['albumId', 'genreId', 'title'])
      .execute(),
  'an update': (db) => db.updateTable('track').set({ genreId: 3 }).where('albumId', '=', 1).executeTakeFirst(),
  'an update, giving back': (db) =>
    db.updateTable('track').set({ genreId: 3 }).where('id', '=', 1).returning(['id', 'albumId', 'genreId']).execute(),
  'a delete, giving back all': (db) => db.deleteFrom('track').where('albumId', '=', 1).returningAll().execute(),
  'a transaction': (db) =>
    db
      .transaction()
      .execute(async (trx) => [
        await trx.updateTable('track').set({ genreId: 3 }).where('albumId', '=', 1).executeTakeFirst(),
        await trx.selectFrom('track').selectAll().orderBy('id').execute(),
      ]),
  'a column that is not there': (db) => db.selectFrom('track').select('noSuchThing').execute(),
}

const PLAIN: Calls = {
  'all of a table': (db) => db.selectFrom('genre').selectAll().orderBy('id').execute(),
  'one row': (db) => db.selectFrom('genre').selectAll().where('id', '=', 1).executeTakeFirst(),
  'no row': (db) => db.selectFrom('genre').selectAll().where('id', '=', -1).executeTakeFirstOrThrow(),
  'every type of value': (db) => db.selectFrom('kind').selectAll().orderBy('id').execute(),
  'raw SQL': (db) => sql`select * from genre order by id`.execute(db),
  'an insert': (db) => db.insertInto('genre').values({ id: 70, name: 'x' }).executeTakeFirst(),
  'an insert, giving back': (db) => db.insertInto('genre').values({ id: 70, name: 'x' }).returningAll().execute(),
  'an update, giving back': (db) =>
    db.updateTable('track').set({ genre_id: 3 }).where('album_id', '=', 1).returning(['id', 'title']).execute(),
  'an update': (db) => db.updateTable('track').set({ genre_id: 3 }).where('album_id', '=', 1).executeTakeFirst(),
  'a delete': (db) => db.deleteFrom('track').where('album_id', '=', 1).executeTakeFirst(),
  'a failing write': (db) => db.insertInto('genre').values({ id: 1, name: 'x' }).execute(),
  'a failing read': (db) => db.selectFrom('genre').select('nope').execute(),
}

const JSON_READS: Calls = {
  'rows within rows': (db) =>
    db
      .selectFrom('album')
      .select((eb) => [
        'album.id',
        (db.getExecutor().adapter.constructor.name === 'SqliteAdapter' ? sqliteArray : postgresArray)(
          eb
            .selectFrom('track')
            .select(['track.id', 'track.title'])
            .whereRef('track.album_id', '=', 'album.id')
            .orderBy('track.id'),
        ).as('tracks'),
      ])
      .orderBy('album.id')
      .execute(),
  'text that looks like JSON': (db) =>
    db
      .selectFrom('genre')
      .select([sql`'{"a": [1, {"b": null}]}'`.as('t'), sql`'[broken'`.as('u')])
      .orderBy('id')
      .execute(),
}

const SQLITE_JSON: Calls = {
  'an object within rows': (db) =>
    db
      .selectFrom('track')
      .select((eb) => [
        'track.id',
        sqliteObject(
          eb.selectFrom('genre').select(['genre.id', 'genre.name']).whereRef('genre.id', '=', 'track.genre_id'),
        ).as('genre'),
      ])
      .orderBy('track.id')
      .execute(),
}

const JOINS: Calls = {
  'a join twice': (db) =>
    db
      .selectFrom('track')
      .innerJoin('album', 'album.id', 'track.album_id')
      .innerJoin('album', 'album.id', 'track.album_id')
      .select(['track.id', 'album.title'])
      .orderBy('track.id')
      .execute(),
}

const EMPTY_LISTS: Calls = {
  'in nothing': (db) => db.selectFrom('genre').selectAll().where('id', 'in', []).execute(),
  'not in nothing': (db) => db.selectFrom('genre').selectAll().where('id', 'not in', []).orderBy('id').execute(),
  'delete what is in nothing': (db) => db.deleteFrom('track').where('id', 'in', []).executeTakeFirst(),
  'update what is not in nothing': (db) =>
    db.updateTable('track').set({ genre_id: 3 }).where('id', 'not in', []).executeTakeFirst(),
}

const NULLS: Calls = {
  'equals null': (db) => db.selectFrom('track').select('id').where('genre_id', '=', null).orderBy('id').execute(),
  'is not null': (db) => db.selectFrom('track').select('id').where('genre_id', '!=', null).orderBy('id').execute(),
  'update what equals null': (db) =>
    db.updateTable('track').set({ genre_id: 1 }).where('genre_id', '=', null).executeTakeFirst(),
}

interface Plugged {
  readonly make: (twins: Twins) => KyselyPlugin
  readonly calls: Calls
  readonly on?: Twins['dialect']
}

const PLUGGED: Readonly<Record<string, Plugged>> = {
  CamelCasePlugin: { make: () => new CamelCasePlugin(), calls: CAMEL },
  'CamelCasePlugin that keeps nested keys': {
    make: () => new CamelCasePlugin({ maintainNestedObjectKeys: true, underscoreBeforeDigits: true }),
    calls: CAMEL,
  },
  ParseJSONResultsPlugin: { make: () => new ParseJSONResultsPlugin(), calls: { ...JSON_READS, ...PLAIN } },
  'ParseJSONResultsPlugin on SQLite': { make: () => new ParseJSONResultsPlugin(), calls: SQLITE_JSON, on: 'sqlite' },
  WithSchemaPlugin: {
    make: ({ dialect }) => new WithSchemaPlugin(dialect === 'postgres' ? 'public' : 'main'),
    calls: PLAIN,
  },
  'WithSchemaPlugin of another schema': {
    make: () => new WithSchemaPlugin('other'),
    calls: {
      'all of a table': PLAIN['all of a table']!,
      'an insert': PLAIN['an insert']!,
      'an insert, giving back': PLAIN['an insert, giving back']!,
    },
    on: 'postgres',
  },
  DeduplicateJoinsPlugin: { make: () => new DeduplicateJoinsPlugin(), calls: { ...JOINS, ...PLAIN } },
  'HandleEmptyInListsPlugin with an expression': {
    make: () => new HandleEmptyInListsPlugin({ strategy: replaceWithNoncontingentExpression }),
    calls: EMPTY_LISTS,
  },
  'HandleEmptyInListsPlugin with a value': {
    make: () => new HandleEmptyInListsPlugin({ strategy: pushValueIntoList(null as never) }),
    calls: EMPTY_LISTS,
  },
  SafeNullComparisonPlugin: { make: () => new SafeNullComparisonPlugin(), calls: NULLS },
  'a plugin that wraps rows': { make: () => new WrappingPlugin(), calls: PLAIN },
  'a plugin that fails after the database': { make: () => new ThrowingPlugin(), calls: PLAIN },
  'a plugin that fails before the database': { make: () => new RefusingPlugin(), calls: PLAIN },
}

test.beforeEach(() => setImmediate())

for (const driver of DRIVERS) {
  let twins: Twins
  test.before(`${driver}: open`, async () => {
    twins = await openTwins(driver)
  })
  test.after.always(`${driver}: close`, () => twins.close())

  for (const [plugin, { make, calls, on }] of Object.entries(PLUGGED)) {
    if (on !== undefined && (on === 'postgres') !== isPostgres(driver)) continue
    for (const place of ['in front', 'behind'] as const) {
      test.serial(`${driver}: ${plugin}, ${place}`, async (t) => {
        const ours = twins.newPlugin({ profiles: { '*.*': { ops: 'all' } } })
        const other = make(twins)
        const plain: Db = twins.connect({ plugins: [other] })
        const cached: Db = twins.connect({ plugins: place === 'in front' ? [other, ours] : [ours, other] })
        for (const call of Object.values(calls)) {
          // Three times: a miss, a hit, and a hit after a caller has spoilt what it was given.
          await expectSameEffects(
            t,
            twins,
            async (db) => {
              const first = await call(db)
              spoil(await call(db).catch(() => undefined))
              return [first, await call(db)]
            },
            { plain, cached },
          )
        }
      })
    }
  }
}
