import test from 'ava'
import type { ExecutionContext } from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { Kysely, sql, SqliteDialect } from 'kysely'
import type { Dialect } from 'kysely'

import { cacheopsPlugin } from '../ts/index.ts'
import type { Cacheops, CacheopsOptions } from '../ts/index.ts'
import { Clock } from './support/clock.ts'
import { RecordingDialect, Recorder } from './support/recorder.ts'
import { sharedCluster } from './support/postgres-cluster.ts'
import { POSTGRES_BASE, POSTGRES_CHANGES, SQLITE_BASE, SQLITE_CHANGES } from './support/schema-changes.ts'
import { pooledDialect, sqliteServer } from './support/servers.ts'

/** A database whose schema somebody else changes. */
interface Place {
  readonly db: Kysely<any>
  readonly cacheops: Cacheops
  /** without the plugin, as the same role */
  readonly plain: Kysely<any>
  readonly recorder: Recorder
  /** as another client, past Kysely */
  readonly exec: (text: string) => Promise<void>
  readonly clock: Clock
  readonly store: { readonly type: 'embedded'; readonly name: string }
  /** a further instance over connections of its own */
  readonly connect: (by: Cacheops) => Kysely<any>
}

let stores = 0

function placeOf(
  t: ExecutionContext,
  dialect: () => Dialect,
  exec: (text: string) => Promise<void>,
  options: CacheopsOptions,
): Place {
  const recorder = new Recorder()
  const store = { type: 'embedded', name: `drift-${++stores}` } as const
  const cacheops = cacheopsPlugin({ store, schemaCheck: 30, ...options })
  const db = new Kysely<any>({ dialect: new RecordingDialect(dialect(), recorder), plugins: [cacheops] })
  const plain = new Kysely<any>({ dialect: dialect() })
  const instances = [db, plain]
  const connect = (by: Cacheops): Kysely<any> => {
    const instance = new Kysely<any>({ dialect: dialect(), plugins: [by] })
    instances.push(instance)
    return instance
  }
  t.teardown(async () => {
    for (const instance of instances) await instance.destroy()
    await cacheops.close()
  })
  return { db, cacheops, plain, recorder, exec, clock: new Clock(t), store, connect }
}

let made: Promise<unknown> | undefined

async function postgres(t: ExecutionContext, before = '', options: CacheopsOptions = {}): Promise<Place> {
  const cluster = await sharedCluster()
  await (made ??= cluster
    .exec('create database drift')
    .then(() => cluster.exec('create role app login; create role readers')))
  const exec = (text: string): Promise<void> => cluster.exec(text, 'drift')
  await exec(`drop schema if exists public, app cascade; create schema public; grant usage on schema public to app;
    revoke readers from app; ${POSTGRES_BASE}; grant all on all tables in schema public to app;
    grant all on all sequences in schema public to app; ${before}`)
  const dialect = (): Dialect => pooledDialect('pg', { ...cluster, user: 'app' }, 'drift')
  return placeOf(t, dialect, exec, options)
}

function sqlite(t: ExecutionContext, before = '', options: CacheopsOptions = {}): Place {
  const server = sqliteServer('better-sqlite3')
  t.teardown(() => server.close())
  void server.exec(SQLITE_BASE + before)
  return placeOf(
    t,
    () => server.dialect(),
    (text) => server.exec(text),
    options,
  )
}

const places = {
  postgres: { open: postgres, changes: POSTGRES_CHANGES },
  sqlite: { open: async (...given: Parameters<typeof sqlite>) => sqlite(...given), changes: SQLITE_CHANGES },
}

const cached = ({ db, cacheops }: Place, text: string): Promise<unknown> =>
  outcome(() => cacheops.run(db, sql.raw(text)))

async function outcome(execute: () => Promise<{ rows: unknown[] }>): Promise<unknown> {
  try {
    return (await execute()).rows
  } catch (error) {
    return `fails: ${(error as Error).message}`
  }
}

async function isHit(place: Place, text: string): Promise<boolean> {
  const before = place.recorder.statements.length
  await cached(place, text)
  return place.recorder.statements.length === before
}

const DIGEST = /\$head|pragma_schema_version/
const CATALOG = /pg_catalog\.pg_constraint WHERE contype|pragma_foreign_key_list/
const ADD_CASCADE = 'alter table child add foreign key (parent_id) references parent (id) on delete cascade'
const REBUILD_WITH_CASCADE = `drop table child;
  create table child (id integer primary key, parent_id int references parent (id) on delete cascade, note text);
  insert into child values (1, 1, 'a'), (2, 2, 'b')`
const CHILDREN = 'select * from child where parent_id = 1'
const AUDIT = 'select what from audit order by id'
const PARENTS = 'select * from parent order by id'

