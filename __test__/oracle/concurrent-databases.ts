import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'

import { PGlite } from '@electric-sql/pglite'
import BetterSqlite3 from 'better-sqlite3'
import { Kysely, PGliteDialect } from 'kysely'
import type { CompiledQuery, Dialect as KyselyDialect, KyselyPlugin } from 'kysely'

import { PooledSqliteDialect } from '../interleavings/pool.ts'
import { Recorder, RecordingDialect } from '../support/recorder.ts'
import { errorText, textOf } from './concurrent-answer.ts'
import type { Random } from './random.ts'
import type { Read } from './read-parts.ts'
import type { Schema } from './tables.ts'
import { openServer } from './concurrent-server.ts'
import { closeServer } from './server.ts'
import type { DatabaseName } from './values.ts'

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

function only(writer: Writer | undefined): readonly Writer[] {
  return writer === undefined ? [] : [writer]
}

/** Lets others go first, now and then, on the way to the database and back. */
class Delays extends Recorder {
  readonly #random: Random
  readonly #executed: ((sql: string, failed: boolean) => Promise<void>) | undefined

  constructor(random: Random, executed?: (sql: string, failed: boolean) => Promise<void>) {
    super()
    this.#random = random
    this.#executed = executed
  }

  async #wait(): Promise<void> {
    const kind = this.#random.below(6)
    if (kind < 2) return
    const turns = this.#random.between(1, kind === 5 ? 12 : 4)
    for (let i = 0; i < turns; i++) await (kind < 4 ? Promise.resolve() : setImmediate())
  }

  override async run<T>(sql: string, _parameters: readonly unknown[], execute: () => Promise<T>): Promise<T> {
    await this.#wait()
    let failed = true
    try {
      const result = await execute()
      failed = false
      return result
    } finally {
      await this.#executed?.(sql, failed)
      await this.#wait()
    }
  }
}

function compiled(read: Read, db: Kysely<any>): CompiledQuery {
  const built = read.build(db)
  return 'raw' in built ? built.raw.compile(db) : built.builder.compile()
}

export function openConcurrent(
  database: DatabaseName,
  schema: Schema,
  caches: readonly KyselyPlugin[],
  random: Random,
  writerOf: WriterOf,
): Promise<ConcurrentWorld> {
  if (database === 'sqlite') return Promise.resolve(openSqlite(schema, caches, random, writerOf))
  if (database === 'pglite') return openPglite(schema, caches, random, writerOf)
  return openServer(database, schema, caches, random, writerOf)
}

/** A file, two instances with as many connections as they ask for, and one connection that only looks. */
function openSqlite(
  schema: Schema,
  caches: readonly KyselyPlugin[],
  random: Random,
  writerOf: WriterOf,
): ConcurrentWorld {
  const folder = mkdtempSync(join(tmpdir(), 'concurrent-'))
  const open = (): BetterSqlite3.Database => {
    const database = new BetterSqlite3(join(folder, 'main.db'), { timeout: 0 })
    database.pragma('journal_mode = wal')
    database.pragma('synchronous = off')
    database.pragma('foreign_keys = on')
    return database
  }
  const own = open()
  for (const statement of schema.ddl) own.exec(statement)
  let look: ((sql: string) => void) | undefined
  const dialect = (): KyselyDialect =>
    new RecordingDialect(new PooledSqliteDialect(open, (_connection, sql) => look?.(sql)), new Delays(random.fork()))
  const dbs = caches.map((cache) => new Kysely<any>({ dialect: dialect(), plugins: [cache] }))
  return {
    dbs,
    observe(reads, changed) {
      const statements = reads.map((read) => {
        const { sql, parameters } = compiled(read, dbs[0]!)
        return (): string => {
          try {
            return textOf(read, own.prepare(sql).all(parameters))
          } catch (error) {
            return errorText(error)
          }
        }
      })
      const answers = (): string[] => statements.map((answer) => answer())
      const version = (): unknown => own.pragma('data_version', { simple: true })
      let seen = version()
      look = (sql) => {
        const now = version()
        if (now === seen) return
        seen = now
        changed(answers(), only(writerOf()), sql)
      }
      return Promise.resolve(answers())
    },
    async close() {
      for (const db of dbs) await db.destroy()
      own.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

let pglite: Promise<PGlite> | undefined

const RESET = [
  'deallocate all',
  'reset all',
  'reset session authorization',
  'discard temp',
  'drop schema if exists "alt" cascade',
  `do $$ begin create role "oracle_reader"; exception when duplicate_object then null; end $$`,
  'drop schema public cascade',
  'create schema public',
]

/** After a parameter that it could not send PGlite fails the next statement, whatever it is. */
async function sendable(server: PGlite): Promise<void> {
  for (let i = 0; i < 2; i++) await server.query('select $1::integer', [1]).catch(() => undefined)
}

/** One instance: two over one PGlite would keep each other out inside of it, where nobody sees in what order. */
async function openPglite(
  schema: Schema,
  caches: readonly KyselyPlugin[],
  random: Random,
  writerOf: WriterOf,
): Promise<ConcurrentWorld> {
  const server = await (pglite ??= PGlite.create())
  await server.exec('rollback').catch(() => undefined)
  await sendable(server)
  for (const statement of [...RESET, ...schema.ddl]) await server.exec(statement)
  let look: ((sql: string) => Promise<void>) | undefined
  let open = false
  const delays = new Delays(random.fork(), async (sql, failed) => {
    if (sql === 'begin') open = true
    else if (sql === 'commit' || sql === 'rollback') open = false
    if (open) return
    if (failed) await sendable(server)
    await look?.(sql)
  })
  const inner = new PGliteDialect({ pglite: server })
  const driver = inner.createDriver()
  driver.destroy = () => Promise.resolve()
  const kept: KyselyDialect = {
    createDriver: () => driver,
    createAdapter: () => inner.createAdapter(),
    createQueryCompiler: () => inner.createQueryCompiler(),
    createIntrospector: (db) => inner.createIntrospector(db),
  }
  const db = new Kysely<any>({ dialect: new RecordingDialect(kept, delays), plugins: [caches[0]!] })
  return {
    dbs: [db],
    async observe(reads, changed) {
      const queries = reads.map((read) => ({ read, query: compiled(read, db) }))
      const answers = async (): Promise<string[]> => {
        const found: string[] = []
        for (const { read, query } of queries) {
          const { sql, parameters } = query
          found.push(
            await server.query(sql, [...parameters]).then(
              ({ rows }) => textOf(read, rows),
              (error: unknown) => errorText(error),
            ),
          )
        }
        return found
      }
      const version = async (): Promise<unknown> => {
        const { rows } = await server.query('select pg_snapshot_xmax(pg_current_snapshot())::text as version')
        return (rows[0] as { version: unknown }).version
      }
      let seen = await version()
      look = async (sql) => {
        const now = await version()
        if (now === seen) return
        seen = now
        changed(await answers(), only(writerOf()), sql)
      }
      return answers()
    },
    close: () => db.destroy(),
  }
}

/** PGlite, and a server's connections, keep a process alive. */
export async function closeConcurrent(): Promise<void> {
  await (await pglite)?.close()
  await closeServer()
  pglite = undefined
}
