import type { Random } from './random.ts'
import { quoted, STRICT } from './tables.ts'
import type { Column, ForeignKey, Table } from './tables.ts'
import { kindOf, literalOf } from './values.ts'
import type { Dialect } from './values.ts'

const ACTIONS = ['cascade', 'cascade', 'set null', 'set default', 'restrict', 'no action'] as const

/**
 * Gives a table columns that refer to earlier tables, or to itself.
 *
 * @returns the definitions of the columns and constraints.
 */
export function addForeignKeys(random: Random, dialect: Dialect, table: Table, earlier: readonly Table[]): string[] {
  const parents = [...earlier, ...(random.chance(0.25) ? [table] : [])].filter(({ key }) => key.length > 0)
  if (parents.length === 0) return []
  const definitions: string[] = []
  const count = random.weighted([
    [4, 1],
    [2, 2],
    [1, 0],
  ])
  for (let i = 0; i < count; i++) {
    // The table made last is taken more often, so that chains come about.
    const parent = random.chance(0.4) ? parents.at(-1)! : random.pick(parents)
    const composite = parent.key.length > 1
    // SQLite forgets to take a deferred violation back when an immediate one ends the statement, with or without RETURNING.
    const deferred = random.chance(0.15) && (dialect === 'postgres' || table.foreign.length === 0)
    const tail = `${actions(random)}${deferred ? ' deferrable initially deferred' : ''}`
    if (composite) definitions.push(...refer(random, dialect, table, parent, parent.key, tail))
    else {
      const targets = [
        parent.key[0]!,
        ...parent.unique.filter(({ exact, kind }) => exact && (table.strict !== true || STRICT.has(kind))),
      ]
      const target = random.chance(0.75) ? targets[0]! : random.pick(targets)
      definitions.push(...refer(random, dialect, table, parent, [target], tail))
    }
    if (dialect === 'sqlite' && deferred) break
  }
  return definitions
}

function actions(random: Random): string {
  return ` on delete ${random.pick(ACTIONS)} on update ${random.pick(ACTIONS)}`
}

function refer(
  random: Random,
  dialect: Dialect,
  table: Table,
  parent: Table,
  targets: readonly Column[],
  tail: string,
): string[] {
  const names: string[] = []
  const definitions: string[] = []
  const reference = `references ${quoted(parent.name)}(${targets.map(({ name }) => quoted(name)).join(', ')})${tail}`
  for (const references of targets) {
    const { type, usual } = kindOf(dialect, references.kind)
    const notNull = random.chance(0.15)
    const given = random.chance(0.4) ? literalOf(dialect, random.pick(usual)) : undefined
    const column: Column = {
      name: `fk_${table.foreign.length}`,
      kind: references.kind,
      nullable: !notNull,
      writable: true,
      exact: references.exact,
    }
    names.push(quoted(column.name))
    definitions.push(
      `"${column.name}" ${type}${notNull ? ' not null' : ''}${given === undefined ? '' : ` default ${given}`}` +
        (targets.length === 1 ? ` ${reference}` : ''),
    )
    ;(table.columns as Column[]).push(column)
    ;(table.foreign as ForeignKey[]).push({ column, parent, references })
  }
  if (targets.length > 1) definitions.push(`foreign key (${names.join(', ')}) ${reference}`)
  return definitions
}
