/** What an invalidation dropped, for whoever listens. */

import type { Database } from './database.ts'
import { native } from './native.ts'
import type { Report } from './shapes.ts'

/**
 * Drops, and tells of it.
 *
 * @param beyond a drop of the whole database may be one of others that are attached to it
 */
export function dropAndReport({ instance, known }: Database, drop: () => string, beyond: boolean): void {
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
