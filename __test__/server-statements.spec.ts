// Statements that only a server has, or that write without looking like it: whatever they change is dropped.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Kysely, sql } from 'kysely'

import { dialectOf, DRIVERS, newDatabase, newStore, openPool } from './support/pools.ts'
import type { Opened, PoolOptions } from './support/pools.ts'

const TABLES_AND_CODE = `
create table a (id int primary key, v text); create table b (id int primary key, a_id int references a on delete cascade, v text);
create table c (id int primary key, v text); create table d (id int primary key, v text); create table log (id serial primary key, what text);
create table e (id int primary key, v text);
create function noted() returns trigger language plpgsql as $$ begin insert into log (what) values (new.v); return null; end $$;
create trigger noted after insert or update on a for each row execute function noted();
create trigger of_replica after update on e for each row execute function noted(); alter table e enable replica trigger of_replica;
create function bump() returns int language plpgsql as $$ begin update c set v = v || '!'; return 1; end $$;
create function bump_by_sql(int) returns int language sql as $$ update c set v = v || '!' where id = $1 returning id $$;
create function bump_by_text(text) returns int language plpgsql as $$ begin execute $1; return 1; end $$;
create function bump_outer() returns int language plpgsql as $$ begin return bump(); end $$;
create function bump_rows() returns setof c language plpgsql as $$ begin return query update c set v = v || '!' returning *; end $$;
create function bump_stable() returns int stable language sql as $$ select bump() $$;
create function bump_sum(int, int) returns int language plpgsql as $$ begin update c set v = v || '!' where id = $2; return $1; end $$;
create aggregate bump_each (int) (sfunc = bump_sum, stype = int, initcond = '0');
create procedure bump_all() language sql as $$ update c set v = v || '!' $$;
create procedure bump_and_commit() language plpgsql as $$ begin update c set v = v || '!'; commit; update a set v = 'new'; end $$`
const ROWS = `truncate a, b, c, d, e, log restart identity; insert into a values (1, 'old'), (2, 'old');
insert into b values (1, 1, 'old'), (2, 2, 'old'); insert into c values (1, 'old'), (2, 'old'); insert into d values (1, 'old'); insert into e values (1, 'old')`

type Table = 'a' | 'b' | 'c' | 'd' | 'e' | 'log'
const TABLES: readonly Table[] = ['a', 'b', 'c', 'd', 'e', 'log']
const whole = (table: Table): string => `select * from ${table} order by id`
const READS = [
  ...TABLES.map(whole),
  'select v from a where id = 1',
  'select v from b where a_id = 1',
  'select v from c where id = 1',
]

interface Scene extends Opened {
  /** past the plugin, through the same driver */
  readonly plain: Kysely<any>
  readonly at: PoolOptions
}

const databases = new Map<string, Promise<Omit<PoolOptions, 'driver'>>>()

async function open(
  t: ExecutionContext,
  driver: PoolOptions['driver'],
  further: Partial<PoolOptions> = {},
): Promise<Scene> {
  const database = databases.get(driver) ?? newDatabase(TABLES_AND_CODE)
  databases.set(driver, database)
  const at = { driver, ...(await database) }
  const plain = new Kysely<any>({ dialect: dialectOf(at) })
  t.teardown(() => void plain.destroy().catch(() => undefined))
  const scene = { ...openPool(t, dialectOf({ ...at, ...further }), { store: newStore() }), plain, at }
  await reset(scene)
  return scene
}

/** All rows as they were at first, past the plugin, which is told. */
async function reset({ plain, cacheops }: Scene): Promise<void> {
  for (const text of ROWS.split(';')) await sql.raw(text).execute(plain)
  await cacheops.invalidateAll()
}

const truths = ({ plain }: Scene): Promise<unknown[]> =>
  Promise.all(READS.map(async (text) => (await sql.raw(text).execute(plain)).rows))

/** Everything is kept. */
async function warm({ read, reason }: Scene, t: ExecutionContext): Promise<void> {
  for (const text of READS) {
    await read(text)
    await read(text)
    t.is(reason(), 'hit', text)
  }
}

/** Every read tells what the database does; those of these tables, and no others, have to ask. */
async function demand(
  t: ExecutionContext,
  { read, reason, plain }: Scene,
  dropped: readonly Table[] | 'some',
): Promise<void> {
  const asked: string[] = []
  for (const text of READS) {
    const rows = await read(text)
    if (reason() !== 'hit') asked.push(text)
    t.deepEqual(rows, (await sql.raw(text).execute(plain)).rows, text)
  }
  if (dropped === 'some') return
  t.deepEqual(
    TABLES.filter((table) => asked.includes(whole(table))),
    dropped,
  )
}

