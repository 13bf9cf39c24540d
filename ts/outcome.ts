/**
 * Whether a PostgreSQL statement that failed may have changed something all the same.
 *
 * Only the server can say that it has taken a statement back, and what it says has a severity. NOTE: a code alone proves
 * nothing: `EPIPE` of a broken socket is as long as an SQLSTATE.
 */
export function mayHaveHappened(error: unknown, sql: string): boolean {
  // Of several statements in one text some may have been committed.
  if (/;\s*\S/.test(sql)) return true
  return mayStillHappen(error)
}

/** Whether the server may not even have done with it. */
export function mayStillHappen(error: unknown): boolean {
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown }
  if (typeof severity !== 'string' || typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code)) return true
  // It was the connection or the server that failed, and the commit may have come first. A cancelled statement has not.
  return code !== '57014' && /^(?:08|40003|57|58|XX)/.test(code)
}

/**
 * postgres.js: whether a statement that failed has left the connection as it was: the server took it back, or the driver could not
 * send or read a value.
 */
export function keepsConnection(error: unknown): boolean {
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown }
  if (severity !== undefined) return severity === 'ERROR'
  return typeof code !== 'string' || !/^(?:CONNECT|E)/.test(code)
}
