import { setImmediate } from 'node:timers/promises'

import test from 'ava'

import { expectSameEffects, pool, readAll } from './effects.ts'
import { isPostgres } from '../support/servers.ts'
import { DRIVERS, openTwins } from './twins.ts'
import type { Db, Twins } from './twins.ts'
import { POSTGRES_WRITES } from './write-cases-postgres.ts'
import { SQLITE_WRITES } from './write-cases-sqlite.ts'
import { WRITES } from './write-cases.ts'

// A write does what it does without the plugin, gives what it gives without it, and is seen by everything that was cached.

/** How a write is made: by itself, or as a part of something. */
const SURROUNDINGS: Readonly<Record<string, (db: Db, write: (db: Db) => Promise<unknown>) => Promise<unknown>>> = {
  alone: (db, write) => write(db),
  'in a transaction': (db, write) =>
    db.transaction().execute(async (trx) => [await write(trx), await readAll(pool(trx).slice(0, 4))]),
}

test.beforeEach(() => setImmediate())

for (const driver of DRIVERS) {
  let twins: Twins
  test.before(`${driver}: open`, async () => {
    twins = await openTwins(driver)
  })
  test.after.always(`${driver}: close`, () => twins.close())

  const writes = { ...WRITES, ...(isPostgres(driver) ? POSTGRES_WRITES : SQLITE_WRITES) }
  for (const [name, write] of Object.entries(writes)) {
    for (const [where, within] of Object.entries(SURROUNDINGS)) {
      test.serial(`${driver}: ${name}, ${where}`, async (t) => {
        await expectSameEffects(t, twins, (db) => within(db, write))
      })
    }
  }
}
