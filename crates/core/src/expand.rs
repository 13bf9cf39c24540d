//! Conjunctions and parameters → rows as far as they are known: for writers, and for words. What [`crate::bind`] does in
//! hashes, done in texts; both must drop the same terms.

use crate::bindings::Bindings;
use crate::change::Row;
use crate::class::{self, Class};
use crate::plan::{Conjunction, Operand, Term};
use crate::schema::{Column, ColumnKind, Dialect, Table};
use crate::value::Value;

/// The rows that match one of the conjunctions, as far as they are known; one row of which nothing is known when there
/// would be more than `limit`, none when nothing can match.
#[must_use]
pub fn rows(
    table: &Table,
    dialect: Dialect,
    rows: &[Conjunction],
    bindings: &Bindings<'_>,
    limit: usize,
) -> Vec<Row> {
    let mut found: Vec<Row> = Vec::new();
    for conjunction in rows {
        let Some(terms) = classes(table, dialect, conjunction, bindings, limit) else {
            continue;
        };
        let mut product = vec![Row::new()];
        for (column, values) in &terms {
            product = product
                .iter()
                .flat_map(|row| values.iter().map(|value| with(row, column, value.as_ref())))
                .collect();
        }
        found.append(&mut product);
        if found.len() > limit {
            return vec![Row::new()];
        }
    }
    found.dedup();
    found
}

fn with(row: &Row, column: &Column, value: Option<&String>) -> Row {
    let mut row = row.clone();
    row.insert(column.name.clone(), value.cloned());
    row
}

type Terms<'a> = Vec<(&'a Column, Vec<Option<String>>)>;

/// The classes per column. `None`: it matches no row.
fn classes<'a>(
    table: &'a Table,
    dialect: Dialect,
    conjunction: &Conjunction,
    bindings: &Bindings<'_>,
    limit: usize,
) -> Option<Terms<'a>> {
    let mut terms: Terms<'a> = Vec::new();
    for term in conjunction {
        let Some(column) = table.column(&term.column, dialect) else {
            continue;
        };
        if terms.iter().any(|(other, _)| other.name == column.name) {
            continue;
        }
        let Some(values) = term_classes(column.kind, term, bindings, limit) else {
            continue;
        };
        if values.is_empty() {
            return None;
        }
        terms.push((column, values));
    }
    terms.sort_by(|left, right| left.0.name.cmp(&right.0.name));
    while terms
        .iter()
        .map(|(_, values)| values.len())
        .product::<usize>()
        > limit
    {
        let longest = (0..terms.len()).max_by_key(|at| terms[*at].1.len())?;
        terms.remove(longest);
    }
    Some(terms)
}

/// The classes of a term's values. `None`: one of them is unknown, or there are too many.
fn term_classes(
    kind: ColumnKind,
    term: &Term,
    bindings: &Bindings<'_>,
    limit: usize,
) -> Option<Vec<Option<String>>> {
    let mut values = Vec::new();
    let mut add = |class: Class, text: String| {
        match class {
            Class::Value => values.push(Some(text)),
            Class::Null if term.nulls => values.push(None),
            Class::Null => {}
            Class::Unknown => return false,
        }
        values.len() <= limit
    };
    let known = term.values.iter().all(|operand| {
        let mut parameter = |value: Value<'_>| {
            let mut text = String::new();
            let class = class::of_parameter(kind, &value, &mut text);
            add(class, text)
        };
        match operand {
            Operand::Hole(hole) => parameter(bindings.single(*hole)),
            Operand::List(hole) => bindings.list(*hole, parameter),
            literal => {
                let mut text = String::new();
                let class = class::of_literal(kind, literal, &mut text);
                add(class, text)
            }
        }
    });
    known.then_some(values)
}

/// The class of a value that is assigned to a column by SET; `None`: it is unknown.
#[must_use]
pub fn assigned(
    column: &Column,
    operand: &Operand,
    bindings: &Bindings<'_>,
) -> Option<Option<String>> {
    let mut text = String::new();
    let class = match operand {
        Operand::Hole(hole) => class::of_parameter(column.kind, &bindings.single(*hole), &mut text),
        Operand::List(_) => Class::Unknown,
        literal => class::of_literal(column.kind, literal, &mut text),
    };
    stored(column, class, text)
}

/// The class of a parameter that becomes a column's value; `None`: it is unknown.
#[must_use]
pub fn stored_parameter(column: &Column, value: &Value<'_>) -> Option<Option<String>> {
    let mut text = String::new();
    let class = class::of_parameter(column.kind, value, &mut text);
    stored(column, class, text)
}

#[expect(
    clippy::option_option,
    reason = "unknown, NULL and a value are three things"
)]
fn stored(column: &Column, class: Class, text: String) -> Option<Option<String>> {
    match class::assigned(column.kind, class, &text) {
        Class::Value => Some(Some(text)),
        Class::Null => Some(None),
        Class::Unknown => None,
    }
}

/// A row in words.
#[must_use]
pub fn words(row: &Row, table: Option<&Table>) -> String {
    if row.is_empty() {
        return "any row".to_owned();
    }
    let term = |(name, value): (&String, &Option<String>)| {
        let kind = table
            .and_then(|table| table.columns.iter().find(|column| column.name == *name))
            .map(|column| column.kind);
        match value {
            None => format!("{name} is null"),
            Some(value) => match (kind, value.strip_prefix('\'')) {
                (Some(ColumnKind::SqliteNumeric), Some(text)) => format!("{name} = '{text}'"),
                (
                    Some(
                        ColumnKind::Int
                        | ColumnKind::Numeric
                        | ColumnKind::Bool
                        | ColumnKind::SqliteNumeric,
                    ),
                    _,
                ) => {
                    format!("{name} = {value}")
                }
                _ => format!("{name} = '{value}'"),
            },
        }
    };
    row.iter().map(term).collect::<Vec<_>>().join(" and ")
}
