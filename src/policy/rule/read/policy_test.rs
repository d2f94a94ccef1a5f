//! The tests inside a policy: as whom, which statement, and what is expected of it.

use crate::model::source::{Fields, Node, Problems, boolean, non_empty, string_or_list};
use crate::policy::rule::{Expectation, PolicyTest};
use crate::policy::subject::Subject;

pub(super) fn test(node: &Node, problems: &mut Problems<'_>) -> Option<PolicyTest> {
    let mut fields = Fields::of(node, "a test", problems)?;
    let name = fields.optional("name").and_then(|node| non_empty(node, problems));
    let subject = fields.required("as", problems).and_then(|node| subject(node, problems));
    let sql = fields.required("sql", problems).and_then(|node| non_empty(node, problems));
    let expect = fields.required("expect", problems).and_then(|node| expectation(node, problems));
    let span = node.get("sql").map_or_else(|| node.span.clone(), |node| node.span.clone());
    fields.finish(problems);
    let (subject, sql, expect) = (subject?, sql?, expect?);
    Some(PolicyTest { name: name.unwrap_or_else(|| sql.clone()).into(), subject, sql: sql.into(), expect, span })
}

fn subject(node: &Node, problems: &mut Problems<'_>) -> Option<Subject> {
    let mut fields = Fields::of(node, "a test's subject", problems)?;
    let mut word = |key, problems: &mut Problems<'_>| -> Option<String> { non_empty(fields.optional(key)?, problems) };
    let user = word("user", problems);
    let database = word("database", problems).unwrap_or_default();
    let application = word("application", problems).unwrap_or_default();
    let certificate = word("cert", problems).map(Into::into);
    let roles = fields.optional("role").map(|node| string_or_list(node, problems)).unwrap_or_default();
    let mut subject = Subject {
        roles: roles.into_iter().map(|(role, _)| role.into()).collect(),
        database: database.into(),
        application: application.into(),
        certificate,
        ..Subject::default()
    };
    if let Some(node) = fields.optional("address") {
        let text = non_empty(node, problems)?;
        subject.address = text.parse().ok();
        if subject.address.is_none() {
            problems.error(&node.span, format!("`{text}` is no address"));
        }
    }
    let span = fields.span().clone();
    fields.finish(problems);
    subject.user = match (user, subject.roles.first()) {
        (Some(user), _) => user.into(),
        (None, Some(role)) => role.clone(),
        (None, None) => {
            problems.error(&span, "a test's subject needs a `user` or a `role`");
            return None;
        }
    };
    subject.roles.insert(subject.user.clone());
    Some(subject)
}

fn expectation(node: &Node, problems: &mut Problems<'_>) -> Option<Expectation> {
    let mut fields = Fields::of(node, "an expectation", problems)?;
    let refused = fields.optional("refused");
    let mut outputs = |key, problems: &mut Problems<'_>| -> Vec<Box<str>> {
        let found = fields.optional(key).map(|node| string_or_list(node, problems)).unwrap_or_default();
        found.into_iter().map(|(word, _)| word.into()).collect()
    };
    let (masked, clear) = (outputs("masked", problems), outputs("clear", problems));
    let allowed = fields.optional("allowed");
    let span = fields.span().clone();
    fields.finish(problems);
    if let Some(node) = allowed
        && !boolean(node, problems)?
    {
        problems.error_with(&node.span, "`allowed: false` says too little", "Write `refused: \"42501\"`.");
    }
    match refused {
        Some(node) if allowed.is_none() && masked.is_empty() && clear.is_empty() => {
            let code = non_empty(node, problems)?;
            if code.len() != 5 || !code.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase()) {
                problems.error_with(&node.span, format!("`{code}` is no SQLSTATE"), "42501 is a denial.");
                return None;
            }
            Some(Expectation::Refused(code.into()))
        }
        Some(node) => {
            problems.error(&node.span, "a refused statement has no output");
            None
        }
        None if allowed.is_none() && masked.is_empty() && clear.is_empty() => {
            problems.error_with(&span, "nothing is expected", "Give `masked`, `clear`, `allowed` or `refused`.");
            None
        }
        None => Some(Expectation::Admitted { masked, clear }),
    }
}
