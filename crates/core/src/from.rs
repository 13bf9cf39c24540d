//! FROM → levels of outer joins, and for each table the conditions that every row of interest passes.
//!
//! A row is of interest if adding or removing it can change what the SELECT returns. For tables that no outer join
//! extends with NULLs these are the rows that pass WHERE and the ON of every inner join. A table on the nullable side of
//! an outer join lies one *level* deeper. A row of it matters only if it passes that join's ON together with rows of the
//! other side that themselves matter: so the conditions of the level above count too, but for what they say of the
//! nullable side, where they may have looked at NULLs instead of the row. Where the conditions above reject NULLs on the
//! nullable side, the join is an inner one, and the level is merged into that above.

use std::ops::Range;
use std::rc::Rc;

use sqlparser::ast::{
    Expr, JoinConstraint, JoinOperator, TableFactor, TableSampleKind, TableWithJoins,
};

use crate::dnf::{self, Column, Fact, Form};
use crate::extract::{address, fold, object};
use crate::names::{Item, Names, Outer, Place, View};
use crate::plan::Conjunction;
use crate::resolve::{self, Found};
use crate::schema::{Dialect, Table, TableKind};

/// Most rounds of looking for outer joins that are inner ones.
const MAX_ROUNDS: usize = 8;
/// What no name in a text can be.
const NAMELESS: &str = "\0";

/// One side of an outer join; the first level is the FROM itself.
struct Level {
    parent: Option<usize>,
    items: Range<usize>,
    /// It turned out not to be nullable.
    merged: bool,
    /// What joins it is not known.
    opaque: bool,
}

enum What<'q> {
    True(&'q Expr),
    Same(Column, Column),
}

struct Condition<'q> {
    level: usize,
    what: What<'q>,
    /// What its names may mean.
    visible: Range<usize>,
}

/// FULL JOIN: both sides are nullable; its ON counts for one of them once the other is not.
struct Full<'q> {
    left: usize,
    right: usize,
    on: Option<&'q Expr>,
    visible: Range<usize>,
}

/// A flattened FROM, with the conditions on it.
pub(crate) struct Block<'q> {
    items: Range<usize>,
    /// Per item, its level.
    of: Vec<usize>,
    levels: Vec<Level>,
    conditions: Vec<Condition<'q>>,
    full: Vec<Full<'q>>,
    /// Items that are queries or calls of functions.
    inner: Vec<(usize, &'q TableFactor)>,
    merged: Rc<Vec<(String, Vec<usize>)>>,
    /// RIGHT or FULL JOIN occurs: columns named by USING may be of either side.
    either: bool,
    forms: Vec<Form>,
}

/// Where a join tree started.
#[derive(Clone, Copy)]
struct Mark {
    item: usize,
    condition: usize,
    level: usize,
}

