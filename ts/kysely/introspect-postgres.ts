import type {
  AskedDatabase,
  ColumnFacts,
  ColumnKind,
  Facts,
  ForeignKeyAction,
  ForeignKeyFacts,
  FunctionFacts,
  RunSql,
  Schema,
  TableFacts,
  TableId,
  TriggerFacts,
} from './facts.ts'
import { fingerprintOf, hashOf } from './fingerprint.ts'
import { CATALOG } from './postgres-catalog.ts'
import { viewOf } from './postgres-identity.ts'
import { parseSession } from './postgres-session.ts'
import type { Body, Catalog, ColumnsRow, Oid, RelationRow, TriggerRow } from './postgres-catalog.ts'
import { askHead, HEAD } from './postgres-head.ts'
import type { Head } from './postgres-head.ts'
import { NO_TYPES } from './postgres-types.ts'
import type { UserTypes } from './postgres-types.ts'
import { fingerprintOfValues } from './postgres-values.ts'

/**
 * The PostgreSQL database that `run` talks to.
 *
 * @throws when strings have backslash escapes, or `= NULL` has another meaning.
 */
export async function askPostgres(
  run: RunSql,
  withContent: boolean,
  types: UserTypes | undefined,
): Promise<AskedDatabase> {
  const { row, values } = await askHead(run, withContent, types?.samples)
  const { [HEAD]: text, ...rest } = row
  if (typeof text !== 'string') throw new Error(`PostgreSQL did not answer with text but with a ${typeof text}`)
  const head = JSON.parse(text) as Head
  const { product, version, session, changes, content } = head
  const { settings, started: since, inRecovery } = parseSession(head.told)
  if (settings['standard_conforming_strings'] === 'off') {
    throw new Error('standard_conforming_strings is off: texts are not read as they are meant')
  }
  if (settings['transform_null_equals'] === 'on') throw new Error('transform_null_equals is on: `= NULL` means IS NULL')
  const { identity: named } = head
  const identity =
    named === null ? '' : `postgres:${named.system}:${named.started ?? ''}:${named.oid}:${named.database}`
  const fingerprint = fingerprintOf(Object.assign(Object.create(Object.getPrototypeOf(row)), rest), settings)
  return {
    identity,
    view: viewOf(settings, inRecovery),
    told: head.told,
    pid: head.pid,
    origin: { started: since, inRecovery },
    product,
    version,
    server: product.includes('PGlite') ? 'PGlite' : `PostgreSQL ${Math.floor(version / 10_000)}.${version % 10_000}`,
    connection: null,
    attached: [],
    freshStatements: /^read (un)?committed$/.test(settings['default_transaction_isolation'] ?? ''),
    changes: hashOf(changes),
    // NOTE: not the identity. Each start of a PGlite is a database of its own, and a copy of a server has the schema as well.
    content: content === null ? undefined : hashOf(product, session, content),
    session: hashOf(session),
    schema: () => schemaOfPostgres(run, head),
    fingerprintWith: async (of) => fingerprint + (await fingerprintOfValues(run, of ?? NO_TYPES, values)),
  }
}

/**
 * @throws when a temporary relation of this role hides another one.
 */
async function schemaOfPostgres(run: RunSql, { version, compiles }: Head): Promise<Schema> {
  const [row] = await (compiles ? withoutCompiler(run, () => run(CATALOG)) : run(CATALOG))
  const text = row?.['$facts']
  if (typeof text !== 'string') throw new Error(`PostgreSQL did not answer with text but with a ${typeof text}`)
  const catalog = JSON.parse(text) as Catalog
  return { facts: readFacts(catalog, version), types: catalog.types }
}

/** Compiling the plan takes ten times as long as interpreting it. */
async function withoutCompiler<T>(run: RunSql, ask: () => Promise<T>): Promise<T> {
  await run('begin isolation level read committed read only')
  try {
    await run('set local jit = off')
    return await ask()
  } finally {
    await run('rollback')
  }
}

