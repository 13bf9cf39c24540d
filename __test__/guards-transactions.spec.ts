import test from 'ava'
import { CamelCasePlugin, sql } from 'kysely'
import type { Kysely } from 'kysely'

import { TransactionState } from '../ts/transaction.ts'
import { databases } from './support/databases.ts'
import type { DB } from './support/databases.ts'

// Rules of transactions that no other spec shows by itself; each fails when its guard is taken away, see `mutants/`.

const genre = (db: Kysely<DB>, id = 1) => db.selectFrom('genre').selectAll().where('id', '=', id).cache()
const rename = (db: Kysely<DB>, name: string, id = 1) =>
  db.updateTable('genre').set({ name }).where('id', '=', id).execute()
const nameOf = async (db: Kysely<DB>, id = 1) => (await genre(db, id).executeTakeFirstOrThrow()).name

const [postgres, sqlite] = databases as [(typeof databases)[0], (typeof databases)[0]]

test.serial('postgres: a snapshot that is asked for after BEGIN counts', async (t) => {
  const { db, isHit } = await postgres.open(t)
  await genre(db).execute()
  await db.connection().execute(async (connection) => {
    await sql`begin`.execute(connection)
    await sql`set transaction isolation level repeatable read`.execute(connection)
    t.false(await isHit(genre(connection)))
    await sql`commit`.execute(connection)
    t.true(await isHit(genre(connection)))
  })
})

test.serial('postgres: a default isolation level that is a snapshot counts', async (t) => {
  // PGlite's only session, or all sessions that are to come.
  const whole = (change: string) =>
    postgres.driver === 'pglite'
      ? change
      : `do $$ begin execute format('alter database %I ${change.replaceAll("'", "''")}', current_database()); end $$`
  const { db, exec, isHit } = await postgres.open(t, {
    schema: whole(`set default_transaction_isolation = 'repeatable read'`),
  })
  t.teardown(() => exec(whole('reset default_transaction_isolation')))
  await genre(db).execute()
  await db.connection().execute(async (connection) => {
    await sql`begin`.execute(connection)
    t.false(await isHit(genre(connection)))
    await sql`commit`.execute(connection)
  })
})

const byMethod = postgres.driver === 'pglite' ? test.serial : test.serial.skip

byMethod('postgres: a transaction of the driver itself is neither answered from the cache nor kept', async (t) => {
  const { db, isHit } = await postgres.open(t)
  await genre(db).execute()
  await db.transaction().execute(async (trx) => {
    t.false(await isHit(genre(trx)))
    await genre(trx, 2).execute()
  })
  t.false(await isHit(genre(db, 2)))
})

test.serial('sqlite: a failed rollback leaves a connection of which nothing is known', async (t) => {
  const { db, recorder } = await sqlite.open(t)
  await genre(db, 2).execute()
  await db.connection().execute(async (connection) => {
    await sql`begin`.execute(connection)
    await rename(connection, 'undone')
    recorder.hold(/^rollback/, 'before').fail(new Error('the connection was lost'))
    await t.throwsAsync(sql`rollback`.execute(connection))
    t.is(await nameOf(connection), 'undone', 'it is still open')
    await sql`rollback`.execute(connection)
  })
  t.is(await nameOf(db), 'Jazz')
})

test.serial('sqlite: what follows a statement that rolled its transaction back commits by itself', async (t) => {
  const { db, cacheops, connect } = await sqlite.open(t)
  const other = connect({ plugins: [cacheops] })
  t.is(await nameOf(other), 'Jazz')
  await db.connection().execute(async (connection) => {
    await sql`begin`.execute(connection)
    await rename(connection, 'undone', 2)
    await t.throwsAsync(sql`insert or rollback into genre (id, name) values (1, 'twice')`.execute(connection))
    await rename(connection, 'alone')
    t.is(await nameOf(other), 'alone')
  })
})

test.serial('postgres: COMMIT AND CHAIN begins a transaction, whose writes wait for its commit', async (t) => {
  const { db } = await postgres.open(t)
  await genre(db).execute()
  await db.connection().execute(async (connection) => {
    await sql`begin`.execute(connection)
    await rename(connection, 'committed')
    await sql`commit and chain`.execute(connection)
    await rename(connection, 'undone')
    t.is(await nameOf(connection), 'undone')
    await sql`rollback`.execute(connection)
  })
  t.is(await nameOf(db), 'committed')
})

