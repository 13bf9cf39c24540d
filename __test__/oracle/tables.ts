import type { Kind, Target } from './values.ts'

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
  readonly foreign: readonly ForeignKey[]
  /** the key is given by the database if it is left out */
  readonly serial: boolean
  /** SQLite: no row numbers */
  readonly without?: boolean
  readonly strict?: boolean
  /** conflict targets of partial and expression indexes, as texts */
  readonly targets?: string[]
}

/** One per column of a composite key. */
export interface ForeignKey {
  readonly column: Column
  readonly parent: Table
  readonly references: Column
}

export interface Schema extends Target {
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
  /** steps may change settings of the connection */
  readonly settings: boolean
}

/** Kinds whose types STRICT takes. */
export const STRICT: ReadonlySet<Kind> = new Set(['int', 'text', 'fold', 'trim', 'real', 'blob', 'any'])

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
