import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { PGlite } from '@electric-sql/pglite'
import BetterSqlite3 from 'better-sqlite3'
import { Kysely, PGliteDialect, SqliteDialect } from 'kysely'
import type { Dialect } from 'kysely'

import type { OracleServer } from '../oracle/server.ts'
import { RecordingDialect } from '../support/recorder.ts'
import type { PooledDriverName } from '../support/servers.ts'
import { PooledSqliteDialect } from './pool.ts'
import { EMPTY, FILL, QUERIES, QUERY_NAMES, TABLE } from './programs.ts'
import type { Rows } from './programs.ts'
import type { Ground } from './single-thread.ts'

const TEXTS: readonly (readonly [name: string, sql: string, parameters: readonly unknown[]])[] = compile()

function compile(): [string, string, readonly unknown[]][] {
  const db = new Kysely<Rows>({ dialect: new SqliteDialect({ database: () => Promise.reject(new Error()) }) })
  return QUERY_NAMES.map((name) => {
    const { sql, parameters } = QUERIES[name](db).compile()
    return [name, sql, parameters]
  })
}

/** A SQLite file, and one connection to it that only looks. */
export class SqliteFile {
  readonly path: string
  readonly #folder = mkdtempSync(join(tmpdir(), 'cacheops-interleavings-'))
  readonly #own: BetterSqlite3.Database
  readonly #statements: readonly (readonly [name: string, all: () => unknown[]])[]

  constructor() {
    this.path = join(this.#folder, 'rows.db')
    this.#own = openFile(this.path)
    this.#own.exec(TABLE)
    this.#statements = TEXTS.map(([name, sql, parameters]) => {
      const statement = this.#own.prepare(sql)
      return [name, () => statement.all(parameters)]
    })
  }

  reset(): void {
    this.#own.exec(`begin; ${EMPTY}; ${FILL}; commit`)
  }

  answers(): Record<string, string> {
    return Object.fromEntries(this.#statements.map(([name, all]) => [name, JSON.stringify(all())]))
  }

  close(): void {
    this.#own.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

export function openFile(path: string): BetterSqlite3.Database {
  const database = new BetterSqlite3(path, { timeout: 0 })
  database.pragma('journal_mode = wal')
  database.pragma('synchronous = off')
  return database
}

/** @param pooled each Kysely instance has as many connections as it asks for; otherwise one, as Kysely's own dialect. */
export function sqliteGround(file: SqliteFile, pooled: boolean): Ground {
  return {
    exclusive: false,
    dialect: (recorder) => {
      const inner: Dialect = pooled
        ? new PooledSqliteDialect(() => openFile(file.path))
        : new SqliteDialect({ database: () => Promise.resolve(openFile(file.path)) })
      return new RecordingDialect(inner, recorder)
    },
    reset: () => Promise.resolve(file.reset()),
    answers: () => Promise.resolve(file.answers()),
  }
}

/** A database of a server: every Kysely instance has a pool. */
export async function serverGround(server: OracleServer, driver: PooledDriverName): Promise<Ground> {
  await server.reset('main', [TABLE])
  return {
    exclusive: false,
    quiet: (running) => server.locks.quiet(running),
    connections: ACTORS,
    dialect: (recorder) => new RecordingDialect(server.dialect(driver, 'main', ACTORS), recorder),
    reset: () => server.exec('main', `${EMPTY}; ${FILL}`),
    answers: async () => {
      const found: Record<string, string> = {}
      for (const [name, sql, parameters] of TEXTS) {
        found[name] = JSON.stringify(await server.ask('main', sql.replaceAll('?', '$1'), parameters))
      }
      return found
    },
  }
}

/** As many connections as are needed at once. */
const ACTORS = 4

/** One PGlite: every Kysely instance over it has the same connection. */
export async function pgliteGround(): Promise<Ground & { close(): Promise<void> }> {
  const pglite = await PGlite.create()
  await pglite.exec(TABLE)
  return {
    exclusive: true,
    dialect: (recorder) => {
      const inner = new PGliteDialect({ pglite })
      const driver = inner.createDriver()
      driver.destroy = () => Promise.resolve()
      const kept: Dialect = {
        createDriver: () => driver,
        createAdapter: () => inner.createAdapter(),
        createQueryCompiler: () => inner.createQueryCompiler(),
        createIntrospector: (db) => inner.createIntrospector(db),
      }
      return new RecordingDialect(kept, recorder)
    },
    reset: async () => {
      await pglite.exec(`${EMPTY}; ${FILL}`)
    },
    answers: async () => {
      const found: Record<string, string> = {}
      for (const [name, sql, parameters] of TEXTS) {
        const { rows } = await pglite.query(sql.replaceAll('?', '$1'), [...parameters])
        found[name] = JSON.stringify(rows)
      }
      return found
    },
    close: () => pglite.close(),
  }
}
