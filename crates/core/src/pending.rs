//! Writes that may be committed and are not invalidated yet.
//!
//! A write that returns may stand on others that were committed before it and have not returned. A read that starts then
//! must not be older than any of them. So a write is announced before it can become visible, and whoever invalidates drops
//! what all announced writes may have changed as well: one that was committed earlier was announced earlier, so it is either
//! still announced, or invalidated already. Nobody waits for anybody.
//!
//! A thread that ends in the middle of a write leaves it announced: its connection is gone, but the server may still be
//! executing the statement and commit it at any time.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::affected;
use crate::change::Change;
use crate::shape::Shape;

/// A write on its way.
#[derive(Clone, Debug)]
pub enum Announced {
    /// A statement with its parameters; what it changes is only worked out if somebody has to know.
    Statement(Arc<Shape>, Arc<[u8]>),
    /// What a transaction will have changed when it commits.
    Changes(Arc<[Change]>),
}

impl Announced {
    /// What it may change, by its text alone.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        match self {
            Self::Statement(shape, input) => affected::change(shape, input, None),
            Self::Changes(changes) => changes.to_vec(),
        }
    }
}

/// The announced writes of one database.
#[derive(Debug, Default)]
pub struct Pending {
    writes: Mutex<Writes>,
}

#[derive(Debug, Default)]
struct Writes {
    last: u64,
    list: BTreeMap<u64, Announced>,
    /// What writes may change whose thread has ended. Nobody will ever take it back.
    abandoned: Vec<Change>,
}

/// More than these are only known by their tables.
const ABANDONED_MAX: usize = 64;

impl Pending {
    fn writes(&self) -> MutexGuard<'_, Writes> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Announces a write that may become visible from now on. Gives the number to take it back by.
    pub fn announce(&self, write: Announced) -> u64 {
        let mut writes = self.writes();
        writes.last += 1;
        let number = writes.last;
        writes.list.insert(number, write);
        number
    }

    /// Takes back a write: it is invalidated, or has not happened.
    pub fn retract(&self, number: u64) {
        self.writes().list.remove(&number);
    }

    /// Leaves a write announced for good, because the thread that would have settled it has ended. Gives what it may change.
    pub fn abandon(&self, number: u64) -> Vec<Change> {
        let mut writes = self.writes();
        let Some(write) = writes.list.remove(&number) else {
            return Vec::new();
        };
        let changes = write.changes();
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
        changes
    }

    /// All but one, and what was abandoned, as it is to be described in an epoch of the facts.
    #[must_use]
    pub fn others(&self, own: Option<u64>, epoch: u64) -> Vec<Announced> {
        let writes = self.writes();
        let others = writes
            .list
            .iter()
            .filter(|(number, _)| own != Some(**number));
        let mut all: Vec<_> = others.map(|(_, write)| write.clone()).collect();
        if !writes.abandoned.is_empty() {
            let abandoned = writes.abandoned.iter().map(|change| {
                if change.epoch() == epoch {
                    change.clone()
                } else {
                    widened(change.clone(), epoch)
                }
            });
            all.push(Announced::Changes(abandoned.collect()));
        }
        all
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
