//! Collapsed text → syntax tree, refused beforehand where a tree would be too deep to walk or drop.

use sqlparser::ast::Statement;
use sqlparser::dialect::{Dialect as Grammar, PostgreSqlDialect, SQLiteDialect};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::lex::{Kind, Lexeme};
use crate::schema::Dialect;

/// Deepest nesting of parentheses and CASE. Each level costs the parser several frames, and some levels a second try.
const MAX_DEPTH: usize = 60;
/// Operators in one text: a left-deep chain of this many is walked and dropped in bounded stack.
const MAX_OPERATORS: usize = 2000;
/// The parser's own bound; above what `MAX_DEPTH` can need.
const RECURSION: usize = 400;

/// Words that make a tree deeper by one when they are chained.
#[rustfmt::skip]
const CHAINING: &[&str] = &[
    "and", "or", "not", "union", "intersect", "except", "is", "isnull", "notnull", "like", "ilike", "between",
    "collate", "in", "similar", "at", "glob", "regexp", "match", "escape", "overlaps", "all", "any", "join",
];

/// Parses the part of a text that these lexemes are into its statements.
///
/// # Errors
/// In words: too deep, or not understood.
pub fn statements(
    text: &str,
    dialect: Dialect,
    lexemes: &[Lexeme],
) -> Result<Vec<Statement>, String> {
    bounded(text, lexemes)?;
    // `x in name` reads a table; the grammar takes the name for a column.
    let bare_in = |pair: &[Lexeme]| pair[0].is(text, "in") && pair[1].kind != Kind::Open;
    if dialect == Dialect::Sqlite && lexemes.windows(2).any(bare_in) {
        return Err("IN without parentheses".to_owned());
    }
    let (Some(first), Some(last)) = (lexemes.first(), lexemes.last()) else {
        return Ok(Vec::new());
    };
    let part = text.get(first.start..last.end).unwrap_or_default();
    let grammar: &dyn Grammar = match dialect {
        Dialect::Postgres => &PostgreSqlDialect {},
        Dialect::Sqlite => &SQLiteDialect {},
    };
    let mut tokens = Tokenizer::new(grammar, part)
        .tokenize_with_location()
        .map_err(|error| error.to_string())?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    agree(&tokens, lexemes)?;
    let tokens = if reworded(&tokens, dialect) {
        reword(&tokens, dialect)
    } else {
        tokens
    };
    let mut parser = Parser::new(grammar)
        .with_recursion_limit(RECURSION)
        .with_tokens_with_locations(tokens);
    parser.parse_statements().map_err(|error| error.to_string())
}

fn bounded(text: &str, lexemes: &[Lexeme]) -> Result<(), String> {
    let (mut depth, mut deepest, mut operators) = (0_usize, 0_usize, 0_usize);
    for lexeme in lexemes {
        match lexeme.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Operator => match lexeme.text(text) {
                "[" => depth += 1,
                "]" => depth = depth.saturating_sub(1),
                _ => operators += 1,
            },
            Kind::Word => {
                let word = lexeme.text(text);
                if word.eq_ignore_ascii_case("case") {
                    depth += 1;
                } else if word.eq_ignore_ascii_case("end") {
                    depth = depth.saturating_sub(1);
                } else if word.len() <= 9 && lexeme.is_any(text, CHAINING) {
                    operators += 1;
                }
            }
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    if deepest > MAX_DEPTH {
        return Err("nested too deeply".to_owned());
    }
    if operators > MAX_OPERATORS {
        return Err("too many operators".to_owned());
    }
    Ok(())
}

/// Both tokenisers must see the same words, or the tree may be of another statement than the database executes.
fn agree(tokens: &[TokenWithSpan], lexemes: &[Lexeme]) -> Result<(), String> {
    let class = |token: &Token| match token {
        Token::Word(_) => Some(Kind::Word),
        Token::Comma => Some(Kind::Comma),
        Token::LParen => Some(Kind::Open),
        Token::RParen => Some(Kind::Close),
        Token::SemiColon => Some(Kind::Semicolon),
        Token::Placeholder(_) => Some(Kind::Param(0)),
        _ => None,
    };
    let mut theirs = tokens.iter().filter_map(|token| class(&token.token));
    let mut ours = lexemes.iter().filter_map(|lexeme| match lexeme.kind {
        Kind::Word | Kind::Quoted => Some(Kind::Word),
        Kind::Param(_) => Some(Kind::Param(0)),
        Kind::Comma | Kind::Open | Kind::Close | Kind::Semicolon => Some(lexeme.kind),
        _ => None,
    });
    loop {
        match (theirs.next(), ours.next()) {
            (None, None) => return Ok(()),
            (one, two) if one == two => {}
            _ => return Err("tokens of doubtful meaning".to_owned()),
        }
    }
}

fn keyword(token: Option<&TokenWithSpan>) -> Keyword {
    match token.map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    }
}

fn bare(token: Option<&TokenWithSpan>) -> &str {
    match token.map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => &word.value,
        _ => "",
    }
}

/// Whether the IS at this place compares two values, rather than asking one of them for NULL, TRUE or FALSE.
fn compares(tokens: &[TokenWithSpan], at: usize) -> bool {
    let negated = keyword(tokens.get(at + 1)) == Keyword::NOT;
    !matches!(
        keyword(tokens.get(at + 1 + usize::from(negated))),
        Keyword::NULL | Keyword::TRUE | Keyword::FALSE | Keyword::DISTINCT | Keyword::NOT
    )
}

