/**
 * Random reads, writes and transactions: whatever the cache answers is compared with the database.
 *
 *     npm run oracle -- --db both --steps 2000 --seed 1
 *
 * Ends with one line of figures for each database, and with 1 if anything was stale or wrong, 2 if the arguments make no sense. A failure prints
 * a command that repeats it and, where plain statements show it, a program that stands alone.
 */

import { appendFileSync } from 'node:fs'

import type { CompiledQuery } from 'kysely'

import { parseArguments, USAGE, UsageError } from './arguments.ts'
import type { Arguments } from './arguments.ts'
import { Coverage } from './coverage.ts'
import { closeDatabases, versionOf } from './databases.ts'
import type { EngineName } from './engines.ts'
import { runEpoch } from './epoch-run.ts'
import { allOf, makeEpoch } from './epoch.ts'
import type { Epoch, EpochSpec, Selection } from './epoch.ts'
import type { Failure } from './failure.ts'
import { noFigures } from './figures.ts'
import type { Figures } from './figures.ts'
import { scriptOf } from './script.ts'
import { shrink } from './shrink.ts'
import { dialectOf } from './values.ts'
import type { DatabaseName } from './values.ts'

export interface OracleOptions {
  readonly database: DatabaseName
  readonly seed: number
  readonly steps: number
  readonly engine?: EngineName
  /** steps on one schema. Default: 150. */
  readonly epoch?: number
  /** queries in the pool. Default: 22. */
  readonly reads?: number
  /** queries compared after each step. Default: all of them on SQLite, 11 on PostgreSQL. */
  readonly sample?: number
  /** how many failures are looked into before the run ends. Default: 1. */
  readonly failures?: number
  /** milliseconds for making one failure small; 0: not at all. Default: 20,000. */
  readonly shrinking?: number
  /** steps whose labels match are left out */
  readonly skip?: RegExp
  readonly coverage?: Coverage
  readonly progress?: (epoch: number, figures: Figures, milliseconds: number) => void
  readonly report?: (text: string) => void
}

export function epochSeed(seed: number, epoch: number): number {
  return (Math.imul(seed, 1_000_003) + Math.imul(epoch, 7919)) >>> 0
}

async function specOf(options: OracleOptions, epoch: number): Promise<EpochSpec> {
  const { database, seed, engine = 'cacheops', reads = 22 } = options
  return {
    database,
    version: await versionOf(database),
    seed: epochSeed(seed, epoch),
    engine,
    steps: options.epoch ?? 150,
    reads,
    skip: options.skip,
    sample: options.sample ?? (database === 'sqlite' ? reads : 11),
  }
}

/** Runs epochs until there have been enough steps or failures. */
export async function runOracle(options: OracleOptions): Promise<Figures> {
  const { failures = 1, shrinking = 20_000, report = () => {} } = options
  const figures = noFigures()
  for (let number = 0; figures.steps < options.steps; number++) {
    const epoch = makeEpoch(await specOf(options, number))
    const before = figures.steps
    const start = performance.now()
    const failure = await runEpoch(epoch, allOf(epoch), figures, undefined, options.coverage)
    options.progress?.(number, figures, performance.now() - start)
    // An epoch that fails at once counts as well, or a run might never end.
    if (figures.steps === before) figures.steps++
    if (failure === undefined) continue
    const small = shrinking === 0 ? { selection: allOf(epoch), failure } : await shrink(epoch, failure, shrinking)
    report(await describe(options, number, epoch, failure, small))
    if (figures.stale + figures.wrong >= failures) break
  }
  return figures
}

async function describe(
  options: OracleOptions,
  number: number,
  epoch: Epoch,
  failure: Failure,
  small: { selection: Selection; failure: Failure },
): Promise<string> {
  const { database, seed } = options
  const lines: string[] = []
  const statements: CompiledQuery[] = []
  await runEpoch(
    { ...epoch, spec: { ...epoch.spec, sample: epoch.reads.length } },
    small.selection,
    noFigures(),
    (line, statement) => {
      lines.push(line)
      if (statement !== undefined) statements.push(statement)
    },
  ).catch((error: unknown) => lines.push(String(error)))
  const command = [
    'npm run oracle --',
    `--db ${database} --seed ${seed} --first ${number}`,
    `--only ${small.selection.steps.join(',')} --reads-only ${small.selection.reads.join(',')}`,
    options.epoch === undefined ? '' : `--epoch ${options.epoch}`,
    options.engine === undefined ? '' : `--engine ${options.engine}`,
  ].join(' ')
  return [
    `==== ${failure.kind.toUpperCase()}: ${failure.what}`,
    `${database}, seed ${seed}, epoch ${number}, step ${failure.step}, ${JSON.stringify(epoch.options)}`,
    `again: ${command}`,
    small.failure.details,
    `last step: ${epoch.steps[small.failure.step]?.label ?? 'none'}`,
    ...lines,
    ...alone(options, epoch, small, statements),
    '',
  ].join('\n')
}

