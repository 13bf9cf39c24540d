//! Schema facts: what the database says of its tables. Everything that is not in here falls to the safe side.
//!
//! Facts are read by the TypeScript layer and cross as JSON. Names are as the database stores them; on `SQLite`,
//! whose names ignore ASCII case, they are compared in lower case.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::hidden::Hidden;

/// The SQL dialect of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// `PostgreSQL` 15 and newer, `PGlite` included.
    Postgres,
    /// `SQLite` 3.35 and newer.
    Sqlite,
}

/// A schema-qualified table. `SQLite`'s schema is `main` (or `temp`, or an attached name).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableName {
    /// Schema, always present.
    pub schema: String,
    /// Table.
    pub name: String,
}

/// How the database compares the values of a column, as far as conditions may rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// PG int2, int4, int8: compared by value.
    Int,
    /// PG numeric: compared by value, whatever the scale.
    Numeric,
    /// PG float8.
    Float,
    /// PG bool.
    Bool,
    /// PG uuid.
    Uuid,
    /// PG text, varchar with a deterministic collation, and enums: compared byte by byte.
    Text,
    /// PG date under `DateStyle` ISO.
    Date,
    /// `SQLite` INTEGER, REAL or NUMERIC affinity, collation BINARY.
    SqliteNumeric,
    /// `SQLite` TEXT affinity, collation BINARY.
    SqliteText,
    /// `SQLite` TEXT affinity, collation NOCASE: folds ASCII case.
    SqliteTextNocase,
    /// Anything else: never tracked, equality on it is UNKNOWN.
    Other,
}

/// A column.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    /// Name as stored.
    pub name: String,
    /// How values are compared.
    pub kind: ColumnKind,
    /// Computed from other columns of its row (stored or virtual): written by every UPDATE.
    #[serde(default)]
    pub generated: bool,
    /// Whether this role may read the column (`PostgreSQL` privileges).
    #[serde(default = "yes")]
    pub readable: bool,
    /// Different values are written as different texts.
    #[serde(default = "yes")]
    pub text_tells: bool,
}

fn yes() -> bool {
    true
}

/// What a foreign key does to its child rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// NO ACTION or RESTRICT: the child is never written.
    None,
    /// CASCADE.
    Cascade,
    /// SET NULL.
    SetNull,
    /// SET DEFAULT.
    SetDefault,
}

/// A foreign key of a child table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForeignKey {
    /// Columns of the child.
    pub columns: Vec<String>,
    /// The referenced table.
    pub parent: TableName,
    /// Referenced columns, one per column.
    pub parent_columns: Vec<String>,
    /// ON DELETE.
    pub on_delete: Action,
    /// ON UPDATE.
    pub on_update: Action,
}

/// A trigger, with its text; this crate judges what it can write.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, as the database tells it"
)]
pub struct Trigger {
    /// Name.
    pub name: String,
    /// Fires on INSERT.
    pub insert: bool,
    /// Fires on UPDATE.
    pub update: bool,
    /// Fires on DELETE (TRUNCATE counts as DELETE).
    pub delete: bool,
    /// BEFORE (it may change the row that is being written).
    pub before: bool,
    /// INSTEAD OF (on views).
    pub instead: bool,
    /// `PostgreSQL`: `plpgsql`, `internal`, `c`, `sql`, …, or `call`: not a trigger, but a default, a check or an index that
    /// calls `function`. `SQLite`: `sqlite`.
    pub language: String,
    /// `PostgreSQL`: the function's name (schema-qualified when not in `pg_catalog`).
    #[serde(default)]
    pub function: String,
    /// `PostgreSQL`: the function's source; `SQLite`: the whole CREATE TRIGGER text.
    pub source: String,
    /// Tables that it writes, when the user has said so: overrides the text. `None`: read the text.
    #[serde(default)]
    pub declared_writes: Option<Vec<TableName>>,
}

/// What a relation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// An ordinary table.
    Table,
    /// A partitioned table, a partition, or a member of an inheritance tree: the whole tree is one table, coarsely.
    Partitioned,
    /// A view; `base` names what it reads.
    View,
    /// A materialised view: read like a table, changed by REFRESH.
    MaterializedView,
    /// Foreign tables, virtual tables, system tables: never cached.
    Foreign,
    /// A temporary table: never cached.
    Temporary,
}

