//! A data-modifying tree → the tables it writes, their rows and columns as far as the text tells.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Ident, Insert, ObjectName,
    ObjectNamePart, OnConflictAction, OnInsert, SetExpr, SqliteOnConflict, Statement, TableFactor,
    TableObject, TableWithJoins, Update, UpdateTableFromKind, Visit, Visitor,
};

use crate::extract::{Scan, fold, object, scan};
use crate::functions::{self, Nature};
use crate::names::Names;
use crate::plan::{Operand, Rewritable, Target, Verb, Write};
use crate::read::{Context, writes};
use crate::resolve::{self, Found};
use crate::schema::{ColumnKind, Dialect, Facts, Table, TableKind, TableName};

/// A write of which every row of the table may be the object; a view stands for itself and for what is under it.
#[must_use]
pub fn any(table: &TableName, facts: &Facts, dialect: Dialect) -> Vec<Target> {
    let found = resolve::table(facts, dialect, Some(&table.schema), &table.name);
    let Found::Table(found) = found else {
        return vec![target(None, table.clone(), Verb::Any)];
    };
    let mut out = vec![target(Some(found.id.clone()), table.clone(), Verb::Any)];
    if found.kind == TableKind::View {
        let mut base = resolve::Base::default();
        resolve::base(facts, dialect, found, &mut base);
        out.extend(
            base.tables
                .into_iter()
                .map(|id| target(Some(id), table.clone(), Verb::Any)),
        );
        if !base.unknown.is_empty() {
            out.push(target(None, table.clone(), Verb::Any));
        }
    }
    out
}

/// Adds a write of any row of the table that a name in the text means.
pub fn by_name(schema: Option<&str>, name: &str, context: &Context<'_>, write: &mut Write) {
    let default = match context.dialect {
        Dialect::Postgres => "public",
        Dialect::Sqlite => "main",
    };
    let named = TableName::new(schema.unwrap_or(default), name);
    let Some(facts) = context.facts else {
        write.targets.push(target(None, named, Verb::Any));
        return;
    };
    match resolve::table(facts, context.dialect, schema, name) {
        Found::Table(table) if table.rules => {
            write
                .everything
                .get_or_insert_with(|| "the table has rewrite rules".to_owned());
        }
        Found::Table(table) => write.targets.extend(any(&table.id, facts, context.dialect)),
        _ => write.targets.push(target(None, named, Verb::Any)),
    }
}

fn target(table: Option<TableName>, named: TableName, verb: Verb) -> Target {
    Target {
        table,
        named,
        verb,
        columns: Vec::new(),
        set: Vec::new(),
        rows: vec![Vec::new()],
    }
}

/// Everything that a statement writes, wherever in its tree, of which this is the scan. `None`: it holds no
/// data-modifying statement.
#[must_use]
pub fn write(statement: &Statement, scan: &Scan, context: &Context<'_>) -> Option<Write> {
    if scan.statements == 0 {
        return None;
    }
    let write = Write {
        targets: Vec::new(),
        everything: None,
        rewrite: None,
    };
    let mut collector = Collector {
        context,
        scan,
        write,
    };
    // The walk never breaks off.
    let _ = statement.visit(&mut collector);
    let mut write = collector.write;
    if let Some(called) = writes(scan, context) {
        write.targets.extend(called.targets);
        write.everything = write.everything.or(called.everything);
    }
    if write.targets.is_empty() {
        write
            .everything
            .get_or_insert_with(|| "nothing is known of what it writes".to_owned());
    }
    if write.targets.len() == 1
        && write.everything.is_none()
        && (context.dialect == Dialect::Postgres || images_are_sound(scan, context))
    {
        write.rewrite = rewritable(statement, context);
    }
    Some(write)
}

struct Collector<'a, 'f> {
    context: &'a Context<'f>,
    scan: &'a Scan,
    write: Write,
}

impl Visitor for Collector<'_, '_> {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        match statement {
            Statement::Query(_) => {}
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Merge(merge) => self.factor(&merge.table, Verb::Any),
            _ => self.everything("a statement inside a statement"),
        }
        ControlFlow::Continue(())
    }
}

impl Collector<'_, '_> {
    fn everything(&mut self, why: &str) {
        self.write.everything.get_or_insert_with(|| why.to_owned());
    }

    /// The target of a write; `None` (and an unknown target) when the text names it in an unknown way.
    fn named(&mut self, name: &ObjectName, verb: Verb) -> Option<Target> {
        let Some((schema, name)) = object(name, self.context.dialect) else {
            self.everything("a table name of many parts");
            return None;
        };
        let default = || match self.context.dialect {
            Dialect::Postgres => "public".to_owned(),
            Dialect::Sqlite => "main".to_owned(),
        };
        let named = TableName::new(schema.clone().unwrap_or_else(default), name.as_str());
        let Some(facts) = self.context.facts else {
            return Some(target(None, named, verb));
        };
        match resolve::table(facts, self.context.dialect, schema.as_deref(), &name) {
            Found::Table(table) if table.rules => {
                self.everything("the table has rewrite rules");
                None
            }
            Found::Table(table) if table.kind == TableKind::View => {
                self.write
                    .targets
                    .extend(any(&table.id, facts, self.context.dialect));
                None
            }
            Found::Table(table) => Some(target(Some(table.id.clone()), table.id.clone(), verb)),
            _ => Some(target(None, named, verb)),
        }
    }

