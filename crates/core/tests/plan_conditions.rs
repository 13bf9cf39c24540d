//! Random conditions over random rows: what a plan says of the rows of interest never loses a row that the query returns.
//!
//! The oracle evaluates conditions in SQL's three-valued logic, so NOT, NULL and outer joins are where it bites.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use cacheops_core::normalize::collapse;
use cacheops_core::plan::{Conjunction, Operand, Statement, plan};
use cacheops_core::schema::{Dialect, Facts};
use proptest::prelude::*;

const FACTS: &str = r#"{"searchPath":["public","main"],"tables":[
    {"schema":"SCHEMA","name":"t","kind":"table","columns":[{"name":"a","kind":"NUMBER"},{"name":"b","kind":"NUMBER"},{"name":"c","kind":"BOOL"}]},
    {"schema":"SCHEMA","name":"u","kind":"table","columns":[{"name":"d","kind":"NUMBER"},{"name":"e","kind":"NUMBER"},{"name":"c","kind":"BOOL"}]}]}"#;

type Value = Option<i64>;

/// Columns: 0-2 are t's, 3-5 are u's. The third of each is a boolean.
const COLUMNS: [&str; 6] = ["t.a", "t.b", "t.c", "u.d", "u.e", "u.c"];

#[derive(Clone, Debug)]
enum Condition {
    Equal(usize, Atom),
    NotEqual(usize, Atom),
    Flipped(Atom, usize),
    Distinct(usize, Atom, bool),
    In(usize, Vec<Atom>, bool),
    InParameters(usize, Vec<Value>, bool),
    AnyOf(usize, Vec<Atom>),
    AllOf(usize, Vec<Atom>),
    Null(usize, bool),
    Less(usize, Atom),
    Between(usize, Atom, Atom),
    Bare(usize),
    Columns(usize, usize),
    ColumnsDiffer(usize, usize),
    Constant(Option<bool>),
    Is(Box<Condition>, &'static str),
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Pair([usize; 2], [Atom; 2]),
}

#[derive(Clone, Debug)]
enum Atom {
    Literal(Value),
    Parameter(Value),
}

impl Atom {
    fn value(&self) -> Value {
        match self {
            Self::Literal(value) | Self::Parameter(value) => *value,
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![1 => Just(None), 4 => (-1_i64..3).prop_map(Some)]
}

fn atom() -> impl Strategy<Value = Atom> {
    prop_oneof![
        value().prop_map(Atom::Literal),
        value().prop_map(Atom::Parameter)
    ]
}

fn number() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0_usize), Just(1), Just(3), Just(4)]
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        4 => (number(), atom()).prop_map(|(c, a)| Condition::Equal(c, a)),
        2 => (number(), atom()).prop_map(|(c, a)| Condition::NotEqual(c, a)),
        1 => (number(), atom()).prop_map(|(c, a)| Condition::Flipped(a, c)),
        2 => (number(), atom(), any::<bool>()).prop_map(|(c, a, n)| Condition::Distinct(c, a, n)),
        2 => (number(), prop::collection::vec(atom(), 1..4), any::<bool>()).prop_map(|(c, a, n)| Condition::In(c, a, n)),
        2 => (number(), prop::collection::vec(value(), 1..4), any::<bool>())
            .prop_map(|(c, a, n)| Condition::InParameters(c, a, n)),
        1 => (number(), prop::collection::vec(atom(), 1..4)).prop_map(|(c, a)| Condition::AnyOf(c, a)),
        1 => (number(), prop::collection::vec(atom(), 1..4)).prop_map(|(c, a)| Condition::AllOf(c, a)),
        2 => (0_usize..6, any::<bool>()).prop_map(|(c, n)| Condition::Null(c, n)),
        1 => (number(), atom()).prop_map(|(c, a)| Condition::Less(c, a)),
        1 => (number(), atom(), atom()).prop_map(|(c, a, b)| Condition::Between(c, a, b)),
        2 => prop_oneof![Just(2_usize), Just(5)].prop_map(Condition::Bare),
        3 => (number(), number()).prop_map(|(c, d)| Condition::Columns(c, d)),
        1 => (number(), number()).prop_map(|(c, d)| Condition::ColumnsDiffer(c, d)),
        1 => prop_oneof![Just(None), Just(Some(true)), Just(Some(false))].prop_map(Condition::Constant),
        1 => ([number(), number()], [atom(), atom()]).prop_map(|(c, a)| Condition::Pair(c, a)),
    ];
    leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            2 => inner.clone().prop_map(|c| Condition::Not(Box::new(c))),
            1 => (inner.clone(), prop::sample::select(vec![
                "true", "not true", "false", "not false",
            ])).prop_map(|(c, w)| Condition::Is(Box::new(c), w)),
            3 => prop::collection::vec(inner.clone(), 2..4).prop_map(Condition::And),
            3 => prop::collection::vec(inner, 2..4).prop_map(Condition::Or),
        ]
    })
}

