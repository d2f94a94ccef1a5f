//! A proxy with everything on, and clients that do a bit of everything.

use std::io::Write as _;

use crate::support::shop::Policies;
use crate::support::sql::Session;
use crate::support::{Proxy, ProxyOptions, Shop, project, shop, sql};

/// A proxy and those who keep it busy.
pub struct Busy {
    pub database: String,
    shop: Shop,
    proxy: Proxy,
    _policies: Policies,
    checkout: Session,
    helpdesk: Session,
    owner: Session,
    migrations: Session,
    round: std::sync::atomic::AtomicU64,
}

/// What the contract says more than the one of the demo.
fn contract(policies: &Policies) {
    let file = "contract.odcs.yaml";
    let deprecated = "              phase: deprecated\n";
    policies.replace(file, deprecated, &format!("{deprecated}              dualWrite: true\n"));
    let customer = "{name: customer_id, logicalType: integer, physicalType: bigint, required: true}";
    let classified = customer.replace("required: true", "required: true, classification: confidential");
    policies.replace(file, customer, &classified);
}

const MORE: &str = "service: {user: pgcovenant, password_env: PGCOVENANT_PASSWORD, refresh: 1s, divergence: 500ms}
drift: {interval: 1s}
state: {path: state.sqlite, flush: 1s}
";

impl Busy {
    /// Starts all of it; none where PostgreSQL is not installed and not required.
    pub async fn start() -> Option<Self> {
        let shop = shop("dashboards")?;
        shop.sql(
            "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
             INSERT INTO alembic_version VALUES ('ae1'); GRANT SELECT ON alembic_version TO pgcovenant;
             ALTER TABLE orders ALTER COLUMN total_amount TYPE numeric(14,2);
             GRANT UPDATE (total_amount) ON orders TO support",
        );
        let policies = shop.policies();
        policies.write("policy.yaml", &std::fs::read_to_string(project("policies/shop/policy.yaml")).unwrap());
        contract(&policies);
        let options = ProxyOptions {
            policies: Some(policies.path().to_owned()),
            environment: vec![("PGCOVENANT_PASSWORD".into(), "pgcovenant".into())],
            tls: true,
            more: MORE.to_owned(),
            ..ProxyOptions::default()
        };
        let proxy = Proxy::start(shop.cluster, options);
        let checkout = shop.application(&proxy, "shop_app", "checkout").await;
        let helpdesk = shop.application(&proxy, "support", "helpdesk").await;
        let owner = shop.application(&proxy, "shop_app", "reports").await;
        let migrations = shop.application(&proxy, "shop_app", "migrations").await;
        let database = shop.database.clone();
        let round = std::sync::atomic::AtomicU64::new(0);
        Some(Self { database, shop, proxy, _policies: policies, checkout, helpdesk, owner, migrations, round })
    }

    pub fn admin_port(&self) -> u16 {
        self.proxy.admin_port()
    }

    pub fn log(&self) -> String {
        self.proxy.log()
    }

    /// Everybody does a little.
    pub async fn work(&self) {
        let round = self.round.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.buy(round).await;
        self.help(round).await;
        self.report(round).await;
        self.migrate(round).await;
        self.go_wrong().await;
        if round % 10 == 0 {
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
        self.owner.rows("SELECT * FROM orders WHERE total_amount > 1").await;
        self.owner.rows("SELECT email, ssn FROM customers LIMIT 1").await;
        self.owner.simple("DO $$ BEGIN PERFORM 1; END $$").await.unwrap();
        // More names than there is room for.
        for name in 0..20 {
            self.owner.simple(&format!("SET application_name = 'report {round} {name}'")).await.unwrap();
        }
    }

    async fn migrate(&self, round: u64) {
        self.migrations.simple("CREATE INDEX orders_extra_idx ON orders (shipping_eta)").await.unwrap();
        self.migrations.simple("DROP INDEX orders_extra_idx").await.unwrap();
        self.migrations.simple(&format!("CREATE TABLE extra_{round} (id int)")).await.unwrap();
        self.migrations.simple(&format!("DROP TABLE extra_{round}")).await.unwrap();
    }

    async fn go_wrong(&self) {
        self.checkout.error("SELECT 1 / 0").await;
        self.checkout.error("INSERT INTO orders (order_id, customer_id, total_amount) VALUES (1, 1, 1)").await;
        let nobody = sql::try_connect(self.proxy.port(), "nobody", &self.shop.database).await;
        assert!(nobody.is_err());
        if let Ok(mut stranger) = std::net::TcpStream::connect(("127.0.0.1", self.proxy.port())) {
            _ = stranger.write_all(b"GET / HTTP/1.0\r\n\r\n");
        }
    }
}
