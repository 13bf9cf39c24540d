/**
 * One epoch: a random schema, a pool of queries, a list of steps. After each step the queries of the pool are answered by
 * the instance under test and by the database itself.
 */

import { CamelCasePlugin, CompiledQuery } from 'kysely'
import type { Kysely } from 'kysely'

import { Answer, canonical, looselyEqual } from './compare.ts'
import type { Coverage } from './coverage.ts'
import { abandonDatabases, openWorld } from './databases.ts'
import type { World } from './databases.ts'
import { makeEngine } from './engines.ts'
import type { Engine } from './engines.ts'
import type { Epoch, Selection } from './epoch.ts'
import { Failed } from './failure.ts'
import type { Failure } from './failure.ts'
import type { Figures } from './figures.ts'
import { Random } from './random.ts'
import type { Built, Read } from './read-parts.ts'
import type { Stage, Step } from './stage.ts'
import { quoted } from './tables.ts'
import { ask } from './truths.ts'
import type { Question } from './truths.ts'

/** Runs an epoch, or a part of it. Gives what was found wrong first; the figures are added to `figures`. */
export async function runEpoch(
  epoch: Epoch,
  selection: Selection,
  figures: Figures,
  trace?: (line: string, statement?: CompiledQuery) => void,
  coverage?: Coverage,
): Promise<Failure | undefined> {
  const { schema, options, spec } = epoch
  const engine = await makeEngine(spec.engine, options)
  const camel = options.camel === 'no' ? [] : [new CamelCasePlugin()]
  const world = await openWorld(spec.database, {
    plugins: engine.plugins,
    common: (own) => (options.camel === 'before' ? [...camel, ...own] : [...own, ...camel]),
    ddl: schema.ddl,
    file: options.file,
    node: options.node,
    connections: options.connections,
    log:
      trace === undefined && coverage === undefined
        ? undefined
        : ({ query, level }) => {
            coverage?.statement(query.sql, level === 'error')
            const parameters =
              query.parameters.length > 0 ? `  -- ${clip(query.parameters.map(canonical).join(', '), 300)}` : ''
            trace?.(`${query.sql}${parameters}`, query)
          },
  })
  if (trace !== undefined) for (const statement of schema.ddl) trace(`${statement};`)
  try {
    const run = new Run(epoch, selection, figures, engine, world, trace)
    coverage?.epoch(epoch, run.texts())
    await run.run()
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
    await world.dispose()
  }
}

