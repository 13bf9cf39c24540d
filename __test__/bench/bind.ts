/** 5: what a read costs besides its SQL: encoded parameters, key and stamps. */

import { deepStrictEqual, notDeepStrictEqual, ok } from 'node:assert/strict'

import type { Kysely } from 'kysely'

import { native } from '../../ts/native.ts'
import { encode, takeKey } from '../../ts/parameters.ts'
import { openCore } from './core.ts'
import { figure } from './figure.ts'
import type { Figure, Group } from './figure.ts'
import { each, QUICK, take } from './measure.ts'
import type { Variant } from './measure.ts'
import { readsOf } from './queries.ts'
import type { NamedRead } from './queries.ts'
import type { Shop, ShopDatabase } from './shop.ts'

const GOAL = 0.15
const TITLE = "bind + key ÷ Kysely's compile of the same query"

export function binds(shop: () => Promise<ShopDatabase>): Group {
  return {
    id: 'bind',
    title: TITLE,
    async measure(wanted) {
      const opened = await shop()
      const plain = opened.connect()
      const core = await openCore('bind', opened, plain)
      const figures: Figure[] = []
      for (const { name, build, shortest } of [...readsOf(opened), threeKinds]) {
        if (!wanted(name)) continue
        const query = build(plain)
        const { sql, parameters } = query.compile()
        const { id } = core.prepare(sql)
        const bind = (given: readonly unknown[]): readonly [number, string] => [
          native.bind(id, encode(core.context, given)),
          takeKey(),
        ]
        const [token, key] = bind(parameters)
        ok(token >= 0)
        deepStrictEqual(bind([...parameters]), [token, key])
        notDeepStrictEqual(bind(parameters.with(0, 'something else'))[1], key)
        const variants: readonly Variant[] = [
          { name: 'bind + key', run: each(() => bind(parameters)) },
          { name: "Kysely's compile", run: each(() => query.compile()) },
          { name: "Kysely's build + compile", run: each(() => build(plain).compile()) },
        ]
        const times = await take(variants, QUICK)
        const about = `${name} (${parameters.length === 1 ? '1 parameter' : `${parameters.length} parameters`})`
        figures.push(figure({ group: TITLE, name: about, goal: shortest ? undefined : GOAL }, variants, times, [0, 1]))
      }
      return { figures }
    },
  }
}

/** Three parameters of different types. */
const threeKinds: NamedRead = {
  name: 'text, bigint and date',
  rows: 0,
  key: 'track.id',
  build: (db: Kysely<Shop>) =>
    db
      .selectFrom('track')
      .select([
        'id',
        'name',
        'composer',
        'milliseconds',
        'bytes',
        'unit_price',
        'rating',
        'explicit',
        'added_at',
        'isrc',
      ])
      .where('isrc', '=', 'SEABC2000077')
      .where('bytes', '=', 4_078_001n)
      .where('added_at', '<', new Date(Date.UTC(2022, 0, 1))),
}
