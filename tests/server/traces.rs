//! Statements as OpenTelemetry spans, as a collector gets them.

use std::collections::BTreeSet;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::support::collector::Collector;
use crate::support::shop::Policies;
use crate::support::{Proxy, ProxyOptions, Shop, shop, until};

const TRACE: &str = "5bd66ef5095369c7b0d1f8f4bd33716a";
const PARENT: &str = "c532cb4098ac3dd2";

/// Nothing that a statement of these tests says may be told.
const SECRET: &str = "Tell-Tale Heart";

fn proxy(shop: &Shop, tracing: &str, environment: &[(&str, &str)]) -> (Proxy, Policies) {
    let policies = shop.policies();
    let environment = [&[("NO_PROXY", "127.0.0.1")], environment].concat();
    let options = ProxyOptions {
        policies: Some(policies.path().to_owned()),
        service: Some("pgcovenant"),
        more: format!("tracing: {tracing}\n"),
        environment: environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ..ProxyOptions::default()
    };
    (Proxy::start(shop.cluster, options), policies)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A statement with the comment that sqlcommenter adds.
fn within(statement: &str, flags: &str) -> String {
    format!("{statement} /*application='shop%20web',traceparent='00-{TRACE}-{PARENT}-{flags}'*/")
}

#[tokio::test]
async fn a_statement_is_a_child_of_the_span_that_it_names() {
    let Some(shop) = shop("traces_parent") else { return };
    let collector = Collector::start(&[]);
    let tracing =
        format!("{{otlp: '{}', sample: parent, resource: {{deployment.environment.name: prod}}}}", collector.url());
    let (proxy, _policies) =
        proxy(&shop, &tracing, &[("OTEL_EXPORTER_OTLP_HEADERS", "api-key=k%201"), ("OTEL_SERVICE_NAME", "web-db")]);
    let app = shop.application(&proxy, "shop_app", "web").await;
    let lookup =
        format!("SELECT c.name FROM customers c JOIN orders ON customer_id = c.id WHERE c.name <> '{SECRET}' LIMIT 3");
    app.rows(&within(&lookup, "01")).await;
    // One that the application does not record, and one that belongs to nothing.
    app.rows(&within("SELECT count(*) FROM payments", "00")).await;
    app.rows("SELECT count(*) FROM employees").await;
    let found = collector.named("SELECT customers orders", 1);
    let [span] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((hex(&span.span.trace_id).as_str(), hex(&span.span.parent_span_id).as_str()), (TRACE, PARENT));
    let text = "SELECT c.name FROM customers c JOIN orders ON customer_id = c.id WHERE c.name <> ? LIMIT ?";
    let port = shop.cluster.port().to_string();
    for (key, expected) in [
        ("db.system.name", "postgresql"),
        ("db.namespace", format!("{}|public", shop.database).as_str()),
        ("db.operation.name", "SELECT"),
        ("db.query.text", text),
        ("db.response.returned_rows", "3"),
        ("server.address", "127.0.0.1"),
        ("server.port", &port),
        ("client.address", "127.0.0.1"),
        ("pgcovenant.application", "web"),
        ("pgcovenant.user", "shop_app"),
        ("pgcovenant.entities", "public.customers,public.orders"),
        ("pgcovenant.decision", "allow"),
    ] {
        assert_eq!(span.get(key), expected, "{key}");
    }
    assert!(span.span.start_time_unix_nano < span.span.end_time_unix_nano);
    assert_eq!(span.resource["service.name"], "web-db");
    assert_eq!(span.resource["deployment.environment.name"], "prod");
    let received = collector.received();
    assert_eq!(received[0].path, "/v1/traces");
    assert_eq!(received[0].headers["content-type"], "application/x-protobuf");
    assert_eq!(received[0].headers["api-key"], "k 1");
    assert_eq!(collector.spans().len(), 1, "the application decides what is recorded");
    proxy.metric_becomes("pgcovenant_spans_total", &[("result", "exported")], 1.0);
}

#[tokio::test]
async fn prepared_statements_refusals_and_errors_are_spans_without_literals() {
    let Some(shop) = shop("traces_kinds") else { return };
    let collector = Collector::start(&[]);
    let (proxy, _policies) = proxy(&shop, &format!("{{otlp: '{}', sample: always}}", collector.url()), &[]);
    let app = shop.via(&proxy, "shop_app").await;
    let prepared = app.client.prepare(&within("SELECT status FROM orders WHERE status <> $1", "01")).await.unwrap();
    for _ in 0..3 {
        app.client.query(&prepared, &[&SECRET]).await.unwrap();
    }
    app.error(&format!("SELECT '{SECRET}'::text::integer FROM payments")).await;
    app.error(&format!("SELECT '{SECRET}' FROM FROM")).await;
    let support = shop.via(&proxy, "support").await;
    support.rows(&format!("SELECT email FROM customers WHERE name <> '{SECRET}'")).await;
    support.error(&within(&format!("SELECT ssn FROM customers WHERE name = '{SECRET}'"), "01")).await;
    for text in ["SELEC '{}'", "SET standard_conforming_strings = '{}'", "SELECT '\"{}\"'::regclass"] {
        support.error(&text.replace("{}", SECRET)).await;
    }

    let runs = collector.named("SELECT orders", 3);
    let of_trace = |found: &crate::support::collector::Found| hex(&found.span.trace_id) == TRACE;
    assert_eq!(runs.iter().filter(|run| of_trace(run)).count(), 1, "the comment came once");
    assert!(runs.iter().all(|run| run.get("db.query.text").contains("status <> ?")));

    let failed = &collector.named("SELECT payments", 1)[0];
    assert_eq!((failed.get("db.response.status_code"), failed.get("error.type")), ("22P02", "22P02"));
    assert_eq!(failed.get("pgcovenant.origin"), "server");
    assert_eq!(failed.span.status.as_ref().unwrap().code(), StatusCode::Error);

    let of_customers = collector.named("SELECT customers", 2);
    let masked = of_customers.iter().find(|found| found.get("pgcovenant.decision") == "mask").unwrap();
    assert_eq!(masked.get("pgcovenant.masked_columns"), "public.customers.email");
    assert!(!masked.get("pgcovenant.rules").is_empty());
    let refused = of_customers.iter().find(|found| found.get("pgcovenant.decision") == "deny").unwrap();
    assert!(of_trace(refused) && hex(&refused.span.parent_span_id) == PARENT);
    assert_eq!((refused.get("error.type"), refused.get("pgcovenant.origin")), ("42501", "proxy"));
    assert_eq!(refused.get("pgcovenant.denied_columns"), "public.customers.ssn");
    assert!(refused.get("pgcovenant.rules").contains("nobody-reads-ssn"));
    assert_eq!(refused.span.status.as_ref().unwrap().code(), StatusCode::Error);

    let spans = collector.spans();
    let ids: BTreeSet<_> = spans.iter().map(|found| found.span.span_id.clone()).collect();
    assert_eq!(ids.len(), spans.len());
    for request in collector.received() {
        let told = request.bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
        assert!(!told, "a literal has left the process");
    }
}

#[tokio::test]
async fn a_collector_that_is_busy_gets_the_batch_again_and_the_last_spans_come_with_the_end() {
    let Some(shop) = shop("traces_busy") else { return };
    let collector = Collector::start(&["503 Busy\r\nRetry-After: 0", "429 Slow down"]);
    let (mut proxy, _policies) = proxy(&shop, &format!("{{otlp: '{}/', sample: 1}}", collector.url()), &[]);
    let app = shop.via(&proxy, "shop_app").await;
    app.rows("SELECT count(*) FROM orders").await;
    collector.named("SELECT orders", 1);
    assert_eq!(collector.turned_away(), 2);
    app.rows("SELECT count(*) FROM payments").await;
    drop(app);
    proxy.signal("TERM");
    assert!(proxy.wait(Duration::from_secs(30)).is_some_and(|status| status.success()), "{}", proxy.log());
    collector.named("SELECT payments", 1);
    let log = proxy.log();
    assert!(log.contains("spans cannot be exported") && log.contains("spans are exported again"), "{log}");
}

#[tokio::test]
async fn statements_do_not_wait_for_a_collector_that_is_gone() {
    let Some(shop) = shop("traces_dead") else { return };
    // Takes the connection and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let (mut proxy, _policies) = proxy(&shop, &format!("{{otlp: '{url}', sample: always, timeout: 1s}}"), &[]);
    let app = shop.via(&proxy, "shop_app").await;
    for _ in 0..4000 {
        app.client.simple_query("SELECT 1").await.unwrap();
    }
    proxy.metric_reaches("pgcovenant_spans_total", &[("result", "dropped")], 1.0).await;
    assert_eq!(proxy.metric("pgcovenant_spans_total", &[("result", "exported")]), 0.0);
    proxy.metric_reaches("pgcovenant_statements_total", &[("operation", "select")], 4000.0).await;
    drop(app);
    proxy.signal("TERM");
    assert!(proxy.wait(Duration::from_secs(30)).is_some_and(|status| status.success()), "{}", proxy.log());
}

#[tokio::test]
async fn without_the_section_the_environment_starts_nothing() {
    let Some(shop) = shop("traces_off") else { return };
    let collector = Collector::start(&[]);
    let options = ProxyOptions {
        service: Some("pgcovenant"),
        environment: vec![("OTEL_EXPORTER_OTLP_ENDPOINT".into(), collector.url())],
        ..ProxyOptions::default()
    };
    let mut proxy = Proxy::start(shop.cluster, options);
    let app = shop.via(&proxy, "shop_app").await;
    app.rows(&within("SELECT count(*) FROM orders", "01")).await;
    drop(app);
    assert_eq!(proxy.metric_if_any("pgcovenant_spans_total", &[]), None);
    proxy.signal("TERM");
    until("the proxy does not end", || proxy.wait(Duration::from_millis(1)).is_some());
    assert!(collector.received().is_empty());
}
