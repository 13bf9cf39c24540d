//! Where row images are added: byte positions in the original text; and the longer text that comes of it.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

use crate::lex::{Kind, Lexeme, lex};
use crate::schema::Dialect;

/// Byte positions in the *original* text of a single INSERT, UPDATE or DELETE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Positions {
    /// End of the last token (before trailing semicolons and comments): what is added goes here.
    pub end: usize,
    /// Where a RETURNING begins that is outside all parentheses: what is added at the end continues its list.
    pub returning: Option<usize>,
    /// Where the keyword WHERE begins.
    pub where_at: Option<usize>,
    /// The WHERE condition, without the keyword.
    pub where_range: Option<Range<usize>>,
    /// Indices of the parameters inside the WHERE condition. Empty without WHERE.
    pub where_params: Range<usize>,
}

/// Finds the positions; `None` when the text is not one plain INSERT, UPDATE or DELETE, or its parameters are numbered on
/// `SQLite` (`?2`), where a part of the text cannot be run with a part of the parameters.
#[must_use]
pub fn positions(sql: &str, dialect: Dialect) -> Option<Positions> {
    let mut lexemes = lex(sql, dialect).ok()?;
    while lexemes
        .last()
        .is_some_and(|last| last.kind == Kind::Semicolon)
    {
        lexemes.pop();
    }
    let first = lexemes.first()?;
    let insert = first.is_any(sql, &["insert", "replace"]);
    if !insert && !first.is_any(sql, &["update", "delete"]) {
        return None;
    }
    let end = lexemes.last()?.end;
    let mut depth = 0_usize;
    let (mut condition, mut returning, mut stop) = (None, None, None);
    for (at, lexeme) in lexemes.iter().enumerate() {
        match lexeme.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.checked_sub(1)?,
            Kind::Semicolon => return None,
            Kind::Param(_) if dialect == Dialect::Sqlite && lexeme.end - lexeme.start > 1 => {
                return None;
            }
            Kind::Word if depth == 0 && lexeme.is(sql, "returning") => {
                returning.get_or_insert(lexeme.start);
                stop.get_or_insert(at);
            }
            Kind::Word
                if depth == 0
                    && lexeme.is(sql, "where")
                    && !insert
                    && condition.is_none()
                    && returning.is_none() =>
            {
                condition = Some(at + 1);
            }
            Kind::Word
                if depth == 0
                    && !insert
                    && lexeme.is_any(sql, &["limit", "order"])
                    && returning.is_none() =>
            {
                return None;
            }
            _ => {}
        }
    }
    if depth != 0 {
        return None;
    }
    let where_at = condition.map(|start| lexemes[start - 1].start);
    let condition =
        condition.map(|start| &lexemes[start..stop.unwrap_or(lexemes.len()).max(start)]);
    let (where_range, where_params) = match condition {
        Some(tokens) => (
            Some(tokens.first()?.start..tokens.last()?.end),
            parameters(tokens),
        ),
        None => (None, 0..0),
    };
    Some(Positions {
        end,
        returning,
        where_at,
        where_range,
        where_params,
    })
}

fn parameters(tokens: &[Lexeme]) -> Range<usize> {
    let indices = tokens.iter().filter_map(|lexeme| match lexeme.kind {
        Kind::Param(index) => Some(index as usize),
        _ => None,
    });
    let bounds = indices.fold(None, |bounds: Option<(usize, usize)>, index| {
        let (low, high) = bounds.unwrap_or((index, index));
        Some((low.min(index), high.max(index)))
    });
    bounds.map_or(0..0, |(low, high)| low..high + 1)
}

/// A piece of the caller's text in a longer one, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// Where it stands in the longer text.
    pub at: usize,
    /// Where it stands in the caller's.
    pub from: usize,
    /// How long it is.
    pub length: usize,
}

/// A longer text in the making, that remembers where it has the caller's.
pub(crate) struct Rewritten<'a> {
    original: &'a str,
    sql: String,
    pieces: Vec<Piece>,
    broken: bool,
}

impl<'a> Rewritten<'a> {
    pub(crate) fn of(original: &'a str) -> Self {
        Self {
            original,
            sql: String::new(),
            pieces: Vec::new(),
            broken: false,
        }
    }

    /// Adds text of ours.
    pub(crate) fn add(&mut self, text: &str) {
        self.sql.push_str(text);
    }

    /// Goes on with a piece of the caller's text.
    pub(crate) fn keep(&mut self, range: Range<usize>) {
        let (Some(before), Some(text)) = (
            self.original.get(..range.start),
            self.original.get(range.clone()),
        ) else {
            self.broken = true;
            return;
        };
        self.pieces.push(Piece {
            at: self.sql.chars().count(),
            from: before.chars().count(),
            length: text.chars().count(),
        });
        self.sql.push_str(text);
    }

    /// The text, and where it has the caller's unless that stands where it stood; `None` for a piece that is not there.
    pub(crate) fn finish(self) -> Option<(Option<String>, Vec<Piece>)> {
        let moved = self.pieces.first().is_some_and(|first| first.at > 0);
        let pieces = if moved { self.pieces } else { Vec::new() };
        (!self.broken).then_some((Some(self.sql), pieces))
    }
}

impl fmt::Write for Rewritten<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.add(text);
        Ok(())
    }
}
