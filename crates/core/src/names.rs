//! Names in conditions → columns of the tables in scope: this FROM first, then those around it.
//!
//! A name is followed only where it is certain what the database takes it for. A table whose columns are not known
//! (a derived table, a CTE, a view, a function) makes every unqualified name beside it uncertain.

use std::ops::Range;
use std::rc::Rc;

use sqlparser::ast::Expr;

use crate::dnf::{Column, Form, Scope};
use crate::extract::{Scan, fold};
use crate::functions;
use crate::schema::{ColumnKind, Dialect, Facts, Table};

/// An item of a FROM.
pub(crate) struct Item<'f> {
    /// `None`: a derived table, CTE, function, view or unknown table.
    pub table: Option<&'f Table>,
    /// By which its columns are reached; empty: unknown.
    pub visible: String,
    /// Schema, if given.
    pub schema: Option<String>,
    /// It has an alias.
    pub aliased: bool,
    /// No condition restricts it.
    pub whole: bool,
    /// Which occurrence in the tree it is.
    pub address: usize,
}

impl Item<'_> {
    pub(crate) fn opaque(visible: String) -> Self {
        Self {
            table: None,
            visible,
            schema: None,
            aliased: true,
            whole: true,
            address: 0,
        }
    }
}

/// Columns that USING made one: name, items.
pub(crate) type Merged = Vec<(String, Vec<usize>)>;

/// The items of a FROM that a name may mean.
#[derive(Clone)]
pub(crate) struct Place {
    /// All of the FROM.
    pub all: Range<usize>,
    /// Those in sight.
    pub visible: Range<usize>,
    /// Columns of USING.
    pub merged: Rc<Merged>,
}

/// What surrounds a query: the FROMs that it may refer to, outermost first, and what holds for their rows whenever the
/// query's answer matters.
#[derive(Clone, Default)]
pub(crate) struct Outer {
    pub places: Vec<Place>,
    pub forms: Vec<Rc<Form>>,
}

impl Outer {
    /// These surroundings with one more FROM.
    pub(crate) fn within(&self, place: Place, form: &Form) -> Self {
        let mut inner = self.clone();
        inner.places.push(place);
        if form.iter().all(|conjunction| !conjunction.is_empty()) && !form.is_empty() {
            inner.forms.push(Rc::new(form.clone()));
        }
        inner
    }
}

/// The items of all FROMs seen so far.
pub(crate) struct Names<'f> {
    pub dialect: Dialect,
    pub facts: &'f Facts,
    pub scan: &'f Scan,
    /// Per hole, whether it is a list.
    pub lists: &'f [bool],
    pub items: Vec<Item<'f>>,
}

/// What a search for a name came to.
enum Sought {
    Found(Column),
    Uncertain,
    Absent,
}

impl<'f> Names<'f> {
    pub(crate) fn new(
        facts: &'f Facts,
        dialect: Dialect,
        scan: &'f Scan,
        lists: &'f [bool],
    ) -> Self {
        Self {
            dialect,
            facts,
            scan,
            lists,
            items: Vec::new(),
        }
    }

