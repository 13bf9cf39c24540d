/**
 * Facts are shared by all connections to a database, in every thread. A SQLite connection may have what no other has:
 * temporary triggers, functions of the application, attached databases. So facts are signed with it, in the one place that
 * every thread sees: as a temporary table that nobody would call so.
 */

import { createHash } from 'node:crypto'

import type { DatabaseFacts, Facts, TableFacts } from './kysely/introspect.ts'
import { native } from './native.ts'
import type { DatabaseHandle } from './native.ts'
import type { Shape } from './shapes.ts'

/** The facts with the signature of the connection that they were read on. */
export function signed({ facts, connection }: Pick<DatabaseFacts, 'facts' | 'connection'>): Facts {
  if (connection === null) return facts
  const signature: TableFacts = {
    schema: 'temp',
    name: nameOf(connection),
    kind: 'temporary',
    columns: [],
    keys: [],
    foreignKeys: [],
    triggers: [],
    rowSecurity: false,
    rules: false,
    rowid: false,
  }
  return { ...facts, tables: [...facts.tables, signature] }
}

/** Whether the facts of now were read on a connection that has just what this one has. */
export function isSignedBy(database: DatabaseHandle, connection: string | null): boolean {
  if (connection === null) return true
  const shape = JSON.parse(native.prepare(database, `select 1 from temp."${nameOf(connection)}"`)) as Shape
  native.release(shape.id)
  return shape.read?.cautions.some(({ code }) => code === 'temporary') === true
}

function nameOf(connection: string): string {
  return `cacheops ${createHash('sha256').update(connection).digest('base64url')}`
}
