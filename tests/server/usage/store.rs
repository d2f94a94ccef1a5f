//! Where usage is kept: what survives the end of a process, what happens where it cannot be written, and what a fleet shares.

use std::time::Duration;

use super::{STATE, app, counts, expect_counts, json, repeat, usage};
use crate::support::{Proxy, shop, until};

#[tokio::test]
async fn a_killed_process_loses_no_more_than_one_flush() {
    let Some(shop) = shop("usage_killed") else { return };
    let policies = shop.policies();
    let folder = tempfile::tempdir().unwrap();
    let state =
        |flush: &str| format!("state: {{path: {}, flush: {flush}}}\n", folder.path().join("state.sqlite").display());
    let mut first = shop.proxy_with(&policies, &state("200ms"));
    let web = app(&shop, &first, "web", "shop_app").await;
    repeat(&web, 20, "SELECT status FROM orders WHERE order_id = {n}").await;
    expect_counts(&first, "orders.status", &[("web explicit", 20)]);
    repeat(&web, 10, "SELECT status FROM orders WHERE order_id = {n}").await;
    first.signal("KILL");
    first.wait(Duration::from_secs(10)).expect("killed");

    let mut second = shop.proxy_with(&policies, &state("1h"));
    let before = counts(&json(&second, &["orders.status"]))["web explicit"];
    assert!((20..=30).contains(&before), "{before}");
    let web = app(&shop, &second, "web", "shop_app").await;
    repeat(&web, 7, "SELECT status FROM orders WHERE order_id = {n}").await;
    drop(web);
    // Told to end, a process loses nothing.
    second.signal("TERM");
    second.wait(Duration::from_secs(30)).expect("told to end");
    let answer = json(&second, &["orders.status"]);
    assert_eq!(counts(&answer)["web explicit"], before + 7);
    assert_eq!(answer["evidence"]["processes"], 2);
}

#[test]
fn a_store_that_cannot_be_made_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("pgcovenant.yaml");
    std::fs::write(&config, "upstream: {host: 127.0.0.1}\nlisten: '127.0.0.1:0'\nstate: ./nowhere/state.sqlite\n")
        .unwrap();
    let (code, _, problem) = Proxy::run(&["serve", "--config", &config.display().to_string()]);
    assert_eq!(code, Some(2));
    assert!(problem.contains("check `state`") && problem.contains("nowhere/state.sqlite"), "{problem}");
}

#[tokio::test]
async fn without_a_store_usage_is_kept_in_memory_and_said_so() {
    let Some(shop) = shop("usage_memory") else { return };
    let policies = shop.policies();
    let proxy = shop.proxy_with(&policies, "");
    assert!(proxy.log().contains("usage is kept in memory only"), "{}", proxy.log());
    let (code, _, problem) = usage(&proxy, &["orders.status", "--fail-if-used"]);
    assert_eq!(code, Some(2));
    assert!(problem.contains("add `state: ./state.sqlite`"), "{problem}");
}

#[tokio::test]
async fn a_store_that_cannot_be_written_stops_nobody_and_loses_nothing() {
    let Some(shop) = shop("usage_failing") else { return };
    let policies = shop.policies();
    let proxy = shop.proxy_with(&policies, STATE);
    let file = proxy.directory().join("state.sqlite");
    let lock = rusqlite::Connection::open(&file).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let web = app(&shop, &proxy, "web", "shop_app").await;
    repeat(&web, 9, "SELECT status FROM orders WHERE order_id = {n}").await;
    proxy.metric_reaches("pgcovenant_usage_flushes_total", &[("result", "failure")], 1.0).await;
    assert!(proxy.log().contains("usage cannot be written"), "{}", proxy.log());
    lock.execute_batch("ROLLBACK").unwrap();
    drop(lock);
    expect_counts(&proxy, "orders.status", &[("web explicit", 9)]);
    until("that is over", || proxy.log().contains("usage is written again"));
}

#[tokio::test]
async fn who_was_known_before_a_restart_is_known_after_it() {
    let Some(shop) = shop("usage_restart") else { return };
    let policies = shop.policies();
    let folder = tempfile::tempdir().unwrap();
    let state = format!("state: {}\n", folder.path().join("state.sqlite").display());
    let mut first = shop.proxy_with(&policies, &state);
    let sql = "SELECT estimated_delivery FROM orders LIMIT 1";
    repeat(&app(&shop, &first, "web", "shop_app").await, 1, sql).await;
    first.signal("TERM");
    first.wait(Duration::from_secs(30)).expect("told to end");
    policies.replace("contract.odcs.yaml", "phase: deprecated", "phase: restricted");
    let second = shop.proxy_with(&policies, &state);
    repeat(&app(&shop, &second, "web", "shop_app").await, 1, sql).await;
    let newcomer = app(&shop, &second, "newcomer", "shop_app").await.simple_query(sql).await;
    assert_eq!(newcomer.unwrap_err().code().map(|code| code.code()), Some("42703"));
    // Having tried does not make it known.
    let again = app(&shop, &second, "newcomer", "shop_app").await.simple_query(sql).await;
    assert!(again.is_err());
}

