import type { Database } from './database.ts'
import { factsFailed } from './errors.ts'
import { watchedOf } from './kysely/connection.ts'
import { runUnlogged } from './kysely/driver.ts'
import { askDatabase } from './kysely/introspect.ts'
import { schemaFileOf } from './schema-file.ts'
import type { SchemaFacts } from './schema-file.ts'

const ATTEMPTS = 5

/**
 * The facts of a database as a value, with the digest of the schema that they were read from.
 *
 * @throws CacheopsError CACHEOPS_INTROSPECTION_FAILED
 */
export async function exportSchema(database: Database): Promise<SchemaFacts> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const asked = await database.executor.provideConnection(async (connection) => {
      const { known } = database
      const real = watchedOf(connection)?.real
      if (known === undefined || real === undefined) throw factsFailed()
      return askDatabase(known.dialect, runUnlogged.bind(undefined, real), { withContent: true })
    })
    const { known } = database
    if (known === undefined || database.hasFailed) break
    // NOTE: the facts are as new as their digests or newer, so equal digests, asked later, mean that nothing came between.
    const { changes, session } = known.facts
    const same = asked.changes === changes && asked.session === session
    if (same && database.isReady) return schemaFileOf(known.dialect, asked, asked.content!, known.found)
    if (!same) database.schemaChanged('somebody else has changed the schema')
  }
  throw factsFailed()
}
