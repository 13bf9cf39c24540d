/**
 * 95 % reads (one row, a list of 20, three tables joined), 5 % updates of a product, Zipf 0.99, 32 clients at once. Every row
 * that is read tells its version, so a read that is older than an update that had returned when it began is noticed.
 */

import { Kysely } from 'kysely'
import type { KyselyPlugin } from 'kysely'

import { cacheopsPlugin } from '../../ts/index.ts'
import { Random } from '../oracle/random.ts'
import type { Findings } from './figure.ts'
import { quantile } from './measure.ts'
import type { ShopServer } from './server.ts'

const CLIENTS = 32
const CATEGORIES = 100
const OF_CATEGORY = 20
const PRODUCTS = CATEGORIES * OF_CATEGORY
const SLICES = 4
const SLICE_MS = 2500
/** How much faster than without a cache. */
const GOAL = 3.7

type Kind = 'one' | 'list' | 'join'
interface Row {
  readonly id: number
  readonly version: number
}
interface MixSchema {
  vendor: { id: number; name: string; country: string }
  category: { id: number; vendor_id: number; name: string }
  product: {
    id: number
    category_id: number
    name: string
    description: string
    price: string
    stock: number
    version: number
  }
}

/** One way to answer the reads. */
interface Contestant {
  readonly name: string
  readonly db: Kysely<MixSchema>
  readonly read: (kind: Kind, id: number) => Promise<readonly Row[]>
  readonly written: (id: number) => void
  /** reads that the database was not asked for */
  readonly hits: () => number
  /** each product's version by the last update that has returned */
  readonly floors: Uint32Array
  readonly rates: number[]
  readonly stale: { readonly [kind in Kind]: number } & Record<Kind, number>
  readonly reads: Record<Kind, number>
}

const categoryOf = (id: number): number => Math.ceil(id / OF_CATEGORY)

function build(db: Kysely<MixSchema>, kind: Kind, id: number) {
  const products = db.selectFrom('product')
  if (kind === 'one') return products.selectAll('product').where('product.id', '=', id)
  if (kind === 'list') {
    return products
      .selectAll('product')
      .where('product.category_id', '=', categoryOf(id))
      .orderBy('product.id')
      .limit(20)
  }
  return products
    .innerJoin('category', 'category.id', 'product.category_id')
    .innerJoin('vendor', 'vendor.id', 'category.vendor_id')
    .selectAll('product')
    .select(['category.name as category', 'vendor.id as vendor_id', 'vendor.name as vendor', 'vendor.country'])
    .where('category.id', '=', categoryOf(id))
    .orderBy('product.id')
    .limit(20)
}

function contestant(
  name: string,
  db: Kysely<MixSchema>,
  rest: Pick<Contestant, 'read' | 'written' | 'hits'>,
): Contestant {
  const zero = () => ({ one: 0, list: 0, join: 0 })
  return { name, db, ...rest, floors: new Uint32Array(PRODUCTS + 1), rates: [], stale: zero(), reads: zero() }
}

/** What people write themselves: texts by key, for a while; the row's own key is deleted after an update. */
function handRolled(name: string, db: Kysely<MixSchema>, millis: number): Contestant {
  const kept = new Map<string, { readonly text: string; readonly until: number }>()
  let hits = 0
  return contestant(name, db, {
    async read(kind, id) {
      const key = `${kind} ${kind === 'one' ? id : categoryOf(id)}`
      const found = kept.get(key)
      if (found !== undefined && found.until > performance.now()) {
        hits++
        return JSON.parse(found.text) as Row[]
      }
      const rows = await build(db, kind, id).execute()
      kept.set(key, { text: JSON.stringify(rows), until: performance.now() + millis })
      return rows
    },
    written: (id) => void kept.delete(`one ${id}`),
    hits: () => hits,
  })
}

const TABLES = `create table vendor (id int primary key, name text not null, country text not null);
  create table category (id int primary key, vendor_id int not null references vendor, name text not null);
  create table product (id int primary key, category_id int not null references category, name text not null,
    description text not null, price numeric(10, 2) not null, stock int not null, version int not null);
  create index on product (category_id);
  insert into vendor select i, 'Vendor ' || i, 'SE' from generate_series(1, 20) i;
  insert into category select i, i % 20 + 1, 'Category ' || i from generate_series(1, ${CATEGORIES}) i;
  insert into product select i, (i - 1) / ${OF_CATEGORY} + 1, 'Product ' || i, 'What it is ' || i, i % 90 + 0.99, 5, 0
    from generate_series(1, ${PRODUCTS}) i; analyze`

