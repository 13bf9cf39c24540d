/**
 * Old values of an UPDATE where the server has no `RETURNING old`: what is changed while the statement waits, what is dropped
 * and what is kept, and that the caller notices nothing.
 */

import test from 'ava'
import { sql } from 'kysely'
import type { Kysely } from 'kysely'

import type { DB, Opened, Query } from './support/databases.ts'
import { postgresOnServer } from './support/databases.ts'
import { expectAfter } from './support/expect.ts'

const open = postgresOnServer.open.bind(postgresOnServer)

function track(db: Kysely<DB>, column: 'album_id' | 'genre_id' | 'id' | 'position', value: number): Query {
  return db.selectFrom('track').selectAll().where(column, '=', value).orderBy('id').cache()
}

/** Resolves once a statement waits for another transaction's row. */
async function waiting({ plain }: Opened): Promise<void> {
  for (;;) {
    const { rows } =
      await sql`select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`.execute(
        plain,
      )
    if (rows.length > 0) return
  }
}

test.serial('the old values are those that others committed while the statement waited', async (t) => {
  const opened = await open(t)
  const { db, plain, cacheops, recorder } = opened
  const genres = { 1: track(db, 'genre_id', 1), 2: track(db, 'genre_id', 2), 3: track(db, 'genre_id', 3) }
  for (const query of Object.values(genres)) await query.execute()
  const dropped: string[] = []
  cacheops.on('invalidate', (event) =>
    dropped.push(...event.dropped.map(({ level, what }) => (level === 'condition' ? what : 'whole'))),
  )
  const first = await plain.startTransaction().execute()
  await first.updateTable('track').set({ genre_id: 2 }).where('id', '=', 1).execute()
  const second = db.updateTable('track').set({ genre_id: 3 }).where('id', '=', 1).executeTakeFirst()
  await waiting(opened)
  await first.commit().execute()
  t.is((await second).numUpdatedRows, 1n)
  t.true(recorder.count(/FOR NO KEY UPDATE/) > 0)
  t.true(
    dropped.some((condition) => /genre_id = 2/.test(condition)),
    dropped.join('; '),
  )
  t.false(
    dropped.some((condition) => /genre_id = 1/.test(condition)),
    dropped.join('; '),
  )
  t.false(dropped.includes('whole'))
})

test.serial(
  'a row that does not meet the condition any more after the wait has no image, and is not changed',
  async (t) => {
    const opened = await open(t)
    const { db, plain } = opened
    const genres = { one: track(db, 'genre_id', 1), three: track(db, 'genre_id', 3) }
    for (const query of Object.values(genres)) await query.execute()
    const first = await plain.startTransaction().execute()
    await first.updateTable('track').set({ album_id: 4, position: 9 }).where('id', '=', 1).execute()
    const second = db.updateTable('track').set({ genre_id: 3 }).where('album_id', '=', 1).executeTakeFirst()
    await waiting(opened)
    await first.commit().execute()
    t.is((await second).numUpdatedRows, 1n)
    const { rows } = await sql<{ id: number }>`select id from track where genre_id = 3 order by id`.execute(plain)
    t.deepEqual(rows, [{ id: 2 }, { id: 6 }])
    t.deepEqual(
      ((await genres.three.execute()) as { id: number }[]).map(({ id }) => id),
      [2, 6],
    )
  },
)

const KEPT: Record<
  string,
  (opened: Opened) => { drops: Record<string, Query>; keeps: Record<string, Query>; write: () => Promise<unknown> }
