//! Every kind of drift, and nothing where there is none.

use super::*;
use crate::model::catalog::RelationKind;
use crate::model::contract::{read, to_catalog};
use crate::model::migrations::{HistoryTable, State, Step, Tool, summarise};
use crate::model::source::{Problems, SourceFile};
use crate::model::structure::{ForeignKey, Index};

const HEAD: &str = "apiVersion: v3.1.0\nkind: DataContract\nid: i\nversion: 1.0.0\nstatus: active\n\
    servers: [{server: s, type: postgres, host: h, port: 5432, database: shop, schema: public}]\n";

fn contract(rest: &str) -> Contract {
    let file = SourceFile::new("c.odcs.yaml", &format!("{HEAD}{rest}"));
    let mut problems = Problems::new(&file);
    let contract = read(&mut problems);
    let found: Vec<String> = problems.into_found().iter().map(ToString::to_string).collect();
    contract.unwrap_or_else(|| panic!("{found:#?}"))
}

/// A table `orders` with these properties; a table `customers` beside it.
fn orders(properties: &str) -> Contract {
    orders_with(properties, "")
}

fn orders_with(properties: &str, more: &str) -> Contract {
    contract(&format!(
        "schema:\n- name: orders\n{more}  properties:\n{properties}\n- name: customers\n  properties:\n  \
         - {{name: id, physicalType: bigint, primaryKey: true}}\n"
    ))
}

const ID: &str = "  - {name: id, physicalType: bigint, primaryKey: true}\n";

fn catalog(contract: &Contract) -> Catalog {
    to_catalog([contract], "shop")
}

fn change(catalog: &mut Catalog, name: &str, edit: impl FnOnce(&mut Relation)) {
    let mut relation = (**catalog.find("public", name).unwrap()).clone();
    edit(&mut relation);
    catalog.insert(relation);
}

fn found(contract: &Contract, catalog: &Catalog, structure: &Structure) -> Vec<Finding> {
    let now = "2026-11-21T10:00:00Z".parse().unwrap();
    compare([contract], &Observed { catalog, structure, bypasses: &[], now })
}

fn shown(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|finding| format!("{} {} {}", finding.severity.as_str(), finding.kind.as_str(), finding.object()))
        .collect()
}

/// What is found where the contract says this of the orders, and the database has that.
fn between(promised: &str, there: &str) -> Vec<String> {
    let (promised, there) = (orders(promised), orders(there));
    shown(&found(&promised, &catalog(&there), &Structure::default()))
}

#[test]
fn a_database_that_keeps_its_promises_has_no_drift() {
    let text = format!("{ID}  - {{name: total, physicalType: 'numeric(12,2)', required: true}}");
    assert_eq!(between(&text, &text), [""; 0]);
    assert_eq!(found(&orders(&text), &Catalog::new("other", 0), &Structure::default()), []);
}

#[test]
fn columns_that_are_missing_are_breaking_and_unknown_ones_only_if_they_look_personal() {
    let more = |column: &str| format!("{ID}  - {{name: {column}, physicalType: text}}");
    assert_eq!(between(&more("total"), ID), ["breaking missing_column public.orders.total"]);
    assert_eq!(between(ID, &more("total")), ["cosmetic extra_column public.orders.total"]);
    assert_eq!(between(ID, &more("contact_email")), ["risky extra_column public.orders.contact_email"]);
}

#[test]
fn another_type_and_another_nullability_are_told() {
    let with = |rest: &str| format!("{ID}  - {{name: total, {rest}}}");
    let (text, number) = (with("physicalType: text"), with("physicalType: 'numeric(12,2)'"));
    assert_eq!(between(&number, &text), ["breaking type_mismatch public.orders.total"]);
    assert_eq!(between(&with("logicalType: number"), &text), ["breaking type_mismatch public.orders.total"]);
    assert_eq!(between(&with("logicalType: number"), &number), [""; 0]);
    let required = with("physicalType: text, required: true");
    assert_eq!(between(&required, &text), ["breaking nullability public.orders.total"]);
    assert_eq!(between(&text, &required), ["risky nullability public.orders.total"]);
}

#[test]
fn tables_that_are_missing_or_unknown_are_told() {
    let (promised, mut there) = (orders(ID), Catalog::new("shop", 0));
    let names = ["breaking missing_table public.customers", "breaking missing_table public.orders"];
    assert_eq!(shown(&found(&promised, &there, &Structure::default())), names);
    there = catalog(&contract(
        "schema:\n- name: orders\n  properties:\n  - {name: id, physicalType: bigint, primaryKey: true}\n\
         - name: customers\n  properties:\n  - {name: id, physicalType: bigint, primaryKey: true}\n\
         - name: plain\n  properties:\n  - {name: a, physicalType: text}\n\
         - name: personal\n  properties:\n  - {name: email, physicalType: text}\n",
    ));
    let mut structure = Structure::default();
    let unknown = ["risky extra_table public.personal", "cosmetic extra_table public.plain"];
    assert_eq!(shown(&found(&promised, &there, &structure)), unknown);
    structure.relation_mut("public".into(), "plain".into()).extension = Some("postgis".into());
    let parent = there.find("public", "orders").unwrap().oid;
    change(&mut there, "orders", |orders| orders.kind = RelationKind::Partitioned);
    change(&mut there, "personal", |personal| personal.parents = vec![parent]);
    assert_eq!(shown(&found(&promised, &there, &structure)), [""; 0], "partitions and extensions");
}

