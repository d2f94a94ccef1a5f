//! The audit as a whole: what is in the files after something has happened to them.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use super::verify::{Fault, Verified, verify};
use super::*;
use crate::engine::report::Outcome;
use crate::model::audit::{Compress, Rotation};
use crate::model::caps::Caps;
use crate::observe::event::Recorder;
use crate::observe::observer::Observer;
use crate::observe::tests::{changed, column, event, series, statement, statements, subject, until};
use crate::policy::compile::Bundle;

fn options(path: &Path, change: impl FnOnce(&mut AuditSettings)) -> AuditOptions {
    let mut options = AuditOptions::of(path);
    change(&mut options.settings);
    options
}

fn observer(options: AuditOptions) -> Observer {
    Observer::with_audit(Some(options), Caps::default()).unwrap()
}

fn refusal() -> Event {
    event(Vec::new(), Decision::Deny)
}

fn masked() -> Event {
    event(vec![statement(Vec::new(), vec![column("email", Outcome::Masked)])], Decision::Mask)
}

/// All files of an audit that was rotated, in any order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).collect()
}

fn verified(paths: &[PathBuf]) -> Verified {
    verify(paths, None, &Sealer::Plain).unwrap()
}

fn faults(paths: &[PathBuf]) -> Vec<Fault> {
    verified(paths).findings.iter().map(|finding| finding.fault).collect()
}

/// The lines of a file; whatever kind of record they are, the published schema has it.
fn lines(path: &Path) -> Vec<Value> {
    static SCHEMA: OnceLock<jsonschema::Validator> = OnceLock::new();
    let schema = SCHEMA.get_or_init(|| {
        let schema = serde_json::from_str(include_str!("../../../docs/audit.schema.json")).unwrap();
        jsonschema::validator_for(&schema).unwrap()
    });
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in lines.iter().filter(|line| line["v"] == 1) {
        let problems: Vec<_> = schema.iter_errors(line).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{problems:?}\n{line}");
    }
    lines
}

fn of_kind(path: &Path, kind: &str) -> Vec<Value> {
    lines(path).into_iter().filter(|line| line["type"] == kind).collect()
}

fn count(observer: &Observer, result: &str) -> u64 {
    let name = format!("pgcovenant_audit_events_total{{result=\"{result}\"}}");
    series(&observer.render())[&*name].parse().unwrap()
}

#[test]
fn the_chain_goes_on_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    for _ in 0..3 {
        let observer = observer(AuditOptions::of(&path));
        observer.statement(&refusal());
        observer.shut_down();
    }
    assert_eq!(verified(std::slice::from_ref(&path)).findings, []);
    let kinds: Vec<_> = lines(&path).iter().map(|line| line["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["opened", "start", "statement", "stop"].repeat(3));
    assert_eq!(lines(&path)[4]["continues"]["seq"], 4);
}

#[test]
fn the_chain_goes_on_in_a_new_file_after_the_old_one_was_moved_away() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("audit.jsonl"), folder.path().join("old.jsonl"));
    observer(AuditOptions::of(&path)).shut_down();
    fs::rename(&path, &moved).unwrap();
    observer(AuditOptions::of(&path)).shut_down();
    assert_eq!(faults(&[path.clone(), moved]), []);
    assert_eq!(faults(&[path]), [Fault::NoBeginning]);
}

/// Between giving the old file its name and writing the first line of the new one, the process may be killed: the checkpoint is
/// older than that.
#[test]
fn the_chain_goes_on_where_a_rotation_was_cut_short() {
    for is_compressed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        observer(AuditOptions::of(&path)).shut_down();
        let early = fs::read(checkpoint::path_of(&path)).unwrap();
        observer(AuditOptions::of(&path)).shut_down();
        fs::write(checkpoint::path_of(&path), early).unwrap();
        let rotated = rotate::name(&path, 1, Timestamp::now());
        fs::rename(&path, &rotated).unwrap();
        if is_compressed {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut packed, &fs::read(&rotated).unwrap()).unwrap();
            fs::write(compress::compressed(&rotated), packed.finish().unwrap()).unwrap();
            fs::remove_file(&rotated).unwrap();
        } else {
            // The new file was there, and empty.
            fs::write(&path, "").unwrap();
        }
        observer(AuditOptions::of(&path)).shut_down();
        let all = if is_compressed { compress::compressed(&rotated) } else { rotated };
        let found = verified(&[all, path.clone()]);
        assert_eq!(found.findings, [], "{found:?}");
        assert_eq!(lines(&path)[0]["continues"]["seq"], 6);
    }
}

