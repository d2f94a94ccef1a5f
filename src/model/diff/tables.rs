//! Tables that came, went and changed.

use std::collections::BTreeSet;

use super::columns::Compared;
use super::finding::Finding;
use super::rule;
use super::terms::{Document, Table, Terms};
use super::usage::many;
use super::{Occasion, lifecycles, short, usage};

/// A table and the contract that promises it.
type Promised<'a> = (&'a Document, &'a Table);

pub(super) fn compare(old: &Terms, new: &Terms, occasion: Occasion<'_>, findings: &mut Vec<Finding>) {
    let (before, after) = (tables(old, new), tables(new, old));
    let mut met: BTreeSet<*const Table> = BTreeSet::new();
    for promised in &before {
        let (document, table) = *promised;
        let mut found = Vec::new();
        match partner(promised, &before, &after) {
            Some((_, counterpart)) => {
                met.insert(std::ptr::from_ref(counterpart));
                let is_live = old.is_live || new.is_live;
                one_table(&Compared { old: table, new: counterpart, is_live, occasion }, &mut found);
            }
            // A database promises nothing: of what no contract describes, nothing is taken away.
            None if old.is_live && !new.is_live => {}
            None => removed(table, occasion, &mut found),
        }
        findings.extend(found.into_iter().map(|one| Finding { contract: Some(document.id.clone()), ..one }));
    }
    for (document, table) in after {
        if !met.contains(&std::ptr::from_ref(table)) {
            let finding = Finding::new(&rule::SCHEMA_ADDED, &table.path()).at(None, table.keys.of(&[]));
            findings.push(Finding { contract: Some(document.id.clone()), ..finding });
        }
    }
}

/// The tables of one side. Of contracts that are compared with a database, those in it; of a database, the schemas that
/// the contracts are about.
fn tables<'a>(side: &'a Terms, other: &Terms) -> Vec<Promised<'a>> {
    let all = side.documents.iter().flat_map(|document| document.tables.iter().map(move |table| (document, table)));
    if other.is_live == side.is_live {
        return all.collect();
    }
    let known: BTreeSet<&str> = other.documents.iter().flat_map(|d| &d.databases).map(|name| &**name).collect();
    let named = |table: &Table| {
        let mut others = other.documents.iter().flat_map(|document| &document.tables);
        others.any(|one| one.schema == table.schema && one.name == table.name)
    };
    let schemas: BTreeSet<&str> = other.documents.iter().flat_map(|d| &d.tables).map(|table| &*table.schema).collect();
    all.filter(|(_, table)| {
        let shared = table.databases.iter().any(|database| known.contains(&**database));
        shared && (!side.is_live || schemas.contains(&*table.schema)) && (!table.is_part || named(table))
    })
    .collect()
}

/// The same table on the other side: of the same contract, or of another one about the same database, or the only one of
/// its name.
fn partner<'a>(one: &Promised<'_>, siblings: &[Promised<'_>], others: &[Promised<'a>]) -> Option<Promised<'a>> {
    let (document, table) = one;
    let same_name = |other: &Table| other.schema == table.schema && other.name == table.name;
    let named: Vec<Promised<'a>> = others.iter().copied().filter(|(_, other)| same_name(other)).collect();
    let in_contract = named.iter().find(|(other, _)| other.id == document.id);
    let in_database = || named.iter().find(|(_, other)| !other.databases.is_disjoint(&table.databases));
    let only = || {
        let alone = siblings.iter().filter(|(_, sibling)| same_name(sibling)).count() == 1;
        if let [only] = named.as_slice() { Some(only).filter(|_| alone) } else { None }
    };
    in_contract.or_else(in_database).or_else(only).copied()
}

fn removed(table: &Table, occasion: Occasion<'_>, findings: &mut Vec<Finding>) {
    let path = table.path();
    let finding = Finding::new(&rule::SCHEMA_REMOVED, &path)
        .change(Some(many(u64::try_from(table.columns.len()).unwrap_or(u64::MAX), "column")), None::<String>)
        .at(table.keys.of(&[]), None);
    let answer = occasion.usage_of(table, None);
    findings.extend(lifecycles::removal(finding, table.retirement.as_ref(), answer.as_ref(), occasion.now));
}

fn one_table(tables: &Compared<'_>, findings: &mut Vec<Finding>) {
    tables.columns(findings);
    let Compared { old, new, is_live, occasion } = *tables;
    let path = new.path();
    let is_view = old.is_view || new.is_view;
    if old.key != new.key && !(is_live && is_view) {
        let key = |table: &Table| (!table.key.is_empty()).then(|| table.key.join(", "));
        let first = new.key.iter().find_map(|name| new.column(name)).and_then(|column| column.keys.of(&["primaryKey"]));
        findings.push(
            Finding::new(&rule::KEY_CHANGED, &path)
                .change(key(old), key(new))
                .at(old.keys.of(&[]), first.or_else(|| new.keys.of(&[]))),
        );
    }
    if is_live {
        return;
    }
    for (gone, spot) in old.relationships.iter().filter(|(one, _)| !new.relationships.contains_key(*one)) {
        findings.push(
            Finding::new(&rule::RELATIONSHIP_REMOVED, &path)
                .change(Some(gone.as_str()), None::<&str>)
                .at(Some(spot), None),
        );
    }
    if old.description != new.description {
        findings.push(
            Finding::new(&rule::DESCRIPTION_CHANGED, &path)
                .change(old.description.as_deref().map(short), new.description.as_deref().map(short))
                .at(old.keys.of(&["description"]), new.keys.of(&["description"])),
        );
    }
    let at = (old.keys.of(&["customProperties"]), new.keys.of(&["customProperties"]));
    let answer = || occasion.usage_of(old, None);
    let retirements = (old.retirement.as_ref(), new.retirement.as_ref());
    let mut found = lifecycles::compare(&path, retirements, &answer, occasion.now);
    found.iter_mut().for_each(|finding| *finding = finding.clone().at(at.0, at.1));
    findings.extend(found);
}

/// What usage says, for a change of something that stays.
pub(super) fn weighed(finding: Finding, table: &Table, column: &str, occasion: Occasion<'_>) -> Finding {
    usage::weigh(finding, occasion.usage_of(table, Some(column)).as_ref(), occasion.now)
}
