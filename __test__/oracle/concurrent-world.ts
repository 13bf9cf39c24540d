import type { Kysely } from 'kysely'

import type { Read } from './read-parts.ts'

/** Whoever writes: the commits that its statements have made since its write began. */
export interface Writer {
  readonly number: number
  commits: Commit[]
  /** its statements commit by themselves */
  readonly alone: boolean
}

/** One moment, or several that nobody could tell from each other: made by so many whose writes have not returned yet. */
export interface Commit {
  readonly moment: number
  left: number
}

/** Hears what the pool answers whenever the database has changed, and whose statements have done it. */
type Changed = (answers: readonly string[], writers: readonly Writer[], sql: string) => void

/** One database under clients that work at the same time. */
export interface ConcurrentWorld {
  /** with the cache, over a driver that delays */
  readonly dbs: readonly Kysely<any>[]
  /** Looks at the pool, without the cache, from now on. */
  observe(reads: readonly Read[], changed: Changed): Promise<readonly string[]>
  close(): Promise<void>
}

export type WriterOf = () => Writer | undefined
