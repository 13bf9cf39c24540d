/** What is asked of PostgreSQL before, and often instead of, its catalogs: one row, at a fraction of the price. */

import { DIGEST } from './schema-digest.ts'

/**
 * Settings that change what a text means or how a value is written. Those of the session count, so that two pools with
 * different settings do not share entries.
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
  'row_security',
  'standard_conforming_strings',
  'TimeZone',
  'timezone_abbreviations',
  'transform_null_equals',
  'xmlbinary',
  'xmloption',
]

/** One value of each type that a driver or a user's parser may treat in its own way. */
const SAMPLE = [
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
  `'{"a":1}'::json`,
  `'{"a":[1,null]}'::jsonb`,
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
  .map((value, at) => `${value} AS v${at}`)
  .join(', ')

/** The answer of {@link headQuery}, beside the sample. */
export interface Head {
  /** `version()` */
  readonly product: string
  /** such as 180006 */
  readonly version: number
  readonly identity: {
    readonly system: string
    /** PGlite only */
    readonly started: string | null
    readonly oid: string
    readonly database: string
  }
  readonly settings: Readonly<Record<string, string | null>>
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

/** Which database this is, what has become of its schema, and a {@link SAMPLE}. */
export function headQuery(withContent: boolean): string {
  return `WITH ${DIGEST.scope} SELECT json_build_object(
  'product', version(),
  'version', current_setting('server_version_num')::int,
  'identity', (
    SELECT json_build_object('system', s.system_identifier::text, 'oid', d.oid::text, 'database', d.datname,
      'started', CASE WHEN version() LIKE '%PGlite%' THEN extract(epoch FROM pg_postmaster_start_time())::text END)
    FROM pg_control_system() s, pg_catalog.pg_database d WHERE d.datname = current_database()),
  'settings', (
    SELECT json_object_agg(name, current_setting(name, true))
    FROM unnest(ARRAY['${SETTINGS.join("', '")}', 'search_path', 'role', 'session_authorization']) name),
  'session', json_build_array(current_user, session_user, current_schemas(false),
    ${SETTINGS_OF_FACTS.map((name) => `current_setting('${name}')`).join(', ')})::text,
  'changes', ${DIGEST.changes},
  'content', ${withContent ? DIGEST.content : 'NULL'},
  'compiles', pg_jit_available()
)::text AS "${HEAD}", ${SAMPLE}`
}
