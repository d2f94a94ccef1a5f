//! What questions to `/api/v1` have in common: parameters that are understood or refused in words, and answers in JSON.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::model::source::time_span;

/// The parameters of an address, in their order.
pub(super) type Given = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// What was expected instead of a value, or nothing if there is no such parameter.
pub(super) type Unfit = Option<String>;

/// A parameter that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BadParameter {
    /// What is wrong.
    pub error: String,
    /// Which one.
    pub parameter: String,
    /// What would be understood.
    pub expected: String,
}

/// The parameters, or why they are none.
pub(super) fn understood(given: Given) -> Result<Vec<(String, String)>, BadParameter> {
    let Query(parameters) = given.map_err(|rejection| BadParameter {
        error: rejection.body_text(),
        parameter: String::new(),
        expected: "name=value, separated by &, percent-encoded".to_owned(),
    })?;
    Ok(parameters)
}

/// Sets each parameter, once at most; `names` is what there is.
pub(super) fn each(
    parameters: &[(String, String)],
    names: &str,
    mut set: impl FnMut(&str, &str) -> Result<(), Unfit>,
) -> Result<(), BadParameter> {
    for (number, (name, value)) in parameters.iter().enumerate() {
        let bad = |error: String, expected: &str| BadParameter {
            error,
            parameter: name.clone(),
            expected: expected.to_owned(),
        };
        if parameters.iter().take(number).any(|(earlier, _)| earlier == name) {
            return Err(bad(format!("\"{name}\" is given twice"), "once at most"));
        }
        set(name, value).map_err(|expected| match expected {
            Some(expected) => bad(format!("\"{value}\" is no value of \"{name}\""), &expected),
            None => bad(format!("there is no parameter \"{name}\""), &format!("one of {names}")),
        })?;
    }
    Ok(())
}

/// A name.
pub(super) fn named(value: &str) -> Result<String, Unfit> {
    if value.is_empty() { Err(Some("a name".to_owned())) } else { Ok(value.to_owned()) }
}

/// A number from 1 on.
pub(super) fn number(value: &str, highest: usize) -> Result<usize, Unfit> {
    let number = value.parse().ok().filter(|number| (1..=highest).contains(number));
    number.ok_or_else(|| Some(format!("a number from 1 to {highest}")))
}

/// A moment: a time, the beginning of a day, or so long ago.
pub(super) fn moment(value: &str) -> Result<Timestamp, Unfit> {
    let ago = || Timestamp::now().checked_sub(time_span(value)?).ok();
    let midnight = |day: Date| day.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    let found = value.parse().ok().or_else(|| value.parse::<Date>().ok().and_then(midnight)).or_else(ago);
    let expected =
        "a time such as 2026-11-01T00:00:00Z (write + as %2B), a day such as 2026-11-01 (UTC), or how long ago: 1h";
    found.ok_or_else(|| Some(expected.to_owned()))
}

/// An answer.
pub(super) fn json_page(status: StatusCode, body: &impl serde::Serialize) -> Response {
    // Nothing in it can fail to be written.
    let body = serde_json::to_string(body).unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, headers, format!("{body}\n")).into_response()
}
