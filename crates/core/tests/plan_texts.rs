//! Texts and what is made of them, in short words: reads as `op table(columns)[rows] !caution`, writes as `verb table[rows]`.

#![allow(clippy::unwrap_used, reason = "tests")]

use cacheops_core::normalize::collapse;
use cacheops_core::plan::{Columns, Conjunction, Op, Operand, Statement, Write, plan, unparsed};
use cacheops_core::schema::{Dialect, Facts};

const FACTS: &str = r#"{"searchPath":["SCHEMA"],"tables":[
{"schema":"SCHEMA","name":"artist","kind":"table","columns":[{"name":"id","kind":"NUMBER"},{"name":"name","kind":"TEXT"}],"keys":[["id"]]},
{"schema":"SCHEMA","name":"album","kind":"table","columns":[{"name":"id","kind":"NUMBER"},{"name":"artist_id","kind":"NUMBER"},{"name":"title","kind":"TEXT"}],"keys":[["id"]]},
{"schema":"SCHEMA","name":"track","kind":"table","columns":[{"name":"id","kind":"NUMBER"},{"name":"album_id","kind":"NUMBER"},{"name":"name","kind":"TEXT"},{"name":"price","kind":"numeric"},{"name":"live","kind":"bool"},{"name":"data","kind":"other"}],"keys":[["id"],["album_id","name"]]},
{"schema":"SCHEMA","name":"part","kind":"partitioned","root":{"schema":"SCHEMA","name":"whole"},"columns":[{"name":"id","kind":"NUMBER"}]},
{"schema":"SCHEMA","name":"whole","kind":"partitioned","columns":[{"name":"id","kind":"NUMBER"}]},
{"schema":"SCHEMA","name":"secret","kind":"table","rowSecurity":true,"columns":[{"name":"id","kind":"NUMBER"}]},
{"schema":"SCHEMA","name":"ruled","kind":"table","rules":true,"columns":[{"name":"id","kind":"NUMBER"}]},
{"schema":"SCHEMA","name":"only","kind":"table","columns":[{"name":"id","kind":"NUMBER"}]},
{"schema":"pg_temp_3","name":"scratch","kind":"temporary","columns":[{"name":"id","kind":"NUMBER"}]},
{"schema":"SCHEMA","name":"scratch","kind":"table","columns":[{"name":"id","kind":"NUMBER"}]},
{"schema":"SCHEMA","name":"far","kind":"foreign","columns":[{"name":"id","kind":"NUMBER"}]},
{"schema":"SCHEMA","name":"hits","kind":"view","columns":[{"name":"id","kind":"NUMBER"}],"definition":"CREATE VIEW hits AS select t.id from track t join album on album.id = t.album_id"},
{"schema":"SCHEMA","name":"top","kind":"view","columns":[{"name":"id","kind":"NUMBER"}],"base":[{"schema":"SCHEMA","name":"hits"},{"schema":"SCHEMA","name":"artist"}]}
],"functions":[{"name":"f_i","volatility":"i"},{"name":"f_s","volatility":"s"},{"name":"f_v","volatility":"v"},
{"name":"f_none","volatility":"v","declaredWrites":[]},{"name":"f_album","volatility":"v","declaredWrites":[{"schema":"SCHEMA","name":"album"}]},
{"name":"lower","volatility":"s"}]}"#;

fn facts(dialect: Dialect) -> Facts {
    let (schema, number, text) = match dialect {
        Dialect::Postgres => ("public", "int", "text"),
        Dialect::Sqlite => ("main", "sqlite_numeric", "sqlite_text"),
    };
    let json = FACTS
        .replace("SCHEMA", schema)
        .replace("NUMBER", number)
        .replace("TEXT", text);
    Facts::from_json(&json, dialect).unwrap()
}

fn operand(operand: &Operand) -> String {
    match operand {
        Operand::Hole(hole) => format!("${hole}"),
        Operand::List(hole) => format!("${hole}*"),
        Operand::Array(hole) => format!("${hole}[]"),
        Operand::Null => "null".to_owned(),
        Operand::Bool(value) => value.to_string(),
        Operand::Number(number) => number.clone(),
        Operand::Text(text) => format!("'{text}'"),
        Operand::Unknown => "?".to_owned(),
    }
}

fn rows(rows: &[Conjunction]) -> String {
    let conjunction = |terms: &Conjunction| {
        let term = |term: &cacheops_core::plan::Term| {
            let values = term
                .values
                .iter()
                .map(operand)
                .collect::<Vec<_>>()
                .join(",");
            format!(
                "{}{}{values}",
                term.column,
                if term.nulls { "~" } else { "=" }
            )
        };
        terms.iter().map(term).collect::<Vec<_>>().join(" & ")
    };
    format!(
        "[{}]",
        rows.iter().map(conjunction).collect::<Vec<_>>().join(" | ")
    )
}

