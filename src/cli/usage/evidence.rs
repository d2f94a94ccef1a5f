//! What an answer rests on: when was recorded, what could not be seen, and what the database itself builds on it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::names::Object;
use crate::model::usage::{Span, Unseen};

/// Shorter interruptions, such as a restart, do not make the evidence incomplete.
pub const TOLERATED: Duration = Duration::from_secs(60);

/// What is said in the end, and never more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Recorded, and complete, and nobody.
    Unused,
    /// Nobody was seen, but not everything was.
    Unknown,
    /// Only by `*`, and everything was seen.
    StarOnly,
    /// By name.
    InUse,
}

impl Verdict {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unused => "unused",
            Self::Unknown => "unknown",
            Self::StarOnly => "star-only",
            Self::InUse => "in-use",
        }
    }

    /// What uses and evidence amount to. That nobody uses it by name can only be said on complete evidence.
    pub const fn of(by_name: bool, by_star: bool, complete: bool) -> Self {
        match (by_name, by_star, complete) {
            (true, _, _) => Self::InUse,
            (false, _, false) => Self::Unknown,
            (false, true, true) => Self::StarOnly,
            (false, false, true) => Self::Unused,
        }
    }
}

/// When usage was recorded, of the time that is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The time that is asked about.
    pub asked: (Timestamp, Timestamp),
    /// The first and the last moment of recording in it.
    pub recorded: Option<(Timestamp, Timestamp)>,
    /// When nobody recorded, for longer than is tolerated; what is before the first moment of all is not among them.
    pub gaps: Vec<(Timestamp, Timestamp)>,
    /// Shorter interruptions: how many, and how long altogether.
    pub interruptions: (usize, SignedDuration),
    /// Processes that recorded.
    pub processes: usize,
}

impl Window {
    /// The window from that moment until now, by these spans, the earliest first.
    pub fn of(spans: &[Span], from: Timestamp, now: Timestamp, tolerated: Duration) -> Self {
        let mut window = Self {
            asked: (from, now),
            recorded: None,
            gaps: Vec::new(),
            interruptions: (0, SignedDuration::ZERO),
            processes: 0,
        };
        let mut reached: Option<Timestamp> = None;
        for span in spans.iter().filter(|span| span.until >= from && span.from <= now) {
            window.processes += 1;
            let (begin, end) = (span.from.max(from), span.until.min(now));
            if let Some(reached) = reached {
                window.interruption(reached, begin, tolerated);
            }
            reached = Some(reached.map_or(end, |reached| reached.max(end)));
            let first = window.recorded.map_or(begin, |(first, _)| first);
            window.recorded = Some((first, reached.unwrap_or(end)));
        }
        if let Some(reached) = reached {
            // The process that records now has not flushed yet.
            let before = window.interruptions;
            window.interruption(reached, now, tolerated);
            window.interruptions = before;
        }
        window
    }

    fn interruption(&mut self, from: Timestamp, until: Timestamp, tolerated: Duration) {
        let length = until.duration_since(from);
        if length <= SignedDuration::ZERO {
            return;
        }
        if length.unsigned_abs() > tolerated {
            self.gaps.push((from, until));
        } else {
            self.interruptions.0 += 1;
            self.interruptions.1 = self.interruptions.1.saturating_add(length);
        }
    }

    /// Whether recording began late.
    fn is_short(&self) -> bool {
        self.recorded.is_none_or(|(first, _)| first > self.asked.0)
    }

    /// Everything that was asked about was recorded.
    pub fn is_complete(&self) -> bool {
        !self.is_short() && self.gaps.is_empty()
    }
}

/// Objects that build on it, or why that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dependents {
    /// By the catalog.
    Found(Vec<String>),
    /// Not asked, and why.
    NotAsked(String),
}

/// What an answer rests on.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The store.
    pub store: String,
    /// The time.
    pub window: Window,
    /// Statements that may have touched it unseen, by reason.
    pub unseen: Vec<(String, i64)>,
    /// Statements that are known to have used the relation or, where nothing is asked in particular, all of them.
    pub statements: i64,
    /// What the database builds on it.
    pub dependents: Dependents,
}

/// Statements that could have touched one of these unseen, by reason.
pub fn unseen(all: &[Unseen], about: &[Object]) -> Vec<(String, i64)> {
    let concerns = |seen: &Unseen| {
        about.iter().any(|object| {
            let within = seen.schema == object.schema && seen.relation == object.relation;
            seen.database == object.database && (seen.relation.is_empty() || within)
        })
    };
    let mut found: Vec<(String, i64)> = Vec::new();
    for seen in all.iter().filter(|seen| concerns(seen)) {
        match found.iter_mut().find(|(reason, _)| *reason == seen.reason) {
            Some((_, count)) => *count += seen.statements,
            None => found.push((seen.reason.clone(), seen.statements)),
        }
    }
    found
}

/// Whether the evidence about one object is complete: nothing that could have touched it went unrecorded or unseen.
pub fn is_complete_of(object: &Object, window: &Window, all: &[Unseen]) -> bool {
    window.is_complete() && unseen(all, std::slice::from_ref(object)).is_empty()
}

/// Interruptions that are no gaps where usage is flushed so often.
pub fn tolerated(flush: Duration) -> Duration {
    TOLERATED.max(flush.saturating_mul(3))
}

impl Evidence {
    /// Nothing could have gone unseen, but for what does not come through the proxy.
    pub fn is_complete(&self) -> bool {
        self.window.is_complete() && self.unseen.is_empty()
    }

