import type { Random } from './random.ts'
import { kindOf, kindsOf, literalOf } from './values.ts'
import type { Dialect, Kind } from './values.ts'

export interface Column {
  readonly name: string
  readonly kind: Kind
  readonly nullable: boolean
  /** an INSERT may name it */
  readonly writable: boolean
  /** see `KindOf` */
  readonly exact: boolean
}

export interface Source {
  readonly name: string
  readonly columns: readonly Column[]
  /** columns that tell a row from all others, never null; empty for some views */
  readonly key: readonly Column[]
}

export interface Table extends Source {
  /** unique besides the key */
  readonly unique: readonly Column[]
  readonly foreign: readonly { readonly column: Column; readonly parent: Table; readonly references: Column }[]
  /** the key is given by the database if it is left out */
  readonly serial: boolean
}

export interface Schema {
  readonly dialect: Dialect
  /** in this order, each a statement of its own */
  readonly ddl: readonly string[]
  readonly tables: readonly Table[]
  readonly views: readonly (Source & { readonly writable: boolean; readonly materialized: boolean })[]
  /** PostgreSQL functions, callable with one integer */
  readonly functions: {
    readonly writing: readonly string[]
    readonly immutable: readonly string[]
    readonly reading: readonly string[]
  }
  /** names that plugins may rewrite */
  readonly plain: boolean
}

const TABLE_NAMES = ['Tbl A', 'order', 'déjà', 'b_items', 'C', 'stock', 'Main']
const PLAIN_TABLE_NAMES = ['alpha', 'b_items', 'cargo', 'day_log', 'echo']
const COLUMN_NAMES = ['Name', 'group', 'x y', 'état', 'qty', 'flag', 'code', 'ref', 'n_1', 'Val', 'kind', 'note']
const PLAIN_COLUMN_NAMES = [
  'name',
  'qty',
  'flag',
  'code',
  'ref',
  'kind',
  'note',
  'is_open',
  'total_sum',
  'place',
  'mark',
]

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A random schema; `plain`: lower-case names that survive CamelCasePlugin. */
export function makeSchema(random: Random, dialect: Dialect, plain: boolean): Schema {
  return new SchemaMaker(random, dialect, plain).make()
}

class SchemaMaker {
  readonly #random: Random
  readonly #dialect: Dialect
  readonly #plain: boolean
  readonly #ddl: string[] = []
  readonly #tables: Table[] = []
  readonly #views: (Source & { writable: boolean; materialized: boolean })[] = []
  readonly #functions = { writing: [] as string[], immutable: [] as string[], reading: [] as string[] }

  constructor(random: Random, dialect: Dialect, plain: boolean) {
    this.#random = random
    this.#dialect = dialect
    this.#plain = plain
  }

