//! Conditions → a bounded disjunctive normal form that never loses a matching row.
//!
//! SQL's logic has three values, so two forms are made side by side: rows for which a condition may be *true*, and rows for
//! which it may be *false* (NOT swaps them). What is not understood is "any row" in both, hence dropping a term only widens.

use std::ops::Range;

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

use crate::plan::{Conjunction, Operand, Term};

/// Most conjunctions in a form.
pub const MAX_CONJUNCTIONS: usize = 64;
/// Most terms in a conjunction of one table.
pub const MAX_TERMS: usize = 8;
/// Most facts (terms and equalities of columns) in a conjunction, all tables together.
const MAX_FACTS: usize = 24;
/// Most values in a term; a longer literal list is dropped.
const MAX_VALUES: usize = 128;

/// A column of one of the tables in FROM: position of the table, position of the column.
pub type Column = (usize, usize);

/// What a conjunction states.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// The column has one of these values.
    Is(Column, Vec<Operand>, bool),
    /// Two columns are equal.
    Same(Column, Column),
}

/// OR-ed conjunctions of facts. None: no row. An empty conjunction: any row.
pub type Form = Vec<Vec<Fact>>;

/// What the tables in FROM say of an expression.
pub trait Scope {
    /// The column that a bare reference names, if it is certain and tracked.
    fn column(&self, expr: &Expr) -> Option<Column>;
    /// Whether it is a tracked boolean.
    fn is_bool(&self, column: Column) -> bool;
    /// Whether the two compare values in the same way, so that equality carries over.
    fn comparable(&self, left: Column, right: Column) -> bool;
    /// The hole of a placeholder.
    fn hole(&self, placeholder: &str) -> Option<(usize, bool)>;
    /// TRUE and FALSE are the numbers 1 and 0 (`SQLite`).
    fn numeric_bool(&self) -> bool;
}

pub(crate) fn any() -> Form {
    vec![Vec::new()]
}

/// Rows for which the condition may be true.
pub(crate) fn may_be_true(condition: &Expr, scope: &dyn Scope) -> Form {
    form(condition, true, scope)
}

/// Both, unless the product would burst: then the first alone.
pub(crate) fn and(first: Form, second: &Form) -> Form {
    if second.iter().any(Vec::is_empty) || first.len() * second.len() > MAX_CONJUNCTIONS {
        return first;
    }
    product(&first, second)
}

/// What a form says without the facts about some tables.
pub(crate) fn without(form: &Form, tables: &Range<usize>) -> Form {
    let about = |fact: &&Fact| match fact {
        Fact::Is(column, ..) => !tables.contains(&column.0),
        Fact::Same(one, two) => !tables.contains(&one.0) && !tables.contains(&two.0),
    };
    let mut out: Form = form
        .iter()
        .map(|conjunction| conjunction.iter().filter(about).cloned().collect())
        .collect();
    absorb(&mut out);
    out
}

/// Whether an equality has a side in these tables.
pub(crate) fn mentions(form: &Form, tables: &Range<usize>) -> bool {
    form.iter().flatten().any(|fact| match fact {
        Fact::Is(..) => false,
        Fact::Same(one, two) => tables.contains(&one.0) || tables.contains(&two.0),
    })
}

/// Whether the form fails where all columns of these tables are NULL: each conjunction has a fact that NULL does not meet.
pub(crate) fn rejects_nulls(form: &Form, tables: &Range<usize>) -> bool {
    form.iter().all(|conjunction| {
        conjunction.iter().any(|fact| match fact {
            Fact::Is(column, _, nulls) => !nulls && tables.contains(&column.0),
            Fact::Same(one, two) => tables.contains(&one.0) || tables.contains(&two.0),
        })
    })
}

