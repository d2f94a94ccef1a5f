//! The golden pages on a real server: what they say is sent, is valid there, and gives the columns that the client's own
//! text would have given.

#[path = "../support/pages.rs"]
mod golden;

use std::fmt::Write;

use golden::{Case, Fixture, Page};
use pgcovenant::engine::check::{Facts, Protocol, check};
use pgcovenant::engine::verdict::Verdict;
use pgcovenant::model::catalog::{Catalog, Relation, RelationKind, SearchPath};

use crate::support::sql::{Session, connect};
use crate::support::{Cluster, project, shop};

/// Pages on which columns are left out of a star.
const LEAVES_OUT: &[&str] = &["sunset", "denied", "deprecated"];

/// The statement that creates what a page says there is.
fn creation(catalog: &Catalog, relation: &Relation) -> Vec<String> {
    let name = relation.qualified();
    if let Some(definition) = &relation.definition {
        return vec![format!("CREATE VIEW {name} AS {definition}")];
    }
    if let Some(parent) = relation.parents.first().and_then(|parent| catalog.relation(*parent)) {
        return vec![format!("CREATE TABLE {name} () INHERITS ({})", parent.qualified())];
    }
    if relation.kind != RelationKind::Table {
        return Vec::new();
    }
    let mut columns: Vec<String> =
        relation.columns.iter().map(|column| format!("\"{}\" {}", column.name, column.ty.sql)).collect();
    let names = |numbers: &[i16]| {
        let named = numbers.iter().filter_map(|number| relation.column_by_number(*number));
        named.map(|column| format!("\"{}\"", column.name)).collect::<Vec<_>>().join(", ")
    };
    let key = names(&relation.primary_key);
    let mut statements = Vec::new();
    if !key.is_empty() {
        columns.push(format!("PRIMARY KEY ({key})"));
        let values = vec!["1"; relation.primary_key.len()].join(", ");
        statements.push(format!("INSERT INTO {name} ({key}) VALUES ({values})"));
    }
    statements.insert(0, format!("CREATE TABLE {name} ({})", columns.join(", ")));
    statements
}

/// A database with the tables and views of a page. What cannot be made there, as a view over an operator that the page
/// only mentions, is left out: then the client's own text does not run either.
async fn database(cluster: &Cluster, page: &str, fixture: &Fixture) -> (String, Session) {
    let name = format!("page_{page}");
    cluster.sql("postgres", &format!("CREATE DATABASE {name}"));
    let session = connect(cluster.port(), "postgres", &name).await;
    let catalog = &fixture.snapshot.database("shop").unwrap().catalog;
    let _ = session.simple("CREATE EXTENSION pg_trgm").await;
    let _ = session.simple("CREATE TYPE public.tier AS ENUM ('new', 'paid')").await;
    let mut relations: Vec<_> = catalog.relations().filter(|relation| !relation.schema.starts_with("pg_")).collect();
    relations.sort_by_key(|relation| (relation.definition.is_some(), relation.oid));
    for relation in relations {
        let _ = session.simple(&format!("CREATE SCHEMA IF NOT EXISTS \"{}\"", relation.schema)).await;
        for statement in creation(catalog, relation) {
            let _ = session.simple(&statement).await;
        }
    }
    (name, session)
}

/// Names and types of the columns of a text, after it has run; an error is the server's message.
async fn columns(session: &Session, text: &str) -> Result<Vec<String>, String> {
    let message = |error: tokio_postgres::Error| {
        error
            .as_db_error()
            .map_or_else(|| error.to_string(), |error| format!("{} {}", error.code().code(), error.message()))
    };
    let first = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    if first.starts_with("COPY") {
        return match text.contains(" TO STDOUT") {
            true => session.client.copy_out(text).await.map(|_| Vec::new()).map_err(message),
            false => session.client.prepare(text).await.map(|_| Vec::new()).map_err(message),
        };
    }
    let statement = match session.client.prepare(text).await {
        Ok(statement) => statement,
        Err(error) if error.as_db_error().is_some_and(|error| error.message().contains("multiple commands")) => {
            return session.simple(text).await.map(|_| Vec::new()).map_err(message);
        }
        Err(error) => return Err(message(error)),
    };
    let found = statement.columns().iter().map(|column| format!("{}:{}", column.name(), column.type_())).collect();
    if statement.params().is_empty() {
        session.client.query(&statement, &[]).await.map_err(message)?;
    }
    Ok(found)
}

async fn in_transaction(session: &Session, path: Option<&str>, text: &str) -> Result<Vec<String>, String> {
    session.simple("BEGIN").await.unwrap();
    if let Some(path) = path {
        session.simple(&format!("SET LOCAL search_path = {path}")).await.unwrap();
    }
    let answer = columns(session, text).await;
    session.simple("ROLLBACK").await.unwrap();
    // Prepared statements outlive the transaction.
    if let Some(name) = text.strip_prefix("PREPARE ").and_then(|rest| rest.split_whitespace().next()) {
        let _ = session.simple(&format!("DEALLOCATE {name}")).await;
    }
    answer
}

/// What would be sent for a case, where that is not its own text.
fn rewritten(fixture: &Fixture, case: &Case) -> Option<String> {
    let view = fixture.snapshot.view(&fixture.subject(&case.user));
    let path = match &case.search_path {
        Some(path) => SearchPath::new(path.split(',').map(str::trim)),
        None => SearchPath::default(),
    };
    let facts = Facts { database: "shop", view: &view, search_path: Some(&path), protocol: Protocol::Simple };
    match check(&fixture.snapshot, &facts, &case.sql) {
        Verdict::Admit(admitted) => admitted.rewritten_text().map(str::to_owned),
        Verdict::Refuse(_) => None,
    }
}

#[tokio::test]
async fn what_the_pages_say_is_sent_runs_and_has_the_columns_of_the_original() {
    let Some(shop) = shop("pages") else { return };
    let (mut compared, mut skipped, mut wrong) = (0, Vec::new(), String::new());
    let mut files: Vec<_> =
        std::fs::read_dir(project("tests/golden/pages")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let page_name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let page = Page::parse(&std::fs::read_to_string(&file).unwrap());
        let fixture = Fixture::build(&page);
        let (_, session) = database(shop.cluster, &page_name, &fixture).await;
        for case in &page.cases {
            let Some(sent) = rewritten(&fixture, case) else { continue };
            let path = case.search_path.as_deref();
            // What the server itself would not run says nothing.
            let Ok(original) = in_transaction(&session, path, &case.sql).await else {
                skipped.push(format!("{page_name}: {}", case.title));
                continue;
            };
            compared += 1;
            let found = in_transaction(&session, path, &sent).await;
            let same = match &found {
                Ok(found) if LEAVES_OUT.contains(&&*page_name) => found.iter().all(|column| original.contains(column)),
                Ok(found) => *found == original,
                Err(_) => false,
            };
            if !same {
                writeln!(wrong, "--- {page_name}: {}\n{sent}\n  {found:?}\n  instead of {original:?}", case.title)
                    .unwrap();
            }
        }
    }
    println!("{compared} compared, {} skipped", skipped.len());
    assert!(wrong.is_empty(), "{wrong}");
    assert!(compared > 100 && skipped.len() * 4 < compared, "{compared} compared, skipped: {skipped:#?}");
}
