//! The law of the shadow database, observed from outside: `support` behind the proxy gets what it would get from a
//! database that physically holds the masked values.

use std::fmt::Write;

use crate::support::raw::{self, Raw};
use crate::support::sql::{Refused, Session};
use crate::support::{Shop, project, shop};

/// One line of legitimate.sql.
struct Statement {
    group: String,
    sql: String,
    /// Not understood yet: may be refused, but never answered otherwise.
    may_be_refused: bool,
}

fn legitimate() -> Vec<Statement> {
    let text = std::fs::read_to_string(project("tests/server/legitimate.sql")).unwrap();
    let mut group = String::new();
    let mut statements = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with("--")) {
        match line.strip_prefix("# ") {
            Some(name) => group = name.to_owned(),
            None => {
                let sql = line.strip_prefix("~ ").unwrap_or(line).to_owned();
                statements.push(Statement { group: group.clone(), may_be_refused: sql != line, sql });
            }
        }
    }
    statements
}

/// The shop, and a twin in which the masked values are stored.
pub(crate) fn shop_and_shadow(name: &str) -> Option<(Shop, Shop)> {
    let shop = shop(name)?;
    let shadow = shop.twin(&format!("{name}_shadow"));
    shadow.cluster.psql(&shadow.database, &["-f", &project("tests/server/shadow.sql").display().to_string()]);
    Some((shop, shadow))
}

/// What a text gives in the simple protocol, inside a transaction that is rolled back.
pub(crate) async fn simple(session: &Session, sql: &str) -> Result<Vec<String>, String> {
    if sql.starts_with("COPY") {
        return copy_out(session, sql).await;
    }
    session.simple("BEGIN").await.unwrap();
    let answer = session.simple(sql).await.map_err(|error| Refused::of(&error).code);
    session.simple("ROLLBACK").await.unwrap();
    answer
}

async fn copy_out(session: &Session, sql: &str) -> Result<Vec<String>, String> {
    use futures_util::StreamExt;
    let stream = session.client.copy_out(sql).await.map_err(|error| Refused::of(&error).code)?;
    let mut stream = std::pin::pin!(stream);
    let mut rows = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| Refused::of(&error).code)?;
        rows.push(String::from_utf8_lossy(&chunk).into_owned());
    }
    rows.sort();
    Ok(rows)
}

/// What a text gives in the extended protocol: column names and types, then the rows in binary.
pub(crate) async fn extended(session: &Session, sql: &str) -> Result<Vec<String>, String> {
    session.simple("BEGIN").await.unwrap();
    let answer = described(session, sql).await.map_err(|error| Refused::of(&error).code);
    session.simple("ROLLBACK").await.unwrap();
    answer
}

async fn described(session: &Session, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let statement = session.client.prepare(sql).await?;
    let columns: Vec<_> =
        statement.columns().iter().map(|column| format!("{}:{}", column.name(), column.type_())).collect();
    let rows = session.client.query(&statement, &[]).await?;
    Ok(vec![columns.join("|"), rows.len().to_string()])
}

fn compare(
    differences: &mut String,
    statement: &Statement,
    stored: Result<Vec<String>, String>,
    seen: Result<Vec<String>, String>,
) {
    let refused = matches!(&seen, Err(code) if code == "42501" || code == "0A000");
    if stored != seen && !(refused && statement.may_be_refused) {
        let Statement { group, sql, .. } = statement;
        let _ = write!(differences, "\n[{group}] {sql}\n");
        match (&stored, &seen) {
            (Ok(stored), Ok(seen)) => {
                let unlike = stored.iter().zip(seen).find(|(stored, seen)| stored != seen);
                let _ = writeln!(
                    differences,
                    "  {} rows against {}; first difference: {unlike:?}",
                    stored.len(),
                    seen.len()
                );
            }
            (Ok(rows), Err(code)) => {
                let _ = writeln!(differences, "  refused with {code}, instead of {} rows", rows.len());
            }
            (Err(code), _) => {
                let _ = writeln!(differences, "  expected {code}, got {seen:?}");
            }
        }
    }
}

#[tokio::test]
async fn support_sees_what_the_shadow_database_would_show() {
    let Some((shop, shadow)) = shop_and_shadow("masking") else { return };
    let (proxy, _policies) = shop.proxy();
    let seen = shop.via(&proxy, "support").await;
    let stored = shadow.direct("support").await;
    let mut differences = String::new();
    for statement in legitimate() {
        compare(
            &mut differences,
            &statement,
            simple(&stored, &statement.sql).await,
            simple(&seen, &statement.sql).await,
        );
    }
    assert!(differences.is_empty(), "{differences}");
}

