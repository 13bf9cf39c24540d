//! FLOW 2: a write's plan, its parameters and, where they could be had, the images of its rows become changes.
//!
//! An image is the whole truth of the columns that it holds. Where there is none, WHERE tells of the old rows and SET of
//! the new ones; a row that is known in part is never treated as one that is known in full.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::bindings::Bindings;
use crate::change::{Change, Row};
use crate::class::{self, Class};
use crate::effects::{Child, Effects};
use crate::expand;
use crate::images::{self, Mode};
use crate::plan::{Statement, Target, Verb};
use crate::resolve;
use crate::schema::{Action, Dialect, Table, TableKind};
use crate::shape::Shape;
use crate::value::Parameters;

/// Rows known in part, per target. More become one row of which nothing is known.
const MAX_ROWS: usize = 1_000;

/// What came back from the database beside the caller's rows.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Images {
    /// How many rows the statement says that it changed.
    pub affected: Option<u64>,
    /// No row was changed, and that is not only what a driver says.
    #[serde(default)]
    pub none: bool,
    /// One per row.
    pub rows: Vec<Image>,
}

/// The images of one row, in the order of the image plan's columns.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Image {
    /// Before.
    #[serde(default)]
    pub o: Option<Vec<Option<String>>>,
    /// After.
    #[serde(default)]
    pub n: Option<Vec<Option<String>>>,
    /// Per column of the image plan's `differs`: `1` when before and after differ.
    #[serde(default)]
    pub d: Option<Vec<Option<String>>>,
}

/// What a statement changed.
#[must_use]
pub fn change(shape: &Shape, input: &[u8], images: Option<&Images>) -> Vec<Change> {
    let planned = &shape.planned;
    let epoch = planned.epoch;
    let everything = |reason: &str, warning| {
        vec![Change::Everything {
            reason: reason.to_owned(),
            warning,
            epoch,
        }]
    };
    let Some(write) = planned.write() else {
        return match &planned.statement {
            Statement::Ddl => everything("DDL", false),
            Statement::Unparsed { read: true, .. } => Vec::new(),
            Statement::Unparsed { detail, .. } => {
                everything(&format!("the statement cannot be read: {detail}"), true)
            }
            _ => Vec::new(),
        };
    };
    let Some(facts) = &planned.facts else {
        return everything("the schema is not known yet", false);
    };
    if let Some(reason) = &write.everything {
        return everything(reason, true);
    }
    let mut parameters = Parameters::default();
    if parameters.read(input).is_err() {
        // Nothing is known of any parameter: every hole is unknown.
        parameters = Parameters::default();
    }
    let bindings = Bindings {
        holes: &shape.holes,
        input,
        parameters: &parameters,
    };
    let mut changes = Vec::new();
    for (target, effects) in write
        .targets
        .iter()
        .zip(planned.effects(shape.database.dialect()))
    {
        let Some(table) = target.table.as_ref().and_then(|name| facts.table(name)) else {
            return everything(&format!("{} is not known", target.named), true);
        };
        if let Some(reason) = &effects.everything {
            return everything(reason, true);
        }
        let images = images.filter(|_| write.targets.len() == 1 && write.rewrite.is_some());
        let writer = Writer {
            shape,
            table,
            target,
            effects,
            bindings: &bindings,
            epoch,
        };
        writer.changes(images, &mut changes);
    }
    changes
}

struct Writer<'a> {
    shape: &'a Shape,
    table: &'a Table,
    target: &'a Target,
    effects: &'a Effects,
    bindings: &'a Bindings<'a>,
    epoch: u64,
}

/// One row before and after, as far as it is known. A side is `None` when there is no such row.
#[derive(Debug)]
struct Pair {
    old: Option<Row>,
    new: Option<Row>,
    /// Columns that may differ.
    changed: Vec<String>,
}

