//! What the same files mean at different times.

use super::*;

#[test]
fn the_same_files_mean_something_else_at_midnight_and_at_the_edges_of_brownouts() {
    let lifecycle = "phase: deprecated\n              since: 2026-01-15\n";
    assert!(CONTRACT.contains(lifecycle));
    let windows =
        "since: 2026-01-15\n              brownouts: [{from: 2026-04-01T10:00:00Z, until: 2026-04-01T10:30:00Z}]\n";
    let files = [
        SourceFile::new("shop/contract.odcs.yaml", &CONTRACT.replace(lifecycle, windows)),
        SourceFile::new("shop/policy.yaml", POLICY),
    ];
    let bundle = Bundle::from_sources(&files).0.unwrap();
    let next = |now: &str| bundle.next_change(now.parse().unwrap()).to_string();
    assert_eq!(next("2026-03-31T08:00:00Z"), "2026-04-01T00:00:00Z");
    assert_eq!(next("2026-04-01T00:00:00Z"), "2026-04-01T10:00:00Z");
    assert_eq!(next("2026-04-01T10:00:00Z"), "2026-04-01T10:30:00Z");
    assert_eq!(next("2026-04-01T10:30:00Z"), "2026-04-02T00:00:00Z");

    let database = database(catalog(&bundle), HashMap::new());
    let eta = id(&database.catalog, "orders", "estimated_delivery");
    let conduct = |now: &str| {
        let occasion = Occasion { now: now.parse().unwrap(), ledger: &NoLedger };
        let view = super::super::view(&bundle, Some(&database), &subject("admin"), occasion);
        view.rule(eta).and_then(|rule| rule.lifecycle.as_ref()).map(|lifecycle| lifecycle.conduct)
    };
    assert_eq!(conduct("2026-01-14T23:00:00Z"), None);
    assert_eq!(conduct("2026-04-01T09:00:00Z"), Some(Conduct::Warned));
    assert_eq!(conduct("2026-04-01T10:15:00Z"), Some(Conduct::Refused));
    assert_eq!(conduct("2027-06-30T00:00:00Z"), Some(Conduct::Gone));
}

/// What two policies together say to a subject of changes of the structure, and when that is another.
fn ddl(one: &str, other: &str, role: &str, now: &str) -> (crate::policy::view::Ddl, String) {
    let policy = |name: &str, ddl: &str| {
        format!(
            "apiVersion: pgcovenant/v1\nkind: Policy\nmetadata: {{name: {name}, version: 1}}\nrules: []\nddl: {{{ddl}}}\n"
        )
    };
    let files = [
        SourceFile::new("shop/contract.odcs.yaml", CONTRACT),
        SourceFile::new("shop/one.yaml", &policy("one", one)),
        SourceFile::new("shop/other.yaml", &policy("other", other)),
    ];
    let (bundle, problems) = Bundle::from_sources(&files);
    let bundle = bundle.unwrap_or_else(|| panic!("{problems:#?}"));
    let occasion = Occasion { now: now.parse().unwrap(), ledger: &NoLedger };
    let view = super::super::view(&bundle, None, &subject(role), occasion);
    (view.ddl.unwrap(), bundle.next_change(occasion.now).to_string())
}

#[test]
fn of_several_words_on_changes_of_the_structure_the_strictest_holds() {
    use crate::policy::rule::{InUse, LockTimeout};
    let now = "2026-11-21T12:00:00Z";
    let (found, _) = ddl("", "", "app", now);
    assert_eq!((found.in_use, found.window.as_hours(), found.lock_timeout), (InUse::Refuse, 720, None));
    assert!(found.closed_by.is_empty() && found.frozen.is_none());
    let (found, _) =
        ddl("in_use: warn, in_use_window: 2d, lock_timeout: 2s", "in_use: off, lock_timeout: 9s", "app", now);
    assert_eq!((found.in_use, found.window.as_hours()), (InUse::Warn, 48));
    assert_eq!(found.lock_timeout, Some(LockTimeout::Give(2000)));
    let (found, _) = ddl("in_use_window: 2d, lock_timeout: 2s", "in_use_window: 3d, lock_timeout: require", "app", now);
    assert_eq!((found.window.as_hours(), found.lock_timeout), (72, Some(LockTimeout::Require)));
    let (found, _) = ddl("to: [{role: migrator}]", "to: [{role: app}]", "app", now);
    assert_eq!(*found.closed_by, ["one".into()]);
}

#[test]
fn the_same_files_mean_something_else_at_the_edges_of_a_freeze() {
    let freezes = [
        "freeze: [{from: 2026-11-21T11:00:00Z, until: 2026-11-21T13:00:00Z, reason: sale}]",
        "freeze: [{from: 2026-11-21T12:00:00Z, until: 2026-11-21T14:00:00Z}]",
    ];
    let at = |now: &str| ddl(freezes[0], freezes[1], "app", now);
    let (before, next) = at("2026-11-21T10:00:00Z");
    assert_eq!((before.frozen, next.as_str()), (None, "2026-11-21T11:00:00Z"));
    let (within, next) = at("2026-11-21T11:30:00Z");
    assert_eq!(within.frozen.unwrap().reason.as_deref(), Some("sale"));
    assert_eq!(next, "2026-11-21T12:00:00Z");
    let (both, next) = at("2026-11-21T12:30:00Z");
    assert_eq!(both.frozen.unwrap().until.to_string(), "2026-11-21T14:00:00Z", "the longer one");
    assert_eq!(next, "2026-11-21T13:00:00Z");
    assert_eq!(at("2026-11-21T14:00:00Z").0.frozen, None);
}
