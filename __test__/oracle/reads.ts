import { sql } from 'kysely'

import { conditionOver, keyCondition, pathOf, refOf } from './conditions.ts'
import type { Item } from './conditions.ts'
import type { Random } from './random.ts'
import { specialTexts } from './special.ts'
import { ReadParts } from './read-parts.ts'
import type { Read, Select } from './read-parts.ts'
import { quoted } from './tables.ts'
import type { Column, Schema } from './tables.ts'
import { SubqueryReads } from './subquery-reads.ts'
import { literalOf, valueOf } from './values.ts'

type Make = (maker: ReadMaker) => Read

/** @param automatic the cache must find out by itself what must not be cached, so that such queries belong to the pool. */
export function makeReads(random: Random, schema: Schema, count: number, automatic: boolean): Read[] {
  const maker = new ReadMaker(random, schema)
  const { functions, dialect } = schema
  const postgres = dialect === 'postgres'
  const kinds: [number, Make][] = [
    [14, (m) => m.single()],
    [5, (m) => m.byKey()],
    [4, (m) => m.ordered()],
    [9, (m) => m.join('inner')],
    [4, (m) => m.join('left')],
    [postgres ? 2 : 1, (m) => m.join('full')],
    [2, (m) => m.commaJoin()],
    [3, (m) => m.selfJoin()],
    [4, (m) => m.exists()],
    [3, (m) => m.inSelect()],
    [3, (m) => m.scalarSelect()],
    [3, (m) => m.cte()],
    [2, (m) => m.recursive()],
    [3, (m) => m.setOperation()],
    [3, (m) => m.groupBy()],
    [4, (m) => m.count()],
    [2, (m) => m.aggregate()],
    [2, (m) => m.distinct()],
    [2, (m) => m.derived()],
    [2, (m) => m.window()],
    [2, (m) => m.selectExists()],
    [7, (m) => m.raw()],
    [2, (m) => m.rawJoin()],
    [postgres ? 2 : 1, (m) => m.special()],
    [postgres ? 2 : 0, (m) => m.lateral()],
    [functions.immutable.length > 0 ? 1 : 0, (m) => m.call(functions.immutable)],
    // With `.cache()` the user vouches for a function; left to itself the cache must not trust it.
    [automatic && functions.reading.length > 0 ? 2 : 0, (m) => m.call(functions.reading)],
  ]
  const sub = new SubqueryReads(random, schema)
  kinds.push(
    [6, () => sub.anywhere()],
    [4, () => sub.json()],
    [3, () => sub.rightJoin()],
    [3, () => sub.rowIn()],
    [3, () => sub.sets()],
    [3, () => sub.ctes()],
    [2, () => sub.windows()],
    [postgres ? 6 : 0, () => sub.postgres()],
    [2, () => sub.stranger()],
  )
  return Array.from({ length: count }, () => random.weighted(kinds)(maker))
}

class ReadMaker extends ReadParts {
  single(): Read {
    const item = this.item(this.source())
    const [where, columns] = [this.where([item]), this.columns(item)]
    return this.read('single', (db) => columns(where(db.selectFrom(this.from(item)))))
  }

  byKey(): Read {
    const item = this.item(this.table())
    if (item.source.key.length === 0) return this.single()
    const condition = keyCondition(this.random, this.schema, item)
    const columns = this.columns(item)
    return this.read('by key', (db) => columns(db.selectFrom(this.from(item)).where(condition)))
  }

  ordered(): Read {
    const random = this.random
    const source = this.source()
    if (source.key.length === 0) return this.single()
    const item = this.item(source)
    const [where, columns] = [this.where([item]), this.columns(item)]
    const order = [
      ...random.sample(
        source.columns.filter(({ exact }) => exact),
        random.below(2),
      ),
      ...source.key,
    ].map((column) => [refOf(item, column), random.pick(['asc', 'desc'] as const)] as const)
    const limit = random.weighted<number | undefined>([
      [3, 1],
      [2, 3],
      [1, undefined],
    ])
    const offset = limit !== undefined && random.chance(0.2) ? 1 : undefined
    return this.read(
      'ordered',
      (db) => {
        let query: Select = columns(where(db.selectFrom(this.from(item))))
        for (const [ref, direction] of order) query = query.orderBy(ref, direction)
        if (limit !== undefined) query = query.limit(limit)
        return offset === undefined ? query : query.offset(offset)
      },
      true,
    )
  }

