//! The whole way of a column out: `orders.estimated_delivery` becomes `shipping_eta` under three applications, one of which
//! nobody remembers, and is dropped when nothing is left that uses it.

mod stage;

use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan};

use crate::support::Proxy;
use crate::support::sql::Session;
use crate::usage;
use stage::{Stage, Story, until, written};

const COLUMN: &str = "public.orders.estimated_delivery";
const DROP: &str = "ALTER TABLE orders DROP COLUMN estimated_delivery";
const MONTHLY: &str = "SELECT count(*) FROM orders WHERE estimated_delivery < now()";
const READ: &str = "SELECT estimated_delivery::text FROM orders WHERE order_id = $1";

/// By this a session that is none of the applications sees which stage the proxy is at.
const PROBE: &str = "SELECT count(estimated_delivery) FROM orders WHERE order_id = 0";

#[tokio::test]
async fn a_column_is_retired_without_an_incident() {
    let Some(mut story) = Story::begin() else { return };
    let checkout = story.application("shop_app", "checkout").await;
    let backoffice = story.application("shop_app", "backoffice").await;
    let monthly = story.application("shop_app", "month-end").await;
    let migrator = story.application("story_migrator", "migrations").await;
    let prepared = checkout.client.prepare(READ).await.unwrap();

    ordinary_life(&mut story, (&checkout, &backoffice, &monthly), &prepared).await;
    the_gate(&story, &checkout, &migrator).await;
    expand(&story, &migrator).await;
    dual_write_and_backfill(&mut story, &checkout, &migrator).await;
    switch_reads(&mut story, &checkout, &prepared).await;
    brownout(&mut story, &backoffice, &monthly).await;
    sunset_and_back(&mut story, &checkout, &monthly).await;
    drop_through_the_gate(&mut story, (&checkout, &backoffice, &monthly, &migrator), &prepared).await;
}

async fn ordinary_life(
    story: &mut Story,
    (checkout, backoffice, monthly): (&Session, &Session, &Session),
    prepared: &tokio_postgres::Statement,
) {
    for order in 9001..9004 {
        let sql = insert(order, "estimated_delivery");
        story.uses(checkout, "checkout write", &sql).await;
    }
    for order in 1..6_i64 {
        checkout.client.query(prepared, &[&order]).await.unwrap();
        *story.did.entry("checkout explicit".into()).or_default() += 1;
        story.uses(backoffice, "backoffice star", &format!("SELECT * FROM orders WHERE order_id = {order}")).await;
    }
    story.uses(monthly, "month-end filter", MONTHLY).await;
    let answer = story.answer_with_all().await;
    assert_eq!(answer["verdict"], "in-use", "{answer:#}");
}

fn insert(order: i32, column: &str) -> String {
    format!("INSERT INTO orders (order_id, customer_id, total_amount, {column}) VALUES ({order}, 1, 10, now())")
}

/// Nobody but the migration role changes the structure, not without a lock_timeout, and nothing that is in use goes away.
async fn the_gate(story: &Story, checkout: &Session, migrator: &Session) {
    assert_eq!(checkout.error(DROP).await.code, "42501");
    assert_eq!(migrator.error(DROP).await.code, "55000");
    migrator.simple("SET lock_timeout = '5s'").await.unwrap();
    let refused = migrator.error(DROP).await;
    assert_eq!(refused.code, "2BP01", "{refused:?}");
    let detail = refused.detail.unwrap();
    for application in ["checkout", "backoffice", "month-end"] {
        assert!(detail.contains(&format!("application \"{application}\"")), "{detail}");
    }
    assert!(story.shop.sql("SELECT count(estimated_delivery) FROM orders").trim().parse::<u32>().unwrap() > 0);
}

async fn expand(story: &Story, migrator: &Session) {
    migrator.simple("ALTER TABLE orders ADD COLUMN shipping_eta timestamptz").await.unwrap();
    story.shop.sql("GRANT SELECT (shipping_eta) ON orders TO pgcovenant");
    let old = story.policies.path().join("../story-before");
    let before = old.display().to_string();
    std::fs::create_dir_all(&old).unwrap();
    std::fs::copy(story.policies.policy_file(), old.join("policy.yaml")).unwrap();
    std::fs::copy(story.policies.contract_file(), old.join("contract.odcs.yaml")).unwrap();
    let stage = Stage::Retired("phase: active, replacedBy: shipping_eta, dualWrite: true");
    story.quiet_stage(&stage).await;
    let (code, said, problems) = Proxy::run(&["diff", &before, &story.policies.path().display().to_string()]);
    assert_eq!(code, Some(0), "{said}{problems}");
    assert!(said.contains("field-added"), "{said}");
    std::fs::remove_dir_all(&old).unwrap();
}

async fn dual_write_and_backfill(story: &mut Story, checkout: &Session, migrator: &Session) {
    let pair = [("column", "estimated_delivery"), ("replacement", "shipping_eta")];
    let missing = [&pair[..], &[("state", "missing")]].concat();
    // From then on the proxy knows the new column, and writes to both.
    story.proxy.metric_reaches("pgcovenant_backfill_rows", &missing, 200.0).await;
    for order in 9101..9104 {
        let sql = insert(order, "estimated_delivery");
        story.uses(checkout, "checkout write", &sql).await;
    }
    let both =
        story.shop.sql("SELECT count(*) FROM orders WHERE order_id > 9100 AND shipping_eta = estimated_delivery");
    assert_eq!(both.trim(), "3");
    let backfill = "UPDATE orders SET shipping_eta = estimated_delivery WHERE shipping_eta IS NULL";
    story.uses(migrator, "migrations explicit", backfill).await;
    story.proxy.metric_becomes("pgcovenant_backfill_rows", &missing, 0.0);
    assert_eq!(story.proxy.metric("pgcovenant_divergent_rows", &pair), 0.0);
}

