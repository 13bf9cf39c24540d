/** The same as `interleavings.spec.ts`, with nothing left out and longer actors. */
import test from 'ava'

import { SqliteFile, sqliteGround } from './interleavings/grounds.ts'
import { WRITER_NAMES } from './interleavings/programs.ts'
import { NONE, PAIRS, runScene, SCENE } from './interleavings/scenes.ts'

const file = new SqliteFile()
const pooled = sqliteGround(file, true)
const alone = sqliteGround(file, false)
test.after.always(() => file.close())

test.serial('every order, none taken for another: two instances with one connection each', async (t) => {
  const { schedules } = await runScene(alone, { ...SCENE, writers: ['transaction', 'move'], instances: 2 }, NONE)
  t.is(schedules, 6384)
})

for (const name of WRITER_NAMES) {
  test.serial(`two instances, ${name} and another writer: no read is stale in any order`, async (t) => {
    for (const [writers] of PAIRS.filter(([[writer]]) => writer === name)) {
      const { schedules } = await runScene(pooled, { ...SCENE, writers, instances: 2 })
      t.log(`${writers.join(', ')}: ${schedules} orders`)
      const rolledBack = writers.filter((writer) => writer === 'rolledBack').length
      t.true(schedules >= [908, 152, 12][rolledBack]!, writers.join(', '))
    }
  })
}

test.serial('readers of both conditions, one after the other: no read is stale in any order', async (t) => {
  const readers = [
    ['first', 'second'],
    ['second', 'first'],
  ] as const
  const { schedules } = await runScene(pooled, { ...SCENE, readers })
  t.is(schedules, 7398)
})

test.serial('queries that nobody has asked before: no read is stale in any order', async (t) => {
  const { schedules } = await runScene(pooled, { ...SCENE, cold: true })
  t.is(schedules, 888)
})
