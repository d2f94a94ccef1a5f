//! The columns of the table, for the live view as for plain text.

use super::format::{duration, number};
use super::rates::Row;

/// A column.
pub struct Column {
    /// Its head.
    pub head: &'static str,
    /// Characters.
    pub width: u16,
    /// Terminals that are not so wide go without it.
    pub from: u16,
    /// Numbers stand at the right.
    pub right: bool,
    /// What it says of a shape.
    pub cell: fn(&Row) -> String,
}

/// All but the text, which takes what is left.
pub const COLUMNS: &[Column] = &[
    Column { head: "CALLS/S", width: 7, from: 0, right: true, cell: |row| number(row.calls_per_second) },
    Column { head: "TIME%", width: 5, from: 0, right: true, cell: |row| format!("{:.1}", row.share * 100.0) },
    Column { head: "MEAN", width: 6, from: 50, right: true, cell: |row| duration(row.counters.mean()) },
    Column { head: "P95", width: 6, from: 50, right: true, cell: |row| duration(row.p95) },
    Column { head: "ROWS/S", width: 6, from: 90, right: true, cell: |row| number(row.rows_per_second) },
    Column { head: "ERRORS", width: 6, from: 80, right: true, cell: |row| number(row.counters.errors as f64) },
    Column { head: "REFUSED", width: 7, from: 80, right: true, cell: |row| number(row.counters.refusals as f64) },
    Column { head: "PLAN", width: 10, from: 110, right: false, cell: plan },
    Column { head: "TABLE", width: 16, from: 66, right: false, cell: table },
];

fn plan(row: &Row) -> String {
    row.shape.plan.as_ref().map_or_else(|| "-".to_owned(), |plan| plan.access_path.clone())
}

/// The relations without the schema that most of them are in.
pub fn table(row: &Row) -> String {
    let mut names: Vec<String> = Vec::new();
    for named in &row.shape.relations {
        let name =
            if named.schema == "public" { named.name.clone() } else { format!("{}.{}", named.schema, named.name) };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() { "-".to_owned() } else { names.join(",") }
}

/// The text; what is new is marked.
pub fn text(row: &Row) -> String {
    format!("{}{}", if row.shape.new { "*" } else { " " }, row.shape.text)
}
