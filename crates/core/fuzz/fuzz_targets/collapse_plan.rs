//! Any text is answered, without panic or overflow, in both dialects: `cargo fuzz run collapse_plan`.

#![no_main]

use cacheops_core::normalize::collapse;
use cacheops_core::plan::{plan, unparsed};
use cacheops_core::rewrite::positions;
use cacheops_core::schema::{Dialect, Facts};
use libfuzzer_sys::fuzz_target;

const FACTS: &str = r#"{"searchPath":["public","main"],"tables":[{"schema":"public","name":"t","kind":"table",
    "columns":[{"name":"a","kind":"int"},{"name":"b","kind":"text"}],"keys":[["a"]]}]}"#;

fuzz_target!(|sql: &str| {
    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        let facts = Facts::from_json(FACTS, dialect).ok();
        let _ = positions(sql, dialect);
        match collapse(sql, dialect) {
            Ok(collapsed) => drop(plan(&collapsed, dialect, facts.as_ref())),
            Err(detail) => drop(unparsed(sql, dialect, &detail)),
        }
    }
});
