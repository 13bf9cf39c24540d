import type {
  AskedDatabase,
  ColumnFacts,
  ColumnKind,
  Facts,
  ForeignKeyAction,
  ForeignKeyFacts,
  FunctionFacts,
  RunSql,
  TableFacts,
  TriggerFacts,
} from './facts.ts'
import { fingerprintOf, hashOf } from './fingerprint.ts'
import { sqliteIdentity } from './sqlite-identity.ts'
import { foldName, mentionsCollate, readCreateTable, readCreateTrigger } from './sqlite-text.ts'
import type { CreateTable } from './sqlite-text.ts'

type Schema = 'main' | 'temp'

/** A row of `sqlite_schema`. */
interface ObjectRow {
  readonly schema: Schema
  readonly type: 'table' | 'index' | 'view' | 'trigger'
  readonly name: string
  readonly table: string
  /** null for an automatic index */
  readonly sql: string | null
}

interface ColumnRow {
  readonly schema: Schema
  readonly table: string
  readonly name: string
  readonly type: string
  /** position in the primary key, from 1 */
  readonly pk: number
  /** 2 and 3: generated */
  readonly hidden: number
}

/** A total unique index. */
interface UniqueRow {
  readonly schema: Schema
  readonly table: string
  readonly name: string
  readonly origin: 'c' | 'u' | 'pk'
}

interface IndexedRow {
  readonly schema: Schema
  readonly index: string
  /** null for an expression */
  readonly name: string | null
  readonly collation: string
}

interface ForeignKeyRow {
  readonly schema: Schema
  readonly table: string
  readonly id: number
  /** as written, like the columns */
  readonly parent: string
  readonly from: string
  readonly to: string | null
  readonly onUpdate: string
  readonly onDelete: string
}

interface FunctionRow {
  readonly name: string
  readonly deterministic: number
  /** number of arguments, or -1 */
  readonly arguments: number
  readonly flags: number
}

/** The answer of {@link headQuery}. */
interface Head {
  readonly version: string
  /** it grows with each change of the schema */
  readonly changes: number
  readonly databases: readonly { readonly name: string; readonly file: string | null }[]
  readonly functions: readonly FunctionRow[]
  readonly temporary: readonly ObjectRow[]
  /** what the schema of `main` is made of; null if it was not asked for */
  readonly content: readonly unknown[] | null
}

/** The answer of {@link SCHEMA}. */
interface Answer extends Pick<Head, 'version' | 'databases' | 'functions'> {
  readonly objects: readonly ObjectRow[]
  readonly columns: readonly ColumnRow[]
  readonly uniques: readonly UniqueRow[]
  readonly indexed: readonly IndexedRow[]
  readonly foreignKeys: readonly ForeignKeyRow[]
}

const DATABASES = `(SELECT json_group_array(json_object('name', name, 'file', file)) FROM pragma_database_list)`
const FUNCTIONS = `(SELECT json_group_array(json_object(
      'name', name, 'deterministic', flags & 0x800, 'arguments', narg, 'flags', flags))
    FROM pragma_function_list WHERE NOT builtin)`
const OBJECT = `'type', type, 'name', name, 'table', tbl_name, 'sql', sql`

function headQuery(withContent: boolean): string {
  return `SELECT json_object(
  'version', sqlite_version(),
  'changes', (SELECT schema_version FROM pragma_schema_version),
  'databases', json(${DATABASES}),
  'functions', json(${FUNCTIONS}),
  'temporary', json((SELECT json_group_array(json_object('schema', 'temp', ${OBJECT})) FROM temp.sqlite_master)),
  'content', ${withContent ? `json((SELECT json_group_array(json_array(type, name, tbl_name, sql)) FROM main.sqlite_master))` : 'NULL'}
) AS facts`
}

