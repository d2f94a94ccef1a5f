//! New files: when they are due, how old ones are called, and which of them go.
//!
//! `audit.jsonl` becomes `audit-20261121T171800Z-000000000042.jsonl`: the time at which it ended, and the number of its first line.
//! Names sort in the order of the chain.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::chain::{self, Sealer, Stated};
use super::compress::{Removable, compressed};
use super::files::{Unreadable, lines};
use super::log::{Log, last_line_of, name_of};
use super::record::{Continues, Note};
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

/// The number of the first line, as the name of an old file has it, compressed or not.
pub(super) fn first_of(candidate: &Path) -> Option<u64> {
    let name = name_of(candidate);
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let (stem, _) = name.split_once('.').unwrap_or((name, ""));
    let (_, number) = stem.rsplit_once('-')?;
    number.parse().ok().filter(|_| number.len() >= DIGITS)
}

/// The files that were rotated away, in the order of the chain: by the names that they had before they were compressed.
pub(super) fn old_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| ".".as_ref());
    let mut found: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .map(|candidate| match name_of(&candidate).strip_suffix(".gz") {
            Some(plain) => candidate.with_file_name(plain),
            None => candidate,
        })
        .filter(|candidate| is_ours(path, &name_of(candidate)))
        .collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// The oldest files beyond those that stay: only such as have a name of ours and end with a line of the chain.
pub(super) fn removable(path: &Path, keep: usize, sealer: &Sealer) -> Vec<Removable> {
    let files = old_files(path).unwrap_or_default();
    let mut found = Vec::new();
    for old in files.iter().take(files.len().saturating_sub(keep)) {
        match last_line(old, sealer) {
            Ok(Some(last)) if last.is_whole() => found.push(Removable { path: old.clone(), last: last.link() }),
            Ok(_) => tracing::warn!(path = %old.display(), "an old audit file stays: its end does not verify"),
            Err(error) => tracing::warn!(path = %old.display(), %error, "cannot read an old audit file"),
        }
    }
    found
}

/// The newest old file, and where the chain stood at its end.
pub(super) fn newest(path: &Path, sealer: &Sealer) -> Option<Continues> {
    let old = old_files(path).unwrap_or_default().pop()?;
    let last = last_line(&old, sealer).ok().flatten().filter(Stated::is_whole)?;
    Some(Continues { file: name_of(&old), link: last.link() })
}

/// The last line of an old file, compressed or not.
fn last_line(old: &Path, sealer: &Sealer) -> Result<Option<Stated>, Unreadable> {
    if old.exists() {
        return Ok(last_line_of(old, sealer)?);
    }
    let mut last = Vec::new();
    for line in lines(&compressed(old))? {
        last = line?;
    }
    Ok(last.strip_suffix(b"\n").and_then(|line| chain::read(line, sealer)))
}

/// Deletes a file, whether it is compressed, is not, or is both for a moment. None if there was none any more.
pub(super) fn remove(old: Removable) -> Option<Note> {
    let Removable { path, last } = old;
    let mut removed = None;
    for file in [compressed(&path), path] {
        match fs::remove_file(&file) {
            Ok(()) => removed = Some(Note::Removed { file: name_of(&file), last: last.clone() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(path = %file.display(), %error, "cannot remove an old audit file"),
        }
    }
    removed
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
        assert_eq!((first_of(&named), first_of(&compressed(&named)), first_of(path)), (Some(42), Some(42), None));
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
