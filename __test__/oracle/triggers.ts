import type { Random } from './random.ts'
import { quoted } from './tables.ts'
import type { Column, Source, Table } from './tables.ts'
import type { Dialect, Kind } from './values.ts'

/** One random trigger on a table or view, as statements; none if there is nothing that it could do. */
export function makeTriggers(
  random: Random,
  dialect: Dialect,
  tables: readonly Table[],
  views: readonly (Source & { writable: boolean })[],
  name: string,
): string[] {
  const table = random.pick(tables.filter(({ name }) => name !== 'parts' && name !== 'log'))
  const log = tables.find(({ name }) => name === 'log')
  const other = random.pick(tables)
  if (dialect === 'sqlite') return sqliteTrigger(random, name, table, other, log)
  const view = views.find((each) => each.writable && each.key.length === 1)
  return view !== undefined && random.chance(0.25)
    ? insteadOf(random, name, view, other, log)
    : postgresTrigger(random, name, table, other, log)
}

function ownOf(random: Random, table: Table, kind: Kind): Column | undefined {
  const found = table.columns.filter(
    (each) => each.kind === kind && each.writable && !table.key.includes(each) && !each.name.startsWith('fk_'),
  )
  return found.length === 0 ? undefined : random.pick(found)
}

function sqliteTrigger(random: Random, name: string, table: Table, other: Table, log: Table | undefined): string[] {
  const own = ownOf(random, table, 'int')
  const theirs = ownOf(random, other, 'int')
  const key = table.key[0]!
  const bodies: [when: string, body: string][] = []
  const verb = random.pick(['insert', 'update', 'delete'])
  const row = verb === 'delete' ? 'old' : 'new'
  const when = `${verb}${verb === 'update' && own !== undefined && random.chance(0.4) ? ` of ${quoted(own.name)}` : ''}`
  if (log !== undefined) {
    const value = own === undefined ? 1 : `${row}.${quoted(own.name)}`
    bodies.push([`after ${when}`, `insert into "log" ("what", "ref") values ('${verb}', ${value})`])
    bodies.push([
      `after ${when}`,
      `insert or replace into "log" ("id", "what", "ref") select 1, '${verb}', count(*) from ${quoted(table.name)}; delete from "log" where "ref" = 3`,
    ])
  }
  if (theirs !== undefined) {
    const mine = own === undefined ? 2 : `${row}.${quoted(own.name)}`
    const [name, column] = [quoted(other.name), quoted(theirs.name)]
    bodies.push([
      `${random.pick(['after', 'before'])} ${when}`,
      `update ${name} set ${column} = 1 where ${column} = ${mine}`,
    ])
    bodies.push([`after ${when}`, `delete from ${name} where ${column} = 3`])
    if (own !== undefined)
      bodies.push([
        `after ${when}`,
        `update ${name} set ${column} = 0 where ${column} in (select ${quoted(own.name)} from ${quoted(table.name)} where ${quoted(own.name)} = 2)`,
      ])
  }
  if (own !== undefined && table.key.length === 1) {
    const [id, column] = [quoted(key.name), quoted(own.name)]
    bodies.push([
      `after ${verb === 'delete' ? 'insert' : when}`,
      `update ${quoted(table.name)} set ${column} = 2 where ${id} = new.${id}`,
    ])
    bodies.push([`before update`, `select raise(abort, 'not three') where new.${column} = 3`])
    bodies.push([`before ${verb}`, `select raise(ignore) where ${row}.${column} = 3`])
  }
  if (bodies.length === 0) return []
  const [at, body] = random.pick(bodies)
  const condition =
    own !== undefined && random.chance(0.2)
      ? ` when ${at.endsWith('delete') ? 'old' : 'new'}.${quoted(own.name)} <> 0`
      : ''
  return [`create trigger "${name}" ${at} on ${quoted(table.name)}${condition} begin ${body}; end`]
}

function plpgsql(name: string, body: string): string {
  return `create function "${name}_f"() returns trigger language plpgsql as $$ begin ${body} end $$`
}

/** What is written to a view goes somewhere else, or nowhere. */
function insteadOf(random: Random, name: string, view: Source, other: Table, log: Table | undefined): string[] {
  const theirs = ownOf(random, other, 'int')
  const verb = random.pick(['update', 'delete'])
  const returned = verb === 'delete' ? 'old' : 'new'
  const bodies = [`return ${returned};`, 'return null;']
  if (log !== undefined) bodies.push(`insert into "log" ("what", "ref") values ('instead', 3); return ${returned};`)
  if (theirs !== undefined) {
    const column = quoted(theirs.name)
    bodies.push(`update ${quoted(other.name)} set ${column} = 1 where ${column} = 2; return ${returned};`)
  }
  return [
    plpgsql(name, random.pick(bodies)),
    `create trigger "${name}" instead of ${verb} on ${quoted(view.name)} for each row execute function "${name}_f"()`,
  ]
}

function postgresTrigger(random: Random, name: string, table: Table, other: Table, log: Table | undefined): string[] {
  const [own, text] = [ownOf(random, table, 'int'), ownOf(random, table, 'text')]
  const theirs = ownOf(random, other, 'int')
  const key = table.key[0] ?? table.columns[0]!
  const bodies: [when: string, body: string][] = []
  const of = own !== undefined && random.chance(0.4) ? ` of ${quoted(own.name)}` : ''
  const before = random.pick(['before insert or update', 'before insert', `before update${of}`])
  const events = random.pick([
    'insert',
    `update${of}`,
    'delete',
    'insert or update',
    'insert or update or delete',
    'truncate',
    'delete or truncate',
  ])
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
    return [
      `create trigger "${name}" before update on ${quoted(table.name)} for each row execute function suppress_redundant_updates_trigger()`,
    ]
  }
  if (bodies.length === 0) return []
  const [at, body] = random.pick(bodies)
  const level = at.includes('truncate')
    ? 'statement'
    : at.startsWith('after') && !/\b(?:new|old)\./.test(body) && random.chance(0.3)
      ? 'statement'
      : 'row'
  const condition =
    at.startsWith('before update') && own !== undefined && random.chance(0.3)
      ? ` when (new.${quoted(own.name)} is distinct from old.${quoted(own.name)})`
      : ''
  return [
    plpgsql(name, body),
    `create trigger "${name}" ${at} on ${quoted(table.name)} for each ${level}${condition} execute function "${name}_f"()`,
  ]
}
