//! What each session is doing: at /metrics, at /api/v1/sessions and in `top`; and errors by table.

use serde_json::Value;

use crate::support::{Proxy, Shop, shop};

const STATES: [&str; 4] = ["active", "idle", "idle in transaction", "idle in transaction (aborted)"];

/// The answer to a question that is well asked.
fn ask(proxy: &Proxy, parameters: &str) -> Value {
    let (status, body) = proxy.get(&format!("/api/v1/sessions{parameters}")).unwrap();
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Waits until an answer is as it should be: what a client sees may come a moment before it is told.
async fn until(proxy: &Proxy, parameters: &str, holds: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..300 {
        let answer = ask(proxy, parameters);
        if holds(&answer) {
            return answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{:#}\n{}", ask(proxy, parameters), proxy.log());
}

/// How many sessions of an application are in each state; none where the series is not there.
fn states(proxy: &Proxy, application: &str) -> [Option<f64>; 4] {
    STATES.map(|state| {
        proxy.metric_if_any("pgcovenant_client_connections", &[("application", application), ("state", state)])
    })
}

async fn reaches(proxy: &Proxy, application: &str, state: &str) {
    proxy.metric_becomes("pgcovenant_client_connections", &[("application", application), ("state", state)], 1.0);
    let expected = STATES.map(|other| Some(if other == state { 1.0 } else { 0.0 }));
    assert_eq!(states(proxy, application), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_counted_by_what_they_are_doing() {
    let Some(shop) = shop("session_states") else { return };
    let (proxy, _policies) = shop.proxy();
    let app = shop.application(&proxy, "shop_app", "billing").await;
    reaches(&proxy, "billing", "idle").await;
    app.simple("BEGIN").await.unwrap();
    reaches(&proxy, "billing", "idle in transaction").await;
    app.error("SELECT 1 / 0 FROM orders").await;
    reaches(&proxy, "billing", "idle in transaction (aborted)").await;
    assert_eq!(ask(&proxy, "")["sessions"][0]["statement"]["text"], "SELECT ? / ? FROM orders");
    app.simple("ROLLBACK").await.unwrap();
    reaches(&proxy, "billing", "idle").await;

    // The server agrees, also while a statement waits.
    shop.sql("CREATE TABLE held (id int); GRANT SELECT ON held TO shop_app");
    let holder = shop.direct("postgres").await;
    holder.simple("BEGIN; LOCK TABLE held").await.unwrap();
    let waiting = tokio::spawn(async move {
        app.client.query("SELECT count(*) FROM held", &[]).await.unwrap();
        app
    });
    reaches(&proxy, "billing", "active").await;
    let server = shop.sql("SELECT state FROM pg_stat_activity WHERE application_name = 'billing'");
    assert_eq!(server.trim(), "active");
    holder.simple("ROLLBACK").await.unwrap();
    let app = waiting.await.unwrap();
    reaches(&proxy, "billing", "idle").await;
    let servers =
        |state| proxy.metric("pgcovenant_server_connections", &[("datname", &shop.database), ("state", state)]);
    assert_eq!(STATES.map(servers), [0.0, 1.0, 0.0, 0.0]);

    drop(app);
    proxy.metric_becomes("pgcovenant_client_connections", &[("application", "billing")], 0.0);
    assert_eq!(states(&proxy, "billing"), [Some(0.0); 4], "the series stay");
}

#[tokio::test]
async fn whoever_holds_a_transaction_open_is_first_and_no_literal_is_told() {
    let Some(shop) = shop("session_list") else { return };
    let (proxy, _policies) = shop.proxy();
    let idle = shop.application(&proxy, "shop_app", "web").await;
    idle.rows("SELECT status FROM orders WHERE order_id = 4711").await;
    let holder = shop.application(&proxy, "shop_app", "nightly").await;
    holder.simple("BEGIN").await.unwrap();
    holder.client.execute("UPDATE customers SET name = 'Tell-Tale' WHERE id = $1", &[&1_i64]).await.unwrap();
    let later = shop.application(&proxy, "support", "helpdesk").await;
    later.simple("BEGIN").await.unwrap();
    let in_transaction = |answer: &Value| {
        let list = answer["sessions"].as_array().unwrap();
        list.iter().filter(|session| session["state"] == "idle in transaction").count() == 2
    };
    let answer = until(&proxy, "", in_transaction).await;
    let sessions = answer["sessions"].as_array().unwrap();
    let applications: Vec<_> = sessions.iter().map(|session| session["application"].as_str().unwrap()).collect();
    assert_eq!(applications, ["nightly", "helpdesk", "web"]);
    let first = &sessions[0];
    assert_eq!(first["statement"]["text"], "UPDATE customers SET name = ? WHERE id = ?");
    assert_eq!((&first["user"], &first["database"]), (&"shop_app".into(), &shop.database.as_str().into()));
    assert_eq!((&first["client_address"], &first["statement"]["operation"]), (&"127.0.0.1".into(), &"update".into()));
    assert!(first["transaction_seconds"].as_f64() >= first["state_seconds"].as_f64(), "{first}");
    let pid = shop.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'nightly'");
    assert_eq!(first["backend_pid"].to_string(), pid.trim());
    assert_eq!((&sessions[2]["transaction_since"], &sessions[2]["state"]), (&Value::Null, &"idle".into()));
    assert!(!answer.to_string().contains("Tell-Tale") && !answer.to_string().contains("4711"), "{answer}");
    // The shape is the one that is listed at /api/v1/shapes.
    let fingerprint = first["statement"]["fingerprint"].as_str().unwrap();
    assert_eq!(proxy.get(&format!("/api/v1/shapes/{fingerprint}")).unwrap().0, 200);

    let url = format!("http://127.0.0.1:{}", proxy.admin_port());
    let (code, text, problem) = Proxy::run(&["top", "--url", &url, "--once", "--sessions"]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(code, Some(0), "{problem}");
    assert!(lines[1].starts_with("sessions 3: 0 active, 1 idle, 2 idle in transaction, 0 idle"), "{text}");
    assert!(lines[4].starts_with(" TRANS  STATE"), "{text}");
    assert!(
        lines[5].contains("nightly") && lines[5].ends_with("(UPDATE customers SET name = ? WHERE id = ?)"),
        "{text}"
    );
    let (code, json, _) = Proxy::run(&["top", "--url", &url, "--sessions", "--format", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["sessions"][0]["application"]), (Some(0), &"nightly".into()));

    let matched = |parameters: &str| ask(&proxy, parameters)["matched"].as_u64().unwrap();
    assert_eq!((matched("?user=shop_app"), matched("?state=idle%20in%20transaction")), (2, 2));
    assert_eq!((matched("?application=web"), matched("?database=elsewhere")), (1, 0));
    assert_eq!(ask(&proxy, "?limit=1")["sessions"].as_array().unwrap().len(), 1);
    let (status, body) = proxy.get("/api/v1/sessions?state=waiting").unwrap();
    assert!(status == 400 && body.contains("idle in transaction (aborted)"), "{body}");

    // A transaction that follows another in one request is as old as it is.
    let before = first["transaction_since"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    holder.simple("COMMIT; BEGIN").await.unwrap();
    let is_second = |answer: &Value| answer["sessions"][1]["application"] == "nightly";
    let answer = until(&proxy, "", is_second).await;
    let since = answer["sessions"][1]["transaction_since"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(since > before, "{answer:#}");
    holder.simple("ROLLBACK").await.unwrap();
    until(&proxy, "", |answer| answer["sessions"][0]["application"] == "helpdesk").await;
    drop(later);
    until(&proxy, "", |answer| answer["open"] == 2).await;
}

fn errors(proxy: &Proxy, shop: &Shop, relation: &str, class: &str, origin: &str) -> f64 {
    let labels = [
        ("datname", shop.database.as_str()),
        ("schemaname", "public"),
        ("relname", relation),
        ("sqlstate_class", class),
        ("origin", origin),
    ];
    proxy.metric("pgcovenant_table_errors_total", &labels)
}

#[tokio::test]
async fn errors_are_told_of_the_tables_that_the_statement_names() {
    let Some(shop) = shop("table_errors") else { return };
    let (proxy, _policies) = shop.proxy();
    let app = shop.via(&proxy, "shop_app").await;
    app.error("INSERT INTO orders (order_id) SELECT order_id FROM orders LIMIT 1").await;
    app.error("SELECT 1 / (order_id - order_id) FROM orders LIMIT 1").await;
    app.client.query("SELECT $1::int / (id - id) FROM customers", &[&1_i32]).await.unwrap_err();
    let support = shop.via(&proxy, "support").await;
    support.error("SELECT ssn FROM customers").await;
    let all = [("datname", shop.database.as_str())];
    proxy.metric_reaches("pgcovenant_table_errors_total", &all, 4.0).await;
    let of = |relation, class, origin| errors(&proxy, &shop, relation, class, origin);
    assert_eq!((of("orders", "23", "server"), of("orders", "22", "server")), (1.0, 1.0));
    assert_eq!((of("customers", "22", "server"), of("customers", "42", "proxy")), (1.0, 1.0));
    assert_eq!(proxy.metric("pgcovenant_table_errors_total", &all), 4.0, "and nothing else");
}
