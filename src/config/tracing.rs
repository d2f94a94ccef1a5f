//! The part of the configuration that is about spans, and what OpenTelemetry's environment variables add to it.

mod section;

use std::path::PathBuf;
use std::time::Duration;

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

#[cfg(test)]
mod tests;
