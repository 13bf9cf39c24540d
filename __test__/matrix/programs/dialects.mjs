/** A dialect by the name of its driver, as each runtime has it. */

async function sqlite(database) {
  const { SqliteDialect } = await import('kysely')
  return new SqliteDialect({ database })
}

/** What better-sqlite3 looks like, over what another SQLite can do. */
function likeBetter(handle, statementOf) {
  return {
    close: () => handle.close(),
    prepare(text) {
      const statement = statementOf(text)
      return {
        reader: statement.reader,
        all: (parameters) => statement.all(...parameters),
        run: (parameters) => statement.run(...parameters),
        iterate: (parameters) => statement.iterate(...parameters),
      }
    },
  }
}

export const DIALECTS = {
  async 'better-sqlite3'() {
    const { default: Database } = await import('better-sqlite3')
    const database = new Database(':memory:')
    database.pragma('foreign_keys = on')
    return sqlite(database)
  },
  async 'node:sqlite'() {
    const { DatabaseSync } = await import('node:sqlite')
    const handle = new DatabaseSync(':memory:')
    return sqlite(
      likeBetter(handle, (text) => {
        const statement = handle.prepare(text)
        const columns = statement.columns?.().length ?? Number(/^\s*(?:select|with|pragma)\b|\breturning\b/i.test(text))
        return {
          reader: columns > 0,
          all: (...parameters) => statement.all(...parameters),
          run: (...parameters) => statement.run(...parameters),
          iterate: (...parameters) => statement.iterate(...parameters),
        }
      }),
    )
  },
  async 'bun:sqlite'() {
    const { Database } = await import('bun:sqlite')
    const handle = new Database(':memory:')
    handle.exec('pragma foreign_keys = on')
    return sqlite(
      likeBetter(handle, (text) => {
        const statement = handle.prepare(text)
        return {
          reader: statement.columnNames.length > 0,
          all: (...parameters) => statement.all(...parameters),
          run: (...parameters) => statement.run(...parameters),
          iterate: (...parameters) => statement.iterate(...parameters),
        }
      }),
    )
  },
  async pglite() {
    const [{ PGliteDialect }, { PGlite }] = await Promise.all([import('kysely'), import('@electric-sql/pglite')])
    return new PGliteDialect({ pglite: await PGlite.create() })
  },
  async pg(url) {
    const [{ PostgresDialect }, { default: pg }] = await Promise.all([import('kysely'), import('pg')])
    return new PostgresDialect({ pool: new pg.Pool({ connectionString: url, max: 4 }) })
  },
  async postgres(url) {
    const [{ PostgresJSDialect }, { default: postgres }] = await Promise.all([
      import('kysely-postgres-js'),
      import('postgres'),
    ])
    return new PostgresJSDialect({ postgres: postgres(url, { max: 4, onnotice: () => {} }) })
  },
}
