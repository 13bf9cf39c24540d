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

/// Whether any row of a table counts for a query.
fn any_row_counts(sql: &str, dialect: Dialect, table: &str) -> bool {
    const TABLES: &[(&str, &[&str])] = &[
        ("a", &["id", "k", "x"]),
        ("b", &["id", "k"]),
        ("c", &["id", "k"]),
        ("numbered", &["rowid", "n"]),
    ];
    let (schema, kind) = match dialect {
        Dialect::Postgres => ("public", "int"),
        Dialect::Sqlite => ("main", "sqlite_numeric"),
    };
    let tables = TABLES.iter().map(|(name, columns)| {
        let columns = columns
            .iter()
            .map(|column| format!(r#"{{"name":"{column}","kind":"{kind}"}}"#));
        let columns = columns.collect::<Vec<_>>().join(",");
        format!(r#"{{"schema":"{schema}","name":"{name}","kind":"table","rowid":true,"columns":[{columns}]}}"#)
    });
    let tables = tables.collect::<Vec<_>>().join(",");
    let facts = format!(r#"{{"searchPath":["{schema}"],"tables":[{tables}]}}"#);
    let facts = Facts::from_json(&facts, dialect).unwrap();
    let collapsed = collapse(sql, dialect).unwrap();
    let Statement::Read(read) = plan(&collapsed, dialect, Some(&facts)).statement else {
        panic!("{sql} is a read")
    };
    let mut of = read
        .dependencies
        .iter()
        .filter(|dependency| dependency.table.name == table);
    of.next().unwrap().rows.iter().any(Vec::is_empty)
}

const DIALECTS: [Dialect; 2] = [Dialect::Postgres, Dialect::Sqlite];

/// A row that comes takes the place of NULLs that WHERE was looking for.
#[test]
fn a_row_that_takes_the_place_of_nulls_counts() {
    for dialect in DIALECTS {
        let sql = "select * from a left join b on b.k = a.k where b.id is null";
        assert!(any_row_counts(sql, dialect, "b"), "{dialect:?}");
        let sql = "select * from a left join b on b.k = a.k where b.id = 1";
        assert!(!any_row_counts(sql, dialect, "b"), "{dialect:?}");
    }
}

/// To `SQLite`, and not to `PostgreSQL`, `a` is on the left of the RIGHT JOIN, too.
#[test]
fn a_comma_in_front_of_a_right_join() {
    let sql = "select * from a, b right join c on c.k = b.k where a.x is null";
    assert!(any_row_counts(sql, Dialect::Sqlite, "a"));
    assert!(!any_row_counts(sql, Dialect::Postgres, "a"));
}

/// `rowid` is that of `b`, though the table around it has a column of this name.
#[test]
fn a_system_column_is_not_one_of_the_query_around() {
    let sql = "select * from numbered where numbered.rowid = 1 and exists (select 1 from b where rowid = b.k)";
    assert!(any_row_counts(sql, Dialect::Sqlite, "b"));
    let sql =
        "select * from numbered where numbered.n = 1 and exists (select 1 from b where n = b.k)";
    assert!(!any_row_counts(sql, Dialect::Sqlite, "b"));
}

/// `x` is that of `d`, though the table around it has a column of this name.
#[test]
fn a_column_of_a_derived_table_is_not_one_of_the_query_around() {
    for dialect in DIALECTS {
        let sql = "select * from a where a.x = 1 and exists (select 1 from (select * from a) d, b where x = b.k)";
        assert!(any_row_counts(sql, dialect, "b"), "{dialect:?}");
        let sql = "select * from a where a.x = 1 and exists (select 1 from b where x = b.k)";
        assert!(!any_row_counts(sql, dialect, "b"), "{dialect:?}");
    }
}

#[test]
fn a_table_that_no_walk_comes_by_is_read_as_a_whole() {
    let sql = "select * from (a join b on a.k = b.k) as j";
    for table in ["a", "b"] {
        assert!(any_row_counts(sql, Dialect::Postgres, table), "{table}");
    }
}
