//! Drift: a real database against its contract, once and while the proxy runs.

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

/// The history tables as the tools make them, each in a schema of its own.
const HISTORIES: &str = "
CREATE SCHEMA h_flyway;
CREATE TABLE h_flyway.flyway_schema_history (installed_rank integer PRIMARY KEY, version varchar(50),
    description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum integer,
    installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL DEFAULT now(), execution_time integer NOT NULL,
    success boolean NOT NULL);
INSERT INTO h_flyway.flyway_schema_history VALUES
    (0, NULL, '<< Flyway Schema Creation >>', 'SCHEMA', '\"h\"', NULL, 'u', now(), 0, true),
    (1, '1', 'init', 'SQL', 'V1__init.sql', 11, 'u', now(), 1, true),
    (2, '1.10', 'ten', 'SQL', 'V1.10__ten.sql', 12, 'u', now(), 1, true),
    (3, '1.9', 'nine', 'SQL', 'V1.9__nine.sql', 13, 'u', now(), 1, true),
    (4, NULL, 'views', 'SQL', 'R__views.sql', 14, 'u', now(), 1, true);
CREATE SCHEMA h_liquibase;
CREATE TABLE h_liquibase.databasechangelog (id varchar(255) NOT NULL, author varchar(255) NOT NULL,
    filename varchar(255) NOT NULL, dateexecuted timestamp NOT NULL, orderexecuted integer NOT NULL,
    exectype varchar(10) NOT NULL, md5sum varchar(35), description varchar(255), comments varchar(255), tag varchar(255),
    liquibase varchar(20), contexts varchar(255), labels varchar(255), deployment_id varchar(10));
CREATE TABLE h_liquibase.databasechangeloglock (id integer PRIMARY KEY, locked boolean NOT NULL, lockgranted timestamp,
    lockedby varchar(255));
INSERT INTO h_liquibase.databasechangelog (id, author, filename, dateexecuted, orderexecuted, exectype, md5sum) VALUES
    ('create', 'ann', 'a.xml', now(), 1, 'EXECUTED', '9:aa'), ('eta', 'ann', 'a.xml', now(), 2, 'EXECUTED', '9:bb');
INSERT INTO h_liquibase.databasechangeloglock VALUES (1, true, now(), 'ci');
CREATE SCHEMA h_alembic;
CREATE TABLE h_alembic.alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO h_alembic.alembic_version VALUES ('f00'), ('ae1');
CREATE SCHEMA h_rails;
CREATE TABLE h_rails.schema_migrations (version varchar PRIMARY KEY);
CREATE TABLE h_rails.ar_internal_metadata (key varchar PRIMARY KEY, value varchar, created_at timestamp(6) NOT NULL,
    updated_at timestamp(6) NOT NULL);
INSERT INTO h_rails.schema_migrations VALUES ('20260102030405'), ('20251231000000');
CREATE SCHEMA h_dbmate;
CREATE TABLE h_dbmate.schema_migrations (version varchar(128) PRIMARY KEY);
INSERT INTO h_dbmate.schema_migrations VALUES ('20260101000000');
CREATE SCHEMA h_ecto;
CREATE TABLE h_ecto.schema_migrations (version bigint PRIMARY KEY, inserted_at timestamp(0));
INSERT INTO h_ecto.schema_migrations VALUES (20260303000000, now());
CREATE SCHEMA h_golang;
CREATE TABLE h_golang.schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL);
INSERT INTO h_golang.schema_migrations VALUES (7, true);
CREATE SCHEMA h_django;
CREATE TABLE h_django.django_migrations (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, app varchar(255) NOT NULL,
    name varchar(255) NOT NULL, applied timestamptz NOT NULL);
INSERT INTO h_django.django_migrations (app, name, applied) VALUES ('auth', '0001_initial', now()), ('shop', '0002_eta', now());
CREATE SCHEMA h_prisma;
CREATE TABLE h_prisma._prisma_migrations (id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz,
    migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(),
    applied_steps_count integer NOT NULL DEFAULT 0);
INSERT INTO h_prisma._prisma_migrations (id, checksum, migration_name, started_at, finished_at, logs) VALUES
    ('1', 'c1', '20260101_init', '2026-01-01', '2026-01-01', NULL), ('2', 'c2', '20260202_eta', '2026-02-02', NULL, 'ERROR: no');
