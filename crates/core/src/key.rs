//! The one place that knows the grammar of a cache key: 128 bits of BLAKE3 over what a result is a function of.
//!
//! A *prefix* is hashed once per plan: format version, identity of the database, canonical text. It keys the hash over
//!
//! ```text
//! context length, context, u32 number of holes, per hole in the order of the canonical text its value,
//! the slots of the stamps that its result depends on, sorted, u32 number of slots
//! ```
//!
//! where a value is the encoding of [`crate::value`], and a list is the tag 0xF0, a u32 count and its distinct values in
//! sorted order. When a text takes its parameters in the order of the canonical text and has no lists, that is the
//! input as it stands. Two sums of stamps can only be compared if they are sums of the *same* stamps, and what a query
//! depends on changes with the schema facts and when a registry fills up: hence the slots. Parameters come from strangers: only a cryptographic hash keeps them from sharing a key.

use crate::normalize::Hole;
use crate::stamps::Slot;
use crate::value::{Parameters, context};

/// Raised whenever keys of the same query would mean something else than before.
const FORMAT: &[u8] = b"cacheops 1";
const LIST: u8 = 0xF0;

/// Length of a key.
pub const KEY_BYTES: usize = 16;

/// What does not change between two bindings of one plan.
#[must_use]
pub fn prefix(identity: &str, canonical: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in [FORMAT, identity.as_bytes(), canonical.as_bytes()] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// How a text's parameters go into its key.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The input as it stands is what is hashed.
    plain: bool,
    /// Holes in the order of the canonical text.
    order: Vec<usize>,
    /// The order of a list's values matters (VALUES).
    ordered_lists: bool,
}

impl Layout {
    /// The layout of a text with these holes, whose canonical text has them in this order.
    #[must_use]
    pub fn new(holes: &[Hole], parameters: usize, order: &[usize], ordered_lists: bool) -> Self {
        let in_place = |(at, hole): (usize, &usize)| {
            holes.get(*hole).is_some_and(|hole| {
                !hole.list && hole.parameters.len() == 1 && hole.parameters[0] as usize == at
            })
        };
        let plain = order.len() == parameters && order.iter().enumerate().all(in_place);
        // What the canonical text does not mention must still tell keys apart.
        let mut mentioned = vec![false; holes.len()];
        for hole in order {
            if let Some(mentioned) = mentioned.get_mut(*hole) {
                *mentioned = true;
            }
        }
        let missing = (0..holes.len()).filter(|hole| !mentioned[*hole]);
        let order = order.iter().copied().chain(missing).collect();
        Self {
            plain,
            order,
            ordered_lists,
        }
    }
}

/// Buffers that are kept between bindings.
#[derive(Debug, Default)]
pub struct Scratch {
    bytes: Vec<u8>,
    /// Parameters of a list, with the first bytes of their encoding.
    list: Vec<(u128, u32)>,
}

impl Scratch {
    /// The key of an input that `parameters` has read, whose result depends on these stamps.
    pub fn key(
        &mut self,
        prefix: &[u8; 32],
        layout: &Layout,
        holes: &[Hole],
        input: &[u8],
        parameters: &Parameters,
        slots: &mut [Slot],
    ) -> [u8; KEY_BYTES] {
        self.bytes.clear();
        if layout.plain && parameters.len() == layout.order.len() {
            self.bytes.extend(input);
        } else {
            self.values(layout, holes, input, parameters);
        }
        slots.sort_unstable();
        for slot in slots.iter() {
            self.bytes.extend(slot.to_bytes());
        }
        self.bytes.extend(count(slots.len()));
        cut(prefix, &self.bytes)
    }

    fn values(&mut self, layout: &Layout, holes: &[Hole], input: &[u8], parameters: &Parameters) {
        self.bytes.extend(context(input));
        self.bytes.extend(count(layout.order.len()));
        for hole in layout.order.iter().filter_map(|hole| holes.get(*hole)) {
            if hole.list {
                self.list(hole, input, parameters, layout.ordered_lists);
            } else {
                for parameter in &hole.parameters {
                    self.bytes
                        .extend(parameters.bytes(input, *parameter as usize));
                }
            }
        }
    }

