//! Mutated statements of a governed user, judged twice: by the engine, and for what it admits by an oracle that shares
//! nothing with it.
//!
//! Deterministic: mutant number n is always the same text. A normal run tries a fixed count; with
//! `PGCOVENANT_FUZZ_SECONDS` it goes on with further numbers for that long, and `PGCOVENANT_FUZZ_FROM` says where to start.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod mutate;
mod oracle;
mod readings;

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mutate::Random;
use oracle::Oracle;
use pgcovenant::engine::cache::VerdictCache;
use pgcovenant::engine::check::{Facts, Protocol, check};
use pgcovenant::engine::verdict::Verdict;
use pgcovenant::model::catalog::{Catalog, SearchPath};
use pgcovenant::model::contract;
use pgcovenant::policy::compile::Bundle;
use pgcovenant::policy::snapshot::{Database, Snapshot};
use pgcovenant::policy::subject::Subject;
use pgcovenant::policy::view::SubjectView;
use pgcovenant::sql::{lexer, lineage};

/// Mutants of a normal run.
const MUTANTS: u64 = 60_000;

/// Mutants that are read in both ways.
const READ_TWICE: u64 = 20_000;

/// The policies of the repository, and a user whom they govern.
struct World {
    snapshot: Snapshot,
    view: Arc<SubjectView>,
    path: SearchPath,
    oracle: Oracle,
    /// Statements over the shop's tables, most of which this user may run.
    seeds: Vec<&'static str>,
    /// These, and others in the styles of mappers, of dialects and of people who try the lexer.
    corpus: Vec<&'static str>,
}

/// Statements of the project's own, one a line.
const CORPUS: &[&str] = &[
    include_str!("../corpus/shop.sql"),
    include_str!("../corpus/orms.sql"),
    include_str!("../corpus/dialect.sql"),
    include_str!("../corpus/tokens.sql"),
];

impl World {
    fn new(user: &str) -> Self {
        let (bundle, problems) = Bundle::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/shop"));
        let bundle = bundle.unwrap_or_else(|| panic!("{problems:?}"));
        let catalog: Catalog = contract::to_catalog(bundle.contracts(), "shop");
        let lineages = lineage::of_views(&catalog);
        let database = Arc::new(Database { catalog: Arc::new(catalog), lineages });
        let snapshot = Snapshot::new(1, Arc::new(bundle), HashMap::from([(Box::from("shop"), Arc::clone(&database))]));
        let subject = Subject {
            user: user.into(),
            database: "shop".into(),
            roles: BTreeSet::from([Box::from(user)]),
            ..Subject::default()
        };
        let view = snapshot.view(&subject);
        let oracle = Oracle::new(&database.catalog, &view);
        let seeds = CORPUS.iter().take(1).flat_map(|text| text.lines()).collect();
        let corpus = CORPUS.iter().flat_map(|text| text.lines()).collect();
        Self { snapshot, view, path: SearchPath::default(), oracle, seeds, corpus }
    }

    fn facts(&self) -> Facts<'_> {
        Facts { database: "shop", view: &self.view, search_path: Some(&self.path), protocol: Protocol::Simple }
    }

    /// Judges one text in all ways. Whether it was admitted, or what is wrong.
    fn judge(&self, cache: &VerdictCache, text: &str, number: u64) -> Result<bool, String> {
        let verdict = check(&self.snapshot, &self.facts(), text);
        let sent = answer(text, &verdict);
        let remembered = answer(text, &cache.check(&self.snapshot, &self.facts(), text));
        if !same(text, &sent, &remembered) {
            return Err(format!("the cache answers otherwise: {remembered:?}, not {sent:?}"));
        }
        if let Ok(sent) = &sent {
            self.oracle.judge(text, sent).map_err(|why| format!("{why}\n  sent: {sent}"))?;
        }
        if let Some(other) = mutate::with_other_literals(&mut Random::new(!number), text) {
            self.same_shape(cache, text, &other)?;
        }
        Ok(sent.is_ok())
    }

    /// A text that the cache takes for the same must have the same answer as without a cache.
    fn same_shape(&self, cache: &VerdictCache, text: &str, other: &str) -> Result<(), String> {
        if shape(text) != shape(other) {
            return Ok(());
        }
        let fresh = answer(other, &check(&self.snapshot, &self.facts(), other));
        let remembered = answer(other, &cache.check(&self.snapshot, &self.facts(), other));
        if !same(other, &fresh, &remembered) {
            return Err(format!("of the same shape as {other}, but {remembered:?}, not {fresh:?}"));
        }
        match fresh {
            Ok(sent) => self.oracle.judge(other, &sent).map_err(|why| format!("{why}\n  sent: {sent}")),
            Err(_) => Ok(()),
        }
    }
}