/** Reports of the cache about the random statements themselves: hundreds, and nobody's business. */
export function silenceWarnings(): void {
  const emit = process.emitWarning.bind(process)
  process.emitWarning = ((warning: string | Error, ...rest: any[]) => {
    if (rest[0] !== 'CacheopsWarning' && rest[0]?.type !== 'CacheopsWarning') emit(warning, ...rest)
  }) as typeof process.emitWarning
}

/** The case as a program, where plain statements show it. */
function alone(
  { database, engine = 'cacheops' }: OracleOptions,
  epoch: Epoch,
  { failure }: { failure: Failure },
  statements: readonly CompiledQuery[],
): string[] {
  if (failure.query === undefined || engine !== 'cacheops') return []
  const { text, fails } = scriptOf({
    dialect: dialectOf(database),
    ddl: epoch.schema.ddl,
    statements: statements.filter(({ sql }) => sql !== failure.query!.sql),
    read: failure.query,
    ordered: epoch.reads[failure.read!]!.ordered,
  })
  return fails ? ['---- alone:', text] : ['(plain statements alone do not show it: use the command)']
}

export function figuresLine(name: string, figures: Figures, seconds: number): string {
  const { steps, compared, hits, stale, wrong, dropped, unchanged, kept, inside, insideHits, writes } = figures
  const precision = unchanged === 0 ? '-' : `${((100 * kept) / unchanged).toFixed(1)}%`
  return (
    `${name}: steps ${steps}, compared ${compared}, hits ${hits}, stale ${stale}, wrong ${wrong}, precision ${precision} (kept ${kept} of ${unchanged} unchanged, ` +
    `dropped ${dropped}), in transactions ${inside} (hits ${insideHits}), write results ${writes}, ${Math.round(steps / seconds)} steps/s`
  )
}

async function main(): Promise<void> {
  let args: Arguments
  try {
    args = parseArguments(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`${error.message}\n\n${USAGE}`)
    process.exitCode = 2
    return
  }
  silenceWarnings()
  if (args.clients !== undefined) {
    const { concurrentMain } = await import('./concurrent.ts')
    for (const database of args.databases)
      await concurrentMain({
        clients: String(args.clients),
        database,
        seed: String(args.seed),
        steps: String(args.steps),
      })
    return
  }
  let failed = false
  for (const database of args.databases) {
    const report = (text: string): void => {
      console.log(text)
      if (args.log !== undefined) appendFileSync(args.log, `${text}\n`)
    }
    const coverage = args.coverage ? new Coverage() : undefined
    const options: OracleOptions = {
      database,
      seed: args.seed,
      steps: args.steps,
      ...args.numbers,
      ...(args.engine === undefined ? {} : { engine: args.engine }),
      ...(args.skip === undefined ? {} : { skip: args.skip }),
      ...(coverage === undefined ? {} : { coverage }),
      ...(args.progress
        ? {
            progress: (epoch, { steps }, milliseconds) =>
              console.error(`epoch ${epoch}: ${steps} steps so far, ${Math.round(milliseconds)} ms`),
          }
        : {}),
      report,
    }
    const start = performance.now()
    const figures = args.first === undefined ? await runOracle(options) : await runOne(options, args.first, args)
    if (coverage !== undefined) console.log(coverage.table())
    if (args.reasons) {
      for (const counts of [figures.reasons, figures.troubles])
        console.log(Object.fromEntries([...counts].sort(([, a], [, b]) => b - a)))
    }
    report(figuresLine(database, figures, (performance.now() - start) / 1000))
    if (figures.stale + figures.wrong > 0) failed = true
  }
  await closeDatabases()
  process.exitCode = failed ? 1 : 0
}

/** One epoch, or a part of one, with everything that happens in it. */
async function runOne(options: OracleOptions, number: number, { only, readsOnly, trace }: Arguments): Promise<Figures> {
  const epoch = makeEpoch({ ...(await specOf(options, number)), ...(only === undefined ? {} : { sample: Infinity }) })
  const all = allOf(epoch)
  const figures = noFigures()
  const failure = await runEpoch(
    epoch,
    { steps: only ?? all.steps, reads: readsOnly ?? all.reads },
    figures,
    trace || only !== undefined ? (line) => console.log(line) : undefined,
  )
  if (failure !== undefined)
    options.report?.(`==== ${failure.kind.toUpperCase()}: ${failure.what}, step ${failure.step}\n${failure.details}`)
  return figures
}

if (import.meta.main) await main()