    /// Of the statements that could have touched it, the share that was not analysed.
    pub fn share(&self) -> f64 {
        let unseen: i64 = self.unseen.iter().map(|(_, count)| count).sum();
        if unseen == 0 { 0.0 } else { unseen as f64 / (self.statements + unseen) as f64 }
    }

    /// For people, one line each.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let Window { asked, recorded, gaps, interruptions, processes } = &self.window;
        let mut lines =
            vec![("store", self.store.clone()), ("asked", format!("{} to {}", second(asked.0), second(asked.1)))];
        lines.push((
            "recorded",
            match recorded {
                None => "nothing in this time".to_owned(),
                Some((first, last)) => {
                    let late =
                        if self.window.is_short() { ", which begins later than what is asked about" } else { "" };
                    format!("{} to {} by {processes} process(es){late}", second(*first), second(*last))
                }
            },
        ));
        let shown: Vec<String> =
            gaps.iter().map(|(from, until)| format!("{} to {}", second(*from), second(*until))).collect();
        let short = match interruptions {
            (0, _) => String::new(),
            (count, length) => format!("; {count} short interruption(s), {} s in all", length.as_secs()),
        };
        let gaps = if shown.is_empty() { "none".to_owned() } else { shown.join(", ") };
        lines.push(("gaps", format!("{gaps}{short}")));
        let count: i64 = self.unseen.iter().map(|(_, count)| count).sum();
        let reasons: Vec<String> = self.unseen.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        lines.push((
            "not analysed",
            match count {
                0 => format!("none of {} statements that touch it", self.statements),
                _ => format!(
                    "{count} of {} statements that may have touched it ({:.2} %): {}",
                    self.statements + count,
                    self.share() * 100.0,
                    reasons.join(", ")
                ),
            },
        ));
        lines.push((
            "dependents",
            match &self.dependents {
                Dependents::NotAsked(why) => format!("not asked: {why}"),
                Dependents::Found(found) if found.is_empty() => "none in the catalog".to_owned(),
                Dependents::Found(found) => found.join(", "),
            },
        ));
        lines
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let Window { asked, recorded, gaps, interruptions, processes } = &self.window;
        let span = |(from, until): &(Timestamp, Timestamp)| json!({"from": second(*from), "until": second(*until)});
        let (asked_of, dependents) = match &self.dependents {
            Dependents::Found(found) => (Value::Null, json!(found)),
            Dependents::NotAsked(why) => (json!(why), Value::Null),
        };
        json!({
            "store": self.store,
            "complete": self.is_complete(),
            "asked": span(asked),
            "recorded": recorded.as_ref().map(span),
            "processes": processes,
            "gaps": gaps.iter().map(span).collect::<Vec<_>>(),
            "interruptions": {"count": interruptions.0, "seconds": interruptions.1.as_secs_f64()},
            "not_analysed": {
                "statements": self.unseen.iter().map(|(_, count)| count).sum::<i64>(),
                "of": self.statements + self.unseen.iter().map(|(_, count)| count).sum::<i64>(),
                "share": self.share(),
                "reasons": self.unseen.iter().map(|(reason, count)| json!({"reason": reason, "statements": count}))
                    .collect::<Vec<_>>(),
            },
            "dependents": dependents,
            "dependents_not_asked": asked_of,
        })
    }
}

/// A moment, to the second.
pub fn second(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn window(spans: &[(i64, i64)], from: i64, now: i64) -> Window {
        let span = |(from, until): &(i64, i64)| Span { node: "n".to_owned(), from: at(*from), until: at(*until) };
        Window::of(&spans.iter().map(span).collect::<Vec<_>>(), at(from), at(now), Duration::from_secs(60))
    }

    #[test]
    fn recording_by_anybody_closes_a_gap() {
        let window = window(&[(0, 100), (50, 500), (530, 900)], 10, 905);
        assert!(window.is_complete(), "{window:?}");
        assert_eq!((window.processes, window.interruptions), (3, (1, SignedDuration::from_secs(30))));
    }

    #[test]
    fn what_begins_late_has_a_hole_or_ends_early_is_not_complete() {
        assert!(!window(&[(20, 900)], 10, 905).is_complete());
        assert_eq!(window(&[(0, 100), (400, 900)], 10, 905).gaps, [(at(100), at(400))]);
        assert_eq!(window(&[(0, 100)], 10, 905).gaps, [(at(100), at(905))]);
        assert!(!window(&[], 10, 905).is_complete());
        assert!(!window(&[(0, 5)], 10, 905).is_complete(), "before what is asked about");
    }

    #[test]
    fn absence_is_only_said_on_complete_evidence() {
        assert_eq!(Verdict::of(true, false, false), Verdict::InUse);
        assert_eq!(Verdict::of(false, true, true), Verdict::StarOnly);
        assert_eq!(Verdict::of(false, true, false), Verdict::Unknown);
        assert_eq!(Verdict::of(false, false, true), Verdict::Unused);
        assert_eq!(Verdict::of(false, false, false), Verdict::Unknown);
    }

    #[test]
    fn what_is_unseen_concerns_its_relation_or_all_of_its_database() {
        let unseen_row = |database: &str, relation: &str| Unseen {
            database: database.to_owned(),
            schema: if relation.is_empty() { String::new() } else { "public".to_owned() },
            relation: relation.to_owned(),
            reason: "procedural".to_owned(),
            statements: 2,
        };
        let [database, schema, relation] = ["shop", "public", "orders"].map(str::to_owned);
        let about = [Object { database, schema, relation, column: String::new() }];
        let all = [unseen_row("shop", ""), unseen_row("shop", "orders"), unseen_row("shop", "x"), unseen_row("y", "")];
        assert_eq!(unseen(&all, &about), [("procedural".to_owned(), 4)]);
    }
}
