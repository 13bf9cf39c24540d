// A departures hall on real data: what a query cache remembers, what it forgets, and why.
// Run it with `npm run demo`, or `node examples/departures.ts --help`.

import { parseArgs } from 'node:util'
import { PGlite, types } from '@electric-sql/pglite'
import { Kysely, PGliteDialect } from 'kysely'
import { cacheopsPlugin } from '../ts/index.ts'
import { createSchema, loadData, readSource } from './departures/data.ts'
import type { Database } from './departures/data.ts'
import type { Facts, WriteFacts } from './departures/facts.ts'
import { Observer } from './departures/observe.ts'
import { readsOf } from './departures/reads.ts'
import { pickScene } from './departures/scene.ts'
import { writesOf } from './departures/writes.ts'
import { progressOn } from './departures/progress.ts'
import * as report from './departures/report.ts'

const help = `Shows cacheops, a cache for database queries, on real flights.

  node examples/departures.ts [options]      (or: npm run demo -- [options])

  --json   print one JSON document with everything that was measured, and nothing else
  --help   print this

Nothing needs to be installed or running besides the packages of this repository: the database
(PGlite, a PostgreSQL inside this process) is filled from the npm package vega-datasets.
The exit code is 0 only if every cached answer equalled the database's.`

/** Answers the exit code: 0 well, 1 a cached answer was wrong, 2 misspelt options. */
async function main(): Promise<number> {
  const values = readOptions()
  if (values === undefined) return 2
  if (values.help === true) {
    console.log(help)
    return 0
  }
  const facts = await demonstrate(values.json === true ? () => {} : console.log)
  if (values.json === true) console.log(JSON.stringify(facts, undefined, 2))
  return facts.summary.different === 0 ? 0 : 1
}

function readOptions(): { json?: boolean; help?: boolean } | undefined {
  try {
    return parseArgs({ options: { json: { type: 'boolean' }, help: { type: 'boolean' } } }).values
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${help}`)
    return undefined
  }
}

/** Runs the whole story; each part is told as soon as it has happened. */
async function demonstrate(tell: (part: string) => void): Promise<Facts> {
  const started = performance.now()
  const progress = progressOn(process.stderr)
  progress.say('starting a PostgreSQL in this process (PGlite)')
  // Calendar days and wall-clock times come as text: neither is an instant, which is what a Date is.
  const asText = (value: string): string => value
  const pglite = await PGlite.create({
    parsers: { [types.DATE]: asText, [types.TIMESTAMP]: asText },
  })

  // The whole set-up of the cache: one plugin. Each query says .cache() for itself.
  const cacheops = cacheopsPlugin<Database>({ defaults: { timeout: 3600 } })
  let statements = 0
  const db = new Kysely<Database>({
    dialect: new PGliteDialect({ pglite }),
    plugins: [cacheops],
    log: () => {
      statements += 1
    },
  })
  const plain = new Kysely<Database>({ dialect: new PGliteDialect({ pglite }) })

  try {
    const loading = performance.now()
    await createSchema(db)
    const tables = await loadData(db, progress.count)
    const { rows } = await pglite.query<{ server_version: string }>('show server_version')
    const loaded = {
      source: await readSource(),
      database: `PostgreSQL ${rows[0]?.server_version ?? ''} (PGlite)`,
      tables,
      duration: performance.now() - loading,
    }
    progress.clear()
    tell(report.opening(loaded))

    progress.say('asking everything, with and without the cache')
    const scene = await pickScene(plain)
    const observer = new Observer({ db, plain, cacheops, statements: () => statements })
    const { facts: reads, times } = await observer.askEverything(readsOf(scene))
    progress.clear()
    tell(report.reads(reads))

    tell(report.writesIntroduction(reads.answers))
    const writes: WriteFacts[] = []
    for (const [index, write] of writesOf(scene).entries()) {
      progress.say(write.title)
      const happened = await observer.watch(write)
      writes.push(happened)
      progress.clear()
      tell(report.write(index + 1, happened))
    }

    const flight = [...scene.firstFlights.values()][0] ?? 1
    const writePrice = await observer.priceOfWrites(flight)
    const board = readsOf(scene)[0]
    if (board === undefined) throw new Error('the data has no flights')
    const explained = await observer.explain(board)
    tell(report.explained(explained))

    const total = (count: (write: Facts['writes'][number]) => number): number =>
      writes.reduce((sum, write) => sum + count(write), 0)
    const database = times.database.median()
    const hit = times.hit.median()
    const summary = {
      hits: observer.hits,
      misses: observer.misses,
      writes: writes.length,
      dropped: total((write) => write.dropped.length),
      changed: total((write) => write.changed),
      kept: total((write) => write.kept.length),
      tableLevelDropped: total((write) => write.tableLevel),
      database,
      hit,
      ratio: database / hit,
      compared: total((write) => write.check.compared),
      different: total((write) => write.check.different.length),
      faults: observer.faults,
      duration: performance.now() - started,
    }
    const facts = { loaded, reads, writes, writePrice, explained, summary }
    tell(report.summary(facts))
    return facts
  } finally {
    progress.clear()
    await cacheops.close()
    await db.destroy()
  }
}

process.exitCode = await main()
