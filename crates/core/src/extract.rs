//! Everything a syntax tree names, wherever it stands: relations, columns, functions, nested writes.
//!
//! One walk over the whole tree with the parser's own derived visitor, so that no clause can be forgotten. What it collects
//! is a superset: scopes are not told apart, a name counts for every table that it could belong to.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, JoinConstraint, JoinOperator, ObjectName,
    ObjectNamePart, Query, SetExpr, Statement, TableAlias, TableFactor, TableWithJoins, Value,
    Visit, Visitor,
};

use crate::functions;
use crate::keywords;
use crate::schema::Dialect;

mod walk;

/// A relation as the text names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Schema, if given, folded.
    pub schema: Option<String>,
    /// Name, folded.
    pub name: String,
    /// Alias, or the name again: how columns reach it.
    pub visible: String,
    /// A `*` takes all of its columns.
    pub all: bool,
    /// Its columns are renamed by the alias.
    pub renamed: bool,
    /// Which occurrence in the tree it is; 0: none that can be told apart.
    pub address: usize,
}

/// A function called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name without schema, folded.
    pub name: String,
    /// It names a schema other than `pg_catalog`.
    pub qualified: bool,
    /// `SQLite`: a date function that may ask for the time.
    pub asks_time: bool,
}

/// What a tree names.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a finding of its own"
)]
pub struct Scan {
    dialect: Option<Dialect>,
    /// Relations, CTE names among them.
    pub relations: Vec<Relation>,
    /// Names of CTEs.
    pub ctes: HashSet<String>,
    /// Names that the text itself declares: CTEs, aliases, their columns, output columns.
    pub declared: HashSet<String>,
    /// Qualified column references, folded parts.
    pub qualified: Vec<Vec<String>>,
    /// Unqualified column references, with whether they were quoted.
    pub plain: Vec<(String, bool)>,
    /// `t.*` and whole-row uses by qualifier.
    pub whole: Vec<String>,
    /// Every column of every table may be read.
    pub everything: bool,
    /// Calls.
    pub calls: Vec<Call>,
    /// A literal like 'now' occurs.
    pub moving_time: bool,
    /// FOR UPDATE and its like occur.
    pub locks: bool,
    /// SELECT … INTO occurs.
    pub into: bool,
    /// TRUE or FALSE occurs.
    pub booleans: bool,
    /// TABLESAMPLE occurs.
    pub sample: bool,
    /// SELECTs and what may stand for one, nested ones included.
    pub queries: usize,
    /// A nested INSERT, UPDATE, DELETE or MERGE, or another statement, occurs.
    pub statements: usize,
    /// Something whose meaning is not known, in words.
    pub doubt: Option<String>,
    wild: HashSet<usize>,
    pending: bool,
}

/// An identifier folded as the dialect folds it.
#[must_use]
pub fn fold(ident: &Ident, dialect: Dialect) -> String {
    if ident.quote_style.is_none() && dialect == Dialect::Postgres {
        ident.value.to_ascii_lowercase()
    } else {
        ident.value.clone()
    }
}

/// Schema and name of an object; `None` when it has more or stranger parts.
#[must_use]
pub fn object(name: &ObjectName, dialect: Dialect) -> Option<(Option<String>, String)> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] => Some((None, fold(name, dialect))),
        [
            ObjectNamePart::Identifier(schema),
            ObjectNamePart::Identifier(name),
        ] => Some((Some(fold(schema, dialect)), fold(name, dialect))),
        _ => None,
    }
}

/// Scans a tree.
#[must_use]
pub fn scan<T: Visit>(tree: &T, dialect: Dialect) -> Scan {
    let mut scan = Scan {
        dialect: Some(dialect),
        ..Scan::default()
    };
    // The walk never breaks off.
    let _ = tree.visit(&mut scan);
    scan
}

