//! What contracts promise of the data: partners of rows, the age of the newest row, and consumers of changes, as metrics and
//! the log tell of them.

use std::process::Command;
use std::sync::OnceLock;

use crate::support::shop::Policies;
use crate::support::{Cluster, ClusterOptions, Proxy, ProxyOptions, Shop, installed, shop, until};

const OFTEN: &str = "data_checks: {orphans: 200ms, freshness: 200ms, slots: 200ms}";

fn proxy(shop: &Shop, policies: &Policies) -> Proxy {
    shop.proxy_with(policies, OFTEN)
}

/// Waits until there is such a series, with this value.
fn becomes(proxy: &Proxy, name: &str, labels: &[(&str, &str)], value: f64) {
    until(&format!("{name}{labels:?} is {value}"), || proxy.metric_if_any(name, labels) == Some(value));
}

/// A shop whose contract has these objects more, and these lines before its objects.
fn promising(name: &str, before: &str, objects: &str) -> Option<(Shop, Policies)> {
    let shop = shop(name)?;
    let policies = shop.policies();
    policies.replace("contract.odcs.yaml", "schema:\n", &format!("{before}schema:\n{objects}"));
    Some((shop, policies))
}

const PARENTS: &str = "  - name: parents
    properties: [{name: a, physicalType: bigint}, {name: b, physicalType: text}]
";

/// Tables of which one refers to the other by two columns, and a contract that says so.
fn pairs(name: &str) -> Option<(Shop, Policies)> {
    let objects = "  - name: children
    properties: [{name: x, physicalType: bigint}, {name: y, physicalType: text}]
    relationships: [{from: [children.x, children.y], to: [parents.a, parents.b]}]
";
    let promised = promising(name, "", &format!("{objects}{PARENTS}"))?;
    promised.0.sql(
        "CREATE TABLE parents (a bigint, b text, PRIMARY KEY (b, a));
         CREATE TABLE children (x bigint, y text);
         GRANT SELECT ON parents, children TO pgcovenant;
         INSERT INTO parents VALUES (1, 'one'), (2, 'two');
         INSERT INTO children VALUES (1, 'one'), (1, 'two'), (3, 'three'), (NULL, 'one'), (9, NULL), (2, 'two')",
    );
    Some(promised)
}

const PAIR: &[(&str, &str)] =
    &[("schemaname", "public"), ("relname", "children"), ("relationship", "(x, y) -> parents (a, b)")];

#[test]
fn rows_without_a_partner_are_counted_until_a_foreign_key_rules_them_out() {
    let Some((shop, policies)) = pairs("orphans") else { return };
    let proxy = proxy(&shop, &policies);
    becomes(&proxy, "pgcovenant_orphan_rows", PAIR, 2.0);
    assert_eq!(proxy.metric("pgcovenant_orphan_sampled_ratio", PAIR), 1.0);
    assert!(proxy.metric("pgcovenant_orphan_last_check_timestamp_seconds", PAIR) > 1.7e9);
    until("the log tells of it", || proxy.log().contains("rows have no partner"));

    // A key that is not valid guarantees nothing about the rows from before it.
    shop.sql("ALTER TABLE children ADD CONSTRAINT k FOREIGN KEY (y, x) REFERENCES parents (b, a) NOT VALID");
    shop.sql("DELETE FROM children WHERE x = 3");
    becomes(&proxy, "pgcovenant_orphan_rows", PAIR, 1.0);
    shop.sql("DELETE FROM children WHERE x = 1 AND y = 'two'; ALTER TABLE children VALIDATE CONSTRAINT k");
    becomes(&proxy, "pgcovenant_orphan_rows", PAIR, 0.0);
    until("the log tells of it", || proxy.log().contains("every row that was read has its partner"));
    assert_eq!(proxy.log().matches("rows have no partner").count(), 1, "only changes are told");

    // What is guaranteed is not read: nobody needs a right for it.
    shop.sql("REVOKE SELECT ON parents, children FROM pgcovenant");
    let last = proxy.metric("pgcovenant_orphan_last_check_timestamp_seconds", PAIR);
    until("it is known all the same", || {
        proxy.metric("pgcovenant_orphan_last_check_timestamp_seconds", PAIR) > last + 0.5
    });
    // Who switches the triggers off, as some imports do, has no guarantee any more.
    shop.sql(
        "GRANT SELECT ON parents, children TO pgcovenant; ALTER TABLE children DISABLE TRIGGER ALL;
         INSERT INTO children VALUES (7, 'seven')",
    );
    becomes(&proxy, "pgcovenant_orphan_rows", PAIR, 1.0);
    policies.replace("contract.odcs.yaml", "    relationships: [{from: [children.x", "    #[{from: [children.x");
    until("it is forgotten", || proxy.metric_if_any("pgcovenant_orphan_rows", PAIR).is_none());
}

