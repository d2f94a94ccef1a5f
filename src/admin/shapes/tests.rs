//! Tests of the answers.

use std::sync::Arc;

use axum::body::to_bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::Answer;
use super::query::Query;
use super::*;
use crate::engine::report::{Operation, RelationUse};
use crate::model::catalog::Oid;
use crate::observe::audit::PolicyVersion;
use crate::observe::shapes::snapshot::{Overview, Snapshot};
use crate::observe::shapes::versions::{ContractVersion, InForce};
use crate::observe::shapes::{LastError, Plan, Used};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_793_000_000 + second).unwrap()
}

fn in_force() -> Arc<InForce> {
    let contract = ContractVersion {
        contract: "shop-orders".to_owned(),
        version: "2.1.0".to_owned(),
        databases: vec!["shop".to_owned()],
    };
    let policy = PolicyVersion { name: "privacy".to_owned(), version: "4".to_owned() };
    Arc::new(InForce::nothing(at(0)).followed_by(vec![contract], &[policy], at(10)))
}

fn snapshot(fingerprint: u64, name: &str) -> Snapshot {
    let relation =
        RelationUse { relation: Oid(1), schema: "public".into(), name: name.into(), operation: Operation::Select };
    Snapshot {
        database: "shop".into(),
        fingerprint,
        text: format!("SELECT status FROM {name} WHERE order_id = ?").into(),
        operation: "select",
        relations: vec![relation],
        calls: 4,
        total: 0.5,
        extremes: Some((0.1, 0.25)),
        buckets: vec![0, 4],
        percentiles: Some([0.1, 0.2, 0.25]),
        rows: 4,
        errors: 1,
        refusals: 2,
        last_error: Some(LastError { sqlstate: *b"42501", refused: true }),
        masked: 3,
        first_seen: at(20),
        first_seen_under: Some(in_force()),
        is_new: true,
        last_seen: at(30),
        applications: vec![("web".into(), Used { calls: 4, refusals: 2 })],
        plan: Some(Arc::new(Plan { at: at(25), access_path: "index".into(), text: "Index Scan".into() })),
        plan_samples: (2, 1),
    }
}

fn overview() -> Overview {
    let unused = Snapshot {
        calls: 0,
        total: 0.0,
        extremes: None,
        percentiles: None,
        buckets: vec![0, 0],
        plan: None,
        last_error: None,
        first_seen_under: None,
        is_new: false,
        first_seen: at(5),
        ..snapshot(2, "customers")
    };
    Overview {
        at: at(60),
        started: at(0),
        in_force: in_force(),
        sessions: vec![("shop".into(), 3), ("bank".into(), 4)],
        evicted: 7,
        shapeless: 1,
        bounds: vec![0.5],
        shapes: vec![unused, snapshot(0xabc, "orders")],
    }
}

async fn ask(path: &str) -> (u16, Value) {
    let router = router(Arc::new(overview));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let url = format!("http://{address}{path}");
    let asked = tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.get(&url).call().unwrap();
        assert_eq!(answer.headers().get("content-type").unwrap(), "application/json");
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    });
    let (status, body) = asked.await.unwrap();
    server.abort();
    (status, serde_json::from_str(&body).unwrap())
}

/// Programs rely on this form: a field may be added here, but none may change.
#[tokio::test]
async fn the_answer_has_the_documented_form() {
    let (status, answer) = ask("/api/v1/shapes?new=true").await;
    assert_eq!(status, 200);
    let under = json!({"contracts": [{"name": "shop-orders", "version": "2.1.0"}], "policies": [{"name": "privacy", "version": "4"}]});
    let shape = json!({
        "fingerprint": "0000000000000abc", "database": "shop", "operation": "select",
        "relations": [{"schema": "public", "name": "orders", "operation": "select"}],
        "text": "SELECT status FROM orders WHERE order_id = ?",
        "calls": 4, "total_seconds": 0.5, "mean_seconds": 0.125, "min_seconds": 0.1, "max_seconds": 0.25,
        "p50_seconds": 0.1, "p95_seconds": 0.2, "p99_seconds": 0.25, "rows": 4, "errors": 1, "refusals": 2,
        "last_error": {"sqlstate": "42501", "class": "42", "origin": "proxy"}, "masked": true, "masked_calls": 3,
        "first_seen": at(20), "last_seen": at(30), "new": true, "first_seen_under": under,
        "applications": [{"application": "web", "calls": 4, "refusals": 2}],
        "plan": {"at": at(25), "access_path": "index", "text": "Index Scan"},
        "plan_samples": 2, "plan_samples_seq": 1, "buckets": [0, 4],
    });
    let expected = json!({
        "at": at(60), "started": at(0), "version": env!("CARGO_PKG_VERSION"), "order": "time",
        "remembered": 2, "matched": 1, "evicted": 7, "statements_without_shape": 1, "sessions": 7,
        "totals": {"calls": 4, "total_seconds": 0.5, "rows": 4, "errors": 1, "refusals": 2, "buckets": [0, 4]},
        "bucket_bounds_seconds": [0.5],
        "contracts": [{"database": "shop", "changed": at(10), "contracts": [{"name": "shop-orders", "version": "2.1.0"}]}],
        "shapes": [shape],
    });
    assert_eq!(answer, expected, "{answer:#}");
}

