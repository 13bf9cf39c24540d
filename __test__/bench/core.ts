import { CompiledQuery } from 'kysely'
import type { Kysely } from 'kysely'

import { introspect } from '../../ts/kysely/introspect.ts'
import { native } from '../../ts/native.ts'
import type { DatabaseHandle } from '../../ts/native.ts'
import { encodeContext } from '../../ts/parameters.ts'
import type { Shape } from '../../ts/shapes.ts'
import type { Shop, ShopDatabase } from './shop.ts'

/** The Rust core with the facts of a database, without a plugin around it. */
export interface Core {
  readonly handle: DatabaseHandle
  readonly factsJson: string
  /** what keys begin with, as long as a plugin's */
  readonly context: Uint8Array
  prepare(sql: string): Shape
}

/** @param db an instance without the plugin. */
export async function openCore(name: string, { dialect }: ShopDatabase, db: Kysely<Shop>): Promise<Core> {
  const found = await introspect(dialect, async (sql, parameters = []) => {
    const { rows } = await db.executeQuery(CompiledQuery.raw(sql, [...parameters]))
    return rows as Record<string, unknown>[]
  })
  const handle = native.openDatabase(native.openStore(`bench ${name}`), found.identity, dialect)
  const factsJson = JSON.stringify(found.facts)
  native.setFacts(handle, factsJson, native.factsEpoch(handle))
  return {
    handle,
    factsJson,
    context: encodeContext([found.fingerprint, '']),
    prepare: (sql) => JSON.parse(native.prepare(handle, sql)) as Shape,
  }
}
