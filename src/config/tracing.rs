//! The part of the configuration that is about spans, and what OpenTelemetry's environment variables add to it.

use std::path::PathBuf;
use std::time::Duration;

use super::file::Reader;
use crate::model::source::{Fields, Node, Value, non_empty};

/// The share of statements that become spans if nothing else is said.
const DEFAULT_SHARE: f64 = 0.01;

/// `tracing` of the configuration. What it leaves open, the environment may say; see [`Tracing::settled`].
#[derive(Debug, Clone, PartialEq)]
pub struct Tracing {
    /// Base URL of the collector.
    pub otlp: Option<String>,
    /// Which statements become spans.
    pub sample: Option<Sample>,
    /// `service.name`.
    pub service_name: Option<String>,
    /// Name of the environment variable with headers of the requests.
    pub headers_env: Option<String>,
    /// Authorities that may vouch for the collector; the system's otherwise.
    pub ca: Option<PathBuf>,
    /// How long one request may take.
    pub timeout: Duration,
    /// Further attributes of the resource.
    pub resource: Vec<(String, String)>,
}

impl Default for Tracing {
    fn default() -> Self {
        Self {
            otlp: None,
            sample: None,
            service_name: None,
            headers_env: None,
            ca: None,
            timeout: Duration::from_secs(5),
            resource: Vec::new(),
        }
    }
}

/// Which statements become spans.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Where the application says to which span a statement belongs, it has decided already.
    pub parent_based: bool,
    /// Share of the others.
    pub roots: f64,
}

impl Sample {
    const fn parent(roots: f64) -> Self {
        Self { parent_based: true, roots }
    }

    /// `OTEL_TRACES_SAMPLER` and its argument.
    fn named(sampler: &str, argument: Option<&str>) -> Option<Self> {
        let share = || match argument {
            None => Some(1.0),
            Some(text) => text.trim().parse().ok().filter(|share| (0.0..=1.0).contains(share)),
        };
        Some(match sampler.trim() {
            "always_on" => Self { parent_based: false, roots: 1.0 },
            "always_off" => Self { parent_based: false, roots: 0.0 },
            "traceidratio" => Self { parent_based: false, roots: share()? },
            "parentbased_always_on" => Self::parent(1.0),
            "parentbased_always_off" => Self::parent(0.0),
            "parentbased_traceidratio" => Self::parent(share()?),
            _ => return None,
        })
    }
}

/// Everything that is needed to send spans.
#[derive(Clone, PartialEq)]
pub struct Settled {
    /// The URL that spans are posted to.
    pub endpoint: String,
    /// Headers of these requests.
    pub headers: Vec<(String, String)>,
    /// Which statements become spans.
    pub sample: Sample,
    /// Attributes of the resource, `service.name` first.
    pub resource: Vec<(String, String)>,
}

impl Tracing {
    /// The section and what the environment adds to it; none where that says `OTEL_SDK_DISABLED`.
    ///
    /// # Errors
    /// A variable that counts has a value that means nothing: what it is called and what is wrong.
    pub fn settled(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Settled>, String> {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.trim().eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let base = |url: &str| match url.trim_end_matches('/') {
            whole if whole.ends_with("/v1/traces") => whole.to_owned(),
            base => format!("{base}/v1/traces"),
        };
        let endpoint = match (&self.otlp, variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")) {
            (Some(url), _) => base(url),
            (None, Some(url)) => url.trim().to_owned(),
            (None, None) => {
                base(variable("OTEL_EXPORTER_OTLP_ENDPOINT").as_deref().unwrap_or("http://localhost:4318").trim())
            }
        };
        if !is_http(&endpoint) {
            return Err(format!("the collector of spans is no URL of http or https: {endpoint}"));
        }
        let headers = match &self.headers_env {
            Some(name) => {
                Some(variable(name).ok_or_else(|| format!("the variable {name} of `tracing.headers_env` is not set"))?)
            }
            None => variable("OTEL_EXPORTER_OTLP_TRACES_HEADERS").or_else(|| variable("OTEL_EXPORTER_OTLP_HEADERS")),
        };
        let wrong_headers = "the headers for the collector are not written as `name=value,name=value`";
        let headers = pairs(headers.as_deref().unwrap_or_default()).ok_or(wrong_headers)?;
        let sample = match (self.sample, variable("OTEL_TRACES_SAMPLER")) {
            (Some(sample), _) => sample,
            (None, None) => Sample::parent(DEFAULT_SHARE),
            (None, Some(sampler)) => {
                let argument = variable("OTEL_TRACES_SAMPLER_ARG");
                let wrong = || format!("OTEL_TRACES_SAMPLER or its argument is not known: {sampler} {argument:?}");
                Sample::named(&sampler, argument.as_deref()).ok_or_else(wrong)?
            }
        };
        let resource = self.resource(&variable)?;
        Ok(Some(Settled { endpoint, headers, sample, resource }))
    }

    fn resource(&self, variable: &impl Fn(&str) -> Option<String>) -> Result<Vec<(String, String)>, String> {
        let given = variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        let given = pairs(&given).ok_or("OTEL_RESOURCE_ATTRIBUTES is not written as `name=value,name=value`")?;
        let of = |name: &str| given.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let name = self.service_name.clone().or_else(|| variable("OTEL_SERVICE_NAME")).or_else(|| of("service.name"));
        let mut resource = vec![
            ("service.name".to_owned(), name.unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned())),
            ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ];
        // What is said first counts.
        for (key, value) in self.resource.iter().cloned().chain(given) {
            if resource.iter().all(|(known, _)| *known != key) {
                resource.push((key, value));
            }
        }
        Ok(resource)
    }
}

