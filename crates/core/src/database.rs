//! One database as this process knows it: its facts, plans, registry and stamps. Shared by all threads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use crate::error::{Error, ErrorKind, Result};
use crate::pending::Pending;
use crate::plan::Columns;
use crate::registry::{Registration, Registry, Scheme};
use crate::schema::{Dialect, Facts, TableName};
use crate::shape::{PlanCache, Planned};
use crate::stamps::{Level, Slot, Stamps, order_against_the_other_side};

/// A database within a store.
#[derive(Debug)]
pub struct Database {
    identity: String,
    dialect: Dialect,
    stamps: &'static Stamps,
    store_slot: Slot,
    any_slot: Slot,
    slot: Slot,
    facts: RwLock<Known>,
    /// Copy of the epoch in `facts`, for the hot path. NOTE: changed only while `facts` is locked for writing.
    epoch: AtomicU64,
    registry: RwLock<Registry>,
    version: AtomicU64,
    plans: Mutex<PlanCache>,
    pending: Pending,
}

#[derive(Debug, Default)]
struct Known {
    facts: Option<Arc<Facts>>,
    epoch: u64,
    /// Of the last facts that were set, even if they were dropped since.
    fingerprint: Option<[u8; 32]>,
}

/// A scheme that a reader has asked the registry for.
#[derive(Clone, Copy, Debug)]
pub struct Handle {
    /// The hashed name that conditions are hashed with.
    pub name: u64,
    /// The scheme's stamp.
    pub slot: Slot,
    /// Writers know of it; otherwise only the table's stamp counts.
    pub registered: bool,
}

impl Database {
    fn new(stamps: &'static Stamps, identity: &str, dialect: Dialect) -> Self {
        Self {
            identity: identity.to_owned(),
            dialect,
            stamps,
            store_slot: store_slot(stamps),
            any_slot: stamps.slot(stamps.name(Level::Any, &[identity.as_bytes()])),
            slot: stamps.slot(stamps.name(Level::Database, &[identity.as_bytes()])),
            facts: RwLock::default(),
            epoch: AtomicU64::new(0),
            registry: RwLock::default(),
            version: AtomicU64::new(0),
            plans: Mutex::default(),
            pending: Pending::default(),
        }
    }

    /// Its writes that may be committed and are not invalidated yet.
    #[must_use]
    pub fn pending(&self) -> &Pending {
        &self.pending
    }

    /// What tells this database from every other, the same in every process.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The dialect of its connections.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The stamps of its store.
    #[must_use]
    pub fn stamps(&self) -> &'static Stamps {
        self.stamps
    }

    /// The stamps that every result of this database depends on.
    #[must_use]
    #[inline]
    pub fn common_slots(&self) -> [Slot; 2] {
        [self.store_slot, self.slot]
    }

    /// The slot of the stamp that every write drops: for results of which nobody knows what they depend on.
    #[must_use]
    pub fn any_slot(&self) -> Slot {
        self.any_slot
    }

    /// The slot of a table's stamp.
    #[must_use]
    pub fn table_slot(&self, table: &TableName) -> Slot {
        self.stamps
            .slot(self.stamps.name(Level::Table, &self.table_parts(table)))
    }

    fn table_parts<'a>(&'a self, table: &'a TableName) -> [&'a [u8]; 3] {
        [
            self.identity.as_bytes(),
            table.schema.as_bytes(),
            table.name.as_bytes(),
        ]
    }

    /// The hashed name of a scheme.
    #[must_use]
    pub fn scheme_name(&self, table: &TableName, scheme: &Scheme) -> u64 {
        let compared = scheme.columns.len().to_le_bytes();
        let mut parts = self.table_parts(table).to_vec();
        parts.push(&compared);
        parts.extend(scheme.columns.iter().map(String::as_bytes));
        match &scheme.reads {
            Columns::All => parts.push(b"all"),
            Columns::Some(columns) => {
                parts.push(b"some");
                parts.extend(columns.iter().map(String::as_bytes));
            }
        }
        self.stamps.name(Level::Scheme, &parts)
    }

    /// Tells writers of a scheme. Must come before the reader asks the database.
    pub fn register(&self, table: &TableName, scheme: &Scheme) -> Handle {
        let registration = self
            .registry
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .register(table, scheme);
        if registration != Registration::Known {
            self.version.fetch_add(1, Ordering::SeqCst);
        }
        order_against_the_other_side();
        let name = self.scheme_name(table, scheme);
        Handle {
            name,
            slot: self.stamps.slot(name),
            registered: registration != Registration::Full,
        }
    }

    /// The registry, for a writer whose commit is done.
    pub fn registry(&self) -> RwLockReadGuard<'_, Registry> {
        order_against_the_other_side();
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grows whenever a scheme is added or facts change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    /// Grows whenever facts are set or dropped.
    #[must_use]
    #[inline]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The facts with their epoch.
    #[must_use]
    pub fn facts(&self) -> (Option<Arc<Facts>>, u64) {
        let known = self.facts.read().unwrap_or_else(PoisonError::into_inner);
        (known.facts.clone(), known.epoch)
    }

    /// Sets facts that were read from the database while `epoch` was the epoch; false: they may be outdated, read again.
    ///
    /// Facts that differ from the last ones drop every result: conditions computed from other column kinds do not meet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when the JSON is not of the documented shape.
    pub fn set_facts(&self, json: &str, epoch: u64) -> Result<bool> {
        let facts = Arc::new(Facts::from_json(json, self.dialect)?);
        let fingerprint = *blake3::hash(json.as_bytes()).as_bytes();
        let mut known = self.facts.write().unwrap_or_else(PoisonError::into_inner);
        if known.epoch != epoch {
            return Ok(false);
        }
        known.facts = Some(facts);
        let changed = known.fingerprint.replace(fingerprint) != Some(fingerprint);
        self.advance(&mut known);
        if changed {
            // NOTE: the epoch moved first. A reader that still binds under the old one either sees the new epoch when it
            // is done and gives up, or has loaded the database's stamp before it is dropped here.
            let mut registry = self
                .registry
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            self.stamps.drop_stamp(self.slot);
            registry.clear();
            self.stamps.drop_stamp(self.slot);
        }
        Ok(true)
    }

    /// Forgets the facts: until new ones are set nothing is cached and every write drops everything.
    pub fn drop_facts(&self) {
        let mut known = self.facts.write().unwrap_or_else(PoisonError::into_inner);
        known.facts = None;
        self.advance(&mut known);
    }

    fn advance(&self, known: &mut Known) {
        known.epoch += 1;
        self.epoch.store(known.epoch, Ordering::SeqCst);
        self.version.fetch_add(1, Ordering::SeqCst);
        self.plans().clear();
    }

    fn plans(&self) -> MutexGuard<'_, PlanCache> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plan of a collapsed text, if it was made in this epoch.
    pub fn cached_plan(&self, text: &str, epoch: u64) -> Option<Arc<Planned>> {
        self.plans().get(text, epoch)
    }

    /// Keeps a plan.
    pub fn keep_plan(&self, text: &str, planned: &Arc<Planned>) {
        self.plans().insert(text, planned);
    }

    /// Drops everything of this database.
    pub fn drop_all(&self) {
        self.stamps.drop_stamp(self.slot);
    }
}