// NOTE: a virtual table is left alone, for asking about it fails when its module is not loaded. json() because SQLite does
// not promise to remember across a subquery that a text is JSON.
const SCHEMA = `
WITH o AS MATERIALIZED (
    SELECT 'main' AS s, type, name, tbl_name, sql FROM main.sqlite_master
    UNION ALL SELECT 'temp', type, name, tbl_name, sql FROM temp.sqlite_master),
  t AS MATERIALIZED (SELECT s, name FROM o WHERE type = 'table' AND substr(sql, 1, 14) <> 'CREATE VIRTUAL'),
  i AS MATERIALIZED (
    SELECT t.s, t.name AS t, x.name, x.origin FROM t, pragma_index_list(t.name, t.s) x WHERE x."unique" AND NOT x.partial)
SELECT json_object(
  'version', sqlite_version(),
  'databases', json(${DATABASES}),
  'objects', json((SELECT json_group_array(
      json_object('schema', s, 'type', type, 'name', name, 'table', tbl_name, 'sql', sql)) FROM o)),
  'columns', json((SELECT json_group_array(
      json_object('schema', t.s, 'table', t.name, 'name', x.name, 'type', x.type, 'pk', x.pk, 'hidden', x.hidden))
    FROM t, pragma_table_xinfo(t.name, t.s) x)),
  'uniques', json((SELECT json_group_array(
      json_object('schema', s, 'table', t, 'name', name, 'origin', origin)) FROM i)),
  'indexed', json((SELECT json_group_array(
      json_object('schema', i.s, 'index', i.name, 'name', x.name, 'collation', x.coll))
    FROM i, pragma_index_xinfo(i.name, i.s) x WHERE x."key")),
  'foreignKeys', json((SELECT json_group_array(
      json_object('schema', t.s, 'table', t.name, 'id', x.id, 'parent', x."table", 'from', x."from", 'to', x."to",
        'onUpdate', x.on_update, 'onDelete', x.on_delete))
    FROM t, pragma_foreign_key_list(t.name, t.s) x)),
  'functions', json(${FUNCTIONS})
) AS facts`

const SHADOWS = `SELECT json_group_array(name) AS facts FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow'`

const VIEW_COLUMNS = `SELECT json_group_array(json_object('view', v.value, 'name', x.name)) AS facts
FROM json_each(?) v, pragma_table_xinfo(v.value, 'main') x`

// LIKE stands for a setting that cannot be asked for and changes what a text means.
const SAMPLE = `SELECT 1 AS i, 1.5 AS f, 'a' AS t, x'00ff' AS b, NULL AS n, 'a' LIKE 'A' AS l`

/** The SQLite database that `run` talks to. */
export async function askSqlite(run: RunSql, withContent: boolean): Promise<AskedDatabase> {
  const head = (await json(run, headQuery(withContent))) as Head
  const identity = await sqliteIdentity(head.databases.find(({ name }) => name === 'main')?.file ?? '', run)
  const [sample] = await run(SAMPLE)
  // NOTE: two functions of one name and signature that do different things cannot be told apart.
  const functions = head.functions.map((row) => `${row.name}/${row.arguments}/${row.flags}`).toSorted()
  const attached = attachedOf(head)
  const connection = JSON.stringify([functions, attached, head.temporary])
  return {
    identity,
    connection,
    attached: await identitiesOf(attached, run),
    server: 'SQLite',
    product: '',
    version: 0,
    view: '',
    told: undefined,
    pid: undefined,
    origin: undefined,
    freshStatements: false,
    changes: hashOf(head.version, head.changes),
    session: hashOf(connection),
    content: head.content === null ? undefined : hashOf(head.version, connection, head.content),
    schema: async () => ({ facts: await readFacts((await json(run, SCHEMA)) as Answer, run), types: null }),
    fingerprintWith: () => Promise.resolve(fingerprintOf(sample, functions)),
  }
}

function attachedOf({ databases }: Pick<Answer, 'databases'>): Answer['databases'] {
  return databases.filter(({ name }) => name !== 'main' && name !== 'temp')
}

