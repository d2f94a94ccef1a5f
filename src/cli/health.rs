//! `pgcovenant health`: asks a running proxy how it is. For images that have no shell and no curl.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::PROBLEMS;

/// More than any answer of /healthz or /readyz.
const ANSWER_BYTES: u64 = 64 * 1024;

/// Arguments of `health`.
#[derive(Debug, Args)]
#[command(after_help = "Exit code 0: the answer was 200, 1: it was another one, or there was none.")]
pub struct Health {
    /// Which page to ask: /readyz tells whether new sessions are welcome, /healthz whether the process is alive.
    #[arg(long, value_name = "URL", env = "PGCOVENANT_HEALTH_URL", default_value = "http://127.0.0.1:9930/readyz")]
    pub url: Url,
    /// How many seconds to wait for each step of the answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub timeout: u64,
}

/// The address of a page of the admin listener, which speaks plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    authority: String,
    path: String,
}

impl FromStr for Url {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("http://").ok_or("write it as http://127.0.0.1:9930/readyz")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let clean = |part: &str| part.chars().all(|c| c.is_ascii_graphic());
        if authority.is_empty() || !clean(authority) || !clean(path) {
            return Err("write it as http://127.0.0.1:9930/readyz");
        }
        let port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let authority = if port { authority.to_owned() } else { format!("{authority}:80") };
        Ok(Self { authority, path: format!("/{path}") })
    }
}

/// Asks and prints the answer.
///
/// # Errors
/// Nothing can be written.
pub fn run(arguments: &Health) -> anyhow::Result<ExitCode> {
    match ask(&arguments.url, Duration::from_secs(arguments.timeout)) {
        Ok((200, body)) => {
            write!(std::io::stdout().lock(), "{body}")?;
            Ok(ExitCode::SUCCESS)
        }
        Ok((status, body)) => {
            write!(std::io::stderr().lock(), "{status}: {body}")?;
            Ok(ExitCode::from(PROBLEMS))
        }
        // Not 2, as elsewhere: Docker keeps that exit code of a health check for itself.
        Err(error) => {
            writeln!(std::io::stderr().lock(), "pgcovenant: {}: {error:#}", arguments.url.authority)?;
            Ok(ExitCode::from(PROBLEMS))
        }
    }
}

fn ask(url: &Url, timeout: Duration) -> anyhow::Result<(u16, String)> {
    let address = url.authority.to_socket_addrs().context("no such address")?.next().context("no such address")?;
    let mut stream = TcpStream::connect_timeout(&address, timeout).context("cannot connect")?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    let request = format!("GET {} HTTP/1.0\r\nHost: {}\r\nConnection: close\r\n\r\n", url.path, url.authority);
    stream.write_all(request.as_bytes()).context("cannot ask")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES).read_to_end(&mut answer).context("no answer")?;
    parse(&String::from_utf8_lossy(&answer)).context("this is no answer of HTTP")
}

/// The status and the body.
fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.get(..3)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_without_port_or_path_is_understood() {
        let url = |text: &str| text.parse::<Url>().map(|url| (url.authority, url.path));
        assert_eq!(url("http://[::1]:9930/healthz"), Ok(("[::1]:9930".into(), "/healthz".into())));
        assert_eq!(url("http://proxy"), Ok(("proxy:80".into(), "/".into())));
        for wrong in ["https://proxy/", "127.0.0.1:9930", "http:///healthz", "http://a b/", "http://a/\r\nX: y"] {
            assert!(wrong.parse::<Url>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_http_is_no_answer() {
        assert_eq!(parse("HTTP/1.1 503 Service Unavailable\r\nA: b\r\n\r\n{}"), Some((503, "{}".into())));
        assert_eq!(parse("HTTP/1.0 200\r\n\r\n"), Some((200, String::new())));
        assert_eq!(parse("EFATAL\r\n\r\n"), None);
    }

    proptest! {
        #[test]
        fn no_answer_ends_the_program(answer in "(HTTP/1\\.)?\\PC{0,40}(\r\n\r\n)?\\PC{0,40}") {
            let _ = parse(&answer);
            let _ = answer.parse::<Url>();
        }
    }
}
