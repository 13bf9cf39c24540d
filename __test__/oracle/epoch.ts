/**
 * One epoch: a random schema, a pool of queries, a list of steps. After each step the queries of the pool are answered by
 * the instance under test and by the database itself.
 */

import { CamelCasePlugin, CompiledQuery, sql } from 'kysely'
import type { Kysely } from 'kysely'

import { answerOf, canonical, errorAnswer, looselyEqual } from './compare.ts'
import type { Answer } from './compare.ts'
import { abandonDatabases, openWorld } from './databases.ts'
import type { World } from './databases.ts'
import { executeBuilt, makeEngine } from './engines.ts'
import type { Engine, EngineName, EngineOptions } from './engines.ts'
import { Failed } from './failure.ts'
import type { Failure } from './failure.ts'
import { Random } from './random.ts'
import type { Built, Read } from './read-parts.ts'
import { makeReads } from './reads.ts'
import { makeSchema, quoted } from './schema.ts'
import type { Schema } from './schema.ts'
import { makeSteps } from './steps.ts'
import type { Stage, Step } from './steps.ts'
import type { Dialect } from './values.ts'

export interface EpochSpec {
  readonly dialect: Dialect
  readonly seed: number
  readonly engine: EngineName
  readonly steps: number
  readonly reads: number
  /** how many reads are compared after a step; all of them at the end */
  readonly sample: number
  /** steps whose labels match are left out: what is known already must not hide what is not */
  readonly skip: RegExp | undefined
}

/** Everything random of an epoch, chosen. */
export interface Epoch {
  readonly spec: EpochSpec
  readonly schema: Schema
  readonly reads: readonly Read[]
  readonly steps: readonly Step[]
  readonly options: EngineOptions & { readonly file: boolean; readonly camel: 'no' | 'before' | 'after' }
}

export interface Figures {
  steps: number
  /** comparisons of a read with the database */
  compared: number
  /** answers that came from the cache */
  hits: number
  stale: number
  wrong: number
  /** entries that a step dropped */
  dropped: number
  /** entries whose result a step did not change, and how many of them stayed */
  unchanged: number
  kept: number
  /** comparisons in open transactions, and how many of them hit */
  inside: number
  insideHits: number
  /** write results compared with the twin's */
  writes: number
  /** why reads were not answered from the cache, and how often */
  readonly reasons: Map<string, number>
}

export function noFigures(): Figures {
  return {
    steps: 0,
    compared: 0,
    hits: 0,
    stale: 0,
    wrong: 0,
    dropped: 0,
    unchanged: 0,
    kept: 0,
    inside: 0,
    insideHits: 0,
    writes: 0,
    reasons: new Map(),
  }
}

export function makeEpoch(spec: EpochSpec): Epoch {
  const random = new Random(spec.seed)
  const options = {
    automatic: random.chance(0.3),
    listening: random.chance(0.85),
    tiny: random.chance(0.08),
    file: random.chance(0.15),
    camel: random.weighted([
      [8, 'no'],
      [1, 'before'],
      [1, 'after'],
    ] as const),
  }
  const schema = makeSchema(random.fork(), spec.dialect, options.camel !== 'no' || random.chance(0.3))
  const reads = makeReads(random.fork(), schema, spec.reads, options.automatic)
  const steps = makeSteps(random.fork(), schema, spec.steps)
  return { spec, schema, reads, steps, options }
}

export interface Selection {
  readonly steps: readonly number[]
  readonly reads: readonly number[]
}

export function allOf(epoch: Epoch): Selection {
  const { skip } = epoch.spec
  return {
    steps: [...epoch.steps.keys()].filter((index) => skip?.test(epoch.steps[index]!.label) !== true),
    reads: [...epoch.reads.keys()],
  }
}

