//! The mask `hash` through the proxy: without the function the column is denied and the log says so; with it, nobody whom
//! the policy governs gets at the key or at pseudonyms of values of his own, not even a superuser.

use crate::support::shop::Policies;
use crate::support::{Proxy, Shop, project, shop, until};

const EVERYBODY: &str = r#"apiVersion: pgcovenant/v1
kind: Policy
metadata: {name: server-tests, version: 1, owner: tests@example.com}
rules:
  - name: mail-is-a-pseudonym
    columns: {names: [public.customers.email]}
    to: everyone
    action: {mask: {hash: {key: customers}}}
unmodelled: allow
"#;

fn proxy(shop: &Shop) -> (Proxy, Policies) {
    let policies = shop.policies();
    policies.write("policy.yaml", EVERYBODY);
    (shop.proxy_with(&policies, ""), policies)
}

fn install(shop: &Shop) {
    shop.cluster.psql(&shop.database, &["-f", &project("deploy/sql/pgcovenant.sql").display().to_string()]);
    shop.sql(
        "SELECT pgcovenant.create_key('customers'); GRANT USAGE ON SCHEMA pgcovenant TO support; \
         GRANT EXECUTE ON FUNCTION pgcovenant.pseudonym(text, text) TO support",
    );
}

#[tokio::test]
async fn without_the_function_the_column_is_denied_and_the_log_says_why() {
    let Some(shop) = shop("no_function") else { return };
    let (proxy, policies) = proxy(&shop);
    let support = shop.via(&proxy, "support").await;
    let refused = support.error("SELECT email FROM customers").await;
    assert_eq!(refused.code, "42501");
    assert!(refused.detail.unwrap().contains("the database has no function pgcovenant.pseudonym(text, text)"));
    let told = "public.customers.email is denied instead of masked by rule \\\"mail-is-a-pseudonym\\\" of policy";
    until("the log says so", || proxy.log().replace('\\', "").contains(&told.replace('\\', "")));
    install(&shop);
    let other = shop.proxy_with(&policies, "");
    let digest = shop.via(&other, "support").await.value("SELECT email FROM customers WHERE id = 1").await;
    assert_eq!(digest.len(), 64);
}

/// What somebody governed might try, as a superuser.
const ATTACKS: &[&str] = &[
    "SELECT pgcovenant.pseudonym('a@example.com', 'customers')",
    "SELECT \"pgcovenant\".\"pseudonym\"(x, 'customers') FROM (VALUES ('a')) v(x)",
    "SELECT * FROM pgcovenant.pseudonym('a@example.com', 'customers')",
    "SELECT * FROM ROWS FROM (pgcovenant.pseudonym('a', 'customers')) x",
    "SET search_path = pgcovenant, public; SELECT pseudonym('a', 'customers')",
    "PREPARE p AS SELECT pgcovenant.pseudonym($1, 'customers')",
    "CALL pgcovenant.pseudonym('a', 'customers')",
    "DO $$ BEGIN PERFORM pgcovenant.pseudonym('a', 'customers'); END $$",
    "SELECT * FROM pgcovenant.pseudonym_key",
    "SELECT k FROM pgcovenant.pseudonym_key k",
    "SELECT count(*) FROM pgcovenant.pseudonym_key",
    "SELECT 1 FROM pgcovenant.pseudonym_key WHERE get_byte(inner_pad, 0) > 7",
    "TABLE pgcovenant.pseudonym_key",
    "COPY pgcovenant.pseudonym_key TO STDOUT",
    "COPY (SELECT * FROM pgcovenant.pseudonym_key) TO STDOUT",
    "SELECT * FROM keys_of_ours",
    "UPDATE pgcovenant.pseudonym_key SET inner_pad = inner_pad",
    "DELETE FROM pgcovenant.pseudonym_key",
    "SELECT pgcovenant.create_key('mine', '\\x00112233445566778899aabbccddeeff')",
    "CREATE OR REPLACE FUNCTION pgcovenant.pseudonym(value text, key_name text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
    "CREATE VIEW public.mine AS SELECT * FROM pgcovenant.pseudonym_key",
    "SELECT query_to_xml('select * from pgcovenant.pseudonym_key', true, false, '')",
    "SELECT most_common_vals FROM pg_stats WHERE schemaname = 'pgcovenant'",
    "EXPLAIN VERBOSE SELECT email FROM customers",
    "EXPLAIN (ANALYZE, VERBOSE) SELECT count(*) FROM customers WHERE email = 'x'",
    "EXPLAIN VERBOSE SELECT * FROM pgcovenant.pseudonym_key",
    "SELECT email FROM customers WHERE email = (SELECT pgcovenant.pseudonym('a', 'customers'))",
];

#[tokio::test]
async fn a_governed_superuser_gets_no_key_and_no_pseudonym_of_a_guess() {
    let Some(shop) = shop("governed_superuser") else { return };
    install(&shop);
    shop.sql("CREATE VIEW public.keys_of_ours AS SELECT name, inner_pad FROM pgcovenant.pseudonym_key");
    let (proxy, _policies) = proxy(&shop);
    for user in ["postgres", "support"] {
        let session = shop.via(&proxy, user).await;
        let digest = session.value("SELECT email FROM customers WHERE id = 1").await;
        assert_eq!(digest.len(), 64, "{user}");
        for attack in ATTACKS {
            let session = shop.via(&proxy, user).await;
            match session.simple(attack).await {
                // The definition of a function is shown as NULL.
                Ok(answer) if answer == ["pg_get_functiondef", "\\N", "(1)"] => {}
                Ok(answer) => panic!("{user}: {attack}: {answer:?}"),
                Err(error) => {
                    let code = error.code().map(|code| code.code().to_owned()).unwrap_or_default();
                    assert!(
                        matches!(&*code, "42501" | "0A000" | "55000" | "42883" | "42704"),
                        "{user}: {attack}: {error:?}"
                    );
                }
            }
        }
        let source =
            session.rows("SELECT prosrc, pg_get_functiondef(oid) FROM pg_proc WHERE proname = 'pseudonym'").await;
        assert_eq!(source, ["\\N|\\N"], "{user}");
        // The same value has the same pseudonym wherever it is masked under the key, and nothing else is told of it.
        let same = "SELECT count(*) FROM customers a JOIN customers b ON a.email = b.email";
        assert_eq!(session.value(same).await, session.value("SELECT count(*) FROM customers").await, "{user}");
    }
    let pads =
        shop.sql("SELECT encode(inner_pad, 'hex') || ' ' || encode(outer_pad, 'hex') FROM pgcovenant.pseudonym_key");
    for pad in pads.split(' ') {
        assert!(!proxy.log().contains(pad) && !shop.cluster.log().contains(pad));
    }
}
