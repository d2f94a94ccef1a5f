//! Code that applications have hidden in indexes, views, casts and the like: it must not run while we ask for plans.

use serde_json::Value;

use super::{OFTEN, plan, proxy, shop, until};
use crate::support::{Proxy, ProxyOptions};

/// A function that takes the role back and says who it is then, and what an application's role could hide it in.
const SPY: &str = "
CREATE FUNCTION spy(number integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$
    BEGIN BEGIN PERFORM set_config('role', 'none', false); EXCEPTION WHEN OTHERS THEN NULL; END; RAISE LOG 'spied as % for %', current_user, session_user; RETURN number; END $$;
CREATE FUNCTION spy_text(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
    BEGIN PERFORM spy(1); RETURN $1; END $$;
CREATE FUNCTION upper(varchar) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM spy(1); RETURN 'X'; END $$;
CREATE FUNCTION spy_compares(integer, numeric) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
    BEGIN PERFORM spy(1); RETURN true; END $$;
CREATE OPERATOR <<< (LEFTARG = integer, RIGHTARG = numeric, FUNCTION = spy_compares);
CREATE TABLE by_index (a integer);
CREATE INDEX by_index_idx ON by_index ((a + spy(1)));
CREATE TABLE by_predicate (a integer);
CREATE INDEX by_predicate_idx ON by_predicate (a) WHERE a > spy(1);
CREATE TABLE by_check (a integer CHECK (a > spy(1)));
CREATE TABLE by_policy (a integer);
ALTER TABLE by_policy ENABLE ROW LEVEL SECURITY;
ALTER TABLE by_policy FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON by_policy USING (a > spy(1));
CREATE TABLE by_statistics (a integer, b integer);
CREATE STATISTICS by_statistics_spy ON (a + spy(1)), b FROM by_statistics;
CREATE TABLE by_parts (a integer) PARTITION BY RANGE ((a + spy(1)));
CREATE TABLE by_parts_1 PARTITION OF by_parts FOR VALUES FROM (0) TO (10);
CREATE TABLE plain (a integer, t varchar(20));
CREATE VIEW by_view AS SELECT a FROM plain WHERE a > spy(1);
CREATE VIEW by_other_view AS SELECT v.a FROM by_view v;
CREATE VIEW by_xml AS SELECT a FROM plain WHERE table_to_xml('by_view', true, true, '')::text <> '';
CREATE DOMAIN odd AS integer CHECK (VALUE > spy(1));
CREATE TABLE by_domain (a odd);
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE FUNCTION spy_mood(mood) RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT spy(1)';
CREATE CAST (mood AS integer) WITH FUNCTION spy_mood(mood) AS IMPLICIT;
CREATE TABLE by_cast (a mood);
";

const SPYING: &[&str] = &[
    "SELECT spy(1)",
    "SELECT a FROM plain WHERE a = public.spy(1)",
    "SELECT a FROM plain WHERE t = upper('x'::varchar)",
    "SELECT a FROM plain WHERE 1 <<< 1.5",
    "SELECT a FROM plain WHERE 1 OPERATOR(public.<<<) 1.5",
    "SELECT a FROM by_index",
    "SELECT a FROM by_predicate WHERE a = 3",
    "SELECT a FROM by_check",
    "SELECT a FROM by_policy",
    "SELECT a FROM by_statistics",
    "SELECT a FROM by_parts",
    "SELECT a FROM by_parts_1",
    "SELECT a FROM by_view",
    "SELECT a FROM by_other_view",
    "SELECT a FROM by_xml",
    "SELECT a FROM by_domain",
    "SELECT 17::odd",
    "SELECT a FROM plain WHERE a = 'good'::mood",
    "SELECT a FROM by_cast",
    "SELECT table_to_xml('by_view', true, true, '')",
];

#[tokio::test]
async fn functions_of_applications_do_not_run_while_we_ask() {
    let Some(shop) = shop("attack") else { return };
    // By hand, what must not happen does: the test would see it.
    let own = shop.direct("shop_app").await;
    own.simple(SPY).await.unwrap();
    let service = shop.direct("pgcovenant").await;
    service.simple("BEGIN READ ONLY; SET LOCAL ROLE shop_app; EXPLAIN SELECT spy(1); ROLLBACK").await.unwrap();
    let spied = "spied as pgcovenant for pgcovenant";
    assert_eq!(shop.cluster.log().matches(spied).count(), 1);

    let proxy = proxy(&shop, "pgcovenant", "plans: {every: 1h, per_second: 50, timeout: 5s}");
    let app = shop.via(&proxy, "shop_app").await;
    // What the catalog does not tell yet, the server is asked for: the last ones are made while we look.
    let refused = |told: &Value| {
        let shapes = told["shapes"].as_array().unwrap();
        shapes.iter().filter(|shape| matches!(shape["failure"].as_str(), Some("function" | "relation"))).count()
    };
    let run = async || {
        for text in SPYING {
            drop(app.simple(text).await);
        }
        app.rows("SELECT a FROM plain WHERE t = 'harmless'").await;
    };
    let found =
        until(&proxy, run, |told| refused(told) >= SPYING.len() && plan(told, "where t = ?") == "Seq Scan plain");
    let found = found.await;
    assert_eq!(shop.cluster.log().matches(spied).count(), 1, "{found:#}\n{}", shop.cluster.log());
    let planned: Vec<_> = found["shapes"].as_array().unwrap().iter().filter(|shape| !shape["plan"].is_null()).collect();
    assert_eq!(planned.len(), 1, "{planned:#?}");
    let failures = [("datname", shop.database.as_str()), ("reason", "function")];
    assert!(proxy.metric("pgcovenant_plan_sample_failures_total", &failures) >= 10.0);
}

#[tokio::test]
async fn functions_that_are_made_after_the_catalog_was_read_do_not_run_either() {
    let Some(shop) = shop("late") else { return };
    let own = shop.direct("shop_app").await;
    own.simple("CREATE TABLE plain (a integer, t varchar(20)); CREATE TYPE mood AS ENUM ('good', 'bad')")
        .await
        .unwrap();
    let options = ProxyOptions {
        service: Some("pgcovenant"),
        service_more: ", refresh: 1h".to_owned(),
        more: OFTEN.to_owned(),
        ..ProxyOptions::default()
    };
    let proxy = Proxy::start(shop.cluster, options);
    let app = shop.via(&proxy, "shop_app").await;
    app.rows("SELECT a FROM plain").await;
    // Past the proxy, so that its catalog does not have them.
    own.simple(
        "CREATE FUNCTION late(mood) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$
             BEGIN RAISE LOG 'late as % for %', current_user, session_user; RETURN 1; END $$;
         CREATE CAST (mood AS integer) WITH FUNCTION late(mood) AS IMPLICIT;
         CREATE FUNCTION upper(varchar) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
             BEGIN RAISE LOG 'late as % for %', current_user, session_user; RETURN 'X'; END $$;
         CREATE INDEX plain_idx ON plain ((upper(t)))",
    )
    .await
    .unwrap();
    let texts = [
        "SELECT c.a FROM customers e, plain c WHERE c.a = 'good'::mood",
        "SELECT e.id FROM customers e WHERE e.id = 'good'::mood",
        "SELECT e.id FROM customers e WHERE e.name = upper('x'::varchar)",
        "SELECT p.t FROM plain p",
    ];
    let run = async || {
        for text in texts {
            app.simple(text).await.unwrap();
        }
    };
    let refused = |told: &Value| {
        let shapes = told["shapes"].as_array().unwrap().iter();
        shapes.filter(|shape| shape["failure"] == "function").count()
    };
    until(&proxy, run, |told| refused(told) == texts.len()).await;
    assert!(shop.cluster.log().contains("late as shop_app for shop_app"), "the application itself has run them");
    assert!(!shop.cluster.log().contains("late as shop_app for pgcovenant"), "{}", shop.cluster.log());
}
