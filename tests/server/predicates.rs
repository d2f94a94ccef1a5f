//! `predicates:` on a real server: equality finds what is there and tells nothing else, denied columns decide nothing,
//! and indexes serve, both on columns that are not masked and on a masked one that is looked up.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use pgcovenant::engine::check::{Facts, Protocol, check};
use pgcovenant::engine::verdict::Verdict;
use pgcovenant::model::catalog::SearchPath;
use pgcovenant::policy::compile::Bundle;
use pgcovenant::policy::snapshot::{Database, Snapshot};
use pgcovenant::policy::subject::Subject;
use pgcovenant::sql::lineage;
use tokio_postgres::NoTls;

use crate::support::shop::Policies;
use crate::support::sql::{Refused, Session};
use crate::support::{Proxy, Shop, shop};

/// Lets a rule of the tests' policy say something about predicates.
fn say(policies: &Policies, rule: &str, predicates: &str) {
    let name = format!("  - name: {rule}\n");
    policies.replace("policy.yaml", &name, &format!("{name}    predicates: {predicates}\n"));
}

/// A proxy whose rules about mail and birth dates open equality, and about phones close conditions.
fn proxy(shop: &Shop) -> (Proxy, Policies) {
    let policies = shop.policies();
    for (rule, predicates) in
        [("mail-is-masked", "equality"), ("birth-year-only", "equality"), ("phone-is-masked", "deny")]
    {
        say(&policies, rule, predicates);
    }
    (shop.proxy_with(&policies, ""), policies)
}

/// Conditions over `c`, which is a customer; `{mail}` is the address of one.
const LOOK_UPS: &[&str] = &[
    "c.email = '{mail}'",
    "'{mail}' = email",
    "public.customers.email = '{mail}'",
    "c.email IN ('{mail}', 'x')",
    "c.email IN ('{mail}', NULL)",
    "c.email = ANY ('{{mail},y}')",
    "c.email = ANY (ARRAY['x', '{mail}']::varchar[])",
    "c.email = '{mail}'::text",
    "NOT c.email = '{mail}'",
    "NOT (c.email IN ('{mail}', NULL))",
    "c.email = '{mail}' OR c.id = 3",
    "(c.email = '{mail}') AND NOT (c.birth_date = '1900-01-01' OR c.country = 'XX')",
    "c.email = NULL",
    "c.birth_date = (date '1980-05-05')",
    "c.email = '{MAIL}'",
    "c.email = 'nobody'",
];

#[tokio::test]
async fn equality_with_constants_sees_the_value() {
    let Some(shop) = shop("look_up") else { return };
    let (proxy, _policies) = proxy(&shop);
    shop.sql("UPDATE customers SET birth_date = '1980-05-05' WHERE id = 4");
    let (support, direct) = (shop.via(&proxy, "support").await, shop.direct("postgres").await);
    let mail = direct.value("SELECT email FROM customers WHERE id = 2").await;
    let templates = [
        "SELECT c.id FROM customers c WHERE {condition} ORDER BY id",
        "SELECT o.order_id FROM orders o JOIN customers c ON c.id = o.customer_id AND ({condition}) ORDER BY 1",
        "SELECT o.order_id, c.id FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND ({condition}) ORDER BY 1",
        "WITH w AS (SELECT id FROM customers c WHERE {condition}) SELECT count(*) FROM w",
    ];
    for condition in LOOK_UPS {
        let condition = condition.replace("{mail}", &mail).replace("{MAIL}", &mail.to_uppercase());
        for template in templates {
            let sql = template.replace("{condition}", &condition);
            let sql = if condition.contains("public.customers") {
                sql.replace("customers c", "customers").replace("c.id", "customers.id")
            } else {
                sql
            };
            assert_eq!(support.rows(&sql).await, direct.rows(&sql).await, "{sql}");
        }
    }
    let found = support.client.query("SELECT id, email FROM customers WHERE email = $1", &[&mail]).await.unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].get::<_, String>(1).contains("****"));
    let found = support.client.query("SELECT * FROM customers c WHERE email = ANY ($1)", &[&vec![mail.clone()]]).await;
    // Refused, since a star would show a denied column, and not for another reason.
    assert!(Refused::of(&found.unwrap_err()).message.contains("ssn"));
    let changed = support.simple(&format!("UPDATE customers SET name = 'n' WHERE email = '{mail}'")).await.unwrap();
    assert_eq!(changed, ["(1)"]);
}

