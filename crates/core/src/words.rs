//! What the words of a text tell when its tree is not understood. Every answer errs towards "it writes".

use crate::functions::{self, Nature};
use crate::kinds::name;
use crate::lex::{Kind as Part, Lexeme};
use crate::schema::{Dialect, Facts};

/// Words that modify data or schema.
#[rustfmt::skip]
const MODIFYING: &[&str] = &[
    "insert", "update", "delete", "merge", "replace", "truncate", "into", "create", "alter", "drop", "call", "copy",
    "execute", "refresh",
];

/// Whether a word at this place modifies: locking clauses and the function `replace()` do not.
pub(crate) fn modifies(sql: &str, lexemes: &[Lexeme], at: usize) -> bool {
    if !lexemes[at].is_any(sql, MODIFYING) {
        return false;
    }
    let before = |back: usize| at.checked_sub(back).and_then(|index| lexemes.get(index));
    let locking = lexemes[at].is(sql, "update")
        && before(1).is_some_and(|lexeme| lexeme.is_any(sql, &["for", "key"]))
        && (before(1).is_some_and(|lexeme| lexeme.is(sql, "for"))
            || before(2).is_some_and(|lexeme| lexeme.is(sql, "no")));
    let called = lexemes[at].is(sql, "replace")
        && lexemes
            .get(at + 1)
            .is_some_and(|lexeme| lexeme.kind == Part::Open);
    // A name behind a dot is a column.
    let column = before(1).is_some_and(|lexeme| lexeme.kind == Part::Dot);
    !(locking || called || column)
}

/// Whether a text without a tree certainly writes nothing.
#[must_use]
pub fn certainly_reads(
    sql: &str,
    lexemes: &[Lexeme],
    dialect: Dialect,
    facts: Option<&Facts>,
) -> bool {
    let first = lexemes.iter().find(|lexeme| lexeme.kind != Part::Open);
    first.is_some_and(|first| first.is_any(sql, &["select", "table", "values", "with"]))
        && !(0..lexemes.len()).any(|at| modifies(sql, lexemes, at))
        && calls_are_harmless(sql, lexemes, dialect, facts)
}

/// SELECT … INTO makes a table.
#[must_use]
pub fn selects_into(sql: &str, lexemes: &[Lexeme]) -> bool {
    lexemes.iter().enumerate().any(|(at, lexeme)| {
        lexeme.is(sql, "into")
            && at
                .checked_sub(1)
                .is_none_or(|before| lexemes[before].kind != Part::Dot)
    })
}

/// Names that stand where a table stands: a check on the tree, which must know them all.
#[must_use]
pub fn names_of_tables(
    sql: &str,
    lexemes: &[Lexeme],
    dialect: Dialect,
) -> Vec<(Option<String>, String)> {
    let starts = |at: &usize| lexemes[*at].is_any(sql, &["from", "join", "only", "table", "into"]);
    let named = (0..lexemes.len())
        .filter(starts)
        .filter_map(|at| name(sql, lexemes, at + 1, dialect));
    named.map(|(name, _)| name).collect()
}

/// Whether every word before a parenthesis is known not to write. Keywords and names of columns come before
/// parentheses, too, so only user functions and what the lists know to be volatile count when there are facts.
#[must_use]
pub fn calls_are_harmless(
    sql: &str,
    lexemes: &[Lexeme],
    dialect: Dialect,
    facts: Option<&Facts>,
) -> bool {
    lexemes.windows(2).enumerate().all(|(at, pair)| {
        if pair[1].kind != Part::Open {
            return true;
        }
        let Some(name) = pair[0].identifier(sql, dialect) else {
            return true;
        };
        let qualified = at > 0 && lexemes[at - 1].kind == Part::Dot;
        if pair[0].kind == Part::Word && is_syntax(&name) {
            return true;
        }
        match functions::nature(&name, false, dialect, facts) {
            Nature::Pure | Nature::User('i' | 's') => true,
            Nature::User(_) | Nature::Lock | Nature::Session => false,
            Nature::Caution("volatile_function", overridable) => {
                overridable || matches!(name.as_str(), "currval" | "lastval")
            }
            Nature::Caution("unknown_function", overridable) => {
                overridable && (facts.is_some() || dialect == Dialect::Sqlite) && !qualified
                    || after_table(sql, lexemes, at)
            }
            Nature::Caution(..) => true,
        }
    })
}

/// `insert into name (`, where the name is a table's.
fn after_table(sql: &str, lexemes: &[Lexeme], at: usize) -> bool {
    let mut at = at;
    while at >= 2 && lexemes[at - 1].kind == Part::Dot {
        at -= 2;
    }
    at >= 1 && lexemes[at - 1].is(sql, "into")
}

fn is_syntax(word: &str) -> bool {
    #[rustfmt::skip]
    const WORDS: &[&str] = &[
        "all", "and", "any", "array", "as", "between", "by", "case", "cast", "conflict", "cube", "distinct", "else",
        "except", "exists", "extract", "filter", "from", "group", "having", "in", "intersect", "is", "join", "lateral",
        "like", "limit", "materialized", "not", "offset", "on", "only", "or", "over", "recursive", "returning",
        "rollup", "row", "select", "set", "sets", "some", "then", "union", "using", "values", "when", "where", "within",
    ];
    WORDS
        .binary_search(&word.to_ascii_lowercase().as_str())
        .is_ok()
}

/// The table of a plain INSERT, UPDATE or DELETE, if no other data-modifying word occurs.
#[must_use]
pub fn only_target(
    sql: &str,
    lexemes: &[Lexeme],
    dialect: Dialect,
) -> Option<(Option<String>, String)> {
    let first = lexemes.first()?;
    let words: &[&str] = match first.text(sql).to_ascii_lowercase().as_str() {
        "insert" | "replace" => &[
            "or", "replace", "ignore", "rollback", "abort", "fail", "into",
        ],
        "update" => &[
            "or", "replace", "ignore", "rollback", "abort", "fail", "only",
        ],
        "delete" => &["from", "only"],
        _ => return None,
    };
    let mut at = 1;
    // A word of syntax is one only if a name follows.
    while lexemes.get(at)?.is_any(sql, words)
        && lexemes
            .get(at + 1)
            .is_some_and(|next| matches!(next.kind, Part::Word | Part::Quoted))
        && !lexemes
            .get(at + 1)
            .is_some_and(|next| next.is_any(sql, &["set", "where", "as", "values", "default"]))
    {
        at += 1;
    }
    let (found, next) = name(sql, lexemes, at, dialect)?;
    let clean = (next..lexemes.len()).all(|at| {
        let upsert = lexemes[at].is(sql, "update") && at > 0 && lexemes[at - 1].is(sql, "do");
        upsert || !modifies(sql, lexemes, at)
    });
    clean.then_some(found)
}
