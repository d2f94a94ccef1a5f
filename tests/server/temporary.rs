//! Temporary tables of a governed session: they hold what it may see, and their names never open a way to anything else.

mod at_once;

use tokio_postgres::error::SqlState;

use crate::support::raw::{self, Raw};
use crate::support::sql::{Refused, Session};
use crate::support::{Shop, shop};

/// What the session sees of the mail addresses, and what it must never see.
async fn mails(shop: &Shop) -> (String, String) {
    let direct = shop.direct("postgres").await;
    let raw = direct.value("SELECT email FROM customers WHERE id = 1").await;
    let at = raw.find('@').unwrap();
    let masked = format!("{}****{}", &raw[..1], &raw[at..]);
    (masked, raw)
}

#[tokio::test]
async fn temporary_tables_hold_what_the_session_may_see() {
    let Some(shop) = shop("temporary") else { return };
    let (masked, _) = mails(&shop).await;
    let (proxy, _policies) = shop.proxy();
    let session = shop.via(&proxy, "support").await;
    session.runs(&["CREATE TEMP TABLE a AS SELECT id, email FROM customers"]).await;
    assert_eq!(session.value("SELECT email FROM a WHERE id = 1").await, masked);
    session
        .runs(&[
            "SELECT id, email INTO TEMP b FROM customers",
            "SELECT id, email INTO TEMPORARY TABLE pg_temp.c FROM customers",
        ])
        .await;
    assert_eq!(session.value("SELECT email FROM b WHERE id = 1").await, masked);
    assert_eq!(session.value("SELECT c.email FROM pg_temp.c WHERE id = 1").await, masked);
    session.runs(&[
            "CREATE TEMP TABLE d (id bigint PRIMARY KEY, email text DEFAULT lower('NONE'), n serial, CHECK (length(email) > 0))",
            "INSERT INTO d (id, email) SELECT id, email FROM customers WHERE id < 10",
            "INSERT INTO d (id) VALUES (1000) ON CONFLICT (id) DO UPDATE SET email = excluded.email RETURNING *",
            "UPDATE d SET email = d.email || c.phone FROM customers c WHERE c.id = d.id AND d.id = 2",
            "MERGE INTO d USING customers c ON c.id = d.id WHEN MATCHED THEN UPDATE SET email = c.email WHEN NOT MATCHED THEN DO NOTHING",
            "SELECT * FROM ONLY d FOR UPDATE",
            "DELETE FROM d USING orders o WHERE o.order_id = d.id AND d.id = 3",
            "CREATE INDEX ON d (lower(email))",
            "CREATE UNIQUE INDEX d_n ON d (n) WHERE n > 0",
            "ANALYZE d",
            "ALTER TABLE d ADD COLUMN extra int DEFAULT 3, ALTER COLUMN n TYPE bigint USING n * 2",
            "ALTER TABLE d RENAME COLUMN extra TO more",
            "SELECT more FROM d",
            "ALTER TABLE d RENAME TO e",
            "DROP INDEX d_n",
            "TRUNCATE e",
            "DROP TABLE e, b",
            "DROP TABLE IF EXISTS e",
            "CREATE TEMPORARY TABLE IF NOT EXISTS a (x int)",
        ],
    )
    .await;
    assert_eq!(session.error("SELECT * FROM d").await.code, "42P01");
    assert_eq!(session.value("SELECT email FROM a WHERE id = 1").await, masked);
    let direct = session.client.query("SELECT email FROM a WHERE id = $1", &[&1i64]).await.unwrap();
    assert_eq!(direct[0].get::<_, String>(0), masked);
    assert_eq!(session.client.query("SELECT * FROM a", &[]).await.unwrap()[0].len(), 2);
    let copied = session.client.copy_out("COPY a TO STDOUT").await;
    assert!(copied.is_ok(), "{:?}", copied.err());
    drop(copied);
    session.runs(&["EXPLAIN SELECT * FROM a", "BEGIN", "DECLARE x CURSOR FOR SELECT email FROM a ORDER BY id"]).await;
    assert_eq!(session.value("FETCH 1 FROM x").await, masked);
    session.runs(&["COMMIT"]).await;
}

