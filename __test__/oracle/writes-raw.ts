import { sql } from 'kysely'
import type { Kysely, RawBuilder } from 'kysely'

import { conditionOver, keyCondition, refOf } from './conditions.ts'
import type { Item } from './conditions.ts'
import type { Column, Table } from './tables.ts'
import { operandOf } from './values.ts'
import { WriteParts } from './write-parts.ts'
import type { Write } from './write-parts.ts'

/** Statements that write in the less usual forms of the grammar, as texts. */
export class RawWrites extends WriteParts {
  rare(): Write {
    const { postgres } = this
    const [label, text] = this.random.weighted<() => [string, RawBuilder<unknown>]>([
      [5, () => this.#upsert()],
      [postgres ? 0 : 4, () => this.#or()],
      [5, () => this.#withCte()],
      [1, () => this.#defaults()],
      [3, () => this.#rowValues()],
      [4, () => this.#fromSelect()],
      [3, () => this.#correlated()],
      [3, () => this.#returning()],
      [postgres ? 5 : 0, () => this.#merge()],
      [postgres ? 2 : 0, () => this.#block()],
      [postgres ? 2 : 0, () => this.#locking()],
      [postgres ? 2 : 0, () => this.#truncate()],
      [postgres ? 3 : 0, () => this.#modifyingCtes()],
    ])()
    return { label, run: (db: Kysely<any>) => text.execute(db) }
  }

  #operand(column: Column, table: Table): RawBuilder<unknown> {
    return operandOf(this.random, this.schema.dialect, this.valueOfLink(table, column))
  }

  #insert(
    table: Table,
    count = 1,
  ): { into: RawBuilder<unknown>; columns: RawBuilder<unknown>; values: RawBuilder<unknown> } {
    const rows = this.rows(table, count)
    const names = Object.keys(rows[0]!)
    const tuples = rows.map(
      (row) => sql`(${sql.join(names.map((name) => operandOf(this.random, this.schema.dialect, row[name])))})`,
    )
    const columns = sql.join(names.map((name) => sql.id(name)))
    return { into: sql`${sql.id(table.name)} (${columns})`, columns, values: sql.join(tuples) }
  }

  #sets(table: Table): RawBuilder<unknown> {
    const columns = this.settable(table)
    const chosen = columns.length === 0 ? [table.columns[0]!] : this.random.sample(columns, this.random.between(1, 2))
    return sql.join(chosen.map((column) => sql`${sql.id(column.name)} = ${this.#operand(column, table)}`))
  }

  #condition(table: Table, alias?: string): RawBuilder<unknown> {
    const item: Item = { source: table, alias }
    return table.key.length > 0 && this.random.chance(0.4)
      ? sql`${keyCondition(this.random, this.schema, item)}`
      : sql`${conditionOver(this.random, this.schema, [item], 1)}`
  }

  /** On a partial index, on an expression, on anything, on several. */
  #upsert(): [string, RawBuilder<unknown>] {
    const random = this.random
    const aimed = this.schema.tables.filter(({ targets }) => targets !== undefined && targets.length > 0)
    const table = aimed.length > 0 && random.chance(0.8) ? random.pick(aimed) : this.table()
    const { into, values } = this.#insert(table, random.between(1, 3))
    const target = (table.targets ?? []).length > 0 ? sql.raw(random.pick(table.targets!)) : undefined
    const update = sql`do update set ${this.#sets(table)}`
    const clause =
      target === undefined
        ? sql`on conflict do nothing`
        : random.chance(0.3)
          ? sql`on conflict ${target} do nothing`
          : this.postgres || random.chance(0.6)
            ? sql`on conflict ${target} ${update}`
            : sql`on conflict ${target} ${update} on conflict do nothing`
    return ['upsert on index', sql`insert into ${into} values ${values} ${clause}`]
  }

  #or(): [string, RawBuilder<unknown>] {
    const table = this.table()
    const how = this.random.pick(['replace', 'ignore', 'fail', 'abort', 'rollback', 'REPLACE'])
    return [
      `update or ${how.toLowerCase()}`,
      sql`update or ${sql.raw(how)} ${sql.id(table.name)} set ${this.#sets(table)} where ${this.#condition(table)}`,
    ]
  }

  #withCte(): [string, RawBuilder<unknown>] {
    const random = this.random
    const [table, other] = [this.table(), this.table()]
    const pairs = table.columns.flatMap((a) =>
      other.columns.filter((b) => b.kind === a.kind && a.kind !== 'json').map((b) => [a, b] as const),
    )
    const [a, b] = pairs.length > 0 ? random.pick(pairs) : [table.columns[0]!, other.columns[0]!]
    const cte = sql`with w(v) as (select ${sql.id(b.name)} from ${sql.id(other.name)} where ${this.#condition(other)})`
    const hit = sql`${sql.id(a.name)} in (select v from w)`
    const { into, values } = this.#insert(table)
    return random.pick<() => [string, RawBuilder<unknown>]>([
      () => ['cte and update', sql`${cte} update ${sql.id(table.name)} set ${this.#sets(table)} where ${hit}`],
      () => ['cte and delete', sql`${cte} delete from ${sql.id(table.name)} where ${hit}`],
      () => ['cte and insert', sql`${cte} insert into ${into} values ${values}`],
      () => [
        'cte and insert select',
        sql`${cte} insert into ${sql.id(table.name)} (${sql.id(a.name)}) select v from w`,
      ],
    ])()
  }

  #defaults(): [string, RawBuilder<unknown>] {
    return ['default values', sql`insert into ${sql.id(this.table().name)} default values`]
  }

  #rowValues(): [string, RawBuilder<unknown>] {
    const random = this.random
    const table = this.table()
    const columns = random.sample(this.settable(table), 2)
    if (columns.length < 2) return this.#defaults()
    const names = sql.join(columns.map(({ name }) => sql.id(name)))
    const source = this.table()
    const select = columns.map(({ kind }) => source.columns.find((each) => each.kind === kind))
    const right =
      select.some((each) => each === undefined) || random.chance(0.5)
        ? sql`(${sql.join(columns.map((column) => this.#operand(column, table)))})`
        : sql`(select ${sql.join(select.map((each) => sql.id(each!.name)))} from ${sql.id(source.name)} order by ${sql.join(source.columns.map((_, i) => sql.lit(Math.min(i, 1) + 1)))} limit 1)`
    return [
      'update of a row value',
      sql`update ${sql.id(table.name)} set (${names}) = ${right} where ${this.#condition(table)}`,
    ]
  }

  #fromSelect(): [string, RawBuilder<unknown>] {
    const random = this.random
    const [table, other] = [this.table(), this.table()]
    const pairs = table.columns.flatMap((a) =>
      other.columns.filter((b) => b.kind === a.kind && a.kind !== 'json').map((b) => [a, b] as const),
    )
    const column = random.pick(this.settable(table, true))
    const same = other.columns.find(({ kind }) => kind === column.kind)
    if (pairs.length === 0 || same === undefined) return this.#updateAll(table)
    const [a, b] = random.pick(pairs)
    // One row at most for each, or what is set depends on the plan.
    const grouped = sql`(select ${sql.id(b.name)} as k, max(cast(${sql.id(same.name)} as text)) as v, count(*) as n from ${sql.id(other.name)} where ${this.#condition(other)} group by 1) as s`
    const value = column.kind === 'text' ? sql`s.v` : this.#operand(column, table)
    const more = random.chance(0.4) ? sql` and s.n > ${sql.lit(random.below(2))}` : sql``
    return [
      'update from select',
      sql`update ${sql.id(table.name)} as t set ${sql.id(column.name)} = ${value} from ${grouped} where t.${sql.id(a.name)} = s.k${more}`,
    ]
  }

  #updateAll(table: Table): [string, RawBuilder<unknown>] {
    return ['update all', sql`update ${sql.id(table.name)} set ${this.#sets(table)}`]
  }

  #correlated(): [string, RawBuilder<unknown>] {
    const random = this.random
    const [table, other] = [this.table(), this.table()]
    const target: Item = { source: table, alias: table.name }
    const inner: Item = { source: other, alias: 's' }
    const both = sql`${conditionOver(random, this.schema, [inner, target], 1)}`
    const exists = sql`${sql.raw(random.pick(['', 'not ']))}exists (select 1 from ${sql.id(other.name)} as s where ${both})`
    if (random.chance(0.5)) return ['delete where exists', sql`delete from ${sql.id(table.name)} where ${exists}`]
    const ints = this.settable(table).filter(({ kind }) => kind === 'int')
    const set =
      ints.length > 0
        ? sql`${sql.id(ints[0]!.name)} = (select count(*) from ${sql.id(other.name)} as s where ${both})`
        : this.#sets(table)
    return ['update by correlation', sql`update ${sql.id(table.name)} set ${set} where ${exists}`]
  }

  #returning(): [string, RawBuilder<unknown>] {
    const random = this.random
    const table = this.table()
    const column = random.pick(table.columns)
    const ref = refOf({ source: table, alias: undefined }, column)
    const list = random.pick([
      sql`*, ${ref} as again`,
      sql`(select count(*) from ${sql.id(this.table().name)}) as n`,
      ...(this.postgres && this.schema.version >= 18
        ? [
            sql`old.${sql.id(column.name)} as o, new.${sql.id(column.name)} as n`,
            sql`old.*, new.*`,
            sql`with (old as before) before.${sql.id(column.name)} as b`,
          ]
        : []),
    ])
    return random.pick<() => [string, RawBuilder<unknown>]>([
      () => [
        'update returning',
        sql`update ${sql.id(table.name)} set ${this.#sets(table)} where ${this.#condition(table)} returning ${list}`,
      ],
      () => [
        'delete returning',
        sql`delete from ${sql.id(table.name)} where ${this.#condition(table)} returning ${list}`,
      ],
      () => {
        const { into, values } = this.#insert(table)
        return ['insert returning', sql`insert into ${into} values ${values} returning ${list}`]
      },
    ])()
  }

