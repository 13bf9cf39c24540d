//! A query's tree → what it depends on, and why it should not be cached.

use sqlparser::ast::{Query, Select, SetExpr};

use crate::blocks::{self, Blocks};
use crate::columns;
use crate::extract::{Relation, Scan};
use crate::functions::{self, Nature};
use crate::normalize::Collapsed;
use crate::plan::{Caution, Columns, Dependency, Read, Write};
use crate::resolve::{self, Found};
use crate::schema::{Dialect, Facts, Table, TableKind, TableName};

/// What a read needs to know of its surroundings.
pub struct Context<'a> {
    /// Dialect.
    pub dialect: Dialect,
    /// Facts, if there are any.
    pub facts: Option<&'a Facts>,
    /// Per hole, whether it is a list.
    pub lists: Vec<bool>,
}

impl<'a> Context<'a> {
    /// The surroundings of a collapsed text.
    #[must_use]
    pub fn new(collapsed: &Collapsed, dialect: Dialect, facts: Option<&'a Facts>) -> Self {
        Self {
            dialect,
            facts,
            lists: collapsed.holes.iter().map(|hole| hole.list).collect(),
        }
    }
}

/// Cautions without repetitions.
#[derive(Default)]
struct Cautions(Vec<Caution>);

impl Cautions {
    fn add(&mut self, code: &'static str, overridable: bool, detail: impl Into<String>) {
        let detail = detail.into();
        match self
            .0
            .iter_mut()
            .find(|caution| caution.code == code && caution.detail == detail)
        {
            Some(caution) => caution.overridable &= overridable,
            None => self.0.push(Caution {
                code,
                detail,
                overridable,
            }),
        }
    }
}

/// Reads a query that holds no data-modifying statement. The scan is of the statement that the query is, and without
/// doubt.
#[must_use]
pub fn read(query: &Query, scan: &Scan, context: &Context<'_>) -> Read {
    let mut cautions = Cautions::default();
    let mut remarks = Vec::new();
    let mut calls = judge(scan, context, &mut cautions);
    if scan.locks {
        calls.locks = true;
        cautions.add("locking", false, "it locks rows");
    }
    if scan.sample {
        cautions.add("volatile_function", true, "TABLESAMPLE");
    }
    if scan.moving_time {
        cautions.add("time_function", true, "a literal such as 'now'");
    }
    let tables = tables(scan, context, &mut cautions);
    let mut dependencies = Vec::new();
    let mut any = false;
    let mut single = None;
    let select = plain_select(query);
    if let Some(facts) = context.facts {
        let blocks = blocks::blocks(query, select, facts, context.dialect, scan, &context.lists);
        single = blocks.single;
        dependencies = merge(
            scan,
            &tables,
            blocks,
            facts,
            context.dialect,
            &mut cautions,
            &mut remarks,
            &mut any,
        );
    } else {
        cautions.add("no_facts", false, "the tables are not known yet");
    }
    if tables.is_empty() {
        cautions.add("no_tables", true, "it reads no table");
    }
    let op = crate::op::op(query, select, single, &dependencies, context);
    let mut named: Vec<TableName> = tables.iter().map(|(named, _)| named.clone()).collect();
    named.sort();
    named.dedup();
    Read {
        op,
        dependencies,
        named,
        cautions: cautions.0,
        remarks,
        any,
        writes: calls.writes,
        locks: calls.locks,
        session: calls.session,
    }
}

/// What calls do beyond giving a value.
#[derive(Default)]
pub struct Calls {
    /// Writes of volatile functions.
    pub writes: Option<Write>,
    /// Locks taken.
    pub locks: bool,
    /// Session state changed.
    pub session: bool,
}

