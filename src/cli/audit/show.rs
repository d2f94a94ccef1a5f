//! `pgcovenant audit show`: the records of statements, for people.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use serde_json::Value;

use crate::cli::Format;
use crate::cli::usage::Lookback;
use crate::observe::audit::files::lines;

/// Arguments of `audit show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The files, in the order in which they are shown.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Only of this user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only about this table, with or without its schema.
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// Only about a column of this name.
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// Only with this decision: allow, mask, warn, deny or would_deny.
    #[arg(long, value_name = "WORD")]
    decision: Option<String>,
    /// Only of this time: 92d, 12h, 30min or 10s.
    #[arg(long, value_name = "TIME")]
    since: Option<Lookback>,
    /// `json` shows the lines as they are.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Shows what fits. Lines that are none are left out: whether there are any is for `verify` to say.
pub(super) fn run(arguments: &Show) -> anyhow::Result<ExitCode> {
    let since = arguments.since.map(|back| Timestamp::now() - back.0);
    let mut out = std::io::stdout().lock();
    for path in &arguments.files {
        for (number, line) in (1..).zip(lines(path).with_context(|| path.display().to_string())?) {
            let line = line.with_context(|| format!("{}:{number}", path.display()))?;
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let Ok(record) = serde_json::from_slice::<Value>(line) else { continue };
            if !fits(arguments, since, &record) {
                continue;
            }
            match arguments.format {
                Format::Text => writeln!(out, "{}", shown(&record))?,
                Format::Json => writeln!(out, "{}", String::from_utf8_lossy(line))?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn word<'a>(record: &'a Value, key: &str) -> &'a str {
    record.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(record: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    record.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn fits(arguments: &Show, since: Option<Timestamp>, record: &Value) -> bool {
    let is = |wanted: &Option<String>, key| wanted.as_deref().is_none_or(|wanted| word(record, key) == wanted);
    let table = |wanted: &str| {
        let named = |name: &str| name == wanted || name.split_once('.').is_some_and(|(_, relation)| relation == wanted);
        list(record, "relations").filter_map(Value::as_str).any(named)
            || list(record, "columns")
                .any(|used| named(&format!("{}.{}", word(used, "schema"), word(used, "relation"))))
    };
    let column = |wanted: &str| list(record, "columns").any(|used| word(used, "column") == wanted);
    let late = |since: Timestamp| word(record, "time").parse::<Timestamp>().is_ok_and(|time| time >= since);
    word(record, "type") == "statement"
        && is(&arguments.user, "user")
        && is(&arguments.decision, "decision")
        && arguments.table.as_deref().is_none_or(table)
        && arguments.column.as_deref().is_none_or(column)
        && since.is_none_or(late)
}

fn shown(record: &Value) -> String {
    let words = |key| list(record, key).filter_map(Value::as_str).collect::<Vec<_>>().join(",");
    let columns: Vec<_> = list(record, "columns")
        .map(|used| {
            let path = ["schema", "relation", "column"].map(|key| word(used, key)).join(".");
            format!("{path} {} ({})", word(used, "outcome"), word(used, "access"))
        })
        .collect();
    let changes: Vec<_> = list(record, "ddl")
        .flat_map(|ddl| {
            list(ddl, "changes").map(|change| format!("{} {}", word(change, "action"), word(change, "object")))
        })
        .collect();
    let about = if columns.is_empty() { changes.join("; ") } else { columns.join("; ") };
    let sqlstate = Some(word(record, "sqlstate")).filter(|code| !code.is_empty());
    format!(
        "{} {}@{} ({}) {}{} {}: {about}",
        word(record, "time"),
        word(record, "user"),
        word(record, "database"),
        word(record, "application"),
        word(record, "decision"),
        sqlstate.map(|code| format!(" {code}")).unwrap_or_default(),
        words("operations"),
    )
}
