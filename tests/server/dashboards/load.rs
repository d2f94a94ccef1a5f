//! A proxy with everything on, and clients that do a bit of everything.

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::collector::Collector;
use crate::support::shop::{Policies, load};
use crate::support::sql::{Session, settings, try_connect, try_connect_with};
use crate::support::{Cluster, ClusterOptions, Proxy, ProxyOptions, Shop, installed, project};

const DATABASE: &str = "dashboards";

/// A proxy and those who keep it busy.
pub struct Busy {
    pub database: String,
    shop: Shop,
    proxy: Proxy,
    _policies: Policies,
    _collector: Collector,
    checkout: Session,
    helpdesk: Session,
    owner: Session,
    migrations: Session,
    round: AtomicU64,
}

/// What the contract says more than the one of the demo.
fn contract(policies: &Policies) {
    let file = "contract.odcs.yaml";
    let deprecated = "              phase: deprecated\n";
    policies.replace(file, deprecated, &format!("{deprecated}              dualWrite: true\n"));
    let text = std::fs::read_to_string(policies.contract_file()).unwrap();
    policies.write(file, &text.replacen("  - name: orders\n", &format!("  - name: orders{OBJECT}\n"), 1));
    let customer = "{name: customer_id, logicalType: integer, physicalType: bigint, required: true}";
    let classified = customer.replace("required: true", "required: true, classification: confidential");
    policies.replace(file, customer, &classified);
    policies.replace(file, "schema:\n", FRESHNESS);
}

/// More than the contract of the demo: a query that is to use an index.
const OBJECT: &str = "
    customProperties:
      - property: pgcovenantQueries
        value:
          - {name: order_by_number, sql: 'SELECT status, total_amount FROM orders WHERE order_id = $1', access: index}
    relationships:
      - {from: orders.order_id, to: payments.order_id}";

/// A promise that nobody keeps.
const FRESHNESS: &str =
    "slaProperties: [{property: freshness, value: 1, unit: s, element: orders.created_at}]\nschema:\n";

const MORE: &str = "drift: {interval: 1s}
data_checks: {orphans: 1s, freshness: 1s, slots: 1s}
state: {path: state.sqlite, flush: 1s}
plans: {every: 1s, per_second: 50, timeout: 5s}
";

/// More rows than are read as fast without an index, and one of those that will be dropped.
const SETUP: &str = "
INSERT INTO orders (order_id, customer_id, total_amount) SELECT 1000000 + n, 1, n FROM generate_series(1, 60000) n;
ALTER TABLE orders ALTER COLUMN total_amount TYPE numeric(14,2);
CREATE INDEX orders_gone_idx ON orders (total_amount);
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('ae1');
GRANT SELECT ON alembic_version TO pgcovenant;
GRANT SELECT ON orders, payments TO pgcovenant;
SELECT pg_create_physical_replication_slot('standby', true);
GRANT UPDATE (total_amount) ON orders TO support;
ANALYZE orders";

/// A cluster of its own: here the service account may ask for plans as the application.
fn own_shop() -> Option<Shop> {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    if !installed() {
        return None;
    }
    let settings = ["wal_level = replica", "max_wal_senders = 2"].map(str::to_owned).into();
    let cluster = CLUSTER.get_or_init(|| {
        let cluster = Cluster::start(ClusterOptions { settings, ..ClusterOptions::default() });
        load(&cluster, DATABASE);
        cluster.sql("postgres", "GRANT shop_app TO pgcovenant");
        cluster
    });
    let shop = Shop { cluster, database: DATABASE.to_owned() };
    shop.sql(SETUP);
    Some(shop)
}

impl Busy {
    /// Starts all of it; none where PostgreSQL is not installed and not required.
    pub async fn start() -> Option<Self> {
        let shop = own_shop()?;
        let policies = shop.policies();
        policies.write("policy.yaml", &std::fs::read_to_string(project("policies/shop/policy.yaml")).unwrap());
        contract(&policies);
        let collector = Collector::start(&[]);
        let options = ProxyOptions {
            policies: Some(policies.path().to_owned()),
            service: Some("pgcovenant"),
            service_more: ", refresh: 1s, divergence: 500ms, statistics: 500ms".to_owned(),
            environment: vec![("NO_PROXY".into(), "127.0.0.1".into())],
            tls: true,
            more: format!("{MORE}tracing: {{otlp: '{}', sample: 1.0}}\n", collector.url()),
            ..ProxyOptions::default()
        };
        let proxy = Proxy::start(shop.cluster, options);
        let busy = Self {
            database: shop.database.clone(),
            checkout: shop.application(&proxy, "shop_app", "checkout").await,
            helpdesk: shop.application(&proxy, "support", "helpdesk").await,
            owner: shop.application(&proxy, "shop_app", "reports").await,
            migrations: shop.application(&proxy, "shop_app", "migrations").await,
            round: AtomicU64::new(0),
            shop,
            proxy,
            _policies: policies,
            _collector: collector,
        };
        // More names of applications than there is room for.
        for name in 0..110 {
            busy.visit(&format!("visitor {name}")).await;
        }
        Some(busy)
    }

