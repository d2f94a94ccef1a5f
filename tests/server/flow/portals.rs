//! Prepared statements and portals: limits, continuing, closing, describing, what does not exist, what fails.

use crate::support::conversation::{Turn, same, same_governed, turn};
use crate::support::raw::{bind, bind_with, close, describe_of, execute, flush, parse, parse_typed, query, sync};
use crate::support::shop;

const SERIES: &str = "SELECT g, 'row ' || g AS name FROM generate_series(1, 10) g";

#[expect(clippy::too_many_lines, reason = "it is a list")]
pub fn conversations() -> Vec<(&'static str, Vec<Turn>)> {
    vec![
        (
            "a portal is fetched in parts, and once more than there is",
            vec![
                turn(&[query("BEGIN"), parse("s", SERIES), bind("p", "s"), describe_of(b'P', "p"), sync()], 2),
                turn(&[execute("p", 3), sync()], 1),
                turn(&[execute("p", 3), execute("p", 3), flush(), sync()], 1),
                turn(&[execute("p", 3), execute("p", 3), sync()], 1),
                turn(&[query("COMMIT"), execute("p", 0), sync()], 2),
            ],
        ),
        (
            "two portals of one statement take turns, and one is closed",
            vec![
                turn(&[query("BEGIN"), parse("s", SERIES), bind("a", "s"), bind("b", "s"), sync()], 2),
                turn(&[execute("a", 1), execute("b", 2), execute("a", 1), execute("b", 2), sync()], 1),
                turn(&[close(b'P', "a"), execute("b", 1), execute("a", 1), sync()], 1),
                turn(&[query("SELECT 1"), query("ROLLBACK")], 2),
            ],
        ),
        (
            "a portal does not survive Sync outside of a transaction",
            vec![
                turn(&[parse("s", SERIES), bind("p", "s"), execute("p", 2), sync()], 1),
                turn(&[execute("p", 2), sync()], 1),
                turn(&[describe_of(b'P', "p"), sync()], 1),
            ],
        ),
        (
            "a bound portal is closed together with its statement, and a statement without it",
            vec![
                turn(
                    &[query("BEGIN"), parse("s", SERIES), bind("p", "s"), close(b'S', "s"), execute("p", 2), sync()],
                    2,
                ),
                turn(&[query("ROLLBACK")], 1),
                turn(&[parse("s", SERIES), close(b'P', "s"), bind("", "s"), execute("", 1), sync()], 1),
            ],
        ),
        (
            "closing what does not exist is no error",
            vec![turn(&[close(b'S', "nothing"), close(b'P', "nothing"), close(b'S', ""), close(b'P', ""), sync()], 1)],
        ),
        (
            "describing statements and portals, with and without rows and parameters",
            vec![
                turn(&[parse("a", "SELECT $1::int + 1, $2::text"), describe_of(b'S', "a"), sync()], 1),
                turn(&[parse_typed("b", "SELECT $1", &[23]), describe_of(b'S', "b"), sync()], 1),
                turn(&[parse("c", "SET application_name = 'x'"), describe_of(b'S', "c"), sync()], 1),
                turn(&[bind("p", "c"), describe_of(b'P', "p"), execute("p", 0), sync()], 1),
                turn(
                    &[
                        parse("d", ""),
                        describe_of(b'S', "d"),
                        bind("", "d"),
                        describe_of(b'P', ""),
                        execute("", 0),
                        sync(),
                    ],
                    1,
                ),
                turn(&[describe_of(b'S', "nothing"), sync()], 1),
                turn(&[describe_of(b'P', "nothing"), sync()], 1),
            ],
        ),
        (
            "a name is taken until it is closed, the unnamed one never",
            vec![
                turn(&[parse("s", "SELECT 1"), sync()], 1),
                turn(&[parse("s", "SELECT 2"), sync()], 1),
                turn(&[bind("", "s"), execute("", 0), sync()], 1),
                turn(&[close(b'S', "s"), parse("s", "SELECT 3"), bind("", "s"), execute("", 0), sync()], 1),
                turn(&[parse("", "SELECT 4"), parse("", "SELECT 5"), bind("", ""), execute("", 0), sync()], 1),
                turn(&[query("BEGIN"), bind("p", "s"), bind("p", "s"), sync()], 2),
                turn(&[query("ROLLBACK")], 1),
            ],
        ),
        (
            "a failed Parse leaves nothing, and takes the unnamed statement away",
            vec![
                turn(&[parse("s", "SELECT FROM FROM"), sync()], 1),
                turn(&[bind("", "s"), execute("", 0), sync()], 1),
                turn(&[parse("", "SELECT 1"), sync(), parse("", "SELECT nothing"), sync()], 2),
                turn(&[bind("", ""), execute("", 0), sync()], 1),
            ],
        ),
        (
            "a simple Query takes the unnamed statement away, whether it succeeds or not",
            vec![
                turn(&[parse("", "SELECT 1"), sync(), query("SELECT 2"), bind("", ""), execute("", 0), sync()], 3),
                turn(&[parse("", "SELECT 1"), sync(), query("SELECT FROM FROM"), bind("", ""), sync()], 3),
                turn(&[parse("", "SELECT 1"), sync(), query(""), bind("", ""), sync()], 3),
            ],
        ),
        (
            "parameters in text and binary, NULL, too few, too many, malformed values",
            vec![
                turn(&[parse("s", "SELECT $1::int4 + 1, $2::text"), sync()], 1),
                turn(&[bind_with("", "s", &[], &[Some(b"41"), Some(b"x")], &[]), execute("", 0), sync()], 1),
                turn(&[bind_with("", "s", &[1, 0], &[Some(&[0, 0, 0, 41]), None], &[1]), execute("", 0), sync()], 1),
                turn(
                    &[bind_with("", "s", &[1], &[Some(&[0, 0, 0, 41]), Some(b"y")], &[1, 0]), execute("", 0), sync()],
                    1,
                ),
                turn(&[bind_with("", "s", &[], &[Some(b"41")], &[]), sync()], 1),
                turn(&[bind_with("", "s", &[], &[None, None, None], &[]), sync()], 1),
                turn(&[bind_with("", "s", &[1, 1, 1], &[None, None], &[]), sync()], 1),
                turn(&[bind_with("", "s", &[], &[None, None], &[0, 0, 0]), execute("", 0), sync()], 1),
                turn(&[bind_with("", "s", &[7], &[None, Some(b"z")], &[]), sync()], 1),
                turn(&[bind_with("", "s", &[1], &[Some(&[0, 1]), None], &[]), sync()], 1),
                turn(&[bind_with("", "s", &[], &[Some(b"many"), None], &[]), sync()], 1),
            ],
        ),
        (
            "names as long as they come mean their beginning",
            vec![
                turn(&[parse(&"n".repeat(70), "SELECT 1"), bind("", &"n".repeat(64)), execute("", 0), sync()], 1),
                turn(&[parse(&"n".repeat(80), "SELECT 2"), sync()], 1),
                turn(&[close(b'S', &"n".repeat(90)), bind("", &"n".repeat(70)), sync()], 1),
            ],
        ),
        (
            "SQL and the protocol share their statements and cursors",
            vec![
                turn(&[query("PREPARE q AS SELECT 1"), bind("", "q"), execute("", 0), sync()], 2),
                turn(
                    &[parse("s", "SELECT 2"), sync(), query("EXECUTE s"), query("DEALLOCATE s"), query("EXECUTE s")],
                    4,
                ),
                turn(&[query("BEGIN; DECLARE c CURSOR FOR SELECT generate_series(1, 5)"), execute("c", 2), sync()], 2),
                turn(
                    &[query("FETCH 1 FROM c"), close(b'P', "c"), sync(), query("FETCH 1 FROM c"), query("ROLLBACK")],
                    4,
                ),
                turn(&[parse("d", "SELECT 3"), sync(), query("DEALLOCATE ALL"), bind("", "d"), sync()], 3),
                turn(&[parse("d", "SELECT 3"), sync(), query("DISCARD ALL"), bind("", "d"), sync()], 3),
            ],
        ),
        (
            "an updating portal runs once, whatever its limit",
            vec![
                turn(
                    &[parse("u", "UPDATE orders SET status = status WHERE order_id < 4 RETURNING order_id"), sync()],
                    1,
                ),
                turn(&[query("BEGIN"), bind("p", "u"), execute("p", 1), execute("p", 1), execute("p", 0), sync()], 2),
                turn(&[query("ROLLBACK")], 1),
            ],
        ),
    ]
}