/** How often a query that the cache leaves alone is compared all the same: it may do so no longer. */
const LOOK_AGAIN = 0.15
const CONTROL = /^(?:ddl|begin|commit|end|rollback|savepoint|release|save|back)\b[^:]*: /i
/** A statement that waited for a lock, and was chosen to end a deadlock. */
const INTERRUPTED = /"code":"(?:40P01|57014)"/
const TROUBLE = /(?<="code":")\w+|(?<="message":")(?:chosen|lost)(?=")/
const HANGS = 'hangs:'
/** milliseconds */
const PATIENCE = 30_000

interface Entry {
  readonly index: number
  readonly read: Read
  readonly onCached: Built
  readonly onSecond: Built
  readonly question: Question
  /** sent as a compiled query, as an application would that compiles once */
  readonly compiled: CompiledQuery | undefined
  /** as of the last comparison */
  truth: Answer | undefined
  comparedAt: number
  /** the cache had it, or took it, at the last comparison */
  cached: boolean
  /** the cache did not use what it had, nor take it, at the last comparison */
  bypassed: boolean
}

class Run {
  readonly #epoch: Epoch
  readonly #selection: Selection
  readonly #figures: Figures
  readonly #engine: Engine
  readonly #world: World
  /** of the step under way */
  #random: Random
  readonly #entries: readonly Entry[]
  readonly #trace: ((line: string) => void) | undefined
  /** reads that the twin has still to repeat */
  readonly #sampled: (readonly Entry[])[] = []
  #insertIdLost = false
  readonly #tablesEvery: number
  #step = -1
  #round = 0

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
    this.#random = new Random(epoch.spec.seed)
    this.#tablesEvery = epoch.spec.database === 'sqlite' ? 10 : 40
    this.#entries = selection.reads.map((index) => {
      const read = epoch.reads[index]!
      const plain = read.build(world.plain)
      const onCached = read.build(world.cached)
      return {
        index,
        read,
        onCached,
        onSecond: read.build(world.second),
        question: {
          compiled: 'raw' in plain ? plain.raw.compile(world.plain) : plain.builder.compile(),
          raw: 'raw' in plain,
          ordered: read.ordered,
        },
        compiled: this.#randomOf(index).chance(0.85) ? engine.compile?.(onCached) : undefined,
        truth: undefined,
        comparedAt: -1,
        cached: false,
        bypassed: false,
      }
    })
  }

  texts(): string[] {
    return this.#entries.map(({ question }) => question.compiled.sql)
  }

  async run(): Promise<void> {
    await this.#compareReads(this.#entries.length)
    for (const index of this.#selection.steps) {
      this.#step = index
      this.#random = this.#randomOf(-2)
      const step = this.#epoch.steps[index]!
      await this.#within(step.label, () => this.#take(step))
      await this.#within(`reads after ${step.label}`, () => this.#compareReads(this.#epoch.spec.sample))
      const fault = this.#engine.fault?.()
      if (fault !== undefined)
        throw new Failed({ kind: 'wrong', what: 'fault', step: index, read: undefined, details: fault })
      this.#figures.steps++
      if (this.#figures.steps % this.#tablesEvery === 0) await this.#compareTables()
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
    const { cached, second, twin, twinSecond, server } = this.#world
    this.#trace?.(`-- step ${this.#step}: ${step.label}`)
    const real: Stage = {
      db: cached,
      second,
      outcomes: [],
      inside: (db) => this.#compareInside(db),
      between: () => this.#compareInside(cached),
      tell: (order, db) => this.#engine.tell?.(order, db) ?? Promise.resolve(),
      server: server?.stage('main'),
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
      tell: () => Promise.resolve(),
      server: server?.stage('twin'),
      concurrently: () => [],
    }
    this.#sampled.length = 0
    for (const stage of [real, other]) {
      try {
        await step.run(stage)
      } catch (error) {
        if (error instanceof Failed) throw error
        stage.outcomes.push(`step: ${Answer.ofError(error).text}`)
      }
    }
    this.#figures.writes += other.outcomes.length
    for (const [index, expected] of other.outcomes.entries()) {
      this.#trace?.(`--   ${expected.slice(0, 300)}`)
      const [trouble] = TROUBLE.exec(expected) ?? []
      if (trouble !== undefined) tally(this.#figures.troubles, trouble)
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
    // So is the number of rows changed last, which BEGIN, COMMIT and schema changes answer with.
    const changed = CONTROL.test(expected) ? /"numAffectedRows":\d+n/ : inserted
    const bare = (text: string): string => text.replace(inserted, '').replace(changed, '')
    return this.#insertIdLost && bare(got) === bare(expected)
  }

  /** Depends on nothing but the step and its position in it, so that leaving out others changes nothing. */
  #randomOf(position: number): Random {
    return new Random(
      this.#epoch.spec.seed ^ Math.imul(this.#step + 2, 0x9e3779b1) ^ Math.imul(position + 1, 0x85ebca6b),
    )
  }

  /** Compares the next `count` reads of the pool, and of all of them those that the cache may have. */
  async #compareReads(count: number): Promise<void> {
    const { cached, second, truths } = this.#world
    this.#round++
    const all = count >= this.#entries.length
    const start = all ? 0 : this.#randomOf(-1).below(this.#entries.length)
    const entries = this.#entries
      .map((_, i) => this.#entries[(start + i) % this.#entries.length]!)
      .filter(
        (entry, i) =>
          (i < count || entry.cached) && (!entry.bypassed || this.#randomOf(entry.index).chance(LOOK_AGAIN)),
      )
    const answers = await truths.answers(entries.map(({ question }) => question))
    for (const [i, entry] of entries.entries()) {
      const truth = answers[i]!
      const random = this.#randomOf(entry.index + 1000)
      const elsewhere = random.chance(0.15)
      const { answer, result, origin } = elsewhere
        ? await this.#answerOf(second, entry.onSecond, entry.read, entry.compiled)
        : await this.#answerOf(cached, entry.onCached, entry.read, entry.compiled)
      this.#figures.compared++
      const hit = origin === 'hit' || origin === 'joined'
      if (hit) this.#figures.hits++
      else if (origin !== undefined) tally(this.#figures.reasons, origin)
      if (!answer.equals(truth)) throw await this.#failed(entry, answer, truth, origin)
      this.#account(entry, truth, hit)
      entry.truth = truth
      entry.cached = hit || origin === 'miss'
      entry.bypassed = !entry.cached && origin !== undefined && origin !== 'none'
      spoil(result, random)
    }
  }

  #account(entry: Entry, truth: Answer, hit: boolean): void {
    const figures = this.#figures
    const fresh = entry.comparedAt === this.#round - 1
    entry.comparedAt = this.#round
    if (!entry.cached || !fresh) return
    if (!hit) figures.dropped++
    if (entry.truth === undefined || !truth.equals(entry.truth)) return
    figures.unchanged++
    if (hit) figures.kept++
  }

  async #answerOf(
    db: Kysely<any>,
    query: Built,
    read: Read,
    compiled?: CompiledQuery,
  ): Promise<{ answer: Answer; result: unknown; origin: string | undefined }> {
    try {
      const result =
        compiled === undefined ? await this.#engine.read(db, query) : (await db.executeQuery(compiled)).rows
      return { answer: Answer.of(result, read.ordered), result, origin: this.#engine.origin() }
    } catch (error) {
      return { answer: Answer.ofError(error), result: undefined, origin: this.#engine.origin() }
    }
  }

  async #compareInside(db: Kysely<any>): Promise<void> {
    const entries = this.#random.sample(this.#entries, 2)
    this.#sampled.push(entries)
    for (const entry of entries) {
      const { read } = entry
      const { answer, origin } = await this.#answerOf(
        db,
        entry.compiled === undefined ? read.build(db) : entry.onCached,
        read,
        entry.compiled,
      )
      const truth = await this.#uncached(db, entry)
      this.#figures.inside++
      if (origin === 'hit') this.#figures.insideHits++
      // In PostgreSQL the first error makes the next statement fail with another one.
      if (answer.failed && truth.text.includes('"25P02"')) continue
      if (truth.failed && INTERRUPTED.test(truth.text)) continue
      if (!answer.equals(truth)) throw await this.#failed(entry, answer, truth, origin, db)
    }
  }

  /** A failing read ends a transaction of PostgreSQL, so that the twin must get it as well. */
  async #repeatInside(db: Kysely<any>): Promise<void> {
    for (const entry of this.#sampled.shift() ?? []) await this.#uncached(db, entry)
  }

  #uncached(db: Kysely<any>, { question }: Entry): Promise<Answer> {
    const plain = db.withoutPlugins()
    return ask(this.#epoch.options.camel === 'no' ? plain : plain.withPlugin(new CamelCasePlugin()), question)
  }

  async #failed(
    entry: Entry,
    answer: Answer,
    truth: Answer,
    origin: string | undefined,
    inside?: Kysely<any>,
  ): Promise<Failed> {
    const { read, index, onCached } = entry
    const { compiled: plain } = entry.question
    const where = inside === undefined ? '' : ', inside a transaction'
    const fromCache =
      origin === 'hit' || origin === 'joined' || (origin === undefined && entry.truth?.equals(answer) === true)
    const kind = fromCache && !looselyEqual(answer, truth) ? 'stale' : 'wrong'
    const details = [
      `query:      ${plain.sql}`,
      `parameters: ${plain.parameters.map(canonical).join(', ')}`,
      `answered:   ${clip(answer.text)}`,
      `database:   ${clip(truth.text)}`,
      `origin:     ${origin ?? 'unknown'}`,
      `explained:  ${await this.#engine.explain(inside ?? this.#world.cached, inside === undefined ? onCached : read.build(inside))}`,
    ].join('\n')
    return new Failed({
      kind,
      what: `read "${read.label}"${where}`,
      step: this.#step,
      read: index,
      details,
      query: plain,
    })
  }

  async #compareTables(): Promise<void> {
    for (const { name } of this.#epoch.schema.tables) {
      // A table that is gone or renamed is the same error on both.
      const compiled = CompiledQuery.raw(`select * from ${quoted(name)}`)
      const question: Question = { compiled, raw: true, ordered: false }
      const [a, b] = [await ask(this.#world.plain, question), await ask(this.#world.twin, question)]
      if (a.equals(b)) continue
      throw new Failed({
        kind: 'wrong',
        what: `contents of ${name}`,
        step: this.#step,
        read: undefined,
        details: `with the cache:\n${clip(a.text)}\nwithout:\n${clip(b.text)}`,
      })
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

function tally(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1)
}

function clip(text: string, length = 3000): string {
  return text.length > length ? `${text.slice(0, length)} … (${text.length} characters)` : text
}