/// The relations that a view's definition names; `None` when it cannot be read.
#[must_use]
pub fn view_relations(definition: &str, dialect: Dialect) -> Option<Vec<(Option<String>, String)>> {
    let lexemes = crate::lex::lex(definition, dialect).ok()?;
    let body = lexemes
        .iter()
        .position(|lexeme| lexeme.is(definition, "as"))?;
    let statements =
        crate::parse::statements(definition, dialect, lexemes.get(body + 1..)?).ok()?;
    let [statement @ Statement::Query(_)] = statements.as_slice() else {
        return None;
    };
    let scan = scan(statement, dialect);
    // Functions inside are the caution `view`'s business; a table that hides behind one is not readable here.
    if scan.doubt.is_some() {
        return None;
    }
    let named = scan
        .relations
        .iter()
        .filter(|r| r.schema.is_some() || !scan.is_cte(&r.name));
    Some(named.map(|r| (r.schema.clone(), r.name.clone())).collect())
}

/// Whether an expression holds a subquery.
#[must_use]
pub fn has_query(expr: &Expr) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    expr.visit(&mut Finder).is_break()
}

impl Scan {
    fn dialect(&self) -> Dialect {
        self.dialect.unwrap_or(Dialect::Postgres)
    }

    /// Case-folded spelling for the sets of names.
    fn key(&self, name: &str) -> String {
        if self.dialect() == Dialect::Sqlite {
            name.to_ascii_lowercase()
        } else {
            name.to_owned()
        }
    }

    /// Whether a CTE has this name.
    #[must_use]
    pub fn is_cte(&self, name: &str) -> bool {
        !self.ctes.is_empty() && self.ctes.contains(&self.key(name))
    }

    /// Whether the text itself declares this name.
    #[must_use]
    pub fn is_declared(&self, name: &str) -> bool {
        !self.declared.is_empty() && self.declared.contains(&self.key(name))
    }

    fn declare(&mut self, ident: &Ident) {
        let name = self.key(&fold(ident, self.dialect()));
        self.declared.insert(name);
    }

    fn doubt(&mut self, detail: impl Into<String>) {
        self.doubt.get_or_insert(detail.into());
    }

    fn alias(&mut self, alias: Option<&TableAlias>) {
        let Some(alias) = alias else { return };
        if !alias.explicit
            && alias.name.quote_style.is_none()
            && keywords::suspicious(&alias.name.value)
        {
            self.doubt(format!("the keyword {} as an alias", alias.name.value));
        }
        self.declare(&alias.name);
        for column in &alias.columns {
            self.declare(&column.name);
        }
    }

    fn relation(
        &mut self,
        name: &ObjectName,
        alias: Option<&TableAlias>,
        all: bool,
        address: usize,
    ) {
        let dialect = self.dialect();
        if let [ObjectNamePart::Identifier(only)] = name.0.as_slice()
            && only.quote_style.is_none()
            && keywords::suspicious(&only.value)
        {
            self.doubt(format!("the keyword {} as a table", only.value));
        }
        let Some((schema, name)) = object(name, dialect) else {
            self.doubt("a table name of many parts");
            return;
        };
        let visible = alias.map_or_else(|| name.clone(), |alias| fold(&alias.name, dialect));
        let renamed = alias.is_some_and(|alias| !alias.columns.is_empty());
        self.relations.push(Relation {
            schema,
            name,
            visible,
            all: all || renamed,
            renamed,
            address,
        });
    }

    fn call(&mut self, name: &ObjectName, args: Option<&[FunctionArg]>) {
        let dialect = self.dialect();
        let Some((schema, name)) = object(name, dialect) else {
            self.doubt("a function name of many parts");
            return;
        };
        let qualified = schema.is_some_and(|schema| schema != "pg_catalog");
        let asks_time = dialect == Dialect::Sqlite
            && functions::sqlite_date(&name)
                .is_some_and(|(skip, count)| asks_time(args.unwrap_or_default(), skip, count));
        for arg in args.unwrap_or_default() {
            match arg {
                FunctionArg::Unnamed(arg)
                | FunctionArg::Named { arg, .. }
                | FunctionArg::ExprNamed { arg, .. } => match arg {
                    FunctionArgExpr::Expr(_) => {}
                    FunctionArgExpr::QualifiedWildcard(of) => self.whole_of(of),
                    FunctionArgExpr::Wildcard if name.eq_ignore_ascii_case("count") => {}
                    FunctionArgExpr::Wildcard | FunctionArgExpr::WildcardWithOptions(_) => {
                        self.everything = true;
                    }
                },
            }
        }
        self.calls.push(Call {
            name,
            qualified,
            asks_time,
        });
    }

