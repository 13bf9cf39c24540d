import { isDeepStrictEqual } from 'node:util'
import type { Kysely } from 'kysely'
import type { Cacheops, Dropped, Explanation } from '../../ts/index.ts'
import type { Database } from './data.ts'
import type {
  AnswerName,
  CheckFacts,
  DroppedFact,
  ExplainedFacts,
  Milliseconds,
  ReadFacts,
  WriteFacts,
  WritePriceFacts,
} from './facts.ts'
import { kinds } from './reads.ts'
import type { Kind, Read } from './reads.ts'
import { idleUpdate, readable } from './writes.ts'
import type { Write } from './writes.ts'

const ROUNDS_OF_WARMING = 3
const ROUNDS = 5
const HITS_PER_ROUND = 4
const UPDATES_FOR_PRICE = 60

/** What the observer needs to know of the world. */
export interface Hall {
  readonly db: Kysely<Database>
  /** The same database without the plugin, to measure what the plugin adds to a write. */
  readonly plain: Kysely<Database>
  readonly cacheops: Cacheops<Database>
  /** How many statements the database has been sent through `db` so far. */
  readonly statements: () => number
}

interface Answer {
  readonly read: Read
  readonly tables: readonly string[]
  rows: object[]
}

type Dependencies = Explanation['dependencies']

/** Asks the reads, lets the writes happen, and keeps count of hits, misses and time. */
export class Observer {
  readonly #hall: Hall
  readonly #answers: Answer[] = []
  readonly #dropped: Dropped[] = []
  readonly #warnings: string[] = []
  readonly #faults: string[] = []
  #throughCache = false
  #hits = 0
  #misses = 0
  #ops = new Map<Kind, string>()

