//! What `usage` answers, in every format, and when it dares to say that nobody uses something.

use std::time::Duration;

use super::{STATE, app, expect_counts, json, repeat, usage};
use crate::support::{Proxy, shop, until};

#[tokio::test]
async fn a_verdict_is_never_more_than_the_evidence() {
    let Some(shop) = shop("usage_verdicts") else { return };
    let policies = shop.policies();
    let proxy = shop.proxy_with(&policies, STATE);
    let exit = |arguments: &[&str]| usage(&proxy, &[arguments, &["--fail-if-used"]].concat()).0;
    // Nobody used it, but a process of a moment ago cannot speak for 92 days.
    assert_eq!(exit(&["orders.shipping_eta"]), Some(2));
    assert_eq!(json(&proxy, &["orders.shipping_eta"])["verdict"], "unknown");
    until("a second is recorded", || json(&proxy, &["orders.shipping_eta", "--since", "1s"])["verdict"] == "unused");
    assert_eq!(exit(&["orders.shipping_eta", "--since", "1s"]), Some(0));
    // A word in the wrong place is no unused column.
    let (code, _, problem) = usage(&proxy, &["orders.shiping_eta", "--fail-if-used", "--since", "1s"]);
    assert_eq!(code, Some(2));
    assert!(problem.contains("nothing is known of `orders.shiping_eta`"), "{problem}");

    let web = app(&shop, &proxy, "web", "shop_app").await;
    let mut tries = 0;
    while json(&proxy, &["orders.shipping_eta", "--since", "5s"])["verdict"] != "star-only" {
        repeat(&web, 1, "SELECT * FROM orders LIMIT 1").await;
        tries += 1;
        assert!(tries < 300);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(exit(&["orders.shipping_eta", "--since", "2h"]), Some(2), "only by star as far as is known");
    repeat(&web, 1, "SELECT shipping_eta FROM orders LIMIT 1").await;
    until("its use by name is recorded", || exit(&["orders.shipping_eta"]) == Some(1));
    assert_eq!(usage(&proxy, &["orders.shipping_eta"]).0, Some(0), "without the option an answer is an answer");
}

#[tokio::test]
async fn every_question_has_its_answer_in_every_format() {
    let Some(shop) = shop("usage_formats") else { return };
    let policies = shop.policies();
    let proxy = shop.proxy_with(&policies, STATE);
    let (web, job) = (app(&shop, &proxy, "web", "shop_app").await, app(&shop, &proxy, "job | night", "shop_app").await);
    repeat(&web, 2, "SELECT estimated_delivery FROM orders WHERE order_id = {n}").await;
    repeat(&job, 1, "SELECT * FROM orders LIMIT 1").await;
    repeat(&job, 1, "SELECT name FROM customers LIMIT 1").await;
    expect_counts(&proxy, "orders.estimated_delivery", &[("web explicit", 2), ("job | night star", 1)]);

    let said = |arguments: &[&str]| {
        let (code, said, problem) = usage(&proxy, arguments);
        assert_eq!(code, Some(0), "{problem}");
        said
    };
    let text = said(&["public.orders.estimated_delivery"]);
    for words in [
        "deprecated, sunset 2027-06-30, use shipping_eta instead",
        "web",
        "order_id = ?",
        "verdict       in-use",
        "recorded",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let markdown = said(&["public.orders.estimated_delivery", "--format", "markdown"]);
    assert!(
        markdown.contains("| job \\| night | shop\\_app |") && markdown.contains("- verdict: in-use"),
        "{markdown}"
    );

    let answer = json(&proxy, &["--application", "job | night"]);
    assert_eq!(answer["uses"].as_array().unwrap().len(), 1, "{answer:#}");
    assert_eq!(answer["uses"][0]["object"]["column"], "estimated_delivery");
    assert_eq!(answer["uses"][0]["lifecycle"]["replaced_by"], "shipping_eta");
    assert!(said(&["--application", "web"]).contains("use shipping_eta instead"));
    assert!(said(&["--application", "web", "--format", "markdown"]).contains("| public.orders.estimated\\_delivery |"));
    assert_eq!(usage(&proxy, &["--application", "nobody"]).0, Some(2));

    let matrix = json(&proxy, &["--readiness"]);
    let cells = &matrix["columns"].as_array().unwrap()[0]["applications"];
    assert_eq!((&cells["web"], &cells["job | night"]), (&"in-use".into(), &"unknown".into()), "{matrix:#}");
    assert!(said(&["--readiness"]).contains("all together: public.orders.estimated_delivery in-use"));
    assert!(said(&["--readiness", "--format", "markdown"]).contains("| web | in-use |"));
    assert_eq!(usage(&proxy, &["--readiness", "--fail-if-used"]).0, Some(1));

    until("a second is recorded", || {
        let answer = json(&proxy, &["--unused-for", "1s"]);
        let unused = answer["unused"].as_array().unwrap();
        unused.iter().any(|found| found["object"]["column"] == "ssn" && found["verdict"] == "unused")
    });
    let answer = json(&proxy, &["--unused-for", "92d"]);
    let named =
        |column: &str| answer["unused"].as_array().unwrap().iter().any(|found| found["object"]["column"] == *column);
    assert!(named("ssn") && named("salary") && !named("estimated_delivery"), "{answer:#}");
    assert!(said(&["--unused-for", "92d"]).contains("public.customers.ssn"));
    assert!(said(&["--unused-for", "92d", "--format", "markdown"]).contains("| public.customers.ssn |"));

    for wrong in
        [&["--readiness", "orders.status"][..], &[], &["--unused-for", "1s", "--fail-if-used"], &["--since", "x"]]
    {
        assert_eq!(usage(&proxy, wrong).0, Some(2), "{wrong:?}");
    }
    let (code, _, problem) = Proxy::run(&["usage", "a.b", "--state", "/nowhere/state.sqlite"]);
    assert_eq!(code, Some(2));
    assert!(problem.contains("no proxy has recorded usage there yet"), "{problem}");
}
