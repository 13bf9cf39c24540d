/** What is asked of PostgreSQL's catalogs. */

import { USER_TYPES, USER_TYPES_SCOPE } from './postgres-types.ts'
import type { UserTypes } from './postgres-types.ts'

/** Object identifiers are only compared. */
export type Oid = string

/** A table or view outside of the system's schemas. */
export interface RelationRow {
  readonly oid: Oid
  readonly schema: string
  readonly name: string
  /** `relkind`: table, partitioned table, view, materialised view, foreign table */
  readonly type: 'r' | 'p' | 'v' | 'm' | 'f'
  readonly temporary: boolean
  readonly rowSecurity: boolean
}

/** All columns of a relation; compact, for there are many. */
export interface ColumnsRow {
  readonly table: Oid
  /** `attnum`s, in order */
  readonly numbers: readonly number[]
  readonly names: readonly string[]
  /** one letter for each */
  readonly kinds: string
  /** some of `numbers`, null for none */
  readonly generated: readonly number[] | null
  /** some of `numbers`, null for none */
  readonly unreadable: readonly number[] | null
}

/** A trigger, or a function that a table's defaults and constraints call and that may write. */
export interface TriggerRow {
  readonly table: Oid
  readonly name: string
  /** bits of `tgtype` */
  readonly type: number
  readonly function: string
  readonly language: string
  readonly source: string
  /** the function's own search path, if it has one */
  readonly path: string | null
}

/** What a function executes. */
export interface Body {
  readonly language: string
  readonly source: string
  /** the function's own search path, if it has one */
  readonly path: string | null
}

/** The answer of {@link CATALOG}. */
export interface Catalog {
  readonly types: UserTypes
  readonly operators: boolean
  /** functions behind the user's operators and casts */
  readonly implicit: readonly string[]
  /** relations that policies read */
  readonly policies: readonly { readonly table: Oid; readonly schema: string; readonly name: string }[]
  /** functions that policies and the queries of views call */
  readonly calls: readonly (readonly [relation: Oid, called: string])[]
  /** functions that the checks of domains call */
  readonly domains: readonly (readonly [name: string, called: string])[]
  readonly searchPath: readonly string[]
  readonly relations: readonly RelationRow[]
  readonly columns: readonly ColumnsRow[]
  readonly keys: readonly { readonly table: Oid; readonly columns: readonly number[] }[]
  readonly foreignKeys: readonly {
    readonly child: Oid
    readonly parent: Oid
    readonly columns: readonly number[]
    readonly parentColumns: readonly number[]
    readonly onDelete: string
    readonly onUpdate: string
  }[]
  readonly triggers: readonly TriggerRow[]
  readonly bases: readonly { readonly view: Oid; readonly schema: string; readonly name: string }[]
  readonly rules: readonly Oid[]
  readonly inherits: readonly (readonly [child: Oid, parent: Oid])[]
  readonly functions: readonly {
    readonly name: string
    readonly volatility: 'i' | 's' | 'v'
    /** of each overload; null for one that belongs to none */
    readonly extensions: readonly (string | null)[]
    /** of each overload that is not of an extension and can be read */
    readonly bodies: readonly Body[] | null
    /** functions that it calls besides those of its body: an aggregate's, defaults of arguments, checks of its types */
    readonly parts: readonly string[] | null
    /** it takes a row, so `row.name` may call it */
    readonly attribute: boolean
  }[]
}

const list = (rows: string): string => `(SELECT coalesce(json_agg(j), '[]') FROM (${rows}) q)`

