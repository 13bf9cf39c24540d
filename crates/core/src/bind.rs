//! FLOW 1: a read's plan and its parameters become a key and a token.
//!
//! This is the hot path: per plan everything is prepared that does not depend on parameters, and binding allocates nothing
//! once its buffers have grown.

use std::cell::RefCell;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::bindings::Bindings;
use crate::class::{self, Class};
use crate::database::{Database, Handle};
use crate::key::{self, KEY_BYTES};
use crate::plan::{Columns, Conjunction, Operand, Read, Term};
use crate::registry::Scheme;
use crate::resolve;
use crate::schema::{ColumnKind, Dialect, Facts, Table, TableName};
use crate::shape::Shape;
use crate::stamps::{Slot, Stamps};
use crate::value::{Parameters, Value};

/// Conditions per table and binding. Past that a query depends on fewer columns, or on every row.
pub const MAX_CONDITIONS: usize = 64;

/// What binding gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A key, and the sum of the stamps that its result depends on.
    Token([u8; KEY_BYTES], u64),
    /// The same, and a write on its way may have changed the result: it may be kept, but not given before that is known.
    InDoubt([u8; KEY_BYTES], u64),
    /// Facts have changed since the shape was prepared: prepare it again.
    Stale,
    /// There are no facts: nothing can be cached.
    NoFacts,
    /// The input is malformed, or has more or fewer parameters than the text.
    BadParameters,
    /// The text is not a read.
    NotARead,
}

/// The part of a read's plan that binding needs.
#[derive(Debug)]
pub struct Reader {
    tables: Vec<TableReader>,
    /// A function, cast or operator of the user may read any table.
    any: bool,
}

#[derive(Debug)]
struct TableReader {
    table: TableName,
    slot: Slot,
    reads: Columns,
    rows: Vec<Tracked>,
    every_row: OnceLock<Handle>,
}

/// A conjunction whose terms can all be tracked, if their parameters can.
#[derive(Debug)]
struct Tracked {
    terms: Vec<TrackedTerm>,
    /// The scheme of all terms.
    whole: OnceLock<Handle>,
    /// Schemes of some of the terms, by the bits of those kept.
    parts: Mutex<Vec<(u32, Handle)>>,
}

#[derive(Debug)]
struct TrackedTerm {
    column: String,
    kind: ColumnKind,
    values: Vec<Candidate>,
    nulls: bool,
}

#[derive(Debug)]
enum Candidate {
    Hole(usize),
    List(usize),
    Literal(u64),
    Null,
}

thread_local! {
    static BINDER: RefCell<Binder> = RefCell::default();
}

/// Buffers that are kept between bindings.
#[derive(Default)]
struct Binder {
    parameters: Parameters,
    slots: Vec<Slot>,
    key: key::Scratch,
    matched: Matched,
}

#[derive(Default)]
struct Matched {
    text: String,
    /// Hashes of classes; terms own ranges of it.
    classes: Vec<u64>,
    /// Per kept term of the matched conjunctions, where its classes are.
    ranges: Vec<(usize, usize)>,
    /// Conjunctions that can match: position, kept terms as bits, ranges.
    conjunctions: Vec<(usize, u32, (usize, usize))>,
    odometer: Vec<usize>,
}

/// Binds a shape to an input.
#[must_use]
pub fn bind(shape: &Shape, input: &[u8]) -> Bound {
    let database = &*shape.database;
    if shape.planned.epoch != database.epoch() {
        return Bound::Stale;
    }
    if shape.planned.read().is_none() {
        return Bound::NotARead;
    }
    let Some(reader) = &shape.planned.reader else {
        return Bound::NoFacts;
    };
    BINDER.with_borrow_mut(|binder| {
        if binder.parameters.read(input).is_err() || binder.parameters.len() != shape.parameters {
            return Bound::BadParameters;
        }
        let bindings = Bindings {
            holes: &shape.holes,
            input,
            parameters: &binder.parameters,
        };
        let (stamps, slots) = (database.stamps(), &mut binder.slots);
        slots.clear();
        reader.dependencies(database, &bindings, &mut binder.matched, |slot| {
            slots.push(slot);
        });
        // NOTE: before the stamps, see there.
        let in_doubt = slots.iter().any(|slot| stamps.is_in_doubt(*slot));
        let stamp_of = |slot: &Slot| stamps.load(*slot);
        let token = slots.iter().map(stamp_of).fold(0, u64::wrapping_add);
        let key = binder.key.key(
            &shape.planned.prefix,
            &shape.layout,
            &shape.holes,
            input,
            &binder.parameters,
            slots,
        );
        // NOTE: after the loads, see `Database::set_facts`.
        if shape.planned.epoch != database.epoch() {
            Bound::Stale
        } else if in_doubt {
            Bound::InDoubt(key, token)
        } else {
            Bound::Token(key, token)
        }
    })
}

