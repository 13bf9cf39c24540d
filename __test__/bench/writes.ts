/** 3: writes whose changed rows are learnt, against the same writes alone. */

import { deepStrictEqual } from 'node:assert/strict'

import type { Kysely } from 'kysely'

import { cacheopsPlugin } from '../../ts/index.ts'
import type { Cacheops } from '../../ts/index.ts'
import { figure } from './figure.ts'
import type { Figure, Group } from './figure.ts'
import { eachAwaited, SLOW, take } from './measure.ts'
import type { Variant } from './measure.ts'
import { readsOf } from './queries.ts'
import type { Read } from './queries.ts'
import type { Shop, ShopDatabase } from './shop.ts'

const TITLE = 'a write with row images ÷ the plain write'

export function writes(shops: readonly (() => Promise<ShopDatabase>)[]): Group {
  return {
    id: 'write',
    title: TITLE,
    async measure(wanted) {
      const figures: Figure[] = []
      for (const shop of shops) figures.push(...(await measure(await shop(), wanted)))
      return { figures }
    },
  }
}

interface NamedWrite {
  readonly name: string
  /** what comes of it, without what differs between two equal writes */
  readonly run: (db: Kysely<Shop>) => Promise<unknown>
  /** rows that the next writes need */
  readonly before?: (times: number) => Promise<void>
  readonly after?: () => Promise<void>
  /** a cached result that it changes */
  readonly drops?: (db: Kysely<Shop>) => Read
  /** a cached result of the same table that it does not change */
  readonly keeps: (db: Kysely<Shop>) => Read
}

async function measure(shop: ShopDatabase, wanted: (name: string) => boolean): Promise<readonly Figure[]> {
  const plain = shop.connect()
  const cacheops = cacheopsPlugin<Shop>({ store: { type: 'embedded', name: 'bench writes' } })
  const cached = shop.connect([cacheops])
  const idle = shop.connect([cacheopsPlugin<Shop>({ store: { type: 'embedded', name: 'bench idle' } })])
  for (const { build } of [...readsOf(shop).map(({ build }) => ({ build })), ...schemes])
    await build(cached).cache().execute()
  const figures: Figure[] = []
  for (const write of writesOf(shop)) {
    const name = `${shop.title}: ${write.name}`
    if (!wanted(name)) continue
    await check(write, plain, cached, cacheops)
    const { before, after } = write
    const aside = { ...(before && { before }), ...(after && { after }) }
    const variants: readonly Variant[] = [
      { name: 'plain', run: eachAwaited(() => write.run(plain)), ...aside },
      { name: 'with images', run: eachAwaited(() => write.run(cached)), ...aside },
      { name: 'plugin, nothing cached', run: eachAwaited(() => write.run(idle)), ...aside },
    ]
    const times = await take(variants, SLOW)
    figures.push(figure({ group: TITLE, name }, variants, times, [1, 0]))
    figures.push(figure({ group: TITLE, name: `${name}, nothing cached` }, variants, times, [2, 0]))
  }
  return figures
}

/** The same outcome for the caller, and exactly the results dropped that changed: images were had. */
async function check(
  write: NamedWrite,
  plain: Kysely<Shop>,
  cached: Kysely<Shop>,
  cacheops: Cacheops<Shop>,
): Promise<void> {
  const { run, before, after, drops, keeps } = write
  const isCached = async (build: (db: Kysely<Shop>) => Read): Promise<boolean> =>
    (await cacheops.explain(build(cached).cache())).cached
  await before?.(1)
  const outcome = await run(plain)
  await after?.()
  for (const build of [keeps, ...(drops ? [drops] : [])]) await build(cached).cache().execute()
  await before?.(1)
  deepStrictEqual(await run(cached), outcome, `${write.name}: the outcome`)
  deepStrictEqual(await isCached(keeps), true, `${write.name}: kept`)
  if (drops !== undefined) {
    deepStrictEqual(await isCached(drops), false, `${write.name}: dropped`)
    deepStrictEqual(await drops(cached).cache().execute(), await drops(plain).execute(), `${write.name}: fresh`)
  }
  await after?.()
}

