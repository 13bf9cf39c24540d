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
  [['update', 'move'], 222],
  [['update', 'transaction'], 232],
  [['update', 'rolledBack'], 48],
  [['update', 'savepoint'], 222],
  [['update', 'reinsert'], 222],
  [['move', 'move'], 232],
  [['move', 'transaction'], 222],
  [['move', 'rolledBack'], 48],
  [['move', 'savepoint'], 212],
  [['move', 'reinsert'], 222],
  [['transaction', 'transaction'], 232],
  [['transaction', 'rolledBack'], 48],
  [['transaction', 'savepoint'], 222],
  [['transaction', 'reinsert'], 222],
  [['rolledBack', 'rolledBack'], 8],
  [['rolledBack', 'savepoint'], 48],
  [['rolledBack', 'reinsert'], 48],
  [['savepoint', 'savepoint'], 212],
  [['savepoint', 'reinsert'], 212],
  [['reinsert', 'reinsert'], 212],
]

/** No two orders are taken for the same. */
export const NONE: Independent = () => false

/** Runs every order of a scene. */
export async function runScene(
  ground: Ground,
  scene: Scene,
  relation = independent({ shared: true, cold: scene.cold }),
  judged?: (judge: Judge) => void,
): Promise<Explored & { overtaken: number }> {
  const single = new SingleThread(ground, scene)
  single.judged = judged
  try {
    const explored = await explore(() => single.begin(), relation)
    return { ...explored, overtaken: single.overtaken }
  } finally {
    await single.close()
  }
}
