//! The collector: OTLP over HTTP with Protobuf, and what its answers mean.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::Settings;
use crate::observe::labels::clean;

/// Most bytes of an answer that are read.
const ANSWER: u64 = 64 << 10;

/// What became of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Taken, but for so many spans of it, and why.
    Accepted(u64, String),
    /// To be sent again after that time, if it says one, and why.
    Again(Option<Duration>, String),
    /// Never to be sent again, and why.
    Refused(String),
}

/// The way to the collector.
pub(super) struct Collector {
    agent: ureq::Agent,
    endpoint: String,
    headers: HeaderMap,
}

impl Collector {
    pub(super) fn new(settings: &Settings) -> io::Result<Self> {
        let trusted = settings.trusted.iter().map(|trusted| Certificate::from_der(trusted).to_owned());
        let trusted: Vec<_> = trusted.collect();
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(trusted)))
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("pgcovenant/", env!("CARGO_PKG_VERSION")))
            .build();
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            let wrong = |_| io::Error::other(format!("`{}` cannot be a header of HTTP", clean(name)));
            let key = HeaderName::try_from(name).map_err(|_| wrong(()))?;
            let mut value = HeaderValue::try_from(value).map_err(|_| wrong(()))?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        Ok(Self { agent: config.new_agent(), endpoint: settings.endpoint.clone(), headers })
    }

    /// Posts a batch. Blocks for no longer than the timeout.
    pub(super) fn send(&self, body: &[u8], timeout: Duration) -> Outcome {
        let request = self.agent.post(&self.endpoint).config().timeout_global(Some(timeout)).build();
        let mut request = request.header(header::CONTENT_TYPE, "application/x-protobuf");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        match request.send(body) {
            Ok(mut response) => {
                let (status, headers) = (response.status(), response.headers().clone());
                let answer = response.body_mut().with_config().limit(ANSWER).read_to_vec();
                outcome(status, &headers, &answer.unwrap_or_default(), Timestamp::now())
            }
            // The collector may be back in a moment, whatever it is.
            Err(error) => Outcome::Again(None, error.to_string()),
        }
    }
}

/// The table of "OTLP/HTTP Response".
fn outcome(status: StatusCode, headers: &HeaderMap, answer: &[u8], now: Timestamp) -> Outcome {
    if status.is_success() {
        let partial = ExportTraceServiceResponse::decode(answer).unwrap_or_default().partial_success;
        let partial = partial.unwrap_or_default();
        return Outcome::Accepted(u64::try_from(partial.rejected_spans).unwrap_or(0), clean(&partial.error_message));
    }
    let why = format!("the collector answers {status}");
    match status.as_u16() {
        429 | 502 | 503 | 504 => Outcome::Again(retry_after(headers, now), why),
        _ => Outcome::Refused(why),
    }
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    fn after(status: u16, retry_after: &str, answer: &[u8]) -> Outcome {
        let mut headers = HeaderMap::new();
        if !retry_after.is_empty() {
            headers.insert(header::RETRY_AFTER, retry_after.parse().unwrap());
        }
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        outcome(StatusCode::from_u16(status).unwrap(), &headers, answer, now)
    }

    #[test]
    fn answers_mean_what_otlp_says() {
        let wait = |outcome| match outcome {
            Outcome::Again(wait, _) => Some(wait.map(|wait| wait.as_secs())),
            Outcome::Accepted(..) | Outcome::Refused(_) => None,
        };
        assert_eq!(after(200, "", b""), Outcome::Accepted(0, "unknown".to_owned()));
        let partial = ExportTracePartialSuccess { rejected_spans: 3, error_message: "too\nlong".to_owned() };
        let partial = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
        assert_eq!(after(200, "", &partial), Outcome::Accepted(3, "too?long".to_owned()));
        for status in [429, 502, 503, 504] {
            assert_eq!(wait(after(status, "", b"")), Some(None), "{status}");
        }
        assert_eq!(wait(after(503, "7", b"")), Some(Some(7)));
        assert_eq!(wait(after(429, "Fri, 02 Jan 2026 03:04:35 GMT", b"")), Some(Some(30)));
        assert_eq!(wait(after(429, "Fri, 02 Jan 2026 03:04:00 GMT", b"")), Some(Some(0)), "that was a while ago");
        assert_eq!(wait(after(503, "soon", b"")), Some(None));
        for status in [301, 400, 401, 404, 413, 500] {
            assert!(matches!(after(status, "", b""), Outcome::Refused(_)), "{status}");
        }
    }
}