fn store_slot(stamps: &Stamps) -> Slot {
    stamps.slot(stamps.name(Level::Store, &[]))
}

/// What this process has opened; handles are positions, and nothing is ever closed.
#[derive(Default)]
struct Opened {
    stores: Vec<(String, &'static Stamps)>,
    databases: Vec<Arc<Database>>,
    by_identity: HashMap<(u32, String), u32>,
}

static OPENED: RwLock<Option<Opened>> = RwLock::new(None);

/// Opens the store of a name: the same handle for every thread.
///
/// # Errors
///
/// [`ErrorKind::Internal`] when 2^32 stores are open.
pub fn open_store(name: &str) -> Result<u32> {
    let mut opened = OPENED.write().unwrap_or_else(PoisonError::into_inner);
    let stores = &mut opened.get_or_insert_default().stores;
    let at = stores
        .iter()
        .position(|(known, _)| known == name)
        .unwrap_or_else(|| {
            stores.push((name.to_owned(), Stamps::open(name)));
            stores.len() - 1
        });
    handle(at)
}

/// Opens a database of a store: the same handle for every thread.
///
/// # Errors
///
/// [`ErrorKind::UnknownHandle`] for a store that was never opened, [`ErrorKind::InvalidInput`] for an unknown dialect, or
/// when this identity is open with the other dialect.
pub fn open_database(store: u32, identity: &str, dialect: &str) -> Result<u32> {
    let dialect = match dialect {
        "postgres" => Dialect::Postgres,
        "sqlite" => Dialect::Sqlite,
        other => {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the dialect {other:?} is not supported"),
            ));
        }
    };
    let mut opened = OPENED.write().unwrap_or_else(PoisonError::into_inner);
    let opened = opened.get_or_insert_default();
    let stamps = opened
        .stores
        .get(store as usize)
        .ok_or_else(|| unknown("store", store))?
        .1;
    if let Some(at) = opened.by_identity.get(&(store, identity.to_owned())) {
        return if opened.databases[*at as usize].dialect == dialect {
            Ok(*at)
        } else {
            Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{identity:?} is already open with another dialect"),
            ))
        };
    }
    let at = handle(opened.databases.len())?;
    opened
        .databases
        .push(Arc::new(Database::new(stamps, identity, dialect)));
    opened.by_identity.insert((store, identity.to_owned()), at);
    Ok(at)
}

/// The database of a handle.
///
/// # Errors
///
/// [`ErrorKind::UnknownHandle`] when it was never opened.
pub fn database(handle: u32) -> Result<Arc<Database>> {
    let opened = OPENED.read().unwrap_or_else(PoisonError::into_inner);
    let found = opened
        .as_ref()
        .and_then(|opened| opened.databases.get(handle as usize));
    found.cloned().ok_or_else(|| unknown("database", handle))
}

/// Drops everything of every database of a store.
///
/// # Errors
///
/// [`ErrorKind::UnknownHandle`] when the store was never opened.
pub fn drop_store(handle: u32) -> Result<()> {
    let opened = OPENED.read().unwrap_or_else(PoisonError::into_inner);
    let found = opened
        .as_ref()
        .and_then(|opened| opened.stores.get(handle as usize));
    let (_, stamps) = found.ok_or_else(|| unknown("store", handle))?;
    stamps.drop_stamp(store_slot(stamps));
    Ok(())
}

fn handle(at: usize) -> Result<u32> {
    u32::try_from(at).map_err(|_| Error::new(ErrorKind::Internal, "too many handles"))
}

fn unknown(what: &str, handle: u32) -> Error {
    Error::new(
        ErrorKind::UnknownHandle,
        format!("no {what} has the handle {handle}"),
    )
}
