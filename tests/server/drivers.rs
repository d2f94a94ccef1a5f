//! Foreign drivers do the same through the proxy as directly: psycopg 3 and several versions of libpq, asyncpg, SQLAlchemy and
//! Django, node-postgres, JDBC.
//!
//! `./test` installs them under target/drivers; `PGCOVENANT_DRIVERS` names another place.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{project, shop};

fn drivers(path: &str) -> PathBuf {
    std::env::var_os("PGCOVENANT_DRIVERS").map_or_else(|| project("target/drivers"), PathBuf::from).join(path)
}

/// A program of the system, which rustup, nvm and the like may hide.
fn system(program: &str) -> PathBuf {
    let places = ["/usr/bin", "/usr/local/bin"].map(|place| PathBuf::from(place).join(program));
    let [first, second] = places;
    if second.exists() && !first.exists() { second } else { first }
}

fn python() -> PathBuf {
    drivers("venv/bin/python")
}

/// What a check needs beyond its program, as environment variables.
type Environment = (&'static str, PathBuf);

/// Runs a script that takes the two connection strings and compares. `needs` must be there.
fn check(name: &str, program: PathBuf, arguments: &[&str], environment: Option<Environment>) {
    let needs = [Some(&program), environment.as_ref().map(|(_, path)| path)];
    if let Some(missing) = needs.into_iter().flatten().find(|path| !path.exists()) {
        let required = std::env::var_os("PGCOVENANT_REQUIRE_PG").is_some_and(|value| value == "1");
        assert!(!required, "{} is missing: ./test installs it", missing.display());
        eprintln!("skipped: {} is missing", missing.display());
        return;
    }
    let Some(shop) = shop(name) else { return };
    let (proxy, _policies) = shop.proxy();
    let url = |port| format!("postgresql://shop_app:shop_app@127.0.0.1:{port}/{}", shop.database);
    let output = Command::new(program)
        .args(arguments)
        .args([url(shop.cluster.port()), url(proxy.port())])
        .envs(environment)
        .current_dir(project("tests/drivers"))
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{}", proxy.log());
    println!("{said}");
}

#[test]
fn psycopg_3() {
    check("psycopg", python(), &["psycopg_check.py"], None);
}

#[test]
fn asyncpg() {
    check("asyncpg", python(), &["asyncpg_check.py"], None);
}

#[test]
fn sqlalchemy_and_django() {
    check("orm", python(), &["orm_check.py"], None);
}

/// The oldest that is still in use.
#[test]
fn libpq_of_psycopg_3_1() {
    check("libpq_31", python(), &["libpq_check.py"], Some(("PYTHONPATH", drivers("psycopg-3.1"))));
}

#[test]
fn libpq_of_psycopg_3_2() {
    check("libpq_32", python(), &["libpq_check.py"], None);
}

/// Knows protocol 3.2.
#[test]
fn libpq_of_psycopg_3_3() {
    check("libpq_33", python(), &["libpq_check.py"], Some(("PYTHONPATH", drivers("psycopg-3.3"))));
}

#[test]
fn node_postgres() {
    check("node", system("node"), &["node_check.cjs"], Some(("NODE_PATH", drivers("node_modules"))));
}

#[test]
fn jdbc() {
    check("jdbc", system("java"), &["JdbcCheck.java"], Some(("CLASSPATH", "/usr/share/java/postgresql.jar".into())));
}