fn write(write: &Write) -> String {
    let targets = write.targets.iter().map(|target| {
        let table = target.table.as_ref().map_or_else(
            || format!("?{}", target.named.name),
            |table| table.name.clone(),
        );
        let set = target
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| match target.set.get(at) {
                Some(value) => format!("{column}:{}", operand(value)),
                None => column.clone(),
            });
        let set = set.collect::<Vec<_>>().join(",");
        format!("{:?} {table}({set}){}", target.verb, rows(&target.rows))
    });
    let mut out: Vec<String> = targets.collect();
    out.extend(write.everything.iter().map(|_| "everything".to_owned()));
    out.join("; ")
}

fn short(sql: &str, dialect: Dialect) -> String {
    let facts = facts(dialect);
    let statement = match collapse(sql, dialect) {
        Ok(collapsed) => plan(&collapsed, dialect, Some(&facts)).statement,
        Err(detail) => unparsed(sql, dialect, &detail),
    };
    match statement {
        Statement::Read(read) => {
            let op = match read.op {
                Op::GetIfOne(hole) => format!("get_if_one ${hole}"),
                other => format!("{other:?}").to_lowercase(),
            };
            let mut out = vec![op];
            for dependency in &read.dependencies {
                let columns = match &dependency.columns {
                    Columns::All => "*".to_owned(),
                    Columns::Some(columns) => columns.join(","),
                };
                out.push(format!(
                    "{}({columns}){}",
                    dependency.table.name,
                    rows(&dependency.rows)
                ));
            }
            let mut codes: Vec<String> = read
                .cautions
                .iter()
                .map(|caution| {
                    format!(
                        "!{}{}",
                        caution.code,
                        if caution.overridable { "" } else { "!" }
                    )
                })
                .collect();
            codes.sort();
            codes.dedup();
            out.extend(codes);
            out.extend(read.locks.then(|| "locks".to_owned()));
            out.extend(read.session.then(|| "session".to_owned()));
            out.extend(
                read.writes
                    .map(|written| format!("writes {}", write(&written))),
            );
            out.join(" ")
        }
        Statement::Write(written) => write(&written),
        Statement::Unparsed { read, .. } => {
            format!("unparsed {}", if read { "read" } else { "write" })
        }
        Statement::Session {
            harmless, snapshot, ..
        } => {
            format!(
                "session{}{}",
                if harmless { " harmless" } else { "" },
                if snapshot { " snapshot" } else { "" }
            )
        }
        Statement::Control(control) => format!("{control:?}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn check(dialect: Dialect, table: &str) {
    let mut wrong = Vec::new();
    let mut lines = table.lines().map(str::trim).filter(|line| !line.is_empty());
    while let (Some(sql), Some(expected)) = (lines.next(), lines.next()) {
        let sql = sql.replace("\\n", "\n");
        let found = short(&sql, dialect);
        if Some(found.as_str()) != expected.strip_prefix("→ ") {
            wrong.push(format!(
                "{sql}\n  expected {expected}\n  found    → {found}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn postgres_reads() {
    check(
        Dialect::Postgres,
        include_str!("plan_texts/postgres_reads.txt"),
    );
}

/// Joins, subqueries, CTEs and set operations, derived tables, conditions: alike in both dialects.
#[test]
fn queries() {
    for table in [
        include_str!("plan_texts/joins.txt"),
        include_str!("plan_texts/subqueries.txt"),
        include_str!("plan_texts/ctes.txt"),
        include_str!("plan_texts/conditions.txt"),
    ] {
        check(Dialect::Postgres, table);
        check(Dialect::Sqlite, table);
    }
}

/// What only one of them has, and what Kysely's JSON helpers compile to.
#[test]
fn queries_of_one_dialect() {
    check(
        Dialect::Postgres,
        include_str!("plan_texts/postgres_queries.txt"),
    );
    check(
        Dialect::Sqlite,
        include_str!("plan_texts/sqlite_queries.txt"),
    );
}

/// Texts made to be misread: comments, quotes, escapes, names like keywords, writes in disguise.
#[test]
fn hostile_texts() {
    check(
        Dialect::Postgres,
        include_str!("plan_texts/postgres_hostile.txt"),
    );
    check(
        Dialect::Sqlite,
        include_str!("plan_texts/sqlite_hostile.txt"),
    );
}

/// What cannot stand in a file of lines.
#[test]
fn hostile_characters() {
    for (sql, dialect, expected) in [
        // SQLite ends at a NUL: it would read every row, or delete every row.
        (
            "select id from track /*\0*/ where id = 1",
            Dialect::Sqlite,
            "unparsed write",
        ),
        (
            "delete from track -- \0\n where id = 1",
            Dialect::Sqlite,
            "unparsed write",
        ),
        (
            "select id from track where name = 'a\0' and id = 1",
            Dialect::Sqlite,
            "unparsed write",
        ),
        (
            "select id from track\0",
            Dialect::Postgres,
            "unparsed write",
        ),
        (
            "\u{feff}select id from track",
            Dialect::Sqlite,
            "unparsed write",
        ),
        (
            "\u{feff}delete from track",
            Dialect::Sqlite,
            "unparsed write",
        ),
        (
            "select id\u{a0}from track",
            Dialect::Postgres,
            "unparsed write",
        ),
        (
            "select id from track\u{2028}where id = 1",
            Dialect::Postgres,
            "unparsed write",
        ),
        (
            "select id\u{b}from track where id = 1",
            Dialect::Postgres,
            "get track(id)[id=1]",
        ),
        // A carriage return ends a comment on PostgreSQL alone.
        (
            "select id from track -- \r where id = 1",
            Dialect::Postgres,
            "get track(id)[id=1]",
        ),
        (
            "select id from track -- \r where id = 1",
            Dialect::Sqlite,
            "fetch track(id)[]",
        ),
        // Names are told apart in their first 63 bytes.
        (
            concat!(
                "savepoint aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                "bc"
            ),
            Dialect::Postgres,
            "Savepoint(\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\")",
        ),
        (
            "savepoint aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaé",
            Dialect::Postgres,
            "Savepoint(\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\")",
        ),
    ] {
        assert_eq!(short(sql, dialect), expected, "{sql:?}");
    }
}

/// `SQLite` takes TRUE for a column where there is one of that name.
#[test]
fn columns_called_true() {
    let facts = r#"{"searchPath":["main"],"tables":[{"schema":"main","name":"t","kind":"table",
        "columns":[{"name":"a","kind":"sqlite_numeric"},{"name":"True","kind":"sqlite_numeric"}]}]}"#;
    for (sql, read) in [
        ("select a from t where a = 1 or false", false),
        ("select a from t where a = true", false),
        ("select a from t where a is not true", false),
        ("select a from t where a = 1", true),
    ] {
        let facts = Facts::from_json(facts, Dialect::Sqlite).unwrap();
        let collapsed = collapse(sql, Dialect::Sqlite).unwrap();
        let statement = plan(&collapsed, Dialect::Sqlite, Some(&facts)).statement;
        assert_eq!(matches!(statement, Statement::Read(_)), read, "{sql}");
    }
}

/// `changes()` must not see what images run, and `quote()` must be `SQLite`'s own.
#[test]
fn writes_that_get_no_images() {
    let facts = |functions: &str| {
        let json = format!(
            r#"{{"searchPath":["main"],"functions":[{functions}],"tables":[{{"schema":"main","name":"t",
                "kind":"table","columns":[{{"name":"a","kind":"sqlite_numeric"}}]}}]}}"#
        );
        Facts::from_json(&json, Dialect::Sqlite).unwrap()
    };
    for (sql, functions, extended) in [
        ("update t set a = 1", "", true),
        ("update t set a = changes() where a = 1", "", false),
        ("delete from t where a = Total_Changes()", "", false),
        (
            "update t set a = 1",
            r#"{"name":"Quote","volatility":"i"}"#,
            false,
        ),
        (
            "update t set a = 1",
            r#"{"name":"other","volatility":"i"}"#,
            true,
        ),
    ] {
        let collapsed = collapse(sql, Dialect::Sqlite).unwrap();
        let planned = plan(&collapsed, Dialect::Sqlite, Some(&facts(functions)));
        let Statement::Write(write) = planned.statement else {
            panic!("{sql}")
        };
        assert_eq!(write.rewrite.is_some(), extended, "{sql} {functions}");
    }
}

