/** 1: a hit, from the builder to the rows, against what Kysely alone needs to write the SQL. */

import { deepStrictEqual, ok } from 'node:assert/strict'

import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely'
import type { QueryResult } from 'kysely'

import { cacheopsPlugin } from '../../ts/index.ts'
import type { Cacheops } from '../../ts/index.ts'
import { native } from '../../ts/native.ts'
import { encode, takeKey } from '../../ts/parameters.ts'
import { copyOf, keep } from '../../ts/rows.ts'
import type { KeptResult } from '../../ts/rows.ts'
import { openEmbeddedStore } from '../../ts/store/embedded.ts'
import { openCore } from './core.ts'
import type { Core } from './core.ts'
import { figure } from './figure.ts'
import type { Breakdown, Figure, Findings, Group, Timed } from './figure.ts'
import { each, eachAwaited, QUICK, take } from './measure.ts'
import type { Times, Variant } from './measure.ts'
import { readsOf } from './queries.ts'
import type { NamedRead } from './queries.ts'
import type { Shop, ShopDatabase } from './shop.ts'

const GOAL = 2
const TITLE = "a hit, the whole execute() ÷ Kysely's own build + compile"

export function hits(shop: () => Promise<ShopDatabase>): Group {
  return { id: 'hit', title: TITLE, measure: async (wanted) => measure(await shop(), wanted) }
}

async function measure(shop: ShopDatabase, wanted: (name: string) => boolean): Promise<Findings> {
  const plain = shop.connect()
  const asked = openCached(shop, cacheopsPlugin<Shop>({ store: { type: 'embedded', name: 'bench asked' } }))
  const automatic = openCached(
    shop,
    cacheopsPlugin<Shop>({ profiles: { '*.*': { ops: 'all' } }, store: { type: 'embedded', name: 'bench automatic' } }),
  )
  const core = await openCore('hit', shop, plain)
  const reads = readsOf(shop).filter(({ name }) => wanted(name))
  const prepared: (readonly [NamedRead, readonly Variant[]])[] = []
  for (const read of reads) prepared.push([read, await variantsOf(read, plain, asked, automatic, core)])
  // An application runs many queries, so each is compiled for the shapes of all.
  for (const [, variants] of prepared) for (const { run } of variants) await run(500)
  const figures: Figure[] = []
  const breakdowns: Breakdown[] = []
  for (const [{ name, shortest }, variants] of prepared) {
    const times = await take(variants, QUICK)
    const goal = shortest ? undefined : GOAL
    figures.push(figure({ group: TITLE, name: `${name}, by profile`, goal }, variants, times, [1, 0]))
    figures.push(figure({ group: TITLE, name: `${name}, by .cache()`, goal }, variants, times, [2, 0]))
    breakdowns.push({ name: `a hit by profile: ${name}`, parts: partsOf(times) })
  }
  return { figures, breakdowns }
}

interface Cached {
  readonly db: Kysely<Shop>
  readonly cacheops: Cacheops<Shop>
}

function openCached(shop: ShopDatabase, cacheops: Cacheops<Shop>): Cached {
  return { db: shop.connect([cacheops]), cacheops }
}

async function variantsOf(
  { build, rows }: NamedRead,
  plain: Kysely<Shop>,
  asked: Cached,
  automatic: Cached,
  core: Core,
): Promise<readonly Variant[]> {
  const answer = await build(plain).execute()
  deepStrictEqual(answer.length, rows)
  await expectHit(automatic.cacheops, () => build(automatic.db).execute(), answer)
  await expectHit(asked.cacheops, () => build(asked.db).cache().execute(), answer)

  const kept = keep({ rows: answer }, 2 ** 20) as KeptResult
  const immediate = connectTo({ rows: answer })
  deepStrictEqual(await build(immediate).execute(), answer)
  const { sql, parameters } = build(plain).compile()
  const shape = core.prepare(sql)
  const bound = { token: native.bind(shape.id, encode(core.context, parameters)), key: takeKey() }
  ok(bound.token >= 0)
  const store = openEmbeddedStore('bench parts', 2 ** 20)
  // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- it is no array
  store.fill(bound, kept, 3600)
  ok(store.lookup(bound) === kept)
  const texts = new Map([[sql, shape]])
  return [
    { name: "Kysely's build + compile", run: each(() => build(plain).compile()) },
    { name: 'hit', run: eachAwaited(() => build(automatic.db).execute()) },
    { name: 'hit', run: eachAwaited(() => build(asked.db).cache().execute()) },
    { name: 'build + compile with the plugin', run: each(() => build(automatic.db).compile()) },
    {
      name: "build + Kysely's execute() on a driver that answers at once",
      run: eachAwaited(() => build(immediate).execute()),
    },
    { name: 'build + compile + plan by text', run: each(() => texts.get(build(plain).compile().sql)) },
    {
      name: 'parameters, bind, key',
      run: each(() => [native.bind(shape.id, encode(core.context, parameters)), takeKey()]),
    },
    { name: 'lookup', run: each(() => store.lookup(bound)) },
    { name: 'copy of the rows', run: each(() => copyOf(kept)) },
  ]
}

/** What a hit's time consists of; the last part is what the others leave. */
function partsOf(times: Times): readonly Timed[] {
  const base = times.micros(0)
  const alone = (variant: number): number => times.micros(variant)
  const beyond = (variant: number): number => alone(variant) - base
  const parts = [
    { name: "Kysely's build + compile", micros: base },
    { name: 'the plugin in compile', micros: beyond(3) },
    { name: "Kysely's execute(): promises", micros: beyond(4) },
    { name: 'plan by the text', micros: beyond(5) },
    { name: 'parameters, bind, key', micros: alone(6) },
    { name: 'lookup', micros: alone(7) },
    { name: 'copy of the rows', micros: alone(8) },
  ]
  const known = parts.reduce((sum, { micros }) => sum + micros, 0)
  return [...parts, { name: 'seam, decision, promises', micros: alone(1) - known }]
}

async function expectHit(
  cacheops: Cacheops<Shop>,
  execute: () => Promise<unknown>,
  answer: readonly unknown[],
): Promise<void> {
  const reasons: string[] = []
  const stop = cacheops.on('read', ({ reason }) => reasons.push(reason))
  for (let i = 0; i < 3; i++) deepStrictEqual(await execute(), answer)
  stop()
  deepStrictEqual(reasons, ['miss', 'hit', 'hit'])
}

/** An instance whose driver has the answer already: what going through Kysely's `execute()` costs anybody. */
function connectTo(result: QueryResult<any>): Kysely<Shop> {
  class ImmediateDriver extends DummyDriver {
    override acquireConnection(): ReturnType<DummyDriver['acquireConnection']> {
      return Promise.resolve({
        executeQuery: () => Promise.resolve(result),
        async *streamQuery() {
          yield await Promise.resolve(result)
        },
      })
    }
  }
  return new Kysely<Shop>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new ImmediateDriver(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
}
