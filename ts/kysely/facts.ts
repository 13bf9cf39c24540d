/**
 * What introspection hands on. {@link Facts} is the JSON that `crates/core/src/schema.rs` reads: names are as the database
 * stores them.
 */

import type { UserTypes } from './postgres-types.ts'

/** Runs one SQL text on the connection and gives its rows; never logs, never goes through plugins. */
export type RunSql = (sql: string, parameters?: readonly unknown[]) => Promise<readonly Record<string, unknown>[]>

/** A dialect that cacheops can introspect. */
export type DialectName = 'postgres' | 'sqlite'

/** What a connection tells of itself and of its database, for little: all but the facts. */
export interface DatabaseHead {
  /** the same for every connection to the same database; of two only physical copies share it; empty if it may not be asked for */
  readonly identity: string
  /** the same for sessions to which a name means the same, and that may read the same */
  readonly view: string
  /** PostgreSQL: what {@link PostgresSession} the connection has; undefined where connections do not differ */
  readonly told: string | undefined
  /** PostgreSQL: the server's process behind the connection */
  readonly pid: number | undefined
  /**
   * what only this connection has, and the facts therefore tell of no other: temporary objects, functions, attached
   * databases; null where connections have nothing of the kind
   */
  readonly connection: string | null
  /** {@link identity Identities} of attached databases, as far as they have one */
  readonly attached: readonly string[]
  /** what answers, in words: `PGlite`, `PostgreSQL 15.4`, `SQLite` */
  readonly server: string
  /** PostgreSQL: when its server was started, and whether it follows another */
  readonly origin: { readonly started: string; readonly inRecovery: boolean } | undefined
  /** READ COMMITTED by default: each statement of a transaction sees a fresh snapshot (false on SQLite) */
  readonly freshStatements: boolean
  /** PostgreSQL: `version()` */
  readonly product: string
  /** PostgreSQL: such as 180006; 0 elsewhere */
  readonly version: number
  /** another after any change of the schema, the same on every connection to the database */
  readonly changes: string
  /**
   * what this role and this session have of their own that the facts depend on: where names are looked up, what may be read,
   * temporary objects, functions of the application
   */
  readonly session: string
  /** what the facts are made of, server and session included, wherever they were read; undefined if not asked for */
  readonly content: string | undefined
}

/** A database that has been asked, and can be asked for the rest. */
export interface AskedDatabase extends DatabaseHead {
  /** what its catalogs tell; as new as the head or newer */
  readonly schema: () => Promise<Schema>
  /**
   * the fingerprint of {@link DatabaseFacts}, for a schema with these types
   *
   * @throws when what the driver does hides what a condition means or what a write has changed
   */
  readonly fingerprintWith: (types: UserTypes | null) => Promise<string>
}

/** What is read of a schema, and what a file tells of it. */
export interface Schema {
  /** what the planner may rely on */
  readonly facts: Facts
  /** PostgreSQL: types of which a driver may make anything; null elsewhere */
  readonly types: UserTypes | null
}

/** What is known of a database and of the connection that was asked. */
export interface DatabaseFacts extends DatabaseHead, Schema {
  /** how this driver turns values into JavaScript's and back, under these session settings; part of every key */
  readonly fingerprint: string
}

/** The schema of a database. */
export interface Facts {
  /** schemas that an unqualified name is looked up in, in order */
  readonly searchPath: readonly string[]
  readonly tables: readonly TableFacts[]
  /** functions that are not built in */
  readonly functions: readonly FunctionFacts[]
  /** SQLite: other databases are attached, whose tables are not listed */
  readonly attached: boolean
  /** `RETURNING old.…, new.…` is understood (PostgreSQL 18 and newer) */
  readonly returningOld: boolean
  /** there are casts or operators of the user that are not immutable: any expression may read any table */
  readonly operators: boolean
  /** PostgreSQL: functions behind the user's operators and casts, which any expression may call */
  readonly implicit?: readonly string[]
  /** PostgreSQL: functions that the checks of domains call, by types that hold such a domain */
  readonly domains?: readonly { readonly name: string; readonly calls: string }[]
}

/** A schema-qualified table. */
export interface TableId {
  readonly schema: string
  readonly name: string
}

/** A table or view. */
export interface TableFacts extends TableId {
  readonly kind: 'table' | 'partitioned' | 'view' | 'materialized_view' | 'foreign' | 'temporary'
  readonly columns: readonly ColumnFacts[]
  /** column sets of which a value belongs to one row at most */
  readonly keys: readonly (readonly string[])[]
  readonly foreignKeys: readonly ForeignKeyFacts[]
  readonly triggers: readonly TriggerFacts[]
  /** relations that a view names itself (PostgreSQL) */
  readonly base?: readonly TableId[]
  /** text of a view (SQLite) */
  readonly definition?: string
  /** the table that stands for the whole inheritance tree */
  readonly root?: TableId
  readonly rowSecurity: boolean
  /** relations that its policies read */
  readonly policyReads?: readonly TableId[]
  /** PostgreSQL: functions that its policies, or a view's query, call themselves */
  readonly calls?: readonly string[]
  readonly rules: boolean
  /** SQLite: `rowid` in a text is the row's identity */
  readonly rowid: boolean
}

/** How a column's values are compared, see `ColumnKind` in `schema.rs`. */
export type ColumnKind =
  | 'int'
  | 'numeric'
  | 'float'
  | 'bool'
  | 'uuid'
  | 'text'
  | 'date'
  | 'sqlite_numeric'
  | 'sqlite_text'
  | 'sqlite_text_nocase'
  | 'other'

/** A column. */
export interface ColumnFacts {
  readonly name: string
  readonly kind: ColumnKind
  /** computed from other columns of its row, stored or not */
  readonly generated: boolean
  /** this role may read it */
  readonly readable: boolean
  /** false: different values may be written as the same text */
  readonly textTells?: false
}

/** What a foreign key does to the rows of its child; RESTRICT and NO ACTION are `none`. */
export type ForeignKeyAction = 'none' | 'cascade' | 'set_null' | 'set_default'

/** A foreign key, listed at the child. */
export interface ForeignKeyFacts {
  readonly columns: readonly string[]
  readonly parent: TableId
  readonly parentColumns: readonly string[]
  readonly onDelete: ForeignKeyAction
  readonly onUpdate: ForeignKeyAction
}

/** A trigger. */
export interface TriggerFacts {
  readonly name: string
  readonly insert: boolean
  readonly update: boolean
  /** or TRUNCATE */
  readonly delete: boolean
  readonly before: boolean
  readonly instead: boolean
  /** `call`: a default, a check or an index that calls `function` */
  readonly language: string
  /** PostgreSQL: schema-qualified when not in pg_catalog; empty on SQLite */
  readonly function: string
  /** PostgreSQL: the function's body; SQLite: the whole CREATE TRIGGER text */
  readonly source: string
  /** set by the user's options, never by introspection */
  readonly declaredWrites?: readonly TableId[]
}

/** A function that is not built in; overloads are one. */
export interface FunctionFacts {
  readonly name: string
  readonly volatility: 'i' | 's' | 'v'
  /** known not to write anything else; otherwise set by the user's options */
  readonly declaredWrites?: readonly TableId[]
  /** what its overloads execute, where that can be read */
  readonly bodies?: readonly { readonly language: string; readonly source: string }[]
  /** functions that it calls besides those of its body: an aggregate's, defaults of arguments, checks of its types */
  readonly parts?: readonly string[]
  /** `row.name` may call it */
  readonly attribute?: boolean
}
