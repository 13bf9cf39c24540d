import { setTimeout as delay } from 'node:timers/promises'

import type { Client } from 'pg'

interface Waiting {
  readonly pid: number
  readonly blockers: readonly number[]
}

/** A lock is in `pg_locks` as granted before the COMMIT that let it go has been answered. */
const WAITING = 'select distinct pid, pg_blocking_pids(pid) as blockers from pg_locks where not granted'

/** Milliseconds after which the server is asked whether a statement waits for a lock. Only how soon, never what, depends on it. */
const SOON = 2

/** Tells when what is under way on a server has ended, or waits for a lock of somebody who is idle. */
export class LockWatch {
  readonly #admin: Client

  /** @param admin a connection that does nothing else, to a server on which nobody else works. */
  constructor(admin: Client) {
    this.#admin = admin
  }

  /**
   * Gives the connections (as numbers of the server's processes) that wait.
   *
   * @param running what is under way, one statement at a time each; whatever has ended takes itself out.
   * @param circle hears of connections that wait for each other. By default the server ends that.
   */
  async quiet(
    running: ReadonlySet<Promise<unknown>>,
    circle: (pids: readonly number[]) => Promise<void> = () => Promise.resolve(),
  ): Promise<readonly number[]> {
    while (running.size > 0) {
      await Promise.race([...running, delay(SOON)])
      // Whoever has ended hears of it before it is asked who waits.
      await delay(0)
      if (running.size === 0) break
      const { stuck, waiting } = await this.#waiting()
      if (stuck.length >= running.size) return stuck
      if (waiting.length > stuck.length && waiting.length >= running.size) await circle(waiting)
    }
    return []
  }

  /** Who waits, and who of them for somebody who does not wait. */
  async #waiting(): Promise<{ readonly stuck: readonly number[]; readonly waiting: readonly number[] }> {
    const { rows } = await this.#admin.query<Waiting>(WAITING)
    const waiting = new Map(rows.map(({ pid, blockers }) => [pid, blockers]))
    const stuck = new Set<number>()
    for (let before = -1; before < stuck.size;) {
      before = stuck.size
      for (const [pid, blockers] of waiting)
        if (blockers.some((blocker) => !waiting.has(blocker) || stuck.has(blocker))) stuck.add(pid)
    }
    return { stuck: [...stuck], waiting: [...waiting.keys()] }
  }
}