CREATE SCHEMA h_sqitch;
CREATE TABLE h_sqitch.changes (change_id text PRIMARY KEY, script_hash text UNIQUE, change text NOT NULL, project text NOT NULL,
    note text NOT NULL DEFAULT '', committed_at timestamptz NOT NULL DEFAULT clock_timestamp(), committer_name text NOT NULL,
    committer_email text NOT NULL, planned_at timestamptz NOT NULL, planner_name text NOT NULL, planner_email text NOT NULL);
CREATE TABLE h_sqitch.events (event text NOT NULL, change_id text NOT NULL, change text NOT NULL, project text NOT NULL,
    note text NOT NULL DEFAULT '', committed_at timestamptz NOT NULL, PRIMARY KEY (change_id, committed_at));
INSERT INTO h_sqitch.changes VALUES ('aa', 'h1', 'orders', 'shop', '', '2026-01-01', 'n', 'e', now(), 'n', 'e'),
    ('bb', 'h2', 'eta', 'shop', '', '2026-01-02', 'n', 'e', now(), 'n', 'e');
INSERT INTO h_sqitch.events VALUES ('fail', 'cc', 'index', 'shop', '', '2026-01-01 12:00'),
    ('deploy', 'bb', 'eta', 'shop', '', '2026-01-02');
CREATE SCHEMA h_goose;
CREATE TABLE h_goose.goose_db_version (id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, version_id bigint NOT NULL,
    is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT now());
INSERT INTO h_goose.goose_db_version (version_id, is_applied) VALUES (0, true), (1, true), (2, true), (2, false);
CREATE SCHEMA h_sqlx;
CREATE TABLE h_sqlx._sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL,
    installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL, execution_time bigint NOT NULL);
INSERT INTO h_sqlx._sqlx_migrations VALUES (1, 'init', now(), true, '\\xabcd', 1), (2, 'eta', now(), false, '\\xef', 1);
CREATE SCHEMA h_diesel;
CREATE TABLE h_diesel.__diesel_schema_migrations (version varchar(50) PRIMARY KEY, run_on timestamp NOT NULL DEFAULT now());
INSERT INTO h_diesel.__diesel_schema_migrations VALUES ('00000000000000'), ('20260101000000');
CREATE SCHEMA atlas_schema_revisions;
CREATE TABLE atlas_schema_revisions.atlas_schema_revisions (version varchar PRIMARY KEY, description varchar NOT NULL,
    type bigint NOT NULL DEFAULT 2, applied bigint NOT NULL DEFAULT 0, total bigint NOT NULL DEFAULT 0,
    executed_at timestamptz NOT NULL, execution_time bigint NOT NULL, error text, error_stmt text, hash varchar NOT NULL,
    partial_hashes jsonb, operator_version varchar NOT NULL);
INSERT INTO atlas_schema_revisions.atlas_schema_revisions VALUES
    ('.atlas_cloud_identifier', '', 2, 0, 0, now(), 0, NULL, NULL, '', NULL, 'v'),
    ('20260101', 'init', 2, 3, 3, now(), 1, '', '', 'h1', NULL, 'v'),
    ('20260102', 'eta', 2, 1, 3, now(), 1, 'boom', 'ALTER', 'h2', NULL, 'v');
";

