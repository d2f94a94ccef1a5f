//! COPY in every direction, format and protocol, and everything that can go wrong in the middle.

use crate::support::conversation::{Await, Turn, same, same_governed, turn, until};
use crate::support::raw::{bind, copy_data, copy_done, copy_fail, execute, extended, flush, frame, parse, query, sync};
use crate::support::shop;

const SOURCE: &str = "(SELECT g, 'v' || g, NULL::int FROM generate_series(1, 50) g)";

pub fn out() -> Vec<(String, Vec<Turn>)> {
    let mut all = Vec::new();
    for format in ["text", "csv", "binary"] {
        let copy = format!("COPY {SOURCE} TO STDOUT (FORMAT {format})");
        all.push((
            format!("out, {format}"),
            vec![
                turn(&[query(&copy), query("SELECT 1")], 2),
                turn(
                    &[
                        extended("SELECT 1"),
                        parse("", &copy),
                        bind("", ""),
                        execute("", 0),
                        extended("SELECT 2"),
                        sync(),
                    ],
                    1,
                ),
                turn(&[query(&format!("{copy}; SELECT 3; {copy}"))], 1),
            ],
        ));
    }
    all.push((
        "out, failing after some rows".to_owned(),
        vec![
            turn(&[query("COPY (SELECT 1/(20 - g) FROM generate_series(1, 30) g) TO STDOUT"), query("SELECT 1")], 2),
            turn(&[extended("COPY (SELECT 1/(20 - g) FROM generate_series(1, 30) g) TO STDOUT"), sync()], 1),
        ],
    ));
    all
}

#[expect(clippy::too_many_lines, reason = "it is a list")]
pub fn into() -> Vec<(&'static str, Vec<Turn>)> {
    let table = turn(&[query("CREATE TEMP TABLE t (a int, b text)")], 1);
    let begin = |copy: &str| until(&[query(copy)], Await::Message(b'G'));
    let begin_extended =
        || until(&[parse("", "COPY t FROM STDIN"), bind("", ""), execute("", 0), flush()], Await::Message(b'G'));
    let count = || turn(&[query("SELECT count(*), sum(a) FROM t")], 1);
    let binary =
        [b"PGCOPY\n\xff\r\n\0".to_vec(), vec![0; 8], vec![0, 2, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 1, b'x', 0xff, 0xff]];
    let bad = |count: usize| (0..count).map(|_| copy_data("not a number\tx\n")).collect::<Vec<_>>().concat();
    vec![
        (
            "in, text, cut anywhere, with Sync and Flush between",
            vec![
                table.clone(),
                begin("COPY t FROM STDIN"),
                turn(
                    &[
                        copy_data("1\to"),
                        sync(),
                        copy_data("ne\n2\t"),
                        flush(),
                        copy_data("two\n"),
                        sync(),
                        copy_data(""),
                        copy_done(),
                    ],
                    1,
                ),
                count(),
            ],
        ),
        (
            "in, csv and binary",
            vec![
                table.clone(),
                begin("COPY t FROM STDIN (FORMAT csv, HEADER)"),
                turn(&[copy_data("a,b\n3,\"x\ny\"\n"), copy_done()], 1),
                begin("COPY t FROM STDIN (FORMAT binary)"),
                turn(&[frame(b'd', binary.concat()), copy_done()], 1),
                count(),
            ],
        ),
        (
            "in, by the extended protocol",
            vec![
                table.clone(),
                begin_extended(),
                turn(&[copy_data("1\tx\n"), copy_done(), sync()], 1),
                begin_extended(),
                turn(&[copy_data("2\tx\n"), copy_done(), extended("SELECT 1"), sync(), sync()], 2),
                count(),
            ],
        ),
        (
            "in, everything sent ahead",
            vec![
                table.clone(),
                turn(&[query("COPY t FROM STDIN"), copy_data("1\tx\n"), copy_done(), query("SELECT 1")], 2),
                turn(&[extended("COPY t FROM STDIN"), copy_data("2\tx\n"), copy_done(), sync(), query("SELECT 2")], 2),
                turn(
                    &[
                        extended("COPY t FROM STDIN"),
                        sync(),
                        copy_data("3\tx\n"),
                        copy_done(),
                        sync(),
                        query("SELECT 3"),
                    ],
                    2,
                ),
                turn(
                    &[
                        query("COPY t FROM STDIN; COPY t FROM STDIN"),
                        copy_data("4\tx\n"),
                        copy_done(),
                        copy_data("5\tx\n"),
                        copy_done(),
                    ],
                    1,
                ),
                turn(&[query("COPY t FROM STDIN; SELECT 1/0"), copy_data("6\tx\n"), copy_done(), query("SELECT 4")], 2),
                count(),
            ],
        ),
        (
            "in, failing at the first row while the client goes on",
            vec![
                table.clone(),
                begin("COPY t FROM STDIN"),
                turn(&[bad(3000), copy_done(), query("SELECT 1")], 2),
                begin_extended(),
                turn(&[bad(3000), copy_done(), sync(), query("SELECT 2")], 2),
                begin_extended(),
                turn(&[bad(3000), copy_fail("mine"), sync(), query("SELECT 3")], 2),
                begin("COPY t FROM STDIN"),
                until(&[bad(1)], Await::Message(b'Z')),
                turn(&[bad(100), copy_done(), query("SELECT 4")], 1),
                count(),
            ],
        ),
        (
            "in, failing before it begins",
            vec![
                table.clone(),
                turn(&[query("COPY nowhere FROM STDIN"), copy_data("1\n"), copy_done(), query("SELECT 1")], 2),
                turn(
                    &[extended("COPY nowhere FROM STDIN"), copy_data("1\n"), copy_done(), sync(), query("SELECT 2")],
                    2,
                ),
                turn(&[extended("COPY nowhere FROM STDIN"), sync(), copy_data("1\n"), copy_done(), sync()], 2),
                turn(
                    &[
                        query("BEGIN"),
                        query("SELECT 1/0"),
                        query("COPY t FROM STDIN"),
                        copy_data("1\n"),
                        copy_fail("x"),
                    ],
                    3,
                ),
                turn(&[query("ROLLBACK")], 1),
            ],
        ),
        (
            "in, given up by the client",
            vec![
                table.clone(),
                begin("COPY t FROM STDIN"),
                turn(&[copy_data("1\tx\n"), copy_fail("changed my mind"), query("SELECT 1")], 2),
                begin_extended(),
                turn(&[copy_fail(""), sync()], 1),
                turn(&[query("BEGIN"), query("COPY t FROM STDIN"), copy_fail("in a transaction"), query("COMMIT")], 3),
                count(),
            ],
        ),
        (
            "the messages of a copy that nobody asked for",
            vec![turn(&[copy_data("x"), copy_done(), copy_fail("y"), query("SELECT 1"), copy_done(), sync()], 2)],
        ),
    ]
}

#[test]
fn out_of_the_server() {
    let Some(shop) = shop("flow_copy_out") else { return };
    let (proxy, _policies) = shop.proxy();
    for (name, turns) in out() {
        same(&shop, &proxy, "shop_app", &name, &turns);
        same_governed(&shop, &proxy, "support", &name, &turns);
    }
}

#[test]
fn into_the_server() {
    let Some(shop) = shop("flow_copy_in") else { return };
    let (proxy, _policies) = shop.proxy();
    for (name, turns) in into() {
        same(&shop, &proxy, "shop_app", name, &turns);
    }
}
