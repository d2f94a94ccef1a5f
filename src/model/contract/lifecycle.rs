//! `pgcovenantLifecycle` of a property or of an object, with strict keys.

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};

use crate::model::glob::Glob;
use crate::model::lifecycle::{Brownout, Exemption, Person, Phase, Redirect, Retirement};
use crate::model::source::{Fields, Node, Problems, boolean, date, list, non_empty, suggestion};

/// What the lifecycle is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Column,
    Table,
}

pub(super) fn read(node: &Node, of: Of, problems: &mut Problems<'_>) -> Option<Retirement> {
    let mut fields = Fields::of(node, "pgcovenantLifecycle", problems)?;
    let phase = fields.optional("phase").and_then(|node| phase(node, problems));
    let mut days = [None; 3];
    let mut earlier: Option<(&str, jiff::civil::Date)> = None;
    for (day, key) in days.iter_mut().zip(["since", "restricted", "sunset"]) {
        let Some(node) = fields.optional(key) else { continue };
        *day = date(node, problems);
        let Some(found) = *day else { continue };
        if let Some((before, _)) = earlier.filter(|(_, before)| found < *before) {
            problems.error(&node.span, format!("`{key}` is before `{before}`"));
        }
        earlier = Some((key, found));
    }
    let [since, restricted, sunset] = days;
    let brownouts = fields.optional("brownouts").map(|node| brownouts(node, problems)).unwrap_or_default();
    let replaced_by: Option<Box<str>> =
        fields.optional("replacedBy").and_then(|node| non_empty(node, problems)).map(Into::into);
    let redirect = redirect(&mut fields, replaced_by.as_deref(), of, problems);
    let reason = fields.optional("reason").and_then(|node| non_empty(node, problems)).map(Into::into);
    let exempt = fields.optional("exempt").map(|node| exempt(node, problems)).unwrap_or_default();
    let consumers = fields.optional("consumers").map(|node| consumers(node, problems)).unwrap_or_default();
    let known = fields.optional("known").map(|node| persons(node, problems));
    if fields.optional("phase").is_none() && since.is_none() && restricted.is_none() && sunset.is_none() {
        let message = "pgcovenantLifecycle needs a `phase`, or a date `since`, `restricted` or `sunset`";
        problems.error(fields.span(), message);
    }
    if phase == Some(Phase::Brownout) && brownouts.is_empty() {
        problems.error(fields.span(), "the phase `brownout` needs `brownouts`: the windows in which it fails");
    }
    fields.finish(problems);
    Some(Retirement {
        phase,
        since,
        restricted,
        brownouts,
        sunset,
        replaced_by,
        redirect,
        reason,
        exempt,
        consumers,
        known,
    })
}

fn phase(node: &Node, problems: &mut Problems<'_>) -> Option<Phase> {
    let word = non_empty(node, problems)?;
    let phase = Phase::of(&word);
    if phase.is_none() {
        unknown(node, "phase", &word, &Phase::ALL.map(Phase::as_str), problems);
    }
    phase
}

