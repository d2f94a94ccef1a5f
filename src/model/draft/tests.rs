//! What is written is valid, and promises what is there.

use super::*;
use crate::model::catalog::Oid;
use crate::model::contract::{read, to_catalog};
use crate::model::drift::{Observed, compare};
use crate::model::source::{Problems, SourceFile};
use crate::model::structure::{ForeignKey, Index};

const SHOP: &str = include_str!("../../../policies/shop/contract.odcs.yaml");

fn shop() -> Catalog {
    let file = SourceFile::new("c.odcs.yaml", SHOP);
    let mut problems = Problems::new(&file);
    to_catalog([&read(&mut problems).unwrap()], "shop")
}

fn draft(catalog: &Catalog, structure: &Structure, schemas: &[&str]) -> String {
    let schemas: Vec<String> = schemas.iter().map(|schema| (*schema).to_owned()).collect();
    let described = Described::new(catalog, structure, &schemas);
    contract(&described, &Scope { host: "db", port: 5432, schemas: &schemas })
}

/// Reads a text as a contract and compares the database with it.
fn differences(text: &str, catalog: &Catalog, structure: &Structure) -> Vec<String> {
    let file = SourceFile::new("c.odcs.yaml", text);
    let mut problems = Problems::new(&file);
    let contract = read(&mut problems);
    let found: Vec<String> = problems.into_found().iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{found:#?}\n{text}");
    let now = "2026-11-21T10:00:00Z".parse().unwrap();
    let observed = Observed { catalog, structure, bypasses: &[], now };
    compare([&contract.unwrap()], &observed).into_iter().map(|finding| finding.message).collect()
}

#[test]
fn the_shop_is_described_as_it_is() {
    let (catalog, structure) = (shop(), Structure::default());
    let text = draft(&catalog, &structure, &["public"]);
    assert_eq!(differences(&text, &catalog, &structure), [""; 0]);
    for line in [
        "      # review me: looks like pii.email\n      - {name: email, logicalType: string, physicalType: character varying(120), \
         required: true, classification: confidential, tags: [pii.email]}\n",
        "      - {name: total_amount, logicalType: number, physicalType: \"numeric(12,2)\", required: true}\n",
        "looks like pii.card",
        "looks like pii.government_id",
        "looks like pii.birth_date",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(
        !text.contains("product, logicalType: string, physicalType: text, required: true, classification"),
        "{text}"
    );
    assert_eq!(text, draft(&catalog, &structure, &["public"]), "always the same");
}

fn key(columns: &[&str], to: (&str, &str), to_columns: &[&str]) -> ForeignKey {
    let boxed = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect();
    ForeignKey {
        name: "a_key".into(),
        columns: boxed(columns),
        to: (to.0.into(), to.1.into()),
        to_columns: boxed(to_columns),
        validated: true,
    }
}

#[test]
fn keys_comments_and_odd_names_are_kept() {
    let mut catalog = shop();
    let mut odd = (**catalog.find("public", "orders").unwrap()).clone();
    odd.oid = Oid(1);
    odd.name = "Odd, \"name\": #1".into();
    odd.columns[1].name = "yes".into();
    catalog.insert(odd);
    let mut structure = Structure::default();
    let orders = structure.relation_mut("public".into(), "orders".into());
    orders.comment = Some("What was bought:\n\"all\" of it".into());
    orders.column_comments.insert("status".into(), "new, paid".into());
    orders.foreign_keys = vec![
        key(&["customer_id"], ("public", "customers"), &["id"]),
        key(&["customer_id"], ("elsewhere", "people"), &["id"]),
    ];
    let items = structure.relation_mut("public".into(), "payments".into());
    items.foreign_keys = vec![key(&["order_id", "payment_id"], ("public", "order_items"), &["order_id", "item_id"])];
    items.indexes = vec![Index {
        name: "i".into(),
        key: vec!["provider_ref".into()],
        unique: true,
        valid: true,
        partial: false,
        of_constraint: true,
    }];
    let text = draft(&catalog, &structure, &["public"]);
    assert_eq!(differences(&text, &catalog, &structure), [""; 0]);
    for line in [
        "        relationships: [{type: foreignKey, to: customers.id}]\n",
        "      # a_key refers to elsewhere.people (id), which is not described here\n",
        "from: [payments.order_id, payments.payment_id], to: [order_items.order_id, order_items.item_id]}",
        "    description: \"What was bought:\\n\\\"all\\\" of it\"\n",
        "unique: true",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let mut lost = structure.clone();
    lost.relation_mut("public".into(), "orders".into()).foreign_keys.clear();
    assert_eq!(differences(&text, &catalog, &lost).len(), 1, "what is written is a promise");
}

#[test]
fn several_schemas_are_told_apart() {
    let mut catalog = shop();
    let mut archived = (**catalog.find("public", "orders").unwrap()).clone();
    archived.oid = Oid(1);
    archived.schema = "archive".into();
    catalog.insert(archived);
    let structure = Structure::default();
    let text = draft(&catalog, &structure, &["public", "archive"]);
    assert_eq!(differences(&text, &catalog, &structure), [""; 0]);
    assert!(text.contains("  - name: archive_orders\n    physicalName: archive.orders\n"), "{text}");
}
