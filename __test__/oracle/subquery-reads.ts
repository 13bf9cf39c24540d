import { sql } from 'kysely'
import type { Kysely, RawBuilder } from 'kysely'
import { jsonArrayFrom as jsonArrayPostgres, jsonObjectFrom as jsonObjectPostgres } from 'kysely/helpers/postgres'
import { jsonArrayFrom as jsonArraySqlite, jsonObjectFrom as jsonObjectSqlite } from 'kysely/helpers/sqlite'

import { conditionOver, pathOf, refOf } from './conditions.ts'
import type { Item } from './conditions.ts'
import { ReadParts } from './read-parts.ts'
import type { Read, Select } from './read-parts.ts'
import { quoted } from './tables.ts'
import { valueOf } from './values.ts'

/** Subqueries wherever the grammar has room for one, and what else joins tables in unusual places. */
export class SubqueryReads extends ReadParts {
  /** In ORDER BY, CASE, HAVING, ON, LIMIT, or as an argument. */
  anywhere(): Read {
    const random = this.random
    const outer: Item = { source: this.source(), alias: 'x' }
    const { inner, where } = this.correlated(outer)
    const [own, columns] = [this.where([outer]), this.columns(outer)]
    const place = random.pick(['order', 'case', 'on', 'coalesce', 'having', 'deep', 'between'] as const)
    const other: Item = { source: this.table(), alias: 'y' }
    const pair = this.pair(outer.source, other.source)
    const number = random.below(3)
    const column =
      random.sample(
        outer.source.columns.filter(({ kind }) => kind !== 'json' && kind !== 'array'),
        1,
      )[0] ?? outer.source.columns[0]!
    const deeper = this.where([{ source: inner.source, alias: 'd' }], true)
    return this.read(`subquery in ${place}`, (db) => {
      const counted = (): RawBuilder<any> =>
        sql`(${where(db.selectFrom(this.from(inner))).select(({ fn }: any) => fn.countAll().as('n'))})`
      const query = own(db.selectFrom(this.from(outer)))
      switch (place) {
        case 'order':
          return columns(query).orderBy(counted()).limit(1000)
        case 'case':
          return query.select(sql`case when ${counted()} > ${sql.lit(number)} then 1 else 0 end`.as('c'))
        case 'on':
          if (pair === undefined) return columns(query).where(counted(), '>', number)
          return (query as any)
            .leftJoin(this.from(other), (join: any) =>
              join
                .onRef(pathOf(outer, pair[0]), '=', pathOf(other, pair[1]))
                .on(sql`${counted()} > ${sql.lit(number)}`),
            )
            .select([`${pathOf(other, other.source.columns[0]!)} as c`])
        case 'coalesce':
          return query.select(sql`coalesce(${counted()}, 0) + 1`.as('c'))
        case 'having': {
          const alone = sql`(select count(*) from ${sql.table(inner.source.name)})`
          return (query as any)
            .select([pathOf(outer, column)])
            .groupBy(pathOf(outer, column))
            .having(sql`${alone} > ${sql.lit(number)}`)
        }
        case 'deep':
          return columns(query).where(({ exists }: any) =>
            exists(
              where(db.selectFrom(this.from(inner)))
                .select(sql`1`.as('one'))
                .where(({ not, exists }: any) =>
                  not(exists(deeper(db.selectFrom(`${inner.source.name} as d`)).select(sql`1`.as('two')))),
                ),
            ),
          )
        default:
          return columns(query).where(sql<boolean>`${counted()} between 1 and ${sql.lit(number + 1)}`)
      }
    })
  }

  /** jsonArrayFrom and jsonObjectFrom of Kysely's helpers. */
  json(): Read {
    const random = this.random
    const outer: Item = { source: this.table(), alias: 'x' }
    const { inner, where } = this.correlated(outer)
    const plain = inner.source.columns.filter(({ kind }) => kind !== 'bytea' && kind !== 'blob' && kind !== 'any')
    if (plain.length === 0) return this.anywhere()
    const list = random.some(plain, 0.3).map((column, index) => `${pathOf(inner, column)} as c${index}`)
    const keys = outer.source.key.map((column, index) => `${pathOf(outer, column)} as k${index}`)
    const order = inner.source.key
    const many = random.chance(0.7) || order.length === 0
    const postgres = this.schema.dialect === 'postgres'
    const own = this.where([outer])
    return this.read(many ? 'json array' : 'json object', (db) => {
      let query: Select = where(db.selectFrom(this.from(inner))).select(list)
      for (const column of order) query = query.orderBy(pathOf(inner, column))
      if (!many) query = query.limit(1)
      const json: any = many
        ? (postgres ? jsonArrayPostgres : jsonArraySqlite)(query as any)
        : (postgres ? jsonObjectPostgres : jsonObjectSqlite)(query as any)
      const from = own(db.selectFrom(this.from(outer)))
      return (keys.length === 0 ? from : from.select(keys)).select(json.as('j'))
    })
  }

