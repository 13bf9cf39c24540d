//! The binding of cacheops to Node: free functions of numbers, strings and one buffer per thread. All thinking is done in
//! `cacheops-core`.

#![warn(missing_docs)]
#![allow(
    clippy::needless_pass_by_value,
    reason = "arguments of exports arrive by value"
)]
#![allow(
    clippy::missing_errors_doc,
    reason = "every export throws `CODE: text`: an unknown handle, or input that cannot be read"
)]

mod error;
mod scratch;
mod unsettled;

use cacheops_core::affected::{self, Images};
use cacheops_core::bind::{Bound, bind as bind_shape};
use cacheops_core::change::Change;
use cacheops_core::database::{self, Database};
use cacheops_core::pending::Announced;
use cacheops_core::schema::TableName;
use cacheops_core::shape::{self, Shape};
use cacheops_core::{explain as explained, images as imaged, invalidate as invalidation, named};
use napi::Env;
use napi::bindgen_prelude::{Uint8Array, Utf16String};
use napi_derive::napi;
use std::sync::{Arc, Once};

use error::{invalid, thrown};

type Result<T> = napi::Result<T>;

fn database(handle: u32) -> Result<Arc<Database>> {
    database::database(handle).map_err(thrown)
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| invalid(&error.to_string()))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "epochs, versions and stamps count events: far below 2^53"
)]
fn number(count: u64) -> f64 {
    count as f64
}

/// The count that a number stands for, if it is one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked"
)]
fn count(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && number >= 0.0).then_some(number as u64)
}

/// Opens the store of a name: one array of stamps for all threads of the process.
#[napi(catch_unwind)]
pub fn open_store(env: Env, name: String) -> Result<u32> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            static REPORTED: Once = Once::new();
            REPORTED
                .call_once(|| eprintln!("cacheops: a bug was caught, please report it: {panic}"));
        }));
    });
    unsettled::watch(env)?;
    database::open_store(&name).map_err(thrown)
}

/// Opens a database of a store by its identity, as sessions of one kind see it. Dialects: `postgres`, `sqlite`.
#[napi(catch_unwind)]
pub fn open_database(
    store: u32,
    identity: String,
    dialect: String,
    view: Option<String>,
) -> Result<u32> {
    let view = view.unwrap_or_default();
    database::open_view(store, &identity, &dialect, &view).map_err(thrown)
}

/// Grows whenever facts are set or dropped.
#[napi(catch_unwind)]
pub fn facts_epoch(database: u32) -> Result<f64> {
    Ok(number(self::database(database)?.epoch()))
}

/// Sets facts that were read while `epoch` was the epoch; false: it moved on, and they are refused.
#[napi(catch_unwind)]
pub fn set_facts(database: u32, facts_json: String, epoch: f64) -> Result<bool> {
    let Some(epoch) = count(epoch) else {
        return Ok(false);
    };
    self::database(database)?
        .set_facts(&facts_json, epoch)
        .map_err(thrown)
}

/// Forgets the facts: until new ones are set nothing is cached, and every write drops everything.
#[napi(catch_unwind)]
pub fn drop_facts(database: u32) -> Result<()> {
    self::database(database)?.drop_facts();
    Ok(())
}

/// Whether there are facts.
#[napi(catch_unwind)]
pub fn has_facts(database: u32) -> Result<bool> {
    Ok(self::database(database)?.facts().0.is_some())
}

/// This thread's memory for parameters: the key comes out at 0..16, the input starts at 32. Always the same memory.
#[napi(catch_unwind)]
pub fn scratch(bytes: u32) -> Result<Uint8Array> {
    if bytes as usize > scratch::BYTES {
        return Err(invalid("parameters are limited to 4 MiB"));
    }
    // SAFETY: the memory lives as long as the thread and is never freed, so there is nothing to do when the array is.
    Ok(unsafe { Uint8Array::with_external_data(scratch::memory(), scratch::BYTES, |_, _| {}) })
}

/// Plans a text; gives its shape as JSON.
#[napi(catch_unwind)]
pub fn prepare(database: u32, sql: Utf16String) -> Result<String> {
    let database = self::database(database)?;
    let shape = match String::from_utf16(&sql) {
        Ok(sql) => Shape::prepare(&database, &sql),
        Err(_) => Shape::unparsed(&database, "", "the text has lone surrogates"),
    };
    let handle = shape::keep(shape).map_err(thrown)?;
    let shape = shape::get(handle).map_err(thrown)?;
    json(&explained::shape(&shape, handle))
}

/// Forgets a shape.
#[napi(catch_unwind)]
pub fn release(shape: u32) {
    shape::release(shape);
}

/// What a token is taken from where its result is in doubt. Codes are above it.
const IN_DOUBT: f64 = -16.0;

/// Binds a shape to the input in the scratch that ends at `length`. A token (0 or more), with the key in the scratch; or
/// -1: facts changed, prepare again; -2: no facts; -3: malformed parameters; -4: not a read;
/// or `IN_DOUBT` less the token, with the key: a write on its way may have changed the result.
#[napi(catch_unwind)]
pub fn bind(shape: u32, length: u32) -> Result<f64> {
    let bound = shape::with(shape, |shape| {
        scratch::with_input(length, |input| bind_shape(shape, input))
    })
    .map_err(thrown)?;
    Ok(match bound {
        Some(Bound::Token(key, token)) => {
            scratch::write_key(&key);
            number(token)
        }
        Some(Bound::InDoubt(key, token)) => {
            scratch::write_key(&key);
            IN_DOUBT - number(token)
        }
        Some(Bound::Stale) => -1.0,
        Some(Bound::NoFacts) => -2.0,
        Some(Bound::BadParameters) | None => -3.0,
        Some(Bound::NotARead) => -4.0,
    })
}

