import type { Kind } from './reads.ts'
import type { LoadedTable, Source } from './data.ts'

/** Everything the demo measured; `--json` prints it, the report puts it into words. */
export interface Facts {
  readonly loaded: LoadedFacts
  readonly reads: ReadFacts
  readonly writes: readonly WriteFacts[]
  readonly writePrice: WritePriceFacts
  readonly explained: ExplainedFacts
  readonly summary: SummaryFacts
}

export type Milliseconds = number

export interface LoadedFacts {
  readonly source: Source
  readonly database: string
  readonly tables: readonly LoadedTable[]
  readonly duration: Milliseconds
}

export interface ReadFacts {
  readonly kinds: readonly {
    readonly kind: Kind
    readonly meaning: string
    /** What the library calls it: get, fetch, count, aggregate or exists. */
    readonly op: string
    readonly answers: number
    readonly rows: number
    /** Medians over the answers of this kind. */
    readonly database: Milliseconds
    readonly miss: Milliseconds
    readonly hit: Milliseconds
    /** `database` divided by `hit`. */
    readonly ratio: number
  }[]
  readonly answers: number
  readonly misses: number
  readonly hits: number
  /** Statements that reached the database while the hits were served. */
  readonly statementsDuringHits: number
}

/** One thing that the library reported as dropped. */
export interface DroppedFact {
  readonly table: string
  readonly level: string
  readonly what: string
  readonly reason: string
  /** Those of the dropped answers that depended on it. */
  readonly answers: readonly AnswerName[]
}

export interface WriteFacts {
  readonly title: string
  readonly sql: string
  readonly rows: number
  readonly duration: Milliseconds
  /** Answers in the cache just before the write. */
  readonly cached: number
  readonly dropped: readonly AnswerName[]
  /** How many of the dropped answers the write had really made wrong. */
  readonly changed: number
  readonly kept: readonly AnswerName[]
  /** How many a cache that knows only table names would have dropped. */
  readonly tableLevel: number
  /** The library's own account, from its `invalidate` events. */
  readonly reasons: readonly DroppedFact[]
  /** How many entries these events had before equal ones were merged; they list only so many. */
  readonly listed: number
  readonly warnings: readonly string[]
  /** Answers that were asked again through the cache and compared with the database. */
  readonly check: CheckFacts
}

export interface AnswerName {
  readonly kind: Kind
  readonly of: string
}

export interface CheckFacts {
  readonly compared: number
  readonly hits: number
  readonly misses: number
  readonly different: readonly AnswerName[]
}

export interface WritePriceFacts {
  readonly runs: number
  readonly plain: Milliseconds
  readonly cached: Milliseconds
  readonly ratio: number
}

export interface ExplainedFacts {
  readonly kind: Kind
  readonly of: string
  readonly sql: string
  readonly cacheable: boolean
  readonly reason: string | null
  readonly op: string | null
  readonly tables: readonly string[]
  readonly key: string | null
  readonly cached: boolean
  readonly dependencies: readonly {
    readonly table: string
    /** `all`, or the columns that the question looks at. */
    readonly columns: 'all' | readonly string[]
    readonly conditions: readonly string[]
  }[]
  readonly cautions: readonly { readonly code: string; readonly detail: string }[]
  readonly remarks: readonly string[]
}

export interface SummaryFacts {
  readonly hits: number
  readonly misses: number
  readonly writes: number
  readonly dropped: number
  readonly changed: number
  readonly kept: number
  readonly tableLevelDropped: number
  /** Medians over all answers. */
  readonly database: Milliseconds
  readonly hit: Milliseconds
  readonly ratio: number
  readonly compared: number
  readonly different: number
  /** Failures that the library reported of itself. */
  readonly faults: readonly string[]
  /** From the first line to the last. */
  readonly duration: Milliseconds
}
