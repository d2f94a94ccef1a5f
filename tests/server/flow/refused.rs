//! Refusals where it is hardest to behave as the server: with a COPY in flight, between portals and savepoints, after
//! writes, in failed transactions, and of a FunctionCall.

use crate::refusal::{Step, compare};
use crate::support::conversation::{alike, conditions, play, turn};
use crate::support::raw::{
    self, Raw, bind, close, copy_data, copy_done, copy_fail, describe_of, execute, extended, flush, function_call,
    parse, query, sync,
};
use crate::support::shop;

const COPY: &str = "COPY (SELECT g FROM generate_series(1, 5000) g) TO STDOUT";
const WRITE: &str = "UPDATE customers SET name = 'written' WHERE id = 1";

const POSITIONS: &[(&str, &[Step])] = &[
    (
        "behind a COPY in flight",
        &[
            |bad| (vec![query(COPY), query(bad), query("SELECT 1")], 3),
            |bad| (vec![extended(COPY), extended(bad), extended(COPY), sync(), query("SELECT 1")], 2),
            |bad| (vec![query(&format!("{COPY}; {bad}")), query(COPY)], 2),
        ],
    ),
    (
        "followed by the data of a COPY that does not begin",
        &[
            |bad| (vec![query(bad), copy_data("1\n"), copy_done(), query("SELECT 1")], 2),
            |bad| (vec![query(bad), copy_data("1\n"), copy_fail("no"), query("SELECT 1")], 2),
            |bad| (vec![extended(bad), copy_data("1\n"), copy_done(), sync(), query("SELECT 1")], 2),
            |bad| (vec![extended(bad), sync(), copy_data("1\n"), copy_done(), sync()], 2),
        ],
    ),
    (
        "while portals are open",
        &[
            |_| {
                (
                    vec![
                        query("BEGIN"),
                        parse("s", "SELECT generate_series(1, 9)"),
                        bind("p", "s"),
                        execute("p", 2),
                        sync(),
                    ],
                    2,
                )
            },
            |bad| (vec![execute("p", 2), query(bad), execute("p", 2), sync()], 2),
            |_| (vec![describe_of(b'P', "p"), sync(), close(b'P', "p"), sync(), query("ROLLBACK")], 3),
            |_| (vec![bind("p", "s"), execute("p", 1), sync()], 1),
        ],
    ),
    (
        "between savepoints, with writes around",
        &[
            |_| (vec![query("BEGIN"), query(WRITE), query("SAVEPOINT a"), query(WRITE), query("SAVEPOINT b")], 5),
            |bad| (vec![query(bad), query("RELEASE b"), query("ROLLBACK TO b"), extended(bad), sync()], 4),
            |bad| {
                (
                    vec![
                        extended("ROLLBACK TO a"),
                        extended("SELECT name FROM orders, customers LIMIT 1"),
                        extended(bad),
                        sync(),
                    ],
                    1,
                )
            },
            |_| (vec![query("ROLLBACK TO a"), query("SELECT name FROM customers WHERE id = 1"), query("ROLLBACK")], 3),
        ],
    ),
    (
        "after writes in the same text and the same pipeline",
        &[
            |bad| (vec![query(&format!("BEGIN; {WRITE}; {bad}; COMMIT")), query("COMMIT")], 2),
            |bad| {
                (vec![query(&format!("{WRITE}; COMMIT; {bad}")), query("SELECT name FROM customers WHERE id = 1")], 2)
            },
            |bad| (vec![extended(WRITE), query(bad), extended("SELECT name FROM customers WHERE id = 1"), sync()], 2),
        ],
    ),
    (
        "in a failed transaction, in a pipeline",
        &[
            |_| (vec![query("BEGIN"), query("SELECT 1/0")], 2),
            |bad| (vec![extended(bad), extended("ROLLBACK"), sync()], 1),
            |bad| (vec![extended("ROLLBACK"), extended(bad), extended("SELECT 1"), sync()], 1),
            |bad| (vec![query("ROLLBACK"), parse("", bad), flush(), sync(), sync(), query("SELECT 1")], 4),
        ],
    ),
    (
        "over an unnamed statement",
        &[
            |_| (vec![parse("", "SELECT 1"), sync()], 1),
            |bad| (vec![query(bad)], 1),
            |_| (vec![bind("", ""), execute("", 0), sync()], 1),
        ],
    ),
];

#[test]
fn in_the_hardest_positions() {
    let Some(shop) = shop("flow_refused") else { return };
    compare(&shop, POSITIONS);
    // The texts that were wrong throughout have left nothing.
    assert_eq!(shop.sql("SELECT count(*) FROM customers WHERE name = 'written'"), "0");
}

#[test]
fn a_function_call_is_refused_as_one_of_an_unknown_function() {
    let Some(shop) = shop("flow_refused_call") else { return };
    let (proxy, _policies) = shop.proxy();
    let turns = |oid: u32| {
        let call = || function_call(oid);
        [
            turn(&[call(), query("SELECT 1")], 2),
            turn(&[extended("SELECT 1"), call(), extended("SELECT 2"), sync()], 2),
            turn(&[extended(WRITE), call(), query("SELECT name FROM customers WHERE id = 1")], 2),
            turn(&[extended("SELECT 1/0"), call(), sync()], 1),
            turn(&[parse("", "SELECT 1"), sync(), call(), bind("", ""), execute("", 0), sync()], 3),
            turn(&[query("BEGIN"), query(COPY), call(), call(), extended("SELECT 1"), sync(), query("ROLLBACK")], 6),
        ]
    };
    let to_alike = |lines: Vec<String>, code: &str| -> Vec<String> {
        let refused = format!("E VERROR C{code}");
        conditions(lines).into_iter().map(|line| if line == refused { "E refused".into() } else { line }).collect()
    };
    let pg_read_file = 2624;
    let expected = play(&mut Raw::connect(shop.cluster.port(), "support", &shop.database), &turns(0));
    let seen = play(&mut Raw::connect(proxy.port(), "support", &shop.database), &turns(pg_read_file));
    alike("function call", &to_alike(expected, "42883"), &to_alike(seen, "42501"));
}

#[test]
fn a_refusal_behind_a_statement_that_times_out_finds_a_failed_transaction() {
    let Some(shop) = shop("flow_refused_late") else { return };
    let (proxy, _policies) = shop.proxy();
    let mut session = Raw::connect(proxy.port(), "support", &shop.database);
    let refused = "SELECT ssn FROM customers";
    session.exchange(&[query("BEGIN"), query("SET statement_timeout = 100")], 2);
    let trace = session.exchange(&[query("SELECT count(*) FROM generate_series(1, 1000000000)"), query(refused)], 2);
    assert_eq!(trace[trace.len() - 4..], ["E 57014", "Z E", "E 25P02", "Z E"]);
    assert_eq!(session.exchange(&[raw::query("ROLLBACK"), query("SELECT 1")], 2).last().unwrap(), "Z I");
}
