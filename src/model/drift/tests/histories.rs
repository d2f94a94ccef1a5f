//! Histories of migrations: what must have come, what was edited, and what changed without one.

use super::*;
use crate::model::migrations::{HistoryTable, State, Step, Tool, summarise};

fn history(steps: &[(&str, &str, State)]) -> Structure {
    let table = HistoryTable {
        schema: "public".into(),
        name: "flyway_schema_history".into(),
        tool: Tool::Flyway,
        has_lock: false,
    };
    let steps: Vec<Step> = steps
        .iter()
        .map(|(version, checksum, state)| Step {
            key: (*version).into(),
            version: (*version).into(),
            checksum: Some((*checksum).into()),
            state: Some(*state),
            took: None,
        })
        .collect();
    Structure { histories: vec![summarise(&table, &steps, false)], ..Structure::default() }
}

#[test]
fn migrations_must_have_come_where_the_contract_expects_them() {
    let expecting = |value: &str| {
        contract(&format!("customProperties: [{{property: pgcovenantSchemaVersion, value: {value}}}]\nschema: []\n"))
    };
    let there = Catalog::new("shop", 0);
    let applied = history(&[("1", "a", State::Applied), ("2", "b", State::Applied)]);
    let look = |value: &str, structure: &Structure| shown(&found(&expecting(value), &there, structure));
    assert_eq!(look("{tool: flyway, version: '2'}", &applied), [""; 0]);
    let mismatch = ["breaking version_mismatch public.flyway_schema_history"];
    assert_eq!(look("{version: '3'}", &applied), mismatch);
    assert_eq!(look("{tool: alembic, version: '2'}", &applied), ["risky version_mismatch alembic"]);
    let digest = applied.histories[0].digest.clone();
    assert_eq!(look(&format!("{{version: '2', digest: '{digest}'}}"), &applied), [""; 0]);
    let edited = history(&[("1", "edited", State::Applied), ("2", "b", State::Applied)]);
    let changed = ["risky history_checksum_changed public.flyway_schema_history"];
    assert_eq!(look(&format!("{{version: '2', digest: '{digest}'}}"), &edited), changed);
    let failed = history(&[("1", "a", State::Applied), ("2", "b", State::Failed)]);
    assert_eq!(look("{version: '1'}", &failed), ["breaking history_failed public.flyway_schema_history"]);
    assert_eq!(look("{version: '1'}", &history(&[("1", "a", State::Applied), ("2", "b", State::InProgress)])), [""; 0]);
}

#[test]
fn edited_migrations_and_changes_without_one_are_remembered() {
    let promised = orders(ID);
    let before = catalog(&promised);
    let mut after = before.clone();
    change(&mut after, "orders", |orders| orders.columns[0].not_null = false);
    let now = "2026-11-21T10:00:00Z".parse().unwrap();
    let mut memory = Memory::default();
    let mut look = |catalog: &Catalog, structure: &Structure| {
        shown(&memory.look([&promised], &Observed { catalog, structure, bypasses: &[], now }))
    };
    let (one, two) =
        (history(&[("1", "a", State::Applied)]), history(&[("1", "a", State::Applied), ("2", "b", State::Applied)]));
    assert_eq!(look(&before, &one), [""; 0]);
    let unmanaged = ["risky unmanaged_ddl public.orders"];
    assert_eq!(look(&after, &one), unmanaged);
    assert_eq!(look(&after, &one), unmanaged, "until a migration tells of it");
    assert_eq!(look(&after, &two), [""; 0]);
    assert_eq!(look(&before, &one), [""; 0], "a migration that is taken back");
    let edited = history(&[("1", "edited", State::Applied)]);
    let changed = ["risky history_checksum_changed public.flyway_schema_history.\"1\""];
    assert_eq!(look(&before, &edited), changed);
    assert_eq!(look(&before, &edited), changed, "it does not heal by being looked at");
    assert_eq!(look(&before, &one), [""; 0], "put back");
    let mut without = Memory::default();
    let nothing = Structure::default();
    let observed = |catalog| Observed { catalog, structure: &nothing, bypasses: &[], now };
    without.look([&promised], &observed(&before));
    assert_eq!(without.look([&promised], &observed(&after)), [], "nobody keeps a history");
}
