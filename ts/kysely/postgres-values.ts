import type { RunSql } from './facts.ts'
import { fingerprintOf } from './fingerprint.ts'

/**
 * What a driver, and parsers and serializers of the user's, make of PostgreSQL's values and of parameters: found out by
 * asking, for nothing else tells.
 */

/**
 * Digest of what becomes of parameters and of values whose types are not built in.
 *
 * @throws when the driver changes names of columns, texts or plain parameters: then nothing can be said of what a condition
 * means or of what a write has changed.
 */
export async function askPostgresValues(run: RunSql): Promise<string> {
  await demandPlain(run)
  const [types] = await run(TYPES)
  const { samples, unsampled } = JSON.parse(types?.['$types'] as string) as UserTypes
  const received = samples.length === 0 ? null : await ask(run, samples, [])
  const texts = SENT.map(([type], at) => `($${at + 1}::${type})::text`)
  const sent = await ask(
    run,
    texts,
    SENT.map(([, value]) => value),
  )
  // What cannot be asked is taken for something that only this driver does.
  const own = unsampled || received === undefined ? crypto.randomUUID() : ''
  return fingerprintOf({ received, sent, own }, null)
}

/** Undefined: a parser, a serializer or the database refuses one of the values. */
async function ask(run: RunSql, values: readonly string[], parameters: readonly unknown[]): Promise<unknown> {
  try {
    return (await run(once(`SELECT ${values.map((value, at) => `${value} AS v${at}`).join(', ')}`), parameters))[0]
  } catch {
    return undefined
  }
}

interface UserTypes {
  /** expressions that give a value of each type that is not built in */
  readonly samples: readonly string[]
  /** columns have types of which no value is known, so that nobody knows what a driver makes of them */
  readonly unsampled: boolean
}

/** The database takes so many expressions in one SELECT, and a driver some time for each. */
const MAX_SAMPLES = 1_000

/** Values of extensions' types, by name. */
const KNOWN_VALUES = [
  ['citext', 'a'],
  ['cube', '(1,2)'],
  ['geography', 'POINT(1 2)'],
  ['geometry', 'POINT(1 2)'],
  ['halfvec', '[1,2]'],
  ['hstore', 'a=>1'],
  ['ltree', 'a.b'],
  ['seg', '1'],
  ['sparsevec', '{1:1}/2'],
  ['vector', '[1,2]'],
]
  .map(([type, value]) => `('${type}', '${value}')`)
  .join(', ')

const TYPES = `WITH rel AS MATERIALIZED (
  SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'
), made AS (
  -- Types that are not built in, as drivers know them: of a domain they see the type below.
  SELECT t.oid, t.typtype, t.typcategory, t.typname, format_type(t.oid, NULL) AS name,
    has_schema_privilege(t.typnamespace, 'USAGE') AS visible, y.typtype AS part,
    (SELECT count(*) FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS width,
    EXISTS (
      SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type d ON d.oid = a.atttypid
      WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND d.typtype = 'd') AS checked,
    t.oid IN (SELECT a.atttypid FROM pg_catalog.pg_attribute a JOIN rel ON rel.oid = a.attrelid) AS used
  FROM pg_catalog.pg_type t
  LEFT JOIN pg_catalog.pg_type y ON y.oid = t.typelem
  LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
  LEFT JOIN pg_catalog.pg_class e ON e.oid = y.typrelid
  WHERE (e.oid IS NULL OR e.relkind = 'c') AND t.oid >= 16384 AND t.typisdefined AND t.typtype IN ('b', 'c', 'e', 'm', 'r')
    AND (t.typrelid = 0 OR c.relkind = 'c' OR c.oid IN (SELECT oid FROM rel))
    AND t.typnamespace <> 'pg_catalog'::regnamespace AND t.typnamespace <> 'information_schema'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_class o WHERE o.oid = coalesce(t.typrelid, 0) AND o.relpersistence = 't')
), sample AS (
  SELECT *, CASE
    WHEN NOT visible THEN NULL
    WHEN typtype = 'e' THEN format('(enum_range(NULL::%s))[1]', name)
    WHEN typtype = 'c' AND NOT checked THEN format('%L::%s', '(' || repeat(',', width::int - 1) || ')', name)
    WHEN typtype = 'm' THEN format('%L::%s', '{}', name)
    WHEN typtype = 'r' THEN format('%L::%s', 'empty', name)
    WHEN typcategory = 'A' THEN format('%L::%s', CASE WHEN part = 'd' THEN '{}' ELSE '{NULL}' END, name)
    ELSE (
      SELECT format('%L::%s', v.value, name)
      FROM (VALUES ${KNOWN_VALUES}) v (type, value) WHERE v.type = typname)
  END AS value
  FROM made
)
SELECT json_build_object(
  'samples', (SELECT coalesce(json_agg(value), '[]') FROM (
    SELECT value FROM sample WHERE value IS NOT NULL ORDER BY oid LIMIT ${MAX_SAMPLES}) s),
  'unsampled', (SELECT count(value) > ${MAX_SAMPLES} OR bool_or(used AND value IS NULL) FROM sample) IS TRUE
)::text AS "$types"`

