//! What tests against a real PostgreSQL need: throwaway clusters, the proxy as a process, certificates, the shop.
//!
//! Nothing here knows the crate's types: the tests see the proxy as its users do, from outside.
//! A test begins with `let Some(shop) = support::shop("name") else { return };` and is skipped, with a notice, on a
//! machine without PostgreSQL; with `PGCOVENANT_REQUIRE_PG=1` it fails there instead.

pub mod alertmanager;
pub mod certs;
pub mod collector;
pub mod conversation;
pub mod http;
pub mod knock;
pub mod postgres;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod raw;
pub mod shop;
pub mod splitter;
pub mod sql;
pub mod systemd;

pub use postgres::{Auth, Cluster, ClusterOptions};
pub use prometheus::{Prometheus, PrometheusOptions};
pub use proxy::{Proxy, ProxyOptions};
pub use shop::{Shop, shop};

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

/// A TCP port of the loopback address that nobody uses at this moment, for programs that cannot choose one themselves.
///
/// It is none that the system gives to outgoing connections: one of those would take it before the program does.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 11_000 + (std::process::id() % 100) as u16 * 200;
    (0..200)
        .map(|_| first + NEXT.fetch_add(1, Ordering::Relaxed) % 200)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("no free port")
}

/// Waits for something that must come within moments, on a slow machine too.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !holds() {
        assert!(std::time::Instant::now() < until, "{what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// A path inside the project.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A cluster with these options, or none where PostgreSQL is not installed and not required.
pub fn cluster(options: ClusterOptions) -> Option<Cluster> {
    installed().then(|| Cluster::start(options))
}

/// A cluster of PostgreSQL 18, or none where `PGCOVENANT_PG18_BIN` does not name a folder with its programs.
pub fn cluster_18(options: ClusterOptions) -> Option<Cluster> {
    let Some(folder) = std::env::var_os("PGCOVENANT_PG18_BIN") else {
        eprintln!("skipped: PGCOVENANT_PG18_BIN does not name the programs of PostgreSQL 18");
        return None;
    };
    Some(Cluster::start(ClusterOptions { binaries: Some(folder.into()), ..options }))
}

/// Whether PostgreSQL is there; the test is skipped if not, or fails where it must not be skipped.
pub fn installed() -> bool {
    let found = postgres::binaries().is_some();
    assert!(
        found || std::env::var_os("PGCOVENANT_REQUIRE_PG").is_none_or(|value| value != "1"),
        "no PostgreSQL server found in PG_BINDIR or /usr/lib/postgresql/*/bin, and PGCOVENANT_REQUIRE_PG=1"
    );
    if !found {
        eprintln!("skipped: no PostgreSQL server found in PG_BINDIR or /usr/lib/postgresql/*/bin");
    }
    found
}
