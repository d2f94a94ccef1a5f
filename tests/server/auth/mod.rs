//! Authentication at every security setting: the same outcome, in the same words, as without the proxy.

mod matrix;
mod sources;
mod bytes;
mod certificates;
mod drivers;
mod tap;

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::{self, Auth, Cluster, ClusterOptions, Proxy, ProxyOptions};

/// The ways in which the server asks, each with roles and a line in pg_hba.conf of their own.
pub const METHODS: &[&str] = &["trust", "password", "md5", "scram", "md5_on_scram", "expired"];

/// A server that asks each role in its own way, and the files that tests need.
pub struct Site {
    pub cluster: Cluster,
    pub directory: TempDir,
}

/// Starts the server. Every method has the role of its name, whose password is `secret-<method>`, and the user `no_<method>`,
/// who does not exist.
pub fn site() -> Option<Site> {
    let word = |method: &str| {
        match method {
            "scram" | "md5_on_scram" | "expired" => "scram-sha-256",
            "md5" => "md5",
            "password" => "password",
            _ => "trust",
        }
        .to_owned()
    };
    let line = |method: &&str| format!("host all {method},no_{method} 127.0.0.1/32 {}", word(method));
    let mut hba: Vec<String> = METHODS.iter().map(line).collect();
    hba.push("host all pgcovenant 127.0.0.1/32 scram-sha-256".to_owned());
    hba.push("hostssl all by_certificate,no_certificate 127.0.0.1/32 cert map=proxy".to_owned());
    let options = ClusterOptions {
        tls: true,
        auth: Auth::ScramSha256,
        settings: vec!["ssl_ca_file = 'ca.crt'".to_owned()],
        hba,
        ..ClusterOptions::default()
    };
    let cluster = support::cluster(options)?;
    for method in METHODS {
        let encryption = if method.starts_with("md5") { "md5" } else { "scram-sha-256" };
        let until = if *method == "expired" { "VALID UNTIL '2020-01-01'" } else { "" };
        cluster.sql(
            "postgres",
            &format!("SET password_encryption = '{encryption}'; CREATE ROLE {method} LOGIN PASSWORD 'secret-{method}' {until}"),
        );
    }
    cluster.sql("postgres", "CREATE ROLE pgcovenant LOGIN PASSWORD 'pgcovenant'");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.crt"), cluster.authority().pem()).unwrap();
    Some(Site { cluster, directory })
}

/// Where the proxy gets verifiers from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Nowhere,
    File,
    Query,
}

impl Site {
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes the verifiers that the server has now, as its catalog shows them.
    pub fn write_verifiers(&self) -> PathBuf {
        let users = self.cluster.sql(
            "postgres",
            "SELECT format('\"%s\" \"%s\"', rolname, rolpassword) FROM pg_authid WHERE rolpassword LIKE 'SCRAM%'",
        );
        std::fs::write(self.path("users.txt"), users + "\n").unwrap();
        self.path("users.txt")
    }

    /// Lets the service account ask for verifiers.
    pub fn install_query(&self) {
        let file = support::project("deploy/sql/verifiers.sql");
        self.cluster.psql("postgres", &["-f", file.to_str().unwrap()]);
        self.cluster.sql(
            "postgres",
            "GRANT USAGE ON SCHEMA pgcovenant TO pgcovenant; GRANT EXECUTE ON FUNCTION pgcovenant.verifier(text) TO pgcovenant",
        );
    }

    /// The options of a proxy with TLS towards clients, and towards the server as said.
    pub fn options(&self, source: Source, server_tls: &'static str) -> ProxyOptions {
        let auth = match source {
            Source::Nowhere => String::new(),
            Source::File => format!("auth: {{verifiers: {}}}", self.write_verifiers().display()),
            Source::Query => {
                self.install_query();
                "auth: {query: \"SELECT pgcovenant.verifier($1)\"}".to_owned()
            }
        };
        ProxyOptions {
            service: Some("pgcovenant"),
            tls: true,
            upstream_tls: Some(server_tls),
            upstream_ca: Some(self.path("ca.crt")),
            more: auth,
            ..ProxyOptions::default()
        }
    }

    pub fn proxy(&self, source: Source, server_tls: &'static str) -> Proxy {
        Proxy::start(&self.cluster, self.options(source, server_tls))
    }

    /// What psql says: the answer, or its complaint without what differs from port to port.
    pub fn psql(&self, port: u16, user: &str, password: &str, more: &str) -> Result<String, String> {
        let settings = format!(
            "host=localhost hostaddr=127.0.0.1 port={port} user={user} dbname=postgres gssencmode=disable connect_timeout=20 {more}"
        );
        let output = Command::new(self.cluster.program("psql"))
            .args(["-XAtqw", "-d", &settings, "-c", "SELECT current_user"])
            .env("PGPASSWORD", password)
            .env("PGSSLROOTCERT", self.path("ca.crt"))
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().replace(&port.to_string(), "PORT");
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }
}

/// Settings for libpq with a client certificate, whose key must be nobody else's.
pub fn with_certificate(folder: &Path, name: &str, issued: &support::certs::Issued) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let (cert, key) = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
    std::fs::write(&cert, &issued.cert).unwrap();
    std::fs::write(&key, &issued.key).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    format!("sslcert={} sslkey={}", cert.display(), key.display())
}