    /// `from only (t)` is no function.
    fn table_function(&mut self, name: &ObjectName) {
        if let [ObjectNamePart::Identifier(name)] = name.0.as_slice()
            && name.quote_style.is_none()
            && keywords::suspicious(&name.value)
            && !["unnest", "json_table", "xmltable"]
                .iter()
                .any(|known| name.value.eq_ignore_ascii_case(known))
        {
            self.doubt(format!("the keyword {} as a function", name.value));
        }
    }

    fn whole_of(&mut self, name: &ObjectName) {
        match object(name, self.dialect()) {
            Some((_, name)) => self.whole.push(name),
            None => self.everything = true,
        }
    }

    fn set_expression(&mut self, body: &SetExpr) {
        let mut pending = vec![body];
        while let Some(body) = pending.pop() {
            match body {
                SetExpr::SetOperation { left, right, .. } => pending.extend([&**left, &**right]),
                SetExpr::Table(table) => {
                    // The parser keeps neither quotes nor alias: taken as written, and every column is read.
                    let Some(name) = table.table_name.clone() else {
                        self.doubt("TABLE without a name");
                        continue;
                    };
                    let visible = name.clone();
                    self.relations.push(Relation {
                        schema: table.schema_name.clone(),
                        name,
                        visible,
                        all: true,
                        renamed: false,
                        address: 0,
                    });
                }
                // The walk visits these by itself.
                SetExpr::Select(_)
                | SetExpr::Query(_)
                | SetExpr::Values(_)
                | SetExpr::Insert(_)
                | SetExpr::Update(_)
                | SetExpr::Delete(_)
                | SetExpr::Merge(_) => {}
            }
        }
    }

    fn joins(&mut self, from: &[TableWithJoins]) {
        for join in from.iter().flat_map(|table| &table.joins) {
            self.constraint(&join.join_operator);
        }
    }

    fn constraint(&mut self, operator: &JoinOperator) {
        let (JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint)) = operator
        else {
            self.doubt("an unusual join");
            return;
        };
        match constraint {
            JoinConstraint::Using(columns) => {
                for column in columns {
                    match object(column, self.dialect()) {
                        Some((None, name)) => self.plain.push((name, true)),
                        _ => self.everything = true,
                    }
                }
            }
            JoinConstraint::Natural => self.everything = true,
            JoinConstraint::On(_) | JoinConstraint::None => {}
        }
    }

    fn wild_from(&mut self, from: &[TableWithJoins]) {
        let mut pending: Vec<&TableWithJoins> = from.iter().collect();
        while let Some(table) = pending.pop() {
            for factor in std::iter::once(&table.relation)
                .chain(table.joins.iter().map(|join| &join.relation))
            {
                if let TableFactor::NestedJoin {
                    table_with_joins, ..
                } = factor
                {
                    pending.push(table_with_joins);
                }
                self.wild.insert(address(factor));
            }
        }
    }
}

/// A factor's identity during the walk: the tree does not move while it is borrowed.
pub(crate) fn address(factor: &TableFactor) -> usize {
    std::ptr::from_ref(factor).addr()
}

fn asks_time(args: &[FunctionArg], skip: usize, count: usize) -> bool {
    let literal = |arg: Option<&FunctionArg>| {
        let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))) = arg else {
            return false;
        };
        match &value.value {
            // A date begins with a digit or a sign; `now`, `subsec` and their like do not.
            Value::SingleQuotedString(text) => {
                text.starts_with(|first: char| first.is_ascii_digit() || first == '-')
            }
            Value::Number(..) => true,
            _ => false,
        }
    };
    !(skip..skip + count).all(|at| literal(args.get(at)))
}
