//! Equality classes: the text under which a value of a column is compared by conditions.
//!
//! Two values that the database calls equal must have the same class, or a write misses a reader. Values that differ may
//! share a class: that only drops too much. So every spelling that is not listed here is [`Class::Unknown`], which widens
//! a reader's condition by a term and a writer's condition to the scheme.

use std::borrow::Cow;

use crate::plan::Operand;
use crate::schema::ColumnKind;
use crate::value::Value;

/// What is known of a value; with `Value` its class was appended to the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It has the class in the buffer.
    Value,
    /// It is NULL.
    Null,
    /// Nothing is known.
    Unknown,
}

/// Integers up to here are exact in a double *and* in every neighbour's comparison with one.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// The class of a parameter that is compared with a column of this kind.
pub fn of_parameter(kind: ColumnKind, value: &Value<'_>, out: &mut String) -> Class {
    match (kind, value) {
        // NOTE: postgres.js sends false for every boolean that is a string, 'true' and 't' among them.
        (ColumnKind::Other, _) | (ColumnKind::Bool, Value::Text(_)) => Class::Unknown,
        (_, Value::Null) => Class::Null,
        (_, Value::Text(text)) => of_text(kind, text, out),
        (ColumnKind::Int, Value::Number(number)) => {
            // Not 2^53: a driver that binds doubles makes the database compare 2^53 + 1 as equal to it.
            if number.fract() == 0.0 && number.abs() <= MAX_SAFE {
                put_integral(*number, out)
            } else {
                Class::Unknown
            }
        }
        (ColumnKind::Int, Value::BigInt(digits)) => integer(digits, out),
        (ColumnKind::Numeric, Value::Number(number)) if number.is_finite() => {
            decimal(&format!("{number:e}"), out)
        }
        (ColumnKind::Numeric, Value::BigInt(digits)) => decimal(digits, out),
        (ColumnKind::Float, Value::Number(number)) => float(*number, out),
        (ColumnKind::Float, Value::BigInt(digits)) => float_text(digits, out),
        (ColumnKind::Bool, Value::Bool(value)) => put(if *value { "true" } else { "false" }, out),
        (ColumnKind::SqliteNumeric, Value::Number(number)) => sqlite_number(*number, out),
        (ColumnKind::SqliteNumeric, Value::BigInt(digits)) => sqlite_integer(digits, out),
        (ColumnKind::SqliteText | ColumnKind::SqliteTextNocase, Value::BigInt(digits)) => {
            integer(digits, out)
        }
        _ => Class::Unknown,
    }
}

/// The class of a literal in the text that is compared with a column of this kind; holes are unknown here.
pub fn of_literal(kind: ColumnKind, operand: &Operand, out: &mut String) -> Class {
    match (kind, operand) {
        (ColumnKind::Other, _) => Class::Unknown,
        (_, Operand::Null) => Class::Null,
        (_, Operand::Text(text)) => of_text(kind, text, out),
        (ColumnKind::Bool, Operand::Bool(value)) => put(if *value { "true" } else { "false" }, out),
        (ColumnKind::SqliteNumeric, Operand::Bool(value)) => {
            put(if *value { "1" } else { "0" }, out)
        }
        (ColumnKind::Int, Operand::Number(number)) => integer(number, out),
        (ColumnKind::Numeric, Operand::Number(number)) => decimal(number, out),
        (ColumnKind::Float, Operand::Number(number)) => float_text(number, out),
        (ColumnKind::SqliteNumeric, Operand::Number(number)) => sqlite_literal(number, out),
        _ => Class::Unknown,
    }
}

/// The class of a column's value in a row image: `PostgreSQL`'s `::text`, `SQLite`'s `quote()`.
pub fn of_image(kind: ColumnKind, image: Option<&str>, out: &mut String) -> Class {
    let Some(image) = image else {
        return if kind == ColumnKind::Other {
            Class::Unknown
        } else {
            Class::Null
        };
    };
    match kind {
        ColumnKind::SqliteNumeric | ColumnKind::SqliteText | ColumnKind::SqliteTextNocase => {
            if image == "NULL" {
                return Class::Null;
            }
            match unquoted(image) {
                Some(text) => of_text(kind, &text, out),
                None if kind == ColumnKind::SqliteNumeric => sqlite_literal(image, out),
                None => Class::Unknown,
            }
        }
        _ => of_text(kind, image, out),
    }
}

