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
  [['update', 'update'], 232],
  [['update', 'move'], 228],
  [['update', 'transaction'], 232],
  [['update', 'rolledBack'], 48],
  [['update', 'savepoint'], 228],
  [['update', 'reinsert'], 228],
  [['move', 'move'], 232],
  [['move', 'transaction'], 228],
  [['move', 'rolledBack'], 48],
  [['move', 'savepoint'], 224],
  [['move', 'reinsert'], 228],
  [['transaction', 'transaction'], 232],
  [['transaction', 'rolledBack'], 48],
  [['transaction', 'savepoint'], 228],
  [['transaction', 'reinsert'], 228],
  [['rolledBack', 'rolledBack'], 8],
  [['rolledBack', 'savepoint'], 48],
  [['rolledBack', 'reinsert'], 48],
  [['savepoint', 'savepoint'], 224],
  [['savepoint', 'reinsert'], 224],
  [['reinsert', 'reinsert'], 224],
]

/** No two orders are taken for the same. */
export const NONE: Independent = () => false

/** Runs every order of a scene. */
export async function runScene(
  ground: Ground,
  scene: Scene,
  relation = independent({ shared: true, cold: scene.cold }),
  judged?: (judge: Judge) => void,
): Promise<Explored> {
  const single = new SingleThread(ground, scene)
  single.judged = judged
  try {
    return await explore(() => single.begin(), relation)
  } finally {
    await single.close()
  }
}
