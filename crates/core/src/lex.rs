//! SQL text → lexemes with byte positions, in one linear pass.
//!
//! A tokeniser of our own, because three callers need what a parser's tokeniser does not give: byte positions in the
//! original text, the exact spelling between them, and an answer for texts of 10⁵ parameters in milliseconds.

use crate::schema::Dialect;

/// What a lexeme is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An unquoted word: keyword or identifier.
    Word,
    /// A quoted identifier.
    Quoted,
    /// A string literal of any spelling.
    Text,
    /// A number.
    Number,
    /// A parameter, by its index from 0.
    Param(u32),
    /// An opening parenthesis.
    Open,
    /// A closing parenthesis.
    Close,
    /// A comma.
    Comma,
    /// A dot.
    Dot,
    /// A semicolon.
    Semicolon,
    /// Any other operator or bracket.
    Operator,
    /// What no text that is planned may hold: parameters with names, names with Unicode escapes.
    Odd,
}

/// A lexeme: its kind and its bytes in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lexeme {
    /// Kind.
    pub kind: Kind,
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

impl Lexeme {
    /// The lexeme as written.
    #[must_use]
    pub fn text<'a>(&self, sql: &'a str) -> &'a str {
        sql.get(self.start..self.end).unwrap_or_default()
    }

    /// Whether this is the unquoted word, in any case.
    #[must_use]
    pub fn is(&self, sql: &str, word: &str) -> bool {
        self.kind == Kind::Word && self.text(sql).eq_ignore_ascii_case(word)
    }

    /// Whether this is one of the unquoted words, in any case.
    #[must_use]
    pub fn is_any(&self, sql: &str, words: &[&str]) -> bool {
        self.kind == Kind::Word
            && words
                .iter()
                .any(|word| self.text(sql).eq_ignore_ascii_case(word))
    }

    /// Whether this is the operator.
    #[must_use]
    pub fn is_operator(&self, sql: &str, operator: &str) -> bool {
        self.kind == Kind::Operator && self.text(sql) == operator
    }

    /// The identifier this names, folded as the dialect folds; `None` for anything but a word or a quoted identifier.
    #[must_use]
    pub fn identifier(&self, sql: &str, dialect: Dialect) -> Option<String> {
        let text = self.text(sql);
        match self.kind {
            Kind::Word if dialect == Dialect::Postgres => Some(text.to_ascii_lowercase()),
            Kind::Word => Some(text.to_owned()),
            Kind::Quoted => {
                let inner = text
                    .get(1..text.len().saturating_sub(1))
                    .unwrap_or_default();
                Some(match text.as_bytes().first() {
                    Some(b'"') => inner.replace("\"\"", "\""),
                    Some(b'`') => inner.replace("``", "`"),
                    _ => inner.to_owned(),
                })
            }
            _ => None,
        }
    }
}

struct Lexer<'a> {
    sql: &'a str,
    bytes: &'a [u8],
    dialect: Dialect,
    at: usize,
    parameters: u32,
}

/// The lexemes of a text, comments and whitespace dropped.
///
/// # Errors
/// In words, when a string, comment or quoted name does not end, or something else cannot be a token.
pub fn lex(sql: &str, dialect: Dialect) -> Result<Vec<Lexeme>, String> {
    // SQLite reads no further, whatever it stands in.
    if sql.as_bytes().contains(&0) {
        return Err("a NUL character".to_owned());
    }
    let mut lexer = Lexer {
        sql,
        bytes: sql.as_bytes(),
        dialect,
        at: 0,
        parameters: 0,
    };
    let mut lexemes = Vec::with_capacity(sql.len().min(1 << 20) / 4);
    while lexer.trivia()? {
        lexemes.push(lexer.next()?);
    }
    Ok(lexemes)
}

const fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

