//! A refusal behaves as an error of the server: the same messages in the same order, the same status byte, the same
//! fate of the transaction and of the rest of a pipeline. The model is a syntax error sent to the server directly.

use crate::support::raw::{self, Raw};
use crate::support::{Shop, shop};

const REFUSED: &str = "SELECT ssn FROM customers LIMIT 1";
const SYNTAX_ERROR: &str = "SELECT FROM FROM customers LIMIT 1";
const WRONG_NAME: &str = "SELECT nothing FROM customers LIMIT 1";

/// One exchange: what to send given the bad text, and how many ReadyForQuery to wait for.
pub type Step = fn(bad: &str) -> (Vec<Vec<u8>>, usize);

const SIMPLE: &[(&str, &[Step])] = &[
    ("alone", &[|bad| (vec![raw::query(bad)], 1), |_| (vec![raw::query("SELECT 1")], 1)]),
    ("last of several statements", &[|bad| (vec![raw::query(&format!("SELECT 1; {bad}"))], 1)]),
    ("first of several statements", &[|bad| (vec![raw::query(&format!("{bad}; SELECT 1"))], 1)]),
    ("two queries in one packet", &[|bad| (vec![raw::query(bad), raw::query("SELECT 2")], 2)]),
    (
        "in a transaction",
        &[
            |_| (vec![raw::query("BEGIN"), raw::query("SELECT 1")], 2),
            |bad| (vec![raw::query(bad)], 1),
            |_| (vec![raw::query("SELECT 1")], 1),
            |_| (vec![raw::query("COMMIT")], 1),
            |_| (vec![raw::query("SELECT 1")], 1),
        ],
    ),
    (
        "after a savepoint",
        &[
            |_| (vec![raw::query("BEGIN"), raw::query("SAVEPOINT s")], 2),
            |bad| (vec![raw::query(bad), raw::query("ROLLBACK TO s"), raw::query("SELECT 3"), raw::query("COMMIT")], 4),
        ],
    ),
];

const EXTENDED: &[(&str, &[Step])] = &[
    (
        "alone",
        &[|bad| (vec![raw::extended(bad), raw::sync()], 1), |_| (vec![raw::extended("SELECT 1"), raw::sync()], 1)],
    ),
    (
        "in the middle of a pipeline",
        &[|bad| (vec![raw::extended("SELECT 1"), raw::extended(bad), raw::extended("SELECT 2"), raw::sync()], 1)],
    ),
    (
        "between two syncs",
        &[|bad| {
            let frames = vec![
                raw::extended("SELECT 1"),
                raw::sync(),
                raw::extended(bad),
                raw::sync(),
                raw::extended("SELECT 2"),
                raw::sync(),
            ];
            (frames, 3)
        }],
    ),
    (
        "twice before a sync",
        &[|bad| (vec![raw::extended(bad), raw::extended(bad), raw::sync(), raw::query("SELECT 1")], 2)],
    ),
    (
        "followed by a query without sync",
        &[|bad| (vec![raw::parse("", bad), raw::query("SELECT 1"), raw::sync(), raw::query("SELECT 2")], 2)],
    ),
    (
        "as a named statement",
        &[
            |bad| (vec![raw::parse("s", bad), raw::describe_of(b'S', "s"), raw::sync()], 1),
            |_| (vec![raw::bind("", "s"), raw::execute("", 0), raw::sync()], 1),
            |_| (vec![raw::close(b'S', "s"), raw::sync()], 1),
            |_| (vec![raw::parse("s", "SELECT 5"), raw::bind("", "s"), raw::execute("", 0), raw::sync()], 1),
        ],
    ),
    (
        "over a named statement that exists",
        &[
            |_| (vec![raw::parse("s", "SELECT 5"), raw::sync()], 1),
            |bad| (vec![raw::parse("s", bad), raw::sync()], 1),
            |_| (vec![raw::bind("", "s"), raw::execute("", 0), raw::sync()], 1),
        ],
    ),
    (
        "over the unnamed statement",
        &[
            |_| (vec![raw::parse("", "SELECT 5"), raw::sync()], 1),
            |bad| (vec![raw::parse("", bad), raw::sync()], 1),
            |_| (vec![raw::bind("", ""), raw::execute("", 0), raw::sync()], 1),
        ],
    ),
    (
        "in a transaction, pipelined",
        &[
            |bad| (vec![raw::extended("BEGIN"), raw::extended(bad), raw::sync()], 1),
            |_| (vec![raw::extended("SELECT 1"), raw::sync(), raw::extended("COMMIT"), raw::sync()], 2),
        ],
    ),
    (
        "with portals open",
        &[
            |_| (vec![raw::query("BEGIN")], 1),
            |_| {
                (
                    vec![
                        raw::parse("p", "SELECT generate_series(1, 9)"),
                        raw::bind("portal", "p"),
                        raw::execute("portal", 2),
                        raw::sync(),
                    ],
                    1,
                )
            },
            |bad| (vec![raw::execute("portal", 2), raw::parse("", bad), raw::execute("portal", 2), raw::sync()], 1),
            |_| (vec![raw::query("ROLLBACK")], 1),
        ],
    ),
];

