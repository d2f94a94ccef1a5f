//! `pgcovenant usage`: who uses a column, and on what evidence that is said.

pub mod answer;
pub mod evidence;
pub mod names;
mod print;
mod questions;
mod source;
pub mod store;

use std::io::Write as _;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::bail;
use serde_json::Value;

use super::{CANNOT_RUN, PROBLEMS, Usage, UsageFormat};
use crate::model::source::time_span;
use crate::model::usage::RETENTION_DAYS;
use evidence::Verdict;
use print::Block;
use source::Source;

/// How far to look back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookback(pub(in crate::cli) Duration);

impl Default for Lookback {
    /// A quarter: what runs at the end of one is seen.
    fn default() -> Self {
        Self(Duration::from_secs(92 * 86_400))
    }
}

impl FromStr for Lookback {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kept = Duration::from_secs(RETENTION_DAYS.unsigned_abs() * 86_400);
        time_span(text)
            .filter(|span| *span <= kept)
            .map(Self)
            .ok_or_else(|| format!("write it as 92d, 12h, 30min or 10s; usage is kept for {RETENTION_DAYS} days"))
    }
}

/// What is said.
pub struct Answer {
    blocks: Vec<Block>,
    value: Value,
    /// None where the question is not whether something is used.
    verdict: Option<Verdict>,
}

/// Answers one question about usage.
///
/// # Errors
/// The store cannot be read, the files have errors, or nothing is known of what is asked about.
pub fn run(arguments: &Usage) -> anyhow::Result<ExitCode> {
    let mut source = Source::open(arguments)?;
    let answer = match (&arguments.object, &arguments.application, &arguments.unused_for) {
        (Some(object), None, None) if !arguments.readiness => questions::object(&mut source, object)?,
        (None, Some(application), None) if !arguments.readiness => questions::application(&mut source, application)?,
        (None, None, Some(_)) if !arguments.readiness && !arguments.fail_if_used => questions::unused(&mut source)?,
        (None, None, None) if arguments.readiness => questions::readiness(&mut source)?,
        _ => bail!(
            "ask one thing: a column or table, --application NAME, --unused-for TIME (without --fail-if-used) or --readiness"
        ),
    };
    let mut out = std::io::stdout().lock();
    match arguments.format {
        UsageFormat::Table => write!(out, "{}", print::terminal(&answer.blocks))?,
        UsageFormat::Markdown => write!(out, "{}", print::markdown(&answer.blocks))?,
        UsageFormat::Json => writeln!(out, "{:#}", answer.value)?,
    }
    Ok(match answer.verdict.filter(|_| arguments.fail_if_used) {
        None | Some(Verdict::Unused) => ExitCode::SUCCESS,
        Some(Verdict::InUse | Verdict::StarOnly) => ExitCode::from(PROBLEMS),
        Some(Verdict::Unknown) => ExitCode::from(CANNOT_RUN),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_back_reaches_as_far_as_usage_is_kept() {
        for (text, seconds) in [("400d", 400 * 86_400), ("12h", 43_200), ("30min", 1800), ("10s", 10)] {
            assert_eq!(text.parse(), Ok(Lookback(Duration::from_secs(seconds))), "{text}");
        }
        assert_eq!("92d".parse(), Ok(Lookback::default()), "as the command line says");
        for text in ["401d", "99999999h", "soon", "-1d", ""] {
            assert!(text.parse::<Lookback>().unwrap_err().contains("usage is kept for 400 days"), "{text}");
        }
    }
}
