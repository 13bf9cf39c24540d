/**
 * Every order of two readers and two writers, as tasks of one thread: each statement is stopped before it reaches the database and
 * before its answer is used, and the scheduler lets one actor go on at a time. The numbers of orders are part of the tests, so that
 * none is lost unnoticed. A change of what is sent to the database may change them; then they are to be looked at, and set anew.
 */
import test from 'ava'

import { canonical } from './interleavings/explore.ts'
import { FAULTS } from './interleavings/faults.ts'
import type { FaultName } from './interleavings/faults.ts'
import { pgliteGround, SqliteFile, sqliteGround } from './interleavings/grounds.ts'
import { StaleRead } from './interleavings/judge.ts'
import { independent } from './interleavings/points.ts'
import { WRITER_NAMES } from './interleavings/programs.ts'
import { NONE, PAIRS, runScene, SCENE } from './interleavings/scenes.ts'
import type { Scene } from './interleavings/single-thread.ts'

const file = new SqliteFile()
const pooled = sqliteGround(file, true)
const alone = sqliteGround(file, false)
test.after.always(() => file.close())

for (const name of WRITER_NAMES) {
  test.serial(`sqlite, one instance, ${name} and another writer: no read is stale in any order`, async (t) => {
    for (const [writers, expected] of PAIRS.filter(([[writer]]) => writer === name)) {
      const { schedules } = await runScene(pooled, { ...SCENE, writers })
      t.log(`${writers.join(', ')}: ${schedules} orders`)
      t.is(schedules, expected, writers.join(', '))
    }
  })
}

const OTHERS: readonly (readonly [what: string, scene: Partial<Scene>, schedules: number])[] = [
  ['two instances', { instances: 2 }, 912],
  ['two instances, a transaction', { instances: 2, writers: ['rolledBack', 'savepoint'] }, 152],
  ['a second read of the same', { readers: [['first', 'first'], ['first']] }, 2510],
  ['other columns, every row', { readers: [['sum'], ['one']], writers: ['move', 'transaction'] }, 244],
  ['what is kept before a savepoint', { readers: [['second'], ['second']], writers: ['savepoint', 'rolledBack'] }, 96],
  ['queries that nobody has asked before', { cold: true, writers: ['move', 'rolledBack'] }, 262],
]

for (const [what, scene, expected] of OTHERS) {
  test.serial(`sqlite, ${what}: no read is stale in any order`, async (t) => {
    const { schedules } = await runScene(pooled, { ...SCENE, ...scene })
    t.log(`${schedules} orders`)
    t.is(schedules, expected)
  })
}

test.serial('sqlite, one connection: no read is stale in any order', async (t) => {
  for (const writers of [['update', 'move'] as const, ['transaction', 'reinsert'] as const]) {
    const { schedules } = await runScene(alone, { ...SCENE, writers }, NONE)
    t.is(schedules, 84, writers.join(', '))
  }
})

let pglite: ReturnType<typeof pgliteGround> | undefined
test.after.always(async () => (await pglite)?.close())

const POSTGRES: readonly (readonly [scene: Pick<Scene, 'writers' | 'instances'>, schedules: number])[] = [
  [{ instances: 1, writers: ['update', 'move'] }, 50],
  [{ instances: 1, writers: ['transaction', 'reinsert'] }, 84],
  [{ instances: 1, writers: ['savepoint', 'rolledBack'] }, 66],
  [{ instances: 2, writers: ['update', 'move'] }, 232],
  [{ instances: 2, writers: ['transaction', 'move'] }, 232],
  [{ instances: 2, writers: ['savepoint', 'rolledBack'] }, 58],
]

for (const [scene, expected] of POSTGRES) {
  const { instances, writers } = scene
  test.serial(
    `postgres, instances: ${instances}, ${writers.join(' and ')}: no read is stale in any order`,
    async (t) => {
      const ground = await (pglite ??= pgliteGround())
      const relation = instances === 1 ? NONE : independent({ shared: true, cold: false })
      const { schedules } = await runScene(ground, { ...SCENE, ...scene }, relation)
      t.is(schedules, expected)
    },
  )
}

// What lets thousands of orders stand for many more: swapping steps that are called independent changes nothing.
test.serial('orders that are taken for the same one give the same answers', async (t) => {
  const scene: Scene = { ...SCENE, readers: [['first']] }
  const relation = independent({ shared: true, cold: false })
  const all = new Map<string, string>()
  const every = await runScene(pooled, scene, NONE, (judge) => {
    const same = canonical(judge.order, relation)
    const outcome = judge.outcome()
    t.is(all.get(same) ?? outcome, outcome, same)
    all.set(same, outcome)
  })
  const some = new Set<string>()
  const reduced = await runScene(pooled, scene, relation, (judge) => some.add(canonical(judge.order, relation)))
  t.is(every.schedules, 672)
  t.is(reduced.schedules, some.size, 'none is run twice')
  t.deepEqual([...some].sort(), [...all.keys()].sort(), 'none is left out')
})

const CAUGHT: Readonly<Record<FaultName, Partial<Scene>>> = {
  'the token is taken after the read': {},
  'invalidation comes before the commit': { writers: ['transaction', 'transaction'] },
  'a read is joined without a look at its token': {},
  'a result is found without its token': {},
  'nothing is ever invalidated': {},
}

for (const fault of Object.keys(FAULTS) as FaultName[]) {
  test.serial(`it is noticed when ${fault}`, async (t) => {
    const undo = FAULTS[fault]()
    try {
      await t.throwsAsync(runScene(pooled, { ...SCENE, ...CAUGHT[fault] }), { instanceOf: StaleRead })
    } finally {
      undo()
    }
  })
}
