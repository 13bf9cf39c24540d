/**
 * Whose results a replica may answer with. Results of two servers are told apart by the time of their start; a replica
 * takes those of its primary, which it does not know. So it takes those of the only server that was seen under the identity
 * they share, and nobody's if there were several: one of them is a copy.
 */

import type { DatabaseHandle } from './native.ts'

/** When servers that follow no other were started, by database. */
const started = new Map<DatabaseHandle, Set<string>>()

/** A server that follows no other has told which database it has; `before`: its start as it was known until now. */
export function notePrimary(base: DatabaseHandle, start: string, before: string | undefined): void {
  const starts = started.get(base) ?? new Set()
  started.set(base, starts)
  if (before !== undefined) starts.delete(before)
  starts.add(start)
}

/** The start of the one server that a replica of this database can follow; undefined if that is not certain. */
export function primaryOf(base: DatabaseHandle): string | undefined {
  const starts = started.get(base)
  if (starts?.size !== 1) return undefined
  const [only] = starts
  return only
}
