/** 7: on a PostgreSQL server: what the plugin costs where it caches nothing, what row images cost, what a hit saves. */

import { deepStrictEqual } from 'node:assert/strict'

import { sql } from 'kysely'
import type { Kysely } from 'kysely'

import { cacheopsPlugin } from '../../ts/index.ts'
import { figure } from './figure.ts'
import type { Figure, Findings, Group } from './figure.ts'
import { eachAwaited, SLOW, take } from './measure.ts'
import type { Variant } from './measure.ts'
import { runMix } from './mix.ts'
import { readsOf } from './queries.ts'
import type { Read } from './queries.ts'
import { openServer } from './server.ts'
import type { ShopServer } from './server.ts'
import type { Shop, ShopDatabase } from './shop.ts'

const READ_TITLE = 'a read that is not cached, with the plugin ÷ without'
const READ_GOAL = 1.05
const WRITE_TITLE = 'a write with row images ÷ the plain write'
/** And at most one round trip more. */
const WRITE_GOAL = 1.25
const IN_FLIGHT = 16
const READS = ['select * by key, 1 row', 'a list of 20 keys, 12 columns, 20 rows', 'two joins, 11 columns, 20 rows']

export function postgres(): Group {
  return {
    id: 'postgres',
    title: 'a PostgreSQL server: reads without the cache, writes, hits, and a mix of them',
    async measure(wanted) {
      const server = await openServer()
      try {
        const figures: Figure[] = []
        for (const driver of ['pg', 'postgres.js'] as const) {
          for (const way of ['unix socket', 'TCP'] as const) {
            const shop = server.shop(driver, way)
            figures.push(...(await reads(shop, wanted)), ...(await writes(shop, wanted)))
          }
        }
        const mix = await mixOf(server, wanted)
        return { ...mix, figures: [...figures, ...mix.figures] }
      } finally {
        await server.close()
      }
    },
  }
}

function mixOf(server: ShopServer, wanted: (name: string) => boolean): Promise<Findings> {
  return wanted('the mix') ? runMix(server) : Promise.resolve({ figures: [] })
}

async function reads(shop: ShopDatabase, wanted: (name: string) => boolean): Promise<Figure[]> {
  const named = readsOf(shop).filter(({ name }) => READS.includes(name) && wanted(`${shop.title}: ${name}`))
  if (named.length === 0) return []
  const open = (name: string, all: boolean): Kysely<Shop> =>
    shop.connect([
      cacheopsPlugin<Shop>({
        ...(all ? { profiles: { '*.*': { ops: 'all' } } } : {}),
        store: { type: 'embedded', name: `bench ${shop.title} ${name}` },
      }),
    ])
  const plain = shop.connect()
  const silent = open('silent', false)
  const all = open('all', true)
  const within = (db: Kysely<Shop>, build: (db: Kysely<Shop>) => Read): Promise<unknown> =>
    db.transaction().execute((trx) => build(trx).execute())
  const figures: Figure[] = []
  for (const { name, build } of named) {
    const answer = await build(plain).execute()
    for (const execute of [
      () => build(silent).execute(),
      () => build(all).nocache().execute(),
      () => within(silent, build),
      () => build(all).execute(),
      () => build(all).execute(),
    ]) {
      deepStrictEqual(await execute(), answer, name)
    }
    const variants: readonly Variant[] = [
      { name: 'without', run: eachAwaited(() => build(plain).execute()) },
      { name: 'with', run: eachAwaited(() => build(silent).execute()) },
      { name: '.nocache()', run: eachAwaited(() => build(all).nocache().execute()) },
      { name: 'a transaction without', run: eachAwaited(() => within(plain, build)) },
      { name: 'a transaction with', run: eachAwaited(() => within(silent, build)) },
      { name: 'a hit', run: eachAwaited(() => build(all).execute()) },
    ]
    const times = await take(variants, SLOW)
    const about = (suffix: string) => ({ group: READ_TITLE, name: `${shop.title}: ${name}${suffix}`, goal: READ_GOAL })
    figures.push(
      figure(about(''), variants, times, [1, 0]),
      figure(about(', profiles for all, .nocache()'), variants, times, [2, 0]),
      figure(about(', in a transaction'), variants, times, [4, 3]),
      figure({ ...about(', a hit ÷ the query'), goal: undefined }, variants, times, [5, 0]),
    )
  }
  return figures
}

interface NamedWrite {
  readonly name: string
  /** @param at another place for each that is in flight */
  readonly run: (db: Kysely<Shop>, at: number) => Promise<unknown>
  readonly after?: () => Promise<void>
}

