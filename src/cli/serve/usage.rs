//! The record of usage and its store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;

use crate::cli::usage::store;
use crate::config::Config;
use crate::config::state::Place;
use crate::observe::observer::Observer;
use crate::observe::usage::flush::Flusher;

/// How long the start waits for what a store knows.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often counts are folded where there is no store.
const WITHOUT_STORE: Duration = Duration::from_secs(10);

/// Begins to record. What a store knows is there when this returns, unless it cannot be reached.
pub(super) fn start(config: &Config, observer: &Arc<Observer>) -> anyhow::Result<Flusher> {
    let store = config.state.as_ref().map(|state| store::open(&state.place, store::Purpose::Write)).transpose()?;
    let every = config.state.as_ref().map_or(WITHOUT_STORE, |state| state.flush);
    if store.is_none() {
        tracing::info!("usage is kept in memory only, until the process ends: the configuration has no `state`");
    }
    let failing = AtomicBool::new(false);
    let told = Arc::clone(observer);
    let tell = move |result: Result<(), &_>| {
        let failed = result.is_err();
        // Once when it begins to fail, once when that is over.
        match (failing.swap(failed, Ordering::Relaxed), result) {
            (false, Err(error)) => {
                tracing::error!(%error, "usage cannot be written; it is kept in memory and tried again")
            }
            (true, Ok(())) => tracing::info!("usage is written again"),
            (false, Ok(())) | (true, Err(_)) => {}
        }
        told.usage_flushed(result.map_err(|_| ()));
    };
    let flusher = Flusher::start(Arc::clone(observer.usage()), store, every, Arc::new(tell))
        .context("cannot start the thread that writes usage")?;
    match (flusher.wait(PATIENCE), config.state.as_ref().map(|state| &state.place)) {
        (Err(error), Some(Place::File(_))) => return Err(error).context("check `state` in the configuration"),
        (Err(error), _) => tracing::error!(%error, "what was used before is not known yet"),
        (Ok(()), _) => {}
    }
    Ok(flusher)
}