#[test]
fn an_account_that_may_not_read_the_columns_is_told_in_the_log_once() {
    let Some((shop, policies)) = pairs("orphans_denied") else { return };
    shop.sql("REVOKE SELECT ON parents FROM pgcovenant");
    let proxy = proxy(&shop, &policies);
    let refused = "rows without a partner cannot be counted: permission denied for table parents (SQLSTATE 42501)";
    until("the log tells of it", || proxy.log().contains(refused));
    assert_eq!(proxy.metric_if_any("pgcovenant_orphan_rows", PAIR), None);
    shop.sql("GRANT SELECT (a, b) ON parents TO pgcovenant");
    becomes(&proxy, "pgcovenant_orphan_rows", PAIR, 2.0);
    assert_eq!(proxy.log().matches("cannot be counted").count(), 1);
}

/// Owners of tables choose their types and the casts of these: what the service account reads must not run such code.
#[test]
fn no_cast_that_somebody_has_made_runs_as_the_service_account() {
    let Some((shop, policies)) = pairs("orphans_cast") else { return };
    shop.sql(
        "CREATE TYPE wrapped AS (n bigint);
         CREATE FUNCTION unwrap(wrapped) RETURNS bigint LANGUAGE plpgsql AS
             $$BEGIN RAISE WARNING 'unwrapped as %', current_user; RETURN $1.n; END$$;
         CREATE CAST (wrapped AS bigint) WITH FUNCTION unwrap(wrapped) AS IMPLICIT;
         ALTER TABLE children ALTER x TYPE wrapped USING CASE WHEN x IS NOT NULL THEN ROW(x)::wrapped END",
    );
    let proxy = proxy(&shop, &policies);
    until("the log tells of it", || {
        proxy.log().contains("rows without a partner cannot be counted: it would run public.unwrap")
    });
    assert_eq!(proxy.metric_if_any("pgcovenant_orphan_rows", PAIR), None);
    assert!(!shop.cluster.log().contains("unwrapped as"), "{}", shop.cluster.log());
    shop.sql("DROP CAST (wrapped AS bigint); ALTER TABLE children ALTER x TYPE bigint USING (x).n");
    becomes(&proxy, "pgcovenant_orphan_rows", PAIR, 2.0);
}

#[test]
fn of_a_large_table_a_sample_is_read_for_partners() {
    let Some((shop, policies)) = pairs("orphans_sample") else { return };
    // One row to a page: a table of a hundred megabytes in a moment. Half of them have no partner.
    shop.sql(
        "ALTER TABLE children ADD COLUMN ballast text, ALTER ballast SET STORAGE PLAIN;
         INSERT INTO children SELECT 1 + n % 2, 'one', repeat('x', 7000) FROM generate_series(1, 12000) n",
    );
    let proxy = proxy(&shop, &policies);
    until("it is counted", || proxy.metric_if_any("pgcovenant_orphan_sampled_ratio", PAIR).is_some());
    let share = proxy.metric("pgcovenant_orphan_sampled_ratio", PAIR);
    assert!((0.5..0.9).contains(&share), "{share}");
    let rows = proxy.metric("pgcovenant_orphan_rows", PAIR);
    assert!((1500.0..6000.0).contains(&rows), "{rows} of 6000 orphans were read");
}