  join(kind: 'inner' | 'left' | 'full'): Read {
    const random = this.random
    const first: Item = { source: this.source(), alias: 'x' }
    const items = [first]
    const joins: {
      item: Item
      on: [Item, Column, Column]
      extra: ReturnType<typeof conditionOver> | undefined
      kind: string
    }[] = []
    for (
      let i = random.weighted([
        [4, 1],
        [1, 2],
      ]);
      i > 0;
      i--
    ) {
      const item: Item = { source: this.source(), alias: `y${i}` }
      const from = random.pick(items)
      const pair = this.pair(from.source, item.source)
      if (pair === undefined) continue
      items.push(item)
      // PostgreSQL joins FULL on nothing but equalities of columns.
      const extra =
        kind !== 'full' && random.chance(0.25) ? conditionOver(random, this.schema, [item, from], 0) : undefined
      joins.push({ item, on: [from, ...pair], extra, kind: kind === 'inner' || random.chance(0.7) ? kind : 'inner' })
    }
    const where = this.where(items)
    const list = random.chance(0.15)
      ? undefined
      : random
          .some(
            items.flatMap((item) => item.source.columns.map((column) => [item, column] as const)),
            0.3,
          )
          .map(([item, column], index) => `${pathOf(item, column)} as c${index}`)
    return this.read(`${kind} join`, (db) => {
      let query: Select = db.selectFrom(this.from(first))
      for (const {
        item,
        on: [from, a, b],
        extra,
        kind,
      } of joins) {
        const method = kind === 'inner' ? 'innerJoin' : kind === 'left' ? 'leftJoin' : 'fullJoin'
        query = (query as any)[method](this.from(item), (join: any) => {
          const on = join.onRef(pathOf(from, a), '=', pathOf(item, b))
          return extra === undefined ? on : on.on(extra)
        })
      }
      query = where(query)
      return list === undefined ? query.selectAll() : query.select(list)
    })
  }

  commaJoin(): Read {
    const random = this.random
    const [x, y]: Item[] = [
      { source: this.table(), alias: 'x' },
      { source: this.table(), alias: 'y' },
    ]
    const pair = this.pair(x!.source, y!.source)
    const where = this.where([x!, y!])
    const list = [x!, y!].map((item, index) => `${pathOf(item, random.pick(item.source.columns))} as c${index}`)
    return this.read('comma join', (db) => {
      const query = where(db.selectFrom([this.from(x!), this.from(y!)] as any))
      return (pair === undefined ? query : query.whereRef(pathOf(x!, pair[0]), '=', pathOf(y!, pair[1]))).select(list)
    })
  }

  selfJoin(): Read {
    const source = this.table()
    const [x, y]: Item[] = [
      { source, alias: 'x' },
      { source, alias: 'y' },
    ]
    const column = this.random.pick(source.columns.filter(({ kind }) => kind !== 'json'))
    const where = this.where([x!, y!], true)
    const list = [
      `${pathOf(x!, this.random.pick(source.columns))} as a`,
      `${pathOf(y!, this.random.pick(source.columns))} as b`,
    ]
    return this.read('self join', (db) =>
      where(db.selectFrom(this.from(x!)).innerJoin(this.from(y!), pathOf(x!, column), pathOf(y!, column))).select(list),
    )
  }

  exists(): Read {
    const random = this.random
    const outer: Item = { source: this.source(), alias: 'x' }
    const { inner, where } = this.correlated(outer)
    const [own, columns, negated] = [this.where([outer]), this.columns(outer), random.chance(0.4)]
    return this.read('exists', (db) =>
      columns(own(db.selectFrom(this.from(outer)))).where(({ exists, not }: any) => {
        const found = exists(where(db.selectFrom(this.from(inner))).select(sql`1`.as('one')))
        return negated ? not(found) : found
      }),
    )
  }

