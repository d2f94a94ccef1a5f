//! Labels are bounded, and names that are known first have their own.

use super::*;

#[test]
fn names_of_a_contract_have_their_series_though_traffic_came_first() {
    let (observer, _folder) = observer(Caps { relations: 3, applications: 0, ..Caps::default() });
    let statement_on = |name: &str| event(vec![statement(vec![relation(1, name)], Vec::new())], Decision::Allow);
    for number in 0..10 {
        observer.statement(&statement_on(&format!("table_{number}")));
    }
    observer.statement(&statement_on("customers"));
    assert!(!observer.render().contains("relname=\"customers\""), "there are three already");
    observer.names_known(&bundle(&["orders"]));
    for name in ["customers", "orders", "table_9", "table_1"] {
        observer.statement(&statement_on(name));
    }
    let text = observer.render();
    let of = |name: &str| {
        let schema = if name == "__other__" { name } else { "public" };
        format!(
            r#"pgcovenant_table_statements_total{{datname="shop",schemaname="{schema}",relname="{name}",operation="select"}}"#
        )
    };
    for (name, count) in [("customers", "1"), ("orders", "1"), ("table_1", "2"), ("__other__", "9")] {
        assert_eq!(series(&text).get(&*of(name)), Some(&count), "{name}\n{text}");
    }
    assert_eq!(series(&text).get(r#"pgcovenant_label_values{label="relname"}"#), Some(&"5"));
}

#[test]
fn one_series_stands_for_a_table_of_several_contracts() {
    let other = "apiVersion: v3.1.0\nkind: DataContract\nid: other\nversion: 9.0.0\nstatus: draft
servers: [{server: s, type: postgresql, host: db, port: 5432, database: shop, schema: public}]
schema: [{name: customers}]\n";
    let one = bundle(&[]);
    let files = [one.contracts().next().unwrap().file.clone(), SourceFile::new("b/other.odcs.yaml", other)];
    let both = Bundle::from_sources(&files).0.unwrap();
    let (observer, _folder) = observer(Caps::default());
    observer.contracts_loaded(&both);
    let text = observer.render();
    let tables: Vec<_> = text.lines().filter(|line| line.starts_with("pgcovenant_table_info{")).collect();
    assert_eq!(tables.len(), 1, "{tables:?}");
    assert!(tables[0].contains("contract=\"other\"") && tables[0].contains("team=\"none\""), "{tables:?}");
    assert_eq!(text.matches("pgcovenant_contract_info{").count(), 2);
    let digest = |bundle: &Bundle| crate::observe::in_force::digest(bundle);
    assert_ne!(digest(&one), digest(&both));
    let moved: Vec<_> =
        files.iter().rev().map(|file| SourceFile::new(&format!("/etc/{}", file.name()), &file.text)).collect();
    assert_eq!(digest(&both), digest(&Bundle::from_sources(&moved).0.unwrap()), "where the files lie does not matter");
}

#[test]
fn ten_thousand_applications_make_a_hundred_series() {
    let (observer, _folder) = observer(Caps::default());
    let deprecated = || ColumnUse { phase: Some("deprecated"), ..column("fax", Outcome::Clear) };
    for number in 0..10_000 {
        let subject = subject(&format!("worker-{number}\n\"{number}"));
        observer
            .statement(&Event { subject, ..event(vec![statement(Vec::new(), vec![deprecated()])], Decision::Warn) });
    }
    let text = observer.render();
    let series = series(&text);
    let accesses = series.keys().filter(|name| name.starts_with("pgcovenant_deprecated_access_total{")).count();
    assert_eq!(accesses, 101, "100 applications and __other__");
    assert_eq!(series.get(r#"pgcovenant_label_overflow_total{label="application"}"#), Some(&"9900"));
}

#[test]
fn relations_beyond_the_limit_share_one_series() {
    let (observer, _folder) = observer(Caps { relations: 3, ..Caps::default() });
    for number in 0..10 {
        let named = relation(number, &format!("table_{number}"));
        observer.statement(&event(vec![statement(vec![named], Vec::new())], Decision::Allow));
    }
    let text = observer.render();
    let series = series(&text);
    let tables = series.keys().filter(|name| name.starts_with("pgcovenant_table_statements_total{")).count();
    assert_eq!(tables, 4);
    let other = r#"pgcovenant_table_statements_total{datname="shop",schemaname="__other__",relname="__other__",operation="select"}"#;
    assert_eq!(series.get(other), Some(&"7"));
}

#[test]
fn a_renamed_relation_gets_its_new_name() {
    let (observer, _folder) = observer(Caps::default());
    for name in ["old_name", "new_name"] {
        observer.statement(&event(vec![statement(vec![relation(1, name)], Vec::new())], Decision::Allow));
    }
    let text = observer.render();
    assert!(text.contains(r#"relname="old_name""#) && text.contains(r#"relname="new_name""#), "{text}");
}