async fn switch_reads(story: &mut Story, checkout: &Session, prepared: &tokio_postgres::Statement) {
    let stage = Stage::Retired(
        "since: 2026-01-15, sunset: 2099-12-31, replacedBy: shipping_eta, redirect: read, dualWrite: true",
    );
    story.quiet_stage(&stage).await;
    story.shop.sql("UPDATE orders SET shipping_eta = '2026-02-03 04:05+00' WHERE order_id = 1");
    checkout.notices();
    let row = checkout.client.query_one(prepared, &[&1_i64]).await.unwrap();
    *story.did.entry("checkout explicit".into()).or_default() += 1;
    let through: String = row.get(0);
    let direct = story.shop.direct("shop_app").await;
    assert_eq!(through, direct.value("SELECT shipping_eta::text FROM orders WHERE order_id = 1").await);
    let notices = checkout.notices();
    assert_eq!(notices.iter().map(|notice| notice.code.as_str()).collect::<Vec<_>>(), ["01P01"], "{notices:?}");
    story.shop.sql("UPDATE orders SET estimated_delivery = shipping_eta WHERE order_id = 1");
    // The team of the checkout follows the warning.
    checkout.simple(&insert(9201, "shipping_eta")).await.unwrap();
    checkout.rows("SELECT shipping_eta FROM orders WHERE order_id = 9201").await;
    let both =
        story.shop.sql("SELECT count(*) FROM orders WHERE order_id = 9201 AND shipping_eta = estimated_delivery");
    assert_eq!(both.trim(), "1", "old readers that do not come through here still find it");
}

async fn brownout(story: &mut Story, backoffice: &Session, monthly: &Session) {
    let (from, until_moment) = (Timestamp::now() + 2.seconds(), Timestamp::now() + 12.seconds());
    let value = format!(
        "since: 2026-01-15, sunset: 2099-12-31, replacedBy: shipping_eta, redirect: read, dualWrite: true, \
         brownouts: [{{from: '{from}', until: '{until_moment}'}}]"
    );
    let probe = story.application("shop_app", "probe").await;
    story.stage(&Stage::Retired(&value), &probe, PROBE, false).await;
    // The job of which nobody has thought runs into it.
    story.fails(monthly, "month-end filter", MONTHLY).await;
    story.uses(backoffice, "backoffice star", "SELECT * FROM orders WHERE order_id = 7").await;
    until(&probe, PROBE, true).await;
    story.uses(monthly, "month-end filter", MONTHLY).await;
    let readiness = story.answer(&["--readiness"]).to_string();
    assert!(readiness.contains("month-end"), "{readiness}");
}

async fn sunset_and_back(story: &mut Story, checkout: &Session, monthly: &Session) {
    let deprecated = "phase: deprecated, replacedBy: shipping_eta, redirect: read, dualWrite: true";
    let probe = story.application("shop_app", "probe").await;
    story.stage(&Stage::Retired("phase: sunset, replacedBy: shipping_eta"), &probe, PROBE, false).await;
    story.fails(monthly, "month-end filter", MONTHLY).await;
    let header = checkout.simple("SELECT * FROM orders WHERE order_id = 7").await.unwrap().remove(0);
    assert!(header.ends_with("|shipping_eta") && !header.contains("estimated_delivery"), "{header}");
    let took = story.stage(&Stage::Retired(deprecated), &probe, PROBE, true).await;
    println!("rolled back within {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    story.uses(monthly, "month-end filter", MONTHLY).await;
}

async fn drop_through_the_gate(
    story: &mut Story,
    (checkout, backoffice, monthly, migrator): (&Session, &Session, &Session, &Session),
    prepared: &tokio_postgres::Statement,
) {
    let sunset = Stage::Retired("phase: sunset, replacedBy: shipping_eta");
    let probe = story.application("shop_app", "probe").await;
    story.stage(&sunset, &probe, PROBE, false).await;
    let tried = Instant::now();
    // A statement that was prepared at the very beginning is judged again.
    let refused = checkout.client.query(prepared, &[&1_i64]).await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "42703");
    *story.did.entry("checkout explicit refused".into()).or_default() += 1;
    let refused = migrator.error(DROP).await;
    assert_eq!(refused.code, "2BP01", "somebody still tries: {refused:?}");
    // The job is mended; from now on nobody names the column, though some still say `*`.
    monthly.rows("SELECT count(*) FROM orders WHERE shipping_eta < now()").await;
    let began = Instant::now();
    while migrator.simple(DROP).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", migrator.error(DROP).await);
        backoffice.rows("SELECT * FROM orders WHERE order_id = 7").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(tried.elapsed() >= Duration::from_secs(4), "the window has to be clean");
    let left = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'estimated_delivery'";
    assert_eq!(story.shop.sql(left).trim(), "0");
    backoffice.rows("SELECT * FROM orders WHERE order_id = 7").await;

    story.answer_with_all().await;
    story.policies.write("contract.odcs.yaml", &written(&story.contract, &Stage::Dropped));
    let config = story.proxy.config().display().to_string();
    let (code, said, problems) = Proxy::run(&["drift", "--config", &config, "--fail-on", "breaking"]);
    assert_eq!(code, Some(0), "{said}{problems}");
}
