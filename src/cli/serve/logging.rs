//! The log of the process, and how much it tells: settled at the start, changed by SIGHUP or, for a while, by request.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt, reload};

use crate::admin::log_level::{Current, LogLevel};
use crate::config::file;
use crate::config::log::{Format, Log};
use crate::model::source::{read_file, render};

/// Where a level comes from.
const ENVIRONMENT: &str = "environment";
const CONFIGURATION: &str = "configuration";
const REQUEST: &str = "request";

/// Crates whose details hold nothing of anybody. All others tell what they send and receive, statements, bound values and
/// headers with keys among it: of them no more is logged than `info`, whoever asks for it.
const DISCREET: &[&str] = &["pgcovenant", "rustls"];

/// The level in force, and the one to go back to.
pub(super) struct Logging {
    handle: reload::Handle<EnvFilter, Registry>,
    state: Mutex<State>,
    itself: Weak<Self>,
}

struct State {
    lasting: String,
    /// From `RUST_LOG`, which no file overrules.
    fixed: bool,
    passing: Option<(String, Timestamp)>,
    /// Grows with every change by request, so that only the last one ends by itself.
    changes: u64,
}

/// Begins to log. Colours are for a terminal only: files and journals would keep them as noise.
pub(super) fn start(log: &Log) -> Arc<Logging> {
    let given = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|text| EnvFilter::try_new(text).is_ok());
    let fixed = given.as_ref().is_some_and(|text| !text.trim().is_empty());
    let lasting = given.filter(|_| fixed).unwrap_or_else(|| log.level.clone());
    let (filter, handle) = reload::Layer::new(EnvFilter::new(&lasting));
    let fence = filter_fn(|metadata| {
        let part_of = |name: &str| {
            let rest = metadata.target().strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        *metadata.level() <= LevelFilter::INFO || DISCREET.iter().any(|name| part_of(name))
    });
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match log.format {
        Format::Text => lines.boxed(),
        Format::Json => {
            lines.with_ansi(false).json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
    };
    // A second initialisation can only come from a test, where the first one is as good.
    _ = tracing_subscriber::registry().with(filter).with(fence).with(lines).try_init();
    let state = Mutex::new(State { lasting, fixed, passing: None, changes: 0 });
    Arc::new_cyclic(|itself| Logging { handle, state, itself: Weak::clone(itself) })
}

impl Logging {
    /// Takes over `log.level` of the file. One with errors changes nothing.
    pub(super) fn reload(&self, path: &Path) {
        let level = match read_file(path) {
            Ok(source) => match file::read(&source) {
                (Some(config), _) => config.log.level,
                (None, problems) => {
                    let problems = render(&problems, &[source]);
                    return tracing::error!("configuration refused, the log level stays\n{problems}");
                }
            },
            Err(error) => return tracing::error!(%error, "cannot read the configuration; the log level stays"),
        };
        let mut state = self.lock();
        if state.lasting == level {
            return;
        }
        if state.fixed {
            return tracing::info!(
                log_level = level,
                "RUST_LOG is set: the log level of the configuration does not count"
            );
        }
        state.lasting = level;
        self.apply(&state);
        tracing::info!(log_level = state.lasting, "log level of the configuration taken over");
    }

    fn apply(&self, state: &State) {
        let level = state.passing.as_ref().map_or(&state.lasting, |(level, _)| level);
        // The subscriber is there for as long as the process, unless a test has set another.
        _ = self.handle.reload(EnvFilter::new(level));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of a change is over, if there was no later one.
    fn expire(&self, change: u64) {
        let mut state = self.lock();
        if state.changes == change && state.passing.take().is_some() {
            self.apply(&state);
            tracing::warn!(log_level = state.lasting, "the log level is again what it was");
        }
    }
}

impl LogLevel for Logging {
    fn current(&self) -> Current {
        let state = self.lock();
        match &state.passing {
            Some((level, until)) => Current { level: level.clone(), source: REQUEST, until: Some(*until) },
            None => {
                let source = if state.fixed { ENVIRONMENT } else { CONFIGURATION };
                Current { level: state.lasting.clone(), source, until: None }
            }
        }
    }

    fn change(&self, level: &'static str, time: Duration) {
        let mut state = self.lock();
        state.changes += 1;
        let change = state.changes;
        let until = Timestamp::now().saturating_add(time).unwrap_or(Timestamp::MAX);
        // Told while the level that was there still lets it through, whichever way it goes.
        tracing::warn!(log_level = level, seconds = time.as_secs(), "the log level is changed by request");
        state.passing = Some((level.to_owned(), until));
        self.apply(&state);
        drop(state);
        let itself = Weak::clone(&self.itself);
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            if let Some(logging) = itself.upgrade() {
                logging.expire(change);
            }
        });
    }

    fn restore(&self) {
        let change = self.lock().changes;
        self.expire(change);
    }
}
