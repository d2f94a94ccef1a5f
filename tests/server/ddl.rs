//! Changes of the structure through the proxy: who may make them, when, with what `lock_timeout`, and what is known afterwards.

use std::time::{Duration, Instant};

use crate::support::shop::Policies;
use crate::support::sql::{Refused, Session};
use crate::support::{Proxy, Shop, shop};

/// Long before the catalog is read again without a reason; a second where the machine has nothing else to do.
const SOON: Duration = Duration::from_secs(5);

const ADD: &str = "ALTER TABLE orders ADD COLUMN note text";

/// A proxy whose policy has this section.
fn gate(shop: &Shop, ddl: &str) -> (Proxy, Policies) {
    let policies = shop.policies();
    policies.replace("policy.yaml", "unmodelled: deny\n", &format!("ddl: {{{ddl}}}\nunmodelled: deny\n"));
    let proxy = shop.proxy_with(&policies, "");
    (proxy, policies)
}

/// From its sunset on a column is left out of `*`, so that the text is written anew by the columns that there are.
fn past_a_sunset(shop: &Shop) -> (Proxy, Policies) {
    let policies = shop.policies();
    policies.replace("contract.odcs.yaml", "phase: deprecated", "phase: sunset");
    policies.replace("policy.yaml", "unmodelled: deny\n", "ddl: {in_use: off}\nunmodelled: deny\n");
    let proxy = shop.proxy_with(&policies, "");
    (proxy, policies)
}

async fn extended(session: &Session, sql: &str) -> Result<(), Refused> {
    session.client.execute(sql, &[]).await.map(|_| ()).map_err(|error| Refused::of(&error))
}

