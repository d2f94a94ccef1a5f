//! `pgcovenant init`: what it writes is valid, promises what is there, and disturbs nobody.

use std::fs;
use std::path::Path;

use crate::support::{Proxy, ProxyOptions, Shop, shop};

fn run(arguments: &[&str]) -> (i32, String) {
    let (code, stdout, stderr) = Proxy::run(arguments);
    (code.expect("ended by a signal"), stdout + &stderr)
}

fn init(shop: &Shop, out: &Path, more: &[&str]) -> (i32, String) {
    let (port, out) = (shop.cluster.port().to_string(), out.display().to_string());
    let mut arguments =
        vec!["init", "--host", "127.0.0.1", "--port", &port, "--user", "pgcovenant", "--database", &shop.database];
    arguments.extend(["--out", &out]);
    arguments.extend(more);
    run(&arguments)
}

fn start(shop: &Shop, policies: &Path) -> Proxy {
    let options = ProxyOptions {
        policies: Some(policies.to_owned()),
        service: Some("pgcovenant"),
        more: "drift: {grace: 0s, fail_readiness: breaking}".to_owned(),
        ..ProxyOptions::default()
    };
    Proxy::start(shop.cluster, options)
}

#[tokio::test]
async fn a_first_contract_holds_and_its_policy_disturbs_nobody() {
    let Some(shop) = shop("init") else { return };
    shop.sql("COMMENT ON TABLE orders IS 'What was bought'; COMMENT ON COLUMN orders.status IS 'new, paid: or so'");
    shop.sql("CREATE TABLE events (id bigint, day date NOT NULL, primary key (id, day)) PARTITION BY RANGE (day)");
    shop.sql("CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')");
    shop.sql(
        "CREATE TYPE mood AS ENUM ('a', 'b'); CREATE DOMAIN address AS text CHECK (value <> ''); CREATE TYPE pair AS (a int, b text);
         CREATE TABLE \"Odd table\" (\"yes\" mood[], \"a.b\" bit, c char, d \"char\", e bpchar, f address, g pair, ip inet,
             h interval second(2), i timestamp(3), j bit varying(5), k time(2) with time zone, l numeric(5, 2)[], m oid,
             n int GENERATED ALWAYS AS (1 + 1) STORED, primary key (c, \"a.b\"));
         CREATE TABLE refers (a bit, b char, foreign key (b, a) references \"Odd table\" (c, \"a.b\"));
         CREATE TABLE \"dotted.name\" (id int primary key, parent int references \"dotted.name\");
         CREATE TABLE pieces (id int, d date) PARTITION BY HASH (id, (abs(id)));
         CREATE MATERIALIZED VIEW shown AS SELECT country, count(*) FROM customers GROUP BY 1;
         CREATE TABLE nothing (); CREATE TABLE heir (more text) INHERITS (employees)",
    );
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("policies");
    let (code, said) = init(&shop, &out, &[]);
    assert_eq!(code, 0, "{said}");
    let contract = fs::read_to_string(out.join("contract.odcs.yaml")).unwrap();
    for line in [
        "# review me: looks like pii.email",
        "    description: What was bought\n",
        "relationships: [{type: foreignKey, to: customers.id}]",
        "unique: true",
        "partitioned: true, partitionKeyPosition: 1",
        "physicalType: view\n",
        "physicalType: \"public.mood[]\"",
    ] {
        assert!(contract.contains(line), "{line}\n{contract}");
    }
    assert!(!contract.contains("events_1"), "a partition is no table of its own\n{contract}");
    let folder = out.display().to_string();
    let (code, said) = run(&["check", &folder]);
    assert!(code == 0 && said.contains("no errors, 0 warnings"), "{said}\n{contract}");
    let (code, said) = run(&["test", &folder]);
    assert!(code == 0 && said.contains(" 0 failed") && !said.contains("0 passed"), "{said}");

    let proxy = start(&shop, &out);
    let (code, said) = run(&["drift", "--config", &proxy.config().display().to_string(), "--fail-on", "cosmetic"]);
    assert!(code == 0 && said.contains("no drift"), "{said}\n{contract}");
    for user in ["shop_app", "support", "analyst"] {
        let (through, direct) = (shop.via(&proxy, user).await, shop.direct(user).await);
        for sql in [
            "SELECT * FROM customers ORDER BY id LIMIT 5",
            "SELECT ssn, email FROM customers WHERE email LIKE 'a%' ORDER BY id LIMIT 5",
            "SELECT * FROM active_customers ORDER BY id LIMIT 5",
            "SELECT avg(salary) FROM employees",
        ] {
            assert_eq!(through.simple(sql).await.unwrap(), direct.simple(sql).await.unwrap(), "{user}: {sql}");
        }
        assert_eq!(through.notices(), [], "{user}");
    }
    proxy.metric_reaches("pgcovenant_shadow_findings_total", &[("rule", "email-is-protected")], 1.0).await;
}

#[test]
fn files_are_not_overwritten_and_come_out_the_same() {
    let Some(shop) = shop("init_again") else { return };
    let folder = tempfile::tempdir().unwrap();
    let read =
        || ["contract.odcs.yaml", "policy.yaml"].map(|name| fs::read_to_string(folder.path().join(name)).unwrap());
    assert_eq!(init(&shop, folder.path(), &[]).0, 0);
    let first = read();
    fs::write(folder.path().join("policy.yaml"), "mine").unwrap();
    let (code, said) = init(&shop, folder.path(), &[]);
    assert!(code == 2 && said.contains("is there already") && said.contains("--force"), "{said}");
    assert_eq!(read()[1], "mine");
    assert_eq!(init(&shop, folder.path(), &["--force"]).0, 0);
    let (code, said) = init(&shop, folder.path(), &["--force", "--schema", "a.b"]);
    assert!(code == 2 && said.contains("cannot name the schema"), "{said}");
    assert_eq!(read(), first);
    let (code, said) = init(&shop, &folder.path().join("other"), &["--schema", "nowhere"]);
    assert!(code == 2 && said.contains("no table or view in schema nowhere"), "{said}");
    assert!(!folder.path().join("other").exists());
}

#[test]
fn it_asks_with_the_account_of_a_configuration() {
    let Some(shop) = shop("init_config") else { return };
    let (proxy, _policies) = shop.proxy();
    let (config, folder) = (proxy.config().display().to_string(), tempfile::tempdir().unwrap());
    let out = folder.path().display().to_string();
    let (code, said) = run(&["init", "--config", &config, "--database", &shop.database, "--out", &out]);
    assert_eq!(code, 0, "{said}");
    assert!(fs::read_to_string(folder.path().join("contract.odcs.yaml")).unwrap().contains("name: payments\n"));
    let (code, said) = run(&["init", "--config", &config, "--database", "nowhere", "--out", &out, "--force"]);
    assert!(code == 2 && said.contains("cannot read nowhere"), "{said}");
}