async function identitiesOf(databases: Answer['databases'], run: RunSql): Promise<string[]> {
  const found: string[] = []
  for (const { file } of databases) {
    // Nobody else can have a database in memory that is attached here.
    if (file === null || file === '') continue
    // One whose file is gone has no name.
    await sqliteIdentity(file, run).then(
      (identity) => found.push(identity),
      () => undefined,
    )
  }
  return found
}

async function json(run: RunSql, sql: string, parameters: readonly unknown[] = []): Promise<unknown> {
  const [row] = await run(sql, parameters)
  const text = row?.['facts']
  if (typeof text !== 'string') throw new Error(`SQLite did not answer with JSON text but with a ${typeof text}`)
  return JSON.parse(text)
}

async function readFacts(answer: Answer, run: RunSql): Promise<Facts> {
  const relations = answer.objects.filter(({ type }) => type === 'table' || type === 'view')
  refuseHidden(relations)
  const shadows = await readShadows(answer, run)
  const views = relations.filter(({ schema, type }) => type === 'view' && schema === 'main')
  const viewColumns = await readViewColumns(
    views.map(({ name }) => name),
    run,
  )
  const columnsOf = Map.groupBy(answer.columns, (row) => key(row.schema, row.table))
  const uniquesOf = Map.groupBy(answer.uniques, (row) => key(row.schema, row.table))
  const indexedOf = Map.groupBy(answer.indexed, (row) => key(row.schema, row.index))
  const foreignKeysOf = readForeignKeys(answer.foreignKeys, columnsOf)
  const triggersOf = readTriggers(answer.objects)

  const tables: TableFacts[] = []
  for (const { schema, type, name, sql } of relations) {
    const id = key(schema, name)
    const triggers = triggersOf.get(id) ?? []
    const rest = { schema, name, triggers, foreignKeys: [], keys: [], rowSecurity: false, rules: false, rowid: false }
    if (type === 'view') {
      const columns = viewColumns.get(name)
      // A view that cannot be read, or that only this connection has, stays unknown: a write to it drops everything.
      if (columns !== undefined && schema === 'main') {
        tables.push({ ...rest, kind: 'view', columns, definition: sql ?? '' })
      }
      continue
    }
    // What is written to a shadow table shows in its virtual table, so it stays unknown, too.
    if (schema === 'main' && shadows.has(foldName(name))) continue
    const kind = schema === 'temp' ? 'temporary' : isVirtual(sql) || name.startsWith('sqlite_') ? 'foreign' : 'table'
    // Writes to a table that is never cached are not followed further, and so would miss what its triggers write.
    if (kind !== 'table' && triggers.length > 0) continue
    const rows = columnsOf.get(id) ?? []
    const { columns, collationOf, withoutRowid } = readColumns(rows, sql ?? '')
    const uniques = uniquesOf.get(id) ?? []
    const keys = uniques.flatMap((row) => keyOf(indexedOf.get(key(schema, row.name)) ?? [], collationOf))
    // An INTEGER PRIMARY KEY is the rowid under another name, and needs no index.
    const [alias] = uniques.some(({ origin }) => origin === 'pk') ? [] : primaryKey(rows)
    if (alias !== undefined) keys.unshift([alias])
    // ON CONFLICT REPLACE deletes rows that a plain INSERT does not name; the word alone is enough to be careful.
    const rules = /\breplace\b/i.test(sql ?? '')
    // NOTE: a column may be called rowid, and then `rowid` is that column.
    const hidden = columns.some((column) => foldName(column.name) === 'rowid' && column.name !== alias)
    const rowid = !isVirtual(sql) && !withoutRowid && !hidden
    tables.push({ ...rest, kind, rules, columns, keys, foreignKeys: foreignKeysOf.get(id) ?? [], rowid })
  }
  return {
    searchPath: ['main'],
    tables,
    functions: readFunctions(answer),
    attached: attachedOf(answer).length > 0,
    returningOld: false,
    operators: false,
  }
}

function key(schema: Schema, name: string): string {
  return `${schema}.${foldName(name)}`
}

function isVirtual(sql: string | null): boolean {
  return sql?.startsWith('CREATE VIRTUAL') ?? false
}

