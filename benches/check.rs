//! What a verdict costs: from nothing, and from memory.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use pgcovenant::engine::cache::VerdictCache;
use pgcovenant::engine::check::{Facts, Protocol, check};
use pgcovenant::engine::verdict::Verdict;
use pgcovenant::model::catalog::{Catalog, Column, Oid, Relation, SearchPath};
use pgcovenant::model::contract::types::column_type;
use pgcovenant::policy::compile::Bundle;
use pgcovenant::policy::snapshot::{Database, Snapshot};
use pgcovenant::policy::view::{ColumnRule, Effect, MaskExpression, Predicates, RelationRules, SubjectView};

const DATABASE: &str = "shop";
const CUSTOMERS: Oid = Oid(16_384);
const ORDERS: Oid = Oid(16_386);
const EMAIL: i16 = 3;

const STATEMENTS: &[(&str, &str)] = &[
    ("short", "SELECT name FROM customers WHERE id = $1"),
    (
        "join",
        "SELECT c.id, c.name, c.email, o.status, count(*) AS orders FROM customers c JOIN orders o ON o.customer_id = c.id \
         WHERE o.created_at > now() - interval '30 days' GROUP BY c.id, c.name, c.email, o.status ORDER BY orders DESC LIMIT 20",
    ),
    (
        "nested",
        "WITH recent AS (SELECT customer_id, max(created_at) AS last FROM orders GROUP BY customer_id) \
         SELECT c.*, r.last, (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) FROM customers c \
         LEFT JOIN recent r ON r.customer_id = c.id WHERE c.email LIKE 'a%' AND EXISTS (SELECT FROM orders x WHERE x.customer_id = c.id)",
    ),
];

fn text(name: &str, attnum: i16) -> Column {
    Column::new(attnum, name, column_type("text"))
}

fn table(oid: Oid, name: &str, columns: &[&str]) -> Relation {
    Relation {
        primary_key: vec![1],
        row_type: Oid(oid.0 + 1),
        ..Relation::table(
            oid,
            "public",
            name,
            (1_i16..).zip(columns).map(|(attnum, name)| text(name, attnum)).collect(),
        )
    }
}

fn snapshot() -> Snapshot {
    let mut catalog = Catalog::new(DATABASE, 150_000);
    catalog.insert(table(CUSTOMERS, "customers", &["id", "name", "email", "phone", "country", "created_at"]));
    catalog.insert(table(ORDERS, "orders", &["order_id", "customer_id", "status", "total_amount", "created_at"]));
    let database = Database { catalog: Arc::new(catalog), lineages: HashMap::new() };
    Snapshot::new(1, Arc::new(Bundle::default()), HashMap::from([(DATABASE.into(), Arc::new(database))]))
}

/// Somebody who gets masked addresses.
fn governed() -> Arc<SubjectView> {
    let parts = ["pg_catalog.left(", ", 1) OPERATOR(pg_catalog.||) '****'::pg_catalog.text"].map(Box::from).to_vec();
    let rule = ColumnRule {
        predicates: Predicates::Masked,
        effect: Effect::Mask(Arc::new(MaskExpression::new("mail", parts))),
        reason: None,
        shadow: None,
        lifecycle: None,
        classification: None,
        decided: true,
    };
    let rules = RelationRules { columns: BTreeMap::from([(EMAIL, rule)]), ..RelationRules::default() };
    Arc::new(SubjectView {
        fingerprint: 1,
        governed: true,
        relations: HashMap::from([(CUSTOMERS, Arc::new(rules))]),
        ..SubjectView::default()
    })
}

fn benches(criterion: &mut Criterion) {
    let snapshot = snapshot();
    let path = SearchPath::default();
    for (who, view) in [("observed", Arc::new(SubjectView::default())), ("governed", governed())] {
        let facts = Facts { database: DATABASE, view: &view, search_path: Some(&path), protocol: Protocol::Extended };
        let mut group = criterion.benchmark_group(who);
        for (name, sql) in STATEMENTS {
            let verdict = check(&snapshot, &facts, sql);
            assert!(matches!(verdict, Verdict::Admit(_)), "{who}, {name}: {verdict:?}");
            group.bench_function(format!("{name}, checked"), |bencher| {
                bencher.iter(|| check(&snapshot, &facts, black_box(sql)));
            });
            let cache = VerdictCache::new(1 << 20);
            group.bench_function(format!("{name}, remembered"), |bencher| {
                bencher.iter(|| cache.check(&snapshot, &facts, black_box(sql)));
            });
        }
        group.finish();
    }
}

criterion_group!(all, benches);
criterion_main!(all);
