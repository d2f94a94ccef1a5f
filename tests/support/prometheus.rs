//! A real Prometheus that scrapes proxies of the test, evaluates rules and answers questions.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::process::{Process, Start};
use super::{free_port, http};

const PROGRAM: &str = "/usr/bin/prometheus";
/// How often it scrapes and evaluates.
const INTERVAL: &str = "500ms";

/// What it is to do.
#[derive(Debug, Default)]
pub struct PrometheusOptions {
    /// Ports of admin listeners, scraped as job `pgcovenant`.
    pub targets: Vec<u16>,
    /// Files of rules.
    pub rules: Vec<PathBuf>,
    /// More lines of its configuration, such as `alerting`.
    pub more: String,
}

/// A running Prometheus; it stops, and its data go, when this is dropped.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    port: u16,
    _directory: TempDir,
}

/// A series of an instant query's answer.
#[derive(Debug, Clone)]
pub struct Series {
    labels: serde_json::Map<String, Value>,
    /// Its value; NaN and infinities as Prometheus answers them.
    pub value: f64,
}

impl Series {
    /// The value of a label; empty if the series does not have it, as in PromQL.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether it has every one of these labels.
    pub fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.label(name) == *value)
    }
}

impl Prometheus {
    /// Starts one and waits until it answers; none where it is not installed and not required.
    pub fn start(options: &PrometheusOptions) -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            assert!(std::env::var_os("PGCOVENANT_REQUIRE_PG").is_none(), "{PROGRAM} is not installed");
            eprintln!("skipped: {PROGRAM} is not installed");
            return None;
        }
        let directory = tempfile::Builder::new().prefix("pgcovenant-prometheus-").tempdir().expect("tempdir");
        let config = directory.path().join("prometheus.yml");
        fs::write(&config, configuration(options)).expect("prometheus.yml");
        let port = free_port();
        let command = [
            PROGRAM.into(),
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", directory.path().join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        let process = Process::start(Start {
            command: command.to_vec(),
            environment: Vec::new(),
            log: &directory.path().join("prometheus.log"),
            signal: "KILL",
            litter: Some(directory.path()),
        });
        let mut prometheus = Self { process, port, _directory: directory };
        wait_until_ready(&mut prometheus.process, port);
        Some(prometheus)
    }

    /// Its port, for commands such as `promtool query instant`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The answer to an instant query, or what Prometheus has against the question.
    pub fn try_query(&self, promql: &str) -> Result<Vec<Series>, String> {
        let (_, body) = http::get(self.port, &format!("/api/v1/query?query={}", encoded(promql))).ok_or("no answer")?;
        let answer: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        if answer["status"] != "success" {
            return Err(format!("{promql}: {}", answer["error"]));
        }
        let data = &answer["data"];
        if data["resultType"] == "scalar" {
            return Ok(vec![Series { labels: serde_json::Map::new(), value: number(&data["result"][1]) }]);
        }
        let series = data["result"].as_array().ok_or("an answer without a result")?;
        Ok(series
            .iter()
            .map(|series| Series {
                labels: series["metric"].as_object().cloned().unwrap_or_default(),
                value: number(&series["value"][1]),
            })
            .collect())
    }

    /// The answer to an instant query; the test fails if there is none.
    pub fn query(&self, promql: &str) -> Vec<Series> {
        self.try_query(promql).unwrap_or_else(|error| panic!("{error}\n{}", self.process.log()))
    }

    /// Waits for an answer of at least one series that holds.
    pub async fn until(&self, promql: &str, holds: impl Fn(&Series) -> bool) -> Series {
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let answer = self.query(promql);
            if let Some(series) = answer.iter().find(|series| holds(series)) {
                return series.clone();
            }
            assert!(Instant::now() < until, "{promql} is still {answer:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Its rules as `/api/v1/rules` tells them, of all groups.
    pub fn rules(&self) -> Vec<Value> {
        let (_, body) = http::get(self.port, "/api/v1/rules").expect("/api/v1/rules");
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        let groups = answer["data"]["groups"].as_array().cloned().unwrap_or_default();
        groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect()
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

fn configuration(options: &PrometheusOptions) -> String {
    let targets: Vec<_> = options.targets.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    let rules: Vec<_> = options.rules.iter().map(|file| format!("\"{}\"", file.display())).collect();
    format!(
        "global: {{scrape_interval: {INTERVAL}, scrape_timeout: {INTERVAL}, evaluation_interval: {INTERVAL}}}\n\
         rule_files: [{}]\n\
         scrape_configs:\n  - job_name: pgcovenant\n    static_configs: [{{targets: [{}]}}]\n{}\n",
        rules.join(", "),
        targets.join(", "),
        options.more
    )
}

fn number(value: &Value) -> f64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

/// A query as it stands in a URL.
pub fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Prometheus and Alertmanager say in the same place that they are ready.
pub(super) fn wait_until_ready(process: &mut Process, port: u16) {
    let until = Instant::now() + Duration::from_secs(120);
    while http::get(port, "/-/ready").is_none_or(|(status, _)| status != 200) {
        let ended = process.ended();
        assert!(ended.is_none(), "it has ended with {ended:?}:\n{}", process.log());
        assert!(Instant::now() < until, "it is not ready:\n{}", process.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}
