//! How commands speak with the admin listener of a running proxy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

use crate::admin::parameters::BadParameter;
use crate::config;
use crate::model::source::{read_file, render};

/// Where the admin listener is unless something else is said.
const DEFAULT_URL: &str = "http://127.0.0.1:9930";

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer is at most so long.
const BYTES: u64 = 64 << 20;

/// Plain HTTP, past the proxies that the environment names: those are for the world outside. An answer is what was asked
/// for, whatever its status, and is not looked for elsewhere.
pub(super) fn http() -> ConfigBuilder<AgentScope> {
    Agent::config_builder().http_status_as_error(false).max_redirects(0).proxy(None)
}

/// Which proxy to ask.
#[derive(Debug, Args)]
pub struct Listener {
    /// The admin listener of a running proxy [default: that of --config, or http://127.0.0.1:9930].
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The configuration file that names the admin listener.
    #[arg(short, long, value_name = "FILE", env = "PGCOVENANT_CONFIG")]
    pub config: Option<PathBuf>,
}

impl Listener {
    /// Its address.
    ///
    /// # Errors
    /// It is none, or the configuration cannot be read.
    pub(super) fn url(&self) -> anyhow::Result<String> {
        let given = match (&self.url, &self.config) {
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

/// A proxy that is asked, once or again and again.
#[derive(Debug)]
pub(super) struct Asked {
    agent: Agent,
    url: String,
}

impl Asked {
    /// The listener at this address.
    pub(super) fn at(url: String) -> Self {
        Self { agent: http().timeout_global(Some(PATIENCE)).build().into(), url }
    }

    /// The address.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The answer to a question.
    ///
    /// # Errors
    /// Nobody answers, somebody else does, or the question is refused: in words.
    pub(super) fn ask<T: DeserializeOwned>(&self, path: &str, parameters: &[(&str, &str)]) -> Result<T, String> {
        let url = &self.url;
        let no_answer = |error: ureq::Error| match error {
            ureq::Error::Io(error) => format!("{url} does not answer: {error}"),
            other => format!("{url} does not answer: {other}"),
        };
        let request = self.agent.get(format!("{url}{path}")).query_pairs(parameters.iter().copied());
        let mut response = request.call().map_err(no_answer)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(BYTES).read_to_string().map_err(no_answer)?;
        if status == 400
            && let Ok(bad) = serde_json::from_str::<BadParameter>(&body)
        {
            return Err(format!("{}: write {}", clean(&bad.error), clean(&bad.expected)));
        }
        if status != 200 {
            return Err(format!("{url} answers with status {status}: it is no pgcovenant, or an older one"));
        }
        serde_json::from_str(&body)
            .map_err(|error| format!("{url} answers something else than a pgcovenant of this version: {error}"))
    }
}

/// A word of others without characters that would move the cursor or turn the writing around.
pub(super) fn clean(word: &str) -> String {
    let harmful = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    word.chars().map(|c| if harmful(c) { ' ' } else { c }).collect()
}
