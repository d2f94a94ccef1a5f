//! Texts that cannot be judged as text: not UTF-8, or larger than the limit.

use std::sync::Arc;

use super::refusal::{Refusal, SqlState};
use super::report::{Blind, Effects, Operation, Report, StatementReport, Touches};
use super::verdict::{Admitted, Verdict};
use crate::policy::view::SubjectView;

/// Why a text cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// The client sends another encoding than UTF-8.
    NotUtf8,
    /// Larger than `limits.statement_bytes`.
    TooLarge {
        /// The limit.
        limit: usize,
    },
}

impl Unreadable {
    /// The reason under which it is counted.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::TooLarge { .. } => "too_large",
        }
    }
}

/// Governed sessions may not send what cannot be read; for observed ones it passes and is counted.
pub fn check_unreadable(view: &SubjectView, unreadable: Unreadable) -> Verdict {
    let report = Arc::new(Report {
        statements: vec![StatementReport {
            operation: Operation::Utility,
            fingerprint: 0,
            relations: Vec::new(),
            columns: Vec::new(),
            unanalysed: Some(unreadable.reason()),
            touched: Touches { blind: Blind::Wholly, ..Touches::default() },
        }],
        effects: Effects { search_path_may_change: true, ..Effects::default() },
        ..Report::default()
    });
    if !view.governed {
        return Verdict::Admit(Admitted::unchanged(report));
    }
    let (sqlstate, message, hint) = match unreadable {
        Unreadable::NotUtf8 => (
            SqlState::FeatureNotSupported,
            "statement is not valid UTF-8".to_owned(),
            "Set client_encoding to UTF8.".to_owned(),
        ),
        Unreadable::TooLarge { limit } => (
            SqlState::ProgramLimitExceeded,
            format!("statement is larger than the limit of {limit} bytes"),
            "Send large values as parameters, or many rows with COPY.".to_owned(),
        ),
    };
    Verdict::Refuse(Refusal {
        sqlstate,
        message,
        detail: Some("A policy protects columns from this user, so every statement has to be analysed.".to_owned()),
        hint: Some(hint),
        position: None,
        report,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_text_passes_only_where_nothing_is_protected() {
        let observed = SubjectView::default();
        assert!(matches!(check_unreadable(&observed, Unreadable::NotUtf8), Verdict::Admit(_)));
        let governed = SubjectView { governed: true, ..SubjectView::default() };
        let Verdict::Refuse(refusal) = check_unreadable(&governed, Unreadable::TooLarge { limit: 7 }) else {
            panic!("admitted")
        };
        assert_eq!(refusal.sqlstate.code(), "54000");
    }
}
