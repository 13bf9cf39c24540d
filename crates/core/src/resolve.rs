//! Names in a text → tables of the facts.

use std::collections::BTreeSet;

use crate::schema::{Column, Dialect, Facts, Table, TableKind, TableName};

/// What a table's name in a text turned out to be.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// A table or view of the facts.
    Table(&'a Table),
    /// A system catalog.
    System,
    /// A table of an attached database (`SQLite`).
    Attached,
    /// Nothing that the facts know.
    Unknown,
}

/// Whether two names are the same to the database.
#[must_use]
pub fn same(dialect: Dialect, left: &str, right: &str) -> bool {
    match dialect {
        Dialect::Postgres => left == right,
        Dialect::Sqlite => left.eq_ignore_ascii_case(right),
    }
}

/// Looks a table up as the database would: by schema, or along the search path. Names are folded already.
#[must_use]
pub fn table<'a>(
    facts: &'a Facts,
    dialect: Dialect,
    schema: Option<&str>,
    name: &str,
) -> Found<'a> {
    if system(dialect, schema, name) {
        return Found::System;
    }
    let named = |schema: &str| {
        let found = facts
            .tables
            .iter()
            .find(|t| same(dialect, &t.id.name, name) && same(dialect, &t.id.schema, schema));
        found.map(Found::Table)
    };
    if let Some(schema) = schema {
        let attached = dialect == Dialect::Sqlite
            && !["main", "temp"]
                .iter()
                .any(|s| schema.eq_ignore_ascii_case(s));
        return named(schema).unwrap_or(if attached {
            Found::Attached
        } else {
            Found::Unknown
        });
    }
    // Temporary tables hide all others, whatever their schema is called.
    let temporary = facts
        .tables
        .iter()
        .find(|t| t.kind == TableKind::Temporary && same(dialect, &t.id.name, name));
    if let Some(table) = temporary {
        return Found::Table(table);
    }
    let path = facts.search_path.iter().find_map(|schema| named(schema));
    let main = || {
        if dialect == Dialect::Sqlite {
            named("main")
        } else {
            None
        }
    };
    path.or_else(main).unwrap_or(Found::Unknown)
}

/// Whether a name is one of the database's own.
#[must_use]
pub fn system(dialect: Dialect, schema: Option<&str>, name: &str) -> bool {
    match dialect {
        Dialect::Postgres => match schema {
            Some(schema) => {
                schema == "information_schema"
                    || schema == "pg_catalog"
                    || schema.starts_with("pg_toast")
            }
            // pg_catalog is searched first, so such a name is never surely the user's.
            None => name.starts_with("pg_"),
        },
        Dialect::Sqlite => {
            let starts = |prefix: &str| {
                name.get(..prefix.len())
                    .is_some_and(|s| s.eq_ignore_ascii_case(prefix))
            };
            starts("sqlite_") || starts("pragma_") || name.eq_ignore_ascii_case("dbstat")
        }
    }
}

/// A column of a table by its name in a text.
#[must_use]
pub fn column<'a>(table: &'a Table, dialect: Dialect, name: &str) -> Option<&'a Column> {
    table
        .columns
        .iter()
        .find(|column| same(dialect, &column.name, name))
}

/// The table that a dependency names: the root of an inheritance tree, else the table itself.
#[must_use]
pub fn root(table: &Table) -> &TableName {
    match &table.root {
        Some(root) if table.kind == TableKind::Partitioned => root,
        _ => &table.id,
    }
}

/// The base tables under a view, and what could not be resolved.
#[derive(Debug, Default)]
pub struct Base {
    /// Base tables.
    pub tables: BTreeSet<TableName>,
    /// Names that are no table of the facts, or definitions that cannot be read.
    pub unknown: Vec<String>,
    /// Functions that policies call.
    pub calls: BTreeSet<String>,
}

/// Collects the base tables of a table or view, through views of views.
pub fn base(facts: &Facts, dialect: Dialect, table: &Table, into: &mut Base) {
    collect(facts, dialect, table, false, into);
}

/// Collects what reading a table or view reads: also what policies look at.
pub fn behind(facts: &Facts, dialect: Dialect, table: &Table, into: &mut Base) {
    collect(facts, dialect, table, true, into);
}

fn collect(facts: &Facts, dialect: Dialect, table: &Table, policies: bool, into: &mut Base) {
    let mut seen = BTreeSet::new();
    let mut pending = vec![table];
    while let Some(table) = pending.pop() {
        if !seen.insert(&table.id) {
            continue;
        }
        if table.kind != TableKind::View {
            if matches!(table.kind, TableKind::Foreign | TableKind::Temporary) {
                into.unknown.push(table.id.name.clone());
            }
            into.tables.insert(root(table).clone());
            for read in table.policy_reads.iter().filter(|_| policies) {
                match self::table(facts, dialect, Some(&read.schema), &read.name) {
                    Found::Table(found) => pending.push(found),
                    _ => into.unknown.push(read.name.clone()),
                }
            }
            into.calls
                .extend(table.calls.iter().filter(|_| policies).cloned());
            continue;
        }
        let named: Option<Vec<(Option<String>, String)>> = match (&table.base, &table.definition) {
            (Some(base), _) => Some(
                base.iter()
                    .map(|t| (Some(t.schema.clone()), t.name.clone()))
                    .collect(),
            ),
            (None, Some(definition)) => crate::extract::view_relations(definition, dialect),
            (None, None) => None,
        };
        let Some(named) = named else {
            into.unknown.push(table.id.name.clone());
            continue;
        };
        for (schema, name) in named {
            match self::table(facts, dialect, schema.as_deref(), &name) {
                Found::Table(found) => pending.push(found),
                _ => into.unknown.push(name),
            }
        }
    }
}
