import type { Config, ResolvedProfile } from './config.ts'
import type { Names, TableLookup } from './kysely/names.ts'
import type { TableId } from './shapes.ts'

/** The profiles of a plugin object, by the tables of one database. */
export class Profiles {
  readonly #byTable = new Map<string, ResolvedProfile | null>()
  readonly #bySchema = new Map<string, ResolvedProfile | null>()
  readonly #lookup: TableLookup
  readonly #names: Names
  readonly #fallback: ResolvedProfile | null | undefined
  readonly #defaults: ResolvedProfile

  /** @param lookup also of what other options name */
  constructor(config: Config, names: Names, lookup: TableLookup) {
    this.#lookup = lookup
    this.#names = names
    this.#defaults = config.defaults
    this.#fallback = config.profiles.get('*.*')
    for (const [pattern, profile] of config.profiles) {
      if (pattern === '*.*') continue
      if (pattern.endsWith('.*')) {
        this.#bySchema.set(names.schemaOf(pattern.slice(0, -2)), profile)
        continue
      }
      const table = lookup.find('profiles', pattern)
      if (table !== undefined) this.#byTable.set(names.keyOf(table), profile)
    }
  }

  /** The profile of a table, and whether anything but the defaults was said about it. `null` forbids. */
  of(table: TableId): ResolvedProfile | null {
    const profile = this.#named(table)
    return profile === undefined ? this.#defaults : profile
  }

  #named(table: TableId): ResolvedProfile | null | undefined {
    const own = this.#byTable.get(this.#names.keyOf(table))
    if (own !== undefined) return own
    const schema = this.#bySchema.get(this.#names.schemaOf(table.schema))
    return schema === undefined ? this.#fallback : schema
  }

  /**
   * A profile (or another option) for a table that has never existed means nothing, so the reads that profiles are for
   * refuse to go on. Other statements do not: migrations must be able to create it.
   *
   * @throws CacheopsError CACHEOPS_UNKNOWN_TABLE
   */
  check(): void {
    if (this.#lookup.unknown !== undefined) throw this.#lookup.unknown
  }
}
