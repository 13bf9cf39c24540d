import { setImmediate } from 'node:timers/promises'

import { Kysely } from 'kysely'
import type { KyselyPlugin } from 'kysely'

import type { LockWatch } from '../support/lock-watch.ts'
import { Recorder, RecordingDialect } from '../support/recorder.ts'
import type { PooledDriverName } from '../support/servers.ts'
import { errorText, textOf } from './concurrent-answer.ts'
import type { ConcurrentWorld, Writer, WriterOf } from './concurrent-databases.ts'
import type { Random } from './random.ts'
import { oracleServer } from './server.ts'
import type { Schema } from './tables.ts'

/**
 * Lets one statement at a time reach the server, and looks at the database before the next one. A statement that waits for a lock
 * gives its turn to others; it ends within the turn of whoever lets it go.
 */
class Turns extends Recorder {
  /** Looks at the database: these may have committed. */
  look: ((committed: readonly Writer[], sql: string) => Promise<void>) | undefined
  readonly #random: Random
  readonly #locks: LockWatch
  readonly #writerOf: WriterOf
  readonly #running = new Set<Promise<void>>()
  /** whose statements have committed by themselves, in the turn of somebody else */
  #passed: Writer[] = []
  #turn: Promise<void> = Promise.resolve()

  constructor(random: Random, locks: LockWatch, writerOf: WriterOf) {
    super()
    this.#random = random
    this.#locks = locks
    this.#writerOf = writerOf
  }

  async #wait(): Promise<void> {
    const turns = this.#random.below(6) < 2 ? 0 : this.#random.between(1, 6)
    for (let i = 0; i < turns; i++) await setImmediate()
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#turn
    let end!: () => void
    this.#turn = new Promise((resolve) => (end = resolve))
    await before
    try {
      return await work()
    } finally {
      end()
    }
  }

  override async run<T>(sql: string, _parameters: readonly unknown[], execute: () => Promise<T>): Promise<T> {
    await this.#wait()
    const writer = this.#writerOf()
    const commits = writer !== undefined && (/^commit/i.test(sql) || writer.alone)
    let waits = false
    let committed = false
    const { executed } = await this.#inTurn(async () => {
      const executed = execute()
      const running: Promise<void> = executed
        .then(
          () => {
            committed = commits
            if (commits && waits) this.#passed.push(writer)
          },
          () => undefined,
        )
        .finally(() => this.#running.delete(running))
      this.#running.add(running)
      await this.#locks.quiet(this.#running)
      waits = this.#running.has(running)
      await this.#look(committed ? writer : undefined, sql)
      return { executed }
    })
    try {
      return await executed
    } finally {
      // Whoever let it go has looked by then.
      if (waits) await this.#inTurn(() => Promise.resolve())
      await this.#wait()
    }
  }

  /** Those who were let go stand on whoever let them. */
  async #look(holder: Writer | undefined, sql: string): Promise<void> {
    const passed = this.#passed
    this.#passed = []
    await this.look?.(passed.length > 0 ? passed : holder === undefined ? [] : [holder], sql)
  }
}

const SNAPSHOT = 'select pg_current_snapshot()::text as snapshot'

/** As many pools as there are plugins; a connection besides that only looks. */
export async function openServer(
  driver: PooledDriverName,
  schema: Schema,
  caches: readonly KyselyPlugin[],
  random: Random,
  writerOf: WriterOf,
): Promise<ConcurrentWorld> {
  const server = await oracleServer()
  await server.reset('main', schema.ddl)
  const connections = random.pick([2, 8])
  const turns = new Turns(random.fork(), server.locks, writerOf)
  const dbs = caches.map(
    (cache) =>
      new Kysely<any>({
        dialect: new RecordingDialect(server.dialect(driver, 'main', connections), turns),
        plugins: [cache],
      }),
  )
  const plain = new Kysely<any>({ dialect: server.dialect(driver, 'main', 1) })
  return {
    dbs,
    async observe(reads, changed) {
      const queries = reads.map((read) => {
        const built = read.build(plain)
        return { read, query: 'raw' in built ? built.raw.compile(plain) : built.builder.compile() }
      })
      const answers = async (): Promise<string[]> => {
        const found: string[] = []
        for (const { read, query } of queries)
          found.push(await plain.executeQuery(query).then((result) => textOf(read, result.rows), errorText))
        return found
      }
      const version = async (): Promise<unknown> => (await server.exec('main', SNAPSHOT))[0]!['snapshot']
      let seen = await version()
      turns.look = async (committed, sql) => {
        const now = await version()
        if (now === seen) return
        seen = now
        changed(await answers(), committed, sql)
      }
      return answers()
    },
    async close() {
      await server.disconnect('main')
      await Promise.all([...dbs, plain].map((db) => db.destroy().catch(() => undefined)))
    },
  }
}
