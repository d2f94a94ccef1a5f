//! Changes of the structure of a small shop, with a record of usage that says what the tests say.

mod shop;

use self::shop::{AFTER, BEFORE, Shop};
use crate::engine::cache::VerdictCache;
use crate::engine::check::{Facts, Protocol, check};
use crate::engine::verdict::Verdict;
use crate::model::catalog::SearchPath;
use crate::policy::subject::Subject;

#[test]
fn what_is_in_use_stays_and_its_consumers_are_listed() {
    let shop = Shop::new(BEFORE, "")
        .used("public.orders.estimated_delivery", "billing", "2026-02-20T10:11:12.5Z")
        .starred("public.orders.estimated_delivery", "reports", "2026-02-19T10:11:12Z");
    let refusal = shop.refused("ALTER TABLE orders DROP COLUMN estimated_delivery");
    assert_eq!(refusal.sqlstate.code(), "2BP01");
    assert_eq!(refusal.message, "cannot drop column estimated_delivery of table orders because it is in use");
    assert_eq!(
        refusal.detail.unwrap(),
        "application \"billing\", user app: 3 shapes of statements, 1 use, last seen 2026-02-20T10:11:12Z\n\
         application \"reports\", user app: 3 shapes of statements, 1 use, last seen 2026-02-19T10:11:12Z, by * only"
    );
    assert_eq!(
        refusal.hint.unwrap(),
        "Deprecate it, and try again when nobody has used it or tried to for 30 days. \"pgcovenant usage \
         public.orders.estimated_delivery\" shows who does."
    );
    for (sql, message) in [
        (
            "ALTER TABLE orders RENAME estimated_delivery TO x",
            "cannot rename column estimated_delivery of table orders because it is in use",
        ),
        (
            "ALTER TABLE public.orders ALTER estimated_delivery TYPE text",
            "cannot alter the type of column estimated_delivery of table orders because it is in use",
        ),
        ("DROP TABLE customers, orders", "cannot drop table orders because it is in use"),
        ("ALTER TABLE orders RENAME TO o", "cannot rename table orders because it is in use"),
        ("ALTER TABLE orders SET SCHEMA s", "cannot move table orders to another schema because it is in use"),
        ("DROP SCHEMA public CASCADE", "cannot drop schema public because table orders is in use"),
        ("SELECT 1; DROP TABLE orders", "cannot drop table orders because it is in use"),
    ] {
        assert_eq!(shop.refused(sql).message, message, "{sql}");
    }
    for sql in [
        "ALTER TABLE orders DROP COLUMN status",
        "ALTER TABLE orders DROP COLUMN IF EXISTS nothing",
        "ALTER TABLE orders ADD COLUMN note text",
        "ALTER TABLE orders ALTER estimated_delivery SET NOT NULL",
        "CREATE INDEX ON orders (estimated_delivery)",
        "COMMENT ON COLUMN orders.estimated_delivery IS 'old'",
        "GRANT SELECT ON orders TO anna",
        "DROP TABLE customers",
        "DROP TABLE nothing",
        "CREATE TEMP TABLE orders (a int); DROP TABLE orders",
        "DROP TABLE pg_temp.orders",
        "DROP VIEW states",
    ] {
        shop.admitted(sql);
    }
}

#[test]
fn parts_and_views_are_looked_at_where_they_go_too() {
    let shop = Shop::new(BEFORE, "").used("public.states.status", "web", "2026-02-20T00:00:00Z").used(
        "public.orders_2026.id",
        "archive",
        "2026-02-20T00:00:00Z",
    );
    let message = |sql| shop.refused(sql).message;
    assert_eq!(message("DROP VIEW states"), "cannot drop view states because it is in use");
    assert_eq!(
        message("ALTER TABLE states RENAME COLUMN status TO state"),
        "cannot rename column status of view states because it is in use"
    );
    assert_eq!(
        message("ALTER TABLE orders DROP COLUMN id"),
        "cannot drop column id of table orders because column id of table orders_2026 is in use"
    );
    assert_eq!(
        message("ALTER TABLE orders DROP COLUMN status CASCADE"),
        "cannot drop column status of table orders because view states is in use"
    );
    assert_eq!(message("DROP TABLE orders CASCADE"), "cannot drop table orders because table orders_2026 is in use");
    // Without CASCADE the server itself refuses to leave the view without its table.
    shop.admitted("ALTER TABLE orders DROP COLUMN status");
    shop.admitted("ALTER TABLE orders DROP COLUMN estimated_delivery CASCADE");
}

#[test]
fn what_no_contract_describes_may_come_and_go() {
    let shop = Shop::new(BEFORE, "").used("public.staging.id", "etl", "2026-02-20T00:00:00Z");
    assert_eq!(shop.admitted("DROP TABLE staging").report.ddl[0].words(), "DROP TABLE: drop public.staging");
}