#[test]
fn values_are_compared_as_a_foreign_key_compares_them() {
    let objects = "  - name: logins
    properties: [{name: mail, physicalType: text, relationships: [{to: people.mail}]}]
  - name: people
    properties: [{name: mail, physicalType: text}]
";
    let Some((shop, policies)) = promising("orphans_citext", "", objects) else { return };
    if shop.sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'") == "0" {
        eprintln!("skipped: the server has no citext");
        return;
    }
    shop.sql(
        "CREATE EXTENSION citext;
         CREATE TABLE people (mail citext PRIMARY KEY); CREATE TABLE logins (mail citext);
         GRANT SELECT ON people, logins TO pgcovenant;
         INSERT INTO people VALUES ('Ada@example.com');
         INSERT INTO logins VALUES ('ada@EXAMPLE.com'), ('bob@example.com')",
    );
    let proxy = proxy(&shop, &policies);
    becomes(&proxy, "pgcovenant_orphan_rows", &[("relationship", "mail -> people.mail")], 1.0);
}

/// A type whose values are compared in a thousandth of a second.
const TARDY: &str = "
CREATE TYPE tardy AS (n bigint);
CREATE FUNCTION tardy_eq(tardy, tardy) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(0.001); RETURN ($1).n = ($2).n; END $$;
CREATE FUNCTION tardy_cmp(tardy, tardy) RETURNS integer LANGUAGE sql AS $$ SELECT sign(($1).n - ($2).n)::integer $$;
CREATE OPERATOR = (LEFTARG = tardy, RIGHTARG = tardy, FUNCTION = tardy_eq);
CREATE OPERATOR CLASS tardy_ops DEFAULT FOR TYPE tardy USING btree AS OPERATOR 3 =, FUNCTION 1 tardy_cmp(tardy, tardy);
CREATE TABLE snails (t tardy); CREATE TABLE trails (t tardy, ballast text);
ALTER TABLE trails ALTER ballast SET STORAGE PLAIN;
GRANT SELECT ON snails, trails TO pgcovenant;
INSERT INTO snails VALUES (ROW(1));
INSERT INTO trails SELECT ROW(2)::tardy, repeat('x', 7000) FROM generate_series(1, 9000)";

#[test]
fn a_question_that_takes_too_long_is_asked_of_a_smaller_sample() {
    let objects = "  - name: trails
    properties: [{name: t, physicalType: text, relationships: [{to: snails.t}]}]
  - name: snails
    properties: [{name: t, physicalType: text}]
";
    let Some((shop, policies)) = promising("orphans_slow", "", objects) else { return };
    shop.sql(TARDY);
    let proxy = proxy(&shop, &policies);
    let trails = [("relationship", "t -> snails.t")];
    // Whole samples of 64 MB take nine seconds; nothing is known until a smaller one is read.
    until("a sample is read", || proxy.metric_if_any("pgcovenant_orphan_sampled_ratio", &trails).is_some());
    let share = proxy.metric("pgcovenant_orphan_sampled_ratio", &trails);
    assert!((0.0..0.26).contains(&share), "{share}");
    assert!(proxy.metric("pgcovenant_orphan_rows", &trails) > 0.0);
    assert!(!proxy.log().contains("cannot be counted"), "{}", proxy.log());
}