/// A table or view.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// Schema and name.
    #[serde(flatten)]
    pub id: TableName,
    /// What it is.
    pub kind: TableKind,
    /// Columns in order.
    pub columns: Vec<Column>,
    /// Column sets of primary keys and of immediate, total unique indexes on plain columns whose collation is the column's.
    #[serde(default)]
    pub keys: Vec<Vec<String>>,
    /// Whether every column of the same-index `keys` entry is NOT NULL is not needed: `= NULL` never matches.
    #[serde(default)]
    pub foreign_keys: Vec<ForeignKey>,
    /// Triggers.
    #[serde(default)]
    pub triggers: Vec<Trigger>,
    /// Views and materialised views: base relations named by the database. `None`: read `definition` (`SQLite`).
    #[serde(default)]
    pub base: Option<Vec<TableName>>,
    /// `SQLite` views: the CREATE VIEW text.
    #[serde(default)]
    pub definition: Option<String>,
    /// The root of its inheritance tree, for `Partitioned`.
    #[serde(default)]
    pub root: Option<TableName>,
    /// Row-level security is on.
    #[serde(default)]
    pub row_security: bool,
    /// Relations that its policies read.
    #[serde(default)]
    pub policy_reads: Vec<TableName>,
    /// Functions of the facts that its policies, or a view's query, call themselves.
    #[serde(default)]
    pub calls: Vec<String>,
    /// `PostgreSQL`: it has rewrite rules other than a view's own. `SQLite`: a constraint of it says ON CONFLICT REPLACE, so
    /// that a plain INSERT or UPDATE may delete other rows.
    #[serde(default)]
    pub rules: bool,
    /// `SQLite`: has a rowid (false for WITHOUT ROWID and views).
    #[serde(default)]
    pub rowid: bool,
}

/// What a function executes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Body {
    /// `sql`, `plpgsql`, …; with more words when its text must not be read.
    pub language: String,
    /// Its text.
    pub source: String,
}

/// A type with a domain in it whose check calls a function of the facts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Domain {
    /// The type, without schema.
    pub name: String,
    /// The function.
    pub calls: String,
}

/// A function that is not built in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Function {
    /// Name without schema; every overload counts.
    pub name: String,
    /// `i`mmutable, `s`table or `v`olatile; the worst of its overloads.
    pub volatility: char,
    /// Tables that it writes, when the user has said so.
    #[serde(default)]
    pub declared_writes: Option<Vec<TableName>>,
    /// What its overloads execute, where that can be read.
    #[serde(default)]
    pub bodies: Vec<Body>,
    /// Functions that it calls besides those of its body: an aggregate's, defaults of arguments, checks of its types.
    #[serde(default)]
    pub parts: Vec<String>,
    /// `row.name` may call it.
    #[serde(default)]
    pub attribute: bool,
}

/// All facts of a database.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Facts {
    /// Schemas that an unqualified name is looked up in, in order (`main` on `SQLite`).
    pub search_path: Vec<String>,
    /// Tables and views of every schema but the system's.
    pub tables: Vec<Table>,
    /// Functions of every schema but the system's.
    #[serde(default)]
    pub functions: Vec<Function>,
    /// Other databases are attached (`SQLite`): their tables are not in `tables`.
    #[serde(default)]
    pub attached: bool,
    /// `RETURNING old.…, new.…` is understood (`PostgreSQL` 18 and newer). `SQLite`: of no meaning.
    #[serde(default)]
    pub returning_old: bool,
    /// There are casts or operators of the user that are not immutable: any expression may read any table.
    #[serde(default)]
    pub operators: bool,
    /// Functions behind the user's operators and casts, which any expression may call.
    #[serde(default)]
    pub implicit: Vec<String>,
    /// Functions behind the checks of domains.
    #[serde(default)]
    pub domains: Vec<Domain>,
    /// Code that runs without being named, found by [`Facts::index`].
    #[serde(skip)]
    pub(crate) hidden: Hidden,
    /// Index by name, made by [`Facts::index`].
    #[serde(skip)]
    by_name: HashMap<TableName, usize>,
    /// Children by parent: positions in `tables` and in that table's `foreign_keys`.
    #[serde(skip)]
    children: HashMap<TableName, Vec<(usize, usize)>>,
    /// Names ignore ASCII case (`SQLite`).
    #[serde(skip)]
    fold: bool,
}

