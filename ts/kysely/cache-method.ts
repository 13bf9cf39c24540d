import type { CompiledQuery, KyselyPlugin, QueryResult, RootOperationNode, UnknownRow } from 'kysely'

import { parseCacheOptions } from '../config.ts'
import type { CacheOptions, ParsedCacheOptions } from '../config.ts'
import type { KyselyCopy } from './copies.ts'

declare module 'kysely' {
  interface SelectQueryBuilder<DB, TB extends keyof DB, O> {
    /**
     * Answers this query from the cache, and keeps its result there.
     *
     * The whole query is meant: options on a subquery, a CTE or an operand of a set operation are ignored.
     *
     * @param options Default: whatever the query is, for the timeout of its tables' profiles.
     * @throws CacheopsError when an option is unknown or wrong.
     *
     * @example
     * ```ts
     * await db.selectFrom('track').selectAll().where('album_id', '=', 1).cache({ timeout: 60 }).execute()
     * ```
     */
    cache(options?: CacheOptions): SelectQueryBuilder<DB, TB, O>
    /**
     * Sends this query to the database, whatever the profiles say, and keeps nothing.
     *
     * @example
     * ```ts
     * await db.selectFrom('genre').selectAll().nocache().execute()
     * ```
     */
    nocache(): SelectQueryBuilder<DB, TB, O>
  }
}

type Explicit = ParsedCacheOptions | false

/**
 * Carries what `.cache()` said, twice: in the builder's own executor, and on the root node, which a compiled query keeps.
 * The node alone is not enough, because a plugin behind this one may rebuild it.
 */
export class CacheOptionsPlugin implements KyselyPlugin {
  readonly cacheOptions: Explicit

  constructor(options: CacheOptions | false) {
    this.cacheOptions = options === false ? false : parseCacheOptions(options)
  }

  transformQuery({ node }: { readonly node: RootOperationNode }): RootOperationNode {
    // A root node of its own: builders that share one must not share options.
    return Object.freeze({ ...node, [explicitKey]: this.cacheOptions })
  }

  transformResult({ result }: { readonly result: QueryResult<UnknownRow> }): Promise<QueryResult<UnknownRow>> {
    return Promise.resolve(result)
  }
}

const explicitKey: unique symbol = Symbol.for('cacheops.explicit') as never

/** What was said about a query; undefined if nothing was. */
export function explicitOf(compiled: CompiledQuery, plugins: readonly KyselyPlugin[]): Explicit | undefined {
  for (let i = plugins.length - 1; i >= 0; i--) {
    const plugin = plugins[i] as Partial<CacheOptionsPlugin>
    if (plugin.cacheOptions !== undefined) return plugin.cacheOptions
  }
  return (compiled.query as { [explicitKey]?: Explicit })[explicitKey]
}

/** Puts `.cache()` and `.nocache()` on Kysely's select builder, which is not exported. */
export function installCacheMethods(kysely: KyselyCopy): void {
  const builder = Object.getPrototypeOf(kysely.expressionBuilder().selectFrom('x' as never)) as object
  if ('cache' in builder) return
  define(builder, 'cache', function (this: PluginCarrier, options: CacheOptions = {}) {
    return this.withPlugin(new CacheOptionsPlugin(options))
  })
  define(builder, 'nocache', function (this: PluginCarrier) {
    return this.withPlugin(new CacheOptionsPlugin(false))
  })
}

interface PluginCarrier {
  withPlugin(plugin: KyselyPlugin): unknown
}

function define(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false })
}
