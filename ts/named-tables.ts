import type { Events } from './events.ts'
import { unknownTable } from './kysely/names.ts'
import type { Names, TableLookup } from './kysely/names.ts'

/**
 * The tables that options name, while the schema changes. A name that was never found is a mistake, and refused. One whose
 * table was dropped or renamed meanwhile is not: a migration must not take the application down. It means nothing any more.
 */
export class NamedTables {
  readonly #events: Events
  readonly #found = new Set<string>()

  constructor(events: Events) {
    this.#events = events
  }

  in(names: Names): TableLookup {
    let unknown: TableLookup['unknown']
    return {
      find: (option, name) => {
        const table = names.find(name)
        if (table !== undefined) this.#found.add(name)
        else if (this.#found.has(name)) this.#warn(option, name)
        else unknown ??= unknownTable(option, name, names)
        return table
      },
      get unknown() {
        return unknown
      },
    }
  }

  #warn(option: string, name: string): void {
    this.#events.warn(
      `cacheops: the table ${JSON.stringify(name)} of the option ${option} is gone; what was said about it means nothing now.`,
    )
  }
}
