//! One reading of a catalog: it is asked for within a limit, taken over, told, and remembered for the readings to come.

use std::time::{Duration, Instant};

use tokio_postgres::error::SqlState;

use super::{CatalogError, Inner, Kept, Reading};
use crate::upstream::catalog;
use crate::upstream::connect::{ServiceAccount, UpstreamError};

/// A stream of DDL must not make us a burden: between two readings we rest so many times what the last one took, within
/// limits.
const REST: u32 = 3;
const REST_AT_MOST: Duration = Duration::from_secs(5);

/// How long one reading may take, connecting included.
const LIMIT: Duration = Duration::from_secs(60);

impl Inner {
    /// Reads the catalog of a database, and says so to whoever watches.
    pub(super) async fn read(&self, database: &str, kept: &Kept) -> Result<(), CatalogError> {
        let began = Instant::now();
        let outcome = match &self.account {
            Some(account) => tokio::time::timeout(LIMIT, self.ask(account, database))
                .await
                .unwrap_or(Err(UpstreamError::Timeout(LIMIT.as_secs()))),
            None => Ok(false),
        };
        let took = began.elapsed();
        let gone = matches!(&outcome, Err(UpstreamError::Server(error)) if error.code() == Some(&SqlState::UNDEFINED_DATABASE));
        let outcome = outcome.map_err(|error| CatalogError(error.to_string()));
        let error = outcome.as_ref().err();
        (self.watcher)(&Reading { database, error, took });
        self.log(database, kept, error);
        let mut state = kept.state();
        state.failure = error.map(|error| (Instant::now(), error.clone()));
        state.locked_out = outcome.as_ref().is_ok_and(|locked_out| *locked_out);
        state.rested = Some(Instant::now() + took.saturating_mul(REST).min(REST_AT_MOST));
        state.gone = gone;
        state.never_read = error.is_some() && self.store.load().database(database).is_none();
        drop(state);
        kept.read.send_replace(Some(began));
        outcome.map(|_| ())
    }

    /// Reads and takes over; whether somebody's locks were in the way of a part.
    async fn ask(&self, account: &ServiceAccount, database: &str) -> Result<bool, UpstreamError> {
        let mut client = account.connect(database).await?;
        let found = catalog::read(&mut client).await?;
        let before = self.store.epoch();
        let epoch = self.store.replace_catalog(found.catalog);
        if epoch != before {
            tracing::info!(database, epoch, "took over a changed catalog");
            for what in self.store.load().unfit(database) {
                tracing::warn!(database, "{what}");
            }
        }
        Ok(found.locked_out)
    }

    /// Once per change: a server that is away for an hour is one line, not sixty.
    fn log(&self, database: &str, kept: &Kept, error: Option<&CatalogError>) {
        let before = kept.state().failure.take().map(|(_, error)| error.0);
        match (before, error) {
            (Some(before), Some(error)) if before == error.0 => {}
            (_, Some(error)) => {
                tracing::warn!(database, %error, "cannot read the catalog; the last one stays in force")
            }
            (Some(_), None) => tracing::info!(database, "the catalog can be read again"),
            (None, None) => {}
        }
    }
}
