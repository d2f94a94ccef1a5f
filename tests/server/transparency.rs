//! A policy with no rule that matches is invisible: PostgreSQL's own clients get the same through the proxy as directly.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::raw::{self, Raw};
use crate::support::{Shop, shop};

fn client(shop: &Shop, program: &str, port: u16, arguments: &[&str]) -> Output {
    Command::new(shop.cluster.program(program))
        .args(arguments)
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", port.to_string())
        .env("PGUSER", "shop_app")
        .env("PGDATABASE", &shop.database)
        .env("PGCONNECT_TIMEOUT", "20")
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn same(shop: &Shop, port: u16, program: &str, arguments: &[&str]) {
    let direct = client(shop, program, shop.cluster.port(), arguments);
    let via = client(shop, program, port, arguments);
    assert_eq!(direct.status.code(), via.status.code(), "{program} {arguments:?}: {}", text(&via));
    assert_eq!(without_secrets(&text(&direct)), without_secrets(&text(&via)), "{program} {arguments:?}");
}

/// pg_dump of the newest minor versions writes a random word into `\restrict` and `\unrestrict`.
fn without_secrets(text: &str) -> String {
    let is_random = |line: &&str| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict");
    text.lines().filter(is_random).collect::<Vec<_>>().join("\n")
}

#[test]
fn psql() {
    let Some(shop) = shop("psql") else { return };
    let (proxy, _policies) = shop.proxy();
    for command in [
        "SELECT * FROM customers ORDER BY id",
        "SELECT * FROM nowhere",
        "SELECT 1; SELECT 2; SELECT 1/0; SELECT 3",
        "BEGIN; UPDATE orders SET status = 'paid'; ROLLBACK",
        "DO $$ BEGIN RAISE NOTICE 'hello'; RAISE WARNING 'you'; END $$",
        "\\d",
        "\\d+ customers",
        "\\d+ active_customers",
        "\\dn+",
        "\\du",
        "\\df pg_catalog.abs",
        // Only its own: other tests make databases meanwhile.
        "\\l shop_psql",
        "\\dp",
        "\\conninfo",
        "\\encoding",
        "EXPLAIN (COSTS OFF) SELECT order_id FROM orders WHERE customer_id = 3",
    ] {
        if command == "\\conninfo" {
            assert!(client(&shop, "psql", proxy.port(), &["-Xc", command]).status.success());
        } else {
            same(&shop, proxy.port(), "psql", &["-Xc", command]);
        }
    }
}

#[test]
fn pg_dump_as_the_application_user() {
    let Some(shop) = shop("dump") else { return };
    if !shop.cluster.can_be_dumped() {
        return;
    }
    let (proxy, _policies) = shop.proxy();
    same(&shop, proxy.port(), "pg_dump", &[]);
    same(&shop, proxy.port(), "pg_dump", &["--inserts", "--rows-per-insert=50", "-t", "payments"]);
}

#[test]
fn pg_restore_and_copy_in() {
    let Some(shop) = shop("restore") else { return };
    if !shop.cluster.can_be_dumped() {
        return;
    }
    let (proxy, _policies) = shop.proxy();
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("shop.dump").display().to_string();
    let sums = "SELECT md5(string_agg(c::text, ',' ORDER BY id)) FROM customers c";
    let before = shop.sql(sums);
    let output = client(&shop, "pg_dump", proxy.port(), &["-Fc", "-a", "-t", "customers", "-f", &archive]);
    assert!(output.status.success(), "{}", text(&output));
    shop.sql("TRUNCATE customers CASCADE");
    let output = client(&shop, "pg_restore", proxy.port(), &["-a", "-d", &shop.database, &archive]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(shop.sql(sums), before);
}

fn pgbench(shop: &Shop, port: u16, arguments: &[&str]) {
    let output = client(shop, "pgbench", port, arguments);
    let said = text(&output);
    assert!(output.status.success(), "pgbench {arguments:?}: {said}");
    assert!(said.contains("number of failed transactions: 0"), "pgbench {arguments:?}: {said}");
}

#[test]
fn pgbench_in_all_three_protocols() {
    let Some(shop) = shop("pgbench") else { return };
    let (proxy, _policies) = shop.proxy();
    let output = client(&shop, "pgbench", proxy.port(), &["-i", "-q", "-s", "1"]);
    assert!(output.status.success(), "{}", text(&output));
    for protocol in ["simple", "extended", "prepared"] {
        pgbench(&shop, proxy.port(), &["-n", "-S", "-M", protocol, "-c", "4", "-j", "2", "-t", "300"]);
        pgbench(&shop, proxy.port(), &["-n", "-M", protocol, "-c", "4", "-j", "2", "-t", "100"]);
    }
    let sums = shop.sql("SELECT sum(abalance) = (SELECT sum(bbalance) FROM pgbench_branches) FROM pgbench_accounts");
    assert_eq!(sums, "t");
    assert_eq!(shop.sql("SELECT count(*) FROM pgbench_history"), "1200");
}

#[test]
fn pgbench_with_pipelines() {
    let Some(shop) = shop("pgbench_pipeline") else { return };
    let (proxy, _policies) = shop.proxy();
    let script = proxy.directory().join("pipeline.sql").display().to_string();
    let statements = "\\startpipeline\nSELECT 1;\nSELECT count(*) FROM orders;\nSELECT 2;\n\\endpipeline\n";
    std::fs::write(Path::new(&script), statements).unwrap();
    pgbench(&shop, proxy.port(), &["-n", "-M", "extended", "-f", &script, "-c", "2", "-t", "100"]);
}

#[test]
fn the_login_shows_the_server_itself() {
    let Some(shop) = shop("login") else { return };
    let (proxy, _policies) = shop.proxy();
    let direct = Raw::connect(shop.cluster.port(), "shop_app", &shop.database);
    let mut via = Raw::connect(proxy.port(), "shop_app", &shop.database);
    assert_eq!(direct.parameters, via.parameters);
    let pid = u32::from_be_bytes([via.key[0], via.key[1], via.key[2], via.key[3]]);
    let trace = via.exchange(&[raw::query("SELECT pg_backend_pid()")], 1);
    assert!(trace[1].contains(&pid.to_string()), "{trace:?} is not {pid}");
}

#[test]
fn odd_but_legal_traffic_passes() {
    let Some(shop) = shop("odd") else { return };
    let (proxy, _policies) = shop.proxy();
    let long = format!("SELECT '{}'", "x".repeat(300_000));
    let conversations: &[(&[Vec<u8>], usize)] = &[
        (&[raw::query("")], 1),
        (&[raw::query("-- nothing"), raw::query(" ; ; ")], 2),
        (&[raw::query(&long)], 1),
        (&[raw::extended(""), raw::sync()], 1),
        (&[raw::extended(&long), raw::sync()], 1),
        (&[raw::sync(), raw::sync(), raw::flush(), raw::sync()], 3),
        (&[raw::parse("a", "SELECT 1"), raw::parse("b", "SELECT 2"), raw::describe_of(b'S', "a"), raw::sync()], 1),
        (&[raw::bind("", "b"), raw::execute("", 0), raw::bind("", "a"), raw::execute("", 0), raw::sync()], 1),
        (&[raw::close(b'S', "a"), raw::close(b'S', "never"), raw::bind("", "a"), raw::sync()], 1),
        (&[raw::parse("", "SELECT 1; SELECT 2"), raw::sync()], 1),
        (&[raw::query("PREPARE q AS SELECT 7"), raw::query("EXECUTE q"), raw::query("DEALLOCATE ALL")], 3),
        (&[raw::query("BEGIN; DECLARE c CURSOR FOR SELECT * FROM payments; FETCH 3 FROM c; COMMIT")], 1),
        (&[raw::query("COPY (SELECT 1, 2) TO STDOUT")], 1),
        (&[raw::query("CREATE TEMP TABLE t (a int)"), raw::query("COPY t FROM STDIN")], 1),
    ];
    let mut direct = Raw::connect(shop.cluster.port(), "shop_app", &shop.database);
    let mut via = Raw::connect(proxy.port(), "shop_app", &shop.database);
    for (number, (frames, ready)) in conversations.iter().enumerate() {
        assert_eq!(direct.exchange(frames, *ready), via.exchange(frames, *ready), "conversation {number}");
    }
    for session in [&mut direct, &mut via] {
        assert_eq!(session.until(b'G'), ["G"]);
    }
    let rest = [
        raw::copy_data("1\n2\n"),
        raw::copy_data("3\n"),
        raw::sync(),
        raw::copy_done(),
        raw::query("SELECT sum(a) FROM t"),
    ];
    assert_eq!(direct.exchange(&rest, 2), via.exchange(&rest, 2));
    let failing = [raw::query("COPY t FROM STDIN"), raw::copy_data("4\n"), raw::copy_fail("no"), raw::query("TABLE t")];
    assert_eq!(direct.exchange(&failing, 2), via.exchange(&failing, 2));
}
