//! Rules spread to where the same values can be read.

use super::*;

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