impl<'q> Block<'q> {
    /// Flattens comma-separated items and adds WHERE.
    pub(crate) fn new(
        from: &[&'q [TableWithJoins]],
        condition: Option<&'q Expr>,
        names: &mut Names<'_>,
        outer: &Outer,
    ) -> Self {
        let start = names.items.len();
        let mut block = Self {
            items: start..start,
            of: Vec::new(),
            levels: vec![Level {
                parent: None,
                items: start..start,
                merged: false,
                opaque: false,
            }],
            conditions: Vec::new(),
            full: Vec::new(),
            inner: Vec::new(),
            merged: Rc::default(),
            either: false,
            forms: Vec::new(),
        };
        let whole = block.mark();
        for tree in from.iter().copied().flatten() {
            // To SQLite a comma is a join like any other, so what stands before it is on the left of a RIGHT JOIN behind it.
            let mark = match names.dialect {
                Dialect::Sqlite => whole,
                Dialect::Postgres => block.mark(),
            };
            block.tree(tree, 0, mark, names);
        }
        if block.either {
            block.merged = Rc::default();
        }
        if let Some(condition) = condition {
            block.conditions.push(Condition {
                level: 0,
                what: What::True(condition),
                visible: block.items.clone(),
            });
        }
        block.levels[0].items = block.items.clone();
        block.settle(names, outer);
        block
    }

    /// The only item's table, if it is one plain table.
    pub(crate) fn single<'f>(&self, names: &Names<'f>) -> Option<&'f Table> {
        if self.items.len() == 1 {
            names.items[self.items.start].table
        } else {
            None
        }
    }

    /// The rows of interest of each item that is a table.
    pub(crate) fn rows<'f>(
        &self,
        names: &Names<'f>,
    ) -> impl Iterator<Item = (usize, &'f Table, Vec<Conjunction>)> {
        self.items.clone().filter_map(|at| {
            let item = &names.items[at];
            let table = item.table?;
            let name = |column: usize| {
                table
                    .columns
                    .get(column)
                    .map(|column| column.name.clone())
                    .unwrap_or_default()
            };
            let rows = if item.whole {
                vec![Vec::new()]
            } else {
                dnf::rows(&self.forms[self.level(at)], at, &name)
            };
            Some((item.address, table, rows))
        })
    }

    /// Items that are queries or calls of functions, with what a reference to the items left of them may rely on.
    pub(crate) fn inner(&self, outer: &Outer) -> Vec<(&'q TableFactor, Outer)> {
        let within = |(at, factor): &(usize, &'q TableFactor)| {
            let place = self.place(self.items.start..*at);
            (*factor, outer.within(place, &self.forms[self.level(*at)]))
        };
        self.inner.iter().map(within).collect()
    }

    /// ON conditions, with what a subquery inside may rely on.
    pub(crate) fn on(&self, outer: &Outer) -> Vec<(&'q Expr, Outer)> {
        let mut out: Vec<(&'q Expr, Outer)> = Vec::new();
        for condition in &self.conditions {
            if let What::True(expr) = condition.what {
                let form = &self.forms[self.effective(condition.level)];
                let place = self.place(condition.visible.clone());
                out.push((expr, outer.within(place, form)));
            }
        }
        for full in &self.full {
            let place = self.place(full.visible.clone());
            out.extend(full.on.map(|on| (on, outer.within(place, &dnf::any()))));
        }
        out
    }

    /// What a subquery of the select list, of WHERE, GROUP BY, HAVING or ORDER BY may rely on.
    pub(crate) fn outer(&self, outer: &Outer) -> Outer {
        outer.within(self.place(self.items.clone()), &self.forms[0])
    }

    fn place(&self, visible: Range<usize>) -> Place {
        Place {
            all: self.items.clone(),
            visible,
            merged: Rc::clone(&self.merged),
        }
    }

    fn mark(&self) -> Mark {
        Mark {
            item: self.items.end,
            condition: self.conditions.len(),
            level: self.levels.len(),
        }
    }

    fn tree(&mut self, tree: &'q TableWithJoins, level: usize, mark: Mark, names: &mut Names<'_>) {
        let left = self.items.end;
        self.factor(&tree.relation, level, names);
        for join in &tree.joins {
            let right = self.items.end;
            let at = match &join.join_operator {
                JoinOperator::Join(constraint)
                | JoinOperator::Inner(constraint)
                | JoinOperator::CrossJoin(constraint) => {
                    self.factor(&join.relation, level, names);
                    Some((level, constraint))
                }
                JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                    let deeper = self.deeper(level, right..right);
                    self.factor(&join.relation, deeper, names);
                    self.levels[deeper].items.end = self.items.end;
                    Some((deeper, constraint))
                }
                JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                    self.either = true;
                    let deeper = self.extend_with_nulls(level, mark);
                    self.factor(&join.relation, level, names);
                    Some((deeper, constraint))
                }
                operator => {
                    self.either = true;
                    let first = self.extend_with_nulls(level, mark);
                    let second = self.deeper(level, right..right);
                    self.factor(&join.relation, second, names);
                    self.levels[second].items.end = self.items.end;
                    let visible = left.min(mark.item)..self.items.end;
                    if let JoinOperator::FullOuter(JoinConstraint::On(on)) = operator {
                        self.full.push(Full {
                            left: first,
                            right: second,
                            on: Some(on),
                            visible,
                        });
                    } else {
                        // USING, and whatever the parser knows of other databases.
                        self.levels[first].opaque = true;
                        self.levels[second].opaque = true;
                    }
                    None
                }
            };
            if let Some((level, constraint)) = at {
                self.constraint(constraint, level, mark.item, right, names);
            }
        }
    }

    fn deeper(&mut self, parent: usize, items: Range<usize>) -> usize {
        self.levels.push(Level {
            parent: Some(parent),
            items,
            merged: false,
            opaque: false,
        });
        self.levels.len() - 1
    }

    /// What is on the left of a RIGHT or FULL JOIN goes one level deeper.
    fn extend_with_nulls(&mut self, level: usize, mark: Mark) -> usize {
        let deeper = self.deeper(level, mark.item..self.items.end);
        for other in &mut self.levels[mark.level..deeper] {
            if other.parent == Some(level) {
                other.parent = Some(deeper);
            }
        }
        for condition in &mut self.conditions[mark.condition..] {
            if condition.level == level {
                condition.level = deeper;
            }
        }
        for of in &mut self.of[mark.item - self.items.start..] {
            if *of == level {
                *of = deeper;
            }
        }
        deeper
    }

    fn factor(&mut self, factor: &'q TableFactor, level: usize, names: &mut Names<'_>) {
        let alias = |alias: &Option<sqlparser::ast::TableAlias>| {
            alias
                .as_ref()
                .map(|alias| fold(&alias.name, names.dialect))
                .unwrap_or_default()
        };
        let item = match factor {
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => {
                let mark = self.mark();
                return self.tree(table_with_joins, level, mark, names);
            }
            TableFactor::Table {
                name,
                alias: of,
                args: None,
                sample,
                ..
            } => table(factor, name, of.as_ref(), sample.as_ref(), names),
            TableFactor::Derived { alias: None, .. } => Item::opaque(NAMELESS.to_owned()),
            // A call without an alias is reached by the function's name.
            TableFactor::Table {
                name, alias: None, ..
            }
            | TableFactor::Function {
                name, alias: None, ..
            } => {
                let name = object(name, names.dialect).map(|(_, name)| name);
                Item::opaque(name.unwrap_or_default())
            }
            TableFactor::Derived { alias: of, .. }
            | TableFactor::Function { alias: of, .. }
            | TableFactor::UNNEST { alias: of, .. }
            | TableFactor::Table { alias: of, .. }
            | TableFactor::NestedJoin { alias: of, .. } => Item::opaque(alias(of)),
            _ => Item::opaque(String::new()),
        };
        if item.table.is_none() {
            self.inner.push((self.items.end, factor));
        }
        names.items.push(item);
        self.of.push(level);
        self.items.end = names.items.len();
    }

    fn constraint(
        &mut self,
        constraint: &'q JoinConstraint,
        level: usize,
        left: usize,
        right: usize,
        names: &Names<'_>,
    ) {
        let visible = left..self.items.end;
        match constraint {
            JoinConstraint::On(condition) => self.conditions.push(Condition {
                level,
                what: What::True(condition),
                visible,
            }),
            JoinConstraint::Using(columns) if right + 1 == self.items.end && !self.either => {
                for column in columns {
                    let Some((None, name)) = object(column, names.dialect) else {
                        continue;
                    };
                    // Certain only when one table on the left has the column, and nothing there is opaque.
                    let one = names.only(&name, &(left..right), &self.merged);
                    let two = names.only(&name, &(right..right + 1), &self.merged);
                    let (Some(one), Some(two)) = (one, two) else {
                        continue;
                    };
                    let merged = Rc::make_mut(&mut self.merged);
                    match merged
                        .iter_mut()
                        .find(|(of, items)| names.dialect.same_name(of, &name) && items[0] == one.0)
                    {
                        Some((_, items)) => items.push(two.0),
                        None => merged.push((name, vec![one.0, two.0])),
                    }
                    if names.comparable(one, two) {
                        self.conditions.push(Condition {
                            level,
                            what: What::Same(one, two),
                            visible: visible.clone(),
                        });
                    }
                }
            }
            _ => {}
        }
    }

    /// Merges levels that are not nullable, and makes the form of each that is left.
    fn settle(&mut self, names: &Names<'_>, outer: &Outer) {
        self.forms = vec![Form::new(); self.levels.len()];
        let mut pending = vec![0];
        while let Some(level) = pending.pop() {
            self.forms[level] = self.form(level, names, outer);
            for _ in 0..MAX_ROUNDS {
                if !self.merge(level) {
                    break;
                }
                self.forms[level] = self.form(level, names, outer);
            }
            pending
                .extend((0..self.levels.len()).filter(|child| self.below(*child) == Some(level)));
        }
    }

    /// The level above one that is nullable.
    fn below(&self, level: usize) -> Option<usize> {
        let Level { parent, merged, .. } = &self.levels[level];
        if *merged {
            None
        } else {
            parent.map(|parent| self.effective(parent))
        }
    }

    fn effective(&self, mut level: usize) -> usize {
        while let Level {
            merged: true,
            parent: Some(parent),
            ..
        } = self.levels[level]
        {
            level = parent;
        }
        level
    }

    fn level(&self, item: usize) -> usize {
        self.effective(self.of[item - self.items.start])
    }

    /// Merges the levels right below whose NULLs this level's conditions reject.
    fn merge(&mut self, level: usize) -> bool {
        let rejected: Vec<usize> = (0..self.levels.len())
            .filter(|child| {
                self.below(*child) == Some(level)
                    && !self.levels[*child].opaque
                    && dnf::rejects_nulls(&self.forms[level], &self.levels[*child].items)
            })
            .collect();
        for child in &rejected {
            self.levels[*child].merged = true;
            let of = |full: &&mut Full<'_>| full.left == *child || full.right == *child;
            if let Some(full) = self.full.iter_mut().find(of) {
                let other = if full.left == *child {
                    full.right
                } else {
                    full.left
                };
                if let Some(on) = full.on.take() {
                    self.conditions.push(Condition {
                        level: other,
                        what: What::True(on),
                        visible: full.visible.clone(),
                    });
                }
            }
        }
        !rejected.is_empty()
    }

    fn form(&self, level: usize, names: &Names<'_>, outer: &Outer) -> Form {
        let mut forms: Vec<Form> = Vec::new();
        for condition in &self.conditions {
            if self.effective(condition.level) != level {
                continue;
            }
            forms.push(match condition.what {
                What::Same(one, two) => vec![vec![Fact::Same(one, two)]],
                What::True(expr) => {
                    let view = View {
                        names,
                        outer: &outer.places,
                        all: self.items.clone(),
                        visible: condition.visible.clone(),
                        merged: &self.merged,
                    };
                    dnf::may_be_true(expr, &view)
                }
            });
        }
        let mut form = dnf::conjoin(&mut forms);
        if let Some(above) = self.below(level) {
            let above = dnf::without(&self.forms[above], &self.levels[level].items);
            form = dnf::and(form, &above);
        }
        if dnf::mentions(&form, &(0..self.items.start)) {
            for above in outer.forms.iter().rev() {
                form = dnf::and(form, above);
            }
        }
        form
    }
}

fn table<'f>(
    factor: &TableFactor,
    name: &sqlparser::ast::ObjectName,
    alias: Option<&sqlparser::ast::TableAlias>,
    sample: Option<&TableSampleKind>,
    names: &Names<'f>,
) -> Item<'f> {
    let dialect = names.dialect;
    let renamed = alias.is_some_and(|alias| !alias.columns.is_empty());
    let Some((schema, name)) = object(name, dialect) else {
        return Item::opaque(String::new());
    };
    let visible = alias.map_or_else(|| name.clone(), |alias| fold(&alias.name, dialect));
    let cte = schema.is_none() && names.scan.is_cte(&name);
    let table = match resolve::table(names.facts, dialect, schema.as_deref(), &name) {
        Found::Table(table) if !cte && !renamed && table.kind != TableKind::View => Some(table),
        _ => None,
    };
    Item {
        table,
        visible,
        schema,
        aliased: alias.is_some(),
        // Which rows a sample takes may depend on all of them.
        whole: sample.is_some(),
        address: address(factor),
    }
}
