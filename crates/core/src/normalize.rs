//! SQL text → collapsed text: what the plan cache is looked up by.
//!
//! Comments and whitespace go (`PostgreSQL`), keyword case goes, parameters are numbered anew, and lists of parameters of any
//! length are one: `in ($1, $2)` and `in ($1)` are the same text, as are `values ($1), ($2)` and `values ($1)`.
//!
//! `SQLite` names an unaliased result column after its text as written, so there the text is kept as written but for what
//! stands before and after it, and lists inside a select list are not collapsed.

use crate::lex::{Kind, Lexeme, lex};
use crate::schema::Dialect;

/// Longest text that is looked at, before collapsing.
const MAX_TEXT: usize = 8 << 20;
/// Longest collapsed text that is planned.
const MAX_COLLAPSED: usize = 128 << 10;

/// A text with its lists collapsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collapsed {
    /// The collapsed text. The n-th hole (from 0) is written `$n+1` (`?n+1` on `SQLite`).
    pub text: String,
    /// What fills the holes, in order of appearance. A parameter that appears twice is one hole.
    pub holes: Vec<Hole>,
    /// How many parameters the original text takes (the highest number).
    pub parameters: usize,
    /// `INSERT … VALUES`: how many tuples the original has.
    pub tuples: Option<usize>,
}

/// A place in a collapsed text that parameters fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// It stands for a list: `in (…)`, or a column of several `VALUES` tuples.
    pub list: bool,
    /// 0-based indices of the original parameters: one, or any number for a list.
    pub parameters: Vec<u32>,
}

/// Collapses a text.
///
/// # Errors
/// In words, when the text cannot be tokenised, has parameters with names, or is too long: it is unparsed
/// (see [`crate::plan::unparsed`]).
pub fn collapse(sql: &str, dialect: Dialect) -> Result<Collapsed, String> {
    if sql.len() > MAX_TEXT {
        return Err("text too long".to_owned());
    }
    let lexemes = lex(sql, dialect)?;
    if lexemes.iter().any(|lexeme| lexeme.kind == Kind::Odd) {
        return Err("a parameter with a name, or a name with Unicode escapes".to_owned());
    }
    // PostgreSQL joins them if there is a line break between them, which is dropped here.
    if lexemes
        .windows(2)
        .any(|pair| pair[0].kind == Kind::Text && pair[1].kind == Kind::Text)
    {
        return Err("adjacent string literals".to_owned());
    }
    let mut collapser = Collapser::new(sql, dialect, &lexemes);
    let mut at = 0;
    while at < lexemes.len() {
        at = collapser.step(at);
        if collapser.out.len() > MAX_COLLAPSED {
            return Err("text too long".to_owned());
        }
    }
    let parameters = collapser.parameters;
    Ok(Collapsed {
        text: collapser.out,
        holes: collapser.holes,
        parameters,
        tuples: collapser.tuples,
    })
}

struct Collapser<'a> {
    sql: &'a str,
    dialect: Dialect,
    lexemes: &'a [Lexeme],
    out: String,
    holes: Vec<Hole>,
    /// Per parameter, its hole, if it has one.
    hole_of: Vec<Option<usize>>,
    /// Parameters that appear more than once: their identity matters, so they are never part of a list.
    repeated: Vec<bool>,
    parameters: usize,
    tuples: Option<usize>,
    insert: bool,
    /// `SQLite`: per depth, whether this is inside a select list.
    select_list: Vec<bool>,
    previous: Option<Lexeme>,
}

impl<'a> Collapser<'a> {
    fn new(sql: &'a str, dialect: Dialect, lexemes: &'a [Lexeme]) -> Self {
        let parameters = lexemes
            .iter()
            .filter_map(param)
            .max()
            .map_or(0, |max| max as usize + 1);
        let mut seen = vec![false; parameters];
        let mut repeated = vec![false; parameters];
        for index in lexemes.iter().filter_map(param) {
            let index = index as usize;
            repeated[index] |= seen[index];
            seen[index] = true;
        }
        let insert = lexemes
            .first()
            .is_some_and(|first| first.is_any(sql, &["insert", "replace"]))
            && !lexemes
                .iter()
                .rev()
                .skip(1)
                .any(|lexeme| lexeme.kind == Kind::Semicolon);
        Self {
            sql,
            dialect,
            lexemes,
            out: String::with_capacity(sql.len().min(4096)),
            holes: Vec::new(),
            hole_of: vec![None; parameters],
            repeated,
            parameters,
            tuples: None,
            insert,
            select_list: vec![false],
            previous: None,
        }
    }

