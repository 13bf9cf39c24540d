import test from 'ava'

import { databases } from './support/databases.ts'
import type { DatabaseName, Opened } from './support/databases.ts'
import { expectAfter, expectFresh, warm } from './support/expect.ts'

function plpgsql(name: string, when: string, body: string, each = 'for each row'): string {
  return `create function ${name}() returns trigger language plpgsql as $$ ${body} $$; create trigger ${name} ${when} ${each} execute function ${name}();`
}

/** Triggers that do the same on both databases. */
const TRIGGERS: Record<string, Record<DatabaseName, string>> = {
  otherTable: {
    postgres: plpgsql(
      'log',
      'after update on genre',
      `begin insert into audit (what) values (new.name); return null; end`,
    ),
    sqlite: `create trigger log after update on genre begin insert into audit (what) values (new.name); end`,
  },
  ownRow: {
    postgres: plpgsql(
      'shout',
      'before insert or update on genre',
      `begin new.name := upper(new.name); return new; end`,
    ),
    sqlite: `create trigger shout after update of name on genre when new.name <> upper(new.name)
      begin update genre set name = upper(new.name) where id = new.id; end;
      create trigger shout_too after insert on genre begin update genre set name = upper(new.name) where id = new.id; end`,
  },
  chain: {
    postgres:
      plpgsql(
        'one',
        'after update on genre',
        `begin update artist set country = new.name where id = 1; return null; end`,
      ) +
      plpgsql('two', 'after update on artist', `begin insert into audit (what) values (new.country); return null; end`),
    sqlite: `create trigger one after update on genre begin update artist set country = new.name where id = 1; end;
      create trigger two after update on artist begin insert into audit (what) values (new.country); end`,
  },
  deletion: {
    postgres: plpgsql(
      'gone',
      'after delete on genre',
      `begin insert into audit (what) values (old.name); return old; end`,
    ),
    sqlite: `create trigger gone after delete on genre begin insert into audit (what) values (old.name); end`,
  },
}

function reads({ db }: Opened) {
  return {
    audit: db.selectFrom('audit').selectAll().orderBy('id').cache(),
    genres: db.selectFrom('genre').selectAll().orderBy('id').cache(),
    genre1: db.selectFrom('genre').selectAll().where('id', '=', 1).cache(),
    artist1: db.selectFrom('artist').selectAll().where('id', '=', 1).cache(),
    albums: db.selectFrom('album').selectAll().orderBy('id').cache(),
    invoices: db.selectFrom('invoice').select('id').orderBy('id').cache(),
  }
}

for (const database of databases) {
  const { name } = database

  test.serial(`${name}: a trigger that writes another table`, async (t) => {
    const opened = await database.open(t, { schema: TRIGGERS['otherTable']![name] })
    const q = reads(opened)
    await expectAfter(
      t,
      opened,
      { drops: { audit: q.audit, genres: q.genres }, keeps: { albums: q.albums, invoices: q.invoices } },
      () => opened.db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute(),
    )
    await expectAfter(t, opened, { drops: { genres: q.genres }, keeps: { audit: q.audit } }, () =>
      opened.db.insertInto('genre').values({ name: 'not an update' }).execute(),
    )
  })

  test.serial(`${name}: a trigger that changes the row that is written`, async (t) => {
    const opened = await database.open(t, { schema: TRIGGERS['ownRow']![name] })
    const { db } = opened
    const q = reads(opened)
    const upper = db.selectFrom('genre').select('id').where('name', '=', 'BEBOP').cache()
    const inserted = db.selectFrom('genre').select('id').where('name', '=', 'NEW').cache()
    await expectAfter(
      t,
      opened,
      { drops: { genres: q.genres, genre1: q.genre1, upper }, keeps: { albums: q.albums } },
      () => db.updateTable('genre').set({ name: 'bebop' }).where('id', '=', 1).execute(),
    )
    await expectAfter(t, opened, { drops: { genres: q.genres, inserted }, keeps: { albums: q.albums } }, () =>
      db.insertInto('genre').values({ name: 'new' }).execute(),
    )
  })

  test.serial(`${name}: triggers of tables that triggers write`, async (t) => {
    const opened = await database.open(t, { schema: TRIGGERS['chain']![name] })
    const q = reads(opened)
    await expectAfter(
      t,
      opened,
      { drops: { genre1: q.genre1, artist1: q.artist1, audit: q.audit }, keeps: { invoices: q.invoices } },
      () => opened.db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute(),
    )
  })

  test.serial(`${name}: a trigger on deletion`, async (t) => {
    const opened = await database.open(t, { schema: TRIGGERS['deletion']![name] })
    const q = reads(opened)
    await expectAfter(t, opened, { drops: { audit: q.audit, genre1: q.genre1 }, keeps: { invoices: q.invoices } }, () =>
      opened.db.deleteFrom('genre').where('id', '=', 1).execute(),
    )
  })
}

