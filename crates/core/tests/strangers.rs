//! Bytes and texts of strangers, and threads: nothing panics, nothing is lost.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cacheops_core::affected::{Images, change};
use cacheops_core::bind::{Bound, bind};
use cacheops_core::change::Change;
use cacheops_core::database::{self, Database};
use cacheops_core::invalidate::invalidate;
use cacheops_core::shape::Shape;
use cacheops_core::value::{Encoder, Value};
use cacheops_core::{explain, images};
use proptest::prelude::*;

const FACTS: &str = r#"{ "searchPath": ["main", "public"], "returningOld": true, "tables": [
    { "schema": "main", "name": "t", "kind": "table", "keys": [["id"]], "rowid": true, "columns": [
        { "name": "id", "kind": "int" }, { "name": "n", "kind": "numeric" }, { "name": "s", "kind": "text" },
        { "name": "u", "kind": "uuid" }, { "name": "d", "kind": "date" }, { "name": "f", "kind": "float" },
        { "name": "b", "kind": "bool" }, { "name": "q", "kind": "sqlite_numeric" }, { "name": "x", "kind": "other" } ] } ] }"#;

fn open(identity: &str, dialect: &str) -> Arc<Database> {
    let store = database::open_store("strangers").unwrap();
    let database =
        database::database(database::open_database(store, identity, dialect).unwrap()).unwrap();
    database.set_facts(FACTS, 0).unwrap();
    database
}

const TEXTS: [&str; 6] = [
    "select * from t where id = $1 and s = $2 and n in ($3, $4)",
    "select id from t where (u = $1 or d = $2) and f = any($3) and b is not distinct from $4",
    "update t set s = $1, n = $2 where id = $3 or q = $4",
    "delete from t where s in ($1, $2, $3) and id = $4",
    "insert into t (id, n, s, q) values ($1, $2, $3, $4)",
    "insert into t (id, n, s, q) values ($1, $2, $3, $4) on conflict (id) do update set s = excluded.s",
];

proptest! {
    #[test]
    fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120), small in proptest::collection::vec(0u8..12, 0..60)) {
        let database = open("bytes", "postgres");
        let mut plausible = vec![0, 0, 0, 0, 4, 0, 0, 0];
        plausible.extend(&small);
        for sql in TEXTS {
            let shape = Shape::prepare(&database, sql);
            for input in [&bytes, &plausible] {
                let _ = bind(&shape, input);
                let _ = explain::bound(&shape, input);
                let changes = change(&shape, input, None);
                invalidate(&database, &changes);
            }
        }
    }

    #[test]
    fn no_images_panic(
        sides in proptest::collection::vec(proptest::option::of(proptest::collection::vec(proptest::option::of(".{0,6}"), 0..6)), 3),
        affected in proptest::option::of(0u64..3),
    ) {
        let database = open("images", "postgres");
        let images = serde_json::json!({ "affected": affected, "rows": [{ "o": sides[0], "n": sides[1], "d": sides[2] }] });
        let images: Images = serde_json::from_value(images).unwrap();
        let _ = bind(&Shape::prepare(&database, TEXTS[0]), &Encoder::default().finish(b""));
        for sql in TEXTS {
            let shape = Shape::prepare(&database, sql);
            let _ = images::images(&shape);
            let changes = change(&shape, &Encoder::default().finish(b""), Some(&images));
            invalidate(&database, &changes);
        }
    }

    #[test]
    fn no_text_panics(sql in "[a-z0-9 (),.=$?'\";*-]{0,80}") {
        for dialect in ["postgres", "sqlite"] {
            let database = open(dialect, dialect);
            let shape = Shape::prepare(&database, &sql);
            let _ = explain::shape(&shape, 0).to_string();
            let _ = images::images(&shape);
            let _ = change(&shape, &[], None);
        }
    }

    #[test]
    fn no_changes_panic(json in ".{0,60}") {
        let _ = serde_json::from_str::<Vec<Change>>(&json);
    }
}

/// A value is written, then invalidated; a reader takes a token, then reads. What it read may be older than a write only
/// if its token is dead once that write has returned.
#[test]
fn no_fill_of_another_thread_survives_a_write() {
    let database = open("threads", "postgres");
    let stored = Arc::new(AtomicU64::new(0));
    let writer = {
        let (database, stored) = (Arc::clone(&database), Arc::clone(&stored));
        std::thread::spawn(move || {
            let shape = Shape::prepare(&database, "update t set s = 'x' where id = $1");
            let input = Encoder::default().with(Value::Number(1.0)).finish(b"");
            for round in 1..=20_000u64 {
                stored.store(round, Ordering::Relaxed);
                let changes = change(&shape, &input, None);
                invalidate(&database, &changes);
            }
        })
    };
    let read = |column: &str| {
        // Each round is a scheme of its own as long as there is room, so that registration races too.
        let shape = Shape::prepare(&database, &format!("select {column} from t where id = $1"));
        let input = Encoder::default().with(Value::Number(1.0)).finish(b"");
        let token = |shape: &Shape| match bind(shape, &input) {
            Bound::Token(_, token) => token,
            other => panic!("{other:?}"),
        };
        let held = token(&shape);
        let value = stored.load(Ordering::Relaxed);
        (shape, input.clone(), held, value)
    };
    let columns = ["s", "id, s", "s, n", "s, u", "s, d", "s, f", "s, b", "*"];
    let mut fills = Vec::new();
    let mut turn = 0;
    while !writer.is_finished() {
        fills.push(read(columns[turn % columns.len()]));
        turn += 1;
        if fills.len() > 1_000 {
            fills.drain(..500);
        }
    }
    writer.join().unwrap();
    for (shape, input, held, value) in &fills {
        let alive = bind(shape, input);
        let alive = matches!(alive, Bound::Token(_, token) if token == *held);
        assert!(
            !alive || *value == 20_000,
            "a fill of {value} is still served"
        );
    }
}
