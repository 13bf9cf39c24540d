import test from 'ava'

import { databases } from './support/databases.ts'

// Time is what `performance.now()` says, to the store as well.

let now = 1_000_000
const realNow = performance.now.bind(performance)

test.beforeEach(() => {
  performance.now = () => now
})
test.afterEach.always(() => {
  performance.now = realNow
})

for (const database of databases) {
  const { name } = database

  test.serial(`${name}: a result is kept for its timeout and no longer`, async (t) => {
    const { db, isHit } = await database.open(t)
    const query = db.selectFrom('genre').selectAll().cache({ timeout: 60 })
    await query.execute()
    now += 59_000
    t.true(await isHit(query))
    now += 2000
    t.false(await isHit(query), 'a hit does not prolong it')
    now += 59_000
    t.true(await isHit(query))
  })

  test.serial(`${name}: without a word about it an hour, else what the profile says`, async (t) => {
    const { db, isHit } = await database.open(t, {
      profiles: { artist: { ops: 'all', timeout: 10 }, album: { ops: 'all' } },
    })
    const artists = db.selectFrom('artist').selectAll()
    const albums = db.selectFrom('album').selectAll()
    const both = db.selectFrom(['artist', 'album']).select(['artist.id', 'album.title'])
    for (const query of [artists, albums, both]) await query.execute()
    now += 9000
    for (const query of [artists, albums, both]) t.true(await isHit(query))
    now += 2000
    t.false(await isHit(artists))
    t.false(await isHit(both), 'the shortest timeout of its tables')
    t.true(await isHit(albums))
    now += 3_588_000
    t.true(await isHit(albums))
    now += 2000
    t.false(await isHit(albums))
  })

  test.serial(`${name}: fractions of a second are allowed`, async (t) => {
    const { db, isHit } = await database.open(t)
    const query = db.selectFrom('genre').selectAll().cache({ timeout: 0.25 })
    await query.execute()
    now += 200
    t.true(await isHit(query))
    now += 100
    t.false(await isHit(query))
  })
}