/// Tries until it succeeds, for a while; says how long that took.
async fn until_ok(session: &Session, sql: &str, check: impl Fn(&[String]) -> bool) -> Duration {
    let began = Instant::now();
    loop {
        let answer = session.simple(sql).await;
        if answer.as_ref().is_ok_and(|lines| check(lines)) {
            return began.elapsed();
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{sql}: {answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn only_whom_the_policy_names_may_change_what_the_contract_describes() {
    let Some(shop) = shop("ddl_to") else { return };
    let (proxy, policies) = gate(&shop, "to: [{user: migrator}]");
    let app = shop.via(&proxy, "shop_app").await;
    let refused = app.error(ADD).await;
    assert_eq!(refused.code, "42501");
    assert!(refused.detail.is_some_and(|detail| detail.contains("server-tests")));
    assert_eq!(extended(&app, ADD).await.unwrap_err().code, "42501");
    app.simple("CREATE TABLE scratch (a int); DROP TABLE scratch").await.unwrap();
    app.simple("CREATE TEMP TABLE orders (a int)").await.unwrap();
    app.simple("ALTER TABLE orders ADD COLUMN b int").await.unwrap();
    app.simple("DROP TABLE orders").await.unwrap();
    assert_eq!(app.error(ADD).await.code, "42501", "the temporary one is gone");
    shop.sql("CREATE SCHEMA other AUTHORIZATION shop_app");
    app.simple("CREATE TABLE other.orders (a int); SET search_path = other").await.unwrap();
    app.simple(ADD).await.unwrap();
    extended(&app, "DROP TABLE orders").await.unwrap();
    assert_eq!(extended(&app, "DROP TABLE public.orders").await.unwrap_err().code, "42501");

    policies.replace("policy.yaml", "user: migrator", "user: shop_app");
    until_ok(&app, "ALTER TABLE public.orders ADD COLUMN note text", |_| true).await;
}

#[tokio::test]
async fn a_change_is_audited_and_counted_whether_it_is_allowed_or_not() {
    let Some(shop) = shop("ddl_audit") else { return };
    let (proxy, _policies) = gate(&shop, "to: [{user: migrator}]");
    let app = shop.via(&proxy, "shop_app").await;
    app.simple("CREATE TABLE scratch AS SELECT 'secret' AS a").await.unwrap();
    app.error("ALTER TABLE orders DROP COLUMN status").await;
    app.simple("CREATE TEMP TABLE own (a int)").await.unwrap();
    let labels = |command, action| [("datname", &*shop.database), ("command", command), ("action", action)];
    proxy.metric_reaches("pgcovenant_ddl_statements_total", &labels("CREATE TABLE AS", "allowed"), 1.0).await;
    proxy.metric_reaches("pgcovenant_ddl_statements_total", &labels("ALTER TABLE", "refused"), 1.0).await;
    assert_eq!(proxy.metric("pgcovenant_ddl_statements_total", &labels("CREATE TABLE", "allowed")), 0.0);
    let began = Instant::now();
    while !proxy.audit().contains("public.orders.status") {
        assert!(began.elapsed() < Duration::from_secs(10), "{}", proxy.audit());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let audit = proxy.audit();
    let lines: Vec<&str> = audit.lines().collect();
    assert_eq!(lines.len(), 2, "{audit}");
    let ddl = r#""ddl":[{"command":"CREATE TABLE AS","changes":[{"action":"create","object":"scratch"}]}]"#;
    assert!(lines[0].contains(ddl), "{audit}");
    assert!(lines[0].contains(r#""decision":"allow""#) && lines[0].contains("duration_seconds"), "{audit}");
    assert!(lines[1].contains(r#""decision":"deny""#) && lines[1].contains("42501"), "{audit}");
    assert!(!audit.contains("secret"), "{audit}");
}

#[tokio::test]
async fn a_freeze_ends_by_itself() {
    let Some(shop) = shop("ddl_freeze") else { return };
    let (proxy, policies) =
        gate(&shop, "freeze: [{from: 2020-01-01T00:00:00Z, until: 2099-01-01T00:00:00Z, reason: peak season}]");
    let app = shop.via(&proxy, "shop_app").await;
    let refused = app.error(ADD).await;
    assert_eq!((refused.code.as_str(), refused.detail.unwrap().contains("peak season")), ("55000", true));
    assert!(refused.message.ends_with("is frozen until 2099-01-01T00:00:00Z"), "{}", refused.message);
    app.simple("CREATE TEMP TABLE own (a int); DROP TABLE own").await.unwrap();
    let ends = jiff::Timestamp::now() + Duration::from_secs(2);
    policies.replace("policy.yaml", "2099-01-01T00:00:00Z", &ends.to_string());
    until_ok(&app, ADD, |_| true).await;
    assert!(jiff::Timestamp::now() >= ends, "not before its end");
}

#[tokio::test]
async fn a_lock_timeout_can_be_required() {
    let Some(shop) = shop("ddl_required") else { return };
    let (proxy, _policies) = gate(&shop, "lock_timeout: require");
    let app = shop.via(&proxy, "shop_app").await;
    assert_eq!(app.error(ADD).await.code, "55000");
    assert_eq!(extended(&app, ADD).await.unwrap_err().code, "55000");
    app.simple("SET lock_timeout = '5s'").await.unwrap();
    app.simple(ADD).await.unwrap();
    extended(&app, "ALTER TABLE orders DROP COLUMN note").await.unwrap();
    app.simple("RESET lock_timeout").await.unwrap();
    assert_eq!(app.error(ADD).await.code, "55000");
    app.simple("SET lock_timeout = '5s'; ALTER TABLE orders ADD COLUMN note text; RESET lock_timeout").await.unwrap();
    app.simple("BEGIN; SET LOCAL lock_timeout = '5s'").await.unwrap();
    app.simple("ALTER TABLE orders DROP COLUMN note").await.unwrap();
    app.simple("COMMIT").await.unwrap();
    assert_eq!(app.error(ADD).await.code, "55000", "it was local");
    extended(&app, "CREATE INDEX CONCURRENTLY late ON orders (status)").await.unwrap();
    app.simple("DROP INDEX CONCURRENTLY late").await.unwrap();
    app.simple("BEGIN").await.unwrap();
    assert_eq!(app.error(ADD).await.code, "55000");
    assert_eq!(app.error("SELECT 1").await.code, "25P02", "the transaction has failed");
    app.simple("ROLLBACK").await.unwrap();
    let prepared = app.client.prepare("DROP TABLE IF EXISTS nothing").await;
    assert_eq!(prepared.map(|_| ()).map_err(|error| Refused::of(&error).code), Err("55000".to_owned()));
}

#[tokio::test]
async fn a_lock_timeout_is_given_to_a_session_that_has_none_and_taken_back() {
    let Some(shop) = shop("ddl_given") else { return };
    let (proxy, _policies) = gate(&shop, "lock_timeout: 150ms");
    let app = shop.via(&proxy, "shop_app").await;
    let reader = shop.direct("shop_app").await;
    reader.simple("BEGIN; LOCK TABLE orders IN ACCESS SHARE MODE").await.unwrap();
    assert_eq!(app.error(ADD).await.code, "55P03", "it does not wait for the reader");
    assert_eq!(app.value("SHOW lock_timeout").await, "0");
    assert_eq!(extended(&app, ADD).await.unwrap_err().code, "55P03");
    assert_eq!(app.value("SHOW lock_timeout").await, "0");
    app.simple("BEGIN").await.unwrap();
    assert_eq!(app.error(ADD).await.code, "55P03");
    app.simple("ROLLBACK").await.unwrap();
    assert_eq!(app.value("SHOW lock_timeout").await, "0");
    let prepared = app.client.prepare(ADD).await.unwrap();
    app.simple("SELECT 1").await.unwrap();
    let error = app.client.execute(&prepared, &[]).await.unwrap_err();
    assert_eq!(Refused::of(&error).code, "55P03", "a statement that was prepared before");
    assert_eq!(app.error("BEGIN; ALTER TABLE orders ADD COLUMN note text; COMMIT").await.code, "55P03");
    app.simple("ROLLBACK").await.unwrap();
    assert_eq!(app.value("SHOW lock_timeout").await, "0");

    reader.simple("ROLLBACK").await.unwrap();
    app.simple(ADD).await.unwrap();
    app.simple("SET lock_timeout = '7s'").await.unwrap();
    extended(&app, "ALTER TABLE orders DROP COLUMN note").await.unwrap();
    assert_eq!(app.value("SHOW lock_timeout").await, "7s", "its own stays");
    app.simple("SET lock_timeout = 0").await.unwrap();
    app.simple("ALTER TABLE orders ADD COLUMN note text; SET lock_timeout = '8s'").await.unwrap();
    assert_eq!(app.value("SHOW lock_timeout").await, "8s", "what the text sets stays, too");
    assert_eq!(app.notices(), [], "and the client hears of none of it");
}

#[tokio::test]
async fn the_next_statement_of_a_session_knows_what_the_session_has_changed() {
    let Some(shop) = shop("ddl_refresh") else { return };
    let (proxy, _policies) = past_a_sunset(&shop);
    let app = shop.via(&proxy, "shop_app").await;
    let other = shop.via(&proxy, "shop_app").await;
    let sql = "SELECT * FROM orders WHERE order_id = 1";
    let before = app.simple(sql).await.unwrap();
    assert!(!before[0].contains("estimated_delivery"), "{before:?}");
    app.simple(ADD).await.unwrap();
    let after = app.simple(sql).await.unwrap();
    assert_eq!(after[0], format!("{}|note", before[0]));
    assert_eq!(other.simple(sql).await.unwrap(), after);

    // Without waiting for the catalog this would name the column that has gone.
    app.simple("BEGIN").await.unwrap();
    app.simple("ALTER TABLE orders DROP COLUMN note").await.unwrap();
    app.simple("COMMIT").await.unwrap();
    assert_eq!(app.simple(sql).await.unwrap(), before);
    extended(&app, ADD).await.unwrap();
    assert_eq!(app.client.query(sql, &[]).await.unwrap()[0].columns().len(), before[0].split('|').count() + 1);
}

#[tokio::test]
async fn other_sessions_know_soon_after_the_commit() {
    let Some(shop) = shop("ddl_others") else { return };
    let (proxy, _policies) = past_a_sunset(&shop);
    let app = shop.via(&proxy, "shop_app").await;
    let other = shop.via(&proxy, "shop_app").await;
    let sql = "SELECT * FROM orders WHERE order_id = 1";
    let has_note = |lines: &[String]| lines[0].ends_with("|note");
    app.simple("BEGIN").await.unwrap();
    app.simple(ADD).await.unwrap();
    app.simple("COMMIT").await.unwrap();
    let took = until_ok(&other, sql, has_note).await;
    assert!(took < SOON, "known after {took:?}");
    extended(&app, "ALTER TABLE orders DROP COLUMN note").await.unwrap();
    let took = until_ok(&other, sql, |lines| !has_note(lines)).await;
    assert!(took < SOON, "known after {took:?}");
}

#[tokio::test]
async fn a_column_in_use_stays() {
    let Some(shop) = shop("ddl_in_use") else { return };
    let (proxy, _policies) = gate(&shop, "in_use_window: 5s");
    let app = shop.via(&proxy, "shop_app").await;
    app.rows("SELECT estimated_delivery FROM orders WHERE order_id = 1").await;
    let drop = "ALTER TABLE orders DROP COLUMN estimated_delivery";
    // The record may lag behind a little.
    let began = Instant::now();
    let refused = loop {
        match app.simple(&format!("BEGIN; {drop}; ROLLBACK")).await {
            Err(error) => break Refused::of(&error),
            Ok(_) => assert!(began.elapsed() < Duration::from_secs(5), "it is not known to be in use"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(refused.code, "2BP01");
    assert_eq!(refused.message, "cannot drop column estimated_delivery of table orders because it is in use");
    assert!(refused.detail.unwrap().starts_with("application \"tests\", user shop_app: "));
    assert!(refused.hint.unwrap().contains("pgcovenant usage public.orders.estimated_delivery"));
    assert_eq!(extended(&app, drop).await.unwrap_err().code, "2BP01");
    assert_eq!(app.error("DROP TABLE orders").await.code, "2BP01");
    until_ok(&app, drop, |_| true).await;
}

#[tokio::test]
async fn without_a_contract_for_the_database_nothing_is_asked() {
    let Some(shop) = shop("ddl_transparent") else { return };
    let proxy = shop.transparent_proxy();
    let app = shop.via(&proxy, "shop_app").await;
    app.simple(ADD).await.unwrap();
    extended(&app, "ALTER TABLE orders DROP COLUMN note").await.unwrap();
    assert_eq!(app.notices(), []);
}
