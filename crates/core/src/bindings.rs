//! A text's parameters, by the holes of its collapsed text.

use crate::normalize::Hole;
use crate::value::{Parameters, Value};

/// Parameters as the holes of a collapsed text see them.
#[derive(Clone, Copy)]
pub struct Bindings<'a> {
    /// What fills the holes.
    pub holes: &'a [Hole],
    /// The input.
    pub input: &'a [u8],
    /// What has read it.
    pub parameters: &'a Parameters,
}

impl<'a> Bindings<'a> {
    /// The value of a single hole.
    #[must_use]
    #[inline]
    pub fn single(&self, hole: usize) -> Value<'a> {
        match self.holes.get(hole) {
            Some(hole) if !hole.list && hole.parameters.len() == 1 => {
                self.parameters.get(self.input, hole.parameters[0] as usize)
            }
            _ => Value::Undefined,
        }
    }

    /// Calls `each` with the values of a list, be it several parameters or one array. False: there is no such list.
    pub fn list(&self, hole: usize, mut each: impl FnMut(Value<'a>) -> bool) -> bool {
        let Some(found) = self.holes.get(hole) else {
            return false;
        };
        if found.list {
            return found
                .parameters
                .iter()
                .all(|parameter| each(self.parameters.get(self.input, *parameter as usize)));
        }
        match self.single(hole) {
            Value::Array(elements) => elements.iter().all(each),
            _ => false,
        }
    }
}
