//! `pgcovenant top`: which statement shapes run at the moment, live in the terminal or once for a script.

mod app;
mod client;
mod columns;
mod details;
mod format;
mod live;
mod plain;
mod rates;
mod sessions;
mod view;

#[cfg(test)]
mod tests;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::Format;
use super::admin::Listener;
use crate::admin::shapes::query::Order;
use crate::model::source::time_span;
use app::{App, Mode};
use client::Client;
use rates::{History, Window};

/// Arguments of `top`.
#[derive(Debug, Args)]
#[command(
    after_help = "Keys: q quit, up/down or j/k select, enter details, o order, w window, / filter by table, s sessions, p pause, ? help."
)]
pub struct Top {
    /// Which proxy to ask.
    #[command(flatten)]
    pub listener: Listener,
    /// How often to ask, such as 2s or 500ms [default: 2s]. With --once, tell what happens in that time.
    #[arg(long, value_name = "TIME")]
    pub interval: Option<Interval>,
    /// Which come first: time, calls, mean, p95, rows, errors, refusals, first_seen, last_seen or seq.
    #[arg(long, value_name = "ORDER", default_value = "time", value_parser = order)]
    pub order: Order,
    /// Who is connected and has had a transaction open for how long, in place of statement shapes.
    #[arg(long)]
    pub sessions: bool,
    /// Only of this database.
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// Tell once, as text: also where there is no terminal.
    #[arg(long)]
    pub once: bool,
    /// How to tell; json tells once what the proxy answers.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

fn order(word: &str) -> Result<Order, String> {
    word.parse::<Order>().map_err(|expected| format!("write {expected}"))
}

/// A time between two questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(Duration);

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let within = Duration::from_millis(100)..=Duration::from_secs(3600);
        time_span(text)
            .filter(|span| within.contains(span))
            .map(Self)
            .ok_or_else(|| "write it as 2s, 500ms or 1min, from 100ms to 60min".to_owned())
    }
}

impl Default for Interval {
    fn default() -> Self {
        Self(Duration::from_secs(2))
    }
}

/// Shows what runs.
///
/// # Errors
/// The address is none, the configuration cannot be read or, without a terminal, nobody answers.
pub fn run(arguments: &Top) -> anyhow::Result<ExitCode> {
    let client = Client::new(arguments.listener.url()?, arguments.database.as_deref());
    if arguments.format == Format::Json {
        let text = match arguments.sessions {
            true => client.sessions().map(|answer| serde_json::to_string_pretty(&answer)),
            false => client.ask(arguments.order).map(|answer| serde_json::to_string_pretty(&answer)),
        };
        writeln!(std::io::stdout(), "{}", text.map_err(anyhow::Error::msg)??)?;
        return Ok(ExitCode::SUCCESS);
    }
    let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    if arguments.once || dumb || !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return once(arguments, &client);
    }
    let Interval(interval) = arguments.interval.unwrap_or_default();
    let mut app = App::new(client.url(), arguments.order, interval);
    if arguments.sessions {
        app.mode = Mode::Sessions;
    }
    live::run(app, client, interval).context("cannot use the terminal; --once needs none")?;
    Ok(ExitCode::SUCCESS)
}

/// Since the start of the proxy or, with an interval, in that time.
fn once(arguments: &Top, client: &Client) -> anyhow::Result<ExitCode> {
    if arguments.sessions {
        let answer = client.sessions().map_err(anyhow::Error::msg)?;
        write!(std::io::stdout(), "{}", sessions::plain(client.url(), &answer))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut history = History::default();
    let ask = || client.ask(arguments.order).map_err(anyhow::Error::msg);
    let window = match arguments.interval {
        Some(Interval(interval)) => {
            history.add(&ask()?);
            std::thread::sleep(interval);
            Window::Interval
        }
        None => Window::Start,
    };
    let answer = ask()?;
    history.add(&answer);
    let shown = history.look(&answer, window, arguments.order, "");
    write!(std::io::stdout(), "{}", plain::text(client.url(), &answer, &shown, window, arguments.order))?;
    Ok(ExitCode::SUCCESS)
}
