/** What every runtime, driver and tool must show: hit, miss, write, transaction, cascade. Handed to it: the package, a dialect, what empties the database. */

const TABLES = [
  'drop table if exists matrix_album',
  'drop table if exists matrix_artist',
  'create table matrix_artist (id integer primary key, name text not null)',
  'create table matrix_album (id integer primary key, artist_id integer not null references matrix_artist (id) on delete cascade, title text)',
  "insert into matrix_artist values (1, 'one'), (2, 'two')",
  "insert into matrix_album values (10, 1, 'first'), (20, 2, 'second')",
]

function equal(actual, expected, what) {
  if (JSON.stringify(actual) === JSON.stringify(expected)) return
  throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`)
}

export async function show({ cacheopsPlugin, Kysely, sql, dialect }) {
  const cacheops = cacheopsPlugin({ store: { type: 'embedded', name: 'matrix' } })
  const faults = []
  cacheops.on('error', ({ error }) => faults.push(String(error?.cause ?? error)))
  const db = new Kysely({ dialect, plugins: [cacheops] })
  try {
    for (const text of TABLES) await sql.raw(text).execute(db)
    let hits = []
    cacheops.on('read', ({ hit }) => hits.push(hit))
    const artist = (id) => db.selectFrom('matrix_artist').select('name').where('id', '=', id).cache().executeTakeFirst()
    const albums = (id) => db.selectFrom('matrix_album').select('title').where('artist_id', '=', id).cache().execute()
    const expectHits = (expected, what) => {
      equal(hits, expected, `${what}, hits${faults.length > 0 ? ` (${faults.join('; ')})` : ''}`)
      hits = []
    }
    equal(
      [await artist(1), await artist(1), await artist(2)],
      [{ name: 'one' }, { name: 'one' }, { name: 'two' }],
      'reads',
    )
    expectHits([false, true, false], 'reads')
    await db.updateTable('matrix_artist').set({ name: 'uno' }).where('id', '=', 1).execute()
    equal([await artist(1), await artist(2)], [{ name: 'uno' }, { name: 'two' }], 'after a write')
    expectHits([false, true], 'after a write')
    await db.transaction().execute(async (trx) => {
      await trx.updateTable('matrix_artist').set({ name: 'dos' }).where('id', '=', 2).execute()
      equal(
        await trx.selectFrom('matrix_artist').select('name').where('id', '=', 2).cache().executeTakeFirst(),
        { name: 'dos' },
        'in the transaction',
      )
    })
    hits = []
    equal([await artist(1), await artist(2)], [{ name: 'uno' }, { name: 'dos' }], 'after a commit')
    expectHits([true, false], 'after a commit')
    const undone = db.transaction().execute(async (trx) => {
      await trx.updateTable('matrix_artist').set({ name: 'x' }).where('id', '=', 2).execute()
      throw new Error('undone')
    })
    await undone.catch((error) => equal(error.message, 'undone', 'the rollback'))
    equal(await artist(2), { name: 'dos' }, 'after a rollback')
    hits = []
    equal(
      [await albums(1), await albums(2), await albums(2)],
      [[{ title: 'first' }], [{ title: 'second' }], [{ title: 'second' }]],
      'children',
    )
    expectHits([false, false, true], 'children')
    await db.deleteFrom('matrix_artist').where('id', '=', 2).execute()
    equal([await albums(1), await albums(2)], [[{ title: 'first' }], []], 'after a cascade')
    expectHits([true, false], 'after a cascade')
    equal(faults, [], 'faults')
  } finally {
    await db.destroy()
  }
}
