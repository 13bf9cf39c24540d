import type { Mutant } from './mutant.ts'

/** FLOW 2 in TypeScript: which statements are writes, and what is told of their rows. */
export const WRITES: readonly Mutant[] = [
  {
    guard: 'a write of a database that nothing is known of',
    file: 'ts/database.ts',
    find: 'if (handle === undefined) native.invalidateStore(this.instance.storeHandle)',
    replace: 'if (handle === undefined) return',
    test: { spec: 'guards-writes', title: 'sqlite: a write before the facts are known drops the whole store' },
  },
  {
    guard: 'reads that may write are written through',
    file: 'ts/kysely/connection.ts',
    find: `return read.writes ? 'write' : 'read'`,
    replace: `return 'read'`,
    test: { spec: 'trigger', title: 'postgres: a user function that writes, called by a read' },
  },
  {
    guard: 'a streamed write is announced before it can become visible',
    file: 'ts/kysely/connection.ts',
    find: 'const settle = this.#beginStream(kind, compiled)',
    replace: 'const settle = (failed: unknown) => this.#beginStream(kind, compiled)?.(failed)',
    test: {
      spec: 'transparency/streams',
      title: 'pg: a stream that is committed and not over yet is dropped by a write that has returned',
    },
  },
  {
    guard: 'what a stream has written is dropped',
    file: 'ts/kysely/connection.ts',
    find: 'await settle?.(failure)',
    replace: 'void settle',
    test: { spec: 'transparency/streams', title: 'pg: an update that is abandoned' },
  },
  {
    guard: 'a stream that its caller leaves is waited for',
    file: 'ts/kysely/connection.ts',
    find: 'if (settle !== undefined && !isOver) failure = await this.#endStream()',
    replace: 'void [isOver, () => this.#endStream()]',
    test: {
      spec: 'in-doubt',
      title: 'postgres.js: what a stream writes that its caller leaves is committed before the caller goes on',
    },
  },
  {
    guard: 'a stream that fails fails its transaction',
    file: 'ts/kysely/connection.ts',
    find: 'this.#statementFailed(compiled, error)\n      throw error\n    } finally {',
    replace: 'throw error\n    } finally {',
    test: { spec: 'transparency/streams', title: 'pg: a failed stream fails its transaction' },
  },
  {
    guard: 'a failed statement that may have happened all the same',
    file: 'ts/write.ts',
    find: `if (database.known?.dialect !== 'postgres' || mayHaveHappened(error, run.compiled.sql))`,
    replace: 'if (error === undefined && mayHaveHappened(error, run.compiled.sql))',
    test: { spec: 'guards-writes', title: 'sqlite: what INSERT OR FAIL had inserted before it failed is dropped' },
  },
  {
    guard: 'a lost connection proves nothing',
    file: 'ts/outcome.ts',
    find: `if (typeof severity !== 'string' || typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code)) return true`,
    replace: `if (typeof severity !== 'string' || typeof code !== 'string') return false`,
    test: { spec: 'guards-writes', title: 'postgres: a write whose answer was lost is dropped' },
  },
  {
    guard: 'a schema change in a transaction is remembered until the commit',
    file: 'ts/write.ts',
    find: 'state.schemaChanged = true\n',
    replace: '',
    test: { spec: 'ddl', title: 'sqlite: a foreign key or a trigger that is added, in a transaction' },
  },
  {
    guard: 'DDL drops the facts',
    file: 'ts/database.ts',
    find: 'for (const each of [handle, ...attached]) native.dropFacts(each)',
    replace: '',
    test: { spec: 'ddl', title: 'postgres: a foreign key or a trigger that is added, outside of transactions' },
  },
  {
    guard: 'a schema that is read again drops every result',
    file: 'ts/database.ts',
    find: 'dropAndReport(this, () => native.invalidateDatabase(handle, reason), this.#known.facts.facts.attached)',
    replace: '',
    test: { spec: 'schema-drift', title: 'sqlite: refreshSchema() drops every result, whatever it finds' },
  },
  {
    guard: 'facts that were read before a schema change are refused',
    file: 'ts/database.ts',
    find: 'native.setFacts(known.handle, json, epoch)',
    replace: 'native.setFacts(known.handle, json, native.factsEpoch(known.handle))',
    test: { spec: 'guards-writes', title: 'sqlite: facts that were read before a schema change are refused after it' },
  },
  {
    guard: 'images and write in one transaction',
    file: 'ts/kysely/sqlite-images.ts',
    find: 'const own = !state.inTransaction && plan.before !== undefined',
    replace: 'const own = state.inTransaction && !state.inTransaction',
    test: { spec: 'guards-writes', title: 'sqlite: nobody writes between an image and its write' },
  },
  {
    guard: 'the write lock comes before the images',
    file: 'ts/kysely/sqlite-images.ts',
    find: 'this.#locks = plan.lock !== undefined && state.held.length === 0',
    replace: 'this.#locks = false',
    test: { spec: 'guards-writes', title: 'sqlite: a write in a transaction fails no more often than it would' },
  },
  {
    guard: 'a driver that counts no rows is not believed',
    file: 'ts/kysely/row-images.ts',
    find: `(await (counts ?? askCounts(real)))?.['changed'] === '0'`,
    replace: '(await (counts ?? askCounts(real))) !== undefined',
    test: { spec: 'guards-writes', title: 'sqlite: a driver that counts 0 rows whatever happened is not believed' },
  },
  {
    guard: 'images that cannot be read are no images',
    file: 'ts/kysely/sqlite-images.ts',
    find: `if ((old !== undefined && 'error' in old) || (news !== undefined && 'error' in news)) return undefined`,
    replace: `if (news !== undefined && 'error' in news) return undefined
    if (old !== undefined && 'error' in old) {
      return { affected: 0, rows: [], none: true }
    }`,
    test: { spec: 'guards-writes', title: 'sqlite: a write whose old image cannot be read drops by its text' },
  },
  {
    guard: 'an unreadable write reaches further than the tables it names',
    file: 'ts/kysely/node-tables.ts',
    find: 'return complete && simple && found.length > 0 ? found : undefined',
    replace: 'return complete && found.length > 0 ? found : undefined',
    test: { spec: 'guards-writes', title: 'sqlite: an unreadable write of a table with children drops everything' },
  },
]