    fn list(&mut self, hole: &Hole, input: &[u8], parameters: &Parameters, ordered: bool) {
        self.list.clear();
        let bytes = |at: u32| parameters.bytes(input, at as usize);
        let encoded = |at: &u32| (leading(bytes(*at)), *at);
        self.list.extend(hole.parameters.iter().map(encoded));
        // By the whole encoding, of which the first bytes mostly are enough.
        let compare = |left: &(u128, u32), right: &(u128, u32)| {
            let first = left.0.cmp(&right.0);
            first.then_with(|| bytes(left.1).cmp(bytes(right.1)))
        };
        if !ordered
            && !self
                .list
                .is_sorted_by(|left, right| compare(left, right).is_lt())
        {
            self.list.sort_unstable_by(compare);
            self.list
                .dedup_by(|left, right| compare(left, right).is_eq());
        }
        self.bytes.push(LIST);
        self.bytes.extend(count(self.list.len()));
        for (_, parameter) in &self.list {
            self.bytes.extend(bytes(*parameter));
        }
    }
}

/// The first bytes as a number that sorts as they do; missing ones are zero.
#[inline]
fn leading(bytes: &[u8]) -> u128 {
    let mut first = [0; 16];
    let length = bytes.len().min(first.len());
    first[..length].copy_from_slice(&bytes[..length]);
    u128::from_be_bytes(first)
}

/// Texts and inputs are capped far below 2^32 bytes, so nothing in them is more numerous.
fn count(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

fn cut(prefix: &[u8; 32], bytes: &[u8]) -> [u8; KEY_BYTES] {
    let hash = blake3::keyed_hash(prefix, bytes);
    let mut key = [0; KEY_BYTES];
    key.copy_from_slice(&hash.as_bytes()[..KEY_BYTES]);
    key
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::value::{Encoder, Value};

    fn single(parameter: u32) -> Hole {
        Hole {
            list: false,
            parameters: vec![parameter],
        }
    }

    fn key(holes: &[Hole], order: &[usize], values: &[Value<'_>], context: &[u8]) -> [u8; 16] {
        let input = values
            .iter()
            .fold(Encoder::default(), |encoder, value| encoder.with(*value))
            .finish(context);
        let mut parameters = Parameters::default();
        parameters.read(&input).unwrap();
        let layout = Layout::new(holes, values.len(), order, false);
        Scratch::default().key(
            &prefix("db", "text"),
            &layout,
            holes,
            &input,
            &parameters,
            &mut [],
        )
    }

    #[test]
    fn the_order_of_holes_is_the_canonical_one() {
        let (one, two) = (Value::Number(1.0), Value::Number(2.0));
        let holes = [single(0), single(1)];
        assert_eq!(
            key(&holes, &[0, 1], &[one, two], b""),
            key(&holes, &[1, 0], &[two, one], b"")
        );
        assert_ne!(
            key(&holes, &[0, 1], &[one, two], b""),
            key(&holes, &[0, 1], &[two, one], b"")
        );
        assert_ne!(
            key(&holes, &[0, 1], &[one, two], b""),
            key(&holes, &[0, 1], &[one, two], b"x")
        );
    }

    #[test]
    fn values_of_different_types_never_meet() {
        let values = [
            Value::Null,
            Value::Undefined,
            Value::Bool(true),
            Value::Number(0.0),
            Value::Number(-0.0),
            Value::BigInt("0"),
            Value::Text("0"),
            Value::Text(""),
            Value::Bytes(b""),
            Value::Bytes(b"0"),
            Value::Json("0"),
            Value::Date(0.0),
            Value::IllFormed(b"0"),
            Value::Number(f64::NAN),
        ];
        let keys: std::collections::HashSet<_> = values
            .iter()
            .map(|value| key(&[single(0)], &[0], &[*value], b""))
            .collect();
        assert_eq!(keys.len(), values.len());
    }

    #[test]
    fn lists_are_sets() {
        let list = |values: &[Value<'_>]| {
            let parameters = (0..u32::try_from(values.len()).unwrap()).collect();
            key(
                &[Hole {
                    list: true,
                    parameters,
                }],
                &[0],
                values,
                b"",
            )
        };
        let (one, two) = (Value::Number(1.0), Value::Text("2"));
        assert_eq!(list(&[one, two]), list(&[two, one, two]));
        assert_ne!(list(&[one, two]), list(&[one]));
        assert_ne!(list(&[one]), list(&[Value::BigInt("1")]));
    }

    #[test]
    fn neighbours_do_not_melt() {
        let holes = [
            Hole {
                list: true,
                parameters: vec![0, 1],
            },
            single(2),
        ];
        let moved = [
            single(0),
            Hole {
                list: true,
                parameters: vec![1, 2],
            },
        ];
        let values = [Value::Number(1.0), Value::Number(1.0), Value::Number(1.0)];
        assert_ne!(
            key(&holes, &[0, 1], &values, b""),
            key(&moved, &[0, 1], &values, b"")
        );
    }
}
