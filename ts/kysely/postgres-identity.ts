/** Which PostgreSQL database this is. */

import { createHash } from 'node:crypto'

import { CacheopsError } from '../errors.ts'

/** What a role hears that may not ask which database it uses. */
export function forbiddenIdentity(): CacheopsError {
  const text =
    'This role may not ask which database it uses (pg_control_system()), so results of two databases could not be told apart. ' +
    'Grant it EXECUTE on that function, or give the option `database` a name that no other database has.'
  return new CacheopsError('CACHEOPS_INTROSPECTION_FAILED', text)
}

/** What sessions must have in common to see a database alike. */
export function viewOf(settings: unknown, inRecovery: boolean): string {
  const text = JSON.stringify([settings, inRecovery])
  return createHash('sha256').update(text).digest('base64url')
}
