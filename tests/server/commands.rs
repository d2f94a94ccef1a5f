//! The commands beside `serve`, as people and build servers call them.

use crate::support::{Proxy, project, shop};

fn run(arguments: &[&str]) -> (i32, String) {
    let (code, stdout, stderr) = Proxy::run(arguments);
    (code.expect("ended by a signal"), stdout + &stderr)
}

#[test]
fn check_finds_no_problem_in_good_policies() {
    let (code, said) = run(&["check", &project("policies/shop").display().to_string()]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn check_shows_every_problem_where_it_is() {
    let Some(shop) = shop("check") else { return };
    let policies = shop.policies();
    policies.replace("policy.yaml", "unmodelled: deny", "unmodeled: deny");
    policies.replace("policy.yaml", "action: {mask: card}", "action: {mask: cart}");
    let (code, said) = run(&["check", &policies.path().display().to_string()]);
    assert_eq!(code, 1, "{said}");
    let text = std::fs::read_to_string(policies.policy_file()).unwrap();
    for word in ["unmodeled", "cart"] {
        let line = 1 + text.lines().position(|line| line.contains(word)).unwrap();
        assert!(said.contains(word) && said.contains(&format!("policy.yaml:{line}:")), "{word}, line {line}: {said}");
    }
}

#[test]
fn a_directory_that_is_not_there_is_not_a_good_one() {
    let (code, said) = run(&["check", "/nowhere/at/all"]);
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("/nowhere/at/all"), "{said}");
}

#[test]
fn policies_carry_their_tests() {
    let Some(shop) = shop("test_command") else { return };
    let policies = shop.policies();
    let text = std::fs::read_to_string(policies.policy_file()).unwrap();
    let with = |sql: &str, expect: &str| {
        policies.write(
            "policy.yaml",
            &format!("{text}tests:\n  - {{as: {{role: support}}, sql: \"{sql}\", expect: {expect}}}\n"),
        );
        run(&["test", &policies.path().display().to_string()])
    };
    let (code, said) = with("select ssn from customers", "{refused: \"42501\"}");
    assert_eq!(code, 0, "{said}");
    let (code, said) = with("select lower(email) from customers", "{masked: [lower]}");
    assert_eq!(code, 0, "{said}");
    let (code, said) = with("select name from customers", "{masked: [name]}");
    assert_eq!(code, 1, "{said}");
    let line = 2 + text.lines().count();
    assert!(said.contains(&format!("policy.yaml:{line}:")), "line {line}: {said}");
}

#[test]
fn explain_says_what_is_decided_and_why() {
    let Some(shop) = shop("explain") else { return };
    let (proxy, _policies) = shop.proxy();
    let config = proxy.config().display().to_string();
    let who = format!("user=support,database={}", shop.database);
    let sql = "SELECT id, email FROM customers WHERE id = 1";
    let (code, said) = run(&["explain", "--config", &config, "--as", &who, sql]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("mail-is-masked") && said.contains("pg_catalog"), "{said}");
    let (code, stdout, stderr) = Proxy::run(&["explain", "--config", &config, "--as", &who, "--format", "json", sql]);
    assert_eq!(code, Some(0), "{stderr}");
    let answer: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert!(answer.is_object(), "{stdout}");
    let (_, said) = run(&["explain", "--config", &config, "--as", &who, "SELECT ssn FROM customers"]);
    assert!(said.contains("42501") && said.contains("nobody-reads-ssn"), "{said}");
}
