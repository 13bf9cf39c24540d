//! What a statement is by its first words: everything that needs no syntax tree.

use crate::lex::{Kind as Part, Lexeme};
use crate::plan::{Control, Statement, everything};
use crate::schema::Dialect;
use crate::words;

/// Bytes of a name that `PostgreSQL` looks at.
const MAX_NAME: usize = 63;

/// What is to be done with a statement.
#[derive(Debug)]
pub enum Kind {
    /// Nothing more.
    Known(Statement),
    /// It writes any row of these tables (schema, name).
    Tables(Vec<(Option<String>, String)>),
    /// It executes the statement that starts at this lexeme (EXPLAIN ANALYZE).
    Executes(usize),
    /// DECLARE … CURSOR.
    Cursor,
    /// A query or a data-modifying statement: parse it.
    Tree,
}

/// Parts of a text between semicolons. A text of DDL is one part: bodies of triggers and functions hold semicolons.
#[must_use]
pub fn parts<'a>(sql: &str, lexemes: &'a [Lexeme]) -> Vec<&'a [Lexeme]> {
    let mut out = Vec::new();
    let mut rest = lexemes;
    while let Some(first) = rest.first() {
        if first.kind == Part::Semicolon {
            rest = &rest[1..];
            continue;
        }
        let body = first.is_any(sql, &["create", "alter"]);
        let end = if body {
            None
        } else {
            rest.iter()
                .position(|lexeme| lexeme.kind == Part::Semicolon)
        };
        let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
        out.push(part);
        rest = after;
    }
    out
}

/// Judges one statement. `lexemes` is not empty.
#[must_use]
pub fn kind(sql: &str, lexemes: &[Lexeme], dialect: Dialect) -> Kind {
    let Some(first) = lexemes.first() else {
        return Kind::Known(Statement::Inert);
    };
    if first.kind == Part::Open {
        return Kind::Tree;
    }
    let word = if first.kind == Part::Word {
        first.text(sql).to_ascii_lowercase()
    } else {
        String::new()
    };
    let second = |words: &[&str]| {
        lexemes
            .get(1)
            .is_some_and(|lexeme| lexeme.is_any(sql, words))
    };
    let has = |words: &[&str]| lexemes.iter().any(|lexeme| lexeme.is_any(sql, words));
    let statement = match word.as_str() {
        "select" | "values" | "table" | "with" | "insert" | "update" | "delete" | "merge"
        | "replace" => return Kind::Tree,
        "begin" => begin(sql, lexemes),
        "start" if second(&["transaction"]) => begin(sql, lexemes),
        "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => {
            control(&word, sql, lexemes, dialect)
        }
        "prepare" if second(&["transaction"]) => Statement::Control(Control::Other),
        "set" | "reset" | "discard" => set(&word, sql, lexemes),
        "pragma" => pragma(sql, lexemes),
        "explain" if dialect == Dialect::Postgres => {
            return match analyzed(sql, lexemes) {
                Some(start) => Kind::Executes(start),
                None => Kind::Known(Statement::Inert),
            };
        }
        "vacuum" if dialect == Dialect::Sqlite && !has(&["into"]) => {
            Statement::Write(everything("VACUUM may number rows anew"))
        }
        // Event triggers may run.
        "reindex" | "cluster" if dialect == Dialect::Postgres => Statement::Ddl,
        // PREPARE runs nothing; the EXECUTE that does names nothing.
        "prepare" | "explain" | "describe" | "show" | "listen" | "unlisten" | "notify"
        | "vacuum" | "analyze" | "analyse" | "reindex" | "checkpoint" | "cluster"
        | "deallocate" | "fetch" | "move" | "close" | "load" => Statement::Inert,
        "declare" => return Kind::Cursor,
        "lock" => Statement::Lock,
        "use" => session("USE", false, false),
        // CALL and DO may change the schema, or what names mean.
        "create" | "alter" | "drop" | "comment" | "grant" | "revoke" | "refresh" | "import"
        | "security" | "reassign" | "attach" | "detach" | "call" | "do" => Statement::Ddl,
        "truncate" if has(&["cascade"]) => Statement::Write(everything("TRUNCATE … CASCADE")),
        "truncate" => match truncated(sql, lexemes, dialect) {
            Some(names) => return Kind::Tables(names),
            None => Statement::Write(everything("TRUNCATE of something not understood")),
        },
        "copy" => return copy(sql, lexemes, dialect),
        "execute" => Statement::Write(everything("it runs code that cannot be seen")),
        _ => Statement::Unparsed {
            detail: "an unknown kind of statement".to_owned(),
            read: false,
        },
    };
    Kind::Known(statement)
}

fn session(detail: impl Into<String>, harmless: bool, snapshot: bool) -> Statement {
    Statement::Session {
        detail: detail.into(),
        harmless,
        snapshot,
    }
}

