//! What is told at `/api/v1/plans`. No part of it holds a value of a statement.

use serde_json::{Value, json};

use super::book::{Book, Entry, Seen, Totals};
use super::changes::Change;
use super::declared::{Declared, DeclaredQuery};

pub(super) fn text(book: &Book) -> String {
    let mut entries: Vec<&Entry> =
        book.entries.values().filter(|entry| entry.last.is_some() || entry.failure.is_some()).collect();
    entries.sort_by_key(|entry| (std::cmp::Reverse(Totals::of(&entry.shape).nanos), entry.shape.fingerprint));
    let shapes: Vec<Value> = entries.into_iter().map(shape).collect();
    let queries: Vec<Value> = book.declared.queries.iter().map(|query| declared(book, query)).collect();
    format!("{:#}\n", json!({ "shapes": shapes, "queries": queries }))
}

fn shape(entry: &Entry) -> Value {
    let totals = Totals::of(&entry.shape);
    let changes: Vec<Value> = entry.changes.iter().rev().map(change).collect();
    json!({
        "database": &*entry.shape.database,
        "fingerprint": format!("{:016x}", entry.shape.fingerprint),
        "statement": &*entry.shape.text,
        "calls": totals.calls,
        "mean_seconds": totals.mean(),
        "plan": entry.last.as_ref().map(seen),
        "previous": entry.previous.as_ref().map(seen),
        "changes": changes,
        "failure": entry.failure.map(|why| why.as_str()),
    })
}

fn seen(seen: &Seen) -> Value {
    let accesses: Vec<Value> = seen
        .plan
        .accesses
        .iter()
        .map(|access| {
            json!({
                "schema": &*access.schema,
                "relation": &*access.relation,
                "access_path": access.path.as_str(),
                "indexes": access.indexes,
                "rows": access.rows,
            })
        })
        .collect();
    let usual = seen.steady.since(seen.start);
    json!({
        "text": seen.plan.text,
        "fingerprint": format!("{:016x}", seen.plan.fingerprint()),
        "cost": seen.plan.cost,
        "rows": seen.plan.rows,
        "first_seen": seen.first.to_string(),
        "last_seen": seen.at.to_string(),
        // What changes are measured against.
        "runs": usual.calls,
        "mean_seconds": usual.mean(),
        "accesses": accesses,
    })
}

fn change(change: &Change) -> Value {
    let slower = change.slower.map(|(at, before, after)| {
        json!({ "at": at.to_string(), "mean_seconds_before": before, "mean_seconds_after": after })
    });
    json!({
        "at": change.at.to_string(),
        "schema": &*change.schema,
        "relation": &*change.relation,
        "change": change.kind.as_str(),
        "before": change.before,
        "after": change.after,
        "indexes_before": change.indexes,
        "slower": slower,
        "over": change.over,
    })
}

fn declared(book: &Book, query: &DeclaredQuery) -> Value {
    let entry = book.entries.get(&(std::sync::Arc::clone(&query.database), query.fingerprint));
    json!({
        "database": &*query.database,
        "contract": &*query.contract,
        "query": &*query.name,
        "fingerprint": format!("{:016x}", query.fingerprint),
        "access": query.wanted.access.as_str(),
        "index": query.wanted.index,
        "satisfied": Declared::satisfied(query, &book.entries),
        "plan": entry.and_then(|entry| entry.last.as_ref()).map(|seen| &seen.plan.text),
    })
}
