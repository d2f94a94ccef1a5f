//! `pgcovenant changes`: what has changed lately, of a running proxy and of what it looks at.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;

use super::Format;
use super::admin::{Asked, Listener, clean};
use crate::admin::changes::{Answer, Told, kind};
use crate::model::change::Kind;
use crate::model::ident::display_name;

/// Arguments of `changes`.
#[derive(Debug, Args)]
#[command(
    after_help = "The latest come last. A proxy remembers what it has noticed since it began, the last 2000 changes."
)]
pub struct Changes {
    /// Which proxy to ask.
    #[command(flatten)]
    pub listener: Listener,
    /// Only of this database, and of none in particular.
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// Only of this relation, with or without its schema.
    #[arg(long, value_name = "[SCHEMA.]NAME")]
    pub table: Option<String>,
    /// Only of this kind: process, files, lifecycle, ddl, structure, index, plan, migration, drift, upstream or certificates.
    #[arg(long, value_name = "KIND", value_parser = kind)]
    pub kind: Option<Kind>,
    /// Only since then: 30min, 2h or 1d ago, a day, or a time such as 2026-11-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// At most so many, the latest.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub limit: u16,
    /// How to tell; json is what the proxy answers.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Asks and tells.
///
/// # Errors
/// Nobody answers, or the question is refused.
pub fn run(arguments: &Changes) -> anyhow::Result<ExitCode> {
    let limit = arguments.limit.to_string();
    let mut parameters = vec![("limit", &*limit)];
    let given = [("database", &arguments.database), ("table", &arguments.table), ("since", &arguments.since)];
    parameters.extend(given.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
    parameters.extend(arguments.kind.map(|kind| ("kind", kind.as_str())));
    let asked = Asked::at(arguments.listener.url()?);
    let answer: Answer = asked.ask("/api/v1/changes", &parameters).map_err(anyhow::Error::msg)?;
    let mut out = std::io::stdout().lock();
    match arguments.format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?,
        Format::Text => write!(out, "{}", text(&answer))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text(answer: &Answer) -> String {
    let about = |told: &Told| match (&*told.database, &*told.relation) {
        (database, "") => clean(database),
        (database, relation) => {
            let path = format!("{}.{}", display_name(&told.schema), display_name(relation));
            clean(format!("{database} {path}").trim_start())
        }
    };
    let width = answer.changes.iter().map(|told| about(told).chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for told in answer.changes.iter().rev() {
        let (at, about) = (told.at.strftime("%Y-%m-%dT%H:%M:%SZ"), about(told));
        out.push_str(&format!("{at}  {:<12}  {about:<width$}  {}\n", clean(&told.kind), clean(&told.what)));
    }
    let earlier = answer.total.saturating_sub(answer.changes.len());
    if answer.changes.is_empty() {
        out.push_str("nothing has changed\n");
    } else if earlier > 0 {
        out.push_str(&format!("and {earlier} earlier: use --limit, --since, --table or --kind\n"));
    }
    if answer.forgotten > 0 {
        out.push_str(&format!("{} before these are forgotten\n", answer.forgotten));
    }
    out
}
