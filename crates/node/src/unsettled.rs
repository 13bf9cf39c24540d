//! What this thread has announced and not settled yet. A worker thread may be ended at any time, and then nobody else would.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use cacheops_core::database::Database;
use cacheops_core::invalidate;
use cacheops_core::pending::Announced;
use napi::Env;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static OPEN: RefCell<Vec<(Arc<Database>, u64)>> = const { RefCell::new(Vec::new()) };
}

/// Makes sure that the end of this thread is noticed.
pub fn watch(env: &Env) -> napi::Result<()> {
    if !WATCHED.replace(true) {
        env.add_env_cleanup_hook((), |()| abandon())?;
    }
    Ok(())
}

fn abandon() {
    for (database, announced) in OPEN.take() {
        invalidate::abandon(&database, announced);
    }
}

/// Announces a write of this thread; gives its number.
pub fn announce(database: &Arc<Database>, write: Announced) -> u64 {
    let number = database.pending().announce(write);
    OPEN.with_borrow_mut(|open| open.push((Arc::clone(database), number)));
    number
}

/// Somebody has settled it.
pub fn settled(database: &Arc<Database>, announced: u64) {
    OPEN.with_borrow_mut(|open| {
        open.retain(|(other, number)| *number != announced || !Arc::ptr_eq(other, database));
    });
}
