//! What the story is played on: the shop, its contract at each stage, and the count of what the script did.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::COLUMN;
use crate::support::shop::Policies;
use crate::support::sql::Session;
use crate::support::{Proxy, ProxyOptions, Shop, shop};
use crate::usage;

/// What the contract says of the column at each stage; none where nothing is said yet.
pub enum Stage<'a> {
    Before,
    Retired(&'a str),
    Dropped,
}

pub struct Story {
    pub shop: Shop,
    pub policies: Policies,
    pub proxy: Proxy,
    pub contract: String,
    /// What the script did to the column, by application, way and outcome.
    pub did: BTreeMap<String, u64>,
}

impl Story {
    pub fn begin() -> Option<Self> {
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

    pub async fn application(&self, user: &str, name: &str) -> Session {
        self.shop.application(&self.proxy, user, name).await
    }

    /// Puts the contract at a stage, and waits until the proxy has taken it over: when a statement says so.
    pub async fn stage(&self, stage: &Stage<'_>, session: &Session, sql: &str, passes: bool) -> Duration {
        let began = Instant::now();
        self.policies.write("contract.odcs.yaml", &written(&self.contract, stage));
        until(session, sql, passes).await;
        began.elapsed()
    }

    /// Waits for a new contract in whose stage the same statements pass.
    pub async fn quiet_stage(&self, stage: &Stage<'_>) {
        let before = self.proxy.metric("pgcovenant_policy_epoch", &[]);
        self.policies.write("contract.odcs.yaml", &written(&self.contract, stage));
        self.proxy.metric_reaches("pgcovenant_policy_epoch", &[], before + 1.0).await;
    }

    /// Runs a statement that uses the column, and keeps the count.
    pub async fn uses(&mut self, session: &Session, what: &str, sql: &str) {
        session.simple(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}\n{}", self.proxy.log()));
        *self.did.entry(what.to_owned()).or_default() += 1;
    }

    /// Runs one that must fail as it would after the drop.
    pub async fn fails(&mut self, session: &Session, what: &str, sql: &str) {
        let refused = session.error(sql).await;
        assert_eq!((refused.code.as_str(), refused.position.is_some()), ("42703", true), "{sql}: {refused:?}");
        *self.did.entry(format!("{what} refused")).or_default() += 1;
    }

    pub fn answer(&self, arguments: &[&str]) -> Value {
        let (code, said, problems) = usage::usage(&self.proxy, &[arguments, &["--format", "json"]].concat());
        assert_eq!(code, Some(0), "{problems}");
        serde_json::from_str(&said).unwrap()
    }

    /// The answer about the column, once it has every use that the script has made. What was tried to its structure
    /// is no use, and the probe is no application.
    pub async fn answer_with_all(&self) -> Value {
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
pub fn written(contract: &str, stage: &Stage<'_>) -> String {
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

/// Runs a statement again and again, until it passes or fails as it should.
pub async fn until(session: &Session, sql: &str, passes: bool) {
    for _ in 0..1500 {
        if session.simple(sql).await.is_ok() == passes {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{sql} never {}", if passes { "passes" } else { "fails" });
}