const postgres = databases.find(({ name }) => name === 'postgres')!
const sqlite = databases.find(({ name }) => name === 'sqlite')!

const HIDDEN = plpgsql(
  'hidden',
  'after update on genre',
  `begin execute 'insert into audit (what) values (''hidden'')'; return null; end`,
)

test.serial('postgres: a trigger that cannot be understood makes a write drop everything, and warns', async (t) => {
  const opened = await postgres.open(t, { schema: HIDDEN })
  const q = reads(opened)
  const warnings: string[] = []
  opened.cacheops.on('invalidate', (event) => void warnings.push(...event.warnings))
  await expectAfter(t, opened, { drops: { audit: q.audit, genres: q.genres, albums: q.albums } }, () =>
    opened.db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute(),
  )
  t.true(
    warnings.some((text) => text.includes('hidden')),
    warnings.join(),
  )
})

test.serial('postgres: the option `triggers` says what such a trigger writes', async (t) => {
  const opened = await postgres.open(t, { schema: HIDDEN, triggers: { genre: ['audit'] } })
  const q = reads(opened)
  await expectAfter(t, opened, { drops: { audit: q.audit, genres: q.genres }, keeps: { albums: q.albums } }, () =>
    opened.db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute(),
  )
})

test.serial('postgres: the option `triggers` may say that nothing is written', async (t) => {
  const schema = plpgsql(
    'notify',
    'after update on genre',
    `begin perform pg_notify('c', 'x'); execute 'select 1'; return null; end`,
  )
  const opened = await postgres.open(t, { schema, triggers: { genre: [] } })
  const q = reads(opened)
  await expectAfter(t, opened, { drops: { genre1: q.genre1 }, keeps: { albums: q.albums, audit: q.audit } }, () =>
    opened.db.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).execute(),
  )
})

test.serial('postgres: a built-in trigger changes a column that the write does not name', async (t) => {
  const opened = await postgres.open(t, {
    schema: `create table doc (id int primary key, body text, note text, tsv tsvector);
      create trigger tsv before insert or update on doc for each row execute function tsvector_update_trigger(tsv, 'pg_catalog.english', body);
      insert into doc (id, body) values (1, 'a cat'), (2, 'a dog')`,
  })
  const db = opened.db.withTables<{ doc: { id: number; body: string; note: string | null; tsv: string } }>()
  const tsv = db.selectFrom('doc').select('tsv').orderBy('id').cache()
  const albums = db.selectFrom('album').selectAll().orderBy('id').cache()
  await expectAfter(t, opened, { drops: { tsv }, keeps: { albums } }, () =>
    db.updateTable('doc').set({ body: 'a fish' }).where('id', '=', 1).execute(),
  )
})

test.serial('postgres: a statement trigger counts too', async (t) => {
  const schema = plpgsql(
    'batch',
    'after insert on genre',
    `begin insert into audit (what) values ('batch'); return null; end`,
    'for each statement',
  )
  const opened = await postgres.open(t, { schema })
  const q = reads(opened)
  await expectAfter(t, opened, { drops: { audit: q.audit, genres: q.genres }, keeps: { albums: q.albums } }, () =>
    opened.db.insertInto('genre').values({ name: 'x' }).execute(),
  )
})

