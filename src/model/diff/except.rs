//! Findings that somebody has agreed to.

use super::finding::Finding;
use super::rule::RULES;
use crate::model::glob::Glob;
use crate::model::source::nearest;

/// `rule:path=reason`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// As written.
    pub text: String,
    rule: Glob,
    path: Glob,
    reason: Option<String>,
}

/// Why a text is no exception.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExceptionError {
    /// There is no path.
    #[error("`{0}` names nothing: write RULE:schema.table.column, such as field-removed:public.orders.*")]
    NoPath(String),
    /// There is no such rule.
    #[error("there is no rule `{0}`{1}")]
    NoRule(String, String),
}

/// What exceptions have left over.
#[derive(Debug, Default)]
pub struct Excepted {
    /// Findings that nobody has agreed to.
    pub findings: Vec<Finding>,
    /// The others, each with the reason if there is one.
    pub excepted: Vec<(Finding, Option<String>)>,
    /// Exceptions that nothing was found for.
    pub unused: Vec<String>,
}

impl Exception {
    /// Reads `rule:schema.table.column`, with `*` for any characters, and a reason after `=`.
    ///
    /// # Errors
    /// There is no such rule, or nothing after it.
    pub fn parse(text: &str) -> Result<Self, ExceptionError> {
        let no_path = || ExceptionError::NoPath(text.to_owned());
        let (rule, rest) = text.split_once(':').ok_or_else(no_path)?;
        let (path, reason) = rest.split_once('=').map_or((rest, None), |(path, reason)| (path, Some(reason)));
        let (rule, path) = (rule.trim(), path.trim());
        if path.is_empty() {
            return Err(no_path());
        }
        let glob = Glob::new(rule);
        if !RULES.iter().any(|known| glob.matches(known.id)) {
            let meant = nearest(rule, RULES.iter().map(|known| known.id));
            let help = meant.map(|meant| format!(" (did you mean `{meant}`?)")).unwrap_or_default();
            return Err(ExceptionError::NoRule(rule.to_owned(), help));
        }
        let reason = reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
        Ok(Self { text: text.to_owned(), rule: glob, path: Glob::new(path), reason })
    }

    fn covers(&self, finding: &Finding) -> bool {
        self.rule.matches(finding.rule.id) && self.path.matches(&finding.path)
    }
}

/// Sets aside the findings that the exceptions cover.
pub fn except(findings: Vec<Finding>, exceptions: &[Exception]) -> Excepted {
    let mut sorted = Excepted::default();
    let unused = |one: &&Exception| !findings.iter().any(|finding| one.covers(finding));
    sorted.unused = exceptions.iter().filter(unused).map(|one| one.text.clone()).collect();
    for finding in findings {
        match exceptions.iter().find(|one| one.covers(&finding)) {
            Some(one) => sorted.excepted.push((finding, one.reason.clone())),
            None => sorted.findings.push(finding),
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::super::rule;
    use super::*;

    #[test]
    fn an_exception_covers_a_rule_and_a_path_and_says_why() {
        let found =
            || vec![Finding::new(&rule::FIELD_REMOVED, "public.orders.a"), Finding::new(&rule::SLA_RELAXED, "shop")];
        let exceptions: Vec<_> = ["field-*:public.orders.*=agreed with billing", "sla-relaxed:other"]
            .iter()
            .map(|text| Exception::parse(text).unwrap())
            .collect();
        let sorted = except(found(), &exceptions);
        assert_eq!(sorted.findings, [Finding::new(&rule::SLA_RELAXED, "shop")]);
        assert_eq!(sorted.excepted[0].1.as_deref(), Some("agreed with billing"));
        assert_eq!(sorted.unused, ["sla-relaxed:other"]);
    }

    #[test]
    fn what_is_no_exception_is_told() {
        let said = |text| Exception::parse(text).unwrap_err().to_string();
        assert!(said("field-removed").contains("RULE:schema.table.column"));
        assert!(said("field-removed:").contains("RULE:schema.table.column"));
        assert_eq!(said("field-remved:a"), "there is no rule `field-remved` (did you mean `field-removed`?)");
    }
}
