'use strict'

const { cacheopsPlugin } = require('cacheops')
const { CamelCasePlugin, Kysely } = require('kysely')
const { PostgresJSDialect } = require('kysely-postgres-js')
const postgres = require('postgres')

/** Whom the application connects as: no superuser, so policies hold for it. */
const USER = 'erp'

let stores = 0

/**
 * An instance of Kysely with a pool of its own.
 *
 * @param cached with the plugin, everything that may be is cached without being asked for
 */
function connect({ host, port }, database, { cached, cacheFirst = true, max = 4 }) {
  const dialect = new PostgresJSDialect({
    postgres: postgres({ host, port, user: USER, database, max, onnotice: () => {} }),
  })
  if (!cached) return { db: new Kysely({ dialect, plugins: [new CamelCasePlugin()] }), cacheops: undefined }
  const cacheops = cacheopsPlugin({
    profiles: { '*.*': { ops: 'all' } },
    store: { type: 'embedded', name: `erp ${++stores}` },
  })
  const plugins = cacheFirst ? [cacheops, new CamelCasePlugin()] : [new CamelCasePlugin(), cacheops]
  return { db: new Kysely({ dialect, plugins }), cacheops }
}

module.exports = { USER, connect }
