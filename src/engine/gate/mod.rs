//! Changes of the structure, before they go through: who may make them, when, with what `lock_timeout`, and whether what they
//! take away is in use.
//!
//! It is about observed sessions: a governed one may change temporary tables only. Those are nobody else's business here.
//! What runs inside DO blocks and functions is not seen.

mod case;
mod in_use;
mod touched;
mod words;

use self::case::Case;
use self::touched::Found;
use super::check::{Facts, Moment};
use super::judge::Text;
use super::objection::Objection;
use super::refusal::SqlState;
use super::report::{DdlChange, DdlReport, Report};
use crate::model::catalog::{Catalog, SearchPath};
use crate::model::ident::display_name;
use crate::policy::rule::{InUse, LockTimeout};
use crate::policy::snapshot::Snapshot;
use crate::policy::view::Ddl as Rules;
use crate::sql::lexer;
use crate::sql::second_opinion::{Action, Change, Ddl, Nature, OutlineStatement, StatementKind, Thing};

/// What a verdict on the changes of one text needs to know.
pub(super) struct Gate<'a> {
    snapshot: &'a Snapshot,
    facts: &'a Facts<'a>,
    moment: Moment,
    /// What the statements of the text before this one have set.
    set: Settings,
    /// Temporary tables that they have made.
    made: Vec<String>,
}

/// What the text itself says of `lock_timeout`.
#[derive(Debug, Default)]
struct Settings {
    session: Option<bool>,
    /// Until the transaction ends.
    local: Option<bool>,
}

impl<'a> Gate<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, facts: &'a Facts<'a>, moment: Moment) -> Self {
        Self { snapshot, facts, moment, set: Settings::default(), made: Vec::new() }
    }

    /// Judges one statement, and reports what it changes.
    pub(super) fn pass(
        &mut self,
        text: &Text<'_>,
        outline: &OutlineStatement,
        report: &mut Report,
    ) -> Result<(), Objection> {
        self.follow(text, outline);
        let Some(ddl) = &outline.ddl else { return Ok(()) };
        let fallback = SearchPath::default();
        let path = text.facts.search_path.unwrap_or(&fallback);
        let empty = Catalog::default();
        let catalog = text.catalog.unwrap_or(&empty);
        let found: Vec<Found<'_>> =
            ddl.changes.iter().map(|change| touched::find(change, catalog, path, &self.made)).collect();
        let rules = self.facts.view.ddl.as_ref().filter(|rules| !self.facts.view.governed && asks(rules, ddl));
        if let Some(rules) = rules {
            report.effects.judged_anew = true;
            depends(rules, ddl, report);
        }
        let mut both = ddl.changes.iter().zip(&found);
        let idle = |(change, found): (&Change, &Found<'_>)| {
            matches!(found, Found::Temporary) || touched::does_nothing(change, found)
        };
        if !found.is_empty() && both.all(idle) {
            return Ok(());
        }
        let changes = ddl.changes.iter().zip(&found).map(|(change, found)| words::change(change, found));
        report.ddl.push(DdlReport { command: ddl.command, changes: distinct(changes) });
        let Some(rules) = rules else { return Ok(()) };
        self.frozen(rules)?;
        let case = Case {
            gate: self,
            rules,
            catalog,
            path,
            database: self.snapshot.database(self.facts.database).map(|it| &**it),
        };
        for (change, found) in ddl.changes.iter().zip(&found) {
            case.closed(change, found)?;
        }
        self.lock_timeout(rules, ddl)?;
        for (change, found) in ddl.changes.iter().zip(&found) {
            case.in_use(change, found, report)?;
        }
        Ok(())
    }

    /// What the statement means for those after it in the same text.
    fn follow(&mut self, text: &Text<'_>, outline: &OutlineStatement) {
        let tokens = text.tokens_of(outline);
        let word = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.is_word(text.sql, word));
        match &outline.kind {
            StatementKind::Set { name } if name == "lock_timeout" => {
                let value = tokens.last().map(|token| {
                    lexer::decode_string(text.sql, token)
                        .map_or_else(|| token.text(text.sql).into(), |value| value.into_owned())
                });
                let has = value.is_some_and(|value| is_some_time(&value));
                *(if word(1, "local") { &mut self.set.local } else { &mut self.set.session }) = Some(has);
            }
            StatementKind::Reset { name } if name == "lock_timeout" => self.set = Settings::unknown(),
            StatementKind::ResetAll | StatementKind::Discard => self.set = Settings::unknown(),
            StatementKind::Transaction(_) if ["commit", "end", "rollback", "abort"].iter().any(|end| word(0, end)) => {
                self.set.local = None;
            }
            _ => {}
        }
        for call in &outline.functions {
            let is_set_config = call.parts.last().is_some_and(|name| name == "set_config");
            if let (true, [Some(name), Some(value), ..]) = (is_set_config, call.constants.as_slice())
                && name.value.eq_ignore_ascii_case("lock_timeout")
            {
                self.set.session = Some(is_some_time(&value.value));
            }
        }
        if outline.ddl.is_none() {
            self.made.extend(outline.created.as_ref().map(|created| created.name.clone()));
        }
    }

    fn frozen(&self, rules: &Rules) -> Result<(), Objection> {
        let Some(frozen) = &rules.frozen else { return Ok(()) };
        let reason = frozen.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let database = display_name(self.facts.database);
        let message = format!("the structure of database {database} is frozen until {}", frozen.until);
        Err(Objection::new(SqlState::ObjectNotInPrerequisiteState, message)
            .detail(format!("Policy \"{}\", version {}, freezes it{reason}.", frozen.policy, frozen.version))
            .hint("Make the change after that, or ask the owner of the policy."))
    }

    fn lock_timeout(&self, rules: &Rules, ddl: &Ddl) -> Result<(), Objection> {
        let required = rules.lock_timeout == Some(LockTimeout::Require) && ddl.nature == Nature::Blocking;
        let has = self.set.local.or(self.set.session).unwrap_or(self.moment.has_lock_timeout);
        if !required || has {
            return Ok(());
        }
        let message = format!("{} without lock_timeout is not allowed", ddl.command);
        Err(Objection::new(SqlState::ObjectNotInPrerequisiteState, message)
            .detail("While it waits for its lock, every statement that comes after it waits as well.")
            .hint("SET lock_timeout = '5s' before it, and try again if it is cancelled."))
    }
}

