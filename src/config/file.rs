//! `pgcovenant.yaml`, read with strict keys and every problem at once.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::bypass::Bypass;
use super::plans::Plans;
use super::{ClientIdentity, Config, Limits, Listen, ServerTls, Service, TlsMode, Upstream, auth};
use crate::model::source::{
    Diagnostic, Fields, Node, Problems, SourceFile, Value, boolean, integer, measured, non_empty, one_of, parse,
    string_or_list, time_span,
};

/// Where clients connect if nothing else is said.
const DEFAULT_LISTEN: &str = "127.0.0.1:6432";
const DEFAULT_PORT: i64 = 5432;

/// The configuration in a file, with every problem. There is a configuration if none of them is an error.
///
/// Relative paths become relative to the folder of the file.
pub fn read(file: &SourceFile) -> (Option<Config>, Vec<Diagnostic>) {
    let mut problems = Problems::new(file);
    let config = parse(file, &mut problems)
        .and_then(|document| Reader { base: Path::new(file.folder()), problems: &mut problems }.config(&document));
    let config = if problems.failed() { None } else { config };
    (config, problems.into_found())
}

/// Reads nodes; what is wrong with them is collected.
pub(super) struct Reader<'r, 'p> {
    base: &'r Path,
    pub(super) problems: &'r mut Problems<'p>,
}

impl Reader<'_, '_> {
    fn config(&mut self, document: &Node) -> Option<Config> {
        let mut fields = Fields::of(document, "the configuration", self.problems)?;
        let listen = fields.optional("listen").map(|node| self.listeners(node));
        let reuse_port = fields.optional("reuse_port").and_then(|node| boolean(node, self.problems)).unwrap_or(false);
        let proxy_protocol = fields.optional("proxy_protocol").and_then(|node| self.proxy_protocol(node));
        let upstream = fields.required("upstream", self.problems).and_then(|node| self.upstream(node));
        let tcp = fields.optional("tcp").and_then(|node| self.tcp(node)).unwrap_or_default();
        let replication = fields.optional("replication").map(|node| self.replication(node)).unwrap_or_default();
        let service = fields.optional("service").and_then(|node| self.service(node));
        let policies = fields.optional("policies").and_then(|node| self.path(node));
        let admin = fields.optional("admin").and_then(|node| self.admin(node));
        let tls = fields.optional("tls").and_then(|node| self.tls(node));
        let auth = fields.optional("auth").and_then(|node| auth::read(node, self.base, self.problems));
        let audit = fields.optional("audit").and_then(|node| self.audit(node));
        let limits = fields.optional("limits").and_then(|node| self.limits(node)).unwrap_or_default();
        let tracing = fields.optional("tracing").and_then(|node| self.tracing(node));
        let log = fields.optional("log").and_then(|node| self.log(node)).unwrap_or_default();
        let state = fields.optional("state").and_then(|node| self.state(node));
        let drift = fields.optional("drift").and_then(|node| self.drift(node)).unwrap_or_default();
        let checks = fields.optional("data_checks").and_then(|node| self.data_checks(node, service.is_some()));
        let plans = fields.optional("plans").map_or_else(|| Some(Plans::default()), |node| self.plans(node));
        let bypass = fields.optional("bypass").map_or_else(|| Some(Bypass::default()), |node| self.bypass(node));
        let labels = fields.optional("labels").and_then(|node| self.labels(node)).unwrap_or_default();
        if reuse_port && listen.iter().flatten().any(|listen| matches!(listen, Listen::Abstract(_))) {
            let at = document.entry("reuse_port").map_or(0..1, |entry| entry.key_span.clone());
            let help = "Use a socket in a directory, or a TCP port.";
            self.problems.error_with(&at, "an abstract socket cannot be shared", help);
        }
        if policies.is_some() && service.is_none() {
            let at = document.entry("policies").map_or(0..1, |entry| entry.key_span.clone());
            let help = "Give `service: {user: …}`, a role that may read the catalog.";
            self.problems.error_with(&at, "policies need a service account to read the catalog with", help);
        }
        if let Some(entry) = document.entry("auth") {
            let (service, tls, upstream) = (service.as_ref(), tls.as_ref(), upstream.as_ref());
            auth.iter().for_each(|auth| auth.check(entry, service, tls, upstream, self.problems));
        }
        fields.finish(self.problems);
        let default_listen = || DEFAULT_LISTEN.parse().map(Listen::Tcp).into_iter().collect();
        Some(Config {
            listen: listen.unwrap_or_else(default_listen),
            reuse_port,
            proxy_protocol,
            upstream: upstream?,
            tcp,
            replication,
            service,
            policies,
            admin: admin.map(|(address, _)| address),
            admin_changes: admin.is_some_and(|(_, may_change)| may_change),
            tls,
            auth: auth.unwrap_or_default(),
            audit,
            state,
            drift,
            data_checks: checks.unwrap_or_default(),
            tracing,
            log,
            plans,
            bypass,
            labels,
            limits,
        })
    }