  make(): Schema {
    const random = this.#random
    if (this.#dialect === 'pglite') {
      this.#ddl.push(
        `create collation "folding" (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
        `create type "mood" as enum ('x', 'y')`,
        `create domain "small" as integer check (value < 100)`,
      )
    }
    const names = random.sample(this.#plain ? PLAIN_TABLE_NAMES : TABLE_NAMES, random.between(2, 4))
    for (const name of names) this.#table(name)
    if (this.#dialect === 'pglite' && random.chance(0.15)) this.#partitioned()
    if (random.chance(0.6)) this.#log()
    for (let i = random.below(3); i > 0; i--) this.#view()
    if (this.#dialect === 'pglite') this.#makeFunctions()
    if (random.chance(0.5)) for (let i = random.between(1, 2); i > 0; i--) this.#trigger()
    return {
      dialect: this.#dialect,
      ddl: this.#ddl,
      tables: this.#tables,
      views: this.#views,
      functions: this.#functions,
      plain: this.#plain,
    }
  }

  #table(name: string): void {
    const random = this.#random
    const sqlite = this.#dialect === 'sqlite'
    const form = random.weighted<'serial' | 'int' | 'text' | 'composite'>([
      [5, 'serial'],
      [2, 'int'],
      [1, 'text'],
      [1, 'composite'],
    ])
    const columns: Column[] = []
    const definitions: string[] = []
    const key: Column[] = []
    const keyColumn = (column: string, kind: Kind): void => {
      key.push({ name: column, kind, nullable: false, writable: true, exact: true })
      columns.push(key.at(-1)!)
    }
    let tail = ''
    if (form === 'composite') {
      keyColumn('k1', 'int')
      keyColumn('k2', random.chance(0.5) ? 'int' : 'text')
      for (const each of key) definitions.push(`${quoted(each.name)} ${kindOf(this.#dialect, each.kind).type} not null`)
      definitions.push('primary key ("k1", "k2")')
      if (sqlite && random.chance(0.4)) tail = ' WITHOUT ROWID'
    } else {
      keyColumn('id', form === 'text' ? 'text' : 'int')
      if (form === 'text') {
        definitions.push('"id" text not null primary key')
        if (sqlite && random.chance(0.4)) tail = ' WITHOUT ROWID'
      } else if (form === 'int') definitions.push(sqlite ? '"id" INT NOT NULL PRIMARY KEY' : '"id" integer primary key')
      else {
        definitions.push(
          sqlite
            ? `"id" INTEGER PRIMARY KEY${random.chance(0.3) ? ' AUTOINCREMENT' : ''}`
            : `"id" ${random.chance(0.5) ? 'serial' : 'integer generated by default as identity'} primary key`,
        )
      }
    }
    const kinds = Object.keys(kindsOf(this.#dialect)) as Kind[]
    const names = random.sample(this.#plain ? PLAIN_COLUMN_NAMES : COLUMN_NAMES, random.between(3, 7))
    const unique: Column[] = []
    for (const [index, column] of names.entries()) {
      const kind = index === 0 ? 'int' : index === 1 ? 'text' : random.pick(kinds)
      const { type, exact, usual } = kindOf(this.#dialect, kind)
      const nullable = random.chance(0.75)
      const made: Column = { name: column, kind, nullable, writable: true, exact }
      columns.push(made)
      const given = random.chance(0.3) ? literalOf(this.#dialect, random.pick(usual)) : undefined
      const isUnique = kind !== 'json' && random.chance(0.1)
      if (isUnique) unique.push(made)
      const check = kind === 'int' && random.chance(0.1) ? ` check (${quoted(column)} < 4)` : ''
      definitions.push(
        `${quoted(column)} ${type}${nullable ? '' : ' not null'}${given === undefined ? '' : ` default ${given}`}${isUnique ? ' unique' : ''}${check}`,
      )
    }
    if (random.chance(0.25)) {
      const from = columns.find(({ kind }) => kind === 'int' && !key.some(({ kind }) => kind === 'text')) ?? columns[0]!
      const stored = random.chance(0.5) ? 'stored' : 'virtual'
      const expression = from.kind === 'int' ? `${quoted(from.name)} + 1` : `coalesce(${quoted(from.name)}, '')`
      const own: Column = { name: 'gen', kind: from.kind, nullable: true, writable: false, exact: true }
      columns.push(own)
      definitions.push(`"gen" ${kindOf(this.#dialect, from.kind).type} generated always as (${expression}) ${stored}`)
    }
    const foreign: { column: Column; parent: Table; references: Column }[] = []
    const table: Table = { name, columns, key, unique, foreign, serial: form === 'serial' }
    const candidates = [
      ...this.#tables.filter((each) => each.key.length === 1),
      ...(key.length === 1 && random.chance(0.2) ? [table] : []),
    ]
    for (
      let i =
        candidates.length > 0
          ? random.weighted([
              [3, 1],
              [1, 2],
              [1, 0],
            ])
          : 0;
      i > 0;
      i--
    ) {
      const parent = random.pick(candidates)
      const targets = [parent.key[0]!, ...parent.unique.filter(({ exact }) => exact)]
      const references = random.chance(0.75) ? targets[0]! : random.pick(targets)
      const notNull = random.chance(0.15)
      const column: Column = {
        name: `fk_${foreign.length}`,
        kind: references.kind,
        nullable: !notNull,
        writable: true,
        exact: references.exact,
      }
      columns.push(column)
      const action = (): string =>
        random.pick(['cascade', 'cascade', 'set null', 'set default', 'restrict', 'no action'])
      const given = random.chance(0.4)
        ? literalOf(this.#dialect, random.pick(kindOf(this.#dialect, references.kind).usual))
        : undefined
      // SQLite forgets to take a deferred violation back when an immediate one ends the statement, with or without RETURNING.
      const deferred =
        random.chance(0.1) && (this.#dialect === 'pglite' || foreign.length === 0)
          ? ' deferrable initially deferred'
          : ''
      const only = this.#dialect === 'sqlite' && deferred !== ''
      definitions.push(
        `"${column.name}" ${kindOf(this.#dialect, references.kind).type}${notNull ? ' not null' : ''}${given === undefined ? '' : ` default ${given}`} ` +
          `references ${quoted(parent.name)}(${quoted(references.name)}) on delete ${action()} on update ${action()}${deferred}`,
      )
      foreign.push({ column, parent, references })
      if (only) break
    }
    // A table constraint stands behind all columns.
    definitions.sort((a, b) => Number(a.startsWith('primary')) - Number(b.startsWith('primary')))
    this.#tables.push(table)
    this.#ddl.push(`create table ${quoted(name)} (${definitions.join(', ')})${tail}`)
    if (random.chance(0.3))
      this.#ddl.push(`create index ${quoted(`ix_${name}`)} on ${quoted(name)} (${quoted(columns[1]!.name)})`)
  }

  #partitioned(): void {
    const column = (name: string, kind: Kind, nullable: boolean): Column => ({
      name,
      kind,
      nullable,
      writable: true,
      exact: true,
    })
    const columns = [column('id', 'int', false), column('k', 'int', false), column('note', 'text', true)]
    const key = columns.slice(0, 2)
    const make = (name: string): Table => ({ name, columns, key, unique: [], foreign: [], serial: false })
    if (this.#random.chance(0.6)) {
      this.#ddl.push(
        'create table "parts" ("id" integer, "k" integer, "note" text, primary key ("id", "k")) partition by list ("k")',
        'create table "parts_1" partition of "parts" for values in (1)',
        'create table "parts_x" partition of "parts" default',
      )
    } else {
      this.#ddl.push(
        'create table "parts" ("id" integer, "k" integer, "note" text)',
        'create table "parts_1" () inherits ("parts")',
        'create table "parts_x" () inherits ("parts")',
      )
      key.length = 0
    }
    this.#tables.push(make('parts'), make('parts_1'))
  }

  /** A table that triggers write. */
  #log(): void {
    const columns: Column[] = [
      { name: 'id', kind: 'int', nullable: false, writable: true, exact: true },
      { name: 'what', kind: 'text', nullable: true, writable: true, exact: true },
      { name: 'ref', kind: 'int', nullable: true, writable: true, exact: true },
    ]
    this.#tables.push({ name: 'log', columns, key: [columns[0]!], unique: [], foreign: [], serial: true })
    this.#ddl.push(
      this.#dialect === 'sqlite'
        ? 'create table "log" ("id" INTEGER PRIMARY KEY, "what" TEXT, "ref" INTEGER)'
        : 'create table "log" ("id" serial primary key, "what" text, "ref" integer)',
    )
  }

  #view(): void {
    const random = this.#random
    const base = random.pick([...this.#tables, ...this.#views.filter(({ materialized }) => !materialized)])
    const name = `v${this.#views.length}`
    const materialized = this.#dialect === 'pglite' && random.chance(0.1)
    const create = materialized ? 'create materialized view' : 'create view'
    const int = base.columns.find(({ kind }) => kind === 'int') ?? base.columns[0]!
    const others = this.#tables.filter((table) => table.name !== base.name)
    if (random.chance(0.25) && others.length > 0) {
      const other = random.pick(others)
      const [a, b] = [random.pick(base.columns), random.pick(other.columns)]
      const on = other.columns.find(({ kind }) => kind === int.kind) ?? int
      this.#ddl.push(
        `${create} "${name}" as select b.${quoted(a.name)} as "va", o.${quoted(b.name)} as "vb" from ${quoted(base.name)} b ` +
          `join ${quoted(other.name)} o on ${on === int ? 'true' : `o.${quoted(on.name)} = b.${quoted(int.name)}`}`,
      )
      const columns = [
        { ...a, name: 'va', nullable: true },
        { ...b, name: 'vb', nullable: true },
      ]
      this.#views.push({ name, columns, key: [], writable: false, materialized })
      return
    }
    const columns = random.chance(0.5)
      ? base.columns
      : base.columns.filter((column) => base.key.includes(column) || random.chance(0.6))
    if (columns.length === 0) return
    const where = random.chance(0.6)
      ? ` where ${quoted(int.name)} is null or ${quoted(int.name)} ${random.pick(['<', '=', '<>'])} ${int.kind === 'int' ? 2 : "'a'"}`
      : ''
    const list =
      columns === base.columns && random.chance(0.5) ? '*' : columns.map((column) => quoted(column.name)).join(', ')
    this.#ddl.push(`${create} "${name}" as select ${list} from ${quoted(base.name)}${where}`)
    let writable = this.#dialect === 'pglite' && !materialized
    const table = this.#tables.find((each) => each.name === base.name)
    const target = columns.find((column) => column.writable && !base.key.includes(column))
    if (
      this.#dialect === 'sqlite' &&
      table !== undefined &&
      target !== undefined &&
      base.key.length === 1 &&
      random.chance(0.4)
    ) {
      const id = quoted(base.key[0]!.name)
      this.#ddl.push(
        `create trigger "${name}_u" instead of update on "${name}" begin update ${quoted(base.name)} set ${quoted(target.name)} = new.${quoted(target.name)} where ${id} = old.${id}; end`,
        `create trigger "${name}_d" instead of delete on "${name}" begin delete from ${quoted(base.name)} where ${id} = old.${id}; end`,
      )
      writable = true
    }
    this.#views.push({ name, columns, key: base.key, writable, materialized })
  }

  #makeFunctions(): void {
    const random = this.#random
    const table = random.pick(this.#tables)
    const int = table.columns.find((column) => column.kind === 'int' && column.writable && !table.key.includes(column))
    this.#ddl.push('create function "twice"(k integer) returns integer language sql immutable as $$ select k * 2 $$')
    this.#functions.immutable.push('twice')
    if (int === undefined) return
    if (random.chance(0.4)) {
      const body = `begin update ${quoted(table.name)} set ${quoted(int.name)} = ${random.pick(['k', 'null', '0'])} where ${quoted(int.name)} = k; return k; end`
      this.#ddl.push(`create function "bump"(k integer) returns integer language plpgsql volatile as $$ ${body} $$`)
      this.#functions.writing.push('bump')
    }
    if (random.chance(0.4)) {
      const body = `select count(*)::integer from ${quoted(table.name)} where ${quoted(int.name)} = k`
      this.#ddl.push(`create function "lookup"(k integer) returns integer language sql stable as $$ ${body} $$`)
      this.#functions.reading.push('lookup')
    }
  }

  #trigger(): void {
    const random = this.#random
    const table = random.pick(this.#tables.filter(({ name }) => name !== 'parts' && name !== 'log'))
    const log = this.#tables.find(({ name }) => name === 'log')
    const other = random.pick(this.#tables)
    const name = `tr${this.#ddl.length}`
    if (this.#dialect === 'sqlite') this.#sqliteTrigger(name, table, other, log)
    else this.#postgresTrigger(name, table, other, log)
  }

  #own(table: Table, kind: Kind): Column | undefined {
    const found = table.columns.filter(
      (each) => each.kind === kind && each.writable && !table.key.includes(each) && !each.name.startsWith('fk_'),
    )
    return found.length === 0 ? undefined : this.#random.pick(found)
  }

  #sqliteTrigger(name: string, table: Table, other: Table, log: Table | undefined): void {
    const random = this.#random
    const own = this.#own(table, 'int')
    const theirs = this.#own(other, 'int')
    const key = table.key[0]!
    const bodies: [when: string, body: string][] = []
    const verb = random.pick(['insert', 'update', 'delete'])
    const row = verb === 'delete' ? 'old' : 'new'
    const when = `${verb}${verb === 'update' && own !== undefined && random.chance(0.4) ? ` of ${quoted(own.name)}` : ''}`
    if (log !== undefined)
      bodies.push([
        `after ${when}`,
        `insert into "log" ("what", "ref") values ('${verb}', ${own === undefined ? 1 : `${row}.${quoted(own.name)}`})`,
      ])
    if (theirs !== undefined) {
      bodies.push([
        `${random.pick(['after', 'before'])} ${when}`,
        `update ${quoted(other.name)} set ${quoted(theirs.name)} = 1 where ${quoted(theirs.name)} = ${own === undefined ? 2 : `${row}.${quoted(own.name)}`}`,
      ])
      bodies.push([`after ${when}`, `delete from ${quoted(other.name)} where ${quoted(theirs.name)} = 3`])
    }
    if (own !== undefined && table.key.length === 1) {
      bodies.push([
        `after ${verb === 'delete' ? 'insert' : when}`,
        `update ${quoted(table.name)} set ${quoted(own.name)} = 2 where ${quoted(key.name)} = new.${quoted(key.name)}`,
      ])
      bodies.push([`before update`, `select raise(abort, 'not three') where new.${quoted(own.name)} = 3`])
      bodies.push([`before ${verb}`, `select raise(ignore) where ${row}.${quoted(own.name)} = 3`])
    }
    if (bodies.length === 0) return
    const [at, body] = random.pick(bodies)
    const condition =
      own !== undefined && random.chance(0.2)
        ? ` when ${at.endsWith('delete') ? 'old' : 'new'}.${quoted(own.name)} <> 0`
        : ''
    this.#ddl.push(`create trigger "${name}" ${at} on ${quoted(table.name)}${condition} begin ${body}; end`)
  }

  #postgresTrigger(name: string, table: Table, other: Table, log: Table | undefined): void {
    const random = this.#random
    const [own, text] = [this.#own(table, 'int'), this.#own(table, 'text')]
    const theirs = this.#own(other, 'int')
    const key = table.key[0] ?? table.columns[0]!
    const bodies: [when: string, body: string][] = []
    const before = random.pick(['before insert or update', 'before insert', 'before update'])
    const events = random.pick(['insert', 'update', 'delete', 'insert or update', 'insert or update or delete'])
    if (text !== undefined)
      bodies.push([before, `new.${quoted(text.name)} := upper(new.${quoted(text.name)}); return new;`])
    if (own !== undefined) {
      bodies.push([before, `new.${quoted(own.name)} := coalesce(new.${quoted(own.name)}, 0); return new;`])
      bodies.push([before, `if new.${quoted(own.name)} = 3 then return null; end if; return new;`])
      bodies.push([
        before,
        `if new.${quoted(own.name)} = 3 then raise exception 'not three' using errcode = '22000'; end if; return new;`,
      ])
      bodies.push([
        `after update`,
        `if pg_trigger_depth() < 2 then update ${quoted(table.name)} set ${quoted(own.name)} = 2 where ${quoted(key.name)} = new.${quoted(key.name)}; end if; return null;`,
      ])
    }
    if (log !== undefined) {
      bodies.push([`after ${events}`, `insert into "log" ("what", "ref") values (tg_op, 1); return null;`])
      bodies.push([
        `after ${events}`,
        `execute 'insert into "log" ("what", "ref") values (''dynamic'', 2)'; return null;`,
      ])
    }
    if (theirs !== undefined) {
      bodies.push([
        `after ${events}`,
        `if pg_trigger_depth() < 2 then update ${quoted(other.name)} set ${quoted(theirs.name)} = 1 where ${quoted(theirs.name)} = 2; end if; return null;`,
      ])
      bodies.push([
        'before delete',
        `if pg_trigger_depth() < 2 then delete from ${quoted(other.name)} where ${quoted(theirs.name)} = 3; end if; return old;`,
      ])
    }
    if (random.chance(0.1)) {
      this.#ddl.push(
        `create trigger "${name}" before update on ${quoted(table.name)} for each row execute function suppress_redundant_updates_trigger()`,
      )
      return
    }
    if (bodies.length === 0) return
    const [at, body] = random.pick(bodies)
    const level = at.startsWith('after') && !/\b(?:new|old)\./.test(body) && random.chance(0.3) ? 'statement' : 'row'
    const condition =
      at === 'before update' && own !== undefined && random.chance(0.3)
        ? ` when (new.${quoted(own.name)} is distinct from old.${quoted(own.name)})`
        : ''
    this.#ddl.push(
      `create function "${name}_f"() returns trigger language plpgsql as $$ begin ${body} end $$`,
      `create trigger "${name}" ${at} on ${quoted(table.name)} for each ${level}${condition} execute function "${name}_f"()`,
    )
  }
}
