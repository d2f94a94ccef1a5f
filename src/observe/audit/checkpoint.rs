//! The checkpoint: a file beside the audit that says where the chain stood a moment ago. With it a chain that was cut off at its
//! end is found, and the chain goes on in a new file after the old one was moved away while nobody was writing.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::chain::{self, Link, Sealer};
use super::log::{name_of, named};
use super::record::Continues;

#[derive(Serialize, Deserialize)]
struct Body {
    file: String,
}

/// Where it is kept.
pub fn path_of(audit: &Path) -> PathBuf {
    named(audit, "checkpoint")
}

/// The checkpoint of an audit file, if there is one that was made with the same key.
pub(super) fn read(audit: &Path, sealer: &Sealer) -> Option<Continues> {
    read_file(&path_of(audit), sealer)
}

/// The same, by its own path.
pub(super) fn read_file(path: &Path, sealer: &Sealer) -> Option<Continues> {
    let text = fs::read(path).ok()?;
    let line = text.strip_suffix(b"\n")?;
    let stated = chain::read(line, sealer).filter(|stated| stated.is_whole() && stated.kind == "checkpoint")?;
    let body: Body = serde_json::from_slice(line).ok()?;
    Some(Continues { file: body.file, link: Link { seq: stated.seq, hash: stated.prev } })
}

/// Writes it anew, in one step.
pub(super) fn write(audit: &Path, link: &Link, sealer: &Sealer, now: Timestamp) -> io::Result<()> {
    let line = chain::checkpoint(link, sealer, now, &Body { file: name_of(audit) })?;
    let new = named(audit, "checkpoint.new");
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&new)?.write_all(&line)?;
    fs::rename(new, path_of(audit))
}
