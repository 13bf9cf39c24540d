import { LRUCache } from 'lru-cache'

import { native } from './native.ts'
import type { DatabaseHandle } from './native.ts'
import type { Shape } from './shapes.ts'

const SHAPES_MAX = 4096
const FRONT_SLOTS = 512
const SHAPES_MAX_CHARACTERS = 16 * 2 ** 20

/** A shape may be in use across an `await` when it leaves the cache, so its memory goes when nobody can use it any more. */
const released = new FinalizationRegistry<number>((id) => native.release(id))

/** Texts as the core has planned them, for one database. */
export class ShapeCache {
  readonly #shapes = new LRUCache<string, Shape>({
    max: SHAPES_MAX,
    maxSize: SHAPES_MAX_CHARACTERS,
    sizeCalculation: (_shape, sql) => sql.length + 1,
  })
  /** In front of them by length and a few characters: V8 hashes a fresh text as a whole to look it up in a Map. */
  readonly #front = new Array<{ readonly sql: string; readonly shape: Shape } | undefined>(FRONT_SLOTS).fill(undefined)

  /**
   * The plan of a text; undefined if it was not planned yet and no database is given.
   *
   * @throws what the core throws of a text that cannot even be planned.
   */
  get(sql: string, handle: DatabaseHandle | undefined): Shape | undefined {
    const at = frontSlot(sql)
    const front = this.#front[at]
    if (front !== undefined && front.sql === sql) return front.shape
    const shape = this.#shapes.get(sql) ?? (handle === undefined ? undefined : this.#prepare(sql, handle))
    if (shape !== undefined) this.#front[at] = { sql, shape }
    return shape
  }

  clear(): void {
    this.#shapes.clear()
    this.#front.fill(undefined)
  }

  #prepare(sql: string, handle: DatabaseHandle): Shape {
    const shape = JSON.parse(native.prepare(handle, sql)) as Shape
    released.register(shape, shape.id)
    this.#shapes.set(sql, shape)
    return shape
  }
}

function frontSlot(sql: string): number {
  const { length } = sql
  const mixed =
    Math.imul(length, 31) ^
    Math.imul(sql.charCodeAt(length >> 1), 7) ^
    Math.imul(sql.charCodeAt(length - 5), 131) ^
    Math.imul(sql.charCodeAt(length >> 2), 17)
  return mixed & (FRONT_SLOTS - 1)
}
