/** What one PostgreSQL connection may have that others have not: the server behind it, and the settings of its session. */

import type { DatabaseConnection } from 'kysely'

import { runUnlogged } from './driver.ts'

/**
 * Settings that change what a text means, what may be read, or how a value is written. Those of the session count, so that
 * two pools with different settings do not share entries.
 */
const SETTINGS = [
  'bytea_output',
  'client_encoding',
  'DateStyle',
  'default_text_search_config',
  'default_transaction_isolation',
  'extra_float_digits',
  'IntervalStyle',
  'lc_monetary',
  'lc_numeric',
  'lc_time',
  'role',
  'row_security',
  'search_path',
  'session_authorization',
  'standard_conforming_strings',
  'TimeZone',
  'timezone_abbreviations',
  'transform_null_equals',
  'xmlbinary',
  'xmloption',
]

/** Of a connection, as the database tells it. */
export interface PostgresSession {
  /** of the server's start: another number is another server, or one that may have lost what it had */
  readonly started: string
  /** it follows a primary, and may be behind it */
  readonly inRecovery: boolean
  readonly settings: Readonly<Record<string, string | null>>
  /** relations that a temporary one of this session hides; null for none */
  readonly hidden: string | null
}

/** An expression for a {@link PostgresSession} as JSON: the same text for sessions that are alike. */
export const SESSION: string = `json_build_object(
  'started', extract(epoch FROM pg_postmaster_start_time())::text,
  'inRecovery', pg_is_in_recovery(),
  'settings', (SELECT json_object_agg(name, current_setting(name, true)) FROM unnest(ARRAY['${SETTINGS.join("', '")}']) name),
  'hidden', CASE WHEN pg_my_temp_schema() <> 0 THEN (
    SELECT string_agg(DISTINCT t.relname, ', ' ORDER BY t.relname) FROM pg_catalog.pg_class t
    JOIN pg_catalog.pg_class p ON p.relname = t.relname AND p.relkind IN ('r', 'p', 'v', 'm', 'f')
    JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace AND n.nspname = ANY (current_schemas(false))
    WHERE t.relnamespace = pg_my_temp_schema() AND t.relkind IN ('r', 'p', 'v', 'm', 'f') AND p.relpersistence <> 't') END)::text`

const ASK = `SELECT ${SESSION} AS session, pg_backend_pid()::text AS pid`

/** Of a connection: what it may have that others have not, and the server's process behind it. */
export interface Told {
  readonly session: string
  /** undefined if that came as something else */
  readonly pid: number | undefined
}

/** Asks a connection for its session; undefined when it does not answer. */
export async function askSession(connection: DatabaseConnection): Promise<Told | undefined> {
  try {
    const [row] = await runUnlogged(connection, ASK)
    const session = row?.['session']
    const pid = Number(row?.['pid'])
    return typeof session === 'string' ? { session, pid: Number.isInteger(pid) ? pid : undefined } : undefined
  } catch {
    return undefined
  }
}

/**
 * What a process of the server does; `state`: null if there is no such process, or it is the one that answers and so has done with what
 * it was asked before; empty if that may not be known.
 */
export async function askProcess(
  connection: DatabaseConnection,
  pid: number,
): Promise<{ readonly started: unknown; readonly state: string | null }> {
  const [row] = await runUnlogged(
    connection,
    `SELECT extract(epoch FROM pg_postmaster_start_time())::text AS started,
      (SELECT coalesce(state, '') FROM pg_stat_get_activity(${pid}) WHERE pid <> pg_backend_pid()) AS state`,
  )
  const state = row?.['state']
  return { started: row?.['started'], state: state === null || typeof state === 'string' ? state : '' }
}

export function parseSession(session: string): PostgresSession {
  return JSON.parse(session) as PostgresSession
}

/** The name of a setting in which two sessions differ; what a temporary relation hides counts as one. */
export function differenceOf(one: PostgresSession, other: PostgresSession): string | undefined {
  if (one.hidden !== other.hidden) return 'search_path'
  const names = Object.keys(one.settings).filter((name) => one.settings[name] !== other.settings[name])
  // One that gives names another meaning matters most.
  return names.find((name) => ['search_path', 'role', 'session_authorization'].includes(name)) ?? names[0]
}
