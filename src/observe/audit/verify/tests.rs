//! Whatever is done to a chain is found.

use std::fs;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::observe::audit::chain::{Heading, append};
use crate::observe::audit::record::Note;

const KEY: &[u8] = b"a key";

/// Chains of so many lines, as the lines of each file.
fn chain(sealer: &Sealer, files: &[usize]) -> Vec<Vec<Vec<u8>>> {
    let mut link = Link::start();
    let mut line = |kind, body: serde_json::Value| {
        let mut out = Vec::new();
        append(&mut link, sealer, Heading { kind, time: Timestamp::UNIX_EPOCH }, &body, &mut out).unwrap();
        out
    };
    let lines =
        |count: &usize| (0..*count).map(|number| line("statement", serde_json::json!({"rows": number}))).collect();
    files.iter().map(lines).collect()
}

/// Writes files and verifies them, the last one first.
fn verified(sealer: &Sealer, files: &[Vec<u8>]) -> Verified {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..files.len()).rev().map(|number| folder.path().join(format!("{number}.jsonl"))).collect();
    for (path, text) in paths.iter().rev().zip(files) {
        fs::write(path, text).unwrap();
    }
    verify(&paths, None, sealer).unwrap()
}

fn faults(sealer: &Sealer, files: &[Vec<u8>]) -> Vec<(Fault, Option<u64>)> {
    verified(sealer, files).findings.iter().map(|finding| (finding.fault, finding.seq)).collect()
}

fn joined(files: &[Vec<Vec<u8>>]) -> Vec<Vec<u8>> {
    files.iter().map(|lines| lines.concat()).collect()
}

#[test]
fn a_chain_over_several_files_is_whole() {
    for sealer in [Sealer::Plain, Sealer::new(Some(KEY))] {
        let found = verified(&sealer, &joined(&chain(&sealer, &[3, 1, 4])));
        assert_eq!(found.findings, []);
        assert_eq!((found.lines, found.first, found.last.unwrap().seq), (8, Some(1), 8));
    }
}

#[test]
fn what_was_done_is_told_apart() {
    let sealer = Sealer::Plain;
    let lines = chain(&sealer, &[6]).remove(0);
    let after = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        faults(&sealer, &[lines.concat()])
    };
    assert_eq!(after(&|_| {}), []);
    assert_eq!(after(&|lines| drop(lines.remove(2))), [(Fault::Missing, Some(4))]);
    assert_eq!(after(&|lines| lines.insert(3, lines[2].clone())), [(Fault::Duplicated, Some(3))]);
    assert_eq!(after(&|lines| lines.swap(1, 2)), [(Fault::Missing, Some(3)), (Fault::Reordered, Some(2))]);
    assert_eq!(after(&|lines| lines.insert(2, b"{\"seq\":3}\n".to_vec())), [(Fault::NotALine, None)]);
    assert_eq!(after(&|lines| drop(lines.remove(0))), [(Fault::NoBeginning, Some(2))]);
    assert_eq!(after(&|lines| lines[5].truncate(30)), [(Fault::Torn, None)]);
    let rows = |lines: &mut Vec<Vec<u8>>| {
        let text = String::from_utf8(lines[4].clone()).unwrap().replace("\"rows\":4", "\"rows\":9");
        lines[4] = text.into_bytes();
    };
    assert_eq!(after(&rows), [(Fault::Changed, Some(5))]);
    assert_eq!(after(&|lines| lines.extend(chain(&sealer, &[1]).remove(0))), [(Fault::Duplicated, Some(1))]);
}

#[test]
fn a_line_that_somebody_else_has_made_is_found_with_the_key() {
    let sealer = Sealer::new(Some(KEY));
    let mut text = chain(&sealer, &[3]).remove(0).concat();
    let last = verified(&sealer, &[text.clone()]).last.unwrap();
    let heading = Heading { kind: "stop", time: Timestamp::UNIX_EPOCH };
    append(&mut last.clone(), &Sealer::Plain, heading, &serde_json::json!({}), &mut text).unwrap();
    assert_eq!(faults(&sealer, &[text]), [(Fault::Changed, Some(4))]);
}

