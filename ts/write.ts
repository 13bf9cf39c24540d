/**
 * FLOW 2, a write: plan → a text that also gives the changed rows → the database → what changed → (held until the
 * commit) → the stamps are dropped, before the caller hears that the write is done.
 */

import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely'

import type { Database } from './database.ts'
import { countOnly, executeBetweenSelects, executeReturning, planImages } from './kysely/row-images.ts'
import type { ExecutionOptions } from './kysely/seam.ts'
import { runUnlogged } from './kysely/driver.ts'
import { native } from './native.ts'
import { copyEncoded, encodeOrNothing, restore } from './parameters.ts'
import { holdForPeers } from './peers.ts'
import type { Images, Shape, TableId } from './shapes.ts'
import { everything } from './transaction.ts'
import type { Change, TransactionState } from './transaction.ts'

/** A connection that a write runs on. */
export interface WriteConnection {
  readonly database: Database
  readonly real: DatabaseConnection
  readonly state: TransactionState
}

/**
 * Executes a write and invalidates what it can have changed: at once when it commits by itself, else with the commit.
 */
export async function writeOnConnection(
  connection: WriteConnection,
  compiled: CompiledQuery,
  options: ExecutionOptions,
): Promise<QueryResult<unknown>> {
  const { database, real, state } = connection
  if (state.settingsChanged || database.settingsChanged) {
    return writeAnything(connection, 'a setting that was changed', () => real.executeQuery(compiled, options))
  }
  const shape = database.currentShape(compiled.sql)
  // By the time they are needed the caller may have changed its objects.
  const parameters = copyEncoded(encodeOrNothing(compiled.parameters))
  const plan = state.schemaChanged || state.uncertain ? undefined : planImages(database, shape)
  let outcome: { readonly result: QueryResult<unknown>; readonly images: Images | undefined }
  try {
    if (plan?.mode === 'returning') outcome = await executeReturning(connection, plan, compiled, options)
    else if (plan?.mode === 'select') outcome = await executeBetweenSelects(connection, plan, compiled, options)
    else {
      const result = await real.executeQuery(compiled, options)
      outcome = { result, images: plan === undefined ? undefined : await countOnly(connection, result) }
    }
  } catch (error) {
    if (mayHaveHappened(database, error)) await settle(connection, changesOf(database, shape, parameters, undefined))
    throw error
  }
  await settle(connection, changesOf(database, shape, parameters, outcome.images))
  return outcome.result
}

/** Executes something that nobody can know the effects of. */
export async function writeAnything(
  connection: WriteConnection,
  reason: string,
  run: () => Promise<QueryResult<unknown>>,
  tables: readonly TableId[] = [],
): Promise<QueryResult<unknown>> {
  const { database } = connection
  const changes =
    tables.length === 0 ? [everything(reason)] : tables.map((table) => tableChange(database, table, reason))
  try {
    return await run()
  } finally {
    await settle(connection, changes)
  }
}

/** Executes a statement that changes the schema: the facts are asked for again, nothing cached is trusted. */
export async function changeSchema(
  connection: WriteConnection,
  run: () => Promise<QueryResult<unknown>>,
): Promise<QueryResult<unknown>> {
  const { database, state } = connection
  try {
    return await run()
  } finally {
    if (state.inTransaction) {
      state.schemaChanged = true
      state.hold([everything('the schema was changed')])
    }
    holdForPeers(database, [everything('the schema was changed')])
    if (state.mode !== 'open' || state.uncertain) database.schemaChanged('the schema was changed')
  }
}

/** Makes held changes come true, after a commit or where nobody knows. */
export function flush(database: Database, held: readonly Change[], schemaChanged: boolean): void {
  if (schemaChanged) database.schemaChanged('the schema was changed')
  database.invalidate(held)
}

/** A change of a whole table. */
export function tableChange(database: Database, table: TableId, reason: string): Change {
  const { handle } = database
  return handle === undefined
    ? everything(reason)
    : { json: native.tableChange(handle, table.schema, table.name, reason) }
}

async function settle(connection: WriteConnection, changes: readonly Change[]): Promise<void> {
  const { database, real, state } = connection
  if (state.mode === 'opaque' && database.known?.dialect === 'postgres') await lookIntoDriver(real, state)
  if (state.inTransaction) state.hold(changes)
  holdForPeers(database, changes)
  if (state.mayAutocommit) database.invalidate(changes)
}

/**
 * A driver's own method may have begun a transaction. PostgreSQL tells: a statement that has committed by itself leaves no
 * transaction number behind. No number proves nothing, because a transaction that has changed no row yet has none either.
 */
async function lookIntoDriver(real: DatabaseConnection, state: TransactionState): Promise<void> {
  try {
    const [row] = await runUnlogged(real, 'select pg_current_xact_id_if_assigned()::text as id')
    if (typeof row?.['id'] !== 'string') return
    state.mode = 'open'
    state.transactionId = row['id']
  } catch {
    // A failed transaction answers nothing.
    state.uncertain = true
  }
}

function changesOf(
  database: Database,
  shape: Shape,
  parameters: Uint8Array,
  images: Images | undefined,
): readonly Change[] {
  try {
    const length = restore(parameters)
    return [{ json: native.change(shape.id, length, images === undefined ? null : JSON.stringify(images)) }]
  } catch (error) {
    database.instance.events.fault(error, 'describing a write')
    return [everything('a write that could not be described')]
  }
}

/** Whether a failed statement may have changed something all the same. */
function mayHaveHappened(database: Database, error: unknown): boolean {
  if (database.known?.dialect !== 'postgres') return true
  const code = (error as { code?: unknown } | null)?.code
  // PostgreSQL takes a failed statement back as a whole, unless it was the connection or the server that failed.
  return typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code) || /^(?:08|40003|57|58|XX)/.test(code)
}
