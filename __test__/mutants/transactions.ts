import type { Mutant } from './mutant.ts'

/** Transactions, sessions and the seam: when a read must not use the cache, and when what was written is dropped. */
export const TRANSACTIONS: readonly Mutant[] = [
  {
    guard: 'held invalidation: not before the commit',
    file: 'ts/write.ts',
    find: 'if (state.inTransaction) state.hold(changes)\n',
    replace: `if (state.inTransaction) state.stopUsing('dirty_transaction')\n  database.invalidate(changes)\n`,
    test: {
      spec: 'transaction',
      title: 'sqlite: what a transaction wrote is dropped when it has committed, and not before',
    },
  },
  {
    guard: 'held invalidation: not forgotten at the commit',
    file: 'ts/kysely/connection.ts',
    find: `this.#flushHeld(chain ? 'open' : 'none', announced)`,
    replace: `state.end(chain ? 'open' : 'none')`,
    test: { spec: 'transaction', title: 'sqlite: raw begin and commit' },
  },
  {
    guard: 'invalidation after the commit, not in front of it',
    file: 'ts/kysely/connection.ts',
    find: `let result: QueryResult<unknown>
    try {
      result = await run()
    } catch (error) {
      // Committed`,
    replace: `let result: QueryResult<unknown>
    this.#flushHeld(chain ? 'open' : 'none', announced)
    try {
      result = await run()
    } catch (error) {
      // Committed`,
    test: { spec: 'transaction', title: 'sqlite: the drop happens between the commit and its return' },
  },
  {
    guard: 'invalidation before the caller hears of the write',
    file: 'ts/write.ts',
    find: 'await settle(connection, changes(images), announced)',
    replace: 'setTimeout(() => void settle(connection, changes(images), announced), 5)',
    test: { spec: 'write', title: 'sqlite: an update drops what the old and the new row meet' },
  },
  {
    guard: 'dirty transaction bypass',
    file: 'ts/transaction.ts',
    find: `this.stopUsing('dirty_transaction')`,
    replace: '',
    test: { spec: 'transaction', title: 'postgres: raw begin and commit' },
  },
  {
    guard: 'failed transaction bypass',
    file: 'ts/transaction.ts',
    find: `if (this.#failed) return 'failed_transaction'`,
    replace: '',
    test: {
      spec: 'transaction',
      title: `postgres: a failed clean transaction answers with the database's error, not with a hit`,
    },
  },
  {
    guard: 'snapshot bypass',
    file: 'ts/transaction.ts',
    find: `if (snapshot) this.#bypass = 'snapshot'`,
    replace: '',
    test: { spec: 'transaction', title: 'sqlite: a read in a snapshot is neither answered from the cache nor kept' },
  },
  {
    guard: 'snapshot bypass where every transaction is one',
    file: 'ts/kysely/introspect-sqlite.ts',
    find: 'freshStatements: false',
    replace: 'freshStatements: true',
    test: {
      spec: 'transaction',
      title: 'sqlite: a clean transaction hits and fills only where each statement sees a fresh snapshot',
    },
  },
  {
    guard: 'snapshot bypass after SET TRANSACTION',
    file: 'ts/kysely/connection.ts',
    find: `if (snapshot) this.state.stopUsing('snapshot')`,
    replace: 'if (snapshot) return',
    test: { spec: 'guards-transactions', title: 'postgres: a snapshot that is asked for after BEGIN counts' },
  },
  {
    guard: 'snapshot bypass by the default isolation level',
    file: 'ts/kysely/introspect-postgres.ts',
    find: 'freshStatements: /^read (un)?committed$/.test(',
    replace: 'freshStatements: /./.test(',
    test: { spec: 'guards-transactions', title: 'postgres: a default isolation level that is a snapshot counts' },
  },
  {
    guard: 'locking bypass after a locking read',
    file: 'ts/kysely/connection.ts',
    find: `if (read.locks) this.state.stopUsing('lock')`,
    replace: '',
    test: {
      spec: 'transaction',
      title: 'postgres: locking reads are never cached, and stop caching in their transaction',
    },
  },
  {
    guard: 'locking bypass after LOCK TABLE',
    file: 'ts/kysely/connection.ts',
    find: `case 'lock':\n          state.stopUsing('lock')`,
    replace: `case 'lock':`,
    test: {
      spec: 'transaction',
      title: 'postgres: locking reads are never cached, and stop caching in their transaction',
    },
  },
  {
    guard: 'session bypass in a transaction',
    file: 'ts/kysely/connection.ts',
    find: `state.stopUsing('session')`,
    replace: '',
    test: { spec: 'transaction', title: 'postgres: session state inside a transaction stops caching until it ends' },
  },
  {
    guard: 'writes under changed settings are writes of anything',
    file: 'ts/write.ts',
    find: 'if (state.settingsChanged || database.settingsChanged) return',
    replace: 'if (state.settingsChanged && !state.settingsChanged) return',
    test: { spec: 'session', title: 'a write under another search_path drops what it changed there' },
  },
  {
    guard: 'bypass in transactions that a driver begins by itself',
    file: 'ts/transaction.ts',
    find: `if (this.mode === 'opaque') return 'driver_transaction'`,
    replace: '',
    test: {
      spec: 'guards-transactions',
      title: 'postgres: a transaction of the driver itself is neither answered from the cache nor kept',
    },
  },
  {
    guard: 'transactions that a driver begins by itself are noticed',
    file: 'ts/kysely/connection.ts',
    find: `if (state.mode === 'none') state.mode = 'opaque'`,
    replace: '',
    test: {
      spec: 'transaction',
      title: 'postgres: what a transaction wrote is dropped when it has committed, and not before',
    },
  },
  {
    guard: 'commits that a driver makes by itself are noticed',
    file: 'ts/kysely/connection.ts',
    find: `this.#flushHeld(fate === undefined ? 'uncertain' : 'none', announced)`,
    replace: `state.end(fate === undefined ? 'uncertain' : 'none')`,
    test: { spec: 'transaction', title: 'postgres: the drop happens between the commit and its return' },
  },
  {
    guard: 'the number of a driver’s own transaction is asked for',
    file: 'ts/write.ts',
    find: `state.transactionId = row['id']`,
    replace: '',
    test: { spec: 'transaction', title: 'postgres: a rollback drops nothing' },
  },
  {
    guard: 'uncertain connections bypass',
    file: 'ts/transaction.ts',
    find: `if (this.uncertain) return 'uncertain_connection'`,
    replace: '',
    test: {
      spec: 'guards-transactions',
      title: 'sqlite: a failed rollback leaves a connection of which nothing is known',
    },
  },
  {
    guard: 'what follows an error in SQLite may commit by itself',
    file: 'ts/kysely/connection.ts',
    find: 'if (state.inTransaction) state.uncertain = true\n    } else',
    replace: '} else',
    test: {
      spec: 'guards-transactions',
      title: 'sqlite: what follows a statement that rolled its transaction back commits by itself',
    },
  },
  {
    guard: 'an uncertain commit drops',
    file: 'ts/kysely/connection.ts',
    find: 'dropChanges(this, held, error, announced, (given) => flush(database, held, schemaChanged, given))',
    replace: 'void [error, announced, held, schemaChanged, flush, dropChanges, database]',
    test: { spec: 'guards-transactions', title: 'sqlite: a commit whose answer was lost drops at once' },
  },
  {
    guard: 'a commit whose answer is lost is in doubt',
    file: 'ts/kysely/connection.ts',
    find: 'dropChanges(this, held, error, announced',
    replace: 'dropChanges(this, held, void error, announced',
    test: { spec: 'in-doubt', title: 'pg: a COMMIT that waits for a lock when its connection is lost' },
  },
  {
    guard: 'a write whose answer is lost is in doubt',
    file: 'ts/in-doubt.ts',
    find: 'certain ? undefined : database.doubt(changes)',
    replace: 'certain ? undefined : void database',
    test: { spec: 'in-doubt', title: 'pg: a write that waits for a lock when its connection is lost' },
  },
  {
    guard: 'what was kept in doubt is dropped once more',
    file: 'ts/in-doubt.ts',
    find: 'finally(() => drop(doubt))',
    replace: 'finally(() => database.retract(doubt))',
    test: { spec: 'in-doubt', title: 'pg: a write that waits for a lock when its connection is lost' },
  },
  {
    guard: 'whole tables are in doubt',
    file: 'ts/database.ts',
    find: 'this.announce(changes.map(ofWholeTables))',
    replace: 'this.announce(ofWholeTables === undefined ? [] : changes)',
    test: { spec: 'in-doubt', title: 'pg: a write that waits for a lock when its connection is lost' },
  },
  {
    guard: 'what is in doubt stays so for minutes',
    file: 'ts/in-doubt.ts',
    find: 'const LIMIT_MS = 300_000',
    replace: 'const LIMIT_MS = 100',
    test: { spec: 'in-doubt', title: 'pg: what never reaches the server is in doubt for minutes, and no longer' },
  },
  {
    guard: 'statements with values are not sent behind the question for the session',
    file: 'ts/kysely/driver.ts',
    find: 'queues(connection) && parameters.length === 0',
    replace: 'queues(connection) && parameters.length >= 0',
    test: { spec: 'in-doubt', title: 'postgres.js: a write that could not be sent is not in doubt for long' },
  },
  {
    guard: 'a rollback drops nothing',
    file: 'ts/kysely/connection.ts',
    find: 'dropForPeers(database, undone, { schemaChanged, leftOpen })',
    replace: 'flush(database, undone, schemaChanged || (leftOpen && schemaChanged))',
    test: { spec: 'transaction', title: 'sqlite: a rollback drops nothing' },
  },
  {
    guard: 'COMMIT AND CHAIN begins the next transaction',
    file: 'ts/kysely/connection.ts',
    find: `this.#flushHeld(chain ? 'open' : 'none', announced)`,
    replace: `this.#flushHeld('none', announced)`,
    test: {
      spec: 'guards-transactions',
      title: 'postgres: COMMIT AND CHAIN begins a transaction, whose writes wait for its commit',
    },
  },
  {
    guard: 'ROLLBACK TO cuts back what is held',
    file: 'ts/transaction.ts',
    find: 'return this.#held.splice(this.#savepoints[index]!.held)',
    replace: 'return []',
    test: { spec: 'transaction', title: 'sqlite: savepoints' },
  },
  {
    guard: 'ROLLBACK TO goes to the last savepoint of a name',
    file: 'ts/transaction.ts',
    find: `this.#failed = false
    const index = this.#savepoints.findLastIndex(`,
    replace: `this.#failed = false
    const index = this.#savepoints.findIndex(`,
    test: { spec: 'guards-transactions', title: 'sqlite: a rollback goes to the last savepoint of a name' },
  },
  {
    guard: 'ROLLBACK TO leaves its savepoint',
    file: 'ts/transaction.ts',
    find: 'return this.#held.splice(this.#savepoints[index]!.held)',
    replace: `const { held } = this.#savepoints[index]!
    this.#savepoints.length = index
    return this.#held.splice(held)`,
    test: { spec: 'guards-transactions', title: 'sqlite: a savepoint can be rolled back to twice' },
  },
  {
    guard: 'ROLLBACK TO an unknown savepoint keeps what is held',
    file: 'ts/transaction.ts',
    find: 'if (index === -1) return []',
    replace: 'if (index === -1) return this.#held.splice(0)',
    test: { spec: 'guards-transactions', title: 'a rollback to a savepoint that nobody has seen forgets nothing' },
  },
  {
    guard: 'RELEASE keeps what is held',
    file: 'ts/transaction.ts',
    find: 'if (index !== -1) this.#savepoints.length = index',
    replace: `if (index !== -1) {
      this.#held.length = this.#savepoints[index]!.held
      this.#savepoints.length = index
    }`,
    test: { spec: 'transaction', title: 'sqlite: savepoints' },
  },
  {
    guard: 'SQLite: releasing the savepoint that began the transaction commits',
    file: 'ts/kysely/connection.ts',
    find: `if (state.releasedAll) this.#flushHeld('none', announced)\n        else `,
    replace: '',
    test: {
      spec: 'guards-transactions',
      title: 'sqlite: a savepoint outside of a transaction begins one, and its release commits',
    },
  },
  {
    guard: 'SQLite: a savepoint begins a transaction',
    file: 'ts/kysely/connection.ts',
    find: 'if (sqlite && !state.inTransaction) state.begin(true, true)',
    replace: '',
    test: {
      spec: 'guards-transactions',
      title: 'sqlite: a savepoint outside of a transaction begins one, and its release commits',
    },
  },
  {
    guard: 'a raw transaction that is left open is counted',
    file: 'ts/kysely/connection.ts',
    find: 'database.openTransactions += open ? 1 : -1',
    replace: '',
    test: { spec: 'guards-reads', title: 'sqlite: while a transaction is left open, reads at the root are its reads' },
  },
  {
    guard: 'an uncertain connection drops at once, too',
    file: 'ts/transaction.ts',
    find: `return this.mode !== 'open' || this.uncertain`,
    replace: `return this.mode === 'none'`,
    test: {
      spec: 'guards-transactions',
      title: 'sqlite: what follows a statement that rolled its transaction back commits by itself',
    },
  },
  {
    guard: 'facts are read outside of transactions',
    file: 'ts/database.ts',
    find: 'if (this.stateOf(connection).inTransaction) return',
    replace: '',
    test: { spec: 'guards-transactions', title: 'sqlite: facts are not read inside a transaction that is left open' },
  },
  {
    guard: 'withoutPlugins() writes are seen',
    file: 'ts/kysely/seam.ts',
    find: `const owner = method === 'withoutPlugins' ? ownerOf(this) : seam.stripped.get(this)`,
    replace: 'const owner = seam.stripped.get(this)',
    test: { spec: 'seam', title: 'sqlite: withoutPlugins() as the first use of an instance' },
  },
  {
    guard: 'withoutPlugins() reads are their own',
    file: 'ts/kysely/plugin.ts',
    find: 'if (this.#closed || !plugins.includes(this))',
    replace: 'if (this.#closed)',
    test: { spec: 'seam', title: 'sqlite: withoutPlugins() writes are seen, its reads are its own' },
  },
  {
    guard: 'close() ends caching',
    file: 'ts/kysely/plugin.ts',
    find: 'if (this.#closed || !plugins.includes(this))',
    replace: 'if (!plugins.includes(this))',
    test: { spec: 'options', title: 'sqlite: close() ends caching, the instance goes on' },
  },
  {
    guard: 'one-shot tag: a statement is taken back when its executor returns',
    file: 'ts/kysely/seam.ts',
    find: 'return call()\n  } finally {\n    seam.pending = before',
    replace: 'return call()\n  } finally {\n    if (before !== undefined) seam.pending = before',
    test: { spec: 'guards-transactions', title: 'sqlite: a statement in a transaction is nobody else’s' },
  },
  {
    guard: 'connections of a root that an instance with the plugin has used are watched',
    file: 'ts/kysely/seam.ts',
    find: 'const owner = acquisition ?? seam.owners.get(this)',
    replace: 'const owner = acquisition',
    test: {
      spec: 'guards-sharing',
      title: 'writes of an executor without the plugin are seen on connections that one with it has used',
    },
  },
  {
    guard: '.cache() reaches the seam past plugins that rebuild the query',
    file: 'ts/kysely/plugin.ts',
    find: 'if (explicit !== explicitOf(compiled, [])) this.#explicit.set(compiled, explicit)',
    replace: '',
    test: { spec: 'guards-reads', title: 'sqlite: .cache() counts behind a plugin that rebuilds the query' },
  },
]
