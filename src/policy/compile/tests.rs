//! From files to the rules of a subject.

use std::collections::HashMap;

use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::*;
use crate::model::catalog::{Column, ColumnType, UserFunction};
use crate::model::consumers::NoLedger;
use crate::model::contract::{to_catalog, types::column_type};
use crate::model::lifecycle::Conduct;
use crate::model::reading::Reading;
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
    Column { name: name.into(), attnum, ty: column_type(ty), not_null: false, generated_from: Vec::new() }
}

fn relation(oid: u32, name: &str, kind: RelationKind, columns: Vec<Column>) -> Relation {
    Relation {
        oid: Oid(oid),
        schema: "public".into(),
        name: name.into(),
        kind,
        columns,
        primary_key: Vec::new(),
        parents: Vec::new(),
        definition: matches!(kind, RelationKind::View | RelationKind::MaterializedView).then(|| "select".into()),
        has_rules: false,
        row_type: Oid(0),
        reading: Reading::default(),
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

#[test]
fn partitions_and_parents_share_rules_siblings_do_not() {
    let bundle = bundle(&policy(
        "  - {name: r, columns: {names: [public.customers.email, public.part_a.extra]}, to: everyone, action: {mask: email}}\nunmodelled: allow",
    ));
    let mut catalog = catalog(&bundle);
    let parent = catalog.find("public", "customers").unwrap().oid;
    let part = |oid, name| Relation {
        parents: vec![parent],
        ..relation(oid, name, RelationKind::Table, vec![column("email", 1, "varchar(20)"), column("extra", 2, "text")])
    };
    catalog.insert(part(90_000, "part_a"));
    catalog.insert(part(90_002, "part_b"));
    let database = database(catalog, HashMap::new());
    let view = view(&bundle, Some(&database), &subject("a"), TODAY);
    let of = |table, name| effect(&view, &database.catalog, table, name);
    assert_eq!(of("part_a", "email"), "email");
    assert_eq!(of("part_b", "email"), "email");
    assert_eq!(of("part_a", "extra"), "email");
    assert_eq!(of("part_b", "extra"), "allow");
    let rule = view.rule(ColumnId { relation: Oid(90_000), attnum: 1 }).unwrap();
    let Effect::Mask(mask) = &rule.effect else { panic!() };
    assert!(mask.render("v").ends_with("AS character varying(20)))"), "{}", mask.render("v"));
}

#[test]
fn a_parent_shows_what_its_children_hide() {
    let bundle = bundle(&policy(
        "  - {name: r, columns: {names: [public.part.email]}, to: everyone, action: deny}\nunmodelled: allow",
    ));
    let mut catalog = catalog(&bundle);
    let parent = catalog.find("public", "customers").unwrap().oid;
    catalog.insert(Relation {
        parents: vec![parent],
        ..relation(90_000, "part", RelationKind::Table, vec![column("email", 1, "text")])
    });
    let database = database(catalog, HashMap::new());
    let view = view(&bundle, Some(&database), &subject("a"), TODAY);
    assert_eq!(effect(&view, &database.catalog, "customers", "email"), "deny");
}

#[test]
fn partitions_are_described_by_their_parent() {
    let bundle = bundle(POLICY);
    let mut catalog = catalog(&bundle);
    let parent = catalog.find("public", "orders").unwrap().oid;
    let columns = vec![column("order_id", 1, "bigint"), column("status", 2, "text"), column("own", 3, "text")];
    catalog.insert(Relation { parents: vec![parent], ..relation(90_000, "orders_2026", RelationKind::Table, columns) });
    let database = database(catalog, HashMap::new());
    let view = view(&bundle, Some(&database), &subject("support"), TODAY);
    let of = |table, name| effect(&view, &database.catalog, table, name);
    assert_eq!(of("orders_2026", "status"), "allow");
    assert_eq!(of("orders_2026", "own"), "deny");
    assert_eq!(of("orders", "status"), "allow", "what only a partition lacks does not close the table");
}

#[test]
fn generated_columns_follow_what_they_are_computed_from() {
    let bundle = bundle(&policy(
        "  - {name: m, columns: {names: [public.customers.email]}, to: everyone, action: {mask: email}}\n\
         \x20 - {name: d, columns: {names: [public.customers.ssn]}, to: everyone, action: deny}\n\
         \x20 - {name: a, columns: {names: ['public.customers.g*']}, to: everyone, action: allow}",
    ));
    let mut catalog = catalog(&bundle);
    let mut customers = (**catalog.find("public", "customers").unwrap()).clone();
    let number = |name: &str| customers.column(name).unwrap().attnum;
    let (email, ssn, country) = (number("email"), number("ssn"), number("country"));
    customers.columns.push(Column { generated_from: vec![email, country], ..column("g_mask", 40, "integer") });
    customers.columns.push(Column { generated_from: vec![email, ssn], ..column("g_deny", 41, "text") });
    customers.columns.push(Column { generated_from: vec![country], ..column("g_free", 42, "text") });
    catalog.insert(customers);
    let database = database(catalog, HashMap::new());
    let view = view(&bundle, Some(&database), &subject("a"), TODAY);
    let of = |name| effect(&view, &database.catalog, "customers", name);
    assert_eq!((of("g_mask"), of("g_deny"), of("g_free")), ("null".into(), "deny".into(), "allow".into()));
    let rule = view.rule(id(&database.catalog, "customers", "g_mask")).unwrap();
    assert_eq!(&*rule.reason.as_ref().unwrap().rule, "derived");
}

/// A database with views over the shop, whose lineage is given.
fn with_views(bundle: &Bundle) -> Database {
    let mut catalog = catalog(bundle);
    let view = |oid, name, columns| relation(oid, name, RelationKind::View, columns);
    catalog.insert(view(
        91_000,
        "contacts",
        vec![column("mail", 1, "varchar(9)"), column("half", 2, "text"), column("n", 3, "bigint")],
    ));
    catalog.insert(view(91_002, "nested", vec![column("mail", 1, "text")]));
    catalog.insert(view(91_004, "filtered", vec![column("id", 1, "bigint")]));
    catalog.insert(view(91_006, "over_filtered", vec![column("id", 1, "bigint")]));
    catalog.insert(view(91_008, "obscure", vec![column("id", 1, "bigint")]));
    catalog.insert(view(91_010, "calls", vec![column("id", 1, "bigint")]));
    catalog.insert(view(91_012, "closed", vec![column("x", 1, "text")]));
    let (email, ssn, key) =
        (id(&catalog, "customers", "email"), id(&catalog, "customers", "ssn"), id(&catalog, "customers", "id"));
    let customers: std::collections::BTreeSet<Oid> = [email.relation].into();
    let known = |outputs, indirect: &[ColumnId], relations: &[u32], functions: &[&str]| {
        let relations =
            if relations.is_empty() { customers.clone() } else { relations.iter().map(|oid| Oid(*oid)).collect() };
        let functions = functions.iter().map(|name| ("public".to_owned(), (*name).to_owned())).collect();
        let indirect = indirect.iter().copied().collect();
        ViewLineage::Known(Lineage { outputs, indirect, relations, functions, ..Lineage::default() })
    };
    let inner = |oid, attnum| ColumnId { relation: Oid(oid), attnum };
    let identity = |name, column| derivation(name, Some(column), &[column]);
    let lineages = HashMap::from([
        (
            Oid(91_000),
            known(
                vec![identity("mail", email), derivation("half", None, &[email, key]), derivation("n", None, &[])],
                &[key],
                &[],
                &[],
            ),
        ),
        (Oid(91_002), known(vec![identity("mail", inner(91_000, 1))], &[], &[91_000], &[])),
        (Oid(91_004), known(vec![identity("id", key)], &[email], &[], &[])),
        (Oid(91_006), known(vec![identity("id", inner(91_004, 1))], &[], &[91_004], &[])),
        (Oid(91_008), ViewLineage::Unknown("XMLTABLE".into())),
        (Oid(91_010), known(vec![identity("id", key)], &[], &[], &["peek"])),
        (Oid(91_012), known(vec![derivation("x", None, &[ssn, email])], &[], &[], &[])),
    ]);
    database(catalog, lineages)
}

#[test]
fn views_inherit_by_lineage() {
    let bundle = bundle(POLICY);
    let database = with_views(&bundle);
    let view = view(&bundle, Some(&database), &subject("support"), TODAY);
    let of = |table, name| effect(&view, &database.catalog, table, name);
    assert_eq!(of("contacts", "mail"), "mail");
    assert_eq!(of("contacts", "half"), "null");
    assert_eq!(of("contacts", "n"), "allow");
    assert_eq!(of("nested", "mail"), "mail");
    assert_eq!(of("closed", "x"), "deny");
    let Effect::Mask(mask) = &view.rule(ColumnId { relation: Oid(91_000), attnum: 1 }).unwrap().effect else {
        panic!()
    };
    assert!(mask.render("v").ends_with("AS character varying(9)))"));
    let opaque = |oid| view.relations.get(&Oid(oid)).and_then(|rules| rules.opaque.as_deref()).unwrap_or("open");
    assert_eq!(opaque(91_000), "open");
    let shown = |oid| view.relations.get(&Oid(oid)).map(|rules| rules.shown);
    // Computed columns and rows that depend on masked values, and views on such: by their query.
    for oid in [91_000, 91_002, 91_004, 91_006] {
        assert_eq!((opaque(oid), shown(oid)), ("open", Some(Shown::Definition)), "{oid}");
    }
    assert_eq!(shown(91_012), Some(Shown::Definition));
    assert_eq!(opaque(91_008), "the view cannot be analysed: XMLTABLE");
    assert_eq!(opaque(91_010), "the view calls public.peek, which no contract lists as safe");
}

#[test]
fn views_of_which_nothing_is_known_are_closed_to_governed_sessions_only() {
    let bundle = bundle(POLICY);
    let mut database = with_views(&bundle);
    database.lineages.clear();
    let governed = view(&bundle, Some(&database), &subject("support"), TODAY);
    assert!(governed.relations[&Oid(91_000)].opaque.is_some());
    let observed = view(&bundle, Some(&database), &subject("admin"), TODAY);
    assert!(!observed.protects(Oid(91_000)));
}

#[test]
fn views_that_read_each_other_in_a_circle_are_closed() {
    let bundle = bundle(POLICY);
    let mut catalog = catalog(&bundle);
    let mut lineages = HashMap::new();
    for (oid, other) in [(91_000, 91_002), (91_002, 91_000)] {
        catalog.insert(relation(oid, &format!("v{oid}"), RelationKind::View, vec![column("a", 1, "text")]));
        let source = ColumnId { relation: Oid(other), attnum: 1 };
        let lineage = Lineage {
            outputs: vec![derivation("a", Some(source), &[source])],
            relations: [Oid(other)].into(),
            ..Lineage::default()
        };
        lineages.insert(Oid(oid), ViewLineage::Known(lineage));
    }
    let database = database(catalog, lineages);
    let view = view(&bundle, Some(&database), &subject("support"), TODAY);
    assert!(view.relations[&Oid(91_000)].opaque.is_some() && view.relations[&Oid(91_002)].opaque.is_some());
}

#[test]
fn the_servers_own_values_are_closed_and_its_structure_is_open() {
    let bundle = bundle(POLICY);
    let mut catalog = catalog(&bundle);
    for (oid, name, columns) in [
        (2619, "pg_statistic", vec![column("stavalues1", 1, "text")]),
        (
            1255,
            "pg_proc",
            vec![column("proname", 1, "name"), column("prosrc", 2, "text"), column("prosecret", 3, "text")],
        ),
        (9_999, "pg_secrets", vec![column("secret", 1, "text")]),
        (1259, "pg_class", vec![column("relname", 1, "name")]),
    ] {
        catalog.insert(Relation { schema: "pg_catalog".into(), ..relation(oid, name, RelationKind::Table, columns) });
    }
    let database = database(catalog, HashMap::new());
    let governed = view(&bundle, Some(&database), &subject("support"), TODAY);
    assert_eq!(governed.relations[&Oid(2619)].opaque.as_deref(), Some("statistics over column values"));
    assert!(!governed.relations.contains_key(&Oid(1259)));
    let source = governed.rule(ColumnId { relation: Oid(1255), attnum: 2 }).unwrap();
    let Effect::Mask(mask) = &source.effect else { panic!() };
    assert!(mask.render("prosrc").contains("16384"), "of the server's own functions only");
    assert!(governed.rule(ColumnId { relation: Oid(1255), attnum: 1 }).is_none());
    let added = governed.rule(ColumnId { relation: Oid(1255), attnum: 3 }).unwrap();
    assert!(matches!(&added.effect, Effect::Mask(mask) if &*mask.name == "null"), "a column of a later version");
    assert!(governed.relations[&Oid(9_999)].opaque.is_some(), "a relation of a later version");
    assert!(!view(&bundle, Some(&database), &subject("admin"), TODAY).relations.contains_key(&Oid(2619)));
}

#[test]
fn a_mask_that_cannot_work_here_denies() {
    // The contract says text, the database has an integer: drift must not leak.
    let bundle = bundle(POLICY);
    let mut catalog = catalog(&bundle);
    let mut customers = (**catalog.find("public", "customers").unwrap()).clone();
    customers.columns.iter_mut().find(|column| &*column.name == "email").unwrap().ty = column_type("integer");
    catalog.insert(customers);
    let with_catalog = database(catalog, HashMap::new());
    let support = view(&bundle, Some(&with_catalog), &subject("support"), TODAY);
    let rule = support.rule(id(&with_catalog.catalog, "customers", "email")).unwrap();
    assert_eq!(rule.effect, Effect::Deny);
    assert_eq!(
        rule.reason.as_ref().unwrap().note.as_deref(),
        Some("the mask `email` does not work on the type integer")
    );
}

#[test]
fn hash_needs_the_function_in_a_real_database() {
    let bundle = bundle(&policy(
        "  - {name: r, columns: {names: [public.customers.email]}, to: everyone, action: {mask: {hash: {key: k}}}}",
    ));
    let promised = catalog(&bundle);
    let mut live = Catalog::new("shop", 150_018);
    promised.relations().for_each(|relation| live.insert((**relation).clone()));
    let of = |catalog: Catalog| {
        let database = database(catalog, HashMap::new());
        effect(&view(&bundle, Some(&database), &subject("a"), TODAY), &database.catalog, "customers", "email")
    };
    assert_eq!(of(promised), "hash");
    assert_eq!(of(live.clone()), "deny");
    live.functions.push(UserFunction {
        schema: "pgcovenant".into(),
        name: "pseudonym".into(),
        arguments: "value text, key_name text".into(),
        language: "plpgsql".into(),
        extension: None,
    });
    assert_eq!(of(live), "hash");
}

#[test]
fn what_does_not_work_in_a_database_is_told() {
    let bundle = bundle(&policy(
        "  - {name: h, columns: {names: [public.customers.email]}, to: [{role: a}], action: {mask: {hash: {key: k}}}}\n\
         \x20 - {name: m, columns: {names: [public.customers.name]}, to: [{role: b}], action: {mask: email}}\n\
         \x20 - {name: n, columns: {names: [public.customers.phone]}, to: everyone, action: {mask: redact}}\n\
         \x20 - {name: o, mode: off, columns: {names: [public.customers.notes]}, to: everyone, action: {mask: email}}",
    ));
    let mut live = Catalog::new("shop", 150_018);
    catalog(&bundle).relations().for_each(|relation| live.insert((**relation).clone()));
    let mut customers = (**live.find("public", "customers").unwrap()).clone();
    let mut retype = |name: &str, ty: ColumnType| {
        customers.columns.iter_mut().find(|column| &*column.name == name).unwrap().ty = ty;
    };
    let domain = ColumnType {
        oid: Oid(40_000),
        sql: "public.full_name".into(),
        masked_as: Some("character varying(40)".into()),
        ..column_type("text")
    };
    retype("name", domain.clone());
    retype("phone", column_type("bigint"));
    retype("notes", column_type("bigint"));
    live.insert(customers);
    assert_eq!(
        unfit(&bundle, &database(live.clone(), HashMap::new()), on(TODAY)),
        [
            "public.customers.email is denied instead of masked by rule \"h\" of policy \"p\": the database has no function pgcovenant.pseudonym(text, text)",
            "public.customers.phone is denied instead of masked by rule \"n\" of policy \"p\": the mask `redact` does not work on the type bigint",
        ]
    );
    // The mask of a domain with a CHECK gives the type below.
    let database = database(live, HashMap::new());
    let view = view(&bundle, Some(&database), &subject("b"), TODAY);
    let name = view.rule(id(&database.catalog, "customers", "name")).map(|rule| &rule.effect);
    assert!(matches!(name, Some(Effect::Mask(mask)) if mask.render("v").ends_with("AS character varying(40)))")));
}

#[test]
fn equality_and_pseudonyms_are_not_given_where_they_tell_more() {
    let told = |rules: &str| load(&policy(rules)).1;
    let found = told(
        "  - {name: r, columns: {names: [public.customers.email]}, to: everyone, action: {mask: {hash: {key: k}}}}\n\
         writes: [{to: everyone, update: [public.customers.email], insert: [], delete: []}]",
    );
    assert_eq!(
        found,
        [
            "shop/policy.yaml:6:10: warning: public.customers.email can be written, and rule `r` shows a pseudonym of it \
             (Who is allowed both can write a guess and compare pseudonyms. Leave the column out of `writes`.)"
        ]
    );
}

#[test]
fn stars_omit_only_what_every_denial_lets_them_omit() {
    let omit = |second: &str| {
        let bundle = bundle(&policy(&format!(
            "  - {{name: a, columns: {{names: [public.customers.ssn]}}, to: everyone, action: deny, on_star: omit}}\n\
             \x20 - {{name: b, columns: {{names: [{second}]}}, to: everyone, action: deny}}"
        )));
        let database = database(catalog(&bundle), HashMap::new());
        let view = view(&bundle, Some(&database), &subject("a"), TODAY);
        view.relations[&database.catalog.find("public", "customers").unwrap().oid].star_omits_denied
    };
    assert!(omit("public.orders.status"));
    assert!(!omit("public.customers.notes"));
    assert!(!omit("public.customers.ssn"));
}

#[test]
fn fingerprints_tell_equal_from_different() {
    let bundle = bundle(POLICY);
    let database = database(catalog(&bundle), HashMap::new());
    let print = |subject: &Subject, day| view(&bundle, Some(&database), subject, day).fingerprint;
    let support = subject("support");
    let other = Subject {
        user: "anna".into(),
        application: "psql".into(),
        roles: ["anna".into(), "support".into()].into(),
        ..support.clone()
    };
    assert_eq!(print(&support, TODAY), print(&other, TODAY), "treated alike, hence equal");
    assert_ne!(print(&support, TODAY), print(&subject("analyst"), TODAY));
    assert_ne!(print(&support, TODAY), print(&subject("admin"), TODAY));
}

#[test]
fn problems_between_files_are_told() {
    let told = |text: &str| load(text).1;
    assert_eq!(
        told(&policy("  - {name: r, columns: {names: [public.customers.emial]}, to: everyone, action: deny}")),
        [
            "shop/policy.yaml:5:24: error: the contract knows no column public.customers.emial (did you mean `public.customers.email`?)",
            "shop/policy.yaml:5:24: warning: this selects no column of the contract (Compare it with the tags, names and classifications of the contract.)",
        ]
    );
    assert_eq!(
        told(&policy(
            "  - {name: r, columns: {names: [public.orders.total_amount]}, to: everyone, action: {mask: email}}"
        )),
        [
            "shop/policy.yaml:5:85: error: public.orders.total_amount cannot be masked like this: the mask `email` does not work on the type numeric(12,2) (Take another mask for it, or deny it.)"
        ]
    );
    let (bundle, found) = Bundle::from_sources(&[SourceFile::new("a/policy.yaml", &policy("  []"))]);
    assert!(bundle.is_none());
    assert_eq!(found[0].message, "there is no contract beside this policy");
    let (bundle, found) = Bundle::from_sources(&[SourceFile::new("a/values.yaml", "a: 1")]);
    assert!(bundle.is_none());
    assert_eq!(found[0].message, "this is neither a contract nor a policy");
    let (bundle, found) = Bundle::from_sources(&[SourceFile::new("pgcovenant.yaml", "upstream: {host: x}")]);
    assert!(bundle.is_some() && found.is_empty());
}

fn any_decision() -> impl Strategy<Value = Decided> {
    let masks = [
        "null",
        "default",
        "{constant: a}",
        "{constant: b}",
        "redact",
        "email",
        "{partial: {suffix: 4}}",
        "{partial: {suffix: 2}}",
        "deny",
    ];
    (0..masks.len(), 0..3u8, any::<bool>()).prop_map(move |(kind, rule, omit)| {
        let reason = Reason { policy: "p".into(), version: 1, rule: rule.to_string().into(), note: None };
        if masks[kind] == "deny" {
            return Decided { omit_on_star: omit, ..Decided::deny(reason) };
        }
        let file = SourceFile::new("m", masks[kind]);
        let mut problems = crate::model::source::Problems::new(&file);
        let node = crate::model::source::parse(&file, &mut problems).unwrap();
        let mask: MaskUse = crate::policy::mask::read(&node, None, &mut problems).unwrap();
        let predicates = match omit {
            true => Predicates::Equality,
            false if rule == 0 => Predicates::Deny(std::sync::Arc::new(reason.clone())),
            false => Predicates::Masked,
        };
        Decided::mask(&mask, &column_type("text"), reason).with_predicates(predicates)
    })
}

fn combine(decisions: &[Decided]) -> (Strictness, Effect, Reason, bool, Predicates) {
    let mut all = Decisions::new();
    let id = ColumnId { relation: Oid(1), attnum: 1 };
    decisions.iter().for_each(|decided| decision::add(&mut all, id, decided.clone()));
    let decided = &all[&id];
    let (reason, predicates) = ((*decided.reason).clone(), decided.predicates.clone());
    (decided.strictness, decided.effect.clone(), reason, decided.omit_on_star, predicates)
}

proptest! {
    #[test]
    fn the_order_of_rules_means_nothing(
        (decisions, shuffled) in prop::collection::vec(any_decision(), 1..6)
            .prop_flat_map(|decisions| (Just(decisions.clone()), Just(decisions).prop_shuffle()))
    ) {
        let combined = combine(&decisions);
        prop_assert_eq!(&combined, &combine(&shuffled));
        let strictest = decisions.iter().map(|decided| decided.strictness).max().unwrap();
        prop_assert_eq!(combined.0, strictest);
        // The least that any rule about a mask lets conditions see is what they see.
        let least = decisions.iter().filter(|decided| decided.effect != Effect::Deny).map(|decided| &decided.predicates);
        if let Some(least) = least.min() {
            prop_assert_eq!(&combined.4, least);
        }
    }
}

#[test]
fn the_same_files_mean_something_else_at_midnight_and_at_the_edges_of_brownouts() {
    let lifecycle = "phase: deprecated\n              since: 2026-01-15\n";
    assert!(CONTRACT.contains(lifecycle));
    let windows =
        "since: 2026-01-15\n              brownouts: [{from: 2026-04-01T10:00:00Z, until: 2026-04-01T10:30:00Z}]\n";
    let files = [
        SourceFile::new("shop/contract.odcs.yaml", &CONTRACT.replace(lifecycle, windows)),
        SourceFile::new("shop/policy.yaml", POLICY),
    ];
    let bundle = Bundle::from_sources(&files).0.unwrap();
    let next = |now: &str| bundle.next_change(now.parse().unwrap()).to_string();
    assert_eq!(next("2026-03-31T08:00:00Z"), "2026-04-01T00:00:00Z");
    assert_eq!(next("2026-04-01T00:00:00Z"), "2026-04-01T10:00:00Z");
    assert_eq!(next("2026-04-01T10:00:00Z"), "2026-04-01T10:30:00Z");
    assert_eq!(next("2026-04-01T10:30:00Z"), "2026-04-02T00:00:00Z");

    let database = database(catalog(&bundle), HashMap::new());
    let eta = id(&database.catalog, "orders", "estimated_delivery");
    let conduct = |now: &str| {
        let occasion = Occasion { now: now.parse().unwrap(), ledger: &NoLedger };
        let view = super::view(&bundle, Some(&database), &subject("admin"), occasion);
        view.rule(eta).and_then(|rule| rule.lifecycle.as_ref()).map(|lifecycle| lifecycle.conduct)
    };
    assert_eq!(conduct("2026-01-14T23:00:00Z"), None);
    assert_eq!(conduct("2026-04-01T09:00:00Z"), Some(Conduct::Warned));
    assert_eq!(conduct("2026-04-01T10:15:00Z"), Some(Conduct::Refused));
    assert_eq!(conduct("2027-06-30T00:00:00Z"), Some(Conduct::Gone));
}

/// What two policies together say to a subject of changes of the structure, and when that is another.
fn ddl(one: &str, other: &str, role: &str, now: &str) -> (crate::policy::view::Ddl, String) {
    let policy = |name: &str, ddl: &str| {
        format!(
            "apiVersion: pgcovenant/v1\nkind: Policy\nmetadata: {{name: {name}, version: 1}}\nrules: []\nddl: {{{ddl}}}\n"
        )
    };
    let files = [
        SourceFile::new("shop/contract.odcs.yaml", CONTRACT),
        SourceFile::new("shop/one.yaml", &policy("one", one)),
        SourceFile::new("shop/other.yaml", &policy("other", other)),
    ];
    let (bundle, problems) = Bundle::from_sources(&files);
    let bundle = bundle.unwrap_or_else(|| panic!("{problems:#?}"));
    let occasion = Occasion { now: now.parse().unwrap(), ledger: &NoLedger };
    let view = super::view(&bundle, None, &subject(role), occasion);
    (view.ddl.unwrap(), bundle.next_change(occasion.now).to_string())
}

#[test]
fn of_several_words_on_changes_of_the_structure_the_strictest_holds() {
    use crate::policy::rule::{InUse, LockTimeout};
    let now = "2026-11-21T12:00:00Z";
    let (found, _) = ddl("", "", "app", now);
    assert_eq!((found.in_use, found.window.as_hours(), found.lock_timeout), (InUse::Refuse, 720, None));
    assert!(found.closed_by.is_empty() && found.frozen.is_none());
    let (found, _) =
        ddl("in_use: warn, in_use_window: 2d, lock_timeout: 2s", "in_use: off, lock_timeout: 9s", "app", now);
    assert_eq!((found.in_use, found.window.as_hours()), (InUse::Warn, 48));
    assert_eq!(found.lock_timeout, Some(LockTimeout::Give(2000)));
    let (found, _) = ddl("in_use_window: 2d, lock_timeout: 2s", "in_use_window: 3d, lock_timeout: require", "app", now);
    assert_eq!((found.window.as_hours(), found.lock_timeout), (72, Some(LockTimeout::Require)));
    let (found, _) = ddl("to: [{role: migrator}]", "to: [{role: app}]", "app", now);
    assert_eq!(*found.closed_by, ["one".into()]);
}

#[test]
fn the_same_files_mean_something_else_at_the_edges_of_a_freeze() {
    let freezes = [
        "freeze: [{from: 2026-11-21T11:00:00Z, until: 2026-11-21T13:00:00Z, reason: sale}]",
        "freeze: [{from: 2026-11-21T12:00:00Z, until: 2026-11-21T14:00:00Z}]",
    ];
    let at = |now: &str| ddl(freezes[0], freezes[1], "app", now);
    let (before, next) = at("2026-11-21T10:00:00Z");
    assert_eq!((before.frozen, next.as_str()), (None, "2026-11-21T11:00:00Z"));
    let (within, next) = at("2026-11-21T11:30:00Z");
    assert_eq!(within.frozen.unwrap().reason.as_deref(), Some("sale"));
    assert_eq!(next, "2026-11-21T12:00:00Z");
    let (both, next) = at("2026-11-21T12:30:00Z");
    assert_eq!(both.frozen.unwrap().until.to_string(), "2026-11-21T14:00:00Z", "the longer one");
    assert_eq!(next, "2026-11-21T13:00:00Z");
    assert_eq!(at("2026-11-21T14:00:00Z").0.frozen, None);
}
