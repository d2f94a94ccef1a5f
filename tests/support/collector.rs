//! A collector of spans: takes OTLP over HTTP, and can be told to answer something else.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// The path.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub bytes: Vec<u8>,
}

/// A running collector. It ends with the test.
#[derive(Debug)]
pub struct Collector {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    accepted: Vec<Received>,
    turned_away: usize,
    /// Heads of answers other than 200, to be given first.
    answers: VecDeque<&'static str>,
}

impl Collector {
    /// Starts one that first gives these answers, such as `503 Busy\r\nRetry-After: 1`.
    pub fn start(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Mutex::new(Shared { answers: answers.iter().copied().collect(), ..Shared::default() }));
        let for_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&for_thread);
                std::thread::spawn(move || while serve(&stream, &shared).is_some() {});
            }
        });
        Self { port, shared }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests that were accepted.
    pub fn received(&self) -> Vec<Received> {
        self.shared.lock().expect("no test panics here").accepted.clone()
    }

    /// How many requests got another answer.
    pub fn turned_away(&self) -> usize {
        self.shared.lock().expect("no test panics here").turned_away
    }

    /// All spans so far, with the attributes of their resource.
    pub fn spans(&self) -> Vec<Found> {
        let mut found = Vec::new();
        for request in self.received() {
            let request = ExportTraceServiceRequest::decode(&*request.bytes).expect("a request of OTLP");
            for resource in request.resource_spans {
                let attributes = attributes(&resource.resource.expect("a resource").attributes);
                for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    found.push(Found {
                        attributes: self::attributes(&span.attributes),
                        resource: attributes.clone(),
                        span,
                    });
                }
            }
        }
        found
    }

    /// Waits for the spans of this name, so many of them.
    pub fn named(&self, name: &str, count: usize) -> Vec<Found> {
        let named = || self.spans().into_iter().filter(|found| found.span.name == name).collect::<Vec<_>>();
        for _ in 0..1500 {
            if named().len() >= count {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let (found, all) = (named(), self.spans());
        let names: Vec<_> = all.iter().map(|found| &found.span.name).collect();
        assert_eq!(found.len(), count, "{name} among {names:?}");
        found
    }
}

/// A span as it arrived.
#[derive(Debug, Clone)]
pub struct Found {
    /// The span.
    pub span: Span,
    /// Its attributes; lists as `a,b`.
    pub attributes: BTreeMap<String, String>,
    /// Those of its resource.
    pub resource: BTreeMap<String, String>,
}

impl Found {
    /// An attribute, empty if there is none.
    pub fn get(&self, key: &str) -> &str {
        self.attributes.get(key).map(String::as_str).unwrap_or_default()
    }
}

fn attributes(list: &[KeyValue]) -> BTreeMap<String, String> {
    list.iter().map(|pair| (pair.key.clone(), shown(pair.value.as_ref()))).collect()
}

fn shown(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::ArrayValue(list)) => {
            list.values.iter().map(|value| shown(Some(value))).collect::<Vec<_>>().join(",")
        }
        other => format!("{other:?}"),
    }
}

/// One request of a connection; none when that is over.
fn serve(stream: &TcpStream, shared: &Mutex<Shared>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut bytes = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut bytes).ok()?;
    let answer = {
        let mut shared = shared.lock().expect("no test panics here");
        let answer = shared.answers.pop_front();
        match answer {
            None => shared.accepted.push(Received { path, headers, bytes }),
            Some(_) => shared.turned_away += 1,
        }
        answer.unwrap_or("200 OK")
    };
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {answer}\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n").ok()
}