    fn factor(&mut self, factor: &TableFactor, verb: Verb) {
        match factor {
            TableFactor::Table { name, .. } => {
                let target = self.named(name, verb);
                self.write.targets.extend(target);
            }
            _ => self.everything("its table is not named plainly"),
        }
    }

    fn insert(&mut self, insert: &Insert) {
        let TableObject::TableName(name) = &insert.table else {
            return self.everything("INSERT into something that is not a table");
        };
        if !insert.multi_table_into_clauses.is_empty() || !insert.assignments.is_empty() {
            return self.everything("an unusual INSERT");
        }
        let replaces = insert.replace_into || matches!(insert.or, Some(SqliteOnConflict::Replace));
        let updates = match &insert.on {
            None => false,
            Some(OnInsert::OnConflict(on)) => !matches!(on.action, OnConflictAction::DoNothing),
            Some(_) => true,
        };
        let verb = if replaces || updates {
            Verb::Upsert
        } else {
            Verb::Insert
        };
        let Some(mut target) = self.named(name, verb) else {
            return;
        };
        let columns = insert
            .columns
            .iter()
            .map(|column| self.written(&target, column));
        target.columns = columns.collect();
        self.write.targets.push(target);
    }

    fn update(&mut self, update: &Update) {
        let TableFactor::Table {
            name,
            alias: None | Some(_),
            args: None,
            ..
        } = &update.table.relation
        else {
            return self.everything("UPDATE of something that is not a table");
        };
        if !update.table.joins.is_empty() {
            return self.everything("UPDATE of a join");
        }
        let replaces = matches!(update.or, Some(SqliteOnConflict::Replace));
        let Some(mut target) = self.named(name, if replaces { Verb::Any } else { Verb::Update })
        else {
            return;
        };
        let from = match &update.from {
            None => &[][..],
            Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) => {
                from.as_slice()
            }
        };
        let (rows, set) = self.narrow(
            &update.table,
            from,
            update.selection.as_ref(),
            &update.assignments,
            &target,
        );
        if !replaces {
            target.rows = rows;
            (target.columns, target.set) = set;
        }
        self.write.targets.push(target);
    }

    fn delete(&mut self, delete: &Delete) {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let [
            table @ TableWithJoins {
                relation:
                    TableFactor::Table {
                        name, args: None, ..
                    },
                joins,
            },
        ] = from.as_slice()
        else {
            return self.everything("DELETE from several tables");
        };
        if !joins.is_empty() || !delete.tables.is_empty() {
            return self.everything("DELETE from a join");
        }
        let Some(mut target) = self.named(name, Verb::Delete) else {
            return;
        };
        let using = delete.using.as_deref().unwrap_or_default();
        target.rows = self
            .narrow(table, using, delete.selection.as_ref(), &[], &target)
            .0;
        self.write.targets.push(target);
    }

    /// Rows by WHERE; columns and values by SET.
    fn narrow(
        &self,
        table: &TableWithJoins,
        more: &[TableWithJoins],
        condition: Option<&Expr>,
        assignments: &[Assignment],
        target: &Target,
    ) -> (Vec<crate::plan::Conjunction>, (Vec<String>, Vec<Operand>)) {
        let Some(facts) = self.context.facts else {
            return (vec![Vec::new()], (Vec::new(), Vec::new()));
        };
        let found = self.table(target);
        let rows = crate::blocks::first(
            &[std::slice::from_ref(table), more],
            condition,
            facts,
            self.context.dialect,
            self.scan,
            &self.context.lists,
        );
        // The first item is the target, if it is a table at all.
        let rows = match (rows, found) {
            (Some((table, rows)), Some(found)) if std::ptr::eq(table, found) => rows,
            _ => vec![Vec::new()],
        };
        let names = Names::new(facts, self.context.dialect, self.scan, &self.context.lists);
        let (mut columns, mut set) = (Vec::new(), Vec::new());
        for assignment in assignments {
            match &assignment.target {
                AssignmentTarget::ColumnName(name) => {
                    let column = self.written(target, name);
                    let exact = found
                        .and_then(|table| table.column(&column, self.context.dialect))
                        .is_some_and(|c| {
                            // A numeric is rounded to its scale when it is stored.
                            name.0.len() == 1
                                && !matches!(c.kind, ColumnKind::Numeric | ColumnKind::Other)
                        });
                    let operand = crate::dnf::operand(&assignment.value, &names.nothing());
                    set.push(if exact { operand } else { Operand::Unknown });
                    columns.push(column);
                }
                AssignmentTarget::Tuple(names) => {
                    for name in names {
                        columns.push(self.written(target, name));
                        set.push(Operand::Unknown);
                    }
                }
            }
        }
        (rows, (columns, set))
    }

    fn table(&self, target: &Target) -> Option<&Table> {
        self.context.facts?.table(target.table.as_ref()?)
    }

    /// A written column as stored. On `PostgreSQL` a qualified name is a field of a composite column.
    fn written(&self, target: &Target, name: &ObjectName) -> String {
        let part = match self.context.dialect {
            Dialect::Postgres => name.0.first(),
            Dialect::Sqlite => name.0.last(),
        };
        let ident = part
            .and_then(ObjectNamePart::as_ident)
            .map(|ident| fold(ident, self.context.dialect));
        let name = ident.unwrap_or_default();
        let column = self
            .table(target)
            .and_then(|table| table.column(&name, self.context.dialect));
        column.map_or(name, |column| column.name.clone())
    }
}