    /// A view of no table: enough to tell what a value is.
    pub(crate) fn nothing(&self) -> View<'_> {
        const MERGED: &Merged = &Vec::new();
        View {
            names: self,
            outer: &[],
            all: 0..0,
            visible: 0..0,
            merged: MERGED,
        }
    }

    /// The column of this name that these items have, if it is certain and tracked.
    pub(crate) fn only(&self, name: &str, among: &Range<usize>, merged: &Merged) -> Option<Column> {
        match self.unqualified(name, among, among, merged) {
            Sought::Found(column) => Some(column).filter(|column| self.tracked(*column)),
            _ => None,
        }
    }

    pub(crate) fn comparable(&self, left: Column, right: Column) -> bool {
        self.kind(left) == self.kind(right)
    }

    fn unqualified(
        &self,
        name: &str,
        all: &Range<usize>,
        visible: &Range<usize>,
        merged: &Merged,
    ) -> Sought {
        let mut found: Option<Column> = None;
        let mut several = false;
        for (at, item) in self.items.iter().enumerate().take(all.end).skip(all.start) {
            let Some(table) = item.table else {
                return Sought::Uncertain;
            };
            if let Some(column) = self.position(table, name) {
                if !visible.contains(&at) {
                    return Sought::Uncertain;
                }
                several |= found.is_some();
                found.get_or_insert((at, column));
            }
        }
        let Some(found) = found else {
            return Sought::Absent;
        };
        let one = |(of, items): &(String, Vec<usize>)| {
            self.dialect.same_name(of, name)
                && items[0] == found.0
                && all.clone().all(|at| {
                    let has = self.items[at]
                        .table
                        .is_some_and(|table| self.position(table, name).is_some());
                    !has || items.contains(&at)
                })
        };
        if several && !merged.iter().any(one) {
            return Sought::Uncertain;
        }
        Sought::Found(found)
    }

    fn qualified(
        &self,
        schema: Option<&str>,
        qualifier: &str,
        name: &str,
        all: &Range<usize>,
        visible: &Range<usize>,
    ) -> Sought {
        let same = |left: &str, right: &str| self.dialect.same_name(left, right);
        let mut found: Option<usize> = None;
        for (at, item) in self.items.iter().enumerate().take(all.end).skip(all.start) {
            if item.visible.is_empty() {
                return Sought::Uncertain;
            }
            if !same(&item.visible, qualifier) {
                continue;
            }
            let certain = schema.is_none_or(|schema| {
                !item.aliased && item.schema.as_deref().is_some_and(|of| same(of, schema))
            });
            if !certain || !visible.contains(&at) || found.replace(at).is_some() {
                return Sought::Uncertain;
            }
        }
        let Some(at) = found else {
            return Sought::Absent;
        };
        let column = self.items[at]
            .table
            .and_then(|table| self.position(table, name));
        column.map_or(Sought::Uncertain, |column| Sought::Found((at, column)))
    }

    fn position(&self, table: &Table, name: &str) -> Option<usize> {
        table
            .columns
            .iter()
            .position(|column| self.dialect.same_name(&column.name, name))
    }

    fn kind(&self, column: Column) -> ColumnKind {
        let table = self.items.get(column.0).and_then(|item| item.table);
        table
            .and_then(|table| table.columns.get(column.1))
            .map_or(ColumnKind::Other, |column| column.kind)
    }

    fn tracked(&self, column: Column) -> bool {
        self.kind(column) != ColumnKind::Other
    }

    /// Whether a name that no table here has as a column may still mean something here.
    fn catches(&self, name: &str, all: &Range<usize>) -> bool {
        crate::columns::is_system(self.dialect, name)
            || self.scan.is_declared(name)
            || self.items[all.clone()]
                .iter()
                .any(|item| self.dialect.same_name(&item.visible, name))
    }
}

/// The names that a condition may use.
pub(crate) struct View<'a> {
    pub names: &'a Names<'a>,
    pub outer: &'a [Place],
    pub all: Range<usize>,
    pub visible: Range<usize>,
    pub merged: &'a Merged,
}

impl View<'_> {
    /// Asks each FROM, from the inside out, until one has the name or may have it.
    fn seek(
        &self,
        ask: impl Fn(&Range<usize>, &Range<usize>, &Merged) -> Sought,
        catches: impl Fn(&Range<usize>) -> bool,
    ) -> Option<Column> {
        let mut sought = ask(&self.all, &self.visible, self.merged);
        let mut all = &self.all;
        let mut around = self.outer.iter().rev();
        loop {
            match sought {
                Sought::Found(column) => {
                    return Some(column).filter(|column| self.names.tracked(*column));
                }
                Sought::Uncertain => return None,
                Sought::Absent if catches(all) => return None,
                Sought::Absent => {
                    let place = around.next()?;
                    sought = ask(&place.all, &place.visible, &place.merged);
                    all = &place.all;
                }
            }
        }
    }
}

impl Scope for View<'_> {
    fn column(&self, expr: &Expr) -> Option<Column> {
        let dialect = self.names.dialect;
        match expr {
            Expr::Nested(inner) => self.column(inner),
            Expr::Identifier(ident) => {
                let name = fold(ident, dialect);
                // `user` is a value, whatever columns there are.
                if ident.quote_style.is_none()
                    && functions::is_bare_value(&name.to_ascii_lowercase())
                {
                    return None;
                }
                self.seek(
                    |all, visible, merged| self.names.unqualified(&name, all, visible, merged),
                    |all| self.names.catches(&name, all),
                )
            }
            Expr::CompoundIdentifier(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| fold(part, dialect)).collect();
                let (schema, table, name) = match parts.as_slice() {
                    [table, name] => (None, table, name),
                    [schema, table, name] => (Some(schema.as_str()), table, name),
                    _ => return None,
                };
                self.seek(
                    |all, visible, _| self.names.qualified(schema, table, name, all, visible),
                    |_| false,
                )
            }
            _ => None,
        }
    }

    fn is_bool(&self, column: Column) -> bool {
        self.names.kind(column) == ColumnKind::Bool
    }

    fn comparable(&self, left: Column, right: Column) -> bool {
        self.names.comparable(left, right)
    }

    fn hole(&self, placeholder: &str) -> Option<(usize, bool)> {
        let number: usize = placeholder.get(1..)?.parse().ok()?;
        let hole = number.checked_sub(1)?;
        Some((hole, *self.names.lists.get(hole)?))
    }

    fn numeric_bool(&self) -> bool {
        self.names.dialect == Dialect::Sqlite
    }
}
