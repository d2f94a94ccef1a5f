//! Redirected columns: what goes through the proxy by the old name does what the server does by the new one.

use crate::support::raw::{self, Raw};
use crate::support::shop::Policies;
use crate::support::sql::Session;
use crate::support::{Proxy, Shop, shop};

const TABLES: [(&str, &str); 5] = [
    ("p_read", "redirect: read"),
    ("p_write", "redirect: write"),
    ("p_both", "redirect: both"),
    ("p_dual", "dualWrite: true"),
    ("p_pair", "redirect: read, dualWrite: true"),
];
/// Of different types.
const MIXED: [(&str, &str); 2] = [("m_both", "redirect: both"), ("m_dual", "dualWrite: true")];

/// Each line: what an old application sends, and what is the same by the new name.
const STATEMENTS: &str = include_str!("redirect.sql");

fn objects() -> String {
    let mut sql = "SET ROLE shop_app; SET TimeZone = 'UTC';
        CREATE TABLE other (id int, old_c text);
        INSERT INTO other VALUES (1, 'new 1'), (2, 'old 2'), (7, 'seven');
        CREATE SEQUENCE numbers;
        CREATE FUNCTION counted() RETURNS text LANGUAGE sql AS 'SELECT ''n'' || nextval(''numbers'')';"
        .to_owned();
    let mut states = Vec::new();
    for (table, _) in TABLES {
        sql += &format!(
            "CREATE TABLE {table} (id int PRIMARY KEY DEFAULT 77, a text, old_c varchar(20), note text DEFAULT 'n', new_c varchar(20) UNIQUE);
             INSERT INTO {table} VALUES (1, 'a', 'old 1', 'x', 'new 1'), (2, 'b', 'old 2', 'y', 'new 2'), (3, 'c', NULL, NULL, NULL);"
        );
        if table != "p_both" {
            sql += &format!("ALTER TABLE {table} DROP CONSTRAINT {table}_new_c_key;");
        }
        states.push(table);
    }
    for (table, _) in MIXED {
        sql += &format!(
            "CREATE TABLE {table} (id int PRIMARY KEY, old_c text, new_c timestamptz);
             INSERT INTO {table} VALUES (1, '2025-01-01', '2026-01-01'), (2, NULL, '2027-01-01');"
        );
        states.push(table);
    }
    // What a table holds, told by a function: nothing is rewritten in it.
    let all: Vec<_> =
        states.iter().map(|table| format!("SELECT '{table}' AS n, t::text AS r FROM {table} t")).collect();
    sql += &format!(
        "CREATE FUNCTION state() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(n || r, ';' ORDER BY n, r) FROM ({}) x $$;",
        all.join(" UNION ALL ")
    );
    sql
}

fn described() -> String {
    let table = |name: &str, columns: &[&str], mode: &str| {
        let mut text = format!("  - name: {name}\n    physicalType: table\n    properties:\n");
        for column in columns {
            text += &format!("      - {{name: {column}, logicalType: string}}\n");
        }
        let lifecycle = format!("{{phase: deprecated, replacedBy: new_c, {mode}}}");
        text + &format!(
            "      - name: old_c\n        logicalType: string\n        customProperties: [{{property: pgcovenantLifecycle, value: {lifecycle}}}]\n"
        )
    };
    let plain = TABLES.iter().map(|(name, mode)| table(name, &["id", "a", "note", "new_c"], mode));
    let mixed = MIXED.iter().map(|(name, mode)| table(name, &["id", "new_c"], mode));
    format!("schema:\n{}", plain.chain(mixed).collect::<String>())
}

fn redirected(name: &str) -> Option<(Shop, Proxy, Policies)> {
    let shop = shop(name)?;
    shop.sql(&objects());
    let policies = shop.policies();
    policies.replace("contract.odcs.yaml", "schema:\n", &described());
    let proxy = shop.proxy_with(&policies, "");
    Some((shop, proxy, policies))
}

/// The answers to a statement and what it leaves behind; it is undone then.
fn answers(session: &mut Raw, frames: &[u8]) -> Vec<String> {
    let mut seen = Vec::new();
    let begin = raw::query("BEGIN; SET LOCAL TimeZone = 'UTC'");
    let steps = [
        (begin.as_slice(), false),
        (frames, true),
        (&raw::query("SELECT state()"), true),
        (&raw::query("ROLLBACK"), false),
    ];
    for (frames, kept) in steps {
        session.write(frames);
        let came = session.essentials(essence);
        if kept {
            seen.extend(came);
        }
    }
    seen
}