/// Whether on `SQLite` statements before and after a write change none of its answers, and images are made by functions
/// of `SQLite`'s own.
fn images_are_sound(scan: &Scan, context: &Context<'_>) -> bool {
    const OWN: &[&str] = &["quote", "instr", "char", "changes", "last_insert_rowid"];
    let counts = |name: &str| {
        name.eq_ignore_ascii_case("changes") || name.eq_ignore_ascii_case("total_changes")
    };
    let replaced =
        |facts: &crate::schema::Facts| OWN.iter().any(|name| facts.function(name).is_some());
    !scan.calls.iter().any(|call| counts(&call.name)) && !context.facts.is_some_and(replaced)
}

fn rewritable(statement: &Statement, context: &Context<'_>) -> Option<Rewritable> {
    match statement {
        Statement::Insert(insert) => {
            let TableObject::TableName(name) = &insert.table else {
                return None;
            };
            let body = match &insert.source {
                None => None,
                Some(source) if source.with.is_none() => Some(&*source.body),
                Some(_) => return None,
            };
            let alias = insert.table_alias.as_ref().map(|alias| &alias.alias);
            let (target_sql, from_sql) = target_sql(name, alias)?;
            let values = matches!(body, None | Some(SetExpr::Values(_)));
            Some(Rewritable {
                target_sql,
                from_sql,
                returning: insert.returning.is_some(),
                values,
                repeatable: true,
            })
        }
        Statement::Update(update) => {
            if update.from.is_some()
                || update.limit.is_some()
                || !update.order_by.is_empty()
                || update.or.is_some()
            {
                return None;
            }
            let (target_sql, from_sql) = factor_sql(&update.table.relation)?;
            let repeatable = repeatable(update.selection.as_ref(), context);
            Some(Rewritable {
                target_sql,
                from_sql,
                returning: update.returning.is_some(),
                values: false,
                repeatable,
            })
        }
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            let [table] = from.as_slice() else {
                return None;
            };
            if delete.using.is_some() || delete.limit.is_some() || !delete.order_by.is_empty() {
                return None;
            }
            let (target_sql, from_sql) = factor_sql(&table.relation)?;
            let repeatable = repeatable(delete.selection.as_ref(), context);
            Some(Rewritable {
                target_sql,
                from_sql,
                returning: delete.returning.is_some(),
                values: false,
                repeatable,
            })
        }
        _ => None,
    }
}

fn factor_sql(factor: &TableFactor) -> Option<(String, String)> {
    match factor {
        TableFactor::Table { name, alias, .. } => {
            if alias
                .as_ref()
                .is_some_and(|alias| !alias.columns.is_empty())
            {
                return None;
            }
            target_sql(name, alias.as_ref().map(|alias| &alias.name))
        }
        _ => None,
    }
}

fn target_sql(name: &ObjectName, alias: Option<&Ident>) -> Option<(String, String)> {
    match alias {
        Some(alias) => Some((alias.to_string(), format!("{name} AS {alias}"))),
        None => Some((name.0.last()?.to_string(), name.to_string())),
    }
}

/// No subquery, and only functions that depend on their arguments.
fn repeatable(condition: Option<&Expr>, context: &Context<'_>) -> bool {
    let Some(condition) = condition else {
        return true;
    };
    let scan = scan(condition, context.dialect);
    let pure = |call: &crate::extract::Call| {
        let date =
            context.dialect == Dialect::Sqlite && functions::sqlite_date(&call.name).is_some();
        !call.asks_time
            && match functions::nature(&call.name, call.qualified, context.dialect, context.facts) {
                Nature::Pure | Nature::User('i') => true,
                Nature::Caution("unknown_function", _) => date && !call.qualified,
                _ => false,
            }
    };
    let subquery = crate::extract::has_query(condition);
    !subquery && scan.doubt.is_none() && scan.calls.iter().all(pure)
}
