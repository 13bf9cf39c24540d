import type { Mutant } from './mutant.ts'

/** FLOW 1: what keeps an answer from being older than a write that has returned. */
export const READS: readonly Mutant[] = [
  {
    guard: 'token check in lookup',
    file: 'ts/store/embedded.ts',
    find: 'if (entry.token === bound.token) return entry.kept',
    replace: 'if (entry.token <= bound.token) return entry.kept',
    test: {
      spec: 'freshness',
      title: 'sqlite: a write between the database read and the fill: the old result is never served',
    },
  },
  {
    guard: 'token taken before the database read',
    file: 'ts/read.ts',
    find: 'return fillFromDatabase(database, access, decision, start)',
    replace: `const { key } = decision.bound
  const late = {
    key,
    inDoubt: false,
    get token(): number {
      const now = decideAtRoot(database, request)
      return 'bound' in now ? now.bound.token : -1
    },
  }
  return fillFromDatabase(database, access, { ...decision, bound: late }, start)`,
    test: {
      spec: 'freshness',
      title: 'sqlite: a write between the database read and the fill: the old result is never served',
    },
  },
  {
    guard: 'token taken before the database read, on a held connection',
    file: 'ts/read.ts',
    find: 'const miss = new Miss(decision)\n  return (result) => {',
    replace: `return (result) => {
    const now = decide(database, request)
    const miss = new Miss('bound' in now ? now : decision)`,
    test: {
      spec: 'guards-reads',
      title: 'sqlite: on a held connection too, what was read before a write is not kept after it',
    },
  },
  {
    guard: 'tokens compared before a read is joined',
    file: 'ts/read.ts',
    find: 'leader !== undefined && leader.bound.token === decision.bound.token',
    replace: 'leader !== undefined',
    test: { spec: 'freshness', title: 'sqlite: a read is not joined once a write has returned since it began' },
  },
  {
    guard: 'no joining in transactions: each read of one is its own',
    file: 'ts/read.ts',
    find: 'const miss = new Miss(decision)\n  return (result) => {',
    replace: `const leader = inflightOf(database).get(decision.bound.key)
  if (leader !== undefined) {
    return { result: leader.outcome.then((found) => (found === undefined ? { rows: [] } : copyOf(found))) as never }
  }
  const miss = new Miss(decision)
  return (result) => {`,
    test: { spec: 'guards-reads', title: 'sqlite: a read on a held connection joins nobody' },
    hangs: true,
  },
  {
    guard: 'a read in flight is forgotten by its own leader only',
    file: 'ts/read.ts',
    find: 'if (inflight.get(key) === miss) inflight.delete(key)',
    replace: 'inflight.delete(key)',
    test: { spec: 'guards-reads', title: 'sqlite: a leader that has ended leaves a later one to its followers' },
  },
  {
    guard: 'followers are let go when their leader fails',
    file: 'ts/read.ts',
    find: '    miss.abandon()\n',
    replace: '',
    test: { spec: 'freshness', title: 'sqlite: when the leader fails its followers read for themselves' },
    hangs: true,
  },
  {
    guard: 'a follower that is aborted stops waiting',
    file: 'ts/read.ts',
    find: 'return signal.aborted ? undefined : await Promise.race([leader.outcome, stopped])',
    replace: 'return await leader.outcome',
    test: { spec: 'guards-reads', title: 'sqlite: a follower that is aborted is told at once' },
    hangs: true,
  },
  {
    guard: 'root bypass while a raw transaction is open',
    file: 'ts/read.ts',
    find: `if (database.openTransactions > 0) return bypassed('open_transaction')`,
    replace: '',
    test: { spec: 'guards-reads', title: 'sqlite: while a transaction is left open, reads at the root are its reads' },
  },
  {
    guard: 'a read that was let in before a raw transaction began fills nothing in it',
    file: 'ts/kysely/connection.ts',
    find: `if (rootRead === 'bypassed' || state.bypass !== undefined) return () => {}`,
    replace: `if (rootRead === 'bypassed') return () => {}`,
    test: {
      spec: 'guards-reads',
      title: 'postgres: a read that meets an open transaction on its connection keeps nothing',
    },
  },
  {
    guard: '.nocache()',
    file: 'ts/read.ts',
    find: `if (explicit === false) return 'nocache'`,
    replace: `if (explicit === false) return allow(database, read, op, { compiled: request.compiled, explicit: undefined })`,
    test: { spec: 'read', title: 'sqlite: .nocache() asks the database and keeps nothing' },
  },
  {
    guard: 'a profile of null forbids',
    file: 'ts/read.ts',
    find: `if (profile === null) return 'forbidden'`,
    replace: 'if (profile === null) continue',
    test: { spec: 'read', title: 'sqlite: the most specific profile wins, null forbids' },
  },
  {
    guard: 'parameters that mean another instant each day',
    file: 'ts/read.ts',
    find: `if (request.explicit === undefined && parameters.some(isMovingTime)) return { shape, op, reason: 'time_parameter' }`,
    replace: '',
    test: {
      spec: 'session',
      title: 'a parameter that means another instant each day is not cached without being asked for',
    },
  },
  {
    guard: 'arrays of parameters that mean another instant each day',
    file: 'ts/read.ts',
    find: 'if (Array.isArray(parameter)) return parameter.some(isMovingTime)',
    replace: '',
    test: { spec: 'guards-reads', title: 'sqlite: a list in one parameter may hold a moving time' },
  },
  {
    guard: 'cautions that .cache() cannot override',
    file: 'ts/read.ts',
    find: 'if (caution.overridable && explicit !== undefined) continue',
    replace: 'if (explicit !== undefined) continue',
    test: { spec: 'read', title: 'sqlite: system catalogs are never cached' },
  },
  {
    guard: 'cautions without .cache()',
    file: 'ts/read.ts',
    find: 'if (caution.overridable && explicit !== undefined) continue',
    replace: 'if (caution.overridable) continue',
    test: { spec: 'read', title: 'sqlite: reads that depend on more than tables are not cached automatically' },
  },
  {
    guard: 'row-level security without vary',
    file: 'ts/read.ts',
    find: `if (caution.code === 'row_security' && config.vary !== undefined) continue`,
    replace: `if (caution.code === 'row_security') continue`,
    test: {
      spec: 'guards-reads',
      title: 'postgres: a table with row-level security is cached automatically only with vary',
    },
  },
  {
    guard: 'the switch `enabled` at each read',
    file: 'ts/read.ts',
    find: `if (!config.enabled()) return { shape, op, reason: 'disabled' }`,
    replace: '',
    test: {
      spec: 'switch',
      title: 'sqlite: a function switches at each read, and what was written meanwhile is known',
    },
  },
  {
    guard: 'session settings stop caching for the instance',
    file: 'ts/read.ts',
    find: 'if (database.sessionChanged !== undefined && (',
    replace: 'if (database.sessionChanged !== database.sessionChanged && (',
    test: { spec: 'transaction', title: 'sqlite: session state of a connection that others use stops caching' },
  },
  {
    guard: 'vary does not cover settings that decide names',
    file: 'ts/read.ts',
    find: '(config.vary === undefined || database.namesChanged)',
    replace: 'config.vary === undefined',
    test: { spec: 'session', title: 'not even vary covers another search_path' },
  },
  {
    guard: 'a fault in deciding fails no query',
    file: 'ts/read.ts',
    find: `database.instance.events.fault(error, 'deciding about a read')\n    return bypassed('fault')`,
    replace: 'throw error',
    test: { spec: 'switch', title: 'sqlite: a vary that fails or has no encoding fails no query' },
    throws: /no tenant here/,
  },
  {
    guard: 'a fault in keeping fails no query',
    file: 'ts/read.ts',
    find: `events.fault(error, 'keeping a result')`,
    replace: 'throw error',
    test: { spec: 'guards-reads', title: 'a driver whose rows cannot even be looked at: the caller gets them' },
    throws: /do not look/,
  },
  {
    guard: 'the timeout of an entry',
    file: 'ts/store/embedded.ts',
    find: '{ ttl: Math.max(1, timeout * 1000) }',
    replace: '{ ttl: timeout * 0 }',
    test: { spec: 'expiry', title: 'sqlite: a result is kept for its timeout and no longer' },
  },
  {
    guard: 'maxBytes',
    file: 'ts/store/embedded.ts',
    find: 'maxSize: Math.floor(maxBytes)',
    replace: 'maxSize: Math.floor(maxBytes) * 2 ** 20',
    test: { spec: 'store', title: 'sqlite: maxBytes bounds what is kept' },
  },
  {
    guard: 'shapes by their whole text',
    file: 'ts/shape-cache.ts',
    find: 'if (front !== undefined && front.sql === sql) return front.shape',
    replace: 'if (front !== undefined) return front.shape',
    test: { spec: 'guards-reads', title: 'sqlite: texts that are alike in length and in some characters are two' },
  },
]
