/**
 * PostgreSQL connections may be made ready past us: by `onCreateConnection`, `onReserveConnection`, `pool.on('connect')`, by
 * settings of a role, by a pool that spreads over several servers. So a connection is asked for its session, once per object
 * that the driver gives: `pg` gives one per connection, postgres.js one each time. There the question is sent in front of the
 * first statement and not waited for; only what is made of that statement's answer waits.
 */

import type { DatabaseConnection } from 'kysely'

import type { Database } from './database.ts'
import { askSession, differenceOf, parseSession } from './kysely/postgres-session.ts'
import { settingOf } from './kysely/settings.ts'
import type { TransactionState } from './transaction.ts'

/** It did not answer. */
const UNKNOWN = 'unknown'

/** Asks a connection that has not been asked; a promise while its answer is under way. */
export function checkSession(
  database: Database,
  real: DatabaseConnection,
  state: TransactionState,
): Promise<void> | undefined {
  // NOTE: nothing is asked inside a transaction that somebody left open: it may still be told its isolation level.
  if (state.session !== undefined || database.known?.facts.told === undefined || state.inTransaction) return undefined
  if (database.openTransactions > 0) return undefined
  state.checking ??= check(database, real, state)
  return state.checking
}

async function check(database: Database, real: DatabaseConnection, state: TransactionState): Promise<void> {
  const told = await askSession(real)
  const session = told?.session
  state.checking = undefined
  // Somebody waits for an answer: it is asked again.
  if (told === undefined && state.answer !== undefined) return
  state.session = session ?? UNKNOWN
  state.pid = told?.pid
  state.answer?.resolve()
  state.answer = undefined
  if (session !== undefined && !agrees(database, state)) notice(database, session)
}

/** Whether the facts are those of this connection; no while it has not told. */
export function agrees({ known, instance }: Database, { session }: TransactionState): boolean {
  const own = known?.facts.told
  if (own === undefined || session === own) return true
  if (session === undefined || session === UNKNOWN || !instance.config.replica) return false
  return differenceOf(parseSession(own), parseSession(session)) === undefined
}

/** A connection is not like the one that the facts were read on: what that means for all others. */
function notice(database: Database, session: string): void {
  const ours = parseSession(database.known!.facts.told!)
  const theirs = parseSession(session)
  if (!database.instance.config.replica) {
    if (theirs.inRecovery && !ours.inRecovery) database.servesReplicas()
    else if (theirs.started !== ours.started || theirs.inRecovery !== ours.inRecovery) {
      database.schemaChanged('another server answers, or the same one after a restart')
    }
  }
  const name = differenceOf(ours, theirs)
  if (name === undefined) return
  const { changesWrites, changesNames } = settingOf(name)
  database.settingsChanged ||= changesWrites
  database.namesChanged ||= changesNames
  if (database.sessionChanged === undefined) {
    database.instance.events.warn(
      `cacheops stops caching for this Kysely instance: its connections differ in ${name}, so the same query means something ` +
        'else on each. Give all connections of an instance the same, or use one Kysely instance for each.',
    )
  }
  database.sessionChanged = name
}