/** A statement, and the tables whose reads it drops. */
const STATEMENTS: Readonly<Record<string, readonly [text: string, dropped: readonly Table[] | 'some']>> = {
  'MERGE that updates and inserts': [
    `merge into a using (values (1, 'new'), (9, 'new')) s (id, v) on a.id = s.id
      when matched then update set v = s.v when not matched then insert values (s.id, s.v)`,
    ['a', 'b', 'log'],
  ],
  'MERGE that deletes': [
    'merge into a using d on a.id = d.id when matched then delete when not matched then do nothing',
    ['a', 'b', 'log'],
  ],
  'MERGE after WITH': [
    `with s as (select 2 as id) merge into c using s on c.id = s.id when matched then update set v = 'new'`,
    ['c'],
  ],
  'INSERT in WITH': [`with n as (insert into a values (7, 'new') returning *) select * from n`, ['a', 'log']],
  'UPDATE in WITH': [`with n as (update c set v = 'new' returning id) select count(*) from n`, ['c']],
  'DELETE in WITH': ['with n as (delete from a where id = 1 returning id) select id from n', ['a', 'b']],
  'UPDATE in WITH that nothing reads': [`with n as (update c set v = 'new') select 1 as one`, ['c']],
  'writes of several tables in WITH': [
    `with x as (update c set v = 'new' returning id), y as (delete from b returning id)
      insert into d select id + 100, 'new' from x`,
    ['b', 'c', 'd'],
  ],
  'a write in WITH in front of an update': [
    `with x as (insert into d values (5, 'new') returning id) update c set v = 'new' from x where c.id < x.id`,
    ['c', 'd'],
  ],
  'TRUNCATE … CASCADE': ['truncate a cascade', TABLES],
  'TRUNCATE of several': ['truncate table only c, d restart identity', ['c', 'd']],
  DO: [`do $$ begin update c set v = 'new'; delete from a; end $$`, 'some'],
  CALL: ['call bump_all()', 'some'],
  'a function that writes': ['select bump()', 'some'],
  'a function that writes, in FROM': ['select * from bump_rows()', 'some'],
  'a function that writes, in WHERE': ['select id from d where bump() = id', 'some'],
  'a function that writes, in ORDER BY': ['select id from d order by bump()', 'some'],
  'a function that writes, in a subquery': ['select (select bump()) as n from d', 'some'],
  'a function that writes, in LATERAL': ['select n from d, lateral bump_by_sql(d.id) n', 'some'],
  'a function that writes, in VALUES': ['values (bump())', 'some'],
  'a function that writes, in LIMIT': ['select id from d limit bump()', 'some'],
  'a function that writes, in RETURNING': [`update d set v = 'new' returning bump()`, 'some'],
  'a function that writes, in an insert': [`insert into d values (8, bump()::text)`, 'some'],
  'a function that writes, in the condition of a delete': ['delete from d where bump() = 1', 'some'],
  'a function that calls one that writes': ['select bump_outer()', 'some'],
  'a stable function that calls one that writes': ['select bump_stable()', 'some'],
  'a function that executes a text': [`select bump_by_text('update c set v = ''new''')`, 'some'],
  'an aggregate that writes': ['select bump_each(id) from d', 'some'],
  'CREATE TABLE AS with a function that writes': [
    'create temporary table made on commit drop as select bump() as n',
    'some',
  ],
  'EXPLAIN ANALYZE': [`explain analyze update c set v = 'new'`, 'some'],
}

