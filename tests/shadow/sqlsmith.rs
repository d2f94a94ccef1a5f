//! Statements of sqlsmith, another project's generator, which knows nothing of us: A and its twin must answer alike.
//!
//! It is not needed: without the program (Debian's package `sqlsmith`) the test is skipped with a notice.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::markers::Markers;
use crate::support::raw;
use crate::wire::{Answer, Message, Wire};
use crate::world::{A, B, ORACLE, World, world};

/// Statements of a normal run.
const STATEMENTS: usize = 150;

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

fn installed() -> bool {
    Command::new("sqlsmith").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// What it makes of the tables, views and functions that the governed role can use in the oracle.
fn statements(world: &World, count: usize, seed: usize) -> Vec<String> {
    let target = format!("host=127.0.0.1 port={} user=nurse dbname={ORACLE}", world.cluster.port());
    let arguments = ["--dry-run".to_owned(), "--exclude-catalog".to_owned(), format!("--target={target}")];
    let output = Command::new("sqlsmith")
        .args(arguments)
        .args([format!("--seed={seed}"), format!("--max-queries={count}")])
        .stderr(Stdio::null())
        .output()
        .expect("sqlsmith cannot be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let statements = text.split(";\n").map(|statement| {
        let spoken = |line: &&str| !["SQLsmith", "Loading", "Generating"].iter().any(|word| line.starts_with(word));
        statement.lines().filter(spoken).collect::<Vec<_>>().join("\n").trim().to_owned()
    });
    statements.filter(|statement| !statement.is_empty()).collect()
}

/// In a transaction that leaves nothing behind.
fn ask(wire: &mut Wire, sql: &str) -> (Answer, Vec<Message>) {
    wire.simple("BEGIN");
    let answer = wire.ask(&raw::query(sql));
    wire.simple("ROLLBACK");
    answer
}

fn session(world: &World, database: &str) -> Wire {
    let mut wire = if database == ORACLE { world.direct("nurse", database) } else { world.via("nurse", database) };
    assert_eq!(wire.simple("SET statement_timeout = '2s'").error, None);
    wire
}

/// The part of an error that is the same for others like it.
fn reason(error: &(String, String)) -> String {
    let words = error.1.replace("statement cannot be checked against the data policy (A policy protects columns from this user, and what is not understood is refused: ", "(");
    let plain: String =
        words.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).take(60).collect();
    format!("{} {plain}", error.0)
}

#[test]
fn statements_of_sqlsmith_show_nothing() {
    if !installed() {
        eprintln!("skipped: sqlsmith is not installed");
        return;
    }
    let Some(world) = world() else { return };
    let mut markers = Markers::read(&mut world.direct("postgres", A));
    markers.extend(Markers::read(&mut world.direct("postgres", B)));
    let count = number("PGCOVENANT_SQLSMITH").unwrap_or(STATEMENTS);
    let seed = number("PGCOVENANT_SHADOW_SEED").unwrap_or(1);
    let (mut a, mut b, mut oracle) = (session(&world, A), session(&world, B), session(&world, ORACLE));
    let (mut answered, mut failed, mut refused, mut leaks) = (0, 0, 0, String::new());
    let mut reasons: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let began = Instant::now();
    let statements = statements(&world, count, seed);
    assert!(statements.len() * 10 > count * 9, "sqlsmith made {} statements of {count}", statements.len());
    for sql in &statements {
        let (in_a, bytes_a) = ask(&mut a, sql);
        let (in_b, bytes_b) = ask(&mut b, sql);
        if let Some(what) = markers.search(&[&bytes_a[..], &bytes_b[..]].concat(), sql.as_bytes()) {
            let _ = writeln!(leaks, "{what}\n  {sql}");
        }
        let late = |answer: &Answer| answer.sqlstate() == Some("57014");
        if bytes_a != bytes_b
            && !late(&in_a)
            && !late(&in_b)
            && bytes_a == ask(&mut a, sql).1
            && bytes_b == ask(&mut b, sql).1
        {
            let _ = writeln!(
                leaks,
                "A: {:?} {} rows, B: {:?} {} rows\n  {sql}",
                in_a.error,
                in_a.rows.len(),
                in_b.error,
                in_b.rows.len()
            );
        }
        match &in_a.error {
            None => answered += 1,
            Some(error) => match ask(&mut oracle, sql).0.error {
                None => {
                    refused += 1;
                    let entry = reasons.entry(reason(error)).or_default();
                    entry.0 += 1;
                    if entry.1.is_empty() || sql.len() < entry.1.len() {
                        entry.1.clone_from(sql);
                    }
                }
                Some(_) => failed += 1,
            },
        }
        if a.closed || b.closed || oracle.closed {
            (a, b, oracle) = (session(&world, A), session(&world, B), session(&world, ORACLE));
        }
    }
    println!(
        "{} statements of sqlsmith in {:?}: {answered} answered, {failed} that the oracle does not answer either, {refused} refused",
        statements.len(),
        began.elapsed()
    );
    for (reason, (times, example)) in &reasons {
        println!("{times} times {reason}\n{example}\n");
    }
    assert!(leaks.is_empty(), "{leaks}");
}
