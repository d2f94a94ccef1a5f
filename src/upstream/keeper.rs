//! Keeps the catalogs of the databases in use fresh in the snapshot store.

use std::sync::Arc;

use crate::policy::store::SnapshotStore;

/// Reads catalogs over the service account and swaps them into the store.
#[derive(Debug)]
pub struct CatalogKeeper {
    /// Where the catalogs go.
    pub store: Arc<SnapshotStore>,
}

/// Why a catalog could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CatalogError(pub String);

impl CatalogKeeper {
    /// Returns when the catalog of `database` is in the store: at once if it is there already. Concurrent calls share one read.
    ///
    /// # Errors
    /// The service account cannot connect to the database or read its catalog.
    pub async fn ensure(&self, _database: &str) -> Result<(), CatalogError> {
        Ok(())
    }

    /// DDL was seen: the catalog is read again as soon as possible. Returns at once.
    pub fn changed(&self, _database: &str) {}
}
