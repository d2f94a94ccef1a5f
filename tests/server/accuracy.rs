//! Under load, the metrics say what pgbench and pg_stat_statements say.
//!
//! A run takes a few seconds, or as long as `PGCOVENANT_LOAD_SECONDS` says.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Cluster, ClusterOptions, Proxy, ProxyOptions, cluster, postgres, project, shop};

const ROLE: &str = "bench";
const DATABASE: &str = "shop";

/// One statement whose time is known: most of it is spent asleep.
const LOOKUP: &str = "\\set id random(1, 1000)\n\\set ms random(1, 30)\n\
    SELECT v FROM lookup WHERE id = :id AND pg_sleep(:ms / 1000.0) IS NOT NULL;\n";

const SHOP: &str = "\\set id random(1, 400)\n\
    SELECT o.status, c.country FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.order_id = :id;\n\
    SELECT item_id, product FROM order_items WHERE order_id = :id;\n\
    UPDATE orders SET status = 'paid' WHERE order_id = :id;\n";

/// Bounds of the buckets, in seconds, as the proxy has them.
const BOUNDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

fn seconds() -> u32 {
    let given = std::env::var("PGCOVENANT_LOAD_SECONDS").ok();
    given.map_or(5, |text| text.parse().expect("PGCOVENANT_LOAD_SECONDS is a number of seconds"))
}

/// A server that counts its own statements, or none where that cannot be.
fn counting_cluster() -> Option<Cluster> {
    let library = postgres::binaries()?.join("../lib/pg_stat_statements.so");
    if !library.exists() {
        eprintln!("skipped: {} is not there", library.display());
        return None;
    }
    let settings = ["shared_preload_libraries = 'pg_stat_statements'", "pg_stat_statements.track = top"];
    let cluster =
        cluster(ClusterOptions { settings: settings.map(String::from).to_vec(), ..ClusterOptions::default() })?;
    shop::load(&cluster, DATABASE);
    let port = cluster.port().to_string();
    let made = Command::new(cluster.program("pgbench"))
        .args(["-i", "-q", "-s", "1", "-h", "127.0.0.1", "-p", &port, "-U", postgres::SUPERUSER, DATABASE])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    cluster.sql(
        DATABASE,
        &format!(
            "CREATE EXTENSION pg_stat_statements; CREATE ROLE {ROLE} LOGIN; \
             CREATE TABLE lookup AS SELECT n AS id, n AS v FROM generate_series(1, 1000) AS n; \
             CREATE INDEX ON lookup (id); ANALYZE; GRANT ALL ON ALL TABLES IN SCHEMA public TO {ROLE}"
        ),
    );
    Some(cluster)
}

/// A run of pgbench through the proxy.
struct Load {
    process: std::process::Child,
}

impl Load {
    fn start(cluster: &Cluster, proxy: &Proxy, folder: &Path, name: &str, arguments: &[&str]) -> Self {
        let (port, time) = (proxy.port().to_string(), seconds().to_string());
        let process = Command::new(cluster.program("pgbench"))
            .args(["-n", "-h", "127.0.0.1", "-p", &port, "-U", ROLE, "-T", &time])
            .args(arguments)
            .arg(DATABASE)
            .env("PGAPPNAME", name)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { process }
    }

    /// How many transactions it says that it has done.
    fn transactions(self) -> f64 {
        let output = self.process.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let line = said.lines().find_map(|line| line.strip_prefix("number of transactions actually processed: "));
        line.expect(&said).split('/').next().unwrap().trim().parse().unwrap()
    }
}

/// Calls and rows that the server has counted for statements like these.
fn counted(cluster: &Cluster, pattern: &str) -> (f64, f64) {
    let sql = format!(
        "SELECT coalesce(sum(calls), 0) || ' ' || coalesce(sum(rows), 0) FROM pg_stat_statements \
         WHERE userid = '{ROLE}'::regrole AND query ~* '{pattern}'"
    );
    let line = cluster.sql(DATABASE, &sql);
    let (calls, rows) = line.split_once(' ').unwrap();
    (calls.parse().unwrap(), rows.parse().unwrap())
}

fn agree(what: &str, ours: f64, theirs: f64) {
    eprintln!("{what}: {ours} here, {theirs} there");
    assert!(theirs > 0.0, "{what}: nothing ran");
    assert!((ours - theirs).abs() <= theirs / 1000.0, "{what}: {ours} here, {theirs} there");
}

