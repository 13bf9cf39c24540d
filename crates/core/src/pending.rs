//! Writes that may be committed and are not invalidated yet.
//!
//! A write that returns may stand on others that were committed before it and have not returned. A read that starts then
//! must not be older than any of them. So a write is announced before it can become visible, and whoever invalidates puts
//! what all announced writes may have changed in doubt: one that was committed earlier was announced earlier, so it is either
//! still announced, or invalidated already. What is in doubt is not given before the write in question is
//! settled, which then drops only what it did change. Nobody waits for anybody.
//!
//! A thread that ends in the middle of a write leaves it announced: its connection is gone, but the server may still be
//! executing the statement and commit it at any time.

use std::collections::{BTreeMap, HashSet};
use std::mem::take;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::affected;
use crate::change::Change;
use crate::database::Database;
use crate::shape::Shape;
use crate::stamps::{Slot, Stamps};

/// A write on its way.
#[derive(Clone, Debug)]
pub enum Announced {
    /// A statement with its parameters; what it changes is only worked out if somebody has to know.
    Statement(Arc<Shape>, Arc<[u8]>),
    /// What a transaction will have changed when it commits, by the facts of this view.
    Changes(Arc<Database>, Arc<[Change]>),
}

impl Announced {
    /// What it may change, by its text alone.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        match self {
            Self::Statement(shape, input) => affected::change(shape, input, None),
            Self::Changes(_, changes) => changes.to_vec(),
        }
    }

    /// The view by whose facts that is to be understood.
    #[must_use]
    pub fn database(&self) -> &Database {
        match self {
            Self::Statement(shape, _) => &shape.database,
            Self::Changes(database, _) => database,
        }
    }
}

/// What one write has put in doubt, for as long as it lives.
#[derive(Debug)]
struct Doubts {
    stamps: &'static Stamps,
    slots: HashSet<Slot>,
}

impl Drop for Doubts {
    fn drop(&mut self) {
        for slot in &self.slots {
            self.stamps.lower_doubt(*slot);
        }
    }
}

#[derive(Debug)]
struct OnItsWay {
    write: Announced,
    doubts: Doubts,
}

/// The announced writes of one database.
#[derive(Debug)]
pub struct Pending {
    stamps: &'static Stamps,
    writes: Mutex<Writes>,
}

#[derive(Debug, Default)]
struct Writes {
    list: BTreeMap<u64, OnItsWay>,
    /// What writes may change whose thread has ended. Nobody will ever take it back.
    abandoned: Vec<Change>,
}

/// More than these are only known by their tables.
const ABANDONED_MAX: usize = 64;
/// Numbers are those of one announcement in the process: whoever takes back one of a database that he has left takes back
/// nothing else.
static LAST: AtomicU64 = AtomicU64::new(0);

impl Pending {
    pub(crate) fn new(stamps: &'static Stamps) -> Self {
        Self {
            stamps,
            writes: Mutex::default(),
        }
    }

    fn writes(&self) -> MutexGuard<'_, Writes> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Announces a write that may become visible from now on. Gives the number to take it back by.
    pub fn announce(&self, write: Announced) -> u64 {
        let number = LAST.fetch_add(1, Ordering::SeqCst) + 1;
        let doubts = Doubts {
            stamps: self.stamps,
            slots: HashSet::new(),
        };
        self.writes()
            .list
            .insert(number, OnItsWay { write, doubts });
        number
    }

    /// Puts in doubt what a write may have changed, unless it is settled already.
    pub(crate) fn doubt(&self, number: u64, slots: impl IntoIterator<Item = Slot>) {
        if let Some(OnItsWay { doubts, .. }) = self.writes().list.get_mut(&number) {
            for slot in slots {
                if doubts.slots.insert(slot) {
                    self.stamps.raise_doubt(slot);
                }
            }
        }
    }

    /// Takes back a write: it is invalidated, or has not happened.
    pub fn retract(&self, number: u64) {
        self.writes().list.remove(&number);
    }

    /// Leaves a write announced for good, because the thread that would have settled it has ended: hands what it may change
    /// to whoever drops it, before it is in doubt no more.
    pub(crate) fn abandon(&self, number: u64, drop: impl FnOnce(&[Change])) {
        let mut writes = self.writes();
        let Some(entry) = writes.list.remove(&number) else {
            return;
        };
        let changes = entry.write.changes();
        for change in &changes {
            if !writes.abandoned.contains(change) {
                writes.abandoned.push(change.clone());
            }
        }
        if writes.abandoned.len() > ABANDONED_MAX {
            for change in take(&mut writes.abandoned) {
                let epoch = change.epoch();
                let whole = widened(change, epoch);
                if !writes.abandoned.contains(&whole) {
                    writes.abandoned.push(whole);
                }
            }
        }
        std::mem::drop(writes);
        drop(&changes);
    }

    /// All but one, with their numbers.
    #[must_use]
    pub fn others(&self, own: Option<u64>) -> Vec<(u64, Announced)> {
        let writes = self.writes();
        let others = writes
            .list
            .iter()
            .filter(|(number, _)| own != Some(**number));
        others
            .map(|(number, entry)| (*number, entry.write.clone()))
            .collect()
    }

    /// What was abandoned, as it is to be described in an epoch of the facts.
    #[must_use]
    pub fn abandoned(&self, epoch: u64) -> Vec<Change> {
        let writes = self.writes();
        let described = writes.abandoned.iter().map(|change| {
            if change.epoch() == epoch {
                change.clone()
            } else {
                widened(change.clone(), epoch)
            }
        });
        described.collect()
    }
}

/// A change without what only the facts of its own epoch can describe.
fn widened(change: Change, epoch: u64) -> Change {
    match change {
        Change::Everything { reason, .. } => Change::Everything {
            reason,
            warning: false,
            epoch,
        },
        Change::Table { table, .. } | Change::Rows { table, .. } => Change::Table {
            table,
            reason: "a write whose thread has ended".to_owned(),
            epoch,
        },
    }
}
