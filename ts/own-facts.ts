/**
 * Facts are shared by all connections to a database, in every thread. A SQLite connection may have what no other has:
 * temporary triggers, functions of the application, attached databases. What the options declare, other plugin objects do
 * not know. So facts are signed with it, in the one place that every thread sees: as temporary tables with names that nobody
 * would give one.
 */

import { createHash } from 'node:crypto'

import type { Facts, TableFacts } from './kysely/introspect.ts'
import { native } from './native.ts'
import type { DatabaseHandle } from './native.ts'
import type { Shape } from './shapes.ts'

/** The facts with the signatures of what is not the database's own; null signs nothing. */
export function signed(facts: Facts, signatures: readonly (string | null)[]): Facts {
  const tables = signatures.filter((signature) => signature !== null).map(tableOf)
  return tables.length === 0 ? facts : { ...facts, tables: [...facts.tables, ...tables] }
}

function tableOf(signature: string): TableFacts {
  return {
    schema: 'temp',
    name: nameOf(signature),
    kind: 'temporary',
    columns: [],
    keys: [],
    foreignKeys: [],
    triggers: [],
    rowSecurity: false,
    rules: false,
    rowid: false,
  }
}

/** Whether the facts of now have this signature: they were read on a connection that has just what this one has. */
export function isSignedBy(database: DatabaseHandle, signature: string | null): boolean {
  if (signature === null) return true
  const shape = JSON.parse(native.prepare(database, `select 1 from temp."${nameOf(signature)}"`)) as Shape
  native.release(shape.id)
  return shape.read?.cautions.some(({ code }) => code === 'temporary') === true
}

function nameOf(signature: string): string {
  return `cacheops ${createHash('sha256').update(signature).digest('base64url')}`
}
