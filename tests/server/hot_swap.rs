//! Editing a policy takes effect within a second on open sessions and on statements prepared before; a broken file
//! changes nothing and is reported.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::shop::Policies;
use crate::support::sql::{self, Session};
use crate::support::{Proxy, shop};

const MASKED: &str = "action: {mask: {email: {}}}";
const HIDDEN: &str = "action: {mask: {\"null\": {}}}";
const DENIED: &str = "action: deny";
const ONE_SECOND: Duration = Duration::from_secs(1);

/// Waits until a session sees this value, and says how long that took.
async fn sees(session: &Session, sql: &str, wanted: &str) -> Duration {
    let began = Instant::now();
    loop {
        let seen = match session.simple(sql).await {
            Ok(lines) => lines[1].clone(),
            Err(error) => sql::Refused::of(&error).code,
        };
        if seen == wanted || began.elapsed() > 10 * ONE_SECOND {
            assert_eq!(seen, wanted, "{sql}");
            return began.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

const MAIL: &str = "SELECT email FROM customers WHERE id = 1";

#[tokio::test]
async fn an_edit_takes_effect_on_open_sessions_within_a_second() {
    let Some(shop) = shop("swap") else { return };
    let (proxy, policies) = shop.proxy();
    let support = shop.via(&proxy, "support").await;
    let masked = "b****@example.com";
    sees(&support, MAIL, masked).await;
    for (from, to, wanted) in [(MASKED, HIDDEN, "\\N"), (HIDDEN, DENIED, "42501")] {
        let text = std::fs::read_to_string(policies.policy_file()).unwrap();
        policies.write("policy.yaml", &text.replacen(from, to, 1));
        let took = sees(&support, MAIL, wanted).await;
        assert!(took < ONE_SECOND, "{to} took {took:?}");
    }
    let restored = std::fs::read_to_string(crate::support::project("tests/server/policy.yaml")).unwrap();
    policies.write("policy.yaml", &restored);
    assert!(sees(&support, MAIL, masked).await < ONE_SECOND);
}

#[tokio::test]
async fn a_file_written_in_place_counts_as_well() {
    let Some(shop) = shop("swap_in_place") else { return };
    let (proxy, policies) = shop.proxy();
    let support = shop.via(&proxy, "support").await;
    let text = std::fs::read_to_string(policies.policy_file()).unwrap();
    std::fs::write(policies.policy_file(), text.replacen(MASKED, HIDDEN, 1)).unwrap();
    assert!(sees(&support, MAIL, "\\N").await < ONE_SECOND);
}

#[tokio::test]
async fn statements_prepared_before_are_judged_again() {
    let Some(shop) = shop("swap_prepared") else { return };
    let (proxy, policies) = shop.proxy();
    let support = shop.via(&proxy, "support").await;
    let other = shop.via(&proxy, "support").await;
    let prepared = support.client.prepare("SELECT email FROM customers WHERE id = $1").await.unwrap();
    let mail = async || {
        let row = support.client.query_one(&prepared, &[&1_i64]).await;
        row.map(|row| row.get::<_, Option<String>>(0)).map_err(|error| sql::Refused::of(&error).code)
    };
    assert_eq!(mail().await, Ok(Some("b****@example.com".into())));
    policies.replace("policy.yaml", MASKED, HIDDEN);
    sees(&other, MAIL, "\\N").await;
    assert_eq!(mail().await, Ok(None));
    let text = std::fs::read_to_string(policies.policy_file()).unwrap();
    policies.write("policy.yaml", &text.replacen(HIDDEN, DENIED, 1));
    sees(&other, MAIL, "42501").await;
    assert_eq!(mail().await, Err("42501".into()));
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_is_reported() {
    let Some(shop) = shop("swap_broken") else { return };
    let (proxy, policies) = shop.proxy();
    let support = shop.via(&proxy, "support").await;
    let good = std::fs::read_to_string(policies.policy_file()).unwrap();
    proxy.metric_reaches("pgcovenant_policy_last_reload_successful", &[], 1.0).await;
    policies.write("policy.yaml", &good.replace("rules:", "rulez:"));
    for _ in 0..200 {
        if proxy.metric("pgcovenant_policy_last_reload_successful", &[]) == 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(proxy.metric_if_any("pgcovenant_policy_last_reload_successful", &[]), Some(0.0));
    assert!(proxy.log().contains("rulez"), "{}", proxy.log());
    sees(&support, MAIL, "b****@example.com").await;
    policies.write("policy.yaml", &good.replacen(MASKED, HIDDEN, 1));
    assert!(sees(&support, MAIL, "\\N").await < ONE_SECOND);
    proxy.metric_reaches("pgcovenant_policy_last_reload_successful", &[], 1.0).await;
}

#[tokio::test]
async fn sighup_reloads() {
    let Some(shop) = shop("swap_hangup") else { return };
    let (proxy, policies) = shop.proxy();
    let support = shop.via(&proxy, "support").await;
    policies.replace("policy.yaml", MASKED, HIDDEN);
    proxy.signal("HUP");
    assert!(sees(&support, MAIL, "\\N").await < ONE_SECOND);
}

/// What the busy sessions may see at this moment: the verdict of the policy acknowledged last, or of a later one.
#[derive(Default)]
struct Truth {
    acknowledged: AtomicU64,
    written: AtomicU64,
    over: AtomicBool,
    asked: AtomicU64,
}

/// The mask of swap `n` shows `n` itself, so that a stale verdict can be told.
fn policy_of(swap: u64) -> String {
    let text = std::fs::read_to_string(crate::support::project("tests/server/policy.yaml")).unwrap();
    text.replacen(MASKED, &format!("action: {{mask: {{constant: \"{swap}\"}}}}"), 1)
}

/// A session that asks without pause, half of them with a prepared statement.
async fn busy(port: u16, database: String, truth: Arc<Truth>, number: u64) -> Result<(), String> {
    let session = sql::connect(port, "support", &database).await;
    let prepared =
        session.client.prepare("SELECT email FROM customers WHERE id = $1").await.map_err(|e| e.to_string())?;
    while !truth.over.load(Ordering::SeqCst) {
        let at_least = truth.acknowledged.load(Ordering::SeqCst);
        let seen = if number.is_multiple_of(2) {
            let row = session.client.query_one(&prepared, &[&1_i64]).await.map_err(|error| format!("{error:?}"))?;
            row.get::<_, String>(0)
        } else {
            let lines = session.simple(MAIL).await.map_err(|error| format!("{error:?}"))?;
            lines[1].clone()
        };
        let at_most = truth.written.load(Ordering::SeqCst);
        let seen: u64 = seen.parse().map_err(|_| format!("not a mask of any swap: {seen}"))?;
        if !(at_least..=at_most).contains(&seen) {
            return Err(format!("saw swap {seen} when {at_least} was acknowledged and {at_most} written"));
        }
        truth.asked.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// One swap is acknowledged when a session of our own sees it: then it holds for all sessions.
async fn swap(watcher: &Session, policies: &Policies, proxy: &Proxy, truth: &Truth) -> u64 {
    let until = Instant::now() + Duration::from_secs(60);
    for number in 1..=1000 {
        if Instant::now() > until {
            return number - 1;
        }
        truth.written.store(number, Ordering::SeqCst);
        policies.write("policy.yaml", &policy_of(number));
        proxy.signal("HUP");
        sees(watcher, MAIL, &number.to_string()).await;
        truth.acknowledged.store(number, Ordering::SeqCst);
    }
    1000
}

/// A thousand swaps, or as many as a minute allows, but not fewer than a hundred.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_sessions_meet_no_error_and_no_stale_verdict() {
    let Some(shop) = shop("swap_busy") else { return };
    let policies = shop.policies();
    policies.write("policy.yaml", &policy_of(0));
    let proxy = shop.proxy_with(&policies, "");
    let truth = Arc::new(Truth::default());
    let sessions: Vec<_> = (0..50)
        .map(|number| tokio::spawn(busy(proxy.port(), shop.database.clone(), Arc::clone(&truth), number)))
        .collect();
    let watcher = shop.via(&proxy, "support").await;
    let done = swap(&watcher, &policies, &proxy, &truth).await;
    truth.over.store(true, Ordering::SeqCst);
    for session in sessions {
        session.await.unwrap().unwrap();
    }
    let asked = truth.asked.load(Ordering::Relaxed);
    println!("{done} swaps under {asked} statements");
    assert!(done >= 100, "only {done} swaps in a minute");
    assert!(asked > done, "the sessions were not busy: {asked} statements");
}