  inSelect(): Read {
    const outer = this.item(this.source(), 'x')
    const inner: Item = { source: this.source(), alias: this.random.pick([undefined, 's']) }
    const pair = this.pair(outer.source, inner.source)
    if (pair === undefined) return this.single()
    const [where, own, columns] = [this.where([inner]), this.where([outer]), this.columns(outer)]
    const operator = this.random.chance(0.7) ? 'in' : 'not in'
    return this.read('in select', (db) =>
      columns(own(db.selectFrom(this.from(outer)))).where(
        pathOf(outer, pair[0]),
        operator,
        where(db.selectFrom(this.from(inner))).select(pathOf(inner, pair[1])),
      ),
    )
  }

  scalarSelect(): Read {
    const outer: Item = { source: this.source(), alias: 'x' }
    const { inner, where } = this.correlated(outer)
    const [own, columns] = [this.where([outer]), this.columns(outer)]
    const counts = this.random.chance(0.6)
    const [column] = this.random.sample(
      inner.source.columns.filter(({ exact, kind }) => exact && kind !== 'bool' && kind !== 'uuid' && kind !== 'array'),
      1,
    )
    return this.read('scalar select', (db) =>
      columns(own(db.selectFrom(this.from(outer)))).select(({ fn }: any) =>
        where(db.selectFrom(this.from(inner)))
          .select(counts || column === undefined ? fn.countAll().as('n') : fn.max(pathOf(inner, column)).as('n'))
          .as('sub'),
      ),
    )
  }

  cte(): Read {
    const inner = this.item(this.source())
    const where = this.where([inner])
    const other: Item = { source: this.table(), alias: 'o' }
    const as: Item = { source: { ...inner.source, name: 'w' }, alias: 'w' }
    const pair = this.random.chance(0.5) ? this.pair(inner.source, other.source) : undefined
    const outerWhere = this.where(pair === undefined ? [as] : [as, other])
    const list = inner.source.columns.slice(0, 4).map((column, index) => `w.${column.name} as c${index}`)
    return this.read('cte', (db) => {
      const query: any = db.with('w', (cte) => where(cte.selectFrom(this.from(inner))).selectAll()).selectFrom('w')
      const joined =
        pair === undefined ? query : query.innerJoin(this.from(other), pathOf(as, pair[0]), pathOf(other, pair[1]))
      return outerWhere(joined).select(list)
    })
  }

  recursive(): Read {
    const table = this.schema.tables.find(({ foreign }) => foreign.length > 0)
    if (table === undefined) return this.cte()
    const link = table.foreign[0]!
    const own = link.parent === table && table.key.length === 1
    const start = this.random.below(4)
    const [name, key, fk, ref] = [table.name, table.key[0]!.name, link.column.name, link.references.name].map(quoted)
    const text = own
      ? `with recursive w as (select ${key} as a, ${fk} as b from ${name} where ${key} = ? union select t.${key}, t.${fk} from ${name} t join w on t.${fk} = w.a) select * from w`
      : `with recursive w(n) as (select 1 union all select n + 1 from w where n < 4) select w.n, t.${fk}, p.${ref} from w join ${name} t on t.${fk} is not null left join ${quoted(link.parent.name)} p on p.${ref} = t.${fk} where w.n < ?`
    const [before, after] = text.split('?')
    const raw = sql`${sql.raw(before!)}${own && table.key[0]!.kind === 'text' ? String(start) : start}${sql.raw(after!)}`
    return { label: 'recursive', ordered: false, build: () => ({ raw }) }
  }

  setOperation(): Read {
    const random = this.random
    const [a, b] = [this.item(this.source()), this.item(this.source())]
    const pairs = a.source.columns.flatMap((x) =>
      b.source.columns.filter((y) => x.kind === y.kind && x.exact && y.exact).map((y) => [x, y] as const),
    )
    if (pairs.length === 0) return this.single()
    const [x, y] = random.pick(pairs)
    const [whereA, whereB] = [this.where([a]), this.where([b])]
    const method = random.pick(['union', 'unionAll', 'except', 'intersect'] as const)
    return this.read(method, (db) => {
      const arm = whereB(db.selectFrom(this.from(b))).select(`${pathOf(b, y)} as v`)
      const left: Select = whereA(db.selectFrom(this.from(a))).select(`${pathOf(a, x)} as v`)
      return left[method](arm as any)
    })
  }

