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

/// A database within a store, as sessions of one kind see it: what a name means and what may be read depends on the session.
#[derive(Debug)]
pub struct Database {
    shared: Arc<Shared>,
    facts: RwLock<Known>,
    /// Copy of the epoch in `facts`, for the hot path. NOTE: changed only while `facts` is locked for writing.
    epoch: AtomicU64,
    plans: Mutex<PlanCache>,
}

/// What a database is to everybody: what one writes, all have to hear of.
#[derive(Debug)]
struct Shared {
    identity: String,
    dialect: Dialect,
    stamps: &'static Stamps,
    store_slot: Slot,
    any_slot: Slot,
    slot: Slot,
    registry: RwLock<Registry>,
    version: AtomicU64,
    pending: Pending,
}

/// Epochs are never those of another view, because changes that one view describes may be settled by another.
static EPOCHS: AtomicU64 = AtomicU64::new(0);

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

impl Shared {
    fn new(stamps: &'static Stamps, identity: &str, dialect: Dialect) -> Self {
        Self {
            identity: identity.to_owned(),
            dialect,
            stamps,
            store_slot: store_slot(stamps),
            any_slot: stamps.slot(stamps.name(Level::Any, &[identity.as_bytes()])),
            slot: stamps.slot(stamps.name(Level::Database, &[identity.as_bytes()])),
            registry: RwLock::default(),
            version: AtomicU64::new(0),
            pending: Pending::new(stamps),
        }
    }
}

impl Database {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            facts: RwLock::default(),
            epoch: AtomicU64::new(0),
            plans: Mutex::default(),
        }
    }

    /// Its writes that may be committed and are not invalidated yet.
    #[must_use]
    pub fn pending(&self) -> &Pending {
        &self.shared.pending
    }

    /// What tells this database from every other, the same in every process.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.shared.identity
    }

    /// The dialect of its connections.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.shared.dialect
    }

    /// The stamps of its store.
    #[must_use]
    pub fn stamps(&self) -> &'static Stamps {
        self.shared.stamps
    }

    /// The stamps that every result of this database depends on.
    #[must_use]
    #[inline]
    pub fn common_slots(&self) -> [Slot; 2] {
        [self.shared.store_slot, self.shared.slot]
    }

    /// The slot of the stamp that every write drops: for results of which nobody knows what they depend on.
    #[must_use]
    pub fn any_slot(&self) -> Slot {
        self.shared.any_slot
    }

    /// The slot of a table's stamp.
    #[must_use]
    pub fn table_slot(&self, table: &TableName) -> Slot {
        self.shared.stamps.slot(
            self.shared
                .stamps
                .name(Level::Table, &self.table_parts(table)),
        )
    }

    fn table_parts<'a>(&'a self, table: &'a TableName) -> [&'a [u8]; 3] {
        [
            self.shared.identity.as_bytes(),
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
        self.shared.stamps.name(Level::Scheme, &parts)
    }

    /// Tells writers of a scheme. Must come before the reader asks the database.
    pub fn register(&self, table: &TableName, scheme: &Scheme) -> Handle {
        let registration = self
            .shared
            .registry
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .register(table, scheme);
        if registration != Registration::Known {
            self.shared.version.fetch_add(1, Ordering::SeqCst);
        }
        order_against_the_other_side();
        let name = self.scheme_name(table, scheme);
        Handle {
            name,
            slot: self.shared.stamps.slot(name),
            registered: registration != Registration::Full,
        }
    }

    /// The registry, for a writer whose commit is done.
    pub fn registry(&self) -> RwLockReadGuard<'_, Registry> {
        order_against_the_other_side();
        self.shared
            .registry
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Grows whenever a scheme is added or facts change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.shared.version.load(Ordering::SeqCst)
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
        let facts = Arc::new(Facts::from_json(json, self.shared.dialect)?);
        let fingerprint = *blake3::hash(json.as_bytes()).as_bytes();
        let mut known = self.facts.write().unwrap_or_else(PoisonError::into_inner);
        if known.epoch != epoch {
            return Ok(false);
        }
        known.facts = Some(facts);
        let changed = known.fingerprint.replace(fingerprint) != Some(fingerprint);
        self.advance(&mut known);
        if changed {
            // No view is opened meanwhile.
            let opened = OPENED.read().unwrap_or_else(PoisonError::into_inner);
            // NOTE: the epoch moved first. A reader that still binds under the old one either sees the new epoch when it
            // is done and gives up, or has loaded the database's stamp before it is dropped here.
            let mut registry = self
                .shared
                .registry
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            self.stamps().drop_stamp(self.shared.slot);
            // Readers of another view know that their schemes are registered, and do not look again.
            if views(opened.as_ref(), &self.shared).count() == 1 {
                registry.clear();
            }
            self.stamps().drop_stamp(self.shared.slot);
        }
        Ok(true)
    }

    /// Forgets the facts, those of other views included: until new ones are set nothing is cached and every write drops
    /// everything.
    pub fn drop_facts(&self) {
        let found: Vec<_> = {
            let opened = OPENED.read().unwrap_or_else(PoisonError::into_inner);
            views(opened.as_ref(), &self.shared).cloned().collect()
        };
        for view in found {
            view.forget_facts();
        }
    }

    fn forget_facts(&self) {
        let mut known = self.facts.write().unwrap_or_else(PoisonError::into_inner);
        known.facts = None;
        self.advance(&mut known);
    }

    fn advance(&self, known: &mut Known) {
        known.epoch = EPOCHS.fetch_add(1, Ordering::SeqCst) + 1;
        self.epoch.store(known.epoch, Ordering::SeqCst);
        self.shared.version.fetch_add(1, Ordering::SeqCst);
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

    /// The stamp that every result of this database depends on, and no other's.
    #[must_use]
    pub fn slot(&self) -> Slot {
        self.shared.slot
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
    by_identity: HashMap<(u32, String, String), u32>,
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

/// All views of a database.
fn views<'a>(
    opened: Option<&'a Opened>,
    shared: &'a Arc<Shared>,
) -> impl Iterator<Item = &'a Arc<Database>> {
    let databases = opened.into_iter().flat_map(|opened| &opened.databases);
    databases.filter(|database| Arc::ptr_eq(&database.shared, shared))
}

