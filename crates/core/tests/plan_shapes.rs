//! Collapsed and canonical texts, positions for row images, and what triggers write.

#![allow(clippy::unwrap_used, reason = "tests")]

use cacheops_core::normalize::collapse;
use cacheops_core::plan::{Canonical, plan};
use cacheops_core::rewrite::positions;
use cacheops_core::schema::{Dialect, Facts, TableName, Trigger};
use cacheops_core::triggers::{TriggerEffect, writes};

use Dialect::{Postgres, Sqlite};

const FACTS: &str = r#"{"searchPath":["public","main"],"tables":[
    {"schema":"public","name":"t","kind":"table","columns":[{"name":"a","kind":"int"},{"name":"b","kind":"text"}]},
    {"schema":"public","name":"log","kind":"table","columns":[{"name":"a","kind":"int"}]},
    {"schema":"main","name":"t","kind":"table","columns":[{"name":"a","kind":"sqlite_numeric"}]},
    {"schema":"main","name":"log","kind":"table","columns":[{"name":"a","kind":"sqlite_numeric"}]}],
    "functions":[{"name":"audit","volatility":"v"},{"name":"slug","volatility":"i"},{"name":"noop","volatility":"v","declaredWrites":[]}]}"#;

fn canonical(sql: &str, dialect: Dialect) -> Canonical {
    let facts = Facts::from_json(FACTS, dialect).unwrap();
    plan(&collapse(sql, dialect).unwrap(), dialect, Some(&facts)).canonical
}

#[test]
fn equivalent_texts_share_a_canonical_text() {
    for (dialect, one, two, order) in [
        (
            Postgres,
            "select a from t where a = $1 and b = $2",
            "SELECT  \"a\"\nFROM T /* x */ WHERE B = $1 AND A = $2;",
            [1, 0],
        ),
        (
            Postgres,
            "select a from t where a in ($1, $2) or b = $3",
            "select a from t where b = $1 or a in ($2)",
            [1, 0],
        ),
        (
            Postgres,
            "select a from t where (a = $1 or b = $2) and not (a = 1 and b = '2')",
            "select a from t where not (b = '2' and a = 1) and (b = $1 or a = $2)",
            [1, 0],
        ),
        (
            Sqlite,
            "select a from t where a = ? and b = ?",
            "SELECT a FROM t WHERE b = ? AND a = ? -- x",
            [1, 0],
        ),
    ] {
        let (one, two) = (canonical(one, dialect), canonical(two, dialect));
        assert_eq!(one.text, two.text);
        assert_eq!((one.order, two.order), (vec![0, 1], order.to_vec()));
    }
}

#[test]
fn different_texts_do_not() {
    for (dialect, one, two) in [
        (Postgres, "select user from t", "select \"user\" from t"),
        // The first operand may keep the second from failing.
        (
            Sqlite,
            "select a from t where json_valid(b) and json_extract(b, '$.a') = 1",
            "select a from t where json_extract(b, '$.a') = 1 and json_valid(b)",
        ),
        (
            Postgres,
            "select a from t where a <> 0 and 1 / a > $1",
            "select a from t where 1 / a > $1 and a <> 0",
        ),
        (Postgres, "select a as x from t", "select a as y from t"),
        (Postgres, "select a as \"X\" from t", "select a as x from t"),
        (
            Postgres,
            "select a from t where a = $1 and b = $1",
            "select a from t where a = $1 and b = $2",
        ),
        (
            Postgres,
            "select $1::date, $1::timestamptz from t",
            "select $1::date, $2::timestamptz from t",
        ),
        (
            Postgres,
            "select a from t where a = 1 or a = 2 and b = 'x'",
            "select a from t where (a = 1 or a = 2) and b = 'x'",
        ),
        (
            Postgres,
            "select a from t where a between 1 and 2 and b = 'x'",
            "select a from t where a between 1 and b = 'x' and 2",
        ),
        (
            Postgres,
            "select a from t where b = 'X'",
            "select a from t where b = 'x'",
        ),
        (
            Postgres,
            "select a from t where b = 'a  b'",
            "select a from t where b = 'a b'",
        ),
        (
            Postgres,
            "select a from t where b = E'\\n'",
            "select a from t where b = '\\n'",
        ),
        (Postgres, "select a from only t", "select a from t"),
        (
            Postgres,
            "select a from t limit 1",
            "select a from t limit 2",
        ),
        (
            Postgres,
            "select a from t order by a, b",
            "select a from t order by b, a",
        ),
        (
            Postgres,
            "select a from t where a in ($1)",
            "select a from t where a = ($1)",
        ),
        (
            Postgres,
            "select a from t fetch first 1 row with ties",
            "select a from t fetch first 1 row only",
        ),
        (Postgres, "select a - -1 from t", "select a from t"),
        (Sqlite, "select COUNT(*) from t", "select count(*) from t"),
        (Sqlite, "select count(*) from t", "select count( * ) from t"),
        (
            Sqlite,
            "select count(*) from (select a+1 from t)",
            "select count(*) from (select a + 1 from t)",
        ),
        (Sqlite, "select A from t", "select a from t"),
        (
            Sqlite,
            "select a in (?) from t",
            "select a in (?, ?) from t",
        ),
        (Sqlite, "select \"a\" from t", "select 'a' from t"),
    ] {
        assert_ne!(canonical(one, dialect), canonical(two, dialect), "{one}");
    }
}