impl Writer<'_> {
    fn changes(&self, images: Option<&Images>, changes: &mut Vec<Change>) {
        let verb = self.target.verb;
        let own = resolve::root(self.table);
        let complete = images.and_then(|images| self.imaged(images));
        let coarse = self.table.kind != TableKind::Table
            || verb == Verb::Any
            || (verb == Verb::Upsert && complete.is_none())
            || self.effects.tables.contains_key(own);
        let pairs = complete.unwrap_or_else(|| self.partial());
        if coarse {
            let reason = self
                .effects
                .tables
                .get(own)
                .map_or_else(|| self.verb().to_owned(), Clone::clone);
            changes.push(Change::Table {
                table: own.clone(),
                reason,
                epoch: self.epoch,
            });
        } else {
            self.own(&pairs, changes);
        }
        for child in &self.effects.children {
            self.child(child, &pairs, changes);
        }
        for (table, reason) in self
            .effects
            .tables
            .iter()
            .filter(|(table, _)| *table != own)
        {
            changes.push(Change::Table {
                table: table.clone(),
                reason: reason.clone(),
                epoch: self.epoch,
            });
        }
    }

    fn verb(&self) -> &'static str {
        match self.target.verb {
            Verb::Insert => "insert",
            Verb::Upsert => "upsert",
            Verb::Update => "update",
            Verb::Delete => "delete",
            Verb::Any => "any row may have changed",
        }
    }

    fn own(&self, pairs: &[Pair], changes: &mut Vec<Change>) {
        // Rows in which the same columns changed are one change.
        let mut groups: BTreeMap<&[String], Vec<Row>> = BTreeMap::new();
        for pair in pairs {
            let rows = groups.entry(&pair.changed).or_default();
            rows.extend(pair.old.iter().cloned());
            if pair.new != pair.old {
                rows.extend(pair.new.iter().cloned());
            }
        }
        for (changed, rows) in groups {
            let columns = (self.target.verb == Verb::Update).then(|| changed.to_vec());
            if columns.as_ref().is_some_and(Vec::is_empty) {
                continue;
            }
            let reason = self.verb().to_owned();
            changes.push(Change::Rows {
                table: self.table.id.clone(),
                columns,
                rows,
                reason,
                epoch: self.epoch,
            });
        }
    }

    /// What WHERE and SET tell.
    fn partial(&self) -> Vec<Pair> {
        let written = &self.effects.written;
        let dialect = self.dialect();
        let old = || {
            expand::rows(
                self.table,
                dialect,
                &self.target.rows,
                self.bindings,
                MAX_ROWS,
            )
        };
        match self.target.verb {
            Verb::Insert | Verb::Upsert | Verb::Any => {
                vec![Pair {
                    old: None,
                    new: Some(Row::new()),
                    changed: Vec::new(),
                }]
            }
            Verb::Delete => old()
                .into_iter()
                .map(|row| Pair {
                    old: Some(row),
                    new: None,
                    changed: Vec::new(),
                })
                .collect(),
            Verb::Update => {
                let pair = |row: Row| Pair {
                    new: Some(self.updated(&row)),
                    old: Some(row),
                    changed: written.clone(),
                };
                old().into_iter().map(pair).collect()
            }
        }
    }

    /// The row after an UPDATE: what is not written stays, what SET gives is known, the rest is not.
    fn updated(&self, old: &Row) -> Row {
        let kept = old
            .iter()
            .filter(|(column, _)| !self.effects.written.contains(column));
        let mut new: Row = kept
            .map(|(column, class)| (column.clone(), class.clone()))
            .collect();
        if self.effects.changes_row {
            return new;
        }
        for (name, operand) in self.target.columns.iter().zip(&self.target.set) {
            let Some(column) = self
                .table
                .column(name, self.dialect())
                .filter(|column| !column.generated)
            else {
                continue;
            };
            match expand::assigned(column, operand, self.bindings) {
                Some(class) => new.insert(column.name.clone(), class),
                None => new.remove(&column.name),
            };
        }
        new
    }

    fn dialect(&self) -> Dialect {
        self.shape.database.dialect()
    }

    /// The rows of the images; `None` when they are not all there.
    fn imaged(&self, images: &Images) -> Option<Vec<Pair>> {
        if images.affected != u64::try_from(images.rows.len()).ok() {
            return None;
        }
        if images.rows.is_empty() && !images.none && !self.none_means_none() {
            return None;
        }
        let known = self.shape.planned.imaged();
        let flags_alone = |image: &Image| image.o.is_none() && image.n.is_none();
        if self.target.verb == Verb::Update && images.rows.iter().any(flags_alone) {
            return Some(self.flagged(images, &known.differs));
        }
        images
            .rows
            .iter()
            .map(|image| self.pair(image, &known.columns, &known.differs))
            .collect()
    }

    /// WHERE tells the rows, and images only whether they differ.
    fn flagged(&self, images: &Images, differs: &[String]) -> Vec<Pair> {
        let differs_in = |column: &String| {
            let same = |image: &Image| Self::unchanged(column, image, &[], differs);
            !images.rows.iter().all(same)
        };
        let changed: Vec<String> = self
            .effects
            .written
            .iter()
            .filter(|column| differs_in(column))
            .cloned()
            .collect();
        let pair = |pair| Pair {
            changed: changed.clone(),
            ..pair
        };
        self.partial().into_iter().map(pair).collect()
    }

    /// Whether no images prove that nothing changed. There are drivers that give no rows for an INSERT's RETURNING, and
    /// drivers that count 0 rows whatever happened: only rows that were asked for and are not there are a proof.
    fn none_means_none(&self) -> bool {
        matches!(self.target.verb, Verb::Update | Verb::Delete)
            && images::images(self.shape).is_ok_and(|plan| plan.mode != Mode::None)
    }

    fn pair(&self, image: &Image, columns: &[String], differs: &[String]) -> Option<Pair> {
        let row = |side: &Option<Vec<Option<String>>>| match side {
            None => Some(None),
            Some(values) => self.row(values, columns).map(Some),
        };
        let (old, new) = (row(&image.o)?, row(&image.n)?);
        match self.target.verb {
            Verb::Insert => Some(Pair {
                old: None,
                new: Some(new?),
                changed: Vec::new(),
            }),
            Verb::Delete => Some(Pair {
                old: Some(old?),
                new: None,
                changed: Vec::new(),
            }),
            Verb::Update => {
                let written = &self.effects.written;
                let kept = |row: &Row| {
                    let kept = row.iter().filter(|(column, _)| !written.contains(column));
                    kept.map(|(column, class)| (column.clone(), class.clone()))
                        .collect::<Row>()
                };
                let same = |column: &String| Self::unchanged(column, image, columns, differs);
                let changed = written
                    .iter()
                    .filter(|column| !same(column))
                    .cloned()
                    .collect();
                let (old, new) = match (old, new) {
                    (Some(old), Some(new)) => (old, new),
                    (Some(old), None) => {
                        let new = self.updated(&old);
                        (old, new)
                    }
                    (None, Some(new)) => (kept(&new), new),
                    (None, None) => return None,
                };
                Some(Pair {
                    old: Some(old),
                    new: Some(new),
                    changed,
                })
            }
            // A row that was inserted has NULLs for an old image, which drops a little more than it must.
            Verb::Upsert => Some(Pair {
                old: Some(old?),
                new: Some(new?),
                changed: Vec::new(),
            }),
            Verb::Any => None,
        }
    }

    /// Whether the images prove that a written column has kept its value.
    fn unchanged(column: &String, image: &Image, columns: &[String], differs: &[String]) -> bool {
        let at = |list: &[String]| list.iter().position(|known| known == column);
        if let (Some(at), Some(old), Some(new)) = (at(columns), &image.o, &image.n)
            && let (Some(old), Some(new)) = (old.get(at), new.get(at))
        {
            return old == new;
        }
        let flag = at(differs)
            .zip(image.d.as_ref())
            .and_then(|(at, flags)| flags.get(at));
        flag.is_some_and(|flag| flag.as_deref() == Some("0"))
    }

    /// A side of an image. Columns are only ever added to an image plan, so an older one is a prefix.
    fn row(&self, values: &[Option<String>], columns: &[String]) -> Option<Row> {
        let mut row = Row::new();
        for (name, value) in columns.get(..values.len())?.iter().zip(values) {
            let column = self.table.column(name, self.dialect())?;
            let mut text = String::new();
            match class::of_image(column.kind, value.as_deref(), &mut text) {
                Class::Value => row.insert(column.name.clone(), Some(text)),
                Class::Null => row.insert(column.name.clone(), None),
                Class::Unknown => None,
            };
        }
        Some(row)
    }

    /// A parent's new key as its child has it: a column of the child may round it, or cut its trailing blanks, as any
    /// assignment does.
    fn cascaded(&self, child: &Child, mut row: Row) -> Row {
        let facts = self.shape.planned.facts.as_deref();
        let table = facts.and_then(|facts| facts.table(&child.table));
        row.retain(|name, value| {
            let column = table.and_then(|table| table.column(name, self.dialect()));
            column.is_some_and(|column| {
                let text = value.as_deref().unwrap_or_default();
                class::assigned(column.kind, Class::Value, text) == Class::Value
            })
        });
        row
    }

    /// What a foreign key action did to the rows that referenced these.
    fn child(&self, child: &Child, pairs: &[Pair], changes: &mut Vec<Change>) {
        let reason = format!("foreign key to {}", self.table.id);
        let key = |row: &Row| -> Option<Vec<Option<String>>> {
            child
                .parent_columns
                .iter()
                .map(|column| row.get(column).cloned())
                .collect()
        };
        let row = |key: &[Option<String>]| -> Row {
            child
                .columns
                .iter()
                .cloned()
                .zip(key.iter().cloned())
                .collect()
        };
        let mut rows = Vec::new();
        for pair in pairs {
            let touched = child
                .parent_columns
                .iter()
                .any(|column| pair.changed.contains(column));
            if self.target.verb == Verb::Update && !touched {
                continue;
            }
            let Some(old) = pair.old.as_ref().and_then(key) else {
                changes.push(Change::Table {
                    table: child.table.clone(),
                    reason,
                    epoch: self.epoch,
                });
                return;
            };
            // NULL references nothing.
            if old.iter().any(Option::is_none) {
                continue;
            }
            rows.push(row(&old));
            match (child.action, pair.new.as_ref().and_then(key)) {
                _ if child.changes_row => rows.push(Row::new()),
                (Action::Cascade, Some(new)) => rows.push(self.cascaded(child, row(&new))),
                (Action::Cascade, None) if child.changed.is_none() => {}
                // Of several columns SET NULL may name some.
                (Action::SetNull, _) if child.columns.len() == 1 => rows.push(row(&[None])),
                _ => rows.push(Row::new()),
            }
        }
        if !rows.is_empty() {
            let (table, columns) = (child.table.clone(), child.changed.clone());
            changes.push(Change::Rows {
                table,
                columns,
                rows,
                reason,
                epoch: self.epoch,
            });
        }
    }
}
