//! Conversations that nobody would write by hand: messages in random order, cut at random places, get the same answers through
//! the proxy as directly, byte for byte for an observed session.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::support::raw::{self, Raw};
use crate::support::shop;

/// Texts for every session.
const READING: &[&str] = &[
    "",
    ";;",
    "SELECT 1",
    "SELECT generate_series(1, 3) AS n",
    "SELECT 1; SELECT 2",
    "SELECT 1; SELECT 1/0; SELECT 2",
    "SELECT 1/0",
    "SELECT nothing",
    "SELEC",
    "SELECT order_id, status FROM orders WHERE order_id < 3 ORDER BY 1",
    "SELECT count(*) FROM public.orders",
    "BEGIN",
    "BEGIN; SELECT 5",
    "COMMIT",
    "ROLLBACK",
    "COMMIT AND CHAIN",
    "SAVEPOINT s",
    "ROLLBACK TO s",
    "RELEASE s",
    "DECLARE c CURSOR FOR SELECT generate_series(1, 5)",
    "DECLARE h CURSOR WITH HOLD FOR SELECT order_id FROM orders ORDER BY 1",
    "FETCH 2 FROM c",
    "CLOSE c",
    "CLOSE ALL",
    "DISCARD ALL",
    "SHOW search_path",
    "SET search_path = public",
    "SET LOCAL search_path = pg_catalog",
    "RESET search_path",
    "SET LOCAL statement_timeout = '9s'",
    "SET application_name = 'another'",
    "COPY (SELECT order_id FROM orders WHERE order_id < 3) TO STDOUT",
    "EXPLAIN (COSTS OFF) SELECT 1",
];

/// Texts that a governed session may not send; what SQL has prepared is closed to it once the search path has changed.
const WRITING: &[&str] = &[
    "PREPARE p AS SELECT 7",
    "DEALLOCATE ALL",
    "DEALLOCATE p",
    "EXECUTE p",
    "CREATE TEMP TABLE IF NOT EXISTS t (a int PRIMARY KEY)",
    "INSERT INTO t VALUES (1) RETURNING a",
    "INSERT INTO t SELECT 2; SELECT 1/0",
    "TABLE t",
    "DROP TABLE IF EXISTS t",
    "DO $$ BEGIN RAISE NOTICE 'seen'; END $$",
    "DO $$ BEGIN RAISE EXCEPTION 'meant'; END $$",
    "SET search_path = pg_catalog, public",
    "SET client_encoding = latin1",
    "SELECT * INTO TEMP u FROM generate_series(1, 2)",
    "MERGE INTO t USING (SELECT 1 AS b) s ON a = b WHEN MATCHED THEN DELETE",
    "CALL nothing()",
    "VACUUM",
    "LISTEN something",
    "NOTIFY something, 'else'",
];

/// Messages that belong together, so that a copy into the server is ended before anything else is said: the server closes the
/// connection otherwise.
fn step(texts: Vec<&'static str>, writes: bool) -> impl Strategy<Value = Vec<Vec<u8>>> + Clone {
    let statement = select(vec!["", "", "a", "b", "p"]);
    let portal = select(vec!["", "", "x", "y", "c"]);
    let text = select(texts);
    let alone = |message: Vec<u8>| vec![message];
    prop_oneof![
        // A Query in the middle of a batch brings PostgreSQL 18 into states of its own, which our questions change.
        4 => text.clone().prop_map(move |text| {
            if writes { vec![raw::query(text)] } else { vec![raw::sync(), raw::query(text)] }
        }),
        4 => (statement.clone(), text.clone()).prop_map(move |(name, text)| alone(raw::parse(name, text))),
        4 => (portal.clone(), statement.clone()).prop_map(move |(portal, name)| alone(raw::bind(portal, name))),
        4 => text.prop_map(move |text| alone(raw::extended(text))),
        4 => (portal.clone(), 0..3_u32).prop_map(move |(name, rows)| alone(raw::execute(name, rows))),
        1 => statement.clone().prop_map(move |name| alone(raw::describe_of(b'S', name))),
        1 => portal.clone().prop_map(move |name| alone(raw::describe_of(b'P', name))),
        1 => statement.prop_map(move |name| alone(raw::close(b'S', name))),
        1 => portal.prop_map(move |name| alone(raw::close(b'P', name))),
        5 => Just(alone(raw::sync())),
        1 => Just(alone(raw::flush())),
        1 => Just(alone(raw::copy_data("stray"))),
        1 => Just(alone(raw::copy_done())),
        1 => Just(alone(raw::copy_fail("stray"))),
        3 => if writes { prop_oneof![Just(alone(raw::function_call(89))), copy()].boxed() } else { Just(alone(raw::sync())).boxed() },
    ]
}

