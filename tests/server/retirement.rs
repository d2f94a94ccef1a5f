//! The phases of a retirement between the first warning and the drop: who meets which, and when.

use std::time::Duration;

use jiff::{Timestamp, ToSpan};

use crate::support::shop;
use crate::support::shop::Policies;
use crate::support::sql::Session;

const WRITTEN: &str =
    "              phase: deprecated\n              since: 2026-01-15\n              sunset: 2027-06-30\n";
const EXPLICIT: &str = "SELECT estimated_delivery FROM orders WHERE order_id = 1";
const STAR: &str = "SELECT * FROM orders WHERE order_id = 1";

/// Puts other lines in place of the phase and the dates of `orders.estimated_delivery`.
fn retire(policies: &Policies, lines: &[&str]) {
    let lines: String = lines.iter().map(|line| format!("              {line}\n")).collect();
    policies.replace("contract.odcs.yaml", WRITTEN, &lines);
}

/// Puts a lifecycle on the table `order_items`.
fn retire_items(policies: &Policies, value: &str) {
    let property =
        format!("  - name: order_items\n    customProperties: [{{property: pgcovenantLifecycle, value: {value}}}]\n");
    policies.replace("contract.odcs.yaml", "  - name: order_items\n", &property);
}

/// Waits until a statement is refused, or until it is not any more.
async fn becomes(session: &Session, sql: &str, refused: bool) {
    for _ in 0..600 {
        if session.simple(sql).await.is_err() == refused {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{sql} is never {}", if refused { "refused" } else { "admitted" });
}

#[tokio::test]
async fn a_brownout_comes_and_goes_by_the_clock() {
    let Some(shop) = shop("brownout") else { return };
    let (proxy, policies) = shop.proxy();
    let app = shop.via(&proxy, "shop_app").await;
    let (from, until) = (Timestamp::now() + 3.seconds(), Timestamp::now() + 11.seconds());
    let windows = format!("brownouts: [{{from: '{from}', until: '{until}'}}]");
    retire(&policies, &["since: 2026-01-15", &windows]);
    assert!(app.simple(EXPLICIT).await.is_ok(), "before the window");
    becomes(&app, EXPLICIT, true).await;
    assert!(Timestamp::now() >= from);
    let refused = app.error(EXPLICIT).await;
    assert_eq!(
        (refused.code.as_str(), refused.message.as_str()),
        ("42703", "column \"estimated_delivery\" does not exist")
    );
    let hint = refused.hint.unwrap();
    assert!(hint.contains("fails on purpose until") && hint.contains("use shipping_eta"), "{hint}");
    let columns = app.simple(STAR).await.unwrap();
    assert!(columns[0].contains("estimated_delivery"), "a star fails nobody: {columns:?}");
    becomes(&app, EXPLICIT, false).await;
    assert!(Timestamp::now() >= until);
}

#[tokio::test]
async fn nobody_new_begins_to_use_what_is_restricted() {
    let Some(shop) = shop("restricted") else { return };
    let policies = shop.policies();
    retire(&policies, &["phase: restricted", "known: [{application: billing, user: shop_app}]"]);
    let proxy = shop.proxy_with(&policies, "");
    let billing = shop.application(&proxy, "shop_app", "billing").await;
    billing.rows(EXPLICIT).await;
    assert_eq!(billing.notices().len(), 1);
    let newcomer = shop.application(&proxy, "shop_app", "dashboards").await;
    let refused = newcomer.error(EXPLICIT).await;
    assert_eq!(refused.code, "42703");
    assert!(refused.hint.unwrap().contains("closed to new consumers"));
    newcomer.rows(STAR).await;
    let outcome = |application| [("column", "estimated_delivery"), ("application", application)];
    proxy.metric_reaches("pgcovenant_deprecated_access_total", &outcome("dashboards"), 1.0).await;
}

#[tokio::test]
async fn consumers_can_be_ahead_of_the_others_and_exempt_for_a_while() {
    let Some(shop) = shop("ahead") else { return };
    let policies = shop.policies();
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let exempt = format!(
        "exempt: [{{application: monthly, expires: '{today}'}}, {{application: quarterly, expires: '{}'}}]",
        today - 1.day()
    );
    retire(&policies, &["phase: sunset", &exempt, "consumers: [{application: checkout, phase: active}]"]);
    let proxy = shop.proxy_with(&policies, "");
    let monthly = shop.application(&proxy, "shop_app", "monthly").await;
    monthly.rows(EXPLICIT).await;
    assert_eq!(monthly.notices().len(), 1, "an exempt consumer is warned");
    let checkout = shop.application(&proxy, "shop_app", "checkout").await;
    checkout.rows(EXPLICIT).await;
    assert_eq!(checkout.notices(), [], "this one is not concerned yet");
    for application in ["quarterly", "anything"] {
        let session = shop.application(&proxy, "shop_app", application).await;
        assert_eq!(session.error(EXPLICIT).await.code, "42703", "{application}");
        let columns = session.simple(STAR).await.unwrap();
        assert!(!columns[0].contains("estimated_delivery"), "{application}: {columns:?}");
    }
}

#[tokio::test]
async fn a_table_goes_the_same_way() {
    let Some(shop) = shop("retired_table") else { return };
    let dropped = shop.twin("retired_table_dropped");
    dropped.sql("DROP TABLE order_items");
    let policies = shop.policies();
    retire_items(&policies, "{phase: deprecated, replacedBy: order_lines}");
    let proxy = shop.proxy_with(&policies, "");
    let app = shop.via(&proxy, "shop_app").await;
    app.rows("SELECT count(*) FROM order_items").await;
    let notices = app.notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0].message, "table public.order_items is deprecated");
    assert_eq!(notices[0].hint.as_deref(), Some("Use table order_lines instead."));

    policies.replace(
        "contract.odcs.yaml",
        "phase: deprecated, replacedBy: order_lines",
        "phase: sunset, replacedBy: order_lines",
    );
    let model = dropped.direct("shop_app").await;
    becomes(&app, "SELECT count(*) FROM order_items", true).await;
    for sql in [
        "SELECT count(*) FROM order_items",
        "SELECT o.status FROM orders o JOIN public.order_items i ON i.order_id = o.order_id",
        "INSERT INTO order_items VALUES (1, 99, 'pen', 1, 1.5)",
        "UPDATE order_items SET quantity = 2",
        "DELETE FROM order_items",
        "WITH i AS (SELECT * FROM order_items) SELECT count(*) FROM i",
    ] {
        let (expected, seen) = (model.error(sql).await, app.error(sql).await);
        assert_eq!((seen.code, seen.message), (expected.code, expected.message), "{sql}");
        assert_eq!(seen.position, expected.position, "{sql}");
    }
    policies.replace(
        "contract.odcs.yaml",
        "phase: sunset, replacedBy: order_lines",
        "phase: active, replacedBy: order_lines",
    );
    becomes(&app, "SELECT count(*) FROM order_items", false).await;
}