#[test]
fn what_was_removed_must_not_come_back() {
    let removed = "    customProperties: [{property: pgcovenantLifecycle, value: {phase: removed}}]";
    let promised = orders(&format!("{ID}  - name: eta\n    physicalType: date\n{removed}"));
    let there = catalog(&orders(&format!("{ID}  - {{name: eta, physicalType: date}}")));
    let structure = Structure::default();
    assert_eq!(shown(&found(&promised, &there, &structure)), ["risky removed_reappeared public.orders.eta"]);
    assert_eq!(found(&promised, &catalog(&orders(ID)), &structure), [], "removed and gone");
    let sunset =
        orders(&format!("{ID}  - name: eta\n    physicalType: date\n{}", removed.replace("removed", "sunset")));
    assert_eq!(found(&sunset, &there, &structure), []);
    let gone = shown(&found(&sunset, &catalog(&orders(ID)), &structure));
    assert_eq!(gone, ["cosmetic missing_column public.orders.eta"], "that is what a sunset is for");
}

#[test]
fn primary_keys_are_compared_as_sets() {
    let two = "  - {name: a, physicalType: int, primaryKey: true, primaryKeyPosition: 1}\n  \
               - {name: b, physicalType: int, primaryKey: true, primaryKeyPosition: 2}";
    let promised = orders(two);
    let mut there = catalog(&promised);
    change(&mut there, "orders", |orders| orders.primary_key.reverse());
    assert_eq!(found(&promised, &there, &Structure::default()), []);
    change(&mut there, "orders", |orders| orders.primary_key.truncate(1));
    let findings = found(&promised, &there, &Structure::default());
    assert_eq!(shown(&findings), ["breaking missing_pk public.orders"]);
    assert!(findings[0].message.contains("has the primary key (b), the contract promises (a, b)"), "{findings:?}");
}

fn key(columns: &[&str], validated: bool) -> ForeignKey {
    ForeignKey {
        name: "fk".into(),
        columns: columns.iter().map(|name| (*name).into()).collect(),
        to: ("public".into(), "customers".into()),
        to_columns: vec!["id".into()],
        validated,
    }
}

#[test]
fn promised_foreign_keys_must_be_there_and_validated() {
    let column = format!(
        "{ID}  - {{name: customer, physicalName: customer_id, physicalType: bigint, relationships: [{{to: customers.id}}]}}"
    );
    let promised = orders(&column);
    let there = catalog(&promised);
    let mut structure = Structure::default();
    assert_eq!(shown(&found(&promised, &there, &structure)), ["breaking missing_fk public.orders.customer_id"]);
    structure.relation_mut("public".into(), "orders".into()).foreign_keys = vec![key(&["customer_id"], false)];
    assert_eq!(shown(&found(&promised, &there, &structure)), ["risky unvalidated_constraint public.orders"]);
    structure.relation_mut("public".into(), "orders".into()).foreign_keys = vec![key(&["customer_id"], true)];
    assert_eq!(found(&promised, &there, &structure), []);
    // At the level of the object, by the names that the contract gives.
    let whole = "  relationships: [{from: orders.customer, to: customers.id}]\n";
    let plain = format!("{ID}  - {{name: customer, physicalName: customer_id, physicalType: bigint}}");
    assert_eq!(found(&orders_with(&plain, whole), &there, &structure), []);
    structure.relation_mut("public".into(), "orders".into()).unvalidated = vec!["positive".into()];
    assert_eq!(shown(&found(&promised, &there, &structure)), ["risky unvalidated_constraint public.orders"]);
}

fn index(name: &str, key: &[&str]) -> Index {
    Index {
        name: name.into(),
        key: key.iter().map(|name| (*name).into()).collect(),
        unique: false,
        valid: true,
        partial: false,
        of_constraint: false,
    }
}

