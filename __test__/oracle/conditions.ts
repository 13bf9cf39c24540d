import { expressionBuilder, sql } from 'kysely'
import type { Expression, RawBuilder, SqlBool } from 'kysely'

import type { Random } from './random.ts'
import type { Column, Schema, Source } from './tables.ts'
import { operandOf, valueOf } from './values.ts'

/** A table or view under the name that a query gives it; undefined: its columns stand alone. */
export interface Item {
  readonly source: Source
  readonly alias: string | undefined
}

type Condition = Expression<SqlBool>

const builder = expressionBuilder<any, any>()

export function pathOf({ alias }: Item, column: Column): string {
  return alias === undefined ? column.name : `${alias}.${column.name}`
}

export function refOf(item: Item, column: Column): RawBuilder<any> {
  return sql.ref(pathOf(item, column))
}

/** A random condition over the columns of `items`. */
export function conditionOver(random: Random, schema: Schema, items: readonly Item[], depth = 2): Condition {
  if (depth > 0 && random.chance(0.4)) {
    const parts = Array.from({ length: random.between(2, 3) }, () => conditionOver(random, schema, items, depth - 1))
    const raw = random.chance(0.3)
    switch (random.below(5)) {
      case 0:
      case 1:
        return raw ? sql<SqlBool>`(${sql.join(parts, sql` and `)})` : builder.and(parts)
      case 2:
      case 3:
        return raw ? sql<SqlBool>`(${sql.join(parts, sql` OR `)})` : builder.or(parts)
      default:
        return sql<SqlBool>`not (${parts[0]!})`
    }
  }
  const item = random.pick(items)
  // Keys are what most conditions are about.
  const likely = item.source.columns.filter(
    (column) => column.kind === 'int' || column.kind === 'text' || column.kind === 'fold',
  )
  const column = random.chance(0.6) && likely.length > 0 ? random.pick(likely) : random.pick(item.source.columns)
  return leaf(random, schema, items, item, column)
}

/** `column = value` for each column of the key, or something that means the same. */
export function keyCondition(random: Random, schema: Schema, item: Item): Condition {
  const parts = item.source.key.map((column) => {
    const value = valueOf(random, schema.dialect, column.kind, { odd: 0.05, nulls: 0 })
    return random.chance(0.5)
      ? builder(pathOf(item, column), '=', value)
      : sql<SqlBool>`${refOf(item, column)} = ${operandOf(random, schema.dialect, value)}`
  })
  return parts.length === 1 ? parts[0]! : builder.and(parts)
}

function leaf(random: Random, schema: Schema, items: readonly Item[], item: Item, column: Column): Condition {
  const { dialect } = schema
  const postgres = dialect === 'postgres'
  const path = pathOf(item, column)
  const ref = refOf(item, column)
  // Kysely would take an array for a list of values.
  const value = (nulls = 0.03): unknown => {
    const chosen = valueOf(random, dialect, column.kind, { nulls })
    return Array.isArray(chosen) ? sql.val(chosen) : chosen
  }
  const operand = (): RawBuilder<unknown> =>
    operandOf(random, dialect, valueOf(random, dialect, column.kind, { nulls: 0.03 }))
  const texts = column.kind === 'text' || column.kind === 'varchar' || column.kind === 'fold' || column.kind === 'trim'
  return random.weighted<() => Condition>([
    [10, () => builder(path, '=', value())],
    [8, () => sql<SqlBool>`${ref} = ${operand()}`],
    [1, () => sql<SqlBool>`${operand()} = ${ref}`],
    [
      5,
      () =>
        builder(
          path,
          'in',
          Array.from({ length: random.between(1, 3) }, () => value()),
        ),
    ],
    [2, () => sql<SqlBool>`${ref} in (${sql.join(Array.from({ length: random.between(1, 4) }, operand))})`],
    [1, () => builder(path, 'not in', [value(0)])],
    [2, () => builder(path, 'is', null)],
    [2, () => builder(path, 'is not', null)],
    [2, () => builder(path, '<>', value(0))],
    [2, () => builder(path, random.pick(['<', '>=', '<=', '>'] as const), value(0))],
    [1, () => sql<SqlBool>`${ref} between ${operand()} and ${operand()}`],
    [1, () => sql<SqlBool>`not ${ref} = ${operand()}`],
    [2, () => (postgres ? sql<SqlBool>`${ref} is not distinct from ${value()}` : sql<SqlBool>`${ref} is ${operand()}`)],
    [1, () => (postgres ? sql<SqlBool>`${ref} is distinct from ${value()}` : sql<SqlBool>`${ref} is not ${operand()}`)],
    [texts ? 3 : 0, () => builder(path, 'like', random.pick(['a%', '%', 'A_', '%1%']))],
    [texts ? 2 : 0, () => sql<SqlBool>`lower(${ref}) = ${random.pick(['a', 'b', 'ä'])}`],
    [
      texts ? 1 : 0,
      () =>
        sql<SqlBool>`${ref} = ${value()} collate ${sql.raw(postgres ? '"C"' : random.pick(['nocase', 'binary', 'RTRIM']))}`,
    ],
    [column.kind === 'bool' ? 12 : 0, () => (random.chance(0.5) ? sql<SqlBool>`${ref}` : sql<SqlBool>`not ${ref}`)],
    [column.kind === 'int' ? 2 : 0, () => sql<SqlBool>`${ref} + 0 = ${random.below(4)}`],
    [
      column.kind === 'int' && postgres ? 2 : 0,
      () => sql<SqlBool>`${ref} = any(${[random.below(4), random.below(4)]})`,
    ],
    [column.kind === 'int' && postgres ? 1 : 0, () => sql<SqlBool>`${ref}::text = ${random.pick(['1', '2', '01'])}`],
    [1, () => sql<SqlBool>`coalesce(${ref}, ${value(0)}) = ${value(0)}`],
    [
      1,
      () =>
        sql<SqlBool>`case when ${ref} is null then ${builder(path, 'is', null)} else ${builder(path, '=', value(0))} end`,
    ],
    [2, () => sameKinds(random, items, item, column) ?? builder(path, '=', value(0))],
    [1, () => rowValue(random, schema, item)],
  ])()
}

function sameKinds(random: Random, items: readonly Item[], item: Item, column: Column): Condition | undefined {
  const candidates = items.flatMap((each) =>
    each.source.columns
      .filter((other) => other.kind === column.kind && !(each === item && other === column))
      .map((other) => refOf(each, other)),
  )
  return candidates.length === 0 ? undefined : sql<SqlBool>`${refOf(item, column)} = ${random.pick(candidates)}`
}

function rowValue(random: Random, schema: Schema, item: Item): Condition {
  const [a, b] = [random.pick(item.source.columns), random.pick(item.source.columns)]
  const pair = (): RawBuilder<unknown> =>
    sql`(${valueOf(random, schema.dialect, a.kind, { nulls: 0 })}, ${valueOf(random, schema.dialect, b.kind, { nulls: 0 })})`
  const left = sql`(${refOf(item, a)}, ${refOf(item, b)})`
  return random.chance(0.5) || schema.dialect === 'sqlite'
    ? sql<SqlBool>`${left} = ${pair()}`
    : sql<SqlBool>`${left} in (${pair()}, ${pair()})`
}