#[tokio::test]
async fn a_view_goes_with_the_column_that_it_shows() {
    let Some(shop) = shop("retired_view") else { return };
    shop.sql(
        "CREATE VIEW deliveries AS SELECT order_id, estimated_delivery AS expected FROM orders; \
         CREATE VIEW lateness AS SELECT order_id, expected < now() AS late FROM deliveries; \
         GRANT SELECT ON deliveries, lateness TO shop_app",
    );
    let policies = shop.policies();
    let proxy = shop.proxy_with(&policies, "");
    let app = shop.via(&proxy, "shop_app").await;
    app.rows("SELECT expected FROM deliveries WHERE order_id = 1").await;
    assert_eq!(app.notices().len(), 1);
    app.rows("SELECT order_id FROM deliveries WHERE order_id = 1").await;
    assert_eq!(app.notices(), [], "the column is not used");
    policies.replace("contract.odcs.yaml", "phase: deprecated", "phase: sunset");
    becomes(&app, "SELECT expected FROM deliveries", true).await;
    assert_eq!(app.error("SELECT late FROM lateness").await.code, "42703");
    assert_eq!(app.simple("SELECT * FROM lateness WHERE order_id = 1").await.unwrap()[0], "order_id");
}

/// A statement that was prepared before the column was deprecated is warned about when it runs, once.
#[tokio::test]
async fn what_was_prepared_before_is_warned_about_when_it_runs() {
    let Some(shop) = shop("retired_prepared") else { return };
    let policies = shop.policies();
    policies.replace("contract.odcs.yaml", "phase: deprecated", "phase: active");
    let proxy = shop.proxy_with(&policies, "");
    let app = shop.via(&proxy, "shop_app").await;
    let prepared = app.client.prepare("SELECT estimated_delivery::text FROM orders WHERE order_id = $1").await.unwrap();
    app.client.query(&prepared, &[&1_i64]).await.unwrap();
    assert_eq!(app.notices(), []);
    let epoch = proxy.metric("pgcovenant_policy_epoch", &[]);
    policies.replace("contract.odcs.yaml", "phase: active", "phase: deprecated");
    proxy.metric_reaches("pgcovenant_policy_epoch", &[], epoch + 1.0).await;
    for _ in 0..3 {
        app.client.query(&prepared, &[&1_i64]).await.unwrap();
    }
    let codes: Vec<_> = app.notices().into_iter().map(|notice| notice.code).collect();
    assert_eq!(codes, ["01P01"]);
}

#[tokio::test]
async fn whom_a_policy_governs_meets_the_same_refusals() {
    let Some(shop) = shop("retired_governed") else { return };
    let dropped = shop.twin("retired_governed_dropped");
    dropped.sql("ALTER TABLE customers DROP COLUMN notes");
    let policies = shop.policies();
    let retired = "tags: [free_text], customProperties: [{property: pgcovenantLifecycle, value: {phase: sunset}}]}";
    policies.replace("contract.odcs.yaml", "tags: [free_text]}", retired);
    let proxy = shop.proxy_with(&policies, "");
    let support = shop.via(&proxy, "support").await;
    let model = dropped.direct("support").await;
    for sql in [
        "SELECT notes FROM customers",
        "SELECT c.notes FROM customers c",
        "UPDATE customers SET name = 'n' RETURNING notes",
        "UPDATE customers SET name = notes",
        "UPDATE customers SET name = 'n' WHERE customers.notes = 'x'",
        "UPDATE customers AS c SET name = 'n' WHERE lower(c.notes) = 'x'",
        "UPDATE customers SET notes = 'x'",
    ] {
        let (expected, seen) = (model.error(sql).await, support.error(sql).await);
        assert_eq!((&seen.code, &seen.message), (&expected.code, &expected.message), "{sql}");
        assert_eq!(seen.position, expected.position, "{sql}");
        assert_eq!(seen.hint.as_deref(), Some("The column is retired."), "{sql}");
    }
}