#[test]
fn indexes_are_compared_only_where_the_contract_speaks_of_them() {
    let columns = format!("{ID}  - {{name: status, physicalType: text}}");
    let silent = orders(&columns);
    let there = catalog(&silent);
    let with = |indexes: Vec<Index>| {
        let mut structure = Structure::default();
        structure.relation_mut("public".into(), "orders".into()).indexes = indexes;
        structure
    };
    assert_eq!(found(&silent, &there, &with(vec![index("i", &["status"])])), []);
    let broken = Index { valid: false, ..index("i", &["status"]) };
    assert_eq!(shown(&found(&silent, &there, &with(vec![broken]))), ["risky missing_index public.orders"]);
    let listed = orders_with(&columns, "  customProperties: [{property: pgcovenantIndexes, value: [[status]]}]\n");
    assert_eq!(shown(&found(&listed, &there, &with(Vec::new()))), ["risky missing_index public.orders"]);
    assert_eq!(found(&listed, &there, &with(vec![index("i", &["status"])])), []);
    let two = with(vec![index("i", &["status", "id"]), index("j", &["id"])]);
    assert_eq!(
        shown(&found(&listed, &there, &two)),
        ["cosmetic extra_index public.orders", "cosmetic extra_index public.orders"]
    );
    let unique = orders(&format!("{ID}  - {{name: status, physicalType: text, unique: true}}"));
    let finding = ["breaking missing_index public.orders.status"];
    assert_eq!(shown(&found(&unique, &there, &with(vec![index("i", &["status"])]))), finding);
    let sees = Index { unique: true, of_constraint: true, ..index("i", &["status"]) };
    assert_eq!(found(&unique, &there, &with(vec![sees])), []);
}

#[test]
fn partitions_are_compared() {
    let columns = format!("{ID}  - {{name: day, physicalType: date}}");
    let there = catalog(&orders(&columns));
    let mut structure = Structure::default();
    let by_day = orders(&format!("{ID}  - {{name: day, physicalType: date, partitioned: true}}"));
    assert_eq!(shown(&found(&by_day, &there, &structure)), ["risky partitioning public.orders"]);
    structure.relation_mut("public".into(), "orders".into()).partition_key = vec!["day".into()];
    assert_eq!(found(&by_day, &there, &structure), []);
    assert_eq!(shown(&found(&orders(&columns), &there, &structure)), ["cosmetic partitioning public.orders"]);
}

#[test]
fn views_are_compared_by_kind_and_by_query() {
    let digest = view_digest(" SELECT 1 AS id;");
    assert_eq!(digest, view_digest("SELECT 1\n  AS id"));
    let text = format!(
        "schema:\n- name: v\n  physicalType: view\n  customProperties: [{{property: pgcovenantViewDigest, value: '{digest}'}}]\n  \
         properties: [{{name: id, physicalType: integer, required: true}}]\n"
    );
    let promised = contract(&text);
    let mut there = catalog(&promised);
    let changed = ["risky view_changed public.v"];
    assert_eq!(shown(&found(&promised, &there, &Structure::default())), changed, "a table");
    change(&mut there, "v", |view| {
        view.kind = RelationKind::View;
        view.columns[0].not_null = false;
        view.definition = Some("SELECT 1 AS id;".into());
    });
    assert_eq!(found(&promised, &there, &Structure::default()), [], "columns of views have no NOT NULL");
    change(&mut there, "v", |view| view.definition = Some("SELECT 2 AS id;".into()));
    assert_eq!(shown(&found(&promised, &there, &Structure::default())), changed);
}

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

#[test]
fn who_gets_around_the_proxy_is_named_with_what_he_can_read() {
    let relations = (1..=7).map(|n| format!("public.t{n}")).collect();
    let bypasses = [Bypass { role: "support".into(), relations }];
    let (catalog, structure) = (Catalog::new("shop", 0), Structure::default());
    let now = "2026-11-21T10:00:00Z".parse().unwrap();
    let findings = compare([], &Observed { catalog: &catalog, structure: &structure, bypasses: &bypasses, now });
    assert_eq!(shown(&findings), ["risky grant_bypass support"]);
    assert!(findings[0].message.ends_with("public.t5 and 2 more"), "{findings:?}");
}

#[test]
fn patterns_ignore_by_kind_and_by_object() {
    let finding = Finding::new(Kind::ExtraTable, Severity::Cosmetic, "shop").of("public", "tmp_1");
    for (pattern, ignores) in [
        ("public.tmp_*", true),
        ("extra_table:*", true),
        ("extra_table:public.tmp_*", true),
        ("extra_column:public.tmp_*", false),
        ("*:public.tmp_1", true),
        ("tmp_1", false),
    ] {
        assert_eq!(Ignore::new([pattern]).matches(&finding), ignores, "{pattern}");
    }
}

#[test]
fn the_worst_comes_first() {
    let text = format!("{ID}  - {{name: total, physicalType: text}}\n  - {{name: email, physicalType: text}}");
    let promised = orders(&format!("{ID}  - {{name: gone, physicalType: text}}"));
    let findings = found(&promised, &catalog(&orders(&text)), &Structure::default());
    assert_eq!(
        shown(&findings),
        [
            "breaking missing_column public.orders.gone",
            "risky extra_column public.orders.email",
            "cosmetic extra_column public.orders.total"
        ]
    );
    assert!(findings.iter().all(|finding| !finding.message.is_empty() && !finding.help.is_empty()));
    assert_eq!(Kind::ALL.len(), 19);
}
