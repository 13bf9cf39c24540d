import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'

import { conditionOver, keyCondition } from './conditions.ts'
import type { Item } from './conditions.ts'
import { quoted } from './tables.ts'
import type { Column } from './tables.ts'
import { kindsOf, literalOf, operandOf, valueOf } from './values.ts'
import type { Kind } from './values.ts'
import { WriteParts } from './write-parts.ts'
import type { Write } from './write-parts.ts'
import { RawWrites } from './writes-raw.ts'

/** How many rows are more than the cache looks at one by one. */
const BULK = 1050
const BULK_FROM = 1000
export class WriteMaker extends WriteParts {
  /** to be made soon */
  owed: Write | undefined
  readonly #rare = new RawWrites(this.random, this.schema)

  write(): Write {
    const { functions, views, plain } = this.schema
    const postgres = this.postgres
    return this.random.weighted<() => Write>([
      [22, () => this.#insert()],
      [8, () => this.#upsert()],
      [14, () => this.#updateByKey()],
      [12, () => this.#update()],
      [4, () => this.#updateExpression()],
      [3, () => this.#updateSame()],
      [2, () => this.#updateKey()],
      [3, () => this.#updateFrom()],
      [10, () => this.#delete()],
      [12, () => this.#raw()],
      [3, () => this.#insertSelect()],
      [views.some(({ writable }) => writable) ? 4 : 0, () => this.#onView()],
      [postgres ? 4 : 0, () => this.#dataModifyingCte()],
      [postgres ? 2 : 0, () => this.#merge()],
      [postgres ? 1 : 0, () => this.#truncate()],
      [functions.writing.length > 0 ? 3 : 0, () => this.#callWriting()],
      [views.some(({ materialized }) => materialized) ? 3 : 0, () => this.#refresh()],
      [12, () => this.#rare.rare()],
      [0.5, () => this.#bulk()],
      [3, () => this.failing()],
      [plain ? 0 : 2, () => this.#stranger()],
    ])()
  }

  // ---- inserts

  #insert(): Write {
    const random = this.random
    const table = this.table()
    const rows = this.rows(
      table,
      random.weighted([
        [6, 1],
        [2, 2],
        [1, 5],
      ]),
    )
    const returning = this.returning(table)
    const plural = rows.length > 1 || random.chance(0.1)
    return {
      label: plural ? 'insert many' : 'insert',
      run: (db) => returning(db.insertInto(table.name).values(plural ? rows : rows[0]!)).execute(),
    }
  }

  #upsert(): Write {
    const random = this.random
    const table = this.table()
    if (table.key.length === 0) return this.#insert()
    const rows = this.rows(
      table,
      random.weighted([
        [4, 1],
        [1, 3],
      ]),
    )
    const returning = this.returning(table)
    if (!this.postgres && random.chance(0.5)) {
      const form = random.pick(['orReplace', 'orIgnore', 'orAbort', 'orFail', 'orRollback', 'replaceInto'] as const)
      return {
        label: form,
        run: (db) =>
          returning(
            form === 'replaceInto'
              ? db.replaceInto(table.name).values(rows)
              : (db.insertInto(table.name).values(rows) as any)[form](),
          ).execute(),
      }
    }
    const target = random.chance(0.8) || table.unique.length === 0 ? table.key : [random.pick(table.unique)]
    const nothing = random.chance(0.3)
    const set = this.set(table)
    const excluded = random.pick(this.settable(table).length > 0 ? this.settable(table) : table.columns)
    const fromExcluded = random.chance(0.5)
    const where = random.chance(0.2)
      ? conditionOver(random, this.schema, [{ source: table, alias: table.name }], 0)
      : undefined
    return {
      label: nothing ? 'do nothing' : 'do update',
      run: (db) =>
        returning(
          db
            .insertInto(table.name)
            .values(rows)
            .onConflict((conflict) => {
              const at = conflict.columns(target.map(({ name }) => name))
              if (nothing) return at.doNothing()
              const update = at.doUpdateSet(
                fromExcluded ? ({ ref }: any) => ({ [excluded.name]: ref(`excluded.${excluded.name}`) }) : set,
              )
              return where === undefined ? update : update.where(where)
            }),
        ).execute(),
    }
  }

  #insertSelect(): Write {
    const table = this.table()
    const from = this.table()
    const pairs = this.settable(table, true).flatMap((a) => {
      const same = from.columns.filter((b) => b.kind === a.kind)
      return same.length === 0 ? [] : [[a.name, this.random.pick(same).name] as const]
    })
    if (pairs.length === 0) return this.#insert()
    const shift = table.key.length === 1 && table.key[0]!.kind === 'int'
    const condition = conditionOver(this.random, this.schema, [{ source: from, alias: undefined }], 1)
    const columns = pairs.map(([name]) => name)
    const returning = this.returning(table)
    return {
      label: 'insert select',
      run: (db) =>
        returning(
          db
            .insertInto(table.name)
            .columns(columns)
            .expression((eb: any) =>
              eb
                .selectFrom(from.name)
                .where(condition)
                .select(
                  pairs.map(([to, name], index) =>
                    shift && to === table.key[0]!.name
                      ? sql`${sql.ref(name)} + 5`.as(`s${index}`)
                      : `${name} as s${index}`,
                  ),
                ),
            ),
        ).execute(),
    }
  }

  /** More rows than the cache looks at, and away with them at some other time. */
  #bulk(): Write {
    const table = this.schema.tables.find(
      ({ key, unique }) => key.length === 1 && key[0]!.kind === 'int' && unique.length === 0,
    )
    if (table === undefined) return this.#insert()
    const key = quoted(table.key[0]!.name)
    // Left for long they would make joins of the pool slow.
    this.owed ??= {
      label: 'bulk delete',
      run: (db) => sql`delete from ${sql.table(table.name)} where ${sql.raw(key)} >= ${BULK_FROM}`.execute(db),
    }
    const [row] = this.rows(table, 1)
    // Values that few rows share, or joins of the pool would take minutes.
    const rows = Array.from({ length: BULK }, (_, index) =>
      Object.fromEntries(
        table.columns
          .filter(({ name }) => name in row!)
          .map(({ name, kind, nullable }) => {
            if (table.key.some((each) => each.name === name)) return [name, BULK_FROM + index]
            if (nullable) return [name, null]
            if (kind === 'text' || kind === 'ctext' || kind === 'varchar' || kind === 'fold' || kind === 'trim')
              return [name, `b${index}`]
            return [
              name,
              kind === 'int' ||
              kind === 'big' ||
              kind === 'numeric' ||
              kind === 'real' ||
              kind === 'string' ||
              kind === 'point'
                ? index
                : row![name],
            ]
          }),
      ),
    )
    return {
      label: 'bulk insert',
      run: (db) => db.insertInto(table.name).values(rows).execute(),
    }
  }

  // ---- updates

  #updateByKey(): Write {
    const table = this.table()
    if (table.key.length === 0) return this.#update()
    const condition = keyCondition(this.random, this.schema, { source: table, alias: undefined })
    const [set, returning] = [this.set(table), this.returning(table)]
    return {
      label: 'update by key',
      run: (db) => returning(db.updateTable(table.name).set(set).where(condition)).execute(),
    }
  }

  #update(): Write {
    const table = this.table()
    const [set, returning, where] = [this.set(table), this.returning(table), this.where(table)]
    return { label: 'update', run: (db) => returning(where(db.updateTable(table.name).set(set))).execute() }
  }

  #updateExpression(): Write {
    const random = this.random
    const table = this.table()
    const columns = this.settable(table)
    const ints = columns.filter(({ kind }) => kind === 'int' || kind === 'numeric' || kind === 'real')
    const texts = columns.filter(({ kind }) => kind === 'text' || kind === 'fold')
    const set: Record<string, RawBuilder<unknown>> = {}
    if (ints.length > 0) {
      const { name } = random.pick(ints)
      set[name] = random.pick([
        sql`${sql.ref(name)} + ${1}`,
        sql`1 - ${sql.ref(name)}`,
        sql`coalesce(${sql.ref(name)}, 0)`,
        sql`(select count(*) from ${sql.table(this.table().name)})`,
      ])
    }
    if (texts.length > 0 && random.chance(0.6)) {
      const { name } = random.pick(texts)
      set[name] = random.pick([
        sql`upper(${sql.ref(name)})`,
        sql`lower(${sql.ref(name)})`,
        sql`${sql.ref(name)} || ' '`,
        sql`null`,
      ])
    }
    if (Object.keys(set).length === 0) return this.#update()
    const [where, returning] = [this.where(table), this.returning(table)]
    return { label: 'update expression', run: (db) => returning(where(db.updateTable(table.name).set(set))).execute() }
  }

  /** Sets columns to what they are, or swaps two. */
  #updateSame(): Write {
    const random = this.random
    const table = this.table()
    const columns = this.settable(table)
    if (columns.length === 0) return this.#update()
    const column = random.pick(columns)
    const twin = columns.find((each) => each !== column && each.kind === column.kind)
    const set =
      twin !== undefined && random.chance(0.5)
        ? { [column.name]: sql.ref(twin.name), [twin.name]: sql.ref(column.name) }
        : { [column.name]: sql.ref(column.name) }
    const where = this.where(table)
    return { label: 'update same', run: (db) => where(db.updateTable(table.name).set(set)).execute() }
  }

  #updateKey(): Write {
    const table = this.table()
    if (table.key.length === 0) return this.#update()
    const columns = [this.random.pick(table.key), ...this.random.sample(this.settable(table), this.random.below(2))]
    const set = Object.fromEntries(
      columns.map((column) => [column.name, table.key.includes(column) ? this.keyValue(column) : this.value(column)]),
    )
    const shift = table.key[0]!.kind === 'int' && this.random.chance(0.3)
    const condition = keyCondition(this.random, this.schema, { source: table, alias: undefined })
    const returning = this.returning(table)
    return {
      label: 'update of key',
      run: (db) =>
        (shift
          ? returning(
              db
                .updateTable(table.name)
                .set({ [table.key[0]!.name]: sql`${sql.ref(table.key[0]!.name)} + 20` } as any)
                .where(table.key[0]!.name, '>', 5),
            )
          : returning(db.updateTable(table.name).set(set).where(condition))
        ).execute(),
    }
  }

  #updateFrom(): Write {
    const random = this.random
    const [table, from] = [this.table(), this.table()]
    const columns = this.settable(table)
    const pairs = table.columns.flatMap((a) =>
      from.columns.filter((b) => b.kind === a.kind && a.kind !== 'json').map((b) => [a, b] as const),
    )
    if (table === from || columns.length === 0 || pairs.length === 0) return this.#update()
    const [a, b] = random.pick(pairs)
    const column = random.pick(columns)
    const value = this.value(column)
    const target: Item = { source: table, alias: table.name }
    const condition = random.chance(0.5)
      ? conditionOver(random, this.schema, [{ source: from, alias: 'o' }, target], 0)
      : undefined
    const deletes = this.postgres && random.chance(0.3)
    return {
      label: deletes ? 'delete using' : 'update from',
      run: (db) => {
        const on = (query: any): any => {
          const joined = query.whereRef(`${table.name}.${a.name}`, '=', `o.${b.name}`)
          return condition === undefined ? joined : joined.where(condition)
        }
        return deletes
          ? on(db.deleteFrom(table.name).using(`${from.name} as o`)).execute()
          : on(
              db
                .updateTable(table.name)
                .from(`${from.name} as o`)
                .set({ [column.name]: value }),
            ).execute()
      },
    }
  }

  // ---- deletes

  #delete(): Write {
    const table = this.table()
    const [where, returning] = [this.where(table), this.returning(table)]
    return { label: 'delete', run: (db) => returning(where(db.deleteFrom(table.name))).execute() }
  }

  #truncate(): Write {
    const text = `truncate ${quoted(this.table().name)}${this.random.pick(['', ' cascade', ' restart identity cascade'])}`
    return { label: 'truncate', run: (db) => sql.raw(text).execute(db) }
  }

  // ---- what a builder does not say

  /** Text in the style of people, with literals. */
  #raw(): Write {
    const random = this.random
    const table = this.table()
    const name = sql.raw(
      random.pick([quoted(table.name), `${this.postgres ? 'public' : 'main'}.${quoted(table.name)}`]),
    )
    const alias = random.chance(0.2) ? ` ${random.pick(['as t', 't'])}` : ''
    const item: Item = { source: table, alias: alias === '' ? undefined : 't' }
    const aliased = sql.raw(this.postgres ? alias : alias.replace(' t', ' as t').replace('as as', 'as'))
    const condition =
      random.chance(0.5) && table.key.length > 0
        ? keyCondition(random, this.schema, item)
        : conditionOver(random, this.schema, [item], 1)
    const end = sql.raw(random.pick(['', '', ';', ' -- end', ' /* end */', ' \n;\n', ';;']))
    // A bare expression is named by its text in SQLite, comments included.
    const returning = sql.raw(
      random.chance(0.2)
        ? ` RETURNING ${random.pick(['*', quoted(table.columns[0]!.name), 'NULL as n', '1 + 1 as m'])}`
        : '',
    )
    const operand = (column: Column): RawBuilder<unknown> =>
      operandOf(random, this.schema.dialect, this.valueOfLink(table, column))
    const verb = random.weighted([
      [3, 'insert'],
      [4, 'update'],
      [2, 'delete'],
    ] as const)
    let raw: RawBuilder<unknown>
    if (verb === 'delete') raw = sql`Delete /* ; */ from ${name}${aliased} where ${condition}${returning}${end}`
    else if (verb === 'update') {
      const columns = random.sample(this.settable(table), random.between(1, 2))
      if (columns.length === 0) return this.#insert()
      const sets = columns.map((column) => sql`${sql.id(column.name)} = ${operand(column)}`)
      const where = random.chance(0.9) ? sql` WHERE ${condition}` : sql``
      raw = sql`-- x${sql.raw('\n')}UPDATE ${name}${aliased} SET ${sql.join(sets)}${where}${returning}${end}`
    } else {
      const rows = this.rows(table, random.between(1, 2))
      const columns = table.columns.filter(({ name }) => name in rows[0]!)
      const tuples = rows.map(
        (row) => sql`(${sql.join(columns.map(({ name }) => operandOf(random, this.schema.dialect, row[name])))})`,
      )
      raw = sql`insert into ${name} (${sql.join(columns.map((column) => sql.id(column.name)))}) values ${sql.join(tuples)}${returning}${end}`
    }
    return { label: `raw ${verb}`, run: (db) => raw.execute(db) }
  }

  #onView(): Write {
    const view = this.random.pick(this.schema.views.filter(({ writable }) => writable))
    const [set, where] = [this.set(view), this.where(view)]
    const returning = this.postgres ? this.returning(view) : (query: any) => query
    if (this.random.chance(0.3))
      return { label: 'delete on view', run: (db) => returning(where(db.deleteFrom(view.name))).execute() }
    return { label: 'update on view', run: (db) => returning(where(db.updateTable(view.name).set(set))).execute() }
  }

  #dataModifyingCte(): Write {
    const random = this.random
    const [table, other] = [this.table(), this.table()]
    const [set, where] = [this.set(table), this.where(table)]
    const form = random.below(3)
    const column = random.pick(other.columns)
    const condition = conditionOver(random, this.schema, [{ source: other, alias: undefined }], 0)
    return {
      label: 'data-modifying CTE',
      run: (db) => {
        const update = db.with('w', (cte) => where(cte.updateTable(table.name).set(set)).returningAll()) as any
        if (form === 0) return update.selectFrom('w').selectAll().execute()
        if (form === 1)
          return db
            .with('d', (cte) => where(cte.deleteFrom(table.name)).returning(sql`1`.as('one')))
            .selectFrom('d')
            .select(({ fn }: any) => fn.countAll().as('n'))
            .execute()
        return update
          .updateTable(other.name)
          .set({ [column.name]: sql.ref(column.name) })
          .where(condition)
          .execute()
      },
    }
  }

  #merge(): Write {
    const random = this.random
    const [table, from] = [this.table(), this.table()]
    const pairs = table.columns.flatMap((a) =>
      from.columns.filter((b) => b.kind === a.kind && a.kind !== 'json').map((b) => [a, b] as const),
    )
    const columns = this.settable(table)
    if (pairs.length === 0 || columns.length === 0) return this.#update()
    const [a, b] = random.pick(pairs)
    const column = random.pick(columns)
    const value = this.value(column)
    const deletes = random.chance(0.3)
    return {
      label: 'merge',
      run: (db) => {
        const merge: any = db
          .mergeInto(table.name)
          .using(`${from.name} as o`, `${table.name}.${a.name}`, `o.${b.name}`)
          .whenMatched()
        return (deletes ? merge.thenDelete() : merge.thenUpdateSet({ [column.name]: value })).execute()
      },
    }
  }

  #callWriting(): Write {
    const name = this.random.pick(this.schema.functions.writing)
    const call = sql`${sql.id(name)}(${this.random.below(4)})`
    const table = this.table()
    return this.random.pick<Write>([
      { label: 'call', run: (db) => sql`select ${call} as r`.execute(db) },
      { label: 'call by builder', run: (db) => db.selectNoFrom(call.as('r')).execute() },
      { label: 'call for rows', run: (db) => db.selectFrom(table.name).select(call.as('r')).execute() },
    ])
  }

  #refresh(): Write {
    const view = this.random.pick(this.schema.views.filter(({ materialized }) => materialized))
    return { label: 'refresh', run: (db) => sql`refresh materialized view ${sql.table(view.name)}`.execute(db) }
  }

  // ---- failures

  /** A value of another column's kind. */
  #stranger(): Write {
    const table = this.table()
    // PGlite cannot take an array for anything else, nor anything else for an array, and its next statement fails instead.
    const column = this.random.pick(this.settable(table, true).filter(({ kind }) => kind !== 'array'))
    const kind = this.random.pick(
      (Object.keys(kindsOf(this.schema.dialect)) as Kind[]).filter((each) => each !== 'array'),
    )
    const value = valueOf(this.random, this.schema.dialect, kind, { nulls: 0 })
    const literal = this.random.chance(0.3) ? literalOf(this.schema.dialect, value) : undefined
    const where = this.where(table)
    return {
      label: 'stranger',
      run: (db) =>
        where(
          db.updateTable(table.name).set({ [column.name]: literal === undefined ? value : sql.raw(literal) }),
        ).execute(),
    }
  }
}