    /// Emits the lexeme at `at`, or the list that starts there; gives the index of the next.
    fn step(&mut self, at: usize) -> usize {
        let lexeme = self.lexemes[at];
        self.track(lexeme);
        self.emit(lexeme);
        if lexeme.is(self.sql, "in")
            && !self.select_list.last().copied().unwrap_or_default()
            && let Some(end) = self.list_end(at + 1)
        {
            let parameters: Vec<u32> = self.lexemes[at + 2..end].iter().filter_map(param).collect();
            self.list(at + 1, end, parameters);
            return end + 1;
        }
        if self.insert
            && self.tuples.is_none()
            && self.select_list.len() == 1
            && lexeme.is(self.sql, "values")
        {
            return self.values(at + 1);
        }
        at + 1
    }

    fn track(&mut self, lexeme: Lexeme) {
        match lexeme.kind {
            Kind::Open => {
                let inherited = self.select_list.last().copied().unwrap_or_default();
                // Bounded: deeper texts are refused before planning.
                if self.select_list.len() < 4096 {
                    self.select_list.push(inherited);
                }
            }
            Kind::Close if self.select_list.len() > 1 => {
                self.select_list.pop();
            }
            Kind::Word if self.dialect == Dialect::Sqlite => {
                if lexeme.is(self.sql, "select") || lexeme.is(self.sql, "returning") {
                    self.set_select_list(true);
                } else if lexeme.is(self.sql, "from") {
                    let depth = self.select_list.len();
                    let outer = depth
                        .checked_sub(2)
                        .and_then(|outer| self.select_list.get(outer))
                        .copied();
                    self.set_select_list(outer.unwrap_or_default());
                }
            }
            _ => {}
        }
    }

    fn set_select_list(&mut self, inside: bool) {
        if let Some(last) = self.select_list.last_mut() {
            *last = inside;
        }
    }

    /// `( param , param … )` from `open`: the index of the closing parenthesis.
    fn list_end(&self, open: usize) -> Option<usize> {
        if self.lexemes.get(open)?.kind != Kind::Open {
            return None;
        }
        let mut at = open + 1;
        loop {
            let index = param(self.lexemes.get(at)?)?;
            if self.repeated[index as usize] {
                return None;
            }
            match self.lexemes.get(at + 1)?.kind {
                Kind::Comma => at += 2,
                Kind::Close => return Some(at + 1),
                _ => return None,
            }
        }
    }

    fn list(&mut self, open: usize, close: usize, parameters: Vec<u32>) {
        self.emit(self.lexemes[open]);
        let hole = self.holes.len();
        self.holes.push(Hole {
            list: true,
            parameters,
        });
        // No gaps: a list of one must give the same text as any other.
        self.placeholder(hole);
        self.out.push(')');
        self.previous = self.lexemes.get(close).copied();
    }

    /// The tuples after VALUES: the first is emitted, those of the same shape behind it are folded into its holes.
    fn values(&mut self, first: usize) -> usize {
        let Some(end) = self.tuple_end(first) else {
            return first;
        };
        let mut next = end + 1;
        let mut starts = vec![first];
        let mut alike = true;
        while self
            .lexemes
            .get(next)
            .is_some_and(|lexeme| lexeme.kind == Kind::Comma)
        {
            let start = next + 1;
            let Some(close) = self.tuple_end(start) else {
                return first;
            };
            alike = alike && close - start == end - first && self.same_shape(first, end, start);
            starts.push(start);
            next = close + 1;
        }
        self.tuples = Some(starts.len());
        if starts.len() == 1 || !alike {
            return first;
        }
        for at in first..=end {
            let lexeme = self.lexemes[at];
            if param(&lexeme).is_some() {
                let parameters = starts
                    .iter()
                    .filter_map(|start| param(&self.lexemes[start + (at - first)]))
                    .collect();
                let hole = self.holes.len();
                self.holes.push(Hole {
                    list: true,
                    parameters,
                });
                self.gap(lexeme);
                self.placeholder(hole);
                self.previous = Some(lexeme);
            } else {
                self.emit(lexeme);
            }
        }
        next
    }