export async function runMix(server: ShopServer): Promise<Findings> {
  // A database for each: a cache is to be judged by what its own program writes.
  const connect = async (name: string, plugins: KyselyPlugin[] = []): Promise<Kysely<MixSchema>> => {
    await server.createDatabase(name, TABLES)
    return new Kysely<MixSchema>({ dialect: server.dialect('pg', 'unix socket', name), plugins })
  }
  let hits = 0
  const cacheops = cacheopsPlugin<MixSchema>({ store: { type: 'embedded', name: 'bench mix' } })
  cacheops.on('read', ({ hit }) => (hits += hit ? 1 : 0))
  const plain = await connect('mix_uncached')
  const cached = await connect('mix_cacheops', [cacheops])
  const contestants = [
    contestant('uncached', plain, {
      read: (kind, id) => build(plain, kind, id).execute(),
      written: () => {},
      hits: () => 0,
    }),
    contestant('cacheops', cached, {
      read: (kind, id) => build(cached, kind, id).cache().execute(),
      written: () => {},
      hits: () => hits,
    }),
    handRolled('a Map, the row deleted after its update', await connect('mix_map'), Infinity),
    handRolled('a Map for 5 s, the row deleted after its update', await connect('mix_map_5s'), 5000),
  ]
  const draw = zipf(PRODUCTS, 0.99)
  try {
    for (const { read } of contestants) {
      // What is measured is a program that has been running for a while.
      for (let id = 1; id <= PRODUCTS; id++) await read('one', id)
      for (let id = 1; id <= PRODUCTS; id += OF_CATEGORY) await Promise.all([read('list', id), read('join', id)])
    }
    const asked = contestants.map((each) => each.hits())
    for (let slice = -1; slice < SLICES; slice++) for (const each of contestants) await run(each, draw, slice)
    return findings(contestants, asked)
  } finally {
    for (const { db } of contestants) await db.destroy()
  }
}

async function run(each: Contestant, draw: (random: Random) => number, slice: number): Promise<void> {
  const end = performance.now() + (slice === -1 ? 1000 : SLICE_MS)
  const started = performance.now()
  let operations = 0
  const work = async (client: number): Promise<void> => {
    const random = new Random((slice + 2) * 1000 + client)
    while (performance.now() < end) {
      const id = draw(random)
      const what = random.next()
      operations++
      if (what < 0.05) {
        const { version } = await each.db
          .updateTable('product')
          .set((eb) => ({ stock: eb('stock', '+', 1), version: eb('version', '+', 1) }))
          .where('id', '=', id)
          .returning('version')
          .executeTakeFirstOrThrow()
        each.written(id)
        each.floors[id] = Math.max(each.floors[id]!, version)
        continue
      }
      const kind: Kind = what < 0.62 ? 'one' : what < 0.81 ? 'list' : 'join'
      const first = kind === 'one' ? id : (categoryOf(id) - 1) * OF_CATEGORY + 1
      const floor = each.floors.slice(first, first + (kind === 'one' ? 1 : OF_CATEGORY))
      const rows = await each.read(kind, id)
      if (rows.length !== floor.length) throw new Error(`${each.name}: ${rows.length} rows of ${floor.length}`)
      each.reads[kind]++
      if (rows.some((row) => row.version < floor[row.id - first]!)) each.stale[kind]++
      // Whoever never waits for anything would leave no other client a turn.
      if (operations % 64 === 0) await new Promise(setImmediate)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, client) => work(client)))
  if (slice >= 0) each.rates.push((operations * 1000) / (performance.now() - started))
}

function findings(contestants: readonly Contestant[], hitsBefore: readonly number[]): Findings {
  const [base, own] = contestants as [Contestant, Contestant]
  const stale = own.stale.one + own.stale.list + own.stale.join
  if (stale > 0 || base.stale.one > 0) throw new Error(`the mix: ${stale} stale reads`)
  const rate = ({ rates }: Contestant): number => quantile(rates, 0.5)
  const ratios = own.rates.map((each, slice) => base.rates[slice]! / each)
  const name = `the mix: time of an operation, 32 clients (goal: ${GOAL} times as many operations)`
  const micros = (each: Contestant) => ({ name: each.name, micros: 1e6 / rate(each) })
  return {
    figures: [
      {
        group: 'the mix',
        name,
        goal: 1 / GOAL,
        ratio: {
          undisturbed: rate(base) / rate(own),
          median: quantile(ratios, 0.5),
          low: quantile(ratios, 0.25),
          high: quantile(ratios, 0.75),
        },
        over: micros(own),
        under: micros(base),
      },
    ],
    table: [
      '| the mix | op/s | × uncached | hit rate | stale reads: one row / list / join | reads checked |',
      '|---|---|---|---|---|---|',
      ...contestants.map((each, index) => {
        const reads = each.reads.one + each.reads.list + each.reads.join
        const part = (kind: Kind): string => `${((100 * each.stale[kind]) / each.reads[kind]).toFixed(2)} %`
        const cells = [
          each.name,
          rate(each).toFixed(0),
          (rate(each) / rate(base)).toFixed(2),
          ((each.hits() - hitsBefore[index]!) / reads).toFixed(2),
          `${part('one')} / ${part('list')} / ${part('join')}`,
          reads,
        ]
        return `| ${cells.join(' | ')} |`
      }),
    ],
  }
}

/** Draws numbers from 1 to n; the k-th most frequent is spread over them, as hot rows are. */
function zipf(n: number, exponent: number): (random: Random) => number {
  const sums = new Float64Array(n)
  let sum = 0
  for (let rank = 1; rank <= n; rank++) sums[rank - 1] = sum += rank ** -exponent
  return (random) => {
    const at = random.next() * sum
    let low = 0
    let high = n - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (sums[middle]! < at) low = middle + 1
      else high = middle
    }
    return ((low * 7919) % n) + 1
  }
}
