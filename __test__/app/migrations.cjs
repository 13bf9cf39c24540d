'use strict'

const { sql } = require('kysely')
const { Migrator } = require('kysely/migration')

const { CODE, TABLES, TYPES, VIEWS } = require('./schema/core.cjs')
const { MODULE_TABLES } = require('./schema/modules.cjs')

/** Several statements, one after the other: what a prepared statement cannot hold. */
async function each(db, text) {
  for (const statement of text.split(/;\n+(?=create|alter|$)/)) {
    if (statement.trim() !== '') await sql.raw(statement).execute(db)
  }
}

/** Kept together where one function has semicolons in it. */
const functions = (db) => each(db, CODE)

const MIGRATIONS = {
  '001_types': { up: (db) => each(db, TYPES) },
  '002_core': { up: (db) => each(db, TABLES) },
  '003_modules': { up: (db) => each(db, MODULE_TABLES) },
  '004_code': { up: functions },
  '005_views': { up: (db) => each(db, VIEWS) },
  '006_locale': {
    up: async (db) => {
      await db.schema
        .alterTable('customers')
        .addColumn('locale', 'text', (column) => column.defaultTo('en'))
        .execute()
      await db.schema.createIndex('customers_locale').on('customers').column('locale').execute()
    },
  },
}

/** Brings a database up to date, as the application does when it starts. */
async function migrate(db) {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(MIGRATIONS) } })
  const { error, results } = await migrator.migrateToLatest()
  if (error !== undefined) throw error
  return results.map(({ migrationName, status }) => `${migrationName} ${status}`)
}

module.exports = { migrate }
