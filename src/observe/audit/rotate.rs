//! New files: when they are due, how old ones are called, and which of them go.
//!
//! `audit.jsonl` becomes `audit-20261121T171800Z-000000000042.jsonl`: the time at which it ended, and the number of its first line.
//! Names sort in the order of the chain.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::chain::Sealer;
use super::log::{Log, last_line_of, name_of};
use super::record::Note;
use crate::model::audit::Rotation;

/// Characters of a time in a name.
const STAMP: usize = "20261121T171800Z".len();

/// Digits of a number in a name.
const DIGITS: usize = 12;

/// A time as names have it.
pub(super) fn stamp(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Whether the file is large or old enough. One that holds nothing but its own beginning never is.
pub(super) fn is_due(rotation: &Rotation, log: &Log, now: Timestamp) -> bool {
    if !log.regular || log.link.seq <= log.first {
        return false;
    }
    let age = Duration::try_from(now.duration_since(log.began)).unwrap_or_default();
    rotation.bytes.is_some_and(|bytes| log.length >= bytes) || rotation.every.is_some_and(|every| age >= every)
}

/// What a file is called when it is complete.
pub(super) fn name(path: &Path, first: u64, now: Timestamp) -> PathBuf {
    let (stem, extension) = parts(path);
    path.with_file_name(format!("{stem}-{}-{first:0DIGITS$}{extension}", stamp(now)))
}

/// The name of a file without its extension, and the extension with its dot.
fn parts(path: &Path) -> (String, String) {
    let text = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
    let extension = text(path.extension()).map(|extension| format!(".{extension}")).unwrap_or_default();
    (text(path.file_stem()).unwrap_or_default(), extension)
}

/// Whether a name is one that [`name`] gives.
fn is_ours(path: &Path, candidate: &str) -> bool {
    let (stem, extension) = parts(path);
    let middle = candidate.strip_prefix(&format!("{stem}-")).and_then(|rest| rest.strip_suffix(&extension));
    let Some((time, number)) = middle.and_then(|middle| middle.split_once('-')) else { return false };
    let digit = |byte: u8| byte.is_ascii_digit();
    time.len() == STAMP
        && time.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => digit(byte),
        })
        && number.len() >= DIGITS
        && number.bytes().all(digit)
}

/// The files that were rotated away, in the order of the chain.
pub(super) fn old_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| ".".as_ref());
    let mut found: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|candidate| is_ours(path, &name_of(candidate)))
        .collect();
    found.sort();
    Ok(found)
}

/// Deletes the oldest files beyond those that stay: only such as have a name of ours and end with a line of the chain.
pub(super) fn remove_old(path: &Path, keep: usize, sealer: &Sealer) -> Vec<Note> {
    let files = old_files(path).unwrap_or_default();
    let mut notes = Vec::new();
    for old in files.iter().take(files.len().saturating_sub(keep)) {
        match last_line_of(old, sealer) {
            Ok(Some(last)) if last.is_whole() => match fs::remove_file(old) {
                Ok(()) => notes.push(Note::Removed { file: name_of(old), last: last.link() }),
                Err(error) => tracing::warn!(path = %old.display(), %error, "cannot remove an old audit file"),
            },
            Ok(_) => tracing::warn!(path = %old.display(), "an old audit file stays: its end does not verify"),
            Err(error) => tracing::warn!(path = %old.display(), %error, "cannot read an old audit file"),
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_files_have_names_that_nothing_else_has() {
        let path = Path::new("/var/log/audit.jsonl");
        let now: Timestamp = "2026-11-21T17:18:00Z".parse().unwrap();
        let named = name(path, 42, now);
        assert_eq!(named, Path::new("/var/log/audit-20261121T171800Z-000000000042.jsonl"));
        assert!(is_ours(path, &name_of(&named)));
        for other in [
            "audit.jsonl",
            "audit.jsonl.1",
            "audit-20261121T171800Z-000000000042.jsonl.gz",
            "audit-20261121T171800Z-42.jsonl",
            "audit-20261121X171800Z-000000000042.jsonl",
            "other-20261121T171800Z-000000000042.jsonl",
            "audit-notes.jsonl",
        ] {
            assert!(!is_ours(path, other), "{other}");
        }
        assert!(is_ours(Path::new("audit"), &name_of(&name(Path::new("audit"), 1, now))));
    }
}