/// How to get the images of a write's rows, as JSON; `{"reason": …}` when they cannot be had.
#[napi(catch_unwind)]
pub fn images(shape: u32) -> Result<String> {
    match imaged::images(&*shape::get(shape).map_err(thrown)?) {
        Ok(plan) => json(&plan),
        Err(reason) => json(&serde_json::json!({ "reason": reason })),
    }
}

/// What a write changed, as JSON: hold it until the commit, then hand it to `invalidate`.
#[napi(catch_unwind)]
pub fn change(shape: u32, length: u32, images_json: Option<String>) -> Result<String> {
    let Ok(shape) = shape::get(shape) else {
        // The write has happened: an error now would lose its invalidation.
        let reason = "the plan of the write was released before it was done".to_owned();
        return json(&[Change::Everything {
            reason,
            warning: false,
            epoch: 0,
        }]);
    };
    // Images that cannot be read are images that are not there.
    let images: Option<Images> = images_json.and_then(|images| serde_json::from_str(&images).ok());
    let changes = scratch::with_input(length, |input| {
        affected::change(&shape, input, images.as_ref())
    });
    json(&changes.unwrap_or_else(|| affected::change(&shape, &[], images.as_ref())))
}

/// The change of one row that the caller names: its columns, and their values in the scratch.
#[napi(catch_unwind)]
pub fn row_change(
    database: u32,
    schema: String,
    table: String,
    columns_json: String,
    length: u32,
) -> Result<String> {
    let database = self::database(database)?;
    let columns: Vec<String> =
        serde_json::from_str(&columns_json).map_err(|error| invalid(&error.to_string()))?;
    let (facts, epoch) = database.facts();
    let name = TableName::new(schema, table);
    let change = |input: &[u8]| {
        named::row_change(
            facts.as_deref(),
            epoch,
            database.dialect(),
            &name,
            &columns,
            input,
        )
    };
    json(&scratch::with_input(length, change).unwrap_or_else(|| change(&[])))
}

/// The change of any row of a table.
#[napi(catch_unwind)]
pub fn table_change(
    database: u32,
    schema: String,
    table: String,
    reason: String,
) -> Result<String> {
    let database = self::database(database)?;
    let (facts, epoch) = database.facts();
    let name = TableName::new(schema, table);
    json(&named::table_change(
        facts.as_deref(),
        epoch,
        database.dialect(),
        &name,
        &reason,
    ))
}

/// Announces a write with the parameters in the scratch, before it can become visible. Gives the number that `invalidate`
/// or `retract` takes it back by.
#[napi(catch_unwind)]
pub fn announce(shape: u32, length: u32) -> Result<f64> {
    let shape = shape::get(shape).map_err(thrown)?;
    let input = scratch::with_input(length, |input| Arc::<[u8]>::from(input)).unwrap_or_default();
    let database = Arc::clone(&shape.database);
    let number = unsettled::announce(&database, Announced::Statement(shape, input));
    Ok(self::number(number))
}

/// The same for changes that are known already.
#[napi(catch_unwind)]
pub fn announce_changes(database: u32, changes_json: String) -> Result<f64> {
    let database = self::database(database)?;
    let changes = Announced::Changes(Arc::clone(&database), changes(&changes_json).into());
    Ok(number(unsettled::announce(&database, changes)))
}

/// Takes an announcement back: the write has not happened.
#[napi(catch_unwind)]
pub fn retract(database: u32, announced: f64) -> Result<()> {
    if let Some(announced) = count(announced) {
        let database = self::database(database)?;
        unsettled::settled(&database, announced);
        database.pending().retract(announced);
    }
    Ok(())
}

/// Drops what changes may have touched, after their commit, and takes their announcement back; gives a report as JSON.
#[napi(catch_unwind)]
pub fn invalidate(database: u32, changes_json: String, announced: Option<f64>) -> Result<String> {
    let database = self::database(database)?;
    let announced = announced.and_then(count);
    let report = invalidation::settle(&database, &changes(&changes_json), announced);
    if let Some(announced) = announced {
        unsettled::settled(&database, announced);
    }
    json(&report)
}

fn changes(json: &str) -> Vec<Change> {
    serde_json::from_str(json).unwrap_or_else(|error| {
        vec![Change::Everything {
            reason: format!("changes that cannot be read: {error}"),
            warning: false,
            epoch: 0,
        }]
    })
}

/// Drops everything of a database; gives a report as JSON.
#[napi(catch_unwind)]
pub fn invalidate_database(database: u32, reason: String) -> Result<String> {
    json(&invalidation::everything(
        &*self::database(database)?,
        &reason,
    ))
}

/// Drops everything of a store.
#[napi(catch_unwind)]
pub fn invalidate_store(store: u32) -> Result<()> {
    database::drop_store(store).map_err(thrown)
}

/// What a shape's result depends on with the parameters in the scratch, in words, as JSON.
#[napi(catch_unwind)]
pub fn explain(shape: u32, length: u32) -> Result<String> {
    let shape = shape::get(shape).map_err(thrown)?;
    let explain = |input: &[u8]| explained::bound(&shape, input);
    json(&scratch::with_input(length, explain).unwrap_or_else(|| explain(&[])))
}

/// Grows whenever a scheme is added or facts change: an image plan may be kept until then.
#[napi(catch_unwind)]
pub fn registry_version(database: u32) -> Result<f64> {
    Ok(number(self::database(database)?.version()))
}
