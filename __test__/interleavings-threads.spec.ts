/**
 * Every order of two readers and two writers in threads of their own, which share nothing but the addon's memory and a SQLite file.
 * Each is put to sleep at the addon's functions, at the database, and before it keeps a result; see `interleavings.spec.ts`.
 */
import test from 'ava'

import { explore } from './interleavings/explore.ts'
import type { FaultName } from './interleavings/faults.ts'
import { SqliteFile } from './interleavings/grounds.ts'
import { StaleRead } from './interleavings/judge.ts'
import { independent } from './interleavings/points.ts'
import type { Reader, WriterName } from './interleavings/programs.ts'
import { Threads } from './interleavings/threads.ts'

const file = new SqliteFile()
test.after.always(() => file.close())

const relation = independent({ shared: false, cold: false })
interface ThreadScene {
  readonly readers: readonly Reader[]
  readonly writers: readonly [WriterName, WriterName]
  readonly schedules: number
}

const READERS: readonly Reader[] = [['first'], ['first']]

const SCENES: readonly ThreadScene[] = [
  { readers: READERS, writers: ['update', 'move'], schedules: 1_252 },
  { readers: READERS, writers: ['transaction', 'reinsert'], schedules: 1_252 },
  { readers: READERS, writers: ['savepoint', 'rolledBack'], schedules: 100 },
  { readers: [['first', 'first'], ['sum']], writers: ['move', 'rolledBack'], schedules: 140 },
]

for (const { readers, writers, schedules } of SCENES) {
  test.serial(
    `threads, ${writers.join(' and ')}: no read of ${readers.join(' and ')} is stale in any order`,
    async (t) => {
      const threads = await Threads.open(file, 4)
      try {
        const explored = await explore(() => Promise.resolve(threads.begin({ readers, writers })), relation)
        t.is(explored.schedules, schedules)
      } finally {
        await threads.close()
      }
    },
  )
}

const CAUGHT: readonly FaultName[] = [
  'the token is taken after the read',
  'invalidation comes before the commit',
  'a result is found without its token',
  'nothing is ever invalidated',
]

for (const fault of CAUGHT) {
  test.serial(`threads: it is noticed when ${fault}`, async (t) => {
    const threads = await Threads.open(file, 4, fault)
    const scene = { readers: READERS, writers: ['transaction', 'update'] } as const
    try {
      await t.throwsAsync(
        explore(() => Promise.resolve(threads.begin(scene)), relation),
        { instanceOf: StaleRead },
      )
    } finally {
      await threads.terminate()
    }
  })
}
