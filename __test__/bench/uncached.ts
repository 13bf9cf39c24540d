/** 2: a read that is not cached, with the plugin and without. */

import { deepStrictEqual } from 'node:assert/strict'

import { cacheopsPlugin } from '../../ts/index.ts'
import { figure } from './figure.ts'
import type { Figure, Findings, Group } from './figure.ts'
import { eachAwaited, SLOW, take } from './measure.ts'
import type { Variant } from './measure.ts'
import { readsOf } from './queries.ts'
import type { Shop, ShopDatabase } from './shop.ts'

const TITLE = 'a read that is not cached, with the plugin ÷ without'
/** What reaches the database takes its time, so the plugin may take less of it where the database is slow. */
const GOALS = { postgres: 1.15, sqlite: 1.5 } as const

export function uncached(shops: readonly (() => Promise<ShopDatabase>)[]): Group {
  return {
    id: 'uncached',
    title: TITLE,
    async measure(wanted) {
      const figures: Figure[] = []
      for (const shop of shops) figures.push(...(await measure(await shop(), wanted)).figures)
      return { figures }
    },
  }
}

async function measure(shop: ShopDatabase, wanted: (name: string) => boolean): Promise<Findings> {
  const plain = shop.connect()
  const silent = shop.connect([cacheopsPlugin<Shop>({ store: { type: 'embedded', name: 'bench silent' } })])
  // A profile for a table that is not read: every read is looked at, none is meant.
  const profiled = shop.connect([
    cacheopsPlugin<Shop>({
      profiles: { genre: { ops: 'all' }, '*.*': {} },
      store: { type: 'embedded', name: 'bench profiled' },
    }),
  ])
  const missing = shop.connect([
    cacheopsPlugin<Shop>({ maxBytes: 2 ** 20, store: { type: 'embedded', name: 'bench missing' } }),
  ])
  const goal = GOALS[shop.dialect]
  const figures: Figure[] = []
  for (const { name, build, key } of readsOf(shop)) {
    const about = `${shop.title}: ${name}`
    if (!wanted(about)) continue
    const answer = await build(plain).execute()
    for (const db of [silent, profiled]) deepStrictEqual(await build(db).execute(), answer)
    deepStrictEqual(await build(missing).cache().execute(), answer)
    let different = 0
    const variants: readonly Variant[] = [
      { name: 'without', run: eachAwaited(() => build(plain).execute()) },
      { name: 'with', run: eachAwaited(() => build(silent).execute()) },
      { name: 'with profiles', run: eachAwaited(() => build(profiled).execute()) },
      {
        name: 'a miss',
        // Another key each time, the same rows.
        run: eachAwaited(() => build(missing).where(key, '>', -++different).cache().execute()),
      },
    ]
    const times = await take(variants, SLOW)
    figures.push(figure({ group: TITLE, name: about, goal }, variants, times, [1, 0]))
    figures.push(figure({ group: TITLE, name: `${about}, profiles for others`, goal }, variants, times, [2, 0]))
    figures.push(
      figure({ group: TITLE, name: `${about}, a miss that is kept`, goal: undefined }, variants, times, [3, 0]),
    )
  }
  return { figures }
}
