//! Texts whose conditions, joins or nesting multiply.

use std::fmt::Write as _;

/// Facts of the tables that the cases name.
pub const FACTS: &str = r#"{"searchPath":["public","main"],"tables":[{"schema":"public","name":"t","kind":"table",
    "columns":[{"name":"a","kind":"int"},{"name":"b","kind":"int"},{"name":"c","kind":"int"},{"name":"d","kind":"text"}],"keys":[["a"]]},
    {"schema":"main","name":"t","kind":"table","columns":[{"name":"a","kind":"sqlite_numeric"},{"name":"b","kind":"sqlite_numeric"},
    {"name":"c","kind":"sqlite_numeric"},{"name":"d","kind":"sqlite_text"}],"keys":[["a"]]}]}"#;

fn many(count: usize, between: &str, of: impl Fn(usize) -> String) -> String {
    (0..count).map(of).collect::<Vec<_>>().join(between)
}

fn filtered(condition: &str) -> String {
    format!("select a from t where {condition}")
}

/// Names and texts.
#[expect(clippy::too_many_lines, reason = "a list of texts")]
#[must_use]
pub fn cases() -> Vec<(&'static str, String)> {
    let list = |from: usize| many(10_000, ", ", |n| (from + n).to_string());
    let nested = (0..50).fold("a = 1".to_owned(), |inner, n| {
        format!("(({inner}) and (b = {n} or c = {n})) or a = {n}")
    });
    let subqueries = |count: usize| {
        let mut text = String::new();
        for n in 0..count {
            write!(
                text,
                "exists (select 1 from t t{} where t{}.a = ",
                n + 1,
                n + 1
            )
            .unwrap_or_default();
            write!(
                text,
                "{} and (t{}.b = 1 or t{}.c = 2) and ",
                if n == 0 {
                    "t.a".to_owned()
                } else {
                    format!("t{n}.a")
                },
                n + 1,
                n + 1
            )
            .unwrap_or_default();
        }
        text + "true" + &")".repeat(count)
    };
    vec![
        (
            "40 ORs of 2, ANDed",
            filtered(&many(40, " and ", |n| format!("(a = {n} or b = {n})"))),
        ),
        (
            "40 ORs of 3, ANDed",
            filtered(&many(40, " and ", |n| {
                format!("(a = {n} or b = {n} or c = {n})")
            })),
        ),
        (
            "the same, negated twice",
            filtered(&format!(
                "not ({})",
                many(40, " or ", |n| format!("(a <> {n} and b <> {n})"))
            )),
        ),
        ("50 ANDs in ORs, nested", filtered(&nested)),
        (
            "IN × IN × IN of 10,000 literals",
            filtered(&format!(
                "a in ({}) and b in ({}) and c in ({})",
                list(0),
                list(5),
                list(9)
            )),
        ),
        (
            "IN × IN × IN of 100 literals",
            filtered(&format!(
                "a in ({0}) and b in ({0}) and c in ({0})",
                many(100, ", ", |n| n.to_string())
            )),
        ),
        (
            "pairs, 3,000 of them",
            filtered(&format!(
                "(a, b) in ({})",
                many(3_000, ", ", |n| format!("({n}, {n})"))
            )),
        ),
        (
            "200 tables joined",
            format!(
                "select t.a from t {} where t.a = 1",
                many(200, " ", |n| format!("join t t{n} on t{n}.a = t.a"))
            ),
        ),
        (
            "200 tables joined in a chain",
            format!(
                "select t0.a from t t0 {} where t0.a = 1",
                many(199, " ", |n| format!(
                    "join t t{} on t{}.a = t{n}.a",
                    n + 1,
                    n + 1
                ))
            ),
        ),
        (
            "200 tables joined, each with an OR",
            format!(
                "select t.a from t {} where t.a = 1",
                many(200, " ", |n| format!(
                    "join t t{n} on t{n}.a = t.a and (t{n}.b = 1 or t{n}.c = 2)"
                ))
            ),
        ),
        (
            "200 tables left joined",
            format!(
                "select t.a from t {} where t.a = 1",
                many(200, " ", |n| format!(
                    "left join t t{n} on t{n}.a = t.a and t{n}.b = {n}"
                ))
            ),
        ),
        (
            "200 tables left joined in a chain that WHERE rejects",
            format!(
                "select t0.a from t t0 {} where t199.b = 1",
                many(199, " ", |n| format!(
                    "left join t t{} on t{}.a = t{n}.a",
                    n + 1,
                    n + 1
                ))
            ),
        ),
        (
            "200 tables right joined",
            format!(
                "select t.a from t {} where t.a = 1",
                many(200, " ", |n| format!("right join t t{n} on t{n}.a = t.a"))
            ),
        ),
        (
            "200 tables full joined",
            format!(
                "select t.a from t {} where t.a = 1",
                many(200, " ", |n| format!("full join t t{n} on t{n}.a = t.a"))
            ),
        ),
        (
            "200 comma-separated tables, unqualified",
            format!(
                "select 1 from t, {} where a = 1",
                many(200, ", ", |n| format!("t t{n}"))
            ),
        ),
        (
            "25 correlated subqueries, nested",
            format!("select t.a from t where t.a = 1 and {}", subqueries(25)),
        ),
        (
            "300 subqueries beside each other",
            filtered(&many(300, " or ", |n| {
                format!("exists (select 1 from t x where x.a = t.a and x.b = {n})")
            })),
        ),
        (
            "1,000 parentheses",
            filtered(&format!("{}a = 1{}", "(".repeat(1_000), ")".repeat(1_000))),
        ),
        (
            "1,000 NOTs",
            filtered(&format!("{}a = 1", "not ".repeat(1_000))),
        ),
        (
            "500 UNIONs",
            many(500, " union ", |n| format!("select a from t where b = {n}")),
        ),
        (
            "1,900 comparisons ANDed",
            filtered(&many(950, " and ", |n| format!("a = {n}"))),
        ),
        (
            "5,000 comparisons ANDed",
            filtered(&many(5_000, " and ", |n| format!("a = {n}"))),
        ),
        (
            "950 comparisons ORed",
            filtered(&many(950, " or ", |n| format!("a = {n}"))),
        ),
        (
            "950 comparisons of all columns ORed",
            filtered(&many(950, " or ", |n| {
                format!("{} = {n}", ["a", "b", "c"][n % 3])
            })),
        ),
        (
            "5,000 ORed",
            filtered(&many(5_000, " or ", |n| format!("b = {n}"))),
        ),
        (
            "900 columns equal to each other",
            filtered(&many(900, " and ", |n| {
                format!("{} = {}", ["a", "b", "c"][n % 3], ["b", "c", "a"][n % 3])
            })),
        ),
        ("100,000 characters of parentheses", "(".repeat(100_000)),
        (
            "100,000 characters of one string",
            filtered(&format!("d = '{}'", "x".repeat(100_000))),
        ),
        (
            "100,000 characters of one name",
            format!("select {} from t", "x".repeat(100_000)),
        ),
        (
            "100,000 characters of a comment",
            format!("select a /*{}*/ from t", "x".repeat(100_000)),
        ),
        (
            "100,000 characters of operators",
            format!("select a {} 1 from t", "+".repeat(100_000)),
        ),
        (
            "100,000 characters of quotes",
            format!("select {} from t", "'".repeat(100_000)),
        ),
        (
            "100,000 characters of digits",
            filtered(&format!("a = {}", "9".repeat(100_000))),
        ),
        (
            "100,000 characters of columns",
            format!("select {} from t", many(33_000, ", ", |_| "a".to_owned())),
        ),
        (
            "200 CTEs, each of the last",
            format!(
                "with x0 as (select a from t where b = 1) {} select * from x199",
                many(199, "", |n| format!(", x{} as (select a from x{n})", n + 1))
            ),
        ),
        (
            "60 CASEs, nested",
            format!(
                "select {}1{} from t",
                "case when a = 1 then ".repeat(59),
                " end".repeat(59)
            ),
        ),
    ]
}
