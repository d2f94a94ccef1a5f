//! Types over types, and what stands at the bottom of them.

use super::*;

fn entry(schema: &str, name: &str, kind: char, category: char) -> Type {
    Type {
        schema: schema.into(),
        name: name.into(),
        kind,
        category,
        base: Oid(0),
        below: None,
        element: Oid(0),
        array: Oid(0),
        is_array: false,
        unclear_check: false,
        check: false,
        runs: Vec::new(),
        parts: Vec::new(),
        extension: None,
    }
}

fn table() -> TypeTable {
    let mut table = TypeTable::default();
    table.add(Oid(25), entry("pg_catalog", "text", 'b', 'S'));
    table.add(Oid(100), Type { base: Oid(25), unclear_check: true, ..entry("public", "email", 'd', 'S') });
    table.add(Oid(101), Type { base: Oid(100), ..entry("public", "work_email", 'd', 'S') });
    let array = Type { element: Oid(101), is_array: true, ..entry("public", "_work_email", 'b', 'A') };
    table.add(Oid(102), array);
    table.add(Oid(103), Type { base: Oid(102), ..entry("public", "emails", 'd', 'A') });
    table.add(Oid(104), entry("public", "text", 'e', 'E'));
    table.add(Oid(105), Type { parts: vec![Oid(25), Oid(103)], ..entry("public", "contact", 'c', 'C') });
    table.add(Oid(106), Type { parts: vec![Oid(25)], ..entry("public", "point", 'c', 'C') });
    table
}

#[test]
fn domains_are_looked_through() {
    let table = table();
    assert_eq!(table.base(Oid(101)), BaseType::Text);
    assert_eq!(table.base(Oid(103)), BaseType::Array);
    assert_eq!(table.base(Oid(104)), BaseType::Enum, "a user's type named text is not text");
    assert_eq!(table.base(Oid(9999)), BaseType::Other);
}

#[test]
fn what_a_check_need_not_hold_for_is_of_the_type_below() {
    let mut table = table();
    table.add(
        Oid(110),
        Type { below: Some("character varying(20)".into()), base: Oid(1043), ..entry("public", "a", 'd', 'S') },
    );
    table.add(
        Oid(111),
        Type { below: Some("public.a".into()), base: Oid(110), check: true, ..entry("public", "b", 'd', 'S') },
    );
    assert_eq!(table.below_check(Oid(111)).as_deref(), Some("character varying(20)"));
    assert_eq!(table.below_check(Oid(110)), None);
    assert_eq!(table.below_check(Oid(25)), None);
}

#[test]
fn checks_that_only_compute_are_seen_through() {
    assert!(only_computes("CHECK ((VALUE ~~ '%@%'::text) AND (length(VALUE) < 80) AND public.listed(VALUE))"));
    assert!(!only_computes("CHECK ((pg_read_file(VALUE) IS NOT NULL))"));
    assert!(!only_computes("CHECK (((\"query_to_xml\"(VALUE, true, false, ''::text))::text <> ''::text))"));
}

#[test]
fn checks_are_found_through_bases_elements_and_parts() {
    let types = table().user_types();
    let checks: Vec<_> = types.iter().map(|t| (&*t.name, t.has_unclear_check)).collect();
    assert_eq!(
        checks,
        [("email", true), ("work_email", true), ("emails", true), ("text", false), ("contact", true), ("point", false)]
    );
}
