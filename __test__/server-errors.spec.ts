/** Errors of writes whose texts were extended are the caller's, whatever a driver lets be changed of them. */
import test from 'ava'
import { Kysely, sql } from 'kysely'

import { cacheopsPlugin } from '../ts/index.ts'
import { postgresServer } from './support/servers.ts'

for (const driver of ['pg', 'postgres.js'] as const) {
  test.serial(`${driver}: a write that fails tells what it would have told without the cache`, async (t) => {
    const server = await postgresServer(driver)
    await server.exec(
      'create table item (id integer primary key, n integer unique); insert into item values (1, 1), (2, 2)',
    )
    const cacheops = cacheopsPlugin()
    const db = new Kysely<any>({ dialect: server.dialect(), plugins: [cacheops] })
    const plain = new Kysely<any>({ dialect: server.dialect() })
    t.teardown(async () => {
      await db.destroy()
      await plain.destroy()
      await cacheops.close()
      await server.close()
    })
    // What is read is what images are wanted of.
    await db.selectFrom('item').selectAll().where('n', '=', 1).cache().execute()
    const failing = [
      sql`update item set n = 2 where id = 1`,
      sql`insert into item values (3, 2)`,
      sql`update item set n = ${'x'} where id = 1`,
    ]
    for (const statement of failing) {
      const [got, expected] = await Promise.all(
        [db, plain].map((each) => t.throwsAsync(statement.execute(each), { any: true } as never)),
      )
      const told = ({ name, message, code, position }: any): object => ({ name, message, code, position })
      t.deepEqual(told(got), told(expected))
      t.regex(String((got as any).code), /^(?:23505|22P02)$/)
    }
  })
}
