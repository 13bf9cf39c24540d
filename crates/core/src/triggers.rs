//! What a trigger can write, by its text.
//!
//! `SQLite`'s bodies are plain statements. Bodies in plpgsql are scanned word by word: static INSERT, UPDATE, DELETE and MERGE
//! name their table; anything that builds SQL, or calls what is not known, makes the trigger unknown.

use crate::functions::{self, Nature};
use crate::hidden::Effect;
use crate::lex::{Kind, Lexeme, lex};
use crate::resolve::{self, Found};
use crate::schema::{Dialect, Facts, TableKind, TableName, Trigger};
use crate::words;

/// What a trigger does beyond the statement that fires it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TriggerEffect {
    /// Its text cannot be understood, for this reason: it may write anything.
    Unknown(String),
    /// It writes these tables, any of their rows.
    Writes {
        /// Tables other than by changing `NEW`, sorted. May hold the trigger's own.
        tables: Vec<TableName>,
        /// It may change the row that is being written.
        changes_row: bool,
    },
}

/// What a trigger writes. Triggers of the tables that it writes are not followed here.
#[must_use]
pub fn writes(
    trigger: &Trigger,
    own: &TableName,
    facts: &Facts,
    dialect: Dialect,
) -> TriggerEffect {
    let changes_row = trigger.before && dialect == Dialect::Postgres;
    if let Some(tables) = &trigger.declared_writes {
        return effect(tables.clone(), changes_row);
    }
    let found = match (dialect, trigger.language.as_str()) {
        (Dialect::Sqlite, _) => sqlite(&trigger.source, own, facts),
        (Dialect::Postgres, "plpgsql") => body_writes(&trigger.source, facts),
        (Dialect::Postgres, "call") => called(&trigger.function, facts),
        (Dialect::Postgres, "internal" | "c") => built_in(&trigger.function),
        (Dialect::Postgres, language) => Err(format!("it is written in {language}")),
    };
    match found {
        Ok(tables) => effect(tables, changes_row),
        Err(why) => TriggerEffect::Unknown(format!("trigger {}: {why}", trigger.name)),
    }
}

fn effect(mut tables: Vec<TableName>, changes_row: bool) -> TriggerEffect {
    tables.sort();
    tables.dedup();
    TriggerEffect::Writes {
        tables,
        changes_row,
    }
}

fn built_in(function: &str) -> Result<Vec<TableName>, String> {
    // What foreign keys do is known from the keys themselves.
    let known = matches!(
        function,
        "tsvector_update_trigger"
            | "tsvector_update_trigger_column"
            | "suppress_redundant_updates_trigger"
            | "unique_key_recheck"
    );
    if known || function.starts_with("RI_FKey_") {
        Ok(Vec::new())
    } else {
        Err(format!("{function} cannot be read"))
    }
}

fn sqlite(source: &str, own: &TableName, facts: &Facts) -> Result<Vec<TableName>, String> {
    let dialect = Dialect::Sqlite;
    let lexemes = lex(source, dialect)?;
    let begin = lexemes
        .iter()
        .position(|lexeme| lexeme.is(source, "begin"))
        .ok_or("no body was found")?;
    // A name may be called so; then what is taken for the body does not start with a statement, and is refused below.
    let mut body = lexemes.get(begin + 1..).unwrap_or_default();
    while body.last().is_some_and(|last| last.kind == Kind::Semicolon) {
        body = &body[..body.len() - 1];
    }
    let Some((last, body)) = body.split_last() else {
        return Err("an empty body".to_owned());
    };
    if !last.is(source, "end") {
        return Err("a body that does not end".to_owned());
    }
    let mut tables = Vec::new();
    for statement in body
        .split(|lexeme| lexeme.kind == Kind::Semicolon)
        .filter(|statement| !statement.is_empty())
    {
        if !words::calls_are_harmless(source, statement, dialect, Some(facts)) {
            return Err("it calls a function that may write".to_owned());
        }
        if let Some((schema, name)) = words::only_target(source, statement, dialect) {
            // Unqualified names in a body belong to the schema of the trigger's table.
            let schema = schema.unwrap_or_else(|| own.schema.clone());
            tables.push(written(facts, dialect, Some(&schema), &name)?);
        } else if !words::certainly_reads(source, statement, dialect, Some(facts)) {
            return Err("a statement that is not understood".to_owned());
        }
    }
    Ok(tables)
}

