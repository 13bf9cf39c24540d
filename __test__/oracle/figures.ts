export interface Figures {
  steps: number
  /** comparisons of a read with the database */
  compared: number
  /** answers that came from the cache */
  hits: number
  stale: number
  wrong: number
  /** entries that a step dropped */
  dropped: number
  /** entries whose result a step did not change, and how many of them stayed */
  unchanged: number
  kept: number
  /** comparisons in open transactions, and how many of them hit */
  inside: number
  insideHits: number
  /** write results compared with the twin's */
  writes: number
  /** why reads were not answered from the cache, and how often */
  readonly reasons: Map<string, number>
  /** what went wrong for writers, and how often: codes of errors, who was chosen in a deadlock, whose connection was lost */
  readonly troubles: Map<string, number>
}

export function noFigures(): Figures {
  return {
    steps: 0,
    compared: 0,
    hits: 0,
    stale: 0,
    wrong: 0,
    dropped: 0,
    unchanged: 0,
    kept: 0,
    inside: 0,
    insideHits: 0,
    writes: 0,
    reasons: new Map(),
    troubles: new Map(),
  }
}