/// What could tell more of an address than whether it is one that the client names.
const ORACLES: &[&str] = &[
    "SELECT id FROM customers WHERE email LIKE 'b%b%'",
    "SELECT id FROM customers WHERE email ~ 'x' ORDER BY email, id",
    "SELECT id FROM customers WHERE email < 'bm' OR email BETWEEN 'ba' AND 'bb'",
    "SELECT id FROM customers WHERE lower(email) = '{mail}'",
    "SELECT id FROM customers WHERE email || '' = '{mail}'",
    "SELECT id FROM customers WHERE email::text = '{mail}'",
    "SELECT id FROM customers WHERE left(email, 4) = left('{mail}', 4)",
    "SELECT id FROM customers WHERE email COLLATE \"C\" = '{mail}'",
    "SELECT id FROM customers WHERE (email, 1) = ('{mail}', 1)",
    "SELECT id FROM customers WHERE CASE WHEN email = '{mail}' THEN true ELSE 1 / (id - id) = 1 END",
    "SELECT id FROM customers WHERE email = ANY (SELECT '{mail}')",
    "SELECT id FROM customers WHERE email IN (SELECT x FROM (VALUES ('{mail}')) v(x))",
    "SELECT c.id FROM customers c JOIN (VALUES ('{mail}')) v(x) ON c.email = v.x",
    "SELECT c.id FROM customers c JOIN LATERAL (SELECT '{mail}'::text AS x) v ON v.x = c.email",
    "SELECT a.id FROM customers a JOIN customers b ON a.email = b.email AND a.id < b.id ORDER BY 1",
    "SELECT a.id FROM customers a JOIN customers b USING (email) WHERE email = '{mail}'",
    "SELECT id FROM customers WHERE (email = '{mail}') IS NOT FALSE",
    "SELECT email = '{mail}' FROM customers",
    "SELECT count(*) FILTER (WHERE email = '{mail}') FROM customers",
    "SELECT max(email), count(DISTINCT email) FROM customers",
    "SELECT email FROM customers GROUP BY email HAVING email = '{mail}'",
    "SELECT id, rank() OVER (ORDER BY email) FROM customers ORDER BY 1",
    "SELECT id FROM customers WHERE email IS DISTINCT FROM '{mail}' ORDER BY 1",
    "SELECT id FROM customers WHERE email <> '{mail}' OR email NOT IN ('{mail}') ORDER BY 1",
    "SELECT id FROM customers WHERE email = (1 / 0)::text",
    "SELECT id FROM customers WHERE email = 'a' AND email::integer = 1",
    "SELECT id FROM customers WHERE email = '{mail}'::bytea",
    "SELECT id FROM customers WHERE email = '{mail}'::integer::text",
    "SELECT to_jsonb(c) - 'ssn' FROM customers c WHERE c.email IN ('x', c.phone)",
    "SELECT c.id FROM customers c WHERE EXISTS (SELECT 1 WHERE c.email = '{mail}')",
    "SELECT s.id FROM (SELECT id, email FROM customers) s WHERE s.email = '{mail}'",
    "UPDATE customers SET name = 'n' WHERE email LIKE 'b%b%'",
    "UPDATE customers SET name = (SELECT 'x' WHERE email = '{mail}') WHERE id = 1 RETURNING name",
];

#[tokio::test]
async fn nothing_but_equality_is_told() {
    let Some(shop) = shop("oracles") else { return };
    // The same shop, with another address behind the same mask.
    let twin = shop.twin("oracles_twin");
    let mail = shop.sql("SELECT email FROM customers WHERE id = 2");
    twin.sql("UPDATE customers SET email = left(email, 1) || 'zzz' || substr(email, strpos(email, '@')) WHERE id = 2");
    let ((one, _one), (other, _other)) = (proxy(&shop), proxy(&twin));
    let (here, there) = (shop.via(&one, "support").await, twin.via(&other, "support").await);
    let mut told = String::new();
    for oracle in ORACLES {
        let sql = oracle.replace("{mail}", &mail);
        let answers = (answer(&here, &sql).await, answer(&there, &sql).await);
        if answers.0 != answers.1 {
            writeln!(told, "{sql}\n  {answers:?}").unwrap();
        }
    }
    assert!(told.is_empty(), "{told}");
    let plain = format!("SELECT id FROM customers WHERE email = '{mail}'");
    assert_ne!(answer(&here, &plain).await, answer(&there, &plain).await, "the twins do not differ");
}

async fn answer(session: &Session, sql: &str) -> Result<Vec<String>, Refused> {
    session.simple("BEGIN").await.unwrap();
    let answer = session.simple(sql).await.map_err(|error| Refused::of(&error));
    session.simple("ROLLBACK").await.unwrap();
    answer
}

#[tokio::test]
async fn a_column_closed_to_conditions_is_shown_and_decides_nothing() {
    let Some(shop) = shop("deciding") else { return };
    let (proxy, _policies) = proxy(&shop);
    let support = shop.via(&proxy, "support").await;
    assert!(support.value("SELECT phone FROM customers WHERE id = 1").await.contains("*****"));
    for sql in [
        "SELECT id FROM customers WHERE phone LIKE '+%'",
        "SELECT id FROM (SELECT id, phone || '' AS p FROM customers) s ORDER BY p",
        "SELECT 1 FROM customers a JOIN customers b USING (phone)",
        "SELECT count(DISTINCT phone) FROM customers",
        "SELECT phone FROM customers EXCEPT SELECT 'x'",
    ] {
        let refused = support.error(sql).await;
        assert_eq!(refused.code, "42501", "{sql}");
        assert!(refused.detail.unwrap().contains("\"phone-is-masked\""), "{sql}");
        assert!(refused.hint.unwrap().contains("WHERE"), "{sql}");
    }
}