fn written(
    facts: &Facts,
    dialect: Dialect,
    schema: Option<&str>,
    name: &str,
) -> Result<TableName, String> {
    match resolve::table(facts, dialect, schema, name) {
        Found::Table(table) if table.rules || table.kind == TableKind::View => {
            Err(format!("it writes through {name}"))
        }
        Found::Table(table) => Ok(table.id.clone()),
        _ => Err(format!("it writes {name}, which is not known")),
    }
}

/// What a function writes that something calls.
fn called(name: &str, facts: &Facts) -> Result<Vec<TableName>, String> {
    match facts.hidden.function(name) {
        None => Ok(Vec::new()),
        Some(Effect {
            anything: Some(why),
            ..
        }) => Err(why.clone()),
        Some(effect) => Ok(effect.tables.iter().cloned().collect()),
    }
}

/// What the body of a function in plpgsql or SQL writes, or why that cannot be told.
pub(crate) fn body_writes(source: &str, facts: &Facts) -> Result<Vec<TableName>, String> {
    #[rustfmt::skip]
    const REFUSED: &[&str] = &[
        "alter", "analyze", "call", "cluster", "copy", "create", "discard", "drop", "execute", "grant", "import",
        "load", "prepare", "refresh", "reindex", "reset", "revoke", "truncate", "vacuum",
    ];
    let dialect = Dialect::Postgres;
    let body = body(source)?;
    let sql = body.as_str();
    let lexemes = lex(sql, dialect)?;
    settings(sql, &lexemes)?;
    let behind = facts.hidden.uses(sql, &lexemes);
    if let Some(why) = behind.anything {
        return Err(why);
    }
    let mut tables: Vec<TableName> = behind.tables.into_iter().collect();
    for (at, lexeme) in lexemes.iter().enumerate() {
        let before = |back: usize| at.checked_sub(back).and_then(|index| lexemes.get(index));
        let preceded = |words: &[&str]| before(1).is_some_and(|lexeme| lexeme.is_any(sql, words));
        if lexeme.kind != Kind::Word || before(1).is_some_and(|lexeme| lexeme.kind == Kind::Dot) {
            continue;
        }
        if lexeme.is_any(sql, REFUSED) {
            return Err(format!("it has the word {}", lexeme.text(sql)));
        }
        let skipped: &[&str] = if lexeme.is_any(sql, &["insert", "merge"]) {
            &["into"]
        } else if lexeme.is(sql, "delete") {
            &["from"]
        } else if lexeme.is(sql, "update") {
            // FOR UPDATE, FOR NO KEY UPDATE, ON CONFLICT DO UPDATE; and WHEN MATCHED THEN UPDATE SET.
            let set = lexemes.get(at + 1).is_some_and(|next| next.is(sql, "set"));
            if preceded(&["for", "do", "key"]) || preceded(&["then"]) && set {
                continue;
            }
            &[]
        } else {
            continue;
        };
        let mut next = at + 1;
        if let [word] = skipped {
            let then = preceded(&["then"]);
            match lexemes.get(next) {
                Some(found) if found.is(sql, word) => next += 1,
                // MERGE … WHEN MATCHED THEN DELETE, THEN INSERT (…): the target was named before.
                _ if then && tables_of_merge(sql, &lexemes[..at]) => continue,
                _ => return Err(format!("a {} that is not understood", lexeme.text(sql))),
            }
        }
        next += usize::from(
            lexemes
                .get(next)
                .is_some_and(|lexeme| lexeme.is(sql, "only")),
        );
        let (schema, name) =
            name(sql, &lexemes, next).ok_or("a table's name that is not understood")?;
        tables.push(written(facts, dialect, schema.as_deref(), &name)?);
    }
    calls(sql, &lexemes, facts, &mut tables)?;
    Ok(tables)
}

/// Refuses a body that changes settings: they may decide what the names behind them mean. The application's own have a dot.
pub(crate) fn settings(sql: &str, lexemes: &[Lexeme]) -> Result<(), String> {
    for (at, lexeme) in lexemes.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|index| lexemes.get(index));
        let next = |ahead: usize| lexemes.get(at + ahead);
        let starts = before.is_none_or(|before| {
            before.kind == Kind::Semicolon
                || before.is_operator(sql, ">>")
                || before.is_any(sql, &["atomic", "begin", "then", "else", "loop"])
        });
        if starts && lexeme.is(sql, "set") {
            let scope = next(1).is_some_and(|next| next.is_any(sql, &["local", "session"]));
            let dot = next(2 + usize::from(scope)).map(|next| next.kind);
            // MERGE … THEN UPDATE SET has UPDATE in front; this is a statement.
            if dot != Some(Kind::Dot) {
                return Err("it changes a setting".to_owned());
            }
        }
        if lexeme.identifier(sql, Dialect::Postgres).as_deref() == Some("set_config")
            && next(1).is_some_and(|next| next.kind == Kind::Open)
        {
            let own = next(2)
                .is_some_and(|name| name.kind == Kind::Text && name.text(sql).contains('.'))
                && next(3).is_some_and(|next| next.kind == Kind::Comma);
            if !own {
                return Err("it calls set_config()".to_owned());
            }
        }
    }
    Ok(())
}

