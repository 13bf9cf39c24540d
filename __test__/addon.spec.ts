// Nothing but the addon: whatever is handed in, the process lives, and handles are never mistaken for others.
import test from 'ava'

import { native } from '../ts/native.ts'
import type { DatabaseHandle, ShapeHandle } from '../ts/native.ts'

const INPUT = 32
const store = native.openStore('addon.spec')
const FACTS = JSON.stringify({
  searchPath: ['public'],
  tables: [
    {
      schema: 'public',
      name: 't',
      kind: 'table',
      columns: [
        { name: 'id', kind: 'int' },
        { name: 'x', kind: 'text' },
      ],
      keys: [['id']],
    },
  ],
})
const scratch = native.scratch(1024)
const memory = Buffer.from(scratch.buffer, scratch.byteOffset, scratch.byteLength)

function open(identity: string): DatabaseHandle {
  const database = native.openDatabase(store, identity, 'postgres')
  native.setFacts(database, FACTS, native.factsEpoch(database))
  return database
}

function encode(numbers: readonly number[]): number {
  let end = memory.writeUInt32LE(0, INPUT)
  end = memory.writeUInt32LE(numbers.length, end)
  for (const number of numbers) {
    memory[end] = 4
    end = memory.writeDoubleLE(number, end + 1)
  }
  return end
}

function prepare(database: DatabaseHandle, sql: string): ShapeHandle {
  return (JSON.parse(native.prepare(database, sql)) as { id: ShapeHandle }).id
}

test('keys differ by parameters and not by spelling', (t) => {
  const database = open('keys')
  const key = (sql: string, numbers: readonly number[]): string => {
    t.true(native.bind(prepare(database, sql), encode(numbers)) >= 0)
    return memory.toString('hex', 0, 16)
  }
  const plain = key('select x from t where id = $1', [1])
  t.is(key('SELECT  x FROM t WHERE id = $1 -- c', [1]), plain)
  t.not(key('select x from t where id = $1', [2]), plain)
  t.is(key('select x from t where id in ($1, $2)', [1, 2]), key('select x from t where id in ($1, $2)', [2, 1]))
})

test('a key tells what its result depends on, because only sums of the same stamps can be compared', (t) => {
  const database = open('dependencies')
  const key = (): string => {
    t.true(native.bind(prepare(database, 'select x from t'), encode([])) >= 0)
    return memory.toString('hex', 0, 16)
  }
  const narrow = key()
  t.is(key(), narrow)
  // The column was renamed: now any column may be meant, which is another scheme.
  const renamed = FACTS.replace('"name":"x"', '"name":"y"')
  t.true(native.setFacts(database, renamed, native.factsEpoch(database)))
  t.not(key(), narrow)
})

test('the scratch is one memory, and has a bound', (t) => {
  native.scratch(2048)[5] = 77
  t.is(memory[5], 77)
  t.throws(() => native.scratch(100_000_000), { message: /^CACHEOPS_INVALID_INPUT: / })
})

test('random input, images and changes never end the process', (t) => {
  const database = open('garbage')
  const texts = [
    'select x from t where id = $1',
    'update t set x = $1 where id = $2',
    'drop table t',
    '\uD800',
    '(((',
    '',
  ]
  const shapes = texts.map((sql) => prepare(database, sql))
  let state = 1
  const random = (bound: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
  for (let round = 0; round < 20_000; round++) {
    const length = random(80)
    for (let i = 0; i < length; i++) memory[INPUT + i] = random(10) < 7 ? random(12) : random(256)
    const shape = shapes[round % shapes.length]!
    native.bind(shape, INPUT + length)
    if (round % 10 !== 0) continue
    native.explain(shape, INPUT + length)
    native.invalidate(database, native.change(shape, INPUT + length, '{"affected":1,"rows":[{"o":["1"]}]}'))
  }
  for (const length of [0, 31, 2 ** 31, 2 ** 32 - 1, -1, Number.NaN]) native.bind(shapes[0]!, length)
  for (const json of ['', '{', '[]', '[{"kind":"rows"}]', 'null']) {
    native.invalidate(database, json)
    native.change(shapes[1]!, encode([1, 2]), json)
  }
  t.true(native.bind(prepare(database, texts[0]!), encode([1])) >= 0)
})

test('unknown handles and facts are refused with a code', (t) => {
  const database = open('refused')
  t.throws(() => native.bind(4_000_000_000, 40), { message: /^CACHEOPS_UNKNOWN_HANDLE: / })
  t.throws(() => native.setFacts(database, '{', native.factsEpoch(database)), { message: /^CACHEOPS_INVALID_INPUT: / })
  t.throws(() => native.openDatabase(4_000_000_000, 'x', 'postgres'), { message: /^CACHEOPS_UNKNOWN_HANDLE: / })
  const [change] = JSON.parse(native.change(4_000_000_000, 40, null)) as { kind: string }[]
  t.is(change?.kind, 'everything')
})

test('a released shape stays released when others are made', (t) => {
  const database = open('released')
  const shape = prepare(database, 'select x from t where id = $1')
  native.release(shape)
  prepare(database, 'select id from t where x = $1')
  t.throws(() => native.bind(shape, encode([1])), { message: /^CACHEOPS_UNKNOWN_HANDLE: / })
})
