//! A real Alertmanager with the sample that is shipped.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::process::{Process, Start};
use super::prometheus::wait_until_ready;
use super::{free_port, http, project};

/// Debian's name first, then that of everybody else.
const PROGRAMS: &[&str] = &["/usr/bin/prometheus-alertmanager", "/usr/local/bin/alertmanager", "/usr/bin/alertmanager"];

/// A running Alertmanager; it stops when this is dropped.
#[derive(Debug)]
pub struct Alertmanager {
    process: Process,
    port: u16,
    _directory: TempDir,
}

impl Alertmanager {
    /// Starts one and waits until it answers; none where it is not installed and not required.
    pub fn start() -> Option<Self> {
        let Some(program) = PROGRAMS.iter().find(|program| Path::new(program).exists()) else {
            assert!(std::env::var_os("PGCOVENANT_REQUIRE_PG").is_none(), "Alertmanager is not installed");
            eprintln!("skipped: Alertmanager is not installed");
            return None;
        };
        let directory = tempfile::Builder::new().prefix("pgcovenant-alertmanager-").tempdir().expect("tempdir");
        let port = free_port();
        let command = [
            (*program).to_owned(),
            format!("--config.file={}", project("deploy/alertmanager/alertmanager.yml").display()),
            format!("--storage.path={}", directory.path().join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--cluster.listen-address=".into(),
        ];
        let process = Process::start(Start {
            command: command.to_vec(),
            environment: Vec::new(),
            log: &directory.path().join("alertmanager.log"),
            signal: "KILL",
            litter: Some(directory.path()),
        });
        let mut alertmanager = Self { process, port, _directory: directory };
        wait_until_ready(&mut alertmanager.process, port);
        Some(alertmanager)
    }

    /// The lines of Prometheus's configuration that make it send its alerts here.
    pub fn for_prometheus(&self) -> String {
        format!("alerting: {{alertmanagers: [{{static_configs: [{{targets: [\"127.0.0.1:{}\"]}}]}}]}}", self.port)
    }

    /// The alerts that it knows: of each its labels, its annotations and whether it is inhibited.
    pub fn alerts(&self) -> Vec<Value> {
        let (_, body) = http::get(self.port, "/api/v2/alerts").expect("/api/v2/alerts");
        serde_json::from_str(&body).expect("JSON")
    }
}