fn run(raw: &mut Raw, steps: &[Step], bad: &str) -> Vec<String> {
    steps
        .iter()
        .flat_map(|step| {
            let (frames, ready) = step(bad);
            raw.exchange(&frames, ready)
        })
        .collect()
}

/// The error of the bad text itself has another SQLSTATE; all else must be the same.
fn alike(trace: Vec<String>) -> Vec<String> {
    let bad = |line: &str| matches!(line, "E 42601" | "E 42501" | "E 42703");
    trace.into_iter().map(|line| if bad(&line) { "E bad".into() } else { line }).collect()
}

/// Plays each case with a refused text through the proxy, and directly with a text of which PostgreSQL's grammar says no, and
/// with one that names what is not there: a refusal comes before anything of its text has run, as the first does,
/// and not in a transaction that has failed already, as the second.
pub fn compare(shop: &Shop, cases: &[(&str, &[Step])]) {
    let (proxy, _policies) = shop.proxy();
    for (name, steps) in cases {
        let direct = |bad| alike(run(&mut Raw::connect(shop.cluster.port(), "support", &shop.database), steps, bad));
        let seen = run(&mut Raw::connect(proxy.port(), "support", &shop.database), steps, REFUSED);
        assert!(seen.iter().any(|line| line == "E 42501"), "{name}: {seen:?}");
        let (seen, syntax) = (alike(seen), direct(SYNTAX_ERROR));
        if seen != syntax {
            assert_eq!(direct(WRONG_NAME), seen, "{name}, which is not {syntax:?} either");
        }
    }
}

#[test]
fn in_the_simple_protocol() {
    let Some(shop) = shop("refusal_simple") else { return };
    compare(&shop, SIMPLE);
}

#[test]
fn in_the_extended_protocol() {
    let Some(shop) = shop("refusal_extended") else { return };
    compare(&shop, EXTENDED);
}

/// There the server looks at no names: only its grammar comes first.
#[test]
fn in_a_failed_transaction() {
    let Some(shop) = shop("refusal_failed") else { return };
    let (proxy, _policies) = shop.proxy();
    let mut direct = Raw::connect(shop.cluster.port(), "support", &shop.database);
    let mut via = Raw::connect(proxy.port(), "support", &shop.database);
    let failed = [raw::query("BEGIN"), raw::query("SET LOCAL search_path = public"), raw::query("SELECT 1/0")];
    assert_eq!(direct.exchange(&failed, 3), via.exchange(&failed, 3));
    for bad in [REFUSED, SYNTAX_ERROR] {
        for (frames, ready) in [(vec![raw::query(bad)], 1), (vec![raw::extended(bad), raw::sync()], 1)] {
            assert_eq!(direct.exchange(&frames, ready), via.exchange(&frames, ready), "{bad}");
        }
    }
}

/// What a governed session does in one go, without waiting, is understood step by step.
#[test]
fn a_search_path_that_changes_within_a_pipeline() {
    let Some(shop) = shop("refusal_pipeline") else { return };
    let (proxy, _policies) = shop.proxy();
    let count = "SELECT count(*) FROM orders";
    let conversations: &[(&[Vec<u8>], usize)] = &[
        (&[raw::extended("SET search_path = public"), raw::extended(count), raw::extended("SELECT 2"), raw::sync()], 1),
        (&[raw::extended("SET search_path = pg_catalog"), raw::extended(count), raw::sync()], 1),
        (&[raw::close(b'S', "never"), raw::query(count)], 1),
        (&[raw::parse("a", count), raw::sync(), raw::query("RESET search_path")], 2),
        (
            &[raw::extended("BEGIN"), raw::extended("SET LOCAL search_path = public"), raw::bind("", "a"), raw::sync()],
            1,
        ),
        (&[raw::execute("", 0), raw::extended("COMMIT"), raw::bind("", "a"), raw::execute("", 0), raw::sync()], 1),
    ];
    let mut direct = Raw::connect(shop.cluster.port(), "support", &shop.database);
    let mut via = Raw::connect(proxy.port(), "support", &shop.database);
    for (number, (frames, ready)) in conversations.iter().enumerate() {
        assert_eq!(direct.exchange(frames, *ready), via.exchange(frames, *ready), "conversation {number}");
    }
}

