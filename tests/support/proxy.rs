//! The proxy as a process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::process::{Process, Start};
use super::{Cluster, http};

/// What the configuration of a proxy says beyond the ports.
#[derive(Debug, Default)]
pub struct ProxyOptions {
    /// Directory of contracts and policies; none makes a transparent proxy.
    pub policies: Option<PathBuf>,
    /// The service account; its password is its own name.
    pub service: Option<&'static str>,
    /// More keys of `service`, such as `, statistics: 200ms`.
    pub service_more: String,
    /// `upstream.tls`.
    pub upstream_tls: Option<&'static str>,
    /// `upstream.ca`.
    pub upstream_ca: Option<PathBuf>,
    /// `upstream.port`, if it is not the cluster's.
    pub upstream_port: Option<u16>,
    /// Whether clients may use TLS: a certificate of the cluster's authority is made.
    pub tls: bool,
    /// Whether there is a unix socket beside the TCP port.
    pub unix: bool,
    /// The line of the listeners, if it is not the usual one; the first one must be `127.0.0.1:0`.
    pub listen: Option<String>,
    /// More environment variables.
    pub environment: Vec<(String, String)>,
    /// More keys of `upstream` and of `tls`, such as `, cert: FILE, key: FILE`.
    pub upstream_more: String,
    /// See `upstream_more`.
    pub tls_more: String,
    /// More keys of `admin`.
    pub admin_more: String,
    /// The line of the audit, if it is not the usual one.
    pub audit: Option<String>,
    /// More lines of configuration, such as `limits: {drain_timeout: 1s}`.
    pub more: String,
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    process: Process,
    directory: TempDir,
    port: u16,
    admin: u16,
}

/// The program under test: the one that cargo has built, or the one that `PGCOVENANT_BIN` names.
pub fn binary() -> String {
    std::env::var("PGCOVENANT_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_pgcovenant").to_owned())
}

impl Proxy {
    /// Starts a proxy in front of the cluster and waits until it is ready.
    pub fn start(cluster: &Cluster, options: ProxyOptions) -> Self {
        let mut proxy = Self::start_unready(cluster, options);
        proxy.wait_until_ready(Duration::from_secs(30));
        proxy
    }

    /// Starts a proxy and returns as soon as its TCP port answers, whether or not it is ready.
    pub fn start_unready(cluster: &Cluster, options: ProxyOptions) -> Self {
        let directory = tempfile::Builder::new().prefix("pgcovenant-proxy-").tempdir().expect("tempdir");
        let config = directory.path().join("pgcovenant.yaml");
        fs::write(&config, text(cluster, &options, directory.path())).expect("pgcovenant.yaml");
        let command = vec![binary(), "serve".into(), "--config".into(), config.display().to_string()];
        let password = options.service.unwrap_or_default().to_owned();
        let process = Process::start(Start {
            command,
            environment: [
                vec![("PGCOVENANT_PASSWORD".into(), password), ("NO_COLOR".into(), "1".into())],
                options.environment.clone(),
            ]
            .concat(),
            log: &directory.path().join("proxy.log"),
            signal: "KILL",
            litter: None,
        });
        let mut proxy = Self { process, directory, port: 0, admin: 0 };
        proxy.until(Duration::from_secs(20), "does not listen", |proxy| proxy.announced().is_some());
        (proxy.admin, proxy.port) = proxy.announced().expect("a moment ago it did");
        proxy
    }

