/** What an invalidation dropped, for whoever listens. */

import type { Events } from './events.ts'
import type { Names } from './kysely/names.ts'
import { native } from './native.ts'
import type { StoreHandle } from './native.ts'
import type { Report } from './shapes.ts'

/** Whose results are dropped. */
interface Dropping {
  readonly instance: { readonly events: Events; readonly storeHandle: StoreHandle }
  readonly known: { readonly names: Names } | undefined
}

/**
 * Drops, and tells of it.
 *
 * @param beyond a drop of the whole database may be one of others that are attached to it
 */
export function dropAndReport({ instance, known }: Dropping, drop: () => string, beyond: boolean): void {
  const { events } = instance
  const start = performance.now()
  let report: Report
  try {
    report = JSON.parse(drop()) as Report
  } catch (error) {
    // Whatever it was: what cannot be dropped precisely is dropped as a whole.
    native.invalidateStore(instance.storeHandle)
    events.fault(error, 'invalidation')
    return
  }
  if (beyond && report.dropped.some(({ level }) => level === 'database')) {
    native.invalidateStore(instance.storeHandle)
  }
  for (const warning of report.warnings) {
    events.warn(`cacheops drops every result, because nobody can know what a write did: ${warning}`)
  }
  if (report.dropped.length === 0 || !events.has('invalidate')) return
  const names = known?.names
  const named = report.dropped.filter(({ level }) => level !== 'database')
  const tables = named.map(({ schema, table }) => names?.nameOf({ schema, name: table }) ?? table)
  events.emit('invalidate', {
    tables: [...new Set(tables)],
    dropped: report.dropped,
    more: report.more,
    warnings: report.warnings,
    duration: performance.now() - start,
  })
}