async function writes(shop: ShopDatabase, wanted: (name: string) => boolean): Promise<Figure[]> {
  const plain = shop.connect()
  const cacheops = cacheopsPlugin<Shop>({ store: { type: 'embedded', name: `bench ${shop.title} writes` } })
  const cached = shop.connect([cacheops])
  const kept = (db: Kysely<Shop>): Read[] => [
    db.selectFrom('track').select(['id', 'name', 'rating']).where('id', '=', 77),
    db.selectFrom('track').select(['id', 'name', 'rating']).where('album_id', '=', 12).orderBy('id'),
    db.selectFrom('play').select(['id', 'seconds']).where('track_id', '=', 5).orderBy('id'),
  ]
  const figures: Figure[] = []
  for (const { name, run, after } of writesOf(shop)) {
    const about = `${shop.title}: ${name}`
    if (!wanted(about)) continue
    for (const read of kept(cached)) await read.cache().execute()
    deepStrictEqual(await run(cached, 0), await run(plain, 1), about)
    for (const [index, read] of kept(cached).entries()) {
      deepStrictEqual(await read.cache().execute(), await kept(plain)[index]!.execute(), about)
    }
    await after?.()
    const transacted = (db: Kysely<Shop>): Promise<unknown> => db.transaction().execute((trx) => run(trx, 0))
    const flying = (db: Kysely<Shop>): Promise<unknown> =>
      Promise.all(Array.from({ length: IN_FLIGHT }, (_, at) => run(db, at)))
    const aside = after === undefined ? {} : { after }
    const variants: readonly Variant[] = [
      { name: 'plain', run: eachAwaited(() => run(plain, 0)), ...aside },
      { name: 'with images', run: eachAwaited(() => run(cached, 0)), ...aside },
      { name: 'plain, in a transaction', run: eachAwaited(() => transacted(plain)), ...aside },
      { name: 'with images, in a transaction', run: eachAwaited(() => transacted(cached)), ...aside },
      { name: 'plain, 16 in flight', run: eachAwaited(() => flying(plain)), ...aside },
      { name: 'with images, 16 in flight', run: eachAwaited(() => flying(cached)), ...aside },
      { name: 'a round trip', run: eachAwaited(() => sql`select 1`.execute(plain)) },
    ]
    const times = await take(variants, SLOW)
    const goal = (base: number): number => WRITE_GOAL + times.micros(6) / times.micros(base)
    const add = (suffix: string, over: number, under: number): unknown =>
      figures.push(
        figure({ group: WRITE_TITLE, name: about + suffix, goal: goal(under) }, variants, times, [over, under]),
      )
    add('', 1, 0)
    add(', in a transaction', 3, 2)
    add(`, ${IN_FLIGHT} in flight`, 5, 4)
  }
  return figures
}

function writesOf({ instant, execute }: ShopDatabase): readonly NamedWrite[] {
  let count = 0
  let next = 0
  const moment = instant(Date.UTC(2022, 0, 1))
  const play = () => ({
    id: ++next,
    track_id: 77,
    customer_id: 8,
    played_at: moment,
    seconds: 31,
    source: 'radio',
  })
  const insert = (rows: number) => async (db: Kysely<Shop>) => {
    const done = await db
      .insertInto('play')
      .values(Array.from({ length: rows }, play))
      .execute()
    return done.map(({ numInsertedOrUpdatedRows }) => numInsertedOrUpdatedRows)
  }
  const after = (): Promise<void> => execute('truncate play')
  return [
    {
      name: 'update by key',
      run: (db, at) =>
        db
          .updateTable('track')
          .set({ name: `name ${++count}` })
          .where('id', '=', 77 + at)
          .execute(),
    },
    {
      name: 'update of 20 rows by another column',
      run: (db, at) =>
        db
          .updateTable('track')
          .set({ rating: ++count % 50 })
          .where('album_id', '=', 12 + at)
          .execute(),
    },
    {
      name: 'update of 100 rows by key',
      run: (db, at) => {
        const from = 100 * at + 1
        const ids = Array.from({ length: 100 }, (_, index) => from + index)
        return db
          .updateTable('track')
          .set({ rating: ++count % 50 })
          .where('id', 'in', ids)
          .execute()
      },
    },
    { name: 'insert of 1 row', run: insert(1), after },
    { name: 'insert of 100 rows', run: insert(100), after },
    {
      name: 'delete of what was inserted',
      async run(db) {
        const { id } = play()
        await db
          .insertInto('play')
          .values({ ...play(), id })
          .execute()
        return db.deleteFrom('play').where('id', '=', id).execute()
      },
      after,
    },
  ]
}
