import test from 'ava'

import { databases } from './support/databases.ts'

// explain() executes nothing, so it may be called anywhere, and never waits for what its caller holds.

for (const database of databases) {
  const { name } = database

  test.serial(`${name}: a query of the root instance is explained inside of a transaction`, async (t) => {
    const { db, cacheops } = await database.open(t)
    const query = db.selectFrom('genre').selectAll().cache()
    await query.execute()
    const [inTransaction, pinned] = [
      await db.transaction().execute(() => cacheops.explain(query)),
      await db.connection().execute(() => cacheops.explain(query)),
    ]
    t.like(inTransaction, { cacheable: true, cached: true })
    t.deepEqual(pinned, inTransaction)
  })

  test.serial(`${name}: the same when the facts are not known, which it does not wait for there`, async (t) => {
    const { db, cacheops } = await database.open(t)
    const query = db.selectFrom('genre').selectAll().cache()
    await query.execute()
    const explained = await db.connection().execute(async (pinned) => {
      await pinned.schema.createTable('shelf').addColumn('id', 'integer').execute()
      return cacheops.explain(query)
    })
    t.like(explained, { cacheable: false, reason: 'no_facts', key: null })
    t.true((await cacheops.explain(query)).cacheable, 'afterwards it has them read')
  })
}