  groupBy(): Read {
    const random = this.random
    const item = this.item(this.source())
    const exact = item.source.columns.filter((column) => column.exact && column.kind !== 'array')
    if (exact.length === 0) return this.count()
    const by = random.pick(exact)
    const where = this.where([item])
    const int = item.source.columns.find(({ kind }) => kind === 'int')
    const having = random.chance(0.3)
    return this.read('group by', (db) => {
      let query: any = where(db.selectFrom(this.from(item))).select([
        pathOf(item, by),
        ({ fn }: any) => fn.countAll().as('n'),
      ] as any)
      if (int !== undefined) query = query.select(({ fn }: any) => fn.sum(pathOf(item, int)).as('s'))
      query = query.groupBy(pathOf(item, by))
      return having ? query.having(({ fn }: any) => fn.countAll(), '>', 1) : query
    })
  }

  count(): Read {
    const item = this.item(this.source())
    const where = this.where([item])
    const column = this.random.pick(item.source.columns.filter(({ kind }) => kind !== 'json'))
    const form = this.random.below(3)
    return this.read('count', (db) =>
      where(db.selectFrom(this.from(item))).select(({ fn }: any) =>
        (form === 0
          ? fn.count(pathOf(item, column))
          : form === 1 && column.exact
            ? fn.count(pathOf(item, column)).distinct()
            : fn.countAll()
        ).as('n'),
      ),
    )
  }

  aggregate(): Read {
    const item = this.item(this.source())
    const where = this.where([item])
    const column = item.source.columns.find(({ kind }) => kind === 'int')
    if (column === undefined) return this.count()
    const filter = this.random.chance(0.3) ? conditionOver(this.random, this.schema, [item], 0) : undefined
    return this.read('aggregate', (db) =>
      where(db.selectFrom(this.from(item))).select(({ fn }: any) => [
        fn.max(pathOf(item, column)).as('a'),
        (filter === undefined ? fn.min(pathOf(item, column)) : fn.min(pathOf(item, column)).filterWhere(filter)).as(
          'b',
        ),
        sql`sum(${refOf(item, column)})`.as('c'),
      ]),
    )
  }

  distinct(): Read {
    const item = this.item(this.source())
    const exact = item.source.columns.filter(({ exact }) => exact)
    if (exact.length === 0) return this.single()
    const list = this.random.sample(exact, 2).map((column) => pathOf(item, column))
    const where = this.where([item])
    return this.read('distinct', (db) =>
      where(db.selectFrom(this.from(item)))
        .select(list)
        .distinct(),
    )
  }

  derived(): Read {
    const inner = this.item(this.source())
    const [where, outer] = [this.where([inner]), this.where([{ source: inner.source, alias: 'd' }])]
    return this.read('derived', (db) =>
      outer(
        db.selectFrom(
          where(db.selectFrom(this.from(inner)))
            .selectAll()
            .as('d'),
        ) as any,
      ).selectAll('d'),
    )
  }

  window(): Read {
    const item = this.item(this.table())
    if (item.source.key.length === 0) return this.single()
    const where = this.where([item])
    const order = sql.join(item.source.key.map((column) => refOf(item, column)))
    const over = this.random.chance(0.5)
      ? sql`row_number() over (order by ${order})`
      : sql`lag(${refOf(item, this.random.pick(item.source.columns))}) over (order by ${order})`
    const list = item.source.key.map((column) => pathOf(item, column))
    return this.read('window', (db) =>
      where(db.selectFrom(this.from(item)))
        .select(list)
        .select(over.as('w')),
    )
  }

  selectExists(): Read {
    const item: Item = { source: this.source(), alias: 's' }
    const where = this.where([item], true)
    return this.read(
      'select exists',
      (db) =>
        db.selectNoFrom(({ exists }: any) =>
          exists(where(db.selectFrom(this.from(item))).select(sql`1`.as('one'))).as('found'),
        ) as any,
    )
  }

