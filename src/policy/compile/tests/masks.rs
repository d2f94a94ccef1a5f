//! What a mask cannot do here, what the server keeps, and what problems are told.

use super::*;

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
