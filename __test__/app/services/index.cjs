'use strict'

const { Catalog } = require('./catalog.cjs')
const { Entities } = require('./entities.cjs')
const { Orders } = require('./orders.cjs')
const { People } = require('./people.cjs')

/** The application on one instance of Kysely; what it means to have cached it marks, if there is a cache. */
function servicesOn(db, cached) {
  const mark = cached ? (query) => query.cache() : (query) => query
  return {
    catalog: new Catalog(db, mark),
    entities: new Entities(db, mark),
    orders: new Orders(db, mark),
    people: new People(db, mark),
  }
}

module.exports = { servicesOn }