/// The isolation level that words name: whether its statements do not see fresh data.
fn isolation(sql: &str, lexemes: &[Lexeme]) -> Option<bool> {
    lexemes.iter().find_map(|lexeme| {
        let text = lexeme.text(sql).trim_matches('\'').to_ascii_lowercase();
        match text.as_str() {
            "serializable" | "repeatable" | "snapshot" | "repeatable read" => Some(true),
            "committed" | "uncommitted" | "read committed" | "read uncommitted" => Some(false),
            _ => None,
        }
    })
}

fn begin(sql: &str, lexemes: &[Lexeme]) -> Statement {
    Statement::Control(Control::Begin {
        snapshot: isolation(sql, &lexemes[1..]),
    })
}

fn control(word: &str, sql: &str, lexemes: &[Lexeme], dialect: Dialect) -> Statement {
    let at = |index: usize, words: &[&str]| {
        lexemes
            .get(index)
            .is_some_and(|lexeme| lexeme.is_any(sql, words))
    };
    let name = |index: usize| {
        let name = lexemes
            .get(index)
            .and_then(|lexeme| lexeme.identifier(sql, dialect));
        name.map(|mut name| {
            if dialect == Dialect::Sqlite {
                // SQLite compares names of savepoints without regard to case.
                name.make_ascii_lowercase();
            } else {
                let boundary = |at: &usize| name.is_char_boundary(*at);
                let end = (0..=MAX_NAME.min(name.len())).rev().find(boundary);
                name.truncate(end.unwrap_or_default());
            }
            name
        })
    };
    let noise = usize::from(at(1, &["work", "transaction"]));
    let chain = lexemes
        .windows(2)
        .any(|pair| pair[0].is(sql, "and") && pair[1].is(sql, "chain"));
    let control = match word {
        _ if at(1, &["prepared"]) => Some(Control::Other),
        "commit" | "end" => Some(Control::Commit { chain }),
        "savepoint" => name(1).map(Control::Savepoint),
        "release" => {
            name(1 + usize::from(at(1, &["savepoint"]) && lexemes.len() > 2)).map(Control::Release)
        }
        _ if at(1 + noise, &["to"]) => {
            let keyword = at(2 + noise, &["savepoint"]) && lexemes.len() > 3 + noise;
            name(2 + noise + usize::from(keyword)).map(Control::RollbackTo)
        }
        _ => Some(Control::Rollback { chain }),
    };
    Statement::Control(control.unwrap_or(Control::Other))
}

fn set(word: &str, sql: &str, lexemes: &[Lexeme]) -> Statement {
    #[rustfmt::skip]
    const HARMLESS: &[&str] = &[
        "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout",
        "transaction_timeout", "application_name", "client_min_messages", "work_mem", "maintenance_work_mem",
        "synchronous_commit", "jit", "max_parallel_workers_per_gather",
    ];
    let scope = usize::from(
        lexemes
            .get(1)
            .is_some_and(|lexeme| lexeme.is_any(sql, &["session", "local"])),
    );
    let name = lexemes
        .get(1 + scope)
        .map(|lexeme| lexeme.text(sql).to_ascii_lowercase())
        .unwrap_or_default();
    let dotted = lexemes
        .get(2 + scope)
        .is_some_and(|lexeme| lexeme.kind == Part::Dot);
    // The application's own settings are known by their dots.
    let part = lexemes.get(3 + scope).filter(|_| dotted);
    let name = part.map_or(name.clone(), |part| format!("{name}.{}", part.text(sql)));
    let level = isolation(sql, lexemes);
    match name.as_str() {
        "constraints" => session("SET CONSTRAINTS", true, false),
        // Only this transaction is concerned, and the flag tells what matters of it.
        "transaction" if scope == 0 || !lexemes[1].is(sql, "session") => {
            session("SET TRANSACTION", true, level.unwrap_or(false))
        }
        "transaction_isolation" | "default_transaction_isolation" | "characteristics" => {
            session(name.clone(), false, level != Some(false))
        }
        _ if word == "discard" => session(
            "DISCARD",
            matches!(name.as_str(), "plans" | "sequences"),
            false,
        ),
        _ => {
            let harmless = !dotted
                && (HARMLESS.contains(&name.as_str())
                    || name.starts_with("enable_")
                    || name.starts_with("log_"));
            session(name, harmless, false)
        }
    }
}

