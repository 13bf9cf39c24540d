//! Every SELECT of a query, wherever it stands → the rows of interest of every table in its FROM.
//!
//! What a SELECT returns is a function of the rows of its tables that pass its conditions, whatever surrounds it: EXISTS
//! or NOT EXISTS, ANY or ALL, an arm of a set operation, a CTE that is read twice or not at all. So each SELECT is looked at by
//! itself. What surrounds it adds to this: for a correlated subquery only those rows around it count that pass the
//! conditions around it, and equalities carry their values into the subquery.
//!
//! An occurrence of a table that this walk does not come by is read as a whole.

use std::ops::ControlFlow;

use sqlparser::ast::{Query, Select, SetExpr, TableFactor, TableWithJoins, Visit, Visitor};

use crate::extract::Scan;
use crate::from::Block;
use crate::names::{Names, Outer};
use crate::plan::Conjunction;
use crate::schema::{Dialect, Facts, Table};

/// What is known of the SELECTs of a query.
pub(crate) struct Blocks<'f> {
    names: Names<'f>,
    /// Rows of interest per occurrence of a table.
    found: Vec<(usize, Vec<Conjunction>)>,
    /// There is more than one SELECT.
    nested: bool,
    /// The only table of the outermost SELECT.
    pub(crate) single: Option<&'f Table>,
}

/// Looks at every SELECT of a query.
pub(crate) fn blocks<'f>(
    query: &Query,
    outermost: Option<&Select>,
    facts: &'f Facts,
    dialect: Dialect,
    scan: &'f Scan,
    lists: &'f [bool],
) -> Blocks<'f> {
    let mut blocks = Blocks {
        names: Names::new(facts, dialect, scan, lists),
        found: Vec::new(),
        nested: scan.queries > 1,
        single: None,
    };
    match outermost {
        Some(select) if !blocks.nested => drop(blocks.select(select, &Outer::default(), true)),
        _ => blocks.query(query, &Outer::default(), true),
    }
    blocks.found.sort_by_key(|(address, _)| *address);
    blocks
}

/// The rows of interest of the first table, if it is one.
pub(crate) fn first<'f>(
    from: &[&[TableWithJoins]],
    condition: Option<&sqlparser::ast::Expr>,
    facts: &'f Facts,
    dialect: Dialect,
    scan: &'f Scan,
    lists: &'f [bool],
) -> Option<(&'f Table, Vec<Conjunction>)> {
    let mut names = Names::new(facts, dialect, scan, lists);
    let block = Block::new(from, condition, &mut names, &Outer::default());
    names.items.first()?.table?;
    block
        .rows(&names)
        .next()
        .map(|(_, table, rows)| (table, rows))
}

impl Blocks<'_> {
    /// The rows of interest of an occurrence of a table.
    pub(crate) fn take(&mut self, address: usize) -> Vec<Conjunction> {
        let start = self.found.partition_point(|(other, _)| *other < address);
        let mut same = self.found[start..]
            .iter_mut()
            .take_while(|(other, _)| *other == address);
        match (same.next(), same.next()) {
            (Some((_, rows)), None) if address != 0 && !rows.is_empty() => std::mem::take(rows),
            _ => vec![Vec::new()],
        }
    }

    fn query(&mut self, query: &Query, outer: &Outer, top: bool) {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.query(&cte.query, outer, false);
        }
        let mut inside = None;
        let mut pending = vec![&*query.body];
        while let Some(body) = pending.pop() {
            let plain = std::ptr::eq(body, query.body.as_ref());
            match body {
                SetExpr::Select(select) => {
                    let around = self.select(select, outer, top && plain);
                    inside = around.filter(|_| plain);
                }
                SetExpr::Query(query) => {
                    self.query(query, outer, top && plain);
                }
                SetExpr::SetOperation { left, right, .. } => pending.extend([&**left, &**right]),
                SetExpr::Values(values) => self.inside(values, outer),
                // No conditions; what writes is not looked at here.
                _ => {}
            }
        }
        if self.nested {
            // Behind a set operation or parentheses it is not certain what names mean.
            if let Some(around) = inside {
                self.inside(&query.order_by, &around);
            }
            self.inside(&query.limit_clause, outer);
            self.inside(&query.fetch, outer);
        }
    }

    /// Gives what a subquery in ORDER BY may rely on.
    fn select(&mut self, select: &Select, outer: &Outer, top: bool) -> Option<Outer> {
        let from = [select.from.as_slice()];
        let block = Block::new(&from, select.selection.as_ref(), &mut self.names, outer);
        self.found.extend(
            block
                .rows(&self.names)
                .map(|(address, _, rows)| (address, rows)),
        );
        if top {
            self.single = block.single(&self.names);
        }
        if !self.nested {
            return None;
        }
        for (factor, around) in block.inner(outer) {
            match factor {
                TableFactor::Derived {
                    lateral: true,
                    subquery,
                    ..
                } => {
                    self.query(subquery, &around, false);
                }
                TableFactor::Derived { subquery, .. } => self.query(subquery, outer, false),
                // Its inside is hidden by its alias.
                TableFactor::NestedJoin { .. } => {}
                factor => self.inside(factor, &around),
            }
        }
        for (on, around) in block.on(outer) {
            self.inside(on, &around);
        }
        let around = block.outer(outer);
        self.inside(&select.distinct, &around);
        self.inside(&select.projection, &around);
        self.inside(&select.group_by, &around);
        self.inside(&select.having, &around);
        self.inside(&select.named_window, &around);
        Some(around)
    }

    /// The outermost queries inside a part of the tree.
    fn inside<T: Visit>(&mut self, tree: &T, outer: &Outer) {
        struct Finder<'a, 'f> {
            blocks: &'a mut Blocks<'f>,
            outer: &'a Outer,
            depth: usize,
        }
        impl Visitor for Finder<'_, '_> {
            type Break = ();
            fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
                if self.depth == 0 {
                    self.blocks.query(query, self.outer, false);
                }
                self.depth += 1;
                ControlFlow::Continue(())
            }
            fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
                self.depth -= 1;
                ControlFlow::Continue(())
            }
        }
        if self.nested {
            let _ = tree.visit(&mut Finder {
                blocks: self,
                outer,
                depth: 0,
            });
        }
    }
}