#[tokio::test]
async fn one_shape_is_found_by_its_fingerprint() {
    let (status, answer) = ask("/api/v1/shapes/0000000000000002").await;
    assert_eq!(
        (status, &answer["shapes"][0]["text"]),
        (200, &json!("SELECT status FROM customers WHERE order_id = ?"))
    );
    assert_eq!(answer["shapes"][0]["p95_seconds"], Value::Null, "it has never run");
    let (status, answer) = ask("/api/v1/shapes/00000000000000ff").await;
    assert_eq!(status, 404);
    assert!(answer["error"].as_str().unwrap().contains("00000000000000ff"), "{answer}");
    for wrong in ["orders", "+1", "00000000000000000"] {
        let (status, answer) = ask(&format!("/api/v1/shapes/{wrong}")).await;
        assert_eq!(status, 400, "{wrong}");
        assert!(answer["expected"].as_str().unwrap().contains("hexadecimal"), "{answer}");
    }
}

#[tokio::test]
async fn what_is_not_understood_is_told_in_json() {
    let (status, answer) = ask("/api/v1/shapes?order=size").await;
    assert_eq!((status, &answer["parameter"]), (400, &json!("order")));
    assert_eq!(answer["error"], "\"size\" is no value of \"order\"");
    assert!(answer["expected"].as_str().unwrap().starts_with("one of time, calls"), "{answer}");
    let (status, answer) = ask("/api/v1/shapes?sort=time").await;
    assert_eq!((status, &answer["error"]), (400, &json!("there is no parameter \"sort\"")));
}

#[test]
fn filters_and_orders_work_together() {
    let of = |parameters: &[(&str, &str)]| {
        let owned: Vec<_> = parameters.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let answer = Answer::of(overview(), &Query::of(&owned).unwrap(), None);
        let names: Vec<_> = answer.shapes.iter().map(|shape| shape.relations[0].name.clone()).collect();
        (names.join(" "), answer.matched)
    };
    assert_eq!(of(&[]), ("orders customers".into(), 2));
    assert_eq!(of(&[("limit", "1")]), ("orders".into(), 2), "what was found is told beyond the limit");
    assert_eq!(of(&[("table", "customers")]), ("customers".into(), 1));
    assert_eq!(of(&[("table", "public.orders")]), ("orders".into(), 1));
    assert_eq!(of(&[("table", "audit.orders")]), (String::new(), 0));
    assert_eq!(of(&[("database", "bank")]), (String::new(), 0));
    assert_eq!(of(&[("application", "web")]), ("orders customers".into(), 2));
    assert_eq!(of(&[("application", "batch")]), (String::new(), 0));
    assert_eq!(of(&[("operation", "insert")]), (String::new(), 0));
    assert_eq!(of(&[("since", "2026-01-01")]).1, 2);
    assert_eq!(of(&[("since", &at(10).to_string())]), ("orders".into(), 1));
}

#[tokio::test]
async fn an_address_that_cannot_be_decoded_is_told_as_well() {
    let given: Given = axum::extract::Query::try_from_uri(&"/?a=%FF%".parse().unwrap());
    let answer = list(State(Arc::new(overview)), given).await;
    let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    assert!(serde_json::from_slice::<Value>(&body).unwrap()["error"].is_string());
}
