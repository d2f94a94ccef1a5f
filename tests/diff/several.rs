//! Several contracts, schemas and databases on a side.

use pgcovenant::model::diff::Finding;
use pgcovenant::model::source::{SourceFile, render};
use pgcovenant::policy::compile::Bundle;

use super::{compared, found, line};

/// A contract of this id about these databases and schemas, with one table of one column.
fn contract(id: &str, places: &[(&str, &str)], table: &str, column: &str) -> String {
    let servers = places.iter().enumerate().map(|(number, (database, schema))| {
        format!(
            " - {{server: s{number}, type: postgres, host: h, port: 5432, database: {database}, schema: {schema}}}\n"
        )
    });
    format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: {id}\nversion: 1.0.0\nstatus: active\nservers:\n{}schema:\n\
         - {{name: {table}, properties: [{{name: {column}, physicalType: text}}]}}\n",
        servers.collect::<String>()
    )
}

fn side(contracts: &[String]) -> Bundle {
    let files = contracts.iter().enumerate();
    let files: Vec<_> = files.map(|(n, text)| SourceFile::new(&format!("{n}/c.odcs.yaml"), text)).collect();
    let (bundle, problems) = Bundle::from_sources(&files);
    bundle.unwrap_or_else(|| panic!("{}", render(&problems, &files)))
}

fn lines(old: &[String], new: &[String]) -> Vec<String> {
    found(&side(old), &side(new), None).iter().map(line).collect()
}

const SHOP: &[(&str, &str)] = &[("shop", "public")];

#[test]
fn a_table_may_move_to_another_contract_and_another_file() {
    let old = [contract("a", SHOP, "orders", "x"), contract("b", SHOP, "people", "y")];
    let new = [contract("b", SHOP, "orders", "x"), contract("c", SHOP, "people", "y")];
    assert_eq!(lines(&old, &new), Vec::<String>::new());
    assert_eq!(lines(&old, &[old[1].clone(), old[0].clone()]), Vec::<String>::new());
}

#[test]
fn tables_of_the_same_name_in_several_databases_and_schemas_are_kept_apart() {
    let places = &[("shop", "public"), ("shop", "archive")];
    let old = [contract("a", places, "t", "x")];
    assert_eq!(
        lines(&old, &[contract("a", &places[..1], "t", "x")]),
        ["error schema-removed archive.t: 1 column -> nothing"]
    );
    assert_eq!(
        lines(&old, &[contract("a", places, "t", "z")]),
        [
            "error field-removed archive.t.x: text -> nothing",
            "error field-removed public.t.x: text -> nothing",
            "info field-added archive.t.z: nothing -> text",
            "info field-added public.t.z: nothing -> text",
        ]
    );
    let two =
        |shop: &str, store: &str| [contract("a", SHOP, "t", shop), contract("b", &[("store", "public")], "t", store)];
    assert_eq!(lines(&two("x", "x"), &two("x", "x")), Vec::<String>::new());
    let changed = lines(&two("x", "x"), &two("x", "z"));
    assert_eq!(
        changed,
        ["error field-removed public.t.x: text -> nothing", "info field-added public.t.z: nothing -> text"]
    );
}

#[test]
fn every_contract_has_a_version_of_its_own() {
    let old = side(&[contract("a", SHOP, "t", "x"), contract("b", SHOP, "u", "x")]);
    let new = side(&[contract("a", SHOP, "t", "x"), contract("b", SHOP, "u", "z")]);
    let difference = compared(&old, &new, None);
    let mut findings: Vec<Finding> = difference.findings.clone();
    let versions = difference.versions(&mut findings);
    let suggested: Vec<_> = versions.iter().map(|one| (&*one.name, one.suggested.unwrap().to_string())).collect();
    assert_eq!(suggested, [("a", "1.0.0".to_owned()), ("b", "2.0.0".to_owned())]);
    assert_eq!(line(findings.last().unwrap()), "error version-too-small b: 1.0.0 -> 1.0.0");
}
