//! `pgcovenant audit`: whether an audit is as it was written, and what it says.

mod show;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Format, PROBLEMS, serve};
use crate::observe::audit::chain::Sealer;
use crate::observe::audit::verify::{Verified, verify};

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub struct Audit {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Verify the chain of hashes over all files. Exit code 0: whole, 1: broken, 2: cannot be read.
    Verify(Verify),
    /// Show the records of statements.
    Show(show::Show),
}

/// Arguments of `audit verify`.
#[derive(Debug, Args)]
struct Verify {
    /// The files of one chain, in any order.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The environment variable with the key of the chain.
    #[arg(long, value_name = "NAME")]
    key_env: Option<String>,
    /// A checkpoint, such as one that was copied elsewhere; the one beside the last file otherwise.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// How to report.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs `audit`.
///
/// # Errors
/// A file cannot be read, or the report cannot be written.
pub fn run(arguments: &Audit) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Command::Verify(arguments) => run_verify(arguments),
        Command::Show(arguments) => show::run(arguments),
    }
}

fn run_verify(arguments: &Verify) -> anyhow::Result<ExitCode> {
    let key = arguments.key_env.as_deref().map(serve::audit_key).transpose()?;
    let sealer = Sealer::new(key.as_deref().map(str::as_bytes));
    let verified = verify(&arguments.files, arguments.checkpoint.as_deref(), &sealer)?;
    let whole = verified.findings.is_empty();
    let mut out = std::io::stdout().lock();
    match arguments.format {
        Format::Text => write!(out, "{}", text(&verified, &sealer))?,
        Format::Json => {
            let mut report = json!(verified);
            if let Some(report) = report.as_object_mut() {
                report.insert("whole".to_owned(), json!(whole));
                report.insert("algorithm".to_owned(), json!(sealer.algorithm()));
            }
            writeln!(out, "{report:#}")?;
        }
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) })
}

fn text(verified: &Verified, sealer: &Sealer) -> String {
    let mut lines: Vec<String> = verified
        .findings
        .iter()
        .map(|finding| {
            let seq = finding.seq.map(|seq| format!(" (seq {seq})")).unwrap_or_default();
            format!(
                "{}:{}{seq}: {}: expected {}, found {}",
                finding.file,
                finding.line,
                finding.fault.words(),
                finding.expected,
                finding.found
            )
        })
        .collect();
    let many = |count: usize, word: &str| if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") };
    let files = many(verified.files.len(), "file");
    let span = match (verified.first, &verified.last) {
        (Some(first), Some(last)) => format!(", seq {first} to {}, last hash {}", last.seq, last.hash),
        _ => ", no line of a chain".to_owned(),
    };
    if verified.begins_late && verified.findings.is_empty() {
        lines.push("note: the files before the first one were removed by rotation, as the chain says".to_owned());
    }
    if verified.lost > 0 {
        lines.push(format!(
            "note: {} were lost before they were written, as the chain says",
            many(usize::try_from(verified.lost).unwrap_or(usize::MAX), "record")
        ));
    }
    match verified.checkpoint {
        Some(seq) => lines.push(format!("note: compared with a checkpoint at seq {seq}")),
        None => lines.push("note: no checkpoint; what is missing after the last line cannot be seen".to_owned()),
    }
    let verdict = match verified.findings.len() {
        0 => "whole".to_owned(),
        count => format!("broken in {}", many(count, "place")),
    };
    lines.push(format!(
        "{files}: {verdict} ({}): {}{span}",
        sealer.algorithm(),
        many(usize::try_from(verified.lines).unwrap_or(usize::MAX), "line")
    ));
    lines.join("\n") + "\n"
}
