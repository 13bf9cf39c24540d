import { setImmediate } from 'node:timers/promises'

import test from 'ava'
import type { ExecutionContext } from 'ava'

import { spoil } from '../support/describe.ts'
import type { Outcome } from '../support/describe.ts'
import { ENDINGS, isRaw, RAW_ENDINGS } from './case.ts'
import type { Read, Reads } from './case.ts'
import { FAILING_READS, POSTGRES_FAILING_READS, SQLITE_FAILING_READS } from './failing-read-cases.ts'
import { POSTGRES_PARAMETERS, SQLITE_PARAMETERS } from './parameter-cases.ts'
import { POSTGRES_READS } from './read-cases-postgres.ts'
import { SQLITE_READS } from './read-cases-sqlite.ts'
import { READS } from './read-cases.ts'
import { isPostgres } from '../support/servers.ts'
import { DRIVERS, openTwins } from './twins.ts'
import type { Db, Twins } from './twins.ts'

// A read gives what it gives without the plugin: when the database answers, when the cache does, and after a caller has
// spoilt what it was given.

interface Way {
  readonly name: string
  readonly call: (db: Db, asking: boolean) => () => Promise<unknown>
  readonly uncached: boolean
}

/** All the ways to execute a query. */
function waysOf(twins: Twins, build: (db: Db) => Read): readonly Way[] {
  if (isRaw(build(twins.plain))) {
    return RAW_ENDINGS.map(({ name, call, uncached = false }) => ({
      name,
      uncached,
      call: (db, asking) => call(build(db) as never, db, asking ? twins.cacheops : undefined),
    }))
  }
  return ENDINGS.map(({ name, call, uncached = false }) => ({
    name,
    uncached,
    call(db, asking) {
      const read = build(db) as Exclude<Read, { isRawBuilder: true }> as any
      return call(asking ? read.cache() : read, db)
    },
  }))
}

/** Why a read is not answered from the cache: when it says `.cache()`, and by itself. All others must be. */
const UNCACHED: Readonly<Record<string, readonly [string, string?]>> = {
  'literals alone': ['hit', 'not_requested'],
  'a view': ['hit', 'view'],
  'raw, VALUES': ['hit', 'not_requested'],
  'raw, no table': ['hit', 'not_requested'],
  unnest: ['hit', 'not_requested'],
  'VALUES alone': ['hit', 'not_requested'],
  'VALUES after FROM': ['hit', 'not_requested'],
  'search and cycle': ['unparsed'],
  TABLE: ['unparsed'],
  'a locking read': ['locking'],
  'a share lock': ['locking'],
  'the system columns': ['system_column'],
  SHOW: ['no event'],
  PRAGMA: ['no event'],
  'a PRAGMA without rows': ['no event'],
  'EXPLAIN QUERY PLAN': ['no event'],
  'the catalogue': ['system_catalog'],
  sqlite_master: ['system_catalog'],
  'a table function': ['system_catalog', 'not_requested'],
  now: ['hit', 'time_function'],
  'types without a parser': ['hit', 'unknown_function'],
}

/** What `pg` makes of an interval is an instance of a class. */
const PG_UNCACHED: typeof UNCACHED = {
  'every type of value': ['column "span" holds a value that cannot be copied exactly'],
  'every type of value, backwards': ['column "span" holds a value that cannot be copied exactly'],
}

const ROUNDS = ['a miss', 'a hit', 'a hit after its caller spoilt the one before']

/** Executes a read in all ways, and demands what it gives without the plugin. Gives the reasons why it was no hit. */
async function compare(
  t: ExecutionContext,
  twins: Twins,
  build: (db: Db) => Read,
  use = '',
): Promise<{ asked: Set<string>; automatic: Set<string> }> {
  const reasons = { asked: new Set<string>(), automatic: new Set<string>() }
  for (const way of waysOf(twins, build)) {
    const wanted = await twins.outcomeOf(way.call(twins.plain, false))
    for (const mode of ['asked', 'automatic'] as const) {
      await twins.forget()
      const call = way.call(twins[mode], mode === 'asked')
      for (const round of ROUNDS) {
        twins.takeReads()
        const seen = await twins.outcomeOf(call)
        const what = `${use} ${way.name}, ${mode}, ${round}`
        expectSame(t, seen, wanted, what)
        spoil(seen.value)
        if (round !== ROUNDS[0] && !way.uncached && wanted.error === undefined) {
          const [event] = twins.takeReads()
          reasons[mode].add(event?.reason ?? 'no event')
        }
      }
    }
  }
  return reasons
}

function expectSame(t: ExecutionContext, seen: Outcome, wanted: Outcome, what: string): void {
  t.is(seen.text, wanted.text, what)
  t.true(
    seen.namesCaller || !wanted.namesCaller,
    `${what}: the caller's frame is gone: ${(seen.error as Error)?.stack}`,
  )
}

// Nothing here waits for more than a promise, and then a result would not be reported before the last.
test.beforeEach(() => setImmediate())

for (const driver of DRIVERS) {
  let twins: Twins
  test.before(`${driver}: open`, async () => {
    twins = await openTwins(driver)
  })
  test.after.always(`${driver}: close`, () => twins.close())

  const postgres = isPostgres(driver)
  const uncached = driver === 'pg' ? { ...UNCACHED, ...PG_UNCACHED } : UNCACHED
  const reads: Reads = { ...READS, ...(postgres ? POSTGRES_READS : SQLITE_READS) }
  for (const [name, build] of Object.entries(reads)) {
    test.serial(`${driver}: ${name}`, async (t) => {
      const { asked, automatic } = await compare(t, twins, build)
      const [whenAsked = 'hit', byItself = whenAsked] = uncached[name] ?? []
      t.deepEqual([...asked], [whenAsked], 'why it was no hit when it was asked to be one')
      t.deepEqual([...automatic], [byItself], 'why it was no hit by itself')
    })
  }

  for (const [name, cases] of Object.entries(postgres ? POSTGRES_PARAMETERS : SQLITE_PARAMETERS)) {
    test.serial(`${driver}: ${name} as a parameter`, async (t) => {
      for (const [use, build] of Object.entries(cases)) await compare(t, twins, build, use)
    })
  }

  const failing: Reads = { ...FAILING_READS, ...(postgres ? POSTGRES_FAILING_READS : SQLITE_FAILING_READS) }
  for (const [name, build] of Object.entries(failing)) {
    test.serial(`${driver}: refused: ${name}`, async (t) => {
      await compare(t, twins, build)
    })
  }
}
