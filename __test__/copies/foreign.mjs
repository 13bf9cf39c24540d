// A copy of Kysely that nobody finds: another package has it to itself.
import assert from 'node:assert/strict'

import * as kysely from 'kysely'

import { cacheopsPlugin } from '#cacheops'
import { file, open, shop } from './smoke.mjs'

const foreign = await import(process.argv[2])
assert.notEqual(kysely.Kysely, foreign.Kysely)
const path = file()
const cacheops = cacheopsPlugin()
const { db } = shop(kysely, { cacheopsPlugin: () => cacheops }, { path })
const strange = shop(foreign, { cacheopsPlugin: () => cacheops }, { path }).db
const count = () => open(path).prepare('select count(*) as n from genre').get().n
const refused = { name: 'CacheopsError', code: 'CACHEOPS_FOREIGN_KYSELY', message: /cacheopsPlugin\(\{ kysely \}\)/ }
const add = (on) => on.insertInto('genre').values({ id: 9, name: 'x' })
const { sql } = kysely

const before = count()
await assert.rejects(async () => strange.selectFrom('genre').selectAll().execute(), refused)
await assert.rejects(async () => add(strange).execute(), refused)
await assert.rejects(async () => sql`delete from genre`.execute(strange), refused)
await assert.rejects(async () => strange.transaction().execute((trx) => add(trx).execute()), refused)
await assert.rejects(async () => strange.connection().execute((on) => add(on).execute()), refused)
await assert.rejects(async () => {
  for await (const row of strange.selectFrom('genre').selectAll().stream()) assert.fail(String(row))
}, refused)
assert.equal(count(), before, 'nothing was executed')

// A compiled query is not shown to a plugin before it is executed.
const all = () => db.selectFrom('genre').select('id').cache().execute()
await all()
const compiled = foreign.CompiledQuery.raw("insert into genre values (7, 'seven')")
await assert.rejects(async () => strange.executeQuery(compiled), {
  ...refused,
  message: /everything that was cached is dropped/,
})
assert.equal(count(), before + 1)
assert.equal((await all()).length, before + 1, 'what was cached before is not answered')

// Handed over, it is as good as any.
const known = shop(
  foreign,
  { cacheopsPlugin: (options) => cacheopsPlugin({ ...options, kysely: foreign }) },
  { path, store: 'embedded' },
).db
await all()
await add(known.withoutPlugins()).execute()
assert.equal((await all()).length, before + 2)
await known.executeQuery(foreign.CompiledQuery.raw('delete from genre where id in (7, 9)'))
assert.equal((await all()).length, before)
assert.throws(() => cacheopsPlugin({ kysely: {} }), { code: 'CACHEOPS_UNSUPPORTED_KYSELY' })