fn pragma(sql: &str, lexemes: &[Lexeme]) -> Statement {
    #[rustfmt::skip]
    const HARMLESS: &[&str] = &[
        "analysis_limit", "application_id", "automatic_index", "busy_timeout", "cache_size", "cache_spill",
        "cell_size_check", "foreign_keys", "journal_mode", "journal_size_limit", "locking_mode", "mmap_size",
        "optimize", "secure_delete", "soft_heap_limit", "synchronous", "temp_store", "threads", "user_version",
        "wal_autocheckpoint", "wal_checkpoint",
    ];
    #[rustfmt::skip]
    const READING: &[&str] = &[
        "collation_list", "compile_options", "data_version", "database_list", "foreign_key_check", "foreign_key_list",
        "freelist_count", "function_list", "index_info", "index_list", "index_xinfo", "integrity_check", "module_list",
        "page_count", "pragma_list", "quick_check", "table_info", "table_list", "table_xinfo",
    ];
    let schema = if lexemes
        .get(2)
        .is_some_and(|lexeme| lexeme.kind == Part::Dot)
    {
        2
    } else {
        0
    };
    let name = lexemes
        .get(1 + schema)
        .map(|lexeme| lexeme.text(sql).to_ascii_lowercase())
        .unwrap_or_default();
    let assigns = lexemes.len() > 2 + schema;
    if READING.contains(&name.as_str())
        || !assigns && !HARMLESS.contains(&name.as_str()) && name != "incremental_vacuum"
    {
        Statement::Inert
    } else {
        let harmless = HARMLESS.contains(&name.as_str());
        session(format!("PRAGMA {name}"), harmless, false)
    }
}

/// EXPLAIN with ANALYZE: where its statement starts.
fn analyzed(sql: &str, lexemes: &[Lexeme]) -> Option<usize> {
    let mut at = 1;
    let mut analyze = false;
    if lexemes.get(1)?.kind == Part::Open {
        let close = lexemes
            .iter()
            .position(|lexeme| lexeme.kind == Part::Close)?;
        let second = lexemes.get(2)?;
        // `explain (select …)` has no options.
        if second.is_any(sql, &["select", "with", "values", "table"]) || second.kind == Part::Open {
            return None;
        }
        // ANALYZE FALSE counts as true: the statement is then taken to be executed.
        analyze = lexemes[1..close]
            .iter()
            .any(|lexeme| lexeme.is_any(sql, &["analyze", "analyse"]));
        at = close + 1;
    } else {
        while lexemes
            .get(at)?
            .is_any(sql, &["analyze", "analyse", "verbose"])
        {
            analyze |= !lexemes[at].is(sql, "verbose");
            at += 1;
        }
    }
    (analyze && at < lexemes.len()).then_some(at)
}

/// A possibly qualified name at `at`, and the index behind it.
pub(crate) fn name(
    sql: &str,
    lexemes: &[Lexeme],
    at: usize,
    dialect: Dialect,
) -> Option<((Option<String>, String), usize)> {
    let first = lexemes.get(at)?.identifier(sql, dialect)?;
    if lexemes
        .get(at + 1)
        .is_some_and(|lexeme| lexeme.kind == Part::Dot)
    {
        let second = lexemes.get(at + 2)?.identifier(sql, dialect)?;
        let third = lexemes
            .get(at + 3)
            .is_some_and(|lexeme| lexeme.kind == Part::Dot);
        return (!third).then_some(((Some(first), second), at + 3));
    }
    Some(((None, first), at + 1))
}

fn truncated(
    sql: &str,
    lexemes: &[Lexeme],
    dialect: Dialect,
) -> Option<Vec<(Option<String>, String)>> {
    let mut at = 1 + usize::from(lexemes.get(1)?.is(sql, "table"));
    let mut names = Vec::new();
    loop {
        at += usize::from(lexemes.get(at)?.is(sql, "only"));
        let (found, next) = name(sql, lexemes, at, dialect)?;
        names.push(found);
        at = next
            + usize::from(
                lexemes
                    .get(next)
                    .is_some_and(|lexeme| lexeme.is_operator(sql, "*")),
            );
        match lexemes.get(at) {
            Some(lexeme) if lexeme.kind == Part::Comma => at += 1,
            None => return Some(names),
            Some(lexeme) if lexeme.is_any(sql, &["restart", "continue", "restrict"]) => {
                return Some(names);
            }
            Some(_) => return None,
        }
    }
}

fn copy(sql: &str, lexemes: &[Lexeme], dialect: Dialect) -> Kind {
    if lexemes
        .get(1)
        .is_some_and(|lexeme| lexeme.kind == Part::Open)
    {
        let modifying = (1..lexemes.len()).any(|at| words::modifies(sql, lexemes, at));
        return if modifying {
            Kind::Known(Statement::Write(everything(
                "COPY of a data-modifying statement",
            )))
        } else {
            Kind::Cursor
        };
    }
    let mut depth = 0_usize;
    let direction = lexemes.iter().skip(1).find(|lexeme| {
        match lexeme.kind {
            Part::Open => depth += 1,
            Part::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && lexeme.is_any(sql, &["from", "to"])
    });
    match (direction, name(sql, lexemes, 1, dialect)) {
        (Some(to), Some(_)) if to.is(sql, "to") => Kind::Known(Statement::Inert),
        (Some(_), Some((found, _))) => Kind::Tables(vec![found]),
        _ => Kind::Known(Statement::Write(everything(
            "COPY of something not understood",
        ))),
    }
}
