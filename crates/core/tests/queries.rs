//! Random queries of joins, subqueries, CTEs and set operations over tiny tables: whenever a row changes an answer, the
//! query's token must have changed.
//!
//! An evaluator of its own answers them: nested loops, SQL's three truth values, no thought of conditions. It knows nothing
//! of plans, and the plan nothing of it; they share the text.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "queries/answer.rs"]
mod answer;
#[path = "queries/make.rs"]
mod make;
#[path = "queries/query.rs"]
mod query;
#[path = "queries/random.rs"]
mod random;

use std::collections::HashMap;
use std::sync::Arc;

use answer::{Answer, Row};
use cacheops_core::affected::{Image, Images, change};
use cacheops_core::bind::{Bound, bind};
use cacheops_core::database::{self, Database};
use cacheops_core::images::images;
use cacheops_core::invalidate::invalidate;
use cacheops_core::schema::Dialect;
use cacheops_core::shape::Shape;
use cacheops_core::value::{Encoder, Value as Parameter};
use make::Maker;
use query::{TABLES, Value, Writer};
use random::Random;

fn facts(dialect: Dialect) -> String {
    let (schema, kind) = match dialect {
        Dialect::Postgres => ("public", "int"),
        Dialect::Sqlite => ("main", "sqlite_numeric"),
    };
    let tables = TABLES.map(|(name, columns)| {
        let columns = columns.map(|name| format!(r#"{{"name":"{name}","kind":"{kind}"}}"#));
        format!(
            r#"{{"schema":"{schema}","name":"{name}","kind":"table","keys":[["id"]],"rowid":true,"columns":[{}]}}"#,
            columns.join(",")
        )
    });
    format!(
        r#"{{"searchPath":["{schema}"],"returningOld":true,"tables":[{}]}}"#,
        tables.join(",")
    )
}

fn input(parameters: &[Value]) -> Vec<u8> {
    let encoder = parameters
        .iter()
        .fold(Encoder::default(), |encoder, value| match value {
            Some(value) => encoder.with(Parameter::BigInt(&value.to_string())),
            None => encoder.with(Parameter::Null),
        });
    encoder.finish(b"")
}

fn token(shape: &Shape, input: &[u8], sql: &str) -> u64 {
    match bind(shape, input) {
        Bound::Token(_, token) => token,
        other => panic!("{sql}: {other:?} {:?}", shape.planned.statement),
    }
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}

/// A write of one row: text, parameters, the row before and after.
type Write = (String, Vec<Value>, Option<Row>, Option<Row>);

fn write(random: &mut Random, tables: &mut [Vec<Row>; 3], read: &[usize]) -> Write {
    let at = random.pick(read);
    let (name, columns) = TABLES[at];
    let rows = &mut tables[at];
    let hole = |n: usize| format!("${n}");
    if rows.is_empty() || rows.len() < 4 && random.chance(35) {
        let id = (0..5).find(|id| rows.iter().all(|row| row[0] != Some(*id)));
        let row = vec![id, random.value(), random.value()];
        rows.push(row.clone());
        let sql = format!(
            "insert into {name} ({}) values ($1, $2, $3)",
            columns.join(", ")
        );
        return (sql, row.clone(), None, Some(row));
    }
    let which = random.below(rows.len());
    if random.chance(35) {
        let row = rows.remove(which);
        let sql = format!("delete from {name} where id = $1");
        return (sql, vec![row[0]], Some(row), None);
    }
    let old = rows[which].clone();
    let mut parameters = Vec::new();
    let mut set = Vec::new();
    let first = 1 + random.below(2);
    for column in 1..3 {
        if column == first || random.chance(25) {
            let value = random.value();
            rows[which][column] = value;
            parameters.push(value);
            set.push(format!("{} = {}", columns[column], hole(parameters.len())));
        }
    }
    parameters.push(old[0]);
    let sql = format!(
        "update {name} set {} where id = {}",
        set.join(", "),
        hole(parameters.len())
    );
    (sql, parameters, Some(old), Some(rows[which].clone()))
}

/// What a write changes, told with the row's images or without.
fn announce(
    database: &Arc<Database>,
    shapes: &mut HashMap<String, Arc<Shape>>,
    write: &Write,
    imaged: bool,
) {
    let (sql, parameters, old, new) = write;
    let spelled = match database.dialect() {
        Dialect::Postgres => sql.clone(),
        Dialect::Sqlite => sql.replace('$', "?"),
    };
    let shape = shapes
        .entry(spelled.clone())
        .or_insert_with(|| Arc::new(Shape::prepare(database, &spelled)));
    let plan = images(shape).ok().filter(|_| imaged);
    let table = TABLES
        .iter()
        .find(|(name, _)| sql.split([' ']).any(|word| word == *name));
    let (_, columns) = table.unwrap();
    let at = |name: &String| columns.iter().position(|column| column == name).unwrap();
    let text = |value: Value| match (value, database.dialect()) {
        (Some(value), _) => Some(value.to_string()),
        (None, Dialect::Postgres) => None,
        (None, Dialect::Sqlite) => Some("NULL".to_owned()),
    };
    let taken = plan.map(|plan| {
        let side = |row: &Option<Row>, wanted: bool| {
            let row = row
                .as_ref()
                .filter(|_| wanted && !plan.columns.is_empty())?;
            Some(
                plan.columns
                    .iter()
                    .map(|column| text(row[at(column)]))
                    .collect(),
            )
        };
        let differs = |name: &String| {
            let same =
                old.as_ref().map(|row| row[at(name)]) == new.as_ref().map(|row| row[at(name)]);
            Some(if same { "0" } else { "1" }.to_owned())
        };
        Images {
            affected: Some(1),
            none: false,
            rows: vec![Image {
                o: side(old, plan.old),
                n: side(new, plan.new),
                d: (!plan.differs.is_empty()).then(|| plan.differs.iter().map(differs).collect()),
            }],
        }
    });
    let _ = invalidate(database, &change(shape, &input(parameters), taken.as_ref()));
}

#[derive(Default)]
struct Count {
    queries: u32,
    writes: u32,
    changed: u32,
    could: u32,
    kept: u32,
}

fn tables(random: &mut Random) -> [Vec<Row>; 3] {
    std::array::from_fn(|_| {
        (0..=random.below(3))
            .map(|id| vec![i64::try_from(id).ok(), random.value(), random.value()])
            .collect()
    })
}

fn run(dialect: Dialect, seeds: std::ops::Range<u64>) -> Count {
    let name = if dialect == Dialect::Postgres {
        "postgres"
    } else {
        "sqlite"
    };
    let store = database::open_store(&format!("queries {name} {}", seeds.start)).unwrap();
    let facts = facts(dialect);
    let mut count = Count::default();
    for seed in seeds {
        // One each: a table's schemes are limited, and past the limit any write drops every query.
        let handle = database::open_database(store, &seed.to_string(), name).unwrap();
        let database = database::database(handle).unwrap();
        assert!(database.set_facts(&facts, 0).unwrap());
        let mut shapes = HashMap::new();
        let mut random = Random::new(seed);
        let mut tables = tables(&mut random);
        let query = Maker::new(&mut random, dialect).query(None);
        let mut writer = Writer {
            dialect,
            out: String::new(),
            parameters: Vec::new(),
        };
        writer.query(&query);
        let sql = writer.out;
        let bytes = input(&writer.parameters);
        let shape = Shape::prepare(&database, &sql);
        count.queries += 1;
        // Writes on other tables would tell nothing.
        let read: Vec<usize> = (0..3)
            .filter(|at| {
                let name = TABLES[*at].0;
                shape.planned.read().is_some_and(|read| {
                    read.dependencies
                        .iter()
                        .any(|dependency| dependency.table.name == name)
                })
            })
            .collect();
        if read.is_empty() {
            continue;
        }
        for _ in 0..8 {
            let before = sorted(Answer::new(&tables, dialect).query(&query));
            let was = token(&shape, &bytes, &sql);
            let write = write(&mut random, &mut tables, &read);
            announce(&database, &mut shapes, &write, random.chance(80));
            let after = sorted(Answer::new(&tables, dialect).query(&query));
            let alive = was == token(&shape, &bytes, &sql);
            assert!(
                before == after || !alive,
                "seed {seed}: stale\n{sql}\n{:?}\nafter {write:?}\n{before:?}\n{after:?}\n{:?}\n{tables:?}",
                writer.parameters,
                shape.planned.read().map(|read| &read.dependencies),
            );
            count.writes += 1;
            if before == after {
                count.could += 1;
                count.kept += u32::from(alive);
            } else {
                count.changed += 1;
            }
        }
    }
    count
}

fn judged(dialect: Dialect) {
    let seeds = std::env::var("SEEDS").map_or(600, |seeds| seeds.parse().unwrap());
    let count = run(dialect, 0..seeds);
    println!(
        "{} queries, {} writes, {} changed an answer, kept {} of {} that were unchanged",
        count.queries, count.writes, count.changed, count.kept, count.could
    );
    // It must have been tried, and caution must not have become the rule.
    assert!(
        count.changed > count.writes / 20,
        "{} changed",
        count.changed
    );
    assert!(
        count.kept * 100 > count.could * 15,
        "kept {} of {}",
        count.kept,
        count.could
    );
}

#[test]
fn a_changed_answer_has_a_changed_token_on_postgres() {
    judged(Dialect::Postgres);
}

#[test]
fn a_changed_answer_has_a_changed_token_on_sqlite() {
    judged(Dialect::Sqlite);
}

/// Prints queries with tables and answers as JSON, to be compared with a real database:
/// `PRINT=20 cargo test --test queries print -- --nocapture`.
#[test]
fn print() {
    let Ok(count) = std::env::var("PRINT") else {
        return;
    };
    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        for seed in 0..count.parse().unwrap() {
            let mut random = Random::new(seed);
            let tables = tables(&mut random);
            let query = Maker::new(&mut random, dialect).query(None);
            let mut writer = Writer {
                dialect,
                out: String::new(),
                parameters: Vec::new(),
            };
            writer.query(&query);
            let answer = sorted(Answer::new(&tables, dialect).query(&query));
            let line = (
                format!("{dialect:?}"),
                seed,
                writer.out,
                writer.parameters,
                tables,
                answer,
            );
            println!("{}", serde_json::to_string(&line).unwrap());
        }
    }
}
