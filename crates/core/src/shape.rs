//! Shapes: SQL texts that were prepared, by handle. Texts that collapse to the same one share a plan.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use crate::bind::Reader;
use crate::database::Database;
use crate::effects::Effects;
use crate::error::{Error, ErrorKind, Result};
use crate::key::{self, Layout};
use crate::normalize::{Hole, collapse};
use crate::plan::{self, Canonical, Plan, Read, Statement, Write};
use crate::schema::{Dialect, Facts};

/// A plan with what binding needs, made once per collapsed text and facts.
#[derive(Debug)]
pub struct Planned {
    /// What the text is.
    pub statement: Statement,
    /// The facts that it was planned with.
    pub facts: Option<Arc<Facts>>,
    /// Their epoch.
    pub epoch: u64,
    /// Reads with facts: what to bind.
    pub reader: Option<Reader>,
    /// Keys every key of this plan.
    pub prefix: [u8; 32],
    effects: OnceLock<Box<[Effects]>>,
    imaged: Mutex<Imaged>,
    order: Vec<usize>,
}

/// Columns that image plans of one plan name. They are only ever added, so that the images of an older image plan are
/// read rightly: what it named is a prefix.
#[derive(Clone, Debug, Default)]
pub struct Imaged {
    /// Columns whose values are taken.
    pub columns: Vec<String>,
    /// Columns of which only is asked whether they differ.
    pub differs: Vec<String>,
}

/// One text, prepared for one database.
#[derive(Debug)]
pub struct Shape {
    /// The database.
    pub database: Arc<Database>,
    /// The plan.
    pub planned: Arc<Planned>,
    /// What fills the collapsed text's holes.
    pub holes: Vec<Hole>,
    /// How many parameters the text takes.
    pub parameters: usize,
    /// INSERT … VALUES: how many tuples.
    pub tuples: Option<usize>,
    /// How parameters go into a key.
    pub layout: Layout,
    /// The text, of writes that can be extended.
    pub sql: Option<Box<str>>,
}

impl Shape {
    /// Plans a text, or finds its plan.
    #[must_use]
    pub fn prepare(database: &Arc<Database>, sql: &str) -> Self {
        // A panic of a parser must not become an error of a write that would otherwise have run.
        let planned = catch_unwind(AssertUnwindSafe(|| Self::plan(database, sql)));
        planned.unwrap_or_else(|_| Self::unparsed(database, sql, "the parser failed"))
    }

    fn plan(database: &Arc<Database>, sql: &str) -> Self {
        let collapsed = match collapse(sql, database.dialect()) {
            Ok(collapsed) => collapsed,
            Err(detail) => return Self::unparsed(database, sql, &detail),
        };
        let (facts, epoch) = database.facts();
        let planned = database
            .cached_plan(&collapsed.text, epoch)
            .unwrap_or_else(|| {
                let plan = plan::plan(&collapsed, database.dialect(), facts.as_deref());
                let planned = Arc::new(Planned::new(database, plan, facts, epoch));
                database.keep_plan(&collapsed.text, &planned);
                planned
            });
        let rewritable = planned.write().is_some_and(|write| write.rewrite.is_some());
        Self {
            database: Arc::clone(database),
            layout: Layout::new(
                &collapsed.holes,
                collapsed.parameters,
                &planned.order,
                collapsed.tuples.is_some(),
            ),
            planned,
            holes: collapsed.holes,
            parameters: collapsed.parameters,
            tuples: collapsed.tuples,
            sql: rewritable.then(|| sql.into()),
        }
    }

    /// The shape of a text that cannot be planned.
    #[must_use]
    pub fn unparsed(database: &Arc<Database>, sql: &str, detail: &str) -> Self {
        let statement = catch_unwind(|| plan::unparsed(sql, database.dialect(), detail))
            .unwrap_or_else(|_| Statement::Unparsed {
                detail: detail.to_owned(),
                read: false,
            });
        let (facts, epoch) = database.facts();
        let plan = Plan {
            statement,
            canonical: Canonical {
                text: String::new(),
                order: Vec::new(),
            },
        };
        Self {
            database: Arc::clone(database),
            planned: Arc::new(Planned::new(database, plan, facts, epoch)),
            holes: Vec::new(),
            parameters: 0,
            tuples: None,
            layout: Layout::new(&[], 0, &[], false),
            sql: None,
        }
    }
}

impl Planned {
    fn new(database: &Database, plan: Plan, facts: Option<Arc<Facts>>, epoch: u64) -> Self {
        let reader = match (&plan.statement, &facts) {
            (Statement::Read(read), Some(facts)) => Some(Reader::new(database, read, facts)),
            _ => None,
        };
        Self {
            reader,
            prefix: key::prefix(database.identity(), &plan.canonical.text),
            order: plan.canonical.order,
            statement: plan.statement,
            facts,
            epoch,
            effects: OnceLock::new(),
            imaged: Mutex::default(),
        }
    }

    /// The effects of each target; of targets that the facts do not know there are none to speak of.
    pub fn effects(&self, dialect: Dialect) -> &[Effects] {
        self.effects.get_or_init(|| {
            let (Some(write), Some(facts)) = (self.write(), self.facts.as_deref()) else {
                return Box::default();
            };
            let effects = write.targets.iter().map(|target| {
                let table = target.table.as_ref().and_then(|name| facts.table(name));
                table.map_or_else(Effects::default, |table| {
                    Effects::of(target, table, facts, dialect)
                })
            });
            effects.collect()
        })
    }

