/** 4: a text that was never seen: all that the core does with it, against the parser alone. */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { openCore } from './core.ts'
import type { Figure, Findings, Group } from './figure.ts'
import { readsOf } from './queries.ts'
import type { ShopDatabase } from './shop.ts'

const GOAL = 1.5
const TITLE = "a cold plan, the whole text → plan ÷ sqlparser's parse"
const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** What `crates/core/examples/cold_plan.rs` prints for each text. */
interface Timing {
  readonly plan: number
  readonly parse: number
  readonly stages: readonly (readonly [string, number])[]
  readonly ratio: { readonly minima: number; readonly median: number; readonly low: number; readonly high: number }
}

export function coldPlans(shop: () => Promise<ShopDatabase>): Group {
  return {
    id: 'plan',
    title: TITLE,
    measure: async (wanted) => measure(await shop(), wanted),
  }
}

async function measure(shop: ShopDatabase, wanted: (name: string) => boolean): Promise<Findings> {
  const plain = shop.connect()
  const { factsJson } = await openCore('plan', shop, plain)
  const builders = [
    ...readsOf(shop).map(({ name, build }) => ({ name, query: build(plain) })),
    { name: 'update by key', query: plain.updateTable('track').set({ name: 'x' }).where('id', '=', 77) },
  ]
  const texts = builders
    .filter(({ name }) => wanted(name))
    .map(({ name, query }) => ({ name, sql: query.compile().sql }))
  if (texts.length === 0) return { figures: [] }
  const args = ['run', '--quiet', '--profile', 'local', '--package', 'cacheops-core', '--example', 'cold_plan']
  const input = JSON.stringify({ dialect: shop.dialect, facts: factsJson, texts: texts.map(({ sql }) => sql) })
  const ran = spawnSync('cargo', args, { cwd: ROOT, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'inherit'] })
  if (ran.error !== undefined) return { figures: [], omitted: [`${TITLE}: cargo is not there (${ran.error.message})`] }
  if (ran.status !== 0) throw new Error(`cargo run --example cold_plan ended with ${ran.status}`)
  const timings = JSON.parse(ran.stdout) as readonly Timing[]
  const figures = timings.map(({ plan, parse, ratio: { minima, ...spread } }, index): Figure => {
    const { name, sql } = texts[index]!
    return {
      group: TITLE,
      name: `${name} (${sql.length} characters)`,
      goal: GOAL,
      ratio: { undisturbed: minima, ...spread },
      over: { name: 'text → plan', micros: plan },
      under: { name: 'parse', micros: parse },
    }
  })
  const breakdowns = timings.map(({ stages }, index) => ({
    name: `a cold plan: ${texts[index]!.name}`,
    parts: stages.map(([name, micros]) => ({ name, micros })),
  }))
  return { figures, breakdowns }
}
