//! The admin listener. It answers questions, and changes nothing but how much is logged.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::log_level::{self, LogControl};

/// The content type of the Prometheus text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

const INDEX: &str = "<!doctype html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><title>pgcovenant</title></head>
<body>
<h1>pgcovenant</h1>
<ul>
<li><a href=\"/metrics\">/metrics</a>: Prometheus metrics</li>
<li><a href=\"/api/v1/changes\">/api/v1/changes</a>: what has changed, the latest first</li>
<li><a href=\"/api/v1/plans\">/api/v1/plans</a>: how statements are planned, and what has changed</li>
<li><a href=\"/healthz\">/healthz</a>: the process is alive</li>
<li><a href=\"/readyz\">/readyz</a>: new sessions are welcome, or why not</li>
<li><a href=\"/api/v1/shapes\">/api/v1/shapes</a>: statement shapes, the most time first</li>
<li><a href=\"/api/v1/sessions\">/api/v1/sessions</a>: who is connected, the oldest transaction first</li>
<li><a href=\"/api/v1/log-level\">/api/v1/log-level</a>: how much is logged</li>
</ul>
</body>
</html>
";

/// Where the answers come from.
#[derive(Clone)]
pub struct AdminState {
    /// The text of `/metrics`.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// The JSON of `/api/v1/plans`.
    pub plans: Arc<dyn Fn() -> String + Send + Sync>,
    /// Why new sessions should go elsewhere; nothing means ready.
    pub not_ready: Arc<dyn Fn() -> Vec<NotReady> + Send + Sync>,
    /// What `/api/v1/changes` tells.
    pub changes: super::changes::Source,
    /// What `/api/v1/shapes` tells of.
    pub shapes: super::shapes::Source,
    /// What `/api/v1/sessions` tells of.
    pub sessions: super::sessions::Source,
    /// Where the chain of the audit stands.
    pub audit: Arc<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// How much is logged.
    pub log: LogControl,
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminState")
    }
}

/// One reason for not being ready.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NotReady {
    /// A word for programs: `draining`, `no_policy`, `catalog`.
    pub reason: &'static str,
    /// A sentence for people.
    pub detail: String,
}

/// Listens on `address` and answers until `shutdown` is over.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve<F>(address: SocketAddr, state: AdminState, shutdown: F) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    serve_on(TcpListener::bind(address).await?, state, shutdown).await
}

/// The same on a listener that is bound already.
///
/// # Errors
/// The listener fails.
pub async fn serve_on<F>(listener: TcpListener, state: AdminState, shutdown: F) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    axum::serve(listener, router(state)).with_graceful_shutdown(shutdown).await
}

/// The pages.
pub fn router(state: AdminState) -> Router {
    let shapes = super::shapes::router(Arc::clone(&state.shapes));
    let changes = super::changes::router(Arc::clone(&state.changes));
    let sessions = super::sessions::router(Arc::clone(&state.sessions));
    let log_level = log_level::routes(state.log.clone());
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/api/v1/plans", get(plans))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/api/v1/audit", get(audit))
        .with_state(state)
        .merge(shapes)
        .merge(changes)
        .merge(sessions)
        .merge(log_level)
}

async fn index() -> Response {
    page(StatusCode::OK, "text/html; charset=utf-8", INDEX.to_owned())
}

/// Rendering walks all series, which may take milliseconds: not on a thread that serves clients.
async fn metrics(State(state): State<AdminState>) -> Response {
    match tokio::task::spawn_blocking(move || (state.metrics)()).await {
        Ok(text) => page(StatusCode::OK, EXPOSITION, text),
        Err(_) => page(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "metrics cannot be rendered\n".to_owned()),
    }
}

async fn plans(State(state): State<AdminState>) -> Response {
    match tokio::task::spawn_blocking(move || (state.plans)()).await {
        Ok(text) => page(StatusCode::OK, "application/json", text),
        Err(_) => page(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "plans cannot be told\n".to_owned()),
    }
}

async fn healthz() -> Response {
    page(StatusCode::OK, "text/plain; charset=utf-8", "ok\n".to_owned())
}

async fn readyz(State(state): State<AdminState>) -> Response {
    let reasons = (state.not_ready)();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({ "ready": reasons.is_empty(), "reasons": reasons });
    page(status, "application/json", format!("{body}\n"))
}

async fn audit(State(state): State<AdminState>) -> Response {
    page(StatusCode::OK, "application/json", format!("{}\n", (state.audit)()))
}

fn page(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let content_type = HeaderValue::from_static(content_type);
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::changes::Changes;
    use crate::observe::sessions::Sessions;
    use crate::observe::shapes::Shapes;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn fetch(address: SocketAddr, path: &str) -> String {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    struct Fixed;

    impl log_level::LogLevel for Fixed {
        fn current(&self) -> log_level::Current {
            log_level::Current { level: "info".to_owned(), source: "configuration", until: None }
        }

        fn change(&self, _: &'static str, _: std::time::Duration) {}

        fn restore(&self) {}
    }

    #[tokio::test]
    async fn pages_answer_and_readiness_has_reasons() {
        let draining = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&draining);
        let reason = || NotReady { reason: "draining", detail: "the proxy is shutting down".to_owned() };
        let state = AdminState {
            metrics: Arc::new(|| "a_metric 1\n".to_owned()),
            audit: Arc::new(|| serde_json::json!({"enabled": false})),
            plans: Arc::new(|| "{}\n".to_owned()),
            not_ready: Arc::new(move || if flag.load(Ordering::Relaxed) { vec![reason()] } else { Vec::new() }),
            shapes: Arc::new(|| Shapes::default().overview()),
            changes: Arc::new(|query| super::super::changes::Answer::of(&Changes::default(), query)),
            sessions: Arc::new(|| Sessions::default().overview()),
            log: LogControl { level: Arc::new(Fixed), may_change: false },
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(serve_on(listener, state, async move { drop(stopped.await) }));

        let metrics = fetch(address, "/metrics").await;
        assert!(metrics.starts_with("HTTP/1.1 200") && metrics.ends_with("a_metric 1\n"), "{metrics}");
        assert!(metrics.contains("content-type: text/plain; version=0.0.4"), "{metrics}");
        assert!(fetch(address, "/").await.contains("<a href=\"/metrics\">"));
        assert!(fetch(address, "/healthz").await.ends_with("ok\n"));
        assert!(fetch(address, "/elsewhere").await.starts_with("HTTP/1.1 404"));

        let ready = fetch(address, "/readyz").await;
        assert!(ready.starts_with("HTTP/1.1 200") && ready.ends_with("{\"ready\":true,\"reasons\":[]}\n"), "{ready}");
        draining.store(true, Ordering::Relaxed);
        let unready = fetch(address, "/readyz").await;
        assert!(unready.starts_with("HTTP/1.1 503"), "{unready}");
        assert!(unready.contains("\"reason\":\"draining\""), "{unready}");
        assert!(fetch(address, "/healthz").await.starts_with("HTTP/1.1 200"), "draining is still alive");

        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
    }
}