#[test]
fn portals_and_statements() {
    let Some(shop) = shop("flow_portals") else { return };
    let (proxy, _policies) = shop.proxy();
    for (name, turns) in conversations() {
        same(&shop, &proxy, "shop_app", name, &turns);
        same_governed(&shop, &proxy, "support", name, &turns);
    }
}

#[test]
fn a_plan_whose_result_type_has_changed_fails_until_it_is_prepared_again() {
    let Some(shop) = shop("flow_result_type") else { return };
    let (proxy, _policies) = shop.proxy();
    let changing = |table: &str| {
        let text = |text: &str| query(&text.replace("TABLE_", table));
        vec![
            turn(&[text("CREATE TABLE TABLE_ (a int); INSERT INTO TABLE_ VALUES (1)")], 1),
            turn(&[parse("s", &format!("SELECT * FROM {table}")), bind("", "s"), execute("", 0), sync()], 1),
            turn(&[text("ALTER TABLE TABLE_ ADD COLUMN b text DEFAULT 'new'")], 1),
            turn(&[bind("", "s"), execute("", 0), sync()], 1),
            turn(&[close(b'S', "s"), parse("s", &format!("SELECT * FROM {table}")), sync()], 1),
            turn(&[bind("", "s"), execute("", 0), sync(), text("DROP TABLE TABLE_"), bind("", "s"), sync()], 3),
        ]
    };
    same(&shop, &proxy, "shop_app", "changed result type", &changing("changing"));
}