#[test]
fn partitions_are_parts_of_their_table() {
    let objects = "  - name: visits
    properties: [{name: at, physicalType: date}, {name: page, physicalType: bigint, relationships: [{to: pages.id}]}]
  - name: pages
    properties: [{name: id, physicalType: bigint}]
";
    let promise = "slaProperties: [{property: latency, value: 1, unit: d, element: visits.at}]\n";
    let Some((shop, policies)) = promising("partitions", promise, objects) else { return };
    shop.sql(
        "CREATE TABLE pages (id bigint PRIMARY KEY); INSERT INTO pages VALUES (1);
         CREATE TABLE visits (at date, page bigint) PARTITION BY RANGE (at);
         CREATE TABLE visits_old PARTITION OF visits FOR VALUES FROM ('2001-01-01') TO ('2002-01-01');
         CREATE TABLE visits_older PARTITION OF visits FOR VALUES FROM ('2000-01-01') TO ('2001-01-01');
         INSERT INTO visits VALUES ('2000-06-01', 1), ('2000-07-01', 2), ('2001-01-01', 3), ('2001-02-01', NULL);
         GRANT SELECT ON visits, pages TO pgcovenant",
    );
    let proxy = proxy(&shop, &policies);
    let visits = [("relname", "visits")];
    becomes(&proxy, "pgcovenant_orphan_rows", &visits, 2.0);
    until("the age of the newest partition's newest row", || {
        let age = proxy.metric_if_any("pgcovenant_data_freshness_seconds", &visits);
        let since = shop.sql("SELECT extract(epoch FROM now() - '2001-02-02 00:00+00')").parse::<f64>().unwrap();
        age.is_some_and(|age| (age - since).abs() < 600.0)
    });
    shop.sql(
        "DELETE FROM visits WHERE page > 1;
         ALTER TABLE visits ADD FOREIGN KEY (page) REFERENCES pages; REVOKE SELECT ON pages FROM pgcovenant",
    );
    becomes(&proxy, "pgcovenant_orphan_rows", &visits, 0.0);
}

#[test]
fn a_relationship_to_a_table_that_is_not_there_is_told() {
    let objects = "  - name: strays
    properties: [{name: id, physicalType: bigint, relationships: [{to: nowhere_at_all.id}]}]
";
    let Some((shop, policies)) = promising("orphans_nowhere", "", objects) else { return };
    shop.sql("CREATE TABLE strays (id bigint)");
    let proxy = proxy(&shop, &policies);
    until("the log tells of it", || {
        proxy.log().contains("rows without a partner cannot be counted: there is no table public.nowhere_at_all")
    });
}

/// A contract that promises a table `events` whose rows are an hour old at most, by a column of this type.
fn events(name: &str, ty: &str, options: &str) -> Option<(Shop, Policies)> {
    let promise = "slaProperties: [{property: freshness, value: 1, unit: h, element: events.at}]\n";
    let objects = format!(
        "  - name: events
    properties: [{{name: at, logicalType: timestamp, physicalType: {ty}{options}}}, {{name: filler, physicalType: text}}]
"
    );
    let promised = promising(name, promise, &objects)?;
    promised.0.sql(&format!("CREATE TABLE events (at {ty}, filler text); GRANT SELECT (at) ON events TO pgcovenant"));
    Some(promised)
}

const EVENTS: &[(&str, &str)] = &[("schemaname", "public"), ("relname", "events")];

/// Waits until the newest row is about so many minutes old.
fn is_old(proxy: &Proxy, minutes: f64) {
    until(&format!("{minutes} minutes of age"), || {
        let age = proxy.metric_if_any("pgcovenant_data_freshness_seconds", EVENTS);
        // Slow machines look late.
        age.is_some_and(|age| (minutes * 60.0..minutes * 60.0 + 300.0).contains(&age))
    });
}

