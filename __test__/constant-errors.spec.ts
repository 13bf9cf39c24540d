// Drivers whose errors cannot be changed: what they say must still be what the caller hears.
import test from 'ava'
import { Kysely } from 'kysely'
import { PostgresJSDialect } from 'kysely-postgres-js'
import postgres from 'postgres'

import { cacheopsPlugin } from '../ts/index.ts'
import { sharedCluster } from './support/postgres-cluster.ts'

test('a write with row images that fails on postgres.js throws the error of the database', async (t) => {
  const cluster = await sharedCluster()
  const { host, port, user } = cluster
  await cluster.exec(
    'create table unique_things (id int primary key, name text default random()::text); insert into unique_things values (1)',
  )
  const cacheops = cacheopsPlugin({ store: { type: 'embedded', name: 'constant errors' } })
  const dialect = new PostgresJSDialect({ postgres: postgres({ host, port, user, database: 'postgres', max: 1 }) })
  const db = new Kysely<any>({ dialect, plugins: [cacheops] })
  t.teardown(() => db.destroy())
  await db.selectFrom('unique_things').selectAll().where('name', '=', 'x').cache().execute()
  await t.throwsAsync(() => db.insertInto('unique_things').values({ id: 1 }).returningAll().execute(), {
    code: '23505',
  })
})
