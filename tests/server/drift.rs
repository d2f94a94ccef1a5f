//! Drift: a real database against its contract, once and while the proxy runs.

mod histories;

use serde_json::Value;

use crate::support::shop::Policies;
use crate::support::{Proxy, Shop, shop, until};

fn run(arguments: &[&str]) -> (i32, String) {
    let (code, stdout, stderr) = Proxy::run(arguments);
    (code.expect("ended by a signal"), stdout + &stderr)
}

/// A folder with a configuration for the shop, without a proxy.
struct Setup {
    folder: tempfile::TempDir,
}

impl Setup {
    fn new(shop: &Shop, policies: &Policies, drift: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "upstream: {{host: 127.0.0.1, port: {}, tls: disable}}\n\
             service: {{user: pgcovenant, password_env: PGCOVENANT_PASSWORD}}\npolicies: {}\n{drift}\n",
            shop.cluster.port(),
            policies.path().display()
        );
        std::fs::write(folder.path().join("pgcovenant.yaml"), config).unwrap();
        Self { folder }
    }

    fn drift(&self, more: &[&str]) -> (i32, String) {
        let config = self.folder.path().join("pgcovenant.yaml").display().to_string();
        run(&[&["drift", "--config", &config], more].concat())
    }

    fn json(&self) -> Value {
        let (_, said) = self.drift(&["--format", "json", "--fail-on", "never"]);
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// Severity, kind and object of everything that is found.
    fn found(&self) -> Vec<String> {
        let json = self.json();
        let told = |finding: &Value| {
            ["severity", "kind", "object"].map(|key| finding[key].as_str().unwrap().to_owned()).join(" ")
        };
        json["findings"].as_array().unwrap().iter().map(told).collect()
    }
}

/// What the shop has by itself: its policy masks for a role that can log in, and one view is in no contract.
const USUAL: [&str; 2] = ["risky extra_table public.active_customers", "risky grant_bypass support"];

