//! What is in the audit.

use super::*;

#[test]
fn the_audit_has_one_line_per_relevant_decision_and_no_more() {
    let (observer, folder) = observer(Caps::default());
    observer.policy_loaded(2, vec![PolicyVersion { name: "shop-privacy".into(), version: "4".into() }]);
    observer.policy_loaded(9, vec![PolicyVersion { name: "shop-privacy".into(), version: "5".into() }]);
    let plain = statement(vec![relation(2, "orders")], Vec::new());
    observer.statement(&event(vec![plain], Decision::Allow));
    let clear = statement(vec![relation(1, "customers")], vec![column("email", Outcome::Clear)]);
    observer.statement(&event(vec![clear], Decision::Allow));
    let masked = statement(vec![relation(1, "customers")], vec![column("email", Outcome::Masked)]);
    observer.statement(&event(vec![masked], Decision::Mask));
    let syntax = Event {
        sqlstate: Some(*b"42601"),
        refusal: Some("syntax error at or near \"'4111 1111'\"".into()),
        parent: None,
        ..event(Vec::new(), Decision::Deny)
    };
    observer.statement(&syntax);
    observer.shut_down();

    let text = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    let lines = statements(&text);
    assert_eq!(lines.len(), 2, "{text}");
    let first = &lines[0];
    assert!(first["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert_eq!(first["user"], "ann");
    assert_eq!(first["client_address"], "10.0.0.7");
    assert_eq!(first["policies"], serde_json::json!([{"name": "shop-privacy", "version": "4"}]), "as of epoch 3");
    assert_eq!(first["rules"], serde_json::json!(["support-masked"]));
    assert_eq!(first["columns"][0]["outcome"], "masked");
    assert_eq!(first["relations"], serde_json::json!(["public.customers"]));
    assert_eq!(first["fingerprints"], serde_json::json!(["0000000000000abc"]));
    assert_eq!(first["duration_seconds"], 0.002);
    assert_eq!(lines[1]["message"], "syntax error");
    assert!(!text.contains("4111"));
    let written = r#"pgcovenant_audit_events_total{result="written"} 2"#;
    assert!(observer.render().contains(written), "{}", observer.render());
}

#[test]
fn every_change_of_the_structure_is_audited_and_counted() {
    let (observer, folder) = observer(Caps::default());
    observer.statement(&changed(Decision::Allow));
    observer.statement(&changed(Decision::Deny));
    observer.shut_down();
    let text = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    let lines = statements(&text);
    let decisions: Vec<_> = lines.iter().map(|line| line["decision"].as_str().unwrap()).collect();
    assert_eq!(decisions, ["allow", "deny"]);
    let change = serde_json::json!({"action": "drop column", "object": "public.orders.status"});
    let first = serde_json::json!({"command": "ALTER TABLE", "changes": [change]});
    assert_eq!(lines[0]["ddl"][0], first);
    let text = observer.render();
    for action in ["allowed", "refused"] {
        let name =
            format!("pgcovenant_ddl_statements_total{{datname=\"shop\",command=\"ALTER TABLE\",action=\"{action}\"}}");
        assert_eq!(series(&text).get(&*name), Some(&"1"));
    }
}

#[test]
fn the_audit_goes_on_in_a_new_file_after_reopening() {
    use std::os::unix::fs::PermissionsExt;
    let (observer, folder) = observer(Caps::default());
    let path = folder.path().join("audit.jsonl");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & !0o640, 0, "no more than 0640, less where the umask says so");
    observer.statement(&event(Vec::new(), Decision::Deny));
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default();
    until("the record is not written", || statements(&read(&path)).len() == 1);
    let moved = folder.path().join("audit.jsonl.1");
    std::fs::rename(&path, &moved).unwrap();
    observer.reopen_audit();
    until("there is no new file", || path.exists());
    observer.statement(&event(Vec::new(), Decision::Deny));
    observer.shut_down();
    assert_eq!((statements(&read(&moved)).len(), statements(&read(&path)).len()), (1, 1));
    let verified = verify(&[path, moved.clone()], None, &Sealer::Plain).unwrap();
    assert_eq!(verified.findings, [], "the chain goes on over both");
    assert_eq!(verified.files[0], moved.display().to_string());
}

#[test]
fn a_line_that_was_cut_off_is_kept_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    std::fs::write(&path, "{\"time\":\"20").unwrap();
    let observer = Observer::new(Some(&path), Caps::default()).unwrap();
    observer.statement(&event(Vec::new(), Decision::Deny));
    observer.shut_down();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(statements(&text).len(), 1, "{text}");
    let torn = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let torn: Vec<_> = torn.filter(|line| line["type"] == "torn").collect();
    assert_eq!((torn.len(), &torn[0]["bytes"]), (1, &serde_json::json!(11)), "{text}");
    let kept = folder.path().join(torn[0]["file"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "{\"time\":\"20");
    assert_eq!(verify(&[path], None, &Sealer::Plain).unwrap().findings, []);
}

#[test]
fn a_full_queue_drops_and_counts_instead_of_waiting() {
    let (observer, folder) = observer(Caps::default());
    // Records that come faster than any writer takes them.
    let refusal = event(Vec::new(), Decision::Deny);
    let sent = 60_000;
    for _ in 0..sent {
        observer.statement(&refusal);
    }
    observer.shut_down();
    observer.statement(&refusal);
    let text = observer.render();
    let count = |result: &str| -> usize {
        let name = format!("pgcovenant_audit_events_total{{result=\"{result}\"}}");
        series(&text).get(&*name).unwrap().parse().unwrap()
    };
    assert_eq!(count("written") + count("dropped"), sent + 1);
    assert!(count("dropped") >= 1, "the one after the end at least");
    let text = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    assert_eq!(statements(&text).len(), count("written"));
}