// NOTE: a pinned object (the system's own) has no row in pg_depend, which is what leaves the built-in functions out below.
// Temporary relations of other roles cannot be this application's, but another pooled connection's can.
export const CATALOG: string = `
WITH space AS MATERIALIZED (
  SELECT oid, nspname FROM pg_catalog.pg_namespace
  WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname NOT LIKE 'pg\\_toast%'
), rel AS MATERIALIZED (
  SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence = 't' AS temporary, c.relrowsecurity,
    coalesce(has_table_privilege(c.oid, 'SELECT'), false) AS readable
  FROM pg_catalog.pg_class c JOIN space n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND (c.relpersistence <> 't' OR c.relnamespace = pg_my_temp_schema()
    OR c.relowner IN (SELECT oid FROM pg_catalog.pg_roles WHERE rolname IN (current_user, session_user)))
), equal AS MATERIALIZED (
  -- Types that an operator = of the user takes, and those that a cast of the user gives another meaning.
  SELECT unnest(ARRAY[oprleft, oprright]) AS type FROM pg_catalog.pg_operator WHERE oid >= 16384 AND oprname = '='
  UNION
  SELECT unnest(ARRAY[castsource, casttarget]) FROM pg_catalog.pg_cast
  WHERE oid >= 16384 AND castcontext = 'i' AND castsource < 16384 AND casttarget < 16384
), shown AS MATERIALIZED (
  -- Types whose values a cast of the user turns into text.
  SELECT k.castsource AS type FROM pg_catalog.pg_cast k
  JOIN pg_catalog.pg_proc p ON p.oid = k.castfunc
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  WHERE k.oid >= 16384 AND k.casttarget = 25 AND l.lanname NOT IN ('c', 'internal')
), col AS MATERIALIZED (
  SELECT a.attrelid, a.attnum, a.attname, a.attcollation, a.attgenerated <> '' AS generated,
    CASE
      -- Computed whenever it is read, which may fail, and must not make a write fail.
      WHEN a.attgenerated = 'v' THEN 'o'
      WHEN EXISTS (SELECT FROM shown) AND (t.typtype = 'd' OR a.atttypid IN (SELECT type FROM shown)) THEN 'x'
      -- regproc and regoper: overloads are written alike.
      WHEN a.atttypid IN (24, 2203) THEN 'x'
      WHEN EXISTS (SELECT FROM equal) AND (a.atttypid IN (SELECT type FROM equal)
        OR EXISTS (SELECT FROM equal e JOIN pg_catalog.pg_type y ON y.oid = e.type WHERE y.typtype = 'p')
        OR EXISTS (
          SELECT FROM pg_catalog.pg_cast k JOIN equal e ON e.type = k.casttarget
          WHERE k.castsource = a.atttypid AND k.castcontext = 'i')) THEN 'o'
      WHEN a.atttypid IN (20, 21, 23) THEN 'i'
      WHEN a.atttypid = 1700 THEN 'n'
      WHEN a.atttypid = 701 AND current_setting('extra_float_digits')::int > 0 THEN 'f'
      WHEN a.atttypid = 16 THEN 'b'
      WHEN a.atttypid = 2950 THEN 'u'
      WHEN a.atttypid IN (25, 1043) AND l.collisdeterministic THEN 't'
      WHEN t.typtype = 'e' THEN 't'
      WHEN a.atttypid = 1082 AND current_setting('DateStyle') LIKE 'ISO%' THEN 'd'
      -- Too few digits are written to tell values apart; only these hold no floats: "char", name, bytea, char(n), json, inet,
      -- cidr, times, jsonb, and arrays of exact types.
      WHEN current_setting('extra_float_digits')::int <= 0
        AND a.atttypid NOT IN (17, 18, 19, 25, 114, 650, 869, 1042, 1043, 1082, 1083, 1114, 1184, 1186, 1266, 3802)
        AND a.atttypid NOT IN (1000, 1005, 1007, 1009, 1015, 1016, 1182, 1231, 2951) THEN 'x'
      ELSE 'o'
    END AS kind,
    rel.readable OR coalesce(has_column_privilege(a.attrelid, a.attnum, 'SELECT'), false) AS readable
  FROM pg_catalog.pg_attribute a
  JOIN rel ON rel.oid = a.attrelid
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
  WHERE a.attnum > 0 AND NOT a.attisdropped
), fun AS MATERIALIZED (
  SELECT p.oid, p.proname, p.provolatile, p.prorettype, l.lanname, e.extname, n.nspname,
    CASE WHEN p.prosqlbody IS NULL THEN p.prosrc ELSE pg_get_function_sqlbody(p.oid) END AS prosrc,
    p.pronargs > 0 AND p.pronargs - p.pronargdefaults < 2 AND EXISTS (
      SELECT FROM pg_catalog.pg_type t WHERE t.oid = p.proargtypes[0] AND t.typtype IN ('c', 'd', 'p')) AS attribute,
    -- As elsewhere: code in C is taken to write nothing but when it is called by name.
    e.extname IS NULL AND l.lanname NOT IN ('c', 'internal') OR p.proname LIKE 'dblink%' AS hidden,
    CASE WHEN n.nspname = 'pg_catalog' THEN p.proname ELSE n.nspname || '.' || p.proname END AS called,
    (SELECT substr(setting, 13) FROM unnest(p.proconfig) setting WHERE setting LIKE 'search\\_path=%') AS path
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    AND d.refclassid = 'pg_catalog.pg_extension'::regclass
  LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
    OR p.oid IN (SELECT tgfoid FROM pg_catalog.pg_trigger WHERE NOT tgisinternal)
), reached AS MATERIALIZED (
  -- The functions that an expression can call, by name or as an operator.
  SELECT 'pg_catalog.pg_proc'::regclass AS classid, f.oid AS by, f.oid, f.proname FROM fun f
  WHERE f.hidden AND f.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
  UNION ALL
  SELECT 'pg_catalog.pg_operator'::regclass, o.oid, f.oid, f.proname FROM fun f
  JOIN pg_catalog.pg_operator o ON o.oprcode = f.oid WHERE f.hidden
), calls AS MATERIALIZED (
  -- What evaluates expressions of its own.
  SELECT DISTINCT d.classid, d.objid, r.oid, r.proname FROM reached r
  JOIN pg_catalog.pg_depend d ON d.refclassid = r.classid AND d.refobjid = r.by
), domain AS MATERIALIZED (
  SELECT k.contypid, c.oid, c.proname FROM pg_catalog.pg_constraint k
  JOIN calls c ON c.classid = 'pg_catalog.pg_constraint'::regclass AND c.objid = k.oid
  WHERE k.contypid <> 0
), checked (type, fun) AS (
  -- Types with such a domain in them.
  WITH RECURSIVE r (type, fun) AS (
    SELECT contypid, oid FROM domain
    UNION
    SELECT t.type, r.fun FROM r JOIN (
      SELECT typbasetype AS part, oid AS type FROM pg_catalog.pg_type WHERE typtype = 'd'
      UNION ALL SELECT typelem, oid FROM pg_catalog.pg_type WHERE typcategory = 'A'
      UNION ALL SELECT rngsubtype, rngtypid FROM pg_catalog.pg_range
      UNION ALL
      SELECT a.atttypid, c.reltype FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
      WHERE a.attnum > 0 AND NOT a.attisdropped AND c.reltype <> 0
    ) t ON t.part = r.type
  ) SELECT type, fun FROM r
), caller AS (
  SELECT o.rel, c.oid AS fun FROM (
    SELECT adrelid AS rel, 'pg_catalog.pg_attrdef'::regclass AS classid, oid FROM pg_catalog.pg_attrdef
    UNION ALL
    SELECT conrelid, 'pg_catalog.pg_constraint'::regclass, oid FROM pg_catalog.pg_constraint WHERE contype = 'c'
    UNION ALL
    SELECT tgrelid, 'pg_catalog.pg_trigger'::regclass, oid FROM pg_catalog.pg_trigger
    UNION ALL
    SELECT indrelid, 'pg_catalog.pg_class'::regclass, indexrelid FROM pg_catalog.pg_index
    WHERE indexprs IS NOT NULL OR indpred IS NOT NULL
  ) o JOIN calls c ON c.classid = o.classid AND c.objid = o.oid
  UNION
  SELECT a.attrelid, d.fun FROM checked d JOIN pg_catalog.pg_attribute a ON a.atttypid = d.type AND a.attnum > 0
), ${USER_TYPES_SCOPE}
SELECT json_build_object(
  'types', ${USER_TYPES},
  'operators', EXISTS (
    SELECT FROM pg_catalog.pg_proc p WHERE p.oid >= 16384 AND p.provolatile <> 'i'
      AND (p.oid IN (SELECT castfunc FROM pg_catalog.pg_cast) OR p.oid IN (SELECT oprcode FROM pg_catalog.pg_operator))),
  'implicit', ${list(`
    SELECT DISTINCT proname AS j FROM fun WHERE hidden AND (oid IN (SELECT castfunc FROM pg_catalog.pg_cast)
      OR oid IN (SELECT oprcode FROM pg_catalog.pg_operator) OR oid IN (SELECT amproc FROM pg_catalog.pg_amproc))`)},
  'policies', ${list(`
    SELECT DISTINCT ON (p.polrelid, n.nspname, c.relname)
      json_build_object('table', p.polrelid::text, 'schema', n.nspname, 'name', c.relname) AS j
    FROM pg_catalog.pg_policy p JOIN rel ON rel.oid = p.polrelid
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_policy'::regclass AND d.objid = p.oid
      AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> p.polrelid
    JOIN pg_catalog.pg_class c ON c.oid = d.refobjid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace`)},
  'calls', ${list(`
    SELECT DISTINCT ON (o.rel, c.proname) json_build_array(o.rel::text, c.proname) AS j FROM (
      SELECT polrelid AS rel, 'pg_catalog.pg_policy'::regclass AS classid, oid FROM pg_catalog.pg_policy
      UNION ALL
      SELECT ev_class, 'pg_catalog.pg_rewrite'::regclass, oid FROM pg_catalog.pg_rewrite WHERE rulename = '_RETURN'
    ) o JOIN calls c ON c.classid = o.classid AND c.objid = o.oid`)},
  'domains', ${list(`
    SELECT DISTINCT ON (t.typname, f.proname) json_build_array(t.typname, f.proname) AS j
    FROM checked d JOIN pg_catalog.pg_type t ON t.oid = d.type JOIN fun f ON f.oid = d.fun`)},
  'searchPath', to_json(current_schemas(false)),
  'relations', ${list(`
    SELECT json_build_object('oid', oid::text, 'schema', nspname, 'name', relname, 'type', relkind,
      'temporary', temporary, 'rowSecurity', relrowsecurity) AS j
    FROM rel ORDER BY nspname, relname`)},
  'columns', ${list(`
    SELECT json_build_object('table', attrelid::text, 'numbers', array_agg(attnum), 'names', array_agg(attname),
      'kinds', string_agg(kind, ''), 'generated', array_agg(attnum) FILTER (WHERE generated),
      'unreadable', array_agg(attnum) FILTER (WHERE NOT readable)) AS j
    FROM (SELECT * FROM col ORDER BY attrelid, attnum) o GROUP BY attrelid`)},
  'keys', ${list(`
    SELECT json_build_object('table', i.indrelid::text, 'columns', (i.indkey::int2[])[0:i.indnkeyatts - 1]) AS j
    FROM pg_catalog.pg_index i JOIN rel ON rel.oid = i.indrelid
    WHERE i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
      AND i.indclass::oid[] <@ ARRAY(
        SELECT o.oid FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod
        WHERE m.amname = 'btree' AND o.opcdefault)
      AND NOT EXISTS (
        SELECT FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1], i.indcollation::oid[]) k (number, taken)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
        WHERE a.attcollation <> k.taken)
    ORDER BY i.indrelid, NOT i.indisprimary, i.indexrelid`)},
  'foreignKeys', ${list(`
    SELECT json_build_object('child', conrelid::text, 'parent', confrelid::text, 'columns', conkey,
      'parentColumns', confkey, 'onDelete', confdeltype, 'onUpdate', confupdtype) AS j
    FROM pg_catalog.pg_constraint WHERE contype = 'f' ORDER BY oid`)},
  'triggers', ${list(`
    SELECT json_build_object('table', t.tgrelid::text, 'name', t.tgname, 'type', t.tgtype, 'function', f.called,
      'language', f.lanname, 'source', f.prosrc, 'path', f.path) AS j
    FROM pg_catalog.pg_trigger t JOIN fun f ON f.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
    UNION ALL
    SELECT json_build_object('table', c.rel::text, 'name', 'default or check that calls ' || f.called, 'type', 20,
      'function', f.proname, 'language', 'call', 'source', '', 'path', NULL)
    FROM caller c JOIN fun f ON f.oid = c.fun`)},
  'bases', ${list(`
    SELECT DISTINCT ON (r.ev_class, n.nspname, c.relname)
      json_build_object('view', r.ev_class::text, 'schema', n.nspname, 'name', c.relname) AS j
    FROM pg_catalog.pg_rewrite r JOIN rel ON rel.oid = r.ev_class
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
      AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> r.ev_class
    JOIN pg_catalog.pg_class c ON c.oid = d.refobjid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE r.rulename = '_RETURN'`)},
  'rules', ${list(`
    SELECT DISTINCT ev_class::text AS j FROM pg_catalog.pg_rewrite JOIN rel ON rel.oid = ev_class
    WHERE rulename <> '_RETURN' AND ev_enabled <> 'D'`)},
  'inherits', ${list(`SELECT json_build_array(inhrelid::text, inhparent::text) AS j FROM pg_catalog.pg_inherits`)},
  'functions', ${list(`
    SELECT json_build_object('name', f.proname,
      'volatility', max(greatest(f.provolatile, s.provolatile, e.provolatile)::text COLLATE "C"),
      'extensions', json_agg(f.extname),
      'bodies', json_agg(DISTINCT jsonb_build_object('language', f.lanname, 'source', f.prosrc, 'path', f.path))
        FILTER (WHERE f.hidden AND a.aggfnoid IS NULL),
      'parts', json_agg(x.proname) FILTER (WHERE x.proname IS NOT NULL),
      'attribute', bool_or(f.attribute)) AS j
    FROM fun f
    LEFT JOIN pg_catalog.pg_aggregate a ON a.aggfnoid = f.oid
    LEFT JOIN pg_catalog.pg_proc s ON s.oid = a.aggtransfn
    LEFT JOIN pg_catalog.pg_proc e ON e.oid = a.aggfinalfn
    LEFT JOIN LATERAL (
      SELECT proname FROM (VALUES (s.oid, s.proname), (e.oid, e.proname)) y (oid, proname) WHERE oid >= 16384
      UNION
      -- Defaults of its arguments, and types that it takes, gives or has in its body.
      SELECT c.proname FROM calls c WHERE f.hidden AND c.classid = 'pg_catalog.pg_proc'::regclass AND c.objid = f.oid
      UNION
      SELECT k.proname FROM pg_catalog.pg_depend d JOIN checked t ON t.type = d.refobjid JOIN fun k ON k.oid = t.fun
      WHERE f.hidden AND d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = f.oid
        AND d.refclassid = 'pg_catalog.pg_type'::regclass
    ) x ON true
    WHERE f.nspname <> 'pg_catalog' AND f.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
    GROUP BY f.proname ORDER BY f.proname`)}
)::text AS "$facts"`
