//! Everything that is known of one shape, as lines.

use super::columns::table;
use super::format::{age, duration};
use super::rates::Row;
use crate::admin::shapes::answer::{Answer, Shape, Version};

/// Names and what is said of them; a text of several lines has a name in the first one only.
pub fn lines(row: &Row, answer: &Answer) -> Vec<(&'static str, String)> {
    let shape = &row.shape;
    let ago = |at: jiff::Timestamp| {
        format!("{}, {} ago", at.strftime("%Y-%m-%dT%H:%M:%SZ"), age(answer.at.duration_since(at).as_secs()))
    };
    let mut lines = vec![
        ("shape", format!("{} in {}", shape.fingerprint, shape.database)),
        ("operation", shape.operation.clone()),
        ("tables", table(row)),
        ("first seen", format!("{}{}", ago(shape.first_seen), if shape.new { ", new (*)" } else { "" })),
        ("", under(shape)),
        ("last seen", ago(shape.last_seen)),
        ("", String::new()),
        ("calls", format!("{} since the start, {} rows", shape.calls, shape.rows)),
        ("time", times(shape)),
        (
            "errors",
            format!("{} of the server, {} refused by the proxy{}", shape.errors, shape.refusals, last_error(shape)),
        ),
        ("masked", if shape.masked { format!("{} of the calls", shape.masked_calls) } else { "never".to_owned() }),
    ];
    lines.push(("", String::new()));
    let users = shape.applications.iter().map(|used| {
        let name = if used.application.is_empty() { "(no name)" } else { &used.application };
        format!("{name}: {} calls, {} refused", used.calls, used.refusals)
    });
    several(&mut lines, "applications", users.collect());
    lines.push(("", String::new()));
    let plan = shape.plan.as_ref().map(|plan| {
        let seen = format!(
            "{}, {}; {} of {} seen scan sequentially",
            plan.access_path,
            ago(plan.at),
            shape.plan_samples_seq,
            shape.plan_samples
        );
        std::iter::once(seen).chain(plan.text.lines().map(str::to_owned)).collect()
    });
    several(&mut lines, "plan", plan.unwrap_or_else(|| vec!["none seen".to_owned()]));
    lines.push(("", String::new()));
    lines.push(("text", shape.text.clone()));
    lines
}

fn several(lines: &mut Vec<(&'static str, String)>, name: &'static str, texts: Vec<String>) {
    let names = std::iter::once(name).chain(std::iter::repeat(""));
    lines.extend(names.zip(texts));
}

fn times(shape: &Shape) -> String {
    let named = [
        ("min", shape.min_seconds),
        ("mean", shape.mean_seconds),
        ("p50", shape.p50_seconds),
        ("p95", shape.p95_seconds),
        ("p99", shape.p99_seconds),
        ("max", shape.max_seconds),
    ];
    let told: Vec<_> = named.iter().map(|(name, seconds)| format!("{name} {}", duration(*seconds))).collect();
    format!("{} in all; {}", duration(Some(shape.total_seconds)), told.join(", "))
}

fn last_error(shape: &Shape) -> String {
    shape
        .last_error
        .as_ref()
        .map_or_else(String::new, |error| format!("; the last was {} of the {}", error.sqlstate, error.origin))
}

fn under(shape: &Shape) -> String {
    let Some(under) = &shape.first_seen_under else { return "under versions that are not known any more".to_owned() };
    let named = |versions: &[Version]| -> Vec<String> {
        versions.iter().map(|version| format!("{} {}", version.name, version.version)).collect()
    };
    let told = |what: &str, names: Vec<String>| match names.as_slice() {
        [] => format!("no {what}"),
        names => format!("{what} {}", names.join(", ")),
    };
    format!("under {}; {}", told("contract", named(&under.contracts)), told("policy", named(&under.policies)))
}