    /// The columns that images of this plan hold.
    pub fn imaged(&self) -> Imaged {
        self.imaged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Adds columns to what images of this plan hold.
    pub fn image(&self, columns: &[String], differs: &[String]) -> Imaged {
        let mut imaged = self.imaged.lock().unwrap_or_else(PoisonError::into_inner);
        for column in columns {
            if !imaged.columns.contains(column) {
                imaged.columns.push(column.clone());
            }
        }
        for column in differs {
            if !imaged.differs.contains(column) {
                imaged.differs.push(column.clone());
            }
        }
        imaged.clone()
    }

    /// The read, if it is one.
    #[must_use]
    pub fn read(&self) -> Option<&Read> {
        match &self.statement {
            Statement::Read(read) => Some(read),
            _ => None,
        }
    }

    /// What it writes: a write, or a read that calls functions that write.
    #[must_use]
    pub fn write(&self) -> Option<&Write> {
        match &self.statement {
            Statement::Write(write) => Some(write),
            Statement::Read(read) => read.writes.as_ref(),
            _ => None,
        }
    }
}

/// Plans by collapsed text, those used longest ago leave first.
#[derive(Debug, Default)]
pub struct PlanCache {
    plans: HashMap<String, (Arc<Planned>, u64)>,
    clock: u64,
    bytes: usize,
}

impl PlanCache {
    const MAX_PLANS: usize = 4096;
    /// Of collapsed texts; a plan takes a small multiple of its text.
    const MAX_BYTES: usize = 16 << 20;

    /// The plan of a text, if it was made in this epoch.
    pub fn get(&mut self, text: &str, epoch: u64) -> Option<Arc<Planned>> {
        self.clock += 1;
        let (planned, used) = self.plans.get_mut(text)?;
        *used = self.clock;
        (planned.epoch == epoch).then(|| Arc::clone(planned))
    }

    /// Keeps a plan.
    pub fn insert(&mut self, text: &str, planned: &Arc<Planned>) {
        if self.plans.len() >= Self::MAX_PLANS || self.bytes + text.len() > Self::MAX_BYTES {
            self.evict();
        }
        self.clock += 1;
        if self
            .plans
            .insert(text.to_owned(), (Arc::clone(planned), self.clock))
            .is_none()
        {
            self.bytes += text.len();
        }
    }

    /// Drops the older half at once, so that the search for the oldest is paid once in thousands of insertions.
    fn evict(&mut self) {
        let mut uses: Vec<u64> = self.plans.values().map(|(_, used)| *used).collect();
        uses.sort_unstable();
        let Some(middle) = uses.get(uses.len() / 2).copied() else {
            return;
        };
        self.plans.retain(|_, (_, used)| *used > middle);
        self.bytes = self.plans.keys().map(String::len).sum();
    }

    /// Forgets all plans.
    pub fn clear(&mut self) {
        self.plans.clear();
        self.bytes = 0;
    }
}

/// Shapes by handle. A handle is a position and, above it, how often that position was given out, so that a handle that
/// was released does not silently mean another text.
#[derive(Debug, Default)]
struct Shapes {
    entries: Vec<(u32, Option<Arc<Shape>>)>,
    free: Vec<u32>,
}

const POSITION_BITS: u32 = 20;
const POSITIONS: usize = 1 << POSITION_BITS;

static SHAPES: RwLock<Shapes> = RwLock::new(Shapes {
    entries: Vec::new(),
    free: Vec::new(),
});

impl Shapes {
    fn get(&self, handle: u32) -> Option<&Arc<Shape>> {
        let (generation, shape) = self.entries.get(handle as usize % POSITIONS)?;
        if *generation == handle >> POSITION_BITS {
            shape.as_ref()
        } else {
            None
        }
    }
}

/// Keeps a shape and gives it a handle.
///
/// # Errors
///
/// [`ErrorKind::Internal`] when 2^20 shapes are kept already.
pub fn keep(shape: Shape) -> Result<u32> {
    let mut shapes = SHAPES.write().unwrap_or_else(PoisonError::into_inner);
    let position = match shapes.free.pop() {
        Some(position) => position,
        None if shapes.entries.len() < POSITIONS => {
            shapes.entries.push((0, None));
            u32::try_from(shapes.entries.len() - 1).unwrap_or(0)
        }
        None => {
            return Err(Error::new(
                ErrorKind::Internal,
                "too many shapes are kept: release some",
            ));
        }
    };
    let entry = &mut shapes.entries[position as usize];
    entry.1 = Some(Arc::new(shape));
    Ok(position | entry.0 << POSITION_BITS)
}

/// Forgets a shape; an unknown handle is ignored.
pub fn release(handle: u32) {
    let mut shapes = SHAPES.write().unwrap_or_else(PoisonError::into_inner);
    if shapes.get(handle).is_none() {
        return;
    }
    let position = handle as usize % POSITIONS;
    let entry = &mut shapes.entries[position];
    let shape = entry.1.take();
    entry.0 = (entry.0 + 1) % (1 << (u32::BITS - POSITION_BITS));
    shapes.free.push(u32::try_from(position).unwrap_or(0));
    drop(shapes);
    drop(shape);
}

/// The shape of a handle.
///
/// # Errors
///
/// [`ErrorKind::UnknownHandle`] when there is none, or it was released.
pub fn get(handle: u32) -> Result<Arc<Shape>> {
    with(handle, Arc::clone)
}

/// Lends the shape of a handle without counting references: the hot path.
///
/// # Errors
///
/// [`ErrorKind::UnknownHandle`] when there is none, or it was released.
#[inline]
pub fn with<T>(handle: u32, look: impl FnOnce(&Arc<Shape>) -> T) -> Result<T> {
    let shapes = SHAPES.read().unwrap_or_else(PoisonError::into_inner);
    shapes.get(handle).map(look).ok_or_else(|| {
        Error::new(
            ErrorKind::UnknownHandle,
            format!("no shape has the handle {handle}"),
        )
    })
}
