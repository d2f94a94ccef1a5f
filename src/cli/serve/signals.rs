//! What signals mean, and what systemd is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch::Sender;

use crate::proxy::shared::Phase;

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
        let doing = if next == Phase::Draining { "draining: open sessions may finish" } else { "ending open sessions" };
        tell(&[NotifyState::Stopping, NotifyState::Status(doing)]);
        tracing::info!(phase = ?next, "told to stop");
        phase.send_replace(next);
    }
}

/// The listeners are open.
pub(super) fn ready() {
    tell(&[NotifyState::Ready, NotifyState::Status("listening")]);
}

/// Tells systemd that the process is alive, for as long as it is polled, where the unit has WatchdogSec. It is polled by
/// the same threads as the listeners and the admin pages: when those hang, no more is told.
pub(super) async fn keep_alive() {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval((limit / 3).max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
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
