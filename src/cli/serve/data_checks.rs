//! Starts what measures the data that contracts are about.

use std::sync::Arc;

use crate::config::Config;
use crate::observe::observer::Observer;
use crate::policy::store::SnapshotStore;
use crate::upstream::connect::ServiceAccount;
use crate::upstream::{data_checks, slots};

/// Measures for as long as the process lives.
pub(super) fn measure(
    config: &Config,
    store: &Arc<SnapshotStore>,
    observer: &Arc<Observer>,
    account: Option<ServiceAccount>,
) {
    let Some(account) = account else { return };
    let every = config.data_checks;
    if let Some(interval) = every.slots {
        let told = Arc::clone(observer);
        let sink = Arc::new(move |slots: &[_]| told.replication_slots(slots));
        tokio::spawn(slots::run(account.clone(), Arc::clone(store), interval, sink));
    }
    if every.orphans.is_some() || every.freshness.is_some() {
        let told = Arc::clone(observer);
        let sink = Arc::new(move |found: &_| told.data_measured(found));
        tokio::spawn(data_checks::run(account, Arc::clone(store), every, sink));
    }
}
