//! FLOW 2, its end: after the commit, changes drop the stamps of what they may have touched.

use std::collections::HashSet;

use serde::Serialize;

use crate::change::{Change, Row};
use crate::database::Database;
use crate::expand::words;
use crate::registry::{Scheme, Schemes};
use crate::schema::{Facts, TableName};
use crate::stamps::{Slot, Stamps};

/// A change that touches more conditions than this drops its table instead.
const MAX_CONDITIONS: usize = 2_000;
/// A report names this many stamps, and counts the rest.
const MAX_ENTRIES: usize = 50;

/// How much was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Every result of the database.
    Database,
    /// Every result that reads the table.
    Table,
    /// Every result of one scheme.
    Scheme,
    /// Every result of one condition.
    Condition,
}

/// One stamp that was dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Schema; empty at the database level.
    pub schema: String,
    /// Table; empty at the database level.
    pub table: String,
    /// How much.
    pub level: Level,
    /// The condition in words: `origin = 'DFW'`.
    pub what: String,
    /// Why, in words.
    pub reason: String,
}

/// What an invalidation dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Stamps, at most fifty.
    pub dropped: Vec<Dropped>,
    /// How many more were dropped than are named.
    pub more: usize,
    /// What the user can help: triggers and functions that nobody can read.
    pub warnings: Vec<String>,
}

impl Report {
    fn add(
        &mut self,
        table: Option<&TableName>,
        level: Level,
        what: impl FnOnce() -> String,
        reason: &str,
    ) {
        if self.dropped.len() >= MAX_ENTRIES {
            self.more += 1;
            return;
        }
        let (schema, table) = table.map_or_else(Default::default, |table| {
            (table.schema.clone(), table.name.clone())
        });
        self.dropped.push(Dropped {
            schema,
            table,
            level,
            what: what(),
            reason: reason.to_owned(),
        });
    }
}

/// Drops the stamps of a write that has been committed, and puts in doubt what all others may have changed: see
/// [`crate::pending`].
///
/// When it returns, every token taken before the commit from what the changes may have touched is dead.
pub fn settle(database: &Database, changes: &[Change], announced: Option<u64>) -> Report {
    let report = invalidate(database, changes);
    let pending = database.pending();
    for (number, other) in pending.others(announced) {
        pending.doubt(number, touched(other.database(), &other.changes()));
    }
    invalidate(database, &pending.abandoned(database.epoch()));
    if let Some(number) = announced {
        pending.retract(number);
    }
    report
}

/// The thread of an announced write has ended: it may be committed already, or any time later.
pub fn abandon(database: &Database, announced: u64) {
    database.pending().abandon(announced, |changes| {
        invalidate(database, changes);
    });
}

/// Drops the stamps of changes whose transaction has committed.
///
/// When it returns, every token taken before the commit from what the changes may have touched is dead.
pub fn invalidate(database: &Database, changes: &[Change]) -> Report {
    walk(database, changes, true).report
}

/// The stamps that changes would drop.
fn touched(database: &Database, changes: &[Change]) -> HashSet<Slot> {
    walk(database, changes, false).done
}

fn walk<'a>(database: &'a Database, changes: &[Change], drops: bool) -> Walk<'a> {
    let mut walk = Walk {
        database,
        drops,
        report: Report::default(),
        done: HashSet::new(),
    };
    if changes.is_empty() {
        return walk;
    }
    let (facts, epoch) = database.facts();
    for change in changes {
        if let Change::Everything {
            reason,
            warning: true,
            ..
        } = change
            && !walk.report.warnings.contains(reason)
        {
            walk.report.warnings.push(reason.clone());
        }
    }
    walk.touch(database.any_slot());
    let outdated = changes.iter().any(|change| change.epoch() != epoch);
    let everything = changes
        .iter()
        .find(|change| matches!(change, Change::Everything { .. }));
    if outdated || everything.is_some() {
        let reason = everything.map_or("the schema facts changed since the write", Change::reason);
        walk.everything(reason);
        return walk;
    }
    let registry = database.registry();
    let facts = facts.as_deref();
    for change in changes {
        match change {
            Change::Everything { .. } => {}
            Change::Table { table, reason, .. } => walk.table(table, reason),
            Change::Rows {
                table,
                columns,
                rows,
                reason,
                ..
            } => {
                if let Some(schemes) = registry.get(table) {
                    walk.rows(facts, table, schemes, columns.as_deref(), rows, reason);
                }
            }
        }
    }
    std::mem::drop(registry);
    walk
}

