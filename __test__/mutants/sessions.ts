import type { Mutant } from './mutant.ts'

/** Real PostgreSQL connections: errors, sessions that differ, replicas and copies of a server. */
export const SESSIONS: readonly Mutant[] = [
  {
    guard: 'an error of a socket is no answer of the server',
    file: 'ts/outcome.ts',
    find: `typeof severity !== 'string' || `,
    replace: '',
    test: { spec: 'outcome', title: 'only what the server has said takes a statement back' },
  },
  {
    guard: 'a text may have committed before it failed',
    file: 'ts/outcome.ts',
    find: String.raw`if (/;\s*\S/.test(sql)) return true`,
    replace: '',
    test: { spec: 'outcome', title: 'of several statements some may have been committed' },
  },
  {
    guard: 'a cancelled statement has not happened',
    file: 'ts/outcome.ts',
    find: `code !== '57014' && `,
    replace: '',
    test: { spec: 'postgres-faults', title: 'pg: statement_timeout takes a write back, and nothing is dropped' },
  },
  {
    guard: 'what a connection reads that differs from the facts’ is not kept',
    file: 'ts/kysely/connection.ts',
    find: 'if (agrees(database, state)) rootRead.fill(database, result)',
    replace: 'if (Number.isFinite(1)) rootRead.fill(database, result)',
    test: {
      spec: 'postgres-sessions',
      title: 'pg: connections that differ in search_path, set past us, answer for themselves',
    },
  },
  {
    guard: 'a hit can be given up as a miss can',
    file: 'ts/kysely/plugin.ts',
    find: 'options?.signal === undefined ? [] : database.abortMethods',
    replace: '[]',
    test: { spec: 'aborted', title: 'pg: a hit takes every strategy that a miss takes' },
    throws: /inflightQueryAbortStrategy/,
  },
  {
    guard: 'what was aborted while the session was asked for is not executed',
    file: 'ts/kysely/connection.ts',
    find: 'await checking\n      options?.signal?.throwIfAborted()',
    replace: 'await checking',
    test: {
      spec: 'aborted',
      title: 'pg: what is aborted while its connection is asked for its session is never executed',
    },
  },
  {
    guard: 'a streamed write waits for the session of its connection',
    file: 'ts/kysely/connection.ts',
    find: 'await checkSession(database, real, state)\n      options',
    replace: 'options',
    test: { spec: 'transparency/streams', title: 'postgres.js: a stream drops what its text tells, and no more' },
  },
  {
    guard: 'an instance whose connections differ stops caching',
    file: 'ts/session-check.ts',
    find: 'if (session !== undefined && !agrees(database, state)) notice(database, session)',
    replace: 'void notice',
    test: {
      spec: 'postgres-sessions',
      title: 'postgres.js: connections that differ in role, set past us, answer for themselves',
    },
  },
  {
    guard: 'sessions to which a name means something else have facts of their own',
    file: 'ts/database.ts',
    find: 'native.openDatabase(storeHandle, identity, dialect, view)',
    replace: 'native.openDatabase(storeHandle, identity, dialect, view.slice(0, 0))',
    test: {
      spec: 'postgres-sessions',
      title: 'pg: two pools with other search paths share a database, and neither names nor results',
    },
  },
  {
    guard: 'copies of a server have results of their own',
    file: 'ts/database.ts',
    find: 'database === undefined ? started : undefined',
    replace: 'database === undefined ? started?.slice(0, 0) : undefined',
    test: { spec: 'replicas.slow', title: 'pg: a copy that goes its own way never shares results' },
  },
  {
    guard: 'what a replica has read is not kept',
    file: 'ts/read.ts',
    find: 'replica: database.isReplica',
    replace: 'replica: false',
    test: {
      spec: 'replicas.slow',
      title: 'pg: a standby, by itself, answers with what its primary has read and keeps nothing',
    },
  },
  {
    guard: 'a replica that was written to has been promoted',
    file: 'ts/kysely/connection.ts',
    find: 'if (database.factsMayLag) state.session = undefined',
    replace: '',
    test: { spec: 'replicas.slow', title: 'pg: a promoted standby is one no more' },
  },
  {
    guard: 'a view that is opened later leaves the registry alone',
    file: 'crates/core/src/database.rs',
    find: 'if views(opened.as_ref(), &self.shared).count() == 1 {',
    replace: 'if views(opened.as_ref(), &self.shared).count() > 0 {',
    test: { cargo: 'views', title: 'a_view_that_is_opened_later_takes_no_scheme_from_the_registry' },
  },
  {
    guard: 'what another view has announced is understood by its own facts',
    file: 'crates/core/src/invalidate.rs',
    find: 'touched(other.database(), &other.changes())',
    replace: 'touched(database, &other.changes())',
    test: { cargo: 'views', title: 'what_another_view_has_announced_is_understood_by_its_own_facts' },
  },
  {
    guard: 'a schema change drops the facts of all views',
    file: 'crates/core/src/database.rs',
    find: 'view.forget_facts();',
    replace: 'if std::ptr::eq(view.as_ref(), self) { view.forget_facts(); }',
    test: { cargo: 'views', title: 'a_schema_change_is_one_for_all_views' },
  },
]
