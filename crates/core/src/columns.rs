//! Columns read, per table: a superset by names, whatever the scope.

use std::collections::BTreeSet;

use crate::extract::{Relation, Scan};
use crate::plan::Columns;
use crate::schema::{Dialect, Table};

/// What the references of a text read.
#[derive(Debug, Default)]
pub struct Reading {
    /// One per relation.
    pub columns: Vec<Columns>,
    /// System columns named.
    pub system: Vec<String>,
    /// Qualified names that are no column: functions may be called this way.
    pub calls: Vec<String>,
    /// What was widened.
    pub remarks: Vec<String>,
}

struct Reader<'a> {
    dialect: Dialect,
    relations: &'a [(&'a Relation, &'a Table)],
    /// `None`: all columns.
    read: Vec<Option<BTreeSet<&'a str>>>,
    reading: Reading,
}

/// The columns that a text reads of each relation.
#[must_use]
pub fn read(scan: &Scan, relations: &[(&Relation, &Table)], dialect: Dialect) -> Reading {
    let read = relations
        .iter()
        .map(|(relation, _)| {
            if relation.all {
                None
            } else {
                Some(BTreeSet::new())
            }
        })
        .collect();
    let mut reader = Reader {
        dialect,
        relations,
        read,
        reading: Reading::default(),
    };
    if scan.everything {
        reader.all("a wildcard or NATURAL JOIN");
    }
    for name in &scan.whole {
        reader.whole(name);
    }
    for parts in &scan.qualified {
        reader.qualified(parts, scan);
    }
    for (name, quoted) in &scan.plain {
        reader.plain(name, *quoted, scan);
    }
    let columns = std::mem::take(&mut reader.read)
        .into_iter()
        .map(|columns| match columns {
            None => Columns::All,
            // BTreeSet: sorted.
            Some(columns) => Columns::Some(columns.into_iter().map(str::to_owned).collect()),
        });
    reader.reading.columns = columns.collect();
    reader.reading
}

impl<'a> Reader<'a> {
    fn all(&mut self, why: &str) {
        self.read.fill(None);
        self.reading
            .remarks
            .push(format!("every column counts as read: {why}"));
    }

    /// Marks a column of the relation at `at`; false if its table has none of this name.
    fn mark(&mut self, at: usize, name: &str) -> bool {
        let (_, table) = self.relations[at];
        let Some(column) = table.column(name, self.dialect) else {
            return false;
        };
        if let Some(read) = &mut self.read[at] {
            read.insert(&column.name);
        }
        true
    }

    /// A column that is none of the declared ones: the database's own, or unknown to the facts.
    fn undeclared(&mut self, at: usize, name: &str) {
        self.read[at] = None;
        if is_system(self.dialect, name) && self.dialect == Dialect::Postgres {
            self.reading.system.push(name.to_owned());
        }
    }

    fn reached_by(&self, name: &str) -> Vec<usize> {
        let same = |(relation, _): &(&'a Relation, &'a Table)| {
            self.dialect.same_name(&relation.visible, name)
                || self.dialect.same_name(&relation.name, name)
        };
        (0..self.relations.len())
            .filter(|at| same(&self.relations[*at]))
            .collect()
    }

    fn whole(&mut self, name: &str) {
        let found = self.reached_by(name);
        for at in found {
            self.read[at] = None;
        }
    }

    fn qualified(&mut self, parts: &[String], scan: &Scan) {
        let mut known = false;
        for pair in parts.windows(2) {
            let [qualifier, name] = pair else { continue };
            for at in self.reached_by(qualifier) {
                known = true;
                // The next part may be the table of a schema that is called like a table.
                let last = parts.len() == 2;
                if !self.mark(at, name) && (last || self.reached_by(name).is_empty()) {
                    self.undeclared(at, name);
                    self.reading.calls.push(name.clone());
                }
            }
        }
        let declared = parts.iter().any(|part| scan.is_declared(part));
        if !known && !declared {
            // Composite columns: (column).field without parentheses is an error, so this is a name the facts lack.
            self.all(&format!("{} is not known", parts.join(".")));
        }
    }

    fn plain(&mut self, name: &str, quoted: bool, scan: &Scan) {
        let mut known = false;
        for at in 0..self.relations.len() {
            known |= self.mark(at, name);
        }
        let rows = self.reached_by(name);
        known |= !rows.is_empty();
        for at in rows {
            self.read[at] = None;
        }
        let value = !quoted && crate::functions::is_bare_value(&name.to_ascii_lowercase());
        if known || value {
            return;
        }
        if is_system(self.dialect, name) {
            for at in 0..self.relations.len() {
                self.undeclared(at, name);
            }
        } else if !scan.is_declared(name) {
            self.all(&format!("{name} is not known"));
        }
    }
}

/// Columns that tables have without declaring them.
pub(crate) fn is_system(dialect: Dialect, name: &str) -> bool {
    match dialect {
        Dialect::Postgres => matches!(
            name,
            "ctid" | "xmin" | "xmax" | "cmin" | "cmax" | "tableoid" | "oid"
        ),
        Dialect::Sqlite => ["rowid", "_rowid_", "oid"]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own)),
    }
}