#[tokio::test]
async fn nothing_that_others_know_is_made_or_changed() {
    let Some(shop) = shop("permanent") else { return };
    shop.sql("GRANT ALL ON SCHEMA public TO support; GRANT ALL ON ALL TABLES IN SCHEMA public TO support; ALTER TABLE customers OWNER TO support;
              CREATE FUNCTION public.steal() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT ssn FROM public.customers LIMIT 1';
              CREATE DOMAIN public.spy AS text CHECK (public.steal() IS NOT NULL);
              CREATE FUNCTION public.same(int, int) RETURNS bool LANGUAGE sql AS 'SELECT public.steal() IS NOT NULL';
              CREATE OPERATOR public.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = public.same);
              GRANT EXECUTE ON FUNCTION public.steal() TO support");
    let (proxy, _policies) = shop.proxy();
    let session = shop.via(&proxy, "support").await;
    session.runs(&["CREATE TEMP TABLE own (id int, t text)"]).await;
    for refused in [
        "CREATE TABLE leak AS SELECT email FROM customers",
        "CREATE TABLE leak (x int)",
        "SELECT email INTO leak FROM customers",
        "SELECT 1 INTO TEMP x UNION SELECT 2 FROM customers",
        "SELECT email INTO TABLE public.leak FROM customers",
        "CREATE UNLOGGED TABLE leak AS SELECT 1",
        "CREATE MATERIALIZED VIEW pg_temp.leak AS SELECT 1",
        "CREATE TEMP VIEW v AS SELECT email FROM customers",
        "CREATE TEMP TABLE t (LIKE customers INCLUDING ALL)",
        "CREATE TEMP TABLE t () INHERITS (customers)",
        "CREATE TEMP TABLE t PARTITION OF customers DEFAULT",
        "CREATE TEMP TABLE t OF customers",
        "CREATE TEMP TABLE t (id bigint REFERENCES customers)",
        "CREATE TEMP TABLE t (x text DEFAULT public.steal())",
        "CREATE TEMP TABLE t (x text CHECK (public.steal() <> x))",
        "CREATE TEMP TABLE t (x text GENERATED ALWAYS AS (steal()) STORED)",
        "CREATE TEMP TABLE t (x spy)",
        "CREATE TEMP TABLE t (x public.spy[])",
        "CREATE TEMP TABLE t (x int, CHECK (x OPERATOR(public.===) 1))",
        "CREATE TEMP TABLE t (x text DEFAULT set_config('search_path', 'x', false))",
        "CREATE INDEX ON own ((steal() || t))",
        "CREATE INDEX ON customers (email)",
        "CREATE INDEX ON own (t) WHERE steal() = t",
        "ALTER TABLE own ALTER COLUMN t SET DEFAULT steal()",
        "ALTER TABLE own ALTER COLUMN t TYPE text USING steal()",
        "ALTER TABLE own ADD COLUMN s spy",
        "ALTER TABLE own INHERIT customers",
        "ALTER TABLE own ADD FOREIGN KEY (id) REFERENCES orders",
        "ALTER TABLE own OWNER TO postgres",
        "ALTER TABLE customers ADD COLUMN x int",
        "ALTER TABLE customers RENAME TO own2",
        "ALTER TABLE public.customers RENAME COLUMN ssn TO s",
        "TRUNCATE own, customers",
        "TRUNCATE public.orders",
        "DROP TABLE own, orders",
        "DROP TABLE IF EXISTS public.customers",
        "DROP VIEW active_customers",
        "ANALYZE",
        "ANALYZE customers",
        "VACUUM",
        "CREATE TRIGGER x BEFORE INSERT ON own FOR EACH ROW EXECUTE FUNCTION steal()",
        "CREATE RULE r AS ON INSERT TO own DO ALSO SELECT steal()",
        "CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS 'SELECT ssn FROM public.customers'",
        "EXPLAIN ANALYZE CREATE TEMP TABLE z AS SELECT email FROM customers",
        "PREPARE p AS SELECT 1 INTO TEMP z",
        "CREATE TEMP TABLE z AS EXECUTE p",
        "INSERT INTO own SELECT 1, steal()",
        "INSERT INTO own SELECT 1, ssn FROM customers",
        "CREATE TEMP TABLE z AS SELECT ssn FROM customers",
        "CREATE TEMP TABLE z AS SELECT * FROM customers",
        "CREATE TEMP TABLE z AS TABLE customers",
    ] {
        let error = session.error(refused).await;
        assert!(matches!(&*error.code, "42501" | "0A000" | "42883"), "{refused}: {error:?}");
    }
    assert_eq!(shop.sql("SELECT count(*) FROM pg_class WHERE relname IN ('leak', 'z', 't', 'own2')").trim(), "0");
}

