//! Columns that are written side by side: whether they say the same, as metrics and the log tell it.

use crate::support::shop::Policies;
use crate::support::{Proxy, ProxyOptions, Shop, shop, until};

const DEPRECATED: &str = "              phase: deprecated\n";

/// A proxy that compares redirected columns five times a second.
fn proxy(shop: &Shop, policies: &Policies) -> Proxy {
    Proxy::start(
        shop.cluster,
        ProxyOptions {
            policies: Some(policies.path().to_owned()),
            environment: vec![("PGCOVENANT_PASSWORD".into(), "pgcovenant".into())],
            more: "service: {user: pgcovenant, password_env: PGCOVENANT_PASSWORD, refresh: 1s, divergence: 200ms}"
                .into(),
            ..ProxyOptions::default()
        },
    )
}

/// A shop whose `estimated_delivery` is redirected like this, and readable for the service account.
fn redirected(name: &str, redirect: &str) -> Option<(Shop, Policies)> {
    let shop = shop(name)?;
    shop.sql("GRANT SELECT (estimated_delivery, shipping_eta) ON orders TO pgcovenant");
    let policies = shop.policies();
    policies.replace("contract.odcs.yaml", DEPRECATED, &format!("{DEPRECATED}              {redirect}\n"));
    Some((shop, policies))
}

const PAIR: &[(&str, &str)] = &[
    ("schemaname", "public"),
    ("relname", "orders"),
    ("column", "estimated_delivery"),
    ("replacement", "shipping_eta"),
];

fn backfill(state: &'static str) -> Vec<(&'static str, &'static str)> {
    [PAIR, &[("state", state)]].concat()
}

#[test]
fn a_backfill_and_rows_that_differ_are_counted() {
    let Some((shop, policies)) = redirected("divergence", "dualWrite: true") else { return };
    shop.sql("UPDATE orders SET shipping_eta = NULL, estimated_delivery = '2026-01-01 00:00+00'");
    shop.sql("UPDATE orders SET estimated_delivery = NULL WHERE order_id <= 10");
    let proxy = proxy(&shop, &policies);
    proxy.metric_becomes("pgcovenant_backfill_rows", &backfill("missing"), 230.0);
    proxy.metric_becomes("pgcovenant_backfill_rows", &backfill("done"), 10.0);
    assert_eq!(proxy.metric_if_any("pgcovenant_divergent_rows", PAIR), Some(0.0), "not copied yet is not different");
    assert_eq!(proxy.metric("pgcovenant_divergence_sampled_ratio", PAIR), 1.0);
    let first = proxy.metric("pgcovenant_divergence_last_check_timestamp_seconds", PAIR);
    assert!(first > 1.7e9, "{first}");

    shop.sql("UPDATE orders SET shipping_eta = estimated_delivery");
    proxy.metric_becomes("pgcovenant_backfill_rows", &backfill("missing"), 0.0);
    proxy.metric_becomes("pgcovenant_backfill_rows", &backfill("done"), 240.0);
    shop.sql("UPDATE orders SET estimated_delivery = now() WHERE order_id BETWEEN 21 AND 23");
    shop.sql("UPDATE orders SET shipping_eta = now() WHERE order_id = 1");
    proxy.metric_becomes("pgcovenant_divergent_rows", PAIR, 4.0);
    until("the log tells of it", || proxy.log().contains("estimated_delivery and shipping_eta differ"));
    shop.sql("UPDATE orders SET shipping_eta = estimated_delivery");
    proxy.metric_becomes("pgcovenant_divergent_rows", PAIR, 0.0);
    until("the log tells of it", || proxy.log().contains("estimated_delivery and shipping_eta agree"));
    assert_eq!(proxy.log().matches("shipping_eta differ").count(), 1, "only changes are told");
    assert!(proxy.metric("pgcovenant_divergence_last_check_timestamp_seconds", PAIR) > first);
}

#[test]
fn a_pair_that_is_no_longer_redirected_leaves_no_metrics() {
    let Some((shop, policies)) = redirected("divergence_ends", "redirect: read") else { return };
    let proxy = proxy(&shop, &policies);
    until("the pair is compared", || proxy.metric_if_any("pgcovenant_divergent_rows", PAIR).is_some());
    policies.replace("contract.odcs.yaml", "              redirect: read\n", "");
    until("it is forgotten", || proxy.metric_if_any("pgcovenant_divergent_rows", PAIR).is_none());
    assert_eq!(proxy.metric_if_any("pgcovenant_backfill_rows", PAIR), None);
}

#[test]
fn what_is_left_behind_on_purpose_does_not_count_as_different() {
    let Some((shop, policies)) = redirected("divergence_both", "redirect: both") else { return };
    shop.sql("UPDATE orders SET shipping_eta = now(), estimated_delivery = '2026-01-01 00:00+00'");
    let proxy = proxy(&shop, &policies);
    proxy.metric_becomes("pgcovenant_backfill_rows", &backfill("done"), 240.0);
    assert_eq!(proxy.metric_if_any("pgcovenant_divergent_rows", PAIR), None);
}