> = {
  'several rows found by another column': ({ db }) => ({
    drops: { one: track(db, 'genre_id', 1), three: track(db, 'genre_id', 3), album1: track(db, 'album_id', 1) },
    keeps: { two: track(db, 'genre_id', 2), album2: track(db, 'album_id', 2) },
    write: () => db.updateTable('track').set({ genre_id: 3 }).where('album_id', '=', 1).execute(),
  }),
  'several rows, with RETURNING': ({ db }) => ({
    drops: { one: track(db, 'genre_id', 1), id1: track(db, 'id', 1) },
    keeps: { two: track(db, 'genre_id', 2), id3: track(db, 'id', 3) },
    write: () => db.updateTable('track').set({ genre_id: 3 }).where('album_id', '=', 1).returningAll().execute(),
  }),
  'rows named by their keys': ({ db }) => ({
    drops: { one: track(db, 'genre_id', 1), two: track(db, 'genre_id', 2) },
    keeps: { silence: track(db, 'genre_id', 3), id4: track(db, 'id', 4) },
    write: () => db.updateTable('track').set({ genre_id: null }).where('id', 'in', [1, 3]).execute(),
  }),
  'a condition of alternatives, an alias and a comment': ({ db }) => ({
    drops: { one: track(db, 'genre_id', 1), three: track(db, 'genre_id', 3), two: track(db, 'genre_id', 2) },
    keeps: { id4: track(db, 'id', 4), id5: track(db, 'id', 5) },
    write: () =>
      sql`update track as x set genre_id = 3 /* hé */ where x.id = ${1} or x.position = 1 and x.album_id = ${2} -- bye`.execute(
        db,
      ),
  }),
  'no condition at all': ({ db }) => ({
    drops: { one: track(db, 'genre_id', 1), three: track(db, 'genre_id', 3) },
    keeps: {
      names: db.selectFrom('genre').selectAll().cache(),
      composers: db.selectFrom('track').select('composer').orderBy('id').cache(),
    },
    write: () => sql`update track set genre_id = 3 ; -- all`.execute(db),
  }),
  'no condition, with RETURNING': ({ db }) => ({
    drops: { three: track(db, 'genre_id', 3) },
    keeps: { composers: db.selectFrom('track').select('composer').orderBy('id').cache() },
    write: () => db.updateTable('track').set({ genre_id: 3 }).returning('id').execute(),
  }),
  'values that some rows already have': ({ db }) => ({
    drops: { id1: track(db, 'id', 1), one: track(db, 'genre_id', 1) },
    keeps: { id6: track(db, 'id', 6) },
    write: () => db.updateTable('track').set({ genre_id: 3 }).where('position', '=', 1).execute(),
  }),
}

for (const [what, make] of Object.entries(KEPT)) {
  test.serial(`an update drops only what its rows meet: ${what}`, async (t) => {
    const opened = await open(t)
    const { write, ...expected } = make(opened)
    await expectAfter(t, opened, expected, write)
    t.true(opened.recorder.count(/FOR NO KEY UPDATE/) > 0)
  })
}

// PGlite's ICU takes no collation for one that ignores case.
test.serial('a collation that calls two texts equal does not hide that one has become the other', async (t) => {
  const opened = await open(t, {
    schema: `
      create collation folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      create table folded (id int primary key, v text collate folding, w varchar(5) collate folding, n int);
      insert into folded values (1, 'a', 'b', 1), (2, 'a', 'b', 1)`,
  })
  const db = opened.db as unknown as Kysely<any>
  const all = db.selectFrom('folded').select('v').orderBy('id').cache()
  const ws = db.selectFrom('folded').select('w').orderBy('id').cache()
  // So that old values are asked for.
  await db.selectFrom('folded').select('id').where('n', '=', 1).cache().execute()
  const update = (set: string, where: string) => () =>
    sql.raw(`update folded set n = n, ${set} where ${where}`).execute(db)
  await expectAfter(t, opened, { drops: { all }, keeps: { ws } }, update(`v = 'A'`, 'id = 1'))
  await expectAfter(t, opened, { drops: { all }, keeps: { ws } }, update('v = upper(v)', 'n = 1'))
  await expectAfter(t, opened, { drops: { ws }, keeps: { all } }, update('w = upper(w), v = v', 'id = 2'))
  t.true(opened.recorder.count(/FOR NO KEY UPDATE/) > 0)
})

