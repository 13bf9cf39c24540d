import { SelectQueryNode, TableNode } from 'kysely'
import type { KyselyPlugin, OperationNode, QueryId, RootOperationNode, SelectQueryNode as Select } from 'kysely'

import type { Config } from '../config.ts'
import { CacheopsError, didYouMean } from '../errors.ts'
import type { TableId } from '../shapes.ts'
import type { DialectName, Facts } from './introspect.ts'
import { seamPlugin } from './seam.ts'
import { foldName } from './sqlite-text.ts'

/** Looks up the tables that options name, by the facts of now. */
export interface TableLookup {
  /** @param option the one that names it */
  find(option: string, name: string): TableId | undefined
  /** what to tell about a name that the database has never had: it is misspelt, or not created yet */
  readonly unknown: CacheopsError | undefined
}

/**
 * Names as `DB` has them and names as the database has them. Plugins such as CamelCasePlugin stand between the two, so
 * they are asked: forward by transforming a query that names the table, backward by transforming a result row whose
 * columns are table names.
 */
export class Names {
  readonly #dialect: DialectName
  readonly #searchPath: readonly string[]
  readonly #plugins: readonly KyselyPlugin[]
  /** by {@link keyOf} */
  readonly #tables = new Map<string, TableId>()
  readonly #shown = new Map<string, string>()

  static async of(dialect: DialectName, facts: Facts, plugins: readonly KyselyPlugin[]): Promise<Names> {
    const names = new Names(dialect, facts, plugins)
    await names.#learnShown()
    return names
  }

  private constructor(dialect: DialectName, facts: Facts, plugins: readonly KyselyPlugin[]) {
    this.#dialect = dialect
    this.#searchPath = facts.searchPath
    // WithSchemaPlugin belongs to a derived instance (`db.withSchema()`), not to the names of DB.
    this.#plugins = plugins.filter(
      (plugin) =>
        !(seamPlugin in plugin) && plugin.constructor.name !== 'WithSchemaPlugin' && !('cacheOptions' in plugin),
    )
    for (const { schema, name } of facts.tables) this.#tables.set(this.keyOf({ schema, name }), { schema, name })
  }

  async #learnShown(): Promise<void> {
    const tables = [...this.#tables.values()]
    const row = Object.fromEntries(tables.map(({ name }) => [name, null]))
    const before = Object.keys(row)
    let shown = row
    for (const plugin of this.#plugins) {
      try {
        const result = await plugin.transformResult({ queryId: queryId(), result: { rows: [shown] } })
        shown = result.rows[0] as typeof row
      } catch {
        // A plugin that cannot cope with an unknown result does not rename columns either.
      }
    }
    const after = Object.keys(shown)
    if (after.length !== before.length) return
    const byName = new Map(before.map((name, index) => [name, after[index]!]))
    for (const table of tables) {
      const name = byName.get(table.name)!
      // Only a name that leads back to the table is worth showing.
      const forth = this.#transform(name)
      if (forth?.name === table.name) this.#shown.set(this.keyOf(table), name)
    }
  }

  /** One string per table, whatever the case that the database ignores. */
  keyOf({ schema, name }: TableId): string {
    const key = `${schema}\u0000${name}`
    return this.#dialect === 'sqlite' ? foldName(key) : key
  }

  schemaOf(schema: string): string {
    return this.#dialect === 'sqlite' ? foldName(schema) : schema
  }

  /** The table that `DB` calls so; undefined if the database has none. */
  find(name: string): TableId | undefined {
    const wanted = this.#transform(name)
    if (wanted === undefined) return undefined
    const schemas = wanted.schema === undefined ? this.#searchPath : [wanted.schema]
    for (const schema of schemas) {
      const found = this.#tables.get(this.keyOf({ schema, name: wanted.name }))
      if (found !== undefined) return found
    }
    return undefined
  }

  /** What `DB` calls a table: its name, with its schema in front unless that is the first of the search path. */
  nameOf(table: TableId): string {
    const name = this.#shown.get(this.keyOf(table)) ?? table.name
    return table.schema === this.#searchPath[0] ? name : `${table.schema}.${name}`
  }

  /** All tables as `DB` calls them. */
  all(): Iterable<string> {
    return [...this.#tables.values()].map((table) => this.nameOf(table))
  }

  /** A column as the database calls it. */
  columnOf(name: string): string {
    return this.#transform(name)?.name ?? name
  }

  /** Puts into the facts what the options say of triggers and functions. */
  declare(facts: Facts, config: Config, lookup: TableLookup): Facts {
    // What is not found cannot narrow anything down: the trigger's own text is judged.
    const findAll = (option: string, names: readonly string[]): readonly TableId[] | undefined => {
      const tables = names.map((name) => lookup.find(option, name))
      return tables.every((table) => table !== undefined) ? tables : undefined
    }
    const triggers = new Map<string, readonly TableId[]>()
    for (const [name, writes] of config.triggers) {
      const table = lookup.find('triggers', name)
      const declared = findAll('triggers', writes)
      if (table !== undefined && declared !== undefined) triggers.set(this.keyOf(table), declared)
    }
    const functions = new Map([...config.functions].map(([name, writes]) => [name, findAll('functions', writes)]))
    return {
      ...facts,
      tables: facts.tables.map((table) => {
        const declaredWrites = triggers.get(this.keyOf(table))
        if (declaredWrites === undefined) return table
        return { ...table, triggers: table.triggers.map((trigger) => ({ ...trigger, declaredWrites })) }
      }),
      functions: facts.functions.map((known) => {
        const declaredWrites = functions.get(known.name)
        return declaredWrites === undefined ? known : { ...known, declaredWrites }
      }),
    }
  }

  #transform(name: string): { readonly schema?: string; readonly name: string } | undefined {
    const [first, second] = name.split('.')
    if (first === undefined) return undefined
    const table = second === undefined ? TableNode.create(first) : TableNode.createWithSchema(first, second)
    let node: RootOperationNode = SelectQueryNode.createFrom([table])
    for (const plugin of this.#plugins) node = plugin.transformQuery({ node, queryId: queryId() })
    const from = (node as Select).from
    const source: OperationNode | undefined = from?.froms[0]
    if (source === undefined || !TableNode.is(source)) return undefined
    const { schema, identifier } = source.table
    return schema === undefined ? { name: identifier.name } : { schema: schema.name, name: identifier.name }
  }
}

function queryId(): QueryId {
  return { queryId: 'cacheops' }
}

/** Names the nearest table. */
export function unknownTable(where: string, name: string, names: Names): CacheopsError {
  return new CacheopsError(
    'CACHEOPS_UNKNOWN_TABLE',
    `${where}: the database has no table ${JSON.stringify(name)}.${didYouMean(name, names.all())}`,
  )
}
