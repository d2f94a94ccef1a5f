//! Contracts as people write them, right and wrong.

use super::*;
use crate::model::catalog::{BaseType, RelationKind};
use crate::model::source::Problems;

const SHOP: &str = include_str!("../../../policies/shop/contract.odcs.yaml");

fn read_text(text: &str) -> (Option<Contract>, Vec<String>) {
    let file = SourceFile::new("c.odcs.yaml", text);
    let mut problems = Problems::new(&file);
    let contract = read(&mut problems);
    let found: Vec<String> = problems.into_found().iter().map(ToString::to_string).collect();
    (contract, found)
}

/// A contract of one table whose columns are given.
fn with(version: &str, columns: &str) -> String {
    format!(
        "apiVersion: {version}\nkind: DataContract\nid: i\nversion: 1.0.0\nstatus: active\n\
         servers: [{{server: s, type: postgres, host: h, port: 5432, database: d, schema: public}}]\n\
         schema:\n- name: t\n  properties:\n{columns}\n"
    )
}

#[test]
fn the_shop_is_read() {
    let (contract, found) = read_text(SHOP);
    assert!(found.is_empty(), "{found:#?}");
    let contract = contract.unwrap();
    assert_eq!(contract.databases().collect::<Vec<_>>(), ["shop"]);
    assert!(contract.covers("shop") && !contract.covers("other"));
    assert_eq!(contract.entities.len(), 5);
    let catalog = to_catalog([&contract], "shop");
    let items = catalog.find("public", "order_items").unwrap();
    assert_eq!((items.kind, items.primary_key.as_slice()), (RelationKind::Table, &[1, 2][..]));
    assert!(items.oid.0 >= 16_384);
    assert_eq!(&*items.column("price").unwrap().ty.sql, "numeric(10,2)");
    assert_eq!(items.column("price").unwrap().ty.base, BaseType::Number);
    assert!(to_catalog([&contract], "other").relations().next().is_none());
}

#[test]
fn both_versions_of_the_standard_are_valid_by_their_own_schema() {
    let column = "  - {name: c, logicalType: string}";
    for version in ["v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0"] {
        assert_eq!(read_text(&with(version, column)).1, [""; 0], "{version}");
    }
    assert_eq!(
        read_text(&with("v4.0.0", column)).1,
        [
            "c.odcs.yaml:1:13: error: this version of the standard is not understood (v3.0.0, v3.0.1, v3.0.2 and v3.1.0 are understood.)"
        ]
    );
    // timestamp is a logical type only since 3.1.
    let timestamp = "  - {name: c, logicalType: timestamp}";
    assert_eq!(read_text(&with("v3.1.0", timestamp)).1, [""; 0]);
    assert_eq!(
        read_text(&with("v3.0.2", timestamp)).1,
        [
            "c.odcs.yaml:10:28: error: this value is not one that the standard knows (possible values: string, date, number, integer, object, array, boolean)"
        ]
    );
}

#[test]
fn what_the_standard_rejects_is_told_where_it_stands() {
    let text = with(
        "v3.1.0",
        "  - {name: c, clasification: secret, required: yes, deprecated: true}\n  - {logicalType: strng}",
    );
    assert_eq!(
        read_text(&text).1,
        [
            "c.odcs.yaml:10:15: error: the standard has no key `clasification` here (did you mean `classification`? Extensions belong into `customProperties`.)",
            "c.odcs.yaml:10:48: error: the standard wants a value of type boolean here, this is a string (Write true or false.)",
            "c.odcs.yaml:10:53: error: the standard has no key `deprecated` here (Extensions belong into `customProperties`.)",
            "c.odcs.yaml:11:6: error: the standard requires the key `name` here",
            "c.odcs.yaml:11:19: error: this value is not one that the standard knows (did you mean `string`?)",
        ]
    );
    let (_, found) = read_text("apiVersion: v3.1.0\nkind: DataContract\nversion: 1.0\nstatus: active\n");
    assert_eq!(
        found,
        [
            "c.odcs.yaml:1:1: error: the standard requires the key `id` here",
            "c.odcs.yaml:1:1: error: this contract is about no PostgreSQL database (Add a server of `type: postgresql` with `database` and `schema`.)",
            "c.odcs.yaml:3:10: error: the standard wants a value of type string here, this is a number (Put it between quotes.)",
        ]
    );
}

#[test]
fn our_extension_has_strict_keys() {
    let custom = |value: &str| {
        with(
            "v3.1.0",
            &format!("  - {{name: c, customProperties: [{{property: pgcovenantLifecycle, value: {value}}}]}}"),
        )
    };
    assert_eq!(read_text(&custom("{phase: deprecated, since: 2026-01-15}")).1, [""; 0]);
    assert_eq!(
        read_text(&custom("{phase: depricated, sunst: 2026-01-15, since: soon}")).1,
        [
            "c.odcs.yaml:10:81: error: there is no phase `depricated` (did you mean `deprecated`?)",
            "c.odcs.yaml:10:93: error: pgcovenantLifecycle has no key `sunst` (did you mean `sunset`?)",
            "c.odcs.yaml:10:119: error: `soon` is not a date (Write it as 2026-01-31.)",
        ]
    );
    assert_eq!(
        read_text(&custom("{since: 2026-02-01, sunset: 2026-01-31}")).1,
        ["c.odcs.yaml:10:101: error: `sunset` is before `since`"]
    );
    let misspelt =
        with("v3.1.0", "  - {name: c, customProperties: [{property: pgcovenantLifecycel, value: {phase: sunset}}]}");
    assert_eq!(
        read_text(&misspelt).1,
        [
            "c.odcs.yaml:10:45: error: a property has no extension `pgcovenantLifecycel` (did you mean `pgcovenantLifecycle`?)"
        ]
    );
    let foreign = with("v3.1.0", "  - {name: c, customProperties: [{property: otherTool, value: 1}]}");
    assert_eq!(read_text(&foreign).1, [""; 0]);
}

#[test]
fn functions_are_named_with_their_schema() {
    let text = |names: &str| {
        format!(
            "{}customProperties: [{{property: pgcovenantFunctions, value: {names}}}]\n",
            with("v3.1.0", "  - {name: c}")
        )
    };
    let (contract, found) = read_text(&text("[public.slugify]"));
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(contract.unwrap().functions, [("public".into(), "slugify".into())]);
    assert_eq!(read_text(&text("[slugify]")).1.len(), 1);
}

#[test]
fn what_would_protect_nothing_is_warned_about() {
    let text =
        with("v3.1.0", "  - {name: c, logicalType: object, properties: [{name: ssn, classification: restricted}]}");
    let (contract, found) = read_text(&text);
    assert!(contract.is_some());
    assert_eq!(
        found,
        [
            "c.odcs.yaml:10:61: warning: this is inside a column, and protects nothing (Put it on the column: protection works by column.)"
        ]
    );
}

#[test]
fn names_of_relations_may_carry_their_schema() {
    let text = with("v3.1.0", "  - {name: c, physicalName: c_1}")
        .replace("- name: t\n", "- name: t\n  physicalName: sales.t_1\n");
    let contract = read_text(&text).0.unwrap();
    let (schema, entity) = contract.entities_in("d").next().unwrap();
    assert_eq!((schema, &*entity.name, &*entity.fields[0].name), ("sales", "t_1", "c_1"));
    let twice = with("v3.1.0", "  - {name: c}\n  - {name: d, physicalName: c}");
    assert_eq!(read_text(&twice).1, ["c.odcs.yaml:11:12: error: the column `c` is described twice"]);
}
