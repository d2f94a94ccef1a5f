//! Foreign drivers: psycopg 3 and node-postgres do the same through the proxy as directly.
//!
//! `./test` installs them under target/drivers; `PGCOVENANT_DRIVERS` names another place.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{project, shop};

fn drivers() -> PathBuf {
    std::env::var_os("PGCOVENANT_DRIVERS").map_or_else(|| project("target/drivers"), PathBuf::from)
}

/// Runs a script that takes the two connection strings and compares.
fn check(name: &str, program: PathBuf, script: &str) {
    if !program.exists() || !drivers().exists() {
        let required = std::env::var_os("PGCOVENANT_REQUIRE_PG").is_some_and(|value| value == "1");
        assert!(!required, "{} is missing: ./test installs it", program.display());
        eprintln!("skipped: {} is missing", program.display());
        return;
    }
    let Some(shop) = shop(name) else { return };
    let (proxy, _policies) = shop.proxy();
    let url = |port| format!("postgresql://shop_app:shop_app@127.0.0.1:{port}/{}", shop.database);
    let output = Command::new(program)
        .arg(project(script))
        .args([url(shop.cluster.port()), url(proxy.port())])
        .env("NODE_PATH", drivers().join("node_modules"))
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{}", proxy.log());
    println!("{said}");
}

#[test]
fn psycopg_3() {
    check("psycopg", drivers().join("venv/bin/python"), "tests/drivers/psycopg_check.py");
}

#[test]
fn node_postgres() {
    let node = ["/usr/bin/node", "/usr/local/bin/node"].map(PathBuf::from).into_iter().find(|path| path.exists());
    check("node", node.unwrap_or_else(|| "/usr/bin/node".into()), "tests/drivers/node_check.cjs");
}