test.serial('postgres: a user function that writes, called by a read', async (t) => {
  const opened = await postgres.open(t, {
    schema: `create function remember(what text) returns text language sql as $$ insert into audit (what) values (what) returning what $$;
      create function peek() returns bigint language sql stable as $$ select count(*) from audit $$;
      create function double(i int) returns int language sql immutable as $$ select i * 2 $$`,
  })
  const { db, isHit } = opened
  const q = reads(opened)
  await warm(t, opened, { audit: q.audit, albums: q.albums })
  const writes = db
    .selectFrom('genre')
    .select((eb) => eb.fn<string>('remember', [eb.val('x')]).as('r'))
    .where('id', '=', 1)
    .cache()
  await writes.execute()
  t.false(await isHit(q.audit))
  t.false(await isHit(writes), 'a read that writes is never cached')
  await expectFresh(t, opened, { audit: q.audit })
  const doubled = db
    .selectFrom('genre')
    .select((eb) => eb.fn<number>('double', ['id']).as('d'))
    .cache()
  await doubled.execute()
  t.true(await isHit(doubled))
})

test.serial('postgres: the option `functions` says what a function writes', async (t) => {
  const opened = await postgres.open(t, {
    schema: `create function remember(what text) returns text language sql as $$ insert into audit (what) values (what) returning what $$`,
    functions: { remember: { writes: ['audit'] } },
  })
  const { db } = opened
  const q = reads(opened)
  await expectAfter(t, opened, { drops: { audit: q.audit }, keeps: { albums: q.albums, genres: q.genres } }, () =>
    db.selectNoFrom((eb) => eb.fn<string>('remember', [eb.val('x')]).as('r')).execute(),
  )
})

test.serial('sqlite: INSTEAD OF triggers of a view', async (t) => {
  const opened = await sqlite.open(t, {
    schema: `create view loud as select id, upper(name) as name from genre;
      create trigger loud_update instead of update on loud begin update genre set name = new.name where id = new.id; insert into audit (what) values ('loud'); end`,
  })
  const db = opened.db.withTables<{ loud: { id: number; name: string } }>()
  const q = reads(opened)
  const loud = db.selectFrom('loud').selectAll().orderBy('id').cache()
  await expectAfter(t, opened, { drops: { genres: q.genres, audit: q.audit, loud } }, () =>
    db.updateTable('loud').set({ name: 'x' }).where('id', '=', 1).execute(),
  )
})

test.serial('postgres: a write through an updatable view', async (t) => {
  const opened = await postgres.open(t, { schema: `create view loud as select id, name from genre where id < 3` })
  const db = opened.db.withTables<{ loud: { id: number; name: string } }>()
  const q = reads(opened)
  const loud = db.selectFrom('loud').selectAll().orderBy('id').cache()
  await expectAfter(
    t,
    opened,
    { drops: { genres: q.genres, genre1: q.genre1, loud }, keeps: { albums: q.albums } },
    () => db.updateTable('loud').set({ name: 'x' }).where('id', '=', 1).execute(),
  )
})

test.serial(
  'sqlite: a write in a transaction does not suffer from a broken trigger of another kind of write',
  async (t) => {
    const sqlite = databases.find(({ name }) => name === 'sqlite')!
    const { db, exec } = await sqlite.open(t)
    const read = db.selectFrom('genre').select('id').where('name', '=', 'x').cache()
    await read.execute()
    await exec(`create table gone (id integer); create trigger broken after delete on genre begin delete from gone; end;
    pragma legacy_alter_table = on; drop table gone`)
    const result = await db
      .transaction()
      .execute((trx) => trx.updateTable('genre').set({ name: 'x' }).where('id', '=', 1).executeTakeFirst())
    t.is(result.numUpdatedRows, 1n)
    t.deepEqual(await read.execute(), [{ id: 1 }])
  },
)