/// Rows for which the condition may be true (`wanted`) or false.
fn form(expr: &Expr, wanted: bool, scope: &dyn Scope) -> Form {
    match expr {
        Expr::Nested(inner) => form(inner, wanted, scope),
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr,
        } => form(expr, !wanted, scope),
        Expr::BinaryOp {
            op: op @ (BinaryOperator::And | BinaryOperator::Or),
            ..
        } => {
            let mut forms: Vec<Form> = chain(expr, op)
                .into_iter()
                .map(|part| form(part, wanted, scope))
                .collect();
            if (*op == BinaryOperator::And) == wanted {
                conjoin(&mut forms)
            } else {
                disjoin(forms)
            }
        }
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } if wanted => equality(left, right, false, scope),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::NotEq,
            right,
        } if !wanted => equality(left, right, false, scope),
        Expr::IsNotDistinctFrom(left, right) if wanted => equality(left, right, true, scope),
        Expr::IsDistinctFrom(left, right) if !wanted => equality(left, right, true, scope),
        Expr::InList {
            expr,
            list,
            negated,
        } if *negated != wanted => in_list(expr, list, scope),
        Expr::AnyOp {
            left,
            compare_op: BinaryOperator::Eq,
            right,
            ..
        } if wanted => any_of(left, right, scope),
        Expr::AllOp {
            left,
            compare_op: BinaryOperator::NotEq,
            right,
        } if !wanted => any_of(left, right, scope),
        Expr::IsNull(inner) if wanted => is(inner, vec![Operand::Null], true, scope),
        Expr::IsNotNull(inner) if !wanted => is(inner, vec![Operand::Null], true, scope),
        // IS TRUE and its like are never unknown: their negation holds for unknown, too.
        Expr::IsTrue(inner) if wanted => form(inner, true, scope),
        Expr::IsNotTrue(inner) if !wanted => form(inner, true, scope),
        Expr::IsFalse(inner) if wanted => form(inner, false, scope),
        Expr::IsNotFalse(inner) if !wanted => form(inner, false, scope),
        Expr::Value(value) => match &value.value {
            Value::Boolean(value) if *value != wanted => Vec::new(),
            Value::Null => Vec::new(),
            _ => any(),
        },
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => match scope.column(expr) {
            Some(column) if scope.is_bool(column) => {
                vec![vec![Fact::Is(column, vec![Operand::Bool(wanted)], false)]]
            }
            _ => any(),
        },
        _ => any(),
    }
}

/// The operands of a chain of one operator; chains are left-deep and long, so they are walked without recursion.
fn chain<'a>(expr: &'a Expr, operator: &BinaryOperator) -> Vec<&'a Expr> {
    let mut parts = Vec::new();
    let mut rest = expr;
    while let Expr::BinaryOp { left, op, right } = rest
        && op == operator
    {
        parts.push(&**right);
        rest = left;
    }
    parts.push(rest);
    parts.reverse();
    parts
}

fn equality(left: &Expr, right: &Expr, nulls: bool, scope: &dyn Scope) -> Form {
    if let (Expr::Tuple(left), Expr::Tuple(right)) = (left, right) {
        if nulls || left.len() != right.len() {
            return any();
        }
        let mut forms: Vec<Form> = left
            .iter()
            .zip(right)
            .map(|(l, r)| equality(l, r, false, scope))
            .collect();
        return conjoin(&mut forms);
    }
    match (scope.column(left), scope.column(right)) {
        (Some(one), Some(two)) if nulls || !scope.comparable(one, two) || one == two => any(),
        (Some(one), Some(two)) => vec![vec![Fact::Same(one, two)]],
        (Some(column), None) => values(column, vec![operand(right, scope)], nulls),
        (None, Some(column)) => values(column, vec![operand(left, scope)], nulls),
        (None, None) => any(),
    }
}

fn is(column: &Expr, operands: Vec<Operand>, nulls: bool, scope: &dyn Scope) -> Form {
    scope
        .column(column)
        .map_or_else(any, |column| values(column, operands, nulls))
}

fn values(column: Column, values: Vec<Operand>, nulls: bool) -> Form {
    if values.contains(&Operand::Unknown) || values.len() > MAX_VALUES {
        return any();
    }
    vec![vec![Fact::Is(column, values, nulls)]]
}

