//! The one text of equivalent queries, from which the key is made.
//!
//! It is made of lexemes, not of the syntax tree: what a parser drops from its tree would otherwise be dropped from the key.
//! Merged are: whitespace, comments and keyword case (done when collapsing), needless quotes (`PostgreSQL`), the order of
//! AND-ed and OR-ed conditions in the outermost WHERE, and the numbering of parameters.
//!
//! `SQLite` names unaliased result columns after the text, so there a query with such columns keeps its text.

use sqlparser::ast::{Expr, Query, Select, SelectItem, Visit, Visitor};

use crate::keywords;
use crate::lex::{Kind, Lexeme};
use crate::normalize::{Collapsed, push_number, spaced};
use crate::plan::Canonical;
use crate::schema::Dialect;

/// The canonical text of something that is not a read: nothing is merged.
#[must_use]
pub fn verbatim(collapsed: &Collapsed) -> Canonical {
    Canonical {
        text: collapsed.text.clone(),
        order: (0..collapsed.holes.len()).collect(),
    }
}

/// The canonical text of a query.
#[must_use]
pub fn canonical(
    collapsed: &Collapsed,
    lexemes: &[Lexeme],
    dialect: Dialect,
    query: &Query,
) -> Canonical {
    if dialect == Dialect::Sqlite && names_by_text(query) {
        let mut canonical = verbatim(collapsed);
        // A list reads like a single parameter in the collapsed text.
        for (hole, _) in collapsed
            .holes
            .iter()
            .enumerate()
            .filter(|(_, hole)| hole.list)
        {
            canonical.text.push('\0');
            push_number(&mut canonical.text, hole);
        }
        return canonical;
    }
    let mut lexemes = lexemes;
    while let [rest @ .., last] = lexemes
        && last.kind == Kind::Semicolon
    {
        lexemes = rest;
    }
    let writer = Writer { collapsed, dialect };
    let mut sorted = Vec::with_capacity(lexemes.len());
    match writer.condition(lexemes) {
        Some((start, end)) => {
            sorted.extend_from_slice(&lexemes[..start]);
            writer.sort(&lexemes[start..end], &mut sorted);
            sorted.extend_from_slice(&lexemes[end..]);
        }
        None => sorted.extend_from_slice(lexemes),
    }
    let mut order = Vec::new();
    let mut rank = vec![usize::MAX; collapsed.holes.len()];
    let text = writer.text(&sorted, &mut |hole| {
        if rank.get(hole) == Some(&usize::MAX) {
            rank[hole] = order.len();
            order.push(hole);
        }
        rank.get(hole).copied().unwrap_or(usize::MAX)
    });
    Canonical { text, order }
}

/// Whether some result column is named after its text.
fn names_by_text(query: &Query) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_select(&mut self, select: &Select) -> std::ops::ControlFlow<()> {
            let by_text = select.projection.iter().any(|item| {
                matches!(item, SelectItem::UnnamedExpr(expr)
                    if !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)))
            });
            if by_text {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue(())
            }
        }
    }
    query.visit(&mut Finder).is_break()
}

struct Writer<'a> {
    collapsed: &'a Collapsed,
    dialect: Dialect,
}

