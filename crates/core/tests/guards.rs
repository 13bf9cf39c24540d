//! Rules that no other test shows by itself; each fails when its guard is taken away, see `__test__/mutants/`.

#![expect(clippy::unwrap_used, reason = "tests")]

use cacheops_core::class::{self, Class};
use cacheops_core::normalize::collapse;
use cacheops_core::plan::{Statement, plan};
use cacheops_core::schema::{ColumnKind, Dialect, Facts};
use cacheops_core::value::Value;

/// NOCASE does not compare what stands behind a NUL.
#[test]
fn a_text_with_nul_is_unknown() {
    for kind in [ColumnKind::SqliteTextNocase, ColumnKind::SqliteText] {
        let mut out = String::new();
        assert_eq!(
            class::of_parameter(kind, &Value::Text("a\0b"), &mut out),
            Class::Unknown
        );
    }
}

#[test]
fn volatile_functions_are_cautions() {
    let facts = Facts::from_json(
        r#"{"searchPath":["public"],"tables":[],"functions":[],"attached":false,"returningOld":true,"operators":false}"#,
        Dialect::Postgres,
    )
    .unwrap();
    for call in ["random()", "gen_random_uuid()", "clock_timestamp()"] {
        let collapsed = collapse(&format!("select {call}"), Dialect::Postgres).unwrap();
        let Statement::Read(read) = plan(&collapsed, Dialect::Postgres, Some(&facts)).statement
        else {
            panic!("{call} is a read")
        };
        let codes: Vec<_> = read.cautions.iter().map(|caution| caution.code).collect();
        assert!(
            codes.contains(&"volatile_function") || codes.contains(&"time_function"),
            "{call}: {codes:?}"
        );
    }
}
