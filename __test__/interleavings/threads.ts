import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

import { native } from '../../ts/native.ts'
import { Cell, sleepWhile } from './cells.ts'
import type { ActorData, Program, Stop } from './cells.ts'
import type { Run, Step } from './explore.ts'
import type { FaultName } from './faults.ts'
import type { SqliteFile } from './grounds.ts'
import { Judge } from './judge.ts'
import { givesLockBack, wantsLock } from './points.ts'
import type { Scene } from './single-thread.ts'

/** How long an actor may take for a step: it does a few statements at most. */
const PATIENCE_MS = 20_000
const MESSAGE_BYTES = 64 * 1024

let stores = 0

class Actor {
  readonly number: number
  readonly worker: Worker
  readonly #states: Int32Array
  readonly #length: Int32Array
  readonly #text: Uint8Array

  constructor(data: ActorData) {
    this.number = data.actor
    this.#states = new Int32Array(data.cells)
    this.#length = new Int32Array(data.message, 0, 1)
    this.#text = new Uint8Array(data.message, 4)
    this.worker = new Worker(new URL('./actor-thread.ts', import.meta.url), { workerData: data })
  }

  /** Waits, asleep, until the actor has stopped. */
  stopped(): Stop {
    if (!sleepWhile(this.#states, this.number, Cell.running, PATIENCE_MS))
      throw new Error(`actor ${this.number} does not come to a stop`)
    return JSON.parse(Buffer.from(this.#text.slice(0, this.#length[0])).toString()) as Stop
  }

  /** Lets it go on, and waits for its next stop. */
  go(program?: Program): Stop {
    this.start(program)
    return this.stopped()
  }

  start(program?: Program): void {
    if (program !== undefined) {
      const bytes = Buffer.from(JSON.stringify(program))
      this.#text.set(bytes)
      this.#length[0] = bytes.length
    }
    Atomics.store(this.#states, this.number, Cell.running)
    Atomics.notify(this.#states, this.number)
  }
}

/** The actors of a scene as threads, each with a Kysely instance and results of its own; the stamps are everybody's. */
export class Threads {
  readonly #file: SqliteFile
  readonly #store = `threads-${process.pid}-${++stores}`
  readonly #actors: readonly Actor[]
  #scene!: Pick<Scene, 'readers' | 'writers'>
  #stops: Stop[] = []
  #judge!: Judge
  #lockedBy: number | undefined

  private constructor(file: SqliteFile, count: number, fault: FaultName | undefined) {
    this.#file = file
    const cells = new SharedArrayBuffer(4 * count)
    this.#actors = Array.from({ length: count }, (_, actor) => {
      const message = new SharedArrayBuffer(4 + MESSAGE_BYTES)
      return new Actor({ actor, file: file.path, store: this.#store, database: this.#store, cells, message, fault })
    })
  }

  /** Starts the threads. */
  static async open(file: SqliteFile, count: number, fault?: FaultName): Promise<Threads> {
    file.reset()
    const threads = new Threads(file, count, fault)
    await Promise.all(threads.#actors.map(({ worker }) => once(worker, 'online')))
    for (const actor of threads.#actors) {
      actor.stopped()
      actor.go('look')
    }
    return threads
  }

  async close(): Promise<void> {
    const gone = this.#actors.map(({ worker }) => once(worker, 'exit'))
    for (const actor of this.#actors) actor.start('stop')
    await Promise.all(gone)
  }

  /** Ends the threads wherever they stand. */
  async terminate(): Promise<void> {
    await Promise.all(this.#actors.map(({ worker }) => worker.terminate()))
  }

  /** Puts everything back and starts all actors, up to their first steps. */
  begin(scene: Pick<Scene, 'readers' | 'writers'>): Run {
    this.#file.reset()
    native.invalidateStore(native.openStore(this.#store))
    this.#scene = scene
    this.#judge = new Judge(this.#file.answers())
    this.#lockedBy = undefined
    const { readers, writers } = scene
    const programs: Program[] = [
      ...readers.map((read) => ({ read })),
      ...writers.map((write, index) => ({ write, n: 100 + readers.length + index })),
    ]
    this.#stops = programs.map((program, index) => this.#actors[index]!.go(program))
    return {
      enabled: () => this.#enabled(),
      advance: (step) => Promise.resolve(this.#advance(step)),
      judge: () => Promise.resolve(this.#judgeEnd()),
    }
  }

  #enabled(): readonly Step[] {
    return this.#stops.flatMap(({ point, of }, actor) => {
      const step = { actor, point, of }
      const waits = wantsLock(step) && this.#lockedBy !== undefined && this.#lockedBy !== actor
      return point === 'done' || waits ? [] : [step]
    })
  }

  #advance(step: Step): void {
    const { actor, point, of } = step
    this.#judge.step(step)
    if (wantsLock(step)) this.#lockedBy = actor
    if (point === 'token') this.#judge.readBegan(actor, of)
    const stop = this.#actors[actor]!.go()
    this.#stops[actor] = stop
    if (point === 'write' || point === 'commit') this.#judge.now(this.#file.answers())
    if (givesLockBack(step) || point === 'write') this.#lockedBy = undefined
    if (stop.error !== undefined) throw new Error(stop.error)
    if (stop.answer !== undefined) this.#judge.readEnded(actor, stop.answer)
    if (stop.point === 'done' && actor >= this.#scene.readers.length) this.#judge.writeReturned(actor)
  }

  #judgeEnd(): void {
    this.#judge.now(this.#file.answers())
    for (const actor of this.#actors) {
      for (const time of ['first', 'second']) {
        const { looked, error } = actor.go('look')
        if (looked === undefined) throw new Error(error)
        for (const query of Object.keys(looked)) {
          this.#judge.last(query, `thread ${actor.number}, the ${time} time`, looked[query]!)
        }
      }
    }
  }
}
