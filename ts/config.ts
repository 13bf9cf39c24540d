import { CacheopsError, didYouMean } from './errors.ts'
import type { CacheopsErrorCode } from './errors.ts'
import { parseSchemaFile } from './schema-file.ts'
import type { SchemaFacts } from './schema-file.ts'

/** A length of time in seconds; fractions are allowed. */
export type Seconds = number
/** A number of bytes. */
export type Bytes = number

/**
 * What a read asks for. `get`: at most one row (a primary or unique key pinned by equality, or `LIMIT 1`); `fetch`: any
 * other rows; `count`, `aggregate`, `exists`: by the shape of the select list.
 */
export type Op = 'get' | 'fetch' | 'count' | 'aggregate' | 'exists'

const OPS: readonly Op[] = ['get', 'fetch', 'count', 'aggregate', 'exists']

/** One op, several, or all of them. */
export type Ops = Op | readonly Op[] | 'all'

/**
 * How the reads of a table are cached.
 *
 * @example
 * ```ts
 * cacheopsPlugin<DB>({ profiles: { customer: { ops: 'get', timeout: 900 } } })
 * ```
 */
export interface Profile {
  /** What is cached without being asked for. Default: nothing; `.cache()` is still allowed. */
  readonly ops?: Ops
  /** How long a result is kept at most. Default: that of `defaults`. */
  readonly timeout?: Seconds
}

/**
 * What `.cache()` takes.
 *
 * @example
 * ```ts
 * await db.selectFrom('track').selectAll().where('album_id', '=', 1).cache({ ops: ['fetch'], timeout: 60 }).execute()
 * ```
 */
export interface CacheOptions {
  /** Cache only if the query turns out to be one of these. Default: whatever it is. `[]` is `.nocache()`. */
  readonly ops?: Ops
  /** How long the result is kept at most. Default: that of the tables' profiles, else of `defaults`. */
  readonly timeout?: Seconds
}

/** The names that `profiles` takes: a table of `DB`, `schema.table`, `schema.*`, `*.*`. */
export type ProfileName<DB> = (keyof DB & string) | `${string}.${string}`

/**
 * The options of {@link cacheopsPlugin}.
 *
 * @example
 * ```ts
 * cacheopsPlugin<DB>({
 *   defaults: { timeout: 600 },
 *   profiles: { genre: { ops: 'all' }, 'audit.*': null, '*.*': {} },
 * })
 * ```
 */
export interface CacheopsOptions<DB = any> {
  /** What profiles and `.cache()` fall back to. Default: nothing automatic, one hour. */
  readonly defaults?: Profile
  /**
   * How the reads of each table are cached; the most specific name wins (`schema.table`, `table`, `schema.*`, `*.*`).
   * `null` forbids caching, `.cache()` included. A read of several tables is cached automatically if all of them allow
   * it, for the shortest of their timeouts.
   */
  readonly profiles?: { readonly [name in ProfileName<DB>]?: Profile | null }
  /** Part of every key: separates applications on one store. Default: `''`. */
  readonly prefix?: string
  /**
   * Asked at each read, part of its key: whatever a result depends on besides its query, such as the tenant or the role
   * that row-level security looks at. It does not make invalidation narrower.
   */
  readonly vary?: () => unknown
  /**
   * `false` (or the environment variable `CACHEOPS_ENABLED=0`) makes everything a no-op. A function is asked at each
   * read; writes are watched all the same, so that switching on again never shows old results. Default: `true`.
   */
  readonly enabled?: boolean | (() => boolean)
  /**
   * Where results are kept. `'embedded'`: in this process, the default; naming it says that no other process writes to
   * the database. Several plugin objects share the store of one name.
   */
  readonly store?: 'embedded' | { readonly type: 'embedded'; readonly name?: string }
  /** How many bytes of results the embedded store keeps, estimated. Default: 256 MiB. */
  readonly maxBytes?: Bytes
  /** Results larger than this are not kept. Default: 1 MiB. */
  readonly maxEntryBytes?: Bytes
  /**
   * The database's identity, where it cannot be asked for or must be told: Kysely instances with the same name share
   * results and invalidations. Default: asked of the database once.
   */
  readonly database?: string
  /** Tables that the triggers of a table write, for triggers whose text cannot be understood. `[]`: none. */
  readonly triggers?: { readonly [table: string]: readonly string[] }
  /** Tables that a database function writes. `{ writes: [] }`: none. */
  readonly functions?: { readonly [name: string]: { readonly writes: readonly string[] } }
  /**
   * What `exportSchema()` gave, or the path of a file with it, read at once: a cold start then asks one cheap question
   * instead of reading the database's catalogs. Facts that are not those of the database are not used, with a warning.
   * Default: facts are read at the first use.
   *
   * @throws CacheopsError CACHEOPS_INVALID_SCHEMA
   */
  readonly schema?: string | SchemaFacts
  /**
   * How often the database is asked, by whoever uses the instance then, whether somebody else has changed its schema.
   * A change is noticed after twice that time at most. `0`: before each read, and reads in transactions are not cached.
   * `false`: only when a statement fails in a way that says so. Schema changes that go through Kysely are known at once
   * in any case. Default: 30.
   */
  readonly schemaCheck?: Seconds | false
  /**
   * The exports of the copy of Kysely that instances with this plugin are made of, where cacheops does not find it by itself:
   * one that a bundler has put into the application, or that another package brings. Default: the copies that cacheops,
   * the caller and the main module resolve are found.
   *
   * @example
   * ```ts
   * import * as kysely from 'kysely'
   * cacheopsPlugin<DB>({ kysely })
   * ```
   */
  readonly kysely?: object
}