/// Whether a word occurs without which [`reword`] changes nothing.
fn reworded(tokens: &[TokenWithSpan], dialect: Dialect) -> bool {
    tokens.iter().enumerate().any(|(at, token)| {
        let word = bare(Some(token));
        match keyword(Some(token)) {
            Keyword::IS => dialect == Dialect::Sqlite && compares(tokens, at),
            Keyword::FOR
            | Keyword::SYMMETRIC
            | Keyword::ASYMMETRIC
            | Keyword::ONLY
            | Keyword::CONFLICT => true,
            Keyword::MATERIALIZED => dialect == Dialect::Sqlite,
            _ => {
                word.eq_ignore_ascii_case("overriding")
                    || (dialect == Dialect::Sqlite && word.eq_ignore_ascii_case("indexed"))
            }
        }
    })
}

/// Rewrites what the grammar lacks into what it has. Only the tree is affected, never a text that is executed, and
/// every rewriting keeps or widens what the statement reads and writes.
fn reword(tokens: &[TokenWithSpan], dialect: Dialect) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 8);
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        let next = keyword(tokens.get(at + 1));
        match keyword(Some(token)) {
            Keyword::IS if dialect == Dialect::Sqlite => {
                let negated = next == Keyword::NOT;
                // SQLite's IS is IS NOT DISTINCT FROM, and its IS NOT is IS DISTINCT FROM.
                if compares(tokens, at) {
                    out.push(token.clone());
                    let words: &[(&str, Keyword)] = if negated {
                        &[("DISTINCT", Keyword::DISTINCT), ("FROM", Keyword::FROM)]
                    } else {
                        &[
                            ("NOT", Keyword::NOT),
                            ("DISTINCT", Keyword::DISTINCT),
                            ("FROM", Keyword::FROM),
                        ]
                    };
                    out.extend(words.iter().map(|word| synonym(token, word.0, word.1)));
                    at += 1 + usize::from(negated);
                    continue;
                }
            }
            Keyword::FOR
                if next == Keyword::NO && bare(tokens.get(at + 2)).eq_ignore_ascii_case("key") =>
            {
                out.push(token.clone());
                at += 3;
                continue;
            }
            Keyword::FOR if next == Keyword::KEY => {
                out.push(token.clone());
                at += 2;
                continue;
            }
            // BETWEEN is not tracked, so how it compares does not matter.
            Keyword::BETWEEN if matches!(next, Keyword::SYMMETRIC | Keyword::ASYMMETRIC) => {
                out.push(token.clone());
                at += 2;
                continue;
            }
            // An inheritance tree is one table, so ONLY narrows nothing.
            Keyword::FROM | Keyword::JOIN | Keyword::UPDATE | Keyword::USING
                if next == Keyword::ONLY =>
            {
                let named = matches!(
                    tokens.get(at + 2).map(|token| &token.token),
                    Some(Token::Word(_))
                );
                out.push(token.clone());
                at += if named && !follows_name(tokens, at + 2) {
                    2
                } else {
                    1
                };
                continue;
            }
            // How a CTE is computed does not matter.
            Keyword::AS if dialect == Dialect::Sqlite => {
                let negated = usize::from(next == Keyword::NOT);
                let parenthesis = tokens.get(at + 2 + negated).map(|token| &token.token);
                if keyword(tokens.get(at + 1 + negated)) == Keyword::MATERIALIZED
                    && matches!(parenthesis, Some(Token::LParen))
                {
                    out.push(token.clone());
                    at += 2 + negated;
                    continue;
                }
            }
            Keyword::CONFLICT if keyword(out.last()) == Keyword::ON => {
                out.push(token.clone());
                at = conflict(tokens, at + 1, &mut out);
                continue;
            }
            _ => {
                // OVERRIDING SYSTEM VALUE
                if bare(Some(token)).eq_ignore_ascii_case("overriding")
                    && bare(tokens.get(at + 2)).eq_ignore_ascii_case("value")
                {
                    at += 3;
                    continue;
                }
                if dialect == Dialect::Sqlite {
                    if bare(Some(token)).eq_ignore_ascii_case("indexed") && next == Keyword::BY {
                        at += 3;
                        continue;
                    }
                    if keyword(Some(token)) == Keyword::NOT
                        && bare(tokens.get(at + 1)).eq_ignore_ascii_case("indexed")
                    {
                        at += 2;
                        continue;
                    }
                }
            }
        }
        out.push(tokens[at].clone());
        at += 1;
    }
    out
}

/// Whether ONLY cannot have been the keyword: what follows cannot start a name (`from only where …`).
fn follows_name(tokens: &[TokenWithSpan], at: usize) -> bool {
    matches!(
        keyword(tokens.get(at)),
        Keyword::WHERE
            | Keyword::AS
            | Keyword::JOIN
            | Keyword::ON
            | Keyword::SET
            | Keyword::INNER
            | Keyword::LEFT
    )
}

fn synonym(token: &TokenWithSpan, text: &str, keyword: Keyword) -> TokenWithSpan {
    let mut token = token.clone();
    if let Token::Word(word) = &mut token.token {
        text.clone_into(&mut word.value);
        word.keyword = keyword;
    }
    token
}

/// `on conflict (…) where … do`: the predicate of a partial index names no row of interest.
fn conflict(tokens: &[TokenWithSpan], start: usize, out: &mut Vec<TokenWithSpan>) -> usize {
    let Some(close) = closing(tokens, start) else {
        return start;
    };
    if keyword(tokens.get(close + 1)) != Keyword::WHERE {
        return start;
    }
    let mut depth = 0_usize;
    for at in close + 2..tokens.len() {
        match &tokens[at].token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ if depth == 0 && keyword(tokens.get(at)) == Keyword::DO => {
                out.extend(tokens[start..=close].iter().cloned());
                return at;
            }
            _ => {}
        }
    }
    start
}

fn closing(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    if !matches!(tokens.get(open)?.token, Token::LParen) {
        return None;
    }
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}
