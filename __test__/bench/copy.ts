/** 6: fresh rows out of the store, against what the platform has for it. */

import { deepStrictEqual } from 'node:assert/strict'

import type * as Rows from '../../ts/rows.ts'
import { figure } from './figure.ts'
import type { Figure, Group } from './figure.ts'
import { each, QUICK, take } from './measure.ts'
import type { Variant } from './measure.ts'

const GOAL = 0.3
const TITLE = 'fresh rows of a hit ÷ structuredClone'
const OTHER_SHAPES = 40

export function copies(): Group {
  return {
    id: 'copy',
    title: TITLE,
    async measure(wanted) {
      const alone = await freshModule('alone')
      const among = await freshModule('among')
      copyOthers(among)
      const figures: Figure[] = []
      for (const count of [1, 20, 1000]) {
        for (const [where, rows] of [
          ['no other rows seen', alone],
          [`${OTHER_SHAPES} other kinds of rows seen`, among],
        ] as const) {
          const name = `${count} rows of 8 columns, ${where}`
          if (wanted(name)) figures.push(await measure(name, rows, count))
        }
      }
      return { figures }
    },
  }
}

async function measure(name: string, { copyOf, keep }: typeof Rows, count: number): Promise<Figure> {
  const rows = Array.from({ length: count }, (_, index) => rowOf(index))
  const kept = keep({ rows }, 2 ** 24) as Rows.KeptResult
  const copy = copyOf(kept).rows as ReturnType<typeof rowOf>[]
  deepStrictEqual(copy, rows)
  copy[0]!.digest.fill(0)
  copy[0]!.added_at.setTime(0)
  deepStrictEqual(copyOf(kept).rows, rows, 'nobody else holds a fresh row')
  const variants: readonly Variant[] = [
    { name: 'copyOf', run: each(() => copyOf(kept)) },
    { name: 'structuredClone', run: each(() => structuredClone(rows)) },
  ]
  return figure({ group: TITLE, name, goal: GOAL }, variants, await take(variants, QUICK), [0, 1])
}

function rowOf(index: number) {
  return {
    id: index,
    name: `A track with a name ${index}`,
    bytes: 4_000_000_000_000n + BigInt(index),
    unit_price: '0.99',
    rating: index / 10,
    explicit: index % 9 === 0,
    added_at: new Date(Date.UTC(2021, 0, 1) + index * 1_000_003),
    digest: Buffer.from(`digest ${index}`.padEnd(32, '.')),
  }
}

/**
 * The optimising compiler specialises a function for the kinds of objects that it has seen; each module object starts
 * anew, so that one of them can be spared the others' rows.
 */
function freshModule(name: string): Promise<typeof Rows> {
  return import(new URL(`../../ts/rows.ts?${name}`, import.meta.url).href) as Promise<typeof Rows>
}

function copyOthers({ copyOf, keep }: typeof Rows): void {
  for (let kind = 0; kind < OTHER_SHAPES; kind++) {
    const columns = Array.from({ length: 3 + (kind % 10) }, (_, column) => [
      `column_${kind}_${column}`,
      valueOf(column),
    ])
    const kept = keep({ rows: [Object.fromEntries(columns), Object.fromEntries(columns)] }, 2 ** 20) as Rows.KeptResult
    for (let i = 0; i < 300; i++) copyOf(kept)
  }
}

function valueOf(column: number): unknown {
  return [column, `text ${column}`, null, new Date(column), { nested: [column] }, true][column % 6]
}