/// Of errors the SQLSTATE, of columns their names and types, of anything else all.
fn essence(kind: u8, body: &[u8]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match kind {
        b'E' => {
            let mut fields = body.split(|byte| *byte == 0).map(text);
            fields.find(|field| field.starts_with('C')).unwrap_or_default()
        }
        b'T' => {
            let (mut rest, mut line) = (&body[2..], "T".to_owned());
            while let Some(end) = rest.iter().position(|byte| *byte == 0) {
                let ty = u32::from_be_bytes(rest[end + 7..end + 11].try_into().unwrap());
                let typmod = u32::from_be_bytes(rest[end + 13..end + 17].try_into().unwrap());
                line += &format!(" {}:{ty}/{typmod}", text(&rest[..end]));
                rest = &rest[end + 19..];
            }
            line
        }
        _ => format!("{} {}", char::from(kind), text(body).escape_default()),
    }
}

#[tokio::test]
async fn the_old_name_does_what_the_new_one_does() {
    let Some((shop, proxy, _policies)) = redirected("redirect") else { return };
    let mut session = Raw::connect(proxy.port(), "shop_app", &shop.database);
    let mut direct = Raw::connect(shop.cluster.port(), "shop_app", &shop.database);
    let (mut wrong, mut count) = (Vec::new(), 0);
    for line in STATEMENTS.split(";\n").map(str::trim).filter(|line| !line.is_empty()) {
        count += 1;
        let (sent, meant) = line.split_once(" => ").expect("two statements");
        let expected = answers(&mut direct, &raw::query(meant));
        let seen = answers(&mut session, &raw::query(sent));
        if seen != expected {
            wrong.push(format!("{sent}\n  expected {expected:#?}\n  seen {seen:#?}"));
        }
    }
    assert!(count > 80, "{count} statements");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

async fn session(shop: &Shop, proxy: &Proxy) -> Session {
    let session = shop.via(proxy, "shop_app").await;
    session.simple("BEGIN").await.unwrap();
    session
}

#[tokio::test]
async fn a_value_that_changes_each_time_is_evaluated_once_for_both_columns() {
    let Some((shop, proxy, _policies)) = redirected("redirect_once") else { return };
    let app = session(&shop, &proxy).await;
    for sql in [
        "UPDATE p_dual SET old_c = counted()",
        "UPDATE p_dual SET new_c = random()::numeric(10, 5)::text, note = 'z'",
        "INSERT INTO p_dual (id, old_c) SELECT id + 10, counted() FROM other",
        "INSERT INTO p_dual (id, old_c) SELECT id + 20, left(gen_random_uuid()::text, 20) FROM other RETURNING id",
        "INSERT INTO p_dual (id, a) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET old_c = counted() || EXCLUDED.a",
        "UPDATE p_dual SET (a, old_c) = (SELECT 'x', counted())",
        "MERGE INTO p_dual p USING other o ON o.id = p.id WHEN MATCHED THEN UPDATE SET old_c = counted()",
        "UPDATE m_dual SET new_c = clock_timestamp()",
    ] {
        app.simple(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let differ =
            "SELECT (SELECT count(*) FROM p_dual WHERE old_c <> new_c AND id <> 2 OR id > 3 AND old_c IS NULL)";
        if sql.contains("m_dual") {
            assert_eq!(app.value("SELECT count(*) FROM m_dual WHERE old_c::timestamptz <> new_c").await, "0", "{sql}");
        } else if sql.starts_with("UPDATE") || sql.contains("DO UPDATE") || sql.starts_with("INSERT") {
            assert_eq!(app.value(differ).await, "0", "{sql}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_written_to_both_columns_is_refused() {
    let Some((shop, proxy, _policies)) = redirected("redirect_refused") else { return };
    let app = shop.via(&proxy, "shop_app").await;
    for sql in [
        "INSERT INTO p_dual (id, old_c) VALUES (9, random()::text)",
        "INSERT INTO p_dual (id, old_c) VALUES (9, counted())",
        "UPDATE p_dual SET (a, old_c) = ('x', counted())",
        "COPY p_dual (id, old_c) FROM STDIN",
        "COPY p_dual (id, new_c) FROM STDIN",
    ] {
        let refused = app.error(sql).await;
        assert_eq!(refused.code, "0A000", "{sql}: {refused:?}");
        assert!(refused.hint.is_some() && refused.message.contains("old_c"), "{sql}: {refused:?}");
    }
}

#[tokio::test]
async fn parameters_keep_their_types() {
    let Some((shop, proxy, _policies)) = redirected("redirect_parameters") else { return };
    let app = shop.via(&proxy, "shop_app").await;
    let direct = shop.direct("shop_app").await;
    for sql in [
        "SELECT id FROM p_read WHERE old_c = $1",
        "INSERT INTO p_both (id, old_c) VALUES ($1, $2)",
        "INSERT INTO p_dual (id, old_c) VALUES ($1, $2), ($3, $4)",
        "INSERT INTO p_dual (id, old_c) SELECT $1, $2",
        "INSERT INTO p_dual (id, old_c) SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM p_dual WHERE old_c = $3)",
        "UPDATE p_dual SET old_c = $1 WHERE id = $2",
        "UPDATE p_both SET old_c = $1 WHERE id = $2",
        "INSERT INTO p_dual (id, old_c) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET old_c = $3",
        "INSERT INTO m_dual (id, old_c) VALUES ($1, $2)",
        "INSERT INTO m_dual (id, new_c) VALUES ($1, $2)",
        "INSERT INTO m_both (id, old_c) VALUES ($1, $2)",
        "UPDATE m_dual SET new_c = $1",
        "UPDATE m_both SET old_c = $1",
    ] {
        let seen = app.client.prepare(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        assert_eq!(seen.params(), direct.client.prepare(sql).await.unwrap().params(), "{sql}");
    }
    app.client.execute("INSERT INTO p_dual (id, old_c) VALUES ($1, $2)", &[&50, &"fifty"]).await.unwrap();
    assert_eq!(app.rows("SELECT old_c, new_c FROM p_dual WHERE id = 50").await, ["fifty|fifty"]);
    // Texts of one shape share the verdict, not the literals.
    app.rows("INSERT INTO p_dual (id, old_c) VALUES (51, 'one')").await;
    app.rows("INSERT INTO p_dual (id, old_c) VALUES (52, 'two')").await;
    assert_eq!(app.rows("SELECT old_c, new_c FROM p_dual WHERE id > 50 ORDER BY id").await, ["one|one", "two|two"]);
}

#[tokio::test]
async fn an_index_on_the_new_column_serves_the_old_name() {
    let Some((shop, proxy, _policies)) = redirected("redirect_index") else { return };
    shop.sql(
        "INSERT INTO p_both SELECT g, 'a', 'o', 'n', 'value ' || g FROM generate_series(100, 5000) g; ANALYZE p_both",
    );
    let app = shop.via(&proxy, "shop_app").await;
    let plan = app.rows("EXPLAIN SELECT id FROM p_both WHERE old_c = 'value 700'").await.join("\n");
    assert!(plan.contains("p_both_new_c_key"), "{plan}");
    assert_eq!(app.value("SELECT id FROM p_both WHERE old_c = 'value 700'").await, "700");
}

#[tokio::test]
async fn copy_fills_the_new_column_and_warnings_go_on() {
    let Some((shop, proxy, _policies)) = redirected("redirect_copy") else { return };
    let mut session = Raw::connect(proxy.port(), "shop_app", &shop.database);
    session.write(&raw::query("COPY p_both (id, old_c, a) FROM STDIN"));
    session.until(b'G');
    session.write(&[raw::copy_data("40\tforty\tx\n"), raw::copy_done()].concat());
    session.until_ready(1);
    assert_eq!(shop.sql("SELECT old_c IS NULL, new_c FROM p_both WHERE id = 40").trim(), "t|forty");
    let app = shop.via(&proxy, "shop_app").await;
    assert_eq!(app.value("SELECT old_c FROM p_both WHERE id = 40").await, "forty");
    let codes: Vec<_> = app.notices().into_iter().map(|notice| notice.code).collect();
    assert_eq!(codes, ["01P01"]);
    let wrong = app.error("SELECT old_c, nosuch FROM p_both").await;
    assert_eq!((wrong.code.as_str(), wrong.position), ("42703", Some(15)), "{wrong:?}");

    // A table without the new column is left alone, and the log says so.
    app.simple("ALTER TABLE p_both RENAME new_c TO newer_c").await.unwrap();
    crate::support::until("the log names the redirection", || {
        proxy.log().contains("is not redirected: the table has no column new_c")
    });
    assert_eq!(app.value("SELECT old_c IS NULL FROM p_both WHERE id = 40").await, "t");
}

#[tokio::test]
async fn a_mask_of_either_column_holds_for_what_is_shown_under_the_old_name() {
    let Some(shop) = shop("redirect_governed") else { return };
    shop.sql("UPDATE customers SET notes = 'private ' || id WHERE id % 2 = 0; UPDATE customers SET notes = NULL WHERE id % 2 = 1");
    let policies = shop.policies();
    let lifecycle = |to: &str| {
        format!(
            "customProperties: [{{property: pgcovenantLifecycle, value: {{phase: deprecated, redirect: read, replacedBy: {to}}}}}]"
        )
    };
    // Name is shown, notes are emptied; phone has a mask of its own.
    let phone = "classification: confidential, tags: [pii, pii.phone]";
    policies.replace("contract.odcs.yaml", phone, &format!("{phone}, {}", lifecycle("notes")));
    let proxy = shop.proxy_with(&policies, "");
    let support = shop.via(&proxy, "support").await;
    let shown = support.rows("SELECT DISTINCT phone FROM customers ORDER BY 1").await;
    assert_eq!(shown, ["*****", "\\N"], "the mask of the phone over that of the notes");
    let found = support.value("SELECT count(*) FROM customers WHERE phone LIKE '%private%'").await;
    assert_eq!(found, "0");
    let app = shop.via(&proxy, "shop_app").await;
    assert_eq!(app.value("SELECT phone FROM customers WHERE id = 2").await, "private 2");
}
