//! The walk over a tree that collects what it names.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, FunctionArguments, ObjectName, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, Statement, TableAlias, TableFactor, Value, ValueWithSpan,
    Visitor,
};

use super::{Call, Scan, address, fold};
use crate::functions;
use crate::schema::Dialect;

impl Visitor for Scan {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let name = self.key(&fold(&cte.alias.name, self.dialect()));
            self.ctes.insert(name);
            self.alias(Some(&TableAlias {
                explicit: true,
                ..cte.alias.clone()
            }));
        }
        self.queries += 1;
        self.locks |= !query.locks.is_empty();
        if !query.pipe_operators.is_empty()
            || query.for_clause.is_some()
            || query.settings.is_some()
        {
            self.doubt("an unusual clause");
        }
        self.set_expression(&query.body);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.into |= select.into.is_some();
        if !select.lateral_views.is_empty()
            || select.prewhere.is_some()
            || !select.connect_by.is_empty()
        {
            self.doubt("an unusual clause");
        }
        let mut wild = false;
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(_) => {}
                SelectItem::ExprWithAlias { alias, .. } => self.declare(alias),
                SelectItem::ExprWithAliases { aliases, .. } => {
                    for alias in aliases {
                        self.declare(alias);
                    }
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    _,
                ) => {
                    self.whole_of(name);
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(_), _) => {
                    self.everything = true;
                }
                SelectItem::Wildcard(_) => wild = true,
            }
        }
        if wild {
            self.wild_from(&select.from);
        }
        self.joins(&select.from);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let all = self.wild.contains(&address(factor));
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                sample,
                json_path,
                version,
                ..
            } => {
                self.alias(alias.as_ref());
                self.pending = true;
                self.sample |= sample.is_some();
                if json_path.is_some() || version.is_some() {
                    self.doubt("an unusual table");
                }
                match args {
                    Some(args) => {
                        self.table_function(name);
                        self.call(name, Some(&args.args));
                    }
                    None => self.relation(name, alias.as_ref(), all, address(factor)),
                }
            }
            TableFactor::Derived { alias, sample, .. } => {
                self.alias(alias.as_ref());
                self.sample |= sample.is_some();
            }
            TableFactor::Function {
                name, args, alias, ..
            } => {
                self.alias(alias.as_ref());
                self.table_function(name);
                self.call(name, Some(args));
            }
            TableFactor::UNNEST { alias, .. } => self.alias(alias.as_ref()),
            TableFactor::NestedJoin {
                table_with_joins,
                alias,
            } => {
                self.alias(alias.as_ref());
                self.joins(std::slice::from_ref(table_with_joins));
                // Its alias hides the names inside.
                self.everything |= alias.is_some();
            }
            _ => self.doubt("an unusual table"),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        // The name of a table factor was taken with its alias.
        if !std::mem::take(&mut self.pending) {
            self.relation(relation, None, false, 0);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let dialect = self.dialect();
        match expr {
            Expr::Identifier(ident) => {
                let name = fold(ident, dialect);
                let quoted = ident.quote_style.is_some();
                if !quoted && functions::is_bare_value(&name.to_ascii_lowercase()) {
                    self.calls.push(Call {
                        name: name.to_ascii_lowercase(),
                        qualified: false,
                        asks_time: false,
                    });
                }
                self.plain.push((name, quoted));
            }
            Expr::CompoundIdentifier(parts) => {
                self.qualified
                    .push(parts.iter().map(|part| fold(part, dialect)).collect());
            }
            Expr::Function(function) => self.function(function),
            Expr::Wildcard(_) => self.everything = true,
            Expr::QualifiedWildcard(name, _) => self.whole_of(name),
            // (t).column, (f(x)).field: the root says which row; all of it counts.
            Expr::CompoundFieldAccess { root, .. } => {
                let mut root = &**root;
                while let Expr::Nested(inner) = root {
                    root = inner;
                }
                if let Expr::Identifier(ident) = root {
                    self.whole.push(fold(ident, dialect));
                }
            }
            // `interval - 5` may be a column's difference, and `date 'd'` a column called d.
            Expr::Interval(interval)
                if dialect == Dialect::Sqlite || !is_string(&interval.value) =>
            {
                self.doubt("INTERVAL");
            }
            Expr::TypedString(_) if dialect == Dialect::Sqlite => {
                self.doubt("a literal with a type");
            }
            Expr::IsTrue(_) | Expr::IsNotTrue(_) | Expr::IsFalse(_) | Expr::IsNotFalse(_) => {
                self.booleans = true;
            }
            Expr::Convert { .. }
            | Expr::Prefixed { .. }
            | Expr::Struct { .. }
            | Expr::Named { .. }
            | Expr::Dictionary(_)
            | Expr::Map(_)
            | Expr::InUnnest { .. }
            | Expr::MemberOf(_)
            | Expr::Lambda(_)
            | Expr::Prior(_)
            | Expr::OuterJoin(_)
            | Expr::MatchAgainst { .. } => {
                self.doubt("an unusual expression");
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
        let text = match &value.value {
            Value::SingleQuotedString(text)
            | Value::EscapedStringLiteral(text)
            | Value::UnicodeStringLiteral(text)
            | Value::NationalStringLiteral(text) => text,
            Value::DollarQuotedString(text) => &text.value,
            Value::Boolean(_) => {
                self.booleans = true;
                return ControlFlow::Continue(());
            }
            _ => return ControlFlow::Continue(()),
        };
        self.moving_time |= self.dialect() == Dialect::Postgres && functions::is_moving_time(text);
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        if !matches!(statement, Statement::Query(_)) {
            self.statements += 1;
        }
        ControlFlow::Continue(())
    }
}

impl Scan {
    fn function(&mut self, function: &Function) {
        // ARRAY(SELECT …) is syntax.
        if matches!(function.args, FunctionArguments::Subquery(_))
            && function.name.to_string() == "array"
        {
            return;
        }
        // Without parentheses it may be a column, but for what SQLite itself takes for a function.
        if self.dialect() == Dialect::Sqlite
            && matches!(function.args, FunctionArguments::None)
            && !["current_date", "current_time", "current_timestamp"]
                .iter()
                .any(|known| function.name.to_string().eq_ignore_ascii_case(known))
        {
            self.doubt("a function without parentheses");
        }
        let args = match &function.args {
            FunctionArguments::List(list) => Some(list.args.as_slice()),
            FunctionArguments::None | FunctionArguments::Subquery(_) => None,
        };
        self.call(&function.name, args);
    }
}

fn is_string(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)))
}