#[test]
fn files_are_rotated_by_size_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let rotation = Rotation { bytes: Some(4096), keep: Some(3), ..Rotation::default() };
    let stranger = folder.path().join("audit-20200101T000000Z-000000000001.jsonl");
    fs::write(&stranger, "not ours\n").unwrap();
    let observer = observer(options(&path, |settings| settings.rotation = rotation));
    for round in 1..=8 {
        for _ in 0..10 {
            observer.statement(&refusal());
        }
        until("a round is not written", || count(&observer, "written") == round * 10);
    }
    observer.shut_down();
    assert!(stranger.exists(), "what does not verify is not deleted");
    fs::remove_file(&stranger).unwrap();
    let found = verified(&files(folder.path()));
    assert_eq!(found.findings, [], "{found:?}");
    assert!(found.begins_late && found.first > Some(1), "the first files are gone: {found:?}");
    assert!(files(folder.path()).len() <= 4, "{:?}", files(folder.path()));
    assert!(!of_kind(&path, "removed").is_empty());
    let rotated = found.files.iter().rev().nth(1).unwrap();
    let last = lines(rotated.as_ref()).pop().unwrap();
    assert_eq!(last["type"], "rotated");
    assert!(rotated.ends_with(last["file"].as_str().unwrap()));
    let first = &lines(&path)[0];
    assert_eq!((&first["type"], &first["continues"]["hash"]), (&"opened".into(), &last["hash"]));
}

#[test]
fn files_are_rotated_by_age_unless_they_are_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let rotation = Rotation { every: Some(Duration::from_millis(1)), ..Rotation::default() };
    let observer = observer(options(&path, |settings| settings.rotation = rotation));
    observer.statement(&refusal());
    until("nothing is rotated", || files(folder.path()).len() > 1);
    let before = files(folder.path()).len();
    until("the statement is not there", || count(&observer, "written") == 1);
    observer.shut_down();
    assert!(files(folder.path()).len() <= before + 2, "{:?}", files(folder.path()));
    assert_eq!(faults(&files(folder.path())), []);
}

#[test]
fn two_processes_share_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let rotation = Rotation { bytes: Some(8192), ..Rotation::default() };
    let [one, other] = [0, 1].map(|_| observer(options(&path, |settings| settings.rotation = rotation)));
    for round in 1..=5 {
        for observer in [&one, &other] {
            for _ in 0..7 {
                observer.statement(&refusal());
            }
        }
        until("a round is not written", || [&one, &other].iter().all(|one| count(one, "written") == round * 7));
    }
    other.shut_down();
    one.shut_down();
    assert_eq!(faults(&files(folder.path())), []);
    let written: usize = files(folder.path()).iter().map(|path| of_kind(path, "statement").len()).sum();
    assert_eq!(written, 70);
    assert!(files(folder.path()).len() > 2);
}

#[test]
fn a_file_that_became_shorter_while_nobody_wrote_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let first = observer(AuditOptions::of(&path));
    first.statement(&refusal());
    first.shut_down();
    let text = fs::read_to_string(&path).unwrap();
    let shorter: String = text.split_inclusive('\n').take(2).collect();
    fs::write(&path, shorter).unwrap();
    assert_eq!(faults(std::slice::from_ref(&path)), [Fault::Truncated], "the checkpoint knows");
    observer(AuditOptions::of(&path)).shut_down();
    assert_eq!(of_kind(&path, "truncated")[0]["expected"]["seq"], 4);
    assert_eq!(faults(&[path]), [Fault::Truncated], "and now the chain does");
}

