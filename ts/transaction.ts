import type { Change } from './change.ts'

/**
 * What is known of one real connection: whether a transaction is open, whether the cache may be used in it, and the
 * invalidations that wait for its commit. It outlives the scopes that use the connection, because a raw `begin` may be
 * sent in one and its `commit` in another.
 */
export class TransactionState {
  /**
   * `none`: each statement commits by itself. `open`: a transaction that was seen to begin. `opaque`: a method of the
   * driver was called that nobody can see into; a transaction may be open.
   */
  mode: 'none' | 'open' | 'opaque' = 'none'
  /** The mode may be wrong, so writes are invalidated at once and again at the end. */
  uncertain = false
  /** PostgreSQL's number of the open transaction, where it was asked for. */
  transactionId: string | undefined
  /** The schema was changed in the open transaction: the facts are not those of this connection. */
  schemaChanged = false
  /** A setting was changed that may decide which table a name means, what may be read, or how values are written. */
  settingsChanged = false
  /** PostgreSQL: what the connection has told of its session; undefined until it has been asked. */
  session: string | undefined
  /** PostgreSQL: the server's process behind the connection, once it has told. */
  pid: number | undefined
  /** It is being asked. */
  checking: Promise<void> | undefined
  /** It is to answer once more, because nobody has told what has become of a write. */
  answer: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined
  /** It was open when its connection was given back the last time. */
  leftOpen = false

  /** Why the cache is not used on this connection, for as long as the transaction (or the connection's use) lasts. */
  #bypass: string | undefined
  /** The database answers every statement with an error until the transaction (or a savepoint) is rolled back. */
  #failed = false
  #held: Change[] = []
  /** SQLite: it was begun by a savepoint, and ends when that is released. */
  #bySavepoint = false
  #savepoints: { readonly name: string; readonly held: number }[] = []

  /** Why a read on this connection must go to the database; undefined when the cache may answer it. */
  get bypass(): string | undefined {
    if (this.#failed) return 'failed_transaction'
    if (this.mode === 'opaque') return 'driver_transaction'
    if (this.uncertain) return 'uncertain_connection'
    return this.#bypass
  }

  /** Whether a transaction is open, or may be. */
  get inTransaction(): boolean {
    return this.mode !== 'none' || this.uncertain
  }

  /** Whether a statement may have committed by itself. */
  get mayAutocommit(): boolean {
    return this.mode !== 'open' || this.uncertain
  }

  /** The savepoint that began the transaction has been released: it has committed. */
  get releasedAll(): boolean {
    return this.#bySavepoint && this.#savepoints.length === 0
  }

  get held(): readonly Change[] {
    return this.#held
  }

  /** A transaction begins. `snapshot`: its statements do not see what others commit meanwhile. */
  begin(snapshot: boolean, bySavepoint = false): void {
    this.mode = 'open'
    this.#clear()
    this.#bySavepoint = bySavepoint
    if (snapshot) this.#bypass = 'snapshot'
  }

  /** From here on the cache is not used: locks were taken, rows written, the session changed. */
  stopUsing(reason: string): void {
    this.#bypass ??= reason
  }

  /** Changes that must be invalidated once the transaction has committed. */
  hold(changes: readonly Change[]): void {
    this.stopUsing('dirty_transaction')
    this.#held.push(...changes)
  }

  statementFailed(): void {
    if (this.inTransaction) this.#failed = true
  }

  savepoint(name: string): void {
    this.#savepoints.push({ name, held: this.#held.length })
  }

  /** What was written since the savepoint is gone and is not held any more; gives it. */
  rollbackTo(name: string): readonly Change[] {
    this.#failed = false
    const index = this.#savepoints.findLastIndex((savepoint) => savepoint.name === name)
    // An unknown savepoint: keep everything, at the price of an invalidation too many.
    if (index === -1) return []
    this.#savepoints.length = index + 1
    return this.#held.splice(this.#savepoints[index]!.held)
  }

  releaseSavepoint(name: string): void {
    const index = this.#savepoints.findLastIndex((savepoint) => savepoint.name === name)
    if (index !== -1) this.#savepoints.length = index
  }

  /** The transaction is over; gives what was held, to be invalidated if it committed (or if nobody knows). */
  end(next: 'none' | 'open' | 'uncertain' = 'none'): readonly Change[] {
    const held = this.#held
    this.mode = next === 'open' ? 'open' : 'none'
    this.#clear()
    this.uncertain = next === 'uncertain'
    return held
  }

  #clear(): void {
    this.uncertain = false
    this.transactionId = undefined
    this.schemaChanged = false
    this.settingsChanged = false
    this.#bypass = undefined
    this.#failed = false
    this.#held = []
    this.#savepoints = []
    this.#bySavepoint = false
  }
}