#[test]
fn the_shop_keeps_its_promises() {
    let Some(shop) = shop("drift") else { return };
    let policies = shop.policies();
    let setup = Setup::new(&shop, &policies, "");
    assert_eq!(setup.found(), USUAL);
    let (code, said) = setup.drift(&[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.ends_with(": 0 breaking, 2 risky, 0 cosmetic\n"), "{said}");
    assert_eq!(setup.drift(&["--fail-on", "risky"]).0, 1);
    assert_eq!(setup.drift(&["--fail-on", "never"]).0, 0);
    let ignoring = "drift: {ignore: ['grant_bypass:*', 'public.active_*']}";
    let quiet = Setup::new(&shop, &policies, ignoring);
    let (code, said) = quiet.drift(&["--fail-on", "cosmetic"]);
    assert!(code == 0 && said.ends_with(": no drift\n"), "{said}");
}

#[test]
fn every_difference_is_told_with_what_to_do() {
    let Some(shop) = shop("drift_many") else { return };
    shop.sql(
        "ALTER TABLE orders DROP COLUMN shipping_eta;
         ALTER TABLE orders ADD COLUMN loyalty_points integer;
         ALTER TABLE orders ADD COLUMN gift_email text;
         DROP VIEW active_customers;
         ALTER TABLE customers ALTER COLUMN email TYPE text;
         ALTER TABLE customers ALTER COLUMN country DROP NOT NULL;
         ALTER TABLE orders ADD CONSTRAINT positive CHECK (total_amount >= 0) NOT VALID;
         ALTER TABLE payments DROP CONSTRAINT payments_pkey;
         DROP TABLE employees;
         CREATE TABLE scratch (a integer)",
    );
    let policies = shop.policies();
    let setup = Setup::new(&shop, &policies, "drift: {ignore: ['grant_bypass:*']}");
    assert_eq!(
        setup.found(),
        [
            "breaking nullability public.customers.country",
            "breaking type_mismatch public.customers.email",
            "breaking missing_table public.employees",
            "breaking missing_column public.orders.shipping_eta",
            "breaking missing_pk public.payments",
            "risky unvalidated_constraint public.orders",
            "risky extra_column public.orders.gift_email",
            "cosmetic extra_column public.orders.loyalty_points",
            "cosmetic extra_table public.scratch",
        ]
    );
    let (code, text) = setup.drift(&[]);
    assert_eq!(code, 1, "{text}");
    let email = "breaking  type_mismatch: public.customers.email\n          public.customers.email is text, the contract \
                 promises varchar(120)\n          Migrate the column, or correct the contract and tell its readers.\n";
    assert!(text.contains(email), "{text}");
    let (code, table) = setup.drift(&["--format", "markdown", "--fail-on", "never"]);
    assert_eq!(code, 0, "{table}");
    assert!(table.contains("| breaking | `missing_table` | `public.employees` |"), "{table}");
}

#[test]
fn relationships_views_and_partitions_of_a_contract_are_compared() {
    let Some(shop) = shop("drift_keys") else { return };
    let policies = shop.policies();
    policies.replace(
        "contract.odcs.yaml",
        "      - {name: customer_id, logicalType: integer, physicalType: bigint, required: true}",
        "      - {name: customer_id, logicalType: integer, physicalType: bigint, required: true, relationships: [{to: customers.id}]}",
    );
    policies.replace(
        "contract.odcs.yaml",
        "    description: What was bought, when, and where it is now.\n",
        "    description: What was bought, when, and where it is now.\n    customProperties:\n      \
         - {property: pgcovenantIndexes, value: [[customer_id], [status], [created_at]]}\n",
    );
    let setup = Setup::new(&shop, &policies, "drift: {ignore: ['grant_bypass:*', 'public.active_customers']}");
    assert_eq!(setup.found(), [""; 0]);
    shop.sql(
        "ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey; DROP INDEX orders_created_at_idx;
         CREATE INDEX more ON orders (total_amount)",
    );
    assert_eq!(
        setup.found(),
        [
            "breaking missing_fk public.orders.customer_id",
            "risky missing_index public.orders",
            "cosmetic extra_index public.orders"
        ]
    );
    shop.sql("ALTER TABLE orders ADD CONSTRAINT again FOREIGN KEY (customer_id) REFERENCES customers NOT VALID");
    assert!(setup.found().contains(&"risky unvalidated_constraint public.orders".to_owned()));
}

#[test]
fn what_cannot_be_done_is_said_with_exit_code_2() {
    let Some(shop) = shop("drift_cannot") else { return };
    let policies = shop.policies();
    let folder = policies.path().display().to_string();
    let (code, said) = run(&["drift", "--config", &folder]);
    assert!(code == 2 && said.contains("needs a configuration file"), "{said}");
    let setup = Setup::new(&shop, &policies, "");
    let (code, said) = setup.drift(&["--database", "other"]);
    assert!(code == 2 && said.contains("no contract is about the database other"), "{said}");
    policies.replace("contract.odcs.yaml", &format!("database: {}\n", shop.database), "database: nowhere\n");
    let (code, said) = setup.drift(&[]);
    assert!(code == 2 && said.contains("cannot read nowhere"), "{said}");
}

fn ready(proxy: &Proxy) -> (u16, String) {
    proxy.get("/readyz").expect("/readyz does not answer")
}

#[tokio::test]
async fn drift_shows_in_metrics_and_readiness_as_it_comes_and_goes() {
    let Some(shop) = shop("drift_serve") else { return };
    let policies = shop.policies();
    let proxy = shop.proxy_with(&policies, "drift: {interval: 1s, grace: 0s, fail_readiness: breaking}");
    let labels = |kind, severity| [("relname", "orders"), ("kind", kind), ("severity", severity)];
    let items = "pgcovenant_drift_items";
    proxy.metric_reaches("pgcovenant_drift_last_check_timestamp_seconds", &[("datname", &shop.database)], 1.0).await;
    assert_eq!(proxy.metric(items, &[("severity", "breaking")]), 0.0);
    assert_eq!(proxy.metric(items, &[("kind", "grant_bypass"), ("relname", "")]), 1.0);
    assert_eq!(ready(&proxy).0, 200);

    shop.sql("ALTER TABLE orders ALTER COLUMN total_amount TYPE numeric(14,2)");
    proxy.metric_reaches(items, &labels("type_mismatch", "breaking"), 1.0).await;
    until("breaking drift makes it unready", || ready(&proxy).0 == 503);
    let (_, body) = ready(&proxy);
    assert!(body.contains("\"reason\":\"drift\"") && body.contains("numeric(14,2)"), "{body}");

    shop.sql("ALTER TABLE orders ALTER COLUMN total_amount TYPE numeric(12,2)");
    until("it is ready again", || ready(&proxy).0 == 200);
    proxy.metric_becomes(items, &labels("type_mismatch", "breaking"), 0.0);

    // What the catalog does not show is found at the next interval as well.
    shop.sql("ALTER TABLE orders ADD CONSTRAINT positive CHECK (total_amount >= 0) NOT VALID");
    proxy.metric_reaches(items, &labels("unvalidated_constraint", "risky"), 1.0).await;
    assert_eq!(ready(&proxy).0, 200, "only breaking drift counts");
    let log = proxy.log();
    let told = log.lines().filter(|line| line.contains("drift: ") && line.contains("positive")).count();
    assert_eq!(told, 1, "told once, not at every look\n{log}");
    assert!(log.contains("drift is gone"), "{log}");
}

#[tokio::test]
async fn a_migration_has_its_time_before_drift_makes_the_proxy_unready() {
    let Some(shop) = shop("drift_grace") else { return };
    let policies = shop.policies();
    let proxy = shop.proxy_with(&policies, "drift: {interval: 1s, grace: 10min, fail_readiness: breaking}");
    let lenient = shop.proxy_with(&policies, "drift: {interval: 1s, grace: 0s}");
    shop.sql("ALTER TABLE orders DROP COLUMN shipping_eta");
    for proxy in [&proxy, &lenient] {
        proxy.metric_reaches("pgcovenant_drift_items", &[("kind", "missing_column")], 1.0).await;
        assert_eq!(ready(proxy).0, 200);
    }
}

#[tokio::test]
async fn ddl_and_edits_of_the_contract_are_not_left_to_the_interval() {
    let Some(shop) = shop("drift_soon") else { return };
    let policies = shop.policies();
    let proxy = shop.proxy_with(&policies, "drift: {interval: 1h}");
    let last = "pgcovenant_drift_last_check_timestamp_seconds";
    proxy.metric_reaches(last, &[("datname", &shop.database)], 1.0).await;
    let items = "pgcovenant_drift_items";
    let app = shop.via(&proxy, "shop_app").await;
    // No catalog of ours shows a constraint: only that there was DDL.
    app.simple("ALTER TABLE orders ADD CONSTRAINT positive CHECK (total_amount >= 0) NOT VALID").await.unwrap();
    proxy.metric_reaches(items, &[("kind", "unvalidated_constraint"), ("relname", "orders")], 1.0).await;
    policies.replace("contract.odcs.yaml", "{name: shipping_eta, logicalType", "{name: shipping, logicalType");
    proxy.metric_reaches(items, &[("kind", "missing_column"), ("severity", "breaking")], 1.0).await;
    policies.replace("contract.odcs.yaml", "database: shop", "database: other");
    proxy.metric_becomes(items, &[("datname", &shop.database)], 0.0);
}

#[test]
fn grants_on_columns_are_ways_around_the_proxy_as_well() {
    let Some(shop) = shop("drift_grants") else { return };
    let policies = shop.policies();
    let setup = Setup::new(&shop, &policies, "");
    let told = || {
        let (_, said) = setup.drift(&[]);
        let line = said.lines().find(|line| line.contains("role support is governed")).map(str::trim);
        line.map_or(String::new(), |line| line.rsplit(" of ").next().unwrap_or_default().to_owned())
    };
    assert_eq!(told(), "public.active_customers, public.customers, public.employees, public.payments");
    shop.sql(
        "REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM support; GRANT SELECT (id, country) ON customers TO support",
    );
    assert_eq!(told(), "", "what is open to it is no secret");
    shop.sql("GRANT SELECT (email) ON customers TO PUBLIC");
    assert_eq!(told(), "public.customers");
}