#[test]
fn a_file_that_is_cut_off_while_it_is_written_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let observer = observer(AuditOptions::of(&path));
    observer.statement(&refusal());
    until("the record is not written", || count(&observer, "written") == 1);
    fs::File::options().write(true).open(&path).unwrap().set_len(100).unwrap();
    observer.statement(&refusal());
    observer.shut_down();
    let found = faults(&[path]);
    assert!(found.contains(&Fault::NoBeginning) && found.contains(&Fault::Truncated), "{found:?}");
}

#[test]
fn a_file_with_another_end_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    fs::write(&path, "{\"time\":\"2026-01-01T00:00:00Z\",\"user\":\"ann\"}\n").unwrap();
    observer(AuditOptions::of(&path)).shut_down();
    let aside = of_kind(&path, "set_aside")[0]["file"].as_str().unwrap().to_owned();
    assert!(fs::read_to_string(folder.path().join(aside)).unwrap().contains("ann"));
    assert_eq!(faults(std::slice::from_ref(&path)), []);
    // With a key, the chain of those without begins anew.
    let keyed = AuditOptions { sealer: Sealer::new(Some(b"key")), ..AuditOptions::of(&path) };
    let sealer = keyed.sealer.clone();
    observer(keyed).shut_down();
    assert_eq!(of_kind(&path, "opened")[0]["algorithm"], "hmac-sha256");
    assert_eq!(verify(&[path], None, &sealer).unwrap().findings, []);
}

#[test]
fn what_cannot_be_written_waits_and_what_is_too_much_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, moved) = (folder.path().join("audit"), folder.path().join("moved"));
    let path = directory.join("audit.jsonl");
    fs::create_dir(&directory).unwrap();
    let observer = observer(AuditOptions::of(&path));
    fs::remove_dir_all(&directory).unwrap();
    observer.statement(&masked());
    until("nobody has seen it", || !observer.audit_status().unwrap().writable);
    let too_many = 100;
    for _ in 0..QUEUE + too_many - 1 {
        observer.statement(&masked());
    }
    assert!(!observer.refuses(&masked().report), "statements pass");
    assert_eq!(observer.audit_status().unwrap().queued, QUEUE);
    assert_eq!(count(&observer, "failed"), too_many as u64);
    assert!(observer.render().contains("pgcovenant_audit_writable 0"));
    fs::create_dir(&moved).unwrap();
    fs::rename(&moved, &directory).unwrap();
    until("it is not written again", || observer.audit_status().unwrap().writable);
    observer.shut_down();
    assert_eq!(of_kind(&path, "statement").len(), QUEUE);
    assert_eq!(of_kind(&path, "lost")[0]["records"], too_many);
    assert_eq!(of_kind(&path, "unwritable")[0]["refused"], 0);
    assert_eq!(verified(&[path]).lost, too_many as u64);
    assert!(observer.render().contains("pgcovenant_audit_writable 1"));
    assert_eq!((count(&observer, "written"), count(&observer, "dropped")), (QUEUE as u64, 0));
}

#[test]
fn what_must_be_audited_is_refused_while_it_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("audit");
    let path = directory.join("audit.jsonl");
    fs::create_dir(&directory).unwrap();
    let observer = observer(options(&path, |settings| settings.when_unwritable = WhenUnwritable::Refuse));
    let plain = event(vec![statement(Vec::new(), vec![column("email", Outcome::Clear)])], Decision::Allow);
    assert!(!observer.refuses(&masked().report));
    fs::remove_dir_all(&directory).unwrap();
    until("nobody has seen it", || observer.refuses(&masked().report));
    assert!(observer.refuses(&changed(Decision::Allow).report));
    assert!(!observer.refuses(&plain.report), "what needs no audit passes");
    let refused = Event { sqlstate: Some(*REFUSED), ..refusal() };
    for _ in 0..3 {
        observer.statement(&refused);
    }
    assert_eq!((count(&observer, "refused"), observer.audit_status().unwrap().queued), (3, 0));
    fs::create_dir(&directory).unwrap();
    until("it stays closed", || !observer.refuses(&masked().report));
    observer.shut_down();
    assert_eq!(of_kind(&path, "unwritable")[0]["refused"], 3);
    assert_eq!(statements(&fs::read_to_string(&path).unwrap()).len(), 0);
}

