import { unsupported } from './driver.ts'
import { askDatabase } from './introspect.ts'
import type { AskedDatabase, Asking, DialectName, RunSql } from './introspect.ts'

const OLDEST_POSTGRES = 15

/**
 * Asks a database that nothing is known of yet.
 *
 * @throws CacheopsError CACHEOPS_UNSUPPORTED_DATABASE, and as `askDatabase` does.
 */
export async function askSupported(dialect: DialectName, run: RunSql, asking: Asking): Promise<AskedDatabase> {
  try {
    const asked = await askDatabase(dialect, run, asking)
    if (dialect === 'postgres') demandPostgres(asked.product, asked.version)
    return asked
  } catch (error) {
    // What is not PostgreSQL may not have what was asked for.
    if (dialect === 'postgres') {
      const [row] = await run("select version() as version, current_setting('server_version_num') as number")
      // Not by their names, which the driver may have been told to change.
      const [product, number] = Object.values(row ?? {})
      demandPostgres(product, Number(number))
    }
    throw error
  }
}

/** Databases that speak like PostgreSQL have other catalogs, locks and snapshots: they are refused, not half supported. */
function demandPostgres(product: unknown, version: number): void {
  if (typeof product !== 'string') throw unsupported('A database that does not tell its version')
  const isPostgres = /^PostgreSQL \d/.test(product) && !/-YB-|Redshift|CockroachDB|Greenplum/i.test(product)
  if (!isPostgres || !(version >= OLDEST_POSTGRES * 10_000)) throw unsupported(product.split(' on ')[0] ?? product)
}
