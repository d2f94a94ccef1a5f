//! Policies as people write them, right and wrong.

use super::*;
use crate::model::source::SourceFile;
use crate::policy::rule::{Expectation, InUse, LockTimeout};

const HEAD: &str = "apiVersion: pgcovenant/v1\nkind: Policy\nmetadata: {name: p, version: 1}\n";

fn read_text(text: &str) -> (Option<Policy>, Vec<String>) {
    let file = SourceFile::new("policy.yaml", text);
    let mut problems = Problems::new(&file);
    let policy = read(&mut problems);
    (policy, problems.into_found().iter().map(ToString::to_string).collect())
}

fn told(body: &str) -> Vec<String> {
    let (policy, found) = read_text(&format!("{HEAD}{body}"));
    assert_eq!(policy.is_none(), !found.is_empty());
    found
}

fn rule(rest: &str) -> Vec<String> {
    told(&format!("rules:\n  - {{name: r, columns: {{tags: [pii]}}, {rest}}}\n"))
}

#[test]
fn a_policy_is_read_in_full() {
    let text = format!(
        "{HEAD}masks: {{card: {{partial: {{suffix: 4}}}}}}\n\
         rules:\n\
         - {{name: a, mode: shadow, columns: {{tags: pii, names: [public.t.c], classification: [restricted]}}, on_star: omit, \
             to: [{{role: support, cidr: 10.1.2.3/8}}], except: [{{user: u, application: batch, expires: 2026-12-31}}], action: deny}}\n\
         - {{name: b, columns: {{names: ['public.*.e*']}}, to: everyone, action: {{mask: card}}}}\n\
         - {{name: c, columns: {{names: [s.t.c]}}, to: everyone, action: {{mask: null}}}}\n\
         - {{name: d, columns: {{names: [s.t.c]}}, to: everyone, action: {{mask: email}}}}\n\
         - {{name: e, columns: {{names: [s.t.c]}}, to: [{{role: x, application: y}}], action: allow}}\n\
         unmodelled: allow\n\
         writes: [{{to: [{{role: support}}], update: [public.t.c], insert: [], delete: [public.t]}}]\n\
         tests: [{{as: {{role: support}}, sql: select 1, expect: {{refused: '42501'}}}}]\n"
    );
    let (policy, found) = read_text(&text);
    assert!(found.is_empty(), "{found:#?}");
    let policy = policy.unwrap();
    assert_eq!((&*policy.name, policy.version, policy.unmodelled), ("p", 1, Unmodelled::Allow));
    assert_eq!((policy.rules[0].mode, policy.rules[0].on_star), (Mode::Shadow, OnStar::Omit));
    let names: Vec<String> = policy
        .rules
        .iter()
        .map(|rule| match &rule.action {
            Action::Mask(mask) => mask.name.to_string(),
            Action::Deny => "deny".into(),
            Action::Allow => "allow".into(),
        })
        .collect();
    assert_eq!(names, ["deny", "card", "null", "email", "allow"]);
    assert_eq!(policy.tests[0].expect, Expectation::Refused("42501".into()));
    assert_eq!(&*policy.tests[0].subject.user, "support");
    assert_eq!(policy.writes[0].delete.len(), 1);
}

#[test]
fn the_clients_own_word_never_gets_it_out_of_a_rule() {
    assert_eq!(
        rule("to: [{application: bi}], action: deny"),
        ["policy.yaml:5:45: error: `application` alone identifies nobody \
          (application_name is the client's own word. Add user, role, database, cidr or cert.)"]
    );
    assert_eq!(
        rule("to: [{role: a, application: bi}], action: deny"),
        ["policy.yaml:5:54: error: `application` cannot limit a protection \
          (application_name is the client's own word: with another one it would get away.)"]
    );
    assert_eq!(rule("to: [{role: a}], except: [{user: u, application: bi}], action: deny"), [""; 0]);
    assert_eq!(rule("to: [{role: a}], except: [{application: bi}], action: deny").len(), 1);
    assert_eq!(rule("to: [{role: a, application: bi}], action: allow"), [""; 0]);
    assert_eq!(rule("to: [{role: a}], except: [{role: b, application: bi}], action: allow").len(), 1);
}

#[test]
fn what_is_missing_or_misspelt_is_told() {
    assert_eq!(
        rule("too: [{role: a}], action: denny"),
        [
            "policy.yaml:5:6: error: a rule needs the key `to`",
            "policy.yaml:5:39: error: a rule has no key `too` (did you mean `to`?)",
            "policy.yaml:5:65: error: `denny` is not an action; it is allow, deny or {mask: …} (did you mean `deny`?)",
        ]
    );
    assert_eq!(
        rule("to: [], action: {mask: unknown}"),
        [
            "policy.yaml:5:43: error: this is about nobody (Write `to: everyone`, or a list such as [{role: support}].)",
            "policy.yaml:5:62: error: there is no mask `unknown` (known masks: null, default, constant, redact, hash, \
             partial, email, regex, json, date_trunc, round)",
        ]
    );
    assert_eq!(
        rule("to: [{}], action: deny"),
        ["policy.yaml:5:44: error: this describes nobody (Give user, role, database, cidr or cert.)"]
    );
    assert_eq!(
        rule("to: [{cidr: 10.0.0.0/99, role: a}], except: [{user: u, expires: 31.12.2026}], action: deny"),
        [
            "policy.yaml:5:51: error: `10.0.0.0/99` is no network (Write it as 10.0.0.0/8.)",
            "policy.yaml:5:103: error: `31.12.2026` is not a date (Write it as 2026-01-31.)",
        ]
    );
    assert_eq!(
        told("rules: [{name: r, columns: {names: [customers.email]}, to: everyone, action: deny}]\n"),
        ["policy.yaml:4:37: error: `customers.email` names no column (Write `schema.table.column`.)"]
    );
    assert_eq!(
        told("rules: [{name: r, columns: {}, to: everyone, action: deny}]\n"),
        ["policy.yaml:4:28: error: columns selects nothing (Give `tags`, `names` or `classification`.)"]
    );
    assert_eq!(
        told("rules: []\nmasks: {email: {redact: {}}}\n"),
        ["policy.yaml:5:9: error: `email` is a kind of mask, and cannot be the name of one"]
    );
    let twice = "{name: r, columns: {tags: a}, to: everyone, action: deny}";
    assert_eq!(
        told(&format!("rules: [{twice}, {twice}]\n")),
        ["policy.yaml:4:75: error: there are two rules of the name `r`"]
    );
}

