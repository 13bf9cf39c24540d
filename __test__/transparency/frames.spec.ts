import { setImmediate } from 'node:timers/promises'

import test from 'ava'
import { sql } from 'kysely'

import { outcomeOf } from '../support/describe.ts'
import { IS_OWN } from '../support/kysely.ts'
import { DRIVERS, openTwins } from './twins.ts'
import type { Db, Twins } from './twins.ts'
import type { Calls } from './write-cases.ts'

// An error tells its reader whose query it was: wherever the ten frames of a stack reach the caller without the plugin, they
// reach it with the plugin.

const FAILING: Calls = {
  'a read': (db) => db.selectFrom('genre').select('nope').execute(),
  'a read, take first': (db) => db.selectFrom('genre').select('nope').executeTakeFirst(),
  'a read, take first or throw': (db) => db.selectFrom('genre').select('nope').executeTakeFirstOrThrow(),
  'a raw read': (db) => sql`select nope from genre`.execute(db),
  'a compiled read': (db) => db.executeQuery(db.selectFrom('genre').select('nope').compile()),
  'no result': (db) => db.selectFrom('genre').selectAll().where('id', '=', -1).executeTakeFirstOrThrow(),
  'an insert': (db) => db.insertInto('genre').values({ id: 1, name: 'x' }).execute(),
  'an insert, take first': (db) => db.insertInto('genre').values({ id: 1, name: 'x' }).executeTakeFirst(),
  'an insert, giving back': (db) =>
    db.insertInto('genre').values({ id: 1, name: 'x' }).returningAll().executeTakeFirstOrThrow(),
  'an update': (db) => db.updateTable('genre').set({ name: 'Jazz' }).where('id', '=', 2).execute(),
  'an update, take first': (db) => db.updateTable('genre').set({ name: 'Jazz' }).where('id', '=', 2).executeTakeFirst(),
  'an update, giving back': (db) =>
    db.updateTable('genre').set({ name: 'Jazz' }).where('id', '=', 2).returningAll().execute(),
  'a delete': (db) => db.deleteFrom('tree').where('id', '=', 1).execute(),
  'a raw write': (db) => sql`update genre set name = 'Jazz' where id = 2`.execute(db),
  'a schema change': (db) => db.schema.createTable('genre').addColumn('id', 'integer').execute(),
  'an unparsed statement': (db) => sql`frobnicate genre`.execute(db),
}

const SURROUNDINGS: Readonly<Record<string, (db: Db, call: (db: Db) => Promise<unknown>) => Promise<unknown>>> = {
  alone: (db, call) => call(db),
  'in a transaction': (db, call) => db.transaction().execute((trx) => call(trx)),
  'on a pinned connection': (db, call) => db.connection().execute((one) => call(one)),
}

/** Where the frames do not suffice today. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  pglite: [
    'a read, take first, in a transaction',
    'an insert, take first, in a transaction',
    'an update, take first, in a transaction',
    'a schema change, in a transaction',
    'a read, take first or throw, on a pinned connection',
    'an insert, giving back, on a pinned connection',
  ],
  pg: [
    'a read, in a transaction',
    'a compiled read, in a transaction',
    'an insert, in a transaction',
    'an update, in a transaction',
    'an update, giving back, in a transaction',
    'a delete, in a transaction',
    'a schema change, in a transaction',
    'an unparsed statement, in a transaction',
    'a read, take first, on a pinned connection',
    'an insert, take first, on a pinned connection',
    'an update, take first, on a pinned connection',
    'a schema change, on a pinned connection',
  ],
  'better-sqlite3': ['a read, take first or throw, alone', 'a schema change, alone', 'an unparsed statement, alone'],
  'node:sqlite': [
    'an insert, giving back, alone',
    'a read, take first or throw, alone',
    'a schema change, alone',
    'an unparsed statement, alone',
  ],
  'node:sqlite with bigints': [
    'an insert, giving back, alone',
    'a read, take first or throw, alone',
    'a schema change, alone',
    'an unparsed statement, alone',
  ],
}

/** Frames of ours that may push a caller out. With the project's own Kysely it is known whom they do: KNOWN. */
const OURS = IS_OWN ? 0 : 2

test.beforeEach(() => setImmediate())

for (const driver of DRIVERS) {
  let twins: Twins
  test.before(`${driver}: open`, async () => {
    twins = await openTwins(driver)
    // Readers that make the plugin ask for row images.
    await twins.automatic.selectFrom('genre').selectAll().where('name', '=', 'Jazz').execute()
    await twins.automatic.selectFrom('tree').selectAll().where('name', '=', 'root').execute()
  })
  test.after.always(`${driver}: close`, () => twins.close())

  for (const [where, within] of Object.entries(SURROUNDINGS)) {
    for (const [name, call] of Object.entries(FAILING)) {
      const known = KNOWN[driver]?.includes(`${name}, ${where}`) === true
      const declare = known && IS_OWN ? test.serial.failing : test.serial
      declare(`${driver}: the caller of ${name}, ${where}`, async (t) => {
        for (const frames of known && !IS_OWN ? [100] : [10, 100]) {
          const wanted = await outcomeOf(() => within(twins.plain, call), frames - OURS)
          const seen = await outcomeOf(() => within(twins.automatic, call), frames)
          t.is(seen.text, wanted.text)
          // Errors of postgres.js never name their caller.
          t.true(wanted.namesCaller || frames === 10 || driver === 'postgres.js', 'otherwise this shows nothing')
          t.true(seen.namesCaller || !wanted.namesCaller, `${frames} frames: ${(seen.error as Error).stack}`)
        }
      })
    }
  }
}