test.serial('sqlite: a savepoint can be rolled back to twice', async (t) => {
  const { db, isHit } = await sqlite.open(t)
  for (const id of [1, 2, 3]) await genre(db, id).execute()
  await db.transaction().execute(async (trx) => {
    await sql`savepoint s`.execute(trx)
    for (const id of [1, 2]) {
      await rename(trx, 'undone', id)
      await sql`rollback to s`.execute(trx)
    }
    await rename(trx, 'kept', 3)
  })
  t.deepEqual([await isHit(genre(db, 1)), await isHit(genre(db, 2))], [true, true])
  t.is(await nameOf(db, 3), 'kept')
})

test('a rollback to a savepoint that nobody has seen forgets nothing', (t) => {
  const state = new TransactionState()
  state.begin(false)
  const change = { everything: 'a write' }
  state.hold([change])
  t.deepEqual(state.rollbackTo('unseen'), [])
  t.deepEqual(state.end(), [change])
})

test.serial('sqlite: a savepoint outside of a transaction begins one, and its release commits', async (t) => {
  const { db, cacheops, connect } = await sqlite.open(t)
  const other = connect({ plugins: [cacheops] })
  await genre(db, 2).execute()
  await db.connection().execute(async (connection) => {
    await sql`savepoint s`.execute(connection)
    await rename(connection, 'new')
    t.is(await nameOf(other), 'Jazz', 'not committed yet')
    await sql`release s`.execute(connection)
    t.is(await nameOf(other), 'new')
  })
})

test.serial('sqlite: facts are not read inside a transaction that is left open', async (t) => {
  const { db, cacheops, connect } = await sqlite.open(t)
  const other = connect({ plugins: [cacheops] })
  for (const each of [db, other]) await genre(each).execute()
  await sql`begin`.execute(db)
  await db.selectFrom('artist').selectAll().execute()
  // The snapshot of the open transaction does not know the trigger.
  await sql`create trigger called after update on artist begin update genre set name = new.name where id = 1; end`.execute(
    other,
  )
  await db.connection().execute(() => Promise.resolve())
  await sql`commit`.execute(db)
  t.is(await nameOf(db), 'Jazz')
  await db.updateTable('artist').set({ name: 'Simone' }).where('id', '=', 1).execute()
  t.is(await nameOf(db), 'Simone')
})

test.serial('sqlite: a commit whose answer was lost drops at once', async (t) => {
  const { db, cacheops, connect, recorder } = await sqlite.open(t)
  const other = connect({ plugins: [cacheops] })
  for (const each of [db, other]) await genre(each).execute()
  await db.connection().execute(async (connection) => {
    await sql`begin`.execute(connection)
    await rename(connection, 'new')
    const gate = recorder.hold(/^commit/, 'after')
    const commit = sql`commit`.execute(connection)
    await gate.reached
    gate.fail(new Error('the connection was lost'))
    await t.throwsAsync(commit)
    t.is(await nameOf(other), 'new')
  })
})

test.serial('sqlite: a rollback goes to the last savepoint of a name', async (t) => {
  const { db } = await sqlite.open(t)
  for (const id of [1, 2]) await genre(db, id).execute()
  await db.transaction().execute(async (trx) => {
    await sql`savepoint s`.execute(trx)
    await rename(trx, 'kept')
    await sql`savepoint s`.execute(trx)
    await rename(trx, 'undone', 2)
    await sql`rollback to s`.execute(trx)
  })
  t.deepEqual([await nameOf(db), await nameOf(db, 2)], ['kept', 'Afrobeat'])
})

test.serial('sqlite: writes of an instance that was stripped and dressed anew are seen', async (t) => {
  const { db } = await sqlite.open(t)
  t.is(await nameOf(db), 'Jazz')
  await rename(db.withoutPlugins().withPlugin(new CamelCasePlugin()), 'new')
  t.is(await nameOf(db), 'new')
})

test.serial('sqlite: a statement in a transaction is nobody else’s', async (t) => {
  const { db, plain } = await sqlite.open(t)
  await genre(db).execute()
  await db.transaction().execute(async (trx) => {
    await genre(trx, 2).execute()
    t.is((await plain.selectFrom('genre').select('name').where('id', '=', 1).executeTakeFirst())?.name, 'Jazz')
  })
  t.is(await nameOf(db, 2), 'Afrobeat')
})