impl Settings {
    /// What the role or the database has set holds again: that is not known.
    fn unknown() -> Self {
        Self { session: Some(false), local: None }
    }
}

/// Whether a value of `lock_timeout` is any time at all.
fn is_some_time(value: &str) -> bool {
    value.chars().any(|c| ('1'..='9').contains(&c))
}

/// Whether anything is said that such a change could offend against.
fn asks(rules: &Rules, ddl: &Ddl) -> bool {
    let anything = rules.frozen.is_some()
        || rules.lock_timeout.is_some()
        || rules.in_use != InUse::Off
        || !rules.closed_by.is_empty();
    ddl.nature != Nature::Beside && anything
}

/// What of the session the verdict depends on: where its names are found, and its `lock_timeout`.
fn depends(rules: &Rules, ddl: &Ddl, report: &mut Report) {
    let unqualified = |change: &Change| match &change.of {
        Thing::Relation(named) | Thing::Index(named) | Thing::Type(named) => named.schema.is_none(),
        Thing::Schema(_) | Thing::OwnedBy(_) => false,
    };
    let searched = |change: &Change| {
        let asked = match change.action {
            Action::Create { unless_exists: false } => !rules.closed_by.is_empty(),
            Action::Create { unless_exists: true } | Action::Other => {
                !rules.closed_by.is_empty() || rules.frozen.is_some()
            }
            Action::Drop { .. }
            | Action::Rename
            | Action::SetSchema
            | Action::DropColumn { .. }
            | Action::RenameColumn { .. }
            | Action::AlterColumnType { .. } => true,
        };
        asked && unqualified(change)
    };
    let waits = ddl.nature == Nature::Blocking && rules.lock_timeout.is_some();
    let depends = &mut report.effects.depends;
    depends.on_session |= waits || ddl.changes.iter().any(searched);
    if let (Nature::Blocking, Some(LockTimeout::Give(time))) = (ddl.nature, rules.lock_timeout) {
        depends.lock_timeout = Some(time);
    }
}

fn distinct(changes: impl Iterator<Item = DdlChange>) -> Vec<DdlChange> {
    let mut found: Vec<DdlChange> = Vec::new();
    for change in changes {
        if !found.contains(&change) {
            found.push(change);
        }
    }
    found
}

#[cfg(test)]
mod tests;