/// What is left of a class when its value is *assigned* to a column (SET, a row given by the user): the column may round
/// (numeric scale), cut trailing blanks (varchar) or store a large integer as a double (REAL affinity).
#[must_use]
pub fn assigned(kind: ColumnKind, class: Class, text: &str) -> Class {
    let exact = match kind {
        ColumnKind::Numeric | ColumnKind::Other => false,
        ColumnKind::Text => !text.ends_with(' '),
        ColumnKind::SqliteNumeric => text.len() <= 15 || text.starts_with('\''),
        _ => true,
    };
    if class == Class::Value && !exact {
        Class::Unknown
    } else {
        class
    }
}

/// A string that is compared with a column of this kind.
fn of_text(kind: ColumnKind, text: &str, out: &mut String) -> Class {
    // PostgreSQL refuses NUL, and SQLite's quote() ends at it.
    if text.as_bytes().contains(&0) {
        return Class::Unknown;
    }
    match kind {
        ColumnKind::Int => integer(text, out),
        ColumnKind::Numeric => decimal(text, out),
        ColumnKind::Float => match text {
            "NaN" => float(f64::NAN, out),
            "Infinity" => float(f64::INFINITY, out),
            "-Infinity" => float(f64::NEG_INFINITY, out),
            _ => float_text(text, out),
        },
        ColumnKind::Bool => match text {
            "t" | "true" => put("true", out),
            "f" | "false" => put("false", out),
            _ => Class::Unknown,
        },
        ColumnKind::Uuid => uuid(text, out),
        ColumnKind::Text | ColumnKind::SqliteText => put(text, out),
        ColumnKind::Date => date(text, out),
        ColumnKind::SqliteTextNocase => {
            let start = out.len();
            out.push_str(text);
            out[start..].make_ascii_lowercase();
            Class::Value
        }
        ColumnKind::SqliteNumeric => {
            if is_integer(text) {
                sqlite_integer(text, out)
            } else if looks_numeric(text) {
                Class::Unknown
            } else {
                out.push('\'');
                put(text, out)
            }
        }
        ColumnKind::Other => Class::Unknown,
    }
}

fn put(text: &str, out: &mut String) -> Class {
    out.push_str(text);
    Class::Value
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "callers pass integral numbers inside i64"
)]
fn put_integral(number: f64, out: &mut String) -> Class {
    // The longest is -9223372036854775808.
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let integer = number as i64;
    let mut rest = integer.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if integer < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    match std::str::from_utf8(&digits[at..]) {
        Ok(text) => put(text, out),
        Err(_) => Class::Unknown,
    }
}

/// `-?[1-9][0-9]*|0`: the only spelling of an integer that every database and driver writes.
fn is_integer(text: &str) -> bool {
    if text == "0" {
        return true;
    }
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    matches!(digits.first(), Some(b'1'..=b'9')) && digits.iter().all(u8::is_ascii_digit)
}

fn integer(text: &str, out: &mut String) -> Class {
    if is_integer(text) {
        put(text, out)
    } else {
        Class::Unknown
    }
}

/// A decimal number split into sign, digits without leading and trailing zeros, and the power of ten of the last digit.
struct Decimal<'a> {
    negative: bool,
    digits: Cow<'a, str>,
    exponent: i64,
}

impl<'a> Decimal<'a> {
    /// `-?D+(.D+)?([eE][+-]?D{1,4})?`, or nothing.
    fn parse(text: &'a str) -> Option<Self> {
        let (negative, rest) = text
            .strip_prefix('-')
            .map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Self::exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let all_digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !fraction.is_none_or(all_digits) {
            return None;
        }
        let fraction = fraction.unwrap_or_default();
        let joined: Cow<'a, str> = if fraction.is_empty() {
            whole.into()
        } else {
            [whole, fraction].concat().into()
        };
        let significant = joined.trim_end_matches('0');
        let zeros = i64::try_from(joined.len() - significant.len()).ok()?;
        let exponent = exponent - i64::try_from(fraction.len()).ok()? + zeros;
        let digits = significant.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self {
                negative: false,
                digits: "0".into(),
                exponent: 0,
            });
        }
        Some(Self {
            negative,
            digits: digits.into(),
            exponent,
        })
    }

    fn exponent(text: &str) -> Option<i64> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        if digits.is_empty()
            || digits.len() > 4
            || !digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            return None;
        }
        text.parse().ok()
    }
}

