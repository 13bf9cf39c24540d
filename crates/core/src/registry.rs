//! Which schemes readers have asked about, per table: what a writer must compute conditions for.

use std::collections::HashMap;
use std::sync::Arc;

use crate::plan::Columns;
use crate::schema::TableName;

/// A table takes this many schemes. Past that it is *full*: readers of further schemes depend on the table's stamp alone,
/// and every writer drops it.
const MAX_SCHEMES: usize = 64;

/// The form of a condition: the columns that it compares, and the columns that the query reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// Columns compared by equality, sorted. Empty: every row.
    pub columns: Vec<String>,
    /// Columns read.
    pub reads: Columns,
}

impl Scheme {
    /// Whether a write that changes only these columns can change a result of this scheme. `None`: rows came or went.
    #[must_use]
    pub fn concerns(&self, written: Option<&[String]>) -> bool {
        let Some(written) = written else { return true };
        written.iter().any(|column| self.uses(column))
    }

    /// Whether the column is compared or read.
    #[must_use]
    pub fn uses(&self, column: &str) -> bool {
        self.columns.iter().any(|own| own == column)
            || match &self.reads {
                Columns::All => true,
                Columns::Some(reads) => reads.iter().any(|own| own == column),
            }
    }
}

/// The schemes of one table.
#[derive(Clone, Debug, Default)]
pub struct Schemes {
    /// In the order of their registration, at most 64.
    pub list: Vec<Arc<Scheme>>,
    /// A 65th was refused: the table's stamp must be dropped at every write.
    pub full: bool,
}

/// What became of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// It is new.
    Added,
    /// It was there.
    Known,
    /// There is no room: depend on the table's stamp alone.
    Full,
}

/// The schemes of all tables of a database.
#[derive(Debug, Default)]
pub struct Registry {
    tables: HashMap<TableName, Schemes>,
}

impl Registry {
    /// Registers a scheme of a table.
    pub fn register(&mut self, table: &TableName, scheme: &Scheme) -> Registration {
        let schemes = self.tables.entry(table.clone()).or_default();
        if schemes.list.iter().any(|known| **known == *scheme) {
            return Registration::Known;
        }
        if schemes.list.len() >= MAX_SCHEMES {
            schemes.full = true;
            return Registration::Full;
        }
        schemes.list.push(Arc::new(scheme.clone()));
        Registration::Added
    }

    /// The schemes of a table; `None` when nobody reads it.
    #[must_use]
    pub fn get(&self, table: &TableName) -> Option<&Schemes> {
        self.tables.get(table)
    }

    /// Forgets everything. Only safe when every result that was cached under it has been dropped.
    pub fn clear(&mut self) {
        self.tables.clear();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn scheme(column: &str) -> Scheme {
        Scheme {
            columns: vec![column.to_owned()],
            reads: Columns::Some(vec!["r".to_owned()]),
        }
    }

    #[test]
    fn the_65th_scheme_makes_a_table_full() {
        let (mut registry, table) = (Registry::default(), TableName::new("s", "t"));
        for at in 0..MAX_SCHEMES {
            assert_eq!(
                registry.register(&table, &scheme(&at.to_string())),
                Registration::Added
            );
        }
        assert_eq!(registry.register(&table, &scheme("0")), Registration::Known);
        assert!(!registry.get(&table).unwrap().full);
        assert_eq!(
            registry.register(&table, &scheme("more")),
            Registration::Full
        );
        assert!(registry.get(&table).unwrap().full);
    }

    #[test]
    fn a_write_concerns_what_is_compared_or_read() {
        let scheme = scheme("c");
        assert!(scheme.concerns(None));
        assert!(scheme.concerns(Some(&["c".to_owned()])));
        assert!(scheme.concerns(Some(&["r".to_owned()])));
        assert!(!scheme.concerns(Some(&["x".to_owned()])));
        assert!(!scheme.concerns(Some(&[])));
    }
}
