//! Pipelines: an error in every position, several Syncs, Query in the middle, implicit and failed transactions.

use crate::support::conversation::{Await, Turn, same, same_governed, turn, until};
use crate::support::raw::{bind, execute, extended, flush, parse, query, sync};
use crate::support::{Shop, shop};

/// Messages of which each can be the one that fails, and what can go wrong with it.
fn with_an_error_at(position: usize) -> Vec<Vec<u8>> {
    let good = |number: usize| {
        let name = format!("s{number}");
        [parse(&name, "SELECT 1"), bind("", &name), execute("", 0)].concat()
    };
    let bad = |number: usize| match number % 5 {
        0 => extended("SELECT FROM FROM"),
        1 => extended("SELECT nothing FROM nowhere"),
        2 => extended("SELECT 1/0"),
        3 => [parse("x", "SELECT $1::int"), bind("", "x"), execute("", 0)].concat(),
        _ => execute("no such portal", 0),
    };
    (0..6).map(|number| if number == position { bad(number) } else { good(number) }).collect()
}

pub fn conversations() -> Vec<(String, Vec<Turn>)> {
    let mut all = Vec::new();
    for position in 0..6 {
        let frames = with_an_error_at(position);
        let one_sync = [frames.concat(), sync(), query("SELECT 7")];
        all.push((format!("error {position} of a pipeline"), vec![turn(&one_sync, 2)]));
        let many: Vec<Vec<u8>> = frames.iter().flat_map(|frame| [frame.clone(), flush(), sync()]).collect();
        all.push((format!("error {position}, a Sync after each"), vec![turn(&many, 6)]));
        let in_transaction = [vec![query("BEGIN")], many, vec![query("COMMIT"), query("SELECT 8")]].concat();
        all.push((format!("error {position} in a transaction"), vec![turn(&in_transaction, 9)]));
    }
    let mut more = |name: &str, turns: Vec<Turn>| all.push((name.to_owned(), turns));
    more("Syncs alone", vec![turn(&[sync(), sync(), flush(), flush(), sync()], 3)]);
    more(
        "Flush yields what is there and no ReadyForQuery",
        vec![
            until(&[parse("", "SELECT 1"), flush()], Await::Message(b'1')),
            until(&[bind("", ""), flush()], Await::Message(b'2')),
            until(&[execute("", 0), flush()], Await::Message(b'C')),
            turn(&[sync()], 1),
        ],
    );
    more(
        "Flush after an error yields the error, and all is skipped to Sync",
        vec![
            until(&[extended("SELECT 1/0"), flush()], Await::Message(b'E')),
            turn(&[extended("SELECT 1"), query("SELECT 2"), flush(), sync()], 1),
        ],
    );
    more(
        "Query in the middle of a pipeline",
        vec![
            turn(&[extended("SELECT 1"), query("SELECT 2"), extended("SELECT 3"), sync()], 2),
            turn(&[extended("SELECT 1/0"), query("SELECT 2"), extended("SELECT 3"), sync()], 1),
            turn(&[extended("SELECT 1"), query("SELECT 1/0"), extended("SELECT 3"), sync()], 2),
            turn(&[extended("SELECT 1"), query("SELECT 2; SELECT 3; SELECT FROM FROM"), sync()], 2),
        ],
    );
    more(
        "many statements in one Query, failing in the middle",
        vec![
            turn(&[query("SELECT 1; SELECT 2; SELECT 1/0; SELECT 3")], 1),
            turn(&[query("BEGIN; SELECT 1; SELECT 1/0; COMMIT"), query("SELECT 4"), query("COMMIT")], 3),
            turn(
                &[query("SELECT 1; COMMIT; SELECT 1/0"), query("BEGIN; COMMIT; SELECT 5; BEGIN"), query("ROLLBACK")],
                3,
            ),
        ],
    );
    more(
        "a failed transaction",
        vec![
            turn(&[query("BEGIN"), query("SAVEPOINT a"), query("SELECT 1/0")], 3),
            turn(&[query("SELECT 1"), extended("SELECT 1"), sync(), extended("ROLLBACK TO a"), sync()], 3),
            turn(&[query("SELECT 2"), query("RELEASE a"), query("RELEASE a"), query("COMMIT"), query("COMMIT")], 5),
            turn(&[extended("BEGIN"), extended("SELECT 1/0"), sync(), extended("COMMIT"), sync()], 2),
        ],
    );
    all
}

#[test]
fn errors_in_every_position() {
    let Some(shop) = shop("flow_pipelines") else { return };
    let (proxy, _policies) = shop.proxy();
    for (name, turns) in conversations() {
        same(&shop, &proxy, "shop_app", &name, &turns);
        same_governed(&shop, &proxy, "support", &name, &turns);
    }
}

fn rows(shop: &Shop) -> String {
    shop.sql("SELECT string_agg(a::text, ',' ORDER BY a) FROM kept")
}

#[test]
fn implicit_transactions_keep_and_lose_what_they_would_without_us() {
    let Some(shop) = shop("flow_implicit") else { return };
    let (proxy, _policies) = shop.proxy();
    shop.sql("SET ROLE shop_app; CREATE TABLE kept (a int)");
    let insert = |value: u32| extended(&format!("INSERT INTO kept VALUES ({value})"));
    let turns = [
        turn(&[insert(1), insert(2), sync()], 1),
        turn(&[insert(3), extended("SELECT 1/0"), insert(4), sync()], 1),
        turn(&[insert(5), sync(), extended("SELECT 1/0"), sync(), insert(6), sync()], 3),
        // A Query ends the implicit transaction of the messages before it, in either way.
        turn(&[insert(7), query("SELECT 1"), extended("SELECT 1/0"), sync()], 2),
        turn(&[insert(8), query("SELECT 1/0"), insert(9), sync()], 2),
        turn(&[query("INSERT INTO kept VALUES (10); SELECT 1/0"), query("INSERT INTO kept VALUES (11)")], 2),
        turn(&[insert(12), extended("COMMIT"), extended("SELECT 1/0"), sync()], 1),
    ];
    same(&shop, &proxy, "shop_app", "implicit transactions", &turns);
    let kept = rows(&shop);
    shop.sql("TRUNCATE kept");
    let mut direct = crate::support::raw::Raw::connect(shop.cluster.port(), "shop_app", &shop.database);
    crate::support::conversation::play(&mut direct, &turns);
    let once: Vec<String> = rows(&shop).split(',').flat_map(|row| [row.to_owned(), row.to_owned()]).collect();
    assert_eq!(kept, once.join(","));
}

#[test]
fn an_error_that_only_commit_finds_comes_with_the_ready_for_query() {
    let Some(shop) = shop("flow_deferred") else { return };
    let (proxy, _policies) = shop.proxy();
    shop.sql("SET ROLE shop_app; CREATE TABLE once (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
    let twice = "INSERT INTO once VALUES (1), (1)";
    let turns = [
        turn(&[extended(twice), sync(), extended("SELECT 1"), sync()], 2),
        turn(&[query(twice), query("SELECT 1")], 2),
        turn(&[extended(twice), query("SELECT 1"), extended("SELECT 2"), sync()], 2),
        turn(&[extended("BEGIN"), extended(twice), extended("COMMIT"), extended("SELECT 3"), sync()], 1),
        turn(&[query("BEGIN"), extended(twice), extended("SET CONSTRAINTS ALL IMMEDIATE"), sync(), query("COMMIT")], 3),
    ];
    same(&shop, &proxy, "shop_app", "deferred constraints", &turns);
}
