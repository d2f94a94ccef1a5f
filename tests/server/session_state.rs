//! What a governed session may do to itself: roles, settings, numbers, locks, notifications, procedures.

mod clients;

use tokio_postgres::error::SqlState;

use crate::support::raw::{self, Raw};
use crate::support::sql::Session;
use crate::support::{Shop, shop};

async fn refused(session: &Session, texts: &[&str]) {
    for text in texts {
        session.error(text).await.expect(&SqlState::INSUFFICIENT_PRIVILEGE);
    }
}

/// A schema with a table of the same name that the tests' contract does not know, and a role that owns it. Roles are the
/// cluster's, so each test has its own.
fn other_role(shop: &Shop, role: &str) {
    shop.sql(&format!(
        "DO $$BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role}; END IF; END$$;
         GRANT {role} TO support; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
         CREATE SCHEMA {role} AUTHORIZATION {role};
         CREATE TABLE {role}.orders (order_id bigint, secret text); ALTER TABLE {role}.orders OWNER TO {role};
         INSERT INTO {role}.orders VALUES (1, 'hidden')"
    ));
}

#[tokio::test]
async fn another_role_has_its_path_and_not_its_rules() {
    let Some(shop) = shop("roles") else { return };
    other_role(&shop, "desk");
    let (proxy, _policies) = shop.proxy();
    let session = shop.via(&proxy, "support").await;
    let masked = session.value("SELECT email FROM customers WHERE id = 1").await;
    assert!(masked.contains("****"));
    let count = session.value("SELECT count(*) FROM orders").await;
    for change in ["SET ROLE desk", "SET SESSION ROLE 'desk'", "SELECT set_config('role', 'desk', false)"] {
        session.runs(&[change]).await;
        assert_eq!(session.value("SELECT current_user").await, "desk");
        assert_eq!(session.value("SELECT email FROM customers WHERE id = 1").await, masked, "{change}");
        refused(&session, &["SELECT ssn FROM customers", "SELECT ssn FROM public.customers"]).await;
        // "$user" is the role now, and what the contract does not know is denied.
        refused(&session, &["SELECT secret FROM orders", "SELECT secret FROM desk.orders"]).await;
        session.runs(&["RESET ROLE"]).await;
        assert_eq!(session.value("SELECT count(*) FROM orders").await, count, "after {change}");
    }
    for end in ["COMMIT", "ROLLBACK"] {
        session.runs(&["BEGIN", "SET LOCAL ROLE desk"]).await;
        refused(&session, &["SELECT secret FROM orders"]).await;
        session.runs(&["ROLLBACK", "BEGIN", "SET LOCAL ROLE desk", end]).await;
        assert_eq!(session.value("SELECT count(*) FROM orders").await, count, "after {end}");
    }
    session.runs(&["SET ROLE desk", "SET ROLE NONE"]).await;
    assert_eq!(session.value("SELECT count(*) FROM orders").await, count);
    refused(&session, &["SET SESSION AUTHORIZATION desk", "SELECT set_config('session_authorization', 'desk', false)"])
        .await;
    session.runs(&["SET ROLE desk", "SET SESSION AUTHORIZATION DEFAULT"]).await;
    assert_eq!(session.value("SELECT count(*) FROM orders").await, count);
    session.runs(&["SET ROLE desk", "RESET SESSION AUTHORIZATION"]).await;
    assert_eq!(session.value("SELECT count(*) FROM orders").await, count);
    let own = session.error("SET ROLE postgres").await;
    assert_eq!(own.code, "42501", "the server's own word");
    let unknown = session.error("SET ROLE desk; SELECT * FROM orders").await;
    assert_eq!(unknown.code, "55000");
    session.runs(&["RESET ROLE"]).await;
}

#[tokio::test]
async fn a_role_that_is_set_in_a_pipeline_is_known_behind_it() {
    let Some(shop) = shop("roles_pipeline") else { return };
    other_role(&shop, "night");
    let (proxy, _policies) = shop.proxy();
    let mut session = Raw::connect(proxy.port(), "support", &shop.database);
    let seen = session.exchange(
        &[
            raw::extended("SELECT set_config('role', 'night', true)"),
            raw::extended("SELECT secret FROM orders"),
            raw::sync(),
            raw::extended("SELECT order_id FROM orders WHERE order_id = 1"),
            raw::sync(),
        ],
        2,
    );
    let text = format!("{seen:?}");
    assert!(text.contains("42501") && !text.contains("hidden"), "{text}");
}

