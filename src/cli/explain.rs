//! `pgcovenant explain`: how one statement is understood, what is decided about it and why, and what is sent.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::input::{Input, snapshot};
use super::{Explain, Format};
use crate::engine::check::{Facts, Protocol, check};
use crate::engine::refusal::Refusal;
use crate::engine::report::{Report, StatementReport};
use crate::engine::verdict::Verdict;
use crate::model::catalog::SearchPath;
use crate::policy::snapshot::Snapshot;
use crate::policy::subject::Subject;
use crate::policy::view::{Effect, Predicates, SubjectView};

/// Judges one statement and prints every stage.
///
/// # Errors
/// A file cannot be read, the files have errors, the subject cannot be understood, or nothing can be written.
pub fn run(arguments: &Explain) -> anyhow::Result<ExitCode> {
    let input = Input::read(arguments.source.config.as_deref())?;
    let mut out = std::io::stdout().lock();
    let bundle = input.usable()?;
    let snapshot = snapshot(bundle, arguments.on)?;
    let mut subject = parse_subject(&arguments.subject)?;
    if subject.database.is_empty() {
        let mut databases = bundle.databases().into_iter();
        match (databases.next(), databases.next()) {
            (Some(only), None) => subject.database = only.into(),
            _ => bail!("--as needs database="),
        }
    }
    let known = bundle.databases();
    if !known.contains(&*subject.database) {
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        bail!("--as: no contract is about the database {}; known: {known}", subject.database);
    }
    let view = snapshot.view(&subject);
    let path = SearchPath::default();
    let facts =
        Facts { database: &subject.database, view: &view, search_path: Some(&path), protocol: Protocol::Simple };
    let verdict = check(&snapshot, &facts, &arguments.sql);
    let explained =
        Explained { snapshot: &snapshot, subject: &subject, view: &view, verdict: &verdict, sql: &arguments.sql };
    match arguments.format {
        Format::Text => write!(out, "{}", explained.text())?,
        Format::Json => writeln!(out, "{:#}", explained.json())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads `user=support,database=shop,role=a,role=b`. No server is asked, so memberships are what is said here.
fn parse_subject(text: &str) -> anyhow::Result<Subject> {
    let mut subject = Subject::default();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').with_context(|| format!("--as: `{part}` is not KEY=VALUE"))?;
        match key.trim() {
            "user" => subject.user = value.into(),
            "database" => subject.database = value.into(),
            "role" => _ = subject.roles.insert(value.into()),
            "application" => subject.application = value.into(),
            "cert" => subject.certificate = Some(value.into()),
            "address" | "cidr" => {
                subject.address = Some(value.parse().with_context(|| format!("--as: `{value}` is no address"))?);
            }
            other => bail!("--as: there is no key `{other}`; known: user, database, role, application, address, cert"),
        }
    }
    if subject.user.is_empty() {
        subject.user = subject.roles.first().cloned().context("--as needs user= or role=")?;
    }
    subject.roles.insert(subject.user.clone());
    Ok(subject)
}

struct Explained<'a> {
    snapshot: &'a Snapshot,
    subject: &'a Subject,
    view: &'a SubjectView,
    verdict: &'a Verdict,
    sql: &'a str,
}

