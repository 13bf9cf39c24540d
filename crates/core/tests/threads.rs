//! Readers and writers in threads: a token that is alive vouches for its value, at every moment.
//!
//! The "database" is an atomic number that is stored and loaded with relaxed ordering: whatever orders it must come from the
//! stamps and the registry.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use cacheops_core::affected::change;
use cacheops_core::bind::{Bound, bind};
use cacheops_core::database::{self, Database};
use cacheops_core::invalidate::invalidate;
use cacheops_core::shape::Shape;
use cacheops_core::value::{Encoder, Value};

const FACTS: &str = r#"{ "searchPath": ["main"], "tables": [
    { "schema": "main", "name": "t", "kind": "table", "keys": [["id"]], "columns": [
        { "name": "id", "kind": "int" }, { "name": "s", "kind": "text" } ] } ] }"#;

const READ: &str = "select s from t where id = $1";
const WRITE: &str = "update t set s = 'x' where id = $1";

fn open(identity: &str) -> Arc<Database> {
    let store = database::open_store("threads").unwrap();
    let database =
        database::database(database::open_database(store, identity, "postgres").unwrap()).unwrap();
    database.set_facts(FACTS, 0).unwrap();
    database
}

fn input(id: usize) -> Vec<u8> {
    #[expect(clippy::cast_precision_loss, reason = "a few rows")]
    let id = id as f64;
    Encoder::default().with(Value::Number(id)).finish(b"")
}

fn token(shape: &Shape, input: &[u8]) -> u64 {
    match bind(shape, input) {
        Bound::Token(_, token) => token,
        other => panic!("{other:?}"),
    }
}

fn written(database: &Database, shape: &Shape, input: &[u8]) {
    invalidate(database, &change(shape, input, None));
}

/// A round is a database that nobody has read: the first read of a kind registers its scheme while the write that it must not miss
/// looks for schemes.
#[test]
fn a_scheme_that_is_registered_during_a_write_is_not_missed() {
    const ROUNDS: usize = 3_000;
    const READERS: usize = 2;
    let mut misses = 0;
    for round in 0..ROUNDS {
        let database = open(&format!("registering {round}"));
        let stored = AtomicU64::new(0);
        let waiting = AtomicUsize::new(READERS + 1);
        let start = || {
            waiting.fetch_sub(1, Ordering::AcqRel);
            while waiting.load(Ordering::Acquire) > 0 {
                thread::yield_now();
            }
        };
        let fills = thread::scope(|scope| {
            let readers: Vec<_> = (0..READERS)
                .map(|_| {
                    scope.spawn(|| {
                        let (shape, input) = (Shape::prepare(&database, READ), input(1));
                        start();
                        let held = token(&shape, &input);
                        (held, stored.load(Ordering::Relaxed))
                    })
                })
                .collect();
            scope.spawn(|| {
                let (shape, input) = (Shape::prepare(&database, WRITE), input(1));
                start();
                stored.store(1, Ordering::Relaxed);
                written(&database, &shape, &input);
            });
            readers
                .into_iter()
                .map(|reader| reader.join().unwrap())
                .collect::<Vec<_>>()
        });
        let now = token(&Shape::prepare(&database, READ), &input(1));
        for (held, value) in fills {
            assert!(
                held != now || value == 1,
                "round {round}: a value from before the write is still served"
            );
            misses += usize::from(held != now);
        }
    }
    assert!(misses > 0, "no write ever met a reader");
}

/// Hits while writers are at work: what a hit answers is no older than the last write that had returned when it began.
#[test]
fn a_hit_is_no_older_than_a_write_that_has_returned() {
    const ROWS: usize = 4;
    const WRITES: u64 = 20_000;
    let database = open("hits");
    let stored: [AtomicU64; ROWS] = Default::default();
    let returned: [AtomicU64; ROWS] = Default::default();
    let writing = AtomicBool::new(true);
    let hits = AtomicU64::new(0);
    let misses = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let shape = Shape::prepare(&database, READ);
                let inputs: [_; ROWS] = std::array::from_fn(input);
                let mut kept: [Option<(u64, u64)>; ROWS] = Default::default();
                let mut turn = 0;
                while writing.load(Ordering::Relaxed) {
                    let row = turn % ROWS;
                    turn += 1;
                    let least = returned[row].load(Ordering::Acquire);
                    let now = token(&shape, &inputs[row]);
                    match kept[row] {
                        Some((held, value)) if held == now => {
                            assert!(value >= least, "{value} is older than {least}");
                            hits.fetch_add(1, Ordering::Relaxed);
                        }
                        _ => {
                            kept[row] = Some((now, stored[row].load(Ordering::Relaxed)));
                            misses.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
        // A row has one writer, so that its numbers grow.
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let (database, stored, returned) = (&database, &stored, &returned);
                scope.spawn(move || {
                    let shape = Shape::prepare(database, WRITE);
                    for number in 1..=WRITES {
                        let row = writer + 2 * usize::from(number % 7 == 0);
                        stored[row].store(number, Ordering::Relaxed);
                        written(database, &shape, &input(row));
                        returned[row].store(number, Ordering::Release);
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        writing.store(false, Ordering::Relaxed);
    });
    assert!(hits.load(Ordering::Relaxed) > 0, "nothing was hit");
    assert!(misses.load(Ordering::Relaxed) > 10, "nothing was missed");
}
