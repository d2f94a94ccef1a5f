//! What one subject may write and call, before and after.

use std::collections::BTreeSet;

use super::effect::{Change, Effects, Written};
use super::{PROBE, Sides};
use crate::model::catalog::{ColumnId, Relation};
use crate::model::diff::{Rule, rule};
use crate::model::ident::display_name;

pub(super) fn compare(sides: &Sides<'_>) -> Vec<Change> {
    let (old, new) = (&sides.old, &sides.new);
    match (old.view.governed, new.view.governed) {
        (false, false) => Vec::new(),
        (true, false) => {
            vec![plain(&rule::WRITER_ADDED, "every table", Some(LISTED), Some(ALL))]
        }
        (false, true) => vec![plain(&rule::ACCESS_NARROWED, "every table", Some(ALL), Some(LISTED))],
        (true, true) => {
            let mut changes = functions(old, new);
            for (relation, counterpart) in sides.catalogs.relations() {
                if relation.oid != PROBE {
                    changes.extend(one_table(old, new, relation, counterpart));
                }
            }
            changes
        }
    }
}

const ALL: &str = "writes what the server lets them write";
const LISTED: &str = "writes only what the policy lists";

fn plain(rule: &'static Rule, path: &str, old: Option<&str>, new: Option<&str>) -> Change {
    Change {
        rule,
        path: path.to_owned(),
        old: old.map(str::to_owned),
        new: new.map(str::to_owned),
        note: None,
        reasons: [None, None],
        written: None,
    }
}

fn one_table(old: &Effects, new: &Effects, relation: &Relation, counterpart: &Relation) -> Vec<Change> {
    let (before, after) = (grants(old, relation), grants(new, counterpart));
    let known = |word: &&String| {
        // What is granted on a column that only one side has is no more and no less than before.
        let column = word.split_once(' ').map(|(_, column)| column);
        column.is_none_or(|name| relation.column(name).is_some() && counterpart.column(name).is_some())
    };
    let list = |words: Vec<&String>| words.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let gained: Vec<&String> = after.difference(&before).filter(known).collect();
    let lost: Vec<&String> = before.difference(&after).filter(known).collect();
    let path = format!("{}.{}", display_name(&counterpart.schema), display_name(&counterpart.name));
    let written = |words: &[&String]| {
        let column = |word: &&String| word.split_once(' ').map(|(_, column)| column.to_owned());
        let (schema, table) = (counterpart.schema.clone(), counterpart.name.clone());
        Some(Written { schema, table, columns: words.iter().filter_map(column).collect() })
    };
    let mut changes = Vec::new();
    if !gained.is_empty() {
        let written = written(&gained);
        changes.push(Change { written, ..plain(&rule::WRITER_ADDED, &path, None, Some(&list(gained))) });
    }
    if !lost.is_empty() {
        let written = written(&lost);
        changes.push(Change { written, ..plain(&rule::ACCESS_NARROWED, &path, Some(&list(lost)), None) });
    }
    changes
}

/// `update status`, `insert order_id`, `delete`.
fn grants(side: &Effects, relation: &Relation) -> BTreeSet<String> {
    let writes = &side.view.writes;
    let mut found = BTreeSet::new();
    for column in &relation.columns {
        let id = ColumnId { relation: relation.oid, attnum: column.attnum };
        if writes.update.contains(&id) {
            found.insert(format!("update {}", column.name));
        }
        if writes.insert.contains(&id) {
            found.insert(format!("insert {}", column.name));
        }
    }
    if writes.delete.contains(&relation.oid) {
        found.insert("delete".to_owned());
    }
    found
}

/// Functions that the contracts call safe.
fn functions(old: &Effects, new: &Effects) -> Vec<Change> {
    let path = |(schema, name): &(Box<str>, Box<str>)| format!("{}.{}()", display_name(schema), display_name(name));
    let (before, after) = (&old.view.functions, &new.view.functions);
    let gained = after
        .difference(before)
        .map(|function| plain(&rule::ACCESS_WIDENED, &path(function), Some("refused"), Some("may be called")));
    let lost = before
        .difference(after)
        .map(|function| plain(&rule::ACCESS_NARROWED, &path(function), Some("may be called"), Some("refused")));
    gained.chain(lost).collect()
}
