import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import BetterSqlite3 from 'better-sqlite3'
import test from 'ava'
import { Kysely, sql, SqliteDialect } from 'kysely'

import { cacheopsPlugin } from '../ts/index.ts'
import { databases } from './support/databases.ts'
import type { DB } from './support/databases.ts'

// Rules of keys that no other spec shows by itself; each fails when its guard is taken away, see `mutants/`.

class Money {
  readonly cents = 5
}

const [, sqlite] = databases as [(typeof databases)[0], (typeof databases)[0]]

/** Parameters that one encoding or another would make the same bytes of. */
const PAIRS: Readonly<Record<string, readonly [unknown, unknown]>> = {
  'a bigint and its text': [12n, '12'],
  'null and undefined': [null, undefined],
  'bytes and their text': [Buffer.from('abc'), 'abc'],
  'two lone surrogates': ['\ud800', '\ud801'],
  'a lone surrogate and what UTF-8 makes of it': ['\ud800', '\ufffd'],
  'an object and its text': [{ a: 1 }, '{"a":1}'],
}

for (const [what, [one, other]] of Object.entries(PAIRS)) {
  test.serial(`sqlite: ${what} have keys of their own`, async (t) => {
    const { db, cacheops } = await sqlite.open(t, { profiles: { '*.*': { ops: 'all' } } })
    const keyOf = async (value: unknown) => {
      const { key } = await cacheops.explain(sql`select id from track where title = ${value}`, { db })
      return key
    }
    t.truthy(await keyOf(one))
    t.not(await keyOf(one), await keyOf(other))
  })
}

test.serial('sqlite: an instance of a class has no key', async (t) => {
  const { db, cacheops } = await sqlite.open(t, { profiles: { '*.*': { ops: 'all' } } })
  const query = sql`select id from track where title = ${new Money()}`
  t.is((await cacheops.explain(query, { db })).key, null)
})

test.serial('sqlite: values of lists do not melt', async (t) => {
  const { db, cacheops } = await sqlite.open(t)
  const keyOf = async (names: string[]) => {
    // An expression, so that what it depends on does not tell the lists apart.
    const query = db
      .selectFrom('artist')
      .selectAll()
      .where(sql<string>`upper(name)`, 'in', names)
      .cache()
    return (await cacheops.explain(query)).key
  }
  t.not(await keyOf(['ab', 'cde']), await keyOf(['a', 'bcde']))
})

test('sqlite: two drivers that make different values of the same data share no results', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cacheops-guards-'))
  const open = (big: boolean) => new BetterSqlite3(join(folder, 'shop.db')).defaultSafeIntegers(big)
  const cacheops = cacheopsPlugin<DB>({ store: { type: 'embedded', name: 'guards-drivers' } })
  const [small, big] = [false, true].map((safe) => {
    return new Kysely<DB>({ dialect: new SqliteDialect({ database: open(safe) }), plugins: [cacheops] })
  }) as [Kysely<DB>, Kysely<DB>]
  t.teardown(async () => {
    for (const db of [small, big]) await db.destroy()
    rmSync(folder, { recursive: true })
  })
  await sql`create table genre (id integer primary key, name text)`.execute(small)
  await small.insertInto('genre').values({ id: 1, name: 'Jazz' }).execute()
  const ids = async (db: Kysely<DB>): Promise<unknown[]> =>
    (await db.selectFrom('genre').select('id').cache().execute()).map(({ id }) => id)
  t.deepEqual(await ids(small), [1])
  t.deepEqual(await ids(big), [1n])
  t.deepEqual(await ids(small), [1])
})