const fn continues_word(byte: u8) -> bool {
    starts_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Skips whitespace and comments; false at the end.
    fn trivia(&mut self) -> Result<bool, String> {
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0c, _) => self.at += 1,
                (0x0b, _) if self.dialect == Dialect::Postgres => self.at += 1,
                (b'-', b'-') => {
                    // NOTE: a carriage return ends a comment on PostgreSQL but not on SQLite.
                    let postgres = self.dialect == Dialect::Postgres;
                    while self.at < self.bytes.len()
                        && self.peek(0) != b'\n'
                        && !(postgres && self.peek(0) == b'\r')
                    {
                        self.at += 1;
                    }
                }
                (b'/', b'*') => self.comment()?,
                _ => return Ok(true),
            }
        }
        Ok(false)
    }

    fn comment(&mut self) -> Result<(), String> {
        let mut depth = 1;
        self.at += 2;
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (b'/', b'*') if self.dialect == Dialect::Postgres => {
                    depth += 1;
                    self.at += 2;
                }
                _ => self.at += 1,
            }
        }
        // SQLite takes an unfinished comment as ending with the text; nothing follows it, so nothing is lost by refusing.
        Err("a comment that does not end".to_owned())
    }

    fn next(&mut self) -> Result<Lexeme, String> {
        let start = self.at;
        let kind = self.kind()?;
        // Every arm consumes at least one whole character.
        while !self.sql.is_char_boundary(self.at) {
            self.at += 1;
        }
        Ok(Lexeme {
            kind,
            start,
            end: self.at,
        })
    }

    fn kind(&mut self) -> Result<Kind, String> {
        let postgres = self.dialect == Dialect::Postgres;
        let byte = self.peek(0);
        match byte {
            b'\'' => self.quoted(0, b'\'', false).map(|()| Kind::Text),
            b'"' => self.quoted(0, b'"', false).map(|()| Kind::Quoted),
            b'`' if !postgres => self.quoted(0, b'`', false).map(|()| Kind::Quoted),
            b'[' if !postgres => {
                let end = self
                    .bytes
                    .get(self.at..)
                    .and_then(|rest| rest.iter().position(|&b| b == b']'));
                self.at += end.ok_or("a quoted name that does not end")? + 1;
                Ok(Kind::Quoted)
            }
            _ if starts_word(byte) => self.word(),
            b'0'..=b'9' => Ok(self.number()),
            b'.' if self.peek(1).is_ascii_digit() => Ok(self.number()),
            b'$' if postgres => self.dollar(),
            b'?' if !postgres => {
                self.at += 1;
                self.positional()
            }
            b'$' | b'@' | b'#' | b':' if !postgres => {
                self.at += 1;
                while self.at < self.bytes.len()
                    && (continues_word(self.peek(0)) || self.peek(0) == b':')
                {
                    self.at += 1;
                }
                Ok(Kind::Odd)
            }
            _ => Ok(self.punctuation(byte)),
        }
    }

    fn word(&mut self) -> Result<Kind, String> {
        let start = self.at;
        let (first, second) = (self.peek(0) | 0x20, self.peek(1));
        if second == b'\'' {
            match first {
                b'e' if self.dialect == Dialect::Postgres => {
                    return self.quoted(1, b'\'', true).map(|()| Kind::Text);
                }
                b'x' => return self.quoted(1, b'\'', false).map(|()| Kind::Text),
                b'b' | b'n' if self.dialect == Dialect::Postgres => {
                    return self.quoted(1, b'\'', false).map(|()| Kind::Text);
                }
                _ => {}
            }
        }
        if first == b'u' && second == b'&' && self.dialect == Dialect::Postgres {
            match self.peek(2) {
                b'\'' => return self.quoted(2, b'\'', false).map(|()| Kind::Text),
                b'"' => return self.quoted(2, b'"', false).map(|()| Kind::Odd),
                _ => {}
            }
        }
        while self.at < self.bytes.len() && continues_word(self.peek(0)) {
            self.at += 1;
        }
        // Parsers take some of these for whitespace; the databases take them all for letters.
        let word = self.sql.get(start..self.at).unwrap_or_default();
        if !word.is_ascii() && word.chars().any(|c| !c.is_ascii() && !c.is_alphanumeric()) {
            return Err("an unquoted name of unusual characters".to_owned());
        }
        Ok(Kind::Word)
    }

    /// A quoted run after `prefix` bytes; a doubled quote stands for itself.
    fn quoted(&mut self, prefix: usize, quote: u8, backslash: bool) -> Result<(), String> {
        self.at += prefix + 1;
        while self.at < self.bytes.len() {
            let byte = self.peek(0);
            let doubled = byte == quote && self.peek(1) == quote;
            if doubled || (backslash && byte == b'\\') {
                self.at += 2;
            } else if byte == quote {
                self.at += 1;
                return Ok(());
            } else {
                self.at += 1;
            }
        }
        Err("a string or quoted name that does not end".to_owned())
    }

    fn number(&mut self) -> Kind {
        while self.at < self.bytes.len() {
            let byte = self.peek(0);
            let sign = matches!(byte, b'+' | b'-') && self.exponent();
            // Two dots are a range, not a number.
            let dot = byte == b'.' && self.peek(1) != b'.';
            if !(byte.is_ascii_alphanumeric() || byte == b'_' || dot || sign) {
                break;
            }
            self.at += 1;
        }
        Kind::Number
    }

    /// Whether a sign here belongs to the exponent just read (`1e-5`, but not `0xe-5`).
    fn exponent(&self) -> bool {
        let read = self
            .at
            .checked_sub(1)
            .and_then(|last| self.bytes.get(last))
            .copied()
            .unwrap_or(0);
        let mut start = self.at.saturating_sub(1);
        while start > 0
            && self
                .bytes
                .get(start - 1)
                .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'.')
        {
            start -= 1;
        }
        let hexadecimal = matches!(self.bytes.get(start..start + 2), Some([b'0', b'x' | b'X']));
        read | 0x20 == b'e' && !hexadecimal && self.peek(1).is_ascii_digit()
    }

    fn dollar(&mut self) -> Result<Kind, String> {
        self.at += 1;
        if self.peek(0).is_ascii_digit() {
            return self.positional();
        }
        let tag = self.at;
        while self.at < self.bytes.len() && (continues_word(self.peek(0)) && self.peek(0) != b'$') {
            self.at += 1;
        }
        if self.peek(0) != b'$' {
            return Err("a dollar sign that starts nothing".to_owned());
        }
        let delimiter = self
            .sql
            .get(tag - 1..=self.at)
            .ok_or("a malformed dollar quote")?;
        let body = self
            .sql
            .get(self.at + 1..)
            .ok_or("a malformed dollar quote")?;
        let end = body
            .find(delimiter)
            .ok_or("a dollar quote that does not end")?;
        self.at += 1 + end + delimiter.len();
        Ok(Kind::Text)
    }

    fn positional(&mut self) -> Result<Kind, String> {
        let mut number: u32 = 0;
        let start = self.at;
        while self.peek(0).is_ascii_digit() {
            number = number
                .saturating_mul(10)
                .saturating_add(u32::from(self.peek(0) - b'0'));
            self.at += 1;
        }
        if starts_word(self.peek(0)) {
            return Err("a parameter run into a word".to_owned());
        }
        let index = if start == self.at {
            self.parameters
        } else {
            number.checked_sub(1).ok_or("parameter 0")?
        };
        if index >= 1 << 24 {
            return Err("a parameter number out of range".to_owned());
        }
        self.parameters = self.parameters.max(index + 1);
        Ok(Kind::Param(index))
    }

    fn punctuation(&mut self, byte: u8) -> Kind {
        self.at += 1;
        match byte {
            b'(' => return Kind::Open,
            b')' => return Kind::Close,
            b',' => return Kind::Comma,
            b'.' => return Kind::Dot,
            b';' => return Kind::Semicolon,
            b':' => {
                if matches!(self.peek(0), b':' | b'=') {
                    self.at += 1;
                }
                return Kind::Operator;
            }
            _ => {}
        }
        if self.dialect == Dialect::Postgres {
            self.postgres_operator(byte);
        } else {
            self.sqlite_operator(byte);
        }
        Kind::Operator
    }

    /// `PostgreSQL`: the longest run, cut before a comment; it ends in + or - only if it has an unusual character.
    fn postgres_operator(&mut self, first: u8) {
        const ALL: &[u8] = b"+-*/<>=~!@#%^&|`?";
        // A longer one is an error. Without a bound a run of signs, each its own operator, would be read once for each.
        const LONGEST: usize = 64;
        if !ALL.contains(&first) {
            return;
        }
        let start = self.at - 1;
        while self.at - start < LONGEST
            && ALL.contains(&self.peek(0))
            && !matches!((self.peek(0), self.peek(1)), (b'-', b'-') | (b'/', b'*'))
        {
            self.at += 1;
        }
        let run = self.bytes.get(start..self.at).unwrap_or_default();
        if !run.iter().any(|b| b"~!@#%^&|`?".contains(b)) {
            while self.at > start + 1 && matches!(self.bytes.get(self.at - 1), Some(b'+' | b'-')) {
                self.at -= 1;
            }
        }
    }

    fn sqlite_operator(&mut self, first: u8) {
        let long: usize = match (first, self.peek(0), self.peek(1)) {
            (b'-', b'>', b'>') => 2,
            (b'|', b'|', _)
            | (b'-', b'>', _)
            | (b'<', b'<' | b'=' | b'>', _)
            | (b'>', b'>' | b'=', _)
            | (b'=' | b'!', b'=', _) => 1,
            _ => 0,
        };
        self.at += long;
    }
}
