/** What writes have changed, on its way from the database to the stamps. */

/** Something written that has to be invalidated: the core's JSON, or everything for a reason. */
export type Change = { readonly json: string } | { readonly everything: string }

/** A change that nobody can know the extent of. */
export function everything(reason: string): Change {
  return { everything: reason }
}

/** A change without its rows: a query that nobody has asked before may depend on others of them. */
export function ofWholeTables(change: Change): Change {
  if ('everything' in change) return change
  const all = JSON.parse(change.json) as readonly { readonly kind: string; readonly rows?: unknown }[]
  return { json: JSON.stringify(all.map((each) => (each.kind === 'rows' ? { ...each, kind: 'table' } : each))) }
}

/** Several as one list of the core's. */
export function joined(changes: readonly Change[]): string {
  const inner = changes.map((change) => ('json' in change ? change.json.trim().slice(1, -1) : ''))
  return `[${inner.filter((change) => change !== '').join(',')}]`
}