#[tokio::test]
async fn prepared_statements_have_the_columns_and_types_of_the_shadow_database() {
    let Some((shop, shadow)) = shop_and_shadow("masking_types") else { return };
    let (proxy, _policies) = shop.proxy();
    let seen = shop.via(&proxy, "support").await;
    let stored = shadow.direct("support").await;
    let mut differences = String::new();
    for statement in legitimate().iter().filter(|statement| !statement.sql.starts_with("COPY")) {
        compare(
            &mut differences,
            statement,
            extended(&stored, &statement.sql).await,
            extended(&seen, &statement.sql).await,
        );
    }
    assert!(differences.is_empty(), "{differences}");
}

#[tokio::test]
async fn nobody_else_is_masked() {
    let Some(shop) = shop("masking_app") else { return };
    let (proxy, _policies) = shop.proxy();
    let direct = shop.direct("shop_app").await;
    let via = shop.via(&proxy, "shop_app").await;
    for statement in legitimate() {
        assert_eq!(simple(&direct, &statement.sql).await, simple(&via, &statement.sql).await, "{}", statement.sql);
    }
}

#[tokio::test]
async fn two_databases_that_differ_in_protected_values_answer_alike() {
    let Some(shop) = shop("interference") else { return };
    let other = shop.twin("interference_other");
    other.sql("UPDATE customers SET ssn = '000-00-0000', birth_date = make_date(extract(year FROM birth_date)::int, 12, 24), email = left(email, 1) || id || 'zz' || substr(email, strpos(email, '@')), notes = notes || 'secret'");
    other.sql("UPDATE payments SET provider_ref = NULL, card_number = '5' || substr(card_number, 2)");
    other.sql("UPDATE employees SET salary = floor(salary / 10000) * 10000 + 1");
    let (one_proxy, _one) = shop.proxy();
    let (other_proxy, _other) = other.proxy();
    let one = shop.via(&one_proxy, "support").await;
    let two = other.via(&other_proxy, "support").await;
    for statement in legitimate() {
        assert_eq!(simple(&one, &statement.sql).await, simple(&two, &statement.sql).await, "{}", statement.sql);
    }
}

/// The CHECK of a domain runs with the rights of the user when a parameter of that type is bound, and may answer a question.
#[test]
fn parameter_types_by_number_are_judged_like_types_by_name() {
    let Some(shop) = shop("types") else { return };
    shop.cluster.sql(
        &shop.database,
        "CREATE FUNCTION is_mail(text) RETURNS boolean LANGUAGE sql AS \
         'SELECT EXISTS (SELECT FROM public.customers WHERE email = $1)'; \
         CREATE DOMAIN known_mail AS text CHECK (is_mail(VALUE)); CREATE TYPE mood AS ENUM ('sad', 'happy')",
    );
    let oid = |name: &str| -> u32 {
        shop.cluster.sql(&shop.database, &format!("SELECT '{name}'::regtype::oid")).trim().parse().unwrap()
    };
    let (proxy, _policies) = shop.proxy();
    let mut session = Raw::connect(proxy.port(), "support", &shop.database);
    let trace = session.exchange(&[raw::parse_typed("a", "SELECT $1", &[oid("known_mail")]), raw::sync()], 1);
    assert!(trace.iter().any(|line| line.contains("0A000")), "{trace:?}");
    let trace = session.exchange(&[raw::parse_typed("b", "SELECT $1", &[oid("mood")]), raw::sync()], 1);
    assert!(!trace.iter().any(|line| line.starts_with('E')), "{trace:?}");
}

/// Without a context to take away: the server quotes what it could not cast in the message itself.
#[tokio::test]
async fn an_error_within_a_view_does_not_quote_what_it_failed_on() {
    let Some(shop) = shop("quoting") else { return };
    shop.sql(
        "CREATE VIEW cast_view AS SELECT id, x FROM (SELECT id, (ssn || random()::text)::int AS x FROM customers WHERE ssn IS NOT NULL LIMIT 5) s;
         GRANT SELECT ON cast_view TO support",
    );
    let numbers = shop.sql("SELECT ssn FROM customers WHERE ssn IS NOT NULL");
    let quotes = |text: &str| numbers.lines().any(|ssn| text.contains(ssn));
    let (proxy, _policies) = shop.proxy();
    let direct = shop.direct("postgres").await.error("SELECT id FROM cast_view").await;
    assert!(quotes(&direct.message), "the attack no longer works: {direct:?}");
    let refused = shop.via(&proxy, "support").await.error("SELECT id FROM cast_view").await;
    assert!(!quotes(&format!("{refused:?}")), "{refused:?}");
    assert!(refused.code == "22P02" || refused.code == "42501", "{refused:?}");
}
