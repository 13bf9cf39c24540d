import type { Op } from './config.ts'
import { CacheopsError, didYouMean } from './errors.ts'
import type { Dropped } from './shapes.ts'

/** A read that the cache looked at. */
export interface ReadEvent {
  /** tables and views that it names, as `DB` names them */
  readonly tables: readonly string[]
  readonly op: Op
  /** answered without the database */
  readonly hit: boolean
  /** `hit`, `miss`, `joined` (another's read in flight), or why the cache was not used */
  readonly reason: string
  /** from the caller's `execute()` to the answer, in milliseconds */
  readonly duration: number
  /** the entry's key, 32 hexadecimal digits; absent when the cache was not used */
  readonly key?: string
}

/** A write that dropped something. */
export interface InvalidateEvent {
  /** tables of which something was dropped, as `DB` names them */
  readonly tables: readonly string[]
  /** what was dropped and why, at most 50 entries */
  readonly dropped: readonly Dropped[]
  /** how many more were dropped than are listed */
  readonly more: number
  /** what the cache could not understand, and how to help it */
  readonly warnings: readonly string[]
  /** how long dropping took, in milliseconds */
  readonly duration: number
}

/** A fault of the cache. The query was answered all the same. */
export interface ErrorEvent {
  readonly error: CacheopsError | Error
  /** what was being done */
  readonly during: string
}

/** Events by name. */
export interface CacheopsEvents {
  read: ReadEvent
  invalidate: InvalidateEvent
  error: ErrorEvent
}

type Listener<E> = (event: E) => void

/** Listeners by event. A listener that throws disturbs nobody: it is reported as a warning of the process. */
export class Events {
  readonly #listeners: { [name in keyof CacheopsEvents]: Set<Listener<CacheopsEvents[name]>> } = {
    read: new Set(),
    invalidate: new Set(),
    error: new Set(),
  }
  readonly #warned = new Set<string>()

  /** Whether it is worth making an event of this name. */
  has(name: keyof CacheopsEvents): boolean {
    return this.#listeners[name].size > 0
  }

  /** Adds a listener; the function that comes back removes it. */
  on<N extends keyof CacheopsEvents>(name: N, listener: Listener<CacheopsEvents[N]>): () => void {
    if (!Object.hasOwn(this.#listeners, name)) {
      const names = Object.keys(this.#listeners)
      throw new CacheopsError(
        'CACHEOPS_INVALID_OPTION',
        `on(): there is no event ${JSON.stringify(name)} (there are ${names.join(', ')}).${didYouMean(name, names)}`,
      )
    }
    this.#listeners[name].add(listener)
    return () => {
      this.#listeners[name].delete(listener)
    }
  }

  emit<N extends keyof CacheopsEvents>(name: N, event: CacheopsEvents[N]): void {
    for (const listener of this.#listeners[name]) {
      try {
        const answer: unknown = listener(event)
        if (answer instanceof Promise) answer.catch((error: unknown) => this.#listenerFailed(name, error))
      } catch (error) {
        this.#listenerFailed(name, error)
      }
    }
  }

  /** A fault: to the listeners of `error`, or as a warning of the process if there is none. */
  fault(error: unknown, during: string): void {
    const event = { error: error instanceof Error ? error : new Error(String(error)), during }
    if (this.has('error')) this.emit('error', event)
    else this.warn(`${during}: ${event.error.message}`)
  }

  /** A warning of the process, once for each text. */
  warn(text: string): void {
    if (this.#warned.has(text)) return
    this.#warned.add(text)
    process.emitWarning(text, 'CacheopsWarning')
  }

  #listenerFailed(name: string, error: unknown): void {
    this.warn(`A listener of ${JSON.stringify(name)} failed: ${error instanceof Error ? error.message : String(error)}`)
  }
}