#[test]
fn lists_collapse_to_one_text() {
    let of = |sql: &str, dialect| collapse(sql, dialect).unwrap();
    let [one, many] = [
        "select a from t where a in ($1)",
        "select a from t where a in ( $1 ,$2, $3 )",
    ]
    .map(|sql| of(sql, Postgres));
    assert_eq!(one.text, many.text);
    assert_eq!(
        (one.holes.len(), many.holes[0].parameters.clone()),
        (1, vec![0, 1, 2])
    );
    let [one, many] = [
        "select a from t where a in (?) and b=?",
        "select a from t where a in ( ?, ? ) and b=?",
    ]
    .map(|sql| of(sql, Sqlite));
    assert_eq!(one.text, many.text);
    // A parameter that is used elsewhere keeps its identity.
    assert_eq!(
        of("select a from t where a in ($1, $2) and b = $1", Postgres).text,
        "select a from t where a in ($1, $2) and b = $1"
    );
    assert_eq!(
        of(
            "insert into t values ($1, default), ($2, default)",
            Postgres
        )
        .text,
        "insert into t values ($1, default)"
    );
    let mixed = of("insert into t values ($1, default), ($2, 3)", Postgres);
    assert_eq!(
        (mixed.text.as_str(), mixed.tuples),
        ("insert into t values ($1, default), ($2, 3)", Some(2))
    );
    // A query's VALUES are rows of its result.
    assert_eq!(
        of("select * from (values ($1), ($2)) x", Postgres).text,
        "select * from (values ($1), ($2)) x"
    );
    assert!(collapse("select :name", Sqlite).is_err());
    assert!(collapse("select 'open", Postgres).is_err());
    assert!(collapse(&format!("select {}", "1, ".repeat(60_000)), Postgres).is_err());
}

#[test]
fn positions_are_those_of_the_original_text() {
    let sql = "update t set b = $1, a = (select 1 where $2) where a = $3 and (b = $4) /* c */ returning a -- x\n ; ";
    let found = positions(sql, Postgres).unwrap();
    assert_eq!(
        &sql[found.where_range.clone().unwrap()],
        "a = $3 and (b = $4)"
    );
    assert_eq!(found.where_params.clone(), 2..4);
    assert!(sql[found.returning.unwrap()..].starts_with("returning a"));
    assert!(sql[..found.end].ends_with("returning a"));
    let sql = "delete from t where a = ? and b in (?, ?);--";
    let found = positions(sql, Sqlite).unwrap();
    assert_eq!(
        (&sql[found.where_range.unwrap()], found.where_params),
        ("a = ? and b in (?, ?)", 0..3)
    );
    let sql = "insert into t (a) select a from t where a = ?";
    assert_eq!(positions(sql, Sqlite).unwrap().where_range, None);
    let umlauts = "update t set b = 'äöü' where b = 'ß'";
    assert_eq!(positions(umlauts, Postgres).unwrap().end, umlauts.len());
    for refused in [
        "select 1",
        "with x as (select 1) delete from t",
        "delete from t; delete from t",
        "update t set a = 1 limit 1",
        "insert into t values (1",
    ] {
        assert_eq!(positions(refused, Sqlite), None, "{refused}");
    }
    assert_eq!(positions("delete from t where a = ?2", Sqlite), None);
}