#[test]
fn a_use_counts_as_long_as_the_policy_says() {
    let shop = |ddl| Shop::new(BEFORE, ddl).used("public.orders.status", "billing", "2026-02-20T00:00:00Z");
    let sql = "ALTER TABLE orders DROP COLUMN status";
    shop("").refused(sql);
    shop("ddl: {in_use_window: 7d}").admitted(sql);
    shop("ddl: {in_use: off}").admitted(sql);
    let warned = shop("ddl: {in_use: warn}").admitted(sql);
    assert_eq!(warned.report.cautions.len(), 1);
    assert_eq!(warned.report.cautions[0].message, "column status of table orders is in use");
}

#[test]
fn past_the_sunset_only_those_count_who_still_name_it() {
    let column = "public.orders.estimated_delivery";
    let sql = "ALTER TABLE orders DROP COLUMN estimated_delivery";
    let recently = "2026-06-10T00:00:00Z";
    Shop::new(AFTER, "").starred(column, "reports", recently).admitted(sql);
    Shop::new(AFTER, "").used(column, "billing", "2026-05-01T00:00:00Z").admitted(sql);
    Shop::new(AFTER, "").used(column, "billing", recently).refused(sql);
    // `*` still shows it to whom the contract exempts.
    Shop::new(AFTER, "").starred(column, "batch", recently).refused(sql);
}

#[test]
fn many_consumers_are_counted_beyond_the_first() {
    let shop = Shop::new(BEFORE, "");
    for number in 0..14 {
        shop.record.add("public.orders.id", &format!("app{number}"), "2026-02-20T00:00:00Z", false);
    }
    let detail = shop.refused("DROP TABLE orders").detail.unwrap();
    assert_eq!(detail.lines().count(), 11);
    assert_eq!(detail.lines().last(), Some("and 4 more"));
}

#[test]
fn verdicts_on_changes_are_never_remembered() {
    let shop = Shop::new(BEFORE, "");
    let view = shop.snapshot.view(&Subject { database: "shop".into(), ..Subject::default() });
    let path = SearchPath::default();
    let facts = Facts { database: "shop", view: &view, search_path: Some(&path), protocol: Protocol::Extended };
    let cache = VerdictCache::new(1 << 20);
    let sql = "ALTER TABLE orders DROP COLUMN status";
    let admitted = || matches!(cache.check(&shop.snapshot, &facts, sql), Verdict::Admit(_));
    assert!(admitted());
    shop.record.add("public.orders.status", "billing", "2026-02-20T00:00:00Z", false);
    assert!(!admitted());
    shop.forget();
    assert!(admitted());
}

#[test]
fn who_is_not_named_may_not_change_what_the_contract_describes() {
    let shop = Shop::new(BEFORE, "ddl: {to: [{role: migrator}]}");
    let refusal = shop.refused("ALTER TABLE orders ADD COLUMN note text");
    assert_eq!(refusal.sqlstate.code(), "42501");
    assert_eq!(refusal.message, "permission denied to change the structure of relation public.orders");
    assert_eq!(refusal.detail.unwrap(), "Policy \"p\", version 2, names who may change what its contract describes.");
    assert_eq!(refusal.hint.unwrap(), "Connect as one of those, or ask dba@example.com.");
    for sql in [
        "CREATE INDEX ON orders (id)",
        "CREATE TRIGGER x BEFORE INSERT ON orders EXECUTE FUNCTION f()",
        "DROP INDEX orders_pkey",
        "DROP TABLE orders_2026",
        "DROP SCHEMA public",
        "CREATE TABLE customers (id int)",
        "SELECT 1; ALTER TABLE orders RENAME TO x",
    ] {
        assert_eq!(shop.refused(sql).sqlstate.code(), "42501", "{sql}");
    }
    for sql in [
        "DROP TABLE staging",
        "CREATE TABLE mine (id int)",
        "CREATE VIEW v AS SELECT * FROM orders",
        "CREATE TABLE other.orders (id int)",
        "DROP INDEX other.i",
        "COMMENT ON TABLE orders IS 'x'",
        "CREATE TEMP TABLE orders (id int)",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ] {
        shop.admitted(sql);
    }
    let migrator = shop.judge_as("migrator", SearchPath::default(), false, "ALTER TABLE orders ADD COLUMN note text");
    assert!(matches!(migrator, Verdict::Admit(_)));
}

