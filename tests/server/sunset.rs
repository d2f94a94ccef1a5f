//! Past its sunset: every answer is that of a twin in which the column is really dropped, message by message.

use crate::support::raw::{self, Raw};
use crate::support::{Proxy, Shop, shop};

/// Made in both databases by their owner, before the column is dropped in one of them.
const OBJECTS: &str = "
    SET ROLE shop_app;
    CREATE TABLE shipments (order_id bigint, estimated_delivery timestamptz, carrier text);
    INSERT INTO shipments SELECT order_id, '2026-02-03 04:05:06+00', 'carrier ' || order_id % 3 FROM orders;
    CREATE TABLE parcels (id int, old_code text, region text, note text) PARTITION BY LIST (region);
    CREATE TABLE parcels_eu PARTITION OF parcels FOR VALUES IN ('eu');
    CREATE TABLE parcels_us PARTITION OF parcels FOR VALUES IN ('us');
    INSERT INTO parcels VALUES (1, 'a', 'eu', 'x'), (2, 'b', 'us', NULL), (3, 'c', 'eu', 'z');
    CREATE TABLE other (id int, old_code text);
    INSERT INTO other VALUES (1, 'x'), (2, NULL), (9, 'a');
    CREATE TABLE tail (id int PRIMARY KEY, name text, old_code text DEFAULT 'd');
    INSERT INTO tail VALUES (1, 'one', 'x'), (2, NULL, NULL);";

const DESCRIBED: &str = "schema:
  - name: parcels
    physicalType: table
    properties:
      - {name: id, logicalType: integer}
      - name: old_code
        logicalType: string
        customProperties: [{property: pgcovenantLifecycle, value: {phase: sunset}}]
      - {name: region, logicalType: string}
      - {name: note, logicalType: string}
  - name: tail
    physicalType: table
    properties:
      - {name: id, logicalType: integer}
      - {name: name, logicalType: string}
      - name: old_code
        logicalType: string
        customProperties: [{property: pgcovenantLifecycle, value: {phase: sunset}}]
";

/// What a statement has left behind.
pub(crate) const CHECK: &str = "SELECT md5(string_agg(id || coalesce(name, '') , ',' ORDER BY id)) FROM tail";

/// Each is played in the simple protocol and as a prepared statement.
const STATEMENTS: &str = include_str!("sunset.sql");

pub(crate) fn retired(name: &str) -> Option<(Shop, Shop, Proxy, crate::support::shop::Policies)> {
    let shop = shop(name)?;
    let dropped = shop.twin(&format!("{name}_dropped"));
    for database in [&shop, &dropped] {
        database.sql(OBJECTS);
    }
    dropped.sql("ALTER TABLE orders DROP COLUMN estimated_delivery");
    dropped.sql("ALTER TABLE parcels DROP COLUMN old_code");
    dropped.sql("ALTER TABLE tail DROP COLUMN old_code");
    let policies = shop.policies();
    policies.replace("contract.odcs.yaml", "phase: deprecated", "phase: sunset");
    policies.replace("contract.odcs.yaml", "schema:\n", DESCRIBED);
    let proxy = shop.proxy_with(&policies, "");
    Some((shop, dropped, proxy, policies))
}

/// What a message says that must be the same: of errors severity, SQLSTATE, message and position; of columns all but the
/// number of their table and of the type of its rows.
fn essence(kind: u8, body: &[u8]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match kind {
        b'E' => {
            let fields = body.split(|byte| *byte == 0).map(text);
            fields
                .filter(|field| field.starts_with(['V', 'C', 'M', 'P']))
                .fold("E".to_owned(), |line, field| line + " " + &field)
        }
        b'T' => columns(body),
        _ => format!("{} {}", char::from(kind), text(body).escape_default()),
    }
}

const RECORD: u32 = 2249;
const RECORDS: u32 = 2287;

fn columns(body: &[u8]) -> String {
    let mut rest = &body[2..];
    let mut line = "T".to_owned();
    while let Some(end) = rest.iter().position(|byte| *byte == 0) {
        let (name, after) = rest.split_at(end);
        let number = |at: usize| u32::from_be_bytes(after[at..at + 4].try_into().unwrap());
        let attnum = u16::from_be_bytes([after[5], after[6]]);
        // A whole row is a record where a column is missing from it.
        let ty = if number(7) >= 16384 || number(7) == RECORDS { RECORD } else { number(7) };
        line += &format!(" {}#{attnum}:{ty}/{}", String::from_utf8_lossy(name), number(13));
        rest = &after[19..];
    }
    line
}

/// The answers up to ReadyForQuery, after a transaction has begun; it is rolled back then.
pub(crate) fn answers(session: &mut Raw, frames: &[Vec<u8>], check: &str) -> Vec<String> {
    let mut seen = Vec::new();
    for (frames, kept) in [
        (&[raw::query("BEGIN")][..], false),
        (frames, true),
        (&[raw::query(check)], true),
        (&[raw::query("ROLLBACK")], false),
    ] {
        session.write(&frames.concat());
        let came = session.essentials(essence);
        if kept {
            seen.extend(came);
        }
    }
    seen
}

fn statements(text: &str) -> impl Iterator<Item = &str> {
    text.split(";\n").map(str::trim).filter(|sql| !sql.is_empty())
}

#[tokio::test]
async fn copy_fills_what_is_left() {
    let Some((shop, _dropped, proxy, _policies)) = retired("sunset_copy") else { return };
    let mut session = Raw::connect(proxy.port(), "shop_app", &shop.database);
    session.write(&raw::query("COPY tail FROM STDIN"));
    session.until(b'G');
    session.write(&[raw::copy_data("40\tforty\n"), raw::copy_done()].concat());
    session.until_ready(1);
    assert_eq!(shop.sql("SELECT * FROM tail WHERE id = 40").trim(), "40|forty|d");
}

#[tokio::test]
async fn past_its_sunset_every_answer_is_that_of_the_database_without_the_column() {
    let Some((shop, dropped, proxy, _policies)) = retired("sunset_oracle") else { return };
    let mut wrong = Vec::new();
    let mut count = 0;
    let mut twin = Raw::connect(shop.cluster.port(), "shop_app", &dropped.database);
    let mut session = Raw::connect(proxy.port(), "shop_app", &shop.database);
    for sql in statements(STATEMENTS) {
        count += 1;
        let extended = [raw::parse("", sql), raw::describe_of(b'S', ""), raw::sync()].concat();
        // The server looks at these when they run, not when they are parsed.
        let both = if sql.starts_with("PREPARE") || sql.starts_with("COPY") {
            vec![raw::query(sql)]
        } else {
            vec![raw::query(sql), extended]
        };
        for frames in both {
            let expected = answers(&mut twin, std::slice::from_ref(&frames), CHECK);
            let seen = answers(&mut session, &[frames], CHECK);
            if expected != seen {
                wrong.push(format!("{sql}\n  expected {expected:#?}\n  seen {seen:#?}"));
                break;
            }
        }
    }
    assert!(count > 60, "{count} statements");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}
