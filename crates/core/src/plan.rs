//! What is known of one SQL text: its kind, tables, conditions, columns; or the reason why not.
//!
//! A plan is made once per *collapsed* text (`IN` lists and `VALUES` tuples of any length are one text) and facts version.

use crate::kinds;
use crate::lex;
use crate::normalize::Collapsed;
use crate::schema::{Dialect, Facts, TableName};
use crate::words;

/// What answers a read's shape: how `profiles` and `.cache({ ops })` name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// At most one row: a key pinned by equality, or LIMIT 1.
    Get,
    /// Any other read of rows.
    Fetch,
    /// Only `count(…)` in the select list, no GROUP BY.
    Count,
    /// Only aggregates in the select list, no GROUP BY.
    Aggregate,
    /// `select exists (…)`.
    Exists,
    /// `Get` if this hole (index) is the number 1, else `Fetch`: `LIMIT $n`.
    GetIfOne(usize),
}

/// A value in a text: a hole that a parameter fills, or a literal.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// The n-th hole of the collapsed text, a single parameter.
    Hole(usize),
    /// The n-th hole of the collapsed text, a list of parameters (`IN ($1, …, $n)`).
    List(usize),
    /// The n-th hole of the collapsed text, a single parameter that is an array: any of its elements (`= ANY($1)`).
    Array(usize),
    /// NULL.
    Null,
    /// TRUE or FALSE.
    Bool(bool),
    /// A number as written.
    Number(String),
    /// A string literal's value.
    Text(String),
    /// Anything else: nothing is known.
    Unknown,
}

/// One equality: a column equals one of these values. `nulls`: NULL matches too (`IS NULL`, `IS NOT DISTINCT FROM`).
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Column, as stored.
    pub column: String,
    /// The values; any of them.
    pub values: Vec<Operand>,
    /// A NULL value matches NULL (`IS NULL`, `IS NOT DISTINCT FROM $1`); otherwise a NULL value never matches.
    pub nulls: bool,
}

/// AND-ed terms, sorted by column, one per column. Empty: every row.
pub type Conjunction = Vec<Term>;

/// Columns of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Columns {
    /// All of them.
    All,
    /// These, sorted, as stored.
    Some(Vec<String>),
}

/// What a read depends on in one table. OR-ed conjunctions; at least one; `[[]]` is every row.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependency {
    /// The base table (views are resolved, partitions mapped to their root).
    pub table: TableName,
    /// Rows of interest, bounded.
    pub rows: Vec<Conjunction>,
    /// Columns read.
    pub columns: Columns,
}

/// Why a read is not cached. Ordered: what `.cache()` may override first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caution {
    /// Stable word: `volatile_function`, `unknown_function`, `view`, `row_security`, `locking`, `system_catalog`, …
    pub code: &'static str,
    /// In words, naming the function, table or clause.
    pub detail: String,
    /// Whether an explicit `.cache()` may override it.
    pub overridable: bool,
}

/// A read.
#[derive(Clone, Debug)]
pub struct Read {
    /// Its shape.
    pub op: Op,
    /// One entry per base table, sorted by table.
    pub dependencies: Vec<Dependency>,
    /// Tables as the text names them (views unresolved), for profiles and events.
    pub named: Vec<TableName>,
    /// Empty: may be cached automatically.
    pub cautions: Vec<Caution>,
    /// Remarks for `explain`: what was widened, and why.
    pub remarks: Vec<String>,
    /// A policy calls code of the user's that may read tables which are not among the dependencies.
    pub any: bool,
    /// Functions called whose writes are unknown: executing it may write. `None`: it writes nothing.
    pub writes: Option<Write>,
    /// It takes locks (FOR UPDATE, advisory locks): a transaction bypasses from here on.
    pub locks: bool,
    /// It changes session state (`set_config`).
    pub session: bool,
}

/// The verb of a write on one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// INSERT without a conflict clause that updates.
    Insert,
    /// INSERT … ON CONFLICT DO UPDATE, REPLACE: any row with these keys may change.
    Upsert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// Whatever (MERGE, TRUNCATE, COPY): every row may have changed.
    Any,
}

/// What a write does to one table, as far as the text tells.
#[derive(Clone, Debug)]
pub struct Target {
    /// The table as resolved by facts; `None`: not in the facts.
    pub table: Option<TableName>,
    /// The table as written.
    pub named: TableName,
    /// Verb.
    pub verb: Verb,
    /// UPDATE: columns in SET. INSERT: columns given. Empty list with `Any`.
    pub columns: Vec<String>,
    /// UPDATE: values in SET where known, one entry per `columns`.
    pub set: Vec<Operand>,
    /// UPDATE, DELETE: rows of interest by WHERE; `[[]]` when unknown.
    pub rows: Vec<Conjunction>,
}

/// A write: one or several targets.
#[derive(Clone, Debug)]
pub struct Write {
    /// Tables written; empty with `everything`.
    pub targets: Vec<Target>,
    /// Nobody can know what is written.
    pub everything: Option<String>,
    /// How the text can be extended to give row images; `None`: it cannot. Positions: [`crate::rewrite::positions`].
    pub rewrite: Option<Rewritable>,
}