/// A statement that is to be prepared again is not brought back where the server has let it go.
#[test]
fn statements_that_are_no_more() {
    let Some(shop) = shop("refusal_gone") else { return };
    let (proxy, _policies) = shop.proxy();
    let mut direct = Raw::connect(shop.cluster.port(), "support", &shop.database);
    let mut via = Raw::connect(proxy.port(), "support", &shop.database);
    let prepared = [raw::parse("", "SELECT 1"), raw::parse("a", "SELECT count(*) FROM orders"), raw::sync()];
    let gone: &[&[Vec<u8>]] = &[
        &[raw::query("SET search_path = public"), raw::bind("", ""), raw::sync()],
        &[raw::query("DEALLOCATE a"), raw::query("RESET search_path"), raw::describe_of(b'S', "a"), raw::sync()],
        &[raw::query("SET search_path = public"), raw::query(REFUSED), raw::bind("", ""), raw::sync()],
    ];
    let code = |trace: Vec<String>| trace.into_iter().map(|line| line.replace("42501", "*").replace("42601", "*"));
    for frames in gone {
        let ready = frames.len() - 1;
        for session in [&mut direct, &mut via] {
            session.exchange(&prepared, 1);
        }
        let expected = frames
            .iter()
            .map(|frame| if *frame == raw::query(REFUSED) { raw::query(SYNTAX_ERROR) } else { frame.clone() });
        let expected = direct.exchange(&expected.collect::<Vec<_>>(), ready);
        let seen = via.exchange(frames, ready);
        assert!(expected.contains(&"E 26000".into()), "{expected:?}");
        assert!(code(expected.clone()).eq(code(seen.clone())), "{expected:?} {seen:?}");
        direct.exchange(&[raw::query("DISCARD ALL")], 1);
        via.exchange(&[raw::query("DISCARD ALL")], 1);
    }
}

#[test]
fn what_came_before_in_the_same_implicit_transaction_is_rolled_back() {
    let Some(shop) = shop("refusal_rows") else { return };
    let (proxy, _policies) = shop.proxy();
    let mut session = Raw::connect(proxy.port(), "support", &shop.database);
    let change = "UPDATE customers SET name = 'changed' WHERE id = 1";
    let changed = || shop.sql("SELECT count(*) FROM customers WHERE name = 'changed'");

    let trace = session.exchange(&[raw::extended(change), raw::extended(REFUSED), raw::sync()], 1);
    assert!(trace.contains(&"C UPDATE 1".into()), "{trace:?}");
    assert_eq!(changed(), "0");
    session.exchange(&[raw::query(&format!("{change}; {REFUSED}"))], 1);
    assert_eq!(changed(), "0");
    let trace = session.exchange(&[raw::extended(change), raw::sync(), raw::extended(REFUSED), raw::sync()], 2);
    assert_eq!(changed(), "1", "{trace:?}");
}

#[test]
fn a_refusal_waits_for_no_sync() {
    let Some(shop) = shop("refusal_flush") else { return };
    let (proxy, _policies) = shop.proxy();
    let mut session = Raw::connect(proxy.port(), "support", &shop.database);
    session.write(&[raw::parse("", REFUSED), raw::flush()].concat());
    let (kind, _) = session.message();
    assert_eq!(char::from(kind), 'E');
    assert_eq!(session.exchange(&[raw::sync()], 1), ["Z I"]);
}

#[test]
fn function_calls_are_refused_where_a_policy_governs() {
    let Some(shop) = shop("refusal_function") else { return };
    let (proxy, _policies) = shop.proxy();
    let pg_backend_pid = 2026;
    let mut app = Raw::connect(proxy.port(), "shop_app", &shop.database);
    let trace = app.exchange(&[raw::function_call(pg_backend_pid)], 1);
    assert_eq!(trace, ["V", "Z I"]);
    let mut support = Raw::connect(proxy.port(), "support", &shop.database);
    let read_file = 2624;
    let trace = support.exchange(&[raw::function_call(read_file)], 1);
    assert!(trace[0].starts_with("E "), "{trace:?}");
    assert_eq!(trace[1], "Z I");
    assert_eq!(support.exchange(&[raw::query("SELECT 1")], 1).last().unwrap(), "Z I");
}

#[tokio::test]
async fn a_refusal_names_the_rule_and_what_to_do() {
    let Some(shop) = shop("refusal_text") else { return };
    let (proxy, _policies) = shop.proxy();
    let support = shop.via(&proxy, "support").await;
    let refused = support.error("SELECT id, ssn FROM customers").await;
    assert_eq!(refused.code, "42501");
    assert!(!refused.message.ends_with('.'), "{refused:?}");
    let all = format!("{refused:?}");
    assert!(all.contains("nobody-reads-ssn"), "{all}");
    assert!(all.contains("ssn"), "{all}");
    let refused = support.error("SELECT * FROM customers").await;
    assert_eq!(refused.code, "42501");
    assert!(format!("{refused:?}").contains("ssn"), "{refused:?}");
}

/// What SET LOCAL does outside of a transaction block is over with the batch.
#[test]
fn the_search_path_of_a_batch_ends_with_it() {
    let Some(shop) = shop("refusal_batch_path") else { return };
    let (proxy, _policies) = shop.proxy();
    let batch = [raw::extended("SET LOCAL search_path = pg_catalog"), raw::extended("SELECT 1"), raw::sync()].concat();
    let query = raw::query("SELECT count(*) FROM orders WHERE order_id < 3");
    let all = [batch, query].concat();
    for cut in [all.len(), 1] {
        let answers = |port| {
            let mut session = Raw::connect(port, "support", &shop.database);
            for piece in all.chunks(cut) {
                session.write(piece);
            }
            session.until_ready(2)
        };
        assert_eq!(answers(shop.cluster.port()), answers(proxy.port()), "in pieces of {cut}");
    }
}
