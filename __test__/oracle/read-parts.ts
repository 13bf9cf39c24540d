import type { Kysely, RawBuilder, SelectQueryBuilder } from 'kysely'

import { conditionOver, pathOf } from './conditions.ts'
import type { Item } from './conditions.ts'
import type { Random } from './random.ts'
import type { Column, Schema, Source } from './tables.ts'

export type Select = SelectQueryBuilder<any, any, any>

export type Built = { readonly builder: Select } | { readonly raw: RawBuilder<unknown> }

/** A query of the pool. The same on any instance: everything random has been chosen. */
export interface Read {
  readonly label: string
  /** its text says in which order all of its rows come */
  readonly ordered: boolean
  build(db: Kysely<any>): Built
}

/** What random queries are put together from. */
export class ReadParts {
  protected readonly random: Random
  protected readonly schema: Schema

  constructor(random: Random, schema: Schema) {
    this.random = random
    this.schema = schema
  }

  protected source(): Source {
    const { tables, views } = this.schema
    return this.random.pick<Source>(views.length > 0 && this.random.chance(0.2) ? views : tables)
  }

  protected table(): Source {
    return this.random.pick(this.schema.tables)
  }

  protected item(source: Source, alias?: string): Item {
    // The name of the table itself, when it needs no alias, or none at all.
    return { source, alias: alias ?? this.random.pick([undefined, undefined, source.name]) }
  }

  protected from(item: Item): string {
    return item.alias === undefined || item.alias === item.source.name
      ? item.source.name
      : `${item.source.name} as ${item.alias}`
  }

  protected where(items: readonly Item[], always = false): (query: Select) => Select {
    const random = this.random
    const conditions = Array.from(
      {
        length: always
          ? random.between(1, 2)
          : random.weighted([
              [1, 0],
              [4, 1],
              [2, 2],
            ]),
      },
      () => conditionOver(random, this.schema, items),
    )
    return (query) => conditions.reduce<Select>((each, condition) => each.where(condition), query)
  }

  /** A list of columns, or all of them. */
  protected columns(item: Item): (query: Select) => Select {
    const random = this.random
    if (random.chance(0.35))
      return (query) => (item.alias === undefined ? query.selectAll() : query.selectAll(item.alias))
    const chosen = random.some(item.source.columns, 0.4)
    const list = chosen.map((column, index) =>
      random.chance(0.2) ? `${pathOf(item, column)} as c${index}` : pathOf(item, column),
    )
    return (query) => query.select(list)
  }

  protected onSchema(): (db: Kysely<any>) => Kysely<any> {
    if (!this.random.chance(0.06)) return (db) => db
    const name = this.schema.dialect === 'postgres' ? 'public' : 'main'
    return (db) => db.withSchema(name)
  }

  protected read(label: string, make: (db: Kysely<any>) => Select, ordered = false): Read {
    const on = this.onSchema()
    return { label, ordered, build: (db) => ({ builder: make(on(db)) }) }
  }

  /** Two columns to join on: a foreign key's, or any two of one kind. */
  protected pair(left: Source, right: Source): [Column, Column] | undefined {
    const random = this.random
    const foreign = this.schema.tables.flatMap((table) =>
      table.foreign.flatMap(({ column, parent, references }): [Column, Column][] => {
        if (table.name === left.name && parent.name === right.name) return [[column, references]]
        if (table.name === right.name && parent.name === left.name) return [[references, column]]
        return []
      }),
    )
    if (foreign.length > 0 && random.chance(0.8)) return random.pick(foreign)
    const same = left.columns.flatMap((a) =>
      right.columns.filter((b) => b.kind === a.kind && a.kind !== 'json').map((b): [Column, Column] => [a, b]),
    )
    return same.length === 0 ? undefined : random.pick(same)
  }

  /** A subquery's source, and how it hangs on the outer query. */
  protected correlated(outer: Item): { inner: Item; where: (query: Select) => Select } {
    const inner: Item = { source: this.source(), alias: 's' }
    const pair = this.pair(outer.source, inner.source)
    const where = this.where([inner])
    const correlate = pair !== undefined && this.random.chance(0.7)
    return {
      inner,
      where: (query) =>
        correlate ? where(query).whereRef(pathOf(inner, pair[1]), '=', pathOf(outer, pair[0])) : where(query),
    }
  }
}
