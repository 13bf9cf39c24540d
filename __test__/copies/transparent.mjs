// Nothing tells a result or an error of an instance with the plugin from that of one without, whichever build made it.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

import { cacheopsPlugin } from '#cacheops'
import { file, open } from './smoke.mjs'

// Both builds of 0.28 are there, and each has an order and frames of its own.
const imported = await import('kysely')
const required = createRequire(import.meta.url)('kysely')

/** A plugin of the user's that fails when the database has answered. */
const failing = {
  transformQuery: ({ node }) => node,
  transformResult: () => Promise.reject(new RangeError('own')),
}

async function theCaller(query) {
  await query.execute()
}

const callerIsNamed = (query) =>
  theCaller(query).then(
    () => assert.fail('it does not fail'),
    ({ name, stack }) => {
      assert.equal(name, 'RangeError')
      return stack.includes('theCaller')
    },
  )

let stores = 0
for (const { Kysely, SqliteDialect, sql } of new Set([imported, required])) {
  const store = { type: 'embedded', name: `transparent-${++stores}` }
  const connect = (path, plugins = []) => new Kysely({ dialect: new SqliteDialect({ database: open(path) }), plugins })
  const path = file()
  const plain = connect(file())
  const cached = connect(path, [cacheopsPlugin({ store })])
  const genre = (db) => db.selectFrom('genre').selectAll().where('id', '=', 1)
  await genre(cached).cache().execute()

  // What is cached by a condition has the written rows asked for.
  const named = cached.selectFrom('genre').selectAll().where('name', '=', 'x').cache()
  for (const text of [
    "insert or ignore into genre values (1, 'x'), (7, 'x')",
    "insert or ignore into genre values (1, 'x')",
    "insert into genre values (8, 'x')",
    "insert into genre values (9, 'x') returning name",
    "update genre set name = 'y' where id > 6",
    'delete from genre where id > 6',
  ]) {
    await named.execute()
    const wanted = await sql.raw(text).execute(plain)
    assert.deepEqual(Object.entries(await sql.raw(text).execute(cached)), Object.entries(wanted), text)
  }

  // A driver may throw before it has a promise; nothing of ours is left open.
  await named.execute()
  for (const db of [plain, cached]) {
    const empties = db.updateTable('genre').set({ name: null }).where('name', '>', 'A')
    await assert.rejects(async () => empties.execute(), /NOT NULL/)
    await db.transaction().execute((trx) => genre(trx).execute())
  }

  // The first read of an instance that is a hit already, one after it, and those who share a miss.
  assert.ok(await callerIsNamed(genre(connect(path, [failing]))))
  await genre(cached).cache().execute()
  const one = connect(path, [failing, cacheopsPlugin({ store })])
  for (const what of ['the first hit', 'a hit']) assert.ok(await callerIsNamed(genre(one).cache()), what)
  const sharing = Array.from({ length: 3 }, () => callerIsNamed(one.selectFrom('track').selectAll().cache()))
  assert.deepEqual(await Promise.all(sharing), [true, true, true])
}