    fn listeners(&mut self, node: &Node) -> Vec<Listen> {
        let mut listeners = Vec::new();
        for (text, span) in string_or_list(node, self.problems) {
            if let Some(name) = text.strip_prefix("unix:@") {
                listeners.push(Listen::Abstract(name.to_owned()));
            } else if let Some(folder) = text.strip_prefix("unix:") {
                listeners.push(Listen::Unix(self.base.join(folder)));
            } else if let Some(address) = address(&text) {
                listeners.push(Listen::Tcp(address));
            } else {
                let help = "Write it as 127.0.0.1:6432, [::1]:6432 or unix:/run/pgcovenant.";
                self.problems.error_with(&span, format!("`{text}` is no address to listen on"), help);
            }
        }
        listeners
    }

    fn upstream(&mut self, node: &Node) -> Option<Upstream> {
        let mut fields = Fields::of(node, "upstream", self.problems)?;
        let host = fields.required("host", self.problems).and_then(|node| non_empty(node, self.problems));
        let port = fields.optional("port").map_or(Some(DEFAULT_PORT), |node| integer(node, 1..=65535, self.problems));
        let tls = fields.optional("tls").map_or(Some(TlsMode::Prefer), |node| self.tls_mode(node));
        let ca = fields.optional("ca").and_then(|node| self.path(node));
        let identity = self.identity(&mut fields);
        let connect_timeout = fields.optional("connect_timeout").and_then(|node| self.duration(node));
        fields.finish(self.problems);
        Some(Upstream {
            host: host?,
            port: u16::try_from(port?).ok()?,
            tls: tls?,
            ca,
            identity,
            connect_timeout: connect_timeout.unwrap_or(Duration::from_secs(10)),
        })
    }

    fn tls_mode(&mut self, node: &Node) -> Option<TlsMode> {
        let modes = [
            ("disable", TlsMode::Disable),
            ("prefer", TlsMode::Prefer),
            ("require", TlsMode::Require),
            ("verify-ca", TlsMode::VerifyCa),
            ("verify-full", TlsMode::VerifyFull),
        ];
        one_of(node, &modes, "is no way to use TLS", self.problems)
    }

    fn service(&mut self, node: &Node) -> Option<Service> {
        let mut fields = Fields::of(node, "service", self.problems)?;
        let user = fields.required("user", self.problems).and_then(|node| non_empty(node, self.problems));
        if let Some(entry) = fields.entry("password") {
            let help = "Put it into an environment variable, and name that in `password_env`.";
            self.problems.error_with(&entry.key_span, "a password does not belong into this file", help);
        }
        let password_env = fields.optional("password_env").and_then(|node| non_empty(node, self.problems));
        let identity = self.identity(&mut fields);
        let refresh = fields.optional("refresh").and_then(|node| self.duration(node));
        let divergence = fields.optional("divergence").and_then(|node| self.duration(node));
        let statistics = fields.optional("statistics").and_then(|node| self.duration(node));
        fields.finish(self.problems);
        let refresh = refresh.unwrap_or(Duration::from_secs(30));
        let statistics = statistics.unwrap_or(Duration::from_secs(10));
        Some(Service { user: user?, password_env, identity, refresh, divergence, statistics })
    }

    /// `cert` and `key`, which belong together.
    fn identity(&mut self, fields: &mut Fields<'_>) -> Option<ClientIdentity> {
        let (cert, key) = (fields.optional("cert"), fields.optional("key"));
        if cert.is_some() != key.is_some() {
            let help = "Give both, or none.";
            self.problems.error_with(fields.span(), "`cert` and `key` belong together", help);
        }
        let (cert, key) = (cert.and_then(|node| self.path(node)), key.and_then(|node| self.path(node)));
        Some(ClientIdentity { cert: cert?, key: key? })
    }

    /// The address, and whether the log level may be changed there.
    fn admin(&mut self, node: &Node) -> Option<(SocketAddr, bool)> {
        let mut fields = Fields::of(node, "admin", self.problems)?;
        let listen = fields.required("listen", self.problems);
        let may_change = fields.optional("allow_changes").and_then(|node| boolean(node, self.problems));
        fields.finish(self.problems);
        let node = listen?;
        let text = non_empty(node, self.problems)?;
        let found = address(&text);
        if found.is_none() {
            let help = "Write it as 127.0.0.1:9930.";
            self.problems.error_with(&node.span, format!("`{text}` is no address to listen on"), help);
        }
        Some((found?, may_change.unwrap_or(false)))
    }

