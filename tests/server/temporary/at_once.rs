//! Temporary tables that are made and used in one go: within one text, and within one pipeline.

use super::mails;
use crate::support::raw::{self, Raw};
use crate::support::shop;

#[tokio::test]
async fn several_statements_in_one_text() {
    let Some(shop) = shop("temporary_texts") else { return };
    let (masked, _) = mails(&shop).await;
    let (proxy, _policies) = shop.proxy();
    let session = shop.via(&proxy, "support").await;
    let usual =
        "DROP TABLE IF EXISTS t; CREATE TEMP TABLE t AS SELECT id, email FROM customers; SELECT count(*) FROM orders";
    session.runs(&[usual, usual]).await;
    assert_eq!(session.value("SELECT email FROM t WHERE id = 1").await, masked);
    for unknown in [
        "CREATE TEMP TABLE orders AS SELECT 1 AS x; ROLLBACK; SELECT x FROM orders",
        "CREATE TEMP TABLE derived AS SELECT 1 + order_id FROM orders; SELECT * FROM derived",
        "BEGIN; DROP TABLE t; ROLLBACK; SELECT * FROM t",
        "ALTER TABLE t RENAME TO customers; SELECT ssn FROM customers",
        "ALTER TABLE t RENAME TO orders; SELECT * FROM pg_temp.orders",
        "DISCARD TEMP; SELECT * FROM t",
    ] {
        let error = session.error(unknown).await;
        assert_eq!(error.code, "55000", "{unknown}: {error:?}");
        let _ = session.simple("ROLLBACK").await;
    }
    let made = "CREATE TEMP TABLE made (id bigint, email text); INSERT INTO made SELECT id, email FROM customers WHERE id = 1; \
                SELECT email FROM made";
    assert_eq!(session.value(made).await, masked);
    let filled = "CREATE TEMP TABLE filled (mail) AS SELECT email, id FROM customers; CREATE INDEX ON filled (mail); ANALYZE filled; \
                  SELECT mail FROM filled WHERE id = 1";
    assert_eq!(session.value(filled).await, masked);
    let hides = "CREATE TEMP TABLE customers AS SELECT 1 AS id, 'own'::text AS ssn; SELECT ssn FROM customers; DROP TABLE customers";
    assert_eq!(session.value(hides).await, "own");
    let gone = session
        .error(
            "SELECT 1 AS id, 'own'::text AS ssn INTO TEMP customers; DROP TABLE customers; SELECT ssn FROM customers",
        )
        .await;
    assert_eq!(gone.code, "42501");
    assert_eq!(session.error("DROP TABLE t; SELECT * FROM t").await.code, "42P01");
    session.runs(&["CREATE TEMP TABLE IF NOT EXISTS t (x int); SELECT email FROM t", "SELECT email FROM t"]).await;
    // The first temporary table of a session may stand behind or before what it is called like.
    let fresh = shop.via(&proxy, "support").await;
    let hides = "CREATE TEMP TABLE customers (ssn text); SELECT ssn FROM customers";
    assert_eq!(fresh.error(hides).await.code, "55000");
    fresh.runs(&["CREATE TEMP TABLE t (ssn text); SELECT ssn FROM t"]).await;
    assert!(fresh.rows(hides).await.is_empty());
}

#[tokio::test]
async fn a_pipeline_learns_what_it_has_made() {
    let Some(shop) = shop("temporary_pipeline") else { return };
    let (masked, raw_mail) = mails(&shop).await;
    let (proxy, _policies) = shop.proxy();
    let mut session = Raw::connect(proxy.port(), "support", &shop.database);
    let create = "CREATE TEMP TABLE customers AS SELECT id, email, 'own'::text AS ssn FROM customers";
    let seen = session.exchange(
        &[
            raw::parse("before", "SELECT ssn FROM public.orders o, customers"),
            raw::sync(),
            raw::extended(create),
            raw::extended("SELECT ssn, email FROM customers WHERE id = 1"),
            raw::extended("DROP TABLE customers"),
            raw::extended("SELECT email FROM customers WHERE id = 1"),
            raw::extended("SELECT ssn FROM customers WHERE id = 1"),
            raw::sync(),
            raw::query("SELECT email FROM customers WHERE id = 1"),
        ],
        3,
    );
    let text = format!("{seen:?}");
    assert!(text.contains("own") && text.contains(&masked), "{text}");
    assert!(!text.contains(&raw_mail), "{text}");
    assert!(text.contains("42501"), "{text}");
    // What was undone with the batch is gone for the next one.
    let seen = session.exchange(
        &[
            raw::extended(create),
            raw::extended("SELECT 1/0"),
            raw::sync(),
            raw::extended("SELECT ssn FROM customers WHERE id = 1"),
            raw::sync(),
        ],
        2,
    );
    let text = format!("{seen:?}");
    assert!(text.contains("42501") && !text.contains("own"), "{text}");
}
