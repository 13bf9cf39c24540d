/**
 * FLOW 2, a write: plan → a text that also gives the changed rows → the database → what changed → (held until the
 * commit) → the stamps are dropped, before the caller hears that the write is done.
 */

import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely'

import type { Database } from './database.ts'
import { planImages, runCounting, runPlainly, runReturning } from './kysely/row-images.ts'
import type { Outcome, WriteConnection, WriteRun } from './kysely/row-images.ts'
import type { ExecutionOptions } from './kysely/seam.ts'
import { runUnlogged } from './kysely/driver.ts'
import { RunBetweenSelects } from './kysely/sqlite-images.ts'
import { dropChanges } from './in-doubt.ts'
import { native } from './native.ts'
import type { Announcement } from './native.ts'
import { mayHaveHappened } from './outcome.ts'
import { copyEncoded, encodeOrNothing, restore } from './parameters.ts'
import { holdForPeers } from './peers.ts'
import { agrees } from './session-check.ts'
import type { ImagePlan, Images, Shape, TableId } from './shapes.ts'
import { everything } from './change.ts'
import type { Change } from './change.ts'
import type { TransactionState } from './transaction.ts'

/**
 * A write on its way. Whoever began it executes `compiled` himself, without a function of ours in between: an error's stack
 * has room for few frames besides the caller's.
 */
export interface Write {
  readonly compiled: CompiledQuery
  /** Asks what has to be asked in front of the statement; a promise that must be awaited, unless all is asked at once. */
  before(): Promise<void> | undefined
  /** Asks what has to be asked behind it, in the tick in which it was executed. */
  after(): void
  /** Invalidates what was changed, and gives what the caller is to get. */
  done(result: QueryResult<unknown>): Promise<QueryResult<unknown>>
  /** Throws what the caller is to hear, unless the statement could be executed after all. */
  failed(error: unknown): Promise<QueryResult<unknown>>
}

/**
 * Begins a write: what it has changed is invalidated at once when it commits by itself, else with the commit.
 *
 * @param images `without images`: the statement is executed as it is, and what its text tells must do
 */
export function beginWrite(
  connection: WriteConnection,
  compiled: CompiledQuery,
  options: ExecutionOptions,
  images: 'with images' | 'without images' = 'with images',
): Write {
  const { database, state } = connection
  const unlike = whyUnlike(database, state)
  if (unlike !== undefined) {
    const changes = [everything(unlike)]
    const announced = state.mayAutocommit ? database.announce(changes) : undefined
    return writeOf(connection, runPlainly(compiled), () => changes, announced)
  }
  const shape = database.currentShape(compiled.sql)
  const length = encodeOrNothing(compiled.parameters)
  // By the time they are needed the caller may have changed its objects.
  const parameters = copyEncoded(length)
  const announced = state.mayAutocommit ? native.announce(shape.id, length) : undefined
  const plainly = images === 'without images' || state.schemaChanged || state.uncertain
  const plan = plainly ? undefined : planImages(database, shape)
  const run = runOf(connection, plan, compiled, options)
  // NOTE: what the connection's session is may only be known by then.
  const changes = (images: Images | undefined): readonly Change[] =>
    agrees(database, state) ? changesOf(database, shape, parameters, images) : [everything(OTHER_SESSION)]
  return writeOf(connection, run, changes, announced)
}

const OTHER_SESSION = 'a connection that differs from the one whose facts are known'

/** Why the facts tell nothing of what is written on a connection. */
function whyUnlike(database: Database, state: TransactionState): string | undefined {
  if (state.settingsChanged || database.settingsChanged) return 'a setting that was changed'
  if (database.factsMayLag) return 'a replica, whose facts may be old'
  return state.session === undefined || agrees(database, state) ? undefined : OTHER_SESSION
}

function runOf(
  connection: WriteConnection,
  plan: ImagePlan | undefined,
  compiled: CompiledQuery,
  options: ExecutionOptions,
): WriteRun {
  if (plan === undefined) return runPlainly(compiled)
  if (plan.mode === 'returning') return runReturning(connection, plan, compiled, options)
  if (plan.mode === 'select') return new RunBetweenSelects(connection, plan, compiled)
  return runCounting(connection, compiled)
}

function writeOf(
  connection: WriteConnection,
  run: WriteRun,
  changes: (images: Images | undefined) => readonly Change[],
  announced: Announcement | undefined,
): Write {
  const { database } = connection
  const settled = async (outcome: Promise<Outcome>): Promise<QueryResult<unknown>> => {
    let result: QueryResult<unknown>
    let images: Images | undefined
    try {
      ;({ result, images } = await outcome)
    } catch (error) {
      if (database.known?.dialect !== 'postgres' || mayHaveHappened(error, run.compiled.sql))
        await settle(connection, changes(undefined), announced, error)
      else database.retract(announced)
      throw error
    }
    await settle(connection, changes(images), announced)
    return result
  }
  return {
    compiled: run.compiled,
    before: () => run.before?.(),
    after: () => run.after?.(),
    done: (result) => settled(run.done(result)),
    failed: (error) => settled(run.failed(error)),
  }
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
  const announced = connection.state.mayAutocommit ? database.announce(changes) : undefined
  let result: QueryResult<unknown>
  try {
    result = await run()
  } catch (error) {
    await settle(connection, changes, announced, error)
    throw error
  }
  await settle(connection, changes, announced)
  return result
}

/** Executes a statement that changes the schema: the facts are asked for again, nothing cached is trusted. */
export async function changeSchema(
  connection: WriteConnection,
  run: () => Promise<QueryResult<unknown>>,
): Promise<QueryResult<unknown>> {
  const { database, state } = connection
  const changes = [everything('the schema was changed')]
  const announced = state.mayAutocommit ? database.announce(changes) : undefined
  let failure: unknown
  try {
    return await run()
  } catch (error) {
    failure = error
    throw error
  } finally {
    const { mayAutocommit } = state
    if (state.inTransaction) {
      state.schemaChanged = true
      state.hold(changes)
    }
    holdForPeers(database, changes)
    dropChanges(connection, changes, mayAutocommit ? failure : undefined, announced, (given) => {
      if (mayAutocommit) database.schemaChanged('the schema was changed')
      // NOTE: not before: until then others have to drop it.
      database.retract(given)
    })
  }
}

/** Makes held changes come true, after a commit or where nobody knows. */
export function flush(
  database: Database,
  held: readonly Change[],
  schemaChanged: boolean,
  announced?: Announcement,
): void {
  if (schemaChanged) database.schemaChanged('the schema was changed')
  database.invalidate(held, announced)
}

/** A change of a whole table. */
export function tableChange(database: Database, table: TableId, reason: string): Change {
  const { handle } = database
  return handle === undefined
    ? everything(reason)
    : { json: native.tableChange(handle, table.schema, table.name, reason) }
}

async function settle(
  connection: WriteConnection,
  changes: readonly Change[],
  announced: Announcement | undefined,
  error?: unknown,
): Promise<void> {
  const { database, real, state } = connection
  if (state.mode === 'opaque' && database.known?.dialect === 'postgres') await lookIntoDriver(real, state)
  if (state.inTransaction) state.hold(changes)
  holdForPeers(database, changes)
  if (!state.mayAutocommit) database.retract(announced)
  else dropChanges(connection, changes, error, announced, (given) => database.invalidate(changes, given))
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
