import type { Op } from './config.ts'
import type { Database } from './database.ts'
import { native } from './native.ts'
import { answerOf, decide, hexOf } from './read.ts'
import type { ReadRequest } from './read.ts'
import { encode, encodeOrNothing, NO_CONTEXT } from './parameters.ts'
import type { Caution, PlanExplanation, Shape } from './shapes.ts'

/** What the cache makes of a query, and why. */
export interface Explanation {
  /** it would be answered from the cache, or kept there */
  readonly cacheable: boolean
  /** why not; null if it would */
  readonly reason: string | null
  /** what it asks for; null for anything but a read */
  readonly op: Op | null
  /** tables and views that it names, as `DB` names them */
  readonly tables: readonly string[]
  /** 32 hexadecimal digits; null if it would not be cached */
  readonly key: string | null
  /** an entry would be found now */
  readonly cached: boolean
  /** how long its result would be kept, in seconds; null if it would not be cached */
  readonly timeout: number | null
  /** what its result depends on: a write of a row that meets none of the conditions, or none of the columns, drops nothing */
  readonly dependencies: readonly {
    readonly table: string
    readonly columns: 'all' | readonly string[]
    readonly conditions: readonly string[]
  }[]
  /** what speaks against caching it; `.cache()` overrides what is `overridable` */
  readonly cautions: readonly Caution[]
  /** what was taken more broadly than the query says, and why */
  readonly remarks: readonly string[]
}

/**
 * Explains a read as `decide` sees it now.
 *
 * @param bypass why the cache is not used on the connection that the query would run on.
 */
export function explainRead(database: Database, request: ReadRequest, bypass: string | undefined): Explanation {
  const decision = decide(database, request)
  const shape = decision.shape ?? database.shape(request.compiled.sql)
  const reason = 'reason' in decision ? decision.reason : (bypass ?? (decision.replica ? 'replica' : null))
  const bound = 'bound' in decision ? decision.bound : undefined
  const nameOf = (schema: string, name: string): string => database.known?.names.nameOf({ schema, name }) ?? name
  const plan = shape?.read === undefined ? undefined : planOf(shape, request.compiled.parameters)
  return {
    cacheable: reason === null,
    reason,
    op: decision.op ?? null,
    tables: (shape?.read?.named ?? []).map((table) => nameOf(table.schema, table.name)),
    key: bound === undefined ? null : hexOf(bound.key),
    cached: 'bound' in decision && answerOf(database, decision) !== undefined,
    timeout: 'timeout' in decision ? decision.timeout : null,
    dependencies: (plan?.dependencies ?? []).map(({ schema, table, columns, conditions }) => ({
      table: nameOf(schema, table),
      columns,
      conditions,
    })),
    cautions: shape?.read?.cautions ?? [],
    remarks: shape?.read?.remarks ?? [],
  }
}

/** Values that have no encoding are unknown ones; the conditions on them are then wider. */
function planOf(shape: Shape, parameters: readonly unknown[]): PlanExplanation {
  return JSON.parse(native.explain(shape.id, encodeAll(parameters))) as PlanExplanation
}

function encodeAll(parameters: readonly unknown[]): number {
  try {
    return encode(NO_CONTEXT, parameters)
  } catch {
    return encodeOrNothing(parameters)
  }
}