  rightJoin(): Read {
    const [x, y]: [Item, Item] = [
      { source: this.source(), alias: 'x' },
      { source: this.source(), alias: 'y' },
    ]
    const pair = this.pair(x.source, y.source)
    const extra = this.random.chance(0.4) ? conditionOver(this.random, this.schema, [x, y], 0) : undefined
    if (pair === undefined) return this.anywhere()
    const where = this.where([x, y])
    const list = [x, y].map((item, index) => `${pathOf(item, this.random.pick(item.source.columns))} as c${index}`)
    return this.read('right join', (db) => {
      const joined = (db.selectFrom(this.from(x)) as any).rightJoin(this.from(y), (join: any) => {
        const on = join.onRef(pathOf(x, pair[0]), '=', pathOf(y, pair[1]))
        return extra === undefined ? on : on.on(extra)
      })
      return where(joined).select(list)
    })
  }

  /** (a, b) IN (SELECT …), = ANY, > ALL. */
  rowIn(): Read {
    const random = this.random
    const outer: Item = { source: this.source(), alias: 'x' }
    const inner: Item = { source: this.table(), alias: 's' }
    const [a, b] = [this.pair(outer.source, inner.source), this.pair(outer.source, inner.source)]
    if (a === undefined || b === undefined) return this.anywhere()
    const [where, columns] = [this.where([inner]), this.columns(outer)]
    const form = random.weighted([
      [3, 'row'],
      [this.schema.dialect === 'postgres' ? 1 : 0, 'any'],
      [this.schema.dialect === 'postgres' ? 1 : 0, 'all'],
      [1, 'exists'],
    ] as const)
    return this.read(`row in select, ${form}`, (db) => {
      const from = where(db.selectFrom(this.from(inner)))
      const one = from.select(pathOf(inner, a[1]))
      const condition =
        form === 'row'
          ? sql<boolean>`(${refOf(outer, a[0])}, ${refOf(outer, b[0])}) in (${from.select([`${pathOf(inner, a[1])} as p`, `${pathOf(inner, b[1])} as q`])})`
          : form === 'any'
            ? sql<boolean>`${refOf(outer, a[0])} = any (${one})`
            : form === 'all'
              ? sql<boolean>`${refOf(outer, a[0])} <> all (${one})`
              : sql<boolean>`exists (${one}) = exists (${from.select(sql`1`.as('one'))})`
      return columns(db.selectFrom(this.from(outer))).where(condition)
    })
  }

  /** Three arms, nested, with ORDER BY and LIMIT; VALUES as an arm. */
  sets(): Read {
    const random = this.random
    const arms = Array.from({ length: 3 }, () => {
      const source = this.table()
      const ints = source.columns.filter(({ kind }) => kind === 'int')
      const item: Item = { source, alias: random.pick([undefined, 't']) }
      const condition = random.chance(0.7) ? sql` where ${conditionOver(random, this.schema, [item], 0)}` : sql``
      const column = ints.length === 0 ? sql`1` : refOf(item, random.pick(ints))
      const name = sql`${sql.table(source.name)}${sql.raw(item.alias === undefined ? '' : ' as t')}`
      return sql`select ${column} as v from ${name}${condition}`
    })
    const [first, second] = Array.from({ length: 2 }, () =>
      sql.raw(random.pick(['union', 'union all', 'except', 'intersect'])),
    )
    const form = random.below(4)
    const raw =
      form === 0
        ? sql`${arms[0]} ${first} ${arms[1]} ${second} ${arms[2]} order by v`
        : form === 1
          ? sql`select v, count(*) as n from (${arms[0]} ${first} select * from (${arms[1]} ${second} ${arms[2]}) as i) as u group by v`
          : form === 2
            ? sql`${arms[0]} ${first} values (1), (2) ${second} ${arms[2]}`
            : sql`with u(v) as (${arms[0]} ${first} ${arms[1]}) select * from u ${second} select max(v) from (${arms[2]}) as m`
    return { label: 'sets', ordered: false, build: () => ({ raw }) }
  }

