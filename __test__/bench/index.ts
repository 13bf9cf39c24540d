// What the cache costs and saves, as ratios. `npm run bench -- --help`

import { parseArgs } from 'node:util'

import { binds } from './bind.ts'
import { coldPlans } from './cold-plan.ts'
import { copies } from './copy.ts'
import type { Findings, Group } from './figure.ts'
import { hits } from './hit.ts'
import { postgres } from './postgres.ts'
import { heading, isMet, lineOf, linesOf, machine } from './report.ts'
import { openPglite, openSqlite } from './shop.ts'
import type { ShopDatabase } from './shop.ts'
import { uncached } from './uncached.ts'
import { writes } from './writes.ts'

const HELP = `Measures what the cache costs and saves, as ratios of interleaved runs.

  npm run bench -- [options] [word …]

  word     only the groups with this id (hit, uncached, write, plan, bind, copy, postgres), or only the figures that have this
           in their names; with several words, all of them
  --json   print one JSON document and nothing else
  --help   print this

Every answer is compared with the database's before it is timed; a wrong one ends the group and gives exit code 1.
A missed goal does not.`

/** Opens a database when the first group needs it, once. */
function once(open: () => Promise<ShopDatabase>, opened: Promise<ShopDatabase>[]): () => Promise<ShopDatabase> {
  let shop: Promise<ShopDatabase> | undefined
  return () => {
    if (shop === undefined) opened.push((shop = open()))
    return shop
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { json: { type: 'boolean' }, help: { type: 'boolean' } },
    allowPositionals: true,
  })
  if (values.help === true) {
    console.log(HELP)
    return 0
  }
  const say = values.json === true ? () => undefined : console.log
  const opened: Promise<ShopDatabase>[] = []
  const pglite = once(openPglite, opened)
  const sqlite = once(openSqlite, opened)
  const groups = [
    hits(pglite),
    uncached([pglite, sqlite]),
    writes([pglite, sqlite]),
    coldPlans(pglite),
    binds(pglite),
    copies(),
    postgres(),
  ]
  const about = machine()
  const started = performance.now()
  const found: (Findings & { readonly id: string })[] = []
  const failures: { readonly group: string; readonly error: string }[] = []
  say(heading(about))
  for (const group of chosen(groups, positionals)) {
    try {
      const findings = await group.measure(wantedBy(group, positionals))
      found.push({ id: group.id, ...findings })
      if (findings.figures.length + (findings.omitted ?? []).length > 0) say(`\n${group.title} [${group.id}]`)
      const width = Math.max(0, ...findings.figures.map(({ name }) => name.length))
      for (const figure of findings.figures) say(lineOf(figure, width))
      for (const breakdown of findings.breakdowns ?? []) say(`\n${linesOf(breakdown)}`)
      if (findings.table !== undefined) say(`\n${findings.table.join('\n')}`)
      for (const text of findings.omitted ?? []) say(`  not measured: ${text}`)
    } catch (error) {
      failures.push({ group: group.id, error: String(error) })
      console.error(`\n${group.title} [${group.id}] FAILED`, error)
    }
  }
  for (const shop of opened) await (await shop).close()
  const seconds = (performance.now() - started) / 1000
  const goals = found.flatMap(({ figures }) => figures).filter(({ goal }) => goal !== undefined)
  const missed = goals.filter((figure) => !isMet(figure))
  const summary = {
    goals: goals.length,
    met: goals.length - missed.length,
    missed: missed.map(({ name }) => name),
    seconds,
    failures,
  }
  if (values.json === true) console.log(JSON.stringify({ machine: about, groups: found, summary }, undefined, 2))
  say(`\n${summary.met} of ${summary.goals} goals met, ${seconds.toFixed(0)} s`)
  return failures.length === 0 ? 0 : 1
}

function chosen(groups: readonly Group[], words: readonly string[]): readonly Group[] {
  const named = groups.filter(({ id }) => words.includes(id))
  return named.length === 0 ? groups : named
}

function wantedBy({ id }: Group, words: readonly string[]): (name: string) => boolean {
  const needed = words.filter((word) => word !== id).map((word) => word.toLowerCase())
  return (name) => needed.every((word) => name.toLowerCase().includes(word))
}

process.exitCode = await main()