/// The bucket that 95 of 100 are in or below, from the times that pgbench has logged.
fn logged_bucket(folder: &Path) -> usize {
    let mut times: Vec<f64> = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.file_name().unwrap().to_string_lossy().starts_with("times.") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        times.extend(text.lines().map(|line| line.split(' ').nth(2).unwrap().parse::<f64>().unwrap() / 1e6));
    }
    times.sort_by(f64::total_cmp);
    let p95 = times[(times.len() * 95).div_ceil(100) - 1];
    eprintln!("p95 of pgbench: {:.3} ms of {} transactions", p95 * 1e3, times.len());
    BOUNDS.partition_point(|bound| *bound < p95)
}

/// The same from our histogram.
fn shown_bucket(proxy: &Proxy, labels: &[(&str, &str)]) -> usize {
    let name = "pgcovenant_table_statement_duration_seconds";
    let all = proxy.metric(&format!("{name}_count"), labels);
    let up_to = |bound: &f64| {
        let bound = bound.to_string();
        proxy.metric(&format!("{name}_bucket"), &[labels, &[("le", bound.as_str())]].concat())
    };
    let bucket = BOUNDS.iter().position(|bound| up_to(bound) >= all * 0.95).unwrap_or(BOUNDS.len());
    eprintln!("p95 of the histogram: below {:?} s of {all} statements", BOUNDS.get(bucket));
    bucket
}

#[tokio::test]
async fn under_load_the_metrics_say_what_pgbench_and_the_server_say() {
    let Some(cluster) = counting_cluster() else { return };
    let policies = Some(project("policies/shop"));
    let proxy = Proxy::start(&cluster, ProxyOptions { policies, service: Some("pgcovenant"), ..Default::default() });
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lookup.sql"), LOOKUP).unwrap();
    fs::write(folder.path().join("shop.sql"), SHOP).unwrap();
    cluster.sql(DATABASE, "SELECT pg_stat_statements_reset()");

    let start = |name, arguments: &[&str]| Load::start(&cluster, &proxy, folder.path(), name, arguments);
    let lookups = start("lookups", &["-M", "prepared", "-c", "4", "-l", "--log-prefix=times", "-f", "lookup.sql"]);
    let bank = start("bank", &["-M", "simple", "-c", "2"]);
    let orders = start("orders", &["-M", "extended", "-c", "2", "-f", "shop.sql"]);
    let (lookups, bank, orders) = (lookups.transactions(), bank.transactions(), orders.transactions());

    for (operation, pattern) in
        [("select", "^select"), ("update", "^update"), ("insert", "^insert"), ("transaction", "^(begin|end|commit)")]
    {
        let (calls, _) = counted(&cluster, pattern);
        let labels = [("datname", DATABASE), ("operation", operation)];
        proxy.metric_reaches("pgcovenant_statements_total", &labels, calls).await;
        agree(operation, proxy.metric("pgcovenant_statements_total", &labels), calls);
        agree(operation, proxy.metric("pgcovenant_statement_duration_seconds_count", &labels), calls);
    }
    for (relation, operation, scope, pattern) in [
        ("lookup", "select", "single", "from lookup"),
        ("pgbench_accounts", "select", "single", "^select.*from pgbench_accounts"),
        ("pgbench_accounts", "update", "single", "^update pgbench_accounts"),
        ("pgbench_tellers", "update", "single", "^update pgbench_tellers"),
        ("pgbench_branches", "update", "single", "^update pgbench_branches"),
        ("pgbench_history", "insert", "single", "^insert into pgbench_history"),
        ("order_items", "select", "single", "from order_items"),
        ("orders", "update", "single", "^update orders"),
        ("orders", "select", "multi", "from orders o join"),
        ("customers", "select", "multi", "from orders o join"),
    ] {
        let (calls, rows) = counted(&cluster, pattern);
        let labels = [("schemaname", "public"), ("relname", relation), ("operation", operation)];
        let what = format!("{operation} {relation}");
        agree(&what, proxy.metric("pgcovenant_table_statements_total", &labels), calls);
        let timed = [&labels[..], &[("scope", scope)]].concat();
        agree(&what, proxy.metric("pgcovenant_table_statement_duration_seconds_count", &timed), calls);
        if scope == "single" {
            assert_eq!(proxy.metric("pgcovenant_table_rows_total", &labels), rows, "rows of {what}");
        }
    }
    let sent = |application| proxy.metric("pgcovenant_statements_total", &[("application", application)]);
    agree("lookups", sent("lookups"), lookups);
    agree("orders", sent("orders"), 3.0 * orders);
    // Before it begins, pgbench asks how large and how partitioned its tables are.
    agree("bank", sent("bank"), 7.0 * bank + 2.0);
    assert_eq!(proxy.metric("pgcovenant_errors_total", &[]), 0.0);

    let single = [("relname", "lookup"), ("operation", "select"), ("scope", "single")];
    let (logged, shown) = (logged_bucket(folder.path()), shown_bucket(&proxy, &single));
    assert!(logged.abs_diff(shown) <= 1, "buckets {logged} and {shown}");
}