for (const [name, { open, changes }] of Object.entries(places)) {
  for (const { name: what, before, change, reads, write } of changes) {
    test.serial(`${name}: made by somebody else: ${what}`, async (t) => {
      const place = await open(t, before)
      const { db, plain, exec, clock } = place
      const truth = (text: string): Promise<unknown> => outcome(() => sql.raw(text).execute(plain))
      for (const text of reads) await cached(place, text)
      for (const text of reads) t.true(await isHit(place, text), text)
      await exec(change)
      // Nobody can know yet, and a hit costs nothing.
      for (const text of reads) t.true(await isHit(place, text), text)
      clock.pass(61)
      for (const text of reads) t.deepEqual(await cached(place, text), await truth(text), text)
      for (const text of reads) t.deepEqual(await cached(place, text), await truth(text), `${text}, once more`)
      if (write === undefined) return
      await sql.raw(write).execute(db)
      for (const text of reads) t.deepEqual(await cached(place, text), await truth(text), `${text}, after the write`)
    })
  }

  test.serial(`${name}: it is asked once in a while, by whoever comes, while everybody goes on`, async (t) => {
    const place = await open(t)
    const { recorder, clock, exec } = place
    await cached(place, PARENTS)
    recorder.clear()
    clock.pass(29)
    t.true(await isHit(place, PARENTS))
    clock.pass(2)
    const gate = recorder.hold(DIGEST, 'before')
    t.deepEqual(await cached(place, PARENTS), [
      { id: 1, name: 'one', n: 1 },
      { id: 2, name: 'two', n: 2 },
    ])
    await gate.reached
    for (let at = 0; at < 5; at++) await cached(place, PARENTS)
    t.is(recorder.statements.length, 1)
    gate.release()
    // Long past time, whoever comes first waits for the answer, and nobody asks twice.
    await exec('alter table parent add column extra text')
    clock.pass(61)
    recorder.clear()
    const [first] = (await Promise.all([1, 2, 3].map(() => cached(place, PARENTS)))) as { extra: unknown }[][]
    t.is(first![0]!.extra, null)
    t.is(recorder.count(/from parent/), 1)
  })

  test.serial(`${name}: a clock that was set back hides nothing`, async (t) => {
    const place = await open(t)
    await cached(place, PARENTS)
    await place.exec('alter table parent add column extra text')
    place.clock.pass(-3600)
    t.deepEqual(await cached(place, PARENTS), [
      { id: 1, name: 'one', n: 1, extra: null },
      { id: 2, name: 'two', n: 2, extra: null },
    ])
  })

  test.serial(`${name}: 0 asks before each read, false never by the clock`, async (t) => {
    const always = await open(t, '', { schemaCheck: 0 })
    await cached(always, PARENTS)
    always.recorder.clear()
    await cached(always, PARENTS)
    t.is(always.recorder.count(DIGEST), 1)
    t.is(always.recorder.count(/from parent/), 0)
    const never = await open(t, '', { schemaCheck: false })
    await cached(never, PARENTS)
    never.clock.pass(86_400)
    t.true(await isHit(never, PARENTS))
  })

  test.serial(`${name}: nothing is asked in a transaction, whose reads bypass the cache when it is time`, async (t) => {
    const place = await open(t)
    const { db, cacheops, recorder, clock } = place
    await cached(place, PARENTS)
    const reasons: string[] = []
    cacheops.on('read', ({ reason }) => reasons.push(reason))
    await db.transaction().execute(async (trx) => {
      clock.pass(61)
      recorder.clear()
      await cacheops.run(trx, sql.raw(PARENTS))
      t.deepEqual(recorder.texts(), [PARENTS])
    })
    t.false(reasons.includes('hit'))
  })

  test.serial(
    `${name}: a statement that fails for want of a column has it asked at once, each text once`,
    async (t) => {
      const place = await open(t)
      const { db, exec, recorder } = place
      await cached(place, PARENTS)
      await exec('alter table parent rename column n to m')
      t.true(await isHit(place, PARENTS))
      const broken = sql.raw('select id, n from parent')
      await t.throwsAsync(broken.execute(db))
      t.deepEqual(await cached(place, PARENTS), [
        { id: 1, name: 'one', m: 1 },
        { id: 2, name: 'two', m: 2 },
      ])
      await t.throwsAsync(broken.execute(db))
      await cached(place, PARENTS)
      recorder.clear()
      await t.throwsAsync(broken.execute(db))
      t.true(await isHit(place, PARENTS))
      t.is(recorder.count(DIGEST), 0)
    },
  )

  test.serial(`${name}: refreshSchema() leaves no window, and waits for nobody who waits for it`, async (t) => {
    const place = await open(t)
    const { db, cacheops, exec, recorder } = place
    const wide = [
      { id: 1, name: 'one', n: 1, extra: null },
      { id: 2, name: 'two', n: 2, extra: null },
    ]
    await cached(place, PARENTS)
    await exec('alter table parent add column extra text')
    await cacheops.refreshSchema({ db })
    recorder.clear()
    t.deepEqual(await cached(place, PARENTS), wide)
    t.is(recorder.statements.length, 1, 'the facts are there already')
    await exec('alter table parent drop column extra')
    await db.transaction().execute(async (trx) => {
      await trx.selectFrom('child').selectAll().execute()
      await cacheops.refreshSchema({ db })
      await cacheops.refreshSchema()
      await cacheops.refreshSchema({ db: trx })
    })
    t.deepEqual(
      await cached(place, PARENTS),
      wide.map(({ id, name: title, n }) => ({ id, name: title, n })),
    )
  })

  test.serial(`${name}: refreshSchema() drops every result, whatever it finds`, async (t) => {
    const place = await open(t)
    await cached(place, PARENTS)
    await place.exec("update parent set name = 'new' where id = 1")
    await place.cacheops.refreshSchema()
    t.false(await isHit(place, PARENTS))
  })

  test.serial(
    `${name}: who reads the facts of a changed schema drops what others have kept under older ones`,
    async (t) => {
      const place = await open(
        t,
        name === 'sqlite' ? '' : 'create view seen as select id from parent where n = 1; grant select on seen to app',
      )
      if (name === 'sqlite') await place.exec('create view seen as select id from parent where n = 1')
      const { cacheops, exec, connect } = place
      const SEEN = 'select * from seen'
      const read = (on: Kysely<any>, by: Cacheops) => by.run(on, sql.raw(SEEN), {})
      t.deepEqual((await read(place.db, cacheops)).rows, [{ id: 1 }])
      await exec('drop view seen; create view seen as select id from parent where n = 2')
      if (name === 'postgres') await exec('grant select on seen to app')
      // The facts are the same. Whoever comes new must not take over what was kept before.
      const other = cacheopsPlugin({ store: place.store })
      t.teardown(() => other.close())
      t.deepEqual((await read(connect(other), other)).rows, [{ id: 2 }])
      t.deepEqual((await read(place.db, cacheops)).rows, [{ id: 2 }])
    },
  )

  test.serial(`${name}: facts that were being read when refreshSchema() was called are read again`, async (t) => {
    const place = await open(t)
    const { db, cacheops, plain, recorder, exec } = place
    const gate = recorder.hold(CATALOG, 'after')
    const first = cached(place, CHILDREN)
    await gate.reached
    await exec(name === 'postgres' ? ADD_CASCADE : REBUILD_WITH_CASCADE)
    const refreshed = cacheops.refreshSchema({ db })
    gate.release()
    await Promise.all([first, refreshed])
    await cached(place, CHILDREN)
    await sql.raw('delete from parent where id = 1').execute(db)
    t.deepEqual(await cached(place, CHILDREN), [])
    t.deepEqual((await sql.raw(CHILDREN).execute(plain)).rows, [])
  })

  test.serial(`${name}: a database that does not answer is not believed to be as it was`, async (t) => {
    const place = await open(t)
    const { cacheops, recorder, clock, exec } = place
    const faults: string[] = []
    cacheops.on('error', ({ error }) => faults.push((error as { code?: string }).code ?? ''))
    await cached(place, PARENTS)
    await exec('alter table parent add column extra text')
    clock.pass(61)
    const gate = recorder.hold(DIGEST, 'before')
    const read = cached(place, PARENTS) as Promise<object[]>
    await gate.reached
    gate.fail(new Error('no answer'))
    t.true('extra' in (await read)[0]!)
    t.false(await isHit(place, PARENTS))
    t.deepEqual(faults, ['CACHEOPS_INTROSPECTION_FAILED'])
  })
}

test.serial('sqlite: what somebody gives the connection itself is noticed like the rest', async (t) => {
  const handle = new BetterSqlite3(':memory:')
  const place = placeOf(
    t,
    () => new SqliteDialect({ database: handle }),
    async (text) => void handle.exec(text),
    {},
  )
  await place.exec(SQLITE_BASE.replace('drop table audit;', ''))
  await cached(place, AUDIT)
  await place.exec(
    `create temp trigger seen after update on main.parent begin insert into audit (what) values ('seen'); end`,
  )
  place.clock.pass(61)
  await cached(place, AUDIT)
  await sql.raw('update parent set n = 5 where id = 1').execute(place.db)
  t.deepEqual(await cached(place, AUDIT), [{ what: 'seen' }])
})

test.serial('sqlite: nothing is asked while a transaction that was begun by hand is open', async (t) => {
  const place = sqlite(t)
  const { db, recorder, clock } = place
  await cached(place, PARENTS)
  await sql.raw('begin').execute(db)
  recorder.clear()
  clock.pass(31)
  await cached(place, PARENTS)
  await sql.raw('commit').execute(db)
  t.deepEqual(recorder.texts(), [PARENTS, 'commit'])
})
