//! Where row images are added: byte positions in the original text.

use std::ops::Range;

use crate::lex::{Kind, Lexeme, lex};
use crate::schema::Dialect;

/// Byte positions in the *original* text of a single INSERT, UPDATE or DELETE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Positions {
    /// End of the last token (before trailing semicolons and comments): what is added goes here.
    pub end: usize,
    /// There is a RETURNING outside all parentheses: what is added continues its list.
    pub returning: bool,
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
    let (mut condition, mut returning, mut stop) = (None, false, None);
    for (at, lexeme) in lexemes.iter().enumerate() {
        match lexeme.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.checked_sub(1)?,
            Kind::Semicolon => return None,
            Kind::Param(_) if dialect == Dialect::Sqlite && lexeme.end - lexeme.start > 1 => {
                return None;
            }
            Kind::Word if depth == 0 && lexeme.is(sql, "returning") => {
                returning = true;
                stop.get_or_insert(at);
            }
            Kind::Word
                if depth == 0
                    && lexeme.is(sql, "where")
                    && !insert
                    && condition.is_none()
                    && !returning =>
            {
                condition = Some(at + 1);
            }
            Kind::Word
                if depth == 0
                    && !insert
                    && lexeme.is_any(sql, &["limit", "order"])
                    && !returning =>
            {
                return None;
            }
            _ => {}
        }
    }
    if depth != 0 {
        return None;
    }
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
