import { readFileSync } from 'node:fs'
import os from 'node:os'

import type { Breakdown, Figure } from './figure.ts'
import type { Micros } from './measure.ts'

/** What the figures were measured on. */
export interface Machine {
  readonly date: string
  readonly processor: string
  readonly processors: number
  readonly platform: string
  readonly versions: Readonly<Record<string, string>>
}

export function machine(): Machine {
  const cpus = os.cpus()
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: cpus[0]?.model.trim() ?? 'unknown',
    processors: cpus.length,
    platform: `${process.platform} ${process.arch}`,
    versions: {
      node: process.versions.node,
      ...Object.fromEntries(
        ['kysely', '@electric-sql/pglite', 'better-sqlite3', 'pg', 'postgres'].map((name) => [name, versionOf(name)]),
      ),
    },
  }
}

function versionOf(name: string): string {
  const url = new URL(`../../node_modules/${name}/package.json`, import.meta.url)
  return (JSON.parse(readFileSync(url, 'utf8')) as { version: string }).version
}

export function heading({ date, processor, processors, platform, versions }: Machine): string {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return (
    `cacheops bench, ${date}: ${processor}, ${processors} cores, ${platform}\n${named.join(', ')}\n` +
    'Each ratio is of undisturbed times, both sides in turns; in parentheses the median of the rounds and their middle half.\n' +
    'Times are for orientation: they depend on the machine and on what else it does.'
  )
}

/** Whether a figure is as good as it should be; one without a goal is. */
export function isMet({ ratio, goal }: Pick<Figure, 'ratio' | 'goal'>): boolean {
  return goal === undefined || ratio.undisturbed <= goal
}

/** One line of a table. */
export function lineOf({ name, ratio, goal, over, under }: Figure, width: number): string {
  const verdict = goal === undefined ? '' : isMet({ ratio, goal }) ? `goal ≤ ${goal}  met` : `goal ≤ ${goal}  MISSED`
  const spread = `(${number(ratio.median)}, ${number(ratio.low)}–${number(ratio.high)})`
  const cells = [number(ratio.undisturbed).padStart(6), spread.padEnd(21), verdict.padEnd(19)]
  return `  ${name.padEnd(width)} ${cells.join(' ')} ${micros(over.micros)} ÷ ${micros(under.micros)}`.trimEnd()
}

export function linesOf({ name, parts }: Breakdown): string {
  const total = parts.reduce((sum, part) => sum + part.micros, 0)
  const lines = parts.map((part) => {
    const share = `${((100 * part.micros) / total).toFixed(0)} %`
    return `    ${part.name.padEnd(34)} ${micros(part.micros).padStart(10)} ${share.padStart(6)}`
  })
  return [`  ${name}: ${micros(total)}`, ...lines].join('\n')
}

function number(value: number): string {
  return value.toFixed(value < 1 ? 3 : 2)
}

function micros(value: Micros): string {
  return Math.abs(value) >= 1000
    ? `${(value / 1000).toFixed(2)} ms`
    : `${value.toFixed(Math.abs(value) < 10 ? 2 : 1)} µs`
}
