//! Random statements of a governed session: A and its twin B must answer alike to the byte, and A as the oracle does.
//!
//! Statement number n of a seed is always the same. A failing one is made smaller until nothing can be left out of it.

mod aggregate;
mod change;
mod condition;
mod expr;
mod from;
mod judgement;
mod query;
mod tables;
pub mod tree;
mod types;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::support::raw;
use crate::wire::{Answer, Message, Wire, fields, raw_fields};
use crate::world::{A, B, ORACLE, World, world};
use judgement::{Judgement, Wrong, reason, same, show, unlike};
use query::{Made, Maker};
use tree::{Node, Role, node};

/// Statements of a normal run.
const STATEMENTS: u64 = 600;

/// Of these, as many may be refused that the oracle answers.
const REFUSED_PER_THOUSAND: u64 = 10;

/// How a statement gets there and its rows come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Simple,
    Extended,
    Binary,
    Copy,
    Cursor,
    Prepared,
}

/// A statement and how it travels.
#[derive(Debug, Clone)]
struct Case {
    node: Node,
    way: Way,
    ordered: bool,
    /// It names a column that is denied, be it where the server never looks.
    denied: bool,
}

/// The sessions that are compared.
struct Bench {
    world: World,
    a: Wire,
    b: Wire,
    oracle: Wire,
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn case(seed: u64) -> Case {
    let mut maker = Maker::new(seed);
    if maker.random.once_in(5) {
        let made = maker.change();
        let way = *maker.random.pick(&[Way::Simple, Way::Simple, Way::Extended, Way::Binary, Way::Prepared]);
        return Case { node: made.node, way, ordered: false, denied: maker.denied };
    }
    let made = maker.statement();
    let ways =
        [Way::Simple, Way::Simple, Way::Simple, Way::Extended, Way::Binary, Way::Copy, Way::Cursor, Way::Prepared];
    Case { node: made.node, way: *maker.random.pick(&ways), ordered: made.ordered, denied: maker.denied }
}

impl Case {
    fn sql(&self) -> String {
        let text = self.node.render();
        match self.way {
            Way::Simple | Way::Extended | Way::Binary => text,
            Way::Copy => format!("COPY ({text}) TO STDOUT"),
            Way::Cursor => format!("DECLARE c CURSOR FOR {text}"),
            Way::Prepared => format!("PREPARE p AS {text}"),
        }
    }

    /// Requests, each of which is answered with one ReadyForQuery.
    fn requests(&self) -> Vec<Vec<u8>> {
        let sql = self.sql();
        match self.way {
            Way::Simple | Way::Copy => vec![raw::query(&sql)],
            Way::Extended => vec![[raw::extended(&sql), raw::sync()].concat()],
            Way::Binary => {
                let bind = raw::bind_with("", "", &[], &[], &[1]);
                vec![
                    [raw::parse("", &sql), bind, raw::describe_of(b'P', ""), raw::execute("", 0), raw::sync()].concat(),
                ]
            }
            Way::Cursor => vec![raw::query(&sql), raw::query("FETCH 3 FROM c"), raw::query("FETCH ALL FROM c")],
            Way::Prepared => vec![raw::query(&sql), raw::query("EXECUTE p")],
        }
    }

    /// The same, smaller by a step.
    fn smaller(&self) -> Vec<Self> {
        let mut found: Vec<Self> = self.node.smaller().into_iter().map(|node| Self { node, ..self.clone() }).collect();
        if self.way != Way::Simple {
            found.insert(0, Self { way: Way::Simple, ..self.clone() });
        }
        found
    }
}

/// What one session says to a case, in a transaction that leaves nothing behind.
fn ask(wire: &mut Wire, case: &Case) -> (Answer, Vec<Message>) {
    wire.simple("BEGIN");
    let mut all = Vec::new();
    for request in case.requests() {
        all.extend(wire.ask(&request).1);
    }
    wire.simple("ROLLBACK");
    if case.way == Way::Prepared {
        wire.simple("DEALLOCATE ALL");
    }
    let mut answer = Answer::of(&all);
    // The order may have been left out to make the statement smaller.
    if !case.ordered || !case.sql().contains(" ORDER BY ") {
        answer.rows.sort();
    }
    (answer, all)
}

impl Bench {
    fn new() -> Option<Self> {
        let world = world()?;
        let (a, b, oracle) = (world.via("nurse", A), world.via("nurse", B), world.direct("nurse", ORACLE));
        let mut bench = Self { world, a, b, oracle };
        bench.prepare();
        Some(bench)
    }

    fn prepare(&mut self) {
        for wire in [&mut self.a, &mut self.b, &mut self.oracle] {
            let answer = wire.simple("SET statement_timeout = '4s'");
            assert_eq!(answer.error, None);
        }
    }

    /// New sessions in place of those that were closed.
    fn mend(&mut self) {
        if self.a.closed || self.b.closed || self.oracle.closed {
            self.a = self.world.via("nurse", A);
            self.b = self.world.via("nurse", B);
            self.oracle = self.world.direct("nurse", ORACLE);
            self.prepare();
        }
    }

