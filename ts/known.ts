import type { DatabaseFacts, DialectName, Schema } from './kysely/introspect.ts'
import type { Names } from './kysely/names.ts'
import type { DatabaseHandle } from './native.ts'
import type { Profiles } from './profiles.ts'

/** What has been learnt of a database. */
export interface Known {
  /** of the core's facts that this agrees with */
  readonly epoch: number
  /** the database, whatever the session */
  readonly base: DatabaseHandle
  /** as sessions with these facts see it */
  readonly handle: DatabaseHandle
  readonly dialect: DialectName
  readonly facts: DatabaseFacts
  /** what the database itself said, without what the options declare */
  readonly found: Schema
  readonly names: Names
  readonly profiles: Profiles
  /** what every key of this database begins with */
  readonly context: Uint8Array
  /** databases that are attached here and may be another instance's own */
  readonly attached: readonly DatabaseHandle[]
}