/// Opens a database of a store: the same handle for every thread.
///
/// # Errors
///
/// As [`open_view`].
pub fn open_database(store: u32, identity: &str, dialect: &str) -> Result<u32> {
    open_view(store, identity, dialect, "")
}

/// Opens a view of a database: the same handle for every thread.
///
/// Sessions for which a name means another table, or that may read other things, have another `view`: facts and plans of
/// their own, but the same stamps.
///
/// # Errors
///
/// [`ErrorKind::UnknownHandle`] for a store that was never opened, [`ErrorKind::InvalidInput`] for an unknown dialect, or
/// when this identity is open with the other dialect.
pub fn open_view(store: u32, identity: &str, dialect: &str, view: &str) -> Result<u32> {
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
    let key = (store, identity.to_owned(), view.to_owned());
    if let Some(at) = opened.by_identity.get(&key) {
        return same_dialect(&opened.databases[*at as usize].shared, dialect).map(|()| *at);
    }
    let other = opened.databases.iter().find(|database| {
        std::ptr::eq(database.shared.stamps, stamps) && database.shared.identity == identity
    });
    let shared = match other {
        Some(view) => Arc::clone(&view.shared),
        None => Arc::new(Shared::new(stamps, identity, dialect)),
    };
    same_dialect(&shared, dialect)?;
    let at = handle(opened.databases.len())?;
    opened.databases.push(Arc::new(Database::new(shared)));
    opened.by_identity.insert(key, at);
    Ok(at)
}

fn same_dialect(shared: &Shared, dialect: Dialect) -> Result<()> {
    if shared.dialect == dialect {
        return Ok(());
    }
    let text = format!("{:?} is already open with another dialect", shared.identity);
    Err(Error::new(ErrorKind::InvalidInput, text))
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
