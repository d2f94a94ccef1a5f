//! What rows of history tables amount to.

use super::*;
use crate::model::catalog::{Catalog, Column, Oid, Relation};
use crate::model::contract::types::column_type;

fn table(tool: Tool) -> HistoryTable {
    HistoryTable { schema: "public".into(), name: "h".into(), tool, has_lock: false }
}

fn step(version: &str, checksum: &str, state: Option<State>) -> Step {
    let checksum = (!checksum.is_empty()).then(|| checksum.into());
    Step { key: version.into(), version: version.into(), checksum, state, took: None }
}

fn at(tool: Tool, steps: &[Step]) -> (String, State) {
    let history = summarise(&table(tool), steps, false);
    (history.version.to_string(), history.state)
}

const APPLIED: Option<State> = Some(State::Applied);

#[test]
fn numbers_count_as_numbers_and_names_by_their_order() {
    let steps = [step("1.10", "a", APPLIED), step("1.9", "b", APPLIED)];
    assert_eq!(at(Tool::Flyway, &steps), ("1.10".to_owned(), State::Applied));
    assert_eq!(at(Tool::Prisma, &steps).0, "1.9");
    assert_eq!(at(Tool::Alembic, &[step("b2", "", APPLIED), step("a1", "", APPLIED)]).0, "a1,b2");
    assert_eq!(at(Tool::Goose, &[]).0, "");
}

#[test]
fn what_was_taken_back_does_not_count_and_what_failed_does_until_it_is_repeated() {
    let taken_back = [step("1", "", APPLIED), step("2", "", APPLIED), step("2", "", None)];
    assert_eq!(at(Tool::Goose, &taken_back), ("1".to_owned(), State::Applied));
    let failed = [step("1", "", APPLIED), step("2", "", Some(State::Failed))];
    assert_eq!(at(Tool::Flyway, &failed), ("1".to_owned(), State::Failed));
    let repeated = [step("2", "", Some(State::Failed)), step("2", "", APPLIED)];
    assert_eq!(at(Tool::Prisma, &repeated), ("2".to_owned(), State::Applied));
    assert_eq!(summarise(&table(Tool::Liquibase), &[], true).state, State::InProgress);
}

#[test]
fn the_digest_follows_versions_and_checksums_and_nothing_else() {
    let digest = |steps: &[Step]| summarise(&table(Tool::Flyway), steps, false).digest;
    let (one, two) = (step("1", "a", APPLIED), step("2", "b", APPLIED));
    assert_eq!(digest(&[one.clone(), two.clone()]), digest(&[two.clone(), one.clone()]));
    assert_ne!(digest(&[one.clone(), two]), digest(std::slice::from_ref(&one)));
    assert_ne!(digest(&[step("1", "changed", APPLIED)]), digest(&[one]));
    assert_eq!(digest(&[]).len(), 32);
}

#[test]
fn an_expected_version_is_compared_as_the_tool_means_it() {
    let heads = summarise(&table(Tool::Alembic), &[step("b", "", APPLIED), step("a", "", APPLIED)], false);
    assert!(heads.is_at("b, a") && !heads.is_at("a"));
    let steps =
        [step("shop.0001_initial", "", APPLIED), step("shop.0002_eta", "", APPLIED), step("auth.0012", "", APPLIED)];
    let django = summarise(&table(Tool::Django), &steps, false);
    assert!(django.is_at("shop.0002_eta") && django.is_at("auth.0012") && !django.is_at("shop.0001_initial"));
}

fn with(relations: &[(&str, &[&str])]) -> Catalog {
    let mut catalog = Catalog::new("shop", 0);
    for (number, (name, columns)) in (1..).zip(relations) {
        let columns = (1..).zip(*columns).map(|(attnum, name)| Column::new(attnum, name, column_type("text")));
        catalog.insert(Relation::table(Oid(number), "public", name, columns.collect()));
    }
    catalog
}

#[test]
fn tables_of_one_name_are_told_apart_by_their_columns_and_neighbours() {
    let tool = |relations: &[(&str, &[&str])]| detect(&with(relations)).first().map(|table| table.tool);
    assert_eq!(tool(&[("schema_migrations", &["version", "dirty"])]), Some(Tool::GolangMigrate));
    assert_eq!(tool(&[("schema_migrations", &["version", "inserted_at"])]), Some(Tool::Ecto));
    assert_eq!(tool(&[("schema_migrations", &["version"])]), Some(Tool::Dbmate));
    let rails: &[(&str, &[&str])] = &[("schema_migrations", &["version"]), ("ar_internal_metadata", &["key"])];
    assert_eq!(tool(rails), Some(Tool::Rails));
    let catalog = with(rails);
    assert!(catalog.relations().all(|relation| bookkeeping(&catalog, relation)));
    let change: &[&str] = &["change_id", "script_hash", "change", "project", "committed_at"];
    assert_eq!(tool(&[("changes", change)]), None, "a table of the users");
    assert_eq!(tool(&[("changes", change), ("events", &["event"])]), Some(Tool::Sqitch));
    assert_eq!(tool(&[("flyway_schema_history", &["id"])]), None);
}