    fn tls(&mut self, node: &Node) -> Option<ServerTls> {
        let mut fields = Fields::of(node, "tls", self.problems)?;
        let cert = fields.required("cert", self.problems).and_then(|node| self.path(node));
        let key = fields.required("key", self.problems).and_then(|node| self.path(node));
        let client_ca = fields.optional("client_ca").and_then(|node| self.path(node));
        fields.finish(self.problems);
        Some(ServerTls { cert: cert?, key: key?, client_ca })
    }

    fn limits(&mut self, node: &Node) -> Option<Limits> {
        let mut fields = Fields::of(node, "limits", self.problems)?;
        let mut limits = Limits::default();
        if let Some(bytes) = fields.optional("statement_bytes").and_then(|node| self.size(node)) {
            limits.statement_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        limits.connections =
            fields.optional("connections").and_then(|node| self.count(node)).unwrap_or(limits.connections);
        limits.connections_per_user = fields.optional("connections_per_user").and_then(|node| self.count(node));
        limits.connections_per_database = fields.optional("connections_per_database").and_then(|node| self.count(node));
        if let Some(count) = fields.optional("unauthenticated").and_then(|node| self.count(node)) {
            limits.unauthenticated = count;
        }
        if let Some(time) = fields.optional("login_timeout").and_then(|node| self.duration(node)) {
            limits.login_timeout = time;
        }
        if let Some(time) = fields.optional("drain_delay").and_then(|node| self.pause(node)) {
            limits.drain_delay = time;
        }
        if let Some(time) = fields.optional("drain_timeout").and_then(|node| self.duration(node)) {
            limits.drain_timeout = time;
        }
        if let Some(bytes) = fields.optional("verdict_cache_bytes").and_then(|node| self.size(node)) {
            limits.verdict_cache_bytes = bytes;
        }
        fields.finish(self.problems);
        Some(limits)
    }

    pub(super) fn path(&mut self, node: &Node) -> Option<PathBuf> {
        non_empty(node, self.problems).map(|text| self.base.join(text))
    }

    fn count(&mut self, node: &Node) -> Option<usize> {
        integer(node, 1..=1_000_000, self.problems).and_then(|count| usize::try_from(count).ok())
    }

    /// A time span.
    pub(super) fn duration(&mut self, node: &Node) -> Option<Duration> {
        self.time(node, Duration::from_millis(1))
    }

    /// A time span that may be `0s`.
    pub(super) fn pause(&mut self, node: &Node) -> Option<Duration> {
        self.time(node, Duration::ZERO)
    }

    fn time(&mut self, node: &Node, at_least: Duration) -> Option<Duration> {
        let found = node.as_str().and_then(time_span).filter(|time| *time >= at_least);
        if found.is_none() {
            self.problems.error_with(&node.span, "this is no time span", "Write it as 500ms, 30s, 5min, 1h or 7d.");
        }
        found
    }

    pub(super) fn size(&mut self, node: &Node) -> Option<u64> {
        if let Value::Integer(bytes) = node.value
            && let Ok(bytes) = u64::try_from(bytes)
        {
            return Some(bytes);
        }
        let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("kB", 1000), ("MB", 1_000_000), ("B", 1)];
        let found = node.as_str().and_then(|text| measured(text.trim(), &units)).filter(|bytes| *bytes > 0);
        if found.is_none() {
            self.problems.error_with(&node.span, "this is no size", "Write it as 1048576, 512KiB, 64MiB or 1GiB.");
        }
        found
    }
}

/// An address with a port; `localhost` and `*` stand for what everybody takes them to be.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.rsplit_once(':')?;
    match host {
        "localhost" => format!("127.0.0.1:{port}").parse().ok(),
        "*" | "" => format!("0.0.0.0:{port}").parse().ok(),
        _ => text.parse().ok(),
    }
}

