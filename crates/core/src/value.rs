//! Parameters as they cross from JavaScript: typed, length-prefixed, little endian, never trusted.
//!
//! One value is one tag byte and its payload, so that no two different values have the same bytes:
//!
//! | tag | value | payload |
//! |---|---|---|
//! | 0, 1, 2, 3 | null, undefined, false, true | |
//! | 4 | number | f64 |
//! | 5 | bigint | u32 length, decimal ASCII |
//! | 6 | string | u32 length, UTF-8 |
//! | 7 | string with lone surrogates | u32 length in bytes, UTF-16 |
//! | 8 | Date | f64 milliseconds |
//! | 9 | bytes | u32 length, bytes |
//! | 10 | array | u32 count, elements |
//! | 11 | other object | u32 length, JSON as UTF-8 |
//!
//! An input is a u32 context length, the context's bytes (prefix, vary values), a u32 parameter count, the parameters.

use crate::error::{Error, ErrorKind, Result};

/// Arrays nested deeper than this are refused.
const MAX_DEPTH: u32 = 16;

/// One parameter, borrowed from the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `undefined`: drivers disagree on what it means.
    Undefined,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A bigint in decimal.
    BigInt(&'a str),
    /// A string.
    Text(&'a str),
    /// A string with lone surrogates, which no database stores as it is.
    IllFormed(&'a [u8]),
    /// A Date, in milliseconds.
    Date(f64),
    /// A Buffer or other bytes.
    Bytes(&'a [u8]),
    /// An array.
    Array(Elements<'a>),
    /// Any other object, as JSON.
    Json(&'a str),
}

/// The elements of an array parameter, checked when the input was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elements<'a> {
    count: u32,
    bytes: &'a [u8],
}

impl<'a> Elements<'a> {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> {
        let mut reader = Reader { bytes: self.bytes };
        (0..self.count).map_while(move |_| reader.value(0).ok())
    }
}

/// Where one parameter lies in the input.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    start: usize,
    end: usize,
}

/// A whole input. Keeps its list of spans when it is filled again, so that binding allocates nothing.
#[derive(Debug, Default)]
pub struct Parameters {
    spans: Vec<Span>,
}

impl Parameters {
    /// Reads an input and checks all of it: afterwards [`Parameters::get`] cannot fail on this same input.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidParameters`] when the input ends early, has bytes left over, has an unknown tag, is nested too
    /// deeply or holds text that is not UTF-8.
    pub fn read(&mut self, input: &[u8]) -> Result<()> {
        self.spans.clear();
        let mut reader = Reader { bytes: input };
        reader.block()?;
        let count = reader.u32()? as usize;
        // A parameter takes at least a byte: a count beyond that is a lie and must not reserve memory.
        if count > reader.bytes.len() {
            return Err(malformed("more parameters than bytes"));
        }
        self.spans.reserve(count);
        for _ in 0..count {
            let start = input.len() - reader.bytes.len();
            reader.value(0)?;
            self.spans.push(Span {
                start,
                end: input.len() - reader.bytes.len(),
            });
        }
        if reader.bytes.is_empty() {
            Ok(())
        } else {
            Err(malformed("bytes after the last parameter"))
        }
    }

    /// How many parameters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The encoding of a parameter; empty when there is no such parameter.
    #[must_use]
    pub fn bytes<'a>(&self, input: &'a [u8], index: usize) -> &'a [u8] {
        self.spans
            .get(index)
            .and_then(|span| input.get(span.start..span.end))
            .unwrap_or_default()
    }

    /// A parameter; `Undefined` (of which nothing is known) when there is no such parameter.
    #[must_use]
    pub fn get<'a>(&self, input: &'a [u8], index: usize) -> Value<'a> {
        Reader {
            bytes: self.bytes(input, index),
        }
        .value(0)
        .unwrap_or(Value::Undefined)
    }
}