/** Runs an epoch, or a part of it. Gives what was found wrong first; the figures are added to `figures`. */
export async function runEpoch(
  epoch: Epoch,
  selection: Selection,
  figures: Figures,
  trace?: (line: string) => void,
): Promise<Failure | undefined> {
  const { schema, options, spec } = epoch
  const engine = await makeEngine(spec.engine, options)
  const camel = options.camel === 'no' ? [] : [new CamelCasePlugin()]
  const world = await openWorld(spec.dialect, {
    plugins: engine.plugins,
    common: (own) => (options.camel === 'before' ? [...camel, ...own] : [...own, ...camel]),
    ddl: schema.ddl,
    file: options.file,
    log:
      trace &&
      (({ query }) => {
        trace(
          `${query.sql}${query.parameters.length > 0 ? `  -- ${clip(query.parameters.map(canonical).join(', '), 300)}` : ''}`,
        )
      }),
  })
  if (trace !== undefined) for (const statement of schema.ddl) trace(`${statement};`)
  try {
    await new Run(epoch, selection, figures, engine, world, trace).run()
    return undefined
  } catch (error) {
    if (error instanceof Failed) {
      if (error.failure.what.startsWith(HANGS)) abandonDatabases()
      figures[error.failure.kind]++
      return error.failure
    }
    throw error
  } finally {
    engine.close()
    world.dispose()
  }
}

const HANGS = 'hangs:'
/** milliseconds */
const PATIENCE = 10_000

interface Entry {
  readonly index: number
  readonly read: Read
  readonly onCached: Built
  readonly onSecond: Built
  readonly plain: CompiledQuery
  /** a raw query answers with a whole `QueryResult` */
  readonly raw: boolean
  /** as of the last comparison */
  truth: Answer | undefined
  comparedAt: number
  /** the cache had it, or took it, at the last comparison */
  cached: boolean
}

class Run {
  readonly #epoch: Epoch
  readonly #selection: Selection
  readonly #figures: Figures
  readonly #engine: Engine
  readonly #world: World
  readonly #random: Random
  readonly #entries: readonly Entry[]
  readonly #trace: ((line: string) => void) | undefined
  /** reads that the twin has still to repeat */
  readonly #sampled: (readonly Entry[])[] = []
  #insertIdLost = false
  #step = -1
  #round = 0
  #next = 0