/// The text that would be sent, or how the refusal reads.
fn answer(text: &str, verdict: &Verdict) -> Result<String, String> {
    match verdict {
        Verdict::Admit(admitted) => Ok(admitted.rewritten_text().unwrap_or(text).to_owned()),
        Verdict::Refuse(refusal) => Err(format!("{}: {}", refusal.sqlstate.code(), refusal.message)),
    }
}

/// Equal; or refused for its syntax, where a cache that looks at no literal and no comment leaves that to the server.
fn same(text: &str, fresh: &Result<String, String>, remembered: &Result<String, String>) -> bool {
    match (fresh, remembered) {
        (Err(why), Ok(_)) => why.starts_with("42601") && !oracle::is_sql(text),
        (fresh, remembered) => fresh == remembered,
    }
}

fn shape(text: &str) -> Option<Vec<u8>> {
    let tokens = lexer::lex(text).ok()?;
    let mut key = Vec::new();
    lexer::shape(text, &tokens, &mut key);
    Some(key)
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn seeds_are_judged_and_many_are_admitted() {
    let world = World::new("support");
    let cache = VerdictCache::new(1 << 20);
    let mut refused = Vec::new();
    for seed in &world.seeds {
        match world.judge(&cache, seed, 0) {
            Ok(true) => {}
            Ok(false) => refused.push(*seed),
            Err(why) => panic!("{seed}\n  {why}"),
        }
    }
    let admitted = world.seeds.len() - refused.len();
    assert!(admitted >= 110, "only {admitted} of {} seeds are admitted; refused: {refused:#?}", world.seeds.len());
    // What names a denied column is never among them.
    let open = |seed: &&str| seed.contains(" ssn ") || seed.contains("salary");
    assert_eq!(world.seeds.iter().filter(|seed| open(seed)).count(), refused.iter().filter(|seed| open(seed)).count());
}

#[test]
fn the_corpus_is_judged() {
    for world in [World::new("support"), World::new("analyst")] {
        let cache = VerdictCache::new(1 << 20);
        for (number, text) in (0..).zip(&world.corpus) {
            if let Err(why) = world.judge(&cache, text, number) {
                panic!("{text}\n  {why}");
            }
        }
    }
}

#[test]
fn nothing_protected_is_sent_whatever_the_text() {
    let worlds = [World::new("support"), World::new("analyst")];
    let seconds = number_of("PGCOVENANT_FUZZ_SECONDS");
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let first = number_of("PGCOVENANT_FUZZ_FROM").unwrap_or(0);
    let (next, admitted, tried) = (AtomicU64::new(first), AtomicU64::new(0), AtomicU64::new(0));
    let failures = std::sync::Mutex::new(Vec::new());
    let work = || {
        let cache = VerdictCache::new(8 << 20);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let done = match until {
                Some(until) => Instant::now() > until,
                None => number >= first + MUTANTS,
            };
            if done || failures.lock().unwrap().len() >= 20 {
                return;
            }
            // Both share the cache, which must keep their rules apart.
            let world = &worlds[usize::from(number % 4 == 0)];
            let text = mutate::mutant(&world.corpus, number);
            tried.fetch_add(1, Ordering::Relaxed);
            match catch_unwind(AssertUnwindSafe(|| world.judge(&cache, &text, number))) {
                Ok(Ok(true)) => drop(admitted.fetch_add(1, Ordering::Relaxed)),
                Ok(Ok(false)) => {}
                Ok(Err(why)) => failures.lock().unwrap().push(format!("mutant {number}: {text}\n  {why}")),
                Err(_) => failures.lock().unwrap().push(format!("mutant {number}: {text}\n  panics")),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from).min(8) {
            scope.spawn(work);
        }
    });
    let (tried, admitted) = (tried.into_inner(), admitted.into_inner());
    println!("{tried} mutants, {admitted} admitted");
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(admitted * 20 > tried, "only {admitted} of {tried} mutants were admitted: the test proves too little");
}

