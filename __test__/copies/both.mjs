// Modules of both kinds in one process, which share one plugin object, and what two plugin objects share.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

import * as imported from 'kysely'

import { cacheopsPlugin } from '#cacheops'
import { file, shop, smoke } from './smoke.mjs'

const required = createRequire(import.meta.url)('kysely')
const path = file()
const cacheops = cacheopsPlugin()
const [one, two] = [imported, required].map((kysely) => shop(kysely, { cacheopsPlugin: () => cacheops }, { path }).db)
const name = async (db) =>
  (await db.selectFrom('genre').select('name').where('id', '=', 1).cache().executeTakeFirst()).name
for (const [on, value] of [
  [one, 'one'],
  [two, 'two'],
  [one.withoutPlugins(), 'three'],
  [two.withoutPlugins(), 'four'],
]) {
  for (const db of [one, two]) await name(db)
  await on.updateTable('genre').set({ name: value }).where('id', '=', 1).execute()
  for (const db of [one, two]) assert.equal(await name(db), value)
}
await smoke(imported, { cacheopsPlugin })
await smoke(required, { cacheopsPlugin })
console.log(imported.Kysely === required.Kysely ? 'one build' : 'two builds')