/// What adding row images needs to know of a text's shape. The statement is one INSERT, UPDATE or DELETE on one table,
/// with no CTE, no FROM or USING, no LIMIT, and it is the only statement of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritable {
    /// The alias (or name) by which the target's columns are reached, as SQL.
    pub target_sql: String,
    /// The target as written with its alias, as SQL for a FROM clause.
    pub from_sql: String,
    /// The text has a RETURNING list of its own.
    pub returning: bool,
    /// INSERT: from VALUES or DEFAULT VALUES ([`crate::normalize::Collapsed::tuples`] counts them), not from a SELECT.
    pub values: bool,
    /// UPDATE, DELETE: the WHERE condition gives the same rows when evaluated twice in one snapshot: no subquery, and no
    /// function that is volatile, unknown or asks for the time.
    pub repeatable: bool,
}

/// What a statement does to the connection's transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// BEGIN, START TRANSACTION. `snapshot`: a level whose statements do not see fresh data; `None`: the default level.
    Begin {
        /// Isolation named: true for repeatable read, serializable, snapshot; false for read committed.
        snapshot: Option<bool>,
    },
    /// COMMIT, END. `chain`: AND CHAIN.
    Commit {
        /// AND CHAIN.
        chain: bool,
    },
    /// ROLLBACK, ABORT.
    Rollback {
        /// AND CHAIN.
        chain: bool,
    },
    /// SAVEPOINT name (folded as the database does).
    Savepoint(String),
    /// ROLLBACK TO name.
    RollbackTo(String),
    /// RELEASE name.
    Release(String),
    /// PREPARE TRANSACTION, COMMIT PREPARED and their like: nothing is known from here on.
    Other,
}

/// What a text is.
#[derive(Clone, Debug)]
pub enum Statement {
    /// A read.
    Read(Read),
    /// A write.
    Write(Write),
    /// DDL: everything is invalidated, facts are read again.
    Ddl,
    /// Transaction control.
    Control(Control),
    /// Session state (`SET`, `USE`, `PRAGMA x = y`); the detail names it. `harmless`: cannot change a result (`statement_timeout`).
    Session {
        /// What was set.
        detail: String,
        /// It cannot change any result.
        harmless: bool,
        /// SET TRANSACTION: the isolation level inside this transaction is a snapshot (or unknown).
        snapshot: bool,
    },
    /// Takes locks and nothing else (LOCK TABLE).
    Lock,
    /// Writes nothing, caches nothing (EXPLAIN without ANALYZE, SHOW, a PRAGMA that only reads, LISTEN, comments only).
    Inert,
    /// Not understood. A read by its first word is not cached; anything else invalidates what `tables` names, or everything.
    Unparsed {
        /// The parser's words.
        detail: String,
        /// Certainly cannot write: its first keyword is SELECT or VALUES, and no data-modifying word occurs outside strings.
        read: bool,
    },
}

/// The plan of a collapsed text.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the text is.
    pub statement: Statement,
    /// What the key of a read is made of.
    pub canonical: Canonical,
}

/// The one text of all equivalent queries that are recognised as such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canonical {
    /// The text. Holes are written in order of appearance, lists with a star.
    pub text: String,
    /// Indices of the holes, in order of their appearance in the text.
    pub order: Vec<usize>,
}

/// Plans a collapsed text. Never fails: what is not understood is [`Statement::Unparsed`], or a write of everything.
#[must_use]
pub fn plan(collapsed: &Collapsed, dialect: Dialect, facts: Option<&Facts>) -> Plan {
    // The parser watches the stack itself, but keeps too little in reserve for its longest path; and a tree is dropped
    // by recursion that nobody watches. What `parse` lets through fits into this.
    stacker::maybe_grow(STACK_RESERVE, STACK, || {
        crate::dispatch::plan(collapsed, dialect, facts)
    })
}

/// Stack that must be left, or a new one is taken.
const STACK_RESERVE: usize = 4 << 20;
/// Size of a new stack; only what is touched is really used.
const STACK: usize = 16 << 20;

/// The statement of a text that [`crate::normalize::collapse`] refused, for its reason.
#[must_use]
pub fn unparsed(sql: &str, dialect: Dialect, detail: &str) -> Statement {
    let lexemes = if sql.len() <= 8 << 20 {
        lex::lex(sql, dialect)
    } else {
        Err(String::new())
    };
    let read = lexemes.is_ok_and(|lexemes| match kinds::parts(sql, &lexemes).as_slice() {
        [part] => words::certainly_reads(sql, part, dialect, None),
        _ => false,
    });
    Statement::Unparsed {
        detail: detail.to_owned(),
        read,
    }
}

/// A write of nobody knows what.
#[must_use]
pub fn everything(why: &str) -> Write {
    Write {
        targets: Vec::new(),
        everything: Some(why.to_owned()),
        rewrite: None,
    }
}
