// Run with `node --test crates/node/test/addon.test.mjs` after a build. Nothing but the addon: stamps are shared by threads, and
// whatever is handed in, the process lives.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'

const addon = createRequire(import.meta.url)('../../../native/index.cjs')

const INPUT = 32
const STORE = 'addon.test'
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

function open(identity) {
  const database = addon.openDatabase(addon.openStore(STORE), identity, 'postgres')
  if (!addon.hasFacts(database)) addon.setFacts(database, FACTS, addon.factsEpoch(database))
  return database
}

const scratch = addon.scratch(1024)
const memory = Buffer.from(scratch.buffer, scratch.byteOffset, scratch.byteLength)

function encode(numbers) {
  let end = memory.writeUInt32LE(0, INPUT)
  end = memory.writeUInt32LE(numbers.length, end)
  for (const number of numbers) {
    memory[end] = 4
    end = memory.writeDoubleLE(number, end + 1)
  }
  return end
}

function prepare(database, sql) {
  return JSON.parse(addon.prepare(database, sql)).id
}

function write(database, id) {
  const shape = prepare(database, 'delete from t where id = $1')
  addon.invalidate(database, addon.change(shape, encode([id]), null))
}

if (!isMainThread) {
  write(open(workerData.identity), workerData.id)
  parentPort.postMessage('done')
} else {
  test('a write in a worker drops what the main thread has read', async () => {
    const database = open('workers')
    const shape = prepare(database, 'select * from t where id = $1')
    const [one, two] = [addon.bind(shape, encode([1])), addon.bind(shape, encode([2]))]
    await new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { identity: 'workers', id: 1 } })
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    assert.notEqual(addon.bind(shape, encode([1])), one)
    assert.equal(addon.bind(shape, encode([2])), two)
  })

  test('keys differ by parameters and not by spelling', () => {
    const database = open('keys')
    const key = (sql, numbers) => {
      assert.ok(addon.bind(prepare(database, sql), encode(numbers)) >= 0)
      return memory.toString('hex', 0, 16)
    }
    const plain = key('select x from t where id = $1', [1])
    assert.equal(key('SELECT  x FROM t WHERE id = $1 -- c', [1]), plain)
    assert.notEqual(key('select x from t where id = $1', [2]), plain)
    assert.equal(
      key('select x from t where id in ($1, $2)', [1, 2]),
      key('select x from t where id in ($1, $2)', [2, 1]),
    )
  })

  test('the scratch is one memory', () => {
    addon.scratch(2048)[5] = 77
    assert.equal(memory[5], 77)
    assert.throws(() => addon.scratch(100_000_000), /^Error: CACHEOPS_INVALID_INPUT: /)
  })

  test('whatever is handed in, the process lives', () => {
    const database = open('garbage')
    const texts = [
      'select x from t where id = $1',
      'update t set x = $1 where id = $2',
      'drop table t',
      '\ud800',
      '(((',
      '',
    ]
    const shapes = texts.map((sql) => prepare(database, sql))
    for (let round = 0; round < 20_000; round++) {
      const length = Math.floor(Math.random() * 80)
      for (let i = 0; i < length; i++)
        memory[INPUT + i] = Math.random() < 0.7 ? Math.random() * 12 : Math.random() * 256
      const shape = shapes[round % shapes.length]
      addon.bind(shape, INPUT + length)
      if (round % 10 === 0) {
        addon.explain(shape, INPUT + length)
        addon.invalidate(database, addon.change(shape, INPUT + length, '{"affected":1,"rows":[{"o":["1"]}]}'))
      }
    }
    for (const length of [0, 31, 2 ** 31, 2 ** 32 - 1, -1, Number.NaN]) addon.bind(shapes[0], length)
    for (const json of ['', '{', '[]', '[{"kind":"rows"}]', 'null']) {
      addon.invalidate(database, json)
      addon.change(shapes[1], encode([1, 2]), json)
    }
    assert.throws(() => addon.bind(4_000_000_000, 40), /^Error: CACHEOPS_UNKNOWN_HANDLE: /)
    assert.throws(() => addon.setFacts(database, '{', addon.factsEpoch(database)), /^Error: CACHEOPS_INVALID_INPUT: /)
    assert.throws(() => addon.openDatabase(4_000_000_000, 'x', 'postgres'), /^Error: CACHEOPS_UNKNOWN_HANDLE: /)
    const [change] = JSON.parse(addon.change(4_000_000_000, 40, null))
    assert.equal(change.kind, 'everything')
  })

  test('a released shape stays released when its place is taken', () => {
    const database = open('released')
    const shape = prepare(database, 'select x from t where id = $1')
    addon.release(shape)
    addon.release(shape)
    const other = prepare(database, 'select id from t where id = $1')
    assert.notEqual(other, shape)
    assert.throws(() => addon.bind(shape, encode([1])), /CACHEOPS_UNKNOWN_HANDLE/)
  })
}