test.serial('no old values where rows cannot be told apart: what the text tells must do', async (t) => {
  const opened = await open(t, {
    schema: `
      create table loose (a int, b text);
      insert into loose values (1, 'x'), (1, 'x'), (2, 'y');
      create table half (k int unique, b text);
      insert into half values (null, 'x'), (null, 'y'), (3, 'z');
      create table wide (id int primary key, b text, c text);
      insert into wide values (1, repeat('x', 5000), 'c'), (2, repeat('y', 5000), 'd');`,
  })
  const { plain, recorder } = opened
  const db = opened.db as Kysely<any>
  const of = (table: string, column: string, value: unknown): Query =>
    db.selectFrom(table).selectAll().where(column, '=', value).orderBy(column).cache()
  const long = 'x'.repeat(5000)
  const writes: [string, Query[]][] = [
    [`update loose set b = 'y' where a = 1`, [of('loose', 'b', 'x'), of('loose', 'b', 'y')]],
    [`update half set b = 'z' where b < 'z'`, [of('half', 'b', 'x'), of('half', 'b', 'y'), of('half', 'b', 'z')]],
    [`update half set k = 4 where b = 'z' and k = 3`, [of('half', 'k', 3), of('half', 'k', 4)]],
    [`update wide set b = c where id < 5`, [of('wide', 'b', long), of('wide', 'b', 'c'), of('wide', 'b', 'd')]],
    [`update wide set b = repeat('x', 5000) where id = 1`, [of('wide', 'b', long), of('wide', 'b', 'c')]],
    [`update wide set id = id + 10 where c = 'c'`, [of('wide', 'id', 1), of('wide', 'id', 11)]],
    [`update wide set id = 12 where id = 2`, [of('wide', 'id', 2), of('wide', 'id', 12)]],
  ]
  for (const [text, queries] of writes) {
    for (const query of queries) await query.execute()
    await sql.raw(text).execute(db)
    for (const query of queries) {
      t.deepEqual(
        await query.execute(),
        (await plain.executeQuery(query.compile())).rows as never,
        `${text}: ${query.compile().sql}`,
      )
    }
  }
  t.true(recorder.count(/FOR NO KEY UPDATE/) > 2)
})

test.serial('a BEFORE trigger that changes what is written, and leaves rows out', async (t) => {
  const opened = await open(t, {
    schema: `
      create function shout() returns trigger language plpgsql as $$ begin
        if new.title = 'skip' then return null; end if;
        new.composer := upper(new.title); return new; end $$;
      create trigger shout before update on track for each row execute function shout();`,
  })
  const { db } = opened
  const composer = (value: string): Query =>
    db.selectFrom('track').selectAll().where('composer', '=', value).orderBy('id').cache()
  await expectAfter(
    t,
    opened,
    { drops: { fela: composer('Fela'), new: composer('NEW') }, keeps: { nina: composer('Nina') } },
    () => db.updateTable('track').set({ title: 'new' }).where('id', '=', 3).execute(),
  )
  await expectAfter(t, opened, { drops: {}, keeps: { nina: composer('Nina') } }, () =>
    db.updateTable('track').set({ title: 'skip' }).where('id', '=', 1).execute(),
  )
  await expectAfter(
    t,
    opened,
    { drops: { two: composer('B'), nina: composer('Nina') }, keeps: { new: composer('NEW') } },
    () => db.updateTable('track').set({ title: 'b' }).where('album_id', '=', 1).execute(),
  )
})

test.serial('keys that are exchanged, or move on', async (t) => {
  const opened = await open(t, {
    schema: `create table seat (id int primary key deferrable, who int); insert into seat values (1, 7), (2, 8), (3, 9);
      create table chair (id int, who int, row int primary key); create unique index on chair (id);
      insert into chair values (1, 7, 1), (2, 8, 2);`,
  })
  const db = opened.db as Kysely<any>
  const seat = (who: number): Query => db.selectFrom('seat').selectAll().where('who', '=', who).cache()
  await expectAfter(t, opened, { drops: { seven: seat(7), eight: seat(8) } }, () =>
    sql`update seat set id = 3 - id, who = who where id < 3`.execute(db),
  )
  const chair = (who: number): Query => db.selectFrom('chair').select('who').where('who', '=', who).cache()
  await expectAfter(t, opened, { drops: { seven: chair(7), ten: chair(10) } }, () =>
    sql`update chair set id = id + 10, who = who + 3 where who = 7`.execute(db),
  )
})

