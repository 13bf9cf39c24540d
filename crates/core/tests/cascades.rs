//! What a write does beyond its own table.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use cacheops_core::affected::{Images, change};
use cacheops_core::bind::{Bound, bind};
use cacheops_core::database::{self, Database};
use cacheops_core::images::{Mode, images};
use cacheops_core::invalidate::{Level, Report, invalidate};
use cacheops_core::named::{row_change, table_change};
use cacheops_core::schema::TableName;
use cacheops_core::shape::Shape;
use cacheops_core::value::{Encoder, Value};
use serde_json::{Value as Json, json};

fn table(name: &str, columns: &[&str], more: &Json) -> Json {
    let columns: Vec<_> = columns
        .iter()
        .map(|name| json!({ "name": name, "kind": "int" }))
        .collect();
    let mut table = json!({ "schema": "public", "name": name, "kind": "table", "columns": columns, "keys": [["id"]] });
    for (field, value) in more.as_object().unwrap() {
        table[field] = value.clone();
    }
    table
}

fn key(column: &str, parent: &str, on_delete: &str, on_update: &str) -> Json {
    json!({ "columns": [column], "parent": { "schema": "public", "name": parent }, "parentColumns": ["id"],
        "onDelete": on_delete, "onUpdate": on_update })
}

fn open(identity: &str, tables: &[Json]) -> Arc<Database> {
    let store = database::open_store("cascades").unwrap();
    let database =
        database::database(database::open_database(store, identity, "postgres").unwrap()).unwrap();
    let facts = json!({ "searchPath": ["public"], "returningOld": true, "tables": tables });
    assert!(
        database
            .set_facts(&facts.to_string(), database.epoch())
            .unwrap()
    );
    database
}

fn family(identity: &str) -> Arc<Database> {
    let tables = [
        table("a", &["id", "x"], &json!({})),
        table(
            "b",
            &["id", "a_id", "x"],
            &json!({ "foreignKeys": [key("a_id", "a", "cascade", "cascade")] }),
        ),
        table(
            "c",
            &["id", "b_id"],
            &json!({ "foreignKeys": [key("b_id", "b", "set_null", "none")] }),
        ),
        table(
            "d",
            &["id", "a_id"],
            &json!({ "foreignKeys": [key("a_id", "a", "none", "none")] }),
        ),
    ];
    open(identity, &tables)
}

fn input(values: &[i32]) -> Vec<u8> {
    values
        .iter()
        .fold(Encoder::default(), |encoder, value| {
            encoder.with(Value::Number(f64::from(*value)))
        })
        .finish(b"")
}

fn token(shape: &Shape, values: &[i32]) -> u64 {
    match bind(shape, &input(values)) {
        Bound::Token(_, token) => token,
        other => panic!("{other:?}"),
    }
}

fn write(database: &Arc<Database>, sql: &str, values: &[i32]) -> Report {
    let shape = Shape::prepare(database, sql);
    invalidate(database, &change(&shape, &input(values), None))
}

#[test]
fn children_of_a_deleted_row_are_dropped_by_their_keys() {
    let database = family("delete");
    let child = Shape::prepare(&database, "select * from b where a_id = $1");
    let (one, two) = (token(&child, &[1]), token(&child, &[2]));
    let report = write(&database, "delete from a where id = $1", &[1]);
    assert_ne!(token(&child, &[1]), one, "{report:?}");
    assert_eq!(token(&child, &[2]), two, "{report:?}");
}

#[test]
fn grandchildren_are_dropped_as_a_table_and_strangers_not_at_all() {
    let database = family("grandchildren");
    let grandchild = Shape::prepare(&database, "select * from c where b_id = $1");
    let stranger = Shape::prepare(&database, "select * from d where a_id = $1");
    let before = (token(&grandchild, &[9]), token(&stranger, &[1]));
    write(&database, "delete from a where id = $1", &[1]);
    assert_ne!(token(&grandchild, &[9]), before.0);
    assert_eq!(token(&stranger, &[1]), before.1);
}