#[test]
fn a_queue_that_is_nearly_full_refuses_before_anything_is_lost() {
    let shared = Shared::new(true);
    let mut admitted = 0;
    while !shared.is_closed() {
        assert!(shared.enter());
        admitted += 1;
    }
    assert_eq!(admitted, QUEUE / 4 * 3);
    while shared.enter() {
        admitted += 1;
    }
    assert_eq!(admitted, QUEUE, "those that run already have the rest");
    shared.set_writable();
    assert!(shared.is_closed());
    (0..QUEUE / 2 + 1).for_each(|_| shared.leave());
    shared.set_writable();
    assert!(!shared.is_closed());
}

#[test]
fn sessions_and_policies_are_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let observer = observer(options(&path, |settings| settings.sessions = true));
    observer.policy_loaded(4, vec![PolicyVersion { name: "shop-privacy".into(), version: "4".into() }]);
    observer.audit_policies(4, &Bundle::default());
    observer.session(9, &subject("billing"), true);
    observer.session(9, &subject("billing"), false);
    observer.shut_down();
    assert_eq!(of_kind(&path, "login")[0]["session"], 9);
    assert_eq!(of_kind(&path, "logout")[0]["application"], "billing");
    assert_eq!(of_kind(&path, "policies")[0]["policies"][0]["name"], "shop-privacy");
    assert_eq!(verified(&[path]).findings, []);
}

#[test]
fn a_device_without_room_is_no_place_for_an_audit() {
    let error = Observer::new(Some("/dev/full".as_ref()), Caps::default()).unwrap_err();
    assert!(error.to_string().starts_with("cannot open the audit file \"/dev/full\": No space left"), "{error}");
}

#[test]
fn what_somebody_else_has_written_into_the_file_is_found() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let observer = observer(AuditOptions::of(&path));
    fs::File::options().append(true).open(&path).unwrap().write_all(b"{\"type\":\"statement\"}\n").unwrap();
    observer.statement(&refusal());
    observer.shut_down();
    assert_eq!(faults(std::slice::from_ref(&path)), [Fault::NotALine]);
    assert_eq!(of_kind(&path, "truncated").len(), 0);
}

#[test]
fn a_key_that_changes_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let keyed = |key: &[u8]| AuditOptions { sealer: Sealer::new(Some(key)), ..AuditOptions::of(&path) };
    for key in [b"one", b"two", b"one", b"two"] {
        observer(keyed(key)).shut_down();
    }
    let kept = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.filter(|path| path.display().to_string().contains("unverified-"));
    assert_eq!(kept.count(), 3);
    assert_eq!(verify(&[path], None, &Sealer::new(Some(b"two"))).unwrap().findings, []);
}

#[test]
fn rotated_files_are_compressed_while_others_are_written_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let rotation = Rotation { bytes: Some(4096), keep: Some(3), compress: Compress::Gzip, ..Rotation::default() };
    let all = || {
        let all = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        all.filter(|path| !path.ends_with("audit.jsonl.checkpoint")).collect::<Vec<_>>()
    };
    let observer = observer(options(&path, |settings| settings.rotation = rotation));
    for round in 1..=8 {
        for _ in 0..10 {
            observer.statement(&refusal());
        }
        until("a round is not written", || count(&observer, "written") == round * 10);
    }
    let is_gzip = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "gz");
    until("they are not compressed, or not removed", || {
        let files = all();
        files.len() <= 4 && files.iter().filter(|file| **file != path).all(is_gzip)
    });
    observer.shut_down();
    let found = verified(&all());
    assert_eq!(found.findings, [], "{found:?}");
    assert!(found.begins_late && found.first > Some(1), "the first files are gone: {found:?}");
}