/// `name=value,…` with the values URL-encoded, as in W3C Baggage.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let parts = text.split(',').filter(|part| !part.trim().is_empty());
    let pair = |part: &str| {
        let (name, value) = part.split_once('=')?;
        let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((name.trim().to_owned(), value.into_owned())).filter(|(name, _)| !name.is_empty())
    };
    parts.map(pair).collect()
}

fn is_http(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':']))
}

impl Reader<'_, '_> {
    pub(super) fn tracing(&mut self, node: &Node) -> Option<Tracing> {
        let mut fields = Fields::of(node, "tracing", self.problems)?;
        let mut tracing = Tracing {
            otlp: fields.optional("otlp").and_then(|node| self.collector(node)),
            sample: fields.optional("sample").and_then(|node| self.sample(node)),
            service_name: fields.optional("service_name").and_then(|node| non_empty(node, self.problems)),
            headers_env: fields.optional("headers_env").and_then(|node| non_empty(node, self.problems)),
            ca: fields.optional("ca").and_then(|node| self.path(node)),
            ..Tracing::default()
        };
        if let Some(node) = fields.optional("protocol")
            && let Some(protocol) = non_empty(node, self.problems)
            && protocol != "http/protobuf"
        {
            let message = format!("`{protocol}` is no protocol that spans are sent by");
            self.problems.error_with(&node.span, message, "possible: http/protobuf, usually on port 4318");
        }
        if let Some(entry) = fields.entry("headers") {
            let help = "Put them into an environment variable, and name that in `headers_env`.";
            self.problems.error_with(
                &entry.key_span,
                "headers, which may hold a key, do not belong into this file",
                help,
            );
        }
        if let Some(time) = fields.optional("timeout").and_then(|node| self.duration(node)) {
            tracing.timeout = time;
        }
        if let Some(node) = fields.optional("resource") {
            tracing.resource = self.resource(node);
        }
        fields.finish(self.problems);
        Some(tracing)
    }

    fn collector(&mut self, node: &Node) -> Option<String> {
        let url = non_empty(node, self.problems)?;
        if !is_http(&url) {
            let help = "Write it as http://collector:4318.";
            self.problems.error_with(&node.span, "this is no URL of a collector", help);
            return None;
        }
        if url.contains('@') {
            let help = "Put it into a header, `authorization=…`, and name its environment variable in `headers_env`.";
            self.problems.error_with(&node.span, "a password does not belong into this file", help);
            return None;
        }
        Some(url)
    }

    fn sample(&mut self, node: &Node) -> Option<Sample> {
        let found = match &node.value {
            Value::Integer(0) => Some(Sample::parent(0.0)),
            Value::Integer(1) => Some(Sample::parent(1.0)),
            Value::Float(share, _) if (0.0..=1.0).contains(share) => Some(Sample::parent(*share)),
            Value::String(word) if word == "always" => Some(Sample { parent_based: false, roots: 1.0 }),
            Value::String(word) if word == "parent" => Some(Sample::parent(0.0)),
            _ => None,
        };
        if found.is_none() {
            let help = "Write a share of the statements such as 0.01, or `parent`, or `always`.";
            self.problems.error_with(&node.span, "this says nothing about which statements become spans", help);
        }
        found
    }

