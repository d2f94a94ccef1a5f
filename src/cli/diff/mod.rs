//! `pgcovenant diff`: what changes for whom when one set of contracts and policies takes the place of another.

mod git;
mod junit;
mod live;
mod report;
mod source;
mod usage;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use self::report::Report;
use self::source::{Loaded, Source};
use super::PROBLEMS;
use super::input::Input;
use super::usage::Lookback;
use crate::config::state::Place;
use crate::model::diff::{self, Exception, Finding, Level, Occasion, except, sort};
use crate::policy::diff as policies;

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 0: nothing at or above --fail-on, 1: findings, 2: cannot run. docs/diff.md lists the rules."
)]
pub struct Diff {
    /// What was promised: a folder or file of contracts and policies, git:REV, git:REV:PATH, or pg:DATABASE.
    #[arg(value_name = "OLD")]
    pub old: String,
    /// What is to be promised, named in the same ways.
    #[arg(value_name = "NEW")]
    pub new: String,
    /// The configuration file, for the server and the service account of pg:DATABASE.
    #[arg(short, long, value_name = "FILE", env = "PGCOVENANT_CONFIG")]
    pub config: Option<PathBuf>,
    /// The record of usage, a file or postgres://user@host/database: removals are judged by who uses what. That of the
    /// configuration otherwise.
    #[arg(long, value_name = "PATH|URL")]
    pub usage: Option<String>,
    /// How far to look back in it: what is unused has to be unused for so long.
    #[arg(long, value_name = "TIME", default_value = "92d")]
    pub since: Lookback,
    /// The level from which on findings make the exit code 1.
    #[arg(long, value_enum, default_value_t, value_name = "LEVEL")]
    pub fail_on: FailOn,
    /// A finding that is agreed to, `*` for any characters, with a reason after `=`; may be given several times.
    #[arg(long, value_name = "RULE:schema.table.column[=REASON]")]
    pub except: Vec<String>,
    /// How to report.
    #[arg(long, value_enum, default_value_t)]
    pub format: DiffFormat,
    /// The day by which phases, sunsets and exemptions are judged; today by default.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub on: Option<Date>,
}

/// From which level on findings are a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum FailOn {
    /// Errors.
    #[default]
    Error,
    /// Warnings and errors.
    Warning,
    /// Anything.
    Info,
    /// Nothing.
    Never,
}

impl FailOn {
    fn is_met(self, level: Level) -> bool {
        match self {
            Self::Error => level >= Level::Error,
            Self::Warning => level >= Level::Warning,
            Self::Info => level >= Level::Info,
            Self::Never => false,
        }
    }
}

/// How to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum DiffFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For a comment under a change.
    Markdown,
    /// For build servers.
    Junit,
}

/// The record of usage that is named, or the one of the configuration.
fn place(arguments: &Diff) -> anyhow::Result<Option<Place>> {
    if let Some(word) = &arguments.usage {
        return Ok(Some(Place::named(word)));
    }
    let Some(config) = &arguments.config else { return Ok(None) };
    let config = Input::read(Some(config))?.config;
    Ok(config.and_then(|config| config.state).map(|state| state.place))
}

/// Compares two sides and reports.
///
/// # Errors
/// A side cannot be read or has errors, an exception cannot be understood, or nothing can be written.
pub fn run(arguments: &Diff) -> anyhow::Result<ExitCode> {
    let parsed = arguments.except.iter().map(|text| Exception::parse(text)).collect::<Result<Vec<_>, _>>();
    let exceptions = parsed.context("--except")?;
    let place = place(arguments)?;
    let usage = place.map(|place| usage::open(&place, arguments.since)).transpose().context("--usage")?;
    let (old, new) = (Source::parse(&arguments.old)?, Source::parse(&arguments.new)?);
    let before = old.load(&new, arguments.config.as_deref())?;
    let after = new.load(&old, arguments.config.as_deref())?;
    source::check_pair(&before, &after)?;
    let now = match arguments.on {
        Some(day) => day.to_zoned(TimeZone::UTC)?.timestamp(),
        None => Timestamp::now(),
    };
    let occasion = Occasion { now, usage: usage.as_deref() };
    let difference = diff::compare(&before.terms, &after.terms, occasion);
    let mut findings = difference.findings.clone();
    let mut notes = Vec::new();
    match (&before.bundle, &after.bundle) {
        (Some(before), Some(after)) => findings.extend(policies::compare(before, after, now)),
        _ => notes.extend(uncompared(&before, &after)),
    }
    let mut sorted = except(findings, &exceptions);
    let mut late: Vec<Finding> = Vec::new();
    let versions = {
        let mut with_versions = sorted.findings.clone();
        let versions = difference.versions(&mut with_versions);
        late.extend(with_versions.into_iter().skip(sorted.findings.len()));
        versions
    };
    let late = except(late, &exceptions);
    sorted.findings.extend(late.findings);
    sorted.excepted.extend(late.excepted);
    sorted.unused.retain(|text| late.unused.contains(text));
    sort(&mut sorted.findings);
    let report = Report {
        names: [&arguments.old, &arguments.new],
        sorted: &sorted,
        versions: &versions,
        notes: &notes,
        fail_on: arguments.fail_on,
    };
    write_out(&report, arguments.format)?;
    let failed = sorted.findings.iter().any(|finding| arguments.fail_on.is_met(finding.level));
    Ok(if failed { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS })
}

/// Why the policies were not compared, if there are any.
fn uncompared(before: &Loaded, after: &Loaded) -> Option<String> {
    let reason = [before, after].into_iter().find_map(|side| side.without_policies.as_ref())?;
    Some(format!("policies were not compared: {reason}"))
}

fn write_out(report: &Report<'_>, format: DiffFormat) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match format {
        DiffFormat::Text => write!(out, "{}", report.text())?,
        DiffFormat::Json => writeln!(out, "{:#}", report.json())?,
        DiffFormat::Markdown => write!(out, "{}", report.markdown())?,
        DiffFormat::Junit => write!(out, "{}", junit::render(report))?,
    }
    Ok(())
}
