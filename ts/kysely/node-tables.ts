import type { OperationNode, RootOperationNode } from 'kysely'

import type { TableId } from '../shapes.ts'
import type { Known } from '../known.ts'

/** Nodes that may run anything: text of the user's, and functions. */
const UNSEEN = /^(?:Raw|Function|AggregateFunction)Node$/

/**
 * The tables that a statement of Kysely's builders names, for texts that cannot be read; undefined when that does not
 * tell all it can write: tables without facts, triggers, foreign keys that act on other tables.
 */
export function tablesOf(node: RootOperationNode, known: Known): readonly TableId[] | undefined {
  if (!/^(?:Insert|Update|Delete|Merge)QueryNode$/.test(node.kind)) return undefined
  const { tables, searchPath } = known.facts.facts
  const found: TableId[] = []
  let complete = true
  walk(node, (inner) => {
    if (UNSEEN.test(inner.kind)) complete = false
    if (inner.kind !== 'TableNode') return
    const { schema, identifier } = (inner as unknown as TableLike).table
    const schemas = schema === undefined ? searchPath : [schema.name]
    const table = schemas
      .map((name) => tables.find((fact) => fact.schema === name && fact.name === identifier.name))
      .find((fact) => fact !== undefined)
    if (table === undefined) complete = false
    else found.push({ schema: table.schema, name: table.name })
  })
  const simple = found.every((id) => {
    const table = tables.find((fact) => fact.schema === id.schema && fact.name === id.name)!
    const parent = tables.some((child) =>
      (child.foreignKeys ?? []).some((key) => key.parent.schema === id.schema && key.parent.name === id.name),
    )
    return table.kind === 'table' && (table.triggers ?? []).length === 0 && !table.rules && !parent
  })
  return complete && simple && found.length > 0 ? found : undefined
}

interface TableLike {
  readonly table: { readonly schema?: { readonly name: string }; readonly identifier: { readonly name: string } }
}

function walk(node: unknown, visit: (node: OperationNode) => void): void {
  if (typeof node !== 'object' || node === null) return
  if (Array.isArray(node)) {
    for (const item of node) walk(item, visit)
    return
  }
  if ('kind' in node && typeof node.kind === 'string') visit(node as OperationNode)
  for (const value of Object.values(node)) walk(value, visit)
}