    fn resource(&mut self, node: &Node) -> Vec<(String, String)> {
        let Value::Map(entries) = &node.value else {
            let help = "Write it as `resource: {deployment.environment.name: prod}`.";
            self.problems.error_with(&node.span, "resource is a list of names and values", help);
            return Vec::new();
        };
        let pairs =
            entries.iter().filter_map(|entry| Some((entry.key.clone(), non_empty(&entry.node, self.problems)?)));
        pairs.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::read_lines;
    use super::*;

    fn tracing(text: &str) -> Result<Option<Tracing>, Vec<String>> {
        let (config, found) = read_lines(text);
        config.map(|config| config.tracing).ok_or(found)
    }

    fn settled(section: &str, environment: &[(&str, &str)]) -> Result<Option<Settled>, String> {
        let section = tracing(section).unwrap().unwrap();
        section.settled(|name| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn every_key_is_read() {
        let text =
            "tracing: {otlp: 'https://collector:4318/', protocol: http/protobuf, sample: 0.25, service_name: shop,
                    headers_env: KEYS, timeout: 2s, ca: ca.pem, resource: {deployment.environment.name: prod, a: b}}";
        let found = tracing(text).unwrap().unwrap();
        assert_eq!(found.sample, Some(Sample { parent_based: true, roots: 0.25 }));
        assert_eq!((found.timeout, found.ca), (Duration::from_secs(2), Some("ca.pem".into())));
        let environment = [
            ("KEYS", "authorization=Basic%20YTpi,x=1"),
            ("OTEL_SERVICE_NAME", "other"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=c,d=e"),
        ];
        let settled = settled(text, &environment).unwrap().unwrap();
        assert_eq!(settled.endpoint, "https://collector:4318/v1/traces");
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(settled.headers, [pair("authorization", "Basic YTpi"), pair("x", "1")]);
        let version = pair("service.version", env!("CARGO_PKG_VERSION"));
        let environment = pair("deployment.environment.name", "prod");
        assert_eq!(
            settled.resource,
            [pair("service.name", "shop"), version, environment, pair("a", "b"), pair("d", "e")]
        );
        assert_eq!(tracing("").unwrap(), None, "off unless it is there");
    }

    #[test]
    fn the_environment_fills_in_what_the_section_leaves_open() {
        let bare = settled("tracing: {}", &[]).unwrap().unwrap();
        assert_eq!(bare.endpoint, "http://localhost:4318/v1/traces");
        assert_eq!(bare.sample, Sample { parent_based: true, roots: 0.01 });
        assert_eq!(bare.resource.first(), Some(&("service.name".to_owned(), "pgcovenant".to_owned())));
        let environment = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
            ("OTEL_SERVICE_NAME", "shop"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=k"),
        ];
        let filled = settled("tracing: {}", &environment).unwrap().unwrap();
        assert_eq!(filled.endpoint, "http://c:4318/v1/traces");
        assert_eq!(filled.sample, Sample { parent_based: false, roots: 0.5 });
        assert_eq!((filled.resource[0].1.as_str(), filled.headers.len()), ("shop", 1));
        let exact = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/as/it/is")];
        assert_eq!(settled("tracing: {}", &exact).unwrap().unwrap().endpoint, "http://c/as/it/is");
        assert_eq!(settled("tracing: {}", &[("OTEL_SDK_DISABLED", "TRUE")]).map(|found| found.is_none()), Ok(true));
        for (sampler, expected) in [
            ("always_on", (false, 1.0)),
            ("always_off", (false, 0.0)),
            ("parentbased_always_on", (true, 1.0)),
            ("parentbased_always_off", (true, 0.0)),
            ("parentbased_traceidratio", (true, 1.0)),
        ] {
            let found = settled("tracing: {}", &[("OTEL_TRACES_SAMPLER", sampler)]).unwrap().unwrap().sample;
            assert_eq!((found.parent_based, found.roots), expected, "{sampler}");
        }
    }

    #[test]
    fn variables_that_mean_nothing_are_told() {
        for (name, value) in [
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a"),
        ] {
            let told = settled("tracing: {}", &[(name, value)]).err().unwrap();
            assert!(!told.contains("secret"), "{told}");
        }
        assert!(settled("tracing: {headers_env: GONE}", &[]).err().unwrap().contains("GONE"));
    }

    #[test]
    fn mistakes_are_told_where_they_are() {
        let text =
            "tracing: {otlp: 'collector:4317', sampel: 1, protocol: grpc, headers: {a: b}, sample: 2, resource: x}";
        assert_eq!(
            tracing(text).unwrap_err(),
            [
                "p.yaml:2:17: error: this is no URL of a collector (Write it as http://collector:4318.)",
                "p.yaml:2:35: error: tracing has no key `sampel` (did you mean `sample`?)",
                "p.yaml:2:56: error: `grpc` is no protocol that spans are sent by (possible: http/protobuf, usually on port 4318)",
                "p.yaml:2:62: error: headers, which may hold a key, do not belong into this file (Put them into an environment variable, and name that in `headers_env`.)",
                "p.yaml:2:87: error: this says nothing about which statements become spans (Write a share of the statements such as 0.01, or `parent`, or `always`.)",
                "p.yaml:2:100: error: resource is a list of names and values (Write it as `resource: {deployment.environment.name: prod}`.)",
            ]
        );
        let password = tracing("tracing: {otlp: 'http://user:secret@collector'}").unwrap_err();
        assert!(password[0].contains("a password does not belong into this file"), "{password:?}");
        assert_eq!(
            tracing("tracing: {sample: always}").unwrap().unwrap().sample,
            Some(Sample { parent_based: false, roots: 1.0 })
        );
        assert_eq!(tracing("tracing: {sample: parent}").unwrap().unwrap().sample, Some(Sample::parent(0.0)));
        assert_eq!(tracing("tracing: {sample: 1}").unwrap().unwrap().sample, Some(Sample::parent(1.0)));
    }

    #[test]
    fn what_the_documentation_shows_can_be_used() {
        let page = include_str!("../../docs/traces.md");
        let shown = page.split("```yaml\n").find(|block| block.starts_with("tracing:")).unwrap();
        let found = tracing(shown.split("```").next().unwrap()).unwrap().unwrap();
        assert!(found.otlp.is_some() && found.sample.is_some() && !found.resource.is_empty());
    }
}
