//! `/api/v1/sessions`: who is connected, what each session is doing, and who has had a transaction open for how long.

pub mod answer;
pub mod query;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use super::parameters::{Given, json_page, understood};
use crate::observe::sessions::Overview;
use answer::Answer;
use query::Query;

/// Where the sessions come from.
pub type Source = Arc<dyn Fn() -> Overview + Send + Sync>;

/// The page.
pub fn router(source: Source) -> Router {
    Router::new().route("/api/v1/sessions", get(list)).with_state(source)
}

async fn list(State(source): State<Source>, given: Given) -> Response {
    let query = match understood(given).and_then(|parameters| Query::of(&parameters)) {
        Ok(query) => query,
        Err(bad) => return json_page(StatusCode::BAD_REQUEST, &bad),
    };
    // To look at thousands of sessions takes milliseconds: not on a thread that serves clients.
    match tokio::task::spawn_blocking(move || Answer::of(source(), &query)).await {
        Ok(answer) => json_page(StatusCode::OK, &answer),
        Err(_) => json_page(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "error": "the sessions cannot be read" })),
    }
}