impl Explained<'_> {
    fn report(&self) -> &Report {
        match self.verdict {
            Verdict::Admit(admitted) => &admitted.report,
            Verdict::Refuse(refusal) => &refusal.report,
        }
    }

    /// The SQL that goes to the server; none for a refusal.
    fn sent(&self) -> Option<&str> {
        match self.verdict {
            Verdict::Admit(admitted) => Some(admitted.rewritten_text().unwrap_or(self.sql)),
            Verdict::Refuse(_) => None,
        }
    }

    fn decision(&self) -> &'static str {
        match self.verdict {
            Verdict::Refuse(_) => "refused",
            Verdict::Admit(admitted) if admitted.rewritten_text().is_some() => "rewritten",
            Verdict::Admit(_) => "unchanged",
        }
    }

    /// What protects the columns of the relations that the statement names.
    fn protections(&self) -> Vec<(String, String)> {
        let Some(database) = self.snapshot.database(&self.subject.database) else { return Vec::new() };
        let mut named: Vec<_> =
            self.report().statements.iter().flat_map(|s| &s.relations).map(|r| r.relation).collect();
        named.sort_unstable();
        named.dedup();
        let mut lines = Vec::new();
        for oid in named {
            let (Some(relation), Some(rules)) = (database.catalog.relation(oid), self.view.relations.get(&oid)) else {
                continue;
            };
            if let Some(why) = &rules.opaque {
                lines.push((relation.display(), format!("closed: {why}")));
            }
            for (attnum, rule) in &rules.columns {
                let effect = match &rule.effect {
                    Effect::Allow => continue,
                    Effect::Mask(mask) => format!("mask {}{}", mask.name, conditions(&rule.predicates)),
                    Effect::Deny => "deny".to_owned(),
                };
                let name = relation.column_by_number(*attnum).map_or("?", |column| &*column.name);
                let reason = rule.reason.as_ref().map(|reason| {
                    let note = reason.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
                    format!(" by {} version {}, rule {}{note}", reason.policy, reason.version, reason.rule)
                });
                lines.push((
                    format!("{}.{name}", relation.display()),
                    format!("{effect}{}", reason.unwrap_or_default()),
                ));
            }
        }
        lines
    }

    fn text(&self) -> String {
        let Subject { user, database, roles, .. } = self.subject;
        let governed = if self.view.governed { "governed" } else { "observed" };
        let mut text = String::new();
        let roles: Vec<&str> = roles.iter().map(|role| &**role).collect();
        // Writing to a String cannot fail.
        _ = writeln!(text, "subject    {user} in {database}, member of {}; {governed}", roles.join(", "));
        for (number, statement) in (1..).zip(&self.report().statements) {
            statement_text(&mut text, number, statement);
        }
        for change in &self.report().ddl {
            _ = writeln!(text, "changes    {}", change.words());
        }
        if self.report().effects.judged_anew {
            _ = writeln!(text, "           whether that is in use is known to the running proxy only");
        }
        for (at, (column, effect)) in self.protections().iter().enumerate() {
            let head = if at == 0 { "protected" } else { "" };
            _ = writeln!(text, "{head:<10} {column}: {effect}");
        }
        _ = match self.verdict {
            Verdict::Refuse(refusal) => writeln!(text, "decision   refused\n{}", refusal_text(refusal)),
            Verdict::Admit(_) => writeln!(text, "decision   {}", self.decision()),
        };
        for notice in self.report().notices.iter().chain(&self.report().cautions) {
            _ = writeln!(text, "warning    {}", notice.message);
        }
        if let Some(sent) = self.sent() {
            _ = writeln!(text, "sent       {sent}");
        }
        text
    }

    fn json(&self) -> Value {
        let Subject { user, database, roles, address, certificate, application } = self.subject;
        let error = match self.verdict {
            Verdict::Refuse(refusal) => json!({
                "sqlstate": refusal.sqlstate.code(), "message": refusal.message, "detail": refusal.detail,
                "hint": refusal.hint, "position": refusal.position,
            }),
            Verdict::Admit(_) => Value::Null,
        };
        let protections: Vec<_> = self
            .protections()
            .into_iter()
            .map(|(column, effect)| json!({"column": column, "effect": effect}))
            .collect();
        let changes: Vec<_> = self
            .report()
            .ddl
            .iter()
            .flat_map(|ddl| ddl.changes.iter().map(|change| (ddl.command, change)))
            .map(|(command, change)| json!({"command": command, "action": change.action, "object": change.object}))
            .collect();
        let notices: Vec<_> = self
            .report()
            .notices
            .iter()
            .chain(&self.report().cautions)
            .map(|notice| json!({"message": notice.message, "detail": notice.detail, "hint": notice.hint}))
            .collect();
        json!({
            "subject": {
                "user": **user, "database": **database, "application": **application,
                "roles": roles.iter().map(|role| &**role).collect::<Vec<_>>(),
                "address": address.map(|address| address.to_string()), "cert": certificate.as_deref(),
            },
            "governed": self.view.governed,
            "statements": self.report().statements.iter().map(statement_json).collect::<Vec<_>>(),
            "changes": changes,
            "protected": protections,
            "decision": self.decision(),
            "error": error,
            "warnings": notices,
            "sent": self.sent(),
        })
    }
}