/// The text that is sent for a statement of `support`.
async fn sent(shop: &Shop, policies: &Policies, sql: &str) -> String {
    let dsn = format!("host=127.0.0.1 port={} user=postgres dbname={}", shop.cluster.port(), shop.database);
    let (mut client, connection) = tokio_postgres::connect(&dsn, NoTls).await.unwrap();
    tokio::spawn(connection);
    let catalog = pgcovenant::upstream::catalog::read(&mut client).await.unwrap().catalog;
    let bundle = Arc::new(Bundle::load(policies.path()).0.unwrap());
    let database = Arc::new(Database { lineages: lineage::of_views(&catalog), catalog: Arc::new(catalog) });
    let snapshot = Snapshot::new(1, bundle, HashMap::from([(shop.database.as_str().into(), database)]));
    let subject = Subject {
        user: "support".into(),
        database: shop.database.as_str().into(),
        roles: ["support".into()].into(),
        ..Subject::default()
    };
    let view = snapshot.view(&subject);
    let path = SearchPath::default();
    let facts = Facts { database: &shop.database, view: &view, search_path: Some(&path), protocol: Protocol::Extended };
    match check(&snapshot, &facts, sql) {
        Verdict::Admit(admitted) => admitted.rewritten_text().unwrap_or(sql).to_owned(),
        Verdict::Refuse(refusal) => panic!("{sql}: {refusal:?}"),
    }
}

#[tokio::test]
async fn indexes_serve_through_the_projection() {
    let Some(shop) = shop("plans") else { return };
    let (_proxy, policies) = proxy(&shop);
    shop.sql("CREATE INDEX by_country ON customers (country, created_at); ANALYZE");
    let direct = shop.direct("postgres").await;
    direct.simple("SET enable_seqscan = off; SET enable_bitmapscan = off").await.unwrap();
    for (sql, expected) in [
        ("SELECT id, email FROM customers WHERE id = 3", "Index Scan using customers_pkey"),
        ("SELECT id, email FROM customers WHERE country = 'NL' ORDER BY created_at", "Index Scan using by_country"),
        (
            "SELECT o.order_id, c.email FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.order_id = 1",
            "Index Scan using customers_pkey",
        ),
        (
            "SELECT c.email, o.status FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE c.id = 1",
            "Index Scan using orders_customer_id_idx",
        ),
        ("SELECT email FROM customers WHERE id = 1 FOR UPDATE", "Index Scan using customers_pkey"),
        ("UPDATE customers SET name = 'n' WHERE id = 1", "Index Scan using customers_pkey"),
        // The index is on the column itself.
        ("SELECT id, email FROM customers WHERE email = 'a@example.com'", "Index Scan using customers_email_key"),
        ("SELECT id FROM customers c WHERE 'a' = c.email AND name <> 'x'", "Index Scan using customers_email_key"),
        ("SELECT id FROM customers WHERE email IN ('a', 'b')", "Index Scan using customers_email_key"),
        ("SELECT id FROM customers WHERE email = ANY (ARRAY['a', 'b'])", "Index Scan using customers_email_key"),
        (
            "SELECT o.order_id FROM orders o JOIN customers c ON c.id = o.customer_id AND c.email = 'a'",
            "Index Scan using customers_email_key",
        ),
        ("UPDATE customers SET name = 'n' WHERE email = 'a'", "Index Scan using customers_email_key"),
    ] {
        let text = sent(&shop, &policies, sql).await;
        let plan = direct.rows(&format!("EXPLAIN (COSTS OFF) {text}")).await.join("\n");
        assert!(
            plan.contains(expected) || plan.contains(&expected.replace("Index Scan", "Index Only Scan")),
            "{sql}\n{text}\n{plan}"
        );
        // The projection is no step of its own.
        assert!(!plan.contains("Subquery Scan"), "{sql}\n{plan}");
    }
    // A mask is computed for the rows that are shown, not for those that are looked through.
    let text = sent(&shop, &policies, "SELECT count(*) FROM customers WHERE country = 'NL'").await;
    let plan = direct.rows(&format!("EXPLAIN (VERBOSE, COSTS OFF) {text}")).await.join("\n");
    assert!(!plan.contains("substr"), "{plan}");
}

#[tokio::test]
async fn every_function_that_makes_rows_is_known() {
    use pgcovenant::sql::functions::{admitted, makes_rows};
    let Some(shop) = shop("row_makers") else { return };
    let direct = shop.direct("postgres").await;
    let sql = "SELECT DISTINCT proname FROM pg_proc WHERE proretset AND pronargs > 0 \
               AND pronamespace = 'pg_catalog'::regnamespace ORDER BY 1";
    let unknown: Vec<_> =
        direct.rows(sql).await.into_iter().filter(|name| admitted(name) && !makes_rows(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