#[test]
fn an_update_reaches_children_only_through_the_referenced_columns() {
    let database = family("update");
    let child = Shape::prepare(&database, "select x from b where a_id = $1");
    let before = token(&child, &[1]);
    write(&database, "update a set x = $1 where id = $2", &[5, 1]);
    assert_eq!(token(&child, &[1]), before);
    write(&database, "update a set id = $1 where id = $2", &[7, 1]);
    assert_ne!(token(&child, &[1]), before);
    let (seven, eight) = (token(&child, &[7]), token(&child, &[8]));
    write(&database, "update a set id = $1 where id = $2", &[7, 1]);
    assert_ne!(token(&child, &[7]), seven);
    assert_eq!(token(&child, &[8]), eight);
}

#[test]
fn a_parent_known_in_part_drops_its_children_as_a_table() {
    let database = family("partial");
    let child = Shape::prepare(&database, "select * from b where a_id = $1");
    let before = token(&child, &[1]);
    let report = write(&database, "delete from a where x = $1", &[1]);
    assert_ne!(token(&child, &[1]), before);
    assert!(
        report
            .dropped
            .iter()
            .any(|dropped| dropped.table == "b" && dropped.level == Level::Table),
        "{report:?}"
    );
}

#[test]
fn a_table_that_references_itself_is_dropped_below_the_first_level() {
    let tables = [table(
        "t",
        &["id", "p"],
        &json!({ "foreignKeys": [key("p", "t", "cascade", "none")] }),
    )];
    let database = open("self", &tables);
    let child = Shape::prepare(&database, "select * from t where p = $1");
    let before = token(&child, &[99]);
    write(&database, "delete from t where id = $1 and p = $2", &[1, 5]);
    assert_ne!(
        token(&child, &[99]),
        before,
        "a grandchild may have had any parent"
    );
}

#[test]
fn a_trigger_that_cannot_be_read_drops_everything_and_says_so() {
    let trigger = json!({ "name": "tr", "insert": true, "update": false, "delete": false, "before": false, "instead": false,
        "language": "c", "function": "public.secret", "source": "secret" });
    let tables = [
        table("t", &["id"], &json!({ "triggers": [trigger] })),
        table("u", &["id"], &json!({})),
    ];
    let database = open("trigger", &tables);
    let other = Shape::prepare(&database, "select * from u where id = $1");
    let before = token(&other, &[1]);
    let report = write(&database, "delete from t where id = $1", &[1]);
    assert_eq!(token(&other, &[1]), before);
    assert!(report.warnings.is_empty());
    let report = write(&database, "insert into t (id) values ($1)", &[1]);
    assert_ne!(token(&other, &[1]), before);
    assert_eq!(report.warnings.len(), 1, "{report:?}");
}

#[test]
fn declared_writes_of_a_trigger_are_believed() {
    let trigger = json!({ "name": "tr", "insert": true, "update": true, "delete": true, "before": false, "instead": false,
        "language": "c", "function": "public.secret", "source": "secret",
        "declaredWrites": [{ "schema": "public", "name": "u" }] });
    let tables = [
        table("t", &["id"], &json!({ "triggers": [trigger] })),
        table("u", &["id"], &json!({})),
        table("v", &["id"], &json!({})),
    ];
    let database = open("declared", &tables);
    let (named, other) = (
        Shape::prepare(&database, "select * from u where id = $1"),
        Shape::prepare(&database, "select * from v where id = $1"),
    );
    let before = (token(&named, &[1]), token(&other, &[1]));
    write(&database, "insert into t (id) values ($1)", &[1]);
    assert_ne!(token(&named, &[1]), before.0);
    assert_eq!(token(&other, &[1]), before.1);
}

#[test]
fn facts_that_change_drop_what_was_cached_under_others() {
    let database = family("facts");
    let query = Shape::prepare(&database, "select x from a where id = $1");
    let before = token(&query, &[1]);
    let late = change(
        &Shape::prepare(&database, "update a set x = $1 where id = $2"),
        &input(&[1, 2]),
        None,
    );
    database.drop_facts();
    assert_eq!(bind(&query, &input(&[1])), Bound::Stale);
    let unknown = Shape::prepare(&database, "select x from a where id = $1");
    assert_eq!(bind(&unknown, &input(&[1])), Bound::NoFacts);
    assert!(
        !database
            .set_facts("{\"searchPath\": [], \"tables\": []}", 0)
            .unwrap(),
        "facts of an earlier epoch"
    );
    let tables =
        json!({ "searchPath": ["public"], "tables": [table("a", &["id", "x"], &json!({}))] });
    assert!(
        database
            .set_facts(&tables.to_string(), database.epoch())
            .unwrap()
    );
    let query = Shape::prepare(&database, "select x from a where id = $1");
    let after = token(&query, &[1]);
    assert_ne!(after, before);
    let report = invalidate(&database, &late);
    assert_eq!(report.dropped[0].level, Level::Database);
    assert_ne!(token(&query, &[1]), after);
}

