/**
 * Writes of which nobody has told what has become of them: the connection was lost or the driver has stopped waiting, and the
 * server may commit them at any time. The caller hears the error at once. From then on the tables that such a write may have changed
 * are in doubt: what is kept of them is not given. It ends, and they are dropped once more, when the server has
 * certainly done with the write: the same connection has answered a later question, or the process behind it is gone.
 */

import { setTimeout as delay } from 'node:timers/promises'

import type { DatabaseConnection } from 'kysely'

import type { Database } from './database.ts'
import { queues } from './kysely/driver.ts'
import { askProcess, parseSession } from './kysely/postgres-session.ts'
import type { Announcement } from './native.ts'
import { keepsConnection, mayStillHappen } from './outcome.ts'
import { checkSession } from './session-check.ts'
import type { Change } from './change.ts'
import type { TransactionState } from './transaction.ts'

/** Between two looks at the server; it doubles up to the longest. */
const FIRST_PAUSE_MS = 5
const LONGEST_PAUSE_MS = 5_000
/** How long a process may wait for a write that is on its way: TCP sends again after two minutes at the most. */
const LIMIT_MS = 300_000

/** The connection on which something was written. */
export interface Written {
  readonly database: Database
  readonly real: DatabaseConnection
  readonly state: TransactionState
}

/**
 * Drops what may have been written, and once more when that is certain, if it is not yet.
 *
 * @param error of the write, where it may have committed by itself; undefined if it has succeeded
 * @param drop drops the changes, and takes an announcement back
 */
export function dropChanges(
  written: Written,
  changes: readonly Change[],
  error: unknown,
  announced: Announcement | undefined,
  drop: (announced: Announcement | undefined) => void,
): void {
  const { database } = written
  const certain = error === undefined || database.sharesConnections || !mayStillHappen(error)
  // NOTE: before the drop. What is kept under the stamps of then must not be given.
  const doubt = certain ? undefined : database.doubt(changes)
  drop(announced)
  if (doubt !== undefined) void whenDone(written, error).finally(() => drop(doubt))
}

/** Resolves when the server has done with what was sent on a connection. */
async function whenDone(written: Written, error: unknown): Promise<void> {
  const { database, real, state } = written
  const { session, pid } = state
  const started = pid === undefined ? undefined : parseSession(session!).started
  // NOTE: postgres.js ends the process when anything is sent on a connection that was lost, and gives such a one to the next.
  const pipelines = queues(real)
  const mayAsk = !pipelines || keepsConnection(error)
  const answered = pipelines ? new Promise<never>(() => {}) : askAgain(written).then(() => true)
  let until = performance.now() + LIMIT_MS
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    if (await Promise.race([answered, delay(pause, false, { ref: false })])) return
    const found = mayAsk ? await look(database, pid, started) : 'unknown'
    // A connection that was not lost: what was sent on it has arrived.
    if (found === 'gone' || (found === 'idle' && pipelines)) return
    if (found === 'busy' || found === 'unreachable') until = performance.now() + LIMIT_MS
    if (performance.now() > until) return
  }
}

/** Has a connection asked for its session again: what it answers comes behind the write. */
function askAgain({ database, real, state }: Written): Promise<void> {
  state.answer ??= Promise.withResolvers<void>()
  const { promise } = state.answer
  state.session = undefined
  // If that is in vain, or cannot be now, whoever uses the connection next asks it.
  void checkSession(database, real, state)
  return promise
}

/** What the process behind a connection does, asked on another. */
async function look(
  database: Database,
  pid: number | undefined,
  started: string | undefined,
): Promise<'gone' | 'idle' | 'busy' | 'unknown' | 'unreachable'> {
  if (pid === undefined || database.destroyed) return 'unknown'
  try {
    return await database.provide!(async (connection) => {
      const { inTransaction, checking } = database.stateOf(connection)
      if (inTransaction || checking !== undefined) return 'unreachable'
      const found = await askProcess(connection, pid)
      // Of another server the number is another's.
      if (found.started !== started) return 'unknown'
      if (found.state === null) return 'gone'
      if (found.state === 'active' || found.state.startsWith('idle in transaction')) return 'busy'
      return found.state === 'idle' ? 'idle' : 'unknown'
    })
  } catch {
    return 'unreachable'
  }
}