  lateral(): Read {
    const outer: Item = { source: this.table(), alias: 'x' }
    const { inner, where } = this.correlated(outer)
    const own = this.where([outer])
    const column = this.random.pick(outer.source.columns)
    return this.read('lateral', (db) =>
      own(
        db.selectFrom(this.from(outer)).innerJoinLateral(
          where(db.selectFrom(this.from(inner)))
            .select(({ fn }: any) => fn.countAll().as('n'))
            .as('l') as any,
          (join: any) => join.onTrue(),
        ) as any,
      ).select([`${pathOf(outer, column)} as c`, 'l.n']),
    )
  }

  call(names: readonly string[]): Read {
    const name = this.random.pick(names)
    const item = this.item(this.table())
    const int = item.source.columns.find(({ kind }) => kind === 'int')
    const argument =
      int === undefined || this.random.chance(0.5) ? sql`${sql.lit(this.random.below(4))}` : refOf(item, int)
    const where = this.where([item])
    return this.read(`call ${name}`, (db) =>
      where(db.selectFrom(this.from(item))).select(sql`${sql.id(name)}(${argument}::integer)`.as('r')),
    )
  }

  /** Text in the style of people. */
  raw(): Read {
    const random = this.random
    const source = this.source()
    const item: Item = { source, alias: random.pick([undefined, 't']) }
    const condition = random.chance(0.8) ? conditionOver(random, this.schema, [item], 1) : undefined
    const [select, from, where] = random.pick([
      ['select', 'from', 'where'],
      ['SELECT', 'FROM', 'WHERE'],
      ['\n  Select', '\n  fRom', '\n  where '],
      ['/* x */ select', "from /* ' */", '-- "\n where'],
    ])
    const list = random.chance(0.4)
      ? sql.raw(random.pick(item.alias === undefined ? ['*'] : ['*', 't.*']))
      : sql.join(random.some(source.columns, 0.4).map((column) => refOf(item, column)))
    const end = random.pick(['', '', '', ';', ' -- end', ' /* end */ ;'])
    const raw = sql`${sql.raw(select)} ${list} ${sql.raw(from)} ${sql.table(source.name)}${sql.raw(item.alias === undefined ? '' : random.pick([' t', ' as t']))} ${condition === undefined ? sql`` : sql`${sql.raw(where)} ${condition}`}${sql.raw(end)}`
    return { label: 'raw', ordered: false, build: () => ({ raw }) }
  }

  rawJoin(): Read {
    const random = this.random
    const [a, b] = [this.table(), this.table()]
    if (a === b) return this.selfJoin()
    const shared = a.columns.filter((column) =>
      b.columns.some(({ name, kind }) => name === column.name && kind === column.kind && column.kind !== 'json'),
    )
    const pair = this.pair(a, b)
    const tail =
      shared.length > 0 && random.chance(0.6)
        ? `${random.pick(['', 'left '])}join ${quoted(b.name)} y using (${quoted(random.pick(shared).name)})`
        : pair === undefined
          ? `natural join ${quoted(b.name)} y`
          : `${random.pick(['inner', 'left', 'right'])} join ${quoted(b.name)} y on x.${quoted(pair[0].name)} = y.${quoted(pair[1].name)}`
    const [column] = random.sample(a.columns, 1)
    const literal =
      literalOf(this.schema.dialect, valueOf(random, this.schema.dialect, column!.kind, { nulls: 0, odd: 0 })) ?? 'null'
    const unqualified = !b.columns.some(({ name }) => name === column!.name)
    const where = random.chance(0.7) ? ` where ${unqualified ? '' : 'x.'}${quoted(column!.name)} = ${literal}` : ''
    const raw = sql.raw(
      `select ${random.pick(['*', 'x.*', 'y.*', `x.${quoted(column!.name)}`])} from ${quoted(a.name)} x ${tail}${where}`,
    )
    return { label: 'raw join', ordered: false, build: () => ({ raw }) }
  }

  /** Whole rows, system columns, row numbers, locks. */
  special(): Read {
    const random = this.random
    const table = this.table()
    const name = quoted(table.name)
    const int = table.columns.find(({ kind }) => kind === 'int')
    const where = int === undefined ? '' : ` where t.${quoted(int.name)} = ${random.below(4)}`
    const raw = sql.raw(random.pick(specialTexts(this.schema.dialect, table, name, where, int)))
    return { label: 'special', ordered: false, build: () => ({ raw }) }
  }
}