fn copy() -> impl Strategy<Value = Vec<Vec<u8>>> + Clone {
    let start = prop_oneof![Just(raw::query("COPY t FROM STDIN")), Just(raw::extended("COPY t FROM STDIN"))];
    let within = prop_oneof![
        3 => (0..9_u32).prop_map(|number| raw::copy_data(&format!("{number}\n"))),
        1 => Just(raw::copy_data("wrong\n")),
        1 => Just(raw::sync()),
        1 => Just(raw::flush()),
    ];
    let end = prop_oneof![3 => Just(raw::copy_done()), 1 => Just(raw::copy_fail("enough"))];
    (start, proptest::collection::vec(within, 0..4), end).prop_map(|(start, mut within, end)| {
        within.insert(0, start);
        within.push(end);
        within
    })
}

/// The answers to a conversation, without what differs between two sessions in any case.
fn answers(port: u16, user: &str, database: &str, (steps, cut): (&[Vec<Vec<u8>>], usize), exact: bool) -> Vec<String> {
    let mut session = Raw::connect(port, user, database);
    let bytes = steps.iter().flatten().flatten().copied().collect::<Vec<u8>>();
    for piece in bytes.chunks(cut) {
        session.write(piece);
    }
    // Whatever the conversation has left open is ended by this, and its last answer cannot be mistaken for another.
    session
        .write(&[raw::copy_fail("over"), raw::sync(), raw::query("ROLLBACK"), raw::query("SELECT 'the end'")].concat());
    let mut seen = Vec::new();
    loop {
        let (kind, mut body) = session.message();
        if kind == b'A' {
            // The process that has notified.
            body.drain(..4);
        }
        if kind == b'T' {
            forget_tables(&mut body);
        }
        let over = kind == b'D' && body.ends_with(b"the end");
        seen.push(if exact {
            format!("{} {}", char::from(kind), String::from_utf8_lossy(&body))
        } else {
            raw::describe(kind, &body)
        });
        if over {
            seen.extend(session.until_ready(1));
            return seen;
        }
    }
}

/// Takes the numbers of tables out of a RowDescription: each session's temporary tables have others.
fn forget_tables(body: &mut [u8]) {
    let mut at = 2;
    while let Some(name) = body.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0)) {
        let table = at + name + 1;
        body[table..table + 4].fill(0);
        at = table + 18;
    }
}

/// A conversation that reads well in a report.
#[derive(Clone)]
struct Said(Vec<Vec<Vec<u8>>>);

impl std::fmt::Debug for Said {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_list().entries(self.0.iter().flatten().map(|message| String::from_utf8_lossy(message))).finish()
    }
}

fn compare(name: &str, user: &str, texts: &[&[&'static str]], exact: bool) {
    let Some(shop) = shop(name) else { return };
    let (proxy, _policies) = shop.proxy();
    let steps = proptest::collection::vec(step(texts.concat(), exact), 1..14).prop_map(Said);
    let asked_for = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = Config {
        cases: asked_for.unwrap_or(150),
        failure_persistence: None,
        max_shrink_time: Duration::from_secs(60).as_millis().try_into().unwrap(),
        ..Config::default()
    };
    // The same conversations in every ordinary run; others are searched with `PROPTEST_CASES`.
    let mut runner = match asked_for {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    let outcome = runner.run(&(steps, 1..400_usize), |(said, cut)| {
        let conversation = (&*said.0, cut);
        let direct = answers(shop.cluster.port(), user, &shop.database, conversation, exact);
        let via = answers(proxy.port(), user, &shop.database, conversation, exact);
        if direct == via {
            return Ok(());
        }
        Err(TestCaseError::fail(format!("direct: {direct:#?}\nproxied: {via:#?}")))
    });
    if let Err(failure) = outcome {
        panic!("{failure}\n{}", proxy.log());
    }
}

#[test]
fn of_an_observed_session() {
    compare("random_observed", "shop_app", &[READING, WRITING], true);
}

/// Refusals aside, which are tested elsewhere, a governed session differs in nothing but details of errors.
#[test]
fn of_a_governed_session() {
    compare("random_governed", "support", &[READING], false);
}