#[test]
fn postgres_writes() {
    check(
        Dialect::Postgres,
        include_str!("plan_texts/postgres_writes.txt"),
    );
}

#[test]
fn sqlite() {
    check(Dialect::Sqlite, include_str!("plan_texts/sqlite.txt"));
}

#[test]
fn without_facts_nothing_is_trusted() {
    let collapsed = collapse("select name from track where id = $1", Dialect::Postgres).unwrap();
    let Statement::Read(read) = plan(&collapsed, Dialect::Postgres, None).statement else {
        panic!("a read")
    };
    assert!(
        read.cautions
            .iter()
            .any(|caution| caution.code == "no_facts" && !caution.overridable)
    );
    assert!(read.dependencies.is_empty());
    let collapsed = collapse(
        "update track set name = $1 where id = $2",
        Dialect::Postgres,
    )
    .unwrap();
    let Statement::Write(write) = plan(&collapsed, Dialect::Postgres, None).statement else {
        panic!("a write")
    };
    assert_eq!(write.targets[0].table, None);
    assert_eq!(write.targets[0].rows, vec![Vec::new()]);
}

/// Prints what is found, to write a new line of the tables above: `SQL=… cargo test --test plan_texts print -- --nocapture`.
#[test]
fn print() {
    if let Ok(file) = std::env::var("SQL") {
        for line in std::fs::read_to_string(file)
            .unwrap()
            .lines()
            .filter(|line| line.len() > 2)
        {
            let dialect = if line.starts_with("p ") {
                Dialect::Postgres
            } else {
                Dialect::Sqlite
            };
            println!(
                "{}\n→ {}",
                &line[2..],
                short(&line[2..].replace("\\n", "\n"), dialect)
            );
        }
    }
}