#[test]
fn files_that_rotation_has_removed_are_not_missed() {
    let sealer = Sealer::Plain;
    let (mut link, mut files) = (Link::start(), vec![Vec::new(), Vec::new()]);
    let note = |link: &mut Link, note: Note, out: &mut Vec<u8>| {
        append(link, &sealer, Heading { kind: note.kind(), time: Timestamp::UNIX_EPOCH }, &note, out).unwrap();
    };
    note(&mut link, Note::Stop {}, &mut files[0]);
    let last = link.clone();
    note(&mut link, Note::Stop {}, &mut files[1]);
    assert_eq!(faults(&sealer, &files[1..]), [(Fault::NoBeginning, Some(2))]);
    note(&mut link, Note::Removed { file: "old".to_owned(), last }, &mut files[1]);
    let found = verified(&sealer, &files[1..]);
    assert!(found.findings.is_empty() && found.begins_late, "{found:?}");
}

#[test]
fn an_end_that_is_missing_is_found_with_the_checkpoint_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let sealer = Sealer::new(Some(KEY));
    let lines = chain(&sealer, &[4]).remove(0);
    fs::write(&path, lines.concat()).unwrap();
    let last = verify(std::slice::from_ref(&path), None, &sealer).unwrap().last.unwrap();
    checkpoint::write(&path, &last, &sealer, Timestamp::UNIX_EPOCH).unwrap();
    let faults = |checkpoint: Option<&Path>| {
        let found = verify(std::slice::from_ref(&path), checkpoint, &sealer).unwrap();
        found.findings.iter().map(|finding| finding.fault).collect::<Vec<_>>()
    };
    assert_eq!(faults(None), []);
    fs::write(&path, lines[..3].concat()).unwrap();
    assert_eq!(faults(None), [Fault::Truncated]);
    let kept = folder.path().join("kept");
    fs::rename(checkpoint::path_of(&path), &kept).unwrap();
    assert_eq!(faults(None), [], "nobody can know without a checkpoint");
    assert_eq!(faults(Some(&kept)), [Fault::Truncated]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_change_of_a_byte_is_found(files in prop::collection::vec(1_usize..5, 1..4), at: Index, by in 1_u8.., keyed: bool) {
        let sealer = if keyed { Sealer::new(Some(KEY)) } else { Sealer::Plain };
        let mut files = joined(&chain(&sealer, &files));
        let place = at.index(files.iter().map(Vec::len).sum());
        let byte = files.iter_mut().flatten().nth(place).unwrap();
        *byte ^= by;
        prop_assert_ne!(verified(&sealer, &files).findings, vec![]);
    }

    #[test]
    fn any_byte_that_is_missing_or_new_is_found(
        files in prop::collection::vec(1_usize..5, 1..4), file: Index, at: Index, new in prop::option::of(any::<u8>()),
    ) {
        let mut files = joined(&chain(&Sealer::Plain, &files));
        let file = file.index(files.len());
        let place = at.index(files[file].len());
        match new {
            Some(byte) => files[file].insert(place, byte),
            None => drop(files[file].remove(place)),
        }
        prop_assert_ne!(verified(&Sealer::Plain, &files).findings, vec![]);
    }

    #[test]
    fn any_two_lines_that_changed_places_are_found(files in prop::collection::vec(2_usize..6, 1..4), one: Index, other: Index) {
        let mut lines = chain(&Sealer::Plain, &files);
        let places: Vec<_> = lines.iter().enumerate().flat_map(|(file, lines)| (0..lines.len()).map(move |line| (file, line))).collect();
        let (one, other) = (places[one.index(places.len())], places[other.index(places.len())]);
        prop_assume!(one != other);
        let kept = lines[one.0][one.1].clone();
        lines[one.0][one.1] = std::mem::replace(&mut lines[other.0][other.1], kept);
        prop_assert_ne!(verified(&Sealer::Plain, &joined(&lines)).findings, vec![]);
    }

    #[test]
    fn any_line_that_is_missing_before_the_last_is_found(count in 2_usize..8, at: Index) {
        let mut lines = chain(&Sealer::Plain, &[count]).remove(0);
        lines.remove(at.index(count - 1));
        prop_assert_ne!(verified(&Sealer::Plain, &[lines.concat()]).findings, vec![]);
    }

    #[test]
    fn any_file_that_was_cut_off_is_found_by_the_next(count in 1_usize..6, at: Index) {
        let mut files = joined(&chain(&Sealer::Plain, &[count, 2]));
        let length = at.index(files[0].len());
        files[0].truncate(length);
        prop_assert_ne!(verified(&Sealer::Plain, &files).findings, vec![]);
    }

    #[test]
    fn anything_can_be_read(text: Vec<u8>, keyed: bool) {
        let sealer = if keyed { Sealer::new(Some(KEY)) } else { Sealer::Plain };
        prop_assert_eq!(verified(&sealer, std::slice::from_ref(&text)).findings.is_empty(), text.is_empty());
    }
}