/// The context bytes in front of the parameters, with their length.
#[must_use]
pub fn context(input: &[u8]) -> &[u8] {
    let mut reader = Reader { bytes: input };
    match reader.block() {
        Ok(_) => &input[..input.len() - reader.bytes.len()],
        Err(_) => &[],
    }
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidParameters, what)
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, tail) = self
            .bytes
            .split_at_checked(length)
            .ok_or_else(|| malformed("the input ends early"))?;
        self.bytes = tail;
        Ok(head)
    }

    #[inline]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, tail) = self
            .bytes
            .split_first_chunk::<N>()
            .ok_or_else(|| malformed("the input ends early"))?;
        self.bytes = tail;
        Ok(*head)
    }

    #[inline]
    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.fixed()?))
    }

    #[inline]
    fn f64(&mut self) -> Result<f64> {
        Ok(f64::from_le_bytes(self.fixed()?))
    }

    #[inline]
    fn block(&mut self) -> Result<&'a [u8]> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    #[inline]
    fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.block()?).map_err(|_| malformed("text that is not UTF-8"))
    }

    #[inline]
    fn value(&mut self, depth: u32) -> Result<Value<'a>> {
        Ok(match self.fixed::<1>()?[0] {
            0 => Value::Null,
            1 => Value::Undefined,
            2 => Value::Bool(false),
            3 => Value::Bool(true),
            4 => Value::Number(self.f64()?),
            5 => Value::BigInt(self.text()?),
            6 => Value::Text(self.text()?),
            7 => Value::IllFormed(self.block()?),
            8 => Value::Date(self.f64()?),
            9 => Value::Bytes(self.block()?),
            10 => Value::Array(self.elements(depth)?),
            11 => Value::Json(self.text()?),
            _ => return Err(malformed("an unknown tag")),
        })
    }

    fn elements(&mut self, depth: u32) -> Result<Elements<'a>> {
        if depth >= MAX_DEPTH {
            return Err(malformed("arrays nested too deeply"));
        }
        let count = self.u32()?;
        let start = self.bytes;
        for _ in 0..count {
            self.value(depth + 1)?;
        }
        let used = start.len() - self.bytes.len();
        Ok(Elements {
            count,
            bytes: &start[..used],
        })
    }
}

/// Writes inputs: what JavaScript does, for tests and other hosts.
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
    count: u32,
}

impl Encoder {
    /// Adds a parameter.
    #[must_use]
    pub fn with(mut self, value: Value<'_>) -> Self {
        self.count += 1;
        encode(&mut self.bytes, value);
        self
    }

    /// The input with this context.
    #[must_use]
    pub fn finish(self, context: &[u8]) -> Vec<u8> {
        let mut input = Vec::with_capacity(self.bytes.len() + context.len() + 8);
        put_block(&mut input, context);
        input.extend(self.count.to_le_bytes());
        input.extend(self.bytes);
        input
    }
}

fn put_block(out: &mut Vec<u8>, bytes: &[u8]) {
    // Inputs are far below 4 GiB; a longer one gets a length that the reader refuses.
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend(bytes);
}

fn encode(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Null => out.push(0),
        Value::Undefined => out.push(1),
        Value::Bool(value) => out.push(2 + u8::from(value)),
        Value::Number(number) => {
            out.push(4);
            out.extend(number.to_le_bytes());
        }
        Value::BigInt(digits) => {
            out.push(5);
            put_block(out, digits.as_bytes());
        }
        Value::Text(text) => {
            out.push(6);
            put_block(out, text.as_bytes());
        }
        Value::IllFormed(units) => {
            out.push(7);
            put_block(out, units);
        }
        Value::Date(milliseconds) => {
            out.push(8);
            out.extend(milliseconds.to_le_bytes());
        }
        Value::Bytes(bytes) => {
            out.push(9);
            put_block(out, bytes);
        }
        Value::Array(elements) => {
            out.push(10);
            out.extend(elements.count.to_le_bytes());
            out.extend(elements.bytes);
        }
        Value::Json(json) => {
            out.push(11);
            put_block(out, json.as_bytes());
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn round_trip() {
        let values = [
            Value::Null,
            Value::Undefined,
            Value::Bool(true),
            Value::Number(-0.0),
            Value::BigInt("-12"),
            Value::Text("é\0"),
            Value::IllFormed(&[0, 0xd8]),
            Value::Date(1.5),
            Value::Bytes(b"\x00\xff"),
            Value::Array(Elements {
                count: 2,
                bytes: &[0, 3],
            }),
            Value::Json("{}"),
        ];
        let input = values
            .iter()
            .fold(Encoder::default(), |encoder, value| encoder.with(*value))
            .finish(b"ctx");
        let mut parameters = Parameters::default();
        parameters.read(&input).unwrap();
        assert_eq!(parameters.len(), values.len());
        for (index, value) in values.iter().enumerate() {
            assert_eq!(parameters.get(&input, index), *value);
        }
        assert_eq!(context(&input), b"\x03\x00\x00\x00ctx");
        assert_eq!(parameters.get(&input, 99), Value::Undefined);
        for end in 0..input.len() {
            assert!(parameters.read(&input[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn deep_arrays_are_refused() {
        let mut bytes = vec![0, 0, 0, 0, 1, 0, 0, 0];
        for _ in 0..100_000 {
            bytes.extend([10, 1, 0, 0, 0]);
        }
        assert!(Parameters::default().read(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn strangers_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut parameters = Parameters::default();
            if parameters.read(&bytes).is_ok() {
                for index in 0..parameters.len() {
                    if let Value::Array(elements) = parameters.get(&bytes, index) {
                        prop_assert_eq!(elements.iter().count(), elements.len());
                    }
                }
            }
            let _ = context(&bytes);
        }

        #[test]
        fn plausible_bytes_never_panic(bytes in proptest::collection::vec(0u8..13, 0..200)) {
            let _ = Parameters::default().read(&bytes);
        }
    }
}