  constructor(
    epoch: Epoch,
    selection: Selection,
    figures: Figures,
    engine: Engine,
    world: World,
    trace?: (line: string) => void,
  ) {
    this.#epoch = epoch
    this.#selection = selection
    this.#figures = figures
    this.#engine = engine
    this.#world = world
    this.#trace = trace
    this.#random = new Random(epoch.spec.seed ^ 0x5bd1e995)
    this.#entries = selection.reads.map((index) => {
      const read = epoch.reads[index]!
      const plain = read.build(world.plain)
      return {
        index,
        read,
        onCached: read.build(world.cached),
        onSecond: read.build(world.second),
        plain: 'raw' in plain ? plain.raw.compile(world.plain) : plain.builder.compile(),
        raw: 'raw' in plain,
        truth: undefined,
        comparedAt: -1,
        cached: false,
      }
    })
  }

  async run(): Promise<void> {
    await this.#compareReads(this.#entries.length)
    for (const index of this.#selection.steps) {
      this.#step = index
      const step = this.#epoch.steps[index]!
      await this.#within(step.label, () => this.#take(step))
      await this.#within(`reads after ${step.label}`, () => this.#compareReads(this.#epoch.spec.sample))
      const fault = this.#engine.fault?.()
      if (fault !== undefined)
        throw new Failed({ kind: 'wrong', what: 'fault', step: index, read: undefined, details: fault })
      this.#figures.steps++
      if (this.#figures.steps % 40 === 0) await this.#compareTables()
    }
    await this.#compareReads(this.#entries.length)
    await this.#compareTables()
  }

  /** A step that waits for itself would end the process without a word. */
  async #within(label: string, work: () => Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () =>
          reject(
            new Failed({ kind: 'wrong', what: `${HANGS} ${label}`, step: this.#step, read: undefined, details: '' }),
          ),
        PATIENCE,
      )
    })
    try {
      await Promise.race([work(), late])
    } finally {
      clearTimeout(timer)
    }
  }

  async #take(step: Step): Promise<void> {
    const { cached, second, twin, twinSecond } = this.#world
    this.#trace?.(`-- step ${this.#step}: ${step.label}`)
    const real: Stage = {
      db: cached,
      second,
      outcomes: [],
      inside: (db) => this.#compareInside(db),
      between: () => this.#compareInside(cached),
      concurrently: () =>
        this.#random
          .sample(this.#entries, 4)
          .map((entry) => this.#engine.read(cached, entry.onCached).catch(() => undefined)),
    }
    const other: Stage = {
      db: twin,
      second: twinSecond,
      outcomes: [],
      inside: (db) => this.#repeatInside(db),
      between: () => this.#repeatInside(twin),
      concurrently: () => [],
    }
    this.#sampled.length = 0
    for (const stage of [real, other]) {
      try {
        await step.run(stage)
      } catch (error) {
        if (error instanceof Failed) throw error
        stage.outcomes.push(`step: ${errorAnswer(error).text}`)
      }
    }
    this.#figures.writes += other.outcomes.length
    for (const [index, expected] of other.outcomes.entries()) {
      this.#trace?.(`--   ${expected.slice(0, 300)}`)
      const got = real.outcomes[index] ?? 'nothing'
      if (!this.#sameOutcome(got, expected)) {
        throw new Failed({
          kind: 'wrong',
          what: `write result of "${step.label}"`,
          step: this.#step,
          read: undefined,
          details: `with the cache:    ${clip(got)}\nwithout the cache: ${clip(expected)}`,
        })
      }
    }
  }

  /**
   * SQLite's number of the row inserted last is left by a failed INSERT … RETURNING otherwise than by a failed INSERT.
   * It means something only once the next row has been inserted.
   */
  #sameOutcome(got: string, expected: string): boolean {
    const inserted = /"insertId":\d+n/
    const failed = /^[^:]+: \w*Error\{/.test(expected)
    if (failed) this.#insertIdLost = true
    if (got === expected) {
      if (/^(?!do update)[^:]*: InsertResult\{"insertId":\d+n,"numInsertedOrUpdatedRows":[1-9]/.test(expected))
        this.#insertIdLost = false
      return true
    }
    return this.#insertIdLost && got.replace(inserted, '') === expected.replace(inserted, '')
  }

  async #truthOf({ plain, read, raw }: Entry): Promise<Answer> {
    try {
      const result = await this.#world.plain.executeQuery(plain)
      return answerOf(raw ? result : result.rows, read.ordered)
    } catch (error) {
      return errorAnswer(error)
    }
  }

  /** Compares the next `count` reads of the pool. */
  async #compareReads(count: number): Promise<void> {
    const { cached, second } = this.#world
    this.#round++
    this.#next = count < this.#entries.length ? this.#random.below(this.#entries.length) : 0
    for (let i = Math.min(count, this.#entries.length); i > 0; i--) {
      const entry = this.#entries[this.#next++ % this.#entries.length]!
      const truth = await this.#truthOf(entry)
      const elsewhere = this.#random.chance(0.15)
      const { answer, result, origin } = await this.#answerOf(
        elsewhere ? second : cached,
        elsewhere ? entry.onSecond : entry.onCached,
        entry.read,
      )
      this.#figures.compared++
      const hit = origin === 'hit' || origin === 'joined'
      if (hit) this.#figures.hits++
      else if (origin !== undefined) this.#figures.reasons.set(origin, (this.#figures.reasons.get(origin) ?? 0) + 1)
      if (answer.text !== truth.text) throw await this.#failed(entry, answer, truth, origin)
      this.#account(entry, truth, hit)
      entry.truth = truth
      entry.cached = hit || origin === 'miss'
      spoil(result, this.#random)
    }
  }

  #account(entry: Entry, truth: Answer, hit: boolean): void {
    const figures = this.#figures
    const fresh = entry.comparedAt === this.#round - 1
    entry.comparedAt = this.#round
    if (!entry.cached || !fresh) return
    if (!hit) figures.dropped++
    if (entry.truth?.text !== truth.text) return
    figures.unchanged++
    if (hit) figures.kept++
  }

  async #answerOf(
    db: Kysely<any>,
    query: Built,
    read: Read,
  ): Promise<{ answer: Answer; result: unknown; origin: string | undefined }> {
    try {
      const result = await this.#engine.read(db, query)
      return { answer: answerOf(result, read.ordered), result, origin: this.#engine.origin() }
    } catch (error) {
      return { answer: errorAnswer(error), result: undefined, origin: this.#engine.origin() }
    }
  }

  async #compareInside(db: Kysely<any>): Promise<void> {
    const entries = this.#random.sample(this.#entries, 3)
    this.#sampled.push(entries)
    for (const entry of entries) {
      const { read } = entry
      const { answer, origin } = await this.#answerOf(db, read.build(db), read)
      const truth = await this.#uncached(db, read)
      this.#figures.inside++
      if (origin === 'hit') this.#figures.insideHits++
      // In PostgreSQL the first error makes the next statement fail with another one.
      if (answer.rows === undefined && truth.text.includes('"25P02"')) continue
      if (answer.text !== truth.text) throw await this.#failed(entry, answer, truth, origin, db)
    }
  }

  /** A failing read ends a transaction of PostgreSQL, so that the twin must get it as well. */
  async #repeatInside(db: Kysely<any>): Promise<void> {
    for (const { read } of this.#sampled.shift() ?? []) await this.#uncached(db, read)
  }

  async #uncached(db: Kysely<any>, read: Read): Promise<Answer> {
    const plain = db.withoutPlugins()
    const own = this.#epoch.options.camel === 'no' ? plain : plain.withPlugin(new CamelCasePlugin())
    try {
      return answerOf(await executeBuilt(own, read.build(own)), read.ordered)
    } catch (error) {
      return errorAnswer(error)
    }
  }

  async #failed(
    entry: Entry,
    answer: Answer,
    truth: Answer,
    origin: string | undefined,
    inside?: Kysely<any>,
  ): Promise<Failed> {
    const { read, index, plain, onCached } = entry
    const where = inside === undefined ? '' : ', inside a transaction'
    const fromCache =
      origin === 'hit' || origin === 'joined' || (origin === undefined && entry.truth?.text === answer.text)
    const kind = fromCache && !looselyEqual(answer, truth) ? 'stale' : 'wrong'
    const details = [
      `query:      ${plain.sql}`,
      `parameters: ${plain.parameters.map(canonical).join(', ')}`,
      `answered:   ${clip(answer.text)}`,
      `database:   ${clip(truth.text)}`,
      `origin:     ${origin ?? 'unknown'}`,
      `explained:  ${await this.#engine.explain(inside ?? this.#world.cached, inside === undefined ? onCached : read.build(inside))}`,
    ].join('\n')
    return new Failed({ kind, what: `read "${read.label}"${where}`, step: this.#step, read: index, details })
  }

  async #compareTables(): Promise<void> {
    for (const { name } of this.#epoch.schema.tables) {
      const query = sql.raw(`select * from ${quoted(name)}`)
      const [a, b] = await Promise.all([query.execute(this.#world.plain), query.execute(this.#world.twin)]).then(
        (results) => results.map((result) => answerOf(result.rows, false).text),
      )
      if (a !== b) {
        throw new Failed({
          kind: 'wrong',
          what: `contents of ${name}`,
          step: this.#step,
          read: undefined,
          details: `with the cache:\n${clip(a!)}\nwithout:\n${clip(b!)}`,
        })
      }
    }
  }
}

/** Callers do what they like with what they got; the next one must not notice. */
function spoil(result: unknown, random: Random): void {
  if (!random.chance(0.1)) return
  const rows = Array.isArray(result) ? result : (result as { rows?: unknown[] } | undefined)?.rows
  if (!Array.isArray(rows) || rows.length === 0) return
  const row = rows[0] as Record<string, unknown>
  for (const [column, value] of Object.entries(row)) {
    if (value instanceof Date) value.setTime(0)
    else if (value instanceof Uint8Array) value.fill(0)
    else if (Array.isArray(value)) value.length = 0
    else row[column] = 'spoilt'
  }
  rows.pop()
}

function clip(text: string, length = 3000): string {
  return text.length > length ? `${text.slice(0, length)} … (${text.length} characters)` : text
}
