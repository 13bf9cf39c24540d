import type { CompiledQuery, Kysely, KyselyPlugin } from 'kysely'

import type { CacheopsOptions } from '../../ts/index.ts'
import type { Built } from './read-parts.ts'

/** What a read came from: `hit`, `joined`, `miss`, or why the cache was not used; undefined if nobody listened. */
export type Origin = string | undefined

/** What a cache may be told. */
export type Order =
  | { readonly kind: 'table'; readonly table: string }
  | { readonly kind: 'row'; readonly table: string; readonly row: object }
  | { readonly kind: 'all' }
  | { readonly kind: 'vary'; readonly value: string | undefined }
  | { readonly kind: 'switch'; readonly on: boolean }

/** What answers the reads of the instance under test. */
export interface Engine {
  readonly plugins: readonly [readonly KyselyPlugin[], readonly KyselyPlugin[]]
  read(db: Kysely<any>, query: Built): Promise<unknown>
  /** what `read` would execute, if it is a compiled query of the instance itself */
  compile?(query: Built): CompiledQuery | undefined
  /** of the read that ended last */
  origin(): Origin
  /** how the engine sees a query, for a person to read */
  explain(db: Kysely<any>, query: Built): Promise<string>
  tell?(order: Order, db: Kysely<any>): Promise<void>
  /** something that the engine reports of itself */
  fault?(): string | undefined
  close(): void
}

export interface EngineOptions {
  /** nothing is said by `.cache()`, profiles cache everything that can be */
  readonly automatic: boolean
  /** events are listened to, which tells hits from misses */
  readonly listening: boolean
  /** room for a few results only */
  readonly tiny: boolean
  /** results depend on a value besides, and caching is switched off and on */
  readonly varies: boolean
  /** profiles besides the one for everything */
  readonly profiles: CacheopsOptions['profiles'] & {}
}

export type EngineName = 'cacheops' | 'none' | 'never' | 'naive'

/** @param name `none`: no cache. `never`: one that never invalidates. `naive`: one that looks at the written table's name. */
export async function makeEngine(name: EngineName, options: EngineOptions): Promise<Engine> {
  if (name === 'cacheops') return makeCacheops(options)
  return name === 'none' ? new NoCache() : new MapCache(name === 'naive')
}

export function executeBuilt(db: Kysely<any>, query: Built): Promise<unknown> {
  return 'raw' in query ? query.raw.execute(db) : query.builder.execute()
}

class NoCache implements Engine {
  readonly plugins = [[], []] as const

  read(db: Kysely<any>, query: Built): Promise<unknown> {
    return executeBuilt(db, query)
  }

  origin(): Origin {
    return 'none'
  }

  explain(): Promise<string> {
    return Promise.resolve('no cache')
  }

  close(): void {}
}

/** Caches wrong on purpose, to show that the oracle notices. */
class MapCache implements Engine {
  readonly #results = new Map<string, { result: unknown; sql: string }>()
  readonly plugins: readonly [readonly KyselyPlugin[], readonly KyselyPlugin[]]
  #origin: Origin

  constructor(invalidates: boolean) {
    const onWrite = (sql: string): void => {
      const [, table] = /^\s*(?:insert into|replace into|update|delete from) "([^"]+)"/.exec(sql) ?? []
      for (const [key, { sql }] of this.#results)
        if (table === undefined || sql.includes(`"${table}"`)) this.#results.delete(key)
    }
    this.plugins = invalidates ? [[new WriteWatcher(onWrite)], [new WriteWatcher(onWrite)]] : [[], []]
  }

  async read(db: Kysely<any>, query: Built): Promise<unknown> {
    if (db.isTransaction) return executeBuilt(db, query)
    const { sql, parameters } = 'raw' in query ? query.raw.compile(db) : query.builder.compile()
    const key = JSON.stringify([sql, parameters.map((value) => [typeof value, String(value)])])
    const known = this.#results.get(key)
    this.#origin = known === undefined ? 'miss' : 'hit'
    if (known !== undefined) return structuredClone(known.result)
    const result = await executeBuilt(db, query)
    this.#results.set(key, { result: structuredClone(result), sql })
    return result
  }

  origin(): Origin {
    return this.#origin
  }

  explain(): Promise<string> {
    return Promise.resolve('a map')
  }

  close(): void {}
}

