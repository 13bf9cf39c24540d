import type { Independent, Step } from './explore.ts'

/**
 * Where actors are stopped:
 * - `token`: a read begins; next it takes its stamps and looks into the store;
 * - `database`: it was not answered, and goes to the database;
 * - `fill`: the answer of the database is in its hand;
 * - `lock`: a write or a transaction is about to take the right to write;
 * - `write`: the same, for a statement that commits by itself;
 * - `commit`, `rollback`: of a transaction that has written;
 * - `invalidate`: it is committed, and stamps are about to be dropped.
 */
export type Point = 'token' | 'database' | 'fill' | 'lock' | 'write' | 'commit' | 'rollback' | 'invalidate'

/** A connection as the actors' schedule sees it. */
export class StopPoints {
  /** a transaction is open that may write */
  #locked = false
  #transaction = false
  readonly #exclusive: boolean

  /** what it reads in a transaction is stopped as well */
  readonly #reader: boolean
  readonly #waits: boolean

  /**
   * @param exclusive a transaction keeps everybody else out from its beginning.
   * @param waits whoever meets a lock waits in the database until it is given back.
   */
  constructor({ exclusive = false, reader = false, waits = false } = {}) {
    this.#exclusive = exclusive
    this.#reader = reader
    this.#waits = waits
  }

  /** Where a statement is stopped before it is executed. */
  before(sql: string): Point | undefined {
    if (this.#locks(sql)) return 'lock'
    if (COMMIT.test(sql)) return this.#locked ? 'commit' : undefined
    if (/^(?:begin|start transaction|savepoint|rollback to|release)/i.test(sql)) return undefined
    if (/^rollback/i.test(sql)) return this.#locked ? 'rollback' : undefined
    if (/^select/i.test(sql)) return this.#transaction && !this.#reader ? undefined : 'database'
    if (!isWrite(sql) || this.#locked) return undefined
    return this.#transaction ? 'lock' : 'write'
  }

  /** Where it is stopped when it has been. */
  after(sql: string): Point | undefined {
    if (BEGIN.test(sql)) {
      this.#transaction = true
      this.#locked = this.#locks(sql)
      return undefined
    }
    if (COMMIT.test(sql) || /^rollback$/i.test(sql)) {
      const point = COMMIT.test(sql) && this.#locked ? 'invalidate' : undefined
      this.#transaction = this.#locked = false
      return point
    }
    if (/^select/i.test(sql)) return this.#transaction && !this.#reader ? undefined : 'fill'
    // Rows that were written since are free: whoever waits for one comes first.
    if (this.#waits && /^rollback to/i.test(sql)) return 'lock'
    if (!isWrite(sql)) return undefined
    if (!this.#transaction) return 'invalidate'
    this.#locked = true
    return undefined
  }

  #locks(sql: string): boolean {
    return this.#exclusive && BEGIN.test(sql)
  }

  /** Whether others may see something new once the statement has been executed. */
  mayCommit(sql: string): boolean {
    return COMMIT.test(sql) || (!this.#transaction && isWrite(sql))
  }
}

/** A write that takes row images on SQLite stands in a savepoint of its own. */
const BEGIN = /^(?:begin|start transaction|savepoint "__cacheops_)/i
const COMMIT = /^(?:commit|release "__cacheops_)/i

function isWrite(sql: string): boolean {
  return /^(?:insert|update|delete|with)/i.test(sql)
}

/** Whether it waits while another actor may write. */
export function wantsLock({ point }: Step): boolean {
  return point === 'lock' || point === 'write'
}

/** Whether it gives back the right to write. */
export function givesLockBack({ point }: Step): boolean {
  return point === 'commit' || point === 'rollback'
}

type Use = 'reads' | 'changes' | 'adds'
/** by what is touched */
type Uses = Partial<Record<string, Use>>

/**
 * What steps touch, if the plugin is right; `interleavings.slow.spec.ts` runs orders without this. What only adds (a scheme to the registry, one to a stamp) may be swapped
 * with its like.
 */
function uses({ point, of }: Step, { shared, cold, waits = false }: Sharing): Uses {
  const registered = (use: Use): Uses => (cold ? { registry: use } : {})
  const result: Uses = shared ? { [`result ${of}`]: 'changes' } : {}
  const byPoint: Record<Point, Uses> = {
    token: { stamps: 'reads', ...registered('adds'), ...result },
    database: { rows: 'reads' },
    // In threads that fill by themselves: a fill must not look at the stamps, and one that does is to be found out.
    fill: shared ? result : { stamps: 'reads' },
    // A write is announced in the step in front of the one that shows it; who invalidates looks at what is announced.
    lock: {
      lock: 'changes',
      announced: 'adds',
      ...registered('reads'),
      ...(waits ? { rows: 'changes' as const } : {}),
    },
    write: { lock: 'changes', announced: 'adds', ...registered('reads'), rows: 'changes' },
    commit: { lock: 'changes', announced: 'adds', rows: 'changes' },
    rollback: { lock: 'changes', announced: 'adds', ...(waits ? { rows: 'changes' as const } : {}) },
    invalidate: { stamps: 'adds', announced: 'changes', ...registered('reads') },
  }
  return byPoint[point as Point]
}

export interface Sharing {
  /** the readers have one store and one list of reads under way; otherwise each has its own (threads) */
  readonly shared: boolean
  /** the first read of each kind registers its scheme */
  readonly cold: boolean
  /** see {@link StopPoints} */
  readonly waits?: boolean
}

/** Whether two steps of different actors may be swapped without anybody noticing. */
export function independent(sharing: Sharing): Independent {
  return (a, b) => {
    if (a.actor === b.actor) return false
    const [mine, other] = [uses(a, sharing), uses(b, sharing)]
    return Object.keys(mine).every(
      (thing) => other[thing] === undefined || (mine[thing] === other[thing] && mine[thing] !== 'changes'),
    )
  }
}
