//! FROM → the tables a condition may restrict, and the conditions that restrict them.
//!
//! A condition counts for a table only if no row of it can reach the result without passing the condition. That is so for
//! WHERE and for the ON of an inner join, and for tables that no outer join extends with NULLs.

use sqlparser::ast::{Expr, JoinConstraint, JoinOperator, TableFactor, TableWithJoins};

use crate::dnf::{Column, Scope};
use crate::extract::{Scan, fold, object};
use crate::plan::Conjunction;
use crate::resolve::{self, Found};
use crate::schema::{ColumnKind, Dialect, Facts, Table, TableKind};

/// One item of a flattened FROM.
#[derive(Debug)]
struct Item<'a> {
    /// `None`: a derived table, CTE, function, view or unknown table.
    table: Option<&'a Table>,
    visible: String,
    schema: Option<String>,
    aliased: bool,
    nullable: bool,
}

/// A flattened FROM.
pub struct From<'a> {
    dialect: Dialect,
    facts: &'a Facts,
    scan: &'a Scan,
    lists: &'a [bool],
    items: Vec<Item<'a>>,
    conditions: Vec<&'a Expr>,
    using: Vec<(Column, Column)>,
}

impl<'a> From<'a> {
    /// Starts with nothing in FROM. `lists`: per hole, whether it is a list.
    #[must_use]
    pub fn new(facts: &'a Facts, dialect: Dialect, scan: &'a Scan, lists: &'a [bool]) -> Self {
        Self {
            dialect,
            facts,
            scan,
            lists,
            items: Vec::new(),
            conditions: Vec::new(),
            using: Vec::new(),
        }
    }

    /// Adds comma-separated items.
    pub fn add(&mut self, from: &'a [TableWithJoins]) {
        for table in from {
            self.tree(table, false);
        }
    }

