/**
 * What tells that PostgreSQL's catalogs have changed, for a fraction of what reading them costs: the sum of a hash of each
 * row, catalog by catalog. Sums need no order, and catalogs that differ in one row have the same sum once in 2^64 times.
 *
 * There are two. *Changes* hashes the number of the transaction that wrote a row: any DDL changes it, what leaves rows alone
 * (ANALYZE, VACUUM, whatever happens to the tables' own rows) does not. It speaks of one server over time. *Content* hashes
 * what the facts are made of: two copies of one server (an image, a backup) whose schemas then went different ways can have
 * the same numbers of objects and transactions, never the same content.
 */

/** One catalog. */
interface Source {
  readonly catalog: string
  /** tells its rows apart; default: the oid */
  readonly key?: string
  /** which rows count; default: those that are not the system's own */
  readonly where?: string
  /** columns that facts are made of; none: they change what a text means, not the facts */
  readonly content?: string
  /** what a change shows in; default: the number of the transaction that wrote the row */
  readonly changes?: string
}

// Rows of the bootstrap have the transaction number 1: what a superuser has done to them since has another.
const OWN = `(oid >= 16384 OR xmin <> '1'::pg_catalog.xid)`
const of = (column: string): string => `${column} IN (SELECT oid FROM rel)`

const RELATION = 'relname, relnamespace, relkind, relpersistence, relrowsecurity, relowner, relacl, relispartition'

const SOURCES: readonly Source[] = [
  { catalog: 'pg_namespace', where: 'oid IN (SELECT oid FROM space)', content: 'nspname, nspowner, nspacl' },
  // NOTE: not its transaction number. TRUNCATE, CLUSTER and VACUUM FULL give a table another file, and nothing else.
  {
    catalog: 'pg_class',
    where: of('oid'),
    content: RELATION,
    changes: `${RELATION}, relforcerowsecurity, reloptions, reltype`,
  },
  {
    catalog: 'pg_attribute',
    key: '(attrelid::int8 << 16) + attnum',
    where: `attnum > 0 AND ${of('attrelid')}`,
    content: 'attname, atttypid, attcollation, attgenerated, attisdropped, attacl',
  },
  // Temporary tables of others have types, too.
  {
    catalog: 'pg_type',
    where: 'oid >= 16384 AND typnamespace IN (SELECT oid FROM space)',
    content: 'typname, typtype, typcategory, typisdefined, typbasetype, typelem, typrelid',
  },
  { catalog: 'pg_range', key: 'rngtypid::int8', where: 'rngtypid >= 16384', content: 'rngsubtype' },
  { catalog: 'pg_enum' },
  { catalog: 'pg_collation', where: 'oid >= 16384', content: 'collisdeterministic' },
  { catalog: 'pg_cast', where: OWN, content: 'castsource, casttarget, castfunc, castcontext' },
  { catalog: 'pg_operator', where: OWN, content: 'oprname, oprleft, oprright, oprcode' },
  {
    catalog: 'pg_proc',
    where: OWN,
    content:
      'proname, pronamespace, provolatile, prorettype, prolang, prosrc, prosqlbody, proargtypes, pronargs, pronargdefaults, proargdefaults, proconfig',
  },
  {
    catalog: 'pg_aggregate',
    key: 'aggfnoid::oid::int8',
    where: 'aggfnoid::oid >= 16384',
    content: 'aggtransfn, aggfinalfn',
  },
  { catalog: 'pg_language', where: OWN, content: 'lanname' },
  { catalog: 'pg_extension', where: 'true', content: 'extname' },
  {
    catalog: 'pg_depend',
    key: 'objid::int8',
    where: `refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass`,
    content: 'classid, objid, refobjid, deptype',
  },
  { catalog: 'pg_am', where: OWN, content: 'amname' },
  { catalog: 'pg_opclass', where: OWN, content: 'opcmethod, opcdefault' },
  { catalog: 'pg_amop' },
  { catalog: 'pg_amproc', where: OWN, content: 'amproc' },
  {
    catalog: 'pg_constraint',
    where: `oid >= 16384 AND (conrelid = 0 OR ${of('conrelid')})`,
    content: 'contype, conrelid, contypid, confrelid, conkey, confkey, confdeltype, confupdtype, conbin',
  },
  { catalog: 'pg_attrdef', where: of('adrelid'), content: 'adrelid, adnum, adbin' },
  {
    catalog: 'pg_trigger',
    where: `NOT tgisinternal AND ${of('tgrelid')}`,
    content: 'tgrelid, tgname, tgtype, tgfoid, tgenabled, tgqual',
  },
  {
    catalog: 'pg_index',
    key: 'indexrelid::int8',
    where: of('indrelid'),
    content:
      'indrelid, indkey, indnkeyatts, indisunique, indisprimary, indisvalid, indimmediate, indclass, indcollation, indpred, indexprs',
  },
  { catalog: 'pg_rewrite', where: of('ev_class'), content: 'ev_class, rulename, ev_enabled, ev_qual, ev_action' },
  { catalog: 'pg_policy', where: of('polrelid'), content: 'polrelid, polqual, polwithcheck' },
  { catalog: 'pg_inherits', key: 'inhrelid::int8', where: of('inhrelid'), content: 'inhparent' },
  { catalog: 'pg_ts_config_map', key: '(mapcfg::int8 << 16) + maptokentype * 64 + mapseqno', where: 'true' },
  { catalog: 'pg_ts_dict' },
  // What roles may read depends on whose members they are. Their own rows are not everybody's to see, hence no number.
  {
    catalog: 'pg_roles',
    where: 'true',
    content: 'rolname, rolsuper, rolinherit',
    changes: 'rolname, rolsuper, rolinherit, rolbypassrls',
  },
  {
    catalog: 'pg_auth_members',
    key: '(roleid::int8 << 32) # member::int8',
    where: 'true',
    content: 'pg_auth_members',
  },
]

function sum(source: Source, hashed: string): string {
  const { catalog, key = 'oid::int8', where = 'oid >= 16384' } = source
  return `(SELECT pg_catalog.sum(pg_catalog.hashtextextended(${hashed}, ${key})) FROM pg_catalog.${catalog} WHERE ${where})`
}

const CHANGES = SOURCES.map((source) => {
  const { changes } = source
  return sum(source, changes === undefined ? 'xmin::text' : `ROW(${changes})::text`)
})

const CONTENT = SOURCES.flatMap((source) => {
  const { content } = source
  return content === undefined ? [] : [sum(source, `ROW(${content})::text`)]
})

/**
 * The relations that facts tell of, temporary ones included, and composite types; schemas without those of sessions: others
 * make and drop temporary tables all the time, which changes nothing here.
 */
const SCOPE = `space AS MATERIALIZED (
  SELECT oid FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_(toast|temp_|toast_temp_)'
), rel AS MATERIALIZED (
  SELECT oid FROM pg_catalog.pg_class
  WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND oid >= 16384 AND (relpersistence <> 't'
    OR relnamespace = pg_catalog.pg_my_temp_schema()
    OR relowner IN (SELECT oid FROM pg_catalog.pg_roles WHERE rolname IN (current_user, session_user)))
)`

/** A text that holds what changes with any DDL, and one that holds what facts are made of. */
export const DIGEST: { readonly scope: string; readonly changes: string; readonly content: string } = {
  scope: SCOPE,
  changes: `ROW(${CHANGES.join(',\n')})::text`,
  content: `ROW(${CONTENT.join(',\n')})::text`,
}
