import { sql } from 'kysely'

import type { Random } from './random.ts'
import { quoted } from './schema.ts'
import type { Schema } from './schema.ts'
import type { Write } from './write-parts.ts'

/** A statement that changes the schema in a way that the pool's queries survive. */
export function makeDdl(random: Random, schema: Schema, number: number): Write {
  const pglite = schema.dialect === 'pglite'
  const table = random.pick(schema.tables.filter(({ name }) => name !== 'parts_1'))
  const name = quoted(table.name)
  const column = random.pick(table.columns)
  const added = `extra_${number}`
  const own = table.columns.find(
    ({ kind, writable }) => kind === 'int' && writable && !table.key.some((each) => each.kind === 'int'),
  )
  const trigger =
    own === undefined
      ? undefined
      : pglite
        ? `create or replace rule "ru_${added}" as on delete to ${name} do also update ${name} set ${quoted(own.name)} = 0 where ${quoted(own.name)} = 2`
        : `create trigger "tr_${added}" after delete on ${name} begin update ${name} set ${quoted(own.name)} = 0 where ${quoted(own.name)} = 2; end`
  const texts = [
    `alter table ${name} add column "${added}" integer default ${random.pick(['7', 'null'])}`,
    `create index "ix_${added}" on ${name} (${quoted(column.name)})`,
    `alter table ${name} rename column ${quoted(column.name)} to "renamed"`,
    `alter table ${name} rename column "renamed" to ${quoted(column.name)}`,
    ...(column.kind === 'json' ? [] : [`create unique index "ux_${added}" on ${name} (${quoted(column.name)})`]),
    ...(trigger === undefined ? [] : [trigger]),
    ...(pglite && column.kind === 'varchar'
      ? [`alter table ${name} alter column ${quoted(column.name)} type text`]
      : []),
    ...(pglite && column.kind === 'int' && !table.key.includes(column)
      ? [`alter table ${name} alter column ${quoted(column.name)} type bigint`]
      : []),
    ...(pglite
      ? [
          `create table "copy_${added}" as select * from ${name}`,
          `comment on table ${name} is 'x'`,
          `drop table if exists "copy_${added}"`,
        ]
      : []),
    ...schema.views
      .filter(({ materialized }) => !materialized)
      .map((view) => `drop view if exists ${quoted(view.name)}`),
  ]
  const text = random.pick(texts)
  return { label: 'ddl', run: (db) => sql.raw(text).execute(db) }
}