    /// The only item's table, if it is one plain table.
    #[must_use]
    pub fn single(&self) -> Option<&'a Table> {
        match self.items.as_slice() {
            [item] => item.table,
            _ => None,
        }
    }

    /// Rows of interest per item that is a table: those for which the conditions, these added, may all be true.
    #[must_use]
    pub fn rows(&self, more: Option<&'a Expr>) -> Vec<(&'a Table, Vec<Conjunction>)> {
        let mut conditions = self.conditions.clone();
        conditions.extend(more);
        let mut form = crate::dnf::all_true(&conditions, self);
        for conjunction in &mut form {
            conjunction.extend(
                self.using
                    .iter()
                    .map(|(one, two)| crate::dnf::Fact::Same(*one, *two)),
            );
        }
        let tables = self
            .items
            .iter()
            .enumerate()
            .filter_map(|(at, item)| Some((at, item, item.table?)));
        tables
            .map(|(at, item, table)| {
                let name = |column: usize| {
                    table
                        .columns
                        .get(column)
                        .map(|c| c.name.clone())
                        .unwrap_or_default()
                };
                let rows = if item.nullable {
                    vec![Vec::new()]
                } else {
                    crate::dnf::rows(&form, at, &name)
                };
                (table, rows)
            })
            .collect()
    }

    fn tree(&mut self, tree: &'a TableWithJoins, nullable: bool) {
        let first = self.items.len();
        let (conditions, using) = (self.conditions.len(), self.using.len());
        self.factor(&tree.relation, nullable);
        for join in &tree.joins {
            let right = self.items.len();
            match &join.join_operator {
                JoinOperator::Join(constraint)
                | JoinOperator::Inner(constraint)
                | JoinOperator::CrossJoin(constraint) => {
                    self.factor(&join.relation, nullable);
                    self.constraint(constraint, first, right, nullable);
                }
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => {
                    self.factor(&join.relation, true);
                }
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => {
                    self.extend_with_nulls(first, conditions, using);
                    self.factor(&join.relation, nullable);
                }
                // FULL, and whatever the parser knows of other databases.
                _ => {
                    self.extend_with_nulls(first, conditions, using);
                    self.factor(&join.relation, true);
                }
            }
        }
    }

    /// What is on the left of a RIGHT or FULL JOIN no longer restricts, and is no longer restricted.
    fn extend_with_nulls(&mut self, first: usize, conditions: usize, using: usize) {
        for item in &mut self.items[first..] {
            item.nullable = true;
        }
        self.conditions.truncate(conditions);
        self.using.truncate(using);
    }

    fn factor(&mut self, factor: &'a TableFactor, nullable: bool) {
        let opaque = |visible: String| Item {
            table: None,
            visible,
            schema: None,
            aliased: true,
            nullable,
        };
        let alias = |alias: &Option<sqlparser::ast::TableAlias>| {
            alias
                .as_ref()
                .map(|alias| fold(&alias.name, self.dialect))
                .unwrap_or_default()
        };
        let item = match factor {
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => return self.tree(table_with_joins, nullable),
            TableFactor::Table {
                name,
                alias: alias_of,
                args: None,
                ..
            } => {
                let renamed = alias_of
                    .as_ref()
                    .is_some_and(|alias| !alias.columns.is_empty());
                let Some((schema, name)) = object(name, self.dialect) else {
                    self.items.push(opaque(String::new()));
                    return;
                };
                let visible = alias_of
                    .as_ref()
                    .map_or_else(|| name.clone(), |alias| fold(&alias.name, self.dialect));
                let cte = schema.is_none() && self.scan.is_cte(&name);
                let table = match resolve::table(self.facts, self.dialect, schema.as_deref(), &name)
                {
                    Found::Table(table) if !cte && !renamed && table.kind != TableKind::View => {
                        Some(table)
                    }
                    _ => None,
                };
                Item {
                    table,
                    visible,
                    schema,
                    aliased: alias_of.is_some(),
                    nullable,
                }
            }
            TableFactor::Derived { alias: of, .. }
            | TableFactor::Function { alias: of, .. }
            | TableFactor::UNNEST { alias: of, .. }
            | TableFactor::Table { alias: of, .. }
            | TableFactor::NestedJoin { alias: of, .. } => opaque(alias(of)),
            _ => opaque(String::new()),
        };
        self.items.push(item);
    }

    fn constraint(
        &mut self,
        constraint: &'a JoinConstraint,
        first: usize,
        right: usize,
        nullable: bool,
    ) {
        if nullable {
            return;
        }
        match constraint {
            JoinConstraint::On(condition) => self.conditions.push(condition),
            JoinConstraint::Using(columns) if right + 1 == self.items.len() => {
                for column in columns {
                    let Some((None, name)) = object(column, self.dialect) else {
                        continue;
                    };
                    // Certain only when one table on the left has the column, and nothing there is opaque.
                    let left = self.unqualified(&name, first..right);
                    let right = self.unqualified(&name, right..right + 1);
                    if let (Some(left), Some(right)) = (left, right)
                        && self.comparable(left, right)
                    {
                        self.using.push((left, right));
                    }
                }
            }
            _ => {}
        }
    }

    fn unqualified(&self, name: &str, among: std::ops::Range<usize>) -> Option<Column> {
        let mut found = None;
        for (at, item) in self.items.iter().enumerate() {
            if !among.contains(&at) {
                continue;
            }
            let column = self.position(item.table?, name);
            if column.is_some() && found.replace((at, column?)).is_some() {
                return None;
            }
        }
        found.filter(|column| self.tracked(*column))
    }

    fn position(&self, table: &Table, name: &str) -> Option<usize> {
        table
            .columns
            .iter()
            .position(|column| self.dialect.same_name(&column.name, name))
    }

    fn of(&self, qualifier: &str, schema: Option<&str>, name: &str) -> Option<Column> {
        let same = |left: &str, right: &str| self.dialect.same_name(left, right);
        let mut matching = self.items.iter().enumerate().filter(|(_, item)| {
            same(&item.visible, qualifier)
                && schema.is_none_or(|schema| {
                    !item.aliased && item.schema.as_deref().is_some_and(|of| same(of, schema))
                })
        });
        let (at, item) = matching.next()?;
        if matching.next().is_some() {
            return None;
        }
        Some((at, self.position(item.table?, name)?)).filter(|column| self.tracked(*column))
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
}

impl Scope for From<'_> {
    fn column(&self, expr: &Expr) -> Option<Column> {
        match expr {
            Expr::Nested(inner) => self.column(inner),
            Expr::Identifier(name) => {
                self.unqualified(&fold(name, self.dialect), 0..self.items.len())
            }
            Expr::CompoundIdentifier(parts) => {
                let parts: Vec<String> =
                    parts.iter().map(|part| fold(part, self.dialect)).collect();
                match parts.as_slice() {
                    [table, name] => self.of(table, None, name),
                    [schema, table, name] => self.of(table, Some(schema), name),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn is_bool(&self, column: Column) -> bool {
        self.kind(column) == ColumnKind::Bool
    }

    fn comparable(&self, left: Column, right: Column) -> bool {
        self.kind(left) == self.kind(right)
    }

    fn hole(&self, placeholder: &str) -> Option<(usize, bool)> {
        let number: usize = placeholder.get(1..)?.parse().ok()?;
        let hole = number.checked_sub(1)?;
        Some((hole, *self.lists.get(hole)?))
    }

    fn numeric_bool(&self) -> bool {
        self.dialect == Dialect::Sqlite
    }
}
