//! How much is logged, shown and changed for a while: the only thing that can be changed here, and only where the
//! configuration allows it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize as _};

use crate::config::log::LEVELS;

/// How long a change lasts if nothing is said, and at most.
const USUAL: Duration = Duration::from_secs(600);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The level in force.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Current {
    /// A level, or several with the parts of the program that they are for.
    pub level: String,
    /// `configuration`, `environment` or `request`.
    pub source: &'static str,
    /// When a change by request ends.
    #[serde(serialize_with = "written")]
    pub until: Option<Timestamp>,
}

fn written<S: serde::Serializer>(until: &Option<Timestamp>, out: S) -> Result<S::Ok, S::Error> {
    until.map(|until| until.to_string()).serialize(out)
}

/// What holds the level.
pub trait LogLevel: Send + Sync {
    /// The level in force.
    fn current(&self) -> Current;
    /// Another one, for that time. Called on a thread of the runtime.
    fn change(&self, level: &'static str, time: Duration);
    /// Ends a change at once.
    fn restore(&self);
}

/// The level, and whether those who reach the listener may change it.
#[derive(Clone)]
pub struct LogControl {
    /// The level.
    pub level: Arc<dyn LogLevel>,
    /// `admin.allow_changes`.
    pub may_change: bool,
}

impl fmt::Debug for LogControl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("LogControl").field("may_change", &self.may_change).finish_non_exhaustive()
    }
}

/// `/api/v1/log-level`.
pub fn routes(control: LogControl) -> Router {
    let methods = get(show).put(change).post(change).delete(restore);
    Router::new().route("/api/v1/log-level", methods).with_state(control)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    level: String,
    #[serde(rename = "for")]
    time: Option<String>,
}

async fn show(State(control): State<LogControl>) -> Response {
    answer(StatusCode::OK, &control.level.current())
}

async fn change(State(control): State<LogControl>, headers: HeaderMap, body: Bytes) -> Response {
    match allowed(&control, &headers).and_then(|()| read(&body)) {
        Ok((level, time)) => {
            control.level.change(level, time);
            answer(StatusCode::OK, &control.level.current())
        }
        Err((status, why)) => answer(status, &serde_json::json!({ "error": why })),
    }
}

async fn restore(State(control): State<LogControl>) -> Response {
    if !control.may_change {
        return answer(StatusCode::FORBIDDEN, &serde_json::json!({ "error": FORBIDDEN }));
    }
    control.level.restore();
    answer(StatusCode::OK, &control.level.current())
}

const FORBIDDEN: &str = "nothing can be changed here unless the configuration says `admin: {allow_changes: true}`";

/// A page that somebody looks at in a browser cannot send JSON without being asked whether it may, which it is not.
fn allowed(control: &LogControl, headers: &HeaderMap) -> Result<(), (StatusCode, String)> {
    let json = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let json = json.is_some_and(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json"));
    match (control.may_change, json) {
        (true, true) => Ok(()),
        (false, _) => Err((StatusCode::FORBIDDEN, FORBIDDEN.to_owned())),
        (true, false) => {
            let why = "send it as JSON, with `content-type: application/json`";
            Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, why.to_owned()))
        }
    }
}

fn read(body: &[u8]) -> Result<(&'static str, Duration), (StatusCode, String)> {
    let wrong = |why: String| (StatusCode::BAD_REQUEST, why);
    let example = "expected {\"level\": \"debug\", \"for\": \"10m\"}";
    let change: Change = serde_json::from_slice(body).map_err(|error| wrong(format!("{example}: {error}")))?;
    let level = LEVELS.into_iter().find(|level| *level == change.level);
    let level = level.ok_or_else(|| wrong(format!("no such level; there are {}", LEVELS.join(", "))))?;
    let time = match change.time {
        None => USUAL,
        Some(text) => {
            let time = text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
            let bounded = time.filter(|time| !time.is_zero() && *time <= LONGEST);
            bounded.ok_or_else(|| wrong("`for` is a time such as 30s, 10m or 1h, and at most 24h".to_owned()))?
        }
    };
    Ok((level, time))
}

fn answer(status: StatusCode, body: &impl serde::Serialize) -> Response {
    let body = serde_json::to_string(body).unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, format!("{body}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_says_a_level_and_a_time() {
        let text = |body: &str| read(body.as_bytes()).map_err(|(_, why)| why);
        assert_eq!(text(r#"{"level": "debug", "for": "10m"}"#), Ok(("debug", Duration::from_secs(600))));
        assert_eq!(text(r#"{"level": "trace", "for": "1h 30s"}"#), Ok(("trace", Duration::from_secs(3630))));
        assert_eq!(text(r#"{"level": "off"}"#), Ok(("off", USUAL)));
        for wrong in [
            "",
            "{}",
            r#"{"level": "verbose"}"#,
            r#"{"level": "info,pgcovenant=trace"}"#,
            r#"{"level": "debug", "for": "0s"}"#,
            r#"{"level": "debug", "for": "-1m"}"#,
            r#"{"level": "debug", "for": "25h"}"#,
            r#"{"level": "debug", "for": "soon"}"#,
            r#"{"level": "debug", "until": "10m"}"#,
        ] {
            assert!(text(wrong).is_err(), "{wrong}");
        }
    }
}
