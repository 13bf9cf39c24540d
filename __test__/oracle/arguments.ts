import { parseArgs } from 'node:util'

import type { EngineName } from './engines.ts'
import type { DatabaseName } from './values.ts'

/** What is wrong with the command line, for who typed it. */
export class UsageError extends Error {}

export const USAGE = `npm run oracle -- [--db sqlite|pglite|pg|postgres.js|both] [--steps N] [--seed S] [--clients N] [--failures N] [--coverage] [--reasons] [--progress]
  --epoch N      steps on one schema          --reads N       queries in the pool
  --sample N     compared after a step        --skip REGEXP   steps whose labels match are left out
  --shrinking N  milliseconds for a failure   --log FILE      failures are appended
  --engine cacheops|none|never|naive          --first N [--only STEPS --reads-only READS] [--trace]   one epoch again`

export interface Arguments {
  readonly databases: readonly DatabaseName[]
  readonly seed: number
  readonly steps: number
  readonly numbers: { readonly [name in 'epoch' | 'reads' | 'sample' | 'failures' | 'shrinking']?: number }
  readonly engine: EngineName | undefined
  readonly skip: RegExp | undefined
  readonly log: string | undefined
  /** several clients at once; undefined: one step after another */
  readonly clients: number | undefined
  readonly first: number | undefined
  readonly only: readonly number[] | undefined
  readonly readsOnly: readonly number[] | undefined
  readonly progress: boolean
  readonly reasons: boolean
  readonly trace: boolean
  readonly coverage: boolean
}

const DATABASES = {
  sqlite: ['sqlite'],
  pglite: ['pglite'],
  pg: ['pg'],
  'postgres.js': ['postgres.js'],
  both: ['sqlite', 'pglite'],
} as const satisfies Record<string, readonly DatabaseName[]>

/** @throws UsageError */
export function parseArguments(args: readonly string[]): Arguments {
  const { values } = parse(args)
  const whole = (name: string, text: string | undefined, least = 0): number | undefined => {
    if (text === undefined) return undefined
    const number = Number(text)
    if (text.trim() === '' || !Number.isSafeInteger(number) || number < least)
      throw new UsageError(`--${name} wants a whole number from ${least}, not ${JSON.stringify(text)}.`)
    return number
  }
  const list = (name: string, text: string | undefined): number[] | undefined =>
    text === undefined ? undefined : text === '' ? [] : text.split(',').map((each) => whole(name, each)!)
  const one = <T extends string>(name: string, text: string, from: readonly T[]): T => {
    const found = from.find((each) => each === text)
    if (found === undefined)
      throw new UsageError(`--${name} is one of ${from.join(', ')}, not ${JSON.stringify(text)}.`)
    return found
  }
  const numbers = Object.fromEntries(
    (['epoch', 'reads', 'sample', 'failures', 'shrinking'] as const).flatMap((name) => {
      const number = whole(name, values[name], name === 'shrinking' || name === 'sample' ? 0 : 1)
      return number === undefined ? [] : [[name, number]]
    }),
  )
  let skip: RegExp | undefined
  try {
    skip = values.skip === undefined ? undefined : new RegExp(values.skip)
  } catch (error) {
    throw new UsageError(`--skip: ${(error as Error).message}`)
  }
  return {
    databases: DATABASES[one('db', values.db, Object.keys(DATABASES) as (keyof typeof DATABASES)[])],
    seed: whole('seed', values.seed)!,
    steps: whole('steps', values.steps, 1)!,
    numbers,
    engine:
      values.engine === undefined
        ? undefined
        : one('engine', values.engine, ['cacheops', 'none', 'never', 'naive'] as const),
    skip,
    log: values.log,
    clients: whole('clients', values.clients, 1),
    first: whole('first', values.first),
    only: list('only', values.only),
    readsOnly: list('reads-only', values['reads-only']),
    progress: values.progress,
    reasons: values.reasons,
    trace: values.trace,
    coverage: values.coverage,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
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
        clients: { type: 'string' },
        first: { type: 'string' },
        only: { type: 'string' },
        'reads-only': { type: 'string' },
        skip: { type: 'string' },
        log: { type: 'string' },
        progress: { type: 'boolean', default: false },
        reasons: { type: 'boolean', default: false },
        trace: { type: 'boolean', default: false },
        coverage: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}