#[test]
fn the_newest_row_has_an_age_and_rows_of_the_future_do_not_count() {
    let Some((shop, policies)) = events("freshness", "timestamptz", "") else { return };
    shop.sql(
        "INSERT INTO events VALUES (now() - interval '90 min'), (now() - interval '3 d'), (now() + interval '1 y')",
    );
    let proxy = proxy(&shop, &policies);
    is_old(&proxy, 90.0);
    assert_eq!(proxy.metric("pgcovenant_data_freshness_target_seconds", EVENTS), 3600.0);
    assert!(proxy.metric("pgcovenant_data_freshness_last_check_timestamp_seconds", EVENTS) > 1.7e9);
    until("the log tells of it", || proxy.log().contains("the newest row is older than promised"));
    shop.sql("INSERT INTO events VALUES (now() - interval '20 min')");
    is_old(&proxy, 20.0);
    until("the log tells of it", || proxy.log().contains("the newest row is as fresh as promised"));
    shop.sql("DELETE FROM events");
    until("there is no age", || proxy.metric_if_any("pgcovenant_data_freshness_seconds", EVENTS).is_none());
    assert_eq!(proxy.metric("pgcovenant_data_freshness_target_seconds", EVENTS), 3600.0, "the promise stays");
}

#[test]
fn a_time_without_a_zone_is_of_the_zone_that_the_contract_names() {
    let zone = ", logicalTypeOptions: {defaultTimezone: Asia/Tokyo}";
    let Some((shop, policies)) = events("freshness_zone", "timestamp", zone) else { return };
    shop.sql("INSERT INTO events VALUES ((now() - interval '10 min') AT TIME ZONE 'Asia/Tokyo')");
    is_old(&proxy(&shop, &policies), 10.0);
}

#[test]
fn a_day_is_over_at_its_midnight() {
    let Some((shop, policies)) = events("freshness_day", "date", "") else { return };
    shop.sql("INSERT INTO events SELECT (now() AT TIME ZONE 'UTC')::date - 2");
    let proxy = proxy(&shop, &policies);
    until("yesterday's rows are missing", || {
        let age = proxy.metric_if_any("pgcovenant_data_freshness_seconds", EVENTS);
        age.is_some_and(|age| (86_400.0..2.0 * 86_400.0).contains(&age))
    });
    // So that the test can be run at midnight.
    shop.sql("INSERT INTO events SELECT (now() AT TIME ZONE 'UTC')::date + n FROM generate_series(0, 1) n");
    becomes(&proxy, "pgcovenant_data_freshness_seconds", EVENTS, 0.0);
}

#[test]
fn a_large_table_needs_an_index_that_begins_with_the_column() {
    let Some((shop, policies)) = events("freshness_index", "timestamptz", "") else { return };
    shop.sql(
        "ALTER TABLE events ALTER filler SET STORAGE PLAIN;
         INSERT INTO events SELECT now() - interval '30 min', repeat('x', 7000) FROM generate_series(1, 1500);
         CREATE INDEX ON events (left(filler, 9), at); CREATE INDEX ON events (at) WHERE filler IS NULL",
    );
    let proxy = proxy(&shop, &policies);
    let why = "the age of the newest row cannot be measured: no index begins with at, and the table is large";
    until("the log tells of it", || proxy.log().contains(why));
    assert_eq!(proxy.metric_if_any("pgcovenant_data_freshness_seconds", EVENTS), None);
    shop.sql("CREATE INDEX ON events (at DESC)");
    is_old(&proxy, 30.0);
    assert_eq!(proxy.log().matches(why).count(), 1);
}

#[test]
fn an_account_without_rights_leaves_no_age() {
    let Some((shop, policies)) = events("freshness_denied", "timestamptz", "") else { return };
    shop.sql("REVOKE SELECT (at) ON events FROM pgcovenant; INSERT INTO events VALUES (now())");
    let proxy = proxy(&shop, &policies);
    until("the log tells of it", || {
        proxy.log().contains("the age of the newest row cannot be measured: permission denied for table events")
    });
    assert_eq!(proxy.metric_if_any("pgcovenant_data_freshness_seconds", EVENTS), None);
}

