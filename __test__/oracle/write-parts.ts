import { sql } from 'kysely'
import type { Kysely } from 'kysely'

import { conditionOver, keyCondition } from './conditions.ts'
import type { Item } from './conditions.ts'
import type { Random } from './random.ts'
import type { Column, Schema, Source, Table } from './tables.ts'
import { valueOf } from './values.ts'

/** One statement that writes, or fails to. The same on any instance: everything random has been chosen. */
export interface Write {
  readonly label: string
  run(db: Kysely<any>): Promise<unknown>
}

export type Row = Record<string, unknown>

/** What random statements that write are put together from. */
export class WriteParts {
  protected readonly random: Random
  protected readonly schema: Schema
  protected readonly postgres: boolean

  constructor(random: Random, schema: Schema) {
    this.random = random
    this.schema = schema
    this.postgres = schema.dialect === 'postgres'
  }

  protected table(): Table {
    return this.random.pick(this.schema.tables)
  }

  protected value(column: Column): unknown {
    return valueOf(this.random, this.schema.dialect, column.kind, { nulls: column.nullable ? 0.12 : 0.01, odd: 0.12 })
  }

  /** A key among few, so that writes meet rows. */
  protected keyValue(column: Column): unknown {
    const random = this.random
    if (column.kind === 'int')
      return random.chance(0.9) ? random.between(0, 9) : this.value({ ...column, nullable: false })
    return random.chance(0.5)
      ? random.pick(['a', 'b', 'c', 'A', 'a ', '1', '2'])
      : this.value({ ...column, nullable: false })
  }

  protected rows(table: Table, count: number): Row[] {
    const random = this.random
    const columns = table.columns.filter(
      (column) =>
        column.writable &&
        (table.key.includes(column) ? !table.serial || random.chance(0.75) : !column.nullable || random.chance(0.75)),
    )
    if (columns.length === 0) columns.push(table.columns.find(({ writable }) => writable)!)
    return Array.from({ length: count }, () => {
      const row: Row = {}
      for (const column of columns) {
        const link = table.foreign.find((each) => each.column === column)
        row[column.name] = table.key.includes(column)
          ? this.keyValue(column)
          : link === undefined
            ? this.value(column)
            : random.chance(0.2) && column.nullable
              ? null
              : this.keyValue({ ...column, kind: link.references.kind })
      }
      return row
    })
  }

  protected returning(source: Source): (query: any) => any {
    const random = this.random
    const form = random.weighted([
      [6, 'none'],
      [1, 'all'],
      [1, 'some'],
      [1, 'expression'],
    ] as const)
    const chosen = random.some(source.columns, 0.3).map(({ name }) => name)
    if (form === 'all') return (query) => query.returningAll()
    if (form === 'some') return (query) => query.returning(chosen)
    if (form === 'expression')
      return (query) =>
        query.returning([
          sql`coalesce(${sql.ref(chosen[0]!)}, null)`.as('r'),
          `${chosen[0]} as "quoted"`.replaceAll('"', ''),
        ])
    return (query) => query
  }

  /** Conditions of an UPDATE or DELETE. */
  protected where(source: Source): (query: any) => any {
    const random = this.random
    const item: Item = { source, alias: random.chance(0.2) ? source.name : undefined }
    const form = random.weighted([
      [source.key.length > 0 ? 5 : 0, 'key'],
      [6, 'condition'],
      [1, 'none'],
      [1, 'subquery'],
    ] as const)
    if (form === 'none') return (query) => query
    if (form === 'key') {
      const condition = keyCondition(random, this.schema, item)
      const more = random.chance(0.15) ? conditionOver(random, this.schema, [item], 0) : undefined
      return (query) => (more === undefined ? query.where(condition) : query.where(condition).where(more))
    }
    if (form === 'subquery') {
      const other = this.table()
      const pairs = source.columns.flatMap((a) =>
        other.columns.filter((b) => b.kind === a.kind && a.kind !== 'json').map((b) => [a, b] as const),
      )
      if (pairs.length > 0) {
        const [a, b] = random.pick(pairs)
        const inner = conditionOver(random, this.schema, [{ source: other, alias: undefined }], 0)
        return (query) => query.where(a.name, 'in', (eb: any) => eb.selectFrom(other.name).select(b.name).where(inner))
      }
    }
    const condition = conditionOver(random, this.schema, [item], 1)
    return (query) => query.where(condition)
  }

  protected settable(source: Source, keys = false): Column[] {
    return source.columns.filter((column) => column.writable && (keys || !source.key.includes(column)))
  }

  protected set(source: Source): Row {
    const columns = this.settable(source)
    if (columns.length === 0)
      return Object.fromEntries(source.columns.slice(0, 1).map((column) => [column.name, this.value(column)]))
    return Object.fromEntries(
      this.random
        .sample(
          columns,
          this.random.weighted([
            [3, 1],
            [2, 2],
            [1, 4],
          ]),
        )
        .map((column) => [column.name, this.valueOfLink(source, column)]),
    )
  }

  protected valueOfLink(source: Source, column: Column): unknown {
    const link = (source as Partial<Table>).foreign?.find((each) => each.column === column)
    if (link === undefined) return this.value(column)
    return this.random.chance(0.2) ? null : this.keyValue({ ...column, kind: link.references.kind })
  }

  protected failing(): Write {
    const random = this.random
    const table = this.table()
    const rows = this.rows(table, 3)
    const column = random.pick(table.columns)
    return random.pick<Write>([
      {
        label: 'twice the same row',
        run: (db) => db.insertInto(table.name).values([rows[0]!, rows[1]!, rows[0]!]).execute(),
      },
      { label: 'no such table', run: (db) => db.updateTable('nowhere').set({ a: 1 }).execute() },
      { label: 'no such column', run: (db) => db.updateTable(table.name).set({ nothing: 1 }).execute() },
      {
        label: 'no such function',
        run: (db) =>
          db
            .updateTable(table.name)
            .set({ [column.name]: sql`nofunction(1)` })
            .execute(),
      },
      { label: 'syntax error', run: (db) => sql`update ${sql.table(table.name)} set where 1`.execute(db) },
      {
        label: 'division by zero',
        run: (db) =>
          db
            .deleteFrom(table.name)
            .where(sql<boolean>`1 / (select count(*) - count(*) from ${sql.table(table.name)}) = 1`)
            .execute(),
      },
      {
        label: 'null key',
        run: (db) =>
          sql`insert into ${sql.table(table.name)} (${sql.id(table.columns[0]!.name)}) values (null)`.execute(db),
      },
      { label: 'unparsable', run: (db) => sql`updte ${sql.table(table.name)} set x = 1`.execute(db) },
      // PGlite would fail the next statement as well, whatever it is.
      {
        label: 'unsendable parameter',
        run: (db) =>
          sql`delete from ${sql.table(table.name)} where ${this.postgres ? null : { toString: undefined }} = 1`.execute(
            db,
          ),
      },
    ])
  }
}
