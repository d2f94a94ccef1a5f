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
    use crate::observe::traces::tests::nowhere;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

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

    /// A collector behind TLS that answers one request, its URL and its certificate.
    fn secure() -> (String, CertificateDer<'static>) {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let der = certificate.der().clone();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![der.clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}/v1/traces", listener.local_addr().unwrap().port());
        std::thread::spawn(move || {
            let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, listener.accept().unwrap().0);
            let mut request = Vec::new();
            while !request.ends_with(b"the batch") {
                let mut part = [0; 1024];
                match stream.read(&mut part) {
                    Ok(read @ 1..) => request.extend_from_slice(&part[..read]),
                    Ok(0) | Err(_) => return,
                }
            }
            let known = String::from_utf8_lossy(&request).to_lowercase().contains("authorization: bearer x");
            let status = if known { "200 OK" } else { "401 Who" };
            stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).unwrap();
        });
        (url, der)
    }

    #[test]
    fn a_collector_behind_tls_has_to_be_vouched_for() {
        let send = |trusted: &dyn Fn(CertificateDer<'static>) -> Vec<CertificateDer<'static>>, key: &str| {
            let (endpoint, certificate) = secure();
            let headers = vec![("authorization".to_owned(), key.to_owned())];
            let settings = Settings { endpoint, trusted: trusted(certificate), headers, ..nowhere() };
            Collector::new(&settings).unwrap().send(b"the batch", Duration::from_secs(20))
        };
        assert!(matches!(send(&|certificate| vec![certificate], "Bearer x"), Outcome::Accepted(0, _)));
        assert!(matches!(send(&|certificate| vec![certificate], "Bearer y"), Outcome::Refused(_)));
        assert!(matches!(send(&|_| Vec::new(), "Bearer x"), Outcome::Again(None, _)));
        let wrong = vec![("not a name".to_owned(), "secret".to_owned())];
        let told = Collector::new(&Settings { headers: wrong, ..nowhere() }).err().unwrap().to_string();
        assert!(told.contains("not a name") && !told.contains("secret"), "{told}");
    }
}
