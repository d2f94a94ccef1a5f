//! From files to the rules of a subject.

mod clock;
mod combination;
mod decided;
mod masks;
mod spread;
mod views;

use std::collections::HashMap;

use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::*;
use crate::model::catalog::{Column, ColumnType, RelationKind, UserFunction};
use crate::model::consumers::NoLedger;
use crate::model::contract::{to_catalog, types::column_type};
use crate::model::lifecycle::Conduct;
use crate::model::source::SourceFile;
use crate::policy::mask::{MaskUse, Strictness};
use crate::policy::view::{Predicates, Reason, Shown};
use crate::sql::lineage::{Derivation, Lineage, ViewLineage};

const CONTRACT: &str = include_str!("../../../policies/shop/contract.odcs.yaml");
const POLICY: &str = include_str!("../../../policies/shop/policy.yaml");
const TODAY: Date = date(2026, 11, 21);

fn on(today: Date) -> Occasion<'static> {
    Occasion { now: today.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp(), ledger: &NoLedger }
}

fn view(bundle: &Bundle, database: Option<&Database>, subject: &Subject, today: Date) -> SubjectView {
    super::view(bundle, database, subject, on(today))
}

fn policy(rules: &str) -> String {
    format!("apiVersion: pgcovenant/v1\nkind: Policy\nmetadata: {{name: p, version: 1}}\nrules:\n{rules}\n")
}

fn load(policy: &str) -> (Option<Bundle>, Vec<String>) {
    let files = [SourceFile::new("shop/contract.odcs.yaml", CONTRACT), SourceFile::new("shop/policy.yaml", policy)];
    let (bundle, found) = Bundle::from_sources(&files);
    (bundle, found.iter().map(ToString::to_string).collect())
}

fn bundle(policy: &str) -> Bundle {
    let (bundle, found) = load(policy);
    bundle.unwrap_or_else(|| panic!("{found:#?}"))
}

fn subject(role: &str) -> Subject {
    Subject { user: role.into(), database: "shop".into(), roles: [role.into()].into(), ..Subject::default() }
}

fn catalog(bundle: &Bundle) -> Catalog {
    to_catalog(bundle.contracts(), "shop")
}

fn database(catalog: Catalog, lineages: HashMap<Oid, ViewLineage>) -> Database {
    Database { catalog: Arc::new(catalog), lineages }
}

fn column(name: &str, attnum: i16, ty: &str) -> Column {
    Column::new(attnum, name, column_type(ty))
}

fn relation(oid: u32, name: &str, kind: RelationKind, columns: Vec<Column>) -> Relation {
    Relation {
        kind,
        definition: matches!(kind, RelationKind::View | RelationKind::MaterializedView).then(|| "select".into()),
        ..Relation::table(Oid(oid), "public", name, columns)
    }
}

/// What became of a column, in one word: the mask's name, `deny`, or `allow`.
fn effect(view: &SubjectView, catalog: &Catalog, table: &str, name: &str) -> String {
    let relation = catalog.find("public", table).unwrap();
    let attnum = relation.column(name).unwrap().attnum;
    match view.rule(ColumnId { relation: relation.oid, attnum }).map(|rule| &rule.effect) {
        None | Some(Effect::Allow) => "allow".into(),
        Some(Effect::Deny) => "deny".into(),
        Some(Effect::Mask(mask)) => mask.name.to_string(),
    }
}

fn id(catalog: &Catalog, table: &str, name: &str) -> ColumnId {
    let relation = catalog.find("public", table).unwrap();
    ColumnId { relation: relation.oid, attnum: relation.column(name).unwrap().attnum }
}

fn derivation(name: &str, identity: Option<ColumnId>, sources: &[ColumnId]) -> Derivation {
    Derivation { name: name.into(), identity, sources: sources.iter().copied().collect() }
}