/// A word that is none of those that may stand here.
fn unknown(node: &Node, what: &str, word: &str, known: &[&'static str], problems: &mut Problems<'_>) {
    problems.error_with(&node.span, format!("there is no {what} `{word}`"), suggestion(word, known.iter().copied()));
}

fn redirect(
    fields: &mut Fields<'_>,
    replaced_by: Option<&str>,
    of: Of,
    problems: &mut Problems<'_>,
) -> Option<Redirect> {
    let mode = fields.entry("redirect");
    let dual = fields.entry("dualWrite");
    let dual_write = dual.and_then(|entry| boolean(&entry.node, problems)).unwrap_or_default();
    let asked = mode.or_else(|| dual.filter(|_| dual_write))?;
    if of == Of::Table {
        problems.error(&asked.key_span, "a table cannot be redirected: `redirect` and `dualWrite` belong to a column");
        return None;
    }
    let Some(to) = replaced_by else {
        problems.error(&asked.key_span, format!("`{}` needs `replacedBy`", asked.key));
        return None;
    };
    let Some(entry) = mode else { return Some(Redirect::dual_write(to)) };
    let word = non_empty(&entry.node, problems)?;
    let found = Redirect::of(&word, dual_write, to);
    if found.is_none() {
        unknown(&entry.node, "redirection", &word, &["read", "write", "both"], problems);
    }
    found
}

fn exempt(node: &Node, problems: &mut Problems<'_>) -> Vec<Exemption> {
    let mut found = Vec::new();
    for item in list(node, problems) {
        let Some(mut fields) = Fields::of(item, "an exemption", problems) else { continue };
        let expires = fields.required("expires", problems).and_then(|node| date(node, problems));
        let person = person(&mut fields, problems);
        fields.finish(problems);
        found.extend(person.zip(expires).map(|(person, expires)| Exemption { person, expires }));
    }
    found
}

fn consumers(node: &Node, problems: &mut Problems<'_>) -> Vec<(Person, Phase)> {
    let mut found = Vec::new();
    for item in list(node, problems) {
        let Some(mut fields) = Fields::of(item, "a consumer", problems) else { continue };
        let phase = fields.required("phase", problems).and_then(|node| phase(node, problems));
        let person = person(&mut fields, problems);
        fields.finish(problems);
        found.extend(person.zip(phase));
    }
    found
}

fn persons(node: &Node, problems: &mut Problems<'_>) -> Vec<Person> {
    let mut found = Vec::new();
    for item in list(node, problems) {
        let Some(mut fields) = Fields::of(item, "a consumer", problems) else { continue };
        found.extend(person(&mut fields, problems));
        fields.finish(problems);
    }
    found
}

fn person(fields: &mut Fields<'_>, problems: &mut Problems<'_>) -> Option<Person> {
    let mut glob = |key, problems: &mut Problems<'_>| {
        fields.optional(key).and_then(|node| non_empty(node, problems)).map(|word| Glob::new(&word))
    };
    let person = Person { application: glob("application", problems), user: glob("user", problems) };
    if person.application.is_none() && person.user.is_none() {
        problems.error(fields.span(), "a consumer needs an `application` or a `user`");
        return None;
    }
    Some(person)
}

fn brownouts(node: &Node, problems: &mut Problems<'_>) -> Vec<Brownout> {
    list(node, problems).iter().filter_map(|item| brownout(item, problems)).collect()
}

fn brownout(node: &Node, problems: &mut Problems<'_>) -> Option<Brownout> {
    let mut fields = Fields::of(node, "a brownout", problems)?;
    let found = match fields.optional("daily") {
        Some(daily) => daily_window(daily, &mut fields, problems),
        None => {
            let from = fields.required("from", problems).and_then(|node| moment(node, problems));
            let until = fields.required("until", problems).and_then(|node| moment(node, problems));
            match (from, until) {
                (Some(from), Some(until)) if from < until => Some(Brownout::Once { from, until }),
                (Some(_), Some(_)) => {
                    problems.error(fields.span(), "the brownout ends before it begins");
                    None
                }
                (None, _) | (_, None) => None,
            }
        }
    };
    fields.finish(problems);
    found
}

fn daily_window(node: &Node, fields: &mut Fields<'_>, problems: &mut Problems<'_>) -> Option<Brownout> {
    let days = fields.optional("days").map(|node| weekdays(node, problems)).unwrap_or_default();
    let first = fields.optional("first").and_then(|node| date(node, problems));
    let last = fields.optional("last").and_then(|node| date(node, problems));
    let text = non_empty(node, problems)?;
    let time = |text: &str| text.trim().parse::<Time>().ok();
    let window = text.split_once('-').and_then(|(from, until)| Some((time(from)?, time(until)?)));
    match window {
        Some((from, until)) if from < until => Some(Brownout::Daily { from, until, days, first, last }),
        Some(_) => {
            problems.error(&node.span, "the brownout ends before it begins");
            None
        }
        None => {
            problems.error_with(
                &node.span,
                format!("`{text}` is no time of the day"),
                "Write it as 10:00-10:15, in UTC.",
            );
            None
        }
    }
}

fn weekdays(node: &Node, problems: &mut Problems<'_>) -> Vec<Weekday> {
    const NAMES: [(&str, Weekday); 7] = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    let mut days = Vec::new();
    for item in list(node, problems) {
        let Some(word) = non_empty(item, problems) else { continue };
        match NAMES.iter().find(|(name, _)| *name == word) {
            Some((_, day)) => days.push(*day),
            None => unknown(item, "day of the week", &word, &NAMES.map(|(name, _)| name), problems),
        }
    }
    days
}

fn moment(node: &Node, problems: &mut Problems<'_>) -> Option<Timestamp> {
    let text = non_empty(node, problems)?;
    let parsed = text.parse().ok();
    if parsed.is_none() {
        problems.error_with(&node.span, format!("`{text}` is no moment"), "Write it as 2026-01-31T10:00:00Z.");
    }
    parsed
}