fn judge(scan: &Scan, context: &Context<'_>, cautions: &mut Cautions) -> Calls {
    let mut calls = Calls {
        writes: writes(scan, context),
        ..Calls::default()
    };
    for call in &scan.calls {
        if call.asks_time {
            cautions.add(
                "time_function",
                true,
                format!("{}() may ask for the time", call.name),
            );
        } else if context.dialect == Dialect::Sqlite
            && functions::sqlite_date(&call.name).is_some()
            && context
                .facts
                .is_none_or(|facts| facts.function(&call.name).is_none())
        {
            continue;
        }
        match functions::nature(&call.name, call.qualified, context.dialect, context.facts) {
            Nature::Pure | Nature::User('i') => {}
            Nature::User('s') => {
                cautions.add(
                    "unknown_function",
                    true,
                    format!("{}() may read tables", call.name),
                );
            }
            Nature::User(_) => cautions.add("volatile_function", true, format!("{}()", call.name)),
            Nature::Caution(..) if call.asks_time => {}
            Nature::Caution(code, overridable) => {
                cautions.add(code, overridable, format!("{}()", call.name));
            }
            Nature::Lock => {
                calls.locks = true;
                cautions.add(
                    "volatile_function",
                    false,
                    format!("{}() takes a lock", call.name),
                );
            }
            Nature::Session => {
                calls.session = true;
                cautions.add(
                    "volatile_function",
                    false,
                    format!("{}() changes the session", call.name),
                );
            }
        }
    }
    calls
}

/// What the functions that a tree calls write.
#[must_use]
pub fn writes(scan: &Scan, context: &Context<'_>) -> Option<Write> {
    let mut write: Option<Write> = None;
    for call in &scan.calls {
        let declared =
            match functions::nature(&call.name, call.qualified, context.dialect, context.facts) {
                Nature::User('i' | 's') => continue,
                Nature::User(_) => context
                    .facts
                    .and_then(|facts| facts.function(&call.name))
                    .and_then(|f| f.declared_writes.as_ref()),
                // Without facts nobody knows whose function it is.
                Nature::Caution("unknown_function", _)
                    if (context.facts.is_none() || call.qualified)
                        && context.dialect == Dialect::Postgres =>
                {
                    None
                }
                _ => continue,
            };
        let write = write.get_or_insert_with(|| Write {
            targets: Vec::new(),
            everything: None,
            rewrite: None,
        });
        if let (Some(tables), Some(facts)) = (declared, context.facts) {
            write.targets.extend(
                tables
                    .iter()
                    .flat_map(|table| crate::write::any(table, facts, context.dialect)),
            );
        } else {
            let detail = format!("{}() is volatile: it may write anything", call.name);
            write.everything.get_or_insert(detail);
        }
    }
    write.filter(|write| write.everything.is_some() || !write.targets.is_empty())
}

/// The relations that are tables, views or unknown, as named; CTE names that hide no table are left out.
fn tables<'a>(
    scan: &'a Scan,
    context: &Context<'a>,
    cautions: &mut Cautions,
) -> Vec<(TableName, Option<(&'a Relation, &'a Table)>)> {
    let mut out = Vec::new();
    for relation in &scan.relations {
        let cte = relation.schema.is_none() && scan.is_cte(&relation.name);
        let found = context.facts.map(|facts| {
            resolve::table(
                facts,
                context.dialect,
                relation.schema.as_deref(),
                &relation.name,
            )
        });
        let schema = relation
            .schema
            .clone()
            .unwrap_or_else(|| default_schema(context));
        let named = TableName::new(schema, relation.name.as_str());
        let system = resolve::system(context.dialect, relation.schema.as_deref(), &relation.name);
        match found {
            _ if system && !cte => {
                cautions.add(
                    "system_catalog",
                    false,
                    format!("{} is a system table", relation.name),
                );
                out.push((named, None));
            }
            Some(Found::Table(table)) => out.push((table.id.clone(), Some((relation, table)))),
            _ if cte => {}
            Some(Found::Attached) => {
                cautions.add(
                    "attached",
                    false,
                    format!("{named} is in an attached database"),
                );
                out.push((named, None));
            }
            Some(Found::System | Found::Unknown) => {
                cautions.add(
                    "unknown_table",
                    false,
                    format!("{named} is not in the facts"),
                );
                out.push((named, None));
            }
            None => out.push((named, None)),
        }
    }
    out
}

fn default_schema(context: &Context<'_>) -> String {
    let first = context
        .facts
        .and_then(|facts| facts.search_path.first().cloned());
    first.unwrap_or_else(|| match context.dialect {
        Dialect::Postgres => "public".to_owned(),
        Dialect::Sqlite => "main".to_owned(),
    })
}

