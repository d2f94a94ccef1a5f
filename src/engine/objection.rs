//! Why one statement is refused, before it is put into the client's terms.

use std::sync::Arc;

use super::refusal::{Refusal, SqlState};
use super::report::Report;
use crate::model::ident::display_name;
use crate::model::lifecycle::{Lifecycle, Phase};
use crate::policy::view::Reason;
use crate::sql::tree::Path;

const NOT_CHECKED: &str = "statement cannot be checked against the data policy";
const NOT_UNDERSTOOD: &str = "A policy protects columns from this user, and what is not understood is refused: ";

/// Why a statement is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Objection {
    sqlstate: SqlState,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    /// Byte offset in the client's text.
    offset: Option<u32>,
}

impl Objection {
    pub(super) fn new(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self { sqlstate, message: message.into(), detail: None, hint: None, offset: None }
    }

    /// It is about a text that the client did not write.
    pub(super) fn without_place(self) -> Self {
        Self { offset: None, ..self }
    }

    /// What is not understood is refused, and the reason is said.
    pub(super) fn not_understood(why: impl Into<String>) -> Self {
        Self::new(SqlState::FeatureNotSupported, NOT_CHECKED)
            .detail(format!("{NOT_UNDERSTOOD}{}.", why.into()))
            .hint("Write the statement in a simpler form, or ask the owner of the policy.")
    }

    /// The same, where no policy protects anything and only a retired column stands in the way.
    pub(super) fn about_retired(self) -> Self {
        if self.message != NOT_CHECKED {
            return self;
        }
        let why = self.detail.as_deref().and_then(|detail| detail.strip_prefix(NOT_UNDERSTOOD)).unwrap_or_default();
        let detail = format!("It uses a column that is retired or redirected, and cannot be rewritten: {why}");
        Self::new(SqlState::FeatureNotSupported, "statement cannot be rewritten around a retired column")
            .detail(detail)
            .hint("Name the columns that are needed, and use the column that takes the place of the retired one.")
            .at_if(self.offset)
    }

    fn at_if(self, offset: Option<u32>) -> Self {
        Self { offset, ..self }
    }

    /// A column that is named where a value stands.
    pub(super) fn no_such_column(path: &Path) -> Self {
        let column = path.last.as_str();
        let message = match path.qualifier.last() {
            None => format!("column \"{column}\" does not exist"),
            Some(qualifier) => format!("column {}.{column} does not exist", qualifier.as_str()),
        };
        Self::new(SqlState::UndefinedColumn, message)
    }

    pub(super) fn no_such_relation(name: &str) -> Self {
        Self::new(SqlState::UndefinedTable, format!("relation \"{name}\" does not exist"))
    }

    pub(super) fn denied_column(column: &str, relation: &str, reason: Option<&Reason>) -> Self {
        Self::new(
            SqlState::InsufficientPrivilege,
            format!("permission denied for column {} of relation {}", display_name(column), display_name(relation)),
        )
        .because(reason)
        .hint("Leave the column out, or ask the owner of the policy.")
    }

    /// A column that is shown masked, and must not decide on rows.
    pub(super) fn denied_predicate(column: &str, relation: &str, reason: &Reason) -> Self {
        let Reason { policy, version, rule, note: _ } = reason;
        Self::new(
            SqlState::InsufficientPrivilege,
            format!("permission denied for column {} of relation {}", display_name(column), display_name(relation)),
        )
        .detail(format!(
            "Rule \"{rule}\" of policy \"{policy}\", version {version}, masks it, and lets no condition, join, group or order depend on it."
        ))
        .hint("Leave it out of WHERE, JOIN, GROUP BY, HAVING, DISTINCT and ORDER BY; it may be selected.")
    }

    pub(super) fn denied_by_star(columns: &[String], relation: &str, reason: Option<&Reason>) -> Self {
        let noun = if columns.len() == 1 { "column" } else { "columns" };
        let list = columns.iter().map(|column| display_name(column)).collect::<Vec<_>>().join(", ");
        Self::new(
            SqlState::InsufficientPrivilege,
            format!("permission denied for {noun} {list} of relation {}", display_name(relation)),
        )
        .because(reason)
        .hint(format!("Name the columns that are needed, and leave out: {list}."))
    }

    pub(super) fn denied_relation(relation: &str, why: &str) -> Self {
        Self::new(SqlState::InsufficientPrivilege, format!("permission denied for relation {}", display_name(relation)))
            .detail(format!("The policy closes it to this user: {why}."))
    }

    /// What the server says of a table that is no more.
    pub(super) fn retired_relation(path: &Path, lifecycle: &Lifecycle) -> Self {
        let parts = path.qualifier.iter().chain(std::iter::once(&path.last));
        let name = parts.map(|part| part.as_str()).collect::<Vec<_>>().join(".");
        Self::no_such_relation(&name).retired("table", Some(lifecycle))
    }

    /// Why what is there is treated as dropped, and what to use instead.
    pub(super) fn retired(self, what: &str, lifecycle: Option<&Lifecycle>) -> Self {
        let Some(lifecycle) = lifecycle else { return self };
        let instead =
            lifecycle.replaced_by.as_ref().map(|other| format!(": use {}", display_name(other))).unwrap_or_default();
        let state = match (lifecycle.phase, &lifecycle.until) {
            (Phase::Brownout, Some(until)) => {
                format!("The {what} is retired, and fails on purpose until {until}{instead}.")
            }
            (Phase::Restricted | Phase::Brownout, _) => {
                format!("The {what} is retired, and closed to new consumers{instead}.")
            }
            (Phase::Active | Phase::Deprecated | Phase::Sunset | Phase::Removed, _) => {
                format!("The {what} is retired{instead}.")
            }
        };
        self.hint(state)
    }

    pub(super) fn denied_write(what: String) -> Self {
        Self::new(SqlState::InsufficientPrivilege, format!("permission denied for {what}"))
            .detail("The policy does not list this write for this user.")
            .hint("Ask the owner of the policy to add it under \"writes\".")
    }

    fn because(self, reason: Option<&Reason>) -> Self {
        match reason {
            None => self,
            Some(Reason { policy, version, rule, note }) => {
                let note = note.as_ref().map(|note| format!(" Note: {note}.")).unwrap_or_default();
                self.detail(format!("Rule \"{rule}\" of policy \"{policy}\", version {version}, protects it.{note}"))
            }
        }
    }

    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn at(mut self, offset: u32) -> Self {
        self.offset = Some(offset);
        self
    }

    /// The position, where none is known yet.
    pub(super) fn or_at(mut self, offset: u32) -> Self {
        self.offset = self.offset.or(Some(offset));
        self
    }

    pub(super) fn offset(&self) -> Option<u32> {
        self.offset
    }

    /// The refusal of `text`, with the position in characters.
    pub(super) fn into_refusal(self, text: &str, report: Arc<Report>) -> Refusal {
        let position = self.offset.and_then(|offset| {
            let before = text.get(..offset as usize)?;
            u32::try_from(before.chars().count() + 1).ok()
        });
        Refusal {
            sqlstate: self.sqlstate,
            message: self.message,
            detail: self.detail,
            hint: self.hint,
            position,
            report,
        }
    }
}
