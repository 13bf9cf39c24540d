import type { ExecutionContext } from 'ava'

import type { Opened, Query } from './databases.ts'

/** Cached queries by what they are called in a failure's message. */
export type Queries = Readonly<Record<string, Query>>

export interface Expected {
  /** what the write can change */
  readonly drops: Queries
  /** what the write provably cannot change */
  readonly keeps?: Queries
}

/**
 * Caches all queries, makes a write, and demands that what it can have changed was asked for again, that what it cannot have
 * changed was not, and that every answer is the database's.
 */
export async function expectAfter(
  t: ExecutionContext,
  opened: Opened,
  expected: Expected,
  write: () => Promise<unknown>,
): Promise<void> {
  const all = { ...expected.drops, ...expected.keeps }
  await warm(t, opened, all)
  await write()
  for (const [name, query] of Object.entries(expected.drops)) {
    t.false(await opened.isHit(query), `${name} should have been dropped`)
  }
  for (const [name, query] of Object.entries(expected.keeps ?? {})) {
    t.true(await opened.isHit(query), `${name} should have been kept`)
  }
  await expectFresh(t, opened, all)
}

/** Executes queries until they are answered from the cache. */
export async function warm(t: ExecutionContext, opened: Opened, queries: Queries): Promise<void> {
  for (const query of Object.values(queries)) await query.execute()
  for (const [name, query] of Object.entries(queries)) {
    t.true(await opened.isHit(query), `${name} should have been cached`)
  }
}

/** Demands that every answer is what the database says now. */
export async function expectFresh(t: ExecutionContext, opened: Opened, queries: Queries): Promise<void> {
  for (const [name, query] of Object.entries(queries)) {
    const { rows } = await opened.plain.executeQuery(query.compile())
    t.deepEqual(await query.execute(), rows, `${name} is not what the database says`)
  }
}

/** Demands that two values are equal down to prototypes, the order of keys and `-0`, without sharing an object. */
export function expectIdentical(t: ExecutionContext, seen: unknown, wanted: unknown, path = 'result'): void {
  if (typeof wanted !== 'object' || wanted === null || typeof seen !== 'object' || seen === null) {
    t.true(Object.is(seen, wanted), `${path}: ${String(seen)} instead of ${String(wanted)}`)
    return
  }
  t.not(seen, wanted, `${path} is shared`)
  t.is(Object.getPrototypeOf(seen), Object.getPrototypeOf(wanted), `${path} has another prototype`)
  if (wanted instanceof Date) {
    t.is((seen as Date).getTime(), wanted.getTime(), path)
    return
  }
  t.deepEqual(Reflect.ownKeys(seen), Reflect.ownKeys(wanted), `${path} has other keys, or in another order`)
  for (const key of Reflect.ownKeys(wanted)) {
    const inner = `${path}.${String(key)}`
    const one: PropertyDescriptor = Object.getOwnPropertyDescriptor(seen, key)!
    const other: PropertyDescriptor = Object.getOwnPropertyDescriptor(wanted, key)!
    t.deepEqual(
      [one.writable, one.enumerable, one.configurable],
      [other.writable, other.enumerable, other.configurable],
      inner,
    )
    expectIdentical(t, one.value, other.value, inner)
  }
}