/// What is made of a configuration with these lines, for the tests of its sections.
#[cfg(test)]
pub(super) fn read_lines(lines: &str) -> (Option<Config>, Vec<String>) {
    let (config, found) = read(&SourceFile::new("p.yaml", &format!("upstream: {{host: db}}\n{lines}\n")));
    (config, found.iter().map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        read(&SourceFile::new("etc/pgcovenant.yaml", text)).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn everything_is_read() {
        let text = "listen: ['127.0.0.1:6432', unix:/run/pgc, 'unix:@pgc']\nreuse_port: false\n\
                    upstream: {host: db, port: 5433, tls: verify-full, ca: ca.pem, connect_timeout: 500ms}\n\
                    service: {user: pgcovenant, password_env: PW, refresh: 1min, divergence: 5s, statistics: 2s}\n\
                    policies: ./policies\nadmin: {listen: 'localhost:9930'}\n\
                    tls: {cert: /c, key: k}\naudit: {path: a.jsonl}\n\
                    limits: {statement_bytes: 2MiB, connections: 5, drain_timeout: 1h, verdict_cache_bytes: 1024,\
                    unauthenticated: 7, connections_per_user: 3, connections_per_database: 4, drain_delay: 5s}\n";
        let (config, found) = read(&SourceFile::new("etc/pgcovenant.yaml", text));
        assert!(found.is_empty(), "{found:?}");
        let config = config.unwrap();
        assert_eq!(config.listen[1], Listen::Unix("/run/pgc".into()));
        assert_eq!(config.listen[2], Listen::Abstract("pgc".into()));
        assert!(!config.reuse_port);
        assert_eq!(config.upstream.tls, TlsMode::VerifyFull);
        assert_eq!(config.upstream.connect_timeout, Duration::from_millis(500));
        assert_eq!(config.upstream.ca, Some("etc/ca.pem".into()));
        assert_eq!(config.policies, Some("etc/./policies".into()));
        assert_eq!(config.admin, "127.0.0.1:9930".parse().ok());
        assert_eq!(config.tls.unwrap().cert, PathBuf::from("/c"));
        let service = config.service.unwrap();
        assert_eq!((service.refresh, service.divergence), (Duration::from_secs(60), Some(Duration::from_secs(5))));
        assert_eq!(service.statistics, Duration::from_secs(2));
        assert_eq!(config.limits.statement_bytes, 2 << 20);
        assert_eq!(config.limits.verdict_cache_bytes, 1024);
        assert_eq!(config.limits.drain_timeout, Duration::from_secs(3600));
        assert_eq!(config.limits.drain_delay, Duration::from_secs(5));
        let limits = (config.limits.connections_per_user, config.limits.connections_per_database);
        assert_eq!((limits, config.limits.unauthenticated), ((Some(3), Some(4)), 7));
    }

    #[test]
    fn what_the_readme_shows_can_be_used() {
        let readme = include_str!("../../README.md");
        let shown = readme.split("```yaml\n").find(|block| block.starts_with("listen: ")).unwrap();
        let (config, found) = read(&SourceFile::new("p.yaml", shown.split("```").next().unwrap()));
        assert!(found.is_empty(), "{found:?}");
        let config = config.unwrap();
        assert_eq!(config.limits, Limits::default(), "the README shows the defaults");
        assert_eq!(config.tcp, super::super::network::Tcp::default());
        assert!(!config.reuse_port && !config.replication.is_empty() && config.proxy_protocol.is_some());
    }

    #[test]
    fn defaults_are_sensible() {
        let (config, found) = read(&SourceFile::new("pgcovenant.yaml", "upstream: {host: db}\n"));
        assert!(found.is_empty());
        let config = config.unwrap();
        assert_eq!(config.listen, [Listen::Tcp("127.0.0.1:6432".parse().unwrap())]);
        assert_eq!((config.upstream.port, config.upstream.tls), (5432, TlsMode::Prefer));
        assert_eq!(config.limits, Limits::default());
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let text = "listn: x\nupstream: {hots: db, tls: verify_full}\nservice: {user: u, password: secret}\n\
                    admin: {listen: nowhere}\nlimits: {drain_timeout: 30, connections: 0, login_timeout: 0s}\n";
        assert_eq!(
            problems(text),
            [
                "etc/pgcovenant.yaml:1:1: error: the configuration has no key `listn` (did you mean `listen`?)",
                "etc/pgcovenant.yaml:2:12: error: upstream needs the key `host`",
                "etc/pgcovenant.yaml:2:12: error: upstream has no key `hots` (did you mean `host`?)",
                "etc/pgcovenant.yaml:2:27: error: `verify_full` is no way to use TLS (did you mean `verify-full`?)",
                "etc/pgcovenant.yaml:3:20: error: a password does not belong into this file (Put it into an environment variable, and name that in `password_env`.)",
                "etc/pgcovenant.yaml:4:17: error: `nowhere` is no address to listen on (Write it as 127.0.0.1:9930.)",
                "etc/pgcovenant.yaml:5:25: error: this is no time span (Write it as 500ms, 30s, 5min, 1h or 7d.)",
                "etc/pgcovenant.yaml:5:42: error: 0 is not between 1 and 1000000",
                "etc/pgcovenant.yaml:5:60: error: this is no time span (Write it as 500ms, 30s, 5min, 1h or 7d.)",
            ]
        );
        assert_eq!(
            problems("upstream: {host: db}\nlisten: unix:@x\nreuse_port: true\n"),
            [
                "etc/pgcovenant.yaml:3:1: error: an abstract socket cannot be shared (Use a socket in a directory, or a TCP port.)"
            ]
        );
        assert_eq!(
            problems("upstream: {host: db}\npolicies: p\n"),
            [
                "etc/pgcovenant.yaml:2:1: error: policies need a service account to read the catalog with (Give `service: {user: …}`, a role that may read the catalog.)"
            ]
        );
    }
}