#[test]
fn the_history_of_every_tool_is_read() {
    let Some(shop) = shop("drift_histories") else { return };
    shop.sql(HISTORIES);
    let policies = shop.policies();
    let setup = Setup::new(&shop, &policies, "");
    let json = setup.json();
    assert_eq!(json["schema_versions"], serde_json::json!([]), "nobody has let the account read");
    assert!(json["unread"][0].as_str().unwrap().contains("permission denied"), "{json}");
    let schemas = shop.sql("SELECT string_agg(nspname, ', ') FROM pg_namespace WHERE nspname ~ '^(h_|atlas_)'");
    shop.sql(&format!("GRANT USAGE ON SCHEMA {schemas} TO pgcovenant"));
    shop.sql(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA {schemas} TO pgcovenant"));
    let expected = [
        "alembic ae1,f00 applied",
        "atlas 20260101 failed",
        "dbmate 20260101000000 applied",
        "diesel 20260101000000 applied",
        "django shop.0002_eta applied",
        "ecto 20260303000000 applied",
        "flyway 1.10 applied",
        "golang-migrate  dirty",
        "goose 1 applied",
        "liquibase eta in_progress",
        "prisma 20260101_init failed",
        "rails 20260102030405 applied",
        "sqitch eta applied",
        "sqlx 1 dirty",
    ];
    let json = setup.json();
    assert_eq!(json["unread"], serde_json::json!([]), "{json}");
    let versions = json["schema_versions"].as_array().unwrap().iter().map(|version| {
        ["tool", "schema_version", "state"].map(|key| version[key].as_str().unwrap().to_owned()).join(" ")
    });
    let mut seen: Vec<String> = versions.collect();
    seen.sort();
    assert_eq!(seen, expected);
    let failed: Vec<String> = setup.found().into_iter().filter(|found| found.contains("history_failed")).collect();
    assert_eq!(
        failed,
        [
            "breaking history_failed atlas_schema_revisions.atlas_schema_revisions",
            "breaking history_failed h_golang.schema_migrations",
            "breaking history_failed h_prisma._prisma_migrations",
            "breaking history_failed h_sqlx._sqlx_migrations",
        ]
    );
}

#[test]
fn the_version_that_a_contract_expects_is_compared() {
    let Some(shop) = shop("drift_version") else { return };
    shop.sql(
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
         INSERT INTO alembic_version VALUES ('ae1'); GRANT SELECT ON alembic_version TO pgcovenant",
    );
    let policies = shop.policies();
    policies.replace(
        "contract.odcs.yaml",
        "domain: commerce\n",
        "domain: commerce\ncustomProperties:\n  - {property: pgcovenantSchemaVersion, value: {tool: alembic, version: ae1}}\n",
    );
    let setup = Setup::new(&shop, &policies, "drift: {ignore: ['grant_bypass:*', 'extra_table:*']}");
    assert_eq!(setup.found(), [""; 0]);
    shop.sql("UPDATE alembic_version SET version_num = 'b52'");
    let (code, said) = setup.drift(&[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("alembic has come to b52, the contract expects ae1"), "{said}");
    assert!(said.contains("alembic at b52, applied"), "{said}");
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
async fn versions_of_migrations_and_changes_without_one_are_seen() {
    let Some(shop) = shop("drift_unmanaged") else { return };
    shop.sql(
        "CREATE TABLE flyway_schema_history (installed_rank integer PRIMARY KEY, version varchar(50), description varchar(200),
             type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum integer, success boolean NOT NULL);
         INSERT INTO flyway_schema_history VALUES (1, '1', 'init', 'SQL', 'V1.sql', 11, true);
         GRANT SELECT ON flyway_schema_history TO pgcovenant",
    );
    let policies = shop.policies();
    let proxy = shop.proxy_with(&policies, "drift: {interval: 1s}");
    let version = |version, state| [("tool", "flyway"), ("schema_version", version), ("state", state)];
    let (info, items) = ("pgcovenant_schema_version_info", "pgcovenant_drift_items");
    proxy.metric_reaches(info, &version("1", "applied"), 1.0).await;

    let app = shop.via(&proxy, "shop_app").await;
    app.simple("ALTER TABLE orders ADD COLUMN gift boolean").await.unwrap();
    proxy.metric_reaches(items, &[("relname", "orders"), ("kind", "unmanaged_ddl")], 1.0).await;
    shop.sql("INSERT INTO flyway_schema_history VALUES (2, '2', 'gift', 'SQL', 'V2.sql', 22, true)");
    proxy.metric_reaches(info, &version("2", "applied"), 1.0).await;
    proxy.metric_becomes(items, &[("kind", "unmanaged_ddl")], 0.0);
    proxy.metric_becomes(info, &version("1", "applied"), 0.0);

    shop.sql("UPDATE flyway_schema_history SET checksum = 99 WHERE version = '1'");
    proxy.metric_reaches(items, &[("kind", "history_checksum_changed")], 1.0).await;
    shop.sql("INSERT INTO flyway_schema_history VALUES (3, '3', 'bad', 'SQL', 'V3.sql', 33, false)");
    proxy.metric_reaches(info, &version("2", "failed"), 1.0).await;
    proxy.metric_reaches(items, &[("kind", "history_failed"), ("severity", "breaking")], 1.0).await;
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