/** Texts that a parser may trim, change, or take for something else. */
const TEXTS = [
  ' a ',
  ' Aa\t\u00e4A\u0308\u00df_ ',
  '',
  '1',
  '007',
  'true',
  'null',
  'NULL',
  '{}',
  '[1]',
  '2001-02-03',
  '2001-02-03T04:05:06Z',
]

/** Types by which rows are looked for, and what they are looked for with. */
const PLAIN: readonly (readonly [type: string, value: unknown, text: string])[] = [
  ...TEXTS.map((text) => ['text', text, text] as const),
  ['varchar', TEXTS[0], TEXTS[0]!],
  ['int2', 12, '12'],
  ['int4', 12, '12'],
  ['int4', '12', '12'],
  ['int8', 12, '12'],
  ['int8', '12', '12'],
  ['int8', 12n, '12'],
  ['numeric', 1.5, '1.5'],
  ['numeric', '1.50', '1.50'],
  ['float8', 1.5, '1.5'],
  ['float8', '1.5', '1.5'],
  ['bool', true, 'true'],
  ['bool', false, 'false'],
  ['uuid', '00000000-0000-4000-8000-00000000000A', '00000000-0000-4000-8000-00000000000a'],
  ['date', '2001-02-03', '2001-02-03'],
]

/** Row images are texts under names of ours, and what a condition means is told by its parameters. */
async function demandPlain(run: RunSql): Promise<void> {
  const texts = TEXTS.map((text, at) => `'${text}'::text AS "$cacheops$n${at}"`)
  const sent = PLAIN.map(([type, , text], at) => {
    return `($${at + 1}::${type} = '${text}'::${type})::int4::text AS "$cacheops$p${at}"`
  })
  const [row = {}] = await run(
    once(`SELECT ${[...texts, ...sent].join(', ')}, NULL::text AS "$cacheops$null"`),
    PLAIN.map(([, value]) => value),
  )
  const changed = TEXTS.find((text, at) => row[`$cacheops$n${at}`] !== text)
  if (changed !== undefined || (row['$cacheops$null'] ?? null) !== null) {
    const which = changed === undefined ? 'NULL' : JSON.stringify(changed)
    throw new Error(`a parser or transform of the driver changes texts (${which}): nobody can see what a write changed`)
  }
  const other = PLAIN.find((_, at) => row[`$cacheops$p${at}`] !== '1')
  if (other === undefined) return
  throw new Error(`a serializer of the driver changes ${other[0]} parameters: nobody can see what a condition means`)
}

/** Parameters that each driver sends in its own way, and users' serializers in theirs. */
const SENT: readonly (readonly [type: string, value: unknown])[] = [
  ['timestamptz', new Date(981_173_106_789)],
  ['timestamp', new Date(981_173_106_789)],
  ['date', new Date(981_173_106_789)],
  ['jsonb', { b: [1, null], a: 'x' }],
  ['int4[]', [1, 2]],
  ['text[]', ['a', 'B ', null]],
  ['bytea', Buffer.from([0, 255])],
]

let asked = 0

/**
 * NOTE: a connection of postgres.js hangs at the second statement of a text whose parameter its serializer has refused.
 */
function once(text: string): string {
  return `/* ${++asked} */ ${text}`
}