#[expect(
    clippy::too_many_arguments,
    reason = "the last three are what it adds to"
)]
fn merge(
    scan: &Scan,
    tables: &[(TableName, Option<(&Relation, &Table)>)],
    mut blocks: Blocks<'_>,
    facts: &Facts,
    dialect: Dialect,
    cautions: &mut Cautions,
    remarks: &mut Vec<String>,
    any: &mut bool,
) -> Vec<Dependency> {
    let mut out: Vec<Dependency> = Vec::new();
    let relations: Vec<(&Relation, &Table)> =
        tables.iter().filter_map(|(_, found)| *found).collect();
    let read = columns::read(scan, &relations, dialect);
    for name in &read.system {
        cautions.add("system_column", false, format!("{name} is a system column"));
    }
    for name in &read.calls {
        if facts.function(name).is_some() {
            cautions.add(
                "unknown_function",
                false,
                format!("{name} may be a function called as a column"),
            );
        }
    }
    remarks.extend(read.remarks);
    for ((relation, table), columns) in relations.iter().zip(read.columns) {
        if table.row_security {
            cautions.add(
                "row_security",
                true,
                format!("{} has row-level security", table.id),
            );
        }
        match table.kind {
            TableKind::Temporary => {
                cautions.add("temporary", false, format!("{} is temporary", table.id));
            }
            TableKind::Foreign => cautions.add(
                "foreign_table",
                false,
                format!("{} is foreign or virtual", table.id),
            ),
            TableKind::View => {
                cautions.add("view", true, format!("{} is a view", table.id));
                *any |= behind(table, facts, dialect, cautions, &mut out);
                continue;
            }
            TableKind::Table | TableKind::Partitioned | TableKind::MaterializedView => {}
        }
        // Rows are hidden by columns that the text does not name, and by other tables.
        let columns = if table.row_security {
            *any |= behind(table, facts, dialect, cautions, &mut out);
            Columns::All
        } else {
            columns
        };
        add(
            &mut out,
            Dependency {
                table: resolve::root(table).clone(),
                rows: blocks.take(relation.address),
                columns,
            },
        );
    }
    out.sort_by(|left, right| left.table.cmp(&right.table));
    out
}

/// Adds every row of what a view or a policy reads. Whether a policy calls code that may read more.
fn behind(
    table: &Table,
    facts: &Facts,
    dialect: Dialect,
    cautions: &mut Cautions,
    out: &mut Vec<Dependency>,
) -> bool {
    let mut base = resolve::Base::default();
    resolve::behind(facts, dialect, table, &mut base);
    for unknown in &base.unknown {
        cautions.add(
            "unknown_table",
            false,
            format!("{} reads {unknown}, which is not known", table.id),
        );
    }
    // The rows of a table itself are what its text asks for.
    let own = (table.kind != TableKind::View).then(|| resolve::root(table));
    for id in base.tables.into_iter().filter(|id| Some(id) != own) {
        if facts.table(&id).is_some_and(|table| table.row_security) {
            cautions.add("row_security", true, format!("{id} has row-level security"));
        }
        let (rows, columns) = (vec![Vec::new()], Columns::All);
        let table = id;
        add(
            out,
            Dependency {
                table,
                rows,
                columns,
            },
        );
    }
    base.calls.iter().any(|name| {
        facts
            .function(name)
            .is_none_or(|function| function.volatility != 'i')
    })
}

/// Adds a dependency, or unites it with that on the same table.
fn add(out: &mut Vec<Dependency>, new: Dependency) {
    let Some(old) = out.iter_mut().find(|old| old.table == new.table) else {
        out.push(new);
        return;
    };
    for conjunction in new.rows {
        if !old.rows.contains(&conjunction) {
            old.rows.push(conjunction);
        }
    }
    if old.rows.iter().any(Vec::is_empty) || old.rows.len() > crate::dnf::MAX_CONJUNCTIONS {
        old.rows = vec![Vec::new()];
    }
    old.columns = match (
        std::mem::replace(&mut old.columns, Columns::All),
        new.columns,
    ) {
        (Columns::Some(mut one), Columns::Some(two)) => {
            one.extend(two);
            one.sort();
            one.dedup();
            Columns::Some(one)
        }
        _ => Columns::All,
    };
}

/// The one SELECT that the whole query is.
fn plain_select(query: &Query) -> Option<&Select> {
    let mut query = query;
    loop {
        match &*query.body {
            SetExpr::Select(select) => return Some(select),
            SetExpr::Query(inner) => query = inner,
            _ => return None,
        }
    }
}