/// What conditions see of a masked column, where that is not its masked value.
fn conditions(predicates: &Predicates) -> String {
    match predicates {
        Predicates::Masked => String::new(),
        Predicates::Equality => " (equality with constants sees the value)".to_owned(),
        Predicates::Deny(reason) => format!(" (closed to conditions by rule {})", reason.rule),
    }
}

fn refusal_text(refusal: &Refusal) -> String {
    let mut text = format!("ERROR      {}: {}", refusal.sqlstate.code(), refusal.message);
    for (head, line) in [("DETAIL", &refusal.detail), ("HINT", &refusal.hint)] {
        if let Some(line) = line {
            _ = write!(text, "\n{head:<10} {line}");
        }
    }
    text
}

fn statement_text(text: &mut String, number: usize, statement: &StatementReport) {
    let StatementReport { operation, fingerprint, relations, columns, unanalysed, touched: _ } = statement;
    _ = writeln!(text, "statement  {number}: {}, shape {fingerprint:016x}", operation.as_str());
    if let Some(why) = unanalysed {
        _ = writeln!(text, "           not analysed: {why}");
    }
    for relation in relations {
        _ = writeln!(text, "  relation {}.{} ({})", relation.schema, relation.name, relation.operation.as_str());
    }
    for column in columns {
        let rule = column.rule.as_ref().map(|rule| format!(", rule {rule}")).unwrap_or_default();
        let phase = column.phase.map(|phase| format!(", {phase}")).unwrap_or_default();
        _ = writeln!(
            text,
            "  column   {}.{}.{} ({}): {}{rule}{phase}",
            column.schema,
            column.relation,
            column.name,
            column.access.as_str(),
            column.outcome.as_str()
        );
    }
}

fn statement_json(statement: &StatementReport) -> Value {
    let StatementReport { operation, fingerprint, relations, columns, unanalysed, touched: _ } = statement;
    let relations: Vec<_> = relations
        .iter()
        .map(|used| json!({"schema": *used.schema, "name": *used.name, "operation": used.operation.as_str()}))
        .collect();
    let columns: Vec<_> = columns
        .iter()
        .map(|used| {
            json!({
                "schema": *used.schema, "relation": *used.relation, "name": *used.name,
                "access": used.access.as_str(), "outcome": used.outcome.as_str(), "rule": used.rule.as_deref(),
                "phase": used.phase, "classification": used.classification.as_deref(),
            })
        })
        .collect();
    json!({
        "operation": operation.as_str(), "fingerprint": format!("{fingerprint:016x}"),
        "relations": relations, "columns": columns, "unanalysed": unanalysed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_read_from_one_word() {
        let subject = parse_subject("user=anna, database=shop,role=support,address=10.0.0.1").unwrap();
        assert_eq!(&*subject.database, "shop");
        assert_eq!(subject.roles.iter().map(|role| &**role).collect::<Vec<_>>(), ["anna", "support"]);
        assert!(subject.address.is_some());
        assert_eq!(&*parse_subject("role=support").unwrap().user, "support");
        assert!(parse_subject("database=shop").is_err());
        assert!(parse_subject("usr=a").is_err());
        assert!(parse_subject("user").is_err());
    }
}
