/** What a setting that is changed means for plans and row images. What is not known counts as the worst. */

/** What changing a setting can do to statements whose texts stay the same. */
export interface Setting {
  /** writes do something else, or their row images are written in another way */
  readonly changesWrites: boolean
  /** a name means another table, or the rows that may be seen are others: not even `vary` helps */
  readonly changesNames: boolean
}

/** They change values, how they are written, or the order of events, but never which table a name means. */
const VALUE_SETTINGS = new RegExp(
  `^(?:${[
    'time( ?zone)?',
    'timezone_abbreviations',
    'datestyle',
    'intervalstyle',
    'extra_float_digits',
    'bytea_output',
    'client_encoding',
    'names',
    'lc_(messages|monetary|numeric|time)',
    'default_text_search_config',
    'xml',
    'xmlbinary',
    'xmloption',
    'seed',
    'characteristics',
    'constraints',
    '(default_)?transaction_(isolation|read_only|deferrable)',
    'pragma .*',
  ].join('|')})$`,
)

/** @param name as a text has it: quoted or not, in any case */
export function settingOf(name: string): Setting {
  const plain = name.replaceAll('"', '').toLowerCase()
  // The application's own settings have a dot in their names, and mean nothing to the database.
  if (/^[^.\s]+\.[^\s]+$/.test(plain)) return { changesWrites: false, changesNames: false }
  return { changesWrites: !/^time( ?zone)?$/.test(plain), changesNames: !VALUE_SETTINGS.test(plain) }
}

const TIMEOUT_CALL =
  /\bset_config\s*\(\s*'(?:lock|statement|idle_in_transaction_session)_timeout'\s*,\s*(?:'[^'\\]*'|\$\d+)\s*,\s*(?:true|false)\s*\)/gi

/**
 * Whether all that a query does to the session is to set how long it waits, as Kysely's Migrator does in front of its lock:
 * that changes no answer. NOTE: whatever else may change a setting must be visible in the rest, however it is spelt.
 */
export function setsOnlyTimeouts(sql: string): boolean {
  return !/set_config|setseed|u&"/i.test(sql.replaceAll(TIMEOUT_CALL, ''))
}

const CALL = String.raw`(?:pg_catalog\s*\.\s*)?set_config\s*\(\s*'([^'\\]*)'\s*,\s*(?:'[^'\\]*'|\$\d+|\d+)(?:\s*::\s*\w+)?\s*,\s*(true|false)\s*\)(?:\s+as\s+(?:\w+|"\w+"))?`
const ONE_CALL = new RegExp(CALL, 'gi')
const ONLY_CALLS = new RegExp(`^\\s*select\\s+${CALL}(?:\\s*,\\s*${CALL})*\\s*;?\\s*$`, 'i')

/**
 * The setting that a query's `set_config()` changes, and whether only until the transaction ends. Of several the one that
 * means most. NOTE: only a text that is understood as a whole can say so; any other may change whatever there is.
 */
export function settingsCalled(sql: string): { readonly name: string; readonly local: boolean } {
  if (!ONLY_CALLS.test(sql)) return { name: 'set_config', local: false }
  const calls = [...sql.matchAll(ONE_CALL)].map(([, name = '', local = '']) => ({
    name,
    local: local.toLowerCase() === 'true',
  }))
  const worst = calls.find(({ name }) => settingOf(name).changesNames) ?? calls.find(({ name }) => !name.includes('.'))
  return { name: (worst ?? calls[0]!).name, local: calls.every(({ local }) => local) }
}
