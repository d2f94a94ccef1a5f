//! The whole way of a column out: `orders.estimated_delivery` becomes `shipping_eta` under three applications, one of which
//! nobody remembers, and is dropped when nothing is left that uses it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use crate::support::shop::Policies;
use crate::support::sql::Session;
use crate::support::{Proxy, ProxyOptions, Shop, shop};
use crate::usage;

const COLUMN: &str = "public.orders.estimated_delivery";
const DROP: &str = "ALTER TABLE orders DROP COLUMN estimated_delivery";
const MONTHLY: &str = "SELECT count(*) FROM orders WHERE estimated_delivery < now()";
const READ: &str = "SELECT estimated_delivery::text FROM orders WHERE order_id = $1";

/// What the contract says of the column at each stage; none where nothing is said yet.
enum Stage<'a> {
    Before,
    Retired(&'a str),
    Dropped,
}

struct Story {
    shop: Shop,
    policies: Policies,
    proxy: Proxy,
    contract: String,
    /// What the script did to the column, by application, way and outcome.
    did: BTreeMap<String, u64>,
}

impl Story {
    fn begin() -> Option<Self> {
        let shop = shop("story")?;
        shop.sql(
            "ALTER TABLE orders DROP COLUMN shipping_eta; \
             GRANT SELECT (estimated_delivery) ON orders TO pgcovenant; \
             CREATE ROLE story_migrator LOGIN PASSWORD 'story_migrator' IN ROLE shop_app;",
        );
        let policies = shop.policies();
        let ddl = "ddl: {to: [{user: story_migrator}], lock_timeout: require, in_use_window: 4s}\nunmodelled: deny\n";
        policies.replace("policy.yaml", "unmodelled: deny\n", ddl);
        let contract = std::fs::read_to_string(policies.contract_file()).unwrap();
        let text = written(&contract, &Stage::Before);
        policies.write("contract.odcs.yaml", &text);
        let proxy = Proxy::start(
            shop.cluster,
            ProxyOptions {
                policies: Some(policies.path().to_owned()),
                environment: vec![("PGCOVENANT_PASSWORD".into(), "pgcovenant".into())],
                more:
                    "service: {user: pgcovenant, password_env: PGCOVENANT_PASSWORD, refresh: 1s, divergence: 200ms}\n\
                       state: {path: ./state.sqlite, flush: 100ms}\n"
                        .into(),
                ..ProxyOptions::default()
            },
        );
        Some(Self { shop, policies, proxy, contract, did: BTreeMap::new() })
    }

    async fn application(&self, user: &str, name: &str) -> Session {
        self.shop.application(&self.proxy, user, name).await
    }

    /// Puts the contract at a stage, and waits until the proxy has taken it over: when a statement says so.
    async fn stage(&self, stage: &Stage<'_>, session: &Session, sql: &str, passes: bool) -> Duration {
        let began = Instant::now();
        self.policies.write("contract.odcs.yaml", &written(&self.contract, stage));
        until(session, sql, passes).await;
        began.elapsed()
    }

    /// Waits for a new contract in whose stage the same statements pass.
    async fn quiet_stage(&self, stage: &Stage<'_>) {
        let before = self.proxy.metric("pgcovenant_policy_epoch", &[]);
        self.policies.write("contract.odcs.yaml", &written(&self.contract, stage));
        self.proxy.metric_reaches("pgcovenant_policy_epoch", &[], before + 1.0).await;
    }

    /// Runs a statement that uses the column, and keeps the count.
    async fn uses(&mut self, session: &Session, what: &str, sql: &str) {
        session.simple(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}\n{}", self.proxy.log()));
        *self.did.entry(what.to_owned()).or_default() += 1;
    }

    /// Runs one that must fail as it would after the drop.
    async fn fails(&mut self, session: &Session, what: &str, sql: &str) {
        let refused = session.error(sql).await;
        assert_eq!((refused.code.as_str(), refused.position.is_some()), ("42703", true), "{sql}: {refused:?}");
        *self.did.entry(format!("{what} refused")).or_default() += 1;
    }

    fn answer(&self, arguments: &[&str]) -> Value {
        let (code, said, problems) = usage::usage(&self.proxy, &[arguments, &["--format", "json"]].concat());
        assert_eq!(code, Some(0), "{problems}");
        serde_json::from_str(&said).unwrap()
    }

    /// The answer about the column, once it has every use that the script has made. What was tried to its structure
    /// is no use, and the probe is no application.
    async fn answer_with_all(&self) -> Value {
        let mut seen = BTreeMap::new();
        for _ in 0..200 {
            let answer = self.answer(&[COLUMN]);
            seen = counts(&answer);
            seen.retain(|what, _| !what.contains(" ddl") && !what.starts_with("probe "));
            if seen == self.did {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(seen, self.did);
        Value::Null
    }
}

/// Uses by application, way of using and outcome.
fn counts(answer: &Value) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for consumer in answer["consumers"].as_array().unwrap() {
        for statement in consumer["statements"].as_array().unwrap() {
            let ways: Vec<_> = statement["access"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            let key = format!("{} {}", consumer["application"].as_str().unwrap(), ways.join(","));
            let (uses, refused) = (statement["uses"].as_u64().unwrap(), statement["refused"].as_u64().unwrap());
            for (key, count) in [(format!("{key} refused"), refused), (key, uses - refused)] {
                if count > 0 {
                    *found.entry(key).or_default() += count;
                }
            }
        }
    }
    found
}

/// The contract of the shop at a stage.
fn written(contract: &str, stage: &Stage<'_>) -> String {
    let (from, until) = ("      - name: estimated_delivery\n", "  - name: order_items\n");
    let (head, rest) = contract.split_once(from).unwrap();
    let (_, tail) = rest.split_once(until).unwrap();
    let plain = "        logicalType: timestamp\n        physicalType: timestamptz\n";
    let old = match stage {
        Stage::Before => format!("{from}{plain}"),
        Stage::Retired(value) => format!(
            "{from}{plain}        customProperties:\n          - {{property: pgcovenantLifecycle, value: {{{value}}}}}\n"
        ),
        Stage::Dropped => String::new(),
    };
    let new =
        if matches!(stage, Stage::Before) { String::new() } else { format!("      - name: shipping_eta\n{plain}") };
    let version = match stage {
        Stage::Before => "version: 1.3.0",
        Stage::Retired(_) => "version: 1.4.0",
        Stage::Dropped => "version: 2.0.0",
    };
    format!("{head}{old}{new}{until}{tail}").replace("version: 1.3.0", version)
}

async fn until(session: &Session, sql: &str, passes: bool) {
    for _ in 0..1500 {
        if session.simple(sql).await.is_ok() == passes {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{sql} never {}", if passes { "passes" } else { "fails" });
}

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