/// Drops everything of a database.
pub fn everything(database: &Database, reason: &str) -> Report {
    let mut walk = Walk {
        database,
        drops: true,
        report: Report::default(),
        done: HashSet::new(),
    };
    walk.everything(reason);
    walk.report
}

/// A look at all stamps that changes may have touched.
struct Walk<'a> {
    database: &'a Database,
    /// They are dropped, not only looked at.
    drops: bool,
    report: Report,
    done: HashSet<Slot>,
}

impl Walk<'_> {
    fn stamps(&self) -> &'static Stamps {
        self.database.stamps()
    }

    /// Whether it is met for the first time.
    fn touch(&mut self, slot: Slot) -> bool {
        let first = self.done.insert(slot);
        if first && self.drops {
            self.stamps().drop_stamp(slot);
        }
        first
    }

    fn everything(&mut self, reason: &str) {
        self.touch(self.database.slot());
        let what = || "everything".to_owned();
        self.report.add(None, Level::Database, what, reason);
    }

    fn table(&mut self, table: &TableName, reason: &str) {
        let slot = self.database.table_slot(table);
        if self.touch(slot) {
            self.report
                .add(Some(table), Level::Table, || "every row".to_owned(), reason);
        }
    }

    fn rows(
        &mut self,
        facts: Option<&Facts>,
        table: &TableName,
        schemes: &Schemes,
        columns: Option<&[String]>,
        rows: &[Row],
        reason: &str,
    ) {
        if rows.is_empty() {
            return;
        }
        if schemes.full {
            self.table(table, reason);
            return;
        }
        let mut conditions = 0;
        for scheme in schemes
            .list
            .iter()
            .filter(|scheme| scheme.concerns(columns))
        {
            conditions += if scheme.columns.is_empty() {
                1
            } else {
                rows.len()
            };
            if conditions > MAX_CONDITIONS {
                self.table(table, reason);
                return;
            }
        }
        for scheme in schemes
            .list
            .iter()
            .filter(|scheme| scheme.concerns(columns))
        {
            self.scheme(facts, table, scheme, rows, reason);
        }
    }

    fn scheme(
        &mut self,
        facts: Option<&Facts>,
        table: &TableName,
        scheme: &Scheme,
        rows: &[Row],
        reason: &str,
    ) {
        let name = self.database.scheme_name(table, scheme);
        let partial = rows.iter().any(|row| {
            scheme
                .columns
                .iter()
                .any(|column| !row.contains_key(column))
        });
        if partial || scheme.columns.is_empty() {
            let slot = self.stamps().slot(name);
            if self.touch(slot) {
                let what = || match scheme.columns.as_slice() {
                    [] => "any row".to_owned(),
                    columns => format!("any {}", columns.join(", ")),
                };
                self.report.add(Some(table), Level::Scheme, what, reason);
            }
            return;
        }
        for row in rows {
            let classes = scheme
                .columns
                .iter()
                .map(|column| row.get(column).and_then(Option::as_deref));
            let slot = self.stamps().slot(
                self.stamps()
                    .condition(name, classes.map(|class| self.stamps().class(class))),
            );
            if !self.touch(slot) {
                continue;
            }
            let known = facts.and_then(|facts| facts.table(table));
            let what = || {
                let compared = row
                    .iter()
                    .filter(|(column, _)| scheme.columns.contains(column));
                words(
                    &compared
                        .map(|(column, class)| (column.clone(), class.clone()))
                        .collect(),
                    known,
                )
            };
            self.report.add(Some(table), Level::Condition, what, reason);
        }
    }
}
