//! One change at a time.

use std::collections::BTreeSet;

use pgcovenant::model::diff::RULES;

use super::{CONTRACT, POLICY, bundle, edited, found, line};

/// A change of the contract or the policy, and all that is found then.
pub struct Case {
    pub contract: &'static [(&'static str, &'static str)],
    pub policy: &'static [(&'static str, &'static str)],
    pub findings: &'static [&'static str],
}

const NOTE: &str = "      - {name: note, physicalType: text, description: Free text.}\n";
const LEGACY: &str = "      - name: legacy\n        physicalType: text\n        customProperties:\n          \
                      - {property: pgcovenantLifecycle, value: {since: 2026-01-01, sunset: 2026-07-01}}\n";
const ESTIMATED: &str = "      - name: estimated\n        physicalType: timestamptz\n        customProperties:\n          \
                         - {property: pgcovenantLifecycle, value: {phase: deprecated, since: 2026-09-01, sunset: 2027-06-30, replacedBy: eta}}\n";
const ORDERS: &str = "  - name: orders\n    properties:\n";

const fn contract(edits: &'static [(&'static str, &'static str)], findings: &'static [&'static str]) -> Case {
    Case { contract: edits, policy: &[], findings }
}

const fn policy(edits: &'static [(&'static str, &'static str)], findings: &'static [&'static str]) -> Case {
    Case { contract: &[], policy: edits, findings }
}

/// Columns and tables that come and go.
const COMING_AND_GOING: &[Case] = &[
    contract(
        &[("  - name: customers\n", "  - name: buyers\n"), ("{to: customers.id}", "{to: buyers.id}")],
        &[
            "error schema-removed public.customers: 6 columns -> nothing",
            "warning relationship-removed public.orders: customer_id -> customers.id -> nothing",
            "info schema-added public.buyers: nothing -> nothing",
        ],
    ),
    contract(&[(NOTE, "")], &["error field-removed public.customers.note: text -> nothing"]),
    contract(&[(LEGACY, "")], &["info field-removed public.orders.legacy: text -> nothing"]),
    contract(
        &[(ESTIMATED, "      - {name: eta, physicalType: timestamptz}\n")],
        &[
            "error field-renamed public.orders.estimated: estimated -> eta",
            "error removal-before-sunset public.orders.estimated: estimated -> eta",
        ],
    ),
    contract(
        &[(
            NOTE,
            "      - {name: note, physicalType: text, description: Free text.}\n      - {name: more, physicalType: text}\n",
        )],
        &["info field-added public.customers.more: nothing -> text"],
    ),
    contract(
        &[(
            ORDERS,
            "  - name: orders\n    properties:\n      - {name: a, physicalType: int, required: true}\n      - {name: b, physicalType: serial, required: true}\n",
        )],
        &[
            "error required-field-added-without-default public.orders.a: nothing -> integer",
            "info field-added public.orders.b: nothing -> integer",
        ],
    ),
];

/// What is said of a column that stays.
const COLUMNS: &[Case] = &[
    contract(
        &[("name: note, physicalType: text", "name: note, physicalType: varchar(9)")],
        &["error type-changed public.customers.note: text -> character varying(9)"],
    ),
    contract(
        &[("{name: id, physicalType: integer,", "{name: id, physicalType: bigint,")],
        &["warning type-changed public.orders.id: integer -> bigint"],
    ),
    contract(
        &[("physicalType: varchar(20)", "physicalType: varchar(40)")],
        &["info type-changed public.orders.code: character varying(20) -> character varying(40)"],
    ),
    contract(
        &[("{name: note,", "{name: note, required: true,")],
        &["error required-changed public.customers.note: optional -> required"],
    ),
    contract(
        &[("        required: true\n        relationships", "        relationships")],
        &["warning required-changed public.orders.customer_id: required -> optional"],
    ),
    contract(
        &[("{name: note,", "{name: note, primaryKey: true, primaryKeyPosition: 2, required: true,")],
        &[
            "error key-constraint-changed public.customers: id -> id, note",
            "error required-changed public.customers.note: optional -> required",
        ],
    ),
    contract(
        &[("required: true, unique: true,", "required: true,")],
        &["warning unique-constraint-changed public.customers.email: unique -> not unique"],
    ),
    contract(
        &[("{name: note,", "{name: note, unique: true,")],
        &["error unique-constraint-changed public.customers.note: not unique -> unique"],
    ),
    contract(
        &[("[new, paid, shipped]", "[new, paid]")],
        &["error enum-constraint-changed public.orders.status: new, paid, shipped -> new, paid"],
    ),
    contract(
        &[("[new, paid, shipped]", "[new, paid, shipped, lost]")],
        &["warning enum-constraint-changed public.orders.status: new, paid, shipped -> lost, new, paid, shipped"],
    ),
    contract(
        &[("minLength: 3, maxLength: 20", "minLength: 2, maxLength: 10")],
        &[
            "error validation-constraint-changed public.orders.code: maxLength: 20 -> maxLength: 10",
            "warning validation-constraint-changed public.orders.code: minLength: 3 -> minLength: 2",
        ],
    ),
    contract(
        &[("        relationships: [{to: customers.id}]\n", "")],
        &["warning relationship-removed public.orders: customer_id -> customers.id -> nothing"],
    ),
    contract(
        &[("classification: confidential", "classification: internal")],
        &["warning classification-lowered public.customers.email: confidential -> internal"],
    ),
    contract(
        &[("classification: confidential", "classification: restricted")],
        &["warning classification-raised public.customers.email: confidential -> restricted"],
    ),
    contract(
        &[("description: Free text.", "description: Text."), ("purpose: Orders of", "purpose: All of")],
        &[
            "info description-changed public.customers.note: Free text. -> Text.",
            "info description-changed shop: Orders of the web shop. -> All of the web shop.",
        ],
    ),
];

/// Promises about the way out, and about service.
const PROMISES: &[Case] = &[
    contract(
        &[("sunset: 2027-06-30", "sunset: 2027-01-31")],
        &["error notice-shortened public.orders.estimated: sunset 2027-06-30, 302 days after the first warning -> \
           sunset 2027-01-31, 152 days after the first warning"],
    ),
    contract(
        &[("phase: deprecated, since: 2026-09-01, ", "phase: active, since: 2026-09-01, ")],
        &["info phase-moved-back public.orders.estimated: deprecated, sunset 2027-06-30 -> active, sunset 2027-06-30"],
    ),
    contract(
        &[("phase: deprecated, since: 2026-09-01, ", "phase: sunset, since: 2026-09-01, ")],
        &["error removal-before-sunset public.orders.estimated: deprecated -> sunset"],
    ),
    contract(
        &[("value: {phase: deprecated}", "value: {phase: deprecated, sunset: 2027-01-01}")],
        &["info notice-shortened public.customers.fax: no sunset -> sunset 2027-01-01"],
    ),
    contract(
        &[("phase: deprecated, since: 2026-09-01, ", "phase: restricted, since: 2026-09-01, ")],
        &[
            "warning phase-moved-on public.orders.estimated: deprecated, sunset 2027-06-30 -> restricted, sunset 2027-06-30",
        ],
    ),
    contract(
        &[(
            "{name: note,",
            "{name: note, customProperties: [{property: pgcovenantLifecycle, value: {phase: deprecated}}],",
        )],
        &["info lifecycle-added public.customers.note: nothing -> deprecated"],
    ),
    contract(
        &[
            ("value: 4, unit: h", "value: 1, unit: d"),
            ("value: 3, unit: y", "value: 300, unit: d"),
            ("value: good", "value: glad"),
        ],
        &[
            "warning sla-relaxed shop: latency of orders: 4 h -> latency of orders: 1 d",
            "warning sla-relaxed shop: retention: 3 y -> retention: 300 d",
            "info sla-relaxed shop: mood: good -> mood: glad",
        ],
    ),
    contract(&[("value: 4, unit: h", "value: 60, unit: min"), ("value: 3, unit: y", "value: 40, unit: months")], &[]),
];

/// What policies do.
const POLICIES: &[Case] = &[
    policy(
        &[("action: {mask: mail}", "action: {mask: end}")],
        &["error mask-weakened public.customers.email: mask mail -> mask end"],
    ),
    policy(
        &[("except: [{user: billing}]", "except: [{user: billing}, {user: mailer}]")],
        &["error mask-weakened public.customers.email: mask mail -> clear"],
    ),
    policy(
        &[(
            "to: [{role: support}]\n    action: {mask: end}",
            "to: [{role: support}]\n    mode: shadow\n    action: {mask: end}",
        )],
        &["error mask-weakened public.customers.phone: mask end -> clear"],
    ),
    policy(
        &[("action: {mask: end}", "action: {mask: \"null\"}")],
        &["warning mask-strengthened public.customers.phone: mask end -> mask null"],
    ),
    policy(
        &[("action: {mask: end}", "predicates: equality\n    action: {mask: end}")],
        &["error mask-weakened public.customers.phone: conditions see the mask -> equality sees the value"],
    ),
    policy(
        &[("to: [{role: support}, {role: analyst}]", "to: [{role: support}]")],
        &[
            "error access-widened columns that no contract describes: denied -> clear",
            "error access-widened public.customers.ssn: denied -> clear",
            "warning writer-added every table: writes only what the policy lists -> writes what the server lets them write",
        ],
    ),
    policy(
        &[("to: [{role: support}, {role: analyst}]", "to: [{role: support}, {role: analyst}, {role: audit}]")],
        &[
            "warning access-narrowed columns that no contract describes: clear -> denied",
            "warning access-narrowed every table: writes what the server lets them write -> writes only what the policy lists",
            "warning access-narrowed public.customers.ssn: clear -> denied",
        ],
    ),
    policy(
        &[("unmodelled: deny", "unmodelled: allow")],
        &["error access-widened columns that no contract describes: denied -> clear"],
    ),
    policy(
        &[("[public.orders.status]", "[public.orders.code]"), ("delete: []", "delete: [public.orders]")],
        &[
            "warning access-narrowed public.orders: update status -> nothing",
            "warning writer-added public.orders: nothing -> delete, update code",
        ],
    ),
    // A tag that is taken away takes the mask with it.
    contract(&[("tags: [mail]", "tags: [post]")], &["error mask-weakened public.customers.email: mask mail -> clear"]),
    contract(
        &[("schema:\n", "customProperties:\n  - {property: pgcovenantFunctions, value: [public.slug]}\nschema:\n")],
        &["error access-widened public.slug(): refused -> may be called"],
    ),
];

/// The same in other words.
const NOTHING: &[Case] = &[
    policy(
        &[
            ("name: mail-is-masked", "name: addresses-are-masked"),
            ("  mail: {email: {}}", "  address: {email: {}}"),
            ("action: {mask: mail}", "action: {mask: address}"),
            ("columns: {tags: [phone]}", "columns: {names: [public.customers.phone]}"),
            ("to: [{role: support}, {role: analyst}]", "to: [{role: [analyst, support]}]"),
            ("version: 1}", "version: 2}"),
        ],
        &[],
    ),
    contract(
        &[
            ("physicalType: integer", "physicalType: int4"),
            ("physicalType: timestamptz", "physicalType: timestamp with time zone"),
        ],
        &[],
    ),
    contract(&[("database: shop", "database: store")], &[]),
];

const ALL: &[&[Case]] = &[COMING_AND_GOING, COLUMNS, PROMISES, POLICIES, NOTHING];

fn check(case: &Case) {
    let old = bundle("old", CONTRACT, POLICY);
    let new = bundle("new", &edited(CONTRACT, case.contract), &edited(POLICY, case.policy));
    let findings = found(&old, &new, None);
    let lines: Vec<String> = findings.iter().map(line).collect();
    assert_eq!(lines, case.findings, "{:?} {:?}\n{findings:#?}", case.contract, case.policy);
}

#[test]
fn columns_and_tables_that_come_and_go_are_found() {
    COMING_AND_GOING.iter().for_each(check);
}

#[test]
fn what_changes_about_a_column_is_found() {
    COLUMNS.iter().for_each(check);
}

#[test]
fn promises_that_are_taken_back_are_found() {
    PROMISES.iter().for_each(check);
}

#[test]
fn policies_are_compared_by_what_they_do() {
    POLICIES.iter().for_each(check);
}

#[test]
fn the_same_in_other_words_is_no_difference() {
    NOTHING.iter().for_each(check);
}

#[test]
fn rules_in_another_order_are_no_difference() {
    let rules = POLICY.split_once("rules:\n").unwrap().1.split_once("unmodelled").unwrap().0;
    let mut reversed: Vec<&str> = rules.split("  - name: ").skip(1).collect();
    reversed.reverse();
    let reversed: String = reversed.iter().map(|rule| format!("  - name: {rule}")).collect();
    let old = bundle("old", CONTRACT, POLICY);
    let new = bundle("new", CONTRACT, &POLICY.replace(rules, &reversed));
    assert!(reversed != rules && found(&old, &new, None).is_empty());
}

#[test]
fn every_rule_is_shown_by_a_case() {
    let cases = ALL.iter().copied().flatten().flat_map(|case| case.findings);
    let mut shown: BTreeSet<&str> = cases.filter_map(|line| line.split(' ').nth(1)).collect();
    // These two depend on a record of usage and on the versions; see their own files.
    shown.extend(["removal-while-in-use", "version-too-small"]);
    let missing: Vec<&str> = RULES.iter().map(|rule| rule.id).filter(|id| !shown.contains(id)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn every_finding_says_where_it_stands() {
    let old = bundle("old", CONTRACT, POLICY);
    for case in ALL.iter().copied().flatten() {
        let new = bundle("new", &edited(CONTRACT, case.contract), &edited(POLICY, case.policy));
        for finding in found(&old, &new, None) {
            let is_about_all = ["every table", "columns that no contract describes"].contains(&finding.path.as_str());
            let is_function = finding.path.ends_with("()");
            assert!(finding.at.is_some() || is_about_all || is_function, "{finding:#?}");
        }
    }
    let gone = bundle("new", &edited(CONTRACT, &[(NOTE, "")]), POLICY);
    let findings = found(&old, &gone, None);
    let (side, spot) = findings[0].at.clone().unwrap();
    let expected = 1 + CONTRACT.lines().position(|line| line.contains("name: note")).unwrap();
    assert_eq!(
        (side.as_str(), &*spot.file, spot.line as usize, spot.column),
        ("old", "old/contract.odcs.yaml", expected, 16)
    );
}
