//! Reads catalogs, keeps them fresh and counts the use of indexes on a real server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod keeper;
#[allow(dead_code, unused_imports)]
#[path = "../support/mod.rs"]
mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pgcovenant::config::{Service, TlsMode, Upstream};
use pgcovenant::model::activity::Activity;
use pgcovenant::model::catalog::{BaseType, Catalog, Relation, RelationKind};
use pgcovenant::policy::compile::Bundle;
use pgcovenant::policy::store::SnapshotStore;
use pgcovenant::upstream::connect::ServiceAccount;
use pgcovenant::upstream::keeper::CatalogKeeper;
use pgcovenant::upstream::tls::Trust;
use pgcovenant::upstream::{catalog, index_stats};
use support::{Auth, Cluster, ClusterOptions};

const SCHEMA: &str = r#"
CREATE ROLE service LOGIN PASSWORD 'service';
CREATE ROLE staff; CREATE ROLE support IN ROLE staff; CREATE ROLE ann LOGIN IN ROLE support;
CREATE SCHEMA "Odd Schema";
CREATE EXTENSION citext SCHEMA "Odd Schema";
CREATE TYPE tier AS ENUM ('basic', 'gold');
CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%');
CREATE DOMAIN "Odd Schema"."Work Mail" AS mail;
CREATE DOMAIN plain AS integer;
CREATE DOMAIN mails AS mail[];
CREATE FUNCTION listed(text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE DOMAIN vetted AS text CHECK (listed(VALUE));
CREATE TYPE contact AS (name text, vetted vetted);
CREATE TYPE contacts AS RANGE (subtype = vetted);
CREATE DOMAIN reader AS text CHECK (pg_catalog.ts_rewrite('a'::tsquery, VALUE) IS NOT NULL);
CREATE TABLE customers (
    id bigint PRIMARY KEY, dropped int, name varchar(80) NOT NULL COLLATE "C", mail mail, work "Odd Schema"."Work Mail",
    all_mail mails, tier tier, nick "Odd Schema".citext, at timestamptz(3), score numeric(10,2)[], ip inet, doc jsonb,
    search text GENERATED ALWAYS AS (lower(name) || coalesce(doc::text, '')) STORED);
ALTER TABLE customers DROP COLUMN dropped;
CREATE TABLE vips (discount int) INHERITS (customers);
CREATE TABLE "Odd Schema"."T t" (b int, a int, PRIMARY KEY (a, b));
CREATE TABLE events (id bigint, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE VIEW active AS SELECT c.*, upper(name) AS loud FROM customers c;
CREATE RECURSIVE VIEW steps (n) AS SELECT 1 UNION ALL SELECT n + 1 FROM steps WHERE n < 3;
CREATE MATERIALIZED VIEW summary AS SELECT tier, count(*) AS n FROM customers GROUP BY 1;
CREATE VIEW ruled AS SELECT id FROM customers;
CREATE RULE ruled_del AS ON DELETE TO ruled DO INSTEAD NOTHING;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE VIEW triggered AS SELECT id FROM customers;
CREATE TRIGGER t INSTEAD OF INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE TRIGGER t BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE FUNCTION look(text, customers) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR ~> (LEFTARG = text, RIGHTARG = customers, FUNCTION = look);
CREATE FUNCTION step(text, text) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE AGGREGATE joined(text) (SFUNC = step, STYPE = text);
CREATE AGGREGATE summed(int) (SFUNC = int4pl, STYPE = int);
CREATE FUNCTION gone(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
CREATE VIEW broken AS SELECT gone(id) AS x FROM customers;
SET allow_system_table_mods = on;
DELETE FROM pg_catalog.pg_proc WHERE proname = 'gone';
"#;

fn upstream(cluster: &Cluster, tls: TlsMode) -> Upstream {
    let connect_timeout = Duration::from_secs(10);
    Upstream { host: "127.0.0.1".to_owned(), port: cluster.port(), tls, ca: None, identity: None, connect_timeout }
}

fn service() -> Service {
    Service {
        user: "service".to_owned(),
        password_env: None,
        identity: None,
        refresh: Duration::from_secs(3600),
        divergence: None,
        statistics: Duration::from_secs(10),
    }
}

fn account_for(upstream: &Upstream) -> ServiceAccount {
    ServiceAccount::new(upstream, &service(), Arc::new(Trust::new(upstream, None).unwrap())).unwrap()
}

fn prepared() -> Option<Cluster> {
    let cluster = support::cluster(ClusterOptions::default())?;
    cluster.sql("postgres", "CREATE DATABASE shop");
    cluster.sql("shop", SCHEMA);
    Some(cluster)
}

async fn read(cluster: &Cluster) -> Catalog {
    let account = account_for(&upstream(cluster, TlsMode::Disable));
    catalog::read(&mut account.connect("shop").await.unwrap()).await.unwrap().catalog
}

fn named<'a>(catalog: &'a Catalog, name: &str) -> &'a Arc<Relation> {
    catalog.find("public", name).unwrap_or_else(|| panic!("no {name}"))
}

fn types(relation: &Relation) -> Vec<(&str, &str, BaseType)> {
    relation.columns.iter().map(|column| (&*column.name, &*column.ty.sql, column.ty.base)).collect()
}

#[tokio::test]
async fn a_low_privilege_role_reads_everything_that_matters() {
    let Some(cluster) = prepared() else { return };
    let catalog = read(&cluster).await;
    assert_eq!(&*catalog.database, "shop");
    assert!(catalog.server_version >= 140_000);
    relations(&catalog);
    definitions(&catalog);
    objects(&catalog);
    assert_eq!(read(&cluster).await, catalog, "two readings of the same database are equal");
}

fn relations(catalog: &Catalog) {
    let customers = named(catalog, "customers");
    assert_eq!(
        types(customers),
        [
            ("id", "bigint", BaseType::Number),
            ("name", "character varying(80)", BaseType::Text),
            ("mail", "public.mail", BaseType::Text),
            ("work", "\"Odd Schema\".\"Work Mail\"", BaseType::Text),
            ("all_mail", "public.mails", BaseType::Array),
            ("tier", "public.tier", BaseType::Enum),
            ("nick", "\"Odd Schema\".citext", BaseType::Text),
            ("at", "timestamp(3) with time zone", BaseType::Timestamp),
            ("score", "numeric(10,2)[]", BaseType::Array),
            ("ip", "inet", BaseType::Network),
            ("doc", "jsonb", BaseType::Json),
            ("search", "text", BaseType::Text),
        ]
    );
    let name = customers.column("name").unwrap();
    assert_eq!((name.attnum, name.not_null), (3, true), "attnum keeps the gap of the dropped column");
    assert_eq!(name.ty.collation.as_deref(), Some("pg_catalog.\"C\""));
    assert_eq!(customers.column("mail").unwrap().ty.collation, None);
    let doc = customers.column("doc").unwrap().attnum;
    assert_eq!(customers.column("search").unwrap().generated_from, [name.attnum, doc]);
    assert!(name.generated_from.is_empty());
    assert_eq!(customers.primary_key, [1]);
    assert!(!customers.has_rules, "a BEFORE trigger is no rule");
    assert_ne!(customers.row_type.0, 0);

    assert_eq!(catalog.find("Odd Schema", "T t").unwrap().primary_key, [2, 1], "in the order of the key");
    assert_eq!(named(catalog, "vips").parents, [customers.oid]);
    let events = named(catalog, "events");
    assert_eq!(events.kind, RelationKind::Partitioned);
    assert_eq!(named(catalog, "events_old").parents, [events.oid]);
    assert!(catalog.find("public", "customers_pkey").is_none(), "indexes are no relations to query");
    for (schema, view) in [("pg_catalog", "pg_stats"), ("information_schema", "columns")] {
        let view = catalog.find(schema, view).unwrap();
        assert_eq!(view.kind, RelationKind::View);
        assert!(view.definition.is_none() && !view.columns.is_empty());
    }
}

fn definitions(catalog: &Catalog) {
    let definition = |name: &str| named(catalog, name).definition.as_deref();
    assert!(definition("active").unwrap().contains("FROM public.customers c"), "{:?}", definition("active"));
    assert!(definition("steps").unwrap().contains("WITH RECURSIVE"));
    assert!(definition("summary").unwrap().contains("count(*)"));
    assert_eq!(named(catalog, "summary").kind, RelationKind::MaterializedView);
    assert_eq!(definition("broken"), None, "a view that cannot be printed costs only itself");
    assert!(named(catalog, "ruled").has_rules && !named(catalog, "triggered").has_rules);
    assert!(!named(catalog, "active").has_rules);
}

fn objects(catalog: &Catalog) {
    let function = |name: &str| catalog.functions.iter().find(|function| &*function.name == name).unwrap();
    assert_eq!((&*function("look").arguments, &*function("look").language), ("text, public.customers", "sql"));
    assert_eq!((&*function("joined").language, &*function("summed").language), ("sql", "internal"));
    assert_eq!(function("look").extension, None);
    assert_eq!(function("citext_eq").extension.as_deref(), Some("citext"));
    assert!(catalog.functions.iter().all(|function| &*function.schema != "pg_catalog"));
    let operator = |name: &str, schema: &str| {
        catalog.operators.iter().find(|operator| &*operator.name == name && &*operator.schema == schema).unwrap()
    };
    assert_eq!((&*operator("~>", "public").language, &operator("~>", "public").extension), ("sql", &None));
    assert_eq!(operator("~~*", "Odd Schema").extension.as_deref(), Some("citext"));
    let code = |name: &str| {
        let found = catalog.types.iter().find(|found| *found.name == *name).unwrap();
        (found.has_unclear_check, found.runs.len())
    };
    for name in ["mail", "Work Mail", "mails", "plain", "tier"] {
        assert_eq!(code(name), (false, 0), "{name}");
    }
    for name in ["vetted", "contact", "contacts"] {
        assert_eq!(code(name), (false, 1), "{name}");
    }
    assert_eq!(code("reader"), (true, 0));
    let ann = &catalog.roles["ann"];
    assert!(["ann", "support", "staff"].iter().all(|role| ann.member_of.contains(*role)) && !ann.superuser);
    assert_eq!(ann.member_of.len(), 3);
    assert!(catalog.roles["postgres"].superuser);
    assert!(catalog.roles["postgres"].member_of.contains("pg_database_owner"));
}

fn keeper(cluster: &Cluster, refresh: Duration) -> (CatalogKeeper, Arc<Mutex<Vec<bool>>>) {
    let readings = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&readings);
    let account = account_for(&upstream(cluster, TlsMode::Prefer));
    let store = Arc::new(SnapshotStore::new(Arc::<Bundle>::default()));
    let watcher = Arc::new(move |reading: &pgcovenant::upstream::keeper::Reading<'_>| {
        log.lock().unwrap().push(reading.error.is_none());
    });
    (CatalogKeeper::new(store, Some(account), refresh, watcher), readings)
}

