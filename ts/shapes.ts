/** The JSON that crosses between the Rust core and this layer. */

import type { ShapeHandle } from './native.ts'

/** A table as the database names it. */
export interface TableId {
  readonly schema: string
  readonly name: string
}

/** Why a read is not cached automatically; `.cache()` may override it where `overridable`. */
export interface Caution {
  readonly code: string
  readonly detail: string
  readonly overridable: boolean
}

/** What a read does. */
export interface ReadShape {
  readonly op: 'get' | 'fetch' | 'count' | 'aggregate' | 'exists' | 'get_if_one'
  /** `get_if_one`: the parameter that must be 1 */
  readonly limitParameter?: number
  /** base tables, views resolved */
  readonly tables: readonly TableId[]
  /** tables and views as the text names them */
  readonly named: readonly TableId[]
  readonly cautions: readonly Caution[]
  readonly remarks: readonly string[]
  /** it calls functions that may write */
  readonly writes: boolean
  readonly locks: boolean
  readonly session: boolean
}

/** What a write does. */
export interface WriteShape {
  readonly tables: readonly TableId[]
  readonly verb: string
  readonly everything?: string
}

/** What a statement does to the connection's transaction. */
export interface ControlShape {
  readonly verb: 'begin' | 'commit' | 'rollback' | 'savepoint' | 'rollback_to' | 'release' | 'other'
  readonly name?: string
  /** begin: whether its statements share one snapshot; null: the database's default level */
  readonly snapshot?: boolean | null
  readonly chain?: boolean
}

/** One SQL text, planned. */
export interface Shape {
  readonly id: ShapeHandle
  readonly kind: 'read' | 'write' | 'ddl' | 'control' | 'session' | 'lock' | 'inert' | 'unparsed'
  readonly parameters: number
  readonly read?: ReadShape
  readonly write?: WriteShape
  readonly control?: ControlShape
  readonly session?: { readonly detail: string; readonly harmless: boolean; readonly snapshot: boolean }
  readonly unparsed?: { readonly detail: string; readonly read: boolean }
}

/** How a write can be made to return its rows. */
export interface ImagePlan {
  readonly columns: readonly string[]
  readonly differs: readonly string[]
  readonly old: boolean
  readonly new: boolean
  /** `none`: run the text as it is, nothing needs an image; `returning`: run `sql` instead; `select`: select before and after */
  readonly mode: 'none' | 'returning' | 'select'
  readonly sql?: string
  /** `sql` answers at most `limit + 1` image rows and the number of affected rows, and nothing of the caller's */
  readonly counted: boolean
  /** where `sql` has the caller's text, in characters; empty: where the caller has it */
  readonly pieces: readonly { readonly at: number; readonly from: number; readonly length: number }[]
  /** the old values come as one JSON array a row; null in its place, or `false` in it: unknown */
  readonly oldAsJson: boolean
  readonly limit: number
  /** the text has a RETURNING of the caller's, whose rows it must get */
  readonly callerReturns: boolean
  /** SQLite: a write that matches no row, which takes the write lock */
  readonly lock?: string
  /** SQLite: reads in front of the write and behind it, with some of its parameters */
  readonly before?: ImageSelect
  readonly after?: ImageSelect
}

/** A read of rows that a write concerns. `parameters`: which of the write's it takes: from, to. */
export interface ImageSelect {
  readonly sql: string
  readonly parameters: readonly [number, number]
}

/** Row images as the core takes them, aligned with `ImagePlan.columns` and `differs`. */
export interface Images {
  readonly affected: number | null
  /** no row was changed, and that is not only what a driver says */
  readonly none?: boolean
  readonly rows: readonly {
    readonly o?: readonly (string | null)[]
    readonly n?: readonly (string | null)[]
    readonly d?: readonly string[]
  }[]
}

/** One dependency that was dropped. */
export interface Dropped extends TableIdOfDrop {
  /** how much: every result of the database, of the table, of one set of columns, or of one condition */
  readonly level: 'database' | 'table' | 'scheme' | 'condition'
  /** the condition in words, such as `origin = 'DFW'` */
  readonly what: string
  /** why it was dropped */
  readonly reason: string
}

interface TableIdOfDrop {
  readonly schema: string
  readonly table: string
}

/** What an invalidation dropped. */
export interface Report {
  readonly dropped: readonly Dropped[]
  /** how many more were dropped than are listed */
  readonly more: number
  readonly warnings: readonly string[]
}

/** A plan in words. */
export interface PlanExplanation {
  readonly key: string
  readonly dependencies: readonly {
    readonly schema: string
    readonly table: string
    readonly columns: 'all' | readonly string[]
    readonly conditions: readonly string[]
  }[]
}
