//! Views that compute from masked values, or whose rows depend on them, show what they would show if the tables held the
//! masked values.

use crate::masking::{extended, shop_and_shadow, simple};
use crate::support::shop;

/// In the shop and in its shadow alike.
const VIEWS: &str = "
CREATE VIEW domains AS SELECT split_part(email, '@', 2) AS domain, min(email) AS first, count(*) AS n FROM customers GROUP BY 1;
CREATE VIEW labels AS SELECT id, name || ' <' || email || '>' AS label, phone FROM customers;
CREATE VIEW renamed (number, what) AS SELECT id, left(email, 3) FROM customers WHERE email LIKE 'a%' OR phone LIKE '+31%';
CREATE VIEW nested AS SELECT upper(label) AS shout, phone FROM labels WHERE label LIKE '%*%@%';
CREATE VIEW pairs AS SELECT a.id AS one, b.id AS other FROM customers a JOIN customers b ON a.email = b.email AND a.id < b.id;
CREATE VIEW ranked AS SELECT name, salary, rank() OVER (ORDER BY salary DESC) AS place FROM employees;
CREATE RECURSIVE VIEW chain (id, name, sum) AS SELECT id, name, salary::numeric FROM employees WHERE manager_id IS NULL
    UNION ALL SELECT e.id, e.name, c.sum + e.salary FROM employees e JOIN chain c ON e.manager_id = c.id;
CREATE VIEW born AS SELECT birth_date, count(*) AS n, array_agg(id ORDER BY id) AS ids FROM customers GROUP BY birth_date;
CREATE VIEW mine WITH (security_invoker) AS SELECT id, lower(email) AS mail FROM customers WHERE notes = '';
CREATE VIEW rows AS SELECT DISTINCT ON (phone) phone, id FROM customers WHERE phone IS NOT NULL ORDER BY phone, id;
GRANT SELECT ON domains, labels, renamed, nested, pairs, ranked, chain, born, mine, rows TO support";

const STATEMENTS: &[&str] = &[
    "SELECT * FROM domains ORDER BY domain, first",
    "SELECT d.n, d.first FROM domains AS d (a, first, n) WHERE a > 'm' ORDER BY 2, 1",
    "SELECT label FROM labels WHERE id < 20 ORDER BY label",
    "SELECT count(*), count(label), max(length(label)) FROM labels",
    "SELECT r FROM renamed r ORDER BY r.number",
    "SELECT number, what FROM renamed ORDER BY what, number",
    "SELECT * FROM nested ORDER BY shout, phone",
    "SELECT * FROM pairs ORDER BY 1, 2",
    "SELECT count(*) FROM pairs p JOIN labels l ON l.id = p.other WHERE l.phone LIKE '%*%'",
    "SELECT place, name, salary FROM ranked ORDER BY place, name",
    "SELECT * FROM chain ORDER BY id",
    "SELECT to_jsonb(b) FROM born b ORDER BY birth_date NULLS FIRST",
    "SELECT mail FROM mine ORDER BY mail LIMIT 20",
    "SELECT * FROM rows ORDER BY phone",
    "SELECT o.order_id FROM orders o WHERE EXISTS (SELECT FROM renamed r WHERE r.number = o.customer_id) ORDER BY 1 LIMIT 20",
    "WITH d AS (SELECT * FROM domains) SELECT a.domain FROM d a JOIN d b USING (domain) ORDER BY 1",
    "SELECT name, (SELECT max(n) FROM domains) FROM customers ORDER BY id LIMIT 3",
    "SELECT schemaname FROM pg_views WHERE viewname = 'domains'",
];

#[tokio::test]
async fn a_view_shows_what_it_would_show_over_masked_tables() {
    let Some((shop, shadow)) = shop_and_shadow("view_queries") else { return };
    for database in [&shop, &shadow] {
        database.sql(VIEWS);
    }
    let (proxy, _policies) = shop.proxy();
    let seen = shop.via(&proxy, "support").await;
    let stored = shadow.direct("support").await;
    let mut rows = 0;
    for sql in STATEMENTS {
        let expected = simple(&stored, sql).await;
        assert_eq!(simple(&seen, sql).await, expected, "{sql}");
        assert_eq!(extended(&seen, sql).await, extended(&stored, sql).await, "{sql}");
        rows += expected.unwrap_or_else(|code| panic!("{sql}: {code}")).len();
    }
    assert!(rows > 100, "only {rows} rows were compared");
}

#[tokio::test]
async fn a_view_whose_query_may_not_stand_for_it_stays_closed_or_empty() {
    let Some(shop) = shop("unexpanded_views") else { return };
    shop.sql(
        "CREATE VIEW fenced WITH (security_barrier) AS SELECT id FROM customers WHERE email LIKE 'a%';
         CREATE VIEW fenced_text WITH (security_barrier) AS SELECT id, lower(email) AS mail FROM customers;
         CREATE MATERIALIZED VIEW stored AS SELECT id FROM customers WHERE email LIKE 'a%';
         CREATE VIEW over_stored AS SELECT id FROM stored;
         CREATE VIEW denied_rows AS SELECT id FROM customers WHERE ssn LIKE '1%';
         CREATE VIEW denied_column AS SELECT id, lower(email) AS mail, ssn || '' AS secret FROM customers;
         CREATE TABLE secured AS SELECT id, email FROM customers;
         ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
         CREATE VIEW over_secured AS SELECT c.id FROM customers c JOIN secured s USING (id) WHERE c.email <> '';
         CREATE TABLE others AS SELECT id FROM customers;
         REVOKE ALL ON others FROM support;
         CREATE VIEW over_others AS SELECT c.id FROM customers c JOIN others o USING (id) WHERE c.email <> '';
         GRANT SELECT ON fenced, fenced_text, stored, over_stored, denied_rows, denied_column, over_secured, over_others TO support",
    );
    let policies = shop.policies();
    policies.replace("policy.yaml", "unmodelled: deny", "unmodelled: allow");
    let proxy = shop.proxy_with(&policies, "");
    let session = shop.via(&proxy, "support").await;
    for sql in [
        "SELECT id FROM fenced",
        "SELECT id FROM stored",
        "SELECT id FROM over_stored",
        "SELECT id FROM denied_rows",
        "SELECT secret FROM denied_column",
        "SELECT * FROM denied_column",
        "SELECT d FROM denied_column d",
        "SELECT id FROM over_secured",
        "SELECT id FROM over_others",
    ] {
        assert_eq!(session.error(sql).await.code, "42501", "{sql}");
    }
    // A computed column of a view that is not shown by its query is NULL.
    assert_eq!(session.value("SELECT count(mail) FROM fenced_text").await, "0");
    // The denied column does not close the others, and these are those of the masked table.
    let masked = session.rows("SELECT lower(email) FROM customers ORDER BY id").await;
    assert_eq!(session.rows("SELECT mail FROM denied_column ORDER BY id").await, masked);
}