#[tokio::test]
async fn a_table_that_hides_a_masked_one_is_meant_while_it_is_there() {
    let Some(shop) = shop("shadowing") else { return };
    let (masked, _) = mails(&shop).await;
    let (proxy, _policies) = shop.proxy();
    let session = shop.via(&proxy, "support").await;
    let mail = "SELECT email FROM customers WHERE id = 1";
    let statement = session.client.prepare("SELECT email FROM customers WHERE id = $1").await.unwrap();
    let prepared = async || {
        let rows = session.client.query(&statement, &[&1i64]).await.unwrap();
        rows[0].get::<_, String>(0)
    };
    assert_eq!(session.value(mail).await, masked);
    session
        .runs(&["CREATE TEMP TABLE customers AS SELECT 1::bigint AS id, 'mine'::text AS email, 'own'::text AS ssn"])
        .await;
    assert_eq!(session.value(mail).await, "mine");
    assert_eq!(session.value("SELECT ssn FROM customers").await, "own");
    assert_eq!(session.value("SELECT public.customers.email FROM public.customers WHERE id = 1").await, masked);
    assert_eq!(prepared().await, "mine");
    session.error("SELECT ssn FROM public.customers").await.expect(&SqlState::INSUFFICIENT_PRIVILEGE);
    // What SQL has prepared means what it meant, and can be run beside statements of the driver.
    session
        .runs(&["PREPARE p AS SELECT email FROM public.customers WHERE id = 1", "CREATE TEMP TABLE more (x int)"])
        .await;
    assert_eq!(session.value("EXECUTE p").await, masked);
    // A name that a table of the session explains now may mean a column of the target once it has gone.
    let rename = "PREPARE q AS UPDATE public.customers SET name = (SELECT ssn FROM customers c LIMIT 1) WHERE id = 1";
    let own = "CREATE TEMP TABLE customers AS SELECT 1::bigint AS id, 'mine'::text AS email, 'own'::text AS ssn";
    session.runs(&[rename, "BEGIN", "DROP TABLE customers", "CREATE TEMP TABLE customers AS SELECT 1 AS x"]).await;
    let error = session.error("EXECUTE q").await;
    assert_eq!(error.code, "42703", "{error:?}");
    session.runs(&["ROLLBACK", "DEALLOCATE q", "DROP TABLE customers", own]).await;
    // Rolled back: it is there again.
    session.runs(&["BEGIN", "SAVEPOINT s", "DROP TABLE customers"]).await;
    assert_eq!(session.value(mail).await, masked);
    session.error("SELECT ssn FROM customers").await.expect(&SqlState::INSUFFICIENT_PRIVILEGE);
    session.runs(&["ROLLBACK TO s"]).await;
    assert_eq!(session.value("SELECT ssn FROM customers").await, "own");
    assert_eq!(prepared().await, "mine");
    session.runs(&["DROP TABLE customers", "COMMIT"]).await;
    assert_eq!(session.value(mail).await, masked);
    assert_eq!(prepared().await, masked);
    // A transaction that is undone takes its table along.
    session.runs(&["BEGIN", "CREATE TEMP TABLE customers (id bigint, email text, ssn text)"]).await;
    assert!(session.rows("SELECT ssn FROM customers").await.is_empty());
    session.runs(&["ROLLBACK"]).await;
    session.error("SELECT ssn FROM customers").await.expect(&SqlState::INSUFFICIENT_PRIVILEGE);
    assert_eq!(prepared().await, masked);
    // So does the end of one with ON COMMIT DROP.
    session
        .runs(&[
            "BEGIN",
            "CREATE TEMP TABLE customers (id bigint, ssn text) ON COMMIT DROP",
            "SELECT ssn FROM customers",
            "COMMIT",
        ])
        .await;
    session.error("SELECT ssn FROM customers").await.expect(&SqlState::INSUFFICIENT_PRIVILEGE);
    session.runs(&["BEGIN", "CREATE TEMP TABLE customers (id bigint, ssn text) ON COMMIT DROP"]).await;
    let error = session.error("COMMIT; SELECT ssn FROM customers").await;
    assert_eq!(error.code, "55000", "{error:?}");
    session.runs(&["ROLLBACK"]).await;
    for forget in ["DISCARD TEMP", "DISCARD ALL"] {
        session.runs(&["CREATE TEMP TABLE customers (id bigint, ssn text)", "SELECT ssn FROM customers", forget]).await;
        session.error("SELECT ssn FROM customers").await.expect(&SqlState::INSUFFICIENT_PRIVILEGE);
    }
    session.runs(&["SET search_path = public, pg_temp", "CREATE TEMP TABLE customers (id bigint, ssn text)"]).await;
    session.error("SELECT ssn FROM customers").await.expect(&SqlState::INSUFFICIENT_PRIVILEGE);
    assert!(session.rows("SELECT ssn FROM pg_temp.customers").await.is_empty());
}

