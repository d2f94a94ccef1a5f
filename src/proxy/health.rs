//! Whether the server can be reached, looked at now and then: for /readyz, metrics and the log. Sessions do not ask here;
//! each tries for itself.

use std::time::Duration;

use tokio::sync::watch;

use super::connect::Dialer;

/// Pause between two looks.
const INTERVAL: Duration = Duration::from_secs(2);

/// One lost packet is no outage: so many failures in a row are.
const PATIENCE: u8 = 2;

/// What the last looks have found.
#[derive(Debug)]
pub struct Health {
    state: watch::Sender<Reachable>,
}

/// Whether the server can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reachable {
    /// Nobody has looked yet.
    Unknown,
    /// It can.
    Yes,
    /// It cannot.
    No,
}

impl Default for Health {
    fn default() -> Self {
        Self { state: watch::Sender::new(Reachable::Unknown) }
    }
}

impl Health {
    /// What is known.
    pub fn reachable(&self) -> Reachable {
        *self.state.borrow()
    }

    /// Looks again and again; `told` hears of every change.
    pub async fn watch(&self, dialer: Dialer, told: impl Fn(Reachable)) {
        let mut failures = 0;
        loop {
            // A connection that is closed before the startup packet leaves no trace in the server's log.
            let outcome = dialer.connect().await.map(drop);
            failures = if outcome.is_ok() { 0 } else { PATIENCE.min(failures + 1) };
            let before = self.reachable();
            let now = match (failures, before) {
                (0, _) => Reachable::Yes,
                (PATIENCE.., _) | (_, Reachable::Unknown) => Reachable::No,
                _ => before,
            };
            if now != before {
                self.state.send_replace(now);
                match outcome {
                    Ok(()) => tracing::info!("the server can be reached"),
                    Err(error) => tracing::warn!(%error, "the server cannot be reached"),
                }
                told(now);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
}
