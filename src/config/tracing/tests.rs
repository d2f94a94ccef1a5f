//! `tracing` as it is written, and as the environment completes it.

use super::*;
use crate::config::file::read_lines;

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
    let text = "tracing: {otlp: 'https://collector:4318/', protocol: http/protobuf, sample: 0.25, service_name: shop,
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
    assert_eq!(settled.resource, [pair("service.name", "shop"), version, environment, pair("a", "b"), pair("d", "e")]);
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
    let text = "tracing: {otlp: 'collector:4317', sampel: 1, protocol: grpc, headers: {a: b}, sample: 2, resource: x}";
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
    let page = include_str!("../../../docs/traces.md");
    let shown = page.split("```yaml\n").find(|block| block.starts_with("tracing:")).unwrap();
    let found = tracing(shown.split("```").next().unwrap()).unwrap().unwrap();
    assert!(found.otlp.is_some() && found.sample.is_some() && !found.resource.is_empty());
}