  #merge(): [string, RawBuilder<unknown>] {
    const random = this.random
    const [table, other] = [this.table(), this.table()]
    const pairs = table.columns.flatMap((a) =>
      other.columns.filter((b) => b.kind === a.kind && a.kind !== 'json').map((b) => [a, b] as const),
    )
    if (pairs.length === 0) return this.#updateAll(table)
    const [a, b] = random.pick(pairs)
    const t: Item = { source: table, alias: 't' }
    const condition = random.chance(0.5) ? sql` and ${conditionOver(random, this.schema, [t], 0)}` : sql``
    const { columns, values } = this.#insert(table)
    const recent = this.schema.version >= 17
    const clauses = random.sample(
      [
        sql`when matched${condition} then update set ${this.#sets(table)}`,
        sql`when matched${condition} then delete`,
        sql`when matched${condition} then do nothing`,
        sql`when not matched then insert (${columns}) values ${values}`,
        ...(recent
          ? [
              sql`when not matched by source${condition} then delete`,
              sql`when not matched by source then update set ${this.#sets(table)}`,
            ]
          : []),
      ],
      random.between(1, 3),
    )
    const returning = random.chance(0.3) && recent ? sql` returning merge_action() as did, t.*` : sql``
    return [
      'merge of several',
      sql`merge into ${sql.id(table.name)} as t using ${sql.id(other.name)} as o on t.${sql.id(a.name)} = o.${sql.id(b.name)} ${sql.join(clauses, sql` `)}${returning}`,
    ]
  }

  #block(): [string, RawBuilder<unknown>] {
    const random = this.random
    const table = this.table()
    const int = this.settable(table).find(({ kind }) => kind === 'int')
    if (int === undefined) return this.#truncate()
    const [name, column] = [`"${table.name}"`, `"${int.name}"`]
    const body = random.pick([
      `update ${name} set ${column} = 1 where ${column} = ${random.below(4)};`,
      `execute format('delete from %I where ${column} = 3', '${table.name}');`,
      `begin update ${name} set ${column} = 0; raise exception 'undone'; exception when others then null; end;`,
    ])
    return ['do', sql.raw(`do $$ begin ${body} end $$`)]
  }

  #locking(): [string, RawBuilder<unknown>] {
    const table = this.table()
    return [
      'locking read',
      sql`select * from ${sql.id(table.name)} where ${this.#condition(table)} for ${sql.raw(this.random.pick(['update', 'share', 'no key update skip locked']))}`,
    ]
  }

  #truncate(): [string, RawBuilder<unknown>] {
    const names = [...new Set([this.table().name, this.table().name])].map((name) => `"${name}"`).join(', ')
    return ['truncate of several', sql.raw(`TRUNCATE TABLE ONLY ${names}${this.random.pick(['', ' CASCADE'])}`)]
  }

  /** Several statements in one, some of them unread. */
  #modifyingCtes(): [string, RawBuilder<unknown>] {
    const random = this.random
    const [a, b] = [this.table(), this.table()]
    const { into, values } = this.#insert(a)
    return random.pick<() => [string, RawBuilder<unknown>]>([
      () => [
        'unread CTEs',
        sql`with d as (delete from ${sql.id(a.name)} where ${this.#condition(a)}), u as (update ${sql.id(b.name)} set ${this.#sets(b)} where ${this.#condition(b)}) select 1 as one`,
      ],
      () => [
        'CTE of an insert',
        sql`with i as (insert into ${into} values ${values} on conflict do nothing returning *) select count(*) as n from i`,
      ],
      () => [
        'moved rows',
        sql`with d as (delete from ${sql.id(a.name)} where ${this.#condition(a)} returning *) insert into ${sql.id(a.name)} select * from d`,
      ],
      () => [
        'CTE and delete',
        sql`with u as (update ${sql.id(b.name)} set ${this.#sets(b)} returning *) delete from ${sql.id(a.name)} where (select count(*) from u) > 1`,
      ],
    ])()
  }
}