impl Reader {
    /// Prepares a read.
    #[must_use]
    pub fn new(database: &Database, read: &Read, facts: &Facts) -> Self {
        let tables = read.dependencies.iter().map(|dependency| {
            let known = facts.table(&dependency.table);
            let table = known.map_or(&dependency.table, resolve::root).clone();
            let rows = known.map_or_else(Vec::new, |known| {
                dependency
                    .rows
                    .iter()
                    .map(|row| Tracked::new(database, known, row))
                    .collect()
            });
            TableReader {
                slot: database.table_slot(&table),
                table,
                reads: known.map_or(Columns::All, |known| {
                    stored(known, &dependency.columns, database.dialect())
                }),
                // Nothing known of the table, or a plan without rows: every row matters.
                rows: if rows.is_empty() {
                    vec![Tracked::every_row()]
                } else {
                    rows
                },
                every_row: OnceLock::new(),
            }
        });
        Self {
            tables: tables.collect(),
            any: reads_anything(read, facts),
        }
    }

    /// Calls `each` with the slot of every stamp that the result depends on. Registers schemes first.
    fn dependencies(
        &self,
        database: &Database,
        bindings: &Bindings<'_>,
        matched: &mut Matched,
        mut each: impl FnMut(Slot),
    ) {
        for slot in database.common_slots() {
            each(slot);
        }
        if self.any {
            each(database.any_slot());
        }
        for table in &self.tables {
            each(table.slot);
            if !table.matching(database.stamps(), bindings, matched) {
                let handle = table
                    .every_row
                    .get_or_init(|| table.register(database, Vec::new()));
                if handle.registered {
                    each(handle.slot);
                }
                continue;
            }
            for index in 0..matched.conjunctions.len() {
                let (at, kept, ranges) = matched.conjunctions[index];
                let handle = table.scheme(database, &table.rows[at], kept);
                if !handle.registered {
                    continue;
                }
                each(handle.slot);
                if kept != 0 {
                    matched.conditions(ranges, |classes| {
                        each(
                            database
                                .stamps()
                                .slot(database.stamps().condition(handle.name, classes)),
                        );
                    });
                }
            }
        }
    }
}

/// Whether code of the user may read tables that the text does not name. What `.cache()` overrides must not go stale.
fn reads_anything(read: &Read, facts: &Facts) -> bool {
    facts.operators
        || read.any
        || read.cautions.iter().any(|caution| match caution.code {
            "unknown_function" | "volatile_function" => true,
            "view" => !facts.functions.is_empty(),
            _ => false,
        })
}

/// Columns by their stored names, sorted; all of them when one is not known.
fn stored(table: &Table, columns: &Columns, dialect: Dialect) -> Columns {
    let Columns::Some(names) = columns else {
        return Columns::All;
    };
    let found = names.iter().map(|name| {
        table
            .column(name, dialect)
            .map(|column| column.name.clone())
    });
    let Some(mut found) = found.collect::<Option<Vec<_>>>() else {
        return Columns::All;
    };
    found.sort_unstable();
    found.dedup();
    Columns::Some(found)
}

impl TableReader {
    /// Finds the conjunctions that can match. False: there are too many conditions.
    fn matching(&self, stamps: &Stamps, bindings: &Bindings<'_>, matched: &mut Matched) -> bool {
        matched.classes.clear();
        matched.ranges.clear();
        matched.conjunctions.clear();
        let mut conditions = 0;
        for (at, row) in self.rows.iter().enumerate() {
            let first = matched.ranges.len();
            let Some(kept) = row.classes(stamps, bindings, matched) else {
                matched.ranges.truncate(first);
                continue;
            };
            conditions += matched.ranges[first..]
                .iter()
                .map(|(start, end)| end - start)
                .product::<usize>();
            if conditions > MAX_CONDITIONS {
                return false;
            }
            matched
                .conjunctions
                .push((at, kept, (first, matched.ranges.len())));
        }
        true
    }

    fn scheme(&self, database: &Database, row: &Tracked, kept: u32) -> Handle {
        let columns = || {
            let terms = row
                .terms
                .iter()
                .enumerate()
                .filter(|(bit, _)| kept & 1 << bit != 0);
            terms.map(|(_, term)| term.column.clone()).collect()
        };
        if kept.count_ones() as usize == row.terms.len() {
            return *row.whole.get_or_init(|| self.register(database, columns()));
        }
        let mut parts = row.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, handle)) = parts.iter().find(|(bits, _)| *bits == kept) {
            return *handle;
        }
        let handle = self.register(database, columns());
        parts.push((kept, handle));
        handle
    }

    fn register(&self, database: &Database, columns: Vec<String>) -> Handle {
        database.register(
            &self.table,
            &Scheme {
                columns,
                reads: self.reads.clone(),
            },
        )
    }
}

impl Tracked {
    fn every_row() -> Self {
        Self {
            terms: Vec::new(),
            whole: OnceLock::new(),
            parts: Mutex::default(),
        }
    }