impl TableName {
    /// A name from its two parts.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            schema: schema.into(),
            name: name.into(),
        }
    }

    fn folded(&self) -> Self {
        Self::new(
            self.schema.to_ascii_lowercase(),
            self.name.to_ascii_lowercase(),
        )
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

impl Table {
    /// The column of this name; `SQLite` ignores ASCII case.
    #[must_use]
    pub fn column(&self, name: &str, dialect: Dialect) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| dialect.same_name(&column.name, name))
    }
}

impl Dialect {
    /// Whether two stored names are the same name.
    #[must_use]
    pub fn same_name(self, left: &str, right: &str) -> bool {
        match self {
            Self::Postgres => left == right,
            Self::Sqlite => left.eq_ignore_ascii_case(right),
        }
    }
}

impl Facts {
    /// Reads facts from the JSON that the TypeScript layer sends.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when the JSON is not of the documented shape.
    pub fn from_json(json: &str, dialect: Dialect) -> Result<Self> {
        let mut facts: Self = serde_json::from_str(json)
            .map_err(|error| Error::new(ErrorKind::InvalidInput, format!("facts: {error}")))?;
        facts.index(dialect);
        Ok(facts)
    }

    /// Builds the indexes; needed after the lists were filled by hand.
    pub fn index(&mut self, dialect: Dialect) {
        self.fold = dialect == Dialect::Sqlite;
        self.by_name = (0..self.tables.len())
            .map(|at| (self.key(&self.tables[at].id), at))
            .collect();
        let mut children: HashMap<TableName, Vec<(usize, usize)>> = HashMap::new();
        for (at, table) in self.tables.iter().enumerate() {
            for (key, foreign) in table.foreign_keys.iter().enumerate() {
                children
                    .entry(self.key(&foreign.parent))
                    .or_default()
                    .push((at, key));
            }
        }
        self.children = children;
        if dialect == Dialect::Postgres {
            Hidden::find(self);
        }
    }

    fn key(&self, name: &TableName) -> TableName {
        if self.fold {
            name.folded()
        } else {
            name.clone()
        }
    }

    /// The table of exactly this schema and name.
    #[must_use]
    pub fn table(&self, name: &TableName) -> Option<&Table> {
        let at = if self.fold {
            self.by_name.get(&name.folded())
        } else {
            self.by_name.get(name)
        };
        at.map(|at| &self.tables[*at])
    }

    /// What a name in a text means: temporary tables hide all others, then the search path decides.
    #[must_use]
    pub fn find(&self, schema: Option<&str>, name: &str) -> Option<&Table> {
        if let Some(schema) = schema {
            return self.table(&TableName::new(schema, name));
        }
        let temporary = self.tables.iter().find(|table| {
            table.kind == TableKind::Temporary
                && if self.fold {
                    table.id.name.eq_ignore_ascii_case(name)
                } else {
                    table.id.name == name
                }
        });
        temporary.or_else(|| {
            self.search_path
                .iter()
                .find_map(|schema| self.table(&TableName::new(schema.as_str(), name)))
        })
    }

    /// The function of this name that is not built in, if there is one. Names ignore ASCII case on `SQLite`.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| {
            if self.fold {
                function.name.eq_ignore_ascii_case(name)
            } else {
                function.name == name
            }
        })
    }

    /// The foreign keys that reference a table, each with the table that has it.
    pub fn children(&self, parent: &TableName) -> impl Iterator<Item = (&Table, &ForeignKey)> {
        let found = self
            .children
            .get(&self.key(parent))
            .map_or(&[][..], Vec::as_slice);
        found
            .iter()
            .map(|&(table, key)| (&self.tables[table], &self.tables[table].foreign_keys[key]))
    }
    /// The table that stands for this one in dependencies and changes: the root of an inheritance tree, else itself.
    #[must_use]
    pub fn stands_for<'a>(&self, table: &'a Table) -> &'a TableName {
        crate::resolve::root(table)
    }
}
