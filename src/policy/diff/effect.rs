//! What one subject gets of one column, before and after.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::catalog::ColumnId;
use crate::model::diff::{Rule, rule};
use crate::policy::compile::{self, Bundle};
use crate::policy::mask::Strictness;
use crate::policy::snapshot::{Database, Occasion};
use crate::policy::subject::Subject;
use crate::policy::view::{Effect, Predicates, Reason, SubjectView};

/// A column in the text of a mask.
const COLUMN: &str = "value";

/// One difference for one subject.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) rule: &'static Rule,
    pub(super) path: String,
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
    pub(super) note: Option<String>,
    /// The rules that decided, before and after.
    pub(super) reasons: [Option<Arc<Reason>>; 2],
    /// What grants of writes it is about: a table, and columns of it.
    pub(super) written: Option<Written>,
}

/// A table that is written, by its names, and columns of it.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) schema: Box<str>,
    pub(super) table: Box<str>,
    pub(super) columns: Vec<String>,
}

/// What one side means for one subject.
pub(super) struct Effects {
    pub(super) view: SubjectView,
    strictness: HashMap<ColumnId, Strictness>,
}

/// What a subject gets of a column.
pub(super) struct Shown {
    effect: Effect,
    strictness: Strictness,
    predicates: u8,
    reason: Option<Arc<Reason>>,
}

impl Effects {
    pub(super) fn new(bundle: &Bundle, database: &Database, subject: &Subject, occasion: Occasion<'_>) -> Self {
        Self {
            view: compile::view(bundle, Some(database), subject, occasion),
            strictness: compile::strictness(bundle, database, subject, occasion),
        }
    }

    pub(super) fn of(&self, column: ColumnId) -> Shown {
        let rule = self.view.rule(column);
        let effect = rule.map_or(Effect::Allow, |rule| rule.effect.clone());
        let strictness = match effect {
            Effect::Allow => Strictness::Allow,
            Effect::Deny => Strictness::Deny,
            Effect::Mask(_) => self.strictness.get(&column).copied().unwrap_or(Strictness::Allow),
        };
        let predicates = match rule.map(|rule| &rule.predicates) {
            Some(Predicates::Deny(_)) => 0,
            Some(Predicates::Masked) | None => 1,
            Some(Predicates::Equality) => 2,
        };
        Shown { effect, strictness, predicates, reason: rule.and_then(|rule| rule.reason.clone()) }
    }
}

impl Shown {
    fn sql(&self) -> Option<String> {
        match &self.effect {
            Effect::Mask(mask) => Some(mask.render(COLUMN)),
            Effect::Allow | Effect::Deny => None,
        }
    }

    fn word(&self) -> String {
        match &self.effect {
            Effect::Allow => "clear".to_owned(),
            Effect::Mask(mask) => format!("mask {}", mask.name),
            Effect::Deny => "denied".to_owned(),
        }
    }

    fn conditions(&self) -> &'static str {
        match self.predicates {
            0 => "conditions must not use it",
            1 => "conditions see the mask",
            _ => "equality sees the value",
        }
    }
}

pub(super) fn compare(path: &str, old: &Shown, new: &Shown) -> Vec<Change> {
    let change = |rule| Change {
        rule,
        path: path.to_owned(),
        old: Some(old.word()),
        new: Some(new.word()),
        note: None,
        reasons: [old.reason.clone(), new.reason.clone()],
        written: None,
    };
    let is_denial = old.strictness == Strictness::Deny || new.strictness == Strictness::Deny;
    let (less, more): (&'static Rule, &'static Rule) = if is_denial {
        (&rule::ACCESS_WIDENED, &rule::ACCESS_NARROWED)
    } else {
        (&rule::MASK_WEAKENED, &rule::MASK_STRENGTHENED)
    };
    let mut changes = Vec::new();
    match new.strictness.cmp(&old.strictness) {
        std::cmp::Ordering::Less => changes.push(change(less)),
        std::cmp::Ordering::Greater => changes.push(change(more)),
        std::cmp::Ordering::Equal if old.sql() != new.sql() => {
            let note = "both take away as much by their kind, but not the same: look at what each shows";
            let change = change(less);
            changes.push(if old.word() == new.word() {
                let (before, after) = excerpts(&readable(old), &readable(new));
                Change {
                    old: Some(format!("{}: {before}", old.word())),
                    new: Some(format!("{}: {after}", new.word())),
                    note: Some(note.to_owned()),
                    ..change
                }
            } else {
                Change { note: Some(note.to_owned()), ..change }
            });
        }
        std::cmp::Ordering::Equal => {}
    }
    let both_masked = matches!((&old.effect, &new.effect), (Effect::Mask(_), Effect::Mask(_)));
    if both_masked && old.predicates != new.predicates {
        let rule = if new.predicates > old.predicates { less } else { more };
        let (before, after) = (old.conditions().to_owned(), new.conditions().to_owned());
        changes.push(Change { old: Some(before), new: Some(after), ..change(rule) });
    }
    changes
}

/// The text of a mask without what only the server needs.
fn readable(shown: &Shown) -> String {
    let text = shown.sql().unwrap_or_default();
    let operators = text.split("OPERATOR(pg_catalog.").enumerate().map(|(index, part)| match part.split_once(')') {
        Some((operator, rest)) if index > 0 => format!("{operator}{rest}"),
        _ => part.to_owned(),
    });
    operators.collect::<String>().replace("pg_catalog.", "")
}

/// Where two texts differ, with a little of what is around it.
fn excerpts(one: &str, other: &str) -> (String, String) {
    const AROUND: usize = 24;
    let same = |(a, b): &(char, char)| a == b;
    let before = one.chars().zip(other.chars()).take_while(same).count();
    let room = one.chars().count().min(other.chars().count()) - before;
    let after = one.chars().rev().zip(other.chars().rev()).take_while(same).count().min(room);
    let cut = |text: &str| {
        let length = text.chars().count();
        let (from, until) = (before.saturating_sub(AROUND), (length - after + AROUND).min(length));
        let inner: String = text.chars().take(until).skip(from).collect();
        let (head, tail) = (if from > 0 { "…" } else { "" }, if until < length { "…" } else { "" });
        format!("{head}{inner}{tail}")
    };
    (cut(one), cut(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown() {
        let text = |n| format!("a long beginning of a text that ends in {n}, and a long end that is the same");
        let (one, other) = excerpts(&text("one"), &text("twenty"));
        assert_eq!(one, "… of a text that ends in one, and a long end that is…");
        assert_eq!(other, "… of a text that ends in twenty, and a long end that is…");
        assert_eq!(excerpts("aa", "a"), ("aa".to_owned(), "a".to_owned()));
    }
}
