import { quoted } from './tables.ts'
import type { Column, Source } from './tables.ts'
import type { Dialect } from './values.ts'

/** Whole rows, system columns, row numbers, locks: texts about a table called `t`. */
export function specialTexts(
  dialect: Dialect,
  table: Source,
  name: string,
  where: string,
  int: Column | undefined,
): string[] {
  return dialect === 'postgres'
    ? [
        `select t from ${name} t${where}`,
        `select to_jsonb(t) as j from ${name} t${where}`,
        `select t::text as r from ${name} t${where}`,
        `select t.ctid::text as c from ${name} t${where}`,
        `select t.* from ${name} t${where} for share`,
        `select count(t) as n from ${name} t${where}`,
        `table ${name}`,
        `select * from only ${name}`,
        `select t.tableoid::regclass::text as o, t.* from ${name} t${where}`,
        `with w as materialized (select * from ${name} t${where}) select count(*) as n from w`,
        `values (1, (select count(*) from ${name} t${where})), (2, 0)`,
        `select n, (select count(*) from ${name} t${where}) as c from generate_series(1, 2) as n`,
      ]
    : [
        `select t.rowid as r, t.* from ${name} t${where}`,
        `select t._rowid_ as r from ${name} t${where}`,
        `select * from ${name} as t not indexed${where}`,
        `select * from main.${name} as t${where}`,
        `select total(t.${quoted(int?.name ?? table.columns[0]!.name)}) as s from ${name} as t${where}`,
        `values (1, (select count(*) from ${name} t${where}))`,
        `select json_group_array(t.${quoted(table.columns[0]!.name)}) filter (where 0) as j, count(*) as n from ${name} t${where}`,
        `select [${table.columns[0]!.name}], typeof(\`${table.columns[0]!.name}\`) as ty from ${name} as t${where}`,
        `select t.* from (${name} as t)${where}`,
        `select t.value as v, (select count(*) from ${name} t${where}) as n from json_each('[1,2]') as t`,
      ]
}