#[tokio::test]
async fn copies_fill_temporary_tables() {
    let Some(shop) = shop("temporary_copy") else { return };
    let (proxy, _policies) = shop.proxy();
    let mut session = Raw::connect(proxy.port(), "support", &shop.database);
    session.exchange(&[raw::query("CREATE TEMP TABLE t (a int, b text)")], 1);
    session.write(&[raw::query("COPY t (a, b) FROM STDIN"), raw::copy_data("1\tx\n2\ty\n"), raw::copy_done()].concat());
    let seen = format!("{:?}", session.until_ready(1));
    assert!(seen.contains("COPY 2"), "{seen}");
    let seen = format!("{:?}", session.exchange(&[raw::query("SELECT b FROM t WHERE a = 2")], 1));
    assert!(seen.contains('y'), "{seen}");
    let refused =
        Refused::of(&shop.via(&proxy, "support").await.client.simple_query("SELECT * FROM t").await.unwrap_err());
    assert_eq!(refused.code, "42P01", "a table of another session");
}

#[tokio::test]
async fn what_was_made_before_a_policy_came_is_out_of_reach() {
    let Some(shop) = shop("temporary_flip") else { return };
    let (masked, raw_mail) = mails(&shop).await;
    let (proxy, policies) = shop.proxy();
    let session = shop.via(&proxy, "analyst").await;
    let all = [
        "CREATE TEMP TABLE before AS SELECT * FROM customers",
        "CREATE TEMP VIEW customers AS SELECT id, ssn, email FROM public.customers",
        "CREATE TEMP TABLE logged (x int)",
        "CREATE FUNCTION pg_temp.peek() RETURNS text LANGUAGE sql AS 'SELECT ssn FROM public.customers LIMIT 1'",
        "CREATE DOMAIN pg_temp.spy AS text CHECK (pg_temp.peek() <> VALUE)",
    ];
    session.runs(&all).await;
    assert_eq!(session.value("SELECT email FROM before WHERE id = 1").await, raw_mail);
    let text = std::fs::read_to_string(policies.policy_file()).unwrap();
    policies.write(
        "policy.yaml",
        &text.replace("to: [{role: support}]\n    action", "to: [{role: support}, {role: analyst}]\n    action"),
    );
    let other = shop.via(&proxy, "analyst").await;
    let began = std::time::Instant::now();
    while other.value("SELECT email FROM public.customers WHERE id = 1").await != masked {
        assert!(began.elapsed().as_secs() < 10, "the policy does not come into force");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // A type of its own runs code where no name of a relation stands.
    assert_eq!(session.error("SELECT 'x'::pg_temp.spy").await.code, "57P01");
    assert!(session.client.simple_query("SELECT email FROM before").await.is_err());
    other.runs(&["CREATE TEMP TABLE after AS SELECT email FROM customers", "SELECT email FROM after"]).await;
}

#[tokio::test]
async fn a_session_with_more_columns_than_anybody_needs_cannot_name_them() {
    let Some(shop) = shop("temporary_many") else { return };
    let (masked, _) = mails(&shop).await;
    let (proxy, _policies) = shop.proxy();
    let session = shop.via(&proxy, "support").await;
    let columns: Vec<String> = (0..1500).map(|number| format!("c{number} int")).collect();
    session.runs(&["CREATE TEMP TABLE customers (ssn text)", "SELECT ssn FROM customers"]).await;
    for table in 0..14 {
        session.runs(&[&format!("CREATE TEMP TABLE wide{table} ({})", columns.join(", "))]).await;
    }
    assert_eq!(session.error("SELECT c1 FROM wide1").await.code, "42P01");
    session.error("SELECT ssn FROM customers").await.expect(&SqlState::INSUFFICIENT_PRIVILEGE);
    assert_eq!(session.value("SELECT email FROM customers WHERE id = 1").await, masked);
    session.runs(&["DISCARD TEMP", "CREATE TEMP TABLE customers (ssn text)", "SELECT ssn FROM customers"]).await;
}