    /// What is wrong with the answers to a case, if anything, and the words for it.
    fn judge(&mut self, case: &Case) -> Judgement {
        let (expected, _) = ask(&mut self.oracle, case);
        let (in_a, bytes_a) = ask(&mut self.a, case);
        let (in_b, bytes_b) = ask(&mut self.b, case);
        let silent = self.a.closed || self.b.closed;
        self.mend();
        if silent {
            return Judgement::wrong(Wrong::Silence, "no answer".to_owned());
        }
        if expected.sqlstate() == Some("57014") {
            return Judgement::Invalid;
        }
        if bytes_a != bytes_b && in_a.sqlstate() != Some("57014") {
            return Judgement::wrong(Wrong::Leak, format!("A: {}\n  B: {}", show(&in_a), show(&in_b)));
        }
        match (&expected.error, &in_a.error) {
            (None, None) if same(&expected, &in_a) => Judgement::Right,
            (None, Some((code, _))) if case.denied && code == "42501" => Judgement::Invalid,
            (None, None) => Judgement::wrong(Wrong::Answer, unlike(&expected, &in_a)),
            (None, Some((code, message))) => Judgement::wrong(Wrong::Refusal, format!("{code} {message}")),
            (Some((code, message)), None) => Judgement::wrong(Wrong::Admission, format!("{code} {message}")),
            (Some((expected, _)), Some((code, _))) if expected == code => Judgement::Invalid,
            // What the server would not run may be refused for another reason.
            (Some((expected, _)), Some((code, _)))
                if expected.starts_with("42") && (code.starts_with("42") || code == "0A000") =>
            {
                Judgement::Invalid
            }
            (Some(expected), Some(seen)) => Judgement::wrong(
                Wrong::Error,
                format!("{} {}, instead of {} {}", seen.0, seen.1, expected.0, expected.1),
            ),
        }
    }

    /// The smallest case that goes wrong in the same way.
    fn shrink(&mut self, mut case: Case, kind: Wrong, why: &str) -> Case {
        let until = Instant::now() + Duration::from_secs(20);
        let code = why.split(' ').next().unwrap_or_default().to_owned();
        'again: loop {
            for smaller in case.smaller() {
                if Instant::now() > until {
                    return case;
                }
                let same = match self.judge(&smaller) {
                    Judgement::Wrong(other, why) => other == kind && (kind != Wrong::Refusal || why.starts_with(&code)),
                    Judgement::Right | Judgement::Invalid => false,
                };
                if same {
                    case = smaller;
                    continue 'again;
                }
            }
            return case;
        }
    }
}

#[test]
fn random_statements_show_nothing_and_are_answered_as_by_the_oracle() {
    let Some(mut bench) = Bench::new() else { return };
    let (seed, count) = (number("PGCOVENANT_SHADOW_SEED", 1), number("PGCOVENANT_SHADOW_STATEMENTS", STATEMENTS));
    let (mut right, mut invalid) = (0_u64, 0_u64);
    let mut found: BTreeMap<(Wrong, String), (u64, String)> = BTreeMap::new();
    let began = Instant::now();
    for at in 0..count {
        let case = case(seed.wrapping_mul(1_000_003).wrapping_add(at));
        match bench.judge(&case) {
            Judgement::Right => right += 1,
            Judgement::Invalid => invalid += 1,
            Judgement::Wrong(kind, why) => {
                // One example of each reason is enough.
                let reason = match kind {
                    Wrong::Refusal | Wrong::Error | Wrong::Admission => reason(&why),
                    Wrong::Leak | Wrong::Answer | Wrong::Silence => format!("number {at}"),
                };
                let entry = found.entry((kind, reason)).or_default();
                entry.0 += 1;
                if entry.0 == 1 {
                    let small = bench.shrink(case, kind, &why);
                    let why = match bench.judge(&small) {
                        Judgement::Wrong(_, why) => why,
                        Judgement::Right | Judgement::Invalid => why,
                    };
                    entry.1 = format!("{}\n  {why}", small.sql());
                }
            }
        }
    }
    let total =
        |wanted: Wrong| found.iter().filter(|((kind, _), _)| *kind == wanted).map(|(_, (times, _))| times).sum::<u64>();
    let mut report = String::new();
    for ((kind, reason), (times, example)) in &found {
        let _ = writeln!(report, "{kind:?}, {times} times: {reason}\n  {example}");
    }
    let refused = total(Wrong::Refusal);
    println!(
        "{count} statements in {:?}: {right} right, {invalid} that the oracle does not answer either, {refused} refused, {} wrong, {} leaks",
        began.elapsed(),
        total(Wrong::Answer),
        total(Wrong::Leak)
    );
    println!("{report}");
    let bad = [Wrong::Leak, Wrong::Answer, Wrong::Admission, Wrong::Silence];
    assert!(bad.iter().all(|kind| total(*kind) == 0), "{report}");
    assert!(refused * 1000 <= REFUSED_PER_THOUSAND * count, "{refused} of {count} are refused\n{report}");
    assert!(invalid * 4 < count, "{invalid} of {count} are not valid: the test proves too little");
}