function readFacts(catalog: Catalog, version: number): Facts {
  const relations = new Map(catalog.relations.map((relation) => [relation.oid, relation]))
  const searchPath = catalog.searchPath.filter((schema) => !schema.startsWith('pg_temp_'))
  refuseHidden(catalog.relations, searchPath)
  const trees = new Trees(catalog, relations)
  const triggersOf = Map.groupBy(catalog.triggers, (row) => trees.rootOf(row.table) ?? row.table)
  const columnsOf = new Map(catalog.columns.map((row) => [row.table, row]))
  const keysOf = Map.groupBy(catalog.keys, (row) => row.table)
  const foreignKeysOf = Map.groupBy(catalog.foreignKeys, (row) => row.child)
  const basesOf = Map.groupBy(catalog.bases, (row) => row.view)
  const rules = new Set(catalog.rules)
  const policiesOf = Map.groupBy(catalog.policies, (row) => row.table)
  const callsOf = Map.groupBy(catalog.calls, ([relation]) => relation)
  const readTriggers = memoize((oid: Oid) => triggerFacts(triggersOf.get(oid) ?? [], searchPath))

  const columnNames = (table: Oid, numbers: readonly number[]): string[] => {
    const columns = columnsOf.get(table)
    return numbers.map((number) => columns?.names[columns.numbers.indexOf(number)] ?? '')
  }
  const tables: TableFacts[] = []
  for (const relation of catalog.relations) {
    const { oid, type } = relation
    const root = trees.rootOf(oid)
    const kind = kindOf(relation, root)
    const triggers = readTriggers(root ?? oid)
    // A view that only this connection has stays unknown, and so does a tree of which a part is elsewhere: a write to it
    // drops everything. Nor are writes to a table that is never cached followed further, to what its triggers write.
    if (kind === 'temporary' && type === 'v') continue
    if (root !== undefined && trees.isMixed(root)) continue
    if ((kind === 'temporary' || kind === 'foreign') && (triggers.length > 0 || rules.has(oid))) continue
    // A key to a partitioned table is listed again for each partition, hence a map.
    const foreignKeys = new Map<string, ForeignKeyFacts>()
    for (const row of foreignKeysOf.get(oid) ?? []) {
      // A write to an ancestor reaches the rows of the referenced table.
      for (const ancestor of [row.parent, ...trees.ancestorsOf(row.parent)]) {
        const parent = relations.get(ancestor)
        if (parent === undefined) continue
        const foreignKey: ForeignKeyFacts = {
          columns: columnNames(oid, row.columns),
          parent: idOf(parent),
          parentColumns: columnNames(row.parent, row.parentColumns),
          onDelete: action(row.onDelete),
          onUpdate: action(row.onUpdate),
        }
        foreignKeys.set(JSON.stringify(foreignKey), foreignKey)
      }
    }
    const rootRelation = root === undefined ? undefined : relations.get(root)
    // Policies of a table whose row-level security is off are not evaluated.
    const evaluates = type === 'v' || relation.rowSecurity
    const calls = evaluates ? (callsOf.get(oid) ?? []).map(([, called]) => called) : []
    const policies = relation.rowSecurity ? (policiesOf.get(oid) ?? []) : []
    tables.push({
      ...idOf(relation),
      kind,
      columns: columnFacts(columnsOf.get(oid)),
      // A unique index of an inheritance parent says nothing of its children's rows.
      keys:
        type === 'r' && trees.hasChildren(oid)
          ? []
          : (keysOf.get(oid) ?? []).map((row) => columnNames(oid, row.columns)),
      foreignKeys: [...foreignKeys.values()],
      triggers,
      ...(type === 'v' || type === 'm'
        ? { base: (basesOf.get(oid) ?? []).map(({ schema, name }) => ({ schema, name })) }
        : {}),
      ...(rootRelation === undefined ? {} : { root: idOf(rootRelation) }),
      rowSecurity: relation.rowSecurity,
      ...(policies.length === 0 ? {} : { policyReads: policies.map(({ schema, name }) => ({ schema, name })) }),
      ...(calls.length === 0 ? {} : { calls }),
      rules: rules.has(oid),
      rowid: false,
    })
  }
  const relationWords = new Set(
    catalog.relations.flatMap(({ name }) => name.split(/[^\p{L}\p{N}_$]+/u)).map((word) => word.toLowerCase()),
  )
  relationWords.delete('')
  return {
    searchPath,
    tables,
    functions: catalog.functions.map((row) => functionFacts(row, searchPath, relationWords)),
    attached: false,
    returningOld: version >= 180_000,
    operators: catalog.operators,
    ...(catalog.implicit.length === 0 ? {} : { implicit: catalog.implicit }),
    ...(catalog.domains.length === 0 ? {} : { domains: catalog.domains.map(([name, calls]) => ({ name, calls })) }),
  }
}