#[test]
fn the_shop_is_treated_as_its_policy_says() {
    let bundle = bundle(POLICY);
    let database = database(catalog(&bundle), HashMap::new());
    let catalog = &database.catalog;
    let support = view(&bundle, Some(&database), &subject("support"), TODAY);
    assert!(support.governed);
    let of = |table, name| effect(&support, catalog, table, name);
    assert_eq!(of("customers", "email"), "mail");
    assert_eq!(of("customers", "phone"), "phone");
    assert_eq!(of("customers", "birth_date"), "year");
    assert_eq!(of("customers", "ssn"), "deny");
    assert_eq!(of("customers", "name"), "allow");
    assert_eq!(of("employees", "salary"), "deny");
    assert_eq!(of("payments", "card_number"), "card");
    assert_eq!(support.writes.update, [id(catalog, "customers", "name"), id(catalog, "orders", "status")].into());
    assert!(support.writes.insert.is_empty() && support.writes.delete.is_empty());

    let notes = support.rule(id(catalog, "customers", "notes")).unwrap();
    assert_eq!(notes.shadow.as_ref().unwrap().action, "deny");
    let eta = support.rule(id(catalog, "orders", "estimated_delivery")).unwrap();
    assert_eq!(eta.lifecycle.as_ref().unwrap().replaced_by.as_deref(), Some("shipping_eta"));

    let analyst = view(&bundle, Some(&database), &subject("analyst"), TODAY);
    assert_eq!(effect(&analyst, catalog, "customers", "email"), "null");
    let admin = view(&bundle, Some(&database), &subject("admin"), TODAY);
    assert!(!admin.governed && admin.writes == Writes::default());
    assert_eq!(effect(&admin, catalog, "customers", "ssn"), "allow");
    // What is worth counting is known for everybody.
    assert_eq!(admin.rule(id(catalog, "customers", "ssn")).unwrap().classification.as_deref(), Some("restricted"));
}

#[test]
fn only_databases_of_the_contract_are_governed() {
    let bundle = bundle(POLICY);
    let elsewhere = Subject { database: "other".into(), ..subject("support") };
    assert!(!view(&bundle, None, &elsewhere, TODAY).governed);
    assert!(view(&bundle, None, &subject("support"), TODAY).governed, "known before the catalog is");
}

#[test]
fn exemptions_hold_until_their_day() {
    let bundle = bundle(POLICY);
    let database = database(catalog(&bundle), HashMap::new());
    let billing = Subject { user: "svc_billing".into(), ..subject("support") };
    let on = |day| effect(&view(&bundle, Some(&database), &billing, day), &database.catalog, "customers", "email");
    assert_eq!(on(date(2027, 12, 31)), "allow");
    assert_eq!(on(date(2028, 1, 1)), "mail");
}

#[test]
fn unmodelled_columns_are_denied_to_governed_sessions_only() {
    let bundle = bundle(POLICY);
    let mut catalog = catalog(&bundle);
    let mut customers = (**catalog.find("public", "customers").unwrap()).clone();
    customers.columns.push(column("added_yesterday", 40, "text"));
    catalog.insert(customers);
    catalog.insert(relation(90_000, "unknown", RelationKind::Table, vec![column("x", 1, "text")]));
    let database = database(catalog, HashMap::new());
    let of = |role, table, name| {
        let view = view(&bundle, Some(&database), &subject(role), TODAY);
        effect(&view, &database.catalog, table, name)
    };
    assert_eq!(of("support", "customers", "added_yesterday"), "deny");
    assert_eq!(of("support", "unknown", "x"), "deny");
    assert_eq!(of("admin", "unknown", "x"), "allow");
    let rule = view(&bundle, Some(&database), &subject("support"), TODAY);
    let rule = rule.rule(ColumnId { relation: Oid(90_000), attnum: 1 }).unwrap();
    assert_eq!(&*rule.reason.as_ref().unwrap().rule, "unmodelled");
}

#[test]
fn allow_makes_known_and_lifts_nothing_else() {
    let bundle = bundle(&policy(
        "  - {name: deny, columns: {names: [public.customers.ssn]}, to: everyone, action: deny}\n\
         \x20 - {name: mask, columns: {names: [public.customers.email]}, to: everyone, action: {mask: email}}\n\
         \x20 - {name: allow, columns: {names: [public.customers.*, public.unknown.x]}, to: everyone, action: allow}",
    ));
    let mut catalog = catalog(&bundle);
    catalog.insert(relation(
        90_000,
        "unknown",
        RelationKind::Table,
        vec![column("x", 1, "text"), column("y", 2, "text")],
    ));
    let database = database(catalog, HashMap::new());
    let view = view(&bundle, Some(&database), &subject("a"), TODAY);
    let of = |table, name| effect(&view, &database.catalog, table, name);
    assert_eq!(of("customers", "ssn"), "deny");
    assert_eq!(of("customers", "email"), "email");
    assert_eq!(of("unknown", "x"), "allow");
    assert_eq!(of("unknown", "y"), "deny");
}

#[test]
fn a_renamed_column_does_not_get_away() {
    let bundle = bundle(&policy("  - {name: r, columns: {names: [public.customers.ssn]}, to: everyone, action: deny}"));
    let mut catalog = catalog(&bundle);
    let mut customers = (**catalog.find("public", "customers").unwrap()).clone();
    customers.columns.iter_mut().find(|column| &*column.name == "ssn").unwrap().name = "social".into();
    catalog.insert(customers);
    let database = database(catalog, HashMap::new());
    let view = view(&bundle, Some(&database), &subject("a"), TODAY);
    assert!(view.governed);
    assert_eq!(effect(&view, &database.catalog, "customers", "social"), "deny");
}