fn tables_of_merge(sql: &str, before: &[Lexeme]) -> bool {
    before
        .windows(2)
        .any(|pair| pair[0].is(sql, "merge") && pair[1].is(sql, "into"))
}

fn name(sql: &str, lexemes: &[Lexeme], at: usize) -> Option<(Option<String>, String)> {
    let first = lexemes.get(at)?.identifier(sql, Dialect::Postgres)?;
    if lexemes
        .get(at + 1)
        .is_some_and(|lexeme| lexeme.kind == Kind::Dot)
    {
        let second = lexemes.get(at + 2)?.identifier(sql, Dialect::Postgres)?;
        return Some((Some(first), second));
    }
    Some((None, first))
}

/// The body of a function, also when the whole CREATE FUNCTION is given.
fn body(source: &str) -> Result<String, String> {
    let lexemes = lex(source, Dialect::Postgres)?;
    if !lexemes
        .first()
        .is_some_and(|first| first.is(source, "create"))
    {
        return Ok(source.to_owned());
    }
    let quoted = lexemes
        .windows(2)
        .find(|pair| pair[0].is(source, "as") && pair[1].kind == Kind::Text);
    let text = quoted
        .map(|pair| pair[1].text(source))
        .ok_or("no body was found")?;
    if let Some(end) = text.strip_prefix('$').and_then(|rest| rest.find('$')) {
        let delimiter = end + 2;
        return text
            .get(delimiter..text.len() - delimiter)
            .map(str::to_owned)
            .ok_or("no body was found".to_owned());
    }
    text.strip_prefix('\'')
        .and_then(|text| text.strip_suffix('\''))
        .map(|text| text.replace("''", "'"))
        .ok_or("no body was found".to_owned())
}

fn calls(
    sql: &str,
    lexemes: &[Lexeme],
    facts: &Facts,
    tables: &mut Vec<TableName>,
) -> Result<(), String> {
    #[rustfmt::skip]
    const SYNTAX: &[&str] = &[
        "all", "and", "any", "array", "as", "between", "by", "case", "cast", "char", "character", "conflict", "debug",
        "decimal", "distinct", "else", "elsif", "elseif", "exception", "exists", "extract", "filter", "from", "having",
        "if", "in", "info", "insert", "is", "join", "key", "lateral", "limit", "loop", "not", "notice", "on", "or", "over",
        "return", "returning", "row", "select", "set", "some", "then", "time", "timestamp", "timestamptz", "union",
        "using", "values", "varying", "warning", "when", "where", "while", "within",
    ];
    for (at, pair) in lexemes.windows(2).enumerate() {
        if pair[1].kind != Kind::Open {
            continue;
        }
        let Some(name) = pair[0].identifier(sql, Dialect::Postgres) else {
            continue;
        };
        let qualified = at >= 2 && lexemes[at - 1].kind == Kind::Dot;
        let start = if qualified { at - 2 } else { at };
        // insert into table (columns); table aliases with columns are rare enough to be refused.
        let target = start > 0 && lexemes[start - 1].is_any(sql, &["into", "update"]);
        if target || pair[0].kind == Kind::Word && !qualified && SYNTAX.contains(&name.as_str()) {
            continue;
        }
        let catalog = qualified
            && lexemes[start].identifier(sql, Dialect::Postgres).as_deref() == Some("pg_catalog");
        let harmless =
            match functions::nature(&name, qualified && !catalog, Dialect::Postgres, Some(facts)) {
                // Settings were looked at before.
                Nature::Pure
                | Nature::Lock
                | Nature::Session
                | Nature::Caution("time_function" | "session_value" | "system_catalog", _) => true,
                Nature::User(_) => {
                    tables.extend(called(&name, facts)?);
                    true
                }
                Nature::Caution("volatile_function", overridable) => {
                    overridable
                        || matches!(
                            name.as_str(),
                            "nextval" | "setval" | "currval" | "lastval" | "pg_notify"
                        )
                }
                Nature::Caution(..) => false,
            };
        if !harmless {
            return Err(format!("it calls {name}()"));
        }
    }
    // NOTE: a function without parentheses cannot be called in plpgsql but by these words, which only read.
    Ok(())
}
