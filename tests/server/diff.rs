//! `pgcovenant diff` with a database on one side.

use crate::support::{Proxy, ProxyOptions, Shop, shop};

/// A configuration that names the server and the service account; the proxy itself is not used.
fn configured(shop: &Shop) -> Proxy {
    shop.transparent_proxy()
}

/// Rule, path and change of every finding of `pgcovenant diff`, and its exit code.
fn diff(proxy: &Proxy, old: &str, new: &str) -> (i32, Vec<String>) {
    let config = proxy.config().display().to_string();
    let (code, said, error) = Proxy::run(&["diff", "--config", &config, "--format", "json", old, new]);
    let code = code.expect("ended by a signal");
    let json: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{error}"));
    let word = |value: &serde_json::Value| value.as_str().unwrap_or("nothing").to_owned();
    let line = |finding: &serde_json::Value| {
        let [level, rule, path] = ["level", "rule", "path"].map(|key| word(&finding[key]));
        format!("{level} {rule} {path}: {} -> {}", word(&finding["old"]), word(&finding["new"]))
    };
    (code, json["findings"].as_array().unwrap().iter().map(line).collect())
}

#[test]
fn a_contract_that_is_kept_does_not_differ_from_its_database() {
    let Some(shop) = shop("diff_kept") else { return };
    let proxy = configured(&shop);
    let (contract, database) = (shop.policies(), format!("pg:{}", shop.database));
    let folder = contract.path().display().to_string();
    let more = "info schema-added public.active_customers: nothing -> nothing".to_owned();
    assert_eq!(diff(&proxy, &folder, &database), (0, vec![more]), "a view that no contract describes");
    assert_eq!(diff(&proxy, &database, &folder), (0, Vec::new()));
    assert_eq!(diff(&proxy, &database, &database), (0, Vec::new()));
}

#[test]
fn what_a_database_no_longer_keeps_of_its_contract_is_found() {
    let Some(shop) = shop("diff_live") else { return };
    let proxy = configured(&shop);
    let (contract, database) = (shop.policies(), format!("pg:{}", shop.database));
    let folder = contract.path().display().to_string();
    shop.sql("DROP VIEW active_customers");
    shop.sql("ALTER TABLE customers DROP COLUMN notes, ALTER country DROP NOT NULL, ALTER email TYPE varchar(60), ADD fax text");
    shop.sql(
        "ALTER TABLE employees DROP CONSTRAINT employees_pkey CASCADE; DROP TABLE payments; CREATE TABLE more (a int)",
    );
    shop.sql("CREATE TABLE parted (a int) PARTITION BY RANGE (a); CREATE TABLE part PARTITION OF parted DEFAULT");
    shop.sql("CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.unknown (a int)");
    shop.sql("ALTER TABLE order_items ALTER item_id TYPE bigint");
    let (code, findings) = diff(&proxy, &folder, &database);
    assert_eq!(code, 1);
    assert_eq!(
        findings,
        [
            "error type-changed public.customers.email: character varying(120) -> character varying(60)",
            "error field-removed public.customers.notes: text -> nothing",
            "error key-constraint-changed public.employees: id -> nothing",
            "error schema-removed public.payments: 6 columns -> nothing",
            "warning required-changed public.customers.country: required -> optional",
            "warning type-changed public.order_items.item_id: integer -> bigint",
            "info field-added public.customers.fax: nothing -> text",
            "info schema-added public.more: nothing -> nothing",
            "info schema-added public.parted: nothing -> nothing",
        ]
    );
}

#[test]
fn two_databases_are_compared_with_each_other() {
    let Some(shop) = shop("diff_before") else { return };
    let after = shop.twin("diff_after");
    after.sql("ALTER TABLE orders DROP COLUMN estimated_delivery; DROP TABLE payments");
    let proxy = configured(&shop);
    let (one, other) = (format!("pg:{}", shop.database), format!("pg:{}", after.database));
    assert_eq!(
        diff(&proxy, &one, &other).1,
        [
            "error field-removed public.orders.estimated_delivery: timestamp with time zone -> nothing",
            "error schema-removed public.payments: 6 columns -> nothing",
        ]
    );
}

#[test]
fn a_database_that_cannot_be_read_is_told_with_exit_code_2() {
    let Some(shop) = shop("diff_nowhere") else { return };
    let proxy = configured(&shop);
    let contract = shop.policies();
    let folder = contract.path().display().to_string();
    let config = proxy.config().display().to_string();
    for (database, words) in [
        ("pg:no_such_database", "database \"no_such_database\" does not exist"),
        ("pg:postgres", "no contract is about the database postgres; known: shop_diff_nowhere"),
    ] {
        let (code, out, said) = Proxy::run(&["diff", "--config", &config, &folder, database]);
        assert_eq!(code, Some(2), "{out}{said}");
        assert!(said.contains(words), "{said}");
    }
    let without = Proxy::start(shop.cluster, ProxyOptions::default());
    let config = without.config().display().to_string();
    let (code, out, said) = Proxy::run(&["diff", "--config", &config, &folder, "pg:postgres"]);
    assert_eq!(code, Some(2), "{out}{said}");
    assert!(said.contains("names no service account"), "{said}");
}
