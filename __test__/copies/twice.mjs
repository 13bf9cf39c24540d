// The package is installed twice: what is written through one is dropped in the other.
import assert from 'node:assert/strict'

import * as kysely from 'kysely'

import * as again from '#again'
import * as cacheops from '#cacheops'
import { file, shop } from './smoke.mjs'

assert.notEqual(cacheops.cacheopsPlugin, again.cacheopsPlugin)
const path = file()
const [one, two] = [cacheops, again].map(({ cacheopsPlugin }) => {
  const { db } = shop(kysely, { cacheopsPlugin: () => cacheopsPlugin() }, { path })
  return db
})
const name = async (db) =>
  (await db.selectFrom('genre').select('name').where('id', '=', 1).cache().executeTakeFirst()).name
for (const [on, value] of [
  [one, 'one'],
  [two, 'two'],
]) {
  for (const db of [one, two]) await name(db)
  await on.updateTable('genre').set({ name: value }).where('id', '=', 1).execute()
  for (const db of [one, two]) assert.equal(await name(db), value)
}
