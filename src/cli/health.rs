//! `pgcovenant health`: asks a running proxy how it is. For images that have no shell and no curl.

use std::io::{ErrorKind, Read as _, Write as _};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use ureq::Agent;

use super::{PROBLEMS, admin};

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
    let each_step = Some(timeout);
    let config = admin::http()
        .timeout_connect(each_step)
        .timeout_send_request(each_step)
        .timeout_recv_response(each_step)
        .timeout_recv_body(each_step)
        .build();
    let mut answer = Agent::from(config).get(format!("http://{}{}", url.authority, url.path)).call().map_err(failed)?;
    let mut body = Vec::new();
    answer.body_mut().as_reader().take(ANSWER_BYTES).read_to_end(&mut body).context("no answer")?;
    Ok((answer.status().as_u16(), String::from_utf8_lossy(&body).into_owned()))
}

/// Whether there was nobody to ask, or no answer.
fn failed(error: ureq::Error) -> anyhow::Error {
    let nobody = match &error {
        ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => true,
        ureq::Error::Timeout(step) => matches!(step, ureq::Timeout::Resolve | ureq::Timeout::Connect),
        ureq::Error::Io(error) => {
            matches!(
                error.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
            )
        }
        _ => false,
    };
    anyhow::Error::new(error).context(if nobody { "cannot connect" } else { "no answer" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

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

    /// What is made of an answer.
    fn answered(answer: &'static str) -> anyhow::Result<(u16, String)> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/readyz", listener.local_addr().unwrap()).parse().unwrap();
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            assert!(socket.read(&mut [0; 4096]).unwrap() > 0);
            socket.write_all(answer.as_bytes()).unwrap();
        });
        let told = ask(&url, Duration::from_secs(20));
        server.join().unwrap();
        told
    }

    #[test]
    fn what_is_no_http_is_no_answer() {
        let unready = answered("HTTP/1.1 503 Service Unavailable\r\nA: b\r\n\r\n{}").unwrap();
        assert_eq!(unready, (503, "{}".into()));
        assert_eq!(answered("HTTP/1.0 200\r\n\r\n").unwrap(), (200, String::new()));
        assert!(answered("EFATAL\r\n\r\n").is_err());
        let elsewhere = answered("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n").unwrap();
        assert_eq!(elsewhere.0, 302, "nobody is sent elsewhere");
    }

    proptest! {
        #[test]
        fn no_address_ends_the_program(address in "(http://)?\\PC{0,40}") {
            let _ = address.parse::<Url>();
        }
    }
}
