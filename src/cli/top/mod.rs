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
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use super::Format;
use crate::admin::shapes::query::Order;
use crate::config;
use crate::model::source::{measured, read_file, render};
use app::{App, Mode};
use client::Client;
use rates::{History, Window};

/// Where the admin listener is unless something else is said.
const DEFAULT_URL: &str = "http://127.0.0.1:9930";

/// Arguments of `top`.
#[derive(Debug, Args)]
#[command(
    after_help = "Keys: q quit, up/down or j/k select, enter details, o order, w window, / filter by table, s sessions, p pause, ? help."
)]
pub struct Top {
    /// The admin listener of a running proxy [default: that of --config, or http://127.0.0.1:9930].
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The configuration file that names the admin listener.
    #[arg(short, long, value_name = "FILE", env = "PGCOVENANT_CONFIG")]
    pub config: Option<PathBuf>,
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
        let units = [("ms", 1), ("min", 60_000), ("s", 1000)];
        let within = measured(text, &units).filter(|millis| (100..=3_600_000).contains(millis));
        within
            .map(|millis| Self(Duration::from_millis(millis)))
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
    let client = Client::new(&url(arguments)?, arguments.database.as_deref());
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

fn url(arguments: &Top) -> anyhow::Result<String> {
    let given = match (&arguments.url, &arguments.config) {
        (Some(url), _) => url.clone(),
        (None, Some(file)) => format!("http://{}", admin_of(file)?),
        (None, None) => DEFAULT_URL.to_owned(),
    };
    let url = if given.contains("://") { given } else { format!("http://{given}") };
    if !url.starts_with("http://") {
        bail!("{url}: the admin listener speaks plain HTTP: write {DEFAULT_URL}, with its address");
    }
    Ok(url.trim_end_matches('/').to_owned())
}

fn admin_of(path: &Path) -> anyhow::Result<SocketAddr> {
    let file = read_file(path).context("cannot read the configuration")?;
    let (config, diagnostics) = config::file::read(&file);
    let Some(config) = config else { bail!("there are problems in the files\n{}", render(&diagnostics, &[file])) };
    let named = path.display();
    let Some(mut admin) = config.admin else {
        bail!("{named} has no `admin`: add `admin: {{listen: \"127.0.0.1:9930\"}}` and restart the proxy, or use --url")
    };
    if admin.port() == 0 {
        bail!("{named} lets the system choose the port of `admin`: name the address with --url");
    }
    // What listens everywhere is reached here.
    match admin.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => admin.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => admin.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    Ok(admin)
}
