//! What the database calls equal has one class; what is not listed has none.

use ColumnKind::{
    Bool, Date, Float, Int, Numeric, SqliteNumeric, SqliteText, SqliteTextNocase, Text, Uuid,
};
use cacheops_core::class::{Class, assigned, of_image, of_literal, of_parameter};
use cacheops_core::plan::Operand;
use cacheops_core::schema::ColumnKind;
use cacheops_core::value::Value;
use proptest::prelude::*;

/// `Some(class)`, or the other cases by name.
fn parameter(kind: ColumnKind, value: Value<'_>) -> Result<String, Class> {
    let mut out = String::new();
    match of_parameter(kind, &value, &mut out) {
        Class::Value => Ok(out),
        other => Err(other),
    }
}

fn image(kind: ColumnKind, text: &str) -> Result<String, Class> {
    let mut out = String::new();
    match of_image(kind, Some(text), &mut out) {
        Class::Value => Ok(out),
        other => Err(other),
    }
}

#[test]
fn integers() {
    for value in [Value::Number(12.0), Value::BigInt("12"), Value::Text("12")] {
        assert_eq!(parameter(Int, value).as_deref(), Ok("12"));
    }
    assert_eq!(parameter(Int, Value::Number(-0.0)).as_deref(), Ok("0"));
    assert_eq!(image(Int, "-7").as_deref(), Ok("-7"));
    for text in [" 1 ", "0x1", "0_1", "01", "+1", "-0", "1.0", "", "-"] {
        assert_eq!(
            parameter(Int, Value::Text(text)),
            Err(Class::Unknown),
            "{text:?}"
        );
    }
    for number in [1.5, f64::NAN, f64::INFINITY, 9_007_199_254_740_992.0] {
        assert_eq!(parameter(Int, Value::Number(number)), Err(Class::Unknown));
    }
    assert_eq!(parameter(Int, Value::Undefined), Err(Class::Unknown));
    assert_eq!(parameter(Int, Value::Null), Err(Class::Null));
}

#[test]
fn numerics_ignore_scale() {
    for text in ["1.50", "1.5", "0001.5", "15e-1", "0.15E+1"] {
        assert_eq!(
            parameter(Numeric, Value::Text(text)).as_deref(),
            Ok("15e-1"),
            "{text}"
        );
    }
    assert_eq!(
        parameter(Numeric, Value::Number(1.5)).as_deref(),
        Ok("15e-1")
    );
    assert_eq!(
        parameter(Numeric, Value::Number(1e21)),
        image(Numeric, "1000000000000000000000")
    );
    for zero in ["0", "-0", "0.000", "0e9"] {
        assert_eq!(image(Numeric, zero).as_deref(), Ok("0"));
    }
    for text in ["NaN", "Infinity", "1_0", ".5", "5.", "1e99999"] {
        assert_eq!(image(Numeric, text), Err(Class::Unknown), "{text}");
    }
}

#[test]
fn spellings_that_are_not_listed_are_unknown() {
    assert_eq!(parameter(Bool, Value::Text("yes")), Err(Class::Unknown));
    assert_eq!(parameter(Bool, Value::Text("TRUE")), Err(Class::Unknown));
    assert_eq!(parameter(Bool, Value::Bool(true)), image(Bool, "true"));
    // A driver may send something else.
    assert_eq!(parameter(Bool, Value::Text("true")), Err(Class::Unknown));
    let id = "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11";
    assert_eq!(
        parameter(Uuid, Value::Text(id)),
        image(Uuid, &id.to_lowercase())
    );
    assert_eq!(
        parameter(Uuid, Value::Text("{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}")),
        Err(Class::Unknown)
    );
    for text in [
        "2026-02-29",
        "2026-13-01",
        "2026-1-1",
        "0000-01-01",
        "infinity",
        "20260101",
        "２０２６-１",
    ] {
        assert_eq!(
            parameter(Date, Value::Text(text)),
            Err(Class::Unknown),
            "{text}"
        );
    }
    assert_eq!(
        parameter(Date, Value::Text("2024-02-29")).as_deref(),
        Ok("2024-02-29")
    );
    assert_eq!(parameter(Text, Value::Number(1.0)), Err(Class::Unknown));
    assert_eq!(parameter(Text, Value::Text("a\0b")), Err(Class::Unknown));
    assert_eq!(
        parameter(Text, Value::IllFormed(&[0, 0xd8])),
        Err(Class::Unknown)
    );
}

#[test]
fn floats() {
    assert_eq!(parameter(Float, Value::Number(-0.0)), image(Float, "0"));
    assert_eq!(image(Float, "-0"), image(Float, "0"));
    assert_eq!(
        parameter(Float, Value::Number(f64::NAN)),
        image(Float, "NaN")
    );
    assert_eq!(
        parameter(Float, Value::Number(1e300)),
        image(Float, "1e+300")
    );
}

