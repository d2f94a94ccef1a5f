//! The store of usage that a configuration names.

use crate::config::state::Place;
use crate::model::usage::UsageStore;
use crate::observe::usage::sqlite::SqliteStore;
use crate::upstream::usage_store::PostgresStore;

/// What it is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A proxy records.
    Write,
    /// Somebody asks.
    Read,
}

/// The store in that place; nothing is read or written yet.
///
/// # Errors
/// The address of a database cannot be understood.
pub fn open(place: &Place, purpose: Purpose) -> anyhow::Result<Box<dyn UsageStore>> {
    Ok(match (place, purpose) {
        (Place::File(path), Purpose::Write) => Box::new(SqliteStore::new(path)),
        (Place::File(path), Purpose::Read) => Box::new(SqliteStore::for_reading(path)),
        (Place::Postgres { url, password_env }, purpose) => {
            let store = PostgresStore::new(url, password_env.as_deref())?;
            Box::new(if purpose == Purpose::Read { store.for_reading() } else { store })
        }
    })
}