/** Reads that an application keeps, so that writers have conditions to look for. */
const schemes: readonly { readonly build: (db: Kysely<Shop>) => Read }[] = [
  { build: (db) => db.selectFrom('track').select(['id', 'name', 'rating']).where('genre_id', '=', 3) },
  { build: (db) => db.selectFrom('invoice').select(invoiceColumns).where('id', '=', 42) },
  { build: (db) => db.selectFrom('invoice').select(invoiceColumns).where('customer_id', '=', 7) },
  { build: (db) => playsOf(db, 'track_id', 5) },
  { build: (db) => playsOf(db, 'customer_id', 5) },
]

const invoiceColumns = ['id', 'customer_id', 'issued_at', 'total', 'status'] as const

function playsOf(db: Kysely<Shop>, column: 'track_id' | 'customer_id', id: number): Read {
  return db.selectFrom('play').select(['id', 'played_at', 'seconds', 'source']).where(column, '=', id).orderBy('id')
}

function writesOf({ instant, execute }: ShopDatabase): readonly NamedWrite[] {
  let count = 0
  let next = 0
  const moment = Date.UTC(2022, 0, 1)
  const play = () => {
    next += 1
    return { id: next, track_id: 77, customer_id: 8, played_at: instant(moment), seconds: 31, source: 'radio' }
  }
  const emptyPlays = async (): Promise<void> => {
    await execute('delete from play')
    next = 0
  }
  const track = (id: number) => (db: Kysely<Shop>) => db.selectFrom('track').selectAll().where('id', '=', id)
  const invoices = (id: number) => (db: Kysely<Shop>) =>
    db.selectFrom('invoice').select(invoiceColumns).where('customer_id', '=', id)
  const plays = (id: number) => (db: Kysely<Shop>) => playsOf(db, 'track_id', id)
  return [
    {
      name: 'update by key',
      run: (db) =>
        db
          .updateTable('track')
          .set({ name: `name ${++count}` })
          .where('id', '=', 77)
          .execute(),
      drops: track(77),
      keeps: track(78),
    },
    {
      name: 'update of 20 rows',
      run: (db) =>
        db
          .updateTable('track')
          .set({ rating: ++count % 50 })
          .where('album_id', '=', 12)
          .execute(),
      drops: track(230),
      keeps: track(78),
    },
    {
      name: 'update by key of a column that no result holds',
      run: (db) =>
        db
          .updateTable('invoice')
          .set({ seen_at: instant(moment + ++count) })
          .where('id', '=', 121)
          .execute(),
      keeps: invoices(7),
    },
    {
      name: 'insert of 1 row',
      run: async (db) =>
        (await db.insertInto('play').values(play()).execute()).map(
          ({ numInsertedOrUpdatedRows }) => numInsertedOrUpdatedRows,
        ),
      after: emptyPlays,
      drops: plays(77),
      keeps: plays(5),
    },
    {
      name: 'insert of 100 rows',
      run: async (db) => {
        const done = await db
          .insertInto('play')
          .values(Array.from({ length: 100 }, play))
          .execute()
        return done.map(({ numInsertedOrUpdatedRows }) => numInsertedOrUpdatedRows)
      },
      after: emptyPlays,
      drops: plays(77),
      keeps: plays(5),
    },
    {
      name: 'delete by key',
      run: (db) => db.deleteFrom('play').where('id', '=', next--).execute(),
      async before(times) {
        next = 0
        const at = JSON.stringify(instant(moment)).replaceAll('"', "'")
        const tuples = Array.from({ length: times }, () => `(${play().id}, 77, 8, ${at}, 31, 'radio')`)
        await execute(`insert into play values ${tuples.join(', ')}`)
      },
      after: emptyPlays,
      keeps: plays(5),
    },
  ]
}