    fn new(database: &Database, table: &Table, row: &Conjunction) -> Self {
        let mut terms: Vec<TrackedTerm> = Vec::with_capacity(row.len());
        for term in row {
            // Terms are bits below; a plan has at most eight.
            if terms.len() < 16
                && let Some(term) = TrackedTerm::new(database, table, term)
                && terms.iter().all(|other| other.column != term.column)
            {
                terms.push(term);
            }
        }
        terms.sort_by(|left, right| left.column.cmp(&right.column));
        Self {
            terms,
            ..Self::every_row()
        }
    }

    /// Collects the classes of each term; gives the terms kept as bits. `None`: it matches no row.
    #[inline]
    fn classes(
        &self,
        stamps: &Stamps,
        bindings: &Bindings<'_>,
        matched: &mut Matched,
    ) -> Option<u32> {
        let first = matched.ranges.len();
        let mut kept = 0;
        for (bit, term) in self.terms.iter().enumerate() {
            let start = matched.classes.len();
            if !term.classes(stamps, bindings, matched) {
                matched.classes.truncate(start);
                continue;
            }
            if matched.classes.len() == start {
                return None;
            }
            kept |= 1 << bit;
            matched.ranges.push((start, matched.classes.len()));
        }
        // IN lists multiply; without its longest list a conjunction is only wider.
        while matched.ranges[first..]
            .iter()
            .map(|(start, end)| end - start)
            .product::<usize>()
            > MAX_CONDITIONS
        {
            let longest = (first..matched.ranges.len())
                .max_by_key(|at| matched.ranges[*at].1 - matched.ranges[*at].0)?;
            matched.ranges.remove(longest);
            let bit = (0..u32::BITS)
                .filter(|bit| kept & 1 << bit != 0)
                .nth(longest - first)?;
            kept &= !(1 << bit);
        }
        Some(kept)
    }
}

impl TrackedTerm {
    /// `None`: the term cannot be tracked, whatever the parameters are.
    fn new(database: &Database, table: &Table, term: &Term) -> Option<Self> {
        let column = table.column(&term.column, database.dialect())?;
        if column.kind == ColumnKind::Other {
            return None;
        }
        let mut text = String::new();
        let mut values = Vec::with_capacity(term.values.len());
        for operand in &term.values {
            text.clear();
            values.push(match operand {
                Operand::Hole(hole) => Candidate::Hole(*hole),
                Operand::List(hole) => Candidate::List(*hole),
                literal => match class::of_literal(column.kind, literal, &mut text) {
                    Class::Value => Candidate::Literal(database.stamps().class(Some(&text))),
                    Class::Null => Candidate::Null,
                    Class::Unknown => return None,
                },
            });
        }
        Some(Self {
            column: column.name.clone(),
            kind: column.kind,
            values,
            nulls: term.nulls,
        })
    }

    /// Appends the classes of the term's values. False: one of them is unknown.
    #[inline]
    fn classes(&self, stamps: &Stamps, bindings: &Bindings<'_>, matched: &mut Matched) -> bool {
        let start = matched.classes.len();
        self.values.iter().all(|candidate| match candidate {
            Candidate::Hole(hole) => self.add(stamps, bindings.single(*hole), matched, start),
            Candidate::List(hole) => {
                bindings.list(*hole, |value| self.add(stamps, value, matched, start))
            }
            Candidate::Literal(class) => {
                matched.classes.push(*class);
                true
            }
            Candidate::Null => self.add(stamps, Value::Null, matched, start),
        })
    }

    #[inline]
    fn add(&self, stamps: &Stamps, value: Value<'_>, matched: &mut Matched, start: usize) -> bool {
        matched.text.clear();
        match class::of_parameter(self.kind, &value, &mut matched.text) {
            Class::Value => matched.classes.push(stamps.class(Some(&matched.text))),
            Class::Null if self.nulls => matched.classes.push(stamps.class(None)),
            Class::Null => {}
            Class::Unknown => return false,
        }
        matched.classes.len() - start <= MAX_CONDITIONS
    }
}

impl Matched {
    /// Calls `each` with the classes of every condition that the terms in these ranges make.
    fn conditions(
        &mut self,
        (first, last): (usize, usize),
        mut each: impl FnMut(&mut dyn Iterator<Item = u64>),
    ) {
        let Self {
            classes,
            ranges,
            odometer,
            ..
        } = self;
        let ranges = &ranges[first..last];
        odometer.clear();
        odometer.extend(ranges.iter().map(|(start, _)| *start));
        loop {
            each(&mut odometer.iter().map(|at| classes[*at]));
            let Some(wheel) = (0..ranges.len())
                .rev()
                .find(|wheel| odometer[*wheel] + 1 < ranges[*wheel].1)
            else {
                return;
            };
            odometer[wheel] += 1;
            for later in wheel + 1..ranges.len() {
                odometer[later] = ranges[later].0;
            }
        }
    }
}