#[test]
fn tests_say_what_they_expect() {
    let told =
        |expect: &str| told(&format!("rules: []\ntests: [{{as: {{role: a}}, sql: select 1, expect: {expect}}}]\n"));
    assert_eq!(told("{masked: [a], clear: b}"), [""; 0]);
    assert_eq!(
        told("{refused: 42501}"),
        ["policy.yaml:5:58: error: expected a string, found a number (Put it between quotes.)"]
    );
    assert_eq!(told("{refused: '425'}"), ["policy.yaml:5:58: error: `425` is no SQLSTATE (42501 is a denial.)"]);
    assert_eq!(told("{refused: '42501', masked: [a]}"), ["policy.yaml:5:58: error: a refused statement has no output"]);
    assert_eq!(
        told("{}"),
        ["policy.yaml:5:48: error: nothing is expected (Give `masked`, `clear`, `allowed` or `refused`.)"]
    );
    assert_eq!(told("{allowed: false}").len(), 1);
}

#[test]
fn predicates_belong_to_masks() {
    let words = |rest: &str| rule(&format!("to: everyone, action: {rest}"));
    assert_eq!(words("{mask: email}, predicates: equality"), [""; 0]);
    assert_eq!(words("{mask: email}, predicates: deny"), [""; 0]);
    assert_eq!(
        words("{mask: email}, predicates: equalty"),
        ["policy.yaml:5:88: error: `equalty` is not a way to treat predicates (did you mean `equality`?)"]
    );
    assert_eq!(
        words("deny, predicates: masked"),
        [
            "policy.yaml:5:79: error: `predicates` belongs to an action that masks (A denied column is denied to conditions \
          as well, and an allowed one is open to them.)"
        ]
    );
}

#[test]
fn a_section_ddl_is_read_in_full() {
    let (policy, found) = read_text(&format!(
        "{HEAD}rules: []\nddl:\n  to: [{{role: migrator, application: flyway}}]\n  \
         freeze: [{{from: 2026-12-20T00:00:00Z, until: 2027-01-02T00:00:00Z, reason: peak season}}]\n  \
         lock_timeout: 5s\n  in_use_window: 90d\n  in_use: off\n"
    ));
    assert!(found.is_empty(), "{found:#?}");
    let ddl = policy.unwrap().ddl;
    assert!(ddl.to.is_some());
    assert_eq!((ddl.lock_timeout, ddl.in_use), (Some(LockTimeout::Give(5000)), Some(InUse::Off)));
    assert_eq!(ddl.in_use_window.map(|window| window.as_hours()), Some(90 * 24));
    let freeze = &ddl.freeze[0];
    assert!(freeze.holds("2026-12-20T00:00:00Z".parse().unwrap()));
    assert!(!freeze.holds("2027-01-02T00:00:00Z".parse().unwrap()));
    assert_eq!(freeze.next_change("2026-12-20T00:00:00Z".parse().unwrap()), Some(freeze.until));
    assert_eq!(freeze.next_change("2027-01-02T00:00:00Z".parse().unwrap()), None);
}

#[test]
fn mistakes_in_a_section_ddl_are_told_with_their_places() {
    let ddl = |rest: &str| told(&format!("rules: []\nddl: {{{rest}}}\n"));
    assert_eq!(ddl("lock_timeout: require"), [""; 0]);
    assert_eq!(
        ddl("lock_timeout: 5, in_use_window: 30 days"),
        [
            "policy.yaml:5:21: error: this is no time span (Write it as 5s, 500ms or 1min; or `require`.)",
            "policy.yaml:5:39: error: this is no time span (Write it as 30d, 12h or 90min.)",
        ]
    );
    assert_eq!(ddl("lock_timeout: 30d"), ["policy.yaml:5:21: error: lock_timeout is at most 2147483647 milliseconds"]);
    assert_eq!(
        ddl("in_use: refused, frezee: []"),
        [
            "policy.yaml:5:15: error: `refused` is not a way to treat what is in use (did you mean `refuse`?)",
            "policy.yaml:5:24: error: ddl has no key `frezee` (did you mean `freeze`?)",
        ]
    );
    assert_eq!(
        ddl("freeze: [{from: 2026-12-20, until: 2027-01-02T00:00:00Z}]"),
        ["policy.yaml:5:23: error: `2026-12-20` is no moment (Write it as 2026-12-20T00:00:00Z.)"]
    );
    assert_eq!(
        ddl("freeze: [{from: 2026-12-20T00:00:00Z, until: 2026-12-20T00:00:00Z}]"),
        ["policy.yaml:5:52: error: a freeze ends after it has begun: `until` is not after `from`"]
    );
    assert_eq!(
        ddl("to: [{application: flyway}]"),
        ["policy.yaml:5:13: error: `application` alone identifies nobody (application_name is the client's own word. \
          Add user, role, database, cidr or cert.)"]
    );
}
