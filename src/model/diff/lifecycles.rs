//! Promises about the way out: whether they were kept, and whether they still hold.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::finding::Finding;
use super::rule;
use super::usage::{UsageAnswer, used_by, weigh};
use crate::model::lifecycle::{Phase, Retirement};

/// A removal, weighed by what was announced and by who uses it.
pub(super) fn removal(
    finding: Finding,
    retirement: Option<&Retirement>,
    usage: Option<&UsageAnswer>,
    now: Timestamp,
) -> Vec<Finding> {
    let at = finding.at.clone();
    let (path, old, new) = (finding.path.clone(), finding.old.clone(), finding.new.clone());
    let more = |rule| Finding { at: at.clone(), ..Finding::new(rule, &path).change(old.clone(), new.clone()) };
    let mut findings = Vec::new();
    let is_over = retirement.is_some_and(|retirement| retirement.phase_at(now) >= Phase::Sunset);
    match retirement {
        Some(retirement) if is_over => {
            findings.push(weigh(finding.milder_if(true), usage, now).note(announced(retirement)));
        }
        Some(retirement) => {
            findings.push(weigh(finding, usage, now));
            findings.push(more(&rule::REMOVAL_BEFORE_SUNSET).note(announced(retirement)));
        }
        None => findings.push(weigh(finding, usage, now)),
    }
    findings.extend(in_use(&more(&rule::REMOVAL_WHILE_IN_USE), usage, now));
    findings
}

fn in_use(finding: &Finding, usage: Option<&UsageAnswer>, now: Timestamp) -> Option<Finding> {
    let answer = usage.filter(|answer| !answer.consumers.is_empty())?;
    Some(finding.clone().note(used_by(answer, now)))
}

fn announced(retirement: &Retirement) -> String {
    match (retirement.sunset, retirement.phase) {
        (Some(day), _) => format!("its sunset was announced for {day}"),
        (None, Some(phase)) => format!("its phase is {}", phase.as_str()),
        (None, None) => "no sunset was announced".to_owned(),
    }
}

/// What has changed in what is said of the retirement of something that stays.
pub(super) fn compare(
    path: &str,
    (old, new): (Option<&Retirement>, Option<&Retirement>),
    usage: &dyn Fn() -> Option<UsageAnswer>,
    now: Timestamp,
) -> Vec<Finding> {
    if old == new {
        return Vec::new();
    }
    let phase = |retirement: Option<&Retirement>| retirement.map_or(Phase::Active, |known| known.phase_at(now));
    let (before, after) = (phase(old), phase(new));
    let mut findings = Vec::new();
    match (old, new) {
        (None, Some(new)) => {
            findings.push(Finding::new(&rule::LIFECYCLE_ADDED, path).change(None::<String>, Some(told(new, now))));
        }
        (Some(old), None) => {
            findings.push(Finding::new(&rule::PHASE_MOVED_BACK, path).change(Some(told(old, now)), Some("active")));
        }
        (Some(old), Some(new)) if after < before => {
            findings
                .push(Finding::new(&rule::PHASE_MOVED_BACK, path).change(Some(told(old, now)), Some(told(new, now))));
        }
        (Some(old), Some(new)) if before < after && !is_early(Some(old), after, now) => {
            findings.push(Finding::new(&rule::PHASE_MOVED_ON, path).change(Some(told(old, now)), Some(told(new, now))));
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    if after >= Phase::Sunset && before < Phase::Sunset {
        let gone = |rule| Finding::new(rule, path).change(Some(before.as_str()), Some(after.as_str()));
        if is_early(old, after, now) {
            let note = old.map_or_else(|| "it was not deprecated before".to_owned(), announced);
            findings.push(gone(&rule::REMOVAL_BEFORE_SUNSET).note(note));
        }
        findings.extend(in_use(&gone(&rule::REMOVAL_WHILE_IN_USE), usage().as_ref(), now));
    } else if let (Some(old), Some(new)) = (old, new) {
        findings.extend(notice(path, old, new));
    }
    findings
}

/// Whether it counts as dropped before the day that was announced.
fn is_early(old: Option<&Retirement>, after: Phase, now: Timestamp) -> bool {
    let announced = old.and_then(|old| old.sunset);
    after >= Phase::Sunset && announced.is_none_or(|day| day > today(now))
}

/// The time between warning and end: consumers may have planned with it.
fn notice(path: &str, old: &Retirement, new: &Retirement) -> Option<Finding> {
    let days = |retirement: &Retirement| {
        let span = retirement.since?.until(retirement.sunset?).ok()?;
        Some(span.get_days())
    };
    let is_earlier = matches!((old.sunset, new.sunset), (Some(before), Some(after)) if after < before);
    let is_shorter = matches!((days(old), days(new)), (Some(before), Some(after)) if after < before);
    let told = |retirement: &Retirement| {
        let day = retirement.sunset.map_or_else(|| "no sunset".to_owned(), |day| format!("sunset {day}"));
        match days(retirement) {
            Some(days) => format!("{day}, {days} days after the first warning"),
            None => day,
        }
    };
    let is_first = old.sunset.is_none() && new.sunset.is_some();
    let finding = || Finding::new(&rule::NOTICE_SHORTENED, path).change(Some(told(old)), Some(told(new)));
    (is_earlier || is_shorter || is_first).then(|| finding().milder_if(is_first))
}

fn told(retirement: &Retirement, now: Timestamp) -> String {
    let phase = retirement.phase_at(now);
    match retirement.sunset {
        Some(day) => format!("{}, sunset {day}", phase.as_str()),
        None => phase.as_str().to_owned(),
    }
}

fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}
