'use strict'

const { describe } = require('../support/describe.ts')

/** What the server's clock decided: only its type is compared. */
const CLOCK = new Set(['updatedAt', 'updated_at', 'loggedAt', 'logged_at'])

function withoutClock(value) {
  if (Array.isArray(value)) return value.map(withoutClock)
  if (value === null || typeof value !== 'object') return value
  const prototype = Object.getPrototypeOf(value)
  if (
    prototype !== Object.prototype &&
    prototype !== null &&
    !/^(?:Row|Insert|Update|Delete)/.test(value.constructor?.name)
  )
    return value
  const copy = Object.create(prototype)
  for (const [key, inner] of Object.entries(value)) {
    copy[key] = CLOCK.has(key) ? `a ${inner?.constructor?.name}` : withoutClock(inner)
  }
  return copy
}

/** What came of an operation, as text: values with types and prototypes, or an error with all that it tells. */
async function outcomeOf(operation) {
  try {
    return describe(withoutClock(await operation()))
  } catch (error) {
    if (typeof error.code !== 'string' && !(error instanceof Rejected) && error.constructor.name !== 'NoResultError')
      throw error
    const {
      name,
      message,
      code,
      severity,
      detail: told,
      constraint_name,
      table_name,
      column_name,
      schema_name,
      where,
    } = error
    const detail = told?.replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:[\d.]+\+\d\d/g, 'a moment')
    return `error ${describe({ name, message, code, severity, detail, constraint_name, table_name, column_name, schema_name, where })}`
  }
}

/** The application refuses something: no bug. */
class Rejected extends Error {
  name = 'Rejected'
}

module.exports = { Rejected, outcomeOf }