for (const driver of DRIVERS) {
  for (const [name, [text, dropped]] of Object.entries(STATEMENTS)) {
    test.serial(`${driver}: ${name}`, async (t) => {
      const scene = await open(t, driver)
      await warm(scene, t)
      await scene.run(text)
      await demand(t, scene, dropped)
      for (const commits of [true, false]) {
        await reset(scene)
        const before = await truths(scene)
        await warm(scene, t)
        const done = scene.db.transaction().execute(async (trx) => {
          await sql.raw(text).execute(trx)
          for (const read of READS) {
            t.deepEqual(await scene.read(read), before.shift(), 'not committed yet')
          }
          if (!commits) throw new Error('taken back')
        })
        if (commits) await done
        else await t.throwsAsync(done, { message: 'taken back' })
        await demand(t, scene, commits ? dropped : 'some')
      }
    })
  }

  test.serial(`${driver}: COPY FROM a file and a program`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'cacheops-copy-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    chmodSync(folder, 0o755)
    const file = join(folder, 'rows')
    writeFileSync(file, '11\tnew\n12\tnew\n')
    const scene = await open(t, driver)
    await warm(scene, t)
    await scene.run(`copy a from '${file}'`)
    await demand(t, scene, ['a', 'b', 'log'])
    await warm(scene, t)
    await scene.run(`copy c (id, v) from program 'echo 21,new' with (format csv)`)
    await demand(t, scene, ['c'])
    await warm(scene, t)
    await scene.run(`copy (select * from c) to '/dev/null'`)
    await demand(t, scene, [])
    await scene.run(`copy (update c set v = 'out' returning id) to '/dev/null'`)
    await demand(t, scene, 'some')
  })

  test.serial(`${driver}: a procedure that commits in between`, async (t) => {
    const scene = await open(t, driver)
    await warm(scene, t)
    await scene.run('call bump_and_commit()')
    await demand(t, scene, 'some')
  })

  test.serial(`${driver}: PREPARE and EXECUTE of a write, on one connection`, async (t) => {
    const scene = await open(t, driver, { max: 1 })
    await warm(scene, t)
    await scene.db.connection().execute(async (one) => {
      await sql.raw(`prepare w (text) as update c set v = $1 where id = 1`).execute(one)
      await sql.raw(`execute w ('new')`).execute(one)
    })
    await demand(t, scene, 'some')
    await warm(scene, t)
    await scene.db.transaction().execute(async (trx) => {
      await sql.raw(`execute w ('newer')`).execute(trx)
    })
    await demand(t, scene, 'some')
  })

  test.serial(
    `${driver}: session_replication_role = replica: neither triggers nor cascades, but those of replicas`,
    async (t) => {
      const scene = await open(t, driver)
      for (const commits of [false, true]) {
        await warm(scene, t)
        const done = scene.db.transaction().execute(async (trx) => {
          await sql`set local session_replication_role = replica`.execute(trx)
          await sql`delete from a where id = 1`.execute(trx)
          await sql`update a set v = 'new'`.execute(trx)
          await sql`update e set v = 'new of e'`.execute(trx)
          if (!commits) throw new Error('taken back')
        })
        if (commits) await done
        else await t.throwsAsync(done, { message: 'taken back' })
        await demand(t, scene, 'some')
      }
      t.deepEqual(await scene.read('select v from b where a_id = 1'), [{ v: 'old' }], 'no cascade')
      t.deepEqual(await scene.read('select what from log order by id'), [
        { what: 'old' },
        { what: 'old' },
        { what: 'new of e' },
      ])
      // A pool that is in that mode all the time.
      const pool = openPool(
        t,
        dialectOf({ ...scene.at, options: '-c session_replication_role=replica' }),
        scene.cacheops,
      )
      for (const text of [`update e set v = 'newer'`, 'delete from a']) {
        await warm(scene, t)
        await pool.run(text)
        await demand(t, scene, 'some')
      }
    },
  )

  for (const lock of [
    'select pg_advisory_lock(1)',
    'select pg_advisory_lock_shared(1)',
    'select pg_try_advisory_lock(1) as got',
    'select pg_advisory_xact_lock(1)',
    'with l as (select pg_advisory_xact_lock(1, 2)) select * from l',
    'select pg_catalog.pg_advisory_xact_lock(1)',
    'do $$ begin perform pg_advisory_xact_lock(1); end $$',
    'lock table c in share mode',
    'select id from c for key share',
  ]) {
    test.serial(`${driver}: after a lock nothing is older than it: ${lock}`, async (t) => {
      const scene = await open(t, driver)
      await warm(scene, t)
      await scene.db.transaction().execute(async (trx) => {
        await sql.raw(lock).execute(trx)
        await scene.cacheops.run(trx, sql.raw(READS[0]!))
        t.not(scene.reason(), 'hit')
        if (lock.includes('lock(') || lock.includes('shared(')) await sql`select pg_advisory_unlock_all()`.execute(trx)
      })
      await demand(t, scene, 'some')
    })
  }
}
