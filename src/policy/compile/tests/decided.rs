//! What was decided about columns, as far as those are concerned who see them.

use super::*;

/// Whether it was decided about columns of `customers` that this role sees them, given one rule.
fn decided(rule: &str, role: &str, columns: &[&str]) -> Vec<bool> {
    let bundle = bundle(&policy(rule));
    let database = database(catalog(&bundle), HashMap::new());
    let view = view(&bundle, Some(&database), &subject(role), TODAY);
    let of = |column: &&str| {
        let rule = view.rule(id(&database.catalog, "customers", column)).unwrap();
        assert_eq!(rule.effect, Effect::Allow, "{column}");
        rule.decided
    };
    columns.iter().map(of).collect()
}

#[test]
fn a_rule_in_force_decides_for_those_too_whom_it_is_not_about() {
    let mail = "columns: {tags: [pii.contact]}, to: [{role: support}]";
    let masked = format!("  - {{name: r, {mail}, action: {{mask: \"null\"}}}}");
    assert_eq!(decided(&masked, "shop_app", &["email", "name"]), [true, false]);
    let exempt = format!("  - {{name: r, {mail}, except: [{{user: support}}], action: deny}}");
    assert_eq!(decided(&exempt, "support", &["email", "name"]), [true, false]);
    let given = "  - {name: r, columns: {names: [public.customers.name]}, to: [{role: shop_app}], action: allow}";
    assert_eq!(decided(given, "shop_app", &["email", "name"]), [false, true]);
    for mode in ["shadow", "off"] {
        let idle = format!("  - {{name: r, mode: {mode}, {mail}, action: deny}}");
        assert_eq!(decided(&idle, "shop_app", &["email"]), [false], "{mode}");
    }
}

#[test]
fn what_was_decided_about_a_column_holds_for_what_views_make_of_it() {
    let contract = CONTRACT.to_owned()
        + "  - name: people\n    physicalType: view\n    properties:\n      \
           - {name: mail, physicalType: text, classification: confidential}\n      \
           - {name: name, physicalType: text, classification: confidential}\n";
    let rule =
        "  - {name: r, columns: {names: [public.customers.email]}, to: [{role: support}], action: {mask: \"null\"}}";
    let files =
        [SourceFile::new("shop/contract.odcs.yaml", &contract), SourceFile::new("shop/policy.yaml", &policy(rule))];
    let bundle = Bundle::from_sources(&files).0.unwrap();
    let catalog = catalog(&bundle);
    let source = |name: &str| id(&catalog, "customers", name);
    let outputs =
        vec![derivation("mail", None, &[source("email")]), derivation("name", Some(source("name")), &[source("name")])];
    let lineage = ViewLineage::Known(Lineage { outputs, ..Lineage::default() });
    let people = catalog.find("public", "people").unwrap().oid;
    let database = database(catalog.clone(), HashMap::from([(people, lineage)]));
    let view = view(&bundle, Some(&database), &subject("shop_app"), TODAY);
    let decided = |name: &str| view.rule(id(&catalog, "people", name)).unwrap().decided;
    assert_eq!((decided("mail"), decided("name")), (true, false));
}