#[tokio::test]
async fn a_fleet_shares_one_record() {
    let Some(shop) = shop("usage_fleet") else { return };
    let policies = shop.policies();
    shop.cluster.sql("postgres", "CREATE DATABASE usage_fleet OWNER pgcovenant");
    let at = format!("127.0.0.1:{}/usage_fleet", shop.cluster.port());
    let state =
        format!("state: {{url: 'postgres://pgcovenant@{at}', password_env: PGCOVENANT_PASSWORD, flush: 100ms}}\n");
    let restricted = shop.policies();
    restricted.replace("contract.odcs.yaml", "phase: deprecated", "phase: restricted");
    let (one, two) = (shop.proxy_with(&policies, &state), shop.proxy_with(&restricted, &state));
    let sql = "SELECT estimated_delivery FROM orders WHERE order_id = {n}";
    repeat(&app(&shop, &one, "web", "shop_app").await, 6, sql).await;
    expect_counts(&one, "orders.estimated_delivery", &[("web explicit", 6)]);
    // What one process has recorded, the others know after their next flush.
    let flushes = two.metric("pgcovenant_usage_flushes_total", &[("result", "success")]);
    two.metric_reaches("pgcovenant_usage_flushes_total", &[("result", "success")], flushes + 2.0).await;
    repeat(&app(&shop, &two, "web", "shop_app").await, 5, sql).await;
    let newcomer = app(&shop, &two, "newcomer", "shop_app").await.simple_query(&sql.replace("{n}", "1")).await;
    assert_eq!(newcomer.unwrap_err().code().map(|code| code.code()), Some("42703"));
    for proxy in [&one, &two] {
        let expected = [("web explicit", 11), ("newcomer explicit refused", 1)];
        let answer = expect_counts(proxy, "orders.estimated_delivery", &expected);
        assert_eq!(answer["evidence"]["processes"], 2);
    }
    let (code, said, problem) = usage(&one, &["orders.estimated_delivery", "--fail-if-used"]);
    assert_eq!((code, said.contains("web")), (Some(1), true), "{problem}");
}

#[test]
fn a_batch_that_comes_twice_changes_nothing_in_a_database_either() {
    use pgcovenant::model::usage::{
        Batch, BatchKey, ConsumerRow, Filter, ObjectRow, TotalRow, UsageStore, UseRow, Written,
    };
    use pgcovenant::upstream::usage_store::PostgresStore;

    let Some(shop) = shop("usage_twice") else { return };
    shop.cluster.sql("postgres", "CREATE DATABASE usage_twice OWNER pgcovenant");
    let url = format!("postgres://pgcovenant:pgcovenant@127.0.0.1:{}/usage_twice", shop.cluster.port());
    let mut stores = [(); 2].map(|()| PostgresStore::new(&url, None).unwrap());
    let (first, second) = stores.split_at_mut(1);
    let (first, second) = (&mut first[0], &mut second[0]);
    first.prepare().unwrap();
    second.prepare().unwrap();
    let day = jiff::civil::date(2026, 3, 31);
    let names = ["shop", "web", "ann", "local"].map(Box::<str>::from);
    let [database, application, usr, network] = names;
    let of = |boot: &str, sequence| Batch {
        key: BatchKey { node: "n".into(), boot: boot.into(), sequence },
        consumers: vec![ConsumerRow {
            id: 1,
            database: database.clone(),
            application: application.clone(),
            usr: usr.clone(),
            network: network.clone(),
        }],
        objects: vec![ObjectRow {
            id: 2,
            database: database.clone(),
            schema: "public".into(),
            relation: "orders".into(),
            column: "status".into(),
        }],
        uses: vec![UseRow {
            day,
            consumer: 1,
            object: 2,
            access: "explicit",
            via: 0,
            shape: 3,
            refused: 0,
            uses: 10,
            row_count: 20,
            first_seen: 1_000_000 * sequence,
            last_seen: 2_000_000 * sequence,
        }],
        totals: vec![TotalRow { day, consumer: 1, statements: 10, sessions: 1 }],
        ..Batch::default()
    };
    let before = first.written_by_others("a").unwrap();
    assert_eq!(first.write(&of("a", 1)).unwrap(), Written::Added);
    assert_eq!(first.write(&of("a", 1)).unwrap(), Written::Repeated);
    // As if the answer had been lost and the process had connected anew.
    assert_eq!(second.write(&of("a", 1)).unwrap(), Written::Repeated);
    assert_eq!(first.written_by_others("a").unwrap(), before, "nobody else has written");
    assert_eq!(second.write(&of("b", 1)).unwrap(), Written::Added);
    assert_ne!(first.written_by_others("a").unwrap(), before);
    assert_eq!(first.write(&of("a", 2)).unwrap(), Written::Added);
    let uses = second.uses(&Filter::default()).unwrap();
    assert_eq!(uses.len(), 1);
    assert_eq!((uses[0].uses, uses[0].rows), (30, 60));
    assert_eq!((uses[0].first_seen.as_second(), uses[0].last_seen.as_second()), (1, 4));
    assert_eq!(second.totals(Some(day)).unwrap()[0].statements, 30);
    assert_eq!(second.totals(Some(jiff::civil::date(2026, 4, 1))).unwrap(), []);
    assert_eq!(second.spans().unwrap().len(), 2);
    first.expire(jiff::civil::date(2026, 4, 1)).unwrap();
    assert_eq!(second.uses(&Filter::default()).unwrap(), []);
}
