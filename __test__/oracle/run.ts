/**
 * Random reads, writes and transactions: whatever the cache answers is compared with the database.
 *
 *     node __test__/oracle/run.ts --db both --steps 2000 --seed 1
 *
 * Ends with one line of figures, and with 1 if anything was stale or wrong. A failure prints a command that repeats it.
 */

import { appendFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

import { closeDatabases } from './databases.ts'
import type { EngineName } from './engines.ts'
import { allOf, makeEpoch, noFigures, runEpoch } from './epoch.ts'
import type { Epoch, EpochSpec, Figures, Selection } from './epoch.ts'
import type { Failure } from './failure.ts'
import { shrink } from './shrink.ts'
import type { Dialect } from './values.ts'

export interface OracleOptions {
  readonly dialect: Dialect
  readonly seed: number
  readonly steps: number
  readonly engine?: EngineName
  /** steps on one schema. Default: 150. */
  readonly epoch?: number
  /** queries in the pool. Default: 22. */
  readonly reads?: number
  /** queries compared after each step. Default: all of them on SQLite, 11 on PGlite. */
  readonly sample?: number
  /** how many failures are looked into before the run ends. Default: 1. */
  readonly failures?: number
  /** milliseconds for making one failure small; 0: not at all. Default: 20,000. */
  readonly shrinking?: number
  /** steps whose labels match are left out */
  readonly skip?: RegExp
  readonly progress?: (epoch: number, figures: Figures, milliseconds: number) => void
  readonly report?: (text: string) => void
}

export function epochSeed(seed: number, epoch: number): number {
  return (Math.imul(seed, 1_000_003) + Math.imul(epoch, 7919)) >>> 0
}

function specOf(options: OracleOptions, epoch: number): EpochSpec {
  const { dialect, seed, engine = 'cacheops', reads = 22 } = options
  return {
    dialect,
    seed: epochSeed(seed, epoch),
    engine,
    steps: options.epoch ?? 150,
    reads,
    skip: options.skip,
    sample: options.sample ?? (dialect === 'sqlite' ? reads : 11),
  }
}

/** Runs epochs until there have been enough steps or failures. */
export async function runOracle(options: OracleOptions): Promise<Figures> {
  const { failures = 1, shrinking = 20_000, report = () => {} } = options
  const figures = noFigures()
  for (let number = 0; figures.steps < options.steps; number++) {
    const epoch = makeEpoch(specOf(options, number))
    const before = figures.steps
    const start = performance.now()
    const failure = await runEpoch(epoch, allOf(epoch), figures)
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
  const { dialect, seed } = options
  const lines: string[] = []
  await runEpoch(
    { ...epoch, spec: { ...epoch.spec, sample: epoch.reads.length } },
    small.selection,
    noFigures(),
    (line) => lines.push(line),
  ).catch((error: unknown) => lines.push(String(error)))
  const command = [
    'node __test__/oracle/run.ts',
    `--db ${dialect} --seed ${seed} --first ${number}`,
    `--only ${small.selection.steps.join(',')} --reads-only ${small.selection.reads.join(',')}`,
    options.epoch === undefined ? '' : `--epoch ${options.epoch}`,
    options.engine === undefined ? '' : `--engine ${options.engine}`,
  ].join(' ')
  return [
    `==== ${failure.kind.toUpperCase()}: ${failure.what}`,
    `${dialect}, seed ${seed}, epoch ${number}, step ${failure.step}, ${JSON.stringify(epoch.options)}`,
    `again: ${command}`,
    small.failure.details,
    `last step: ${epoch.steps[small.failure.step]?.label ?? 'none'}`,
    ...lines,
    '',
  ].join('\n')
}

export function figuresLine(name: string, figures: Figures, seconds: number): string {
  const { steps, compared, hits, stale, wrong, dropped, unchanged, kept, inside, insideHits, writes } = figures
  const precision = unchanged === 0 ? '-' : `${((100 * kept) / unchanged).toFixed(1)}%`
  return (
    `${name}: steps ${steps}, compared ${compared}, hits ${hits}, in transactions ${inside} (hits ${insideHits}), write results ${writes}, ` +
    `stale ${stale}, wrong ${wrong}, dropped ${dropped}, kept ${kept} of ${unchanged} unchanged (${precision}), ${Math.round(steps / seconds)} steps/s`
  )
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      db: { type: 'string', default: 'both' },
      seed: { type: 'string', default: '1' },
      steps: { type: 'string', default: '1000' },
      epoch: { type: 'string' },
      reads: { type: 'string' },
      sample: { type: 'string' },
      engine: { type: 'string' },
      failures: { type: 'string' },
      shrinking: { type: 'string' },
      first: { type: 'string' },
      only: { type: 'string' },
      'reads-only': { type: 'string' },
      skip: { type: 'string' },
      log: { type: 'string' },
      progress: { type: 'boolean', default: false },
      reasons: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
    },
  })
  const number = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text))
  const dialects: Dialect[] = values.db === 'both' ? ['sqlite', 'pglite'] : [values.db as Dialect]
  let failed = false
  for (const dialect of dialects) {
    const report = (text: string): void => {
      console.log(text)
      if (values.log !== undefined) appendFileSync(values.log, `${text}\n`)
    }
    const options: OracleOptions = {
      dialect,
      seed: Number(values.seed),
      steps: Number(values.steps),
      ...Object.fromEntries(
        (['epoch', 'reads', 'sample', 'failures', 'shrinking'] as const).flatMap((name) =>
          values[name] === undefined ? [] : [[name, number(values[name])]],
        ),
      ),
      ...(values.engine === undefined ? {} : { engine: values.engine as EngineName }),
      ...(values.skip === undefined ? {} : { skip: new RegExp(values.skip) }),
      ...(values.progress
        ? {
            progress: (epoch, { steps }, milliseconds) =>
              console.error(`epoch ${epoch}: ${steps} steps so far, ${Math.round(milliseconds)} ms`),
          }
        : {}),
      report,
    }
    const start = performance.now()
    const figures =
      values.first === undefined ? await runOracle(options) : await runOne(options, Number(values.first), values)
    console.log(figuresLine(dialect, figures, (performance.now() - start) / 1000))
    if (values.reasons) console.log(Object.fromEntries([...figures.reasons].sort(([, a], [, b]) => b - a)))
    if (figures.stale + figures.wrong > 0) failed = true
  }
  await closeDatabases()
  process.exitCode = failed ? 1 : 0
}

/** One epoch, or a part of one, with everything that happens in it. */
async function runOne(
  options: OracleOptions,
  number: number,
  values: { only?: string | undefined; 'reads-only'?: string | undefined; trace: boolean },
): Promise<Figures> {
  const epoch = makeEpoch({ ...specOf(options, number), ...(values.only === undefined ? {} : { sample: Infinity }) })
  const list = (text: string | undefined, all: readonly number[]): readonly number[] =>
    text === undefined ? all : text === '' ? [] : text.split(',').map(Number)
  const all = allOf(epoch)
  const figures = noFigures()
  const selection = { steps: list(values.only, all.steps), reads: list(values['reads-only'], all.reads) }
  const failure = await runEpoch(
    epoch,
    selection,
    figures,
    values.trace || values.only !== undefined ? (line) => console.log(line) : undefined,
  )
  if (failure !== undefined)
    options.report?.(`==== ${failure.kind.toUpperCase()}: ${failure.what}, step ${failure.step}\n${failure.details}`)
  return figures
}

if (import.meta.main) await main()
