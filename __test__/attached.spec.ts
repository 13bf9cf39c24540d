import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'
import type { ExecutionContext } from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { Kysely, sql, SqliteDialect } from 'kysely'

import { cacheopsPlugin } from '../ts/index.ts'
import type { Cacheops, CacheopsOptions } from '../ts/index.ts'

// What one SQLite connection has and another has not: attached databases, temporary objects, functions.

interface ShelfDB {
  shelf: { id: number; name: string }
  audit: { name: string }
}

interface Shelves {
  readonly cacheops: Cacheops<ShelfDB>
  /** opens a file of this test's own; the same name, the same file */
  readonly open: (
    file: string,
    prepare?: string,
  ) => { readonly db: Kysely<ShelfDB>; readonly raw: BetterSqlite3.Database }
  readonly path: (file: string) => string
  readonly isHit: (call: () => Promise<unknown>) => Promise<boolean>
}

let stores = 0

function shelves(t: ExecutionContext, options: CacheopsOptions<ShelfDB> = {}): Shelves {
  const folder = mkdtempSync(join(tmpdir(), 'cacheops-test-'))
  const cacheops = cacheopsPlugin<ShelfDB>({ ...options, store: { type: 'embedded', name: `attached-${++stores}` } })
  const opened: BetterSqlite3.Database[] = []
  t.teardown(async () => {
    for (const raw of opened) raw.close()
    await cacheops.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const path = (file: string): string => join(folder, file)
  return {
    cacheops,
    path,
    open(file, prepare = '') {
      const raw = new BetterSqlite3(path(file))
      opened.push(raw)
      raw.exec(`create table if not exists shelf (id integer primary key, name text);
        create table if not exists audit (name text); ${prepare}`)
      return { raw, db: new Kysely({ dialect: new SqliteDialect({ database: raw }), plugins: [cacheops] }) }
    },
    async isHit(call) {
      const hits: boolean[] = []
      const stop = cacheops.on('read', ({ hit }) => void hits.push(hit))
      await call()
      stop()
      return hits.every(Boolean)
    },
  }
}

const names = (db: Kysely<ShelfDB>) => db.selectFrom('shelf').select('name').orderBy('id').cache()
const audits = (db: Kysely<ShelfDB>) => db.selectFrom('audit').select('name').cache()

for (const table of ['other.crate', 'crate']) {
  test(`an attached file is written as ${table}: the instance whose own it is reads anew`, async (t) => {
    const { cacheops, open, path, isHit } = shelves(t)
    const owner = open('other.db', 'create table crate (name text)')
    const writer = open('main.db', `attach '${path('other.db')}' as other`)
    const crates = async () => (await cacheops.run(owner.db, sql`select name from crate`)).rows
    await crates()
    t.true(await isHit(crates))
    await sql`insert into ${sql.raw(table)} values ('Noise')`.execute(writer.db)
    t.deepEqual(await crates(), [{ name: 'Noise' }])
  })
}

test('an attached file is written on the connection that has just attached it', async (t) => {
  const { open, path } = shelves(t)
  const owner = open('other.db')
  const writer = open('main.db')
  await names(owner.db).execute()
  await names(writer.db).execute()
  await writer.db.connection().execute(async (pinned) => {
    await sql`attach ${path('other.db')} as other`.execute(pinned)
    await sql`insert into other.shelf (name) values ('Noise')`.execute(pinned)
  })
  t.deepEqual(await names(owner.db).execute(), [{ name: 'Noise' }])
})

test('a table of an attached file is changed: the instance whose own it is asks for its columns anew', async (t) => {
  const { cacheops, open, path } = shelves(t)
  const owner = open('other.db', 'create table crate (name text)')
  const writer = open('main.db', `attach '${path('other.db')}' as other`)
  const crates = async () => (await cacheops.run(owner.db, sql`select * from crate`)).rows
  await names(writer.db).execute()
  await crates()
  await sql`alter table other.crate add column size integer default 1`.execute(writer.db)
  await sql`insert into other.crate values ('Noise', 2)`.execute(writer.db)
  t.deepEqual(await crates(), [{ name: 'Noise', size: 2 }])
  await sql`update crate set size = 3`.execute(owner.db)
  t.deepEqual(await crates(), [{ name: 'Noise', size: 3 }])
})

test('without attached files a write of anything leaves the results of other files alone', async (t) => {
  const { open, isHit } = shelves(t)
  const one = open('one.db')
  const other = open('other.db')
  await names(one.db).execute()
  await names(other.db).execute()
  await t.throwsAsync(sql`delete from nobody_knows`.execute(other.db))
  t.false(await isHit(() => names(other.db).execute()))
  t.true(await isHit(() => names(one.db).execute()))
})

const TRIGGER = 'create temp trigger noting after insert on main.shelf begin insert into audit values (new.name); end'

for (const first of ['the connection without it', 'the connection with it']) {
  test(`a temporary trigger of one connection, when ${first} comes first: what it writes is dropped`, async (t) => {
    const { open } = shelves(t)
    const [plain, special] = [open('main.db'), open('main.db', TRIGGER)]
    const order = first === 'the connection with it' ? [special, plain] : [plain, special]
    for (const { db } of order) await audits(db).execute()
    for (const { db } of order) {
      await audits(db).execute()
      await audits(db).execute()
    }
    await special.db.insertInto('shelf').values({ id: 1, name: 'Noise' }).execute()
    for (const { db } of order) t.deepEqual(await audits(db).execute(), [{ name: 'Noise' }])
  })
}

test('a temporary trigger is made while another connection has the facts read: what it writes is dropped', async (t) => {
  const { open } = shelves(t)
  const [plain, special] = [open('main.db'), open('main.db')]
  for (const { db } of [plain, special]) await audits(db).execute()
  await special.db.connection().execute(async (pinned) => {
    await sql.raw(TRIGGER).execute(pinned)
    await audits(plain.db).execute()
    await pinned.insertInto('shelf').values({ id: 1, name: 'Noise' }).execute()
    t.deepEqual(await audits(plain.db).execute(), [{ name: 'Noise' }])
  })
})

test('functions of one name that differ between connections: no result of the one answers the other', async (t) => {
  const { cacheops, open } = shelves(t)
  const [one, other] = [open('main.db', "insert into shelf values (1, 'x')"), open('main.db')]
  one.raw.function('label', { deterministic: true }, () => 'one')
  other.raw.function('label', { deterministic: true, varargs: true }, () => 'other')
  const label = async (db: Kysely<ShelfDB>) => (await cacheops.run(db, sql`select label() as label from shelf`)).rows
  for (let round = 0; round < 2; round++) {
    t.deepEqual(await label(one.db), [{ label: 'one' }])
    t.deepEqual(await label(other.db), [{ label: 'other' }])
  }
})

test('connections that have the same of their own share results', async (t) => {
  const { open, isHit } = shelves(t)
  const connections = [open('main.db', TRIGGER), open('main.db', TRIGGER)]
  for (const { raw } of connections) raw.function('label', { deterministic: true }, () => 'x')
  for (const { db } of connections) await sql`select 1`.execute(db)
  await names(connections[0]!.db).execute()
  t.true(await isHit(() => names(connections[1]!.db).execute()))
})

test('a connection that is opened after one with functions of its own was closed is cached', async (t) => {
  const { open, isHit } = shelves(t)
  const before = open('main.db')
  before.raw.function('label', () => 'x')
  await names(before.db).execute()
  await before.db.destroy()
  const { db } = open('main.db')
  await names(db).execute()
  t.true(await isHit(() => names(db).execute()))
})

test('connections whose options declare the same share results, and neither has the facts read again', async (t) => {
  const { open, isHit } = shelves(t, { triggers: { shelf: ['audit'] }, functions: { label: { writes: [] } } })
  const [one, other] = [open('main.db'), open('main.db')]
  for (const { db } of [one, other]) await names(db).execute()
  t.true(await isHit(() => names(one.db).execute()))
  t.true(await isHit(() => names(other.db).execute()))
})
