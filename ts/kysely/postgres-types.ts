/**
 * Types that are not built in, of which a driver may make anything: which there are, and a value of each. The list is part of
 * what is read of a schema, and of a schema file; the values are asked for on each first use.
 */

/** A type, by its name, and how a value of it is written. */
export interface TypeSample {
  readonly schema: string
  readonly name: string
  /** enum, composite, range, multirange, array, array of a domain, or one of {@link KNOWN_VALUES} */
  readonly kind: 'e' | 'c' | 'r' | 'm' | 'a' | 'd' | 'b'
  /** columns of a composite type */
  readonly width: number
}

export interface UserTypes {
  readonly samples: readonly TypeSample[]
  /** columns have types of which no value is known, so that nobody knows what a driver makes of them */
  readonly unsampled: boolean
}

export const NO_TYPES: UserTypes = { samples: [], unsampled: false }

/** The database takes so many expressions in one SELECT, and a driver some time for each. */
const MAX_SAMPLES = 1_000

/** Values of extensions' types, by name. */
const KNOWN_VALUES = new Map([
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
])

/** An expression that gives a value. */
export function valueOf({ schema, name, kind, width }: TypeSample): string {
  const type = [schema, name].map((part) => `"${part.replaceAll('"', '""')}"`).join('.')
  switch (kind) {
    case 'e':
      return `(enum_range(NULL::${type}))[1]`
    case 'c':
      return `'(${','.repeat(Math.max(0, width - 1))})'::${type}`
    case 'r':
      return `'empty'::${type}`
    case 'a':
      return `'{NULL}'::${type}`
    case 'b':
      return `'${KNOWN_VALUES.get(name)}'::${type}`
    default:
      return `'{}'::${type}`
  }
}

const KNOWN_NAMES = [...KNOWN_VALUES.keys()].map((name) => `'${name}'`).join(', ')

/** Of {@link USER_TYPES}: types as drivers know them, who see the type below a domain. `rel` are the relations, with `temporary`. */
export const USER_TYPES_SCOPE: string = `made AS (
  SELECT t.oid, n.nspname, t.typname, has_schema_privilege(n.oid, 'USAGE') AS visible,
    (SELECT count(*) FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS width,
    t.oid IN (SELECT a.atttypid FROM pg_catalog.pg_attribute a JOIN rel ON rel.oid = a.attrelid WHERE NOT rel.temporary) AS used,
    CASE
      WHEN t.typtype IN ('e', 'm', 'r') THEN t.typtype::text
      -- The check of a domain may refuse what is in it.
      WHEN t.typtype = 'c' THEN CASE WHEN NOT EXISTS (
        SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type d ON d.oid = a.atttypid
        WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND d.typtype = 'd') THEN 'c' END
      WHEN t.typcategory = 'A' THEN CASE WHEN y.typtype = 'd' THEN 'd' ELSE 'a' END
      WHEN t.typname IN (${KNOWN_NAMES}) THEN 'b'
    END AS kind
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_type y ON y.oid = t.typelem
  LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
  LEFT JOIN pg_catalog.pg_class e ON e.oid = y.typrelid
  WHERE (e.oid IS NULL OR e.relkind = 'c') AND t.oid >= 16384 AND t.typisdefined AND t.typtype IN ('b', 'c', 'e', 'm', 'r')
    AND (t.typrelid = 0 OR c.relkind = 'c' OR c.oid IN (SELECT oid FROM rel WHERE NOT temporary))
    AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_(catalog|toast|temp_|toast_temp_)'
)`

/** {@link UserTypes} as JSON. */
export const USER_TYPES: string = `json_build_object(
  'samples', (SELECT coalesce(json_agg(j), '[]') FROM (
    SELECT json_build_object('schema', nspname, 'name', typname, 'kind', kind, 'width', width) AS j
    FROM made WHERE visible AND kind IS NOT NULL ORDER BY oid LIMIT ${MAX_SAMPLES}) s),
  'unsampled', (SELECT count(*) FILTER (WHERE visible AND kind IS NOT NULL) > ${MAX_SAMPLES}
    OR bool_or(used AND (kind IS NULL OR NOT visible)) FROM made) IS TRUE)`