/** A profile, complete. */
export interface ResolvedProfile {
  readonly ops: ReadonlySet<Op>
  readonly timeout: Seconds
}

/** Options, checked and complete. */
export interface Config {
  readonly defaults: ResolvedProfile
  /** as given, in no order; `null` forbids */
  readonly profiles: ReadonlyMap<string, ResolvedProfile | null>
  readonly prefix: string
  readonly vary: (() => unknown) | undefined
  readonly enabled: () => boolean
  /** false: nothing is to be done at all, ever */
  readonly installed: boolean
  readonly storeName: string
  /** the user has said that one process is enough */
  readonly storeChosen: boolean
  readonly maxBytes: Bytes
  readonly maxEntryBytes: Bytes
  readonly database: string | undefined
  readonly triggers: ReadonlyMap<string, readonly string[]>
  readonly functions: ReadonlyMap<string, readonly string[]>
  readonly schema: SchemaFacts | undefined
  readonly schemaCheck: Seconds | false
  readonly kysely: object | undefined
}

const DEFAULT_TIMEOUT: Seconds = 3600
const DEFAULT_SCHEMA_CHECK: Seconds = 30
const DEFAULT_MAX_BYTES: Bytes = 256 * 2 ** 20
const DEFAULT_MAX_ENTRY_BYTES: Bytes = 2 ** 20
/** setTimeout and lru-cache count milliseconds in 32 bits; 24 days are enough for a cache */
const MAX_TIMEOUT: Seconds = 24 * 86_400

const OPTION_NAMES: readonly (keyof CacheopsOptions)[] = [
  'defaults',
  'profiles',
  'prefix',
  'vary',
  'enabled',
  'store',
  'maxBytes',
  'maxEntryBytes',
  'database',
  'triggers',
  'functions',
  'schema',
  'schemaCheck',
  'kysely',
]

/**
 * Checks options and fills in defaults.
 *
 * @throws CacheopsError with the nearest valid name when a name is unknown, or with what is allowed when a value is wrong.
 */
export function parseOptions(options: CacheopsOptions, environment: NodeJS.ProcessEnv): Config {
  checkKeys('cacheopsPlugin()', options, OPTION_NAMES)
  const defaults = parseProfile('defaults', options.defaults ?? {}, {
    ops: new Set(),
    timeout: DEFAULT_TIMEOUT,
  })
  const profiles = new Map<string, ResolvedProfile | null>()
  for (const [name, profile] of Object.entries(checkObject('profiles', options.profiles ?? {}))) {
    checkPattern(name)
    profiles.set(name, profile === null ? null : parseProfile(`profiles[${JSON.stringify(name)}]`, profile, defaults))
  }
  const installed = options.enabled !== false && environment['CACHEOPS_ENABLED'] !== '0'
  return {
    defaults,
    profiles,
    prefix: checkType('prefix', options.prefix ?? '', 'string'),
    vary: options.vary === undefined ? undefined : checkType('vary', options.vary, 'function'),
    enabled: parseEnabled(options.enabled),
    installed,
    storeName: parseStore(options.store),
    storeChosen: options.store !== undefined,
    maxBytes: checkPositive('maxBytes', options.maxBytes ?? DEFAULT_MAX_BYTES),
    maxEntryBytes: checkPositive('maxEntryBytes', options.maxEntryBytes ?? DEFAULT_MAX_ENTRY_BYTES),
    database: options.database === undefined ? undefined : checkType('database', options.database, 'string'),
    triggers: parseTables('triggers', options.triggers ?? {}, (writes) => writes),
    functions: parseTables('functions', options.functions ?? {}, (entry, where) => {
      checkKeys(where, checkObject(where, entry), ['writes'])
      return (entry as { writes: unknown }).writes
    }),
    schema: options.schema === undefined ? undefined : parseSchemaFile(options.schema),
    schemaCheck: checkSchemaCheck(options.schemaCheck ?? DEFAULT_SCHEMA_CHECK),
    kysely: options.kysely === undefined ? undefined : checkObject('kysely', options.kysely),
  }
}

/** Checks what `.cache()` was given; `false` when it means `.nocache()`. */
export function parseCacheOptions(options: CacheOptions): ParsedCacheOptions | false {
  checkKeys('.cache()', checkObject('.cache()', options), ['ops', 'timeout'])
  const ops = options.ops === undefined ? undefined : parseOps('.cache()', options.ops)
  if (ops?.size === 0) return false
  return { ops, timeout: options.timeout === undefined ? undefined : checkTimeout('.cache()', options.timeout) }
}

