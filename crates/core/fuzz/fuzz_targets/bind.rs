//! Any bytes for parameters are answered, for reads and writes; equal bytes bind to equal keys and tokens.

#![no_main]

mod facts;

use std::sync::{Arc, OnceLock};

use cacheops_core::affected::change;
use cacheops_core::bind::bind;
use cacheops_core::database;
use cacheops_core::invalidate::invalidate;
use cacheops_core::shape::Shape;
use libfuzzer_sys::fuzz_target;

#[rustfmt::skip]
const TEXTS: [(&str, &str); 16] = [
    ("postgres", "select * from t where a = $1 and b = $2"),
    ("postgres", "select * from t where a in ($1, $2, $3) or b = $4"),
    ("postgres", "select * from t where a = any($1)"),
    ("postgres", "select * from t where c = $1 and c is not distinct from $2"),
    ("postgres", "select * from u where d = $1 and e = $2"),
    ("postgres", "select * from part where id = $1"),
    ("postgres", "select * from t left join u on u.a = t.a where t.a = $1 and exists (select 1 from track where id = t.a)"),
    ("postgres", "insert into t (a, b, c) values ($1, $2, $3), ($4, $5, $6)"),
    ("postgres", "update t set b = $1 where a = $2"),
    ("postgres", "delete from u where d = $1 or e in ($2, $3)"),
    ("sqlite", "select * from s where a = ? and b = ? and c = ?"),
    ("sqlite", "select * from s where a in (?, ?) limit ?"),
    ("sqlite", "insert into s (a, b, c) values (?, ?, ?)"),
    ("sqlite", "update s set c = ? where a is ?"),
    ("sqlite", "insert or replace into s values (?, ?, ?)"),
    ("sqlite", "delete from s where b = ?"),
];

fn shapes() -> &'static [Arc<Shape>] {
    static SHAPES: OnceLock<Vec<Arc<Shape>>> = OnceLock::new();
    SHAPES.get_or_init(|| {
        let store = database::open_store("fuzz").expect("a store");
        let open = |dialect| {
            let handle = database::open_database(store, dialect, dialect).expect("a database");
            let database = database::database(handle).expect("the database");
            assert!(database.set_facts(facts::FACTS, 0).expect("facts"));
            database
        };
        let (postgres, sqlite) = (open("postgres"), open("sqlite"));
        let of = |(dialect, sql): &(&str, &str)| {
            let database = if *dialect == "postgres" { &postgres } else { &sqlite };
            Arc::new(Shape::prepare(database, sql))
        };
        TEXTS.iter().map(of).collect()
    })
}

fuzz_target!(|data: &[u8]| {
    let Some((which, input)) = data.split_first() else { return };
    let shape = &shapes()[usize::from(*which) % TEXTS.len()];
    let first = format!("{:?}", bind(shape, input));
    assert_eq!(first, format!("{:?}", bind(shape, input)));
    if shape.planned.write().is_some() {
        let changes = change(shape, input, None);
        let held = serde_json::to_string(&changes).expect("JSON");
        let read: Vec<cacheops_core::change::Change> = serde_json::from_str(&held).expect("changes");
        let _ = invalidate(&shape.database, &read);
    }
});