  /** CTEs that shadow tables, of each other, unused ones, and in subqueries. */
  ctes(): Read {
    const random = this.random
    const [a, b] = [this.table(), this.table()]
    const item: Item = { source: a, alias: undefined }
    const condition = conditionOver(random, this.schema, [item], 0)
    const [nameA, nameB] = [sql.id(a.name), sql.id(b.name)]
    const hides = sql.raw(quoted(random.pick(this.schema.tables).name))
    const column = sql.id(random.pick(a.columns).name)
    const materialized = sql.raw(random.pick(['', '', 'materialized ', 'not materialized ']))
    const raw = random.pick(
      [
        () => sql`with ${nameB} as (select ${column} as v from ${nameA} where ${condition}) select * from ${nameB}`,
        () => sql`with ${hides} as (select 1 as v) select *, (select count(*) from ${nameA}) as n from ${hides}`,
        () =>
          sql`with p as ${materialized}(select * from ${nameA} where ${condition}), q as (select count(*) as n from p), r as (select count(*) as m from ${nameB}) select * from q`,
        () =>
          sql`with p as (select count(*) as n from ${nameB}) select ${column} as c, (with p as (select 5 as n) select n from p) as i, (select n from p) as o from ${nameA} where ${condition}`,
        () =>
          sql`select (with i as (select ${column} as c from ${nameA} where ${condition}) select count(*) from i) as n`,
        () =>
          sql`with recursive r(n) as (select 0 union all select n + 1 from r where n < (select min(3, count(*)) from ${nameA})) select n from r`,
      ].filter((_, index) => index !== 5 || this.schema.dialect === 'sqlite'),
    )()
    return { label: 'ctes', ordered: false, build: () => ({ raw }) }
  }

  windows(): Read {
    const random = this.random
    const table = this.table()
    if (table.key.length === 0) return this.anywhere()
    const item: Item = { source: table, alias: 't' }
    const order = sql.join(table.key.map((column) => refOf(item, column)))
    const exact = table.columns.filter(({ exact, kind }) => exact && kind !== 'array')
    const by = refOf(item, random.pick(exact.length > 0 ? exact : table.key))
    const where = this.where([item])
    const over = random.pick([
      sql`count(*) over (partition by ${by})`,
      sql`first_value(${by}) over (order by ${order} rows between 1 preceding and 1 following)`,
      sql`rank() over (order by ${by})`,
      sql`dense_rank() over (partition by ${by} order by ${order})`,
      sql`max(${refOf(item, table.key[0]!)}) over (order by ${order} groups between unbounded preceding and current row exclude current row)`,
    ])
    const top = random.chance(0.3)
    return this.read('windows', (db) => {
      const query = where(db.selectFrom(this.from(item)))
        .select(table.key.map((column, index) => `${pathOf(item, column)} as k${index}`))
        .select(over.as('w'))
      return top ? (db.selectFrom(query.as('ranked')).selectAll().where(sql.ref('w'), 'is not', null) as any) : query
    })
  }

  /** What only PostgreSQL has. */
  postgres(): Read {
    const random = this.random
    const table = this.table()
    const name = sql.id(table.name)
    const item: Item = { source: table, alias: undefined }
    const condition = conditionOver(random, this.schema, [item], 1)
    const exact = table.columns.filter(({ exact, kind }) => exact && kind !== 'array' && kind !== 'json')
    const column = sql.id(random.pick(exact.length > 0 ? exact : table.columns).name)
    const keys = table.key.length > 0 ? sql`, ${sql.join(table.key.map(({ name }) => sql.id(name)))}` : sql``
    const raw = random.pick([
      () => sql`select distinct on (${column}) * from ${name} where ${condition} order by ${column}${keys}`,
      () =>
        sql`select ${column}, count(*) as n from ${name} where ${condition} group by grouping sets ((${column}), ())`,
      () => sql`select ${column}, count(*) as n from ${name} group by rollup (${column})`,
      () => sql`select array_agg(${column} order by ${column}${keys}) as a from ${name} where ${condition}`,
      () => sql`select array(select ${column} from ${name} where ${condition} order by ${column}) as a`,
      () =>
        sql`select x.v, l.n from (values (1), (2)) as x(v) left join lateral (select count(*) + x.v as n from ${name} where ${condition}) as l on true`,
      () => sql`select u.v, exists (select from ${name} where ${condition}) as e from unnest(array[1, 2]) as u(v)`,
      () =>
        sql`select json_agg(row_to_json(t) order by t::text) as j from ${name} as t where ${conditionOver(random, this.schema, [{ source: table, alias: 't' }], 1)}`,
      () => sql`select count(*) filter (where ${condition}) as n, bool_or(${column} is null) as b from ${name}`,
      () =>
        sql`with recursive r(n) as (select 0 union select n + 1 from r where n < 2 and exists (select from ${name} where ${condition})) select n from r`,
      () => sql`select * from ${name} where ${condition} order by ${column}${keys} fetch first 2 rows with ties`,
      () => sql`select * from ${name} as t where t = (select i from ${name} as i order by i::text limit 1)`,
    ])()
    return { label: 'postgres', ordered: false, build: () => ({ raw }) }
  }

  /** A whole value of another type than the column's. */
  stranger(): Read {
    const random = this.random
    const item: Item = { source: this.source(), alias: undefined }
    const column = random.pick(item.source.columns)
    const kind = random.pick(item.source.columns).kind
    const value = valueOf(random, this.schema.dialect, kind, { odd: 0.6, nulls: 0 })
    if (Array.isArray(value)) return this.anywhere()
    const columns = this.columns(item)
    return this.read('stranger', (db: Kysely<any>) =>
      columns(db.selectFrom(this.from(item))).where(pathOf(item, column), '=', value),
    )
  }
}
