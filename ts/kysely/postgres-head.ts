/** What is asked of PostgreSQL before, and often instead of, its catalogs: one row, at a fraction of the price. */

import type { RunSql } from './facts.ts'
import { SESSION } from './postgres-session.ts'
import type { TypeSample } from './postgres-types.ts'
import { once, takeValues, valueColumns } from './postgres-values.ts'
import type { Values } from './postgres-values.ts'
import { DIGEST } from './schema-digest.ts'

/** One value of each type that a driver or a user's parser may treat in its own way. */
const SAMPLES = [
  '1::int2',
  '1::int4',
  '1::int8',
  '1.50::numeric',
  '1.5::float4',
  '1.5::float8',
  'true',
  "'a'::text",
  "'a'::varchar(2)",
  "'a'::char(2)",
  "'a'::name",
  `'a'::"char"`,
  '1::oid',
  "'2001-02-03'::date",
  "'2001-02-03 04:05:06.789012'::timestamp",
  "'2001-02-03 04:05:06.789012+00'::timestamptz",
  "'04:05:06'::time",
  "'04:05:06+01'::timetz",
  "'1 day 02:03:04'::interval",
  `'{"a_b":1}'::json`,
  `'{"a_b":[1,null]}'::jsonb`,
  "'\\x00ff'::bytea",
  "'00000000-0000-4000-8000-000000000001'::uuid",
  "'1.5'::money",
  "'(1,2)'::point",
  "'127.0.0.1'::inet",
  "'101'::varbit",
  "'[1,3)'::int4range",
  "'a'::tsvector",
  "row(1, 'a')",
  "'{1,NULL}'::int4[]",
  "'{1}'::int8[]",
  "'{1.5}'::numeric[]",
  "'{1.5}'::float8[]",
  "'{t}'::bool[]",
  "'{a,NULL}'::text[]",
  "'{2001-02-03}'::date[]",
  "'{2001-02-03 04:05:06}'::timestamp[]",
  "'{2001-02-03 04:05:06+00}'::timestamptz[]",
  "'{00000000-0000-4000-8000-000000000001}'::uuid[]",
  `'{"{}"}'::jsonb[]`,
  'NULL',
]

// Drivers may change names as well, and those within documents.
const SAMPLE = SAMPLES.map((value, at) => `${value} AS sample_v${at}`).join(', ')

/** The answer of {@link headQuery}, beside the sample. */
export interface Head {
  /** `version()` */
  readonly product: string
  /** such as 180006 */
  readonly version: number
  /** null if the role may not ask for it */
  readonly identity: {
    readonly system: string
    /** PGlite only */
    readonly started: string | null
    readonly oid: string
    readonly database: string
  } | null
  /** see `parseSession` */
  readonly told: string
  /** the server's process that has answered */
  readonly pid: number
  /** what this role and this session have of their own: names, rights, and how values are written */
  readonly session: string
  readonly changes: string
  /** null if it was not asked for */
  readonly content: string | null
  /** plans that look expensive are compiled first, for longer than the whole answer takes */
  readonly compiles: boolean
}

const SETTINGS_OF_FACTS = ['DateStyle', 'extra_float_digits', 'standard_conforming_strings', 'transform_null_equals']

/** NOTE: a name that drivers leave alone. The column of {@link headQuery} that holds the {@link Head}; the others are the sample. */
export const HEAD = '$head'

// NOTE: all PGlites are copies of one, and each lives in its process; so only the time of its start tells it.
const IDENTITY = `(
    SELECT json_build_object('system', s.system_identifier::text, 'oid', d.oid::text, 'database', d.datname,
      'started', CASE WHEN version() LIKE '%PGlite%' THEN extract(epoch FROM pg_postmaster_start_time())::text END)
    FROM pg_control_system() s, pg_catalog.pg_database d WHERE d.datname = current_database())`

/** What was answered to {@link headQuery}: without what belongs to values, which may not have been asked for. */
export interface Answer {
  readonly row: Readonly<Record<string, unknown>>
  readonly values: Values | undefined
}

/**
 * Asks for the head.
 *
 * @param samples of types: what becomes of values is asked for in the same statement, if nothing refuses it
 */
export async function askHead(
  run: RunSql,
  withContent: boolean,
  samples: readonly TypeSample[] | undefined,
): Promise<Answer> {
  const taken = samples === undefined ? undefined : await askWithValues(run, withContent, samples)
  if (taken !== undefined) return { row: taken.rest, values: taken.values }
  const [row = {}] = await askAlone(run, withContent)
  return { row, values: undefined }
}

async function askWithValues(
  run: RunSql,
  withContent: boolean,
  samples: readonly TypeSample[],
): Promise<ReturnType<typeof takeValues>> {
  const { text, parameters } = valueColumns(samples)
  let row: Readonly<Record<string, unknown>> | undefined
  try {
    ;[row] = await run(once(`${headQuery(withContent, true)}, ${text}`), parameters)
  } catch {
    // What refused it shows when each is asked for by itself.
    return undefined
  }
  return row === undefined ? undefined : takeValues(row, samples, SAMPLES.length)
}

/** Without the identity for a role that may not ask for it. */
async function askAlone(run: RunSql, withContent: boolean): Promise<readonly Record<string, unknown>[]> {
  try {
    return await run(headQuery(withContent, true))
  } catch (error) {
    if ((error as { code?: unknown }).code !== '42501') throw error
    return run(headQuery(withContent, false))
  }
}

/** Which database this is, what has become of its schema, and a sample of values. */
export function headQuery(withContent: boolean, withIdentity: boolean): string {
  return `WITH ${DIGEST.scope} SELECT json_build_object(
  'product', version(),
  'version', current_setting('server_version_num')::int,
  'identity', ${withIdentity ? IDENTITY : 'NULL'},
  'told', ${SESSION},
  'pid', pg_backend_pid(),
  'session', json_build_array(current_user, session_user, current_schemas(false),
    ${SETTINGS_OF_FACTS.map((name) => `current_setting('${name}')`).join(', ')})::text,
  'changes', ${DIGEST.changes},
  'content', ${withContent ? DIGEST.content : 'NULL'},
  'compiles', pg_jit_available()
)::text AS "${HEAD}", ${SAMPLE}`
}
