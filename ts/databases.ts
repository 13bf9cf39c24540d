import type { ConnectionProvider, QueryExecutor } from 'kysely'

import { Database } from './database.ts'
import type { Instance } from './database.ts'

/** The databases of one plugin object, by where their connections come from. */
export class Databases {
  readonly #instance: Instance
  readonly #byRoot = new WeakMap<ConnectionProvider, Database>()
  /** Weak: an instance that nobody uses any more takes what is known of its database along. */
  #all: WeakRef<Database>[] = []

  constructor(instance: Instance) {
    this.#instance = instance
  }

  of(root: ConnectionProvider, executor: QueryExecutor): Database {
    let database = this.#byRoot.get(root)
    if (database === undefined) {
      database = new Database(this.#instance, executor)
      this.#byRoot.set(root, database)
      this.#all = [...this.all().map((known) => new WeakRef(known)), new WeakRef(database)]
    }
    return database
  }

  /** All that were used so far and still are. */
  all(): readonly Database[] {
    return this.#all.map((reference) => reference.deref()).filter((database) => database !== undefined)
  }
}
