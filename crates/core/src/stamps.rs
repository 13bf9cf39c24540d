//! The embedded stamps: counters that only grow, one fixed array per store name and process.
//!
//! A dependency (a database, a table, a scheme, a condition) hashes to one slot. A collision makes two dependencies share
//! a counter, which only drops too much. Nothing is ever evicted, so a counter cannot return to an earlier number.
//!
//! # The token is a sum
//!
//! Counters only grow. So if the sum of some counters is the same at two moments, each of them is the same: had any grown,
//! the sum would have grown, since none can shrink to make up for it. Sums stay exact in a double below 2^53.
//!
//! # Doubts
//!
//! Each slot also counts the writes on their way of which nobody knows yet whether they have changed what depends on it (see
//! [`crate::pending`]). While there is one, results are not given. It takes nothing away: once the writes are settled, what
//! they did not change is as good as before, what was kept meanwhile included, for what they did change they drop. A reader looks at a
//! slot's doubts before it loads the counter, and a writer lowers a doubt after it has dropped what it changed: a reader that
//! sees no doubt sees what was dropped.
//!
//! # Memory ordering
//!
//! *Increment* is a release and *load* an acquire: a reader that sees an increment also sees what happened before it, the
//! commit included, so what it then reads from the database is new. A reader that does not see it has an older token, and
//! whoever compares that token after the writer has returned sees the difference: dead on arrival.
//!
//! *Registration against writers* is a store-load race (reader: register, then load stamps; writer: commit, then read the
//! registry). Registry and its readers' flags are guarded by one lock per database, and a lock orders the two: if the
//! writer's look into the registry came first, its commit happened before the reader's registration and hence before the
//! reader asks the database, which then answers with new rows; if it came second, it sees the scheme and increments. A
//! reader that finds a scheme's *registered* flag set acquired it from the thread that registered under that lock, so the
//! same holds for it. The sequentially consistent fences around both sides keep this true without the lock's help.

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Mutex, PoisonError};

/// Counters per store: 8 MiB of address space, of which only touched pages take memory.
const SLOTS: usize = 1 << 20;

/// A slot number, always below the number of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(u32);

impl Slot {
    /// As bytes, for the key of what depends on it.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }
}

/// The stamps of one store.
#[derive(Debug)]
pub struct Stamps {
    counters: &'static [AtomicU64],
    doubts: &'static [AtomicU32],
    /// Differs by process and store, so that nobody outside can aim values at one slot.
    keys: [u64; 2],
}

/// Multiplies and folds: a few cycles per word. It need not be a good hash, only a cheap one that a stranger cannot steer:
/// names that share a hash are dropped together.
#[derive(Clone, Copy)]
struct Mixer {
    state: u64,
    key: u64,
}

impl Mixer {
    #[inline]
    fn word(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.key);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
        let folded = (product as u64) ^ ((product >> 64) as u64);
        self.state = folded.wrapping_add(0x9E37_79B9_7F4A_7C15);
    }

    /// Bytes with their length.
    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.word(u64::from_le_bytes(last));
    }

    #[inline]
    fn finish(mut self) -> u64 {
        self.word(self.key);
        self.state
    }
}

/// Levels of dependencies; part of every hashed name, so that no two levels share names.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub enum Level {
    /// Every database of the store.
    Store,
    /// One database.
    Database,
    /// One table.
    Table,
    /// One scheme of a table.
    Scheme,
    /// One condition of a scheme.
    Condition,
    /// One value inside a condition; not a dependency by itself.
    Class,
    /// Whatever is written to a database.
    Any,
}

