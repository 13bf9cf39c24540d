import { LRUCache } from 'lru-cache'

import type { Bytes, Seconds } from '../config.ts'
import type { KeptResult } from '../rows.ts'
import { shared } from '../shared.ts'
import type { Bound, Store } from './store.ts'

interface Entry {
  readonly token: number
  readonly kept: KeptResult
}

interface Kept {
  entries: LRUCache<string, Entry>
  users: number
}

/** What an entry takes beside its rows: key, token, list links. */
const ENTRY_BYTES: Bytes = 200

/** One per name and thread; the stamps that decide whether an entry is alive are one per name and process. */
const stores = shared('stores', () => new Map<string, Kept>())

/**
 * The store inside this process: results as private rows, the least recently used dropped first.
 *
 * @param name plugin objects that use the same name share results.
 * @param maxBytes the bound of the store; the latest user's bound holds for all.
 */
export function openEmbeddedStore(name: string, maxBytes: Bytes): Store {
  const kept: Kept = stores.get(name) ?? { entries: entriesOf(maxBytes), users: 0 }
  stores.set(name, kept)
  kept.users++
  if (kept.entries.maxSize !== maxBytes) {
    const dump = kept.entries.dump()
    kept.entries = entriesOf(maxBytes)
    kept.entries.load(dump)
  }
  let open = true
  return {
    lookup: (bound) => lookup(kept.entries, bound),
    fill: (bound, result, timeout) => fill(kept.entries, bound, result, timeout),
    close() {
      if (!open) return
      open = false
      if (--kept.users === 0) stores.delete(name)
    },
  }
}

function entriesOf(maxBytes: Bytes): LRUCache<string, Entry> {
  return new LRUCache({
    maxSize: Math.floor(maxBytes),
    sizeCalculation: (entry) => Math.ceil(entry.kept.bytes) + ENTRY_BYTES,
    ttl: 1,
    ttlResolution: 0,
  })
}

function lookup(entries: LRUCache<string, Entry>, bound: Bound): KeptResult | undefined {
  const entry = entries.get(bound.key)
  if (entry === undefined) return undefined
  if (entry.token === bound.token) return entry.kept
  entries.delete(bound.key)
  return undefined
}

function fill(entries: LRUCache<string, Entry>, bound: Bound, kept: KeptResult, timeout: Seconds): void {
  entries.set(bound.key, { token: bound.token, kept }, { ttl: Math.max(1, timeout * 1000) })
}