#[tokio::test]
async fn settings_of_applications_reach_row_level_security() {
    let Some(shop) = shop("settings") else { return };
    shop.sql(
        "ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON orders USING (customer_id = coalesce(nullif(current_setting('app.customer', true), ''), '0')::bigint);
         ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
         CREATE POLICY claims ON customers
            USING (id = (coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::json ->> 'id')::bigint)",
    );
    let (proxy, _policies) = shop.proxy();
    let session = shop.via(&proxy, "support").await;
    assert_eq!(session.value("SELECT count(*) FROM orders").await, "0");
    session.runs(&["BEGIN", "SET LOCAL app.customer = '1'"]).await;
    assert_eq!(session.value("SELECT bool_and(customer_id = 1) FROM orders").await, "t");
    session.runs(&["COMMIT"]).await;
    assert_eq!(session.value("SELECT count(*) FROM orders").await, "0");
    let claims =
        r#"SELECT set_config('request.jwt.claims', '{"id": 2}', false), set_config('search_path', 'public', false)"#;
    session.runs(&[claims]).await;
    assert_eq!(session.value("SELECT id FROM customers").await, "2");
    let value = r#"{"id": 3}"#;
    let rows = session.client.query("SELECT set_config('request.jwt.claims', $1, false)", &[&value]).await.unwrap();
    assert_eq!(rows[0].get::<_, String>(0), value);
    assert_eq!(session.value("SELECT id FROM customers").await, "3");
    session
        .runs(&[
            "SET client_min_messages TO warning",
            "SET NAMES 'UTF8'",
            "SET TIME ZONE 'Europe/Vienna'",
            "SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE",
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "SET enable_hashjoin = off",
            "SET extra_float_digits TO 3",
            "SET default_with_x.y = 'z'",
            "RESET enable_hashjoin",
            "RESET ALL",
            "SHOW TIME ZONE",
            "SHOW request.jwt.claims",
            "DISCARD ALL",
        ])
        .await;
    refused(
        &session,
        &[
            "SET log_statement = 'all'",
            "SET client_min_messages = debug1",
            "SET debug_print_parse = on",
            "SET session_replication_role = replica",
            "SET auto_explain.log_analyze = on",
            "SET pgcovenant.key = 'x'",
            "SELECT set_config('debug_print_rewritten', 'on', false)",
            "SELECT set_config('client_encoding', 'LATIN1', false)",
            "SELECT set_config('log_' || 'statement', 'all', false)",
            "UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'",
        ],
    )
    .await;
    // The same shape with another literal is judged by its own.
    session.runs(&["SELECT set_config('app.x', 'debug1', false)"]).await;
    refused(&session, &["SELECT set_config('log_statement', 'debug1', false)"]).await;
}

#[tokio::test]
async fn a_path_that_set_config_sets_is_followed() {
    let Some(shop) = shop("set_config_path") else { return };
    other_role(&shop, "shelf");
    shop.sql("GRANT USAGE ON SCHEMA shelf TO support; GRANT SELECT ON shelf.orders TO support");
    let (proxy, _policies) = shop.proxy();
    let session = shop.via(&proxy, "support").await;
    let count = session.value("SELECT count(*) FROM orders").await;
    session.runs(&["SELECT set_config('search_path', 'shelf, public', false)"]).await;
    refused(&session, &["SELECT secret FROM orders"]).await;
    session.runs(&["SELECT set_config('Search_Path', 'public', false)"]).await;
    assert_eq!(session.value("SELECT count(*) FROM orders").await, count);
    session.runs(&["BEGIN", "SELECT set_config('search_path', 'shelf', true)"]).await;
    refused(&session, &["SELECT secret FROM orders"]).await;
    session.runs(&["ROLLBACK"]).await;
    assert_eq!(session.value("SELECT count(*) FROM orders").await, count);
    let statement = session.client.prepare("SELECT count(*) FROM orders").await.unwrap();
    session.runs(&["SELECT set_config('search_path', 'shelf, public', false)"]).await;
    let rows = session.client.query(&statement, &[]).await.map(|rows| rows[0].get::<_, i64>(0));
    assert_ne!(rows.map(|found| found.to_string()).unwrap_or_default(), count, "the server looks it up anew");
}

