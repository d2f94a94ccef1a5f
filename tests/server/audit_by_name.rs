//! What SQL prepares and opens is audited when it runs, by whatever way that is.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::audit::{of_kind, proxy, reasons, verify};
use crate::support::raw::{Raw, bind, execute, parse, query, sync};
use crate::support::sql::Session;
use crate::support::{Proxy, shop, until};

const MASKED: &str = "SELECT email FROM customers ORDER BY id";

/// Columns, operations, decision and rows of the records.
fn told(path: &Path) -> Vec<(String, String, String, u64)> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told = |line: &Value| {
        let columns: Vec<_> = line["columns"].as_array().unwrap().iter().map(|used| word(&used["column"])).collect();
        let operations: Vec<_> = line["operations"].as_array().unwrap().iter().map(word).collect();
        (operations.join(" "), columns.join(" "), word(&line["decision"]), line["rows"].as_u64().unwrap())
    };
    of_kind(path, "statement").iter().map(told).collect()
}

/// Waits until so many statements are written.
fn wait_for(path: &Path, statements: usize) {
    let end = Instant::now() + Duration::from_secs(30);
    while of_kind(path, "statement").len() < statements {
        assert!(Instant::now() < end, "{:#?}", told(path));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn record(operation: &str, columns: &str, rows: u64) -> (String, String, String, u64) {
    (operation.to_owned(), columns.to_owned(), "mask".to_owned(), rows)
}

#[tokio::test]
async fn each_run_of_what_sql_has_made_is_recorded_with_its_columns() {
    let Some(shop) = shop("audit_by_name") else { return };
    let (folder, policies) = (tempfile::tempdir().unwrap(), shop.policies());
    let path = folder.path().join("audit.jsonl");
    let proxy = proxy(&shop, &policies, format!("audit: {{path: {}}}", path.display()));
    let support = shop.via(&proxy, "support").await;
    let mut expected = Vec::new();
    for (sql, operation, columns, rows) in [
        (format!("PREPARE p AS {MASKED} LIMIT 2"), "prepare", "email", 0),
        ("EXECUTE p".to_owned(), "prepare", "email", 2),
        ("EXECUTE P".to_owned(), "prepare", "email", 2),
        ("PREPARE harmless AS SELECT 7".to_owned(), "", "", 0),
        ("EXECUTE harmless".to_owned(), "", "", 0),
        ("DEALLOCATE p".to_owned(), "", "", 0),
        ("PREPARE p AS SELECT phone FROM customers LIMIT 3".to_owned(), "prepare", "phone", 0),
        ("EXECUTE p".to_owned(), "prepare", "phone", 3),
        ("BEGIN".to_owned(), "", "", 0),
        (format!("DECLARE c SCROLL CURSOR FOR {MASKED}"), "cursor", "email", 0),
        ("FETCH 5 FROM c".to_owned(), "cursor", "email", 5),
        ("MOVE 5 IN c".to_owned(), "cursor", "email", 5),
        ("CLOSE c".to_owned(), "", "", 0),
        ("COMMIT".to_owned(), "", "", 0),
        (
            "PREPARE q AS SELECT email, phone FROM customers LIMIT 1; EXECUTE q".to_owned(),
            "prepare prepare",
            "email phone email phone",
            1,
        ),
    ] {
        support.rows(&sql).await;
        if !operation.is_empty() {
            expected.push(record(operation, columns, rows));
        }
    }
    // One that SQL has prepared is run by the protocol, and the other way round.
    let mut raw = Raw::connect(proxy.port(), "support", &shop.database);
    raw.exchange(&[query("PREPARE s AS SELECT email FROM customers LIMIT 4")], 1);
    raw.exchange(&[bind("", "s"), execute("", 0), sync()], 1);
    raw.exchange(&[parse("t", "SELECT phone FROM customers LIMIT 6"), sync(), query("EXECUTE t")], 2);
    raw.exchange(&[query("BEGIN"), query("DECLARE d CURSOR FOR SELECT email FROM customers")], 2);
    raw.exchange(&[execute("d", 7), sync(), query("COMMIT")], 2);
    expected.push(record("prepare", "email", 0));
    expected.push(record("prepare", "email", 4));
    expected.push(record("prepare", "phone", 6));
    expected.push(record("cursor", "email", 0));
    expected.push(record("cursor", "email", 0));
    wait_for(&path, expected.len());
    assert_eq!(told(&path), expected);
    let (code, said) = verify(&[path], &[]);
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn a_name_keeps_what_it_stood_for_until_something_else_is_made_of_it() {
    let Some(shop) = shop("audit_name_stays") else { return };
    let (folder, policies) = (tempfile::tempdir().unwrap(), shop.policies());
    let path = folder.path().join("audit.jsonl");
    let proxy = proxy(&shop, &policies, format!("audit: {{path: {}}}", path.display()));
    let support = shop.via(&proxy, "support").await;
    support.rows(&format!("PREPARE p AS {MASKED} LIMIT 1")).await;
    // What fails changes nothing: neither another of that name, nor to let go of it in a transaction that has failed.
    assert_eq!(support.error("PREPARE p AS SELECT 1").await.code, "42P05");
    support.error("BEGIN; SELECT 1/0").await;
    assert_eq!(support.error("DEALLOCATE p").await.code, "25P02");
    support.rows("ROLLBACK").await;
    support.rows("EXECUTE p").await;
    // The first statement of this text remains although the text fails.
    support.error("DEALLOCATE ALL; PREPARE p AS SELECT phone FROM customers LIMIT 1; SELECT 1/0").await;
    support.rows("EXECUTE p").await;
    support.rows("DISCARD ALL").await;
    support.rows("PREPARE p AS SELECT 1").await;
    support.rows("EXECUTE p").await;
    // In one breath, before the server has said anything.
    let mut raw = Raw::connect(proxy.port(), "support", &shop.database);
    let prepare = |sql: &str| query(&format!("PREPARE p AS {sql}"));
    raw.exchange(&[prepare("SELECT 1"), query("DEALLOCATE p"), prepare(MASKED), query("EXECUTE p")], 4);
    wait_for(&path, 6);
    let told: Vec<_> = told(&path).into_iter().map(|(operation, columns, ..)| (operation, columns)).collect();
    let expected = [
        ("prepare", "email"),
        ("prepare", "email"),
        ("prepare prepare select", "phone"),
        ("prepare", "phone"),
        ("prepare", "email"),
        ("prepare", "email"),
    ];
    assert_eq!(told, expected.map(|(operation, columns)| (operation.to_owned(), columns.to_owned())));
}

/// The server tells of the parts of a text before it is over: a client that does not wait for its end must not find a gap.
#[test]
fn what_a_text_makes_after_it_has_dropped_all_is_known_before_it_is_over() {
    let Some(shop) = shop("audit_name_early") else { return };
    let (folder, policies) = (tempfile::tempdir().unwrap(), shop.policies());
    let path = folder.path().join("audit.jsonl");
    let proxy = proxy(&shop, &policies, format!("audit: {{path: {}}}", path.display()));
    let mut raw = Raw::connect(proxy.port(), "support", &shop.database);
    // What is more than the server's buffer is on its way while the rest still runs.
    raw.write(&query(&format!(
        "DEALLOCATE ALL; PREPARE p AS {MASKED} LIMIT 3; SELECT repeat('x', 100000); SELECT pg_sleep(2)"
    )));
    std::thread::sleep(Duration::from_secs(1));
    raw.exchange(&[query("EXECUTE p")], 2);
    wait_for(&path, 2);
    assert_eq!(told(&path)[1], record("prepare", "email", 3));
}

async fn refused(session: &Session, sql: &str) {
    let error = session.error(sql).await;
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("58030", "could not write the audit record of this statement"),
        "{sql}"
    );
}

/// The SQLSTATE of the first error.
fn code(frames: &[Vec<u8>], raw: &mut Raw, ready: usize) -> String {
    raw.exchange(frames, ready)
        .into_iter()
        .find(|line| line.contains("58030"))
        .map(|_| "58030".to_owned())
        .unwrap_or_default()
}

fn unwritable(proxy: &Proxy) {
    until("nobody has noticed", || reasons(proxy).contains("audit_unwritable"));
}

#[tokio::test]
async fn without_an_audit_nothing_runs_that_sql_has_prepared_or_opened() {
    let Some(shop) = shop("audit_name_refused") else { return };
    let (folder, policies) = (tempfile::tempdir().unwrap(), shop.policies());
    let directory = folder.path().join("audit");
    fs::create_dir(&directory).unwrap();
    let path = directory.join("audit.jsonl");
    let proxy = proxy(&shop, &policies, format!("audit: {{path: {}, when_unwritable: refuse}}", path.display()));
    let (support, in_transaction) = (shop.via(&proxy, "support").await, shop.via(&proxy, "support").await);
    support.rows(&format!("PREPARE p AS {MASKED} LIMIT 2; PREPARE harmless AS SELECT 7")).await;
    support.rows(&format!("DECLARE c SCROLL CURSOR WITH HOLD FOR {MASKED}")).await;
    in_transaction.rows(&format!("BEGIN; DECLARE c CURSOR FOR {MASKED}; FETCH 1 FROM c")).await;
    let extended = support.client.prepare("EXECUTE p").await.unwrap();
    assert_eq!(support.client.query(&extended, &[]).await.unwrap().len(), 2);
    let mut raw = Raw::connect(proxy.port(), "support", &shop.database);
    raw.exchange(&[query("PREPARE s AS SELECT email FROM customers LIMIT 4")], 1);
    raw.exchange(&[parse("t", "SELECT phone FROM customers LIMIT 6"), sync()], 1);

    fs::remove_dir_all(&directory).unwrap();
    unwritable(&proxy);
    for sql in ["EXECUTE p", "FETCH 1 FROM c", "MOVE 1 IN c", "FETCH BACKWARD ALL FROM c", "SELECT 1; EXECUTE p"] {
        refused(&support, sql).await;
    }
    refused(&in_transaction, "FETCH 1 FROM c").await;
    assert_eq!(in_transaction.error("SELECT 1").await.code, "25P02", "it is an error like any other");
    let again = support.client.query(&extended, &[]).await.unwrap_err();
    assert_eq!(again.code().map(|code| code.code()), Some("58030"), "{again}");
    assert_eq!(code(&[bind("", "s"), execute("", 0), sync()], &mut raw, 1), "58030");
    assert_eq!(code(&[query("EXECUTE t")], &mut raw, 1), "58030");
    assert_eq!(support.value("EXECUTE harmless").await, "7", "what needs no audit passes");
    support.rows("CLOSE c").await;

    fs::create_dir(&directory).unwrap();
    until("it is not written again", || !reasons(&proxy).contains("audit_unwritable"));
    assert_eq!(support.rows("EXECUTE p").await.len(), 2);
    in_transaction.rows("ROLLBACK").await;
    until("the end is not written", || !of_kind(&path, "statement").is_empty());
    let unwritable = of_kind(&path, "unwritable");
    assert!(unwritable[0]["refused"].as_u64().unwrap() >= 9, "{unwritable:?}");
}
