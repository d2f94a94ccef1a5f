//! Revisions of a repository.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::commands::run;
use super::{CONTRACT, POLICY, edited};

fn git(folder: &Path, arguments: &[&str]) {
    let settings = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"];
    let output = Command::new("git").current_dir(folder).args(settings).args(arguments).output().expect("git");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A repository with two commits, the second of which removes a column, and a third state in the working tree.
fn repository() -> TempDir {
    let folder = TempDir::new().unwrap();
    let policies = folder.path().join("deploy/policies");
    fs::create_dir_all(&policies).unwrap();
    git(folder.path(), &["init", "--quiet", "--initial-branch=main"]);
    fs::write(folder.path().join("ci.yaml"), "stages: [test]\n").unwrap();
    fs::write(policies.join("policy.yaml"), POLICY).unwrap();
    fs::write(policies.join("contract.odcs.yaml"), CONTRACT).unwrap();
    git(folder.path(), &["add", "."]);
    git(folder.path(), &["commit", "--quiet", "-m", "first"]);
    git(folder.path(), &["tag", "v1"]);
    let removed = edited(CONTRACT, &[("      - {name: note, physicalType: text, description: Free text.}\n", "")]);
    fs::write(policies.join("contract.odcs.yaml"), &removed).unwrap();
    git(folder.path(), &["commit", "--quiet", "-am", "second"]);
    let narrower = edited(&removed, &[("physicalType: varchar(20)", "physicalType: varchar(9)")]);
    fs::write(policies.join("contract.odcs.yaml"), narrower).unwrap();
    folder
}

/// Rule and path of every finding.
fn rules(folder: &Path, arguments: &[&str]) -> Vec<String> {
    let (_, said, error) = run(folder, arguments);
    assert!(error.is_empty(), "{arguments:?}: {error}");
    said.lines().filter_map(|line| line.strip_prefix("error: ")).map(str::to_owned).collect()
}

const REMOVED: &str = "field-removed public.customers.note";
const NARROWED: &str = "type-changed public.orders.code";
const VERSION: &str = "version-too-small shop";

#[test]
fn a_revision_is_compared_with_the_working_tree_and_with_another_one() {
    let repository = repository();
    let top = repository.path();
    assert_eq!(rules(top, &["git:v1", "git:main"]), [REMOVED, VERSION]);
    assert_eq!(rules(top, &["git:v1", "deploy/policies"]), [REMOVED, NARROWED, VERSION]);
    assert_eq!(rules(top, &["git:HEAD", "deploy/policies"]), [NARROWED, VERSION]);
    assert_eq!(rules(top, &["git:HEAD", "deploy/policies/contract.odcs.yaml"]), [NARROWED, VERSION]);
    assert_eq!(rules(top, &["git:v1:deploy/policies", "git:HEAD"]), [REMOVED, VERSION]);
    assert_eq!(rules(&top.join("deploy"), &["git:HEAD~1", "policies"]), [REMOVED, NARROWED, VERSION]);
    assert_eq!(rules(&top.join("deploy"), &["git:HEAD~1:./policies/", "git:HEAD:deploy/policies"]), [REMOVED, VERSION]);
    let elsewhere = TempDir::new().unwrap();
    let absolute = top.join("deploy/policies").display().to_string();
    assert_eq!(rules(elsewhere.path(), &["git:v1", &absolute]), [REMOVED, NARROWED, VERSION]);
}

#[test]
fn places_in_a_revision_are_told_with_it() {
    let repository = repository();
    let (_, said, _) = run(repository.path(), &["git:v1", "git:main"]);
    assert!(said.contains("  v1:deploy/policies/contract.odcs.yaml:23:16 (old)\n"), "{said}");
}

#[test]
fn revisions_that_are_not_there_are_told_with_exit_code_2() {
    let repository = repository();
    let elsewhere = TempDir::new().unwrap();
    for (folder, arguments, words) in [
        (repository.path(), ["git:v9", "deploy/policies"], "git knows no revision v9"),
        (repository.path(), ["git:v1:nowhere", "deploy/policies"], "the revision v1 has no nowhere"),
        (repository.path(), ["git:v1:ci.yaml", "deploy/policies"], "neither a contract nor a policy"),
        (repository.path(), ["git:--help", "deploy/policies"], "git: needs a revision"),
        (elsewhere.path(), ["git:v1", "git:main"], "not a git repository"),
    ] {
        let (code, out, said) = run(folder, &arguments);
        assert_eq!(code, 2, "{arguments:?}: {out}{said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}
