//! Changes that the caller names, without a statement.

use crate::change::{Change, Row};
use crate::expand;
use crate::resolve::{self, Base};
use crate::schema::{Dialect, Facts, Table, TableKind, TableName};
use crate::value::Parameters;

/// The change of one row that the caller describes: columns and, in the input, their values.
#[must_use]
pub fn row_change(
    facts: Option<&Facts>,
    epoch: u64,
    dialect: Dialect,
    name: &TableName,
    columns: &[String],
    input: &[u8],
) -> Vec<Change> {
    let reason = "a row named by the caller";
    let Some(table) = facts.and_then(|facts| find(facts, name)) else {
        return table_change(facts, epoch, dialect, name, reason);
    };
    let mut parameters = Parameters::default();
    if table.kind != TableKind::Table
        || parameters.read(input).is_err()
        || parameters.len() != columns.len()
    {
        return table_change(facts, epoch, dialect, name, reason);
    }
    let mut row = Row::new();
    for (at, column) in columns.iter().enumerate() {
        if let Some(column) = table.column(column, dialect)
            && let Some(class) = expand::stored_parameter(column, &parameters.get(input, at))
        {
            row.insert(column.name.clone(), class);
        }
    }
    vec![Change::Rows {
        table: table.id.clone(),
        columns: None,
        rows: vec![row],
        reason: reason.to_owned(),
        epoch,
    }]
}

/// The change of any row of a table, or of the tables under a view; everything when it is not known.
#[must_use]
pub fn table_change(
    facts: Option<&Facts>,
    epoch: u64,
    dialect: Dialect,
    name: &TableName,
    reason: &str,
) -> Vec<Change> {
    let everything = || {
        vec![Change::Everything {
            reason: format!("{reason}: {name} is not known"),
            warning: false,
            epoch,
        }]
    };
    let Some((facts, table)) =
        facts.and_then(|facts| find(facts, name).map(|table| (facts, table)))
    else {
        return everything();
    };
    let mut base = Base::default();
    resolve::base(facts, dialect, table, &mut base);
    if base.tables.is_empty() || (table.kind == TableKind::View && !base.unknown.is_empty()) {
        return everything();
    }
    let change = |table: TableName| Change::Table {
        table,
        reason: reason.to_owned(),
        epoch,
    };
    base.tables.into_iter().map(change).collect()
}

fn find<'a>(facts: &'a Facts, name: &TableName) -> Option<&'a Table> {
    if name.schema.is_empty() {
        facts.find(None, &name.name)
    } else {
        facts.table(name)
    }
}