#[test]
fn sqlite_numbers_meet_whatever_carries_them() {
    for value in [Value::Number(1.0), Value::BigInt("1"), Value::Text("1")] {
        assert_eq!(parameter(SqliteNumeric, value).as_deref(), Ok("1"));
    }
    assert_eq!(image(SqliteNumeric, "1.0").as_deref(), Ok("1"));
    assert_eq!(
        image(SqliteNumeric, "1.0e+17").as_deref(),
        Ok("100000000000000000")
    );
    assert_eq!(
        image(SqliteNumeric, "0.1"),
        parameter(SqliteNumeric, Value::Number(0.1))
    );
    assert_eq!(image(SqliteNumeric, "'it''s'").as_deref(), Ok("'it's"));
    assert_eq!(
        parameter(SqliteNumeric, Value::Text("it's")).as_deref(),
        Ok("'it's")
    );
    for text in ["1.0", " 1", "1e2", ".5", "5.", "+1", "99999999999999999999"] {
        assert_eq!(
            parameter(SqliteNumeric, Value::Text(text)),
            Err(Class::Unknown),
            "{text}"
        );
    }
    for text in ["X'00'", "3.00000000000000044409e-01", "9.0e+999", "'1'x"] {
        assert_eq!(image(SqliteNumeric, text), Err(Class::Unknown), "{text}");
    }
    assert_eq!(image(SqliteNumeric, "NULL"), Err(Class::Null));
}

#[test]
fn sqlite_texts() {
    assert_eq!(
        parameter(SqliteText, Value::BigInt("5")),
        image(SqliteText, "'5'")
    );
    assert_eq!(
        parameter(SqliteText, Value::Number(5.0)),
        Err(Class::Unknown)
    );
    assert_eq!(image(SqliteText, "X'61'"), Err(Class::Unknown));
    assert_eq!(
        parameter(SqliteTextNocase, Value::Text("ÄbC")).as_deref(),
        Ok("Äbc")
    );
    assert_eq!(image(SqliteTextNocase, "'ÄBC'").as_deref(), Ok("Äbc"));
}

#[test]
fn assignment_may_change_a_value() {
    assert_eq!(assigned(Numeric, Class::Value, "15e-1"), Class::Unknown);
    assert_eq!(assigned(Text, Class::Value, "a "), Class::Unknown);
    assert_eq!(assigned(Text, Class::Value, "a"), Class::Value);
    assert_eq!(
        assigned(SqliteNumeric, Class::Value, "9007199254740993"),
        Class::Unknown
    );
    assert_eq!(assigned(Int, Class::Null, ""), Class::Null);
}

fn kinds() -> impl Strategy<Value = ColumnKind> {
    proptest::sample::select(vec![
        Int,
        Numeric,
        Float,
        Bool,
        Uuid,
        Text,
        Date,
        SqliteNumeric,
        SqliteText,
        SqliteTextNocase,
    ])
}

proptest! {
    #[test]
    fn equal_numerics_share_a_class(digits in 0i64..1_000_000, scale in 0usize..6, zeros in 0usize..4, lead in 0usize..3) {
        let padded = format!("{digits:0width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        let plain = if scale == 0 { whole.to_owned() } else { format!("{whole}.{fraction}") };
        let fraction_zeros = "0".repeat(zeros);
        let other = match (scale, zeros) {
            (0, 0) => format!("{}{whole}", "0".repeat(lead)),
            (0, _) => format!("{}{whole}.{fraction_zeros}", "0".repeat(lead)),
            _ => format!("{}{whole}.{fraction}{fraction_zeros}", "0".repeat(lead)),
        };
        prop_assert_eq!(image(Numeric, &plain), image(Numeric, &other));
        prop_assert_eq!(image(Numeric, &plain), image(Numeric, &format!("{digits}e-{scale}")));
    }

    #[test]
    fn distinct_numerics_stay_apart(left in any::<i32>(), right in any::<i32>()) {
        prop_assert_eq!(image(Numeric, &left.to_string()) == image(Numeric, &right.to_string()), left == right);
    }

    #[test]
    fn numbers_and_strings_agree(number in any::<f64>()) {
        // Display is the shortest round trip, as in JavaScript.
        let text = format!("{number:e}");
        if number.is_finite() {
            prop_assert_eq!(parameter(Numeric, Value::Number(number)), image(Numeric, &text));
            prop_assert_eq!(parameter(Float, Value::Number(number)), image(Float, &text));
        }
    }

    #[test]
    fn integers_agree(number in -(1i64 << 53) + 1..1i64 << 53) {
        #[expect(clippy::cast_precision_loss, reason = "inside the safe range")]
        let double = number as f64;
        let text = number.to_string();
        for kind in [Int, SqliteNumeric] {
            prop_assert_eq!(parameter(kind, Value::Number(double)), Ok(text.clone()));
            prop_assert_eq!(parameter(kind, Value::BigInt(&text)), Ok(text.clone()));
            prop_assert_eq!(parameter(kind, Value::Text(&text)), Ok(text.clone()));
            prop_assert_eq!(image(kind, &text), Ok(text.clone()));
        }
        prop_assert_eq!(image(SqliteNumeric, &format!("{number}.0")).unwrap_or_else(|_| text.clone()), text);
    }

    #[test]
    fn quoted_texts_come_back(text in "[^\0]*") {
        let quoted = format!("'{}'", text.replace('\'', "''"));
        prop_assert_eq!(image(SqliteText, &quoted), parameter(SqliteText, Value::Text(&text)));
        let (quoted, bound) = (image(SqliteNumeric, &quoted), parameter(SqliteNumeric, Value::Text(&text)));
        prop_assert_eq!(quoted, bound);
    }

    #[test]
    fn nothing_panics(kind in kinds(), text in any::<String>(), number in any::<f64>()) {
        let _ = (parameter(kind, Value::Text(&text)), image(kind, &text), parameter(kind, Value::Number(number)));
        let mut out = String::new();
        let _ = of_literal(kind, &Operand::Number(text.clone()), &mut out);
        let _ = parameter(kind, Value::BigInt(&text));
    }
}