/** Facts are shared by all connections, so a name that means something else on this one cannot be told. */
function refuseHidden(relations: readonly ObjectRow[]): void {
  const main = new Set(relations.filter(({ schema }) => schema === 'main').map(({ name }) => foldName(name)))
  const hiding = relations.find(({ schema, name }) => schema === 'temp' && main.has(foldName(name)))
  if (hiding) throw new Error(`a temporary table or view hides main.${JSON.stringify(hiding.name)}`)
}

/** Folded names of the tables in which virtual tables keep their data. */
async function readShadows({ objects, version }: Answer, run: RunSql): Promise<Set<string>> {
  const virtual = objects.filter(({ type, sql }) => type === 'table' && isVirtual(sql))
  if (virtual.length === 0) return new Set()
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > 3 || minor >= 37) return new Set(((await json(run, SHADOWS)) as string[]).map(foldName))
  const prefixes = virtual.map(({ name }) => `${foldName(name)}_`)
  const names = objects.filter(({ type }) => type === 'table').map(({ name }) => foldName(name))
  return new Set(names.filter((name) => prefixes.some((prefix) => name.startsWith(prefix))))
}

/** Asking about a view fails when what it reads is gone, so each gets its own try once all together have failed. */
async function readViewColumns(views: readonly string[], run: RunSql): Promise<Map<string, ColumnFacts[]>> {
  const found = new Map<string, ColumnFacts[]>()
  const ask = async (names: readonly string[]): Promise<void> => {
    const rows = (await json(run, VIEW_COLUMNS, [JSON.stringify(names)])) as { view: string; name: string }[]
    for (const [view, columns] of Map.groupBy(rows, (row) => row.view)) {
      found.set(
        view,
        columns.map(({ name }) => ({ name, kind: 'other', generated: false, readable: true })),
      )
    }
  }
  if (views.length === 0) return found
  try {
    await ask(views)
  } catch {
    for (const view of views) await ask([view]).catch(() => undefined)
  }
  return found
}

interface Columns {
  readonly columns: readonly ColumnFacts[]
  /** upper case, by folded column name */
  readonly collationOf: ReadonlyMap<string, string>
  readonly withoutRowid: boolean
}

const PLAIN: CreateTable = { collations: new Map(), withoutRowid: false, strict: false }

function readText(rows: readonly ColumnRow[], sql: string): CreateTable | undefined {
  // Most texts have none of these words, not even in a name, and need not be taken apart.
  if (!/collate|without|strict/i.test(sql)) return PLAIN
  const text = readCreateTable(sql)
  // It must name exactly the columns that SQLite sees, else it was misread.
  if (text?.collations.size !== rows.length) return undefined
  return rows.every(({ name }) => text.collations.has(foldName(name))) ? text : undefined
}

function readColumns(rows: readonly ColumnRow[], sql: string): Columns {
  const text = readText(rows, sql)
  const unclear = text === undefined && mentionsCollate(sql)
  const collationOf = new Map<string, string>()
  const columns = rows.map(({ name, type, hidden }): ColumnFacts => {
    const collation = unclear ? '' : (text?.collations.get(foldName(name)) ?? 'BINARY').toUpperCase()
    collationOf.set(foldName(name), collation)
    // NOTE: a virtual column is computed whenever it is read, which may fail, and must not make a write fail.
    const kind = hidden === 2 ? 'other' : columnKind(type, collation, text?.strict ?? true)
    return { name, kind, generated: hidden >= 2, readable: true }
  })
  return { columns, collationOf, withoutRowid: text?.withoutRowid ?? true }
}

/** https://www.sqlite.org/datatype3.html#determination_of_column_affinity, and ANY, which has none in a STRICT table. */
function columnKind(declared: string, collation: string, strict: boolean): ColumnKind {
  const type = declared.toUpperCase()
  if (type === '' || (strict && type === 'ANY')) return 'other'
  const nocase = collation === 'NOCASE'
  if (!nocase && collation !== 'BINARY') return 'other'
  if (type.includes('INT')) return nocase ? 'other' : 'sqlite_numeric'
  if (/CHAR|CLOB|TEXT/.test(type)) return nocase ? 'sqlite_text_nocase' : 'sqlite_text'
  return nocase || type.includes('BLOB') ? 'other' : 'sqlite_numeric'
}

