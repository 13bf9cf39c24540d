//! The shape of a read: at most one row, rows, a count, aggregates, or whether there are rows.

use sqlparser::ast::{
    Expr, FunctionArguments, GroupByExpr, LimitClause, Query, Select, SelectItem, Value,
};

use crate::extract::fold;
use crate::functions;
use crate::plan::{Conjunction, Dependency, Op, Operand};
use crate::read::Context;
use crate::schema::{Dialect, Table};

/// The op of a query whose outermost SELECT, if it is one, is `select`.
pub(crate) fn op(
    query: &Query,
    select: Option<&Select>,
    single: Option<&Table>,
    dependencies: &[Dependency],
    context: &Context<'_>,
) -> Op {
    let Some(select) = select else {
        return limited(query, context);
    };
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, more) if by.is_empty() && more.is_empty());
    let items: Vec<&Expr> = select.projection.iter().filter_map(item).collect();
    let all = items.len() == select.projection.len() && !items.is_empty();
    if all && select.from.is_empty() && matches!(items.as_slice(), [Expr::Exists { .. }]) {
        return Op::Exists;
    }
    if all && !grouped {
        let called = |expr: &&Expr| aggregate(expr, context.dialect);
        let names: Vec<String> = items.iter().filter_map(called).collect();
        if names.len() == items.len() {
            return if names.iter().all(|name| name == "count") {
                Op::Count
            } else {
                Op::Aggregate
            };
        }
    }
    if let Some(table) = single
        && let [dependency] = dependencies
        && pinned(table, &dependency.rows)
    {
        return Op::Get;
    }
    limited(query, context)
}

fn item(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

fn aggregate(expr: &Expr, dialect: Dialect) -> Option<String> {
    let Expr::Function(function) = expr else {
        return None;
    };
    let (None, [part]) = (&function.over, function.name.0.as_slice()) else {
        return None;
    };
    let name = fold(part.as_ident()?, dialect).to_ascii_lowercase();
    // SQLite's max(a, b) is no aggregate.
    let scalar = matches!(&function.args, FunctionArguments::List(list) if list.args.len() > 1 && matches!(name.as_str(), "min" | "max"));
    (functions::is_aggregate(&name) && !scalar).then_some(name)
}

/// Whether the rows are one value of one key.
fn pinned(table: &Table, rows: &[Conjunction]) -> bool {
    let [conjunction] = rows else { return false };
    let single = |column: &String| {
        conjunction.iter().any(|term| {
            term.column == *column
                && !term.nulls
                && matches!(
                    term.values.as_slice(),
                    [Operand::Hole(_) | Operand::Number(_) | Operand::Text(_) | Operand::Bool(_)]
                )
        })
    };
    table
        .keys
        .iter()
        .any(|key| !key.is_empty() && key.iter().all(single))
}

fn limited(query: &Query, context: &Context<'_>) -> Op {
    let limit = match (&query.limit_clause, &query.fetch) {
        (
            Some(LimitClause::LimitOffset {
                limit: Some(limit),
                limit_by,
                ..
            }),
            None,
        ) if limit_by.is_empty() => limit,
        (Some(LimitClause::OffsetCommaLimit { limit, .. }), None) => limit,
        (None | Some(LimitClause::LimitOffset { limit: None, .. }), Some(fetch))
            if !fetch.with_ties && !fetch.percent =>
        {
            match &fetch.quantity {
                Some(quantity) => quantity,
                None => return Op::Get,
            }
        }
        _ => return Op::Fetch,
    };
    let Expr::Value(value) = limit else {
        return Op::Fetch;
    };
    match &value.value {
        Value::Number(number, _) if number == "1" => Op::Get,
        Value::Placeholder(text) => {
            let hole = text
                .get(1..)
                .and_then(|number| number.parse::<usize>().ok())
                .and_then(|n| n.checked_sub(1));
            match hole {
                Some(hole) if context.lists.get(hole) == Some(&false) => Op::GetIfOne(hole),
                _ => Op::Fetch,
            }
        }
        _ => Op::Fetch,
    }
}