fn in_list(expr: &Expr, list: &[Expr], scope: &dyn Scope) -> Form {
    if matches!(expr, Expr::Tuple(_)) {
        if list.len() > MAX_CONJUNCTIONS {
            return any();
        }
        return disjoin(
            list.iter()
                .map(|item| equality(expr, item, false, scope))
                .collect(),
        );
    }
    if list.len() > MAX_VALUES || scope.column(expr).is_none() {
        return any();
    }
    is(
        expr,
        list.iter().map(|item| operand(item, scope)).collect(),
        false,
        scope,
    )
}

fn any_of(left: &Expr, right: &Expr, scope: &dyn Scope) -> Form {
    match unnested(right) {
        Expr::Array(array) => in_list(left, &array.elem, scope),
        Expr::Value(_) => match operand(unnested(right), scope) {
            Operand::Hole(hole) => is(left, vec![Operand::Array(hole)], false, scope),
            _ => any(),
        },
        _ => any(),
    }
}

fn unnested(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

/// The value that an expression is, if it is a bare parameter or literal.
pub fn operand(expr: &Expr, scope: &dyn Scope) -> Operand {
    match expr {
        Expr::Nested(inner) => operand(inner, scope),
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => match operand(expr, scope) {
            Operand::Number(number) if !number.starts_with('-') => {
                Operand::Number(format!("-{number}"))
            }
            _ => Operand::Unknown,
        },
        Expr::Value(value) => match &value.value {
            Value::Null => Operand::Null,
            Value::Boolean(value) if scope.numeric_bool() => {
                Operand::Number(u8::from(*value).to_string())
            }
            Value::Boolean(value) => Operand::Bool(*value),
            Value::Number(number, false) => Operand::Number(number.clone()),
            Value::SingleQuotedString(text) => Operand::Text(text.clone()),
            Value::Placeholder(placeholder) => match scope.hole(placeholder) {
                Some((hole, true)) => Operand::List(hole),
                Some((hole, false)) => Operand::Hole(hole),
                None => Operand::Unknown,
            },
            _ => Operand::Unknown,
        },
        _ => Operand::Unknown,
    }
}

/// AND: the product, small forms first. A product past the cap is not made: the form that would burst it is left out.
pub(crate) fn conjoin(forms: &mut Vec<Form>) -> Form {
    forms.sort_by_key(Vec::len);
    let mut forms = forms.drain(..);
    let Some(mut all) = forms.next() else {
        return any();
    };
    for form in forms {
        if all.len() * form.len() <= MAX_CONJUNCTIONS {
            all = product(&all, &form);
        }
    }
    all
}

fn product(left: &Form, right: &Form) -> Form {
    let mut next = Vec::with_capacity(left.len() * right.len());
    for left in left {
        for right in right {
            let mut both = left.clone();
            for fact in right {
                if both.len() < MAX_FACTS && !both.contains(fact) {
                    both.push(fact.clone());
                }
            }
            next.push(both);
        }
    }
    absorb(&mut next);
    next
}

/// OR: all conjunctions; single terms on one column become one term of several values.
fn disjoin(forms: Vec<Form>) -> Form {
    let mut sum: Form = Vec::new();
    for conjunction in forms.into_iter().flatten() {
        if conjunction.is_empty() {
            return any();
        }
        if !merged(&mut sum, &conjunction) && !sum.contains(&conjunction) {
            sum.push(conjunction);
        }
        // Absorbing is quadratic, so it is done when the form is full, and once more at the end.
        if sum.len() > MAX_CONJUNCTIONS {
            absorb(&mut sum);
            if sum.len() > MAX_CONJUNCTIONS {
                sum = vec![common(&sum)];
            }
            if sum.iter().any(Vec::is_empty) {
                return any();
            }
        }
    }
    absorb(&mut sum);
    sum
}

fn merged(sum: &mut Form, conjunction: &[Fact]) -> bool {
    let [Fact::Is(column, values, nulls)] = conjunction else {
        return false;
    };
    for other in sum {
        if let [Fact::Is(other_column, other_values, other_nulls)] = other.as_mut_slice()
            && other_column == column
            && other_nulls == nulls
        {
            let new: Vec<Operand> = values
                .iter()
                .filter(|value| !other_values.contains(value))
                .cloned()
                .collect();
            if other_values.len() + new.len() > MAX_VALUES {
                return false;
            }
            other_values.extend(new);
            return true;
        }
    }
    false
}

/// One conjunction that every one of these implies: the columns that all of them fix, to any of their values.
fn common(forms: &Form) -> Vec<Fact> {
    let Some(first) = forms.first() else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for fact in first {
        let Fact::Is(column, ..) = fact else { continue };
        let mut union: Vec<Operand> = Vec::new();
        let mut any_nulls = false;
        let everywhere = forms.iter().all(|conjunction| {
            let found = conjunction.iter().find_map(|fact| match fact {
                Fact::Is(other, values, nulls) if other == column => Some((values, *nulls)),
                _ => None,
            });
            found.is_some_and(|(values, nulls)| {
                any_nulls |= nulls;
                for value in values {
                    if !union.contains(value) {
                        union.push(value.clone());
                    }
                }
                union.len() <= MAX_VALUES
            })
        });
        if everywhere {
            out.push(Fact::Is(*column, union, any_nulls));
        }
    }
    out
}

/// Drops conjunctions that another one contains: `a` covers `a and b`.
fn absorb<T: PartialEq>(form: &mut Vec<Vec<T>>) {
    if form.len() < 2 {
        return;
    }
    form.sort_by_key(Vec::len);
    let mut kept: Vec<Vec<T>> = Vec::with_capacity(form.len());
    for conjunction in form.drain(..) {
        if !kept
            .iter()
            .any(|small| small.iter().all(|fact| conjunction.contains(fact)))
        {
            kept.push(conjunction);
        }
    }
    *form = kept;
}

/// What a form says of the rows of one table: equalities of columns carry values over, other tables' facts go.
/// Always at least one conjunction; `names` gives a column's name.
pub fn rows(form: &Form, table: usize, names: &dyn Fn(usize) -> String) -> Vec<Conjunction> {
    let mut out: Vec<Conjunction> = Vec::new();
    for conjunction in form {
        // Of hundreds of joined tables most are in none of the few facts that are kept.
        let about = conjunction.iter().any(|fact| match fact {
            Fact::Is(column, ..) => column.0 == table,
            Fact::Same(one, two) => one.0 == table || two.0 == table,
        });
        if !about {
            return vec![Vec::new()];
        }
        let terms = terms(conjunction, table, names);
        if terms.is_empty() {
            return vec![Vec::new()];
        }
        if !out.contains(&terms) {
            out.push(terms);
        }
    }
    absorb(&mut out);
    if out.is_empty() {
        out.push(Vec::new());
    }
    out
}

fn terms(conjunction: &[Fact], table: usize, names: &dyn Fn(usize) -> String) -> Conjunction {
    let mut found: Vec<(usize, &Vec<Operand>, bool)> = Vec::new();
    for fact in conjunction {
        let Fact::Is(column, values, nulls) = fact else {
            continue;
        };
        for (at, position) in equal_to(conjunction, *column) {
            if at != table {
                continue;
            }
            match found.iter_mut().find(|(other, ..)| *other == position) {
                // Both hold; the shorter list says more.
                Some(other) if other.1.len() > values.len() || (other.2 && !nulls) => {
                    *other = (position, values, *nulls);
                }
                Some(_) => {}
                None => found.push((position, values, *nulls)),
            }
        }
    }
    found.truncate(MAX_TERMS);
    let mut terms: Conjunction = found
        .into_iter()
        .map(|(column, values, nulls)| Term {
            column: names(column),
            values: values.clone(),
            nulls,
        })
        .collect();
    terms.sort_by(|left, right| left.column.cmp(&right.column));
    terms
}

/// The columns that a conjunction makes equal to this one, itself included.
fn equal_to(conjunction: &[Fact], column: Column) -> Vec<Column> {
    let mut class = vec![column];
    let mut at = 0;
    while let Some(&known) = class.get(at) {
        for fact in conjunction {
            if let Fact::Same(one, two) = fact {
                for (this, other) in [(one, two), (two, one)] {
                    if *this == known && !class.contains(other) {
                        class.push(*other);
                    }
                }
            }
        }
        at += 1;
    }
    class
}
