//! A write that returns may stand on others that are committed and not invalidated yet.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use cacheops_core::affected::change;
use cacheops_core::bind::{Bound, bind};
use cacheops_core::change::Change;
use cacheops_core::database::{self, Database};
use cacheops_core::invalidate::{abandon, settle};
use cacheops_core::pending::Announced;
use cacheops_core::shape::Shape;
use cacheops_core::value::Encoder;

const FACTS: &str = r#"{ "searchPath": ["main"], "tables": [
    { "schema": "main", "name": "t", "kind": "table", "keys": [["id"]], "rowid": true, "columns": [
        { "name": "id", "kind": "int" }, { "name": "g", "kind": "int" }, { "name": "n", "kind": "int" } ] } ] }"#;

fn open(identity: &str) -> Arc<Database> {
    let store = database::open_store("pending").unwrap();
    let handle = database::open_database(store, identity, "postgres").unwrap();
    let database = database::database(handle).unwrap();
    database.set_facts(FACTS, 0).unwrap();
    database
}

fn input() -> Vec<u8> {
    Encoder::default().finish(b"")
}

fn bound(database: &Arc<Database>, sql: &str) -> Bound {
    bind(&Shape::prepare(database, sql), &input())
}

fn token(database: &Arc<Database>, sql: &str) -> u64 {
    match bound(database, sql) {
        Bound::Token(_, token) => token,
        other => panic!("{sql}: {other:?}"),
    }
}

fn assert_in_doubt(database: &Arc<Database>, sql: &str) {
    let bound = bound(database, sql);
    assert!(matches!(bound, Bound::InDoubt(..)), "{sql}: {bound:?}");
}

fn statement(database: &Arc<Database>, sql: &str) -> Announced {
    Announced::Statement(Arc::new(Shape::prepare(database, sql)), Arc::from(input()))
}

const MOVES: &str = "update t set g = 2 where id = 1";
const COUNTS: &str = "update t set n = 5 where id = 3";
const GROUP: &str = "select id from t where g = 1";
const OTHER: &str = "select id from t where id = 9";

#[test]
fn whoever_settles_puts_in_doubt_what_others_have_announced() {
    let database = open("drops");
    let (group, other) = (token(&database, GROUP), token(&database, OTHER));
    // MOVES is committed, and not invalidated yet; COUNTS is committed after it and returns first.
    let moves = database.pending().announce(statement(&database, MOVES));
    let own = database.pending().announce(statement(&database, COUNTS));
    let changes = change(&Shape::prepare(&database, COUNTS), &input(), None);
    assert_eq!(token(&database, GROUP), group, "nobody stands on it yet");
    settle(&database, &changes, Some(own));
    assert_in_doubt(&database, GROUP);
    assert_eq!(token(&database, OTHER), other);
    // It is settled: it has moved no row of the group.
    settle(&database, &[], Some(moves));
    assert_eq!(token(&database, GROUP), group);
}

#[test]
fn a_write_of_nothing_does_so_as_well() {
    let database = open("nothing");
    token(&database, GROUP);
    database.pending().announce(statement(&database, MOVES));
    settle(&database, &[], None);
    assert_in_doubt(&database, GROUP);
}

#[test]
fn what_it_did_change_is_dropped_before_the_doubt_is() {
    let database = open("changed");
    let group = token(&database, GROUP);
    let moves = database.pending().announce(statement(&database, MOVES));
    settle(&database, &[], None);
    let changes = change(&Shape::prepare(&database, MOVES), &input(), None);
    settle(&database, &changes, Some(moves));
    assert_ne!(token(&database, GROUP), group);
}

#[test]
fn a_scheme_that_is_registered_later_is_in_doubt_from_the_next_return_on() {
    let database = open("later scheme");
    let moves = database.pending().announce(statement(&database, MOVES));
    settle(&database, &[], None);
    token(&database, GROUP);
    settle(&database, &[], None);
    assert_in_doubt(&database, GROUP);
    database.pending().retract(moves);
    token(&database, GROUP);
}

#[test]
fn two_writes_in_doubt_are_two() {
    let database = open("two");
    token(&database, GROUP);
    let first = database.pending().announce(statement(&database, MOVES));
    let second = database.pending().announce(statement(&database, MOVES));
    settle(&database, &[], None);
    settle(&database, &[], None);
    database.pending().retract(first);
    assert_in_doubt(&database, GROUP);
    database.pending().retract(second);
    token(&database, GROUP);
}

#[test]
fn a_write_of_anything_puts_all_in_doubt() {
    let database = open("anything");
    token(&database, OTHER);
    let anything = Announced::Changes(
        Arc::clone(&database),
        Arc::from([Change::Everything {
            reason: "a test".to_owned(),
            warning: false,
            epoch: database.epoch(),
        }]),
    );
    let number = database.pending().announce(anything);
    settle(&database, &[], None);
    assert_in_doubt(&database, OTHER);
    database.pending().retract(number);
    token(&database, OTHER);
}

#[test]
fn what_was_taken_back_or_settled_is_dropped_by_nobody() {
    let database = open("retracted");
    let undone = database.pending().announce(statement(&database, MOVES));
    database.pending().retract(undone);
    let settled = database.pending().announce(statement(&database, MOVES));
    let changes = change(&Shape::prepare(&database, MOVES), &input(), None);
    settle(&database, &changes, Some(settled));
    let group = token(&database, GROUP);
    settle(&database, &[], None);
    assert_eq!(token(&database, GROUP), group);
}

#[test]
fn what_a_thread_leaves_behind_is_dropped_at_once_and_with_every_write() {
    let database = open("abandoned");
    let (group, other) = (token(&database, GROUP), token(&database, OTHER));
    let announced = database.pending().announce(statement(&database, MOVES));
    abandon(&database, announced);
    let later = token(&database, GROUP);
    assert_ne!(later, group);
    // The server commits it only now, and another write returns.
    let own = database.pending().announce(statement(&database, COUNTS));
    let changes = change(&Shape::prepare(&database, COUNTS), &input(), None);
    settle(&database, &changes, Some(own));
    assert_ne!(token(&database, GROUP), later);
    assert_eq!(token(&database, OTHER), other);
}

#[test]
fn under_other_facts_it_is_known_by_its_table() {
    let database = open("abandoned before a schema change");
    let announced = database.pending().announce(statement(&database, MOVES));
    abandon(&database, announced);
    let facts = FACTS.replace(
        r#""tables": ["#,
        r#""tables": [
    { "schema": "main", "name": "u", "kind": "table", "keys": [["id"]], "rowid": true, "columns": [
        { "name": "id", "kind": "int" } ] },"#,
    );
    assert!(database.set_facts(&facts, database.epoch()).unwrap());
    let (of_t, of_u) = (
        token(&database, OTHER),
        token(&database, "select id from u where id = 1"),
    );
    settle(&database, &[], None);
    assert_ne!(token(&database, OTHER), of_t);
    assert_eq!(token(&database, "select id from u where id = 1"), of_u);
}

#[test]
fn many_that_were_left_behind_take_no_more_room_than_their_tables() {
    let database = open("many abandoned");
    for id in 0..200 {
        let text = format!("update t set g = 2 where id = {id}");
        let announced = database.pending().announce(statement(&database, &text));
        abandon(&database, announced);
    }
    let kept = database.pending().abandoned(database.epoch()).len();
    assert!((1..=64).contains(&kept), "{kept}");
    let other = token(&database, OTHER);
    settle(&database, &[], None);
    assert_ne!(token(&database, OTHER), other);
}
