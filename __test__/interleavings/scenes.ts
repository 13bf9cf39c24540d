import { explore } from './explore.ts'
import type { Explored, Independent } from './explore.ts'
import type { Judge } from './judge.ts'
import { independent } from './points.ts'
import type { WriterName } from './programs.ts'
import { SingleThread } from './single-thread.ts'
import type { Ground, Scene } from './single-thread.ts'

export type Named = readonly [writers: readonly [WriterName, WriterName], schedules: number]

/** Two readers of the same query: what the other scenes change something of. */
export const SCENE: Scene = { readers: [['first'], ['first']], writers: ['update', 'move'], instances: 1, cold: false }

/** Every pair of writers, with the number of orders in one Kysely instance that differ by more than swaps. */
export const PAIRS: readonly Named[] = [
  [['update', 'update'], 656],
  [['update', 'move'], 646],
  [['update', 'transaction'], 642],
  [['update', 'rolledBack'], 96],
  [['update', 'savepoint'], 632],
  [['update', 'reinsert'], 632],
  [['move', 'move'], 656],
  [['move', 'transaction'], 616],
  [['move', 'rolledBack'], 96],
  [['move', 'savepoint'], 606],
  [['move', 'reinsert'], 616],
  [['transaction', 'transaction'], 628],
  [['transaction', 'rolledBack'], 96],
  [['transaction', 'savepoint'], 602],
  [['transaction', 'reinsert'], 602],
  [['rolledBack', 'rolledBack'], 8],
  [['rolledBack', 'savepoint'], 96],
  [['rolledBack', 'reinsert'], 96],
  [['savepoint', 'savepoint'], 576],
  [['savepoint', 'reinsert'], 576],
  [['reinsert', 'reinsert'], 576],
]

/** No two orders are taken for the same. */
export const NONE: Independent = () => false

/** Runs every order of a scene. */
export async function runScene(
  ground: Ground,
  scene: Scene,
  relation = independent({ shared: true, cold: scene.cold }),
  judged?: (judge: Judge) => void,
): Promise<Explored & Pick<SingleThread, 'reads'>> {
  const single = new SingleThread(ground, scene)
  single.judged = judged
  try {
    return { ...(await explore(() => single.begin(), relation)), reads: single.reads }
  } finally {
    await single.close()
  }
}