fn effect(source: &str, dialect: Dialect) -> Option<Vec<String>> {
    let facts = Facts::from_json(FACTS, dialect).unwrap();
    let (schema, language) = if dialect == Postgres {
        ("public", "plpgsql")
    } else {
        ("main", "sqlite")
    };
    let trigger = Trigger {
        name: "g".to_owned(),
        insert: true,
        update: true,
        delete: false,
        before: true,
        instead: false,
        language: language.to_owned(),
        function: "g".to_owned(),
        source: source.to_owned(),
        declared_writes: None,
    };
    match writes(&trigger, &TableName::new(schema, "t"), &facts, dialect) {
        TriggerEffect::Unknown(_) => None,
        TriggerEffect::Writes {
            tables,
            changes_row,
        } => {
            assert_eq!(changes_row, dialect == Postgres);
            Some(tables.into_iter().map(|table| table.name).collect())
        }
    }
}

#[test]
fn triggers_are_read() {
    let log = Some(vec!["log".to_owned()]);
    let none = Some(Vec::new());
    for (source, expected) in [
        ("begin new.b := lower(trim(new.b)); return new; end", &none),
        (
            "BEGIN NEW.b = slug(NEW.b); NEW.a := nextval('s'); RETURN NEW; END;",
            &none,
        ),
        (
            "begin if (tg_op = 'INSERT') then perform pg_notify('c', new.a::text); end if; return null; end",
            &none,
        ),
        (
            "begin select count(*) into n from log where a = new.a for update; return new; end",
            &none,
        ),
        (
            "begin insert into log (a) values (new.a) on conflict (a) do update set a = excluded.a; return new; end",
            &log,
        ),
        (
            "begin update log set a = 1 where a = old.a; return new; end",
            &log,
        ),
        ("begin delete from only public.log; return old; end", &log),
        (
            "begin merge into log using t on t.a = log.a when matched then update set a = 1 when not matched then insert (a) values (1); return new; end",
            &log,
        ),
        (
            "create function g() returns trigger language plpgsql as $f$ begin insert into log values (1); return new; end $f$",
            &log,
        ),
        ("begin perform audit(new.a); return new; end", &None),
        ("begin perform noop(new.a); return new; end", &none),
        ("begin execute 'delete from log'; return new; end", &None),
        (
            "begin execute format('delete from %I', tg_argv[0]); return new; end",
            &None,
        ),
        (
            "begin insert into elsewhere values (1); return new; end",
            &None,
        ),
        ("begin truncate log; return new; end", &None),
        ("begin call audit(); return new; end", &None),
        ("begin -- insert into log\n return new; end", &none),
        (
            "begin raise notice 'delete from log'; return new; end",
            &none,
        ),
        (
            "begin with x as (delete from log returning a) select a into n from x; return new; end",
            &log,
        ),
        ("begin 'open", &None),
    ] {
        assert_eq!(&effect(source, Postgres), expected, "{source}");
    }
    for (source, expected) in [
        (
            "create trigger g after insert on t begin insert into log values (new.a); end",
            &log,
        ),
        (
            "create trigger g before update of a on t when new.a > 1 begin select raise(abort, 'no'); end;",
            &none,
        ),
        (
            "CREATE TRIGGER g AFTER DELETE ON t BEGIN UPDATE log SET a = a + 1 WHERE a = old.a; DELETE FROM log; SELECT 1; END",
            &log,
        ),
        (
            "create trigger g after insert on t begin replace into log values (case when 1 then 2 end); end",
            &log,
        ),
        (
            "create trigger g after insert on t begin insert into nowhere values (1); end",
            &None,
        ),
        (
            "create trigger g after insert on t begin select audit(); end",
            &None,
        ),
        ("create trigger g after insert on t", &None),
    ] {
        assert_eq!(&effect(source, Sqlite), expected, "{source}");
    }
}

#[test]
fn a_time_zone_may_follow_a_moving_time() {
    use cacheops_core::functions::is_moving_time;
    assert!(is_moving_time("today America/New_York"));
    assert!(is_moving_time(" Yesterday Europe/Berlin"));
    assert!(!is_moving_time("todays/America"));
}
