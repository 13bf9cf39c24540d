// oxlint-disable unicorn/no-array-fill-with-reference-type -- a store's fill is not an array's
import test from 'ava'

import type { KeptResult } from '../../ts/rows.ts'
import { copyOf, keep } from '../../ts/rows.ts'
import type { Bound, Store } from '../../ts/store/store.ts'

/** A store that the contract is tried on. */
export interface StoreMaker {
  readonly name: string
  /** opens a user of a store; those with the same name share results */
  readonly open: (name: string, maxBytes: number) => Store
}

/** A result of one row. */
export function result(value: unknown): KeptResult {
  const kept = keep({ rows: [{ value }] }, 2 ** 30)
  if ('reason' in kept) throw new Error(kept.reason)
  return kept
}

const MAX_BYTES = 2 ** 20

let names = 0
let now = 1_000_000
const realNow = performance.now.bind(performance)

function bound(key: string, token = 1): Bound {
  return { key: key.padEnd(16, '\u00ff'), token }
}

/** Declares the tests that every store must pass. */
export function storeContract({ name, open }: StoreMaker): void {
  const make = (maxBytes = MAX_BYTES): Store => open(`contract-${++names}`, maxBytes)
  const valueIn = (store: Store, at: Bound): unknown => {
    const kept = store.lookup(at)
    return kept === undefined ? undefined : (copyOf(kept).rows[0] as { value: unknown }).value
  }

  test.serial(`${name}: what was filled is found, what was not is not`, (t) => {
    const store = make()
    t.is(store.lookup(bound('a')), undefined)
    store.fill(bound('a'), result('one'), 60)
    t.is(valueIn(store, bound('a')), 'one')
    t.is(valueIn(store, bound('a')), 'one')
    t.is(store.lookup(bound('b')), undefined)
    store.close()
  })

  test.serial(`${name}: an entry is found only under the token that it was filled under`, (t) => {
    const store = make()
    store.fill(bound('a', 1), result('old'), 60)
    t.is(store.lookup(bound('a', 2)), undefined)
    t.is(store.lookup(bound('a', 2)), undefined)
    store.fill(bound('a', 2), result('new'), 60)
    t.is(valueIn(store, bound('a', 2)), 'new')
    t.is(store.lookup(bound('a', 3)), undefined)
    store.close()
  })

  test.serial(`${name}: a fill under a token that has died is dead on arrival`, (t) => {
    const store = make()
    store.fill(bound('a', 2), result('new'), 60)
    store.fill(bound('a', 1), result('old'), 60)
    t.not(valueIn(store, bound('a', 2)), 'old')
    store.close()
  })

  test.serial(`${name}: a later fill replaces an earlier one`, (t) => {
    const store = make()
    store.fill(bound('a'), result('one'), 60)
    store.fill(bound('a'), result('two'), 60)
    t.is(valueIn(store, bound('a')), 'two')
    store.close()
  })

  test.serial(`${name}: tokens are compared exactly`, (t) => {
    const store = make()
    const large = 2 ** 53 - 1
    store.fill(bound('a', large), result('one'), 60)
    t.is(store.lookup(bound('a', large - 1)), undefined)
    store.fill(bound('a', 0), result('zero'), 60)
    t.is(valueIn(store, bound('a', 0)), 'zero')
    store.close()
  })

  test.serial(`${name}: keys are bytes`, (t) => {
    const store = make()
    const keys = ['\u0000', '\u0000\u0000', '__proto__', 'constructor', '\u00ff', ' ']
    for (const key of keys) store.fill({ key, token: 1 }, result(key), 60)
    for (const key of keys) t.is(valueIn(store, { key, token: 1 }), key)
    store.close()
  })

  test.serial(`${name}: nothing is found after its timeout`, (t) => {
    performance.now = () => now
    try {
      const store = make()
      store.fill(bound('short'), result(1), 10)
      store.fill(bound('long'), result(2), 3600)
      store.fill(bound('tiny'), result(3), 0.01)
      now += 9
      t.is(valueIn(store, bound('tiny')), 3)
      now += 9000
      t.is(store.lookup(bound('tiny')), undefined)
      t.is(valueIn(store, bound('short')), 1)
      now += 1000
      t.is(store.lookup(bound('short')), undefined, 'a lookup does not prolong it')
      t.is(valueIn(store, bound('long')), 2)
      store.fill(bound('long'), result(4), 10)
      now += 10_001
      t.is(store.lookup(bound('long')), undefined, 'the timeout of the last fill')
      store.close()
    } finally {
      performance.now = realNow
    }
  })

  test.serial(`${name}: it keeps no more than maxBytes, and lets the least recently used go`, (t) => {
    const store = make(100_000)
    const text = 'x'.repeat(10_000)
    for (let i = 0; i < 50; i++) {
      store.fill(bound(`k${i}`), result(text), 60)
      store.lookup(bound('k0'))
    }
    const found = Array.from({ length: 50 }, (_, i) => i).filter((i) => store.lookup(bound(`k${i}`)) !== undefined)
    t.true(found.length >= 4 && found.length <= 10, String(found.length))
    t.true(found.includes(0), 'the one that was used all the time')
    t.true(found.includes(49), 'the last one')
    store.close()
  })

  test.serial(`${name}: a result larger than everything is not kept, and takes nothing away`, (t) => {
    const store = make(100_000)
    store.fill(bound('small'), result('x'), 60)
    store.fill(bound('large'), result('x'.repeat(200_000)), 60)
    t.is(store.lookup(bound('large')), undefined)
    t.is(valueIn(store, bound('small')), 'x')
    store.fill(bound('small'), result('x'.repeat(200_000)), 60)
    t.not((valueIn(store, bound('small')) as string | undefined)?.length, 1, 'nor is what it would have replaced')
    store.close()
  })

  test.serial(`${name}: the size of a result is counted with what is in it`, (t) => {
    const sizes = [1, 'x'.repeat(1000), Buffer.alloc(1000), [['x'.repeat(1000)]], { a: { b: 'x'.repeat(1000) } }].map(
      (value) => result(value).bytes,
    )
    t.true(sizes[0]! < 500)
    for (const bytes of sizes.slice(1)) t.true(bytes > 1000 && bytes < 2000, String(bytes))
  })

  test.serial(`${name}: rows that come out are shared with nobody`, (t) => {
    const store = make()
    store.fill(bound('a'), result({ list: [1], at: new Date(5), bytes: Buffer.from([1]) }), 60)
    const first = valueIn(store, bound('a')) as { list: number[]; at: Date; bytes: Buffer }
    first.list.push(2)
    first.at.setTime(0)
    first.bytes[0] = 9
    t.deepEqual(valueIn(store, bound('a')), { list: [1], at: new Date(5), bytes: Buffer.from([1]) })
    store.close()
  })

  test.serial(`${name}: users of one name share, others do not`, (t) => {
    const shared = `contract-shared-${++names}`
    const [one, two, other] = [open(shared, MAX_BYTES), open(shared, MAX_BYTES), make()]
    one.fill(bound('a'), result('x'), 60)
    t.is(valueIn(two, bound('a')), 'x')
    t.is(other.lookup(bound('a')), undefined)
    one.close()
    one.close()
    t.is(valueIn(two, bound('a')), 'x', 'one user that leaves takes nothing along')
    two.close()
    other.close()
    const later = open(shared, MAX_BYTES)
    t.is(later.lookup(bound('a')), undefined, 'the last one empties it')
    later.close()
  })

  test.serial(`${name}: another bound for the same store keeps what fits`, (t) => {
    const shared = `contract-bound-${++names}`
    const one = open(shared, MAX_BYTES)
    for (let i = 0; i < 20; i++) one.fill(bound(`k${i}`), result('x'.repeat(10_000)), 60)
    const two = open(shared, 50_000)
    const found = Array.from({ length: 20 }, (_, i) => i).filter((i) => two.lookup(bound(`k${i}`)) !== undefined)
    t.true(found.length >= 2 && found.length <= 5, String(found.length))
    t.true(found.includes(19))
    t.is(valueIn(one, bound('k19')) as string, 'x'.repeat(10_000), 'the earlier user has the same store')
    one.close()
    two.close()
  })
}