    async fn visit(&self, application: &str) {
        let mut settings = settings(self.proxy.port(), "shop_app", &self.shop.database);
        let session = try_connect_with(settings.application_name(application)).await.unwrap();
        session.rows("SELECT 1").await;
    }

    pub fn admin_port(&self) -> u16 {
        self.proxy.admin_port()
    }

    pub fn log(&self) -> String {
        self.proxy.log()
    }

    /// Everybody does a little.
    pub async fn work(&self) {
        let round = self.round.fetch_add(1, Ordering::Relaxed);
        self.buy(round).await;
        self.help(round).await;
        self.report(round).await;
        self.migrate(round).await;
        self.go_wrong().await;
        if round.is_multiple_of(10) {
            self.proxy.signal("HUP");
        }
    }

    async fn buy(&self, round: u64) {
        let id = (round % 200) as i64 + 1;
        for _ in 0..5 {
            let session = &self.checkout.client;
            session.query("SELECT status, total_amount FROM orders WHERE order_id = $1", &[&id]).await.unwrap();
            session.execute("UPDATE orders SET shipping_eta = now() WHERE order_id = $1", &[&id]).await.unwrap();
        }
        for amount in [17, 40_000] {
            let text = "SELECT status FROM orders WHERE total_amount = $1::integer";
            self.checkout.client.query(text, &[&amount]).await.unwrap();
        }
        // Its values are in the text: never seen before.
        self.checkout.rows(&format!("SELECT status, {round} FROM orders WHERE order_id = {id}")).await;
        self.checkout
            .rows("SELECT o.status, i.product FROM orders o JOIN order_items i USING (order_id) LIMIT 3")
            .await;
    }

    async fn help(&self, round: u64) {
        self.helpdesk.rows("SELECT name, email, phone FROM customers LIMIT 2").await;
        self.helpdesk.rows("SELECT order_id, customer_id, status FROM orders LIMIT 2").await;
        self.helpdesk.rows("SELECT notes FROM customers LIMIT 1").await;
        self.helpdesk.error("SELECT ssn FROM customers").await;
        self.helpdesk.simple("UPDATE orders SET status = 'paid' WHERE order_id = 7").await.unwrap();
        self.helpdesk.error("UPDATE orders SET total_amount = 0 WHERE order_id = 7").await;
        self.helpdesk.error(&format!("SELECT {round} FROM nowhere_{}", round % 3)).await;
    }

    async fn report(&self, round: u64) {
        self.owner.rows("SELECT estimated_delivery FROM orders WHERE order_id < 5").await;
        self.owner.rows("SELECT * FROM orders WHERE order_id = 1").await;
        self.owner.rows("SELECT email, ssn FROM customers LIMIT 1").await;
        self.owner.simple("DO $$ BEGIN PERFORM 1; END $$").await.unwrap();
        self.visit(&format!("late visitor {round}")).await;
    }

    async fn migrate(&self, round: u64) {
        self.migrations.simple("CREATE INDEX orders_extra_idx ON orders (shipping_eta)").await.unwrap();
        self.migrations.simple("DROP INDEX orders_extra_idx").await.unwrap();
        self.migrations.simple(&format!("CREATE TABLE extra_{round} (id int)")).await.unwrap();
        self.migrations.simple(&format!("DROP TABLE extra_{round}")).await.unwrap();
        // Who has not seen an index at work does not miss it.
        let plans = self.proxy.get("/api/v1/plans").map_or(String::new(), |(_, plans)| plans);
        let told: serde_json::Value = serde_json::from_str(&plans).unwrap_or_default();
        let is_known = |shape: &serde_json::Value| {
            let plan = &shape["plan"];
            plan["runs"].as_u64() >= Some(40)
                && plan["text"].as_str().is_some_and(|text| text.contains("orders using orders_gone_idx"))
        };
        if told["shapes"].as_array().is_some_and(|shapes| shapes.iter().any(is_known)) {
            self.migrations.simple("DROP INDEX IF EXISTS orders_gone_idx").await.unwrap();
        }
    }

    async fn go_wrong(&self) {
        self.checkout.error("SELECT 1 / 0").await;
        self.checkout.error("INSERT INTO orders (order_id, customer_id, total_amount) VALUES (1, 1, 1)").await;
        let nobody = try_connect(self.proxy.port(), "nobody", &self.shop.database).await;
        assert!(nobody.is_err());
        if let Ok(mut stranger) = std::net::TcpStream::connect(("127.0.0.1", self.proxy.port())) {
            _ = stranger.write_all(b"GET / HTTP/1.0\r\n\r\n");
        }
    }
}