    /// The ports that the system has chosen, of the admin listener and for clients, once the proxy has said both.
    fn announced(&self) -> Option<(u16, u16)> {
        let log = self.log();
        let (whole, _) = log.rsplit_once('\n')?;
        let port = |name: &str| {
            let (plain, json) = (format!(" {name} "), format!("\"message\":\"{name}\""));
            let said = |line: &&str| line.contains(&plain) || line.contains(&json);
            let (_, rest) = whole.lines().filter(said).find_map(|line| line.split_once("127.0.0.1:"))?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        Some((port("admin listener")?, port("listening")?))
    }

    /// Waits until /readyz says 200.
    pub fn wait_until_ready(&mut self, at_most: Duration) {
        self.until(at_most, "is not ready", |proxy| proxy.get("/readyz").is_some_and(|(status, _)| status == 200));
    }

    fn until(&mut self, at_most: Duration, complaint: &str, mut holds: impl FnMut(&Self) -> bool) {
        let until = Instant::now() + at_most;
        while !holds(self) {
            let ended = self.process.ended();
            assert!(ended.is_none(), "the proxy has ended with {ended:?}:\n{}", self.log());
            assert!(Instant::now() < until, "the proxy {complaint}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The port for clients.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of the admin listener.
    pub fn admin_port(&self) -> u16 {
        self.admin
    }

    /// The directory of the unix socket, if there is one, of the configuration, the audit file and the log.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.directory.path().join("pgcovenant.yaml")
    }

    /// What the proxy has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The audit records of statements so far, one line each.
    pub fn audit(&self) -> String {
        let text = fs::read_to_string(self.audit_file()).unwrap_or_default();
        text.split_inclusive('\n').filter(|line| line.contains("\"type\":\"statement\"")).collect()
    }

    /// The file of the audit, with everything that is in it.
    pub fn audit_file(&self) -> PathBuf {
        self.directory.path().join("audit.jsonl")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its resident memory now (`VmRSS`) or at its peak (`VmHWM`), in MiB.
    pub fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("/proc");
        let line = status.lines().find(|line| line.starts_with(field)).expect("a field of /proc/PID/status");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number of kB") / 1024
    }

    /// Sends a signal, such as `TERM` or `HUP`.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Waits for its end.
    pub fn wait(&mut self, at_most: Duration) -> Option<ExitStatus> {
        self.process.wait(at_most)
    }

    /// GET on the admin listener.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        http::get(self.admin, path)
    }

    /// The sum of the samples of a metric with these labels; zero if there is none.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.metric_if_any(name, labels).unwrap_or(0.0)
    }

    /// The sum of the samples of a metric with these labels, if there is any.
    pub fn metric_if_any(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let (status, body) = self.get("/metrics").expect("/metrics does not answer");
        assert_eq!(status, 200, "{body}");
        http::sum(&body, name, labels)
    }

    /// Waits until a condition on a metric holds: metrics follow a statement within moments, not at once.
    pub async fn metric_reaches(&self, name: &str, labels: &[(&str, &str)], at_least: f64) -> f64 {
        for _ in 0..300 {
            let value = self.metric(name, labels);
            if value >= at_least {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{name}{labels:?} is {}, not {at_least}\n{}", self.metric(name, labels), self.log());
    }

    /// Waits until a metric has this value: what a client sees may come a moment before it is counted.
    pub fn metric_becomes(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        for _ in 0..300 {
            if self.metric(name, labels) == value {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(self.metric(name, labels), value, "{name}{labels:?}\n{}", self.log());
    }

    /// Runs another subcommand of the program: its exit code, standard output and standard error.
    pub fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = Command::new(binary())
            .args(arguments)
            .env("PGCOVENANT_PASSWORD", "pgcovenant")
            .output()
            .expect("the binary cannot be started");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }
}

fn text(cluster: &Cluster, options: &ProxyOptions, directory: &Path) -> String {
    let mut listen = "\"127.0.0.1:0\"".to_owned();
    if options.unix {
        listen.push_str(&format!(", \"unix:{}\"", directory.display()));
    }
    let mut upstream = format!("host: 127.0.0.1, port: {}", options.upstream_port.unwrap_or(cluster.port()));
    upstream.push_str(&format!(", tls: {}", options.upstream_tls.unwrap_or("disable")));
    if let Some(ca) = &options.upstream_ca {
        upstream.push_str(&format!(", ca: {}", ca.display()));
    }
    upstream.push_str(&options.upstream_more);
    let mut lines = vec![
        options.listen.clone().unwrap_or_else(|| format!("listen: [{listen}]")),
        format!("upstream: {{{upstream}}}"),
        format!("admin: {{listen: \"127.0.0.1:0\"{}}}", options.admin_more),
        options
            .audit
            .clone()
            .unwrap_or_else(|| format!("audit: {{path: {}}}", directory.join("audit.jsonl").display())),
    ];
    if let Some(user) = options.service {
        let more = &options.service_more;
        lines.push(format!("service: {{user: {user}, password_env: PGCOVENANT_PASSWORD{more}}}"));
    }
    if let Some(policies) = &options.policies {
        lines.push(format!("policies: {}", policies.display()));
    }
    if options.tls {
        let issued = cluster.authority().issue("localhost");
        fs::write(directory.join("proxy.crt"), issued.cert).expect("proxy.crt");
        fs::write(directory.join("proxy.key"), issued.key).expect("proxy.key");
        fs::write(directory.join("ca.crt"), cluster.authority().pem()).expect("ca.crt");
        lines.push(format!(
            "tls: {{cert: {}, key: {}{}}}",
            directory.join("proxy.crt").display(),
            directory.join("proxy.key").display(),
            options.tls_more
        ));
    }
    lines.push(options.more.clone());
    lines.join("\n") + "\n"
}