struct Writer {
    dialect: Dialect,
    parameters: Vec<Value>,
}

impl Writer {
    fn atom(&mut self, atom: &Atom) -> String {
        match atom {
            Atom::Literal(None) => "null".to_owned(),
            Atom::Literal(Some(number)) => number.to_string(),
            Atom::Parameter(value) => self.parameter(*value),
        }
    }

    fn parameter(&mut self, value: Value) -> String {
        self.parameters.push(value);
        match self.dialect {
            Dialect::Postgres => format!("${}", self.parameters.len()),
            Dialect::Sqlite => "?".to_owned(),
        }
    }

    fn atoms(&mut self, atoms: &[Atom]) -> String {
        atoms
            .iter()
            .map(|atom| self.atom(atom))
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn sql(&mut self, condition: &Condition) -> String {
        let not = |negated: &bool| if *negated { "not " } else { "" };
        match condition {
            Condition::Equal(c, a) => format!("{} = {}", COLUMNS[*c], self.atom(a)),
            Condition::NotEqual(c, a) => format!("{} <> {}", COLUMNS[*c], self.atom(a)),
            Condition::Flipped(a, c) => format!("{} = {}", self.atom(a), COLUMNS[*c]),
            Condition::Distinct(c, a, negated) if self.dialect == Dialect::Sqlite => {
                format!(
                    "{} is {}{}",
                    COLUMNS[*c],
                    if *negated { "" } else { "not " },
                    self.atom(a)
                )
            }
            Condition::Distinct(c, a, negated) => {
                format!(
                    "{} is {}distinct from {}",
                    COLUMNS[*c],
                    not(negated),
                    self.atom(a)
                )
            }
            Condition::In(c, a, negated) => {
                format!("{} {}in ({})", COLUMNS[*c], not(negated), self.atoms(a))
            }
            Condition::InParameters(c, values, negated) => {
                let list = values
                    .iter()
                    .map(|value| self.parameter(*value))
                    .collect::<Vec<_>>()
                    .join(", ");
                format!("{} {}in ({list})", COLUMNS[*c], not(negated))
            }
            Condition::AnyOf(c, a) if self.dialect == Dialect::Sqlite => {
                format!("{} in ({})", COLUMNS[*c], self.atoms(a))
            }
            Condition::AllOf(c, a) if self.dialect == Dialect::Sqlite => {
                format!("{} not in ({})", COLUMNS[*c], self.atoms(a))
            }
            Condition::AnyOf(c, a) => format!("{} = any (array[{}])", COLUMNS[*c], self.atoms(a)),
            Condition::AllOf(c, a) => format!("{} <> all (array[{}])", COLUMNS[*c], self.atoms(a)),
            Condition::Null(c, negated) => format!("{} is {}null", COLUMNS[*c], not(negated)),
            Condition::Less(c, a) => format!("{} < {}", COLUMNS[*c], self.atom(a)),
            Condition::Between(c, a, b) => format!(
                "{} between {} and {}",
                COLUMNS[*c],
                self.atom(a),
                self.atom(b)
            ),
            Condition::Bare(c) => COLUMNS[*c].to_owned(),
            Condition::Columns(c, d) => format!("{} = {}", COLUMNS[*c], COLUMNS[*d]),
            Condition::ColumnsDiffer(c, d) => format!("{} <> {}", COLUMNS[*c], COLUMNS[*d]),
            Condition::Constant(None) => "null".to_owned(),
            Condition::Constant(Some(value)) => value.to_string(),
            Condition::Is(c, word) => format!("({}) is {word}", self.sql(c)),
            Condition::Not(c) => format!("not ({})", self.sql(c)),
            Condition::And(parts) => self.joined(parts, " and "),
            Condition::Or(parts) => self.joined(parts, " or "),
            Condition::Pair(c, a) => {
                format!(
                    "({}, {}) = ({}, {})",
                    COLUMNS[c[0]],
                    COLUMNS[c[1]],
                    self.atom(&a[0]),
                    self.atom(&a[1])
                )
            }
        }
    }

    fn joined(&mut self, parts: &[Condition], with: &str) -> String {
        // AND inside OR needs no parentheses; everything else gets them.
        let parts: Vec<String> = parts
            .iter()
            .map(|part| {
                let sql = self.sql(part);
                let bare = !matches!(part, Condition::And(_) | Condition::Or(_))
                    || with == " or " && matches!(part, Condition::And(_));
                if bare { sql } else { format!("({sql})") }
            })
            .collect();
        parts.join(with)
    }
}

fn equal(left: Value, right: Value) -> Option<bool> {
    Some(left? == right?)
}

fn truth(condition: &Condition, row: &[Value; 6]) -> Option<bool> {
    let any = |values: &mut dyn Iterator<Item = Option<bool>>| {
        let mut unknown = false;
        for value in values {
            match value {
                Some(true) => return Some(true),
                Some(false) => {}
                None => unknown = true,
            }
        }
        if unknown { None } else { Some(false) }
    };
    let not = |value: Option<bool>| value.map(|value| !value);
    match condition {
        Condition::Equal(c, a) | Condition::Flipped(a, c) => equal(row[*c], a.value()),
        Condition::NotEqual(c, a) => not(equal(row[*c], a.value())),
        Condition::Distinct(c, a, negated) => Some((row[*c] == a.value()) == *negated),
        Condition::In(c, a, negated) => {
            let found = any(&mut a.iter().map(|a| equal(row[*c], a.value())));
            if *negated { not(found) } else { found }
        }
        Condition::InParameters(c, a, negated) => {
            let found = any(&mut a.iter().map(|a| equal(row[*c], *a)));
            if *negated { not(found) } else { found }
        }
        Condition::AnyOf(c, a) => any(&mut a.iter().map(|a| equal(row[*c], a.value()))),
        Condition::AllOf(c, a) => not(any(&mut a.iter().map(|a| equal(row[*c], a.value())))),
        Condition::Null(c, negated) => Some(row[*c].is_none() != *negated),
        Condition::Less(c, a) => Some(row[*c]? < a.value()?),
        Condition::Between(c, a, b) => {
            let parts = [
                row[*c].zip(a.value()).map(|(c, a)| c < a),
                row[*c].zip(b.value()).map(|(c, b)| c > b),
            ];
            not(any(&mut parts.into_iter()))
        }
        Condition::Bare(c) => row[*c].map(|value| value != 0),
        Condition::Columns(c, d) => equal(row[*c], row[*d]),
        Condition::ColumnsDiffer(c, d) => not(equal(row[*c], row[*d])),
        Condition::Constant(value) => *value,
        Condition::Is(c, word) => {
            let value = truth(c, row);
            Some(match *word {
                "true" => value == Some(true),
                "not true" => value != Some(true),
                "false" => value == Some(false),
                _ => value != Some(false),
            })
        }
        Condition::Not(c) => not(truth(c, row)),
        Condition::And(parts) => not(any(&mut parts.iter().map(|part| not(truth(part, row))))),
        Condition::Or(parts) => any(&mut parts.iter().map(|part| truth(part, row))),
        Condition::Pair(c, a) => {
            let parts = [
                not(equal(row[c[0]], a[0].value())),
                not(equal(row[c[1]], a[1].value())),
            ];
            not(any(&mut parts.into_iter()))
        }
    }
}

/// Whether a conjunction holds for a row of a table whose columns these are.
fn covers(
    rows: &[Conjunction],
    names: [&str; 3],
    row: &[Value],
    values: &dyn Fn(&Operand) -> Vec<Value>,
) -> bool {
    rows.iter().any(|conjunction| {
        conjunction.iter().all(|term| {
            let at = names
                .iter()
                .position(|name| *name == term.column)
                .expect("a column of the table");
            term.values
                .iter()
                .flat_map(values)
                .any(|value| match value {
                    None => term.nulls && row[at].is_none(),
                    some => some == row[at],
                })
        })
    })
}

fn row() -> impl Strategy<Value = [Value; 6]> {
    let flag = || prop_oneof![Just(None), Just(Some(0)), Just(Some(1))];
    (value(), value(), flag(), value(), value(), flag())
        .prop_map(|(a, b, c, d, e, f)| [a, b, c, d, e, f])
}

/// Combined rows that a join of one t row and one u row gives.
fn joined(kind: &str, on: &Condition, row: &[Value; 6]) -> Vec<[Value; 6]> {
    let left = [row[0], row[1], row[2], None, None, None];
    let right = [None, None, None, row[3], row[4], row[5]];
    if kind == "cross join" || truth(on, row) == Some(true) {
        return vec![*row];
    }
    match kind {
        "left join" => vec![left],
        "right join" => vec![right],
        "full join" => vec![left, right],
        _ => Vec::new(),
    }
}

fn check(
    condition: &Condition,
    on: &Condition,
    kind: &str,
    rows: &[[Value; 6]],
    dialect: Dialect,
) -> Result<(), TestCaseError> {
    let mut writer = Writer {
        dialect,
        parameters: Vec::new(),
    };
    let on_sql = if kind == "cross join" {
        String::new()
    } else {
        format!(" on {}", writer.sql(on))
    };
    let sql = format!(
        "select t.a from t {kind} u{on_sql} where {}",
        writer.sql(condition)
    );
    let facts = match dialect {
        Dialect::Postgres => FACTS
            .replace("SCHEMA", "public")
            .replace("NUMBER", "int")
            .replace("BOOL", "bool"),
        Dialect::Sqlite => FACTS
            .replace("SCHEMA", "main")
            .replace("NUMBER", "sqlite_numeric")
            .replace("BOOL", "sqlite_numeric"),
    };
    let facts = Facts::from_json(&facts, dialect).unwrap();
    let collapsed = collapse(&sql, dialect).unwrap();
    let Statement::Read(read) = plan(&collapsed, dialect, Some(&facts)).statement else {
        return Err(TestCaseError::fail(format!("not a read: {sql}")));
    };
    let of = |hole: &usize| {
        collapsed.holes[*hole]
            .parameters
            .iter()
            .map(|p| writer.parameters[*p as usize])
            .collect()
    };
    let values = |operand: &Operand| -> Vec<Value> {
        match operand {
            Operand::Hole(hole) | Operand::List(hole) => of(hole),
            Operand::Null => vec![None],
            Operand::Bool(value) => vec![Some(i64::from(*value))],
            Operand::Number(number) => vec![Some(number.parse().unwrap())],
            other => panic!("{other:?} in {sql}"),
        }
    };
    for row in rows {
        for result in joined(kind, on, row) {
            if truth(condition, &result) != Some(true) {
                continue;
            }
            for (table, names, part) in [
                ("t", ["a", "b", "c"], &result[..3]),
                ("u", ["d", "e", "c"], &result[3..]),
            ] {
                // A side that was filled with NULLs took no part; a row of NULLs of its own did.
                if part.iter().all(Option::is_none) && kind != "join" && kind != "cross join" {
                    continue;
                }
                let dependency = read
                    .dependencies
                    .iter()
                    .find(|d| d.table.name == table)
                    .expect("a dependency");
                prop_assert!(
                    covers(&dependency.rows, names, part, &values),
                    "{sql}\n{result:?}\n{table} {:?}",
                    dependency.rows
                );
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn no_row_is_lost(
        condition in condition(),
        on in condition(),
        kind in prop::sample::select(vec!["join", "cross join", "left join", "right join", "full join"]),
        rows in prop::collection::vec(row(), 40),
    ) {
        check(&condition, &on, kind, &rows, Dialect::Postgres)?;
        check(&condition, &on, kind, &rows, Dialect::Sqlite)?;
    }
}
