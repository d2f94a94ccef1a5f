//! The keeper of catalogs, as far as it goes without a server.

use std::sync::atomic::AtomicUsize;

use super::follow::jittered;
use super::*;
use crate::config::{Service, TlsMode, Upstream};
use crate::policy::compile::Bundle;

fn keeper(port: Option<u16>) -> (CatalogKeeper, Arc<AtomicUsize>) {
    let upstream = |port| Upstream {
        host: "127.0.0.1".to_owned(),
        port,
        tls: TlsMode::Disable,
        ca: None,
        identity: None,
        connect_timeout: Duration::from_secs(2),
    };
    let service = Service {
        user: "nobody".to_owned(),
        password_env: None,
        identity: None,
        refresh: Duration::from_secs(60),
        divergence: None,
        statistics: Duration::from_secs(10),
    };
    let trust = |upstream: &Upstream| Arc::new(crate::upstream::tls::Trust::new(upstream, None).unwrap());
    let account = port.map(upstream).map(|to| ServiceAccount::new(&to, &service, trust(&to)).unwrap());
    let readings = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&readings);
    let watcher: Watcher = Arc::new(move |reading| {
        assert!(reading.error.is_some());
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let store = Arc::new(SnapshotStore::new(Arc::<Bundle>::default()));
    (CatalogKeeper::new(store, account, Duration::from_secs(60), watcher), readings)
}

#[tokio::test]
async fn without_an_account_it_says_so() {
    let (keeper, readings) = keeper(None);
    let error = keeper.ensure("shop").await.unwrap_err();
    assert!(error.0.contains("no service account"), "{error}");
    assert_eq!(readings.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn concurrent_calls_share_one_failure_and_leave_nothing_behind() {
    // A listener that never answers, closed at once: every login fails.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(socket);
        }
    });
    let (keeper, readings) = keeper(Some(port));
    let (one, two, three) = tokio::join!(keeper.ensure("shop"), keeper.ensure("shop"), keeper.ensure("shop"));
    assert!(one.is_err() && two.is_err() && three.is_err());
    assert_eq!(readings.load(Ordering::Relaxed), 1);
    assert!(keeper.inner.lock().is_empty());
    assert!(keeper.failing().is_empty());
    server.abort();
}

#[test]
fn jitter_stays_near_the_interval() {
    let interval = Duration::from_secs(10);
    assert_eq!(jittered(interval, 0), Duration::from_secs(9));
    assert_eq!(jittered(interval, 200), Duration::from_secs(11));
}
