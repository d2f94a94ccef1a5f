//! Service levels that promise less.

use super::finding::Finding;
use super::rule;
use super::terms::{Document, Sla};

/// Which way is worse.
enum Worse {
    More,
    Less,
}

pub(super) fn compare(old: &Document, new: &Document, findings: &mut Vec<Finding>) {
    for ((property, element), before) in &old.sla {
        let after = new.sla.get(&(property.clone(), element.clone()));
        if after.is_some_and(|after| (&after.value, &after.unit) == (&before.value, &before.unit)) {
            continue;
        }
        let is_relaxed = after.map_or(Some(true), |after| is_relaxed(property, before, after));
        if is_relaxed == Some(false) {
            continue;
        }
        let of = if element.is_empty() { property.clone() } else { format!("{property} of {element}") };
        let told = |sla: &Sla| format!("{of}: {} {}", sla.value, sla.unit).trim_end().to_owned();
        let finding = Finding::new(&rule::SLA_RELAXED, &new.name)
            .change(Some(told(before)), after.map(told))
            .milder_if(is_relaxed.is_none())
            .at(Some(&before.spot), after.map(|after| &after.spot));
        findings.push(Finding { contract: Some(old.id.clone()), ..finding });
    }
}

/// None where that cannot be told.
fn is_relaxed(property: &str, old: &Sla, new: &Sla) -> Option<bool> {
    let (before, after) = match (amount(old), amount(new)) {
        (Some(before), Some(after)) => (before, after),
        // Days and times of the day, as ISO 8601 writes them.
        _ if old.value.len() == new.value.len() => {
            let is_later = new.value > old.value;
            return match direction(property)? {
                Worse::More => Some(is_later),
                Worse::Less => Some(!is_later),
            };
        }
        _ => return None,
    };
    match direction(property)? {
        Worse::More => Some(after > before),
        Worse::Less => Some(after < before),
    }
}

fn direction(property: &str) -> Option<Worse> {
    let word = property.to_lowercase().replace(['_', '-', ' '], "");
    let more =
        ["latency", "frequency", "errorrate", "timetodetect", "timetonotify", "timetorepair", "generalavailability"];
    let also_more = ["freshness", "timeofavailability", "interval", "ly", "fy", "er", "td", "tn", "tr", "ga", "ta"];
    let less = ["retention", "availability", "throughput", "endofsupport", "endoflife", "re", "av", "th", "es", "el"];
    if more.contains(&word.as_str()) || also_more.contains(&word.as_str()) {
        Some(Worse::More)
    } else if less.contains(&word.as_str()) {
        Some(Worse::Less)
    } else {
        None
    }
}

/// The amount in seconds where the unit is one of time; as it is otherwise.
fn amount(sla: &Sla) -> Option<f64> {
    let number: f64 = sla.value.trim().trim_end_matches('%').parse().ok()?;
    let seconds = match sla.unit.to_lowercase().as_str() {
        "ms" | "millisecond" | "milliseconds" => 0.001,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        "mo" | "month" | "months" => 2_629_746.0,
        "y" | "yr" | "year" | "years" => 31_556_952.0,
        _ => 1.0,
    };
    Some(number * seconds)
}