/// Until the condition holds; a test that waits in vain fails.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..400 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what} did not happen within ten seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_use_of_tables_and_indexes_is_counted() {
    let Some(cluster) = prepared() else { return };
    let (keeper, _) = keeper(&cluster, Duration::from_secs(3600));
    keeper.ensure("shop").await.unwrap();
    let seen: Arc<Mutex<Vec<Activity>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let account = account_for(&upstream(&cluster, TlsMode::Disable));
    let sink: index_stats::Sink = Arc::new(move |activity| sink.lock().unwrap().push(activity.clone()));
    let task = tokio::spawn(index_stats::run(account, keeper.clone(), Duration::from_millis(100), sink));
    eventually("the baseline", || !seen.lock().unwrap().is_empty()).await;
    cluster.sql(
        "shop",
        "SET enable_seqscan = off; SELECT * FROM customers WHERE id = 1; SELECT * FROM customers WHERE id = 2",
    );
    let scans = || {
        let seen = seen.lock().unwrap();
        let indexes = seen.iter().flat_map(|activity| &activity.indexes);
        indexes.filter(|index| &*index.index == "customers_pkey").map(|index| index.scans).sum::<u64>()
    };
    eventually("counting two index scans", || scans() == 2).await;
    // The server waits some seconds for sessions to end before it gives up: those of a moment are not in the way.
    cluster.sql("postgres", "ALTER DATABASE shop RENAME TO store");
    cluster.sql("postgres", "CREATE DATABASE copy TEMPLATE store");
    cluster.sql("postgres", "DROP DATABASE store");
    task.abort();
}

