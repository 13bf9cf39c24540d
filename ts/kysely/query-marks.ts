import type { QueryId } from 'kysely'

/** Tells queries that an extended executor executes from others. */
export interface QueryMarks {
  mark(id: QueryId): void
  has(id: QueryId): boolean
}

export function newQueryMarks(): QueryMarks {
  // NOTE: a private field on an object of Kysely's, which nobody sees. A WeakSet takes thirty times as long.
  class Marked extends Itself {
    readonly #marked = true
    static put(id: QueryId): unknown {
      return new Marked(id)
    }
    static has(id: QueryId): boolean {
      return #marked in id && id.#marked
    }
  }
  const fixed = new WeakSet<QueryId>()
  return {
    mark(id) {
      if (Marked.has(id)) return
      if (Object.isExtensible(id)) Marked.put(id)
      else fixed.add(id)
    },
    has: (id) => Marked.has(id) || fixed.has(id),
  }
}

// oxlint-disable-next-line typescript/no-extraneous-class -- only a class that another extends can give it an object to put fields on
class Itself {
  constructor(id: object) {
    return id
  }
}
