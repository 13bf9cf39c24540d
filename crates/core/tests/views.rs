//! Sessions for which a name means another table have facts of their own, and hear of each other's writes all the same.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use cacheops_core::affected::change;
use cacheops_core::bind::{Bound, bind};
use cacheops_core::database::{self, Database};
use cacheops_core::invalidate::settle;
use cacheops_core::pending::Announced;
use cacheops_core::shape::Shape;
use cacheops_core::value::Encoder;

fn open(identity: &str, path: &str) -> Arc<Database> {
    let store = database::open_store("views").unwrap();
    let handle = database::open_view(store, identity, "postgres", path).unwrap();
    let database = database::database(handle).unwrap();
    let table = |schema: &str| {
        format!(
            r#"{{ "schema": "{schema}", "name": "t", "kind": "table", "keys": [["id"]], "columns": [
                {{ "name": "id", "kind": "int" }}, {{ "name": "v", "kind": "int" }} ] }}"#
        )
    };
    let facts = format!(
        r#"{{ "searchPath": ["{path}"], "tables": [{}, {}] }}"#,
        table("a"),
        table("b")
    );
    assert!(database.set_facts(&facts, 0).unwrap());
    database
}

fn input() -> Vec<u8> {
    Encoder::default().finish(b"")
}

fn token(database: &Arc<Database>, sql: &str) -> u64 {
    match bind(&Shape::prepare(database, sql), &input()) {
        Bound::Token(_, token) => token,
        other => panic!("{sql}: {other:?}"),
    }
}

fn write(database: &Arc<Database>, sql: &str) {
    settle(
        database,
        &change(&Shape::prepare(database, sql), &input(), None),
        None,
    );
}

const READ: &str = "select v from t where id = 1";
const WRITE: &str = "update t set v = 2 where id = 1";

#[test]
fn a_name_means_what_it_means_to_the_session() {
    let (a, b) = (open("names", "a"), open("names", "b"));
    let (of_a, of_b) = (token(&a, READ), token(&b, READ));
    write(&b, WRITE);
    assert_eq!(token(&a, READ), of_a);
    assert_ne!(token(&b, READ), of_b);
}

#[test]
fn what_one_view_writes_the_other_hears_of() {
    let (a, b) = (open("hears", "a"), open("hears", "b"));
    let of_a = token(&a, READ);
    write(&b, "update a.t set v = 2 where id = 9");
    assert_eq!(token(&a, READ), of_a);
    write(&b, "update a.t set v = 2 where id = 1");
    assert_ne!(token(&a, READ), of_a);
}

#[test]
fn a_view_that_is_opened_later_takes_no_scheme_from_the_registry() {
    let a = open("later", "a");
    let shape = Shape::prepare(&a, READ);
    let bound = || match bind(&shape, &input()) {
        Bound::Token(_, token) => token,
        other => panic!("{other:?}"),
    };
    bound();
    open("later", "b");
    let before = bound();
    write(&a, WRITE);
    assert_ne!(bound(), before);
}

#[test]
fn what_another_view_has_announced_is_understood_by_its_own_facts() {
    let (a, b) = (open("announced", "a"), open("announced", "b"));
    let of_a = token(&a, READ);
    token(&b, READ);
    let shape = Shape::prepare(&b, WRITE);
    let changes = change(&shape, &input(), None);
    b.pending()
        .announce(Announced::Changes(Arc::clone(&b), changes.into()));
    write(&a, "update t set v = 2 where id = 7");
    assert_eq!(token(&a, READ), of_a);
    let bound = bind(&Shape::prepare(&b, READ), &input());
    assert!(matches!(bound, Bound::InDoubt(..)), "{bound:?}");
}

#[test]
fn a_schema_change_is_one_for_all_views() {
    let (a, b) = (open("schema", "a"), open("schema", "b"));
    b.drop_facts();
    assert!(a.facts().0.is_none());
}
