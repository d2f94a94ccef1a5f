//! What recorded use does to the level of a finding.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::finding::Finding;
use super::rule::Level;
use crate::model::consumers::{Consumer, Used};

/// What is known of the use of a column or a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageAnswer {
    /// Who has used it since then, the latest first.
    pub consumers: Vec<Consumer>,
    /// From when on use is recorded.
    pub window_start: Timestamp,
    /// Nothing can have been overlooked in that time.
    pub complete: bool,
}

/// The record of usage, as a comparison asks it.
pub trait Usage {
    /// What is known; none where nothing at all is recorded of that database.
    fn answer(&self, used: Used<'_>) -> Option<UsageAnswer>;
}

/// The answers for the same column or table in several databases, as one.
pub(super) fn merged(answers: impl Iterator<Item = Option<UsageAnswer>>) -> Option<UsageAnswer> {
    let mut all: Option<UsageAnswer> = None;
    let mut asked = 0usize;
    let mut answered = 0usize;
    for answer in answers {
        asked += 1;
        let Some(answer) = answer else { continue };
        answered += 1;
        all = Some(match all {
            None => answer,
            Some(mut before) => {
                before.consumers.extend(answer.consumers);
                before.window_start = before.window_start.max(answer.window_start);
                before.complete &= answer.complete;
                before
            }
        });
    }
    let mut all = all?;
    all.complete &= asked == answered;
    all.consumers.sort_by_key(|consumer| std::cmp::Reverse(consumer.last_seen));
    Some(all)
}

/// The finding with what usage says of it: use is named, and proven disuse makes it harmless.
pub(super) fn weigh(finding: Finding, answer: Option<&UsageAnswer>, now: Timestamp) -> Finding {
    let Some(answer) = answer.filter(|_| finding.rule.by_usage) else { return finding };
    if !answer.consumers.is_empty() {
        return finding.note(used_by(answer, now));
    }
    let days = days_between(answer.window_start, now);
    let since = many(days, "day");
    if !answer.complete {
        return finding.note(format!("no use recorded for {since}, but the evidence is incomplete"));
    }
    finding.level(Level::Info).note(format!("unused {since}"))
}

/// `used by billing, 3 shapes, last seen yesterday`, for every consumer.
pub(super) fn used_by(answer: &UsageAnswer, now: Timestamp) -> String {
    let one = |consumer: &Consumer| {
        let name = if consumer.application.is_empty() { &consumer.user } else { &consumer.application };
        let star = if consumer.star_only { " by `*` only" } else { "" };
        format!("{name}{star}, {}, last seen {}", many(consumer.shapes, "shape"), ago(consumer.last_seen, now))
    };
    let all: Vec<String> = answer.consumers.iter().map(one).collect();
    format!("used by {}", all.join("; by "))
}

/// `1 shape`, `3 shapes`.
pub(super) fn many(count: u64, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

fn ago(then: Timestamp, now: Timestamp) -> String {
    match days_between(then, now) {
        0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        days => format!("{days} days ago"),
    }
}

/// By the calendar, in UTC.
fn days_between(then: Timestamp, now: Timestamp) -> u64 {
    let day = |moment: Timestamp| moment.to_zoned(TimeZone::UTC).date();
    day(then).until(day(now)).map_or(0, |span| u64::try_from(span.get_days()).unwrap_or(0))
}