function primaryKey(rows: readonly ColumnRow[]): string[] {
  const members = rows.filter(({ pk }) => pk > 0)
  return members.sort((left, right) => left.pk - right.pk).map(({ name }) => name)
}

/** The columns of a unique index, or nothing when it has expressions or compares otherwise than its columns. */
function keyOf(indexed: readonly IndexedRow[], collationOf: ReadonlyMap<string, string>): string[][] {
  const columns: string[] = []
  for (const { name, collation } of indexed) {
    if (name === null || collationOf.get(foldName(name)) !== collation.toUpperCase()) return []
    columns.push(name)
  }
  return columns.length === 0 ? [] : [columns]
}

function readForeignKeys(
  rows: readonly ForeignKeyRow[],
  columnsOf: ReadonlyMap<string, readonly ColumnRow[]>,
): Map<string, ForeignKeyFacts[]> {
  const found = new Map<string, ForeignKeyFacts[]>()
  for (const part of Map.groupBy(rows, (row) => `${key(row.schema, row.table)}.${row.id}`).values()) {
    const { schema, table, parent, onDelete, onUpdate } = part[0] as ForeignKeyRow
    const parentRows = columnsOf.get(key(schema, parent)) ?? []
    // Without the names of referenced columns, the parent's primary key is meant.
    const named = part.flatMap(({ to }) => to ?? [])
    const referenced = named.length === part.length ? named : primaryKey(parentRows)
    // SQLite refuses to write tables whose foreign keys do not fit, or ignores these: they do nothing.
    if (referenced.length !== part.length) continue
    const foreignKey: ForeignKeyFacts = {
      columns: part.map(({ from }) => from),
      parent: { schema, name: parentRows[0]?.table ?? parent },
      parentColumns: referenced.map((to) => parentRows.find(({ name }) => foldName(name) === foldName(to))?.name ?? to),
      onDelete: action(onDelete),
      onUpdate: action(onUpdate),
    }
    const id = key(schema, table)
    found.set(id, [...(found.get(id) ?? []), foreignKey])
  }
  return found
}

function action(written: string): ForeignKeyAction {
  if (written === 'CASCADE') return 'cascade'
  if (written === 'SET NULL') return 'set_null'
  return written === 'SET DEFAULT' ? 'set_default' : 'none'
}

function readTriggers(objects: readonly ObjectRow[]): Map<string, TriggerFacts[]> {
  const found = new Map<string, TriggerFacts[]>()
  for (const { schema, type, name, table, sql } of objects) {
    if (type !== 'trigger') continue
    const read = readCreateTrigger(sql ?? '')
    const trigger: TriggerFacts = {
      name,
      insert: read === undefined || read.event === 'insert',
      update: read === undefined || read.event === 'update',
      delete: read === undefined || read.event === 'delete',
      before: read === undefined || read.timing === 'before',
      instead: read?.timing === 'instead',
      language: 'sqlite',
      function: '',
      source: sql ?? '',
    }
    // A temporary trigger may stand on a table of any database; which one, only its text knows.
    for (const home of schema === 'temp' ? (['temp', 'main'] as const) : [schema]) {
      const id = key(home, table)
      found.set(id, [...(found.get(id) ?? []), trigger])
    }
  }
  return found
}

function readFunctions({ functions }: Answer): FunctionFacts[] {
  return [...Map.groupBy(functions, ({ name }) => foldName(name))].map(([name, overloads]) =>
    overloads.every(({ deterministic }) => deterministic !== 0)
      ? { name, volatility: 'i' }
      : // What a function of the application writes, it writes past this connection's statements, seen or unseen.
        { name, volatility: 'v', declaredWrites: [] },
  )
}