impl Stamps {
    /// The stamps of the store of this name; the same for every thread of the process.
    pub fn open(name: &str) -> &'static Self {
        static STORES: Mutex<Option<HashMap<String, &'static Stamps>>> = Mutex::new(None);
        let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
        stores
            .get_or_insert_default()
            .entry(name.to_owned())
            .or_insert_with(|| {
                Box::leak(Box::new(Self {
                    counters: zeroed(),
                    doubts: zeroed(),
                    keys: keys(),
                }))
            })
    }

    #[inline]
    fn mixer(&self, level: Level) -> Mixer {
        Mixer {
            state: self.keys[0] ^ level as u64,
            key: self.keys[1],
        }
    }

    /// The hash of a dependency's name, given as its components; lengths are hashed too, so that `ab, c` is not `a, bc`.
    #[must_use]
    pub fn name(&self, level: Level, parts: &[&[u8]]) -> u64 {
        let mut mixer = self.mixer(level);
        for part in parts {
            mixer.bytes(part);
        }
        mixer.finish()
    }

    /// The hash of a condition's name: its scheme's name and its classes' names in the order of the scheme's columns.
    #[must_use]
    pub fn condition(&self, scheme: u64, classes: impl Iterator<Item = u64>) -> u64 {
        let mut mixer = self.mixer(Level::Condition);
        mixer.word(scheme);
        for class in classes {
            mixer.word(class);
        }
        mixer.finish()
    }

    /// The hash of a class; `None` is NULL.
    #[must_use]
    #[inline]
    pub fn class(&self, class: Option<&str>) -> u64 {
        let mut mixer = self.mixer(Level::Class);
        if let Some(class) = class {
            mixer.bytes(class.as_bytes());
        }
        mixer.finish()
    }

    /// The slot of a hashed name.
    #[must_use]
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the remainder is below 2^20"
    )]
    pub fn slot(&self, name: u64) -> Slot {
        Slot((name % SLOTS as u64) as u32)
    }

    /// A counter for a token.
    #[must_use]
    #[inline]
    pub fn load(&self, slot: Slot) -> u64 {
        self.counters[slot.0 as usize].load(Ordering::Acquire)
    }

    /// Whether a write on its way may have changed what depends on this.
    #[must_use]
    #[inline]
    pub fn is_in_doubt(&self, slot: Slot) -> bool {
        self.doubts[slot.0 as usize].load(Ordering::Acquire) != 0
    }

    /// One write more may have changed what depends on this.
    pub(crate) fn raise_doubt(&self, slot: Slot) {
        self.doubts[slot.0 as usize].fetch_add(1, Ordering::SeqCst);
    }

    /// One of them is settled: what it changed has been dropped.
    pub(crate) fn lower_doubt(&self, slot: Slot) {
        self.doubts[slot.0 as usize].fetch_sub(1, Ordering::Release);
    }

    /// Drops a stamp: every token that holds it is dead from now on.
    pub fn drop_stamp(&self, slot: Slot) {
        self.counters[slot.0 as usize].fetch_add(1, Ordering::Release);
    }
}

/// Stands between registering a scheme and loading stamps, and between a commit and reading the registry.
#[inline]
pub fn order_against_the_other_side() {
    fence(Ordering::SeqCst);
}

/// Random keys; the multiplier is odd.
fn keys() -> [u64; 2] {
    let random = RandomState::new();
    [random.hash_one(0), random.hash_one(1) | 1]
}

/// An atomic integer, of which all bits zero is zero.
trait Zeroed {}
impl Zeroed for AtomicU64 {}
impl Zeroed for AtomicU32 {}

/// One for each slot, all zero, from pages that the system zeroes when they are first touched.
fn zeroed<T: Zeroed>() -> &'static [T] {
    let layout = Layout::array::<T>(SLOTS).unwrap_or_else(|_| Layout::new::<T>());
    assert!(
        layout.size() == SLOTS * size_of::<T>(),
        "the layout of 2^20 counters fits any address space"
    );
    // SAFETY: the layout is not empty (checked above).
    let start = unsafe { alloc_zeroed(layout) };
    if start.is_null() {
        handle_alloc_error(layout);
    }
    let start = start.cast::<T>();
    // SAFETY: `start` points to SLOTS values, aligned by `layout`, zeroed (a valid T, see `Zeroed`), and never freed.
    unsafe { std::slice::from_raw_parts(start, SLOTS) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn one_array_per_name_whatever_the_thread() {
        let here = Stamps::open("one_array_per_name");
        let slot = here.slot(here.name(Level::Table, &[b"a"]));
        let before = here.load(slot);
        std::thread::spawn(move || {
            let there = Stamps::open("one_array_per_name");
            there.drop_stamp(there.slot(there.name(Level::Table, &[b"a"])));
        })
        .join()
        .unwrap();
        assert_eq!(here.load(slot), before + 1);
        assert_eq!(Stamps::open("another").load(slot), 0);
    }

    #[test]
    fn names_do_not_meet_by_concatenation() {
        let stamps = Stamps::open("names");
        assert_ne!(
            stamps.name(Level::Table, &[b"ab", b"c"]),
            stamps.name(Level::Table, &[b"a", b"bc"])
        );
        assert_ne!(
            stamps.name(Level::Table, &[b"ab"]),
            stamps.name(Level::Scheme, &[b"ab"])
        );
        assert_ne!(stamps.class(None), stamps.class(Some("")));
    }
}
