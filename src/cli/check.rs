//! `pgcovenant check`: every problem of every file in one run.

use std::io::Write;
use std::process::ExitCode;

use serde_json::json;

use super::input::Input;
use super::{Check, Format, PROBLEMS};
use crate::model::source::{Diagnostic, Severity};

/// Reads everything and reports what is wrong with it.
///
/// # Errors
/// A file cannot be read, or the report cannot be written.
pub fn run(arguments: &Check) -> anyhow::Result<ExitCode> {
    let path = arguments.source.config.as_deref().or(arguments.path.as_deref());
    let input = Input::read(path)?;
    let mut out = std::io::stdout().lock();
    match arguments.format {
        Format::Text => write!(out, "{}{}", input.report(), summary(&input))?,
        Format::Json => {
            let problems: Vec<_> = input.diagnostics.iter().map(to_json).collect();
            writeln!(out, "{:#}", json!({"files": input.files.len(), "problems": problems}))?;
        }
    }
    let (errors, _) = input.count();
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) })
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