#[test]
fn what_the_caller_names_is_dropped() {
    let database = family("named");
    let query = Shape::prepare(&database, "select x from a where id = $1");
    let (facts, epoch) = database.facts();
    let name = TableName::new("public", "a");
    let before = (token(&query, &[1]), token(&query, &[2]));
    let row = row_change(
        facts.as_deref(),
        epoch,
        database.dialect(),
        &name,
        &["id".to_owned()],
        &input(&[1]),
    );
    invalidate(&database, &row);
    assert_ne!(token(&query, &[1]), before.0);
    assert_eq!(token(&query, &[2]), before.1);
    invalidate(
        &database,
        &table_change(facts.as_deref(), epoch, database.dialect(), &name, "test"),
    );
    assert_ne!(token(&query, &[2]), before.1);
    let unknown = TableName::new("public", "nobody");
    let report = invalidate(
        &database,
        &table_change(
            facts.as_deref(),
            epoch,
            database.dialect(),
            &unknown,
            "test",
        ),
    );
    assert_eq!(report.dropped[0].level, Level::Database);
}

#[test]
fn a_full_registry_falls_back_to_the_table() {
    let names: Vec<String> = (0..70).map(|at| format!("c{at}")).collect();
    let columns: Vec<&str> = ["id"]
        .into_iter()
        .chain(names.iter().map(String::as_str))
        .collect();
    let database = open("full", &[table("t", &columns, &json!({}))]);
    let shapes: Vec<_> = names
        .iter()
        .map(|name| Shape::prepare(&database, &format!("select id from t where {name} = $1")))
        .collect();
    let before: Vec<_> = shapes.iter().map(|shape| token(shape, &[1])).collect();
    let report = write(&database, "update t set c69 = $1 where id = $2", &[1, 5]);
    assert_eq!(report.dropped[0].level, Level::Table);
    for (shape, before) in shapes.iter().zip(before) {
        assert_ne!(token(shape, &[1]), before);
    }
}

#[test]
fn images_are_only_asked_for_where_they_say_more_than_the_text() {
    let database = family("images");
    let plan = |sql: &str| images(&Shape::prepare(&database, sql));
    assert_eq!(
        plan("update b set x = $1 where id = $2").unwrap().mode,
        Mode::None,
        "nobody reads it"
    );
    token(
        &Shape::prepare(&database, "select x from b where id = $1"),
        &[1],
    );
    let pinned = plan("update b set x = $1 where id = $2").unwrap();
    assert_eq!(
        pinned.differs,
        ["x"],
        "WHERE tells the row, but not whether x differs"
    );
    assert!(!pinned.counted);
    assert_eq!(
        plan("delete from b where id = $1").unwrap().mode,
        Mode::None,
        "WHERE tells all"
    );
    assert_eq!(
        plan("update b set a_id = $1 where x = $2").unwrap().mode,
        Mode::None,
        "nobody reads what is written"
    );
    let counted = plan("update b set x = $1 where a_id = $2").unwrap();
    assert!(counted.counted && !counted.pieces.is_empty() && counted.new);
    assert!(plan("insert into b (id, a_id) select id, id from a").is_err());
    assert!(plan("update b set x = $1 from a where a.id = b.a_id").is_err());
    let own = plan("delete from b where x = $1 returning id; -- bye").unwrap();
    assert!(own.caller_returns && !own.counted);
    assert!(own.sql.unwrap().ends_with("\"$cacheops$o0\"; -- bye"));
}

#[test]
fn no_images_are_no_proof_of_no_change() {
    let database = family("no images");
    let query = Shape::prepare(&database, "select x from a where id = $1");
    let before = token(&query, &[1]);
    let insert = Shape::prepare(&database, "insert into a (id, x) values ($1, $2)");
    let images = Images {
        affected: Some(0),
        none: false,
        rows: Vec::new(),
    };
    invalidate(&database, &change(&insert, &input(&[1, 2]), Some(&images)));
    assert_ne!(token(&query, &[1]), before);
}
