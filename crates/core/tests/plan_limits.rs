//! Texts made to hurt: every one is answered, in bounded stack and time.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use cacheops_core::normalize::collapse;
use cacheops_core::plan::{Statement, plan, unparsed};
use cacheops_core::schema::{Dialect, Facts};

const FACTS: &str = r#"{"searchPath":["public"],"tables":[{"schema":"public","name":"t","kind":"table",
    "columns":[{"name":"a","kind":"int"},{"name":"b","kind":"int"},{"name":"c","kind":"int"}]}]}"#;

/// Runs in the stack of a small worker thread.
fn planned(sql: String, dialect: Dialect) -> (Statement, Duration) {
    let worker = std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(move || {
            let facts = Facts::from_json(FACTS, dialect).unwrap();
            let started = Instant::now();
            let statement = match collapse(&sql, dialect) {
                Ok(collapsed) => plan(&collapsed, dialect, Some(&facts)).statement,
                Err(detail) => unparsed(&sql, dialect, &detail),
            };
            (statement, started.elapsed())
        });
    worker.unwrap().join().unwrap()
}

fn bounded(name: &str, sql: impl Into<String>) {
    let sql = sql.into();
    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        let (statement, took) = planned(sql.clone(), dialect);
        assert!(took < Duration::from_secs(5), "{name} took {took:?}");
        assert!(
            !matches!(statement, Statement::Inert | Statement::Control(_)),
            "{name}: {statement:?}"
        );
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of texts")]
fn deep_and_long_texts_are_answered() {
    for count in [50, 59, 1_900, 60_000] {
        let many = |text: &str| text.repeat(count);
        bounded(
            "parentheses",
            format!("select {}1{} from t", many("("), many(")")),
        );
        bounded(
            "parentheses in where",
            format!("select 1 from t where {}a = 1{}", many("("), many(")")),
        );
        bounded(
            "parentheses in from",
            format!("select 1 from {}t{}", many("("), many(")")),
        );
        bounded("open parentheses", format!("select {}", many("(")));
        bounded(
            "open parentheses in from",
            format!("select * from {}", many("(")),
        );
        bounded(
            "subselects",
            format!("select {}1{}", many("(select "), many(")")),
        );
        bounded(
            "derived",
            format!(
                "select * from {} t {}",
                many("(select * from "),
                many(") x")
            ),
        );
        bounded(
            "or",
            format!("select 1 from t where a = 1{}", many(" or b = 1")),
        );
        bounded(
            "and",
            format!("select 1 from t where a = 1{}", many(" and b = 1")),
        );
        bounded(
            "not",
            format!("select 1 from t where {} a = 1", many("not ")),
        );
        bounded(
            "union",
            format!("select 1 from t{}", many(" union select 2 from t")),
        );
        bounded("plus", format!("select 1{} from t", many(" + 1")));
        bounded("minus", format!("select {} 1 from t", many("- ")));
        bounded("casts", format!("select a{} from t", many("::int")));
        bounded(
            "case",
            format!(
                "select {} 1 {} from t",
                many("case when a = 1 then "),
                many(" end")
            ),
        );
        bounded(
            "functions",
            format!("select {}1{} from t", many("abs("), many(")")),
        );
        bounded(
            "arrays",
            format!("select {}1{} from t", many("array["), many("]")),
        );
        bounded("subscripts", format!("select a{} from t", many("[1]")));
        bounded("fields", format!("select a{} from t", many(".b")));
        bounded(
            "joins",
            format!("select 1 from t{}", many(" join t on true")),
        );
        bounded(
            "nested joins",
            format!("select 1 from {}t{}", many("(t join "), many(" on true)")),
        );
        bounded("items", format!("select a{} from t", many(", a")));
        bounded(
            "ctes",
            format!(
                "with x as (select 1){} select * from t",
                many(", x as (select 1)")
            ),
        );
        bounded(
            "nested ctes",
            format!(
                "{} select * from t {}",
                many("with x as ("),
                many(") select * from t")
            ),
        );
        bounded(
            "collate",
            format!("select a{} from t", many(" collate \"C\"")),
        );
        bounded("is null", format!("select a{} from t", many(" is null")));
        bounded(
            "between",
            format!("select 1 from t where a{}", many(" between 1 and 2")),
        );
        bounded(
            "tuples",
            format!("insert into t values (1){}", many(", (1)")),
        );
        bounded("words", format!("select {} from t", many("x ")));
        bounded("dollars", format!("select {} from t", many("$$ $$")));
        bounded("quotes", format!("select {} from t", many("''")));
        bounded("comments", format!("select 1 {} from t", many("/* ")));
        bounded(
            "exists",
            format!(
                "select 1 from t where {}a = 1{}",
                many("exists (select 1 from t where "),
                many(")")
            ),
        );
        bounded(
            "statements",
            format!("select 1 from t{}", many("; select 1")),
        );
        bounded(
            "in",
            format!("select 1 from t where a in (1{})", many(", 1")),
        );
        bounded(
            "types",
            format!("select 1::{}int{}", many("array<"), many(">")),
        );
        bounded("intervals", format!("select {} '1'", many("interval ")));
    }
}

#[test]
fn many_ands_of_ors_do_not_explode() {
    let conditions =
        |of: &dyn Fn(usize) -> String| (0..40).map(of).collect::<Vec<_>>().join(" and ");
    bounded(
        "40 ors",
        format!(
            "select 1 from t where {}",
            conditions(&|n| format!("(a = {n} or b = {n})"))
        ),
    );
    bounded(
        "40 ors of three",
        format!(
            "select 1 from t where {}",
            conditions(&|n| format!("(a = {n} or b = {n} or c = {n})"))
        ),
    );
    bounded(
        "negated",
        format!(
            "select 1 from t where not ({})",
            conditions(&|n| format!("(a <> {n} or b <> {n})"))
        ),
    );
    let nested = (0..50).fold("a = 1".to_owned(), |inner, n| {
        format!("(({inner}) and (b = {n} or c = {n})) or a = {n}")
    });
    bounded("nested", format!("select 1 from t where {nested}"));
}

#[test]
fn parameters_by_the_hundred_thousand_collapse_in_linear_time() {
    let list = |from: usize, to: usize| {
        (from..=to)
            .map(|n| format!("${n}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let started = Instant::now();
    let sql = format!("select a from t where a in ({})", list(1, 100_000));
    let collapsed = collapse(&sql, Dialect::Postgres).unwrap();
    assert_eq!(collapsed.text, "select a from t where a in ($1)");
    assert_eq!(collapsed.holes[0].parameters.len(), 100_000);
    let tuples = (0..50_000)
        .map(|n| format!("(${}, ${})", 2 * n + 1, 2 * n + 2))
        .collect::<Vec<_>>()
        .join(", ");
    let collapsed = collapse(
        &format!("insert into t (a, b) values {tuples}"),
        Dialect::Postgres,
    )
    .unwrap();
    assert_eq!(collapsed.text, "insert into t (a, b) values ($1, $2)");
    assert_eq!(
        (collapsed.tuples, collapsed.parameters),
        (Some(50_000), 100_000)
    );
    assert_eq!(collapsed.holes[1].parameters[..3], [1, 3, 5]);
    let questions = vec!["?"; 100_000].join(",");
    let collapsed = collapse(
        &format!("select a from t where a in ({questions}) and b = ?"),
        Dialect::Sqlite,
    )
    .unwrap();
    assert_eq!(collapsed.text, "select a from t where a in (?1) and b = ?2");
    assert_eq!(collapsed.holes[1].parameters, [100_000]);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}