    fn tuple_end(&self, open: usize) -> Option<usize> {
        if self.lexemes.get(open)?.kind != Kind::Open {
            return None;
        }
        let mut depth = 0_usize;
        for at in open.. {
            match self.lexemes.get(at)?.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(at);
            }
        }
        None
    }

    fn same_shape(&self, first: usize, end: usize, start: usize) -> bool {
        (first..=end).all(|at| {
            let (one, two) = (&self.lexemes[at], self.lexemes.get(start + (at - first)));
            two.is_some_and(|two| match (param(one), param(two)) {
                (Some(one), Some(two)) => {
                    !self.repeated[one as usize] && !self.repeated[two as usize]
                }
                (None, None) => one.kind == two.kind && one.text(self.sql) == two.text(self.sql),
                _ => false,
            })
        })
    }

    fn emit(&mut self, lexeme: Lexeme) {
        self.gap(lexeme);
        match lexeme.kind {
            Kind::Param(index) => {
                let hole = *self.hole_of[index as usize].get_or_insert(self.holes.len());
                if hole == self.holes.len() {
                    self.holes.push(Hole {
                        list: false,
                        parameters: vec![index],
                    });
                }
                self.placeholder(hole);
            }
            Kind::Word if self.dialect == Dialect::Postgres => {
                let start = self.out.len();
                self.out.push_str(lexeme.text(self.sql));
                if let Some(word) = self.out.get_mut(start..) {
                    word.make_ascii_lowercase();
                }
            }
            _ => self.out.push_str(lexeme.text(self.sql)),
        }
        self.previous = Some(lexeme);
    }

    /// What stands between the previous lexeme and this one.
    fn gap(&mut self, lexeme: Lexeme) {
        let Some(previous) = self.previous else {
            return;
        };
        if self.dialect == Dialect::Sqlite {
            // After a collapsed list the previous lexeme is its first, and the gap would hold the rest of it.
            if self.lexemes_adjacent(previous, lexeme) {
                self.out
                    .push_str(self.sql.get(previous.end..lexeme.start).unwrap_or_default());
            } else {
                self.out.push(' ');
            }
        } else if spaced(previous.kind, lexeme.kind) {
            self.out.push(' ');
        }
    }

    fn lexemes_adjacent(&self, previous: Lexeme, lexeme: Lexeme) -> bool {
        // Gaps hold only whitespace and comments, so a gap with a parameter in it is a folded list.
        let at = self
            .lexemes
            .partition_point(|other| other.start < lexeme.start);
        at > 0 && self.lexemes[at - 1] == previous
    }

    fn placeholder(&mut self, hole: usize) {
        let sigil = if self.dialect == Dialect::Postgres {
            '$'
        } else {
            '?'
        };
        self.out.push(sigil);
        push_number(&mut self.out, hole + 1);
    }
}

/// Appends a number in decimal.
pub(crate) fn push_number(out: &mut String, mut number: usize) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}

/// Whether canonical text has a space between two lexemes.
#[must_use]
pub(crate) const fn spaced(left: Kind, right: Kind) -> bool {
    !matches!(left, Kind::Open | Kind::Dot)
        && !matches!(
            right,
            Kind::Close | Kind::Comma | Kind::Dot | Kind::Semicolon
        )
}

fn param(lexeme: &Lexeme) -> Option<u32> {
    match lexeme.kind {
        Kind::Param(index) => Some(index),
        _ => None,
    }
}
