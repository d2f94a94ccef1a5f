//! What signals mean, and what systemd is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch::Sender;

use crate::proxy::server::Phase;

/// SIGTERM drains, a second one stops at once, like SIGQUIT; SIGINT stops at once; SIGHUP reads the files again.
pub(super) async fn obey(phase: Sender<Phase>, draining: Arc<AtomicBool>, reload: impl Fn()) -> anyhow::Result<()> {
    let listen = |kind| -> anyhow::Result<Signal> { Ok(signal(kind)?) };
    let mut terminate = listen(SignalKind::terminate())?;
    let mut quit = listen(SignalKind::quit())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hangup = listen(SignalKind::hangup())?;
    loop {
        let next = tokio::select! {
            _ = hangup.recv() => {
                reloading();
                reload();
                tell(&[NotifyState::Ready]);
                continue;
            }
            _ = terminate.recv() => if draining.load(Ordering::Relaxed) { Phase::Stopping } else { Phase::Draining },
            _ = quit.recv() => Phase::Stopping,
            _ = interrupt.recv() => Phase::Stopping,
        };
        draining.store(true, Ordering::Relaxed);
        tell(&[NotifyState::Stopping]);
        tracing::info!(phase = ?next, "told to stop");
        phase.send_replace(next);
    }
}

/// The listeners are open.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell, which is no error either.
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}
