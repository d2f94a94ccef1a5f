//! `/api/v1/shapes`: which statement shapes run, how often and how long.

pub mod answer;
pub mod query;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query as Parameters, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use crate::observe::shapes::snapshot::Overview;
use answer::Answer;
use query::{BadParameter, Query};

/// Where the shapes come from.
pub type Source = Arc<dyn Fn() -> Overview + Send + Sync>;

type Given = Result<Parameters<Vec<(String, String)>>, QueryRejection>;

/// The pages.
pub fn router(source: Source) -> Router {
    Router::new().route("/api/v1/shapes", get(list)).route("/api/v1/shapes/{fingerprint}", get(one)).with_state(source)
}

async fn list(State(source): State<Source>, given: Given) -> Response {
    match understood(given).and_then(|parameters| Query::of(&parameters)) {
        Ok(query) => answer(source, query, None).await,
        Err(bad) => json_page(StatusCode::BAD_REQUEST, &bad),
    }
}

async fn one(State(source): State<Source>, Path(fingerprint): Path<String>, given: Given) -> Response {
    let digits = fingerprint.len() <= 16 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit());
    let Some(number) = u64::from_str_radix(&fingerprint, 16).ok().filter(|_| digits) else {
        let error = format!("\"{fingerprint}\" is no fingerprint");
        let expected = "up to 16 hexadecimal digits, as in the audit and in the list at /api/v1/shapes".to_owned();
        let bad = BadParameter { error, parameter: "fingerprint".to_owned(), expected };
        return json_page(StatusCode::BAD_REQUEST, &bad);
    };
    match understood(given).and_then(|parameters| Query::of(&parameters)) {
        Ok(query) => answer(source, query, Some(number)).await,
        Err(bad) => json_page(StatusCode::BAD_REQUEST, &bad),
    }
}

/// The parameters, where they can be read.
pub(super) fn understood(given: Given) -> Result<Vec<(String, String)>, BadParameter> {
    let Parameters(parameters) = given.map_err(|rejection| BadParameter {
        error: rejection.body_text(),
        parameter: String::new(),
        expected: "name=value, separated by &, percent-encoded".to_owned(),
    })?;
    Ok(parameters)
}

/// To look at thousands of shapes takes milliseconds: not on a thread that serves clients.
async fn answer(source: Source, query: Query, only: Option<u64>) -> Response {
    let found = tokio::task::spawn_blocking(move || Answer::of(source(), &query, only)).await;
    match found {
        Ok(answer) if only.is_some() && answer.shapes.is_empty() => {
            let error = format!("no statement shape {:016x} is remembered", only.unwrap_or_default());
            let why = "it has not run since the process began, or not for so long that it had to make room for others";
            json_page(StatusCode::NOT_FOUND, &json!({ "error": error, "detail": why }))
        }
        Ok(answer) => json_page(StatusCode::OK, &answer),
        Err(_) => json_page(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "error": "the shapes cannot be read" })),
    }
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