#[test]
fn a_freeze_holds_from_its_first_moment_to_before_its_last() {
    let freeze = "ddl: {freeze: [{from: 2026-03-01T12:00:00Z, until: 2026-03-02T00:00:00Z, reason: peak season}]}";
    let shop = Shop::new(BEFORE, freeze);
    let refusal = shop.refused("CREATE TABLE brand_new (id int)");
    assert_eq!(refusal.sqlstate.code(), "55000");
    assert_eq!(refusal.message, "the structure of database shop is frozen until 2026-03-02T00:00:00Z");
    assert_eq!(refusal.detail.unwrap(), "Policy \"p\", version 2, freezes it: peak season.");
    for sql in ["DROP INDEX CONCURRENTLY i", "ALTER TYPE y ADD VALUE 'x'", "DROP TABLE nothing", "SELECT 1 INTO t"] {
        assert_eq!(shop.refused(sql).sqlstate.code(), "55000", "{sql}");
    }
    for sql in [
        "GRANT SELECT ON orders TO anna",
        "TRUNCATE orders",
        "CREATE TEMP TABLE t (a int)",
        "SELECT 1",
        "CREATE TABLE IF NOT EXISTS orders (id int)",
    ] {
        shop.admitted(sql);
    }
    shop.refused("CREATE TABLE IF NOT EXISTS brand_new (id int)");
    Shop::new("2026-03-01T11:59:59Z", freeze).admitted("CREATE TABLE brand_new (id int)");
    Shop::new("2026-03-02T00:00:00Z", freeze).admitted("CREATE TABLE brand_new (id int)");
}

#[test]
fn a_lock_timeout_is_asked_for_where_others_would_wait() {
    let shop = Shop::new(BEFORE, "ddl: {lock_timeout: require}");
    let refusal = shop.refused("ALTER TABLE orders ADD COLUMN note text");
    assert_eq!(refusal.sqlstate.code(), "55000");
    assert_eq!(refusal.message, "ALTER TABLE without lock_timeout is not allowed");
    for sql in [
        "SET lock_timeout = 0; DROP TABLE customers",
        "SET lock_timeout = '5s'; RESET lock_timeout; DROP TABLE customers",
        "BEGIN; SET LOCAL lock_timeout = '5s'; COMMIT; DROP TABLE customers",
        "SELECT set_config('lock_timeout', '0', false); DROP TABLE customers",
    ] {
        assert_eq!(shop.refused(sql).sqlstate.code(), "55000", "{sql}");
    }
    for sql in [
        "SET lock_timeout = '5s'; DROP TABLE customers",
        "SET lock_timeout TO 100; DROP TABLE customers",
        "BEGIN; SET LOCAL lock_timeout = '5s'; DROP TABLE customers; COMMIT",
        "SELECT set_config('lock_timeout', '5s', false); DROP TABLE customers",
        "CREATE INDEX CONCURRENTLY ON orders (id)",
        "ALTER TYPE y ADD VALUE 'x'",
        "UPDATE orders SET id = 1",
    ] {
        shop.admitted(sql);
    }
    let with = shop.judge_as("anna", SearchPath::default(), true, "DROP TABLE customers");
    assert!(matches!(with, Verdict::Admit(_)));
    let given = Shop::new(BEFORE, "ddl: {lock_timeout: 5s}").admitted("DROP TABLE public.customers");
    assert_eq!(given.report.effects.depends.lock_timeout, Some(5000));
}

#[test]
fn the_session_is_asked_only_where_that_makes_a_difference() {
    let depends = |ddl, sql| Shop::new(BEFORE, ddl).admitted(sql).report.effects.depends.on_session;
    assert!(depends("", "DROP TABLE customers"));
    assert!(!depends("", "DROP TABLE public.customers"));
    assert!(!depends("", "CREATE TABLE t (a int)"));
    assert!(!depends("ddl: {in_use: off}", "DROP TABLE customers"));
    assert!(depends("ddl: {lock_timeout: 5s}", "DROP TABLE public.customers"));
    assert!(!depends("ddl: {lock_timeout: 5s}", "CREATE INDEX CONCURRENTLY ON public.customers (id)"));
    assert!(!depends("ddl: {lock_timeout: 5s}", "SELECT 1"));
}

#[test]
fn names_are_looked_up_along_the_sessions_own_path() {
    let shop = Shop::new(BEFORE, "").used("public.orders.id", "web", "2026-02-20T00:00:00Z");
    let elsewhere = shop.judge_as("anna", SearchPath::new(["pg_catalog", "other"]), false, "DROP TABLE orders");
    assert!(matches!(elsewhere, Verdict::Admit(_)));
    let own =
        crate::model::temporary::TemporaryRelation { name: "orders".into(), sequence: false, columns: Vec::new() };
    let path = SearchPath::new(["pg_temp", "pg_catalog", "public"]).with_temporary(vec![own]);
    assert!(matches!(shop.judge_as("anna", path.clone(), false, "DROP TABLE orders"), Verdict::Admit(_)));
    assert!(matches!(shop.judge_as("anna", path, false, "DROP TABLE public.orders"), Verdict::Refuse(_)));
}

#[test]
fn without_a_contract_nothing_is_asked() {
    let shop = Shop::new(BEFORE, "");
    let view = shop.snapshot.view(&Subject { database: "other".into(), ..Subject::default() });
    let path = SearchPath::default();
    let facts = Facts { database: "other", view: &view, search_path: Some(&path), protocol: Protocol::Simple };
    let Verdict::Admit(admitted) = check(&shop.snapshot, &facts, "DROP TABLE orders") else { panic!("refused") };
    assert!(!admitted.report.effects.judged_anew);
    assert_eq!(admitted.report.ddl[0].command, "DROP TABLE");
}
