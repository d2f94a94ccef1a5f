//! docs/diff.md lists the rules as they are.

use pgcovenant::model::diff::{RULES, Rule};

fn row(rule: &Rule) -> String {
    let milder = rule.milder.map(|(level, case)| format!("; {level} if {case}")).unwrap_or_default();
    let usage = if rule.by_usage { " (by usage)" } else { "" };
    format!("| `{}` | {}{milder}{usage} | {} |", rule.id, rule.level, rule.rationale)
}

#[test]
fn the_document_lists_every_rule_as_it_is() {
    let text = include_str!("../../docs/diff.md");
    let section = text.split_once("## The rules").unwrap().1;
    let listed: Vec<&str> =
        section.split("\n- ").next().unwrap().lines().filter(|line| line.starts_with("| `")).collect();
    let rows: Vec<String> = RULES.iter().map(|rule| row(rule)).collect();
    assert_eq!(listed, rows, "\n{}", rows.join("\n"));
}