const KINDS: Readonly<Record<string, ColumnKind>> = {
  i: 'int',
  n: 'numeric',
  f: 'float',
  b: 'bool',
  u: 'uuid',
  t: 'text',
  d: 'date',
}

function columnFacts(row: ColumnsRow | undefined): ColumnFacts[] {
  const generated = new Set(row?.generated)
  const unreadable = new Set(row?.unreadable)
  return (row?.numbers ?? []).map((number, at) => ({
    name: row?.names[at] ?? '',
    kind: KINDS[row?.kinds[at] ?? ''] ?? 'other',
    generated: generated.has(number),
    readable: !unreadable.has(number),
    ...(row?.kinds[at] === 'x' ? { textTells: false } : {}),
  }))
}

/** Explicit names say `pg_temp`, whatever the schema of a session is called. */
function idOf({ schema, name, temporary }: RelationRow): TableId {
  return { schema: temporary ? 'pg_temp' : schema, name }
}

function kindOf({ type, temporary }: RelationRow, root: Oid | undefined): TableFacts['kind'] {
  if (temporary) return 'temporary'
  if (type === 'v') return 'view'
  if (type === 'm') return 'materialized_view'
  if (root !== undefined || type === 'p') return 'partitioned'
  return type === 'f' ? 'foreign' : 'table'
}

/** Facts are shared by all connections, so a name that means something else on one of them cannot be told. */
function refuseHidden(relations: readonly RelationRow[], searchPath: readonly string[]): void {
  const temporary = new Set(relations.filter((relation) => relation.temporary).map(({ name }) => name))
  const hidden = relations.find((relation) => {
    return !relation.temporary && searchPath.includes(relation.schema) && temporary.has(relation.name)
  })
  if (hidden) throw new Error(`a temporary relation hides ${hidden.schema}.${JSON.stringify(hidden.name)}`)
}

/** Partitioned tables and inheritance. */
class Trees {
  readonly #relations: ReadonlyMap<Oid, RelationRow>
  readonly #parents = new Map<Oid, Oid[]>()
  readonly #children = new Set<Oid>()
  readonly #root = new Map<Oid, Oid>()
  readonly #mixed = new Set<Oid>()