fn decimal(text: &str, out: &mut String) -> Class {
    use std::fmt::Write as _;
    if is_integer(text) && !text.ends_with('0') {
        return put(text, out);
    }
    let Some(decimal) = Decimal::parse(text) else {
        return Class::Unknown;
    };
    if decimal.negative {
        out.push('-');
    }
    out.push_str(&decimal.digits);
    if decimal.exponent != 0 && write!(out, "e{}", decimal.exponent).is_err() {
        return Class::Unknown;
    }
    Class::Value
}

fn float(number: f64, out: &mut String) -> Class {
    use std::fmt::Write as _;
    let number = if number == 0.0 { 0.0 } else { number };
    let bits = if number.is_nan() {
        f64::NAN.to_bits()
    } else {
        number.to_bits()
    };
    if write!(out, "{bits:016x}").is_ok() {
        Class::Value
    } else {
        Class::Unknown
    }
}

fn float_text(text: &str, out: &mut String) -> Class {
    match Decimal::parse(text).and_then(|_| text.parse::<f64>().ok()) {
        Some(number) if number.is_finite() => float(number, out),
        _ => Class::Unknown,
    }
}

fn uuid(text: &str, out: &mut String) -> Class {
    let hyphen = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let good = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| {
            if hyphen(at) {
                byte == b'-'
            } else {
                byte.is_ascii_hexdigit()
            }
        });
    if !good {
        return Class::Unknown;
    }
    let start = out.len();
    out.push_str(text);
    out[start..].make_ascii_lowercase();
    Class::Value
}

fn date(text: &str, out: &mut String) -> Class {
    if is_date(text).unwrap_or(false) {
        put(text, out)
    } else {
        Class::Unknown
    }
}

/// `YYYY-MM-DD` that exists in the Gregorian calendar.
fn is_date(text: &str) -> Option<bool> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let number = |part: Option<&str>| -> Option<u32> {
        let part = part?;
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            part.parse().ok()
        } else {
            None
        }
    };
    let (year, month, day) = (
        number(text.get(..4))?,
        number(text.get(5..7))?,
        number(text.get(8..))?,
    );
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 0,
    };
    Some(year > 0 && (1..=days).contains(&day))
}

/// `SQLite` compares integers and doubles by exact value: an integral double is its integer.
fn sqlite_number(number: f64, out: &mut String) -> Class {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    if !number.is_finite() {
        return Class::Unknown;
    }
    if number.fract() == 0.0 && (-TWO_63..TWO_63).contains(&number) {
        return put_integral(number, out);
    }
    out.push('r');
    float(number, out)
}

fn sqlite_integer(text: &str, out: &mut String) -> Class {
    if is_integer(text) && text.parse::<i64>().is_ok() {
        put(text, out)
    } else {
        Class::Unknown
    }
}

/// A numeric literal of `SQLite`, or what `quote()` makes of a number. NOTE: `SQLite` reads and writes more than 15 digits
/// and extreme powers of ten with an error in the last place, in some versions: those are unknown.
fn sqlite_literal(text: &str, out: &mut String) -> Class {
    if is_integer(text) {
        return sqlite_integer(text, out);
    }
    match Decimal::parse(text) {
        Some(decimal)
            if text.contains(['.', 'e', 'E'])
                && decimal.digits.len() <= 15
                && decimal.exponent.abs() <= 22 =>
        {
            text.parse()
                .map_or(Class::Unknown, |number| sqlite_number(number, out))
        }
        _ => Class::Unknown,
    }
}

/// Whether numeric affinity could turn this text into a number.
fn looks_numeric(text: &str) -> bool {
    let body = text.trim_matches(|letter: char| letter.is_ascii_whitespace() || letter == '\u{b}');
    let body = body.strip_prefix(['+', '-']).unwrap_or(body);
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (
            mantissa,
            Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        ),
        None => (body, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    (!whole.is_empty() || !fraction.is_empty())
        && digits(whole)
        && digits(fraction)
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

/// The text inside a `SQLite` string literal as `quote()` writes it.
fn unquoted(literal: &str) -> Option<Cow<'_, str>> {
    let inner = literal.strip_prefix('\'')?.strip_suffix('\'')?;
    if inner.contains('\'') {
        Some(inner.replace("''", "'").into())
    } else {
        Some(inner.into())
    }
}