  constructor(hall: Hall) {
    this.#hall = hall
    hall.cacheops.on('read', (event) => {
      // NOTE: reads around the cache are events as well; they are neither hit nor miss.
      if (!this.#throughCache) return
      if (event.hit) this.#hits += 1
      else this.#misses += 1
    })
    hall.cacheops.on('error', ({ error, during }) => {
      this.#faults.push(`${during}: ${error.message}`)
    })
    hall.cacheops.on('invalidate', (event) => {
      this.#warnings.push(...event.warnings)
      this.#dropped.push(...event.dropped)
    })
  }

  /** What the library reported as its own failures; the queries were answered all the same. */
  get faults(): readonly string[] {
    return this.#faults
  }

  get hits(): number {
    return this.#hits
  }

  get misses(): number {
    return this.#misses
  }

  /** Each read on the database alone, then through the cache: the first time, and many times more. */
  async askEverything(reads: readonly Read[]): Promise<{ facts: ReadFacts; times: ReadTimes }> {
    const times = new ReadTimes()
    for (let round = 0; round < ROUNDS_OF_WARMING; round += 1) {
      for (const read of reads) await this.#around(read)
    }
    for (const read of reads) {
      const { rows, duration } = await this.#through(read)
      times.miss.add(read.kind, duration)
      const { tables, op } = await this.#hall.cacheops.explain(read.query(this.#hall.db).cache())
      this.#answers.push({ read, tables, rows })
      this.#ops.set(read.kind, op ?? '')
    }
    const misses = this.#misses
    let statementsDuringHits = 0
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const read of reads) times.database.add(read.kind, (await this.#around(read)).duration)
      const before = this.#hall.statements()
      for (let hit = 0; hit < HITS_PER_ROUND; hit += 1) {
        for (const read of reads) times.hit.add(read.kind, (await this.#through(read)).duration)
      }
      statementsDuringHits += this.#hall.statements() - before
    }
    const facts = { answers: reads.length, misses, hits: this.#hits, statementsDuringHits }
    return { facts: { ...facts, kinds: this.#kinds(times) }, times }
  }

  /** Runs one write and finds out which answers it dropped, whether that was right, and what it took. */
  async watch(write: Write): Promise<WriteFacts> {
    const before = await this.#cachedNow()
    this.#dropped.length = 0
    this.#warnings.length = 0
    const start = performance.now()
    const { rows, sql } = await write.run(this.#hall.db)
    const duration = performance.now() - start
    const after = await this.#cachedNow()
    const dropped = [...before.keys()].filter((answer) => !after.has(answer))
    const reasons = reasonsOf(this.#dropped, dropped, before)
    const listed = this.#dropped.length
    const warnings = [...this.#warnings]
    const { check, changed } = await this.#compareAll()
    const names = (answers: Iterable<Answer>) => Array.from(answers, nameOf)
    return {
      title: write.title,
      sql,
      rows,
      duration,
      cached: before.size,
      dropped: names(dropped),
      changed: dropped.filter((answer) => changed.has(answer)).length,
      kept: names(after.keys()),
      tableLevel: write.rolledBack === true ? 0 : [...before.keys()].filter(reads(write.table)).length,
      reasons,
      listed,
      warnings,
      check,
    }
  }

  /** The same update with and without the plugin, in turns. */
  async priceOfWrites(flight: number): Promise<WritePriceFacts> {
    const plain: Milliseconds[] = []
    const cached: Milliseconds[] = []
    for (let run = 0; run < UPDATES_FOR_PRICE; run += 1) {
      plain.push((await timed(() => idleUpdate(this.#hall.plain, flight).execute())).duration)
      cached.push((await timed(() => idleUpdate(this.#hall.db, flight).execute())).duration)
    }
    const [without, within] = [median(plain), median(cached)]
    return { runs: UPDATES_FOR_PRICE, plain: without, cached: within, ratio: within / without }
  }

  /** What the library itself says about one read. */
  async explain(read: Read): Promise<ExplainedFacts> {
    const query = read.query(this.#hall.db).cache()
    const { cacheable, reason, op, tables, key, cached, dependencies, cautions, remarks } =
      await this.#hall.cacheops.explain(query)
    return {
      kind: read.kind,
      of: read.of,
      sql: readable(query.compile()),
      cacheable,
      reason,
      op,
      tables,
      key,
      cached,
      dependencies,
      cautions,
      remarks,
    }
  }

  async #compareAll(): Promise<{ check: CheckFacts; changed: Set<Answer> }> {
    const { hits, misses } = this
    const changed = new Set<Answer>()
    const different: AnswerName[] = []
    for (const answer of this.#answers) {
      const { rows } = await this.#through(answer.read)
      const truth = await this.#around(answer.read)
      if (!isDeepStrictEqual(rows, truth.rows)) different.push(nameOf(answer))
      if (!isDeepStrictEqual(answer.rows, truth.rows)) changed.add(answer)
      answer.rows = truth.rows
    }
    const compared = this.#answers.length
    return {
      check: { compared, hits: this.#hits - hits, misses: this.#misses - misses, different },
      changed,
    }
  }

  /** The answers that are remembered, with what each depends on. */
  async #cachedNow(): Promise<Map<Answer, Dependencies>> {
    const remembered = new Map<Answer, Dependencies>()
    for (const answer of this.#answers) {
      const query = answer.read.query(this.#hall.db).cache()
      const { cached, dependencies } = await this.#hall.cacheops.explain(query)
      if (cached) remembered.set(answer, dependencies)
    }
    return remembered
  }

  async #through(read: Read): Promise<Timed<object[]>> {
    this.#throughCache = true
    try {
      return await timed(() => read.query(this.#hall.db).cache().execute())
    } finally {
      this.#throughCache = false
    }
  }

  #around(read: Read): Promise<Timed<object[]>> {
    return timed(() => read.query(this.#hall.db).nocache().execute())
  }

  #kinds(times: ReadTimes): ReadFacts['kinds'] {
    return (Object.keys(kinds) as Kind[]).map((kind) => {
      const answers = this.#answers.filter((answer) => answer.read.kind === kind)
      const database = median(times.database.of(kind))
      const hit = median(times.hit.of(kind))
      return {
        kind,
        meaning: kinds[kind],
        op: this.#ops.get(kind) ?? '',
        answers: answers.length,
        rows: answers.reduce((sum, answer) => sum + answer.rows.length, 0),
        database,
        miss: median(times.miss.of(kind)),
        hit,
        ratio: database / hit,
      }
    })
  }
}

/** Durations of the three ways to get an answer, by kind of read. */
export class ReadTimes {
  readonly database = new Durations()
  readonly miss = new Durations()
  readonly hit = new Durations()
}

class Durations {
  readonly #byKind = new Map<Kind, Milliseconds[]>()

  add(kind: Kind, duration: Milliseconds): void {
    const known = this.#byKind.get(kind)
    if (known === undefined) this.#byKind.set(kind, [duration])
    else known.push(duration)
  }

  of(kind: Kind): readonly Milliseconds[] {
    return this.#byKind.get(kind) ?? []
  }

  median(): Milliseconds {
    return median([...this.#byKind.values()].flat())
  }
}

interface Timed<Result> {
  readonly rows: Result
  readonly duration: Milliseconds
}

async function timed<Result>(run: () => Promise<Result>): Promise<Timed<Result>> {
  const start = performance.now()
  const rows = await run()
  return { rows, duration: performance.now() - start }
}

function reads(table: string): (answer: Answer) => boolean {
  return (answer) => answer.tables.includes(table)
}

/** What the library reported, and which of the dropped answers depended on exactly that. */
function reasonsOf(
  reported: readonly Dropped[],
  dropped: readonly Answer[],
  before: ReadonlyMap<Answer, Dependencies>,
): DroppedFact[] {
  const reasons = new Map<string, DroppedFact>()
  for (const { table, level, what, reason } of reported) {
    const answers = dropped.filter((answer) =>
      before.get(answer)?.some((each) => each.table === table && each.conditions.includes(what)),
    )
    reasons.set(JSON.stringify([table, level, what, reason]), {
      table,
      level,
      what,
      reason,
      answers: answers.map(nameOf),
    })
  }
  return [...reasons.values()]
}

function nameOf({ read }: { read: Read }): AnswerName {
  return { kind: read.kind, of: read.of }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
