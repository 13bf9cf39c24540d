/** Invalidation by hand: for what was written past Kysely. */

import type { Database, Instance } from './database.ts'
import type { Known } from './known.ts'
import { CacheopsError, didYouMean } from './errors.ts'
import { unknownTable } from './kysely/names.ts'
import { native } from './native.ts'
import { encode, NO_CONTEXT, UnencodableParameter } from './parameters.ts'
import type { TableId } from './shapes.ts'
import { everything } from './change.ts'
import type { Change } from './change.ts'
import type { TransactionState } from './transaction.ts'
import { tableChange } from './write.ts'

/** Where to invalidate: at once, or when the transaction has committed. */
export interface InvalidationTarget {
  readonly database: Database
  readonly state: TransactionState | undefined
}

/** @throws CacheopsError CACHEOPS_UNKNOWN_TABLE, CACHEOPS_INVALID_ROW */
export function invalidateRow(targets: readonly InvalidationTarget[], table: string, row: object): void {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    throw new CacheopsError(
      'CACHEOPS_INVALID_ROW',
      `invalidateRow: the row of ${JSON.stringify(table)} must be an object.`,
    )
  }
  inEach(targets, table, (known, database, id) => {
    const columns = columnsOf(known, id, table, row)
    try {
      const length = encode(NO_CONTEXT, Object.values(row))
      return { json: native.rowChange(known.handle, id.schema, id.name, JSON.stringify(columns), length) }
    } catch (error) {
      if (!(error instanceof UnencodableParameter)) throw error
      return tableChange(database, id, 'invalidateRow')
    }
  })
}

/** @throws CacheopsError CACHEOPS_UNKNOWN_TABLE */
export function invalidateTable(targets: readonly InvalidationTarget[], table: string): void {
  inEach(targets, table, (_known, database, id) => tableChange(database, id, 'invalidateTable'))
}

/** Drops everything of the targets; of the whole store, if no database was named. */
export function invalidateAll(instance: Instance, targets: readonly InvalidationTarget[], wholeStore: boolean): void {
  for (const target of targets) apply(target, everything('invalidateAll'))
  if (wholeStore) native.invalidateStore(instance.storeHandle)
}

function inEach(
  targets: readonly InvalidationTarget[],
  table: string,
  changeOf: (known: Known, database: Database, id: TableId) => Change,
): void {
  const found = targets.map((target) => ({ target, id: target.database.known?.names.find(table) }))
  if (targets.length > 0 && found.every(({ target, id }) => target.database.known !== undefined && id === undefined)) {
    throw unknownTable('invalidate', table, targets[0]!.database.known!.names)
  }
  for (const { target, id } of found) {
    const { known } = target.database
    if (known !== undefined && id !== undefined) apply(target, changeOf(known, target.database, id))
    else if (known === undefined) apply(target, everything('a table of a database that is not known yet'))
  }
}

function apply({ database, state }: InvalidationTarget, change: Change): void {
  if (state?.inTransaction === true) state.hold([change])
  else database.invalidate([change])
}

function columnsOf(known: Known, id: TableId, table: string, row: object): readonly string[] {
  const fact = known.facts.facts.tables.find(({ schema, name }) => schema === id.schema && name === id.name)!
  const columns = fact.columns.map(({ name }) => name)
  return Object.keys(row).map((given) => {
    const column = known.names.columnOf(given)
    const stored =
      columns.find((name) => name === column) ?? columns.find((name) => name.toLowerCase() === column.toLowerCase())
    if (stored !== undefined) return stored
    throw new CacheopsError(
      'CACHEOPS_INVALID_ROW',
      `invalidateRow: ${JSON.stringify(table)} has no column ${JSON.stringify(given)}.${didYouMean(given, columns)}`,
    )
  })
}
