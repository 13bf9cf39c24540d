/** Schema facts as a value that outlives the process: a cold start need not read the catalogs. */

import { readFileSync } from 'node:fs'

import { CacheopsError } from './errors.ts'
import type { DatabaseFacts, DatabaseHead, DialectName, RunSql, Schema } from './kysely/facts.ts'
import { hashOf } from './kysely/fingerprint.ts'
import { complete } from './kysely/introspect.ts'
import { NO_TYPES } from './kysely/postgres-types.ts'
import { askSupported } from './kysely/supported.ts'
import { VERSION } from './shared.ts'

/** Of what {@link SchemaFacts} look like; facts that another version of cacheops understands otherwise have another. */
const FORMAT = 1

/**
 * What is known of a database's schema, as JSON: what `exportSchema()` gives and the option `schema` takes. It holds names,
 * types and keys, and the texts of views, triggers and functions; no rows, no credentials. Nothing but `format`, `server` and
 * `exportedAt` is meant to be read by people, and nothing to be edited.
 *
 * @example
 * ```ts
 * await writeFile('schema.json', JSON.stringify(await cacheops.exportSchema({ db })))
 * ```
 */
export interface SchemaFacts {
  /** version of this format */
  readonly format: number
  /** of cacheops; another one reads the facts for itself */
  readonly version: string
  readonly dialect: 'postgres' | 'sqlite'
  /** what answered, in words: `PGlite`, `PostgreSQL 15.4`, `SQLite` */
  readonly server: string
  /** ISO 8601 */
  readonly exportedAt: string
  /** which database it was, as a digest */
  readonly database: string
  /** under which role and search path, as a digest */
  readonly session: string
  /** digest of the schema: the facts are used where the database has the same */
  readonly content: string
  /** of the facts and types, against a file that was damaged or edited */
  readonly checksum: string
  /** an implementation detail */
  readonly facts: object
  /** an implementation detail; null on SQLite */
  readonly types: object | null
}

/** Facts as a file has them. */
export function schemaFileOf(dialect: DialectName, head: DatabaseHead, content: string, schema: Schema): SchemaFacts {
  const { facts, types } = schema
  return {
    format: FORMAT,
    version: VERSION,
    dialect,
    server: head.server,
    exportedAt: new Date().toISOString(),
    database: hashOf(head.identity),
    session: head.session,
    content,
    checksum: hashOf(facts, types),
    facts,
    types,
  }
}

/**
 * What the option `schema` was given, checked.
 *
 * @param given a path, read at once, or its parsed content.
 * @throws CacheopsError CACHEOPS_INVALID_SCHEMA
 */
export function parseSchemaFile(given: unknown): SchemaFacts {
  const value = typeof given === 'string' ? read(given) : given
  const from = typeof given === 'string' ? `schema: ${JSON.stringify(given)}` : 'schema'
  const invalid = (what: string): CacheopsError => invalidSchema(`${from} ${what}`)
  if (typeof value !== 'object' || value === null || !('format' in value)) {
    throw invalid('is not what exportSchema() gave.')
  }
  if (value.format !== FORMAT) {
    throw invalid(`has the format ${JSON.stringify(value.format)}; this version of cacheops has ${FORMAT}.`)
  }
  const file = value as Partial<SchemaFacts>
  const texts = [file.version, file.server, file.database, file.session, file.content, file.checksum]
  const whole =
    texts.every((text) => typeof text === 'string') &&
    [file.facts, file.types].every((part) => typeof part === 'object')
  if (!whole || (file.dialect !== 'postgres' && file.dialect !== 'sqlite')) throw invalid('is incomplete.')
  if (hashOf(file.facts, file.types) !== file.checksum) throw invalid('was changed after it was exported.')
  return file as SchemaFacts
}

function read(path: string): unknown {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw invalidSchema(`schema: ${JSON.stringify(path)} could not be read.`, cause)
  }
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw invalidSchema(`schema: ${JSON.stringify(path)} is not JSON.`, cause)
  }
}

function invalidSchema(what: string, cause?: unknown): CacheopsError {
  const help = 'Write it again: JSON.stringify(await cacheops.exportSchema({ db })).'
  return new CacheopsError('CACHEOPS_INVALID_SCHEMA', `${what} ${help}`, cause === undefined ? undefined : { cause })
}

/** What is known of a database at first: by the file of the options, if that tells of the schema that it has. */
export async function readFirst(
  schema: SchemaFacts | undefined,
  events: { warn(text: string): void },
  dialect: DialectName,
  run: RunSql,
): Promise<DatabaseFacts> {
  const file = schema as (SchemaFacts & Schema) | undefined
  const asking = { withContent: file !== undefined, withValues: file?.types ?? NO_TYPES }
  const asked = await askSupported(dialect, run, asking)
  if (file !== undefined) {
    // What this version makes of a schema may be more than what another did.
    if (file.content === asked.content && file.version === VERSION) return complete(asked, file)
    events.warn(
      `cacheops does not use the facts of the option \`schema\`: ${whyNot(file, dialect, asked)}. They are read from the ` +
        'database instead, which only takes longer. Export them again after each migration: exportSchema().',
    )
  }
  return complete(asked, await asked.schema())
}

function whyNot(file: SchemaFacts, dialect: DialectName, head: DatabaseHead): string {
  if (file.version !== VERSION) return `they were exported by cacheops ${file.version}, and this is ${VERSION}`
  if (file.dialect !== dialect || file.server !== head.server) {
    return `they were exported from ${file.server}, and this is ${head.server}`
  }
  if (file.database !== hashOf(head.identity)) return 'they were exported from another database, with another schema'
  if (file.session !== head.session) return 'they were exported under another role, search path or connection set-up'
  return 'the schema has changed since they were exported'
}
