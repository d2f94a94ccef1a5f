//! Which statements may be planned, and how their names are written for it.

use super::*;
use crate::model::catalog::{Oid, UserFunction, UserOperator};

fn catalog() -> Catalog {
    let mut catalog = Catalog::new("shop", 150_000);
    catalog.insert(Relation::table(Oid(10), "public", "orders", Vec::new()));
    catalog.insert(Relation::table(Oid(11), "Sales", "lines", Vec::new()));
    catalog.insert(Relation { kind: RelationKind::Foreign, ..Relation::table(Oid(12), "public", "far", Vec::new()) });
    let function = |schema: &str, name: &str| UserFunction {
        schema: schema.into(),
        name: name.into(),
        arguments: "text".into(),
        language: "plpgsql".into(),
        extension: None,
    };
    catalog.functions.push(function("public", "evil"));
    catalog.functions.push(function("public", "lower"));
    catalog.operators.push(UserOperator {
        schema: "public".into(),
        name: "<=".into(),
        function: ("public".into(), "evil".into()),
        language: "plpgsql".into(),
        extension: None,
    });
    catalog.types.push(UserType {
        oid: Oid(20),
        schema: "public".into(),
        name: "mood".into(),
        kind: 'e',
        array: Oid(21),
        has_unclear_check: false,
        runs: Vec::new(),
        extension: None,
    });
    let mood = catalog.types[0].clone();
    catalog.types.push(UserType { oid: Oid(22), name: "age".into(), kind: 'd', ..mood });
    catalog
}

fn judged(text: &str) -> Result<Guarded, NoPlan> {
    let path = SearchPath::new(["pg_catalog", "Sales", "public"]);
    guard(&catalog(), &Question { user: "app", text, bound: None, path: Some(&path) })
}

#[test]
fn names_are_qualified_so_that_the_path_holds_nothing_of_the_users() {
    let found = judged("SELECT * FROM orders o, ONLY lines WHERE o.m = 'x'::mood AND o.a = $1 -- orders").unwrap();
    let expected = "SELECT * FROM \"public\".orders o, ONLY \"Sales\".lines \
                    WHERE o.m = 'x'::\"public\".mood AND o.a = $1 -- orders";
    assert_eq!(found.text, expected);
    assert_eq!((found.path.as_str(), found.parameters), ("pg_catalog, pg_temp", 1));
    assert_eq!(found.relations, [10, 11]);
    assert!(judged("WITH orders AS (SELECT 1 AS a) SELECT a FROM orders").unwrap().relations.is_empty());
}

#[test]
fn what_could_run_a_function_of_a_user_is_not_planned() {
    for text in [
        "SELECT evil('x')",
        "SELECT public.evil('x') FROM orders",
        "SELECT pg_catalog.evil('x')",
        "SELECT lower('X') FROM orders",
        "SELECT o.evil FROM orders o",
        "SELECT (o).evil FROM orders o",
        "SELECT * FROM orders WHERE a OPERATOR(public.=) 1",
        "SELECT * FROM orders WHERE a <= 1",
        "SELECT * FROM orders WHERE a BETWEEN 1 AND 2",
        "SELECT 17::age",
        "SELECT * FROM evil('x')",
        "SELECT table_to_xml('orders', true, true, '')",
        "SELECT query_to_xml('SELECT evil()', true, true, '')",
        "SELECT pg_read_file('x')",
    ] {
        assert_eq!(judged(text), Err(NoPlan::Function), "{text}");
    }
}

#[test]
fn what_is_no_plain_query_of_known_tables_is_not_planned() {
    for text in ["DELETE FROM orders", "SELECT 1; DROP TABLE orders", "SELECT * FROM orders FOR UPDATE", "SELECT '"] {
        assert_eq!(judged(text), Err(NoPlan::Statement), "{text}");
    }
    for text in ["SELECT * FROM far", "SELECT * FROM nowhere"] {
        assert_eq!(judged(text), Err(NoPlan::Relation), "{text}");
    }
    let question = Question { user: "app", text: "SELECT * FROM orders", bound: None, path: None };
    assert_eq!(guard(&catalog(), &question), Err(NoPlan::Path));
}
