//! The commands of the runbooks, run as they stand there: beside a proxy at work, its server and a Prometheus.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::alerts::at_work;
use crate::support::{Prometheus, PrometheusOptions, Proxy, ProxyOptions, Shop, project, shop};

/// The commands of a page's `console` blocks: what follows `$ `, up to a line that does not end with a backslash.
fn commands(page: &str) -> Vec<String> {
    let blocks = page.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut commands = Vec::new();
    for block in blocks {
        for line in block.replace("\\\n", " ").lines() {
            let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("not a command: {line}"));
            commands.push(command.to_owned());
        }
    }
    commands
}

/// What docs/runbooks/README.md tells its readers to set.
fn environment(shop: &Shop, proxy: &Proxy, prometheus: &Prometheus, programs: &Path) -> Vec<(&'static str, String)> {
    let text = |value: &str| value.to_owned();
    let database = shop.database.clone();
    vec![
        ("PATH", format!("{}:{}", programs.display(), std::env::var("PATH").unwrap())),
        ("PROXY", format!("127.0.0.1:{}", proxy.admin_port())),
        ("LISTEN", format!("127.0.0.1:{}", proxy.port())),
        ("PROMETHEUS", format!("http://127.0.0.1:{}", prometheus.port())),
        ("PGCOVENANT_CONFIG", proxy.config().display().to_string()),
        ("PGCOVENANT_PASSWORD", text("pgcovenant")),
        ("AUDIT", proxy.directory().join("audit.jsonl").display().to_string()),
        ("PGHOST", shop.cluster.socket_directory().display().to_string()),
        ("PGPORT", shop.cluster.port().to_string()),
        ("PGUSER", text("postgres")),
        ("PGDATABASE", database.clone()),
        ("THROUGH", format!("host=127.0.0.1 port={} user=shop_app password=shop_app dbname={database}", proxy.port())),
        ("DATNAME", database),
        ("SCHEMANAME", text("public")),
        ("RELNAME", text("orders")),
        ("COLUMN", text("estimated_delivery")),
        ("REPLACEMENT", text("shipping_eta")),
        ("APPLICATION", text("checkout")),
        ("SUBJECT", text("support")),
    ]
}

/// Runs it until it succeeds and says something: what it asks for may not have been counted yet.
fn answers(command: &str, environment: &[(&'static str, String)], until: Instant) -> Result<(), String> {
    loop {
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("set -o pipefail; {command}")]).envs(environment.iter().cloned());
        let output = shell.output().expect("bash");
        if output.status.success() && !output.stdout.trim_ascii().is_empty() {
            return Ok(());
        }
        if Instant::now() > until {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(format!(
                "{command}\n  {}: {errors}{:?}",
                output.status,
                String::from_utf8_lossy(&output.stdout)
            ));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_a_runbook_succeeds_and_says_something() {
    let Some(shop) = shop("runbooks") else { return };
    let policies = shop.policies();
    let state = tempfile::tempdir().unwrap();
    let options = ProxyOptions {
        policies: Some(policies.path().to_owned()),
        service: Some("pgcovenant"),
        tls: true,
        more: format!(
            "drift: {{interval: 1s, grace: 0s}}\nstate: {{path: {}, flush: 1s}}",
            state.path().join("state.sqlite").display()
        ),
        ..ProxyOptions::default()
    };
    let proxy = Proxy::start(shop.cluster, options);
    let work = at_work(&shop, &proxy).await;
    let rules = fs::read_dir(project("deploy/prometheus/rules")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let options = PrometheusOptions { targets: vec![proxy.admin_port()], rules, ..PrometheusOptions::default() };
    let Some(prometheus) = Prometheus::start(&options) else { return };
    let programs = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(crate::support::proxy::binary(), programs.path().join("pgcovenant")).unwrap();
    let environment = environment(&shop, &proxy, &prometheus, programs.path());

    let mut wanted = BTreeSet::new();
    for entry in fs::read_dir(project("docs/runbooks")).unwrap() {
        wanted.extend(commands(&fs::read_to_string(entry.unwrap().path()).unwrap()));
    }
    assert!(wanted.len() > 30, "{wanted:?}");
    let until = Instant::now() + Duration::from_secs(90);
    let failed: Vec<_> = wanted.iter().filter_map(|command| answers(command, &environment, until).err()).collect();
    assert!(failed.is_empty(), "{} of {} fail:\n{}\n{}", failed.len(), wanted.len(), failed.join("\n"), proxy.log());
    work.abort();
}
