//! Contracts as people write them, right and wrong.

use super::*;
use crate::model::catalog::{BaseType, RelationKind};
use crate::model::lifecycle::{Phase, Redirect, RedirectedWrites, Retirement, Who};
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

/// The retirement of a column and what was found wrong with it.
fn retirement(value: &str) -> (Option<Retirement>, Vec<String>) {
    let property = format!(
        "  - {{name: c, customProperties: [{{property: pgcovenantLifecycle, value: {value}}}]}}\n  - {{name: d}}"
    );
    let (contract, found) = read_text(&with("v3.1.0", &property));
    (contract.and_then(|mut contract| contract.entities.remove(0).fields.remove(0).retirement), found)
}

#[test]
fn a_redirection_leads_to_another_column_of_the_table() {
    let problems = |columns: &str| read_text(&with("v3.1.0", columns)).1;
    let redirected = |name: &str, to: &str| {
        format!(
            "  - {{name: {name}, customProperties: [{{property: pgcovenantLifecycle, value: {{phase: active, redirect: both, replacedBy: {to}}}}}]}}\n"
        )
    };
    assert_eq!(problems(&(redirected("c", "d") + "  - {name: d}")), [""; 0]);
    assert_eq!(
        problems(&(redirected("c", "dd") + "  - {name: d}")),
        ["c.odcs.yaml:10:117: error: there is no column `dd` to redirect to (did you mean `d`?)"]
    );
    assert_eq!(problems(&redirected("c", "c")), ["c.odcs.yaml:10:117: error: `c` is redirected to itself"]);
    assert_eq!(
        problems(&(redirected("c", "d") + &redirected("d", "e") + "  - {name: e}")),
        ["c.odcs.yaml:10:117: error: `d` is redirected itself, and nothing can be redirected to it"]
    );
}

#[test]
fn the_whole_way_out_can_be_written_down() {
    let (found, problems) = retirement(
        "{since: 2026-01-15, restricted: 2026-03-01, sunset: 2026-05-15, replacedBy: d, redirect: read, dualWrite: true, \
         brownouts: [{from: 2026-04-01T10:00:00Z, until: 2026-04-01T10:30:00Z}, \
         {daily: '10:00-10:15', days: [tuesday], first: 2026-04-02, last: 2026-04-30}], \
         exempt: [{application: 'report*', expires: 2026-06-01}], consumers: [{user: etl, phase: sunset}], \
         known: [{application: billing, user: app}], reason: split by carrier}",
    );
    assert_eq!(problems, [""; 0]);
    let found = found.unwrap();
    assert_eq!(found.redirect, Some(Redirect { to: "d".into(), reads: true, writes: RedirectedWrites::Both }));
    assert_eq!(found.brownouts.len(), 2);
    let who = Who { application: "reports", user: "app" };
    assert!(found.exempt.iter().all(|exemption| exemption.person.is(who)));
    assert!(found.known.unwrap().iter().all(|person| !person.is(who)));
    assert_eq!(found.consumers.first().map(|(_, phase)| *phase), Some(Phase::Sunset));
}

#[test]
fn what_cannot_be_on_the_way_out_is_told() {
    for (value, expected) in [
        ("{restricted: 2026-03-01, sunset: 2026-02-01}", "10:106: error: `sunset` is before `restricted`"),
        ("{phase: brownout}", "10:73: error: the phase `brownout` needs `brownouts`: the windows in which it fails"),
        ("{phase: active, redirect: read}", "10:89: error: `redirect` needs `replacedBy`"),
        (
            "{phase: active, replacedBy: d, redirect: reads}",
            "10:114: error: there is no redirection `reads` (did you mean `read`?)",
        ),
        ("{phase: active, exempt: [{application: x}]}", "10:99: error: an exemption needs the key `expires`"),
        (
            "{phase: active, exempt: [{expires: 2026-01-01}]}",
            "10:98: error: a consumer needs an `application` or a `user`",
        ),
        ("{phase: active, brownouts: [{daily: '11:00-10:00'}]}", "10:109: error: the brownout ends before it begins"),
        (
            "{phase: active, brownouts: [{daily: noon}]}",
            "10:109: error: `noon` is no time of the day (Write it as 10:00-10:15, in UTC.)",
        ),
        (
            "{phase: active, brownouts: [{daily: '10:00-11:00', days: [tusday]}]}",
            "10:131: error: there is no day of the week `tusday` (did you mean `tuesday`?)",
        ),
        (
            "{phase: active, brownouts: [{from: today, until: 2026-01-01T00:00:00Z}]}",
            "10:108: error: `today` is no moment (Write it as 2026-01-31T10:00:00Z.)",
        ),
    ] {
        let (_, problems) = retirement(value);
        assert_eq!(problems, [format!("c.odcs.yaml:{expected}")], "{value}");
    }
}