/// A server whose changes can be followed.
fn followed() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    if !installed() {
        return None;
    }
    let settings = ["wal_level = logical", "max_wal_senders = 10", "max_replication_slots = 10"];
    Some(CLUSTER.get_or_init(|| {
        let settings = settings.map(str::to_owned).into();
        let cluster = Cluster::start(ClusterOptions { settings, ..ClusterOptions::default() });
        cluster.sql("postgres", "CREATE ROLE pgcovenant LOGIN PASSWORD 'pgcovenant'");
        cluster.sql("postgres", "CREATE DATABASE shop");
        cluster
    }))
}

/// The slot of a standby, while somebody receives from it and after that.
fn somebody_streams(cluster: &Cluster, proxy: &Proxy, slot: &[(&str, &str)]) {
    let program = cluster.program("pg_receivewal");
    if program.parent() != cluster.program("initdb").parent() {
        eprintln!("skipped: the tools for replication are not those of the server");
        return;
    }
    let target = tempfile::tempdir().unwrap();
    let port = cluster.port().to_string();
    let mut receiver = Command::new(program)
        .arg("-h")
        .arg(cluster.socket_directory())
        .args(["-p", &port, "-U", "postgres", "-n", "-S", "standby", "-D"])
        .arg(target.path())
        .spawn()
        .unwrap();
    becomes(proxy, "pgcovenant_replication_slot_active", slot, 1.0);
    until("it keeps what is not received", || {
        proxy.metric_if_any("pgcovenant_replication_slot_lag_bytes", slot).is_some()
    });
    receiver.kill().unwrap();
    receiver.wait().unwrap();
    becomes(proxy, "pgcovenant_replication_slot_active", slot, 0.0);
}

#[test]
fn a_slot_without_a_consumer_falls_behind() {
    let Some(cluster) = followed() else { return };
    cluster.sql("shop", "SELECT pg_create_logical_replication_slot('cdc', 'pgoutput')");
    cluster.sql("shop", "SELECT pg_create_physical_replication_slot('standby')");
    let policies = tempfile::tempdir().unwrap();
    let contract = std::fs::read_to_string(crate::support::project("policies/shop/contract.odcs.yaml")).unwrap();
    std::fs::write(policies.path().join("contract.odcs.yaml"), contract).unwrap();
    let proxy = Proxy::start(
        cluster,
        ProxyOptions {
            policies: Some(policies.path().to_owned()),
            service: Some("pgcovenant"),
            more: OFTEN.to_owned(),
            ..ProxyOptions::default()
        },
    );
    let (cdc, standby) = ([("datname", "shop"), ("slot", "cdc")], [("datname", ""), ("slot", "standby")]);
    becomes(&proxy, "pgcovenant_replication_slot_active", &cdc, 0.0);
    becomes(&proxy, "pgcovenant_replication_slot_active", &standby, 0.0);
    let lag = || proxy.metric("pgcovenant_replication_slot_lag_bytes", &cdc);
    let before = lag();
    assert_eq!(
        proxy.metric_if_any("pgcovenant_replication_slot_lag_bytes", &standby),
        None,
        "it has never been used, and nothing is kept for it"
    );
    cluster.sql("shop", "CREATE TABLE t AS SELECT repeat('x', 1000) FROM generate_series(1, 2000)");
    until("it is behind", || lag() > before + 1e6);
    let told: f64 = cluster
        .sql(
            "shop",
            "SELECT pg_current_wal_lsn() - confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'cdc'",
        )
        .parse()
        .unwrap();
    until("as the server counts", || (lag() - told).abs() < 1e6);
    cluster.sql("shop", "SELECT pg_replication_slot_advance('cdc', pg_current_wal_lsn())");
    until("it has caught up", || lag() < 1e6);
    somebody_streams(cluster, &proxy, &standby);
    cluster.sql("shop", "SELECT pg_drop_replication_slot('cdc'), pg_drop_replication_slot('standby')");
    until("it is gone", || proxy.metric_if_any("pgcovenant_replication_slot_active", &cdc).is_none());
}