#[tokio::test]
async fn tls_modes_decide_what_is_trusted() {
    let options = ClusterOptions { auth: Auth::Trust, tls: true, ..ClusterOptions::default() };
    let Some(cluster) = support::cluster(options) else { return };
    cluster.sql("postgres", "CREATE ROLE service LOGIN");
    let outcome = async |upstream: &Upstream| {
        let client = account_for(upstream).connect("postgres").await.map_err(|error| error.to_string())?;
        let question = "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_backend_pid()";
        Ok::<bool, String>(client.query_one(question, &[]).await.unwrap().get(0))
    };
    let refused = outcome(&upstream(&cluster, TlsMode::Disable)).await.unwrap_err();
    assert!(refused.contains("no encryption"), "the server wants TLS: {refused}");
    assert_eq!(outcome(&upstream(&cluster, TlsMode::Prefer)).await, Ok(true));
    assert_eq!(outcome(&upstream(&cluster, TlsMode::Require)).await, Ok(true));

    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("ca.crt");
    std::fs::write(&authority, cluster.authority().pem()).unwrap();
    let stranger = folder.path().join("stranger.crt");
    std::fs::write(&stranger, support::certs::Authority::new().pem()).unwrap();
    let with = |tls, ca: &std::path::Path| Upstream { ca: Some(ca.to_owned()), ..upstream(&cluster, tls) };
    assert_eq!(outcome(&with(TlsMode::VerifyFull, &authority)).await, Ok(true));
    assert_eq!(outcome(&with(TlsMode::VerifyCa, &authority)).await, Ok(true));
    assert!(outcome(&with(TlsMode::VerifyFull, &stranger)).await.is_err());
    assert!(outcome(&with(TlsMode::VerifyCa, &stranger)).await.is_err());

    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.key");
    std::fs::write(&other, cluster.authority().issue("elsewhere").key).unwrap();
    let unusable = Trust::new(&with(TlsMode::VerifyFull, &other), None).unwrap_err();
    assert!(unusable.to_string().contains("the file has no certificate"), "{unusable}");
}
