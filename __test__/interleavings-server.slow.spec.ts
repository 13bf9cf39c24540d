/**
 * Every order of two readers and two writers on a PostgreSQL server, each on a connection of its own: a writer that meets the lock of
 * another waits in the database, and goes on in the step of whoever lets it go; see `interleavings.spec.ts`.
 */
import test from 'ava'

import { canonical } from './interleavings/explore.ts'
import type { Independent } from './interleavings/explore.ts'
import { SERVER_FAULTS } from './interleavings/faults.ts'
import { serverGround } from './interleavings/grounds.ts'
import { StaleRead } from './interleavings/judge.ts'
import { independent } from './interleavings/points.ts'
import { NONE, runScene, SCENE } from './interleavings/scenes.ts'
import type { Ground, Scene } from './interleavings/single-thread.ts'
import { closeServer, oracleServer } from './oracle/server.ts'

const PATIENCE = 600_000
const relationOf = (cold: boolean): Independent => independent({ shared: true, cold, waits: true })
const relation = relationOf(false)

let ground: Promise<Ground> | undefined
const opened = (): Promise<Ground> => (ground ??= oracleServer().then((server) => serverGround(server, 'pg')))
test.after.always(() => closeServer())

interface Expected {
  readonly schedules: number
  /** how the reads of the actors ended, in some order or other: from the cache, into it, or past it for these reasons */
  readonly reads: readonly string[]
}

const SCENES: readonly (readonly [what: string, scene: Partial<Scene>, expected: Expected])[] = [
  ['one pool', { readers: [['first']] }, { schedules: 32, reads: ['miss', 'write_in_flight'] }],
  [
    'two pools',
    { readers: [['first']], writers: ['transaction', 'move'], instances: 2 },
    { schedules: 58, reads: ['dirty_transaction', 'miss', 'write_in_flight'] },
  ],
  [
    'a second read of the same',
    { readers: [['first', 'first']] },
    { schedules: 80, reads: ['hit', 'miss', 'write_in_flight'] },
  ],
  ['two readers', { writers: ['update', 'rolledBack'] }, { schedules: 290, reads: ['hit', 'joined', 'miss'] }],
  [
    'connections that have not told their sessions',
    { readers: [['first']], cold: true },
    { schedules: 50, reads: ['miss'] },
  ],
  [
    'a savepoint',
    { readers: [['second']], writers: ['savepoint', 'update'] },
    { schedules: 108, reads: ['miss', 'write_in_flight'] },
  ],
  [
    'two savepoints',
    { readers: [['first']], writers: ['savepoint', 'savepoint'] },
    { schedules: 258, reads: ['miss', 'write_in_flight'] },
  ],
  ['what is taken back', { readers: [['first']], writers: ['rolledBack', 'move'] }, { schedules: 28, reads: ['miss'] }],
  [
    'two transactions',
    { readers: [['first']], writers: ['transaction', 'transaction'] },
    { schedules: 106, reads: ['dirty_transaction', 'miss', 'write_in_flight'] },
  ],
  [
    'a reader in a transaction and its second read',
    { readers: [['first', 'first']], writers: ['transaction', 'move'], within: 'read committed' },
    { schedules: 151, reads: ['dirty_transaction', 'hit', 'miss', 'write_in_flight'] },
  ],
  [
    'a reader of a snapshot and its second read',
    { readers: [['first', 'first']], writers: ['transaction', 'move'], within: 'repeatable read' },
    { schedules: 208, reads: ['dirty_transaction', 'snapshot'] },
  ],
]

for (const [what, scene, expected] of SCENES) {
  test.serial(`pg, ${what}: no read is stale in any order`, async (t) => {
    t.timeout(PATIENCE)
    const all: Scene = { ...SCENE, ...scene }
    const { schedules, reads } = await runScene(await opened(), all, relationOf(all.cold))
    t.log(`${schedules} orders, ${reads.get('hit') ?? 0} hits, ${reads.get('miss') ?? 0} fills`)
    t.deepEqual({ schedules, reads: [...reads.keys()].sort() }, expected)
  })
}

// What lets these orders stand for more of them; see `interleavings.spec.ts`.
test.serial('pg: orders that are taken for the same one give the same answers', async (t) => {
  t.timeout(PATIENCE)
  const scene: Scene = { ...SCENE, readers: [['first']], writers: ['update', 'move'] }
  const all = new Map<string, string>()
  const every = await runScene(await opened(), scene, NONE, (judge) => {
    const same = canonical(judge.order, relation)
    const outcome = judge.outcome()
    t.is(all.get(same) ?? outcome, outcome, same)
    all.set(same, outcome)
  })
  const some = new Set<string>()
  const reduced = await runScene(await opened(), scene, relation, (judge) => some.add(canonical(judge.order, relation)))
  t.log(`${every.schedules} orders, ${reduced.schedules} of them different`)
  t.is(reduced.schedules, some.size, 'none is run twice')
  t.deepEqual([...some].sort(), [...all.keys()].sort(), 'none is left out')
})

// Joining needs two readers whose orders are too many for a server; `interleavings.spec.ts` shows that one.
type Caught = Exclude<keyof typeof SERVER_FAULTS, 'a read is joined without a look at its token'>

const CAUGHT: Readonly<Record<Caught, Partial<Scene>>> = {
  'the token is taken after the read': {},
  'invalidation comes before the commit': { writers: ['transaction', 'update'] },
  'a result is found without its token': {},
  'nothing is ever invalidated': {},
  'a snapshot is taken for what is true now': { readers: [['first', 'first']], within: 'repeatable read' },
}

for (const fault of Object.keys(CAUGHT) as Caught[]) {
  test.serial(`pg: it is noticed when ${fault}`, async (t) => {
    t.timeout(PATIENCE)
    const undo = SERVER_FAULTS[fault]()
    try {
      await t.throwsAsync(runScene(await opened(), { ...SCENE, ...CAUGHT[fault] }, relation), { instanceOf: StaleRead })
    } finally {
      undo()
    }
  })
}
