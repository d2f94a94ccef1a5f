//! The data path alone, without policies: `relay LISTEN UPSTREAM_HOST:PORT [disable|prefer|require]`.
//!
//! For measuring and for trying the proxy without a configuration file. `RELAY_CERT` and `RELAY_KEY` name PEM files for
//! TLS towards clients; `RELAY_THREADS` sets the number of workers; `RELAY_EVENTS` prints what is recorded. SIGHUP puts an
//! equal policy in force, SIGTERM drains.

use std::sync::Arc;
use std::time::Duration;

use pgcovenant::config::{Config, Limits, Listen, ServerTls, TlsMode, Upstream};
use pgcovenant::engine::cache::VerdictCache;
use pgcovenant::observe::event::{Event, Recorder};
use pgcovenant::policy::compile::Bundle;
use pgcovenant::policy::store::SnapshotStore;
use pgcovenant::policy::subject::Subject;
use pgcovenant::proxy::server::{Collaborators, Phase, Proxy};
use pgcovenant::upstream::keeper::CatalogKeeper;

struct Printer;

impl Recorder for Printer {
    fn statement(&self, event: &Event) {
        eprintln!(
            "{} rows={} {:?} {:?} {:?}",
            event.decision.as_str(),
            event.rows,
            event.duration,
            event.sqlstate,
            event.refusal
        );
    }
    fn session_opened(&self, subject: &Subject) {
        eprintln!("opened {}", subject.user);
    }
    fn session_closed(&self, subject: &Subject) {
        eprintln!("closed {}", subject.user);
    }
    fn connection_failed(&self, reason: &'static str) {
        eprintln!("failed {reason}");
    }
}

struct Silent;

impl Recorder for Silent {
    fn statement(&self, _: &Event) {}
    fn session_opened(&self, _: &Subject) {}
    fn session_closed(&self, _: &Subject) {}
    fn connection_failed(&self, _: &'static str) {}
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (host, port) = arguments[2].rsplit_once(':').unwrap();
    let tls = match arguments.get(3).map(String::as_str) {
        None | Some("disable") => TlsMode::Disable,
        Some("prefer") => TlsMode::Prefer,
        Some(_) => TlsMode::Require,
    };
    let listen = match arguments[1].strip_prefix("unix:") {
        Some(directory) => Listen::Unix(directory.into()),
        None => Listen::Tcp(arguments[1].parse().unwrap()),
    };
    let config = Config {
        listen: vec![listen],
        upstream: Upstream {
            host: host.into(),
            port: port.parse().unwrap(),
            tls,
            ca: None,
            connect_timeout: Duration::from_secs(5),
        },
        service: None,
        policies: None,
        admin: None,
        tls: std::env::var("RELAY_CERT").ok().map(|cert| ServerTls {
            cert: cert.into(),
            key: std::env::var("RELAY_KEY").unwrap().into(),
            client_ca: None,
        }),
        audit: None,
        limits: Limits { drain_timeout: Duration::from_secs(5), ..Limits::default() },
    };
    let threads = std::env::var("RELAY_THREADS").map_or(2, |threads| threads.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Arc::new(SnapshotStore::new(Arc::new(Bundle::default())));
        let recorder: Arc<dyn Recorder> =
            if std::env::var_os("RELAY_EVENTS").is_some() { Arc::new(Printer) } else { Arc::new(Silent) };
        let proxy = Proxy::bind(Collaborators {
            cache: Arc::new(VerdictCache::new(config.limits.verdict_cache_bytes)),
            keeper: Arc::new(CatalogKeeper { store: Arc::clone(&store) }),
            config,
            store: Arc::clone(&store),
            recorder,
        })
        .await
        .unwrap();
        let reload = Arc::clone(&store);
        tokio::spawn(async move {
            let mut hup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).unwrap();
            while hup.recv().await.is_some() {
                reload.replace_bundle(Arc::new(Bundle::default()));
            }
        });
        let (ending, phase) = tokio::sync::watch::channel(Phase::Serving);
        tokio::spawn(async move {
            let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
            term.recv().await;
            ending.send_replace(Phase::Draining);
            term.recv().await;
            ending.send_replace(Phase::Stopping);
            term.recv().await;
        });
        proxy.serve(phase).await;
    });
}
