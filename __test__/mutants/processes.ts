import type { Mutant } from './mutant.ts'

/** Evaluations of the package, copies of it, threads that end, other processes, platforms. */
export const PROCESSES: readonly Mutant[] = [
  {
    guard: 'every evaluation of the package has the same results',
    file: 'ts/store/embedded.ts',
    find: "shared('stores', ",
    replace: 'shared(import.meta.url, ',
    test: {
      spec: 'reload',
      title: 'what the package kept before it was evaluated again is hit, and writes by either drop it for both',
    },
  },
  {
    guard: 'two versions in a thread are refused',
    file: 'ts/shared.ts',
    find: 'if (version !== VERSION) throw twoVersions(version)',
    replace: 'void version',
    test: { spec: 'reload', title: 'another version of the package is refused' },
  },
  {
    guard: 'all threads load the addon that the first has loaded',
    file: 'ts/native.ts',
    find: 'path = loaded?.path ?? require.resolve(path)',
    replace: 'path = require.resolve(path)',
    test: { spec: 'reload', title: 'a thread whose package is another copy shares the stamps' },
  },
  {
    guard: 'two versions in two threads are refused',
    file: 'ts/native.ts',
    find: 'if (loaded !== undefined && loaded.version !== VERSION) throw twoVersions(loaded.version)',
    replace: '',
    test: { spec: 'reload', title: 'another version in a thread is refused' },
    hangs: true,
  },
  {
    guard: 'a Node that is too old is refused',
    file: 'ts/native.ts',
    find: 'Number.parseInt(process.versions.node, 10) < OLDEST_NODE',
    replace: 'OLDEST_NODE < 0',
    test: { spec: 'processes', title: 'a Node that is too old is told so before anything else' },
  },
  {
    guard: 'workers of a cluster are warned',
    file: 'ts/other-processes.ts',
    find: "if (cluster.isWorker) return 'this is a worker of a cluster'",
    replace: 'void cluster',
    test: { spec: 'processes', title: 'each worker of a cluster warns once, unless the store was chosen' },
  },
  {
    guard: 'further instances of pm2 are warned',
    file: 'ts/other-processes.ts',
    find: "if (Number(environment['NODE_APP_INSTANCE']) > 0) return",
    replace: "if (Number(environment['NODE_APP_INSTANCE']) < 0) return",
    test: { spec: 'processes', title: 'so do the further instances of pm2' },
  },
  {
    guard: 'what an ended thread had announced is dropped at once',
    file: 'crates/core/src/invalidate.rs',
    find: 'invalidate(database, changes);\n    });',
    replace: 'let _ = changes;\n    });',
    test: { cargo: 'pending', title: 'what_a_thread_leaves_behind_is_dropped_at_once_and_with_every_write' },
  },
  {
    guard: 'what an ended thread had announced stays announced',
    file: 'crates/core/src/invalidate.rs',
    find: 'invalidate(database, &pending.abandoned(database.epoch()));',
    replace: '',
    test: { cargo: 'pending', title: 'what_a_thread_leaves_behind_is_dropped_at_once_and_with_every_write' },
  },
  {
    guard: 'the end of a thread is noticed',
    file: 'crates/node/src/unsettled.rs',
    find: 'invalidate::abandon(&database, announced);',
    replace: 'let _ = (&database, announced, invalidate::abandon);',
    test: { spec: 'threads', title: 'sqlite: what a thread committed that was ended before it could tell is dropped' },
  },
]