  constructor({ inherits }: Catalog, relations: ReadonlyMap<Oid, RelationRow>) {
    this.#relations = relations
    const neighbours = new Map<Oid, Oid[]>()
    for (const [child, parent] of inherits) {
      if (!relations.has(child) || !relations.has(parent)) continue
      this.#children.add(parent)
      append(this.#parents, child, parent)
      append(neighbours, child, parent)
      append(neighbours, parent, child)
    }
    // A table may inherit from several, so what belongs together is found as a component, not by walking up.
    for (const start of neighbours.keys()) if (!this.#root.has(start)) this.#component(start, neighbours)
  }

  #component(start: Oid, neighbours: ReadonlyMap<Oid, Oid[]>): void {
    const members = new Set([start])
    for (const member of members) for (const next of neighbours.get(member) ?? []) members.add(next)
    const tops = [...members].filter((member) => !this.#parents.has(member))
    const root = tops.sort((left, right) => Number(left) - Number(right))[0] ?? start
    for (const member of members) {
      this.#root.set(member, root)
      const relation = this.#relations.get(member)
      if (relation?.type === 'f' || (relation?.temporary ?? false)) this.#mixed.add(root)
    }
  }

  /** The table that stands for a tree; undefined for a table that is in none. */
  rootOf(table: Oid): Oid | undefined {
    return this.#root.get(table)
  }

  ancestorsOf(table: Oid): Set<Oid> {
    const found = new Set<Oid>(this.#parents.get(table))
    for (const parent of found) for (const next of this.#parents.get(parent) ?? []) found.add(next)
    return found
  }

  hasChildren(table: Oid): boolean {
    return this.#children.has(table)
  }

  /** Some of its rows are foreign or belong to a session. */
  isMixed(root: Oid): boolean {
    return this.#mixed.has(root)
  }
}

function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}

function memoize<K, V>(compute: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>()
  return (key) => {
    const found = known.get(key) ?? compute(key)
    known.set(key, found)
    return found
  }
}

/** https://www.postgresql.org/docs/current/catalog-pg-trigger.html, `tgtype` */
const TYPE = { row: 1, before: 2, insert: 4, delete: 8, update: 16, truncate: 32, instead: 64 } as const

/** The triggers of a whole tree, for a write to one of its tables may fire those of the others; clones count once. */
function triggerFacts(rows: readonly TriggerRow[], searchPath: readonly string[]): TriggerFacts[] {
  const found = new Map<string, TriggerFacts>()
  for (const row of rows) {
    const { name, type, function: called, source } = row
    const trigger: TriggerFacts = {
      name,
      insert: (type & TYPE.insert) !== 0,
      update: (type & TYPE.update) !== 0,
      delete: (type & (TYPE.delete | TYPE.truncate)) !== 0,
      // One that fires per statement has no row to change.
      before: (type & TYPE.before) !== 0 && (type & TYPE.row) !== 0,
      instead: (type & TYPE.instead) !== 0,
      language: languageOf(row, searchPath),
      function: called,
      source,
    }
    found.set(JSON.stringify(trigger), trigger)
  }
  return [...found.values()]
}

/** Whether unqualified names mean the same under a function's own search path, or fail. */
function isSamePath(path: string, searchPath: readonly string[]): boolean {
  const schemas = path.split(',').map((schema) => schema.trim().replace(/^"(.*)"$/, '$1'))
  const own = schemas.filter((schema) => !['', 'pg_catalog', 'pg_temp'].includes(schema))
  return own.length === 0 || own.join('\0') === searchPath.join('\0')
}

function action(code: string): ForeignKeyAction {
  if (code === 'c') return 'cascade'
  if (code === 'n') return 'set_null'
  return code === 'd' ? 'set_default' : 'none'
}

/** Extensions whose volatile functions make random or time-based values and write nothing. */
const HARMLESS_EXTENSIONS = ['uuid-ossp', 'pgcrypto', 'pg_uuidv7', 'pgx_ulid']

function functionFacts(
  row: Catalog['functions'][number],
  searchPath: readonly string[],
  relations: ReadonlySet<string>,
): FunctionFacts {
  const { name, extensions, bodies, parts, attribute } = row
  // One that reads tables is not immutable, whatever its owner says.
  const reads = row.volatility === 'i' && (bodies ?? []).some(({ source }) => names(source, relations))
  const volatility = reads ? 's' : row.volatility
  const harmless = extensions.every((extension) => extension !== null && HARMLESS_EXTENSIONS.includes(extension))
  return {
    name,
    volatility,
    ...(volatility === 'v' && harmless ? { declaredWrites: [] } : {}),
    ...(bodies === null
      ? {}
      : { bodies: bodies.map((body) => ({ language: languageOf(body, searchPath), source: body.source })) }),
    ...(parts === null ? {} : { parts: [...new Set(parts)].sort() }),
    ...(attribute ? { attribute } : {}),
  }
}

/** Whether a text has one of these words, or runs text that is made when it runs. */
function names(source: string, words: ReadonlySet<string>): boolean {
  return source.split(/[^\p{L}\p{N}_$]+/u).some((word) => words.has(word.toLowerCase()) || /^execute$/i.test(word))
}

/** A search path of its own gives the names in a text another meaning, so the text must not be read. */
function languageOf({ language, path }: Body, searchPath: readonly string[]): string {
  return path === null || isSamePath(path, searchPath) ? language : `${language} SET search_path`
}