#[test]
fn an_account_that_may_not_read_the_columns_is_told_in_the_log() {
    let Some((shop, policies)) = redirected("divergence_denied", "dualWrite: true") else { return };
    shop.sql("REVOKE SELECT (estimated_delivery, shipping_eta) ON orders FROM pgcovenant");
    let proxy = proxy(&shop, &policies);
    until("the log tells of it", || {
        proxy
            .log()
            .contains("estimated_delivery and shipping_eta cannot be compared: permission denied for table orders")
    });
    assert_eq!(proxy.metric_if_any("pgcovenant_divergent_rows", PAIR), None);
    assert_eq!(proxy.log().matches("cannot be compared").count(), 1);
    shop.sql("GRANT SELECT (estimated_delivery, shipping_eta) ON orders TO pgcovenant");
    until("the pair is compared", || proxy.metric_if_any("pgcovenant_divergent_rows", PAIR).is_some());
}

#[test]
fn of_a_large_table_a_sample_is_read() {
    let Some((shop, policies)) = redirected("divergence_sample", "dualWrite: true") else { return };
    // One row to a page: a table of a hundred megabytes in a moment.
    shop.sql(
        "ALTER TABLE orders ADD COLUMN ballast text, ALTER ballast SET STORAGE PLAIN;
         INSERT INTO orders (order_id, customer_id, status, total_amount, ballast, estimated_delivery)
         SELECT 1000000 + n, 1, 'new', 0, repeat('x', 7000), now() FROM generate_series(1, 12000) n",
    );
    let proxy = proxy(&shop, &policies);
    until("the pair is compared", || proxy.metric_if_any("pgcovenant_divergence_sampled_ratio", PAIR).is_some());
    let share = proxy.metric("pgcovenant_divergence_sampled_ratio", PAIR);
    assert!((0.5..0.9).contains(&share), "{share}");
    let rows = proxy.metric("pgcovenant_backfill_rows", PAIR);
    assert!((3000.0..12_000.0).contains(&rows), "{rows} of 12240 rows were read");
}

/// Owners of tables choose their types and the casts of these: what the service account compares must not run such code.
#[test]
fn neither_a_cast_nor_a_check_that_somebody_has_made_runs_as_the_service_account() {
    let Some((shop, policies)) = redirected("divergence_cast", "dualWrite: true") else { return };
    shop.sql(
        "CREATE FUNCTION told(text) RETURNS boolean LANGUAGE plpgsql AS
             $$BEGIN RAISE WARNING '% as %', $1, current_user; RETURN true; END$$;
         CREATE TYPE stamp AS (at timestamptz);
         CREATE FUNCTION stamped(timestamptz) RETURNS stamp LANGUAGE plpgsql AS
             $$BEGIN PERFORM public.told('stamped'); RETURN ROW($1); END$$;
         CREATE CAST (timestamptz AS stamp) WITH FUNCTION stamped(timestamptz);
         ALTER TABLE orders ALTER shipping_eta TYPE stamp USING CASE WHEN shipping_eta IS NOT NULL THEN ROW(shipping_eta)::stamp END",
    );
    shop.sql("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC");
    let proxy = proxy(&shop, &policies);
    let refused = "cannot be compared: it would run public.stamped(timestamp with time zone)";
    until("the log tells of it", || proxy.log().contains(refused));
    assert!(!shop.cluster.log().contains("stamped as pgcovenant"), "{}", shop.cluster.log());

    // A check inside of a type that a value is cast to.
    shop.sql(
        "DROP CAST (timestamptz AS stamp);
         CREATE DOMAIN checked AS timestamptz CHECK (public.told('checked')); CREATE TYPE wrapped AS (at checked);
         ALTER TABLE orders ALTER estimated_delivery TYPE text USING '(' || quote_ident(estimated_delivery::text) || ')',
             ALTER shipping_eta TYPE wrapped USING CASE WHEN shipping_eta IS NOT NULL THEN ROW((shipping_eta).at)::wrapped END",
    );
    until("the log tells of it", || proxy.log().contains("it would run the checks of public.checked"));
    assert!(!shop.cluster.log().contains("checked as pgcovenant"), "{}", shop.cluster.log());
}

#[test]
fn a_value_that_cannot_be_compared_is_not_told() {
    let Some((shop, policies)) = redirected("divergence_values", "dualWrite: true") else { return };
    shop.sql("ALTER TABLE orders ALTER estimated_delivery TYPE text USING 'Zq8-' || order_id");
    let proxy = proxy(&shop, &policies);
    until("the log tells of it", || proxy.log().contains("cannot be compared: the server answers with SQLSTATE 22007"));
    assert!(!proxy.log().contains("Zq8"), "{}", proxy.log());
}
