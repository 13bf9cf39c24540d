import { canonical } from './compare.ts'
import type { Read } from './read-parts.ts'

/** Rows as a text in which order counts where the query asks for one. */
export function textOf(read: Read, result: unknown): string {
  const rows = Array.isArray(result) ? result : (result as { rows: unknown[] }).rows
  const texts = rows.map(canonical)
  return (read.ordered ? texts : texts.sort()).join('\n')
}

export function errorText(error: unknown): string {
  return `error: ${(error as { code?: unknown }).code as string} ${(error as Error).message}`
}

/** A connection that was busy says nothing of the data. */
export function isBusy(text: string): boolean {
  return /^error: SQLITE_(?:BUSY|LOCKED)/.test(text)
}