/** What `.cache()` was given, checked. */
export interface ParsedCacheOptions {
  /** undefined: whatever the query is */
  readonly ops: ReadonlySet<Op> | undefined
  readonly timeout: Seconds | undefined
}

function parseProfile(where: string, profile: unknown, fallback: ResolvedProfile): ResolvedProfile {
  const { ops, timeout } = checkKeys(where, checkObject(where, profile), ['ops', 'timeout']) as Profile
  return {
    ops: ops === undefined ? fallback.ops : parseOps(where, ops),
    timeout: timeout === undefined ? fallback.timeout : checkTimeout(where, timeout),
  }
}

function parseOps(where: string, ops: Ops): ReadonlySet<Op> {
  if (ops === 'all') return new Set(OPS)
  const list = typeof ops === 'string' ? [ops] : ops
  if (!Array.isArray(list)) throw invalid(`${where}: ops must be an op, a list of ops, or 'all'.`)
  const unknown = list.find((op) => !OPS.includes(op as Op)) as unknown
  if (unknown !== undefined) {
    throw new CacheopsError(
      'CACHEOPS_UNKNOWN_OP',
      `${where}: ${JSON.stringify(unknown)} is not an op (${OPS.join(', ')}, or 'all').${typeof unknown === 'string' ? didYouMean(unknown, [...OPS, 'all']) : ''}`,
    )
  }
  return new Set(list as readonly Op[])
}

function parseEnabled(enabled: unknown): () => boolean {
  if (enabled === undefined || typeof enabled === 'boolean') return () => enabled !== false
  if (typeof enabled !== 'function') throw invalid('enabled must be true, false or a function.')
  return enabled as () => boolean
}

function parseStore(store: CacheopsOptions['store']): string {
  if (store === undefined || store === 'embedded') return 'default'
  if (typeof store === 'string') {
    throw invalid(
      `store: ${JSON.stringify(store)} is not a store; this version has 'embedded'.${didYouMean(store, ['embedded'])}`,
    )
  }
  checkKeys('store', checkObject('store', store), ['type', 'name'])
  if (store.type !== 'embedded') throw invalid(`store: type must be 'embedded'.`)
  return checkType('store.name', store.name ?? 'default', 'string')
}

function parseTables(
  where: string,
  given: object,
  writesOf: (entry: unknown, where: string) => unknown,
): ReadonlyMap<string, readonly string[]> {
  return new Map(
    Object.entries(checkObject(where, given)).map(([name, entry]) => {
      const writes = writesOf(entry, `${where}[${JSON.stringify(name)}]`)
      if (!Array.isArray(writes) || !writes.every((table) => typeof table === 'string')) {
        throw invalid(`${where}[${JSON.stringify(name)}]: name the tables that it writes, as a list of strings.`)
      }
      return [name, writes]
    }),
  )
}

function checkPattern(name: string): void {
  const parts = name.split('.')
  const wrong = parts.length > 2 || parts.some((part) => part === '') || (name.includes('*') && parts.at(-1) !== '*')
  const starOnlyWithSchema = parts.length === 1 && name.includes('*')
  const partialStar = parts.some((part) => part.includes('*') && part !== '*')
  if (!wrong && !starOnlyWithSchema && !partialStar) return
  throw new CacheopsError(
    'CACHEOPS_INVALID_PATTERN',
    `profiles: ${JSON.stringify(name)} is not a table, 'schema.table', 'schema.*' or '*.*'.${name === '*' ? ` Did you mean "*.*"?` : ''}`,
  )
}

function checkTimeout(where: string, timeout: unknown): Seconds {
  if (typeof timeout === 'number' && timeout > 0 && timeout <= MAX_TIMEOUT) return timeout
  throw invalid(`${where}: timeout must be a number of seconds above 0 and at most ${MAX_TIMEOUT} (24 days).`)
}

function checkSchemaCheck(value: unknown): Seconds | false {
  if (value === false || (typeof value === 'number' && value >= 0 && value <= MAX_TIMEOUT)) return value
  throw invalid(`schemaCheck must be a number of seconds from 0 to ${MAX_TIMEOUT} (24 days), or false.`)
}

function checkPositive(where: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 1) return value
  throw invalid(`${where} must be a number of bytes, 1 or more.`)
}

function checkObject(where: string, value: unknown): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw invalid(`${where} must be an object.`)
}

function checkType<T>(where: string, value: T, type: 'string' | 'function'): T {
  if (typeof value === type) return value
  throw invalid(`${where} must be a ${type}.`)
}

function checkKeys(where: string, value: object, known: readonly string[]): object {
  for (const key of Object.keys(checkObject(where, value))) {
    if (known.includes(key)) continue
    throw new CacheopsError(
      'CACHEOPS_UNKNOWN_OPTION',
      `${where} has no option ${JSON.stringify(key)} (it has ${known.join(', ')}).${didYouMean(key, known)}`,
    )
  }
  return value
}

function invalid(message: string, code: CacheopsErrorCode = 'CACHEOPS_INVALID_OPTION'): CacheopsError {
  return new CacheopsError(code, message)
}