#[test]
fn a_table_can_be_on_its_way_out() {
    let table = |value: &str| {
        with("v3.1.0", "  - {name: c}").replace(
            "- name: t\n",
            &format!("- name: t\n  customProperties: [{{property: pgcovenantLifecycle, value: {value}}}]\n"),
        )
    };
    let contract = read_text(&table("{phase: sunset, replacedBy: t_2}")).0.unwrap();
    assert_eq!(contract.entities[0].retirement.as_ref().unwrap().phase, Some(Phase::Sunset));
    assert_eq!(
        read_text(&table("{phase: sunset, replacedBy: t_2, redirect: read}")).1.len(),
        1,
        "a table cannot be redirected"
    );
}

#[test]
fn relationships_are_read_in_every_notation_of_the_standard() {
    let text = with(
        "v3.1.0",
        "  - {name: id, physicalType: bigint}\n  - {name: owner, physicalName: owner_id, physicalType: bigint, \
         relationships: [{to: schema/people/properties/p_id}, {to: elsewhere.id}]}\n  relationships:\n  \
         - {from: [t.id, t.owner], to: [people.id, people.other]}\n\
         - name: people\n  physicalName: other.people_v2\n  properties:\n  \
         - {id: p_id, name: id, physicalName: person_id, physicalType: bigint}\n  - {name: other, physicalType: bigint}",
    );
    let (contract, found) = read_text(&text);
    assert!(found.is_empty(), "{found:#?}");
    let contract = contract.unwrap();
    let told: Vec<String> = contract.entities[0]
        .relationships
        .iter()
        .map(|r| format!("{:?} {:?}.{} {:?}", r.columns, r.schema, r.table, r.to_columns))
        .collect();
    assert_eq!(
        told,
        [
            "[\"id\", \"owner_id\"] Some(\"other\").people_v2 [\"person_id\", \"other\"]",
            "[\"owner_id\"] Some(\"other\").people_v2 [\"person_id\"]",
            "[\"owner_id\"] None.elsewhere [\"id\"]",
        ]
    );
}

#[test]
fn a_relationship_to_what_is_not_there_is_told_where_it_stands() {
    for (relationship, message) in [
        ("{to: peple.id}", "the contract has no object `peple` (did you mean `people`?)"),
        ("{to: people.idd}", "the object `people` has no property `idd` (did you mean `id`?)"),
        (
            "{to: schema/nobody/properties/x}",
            "the contract has no object `nobody` (Name an object of the contract by its `id`.)",
        ),
    ] {
        let text = with(
            "v3.1.0",
            &format!(
                "  - name: owner\n    relationships:\n    - {relationship}\n\
                 - name: people\n  properties:\n  - {{name: id, physicalType: bigint}}"
            ),
        );
        let found = read_text(&text).1;
        let line = text.lines().position(|line| line.contains(relationship)).unwrap() + 1;
        assert!(
            found.iter().any(|found| found.contains(message) && found.contains(&format!(":{line}:12: error"))),
            "{relationship}: {found:#?}"
        );
    }
    let text = with(
        "v3.1.0",
        "  - {name: a}\n  relationships: [{from: u.a, to: u.b}]\n- name: u\n  properties: [{name: a}, {name: b}]",
    );
    let found = read_text(&text).1;
    assert!(found.iter().any(|found| found.contains("`u.a` is no property of this object")), "{found:#?}");
    let text = with(
        "v3.1.0",
        "  - {name: a}\n  - {name: b}\n  relationships: [{from: [t.a, t.b], to: [t.a, u.b]}]\n- name: u\n  properties: [{name: a}, {name: b}]",
    );
    let found = read_text(&text).1;
    assert!(found.iter().any(|found| found.contains("belong to one object")), "{found:#?}");
}

