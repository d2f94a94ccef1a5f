//! The command: exit codes, formats, exceptions.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{CONTRACT, POLICY, edited};

/// Two folders, old and new, in one.
pub struct Sides(TempDir);

impl Sides {
    /// The new side has these edits in its contract and its policy.
    pub fn new(contract: &[(&str, &str)], policy: &[(&str, &str)]) -> Self {
        let sides = Self(TempDir::new().unwrap());
        sides.write("old", CONTRACT, POLICY);
        sides.write("new", &edited(CONTRACT, contract), &edited(POLICY, policy));
        sides
    }

    fn write(&self, side: &str, contract: &str, policy: &str) {
        let folder = self.path().join(side);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("contract.odcs.yaml"), contract).unwrap();
        fs::write(folder.join("policy.yaml"), policy).unwrap();
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs `pgcovenant diff` in the folder that holds both.
    pub fn diff(&self, arguments: &[&str]) -> (i32, String, String) {
        run(self.path(), arguments)
    }
}

/// Runs `pgcovenant diff` there, on the day of all cases: exit code, standard output, standard error.
pub fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_pgcovenant"))
        .args(["diff", "--on", "2026-11-21"])
        .args(arguments)
        .env_remove("PGCOVENANT_CONFIG")
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

const RENAMED: &[(&str, &str)] =
    &[("description: People.", "description: Persons."), ("version: 1.3.0", "version: 1.3.1")];
const NARROWER: &[(&str, &str)] =
    &[("name: note, physicalType: text", "name: note, physicalType: varchar(9)"), ("version: 1.3.0", "version: 2.0.0")];
const WIDER: &[(&str, &str)] =
    &[("{name: id, physicalType: integer,", "{name: id, physicalType: bigint,"), ("version: 1.3.0", "version: 1.4.0")];

#[test]
fn the_exit_code_says_whether_something_is_as_grave_as_was_asked_for() {
    for (edits, level, codes) in
        [(NARROWER, "error", [1, 1, 1, 0]), (WIDER, "warning", [0, 1, 1, 0]), (RENAMED, "info", [0, 0, 1, 0])]
    {
        let sides = Sides::new(edits, &[]);
        for (fail_on, expected) in ["error", "warning", "info", "never"].into_iter().zip(codes) {
            let (code, said, _) = sides.diff(&["old", "new", "--fail-on", fail_on]);
            assert_eq!(code, expected, "{fail_on}: {said}");
            assert!(said.starts_with(&format!("{level}: ")), "{said}");
        }
        assert_eq!(sides.diff(&["old", "new"]).0, codes[0], "errors by default");
        assert_eq!(sides.diff(&["new", "new", "--fail-on", "info"]).0, 0);
    }
}

