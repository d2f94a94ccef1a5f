//! `pgcovenant check`: every problem of every file in one run.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::json;

use super::input::Input;
use super::{Check, Format, PROBLEMS};
use crate::config::Config;
use crate::model::source::{Diagnostic, Problems, Severity, SourceFile, parse};
use crate::proxy::tls::ClientTls;
use crate::upstream::tls::Trust;

/// Reads everything and reports what is wrong with it.
///
/// # Errors
/// A file cannot be read, or the report cannot be written.
pub fn run(arguments: &Check) -> anyhow::Result<ExitCode> {
    let path = arguments.source.config.as_deref().or(arguments.path.as_deref());
    let mut input = Input::read(path)?;
    if let (Some(config), Some(file)) = (&input.config, input.files.first()) {
        input.diagnostics.extend(certificates(config, file));
    }
    let mut out = std::io::stdout().lock();
    match arguments.format {
        Format::Text => write!(out, "{}{}{}", input.report(), summary(&input), needed(&input))?,
        Format::Json => {
            let problems: Vec<_> = input.diagnostics.iter().map(to_json).collect();
            writeln!(out, "{:#}", json!({"files": input.files.len(), "problems": problems}))?;
        }
    }
    let (errors, _) = input.count();
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) })
}

/// What is wrong with the certificates that the configuration names. They may be elsewhere where this is only a check.
fn certificates(config: &Config, file: &SourceFile) -> Vec<Diagnostic> {
    let mut problems = Problems::new(file);
    let Some(document) = parse(file, &mut problems) else { return problems.into_found() };
    let mut complain = |keys: [&str; 2], files: &[&PathBuf], message: String| {
        let span = document.descend(keys).span.clone();
        if files.iter().all(|path| path.exists()) {
            problems.error(&span, message);
        } else {
            problems.warn(&span, message, "The proxy does not start without this file.");
        }
    };
    if let Some(tls) = &config.tls {
        let files: Vec<_> = [&tls.cert, &tls.key].into_iter().chain(&tls.client_ca).collect();
        match ClientTls::new(tls).map(|tls| tls.expiry()) {
            Err(error) => complain(["tls", ""], &files, error.to_string()),
            Ok(Some(expiry)) if expiry <= Timestamp::now() => {
                complain(["tls", "cert"], &files, format!("the certificate has expired on {expiry}"));
            }
            Ok(_) => {}
        }
    }
    let of_service = config.service.as_ref().and_then(|service| service.identity.as_ref());
    let shown = [(["upstream", "cert"], config.upstream.identity.as_ref()), (["service", "cert"], of_service)];
    let shown = shown.into_iter().filter(|(_, identity)| identity.is_some());
    for (keys, identity) in std::iter::once((["upstream", "ca"], None)).chain(shown) {
        let own = identity.into_iter().flat_map(|identity| [&identity.cert, &identity.key]);
        let files: Vec<_> = config.upstream.ca.iter().chain(own).collect();
        if let Err(error) = Trust::new(&config.upstream, identity) {
            complain(keys, &files, error.to_string());
            break;
        }
    }
    problems.into_found()
}

/// What must be in the database, which is not asked here.
fn needed(input: &Input) -> String {
    let rules = input.bundle.as_deref().map(|bundle| bundle.rules_with_pseudonyms()).unwrap_or_default();
    if rules.is_empty() {
        return String::new();
    }
    let rules: Vec<_> = rules.iter().map(|(policy, rule)| format!("{policy}/{rule}")).collect();
    format!(
        "note: the mask `hash` needs deploy/sql/pgcovenant.sql in the database, or its columns are denied: {}\n",
        rules.join(", ")
    )
}

fn summary(input: &Input) -> String {
    let many = |count: usize, word: &str| if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") };
    let (errors, warnings) = input.count();
    let (contracts, policies, rules) = input.bundle.as_deref().map_or((0, 0, 0), |bundle| {
        let rules = bundle.policies().map(|policy| policy.rules.len()).sum();
        (bundle.contracts().count(), bundle.policies().count(), rules)
    });
    let files = many(input.files.len(), "file");
    if errors > 0 {
        return format!("{files}: {}, {}\n", many(errors, "error"), many(warnings, "warning"));
    }
    let policies = if policies == 1 { "1 policy".to_owned() } else { format!("{policies} policies") };
    let found = format!("{}, {policies}, {}", many(contracts, "contract"), many(rules, "rule"));
    format!("{files}: no errors, {}; {found}\n", many(warnings, "warning"))
}

fn to_json(diagnostic: &Diagnostic) -> serde_json::Value {
    let Diagnostic { severity, file, line, column, span: _, message, help } = diagnostic;
    let severity = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    json!({"severity": severity, "file": **file, "line": line, "column": column, "message": message, "help": help})
}