impl Writer<'_> {
    fn sql(&self) -> &str {
        &self.collapsed.text
    }

    fn text(&self, lexemes: &[Lexeme], rank: &mut dyn FnMut(usize) -> usize) -> String {
        let mut out = String::with_capacity(self.sql().len());
        let mut previous: Option<Kind> = None;
        for lexeme in lexemes {
            if previous.is_some_and(|previous| spaced(previous, lexeme.kind)) {
                out.push(' ');
            }
            match lexeme.kind {
                Kind::Param(hole) => {
                    let hole = hole as usize;
                    out.push('$');
                    push_number(&mut out, rank(hole).wrapping_add(1));
                    if self.collapsed.holes.get(hole).is_some_and(|hole| hole.list) {
                        out.push('*');
                    }
                }
                Kind::Word
                    if self.dialect == Dialect::Sqlite
                        && lexeme.is_any(self.sql(), keywords::RESERVED) =>
                {
                    out.push_str(&lexeme.text(self.sql()).to_ascii_lowercase());
                }
                Kind::Quoted if self.dialect == Dialect::Postgres => {
                    out.push_str(unquoted(lexeme.text(self.sql())));
                }
                _ => out.push_str(lexeme.text(self.sql())),
            }
            previous = Some(lexeme.kind);
        }
        out
    }

    /// The outermost WHERE of a plain SELECT: first lexeme after the word, and the lexeme that ends the condition.
    fn condition(&self, lexemes: &[Lexeme]) -> Option<(usize, usize)> {
        const ENDS: &[&str] = &[
            "group",
            "having",
            "window",
            "order",
            "limit",
            "offset",
            "fetch",
            "for",
            "union",
            "intersect",
            "except",
        ];
        if !lexemes.first()?.is(self.sql(), "select") {
            return None;
        }
        let (mut depth, mut start, mut end) = (0_usize, None, None);
        for (at, lexeme) in lexemes.iter().enumerate() {
            match lexeme.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.checked_sub(1)?,
                Kind::Word if depth == 0 => {
                    if lexeme.is(self.sql(), "where") && start.replace(at + 1).is_some() {
                        return None;
                    }
                    if lexeme.is_any(self.sql(), &["union", "intersect", "except", "window"]) {
                        return None;
                    }
                    if start.is_some() && end.is_none() && lexeme.is_any(self.sql(), ENDS) {
                        end = Some(at);
                    }
                }
                _ => {}
            }
        }
        let (start, end) = (start?, end.unwrap_or(lexemes.len()));
        (depth == 0 && start < end).then_some((start, end))
    }

    /// Appends a condition with its operands sorted, innermost first.
    fn sort(&self, lexemes: &[Lexeme], out: &mut Vec<Lexeme>) {
        for word in ["or", "and"] {
            let Some(parts) = self.split(lexemes, word) else {
                break;
            };
            if parts.len() < 2 {
                continue;
            }
            let joint = parts[0].len();
            let calm = parts.iter().all(|part| self.cannot_fail(part));
            let mut sorted: Vec<(String, Vec<Lexeme>)> = parts
                .iter()
                .map(|part| {
                    let mut inner = Vec::with_capacity(part.len());
                    self.sort(part, &mut inner);
                    (self.text(&inner, &mut |_| 0), inner)
                })
                .collect();
            // One operand may keep another from failing: `json_valid(x) and json_extract(x, '$.a') = 1`.
            if calm {
                sorted.sort_by(|left, right| left.0.cmp(&right.0));
            }
            for (at, (_, part)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    out.push(lexemes[joint]);
                }
                out.extend(part);
            }
            return;
        }
        match lexemes {
            [open, inner @ .., close]
                if open.kind == Kind::Open && close.kind == Kind::Close && enclosed(inner) =>
            {
                out.push(*open);
                self.sort(inner, out);
                out.push(*close);
            }
            [not, rest @ ..] if not.is(self.sql(), "not") && !rest.is_empty() => {
                out.push(*not);
                self.sort(rest, out);
            }
            _ => out.extend_from_slice(lexemes),
        }
    }

    /// Whether a condition only compares columns and values.
    fn cannot_fail(&self, lexemes: &[Lexeme]) -> bool {
        const WORDS: &[&str] = &[
            "and", "or", "not", "in", "is", "null", "true", "false", "distinct", "from",
        ];
        let sql = self.sql();
        lexemes
            .iter()
            .enumerate()
            .all(|(at, lexeme)| match lexeme.kind {
                Kind::Operator => {
                    ["=", "==", "<>", "!=", "<", ">", "<=", ">="].contains(&lexeme.text(sql))
                }
                Kind::Word | Kind::Quoted => {
                    let called = lexemes
                        .get(at + 1)
                        .is_some_and(|next| next.kind == Kind::Open);
                    lexeme.is_any(sql, WORDS)
                        || !called
                            && (lexeme.kind == Kind::Quoted
                                || !keywords::is_keyword(&lexeme.text(sql).to_ascii_lowercase()))
                }
                Kind::Semicolon | Kind::Odd => false,
                _ => true,
            })
    }

    /// Operands of a word outside parentheses; `None` where the word may mean something else.
    fn split<'b>(&self, lexemes: &'b [Lexeme], word: &str) -> Option<Vec<&'b [Lexeme]>> {
        let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
        for (at, lexeme) in lexemes.iter().enumerate() {
            match lexeme.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.checked_sub(1)?,
                Kind::Comma if depth == 0 => return None,
                Kind::Operator if matches!(lexeme.text(self.sql()), "[" | "]") => return None,
                Kind::Word if depth == 0 => {
                    if lexeme.is_any(
                        self.sql(),
                        &["between", "case", "select", "values", "with", "table"],
                    ) {
                        return None;
                    }
                    if lexeme.is(self.sql(), word) {
                        parts.push(&lexemes[start..at]);
                        start = at + 1;
                    }
                }
                _ => {}
            }
        }
        parts.push(&lexemes[start..]);
        parts.iter().all(|part| !part.is_empty()).then_some(parts)
    }
}

/// Whether the parentheses around these belong to each other.
fn enclosed(lexemes: &[Lexeme]) -> bool {
    let mut depth = 0_usize;
    for lexeme in lexemes {
        match lexeme.kind {
            Kind::Open => depth += 1,
            Kind::Close if depth == 0 => return false,
            Kind::Close => depth -= 1,
            _ => {}
        }
    }
    depth == 0
}

/// A quoted name without its quotes, where it means the same.
fn unquoted(quoted: &str) -> &str {
    let inner = quoted
        .get(1..quoted.len().saturating_sub(1))
        .unwrap_or_default();
    let bytes = inner.as_bytes();
    let plain = matches!(bytes.first(), Some(b'a'..=b'z' | b'_'))
        && bytes
            .iter()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        && inner.len() <= 63;
    let keyword = || keywords::is_keyword(inner);
    if plain && !keyword() { inner } else { quoted }
}
