//! Views inherit by where their columns come from.

use super::*;

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