#[test]
fn a_relationship_has_a_name_of_its_columns() {
    let own = |name: &str| Box::<str>::from(name);
    let one = Relationship { columns: vec![own("a")], schema: None, table: own("t"), to_columns: vec![own("b")] };
    assert_eq!(one.label(), "a -> t.b");
    let two = Relationship {
        columns: vec![own("a"), own("b")],
        schema: Some(own("s")),
        table: own("t"),
        to_columns: vec![own("c"), own("d")],
    };
    assert_eq!(two.label(), "(a, b) -> s.t (c, d)");
}

#[test]
fn extensions_stand_where_they_belong_and_have_strict_keys() {
    let column = "  - {name: c, logicalType: string}";
    let of_contract = |value: &str| {
        with("v3.1.0", column) + &format!("customProperties: [{{property: pgcovenantSchemaVersion, value: {value}}}]\n")
    };
    let (contract, found) = read_text(&of_contract("{tool: flyway, version: '12'}"));
    assert!(found.is_empty(), "{found:#?}");
    let expected = contract.unwrap().schema_version.unwrap();
    assert_eq!((expected.tool.map(|tool| tool.as_str()), &*expected.version), (Some("flyway"), "12"));
    let found = read_text(&of_contract("{tool: flyaway, verson: '12'}")).1;
    for word in [
        "there is no migration tool `flyaway` (did you mean `flyway`?)",
        "needs the key `version`",
        "has no key `verson` (did you mean `version`?)",
    ] {
        assert!(found.iter().any(|found| found.contains(word)), "{word}: {found:#?}");
    }
    let misplaced = "  - {name: c, customProperties: [{property: pgcovenantIndexes, value: []}]}";
    let found = read_text(&with("v3.1.0", misplaced)).1;
    assert!(found[0].contains("a property has no extension `pgcovenantIndexes`"), "{found:#?}");
    assert!(found[0].contains("belongs to a property or an object"), "{found:#?}");
}

#[test]
fn declared_queries_have_a_name_a_text_and_an_access_path() {
    let with_queries = |value: &str| {
        let own = format!("- name: t\n  customProperties: [{{property: pgcovenantQueries, value: {value}}}]\n");
        with("v3.1.0", "  - {name: c}").replace("- name: t\n", &own)
    };
    let (contract, found) =
        read_text(&with_queries("[{name: q, sql: SELECT c FROM t, access: any_index, index: t_c_idx}]"));
    assert!(found.is_empty(), "{found:?}");
    let query = &contract.unwrap().entities[0].queries[0];
    assert_eq!((&*query.name, &*query.sql, query.index.as_deref()), ("q", "SELECT c FROM t", Some("t_c_idx")));
    for (value, said) in [
        ("[{name: q, access: index}]", "a query needs the key `sql`"),
        ("[{name: q, sql: SELECT 1, access: indx}]", "there is no access path `indx` (did you mean `index`?)"),
        ("[{name: q, sql: S, access: index}, {name: q, sql: S, access: index}]", "the query `q` is declared twice"),
        ("[{name: q, sql: S, access: index, indexes: i}]", "a query has no key `indexes` (did you mean `index`?)"),
    ] {
        let (_, found) = read_text(&with_queries(value));
        assert!(found.iter().any(|problem| problem.contains(said)), "{said}: {found:?}");
    }
}
