//! Whatever happens while files are compressed, no line is lost; whatever happens to them afterwards is found.

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::observe::audit::chain::{Heading, append};
use crate::observe::audit::files::{Unreadable, lines};
use crate::observe::audit::verify::{Fault, verify};

const NAME: &str = "audit-20261121T171800Z-000000000001.jsonl";

/// The text of a chain of so many lines.
fn chain(count: usize) -> Vec<u8> {
    let (mut link, mut out) = (Link::start(), Vec::new());
    for number in 0..count {
        let heading = Heading { kind: "statement", time: Timestamp::UNIX_EPOCH };
        append(&mut link, &Sealer::Plain, heading, &serde_json::json!({ "rows": number }), &mut out).unwrap();
    }
    out
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = GzBuilder::new().write(Vec::new(), Compression::default());
    packed.write_all(text).unwrap();
    packed.finish().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    lines(path)?.collect::<Result<Vec<_>, _>>().map(|lines| lines.concat())
}

fn swept(folder: &Path) {
    sweep(&folder.join("audit.jsonl"), &AtomicBool::new(false));
}

#[test]
fn what_a_crash_has_left_is_done_again_at_any_point() {
    let text = chain(20);
    let packed = gzip(&text);
    for cut in (0..packed.len()).step_by(7).chain([packed.len() - 1, packed.len()]) {
        let half = packed.get(..cut).unwrap().to_vec();
        for (what, left) in [
            (
                "before the new file was whole",
                vec![(NAME.to_owned(), text.clone()), (format!("{NAME}.gz.new"), half.clone())],
            ),
            (
                "somebody has copied half of it",
                vec![(NAME.to_owned(), text.clone()), (format!("{NAME}.gz"), half.clone())],
            ),
            (
                "before the file that was compressed went",
                vec![(NAME.to_owned(), text.clone()), (format!("{NAME}.gz"), packed.clone())],
            ),
            (
                "two processes, and one of them crashed",
                vec![(format!("{NAME}.gz"), packed.clone()), (format!("{NAME}.gz.new"), half)],
            ),
        ] {
            let folder = tempfile::tempdir().unwrap();
            for (name, bytes) in &left {
                fs::write(folder.path().join(name), bytes).unwrap();
            }
            swept(folder.path());
            assert_eq!(names(folder.path()), [format!("{NAME}.gz")], "{what}, {cut} bytes");
            assert_eq!(read(&folder.path().join(format!("{NAME}.gz"))).unwrap(), text, "{what}, {cut} bytes");
        }
    }
}

#[test]
fn a_compressed_file_that_is_all_there_is_stays_whatever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let half = gzip(&chain(9)).get(..40).unwrap().to_vec();
    for name in
        [format!("{NAME}.gz"), "audit-20261121T171900Z-000000000010.jsonl.gz.new".to_owned(), "audit.jsonl".to_owned()]
    {
        fs::write(folder.path().join(name), &half).unwrap();
    }
    let before = names(folder.path());
    swept(folder.path());
    assert_eq!(names(folder.path()), before, "it may be the only evidence");
}

#[test]
fn a_process_that_ends_leaves_the_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(NAME), chain(5)).unwrap();
    let stop = AtomicBool::new(true);
    _ = compress(&folder.path().join(NAME), &stop);
    assert_eq!(names(folder.path()), [NAME]);
}

#[test]
fn what_another_process_compresses_is_left_to_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(NAME), chain(5)).unwrap();
    let other = File::create(folder.path().join(format!("{NAME}.gz.new"))).unwrap();
    other.lock().unwrap();
    swept(folder.path());
    assert_eq!(names(folder.path()), [NAME.to_owned(), format!("{NAME}.gz.new")]);
    drop(other);
    swept(folder.path());
    assert_eq!(names(folder.path()), [format!("{NAME}.gz")]);
}

#[test]
fn both_kinds_of_files_are_one_chain_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let text = chain(30);
    let ends: Vec<_> = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    let part = |from: usize, to: usize| text.get(if from == 0 { 0 } else { ends[from - 1] }..ends[to - 1]).unwrap();
    let mut paths = Vec::new();
    for (name, bytes) in [
        ("audit.jsonl", part(20, 30).to_vec()),
        ("audit-20261121T171800Z-000000000001.jsonl.gz", gzip(part(0, 10))),
        ("audit-20261121T171900Z-000000000011.jsonl", part(10, 20).to_vec()),
        // It is being compressed at this moment.
        ("audit-20261121T171900Z-000000000011.jsonl.gz", gzip(part(10, 20))),
    ] {
        paths.push(folder.path().join(name));
        fs::write(paths.last().unwrap(), bytes).unwrap();
    }
    let found = verify(&paths, None, &Sealer::Plain).unwrap();
    assert_eq!((found.findings.as_slice(), found.lines), ([].as_slice(), 30));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_compressed_file_that_is_cut_off_is_found_with_its_place(count in 1_usize..40, at: Index) {
        let packed = gzip(&chain(count));
        let length = at.index(packed.len());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("{NAME}.gz"));
        fs::write(&path, packed.get(..length).unwrap()).unwrap();
        let found = verify(std::slice::from_ref(&path), None, &Sealer::Plain).unwrap();
        let damage = found.findings.iter().find(|finding| finding.fault == Fault::Damaged).unwrap();
        prop_assert_eq!(&damage.file, &path.display().to_string());
        prop_assert_eq!(damage.line, found.lines + 1);
        prop_assert!(damage.found.contains("at byte "), "{}", damage.found);
    }

    #[test]
    fn a_compressed_file_with_another_byte_is_found_or_says_the_same(
        count in 1_usize..40, at: Index, by in 1_u8.., end in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let text = chain(count);
        let mut packed = gzip(&text);
        let place = at.index(packed.len());
        packed[place] ^= by;
        packed.extend(end);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("{NAME}.gz"));
        fs::write(&path, packed).unwrap();
        let found = verify(std::slice::from_ref(&path), None, &Sealer::Plain).unwrap();
        // The time in the head of a gzip file, for one, means nothing for its lines.
        prop_assert!(!found.findings.is_empty() || read(&path).unwrap() == text);
    }

    #[test]
    fn anything_can_be_taken_for_a_compressed_file(bytes: Vec<u8>, begins: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.gz");
        let magic: &[u8] = if begins { &[0x1f, 0x8b, 8] } else { &[] };
        fs::write(&path, [magic, &bytes].concat()).unwrap();
        let found = verify(&[path], None, &Sealer::Plain).unwrap();
        prop_assert!(!found.findings.is_empty());
    }
}
