import type { Mutant } from './mutant.ts'

/** Several at once: writes on their way, instances over one connection, one handle, one file. */
export const SHARING: readonly Mutant[] = [
  {
    guard: 'what an instance writes goes with a transaction that another has open',
    file: 'ts/peers.ts',
    find: 'if (same && shared && other !== peer && state.inTransaction) state.hold(changes)',
    replace: '',
    test: { spec: 'peers', title: 'sqlite: what another instance wrote goes with the transaction that is rolled back' },
  },
  {
    guard: 'what another instance read of a transaction goes with its rollback',
    file: 'ts/peers.ts',
    find: 'peer.invalidate(undone)',
    replace: '',
    test: {
      spec: 'peers',
      title: 'sqlite: what another instance read of a transaction is dropped when it is rolled back',
    },
  },
  {
    guard: 'what another instance read goes with a rollback to a savepoint',
    file: 'ts/kysely/connection.ts',
    find: `dropForPeers(database, state.rollbackTo(control.name ?? ''), state)`,
    replace: `state.rollbackTo(control.name ?? '')`,
    test: { spec: 'peers', title: 'sqlite: the same for a rollback to a savepoint' },
  },
  {
    guard: 'a schema that another instance learnt of goes with the rollback',
    file: 'ts/peers.ts',
    find: `if (schemaChanged) peer.schemaChanged('a schema change was rolled back')`,
    replace: '',
    test: { spec: 'peers', title: 'sqlite: a schema that another instance learnt of, and that was never committed' },
  },
  {
    guard: 'a pooled connection belongs to one at a time',
    file: 'ts/peers.ts',
    find: 'const shared = other.sharesConnections || state.leftOpen',
    replace: 'const shared = other.sharesConnections || !state.leftOpen || state.leftOpen',
    test: { spec: 'peers', title: 'pg: a transaction does not get dirty by what other instances write meanwhile' },
  },
  {
    guard: 'but for a transaction that was left open',
    file: 'ts/peers.ts',
    find: 'const shared = other.sharesConnections || state.leftOpen',
    replace: 'const shared = other.sharesConnections',
    test: { spec: 'peers', title: 'pg: what another instance wrote goes with the transaction that is rolled back' },
  },
  {
    guard: 'whoever settles puts in doubt what others have announced',
    file: 'crates/core/src/invalidate.rs',
    find: 'pending.doubt(number, touched(other.database(), &other.changes()));',
    replace: 'let _ = (number, touched(other.database(), &other.changes()));',
    test: { cargo: 'pending', title: 'whoever_settles_puts_in_doubt_what_others_have_announced' },
  },
  {
    guard: 'what is in doubt is not given',
    file: 'crates/core/src/bind.rs',
    find: 'slots.iter().any(|slot| stamps.is_in_doubt(*slot))',
    replace: 'slots.iter().all(|slot| stamps.is_in_doubt(*slot))',
    test: { cargo: 'pending', title: 'whoever_settles_puts_in_doubt_what_others_have_announced' },
  },
  {
    guard: 'what is in doubt is not looked for',
    file: 'ts/read.ts',
    find: 'return bound.inDoubt ? undefined : ',
    replace: 'return ',
    test: { spec: 'in-flight', title: 'what a write on its way may have changed is not given before that is known' },
  },
  {
    guard: 'nobody joins a read of what is in doubt',
    file: 'ts/read.ts',
    find: ' && !decision.bound.inDoubt',
    replace: '',
    test: { spec: 'in-flight', title: 'nobody joins a read of what is in doubt' },
  },
  {
    guard: 'a doubt ends with its write',
    file: 'crates/core/src/pending.rs',
    find: 'self.stamps.lower_doubt(*slot);',
    replace: 'let _ = slot;',
    test: { cargo: 'pending', title: 'whoever_settles_puts_in_doubt_what_others_have_announced' },
  },
  {
    guard: 'doubts are counted',
    file: 'crates/core/src/stamps.rs',
    find: 'self.doubts[slot.0 as usize].fetch_add(1, Ordering::SeqCst);',
    replace: 'self.doubts[slot.0 as usize].store(1, Ordering::SeqCst);',
    test: { cargo: 'pending', title: 'two_writes_in_doubt_are_two' },
  },
  {
    guard: 'schemes that are registered meanwhile are in doubt from the next return on',
    file: 'crates/core/src/pending.rs',
    find: 'if doubts.slots.insert(slot) {',
    replace: 'if doubts.slots.is_empty() && doubts.slots.insert(slot) {',
    test: { cargo: 'pending', title: 'a_scheme_that_is_registered_later_is_in_doubt_from_the_next_return_on' },
  },
  {
    guard: 'a write that changed nothing puts in doubt what others have announced',
    file: 'crates/core/src/invalidate.rs',
    find: `let report = invalidate(database, changes);
    let pending`,
    replace: `let report = invalidate(database, changes);
    if changes.is_empty() {
        return report;
    }
    let pending`,
    test: { cargo: 'pending', title: 'a_write_of_nothing_does_so_as_well' },
  },
  {
    guard: 'what is taken back is announced no more',
    file: 'crates/core/src/pending.rs',
    find: 'self.writes().list.remove(&number);',
    replace: 'let _ = number;',
    test: { cargo: 'pending', title: 'what_was_taken_back_or_settled_is_dropped_by_nobody' },
  },
  {
    guard: 'what is settled is announced no more',
    file: 'crates/core/src/invalidate.rs',
    find: 'pending.retract(number);',
    replace: 'let _ = number;',
    test: { cargo: 'pending', title: 'what_was_taken_back_or_settled_is_dropped_by_nobody' },
  },
  {
    guard: 'a statement is announced before it is executed',
    file: 'ts/write.ts',
    find: 'const announced = state.mayAutocommit ? native.announce(shape.id, length) : undefined',
    replace: 'const announced = undefined',
    test: {
      spec: 'interleavings',
      title: 'sqlite, one instance, update and another writer: no read is stale in any order',
    },
    throws: /StaleRead|expected|stale|older/i,
  },
  {
    guard: 'a commit is announced before it is executed',
    file: 'ts/kysely/connection.ts',
    find: `const announced = database.announce(state.held)
    let result: QueryResult<unknown>`,
    replace: `const announced = undefined
    let result: QueryResult<unknown>`,
    test: {
      spec: 'interleavings',
      title: 'sqlite, one instance, transaction and another writer: no read is stale in any order',
    },
    throws: /StaleRead|expected|stale|older/i,
  },
  {
    guard: 'one tick for a write and its images',
    file: 'ts/kysely/driver.ts',
    find: 'if (executeQuery === known.executeQuery) return true',
    replace: 'if (Object.is(executeQuery, known)) return true',
    test: { spec: 'shared-handle', title: 'nobody who shares the handle meets a transaction of ours' },
  },
  {
    guard: 'a driver that takes its time is waited for',
    file: 'ts/kysely/driver.ts',
    find: 'if (executeQuery === known.executeQuery) return true',
    replace: 'if (Object.is(known, known) && executeQuery.length >= 0) return true',
    test: { spec: 'guards-writes', title: 'sqlite: nobody writes between an image and its write' },
  },
  {
    guard: 'counts are asked for in the tick of their write',
    file: 'ts/kysely/row-images.ts',
    find: 'if (asksCounts && atOnce) counts = askCounts(real)',
    replace: '',
    test: {
      spec: 'guards-sharing',
      title: 'inserts of several rows by two instances at the same time have their own counts',
    },
  },
  {
    guard: 'the row of an insert is its own',
    file: 'ts/kysely/sqlite-images.ts',
    find: 'if (result.insertId !== undefined && rows.some((row) => row[ROW] !== String(result.insertId))) return undefined',
    replace: '',
    test: { spec: 'guards-sharing', title: 'an insert of somebody else between an insert and its image is noticed' },
  },
  {
    guard: 'a lock that fails is nothing to the caller',
    file: 'ts/kysely/sqlite-images.ts',
    find: '() => (this.#locks ? this.#run(lock!) : undefined)',
    replace: '() => (this.#locks ? runUnlogged(this.#real, lock!).then((rows) => ({ rows })) : undefined)',
    test: {
      spec: 'trigger',
      title: 'sqlite: a write in a transaction does not suffer from a broken trigger of another kind of write',
    },
    throws: /no such table/,
  },
  {
    guard: 'nothing is answered from the cache after destroy()',
    file: 'ts/kysely/plugin.ts',
    find: 'execution !== undefined && !database.destroyed && this.#wantsRead(execution)',
    replace: 'execution !== undefined && this.#wantsRead(execution)',
    test: { spec: 'seam', title: `sqlite: destroy() is Kysely's, and other instances go on` },
  },
  {
    guard: 'nobody overtakes a statement that waits for the facts',
    file: 'ts/kysely/plugin.ts',
    find: 'return waited || loading === undefined ? go() : loading.then(go, go)',
    replace: 'return waited || loading !== undefined || loading === undefined ? go() : loading',
    test: { spec: 'ddl', title: 'sqlite: nobody overtakes a statement that waits for the facts' },
    throws: /no such table|is locked/,
  },
  {
    guard: 'executors made of one that withoutPlugins() gave are seen',
    file: 'ts/kysely/seam.ts',
    find: `const owner = method === 'withoutPlugins' ? ownerOf(this) : seam.stripped.get(this)`,
    replace: `const owner = method === 'withoutPlugins' ? ownerOf(this) : undefined`,
    test: {
      spec: 'guards-sharing',
      title: 'the first write of an instance that was stripped and dressed anew is seen',
    },
  },
  {
    guard: 'facts of another connection answer no read',
    file: 'ts/read.ts',
    find: `if (database.hasForeignFacts) return { shape, op, reason: 'other_connection' }`,
    replace: '',
    test: { spec: 'guards-sharing', title: 'a function is what it is on its own connection' },
  },
  {
    guard: 'facts of another connection tell nothing of a write',
    file: 'ts/database.ts',
    find: 'const all = this.#foreignFacts ? FOREIGN : changes.find',
    replace: 'const all = changes.find',
    test: {
      spec: 'attached',
      title:
        'a temporary trigger of one connection, when the connection with it comes first: what it writes is dropped',
    },
  },
  {
    guard: 'facts that another connection has set meanwhile are looked at',
    file: 'ts/database.ts',
    find: 'this.#foreignFacts ||= native.hasFacts(handle) && !isSignedBy(handle, facts.connection)',
    replace: '',
    test: {
      spec: 'guards-sharing',
      title: 'facts that another connection set while a transaction is open tell nothing of its writes',
    },
  },
  {
    guard: 'facts are signed with what only one connection has',
    file: 'ts/own-facts.ts',
    find: 'if (signature === null) return true',
    replace: 'if (signature !== undefined) return true',
    test: {
      spec: 'guards-sharing',
      title: 'facts that another connection set while a transaction is open tell nothing of its writes',
    },
  },
  {
    guard: 'a schema change may be one of the connection’s own',
    file: 'ts/database.ts',
    find: 'this.#foreignFacts ||= this.#known.facts.connection !== null',
    replace: '',
    test: {
      spec: 'attached',
      title: 'a temporary trigger is made while another connection has the facts read: what it writes is dropped',
    },
  },
  {
    guard: 'a write of anything reaches attached files',
    file: 'ts/database.ts',
    find: `return facts.facts.attached || (dialect === 'sqlite' && !this.#agrees)`,
    replace: `return dialect === 'sqlite' && !this.isReady`,
    test: {
      spec: 'attached',
      title: 'an attached file is written as other.crate: the instance whose own it is reads anew',
    },
  },
  {
    guard: 'a file may have been attached just now',
    file: 'ts/database.ts',
    find: `return facts.facts.attached || (dialect === 'sqlite' && !this.#agrees)`,
    replace: 'return facts.facts.attached && dialect.length > 0',
    test: { spec: 'attached', title: 'an attached file is written on the connection that has just attached it' },
  },
  {
    guard: 'a schema change drops the facts of attached files',
    file: 'ts/database.ts',
    find: 'for (const each of [handle, ...attached]) native.dropFacts(each)',
    replace: 'native.dropFacts(handle)',
    test: {
      spec: 'guards-sharing',
      title: 'a trigger that is made in an attached file is known to the instance whose own it is',
    },
  },
]
