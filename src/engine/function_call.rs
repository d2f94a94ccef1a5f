//! FunctionCall (`F`): a call by oid, without any SQL text.

use std::sync::Arc;

use super::refusal::{Refusal, SqlState};
use super::report::Report;
use super::verdict::{Admitted, Verdict};
use crate::policy::view::SubjectView;

/// Governed sessions may not call functions by oid; observed ones may.
pub fn check_function_call(view: &SubjectView) -> Verdict {
    if view.governed {
        return Verdict::Refuse(Refusal {
            sqlstate: SqlState::InsufficientPrivilege,
            message: "permission denied for the function call interface".to_owned(),
            detail: Some(
                "A policy protects columns from this user, and a call by number cannot be checked.".to_owned(),
            ),
            hint: Some("Call the function in a SELECT.".to_owned()),
            position: None,
            report: Arc::new(Report::default()),
        });
    }
    Verdict::Admit(Admitted::unchanged(Arc::default()))
}