#[test]
fn both_readings_of_a_text_find_the_same() {
    let world = World::new("support");
    let database = world.snapshot.database("shop").unwrap();
    let first = number_of("PGCOVENANT_FUZZ_FROM").unwrap_or(0);
    let (mut same, mut differences) = (0, Vec::new());
    let corpus = world.corpus.iter().map(|seed| (*seed).to_owned());
    for text in corpus.chain((first..first + READ_TWICE).map(|number| mutate::mutant(&world.corpus, number))) {
        match readings::compare(&database.catalog, &world.path, &text) {
            Ok(readings::Comparison::Same) => same += 1,
            Ok(readings::Comparison::One) => {}
            Err(why) => differences.push(format!("{text}\n{why}")),
        }
    }
    assert!(differences.is_empty(), "{} texts are read differently:\n{}", differences.len(), differences.join("\n"));
    assert!(same * 20 > READ_TWICE, "only {same} texts were read twice");
}

/// An oracle that never objects proves nothing.
#[test]
fn the_oracle_objects_to_what_shows_too_much() {
    let world = World::new("support");
    let sent = answer("", &check(&world.snapshot, &world.facts(), "SELECT email FROM payments, customers")).unwrap();
    assert_eq!(world.oracle.judge("SELECT 1", &sent), Ok(()));
    let wrapper = &sent[sent.find("(SELECT").unwrap()..sent.rfind(" AS ").unwrap()];
    let single = answer("", &check(&world.snapshot, &world.facts(), "SELECT email FROM customers")).unwrap();
    let changed = answer("", &check(&world.snapshot, &world.facts(), "UPDATE customers SET name = '' RETURNING email"));
    let changed = changed.unwrap();
    for (original, sent) in [
        (
            sent.as_str(),
            sent.replace("FROM \"public\".\"customers\"", "FROM \"public\".\"customers\" WHERE email = 'a'"),
        ),
        (sent.as_str(), sent.replace("\"country\"", "\"country\", \"ssn\"")),
        (sent.as_str(), sent.replace("\"country\"", "\"phone\"")),
        (sent.as_str(), sent.replace("\"country\"", "*")),
        (sent.as_str(), sent.replace("AS \"email\"", "AS \"phone\"")),
        (sent.as_str(), sent.replace(wrapper, "\"public\".\"payments\"")),
        (single.as_str(), single.replace("SELECT email FROM", "SELECT email, ssn FROM")),
        (sent.as_str(), sent.replace("SELECT email FROM", "SELECT email; SELECT 1 FROM")),
        (sent.as_str(), sent.replace("SELECT email FROM", "SELECT public.f(email) FROM")),
        (sent.as_str(), sent.replace("SELECT email FROM", "SELECT email OPERATOR(public.=) '' FROM")),
        (changed.as_str(), changed.replace("RETURNING", "RETURNING email,")),
        (changed.as_str(), changed.replace("RETURNING", "RETURNING customers.phone,")),
        (changed.as_str(), changed.replace("RETURNING", "RETURNING *,")),
        (changed.as_str(), changed.replace("RETURNING", "RETURNING customers,")),
        (changed.as_str(), changed.replace("\"public\".", "")),
        ("SELECT 1", "SELECT * FROM customers".to_owned()),
        ("SELECT 1", "SELECT * FROM public.customers".to_owned()),
        ("SELECT 1", "WITH customers AS (SELECT * FROM customers) SELECT * FROM customers".to_owned()),
        ("SELECT 1", "COPY public.payments TO STDOUT".to_owned()),
        ("SELECT 1", "EXPLAIN UPDATE public.customers SET name = ''".to_owned()),
        ("SELECT 1", "SET SESSION AUTHORIZATION postgres".to_owned()),
        ("SELECT 1", "SELECT pg_catalog.set_config('client_encoding', 'SJIS', false)".to_owned()),
        ("SELECT 1", "SELECT pg_catalog.set_config(a, 'x', false) FROM public.orders".to_owned()),
        ("SELECT 1", "TABLE public.payments".to_owned()),
        ("SELECT 1", "LISTEN x".to_owned()),
        ("SELECT 1", "EXECUTE p(public.f(1))".to_owned()),
    ] {
        assert_ne!(original, sent, "nothing was changed");
        assert!(world.oracle.judge(original, &sent).is_err(), "no objection to {sent}");
    }
}
