import { sql } from 'kysely'

import type { Random } from './random.ts'
import { quoted } from './tables.ts'
import type { Column, Schema, Table } from './tables.ts'
import type { Write } from './write-parts.ts'

interface Change {
  readonly text: string
  /** what makes the schema again what it was, so that the pool's queries find what they name */
  readonly back?: readonly string[]
}

/** Statements that change the schema, most of them in a way that the pool's queries survive, or that a later one takes back. */
export class DdlMaker {
  readonly #random: Random
  readonly #schema: Schema
  readonly #named: readonly string[]
  readonly #backs: string[] = []
  #made = 0

  /** @param named by a profile, so that these tables must stay */
  constructor(random: Random, schema: Schema, named: readonly string[]) {
    this.#named = named
    this.#random = random
    this.#schema = schema
  }

  statement(): Write {
    const back = this.#backs.length > 0 && this.#random.chance(0.6) ? this.#backs.shift()! : undefined
    const text = back ?? this.#change()
    return { label: 'ddl', run: (db) => sql.raw(text).execute(db) }
  }

  #change(): string {
    const random = this.#random
    const tables = this.#schema.tables.filter(({ name }) => name !== 'parts_1')
    const table = random.pick(tables)
    const own = `extra_${this.#made++}`
    const make = random.weighted<() => Change | undefined>([
      [8, () => this.#ofColumn(table, own)],
      [3, () => this.#ofIndex(table, own)],
      [4, () => this.#ofTable(table, own)],
      [4, () => this.#ofView()],
      [4, () => this.#ofTrigger(table, own)],
      [this.#schema.dialect === 'postgres' ? 8 : 0, () => this.#postgres(table, own)],
    ])
    const { text, back = [] } = make() ?? this.#ofColumn(table, own)
    this.#backs.push(...back)
    return text
  }

  #ofColumn({ name, columns }: Table, own: string): Change {
    const random = this.#random
    const [table, column] = [quoted(name), quoted(random.pick(columns).name)]
    return random.pick<Change>(
      [
        {
          text: `alter table ${table} add column "${own}" integer default ${random.pick(['7', 'null'])}`,
          back: random.chance(0.5) ? [`alter table ${table} drop column "${own}"`] : [],
        },
        {
          text: `alter table ${table} rename column ${column} to "renamed"`,
          back: [`alter table ${table} rename column "renamed" to ${column}`],
        },
        { text: `alter table ${table} drop column ${column}` },
      ].slice(0, random.chance(0.1) ? 3 : 2),
    )
  }

  #ofIndex({ name, columns }: Table, own: string): Change | undefined {
    const random = this.#random
    const column = random.pick(columns)
    if (column.kind === 'json') return undefined
    const unique = random.chance(0.5) ? 'unique ' : ''
    const where = random.chance(0.3) ? ` where ${quoted(column.name)} is not null` : ''
    return {
      text: `create ${unique}index "ix_${own}" on ${quoted(name)} (${quoted(column.name)})${where}`,
      back: random.chance(0.5) ? [`drop index "ix_${own}"`] : [],
    }
  }

  #originalOf(kind: string, name: string): string | undefined {
    return this.#schema.ddl.find((text) => text.startsWith(`create ${kind} ${quoted(name)} `))
  }

  #ofTable({ name, key }: Table, own: string): Change | undefined {
    const random = this.#random
    if (this.#named.includes(name)) return undefined
    const table = quoted(name)
    const postgres = this.#schema.dialect === 'postgres'
    if (random.chance(0.45))
      return { text: `alter table ${table} rename to "${own}"`, back: [`alter table "${own}" rename to ${table}`] }
    if (random.chance(0.3))
      return { text: `create table "copy_${own}" as select * from ${table}`, back: [`drop table "copy_${own}"`] }
    const original = this.#originalOf('table', name)
    if (original === undefined || name === 'parts') return undefined
    const id = key[0]?.kind === 'text' ? 'text' : 'integer'
    return {
      text: postgres ? `drop table ${table} cascade` : `drop table ${table}`,
      back: [
        ...(random.chance(0.5)
          ? [
              `create table ${table} ("id" ${id} primary key, "other" integer)`,
              `drop table ${table}${postgres ? ' cascade' : ''}`,
            ]
          : []),
        original,
      ],
    }
  }

  #ofView(): Change | undefined {
    const views = this.#schema.views.filter(({ materialized }) => !materialized)
    if (views.length === 0) return undefined
    const { name } = this.#random.pick(views)
    const original = this.#originalOf('view', name)
    const cascade = this.#schema.dialect === 'postgres' && this.#random.chance(0.5) ? ' cascade' : ''
    const replaced = original?.replace(/(?: where .*)?$/, ' where 1 = 1')
    if (this.#schema.dialect === 'postgres' && replaced !== undefined && this.#random.chance(0.5))
      return {
        text: replaced.replace('create view', 'create or replace view'),
        back: [original!.replace('create view', 'create or replace view')],
      }
    return {
      text: `drop view if exists ${quoted(name)}${cascade}`,
      ...(original === undefined ? {} : { back: [original] }),
    }
  }

  #ofTrigger({ name, columns, key }: Table, own: string): Change | undefined {
    const random = this.#random
    const table = quoted(name)
    const made = this.#schema.ddl
      .map((text) => ({ text, name: /^create trigger "([^"]+)".* on ("[^"]+")/.exec(text) }))
      .filter(({ name }) => name !== null)
    if (made.length > 0 && random.chance(0.5)) {
      const one = random.pick(made)
      const on = this.#schema.dialect === 'postgres' ? ` on ${one.name![2]!}` : ''
      return { text: `drop trigger "${one.name![1]!}"${on}`, back: [one.text] }
    }
    const column = columns.find(
      ({ kind, writable }: Column) => kind === 'int' && writable && !key.some((each) => each.kind === 'int'),
    )
    if (column === undefined) return undefined
    const int = quoted(column.name)
    return this.#schema.dialect === 'postgres'
      ? {
          text: `create or replace rule "ru_${own}" as on delete to ${table} do also update ${table} set ${int} = 0 where ${int} = 2`,
          back: [`drop rule "ru_${own}" on ${table}`],
        }
      : {
          text: `create trigger "tr_${own}" after delete on ${table} begin update ${table} set ${int} = 0 where ${int} = 2; end`,
          back: [`drop trigger "tr_${own}"`],
        }
  }

  #postgres({ name, columns, key }: Table, own: string): Change | undefined {
    const random = this.#random
    const table = quoted(name)
    const column = random.pick(columns)
    const it = quoted(column.name)
    const { reading, writing } = this.#schema.functions
    const choices: (Change | undefined)[] = [
      column.kind === 'varchar' || column.kind === 'ctext' || column.kind === 'fold'
        ? { text: `alter table ${table} alter column ${it} type text` }
        : undefined,
      column.kind === 'text' && !key.includes(column)
        ? {
            text: `alter table ${table} alter column ${it} type text collate "folding"`,
            back: [`alter table ${table} alter column ${it} type text collate "default"`],
          }
        : undefined,
      column.kind === 'int' && !key.includes(column)
        ? { text: `alter table ${table} alter column ${it} type ${random.pick(['bigint', 'numeric', 'smallint'])}` }
        : undefined,
      { text: `comment on table ${table} is 'x'` },
      {
        text: `alter table ${table} alter column ${it} ${random.pick(['drop default', 'set not null', 'drop not null'])}`,
      },
      { text: `alter table ${table} disable trigger user`, back: [`alter table ${table} enable trigger user`] },
      {
        text: `alter table ${table} add constraint "ck_${own}" check (true)`,
        back: [`alter table ${table} drop constraint "ck_${own}"`],
      },
      {
        text: `alter table ${table} enable row level security`,
        back: [`alter table ${table} disable row level security`],
      },
      this.#named.includes(name)
        ? undefined
        : { text: `alter table ${table} set schema "alt"`, back: [`alter table "alt".${table} set schema public`] },
      { text: `alter type "mood" add value if not exists '${own}'` },
      { text: `truncate ${table} cascade` },
      reading.length > 0
        ? {
            text: `create or replace function ${quoted(reading[0]!)}(k integer) returns integer language sql stable as $$ select k + 1 $$`,
          }
        : undefined,
      writing.length > 0
        ? {
            text: `create or replace function ${quoted(writing[0]!)}(k integer) returns integer language plpgsql volatile as $$ begin delete from ${table}; return k; end $$`,
          }
        : undefined,
      name === 'parts' && this.#schema.ddl.some((text) => text.includes('partition by'))
        ? {
            text: 'alter table "parts" detach partition "parts_1"',
            back: ['alter table "parts" attach partition "parts_1" for values in (1)'],
          }
        : undefined,
      name === 'parts' && this.#schema.ddl.some((text) => text.includes('inherits'))
        ? { text: 'alter table "parts_x" no inherit "parts"', back: ['alter table "parts_x" inherit "parts"'] }
        : undefined,
    ]
    return random.pick(choices.filter((each) => each !== undefined))
  }
}
