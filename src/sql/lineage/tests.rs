//! Where the columns of views come from, by their definitions.

use super::*;
use crate::model::catalog::{Column, Relation};
use crate::model::contract::types::column_type;

fn table(oid: u32, name: &str, columns: &[&str]) -> Relation {
    let column =
        |(index, name): (usize, &&str)| Column::new(i16::try_from(index).unwrap() + 1, name, column_type("text"));
    Relation {
        primary_key: vec![1],
        row_type: Oid(oid + 1),
        ..Relation::table(Oid(oid), "public", name, columns.iter().enumerate().map(column).collect())
    }
}

fn tables() -> Catalog {
    let mut catalog = Catalog::new("shop", 150_000);
    catalog.insert(table(10, "customers", &["id", "name", "email"]));
    catalog.insert(table(20, "orders", &["order_id", "customer_id", "status"]));
    catalog.insert(table(30, "staff", &["id", "boss", "salary"]));
    catalog
}

/// Outputs as `name = identity or {sources}`, then what decides the rows.
fn show(definition: &str) -> String {
    let catalog = tables();
    let name_of = |id: &ColumnId| {
        let relation = catalog.relation(id.relation).unwrap();
        format!("{}.{}", relation.name, relation.column_by_number(id.attnum).unwrap().name)
    };
    match of_definition(definition, &catalog, &SearchPath::new(["pg_catalog"])) {
        Err(why) => format!("unknown: {why}"),
        Ok(lineage) => {
            let outputs: Vec<_> = lineage
                .outputs
                .iter()
                .map(|output| match &output.identity {
                    Some(id) => format!("{} = {}", output.name, name_of(id)),
                    None => {
                        let sources: Vec<_> = output.sources.iter().map(name_of).collect();
                        format!("{} <- {{{}}}", output.name, sources.join(" "))
                    }
                })
                .collect();
            let rows: Vec<_> = lineage.indirect.union(&lineage.nullness).map(name_of).collect();
            format!("{}; rows: {}", outputs.join(", "), rows.join(" "))
        }
    }
}

#[test]
fn follows_columns_through_every_layer() {
    assert_eq!(
        show("SELECT c.id, c.email AS mail, lower(c.name) FROM public.customers c WHERE c.email IS NOT NULL"),
        "id = customers.id, mail = customers.email, lower <- {customers.name}; rows: customers.email"
    );
    assert_eq!(
        show("WITH w AS (SELECT * FROM public.customers) SELECT w.email || w.name AS x FROM w"),
        "x <- {customers.name customers.email}; rows: "
    );
    assert_eq!(
        show("SELECT email FROM public.customers UNION ALL SELECT status FROM public.orders"),
        "email <- {customers.email orders.status}; rows: "
    );
    assert_eq!(
        show(
            "SELECT (SELECT max(o.status) FROM public.orders o WHERE o.customer_id = c.id) AS s FROM public.customers c"
        ),
        "s <- {orders.status}; rows: customers.id orders.customer_id"
    );
    assert_eq!(
        show("SELECT c AS cust FROM public.customers c"),
        "cust <- {customers.id customers.name customers.email}; rows: "
    );
}

#[test]
fn grouping_by_a_column_makes_it_decide_rows_and_their_order() {
    assert_eq!(
        show("SELECT c.id, c.email, count(*) AS n FROM public.customers c GROUP BY c.id"),
        "id = customers.id, email = customers.email, n <- {}; rows: customers.id"
    );
    assert_eq!(
        show("SELECT c.id, c.email FROM public.customers c GROUP BY c.id, c.email"),
        "id = customers.id, email = customers.email; rows: customers.id customers.email"
    );
}

#[test]
fn recursion_reaches_its_fixed_point() {
    assert_eq!(
        show(
            "WITH RECURSIVE t(id, path, pay) AS (SELECT id, 'x', salary FROM public.staff WHERE boss IS NULL \
             UNION ALL SELECT s.id, t.pay || t.path, s.salary FROM public.staff s JOIN t ON s.boss = t.id) SELECT path FROM t"
        ),
        "path <- {staff.salary}; rows: staff.id staff.boss"
    );
}

#[test]
fn what_is_not_understood_is_unknown() {
    assert!(show("SELECT nope FROM public.customers").starts_with("unknown"));
    assert!(show("SELECT x FROM public.missing").starts_with("unknown"));
}

#[test]
fn a_test_for_null_is_less_than_the_value() {
    let rows = |definition: &str| {
        let catalog = tables();
        let lineage = of_definition(definition, &catalog, &SearchPath::new(["pg_catalog"])).unwrap();
        let email = ColumnId { relation: Oid(10), attnum: 3 };
        (lineage.nullness.contains(&email), lineage.indirect.contains(&email))
    };
    let plain = "SELECT c.id, c.email FROM public.customers c";
    for condition in [
        "(c.email IS NOT NULL)",
        "((c.email IS NULL) OR (c.name = 'x'::text))",
        "(NOT (c.email IS NULL)) AND (c.email IS NOT NULL)",
    ] {
        assert_eq!(rows(&format!("{plain} WHERE {condition}")), (true, false), "{condition}");
    }
    for condition in [
        "((c.name || c.email) IS NULL)",
        "(c.name || c.email IS NULL)",
        "((c.email IS NULL) OR (c.email = 'x'::text))",
        "(c.email IS DISTINCT FROM 'x'::text)",
        "(lower(c.email) IS NOT NULL)",
        "(EXISTS ( SELECT 1 FROM public.orders o WHERE (c.email IS NOT NULL)))",
    ] {
        assert_eq!(rows(&format!("{plain} WHERE {condition}")), (false, true), "{condition}");
    }
    let ordered = "WHERE (c.email IS NOT NULL) ORDER BY c.email LIMIT 1";
    assert_eq!(rows(&format!("{plain} {ordered}")), (false, true));
    let distinct = "SELECT DISTINCT c.email FROM public.customers c WHERE (c.email IS NOT NULL)";
    assert_eq!(rows(distinct), (false, true));
    let spread = "SELECT unnest(string_to_array(c.email, ','::text)) AS part FROM public.customers c WHERE (c.email IS NOT NULL)";
    assert_eq!(rows(spread), (false, true));
    let unioned = format!("{plain} WHERE (c.email IS NOT NULL) UNION ALL {plain}");
    assert_eq!(rows(&unioned), (false, true));
    let grouped = "SELECT c.name, count(*) AS n FROM public.customers c WHERE (c.email IS NOT NULL) GROUP BY c.name";
    assert_eq!(rows(grouped), (true, false));
}