#[tokio::test]
async fn numbers_come_from_sequences_of_tables_that_may_be_filled() {
    let Some(shop) = shop("sequences") else { return };
    shop.sql(
        "CREATE SEQUENCE order_numbers; CREATE SEQUENCE \"Other Numbers\"; CREATE SCHEMA apart; CREATE SEQUENCE apart.order_numbers;
         ALTER TABLE orders ALTER order_id SET DEFAULT nextval('order_numbers');
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA public, apart TO support; GRANT USAGE ON SCHEMA apart TO support;
         GRANT INSERT ON orders TO support",
    );
    let policies = shop.policies();
    policies.replace("policy.yaml", "insert: []", "insert: [public.orders.order_id, public.orders.customer_id]");
    let proxy = shop.proxy_with(&policies, "");
    let session = shop.via(&proxy, "support").await;
    assert_eq!(session.value("SELECT nextval('order_numbers')").await, "1");
    assert_eq!(
        session.value("SELECT nextval('public.ORDER_numbers'::regclass), currval('order_numbers'), lastval()").await,
        "2|2|2"
    );
    assert_eq!(session.client.query("SELECT nextval('order_numbers')", &[]).await.unwrap().len(), 1);
    session.runs(&["SET search_path = apart, public"]).await;
    refused(&session, &["SELECT nextval('order_numbers')"]).await;
    assert_eq!(session.value("SELECT nextval('public.order_numbers')").await, "4");
    refused(
        &session,
        &[
            "SELECT nextval('\"Other Numbers\"')",
            "SELECT nextval('public.\"Other Numbers\"')",
            "SELECT nextval('apart.order_numbers')",
            "SELECT setval('public.order_numbers', 100)",
        ],
    )
    .await;
    for unclear in ["SELECT nextval('order_' || 'numbers')", "SELECT nextval(oid) FROM pg_class WHERE relkind = 'S'"] {
        assert!(matches!(&*session.error(unclear).await.code, "42501" | "0A000"));
    }
    session
        .runs(&["RESET search_path", "CREATE TEMP TABLE own (id serial, x int)", "INSERT INTO own (x) VALUES (1)"])
        .await;
    assert_eq!(session.value("SELECT nextval('own_id_seq')").await, "2");
    assert_eq!(session.value("SELECT pg_get_serial_sequence('own', 'id') LIKE 'pg_temp%'").await, "t");
}

#[tokio::test]
async fn locks_notifications_procedures_and_two_phases() {
    let Some(shop) = shop("utilities") else { return };
    shop.sql(
        "CREATE PROCEDURE public.unlisted() LANGUAGE sql AS 'SELECT 1';
         GRANT UPDATE ON orders TO support",
    );
    let (proxy, _policies) = shop.proxy();
    let session = shop.via(&proxy, "support").await;
    let other = shop.direct("postgres").await;
    session.runs(&["BEGIN", "LOCK TABLE orders IN EXCLUSIVE MODE", "LOCK customers IN ACCESS SHARE MODE"]).await;
    other.runs(&["BEGIN"]).await;
    other.error("LOCK TABLE orders IN SHARE MODE NOWAIT").await.expect(&SqlState::LOCK_NOT_AVAILABLE);
    session
        .runs(&[
            "ROLLBACK",
            "NOTIFY news, 'x'",
            "SELECT pg_notify('news', 'y')",
            "UNLISTEN *",
            "SET CONSTRAINTS ALL IMMEDIATE",
        ])
        .await;
    refused(
        &session,
        &["LISTEN news", "CALL unlisted()", "CALL public.unlisted()", "CHECKPOINT", "SELECT current_query()"],
    )
    .await;
    session.error("LOCK nothing").await.expect(&SqlState::UNDEFINED_TABLE);
    session.runs(&["BEGIN"]).await;
    let prepared = session.error("PREPARE TRANSACTION 'x'").await;
    assert_eq!(prepared.code, "55000", "the server's own word: {prepared:?}");
    session.error("COMMIT PREPARED 'x'").await;
}

#[tokio::test]
async fn a_dump_of_a_governed_user_is_a_masked_one() {
    let Some(shop) = shop("dump_of_governed").filter(|shop| shop.cluster.can_be_dumped()) else { return };
    let policies = shop.policies();
    policies.replace("policy.yaml", "action: deny", "action: {mask: {\"null\": {}}}");
    let proxy = shop.proxy_with(&policies, "");
    let output = std::process::Command::new(shop.cluster.program("pg_dump"))
        .args(["-h", "127.0.0.1", "-p", &proxy.port().to_string(), "-U", "support", "-n", "public", &shop.database])
        .env("PGPASSWORD", "support")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let dump = String::from_utf8_lossy(&output.stdout);
    let (masked, raw_mail) = (
        shop.via(&proxy, "support").await.value("SELECT email FROM customers WHERE id = 1").await,
        shop.direct("postgres").await.value("SELECT email FROM customers WHERE id = 1").await,
    );
    assert!(dump.contains(&masked) && !dump.contains(&raw_mail));
}
