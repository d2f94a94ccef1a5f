//! How much of a corpus of real statements the analysis understands.
//!
//! `cargo bench --bench corpus -- FILE`, where FILE holds one JSON object a line, `{"sql": …, "source": …, "pg_ok": …}`,
//! plain or gzipped. Each statement is judged as one of an observed and of a governed session. Prints, for each source, the
//! share that is analysed in full and the share that is admitted where a policy governs but protects none of its tables;
//! then the reasons of the rest, panics, the slowest statements and the peak of memory. Exits with 1 after a panic or a
//! statement slower than a second.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::zombie_processes,
    reason = "a report, not a server"
)]

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgcovenant::engine::check::{Facts, Protocol, check};
use pgcovenant::engine::report::Report;
use pgcovenant::engine::verdict::Verdict;
use pgcovenant::model::catalog::{Catalog, SearchPath};
use pgcovenant::policy::compile::Bundle;
use pgcovenant::policy::snapshot::{Database, Snapshot};
use pgcovenant::policy::subject::Subject;
use pgcovenant::policy::view::SubjectView;
use serde_json::Value;

const DATABASE: &str = "corpus";
const SLOW: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Group {
    statements: u32,
    analysed: u32,
    admitted: u32,
}

#[derive(Default)]
struct Tally {
    groups: BTreeMap<String, Group>,
    reasons: BTreeMap<String, u32>,
    panics: Vec<String>,
    slowest: Vec<(Duration, String)>,
    spent: Duration,
    runs: u32,
}

fn main() -> ExitCode {
    let Some(path) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')) else {
        println!("corpus: no file given; cargo bench --bench corpus -- FILE.jsonl[.gz]");
        return ExitCode::SUCCESS;
    };
    let snapshot = snapshot();
    let mut tally = Tally::default();
    for line in BufReader::new(open(&path)).lines() {
        let entry: Value = serde_json::from_str(&line.expect("the file ends early")).expect("not a JSON object");
        if entry["pg_ok"].as_bool() != Some(false) {
            let source = entry["source"].as_str().unwrap_or("unknown");
            judge(&snapshot, entry["sql"].as_str().expect("no sql"), source, &mut tally);
        }
    }
    tally.print();
    let within_bounds = tally.panics.is_empty() && tally.slowest.first().is_none_or(|(took, _)| *took < SLOW);
    if within_bounds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn open(path: &str) -> Box<dyn Read> {
    if path.ends_with(".gz") {
        let gzip = Command::new("gzip").args(["-dc", path]).stdout(Stdio::piped()).spawn().expect("gzip");
        Box::new(gzip.stdout.expect("stdout is piped"))
    } else {
        Box::new(std::fs::File::open(path).expect("the file cannot be opened"))
    }
}

/// One empty database without policies: everybody is observed.
fn snapshot() -> Snapshot {
    let database = Database { catalog: Arc::new(Catalog::new(DATABASE, 150_000)), lineages: HashMap::new() };
    let databases = HashMap::from([(DATABASE.into(), Arc::new(database))]);
    Snapshot::new(1, Arc::new(Bundle::default()), databases)
}

fn judge(snapshot: &Snapshot, sql: &str, source: &str, tally: &mut Tally) {
    let subject = Subject { user: "someone".into(), database: DATABASE.into(), ..Subject::default() };
    let observed = run(snapshot, &snapshot.view(&subject), sql);
    let governed =
        run(snapshot, &Arc::new(SubjectView { fingerprint: 1, governed: true, ..SubjectView::default() }), sql);
    let group = tally.groups.entry(source.split(':').next().unwrap_or(source).to_owned()).or_default();
    group.statements += 1;
    group.admitted += u32::from(matches!(governed.verdict, Some(Verdict::Admit(_))));
    match &observed.verdict {
        None => {}
        Some(Verdict::Admit(admitted)) => match reason(&admitted.report) {
            None => group.analysed += 1,
            Some(reason) => *tally.reasons.entry(reason.to_owned()).or_default() += 1,
        },
        Some(Verdict::Refuse(refusal)) => {
            let reason = format!("refused though observed: {} {}", refusal.sqlstate.code(), refusal.message);
            *tally.reasons.entry(reason).or_default() += 1;
        }
    }
    tally.add(sql, &observed);
    tally.add(sql, &governed);
}

/// What came of one statement; no verdict after a panic.
struct Run {
    verdict: Option<Verdict>,
    took: Duration,
}

fn run(snapshot: &Snapshot, view: &Arc<SubjectView>, sql: &str) -> Run {
    let path = SearchPath::default();
    let facts = Facts { database: DATABASE, view, search_path: Some(&path), protocol: Protocol::Simple };
    let began = Instant::now();
    let verdict = catch_unwind(AssertUnwindSafe(|| check(snapshot, &facts, sql))).ok();
    Run { verdict, took: began.elapsed() }
}

/// Why a text was not analysed in full.
fn reason(report: &Report) -> Option<&'static str> {
    let reason = report.statements.iter().find_map(|statement| statement.unanalysed);
    reason.or(report.statements.is_empty().then_some("no statement in the report"))
}

impl Tally {
    fn add(&mut self, sql: &str, run: &Run) {
        self.runs += 1;
        self.spent += run.took;
        if run.verdict.is_none() {
            self.panics.push(sql.to_owned());
        }
        self.slowest.push((run.took, sql.chars().take(100).collect()));
        self.slowest.sort_by_key(|(took, _)| Reverse(*took));
        self.slowest.truncate(5);
    }

    fn print(&self) {
        let mut all = Group::default();
        println!("{:<24} {:>10} {:>10} {:>8} {:>10} {:>8}", "source", "statements", "analysed", "", "admitted", "");
        for (name, group) in &self.groups {
            all.statements += group.statements;
            all.analysed += group.analysed;
            all.admitted += group.admitted;
            group.print(name);
        }
        all.print("all");
        println!("\nmean {:?} a check; the slowest:", self.spent / self.runs.max(1));
        for (took, sql) in &self.slowest {
            println!("  {took:>12?}  {}", sql.replace('\n', " "));
        }
        println!("\nreasons of the rest:");
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, count)| Reverse(**count));
        for (reason, count) in reasons {
            println!("  {count:>6}  {reason}");
        }
        println!("\npeak of memory: {}", peak_of_memory());
        println!("panics: {}", self.panics.len());
        for sql in self.panics.iter().take(20) {
            println!("  {}", sql.replace('\n', " "));
        }
    }
}

impl Group {
    fn print(&self, name: &str) {
        let share = |part: u32| 100.0 * f64::from(part) / f64::from(self.statements.max(1));
        let Self { statements, analysed, admitted } = self;
        let (of_analysed, of_admitted) = (share(*analysed), share(*admitted));
        println!("{name:<24} {statements:>10} {analysed:>10} {of_analysed:>7.1}% {admitted:>10} {of_admitted:>7.1}%");
    }
}

fn peak_of_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |value| value.trim().to_owned())
}
