//! What has happened in history tables from one look to the next: each migration is told once, however often it is looked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{History, Tool, Unread};

/// What became of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It is in the database now.
    Applied,
    /// It has failed, perhaps half-way.
    Failed,
    /// It was taken back, or its row was removed.
    Reverted,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Applied, Self::Failed, Self::Reverted];

    /// The word for it in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Failed => "failed",
            Self::Reverted => "reverted",
        }
    }
}

/// One migration that has come to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Whose it is.
    pub tool: Tool,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it ran, where the tool writes that down.
    pub took: Option<Duration>,
}

/// What the tables of a database said at the last look.
#[derive(Debug, Default)]
pub struct Watch {
    looked: bool,
    /// By tool and name of the table; none where it could not be read.
    tables: BTreeMap<(Tool, String), Option<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    applied: BTreeSet<Box<str>>,
    failed: BTreeSet<Box<str>>,
}

impl Watch {
    /// What has happened since the last look; nothing at the first one. A table that has come since then was empty before;
    /// one that could not be read begins anew.
    pub fn look(&mut self, histories: &[History], unread: &[Unread]) -> Vec<Event> {
        let mut events = Vec::new();
        for history in histories {
            let name = (history.tool, format!("{}.{}", history.table.0, history.table.1));
            let now = Seen { applied: history.applied.keys().cloned().collect(), failed: history.failed.clone() };
            let before = match self.tables.remove(&name) {
                Some(before) => before,
                None => self.looked.then(Seen::default),
            };
            if let Some(before) = before {
                compare(history, &before, &now, &mut events);
            }
            self.tables.insert(name, Some(now));
        }
        for unread in unread {
            self.tables.insert((unread.tool, unread.table.to_string()), None);
        }
        self.looked = true;
        events
    }
}

fn compare(history: &History, before: &Seen, now: &Seen, events: &mut Vec<Event>) {
    let tool = history.tool;
    let mut tell = |outcome, took| events.push(Event { tool, outcome, took });
    for key in now.applied.difference(&before.applied) {
        tell(Outcome::Applied, history.took.get(key).copied());
    }
    for key in now.failed.difference(&before.failed) {
        tell(Outcome::Failed, history.took.get(key).copied());
    }
    // Where only the present version is kept, the one before is not taken back.
    if !matches!(tool, Tool::Alembic | Tool::GolangMigrate) {
        let gone = before.applied.iter().filter(|key| !now.applied.contains(*key) && !now.failed.contains(*key));
        gone.for_each(|_| tell(Outcome::Reverted, None));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::migrations::{HistoryTable, State, Step, summarise};

    fn history(tool: Tool, steps: &[(&str, Option<State>)]) -> History {
        let table = HistoryTable { schema: "public".into(), name: "h".into(), tool, has_lock: false };
        let step = |(version, state): &(&str, Option<State>)| Step {
            key: (*version).into(),
            version: (*version).into(),
            checksum: None,
            state: *state,
            took: Some(Duration::from_secs(2)),
        };
        summarise(&table, &steps.iter().map(step).collect::<Vec<_>>(), false)
    }

    const APPLIED: Option<State> = Some(State::Applied);

    fn told(events: Vec<Event>) -> Vec<&'static str> {
        events.iter().map(|event| event.outcome.as_str()).collect()
    }

    #[test]
    fn each_migration_is_told_once_and_none_at_the_first_look() {
        let mut watch = Watch::default();
        let look =
            |watch: &mut Watch, steps: &[(&str, Option<State>)]| told(watch.look(&[history(Tool::Flyway, steps)], &[]));
        let (one, running) = (("1", APPLIED), ("2", Some(State::InProgress)));
        let none: [&str; 0] = [];
        assert_eq!(look(&mut watch, &[one, ("0", Some(State::Failed))]), none);
        assert_eq!(look(&mut watch, &[one]), none, "a failure that was repaired is no event");
        assert_eq!(look(&mut watch, &[one, running]), none);
        assert_eq!(look(&mut watch, &[one, ("2", Some(State::Failed))]), ["failed"]);
        assert_eq!(look(&mut watch, &[one, ("2", Some(State::Failed))]), none);
        assert_eq!(look(&mut watch, &[one, ("2", APPLIED), ("3", APPLIED)]), ["applied", "applied"]);
        assert_eq!(look(&mut watch, &[one, ("2", APPLIED), ("3", None)]), ["reverted"]);
        assert_eq!(look(&mut watch, &[one, ("2", Some(State::Dirty))]), ["failed"], "and not taken back as well");
    }

    #[test]
    fn a_new_table_was_empty_and_one_that_could_not_be_read_begins_anew() {
        let steps = [("1", APPLIED), ("2", APPLIED)];
        let mut watch = Watch::default();
        assert!(watch.look(&[], &[]).is_empty());
        let events = watch.look(&[history(Tool::Sqlx, &steps)], &[]);
        assert_eq!(events[0].took, Some(Duration::from_secs(2)));
        assert_eq!(told(events), ["applied", "applied"]);
        let unread = Unread { tool: Tool::Sqlx, table: "public.h".into(), why: "permission denied".into() };
        assert!(watch.look(&[], std::slice::from_ref(&unread)).is_empty());
        assert!(watch.look(&[history(Tool::Sqlx, &steps)], &[]).is_empty());
        assert!(Watch::default().look(&[], &[unread]).is_empty());
    }

    #[test]
    fn where_only_the_present_version_is_kept_a_new_one_is_applied() {
        for tool in [Tool::Alembic, Tool::GolangMigrate] {
            let mut watch = Watch::default();
            watch.look(&[history(tool, &[("1", APPLIED)])], &[]);
            assert_eq!(told(watch.look(&[history(tool, &[("2", APPLIED)])], &[])), ["applied"], "{tool:?}");
        }
    }
}
