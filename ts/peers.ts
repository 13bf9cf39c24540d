/**
 * Several Kysely instances may use one real connection: two over one SQLite handle, or over one PGlite. What one of them
 * does while another has a transaction open belongs to that transaction, and nobody sees that it does. So
 *
 * - what one writes is held by every transaction that another has open on the same database, for its commit or rollback;
 * - a rollback drops what was held, because another instance may have read, and kept, what was never committed.
 *
 * A connection to a PostgreSQL server comes out of a pool, and belongs to one at a time. There only a transaction that was
 * left open when its connection was given back can get others' statements.
 */

import type { DatabaseHandle } from './native.ts'
import { shared } from './shared.ts'
import type { Change } from './change.ts'
import type { TransactionState } from './transaction.ts'

/** A database as one instance sees it. */
export interface Peer {
  /** undefined until it is known which database it is */
  readonly base: DatabaseHandle | undefined
  /** whether another instance may use a connection while this one holds it */
  readonly sharesConnections: boolean
  invalidate(changes: readonly Change[]): void
  schemaChanged(reason: string): void
}

/** Instances that have used a database, by its handle. It only grows: what is dropped too much is only slow. */
const instances = shared('instances', () => new Map<DatabaseHandle, number>())
/** Connections that somebody holds, or on which a transaction was left open. */
const inUse = shared('connections in use', () => new Map<TransactionState, Peer>())

/** An instance has learnt which database it uses. */
export function joinPeers(handle: DatabaseHandle): void {
  instances.set(handle, (instances.get(handle) ?? 0) + 1)
}

export function useConnection(state: TransactionState, peer: Peer): void {
  inUse.set(state, peer)
}

export function leaveConnection(state: TransactionState): void {
  inUse.delete(state)
}

/** Lets the open transactions of other instances, if the database may be theirs too, hold what was written. */
export function holdForPeers(peer: Peer, changes: readonly Change[]): void {
  if (!mayHavePeers(peer)) return
  for (const [state, other] of inUse) {
    const same = peer.base === undefined || other.base === undefined || peer.base === other.base
    const shared = other.sharesConnections || state.leftOpen
    if (same && shared && other !== peer && state.inTransaction) state.hold(changes)
  }
}

/** Drops what was rolled back, where another instance may have seen it. */
export function dropForPeers(
  peer: Peer,
  undone: readonly Change[],
  { schemaChanged, leftOpen }: { readonly schemaChanged: boolean; readonly leftOpen: boolean },
): void {
  if (!mayHavePeers(peer) || !(peer.sharesConnections || leftOpen)) return
  if (schemaChanged) peer.schemaChanged('a schema change was rolled back')
  peer.invalidate(undone)
}

function mayHavePeers({ base }: Peer): boolean {
  return base === undefined || (instances.get(base) ?? 0) > 1
}