#[test]
fn what_cannot_be_read_is_told_with_exit_code_2() {
    let sides = Sides::new(&[], &[]);
    fs::create_dir(sides.path().join("empty")).unwrap();
    sides.write("broken", &CONTRACT.replace("status: active\n", ""), POLICY);
    for (arguments, words) in [
        (&["old", "nowhere"][..], "nowhere"),
        (&["old", "empty"], "there are no contracts in empty"),
        (&["old", "broken"], "the standard requires the key `status`"),
        (&["old", "old/policy.yaml"], "there is no contract beside this policy"),
        (&["old", "new", "--except", "field-remved:a"], "did you mean `field-removed`?"),
        (&["old", "new", "--except", "field-removed"], "names nothing"),
        (&["old", "new", "--usage", "nowhere.sqlite"], "nowhere.sqlite"),
        (&["old", "pg:shop"], "pg:shop needs --config"),
        (&["old", "pg:"], "pg: needs the name of a database"),
        (&["old"], "NEW"),
        (&["old", "new", "--format", "xml"], "possible values: text, json, markdown, junit"),
    ] {
        let (code, out, said) = sides.diff(arguments);
        assert_eq!(code, 2, "{arguments:?}: {out}{said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[test]
fn people_read_what_differs_why_it_matters_and_where_it_stands() {
    let sides = Sides::new(NARROWER, &[("except: [{user: billing}", "except: [{user: billing}, {user: mailer}")]);
    let (_, said, _) = sides.diff(&["old", "new"]);
    let expected = "\
error: mask-weakened public.customers.email
  mask mail -> clear
  for user mailer with role support
  Somebody sees more of a protected value than before.
  old/policy.yaml:12:13 (old)

error: type-changed public.customers.note
  text -> character varying(9)
  Readers get another type, and writers may be refused.
  new/contract.odcs.yaml:23:22

contract shop: 1.3.0 -> 2.0.0; the changes ask for 2.0.0 (major)
2 errors, 0 warnings, 0 info
";
    assert_eq!(said, expected);
}

#[test]
fn an_exemption_that_is_extended_is_found_from_the_day_after_on() {
    let sides = Sides::new(&[], &[("expires: 2026-12-31", "expires: 2027-06-30")]);
    let (code, said, _) = sides.diff(&["old", "new"]);
    assert_eq!(code, 1, "{said}");
    let expected = "error: mask-weakened public.customers.email\n  mask mail -> clear\n  \
                    for user crm with role support; from 2027-01-01 on\n";
    assert!(said.starts_with(expected), "{said}");
    assert!(said.ends_with("1 error, 0 warnings, 0 info\n"), "{said}");
}

#[test]
fn what_files_say_does_not_command_the_terminal() {
    let sides = Sides::new(&[("description: Free text.", "description: \"\\e[31mred\"")], &[]);
    let (_, said, _) = sides.diff(&["old", "new"]);
    assert!(said.contains("  Free text. -> ?[31mred\n") && !said.contains('\u{1b}'), "{said:?}");
}

#[test]
fn programs_read_the_same_as_json() {
    let sides = Sides::new(NARROWER, &[]);
    let (_, said, _) = sides.diff(&["old", "new", "--format", "json"]);
    let json: Value = serde_json::from_str(&said).unwrap();
    let keys: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["excepted", "findings", "new", "notes", "old", "summary", "versions"]);
    let expected = serde_json::json!({
        "level": "error", "rule": "type-changed", "path": "public.customers.note", "old": "text",
        "new": "character varying(9)", "note": null, "contract": "shop-contract",
        "rationale": "Readers get another type, and writers may be refused.",
        "at": {"side": "new", "file": "new/contract.odcs.yaml", "line": 23, "column": 22},
    });
    assert_eq!(json["findings"], serde_json::json!([expected]));
    assert_eq!(json["summary"], serde_json::json!({"error": 1, "warning": 0, "info": 0}));
    let version =
        serde_json::json!({"contract": "shop", "old": "1.3.0", "new": "2.0.0", "bump": "major", "suggested": "2.0.0"});
    assert_eq!(json["versions"], serde_json::json!([version]));
}

#[test]
fn build_servers_read_a_test_case_for_every_finding() {
    let odd =
        [("description: Free text.", "description: \"<a> & \\\"b\\\" \\x01\""), ("version: 1.3.0", "version: 2.0.0")];
    let sides = Sides::new(&[NARROWER, &odd[..1]].concat(), &[]);
    let (_, said, _) = sides.diff(&["old", "new", "--format", "junit", "--except", "type-*:public.*=agreed <here>"]);
    let document = roxmltree::Document::parse(&said).unwrap();
    let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
    let attributes = ["tests", "failures", "errors", "skipped"].map(|name| suite.attribute(name).unwrap());
    assert_eq!(attributes, ["2", "0", "0", "1"]);
    let cases: Vec<_> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
    let names: Vec<_> =
        cases.iter().map(|case| (case.attribute("classname").unwrap(), case.attribute("name").unwrap())).collect();
    assert_eq!(names, [("description-changed", "public.customers.note"), ("type-changed", "public.customers.note")]);
    assert!(cases[0].first_child().unwrap().text().unwrap().contains("Free text. -> <a> & \"b\" ?"), "{said}");
    assert_eq!(cases[1].first_child().unwrap().attribute("message"), Some("agreed <here>"));

    let (_, said, _) = sides.diff(&["old", "new", "--format", "junit"]);
    let document = roxmltree::Document::parse(&said).unwrap();
    let failure = document.descendants().find(|node| node.has_tag_name("failure")).unwrap();
    assert_eq!(failure.attribute("message"), Some("text -> character varying(9)"));
    let (_, said, _) = sides.diff(&["old", "old", "--format", "junit"]);
    let document = roxmltree::Document::parse(&said).unwrap();
    assert_eq!(
        document.descendants().filter(|node| node.has_tag_name("testcase")).count(),
        1,
        "some want at least one"
    );
}

#[test]
fn a_comment_under_a_change_has_a_table() {
    let piped = [("description: Free text.", "description: a | b"), ("version: 1.3.0", "version: 1.3.1")];
    let (_, said, _) = Sides::new(&piped, &[]).diff(&["old", "new", "--format", "markdown"]);
    let rows: Vec<&str> = said.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(said.lines().next(), Some("### 0 errors, 0 warnings, 1 info"));
    assert_eq!(rows.len(), 3, "{said}");
    assert!(rows.iter().all(|row| row.replace("\\|", "").matches('|').count() == 7), "{said}");
    assert!(rows[2].contains("`a \\| b`"), "{said}");
}

#[test]
fn what_is_agreed_to_is_set_aside_and_said() {
    let sides = Sides::new(&[NARROWER[0]], &[]);
    let except = "type-changed:public.customers.*=nobody writes long notes";
    let (code, said, _) = sides.diff(&["old", "new", "--except", except, "--except", "field-removed:a.b.c"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("excepted: type-changed public.customers.note: nobody writes long notes\n"), "{said}");
    assert!(said.contains("note: --except field-removed:a.b.c covers nothing\n"), "{said}");
    assert!(said.contains("0 errors, 0 warnings, 0 info, 1 excepted\n"), "{said}");
    let (code, said, _) = sides.diff(&["old", "new", "--except", "type-changed:public.orders.*"]);
    assert_eq!(code, 1, "{said}");
    let (code, said, _) = sides.diff(&["old", "new", "--except", "type-*:*", "--except", "version-too-small:shop"]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn single_files_are_compared_without_policies() {
    let sides = Sides::new(NARROWER, &[("action: {mask: mail}", "action: {mask: end}")]);
    let (code, said, _) = sides.diff(&["old/contract.odcs.yaml", "new"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("type-changed") && !said.contains("mask-weakened"), "{said}");
    assert!(said.contains("note: policies were not compared: old/contract.odcs.yaml is a single file"), "{said}");
}