function textOf(node: object): string {
  return JSON.stringify(node, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
}

/** Hears of the statements that an instance compiles: enough for a cache that is wrong on purpose. */
class WriteWatcher implements KyselyPlugin {
  readonly #onWrite: (sql: string) => void
  readonly #names = new WeakMap<object, string>()

  constructor(onWrite: (sql: string) => void) {
    this.#onWrite = onWrite
  }

  transformQuery({ node, queryId }: Parameters<KyselyPlugin['transformQuery']>[0]): typeof node {
    const { kind } = node
    if (kind === 'InsertQueryNode' || kind === 'UpdateQueryNode' || kind === 'DeleteQueryNode') {
      const table = textOf(node).match(
        /"table":\{"kind":"SchemableIdentifierNode","identifier":\{"kind":"IdentifierNode","name":"([^"]+)"/,
      )?.[1]
      this.#names.set(queryId, table === undefined ? '' : `update "${table}"`)
    } else if (kind === 'RawNode') this.#names.set(queryId, textOf(node).includes('select') ? 'update "?"' : '')
    return node
  }

  transformResult({ result, queryId }: Parameters<KyselyPlugin['transformResult']>[0]): Promise<typeof result> {
    const name = this.#names.get(queryId)
    if (name !== undefined) this.#onWrite(name)
    return Promise.resolve(result)
  }
}

/** What the cache says that it does not do. */
const DECLARED = /a temporary (?:table or view|relation) hides/

let stores = 0

async function makeCacheops({ automatic, listening, tiny, varies, profiles }: EngineOptions): Promise<Engine> {
  const { cacheopsPlugin } = await import('../../ts/index.ts')
  let varied: string | undefined
  let on = true
  const options: CacheopsOptions = {
    // A store of its own: what an earlier database of the same process left must not count.
    store: { type: 'embedded', name: `oracle-${stores++}` },
    profiles: { ...profiles, ...(automatic ? { '*.*': { ops: 'all' } } : {}) },
    ...(varies ? { vary: () => varied ?? 'none', enabled: () => on } : {}),
    ...(tiny ? { maxBytes: 16_384, maxEntryBytes: 4096 } : {}),
  }
  const both = [cacheopsPlugin(options), cacheopsPlugin(options)] as const
  let origin: Origin
  if (listening) {
    for (const each of both) {
      each.on('read', ({ reason }) => (origin = reason))
    }
  }
  const faults: string[] = []
  for (const each of both)
    each.on('error', ({ error, during }) => {
      const fault = `${during}: ${error.message}, ${String((error.cause as Error | undefined)?.stack)}`
      if (!DECLARED.test(fault)) faults.push(fault)
    })
  return {
    plugins: [[both[0]], [both[1]]],
    read: async (db, query) => {
      origin = undefined
      if (automatic) return executeBuilt(db, query)
      return 'raw' in query ? both[0].run(db, query.raw) : query.builder.cache().execute()
    },
    compile: (query) =>
      'raw' in query ? undefined : automatic ? query.builder.compile() : query.builder.cache().compile(),
    origin: () => origin,
    tell: async (order, db) => {
      if (order.kind === 'vary') varied = order.value
      else if (order.kind === 'switch') on = order.on
      else if (order.kind === 'all') await both[0].invalidateAll({ db })
      else {
        const told =
          order.kind === 'table'
            ? both[0].invalidateTable(order.table, { db })
            : both[0].invalidateRow(order.table, order.row, { db })
        // The table may be gone, or have lost a column.
        await told.catch((error: { code?: string }) => {
          if (error.code?.startsWith('CACHEOPS_') !== true) throw error
        })
      }
    },
    fault: () => faults.shift(),
    explain: async (db, query) => {
      try {
        const seen =
          'raw' in query
            ? await both[0].explain(query.raw, { db })
            : await both[0].explain(automatic ? query.builder : query.builder.cache())
        return JSON.stringify(seen, null, 1)
      } catch (error) {
        return `explain failed: ${String(error)}`
      }
    },
    close: () => {
      for (const each of both) void each.close()
    },
  } satisfies Engine
}