test.serial('two long values are not taken for the same', async (t) => {
  const opened = await open(t, {
    schema: `create table wide (id int primary key, b text, c text); insert into wide values (1, repeat('x', 5000), 'c');`,
  })
  const db = opened.db as Kysely<any>
  const one = db.selectFrom('wide').select('b').where('c', '=', 'c').cache()
  for (const [text, where] of [
    ['y', 'id < 5'],
    ['z', 'id = 1'],
  ]) {
    await expectAfter(t, opened, { drops: { one } }, () =>
      sql.raw(`update wide set b = repeat('${text}', 5000), c = 'c' where ${where}`).execute(db),
    )
  }
  t.is(opened.recorder.count(/FOR NO KEY UPDATE/), 2)
})

test.serial('two rows under a key that was unique', async (t) => {
  const opened = await open(t, {
    schema: `create table seat (id int, who int, constraint one unique (id)); insert into seat values (1, 7);`,
  })
  const db = opened.db as Kysely<any>
  const seat = (who: number): Query => db.selectFrom('seat').selectAll().where('who', '=', who).orderBy('id').cache()
  const seats = { seven: seat(7), eight: seat(8), nine: seat(9) }
  for (const query of Object.values(seats)) await query.execute()
  await opened.exec('alter table seat drop constraint one; insert into seat values (1, 8)')
  await db.updateTable('seat').set({ who: 9 }).where('id', '=', 1).execute()
  t.is((await seats.nine.execute()).length, 2)
  t.is((await seats.eight.execute()).length, 0)
})

test.serial('errors speak of the text of the caller', async (t) => {
  const { db, plain } = await open(t)
  await track(db, 'genre_id', 1).execute()
  const texts = [
    `update track set genre_id = 2 where title = 'é' and nothing = 1`,
    `update track set genre_id = 2 where title = 'é' returning nothing`,
    `update track set genre_id = 2, nothing = 1 where title = 'é'`,
    `update track set genre_id = 2 where id = 'x'`,
    `update track set genre_id = 99 where album_id = 1`,
    `update track set album_id = 1, position = 1, genre_id = 2 where album_id = 2`,
  ]
  const told = async (on: Kysely<DB>, text: string): Promise<unknown> => {
    const error = (await t.throwsAsync(sql.raw(text).execute(on), undefined, text)) as unknown as Record<
      string,
      unknown
    >
    return Object.fromEntries(
      ['message', 'code', 'position', 'detail', 'constraint', 'table', 'length'].map((name) => [name, error[name]]),
    )
  }
  for (const text of texts) t.deepEqual(await told(db, text), await told(plain, text), text)
  const readOnly = async (on: Kysely<DB>): Promise<string> => {
    const update = on
      .transaction()
      .setAccessMode('read only')
      .execute((trx) => trx.updateTable('track').set({ genre_id: 2 }).where('album_id', '=', 1).execute())
    return (await t.throwsAsync(update, { instanceOf: Error })).message
  }
  t.is(await readOnly(db), await readOnly(plain))
})

test.serial('more rows than images are taken of drop the table', async (t) => {
  const opened = await open(t)
  const { db, exec } = opened
  await exec(`insert into genre (name) select 'g' || i from generate_series(1, 1500) i`)
  const named = (name: string): Query => db.selectFrom('genre').selectAll().where('name', '=', name).cache()
  await expectAfter(t, opened, { drops: { last: named('g1500'), jazz: named('Jazz!') } }, async () => {
    const { numUpdatedRows } = await db
      .updateTable('genre')
      .set({ name: sql`name || '!'` })
      .executeTakeFirst()
    t.is(numUpdatedRows, 1503n)
  })
})
