//! Walks chains and finds what is not as it was written.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::chain::{self, Link, Sealer, Stated};
use super::files::{Unreadable, lines};
use super::{checkpoint, rotate};

/// What is wrong with a place in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The bytes of a line do not have the hash that it states.
    Changed,
    /// A line does not have the form of one.
    NotALine,
    /// Lines between this one and the one before are not there.
    Missing,
    /// A line refers to another one than the one before.
    Unlinked,
    /// A line that was there already.
    Duplicated,
    /// A line that belongs further up.
    Reordered,
    /// The last line has no end.
    Torn,
    /// A compressed file cannot be unpacked from here on.
    Damaged,
    /// The first line is not the first of its chain, and what came before was not removed by rotation.
    NoBeginning,
    /// Another chain begins.
    SecondBeginning,
    /// Lines at the end are not there: a checkpoint, or the process when it opened the file again, knows of them.
    Truncated,
}

impl Fault {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Changed => "the line was changed",
            Self::NotALine => "this is no line of an audit",
            Self::Missing => "lines are missing before this one",
            Self::Unlinked => "the line does not follow the one before",
            Self::Duplicated => "the line is there twice",
            Self::Reordered => "the line belongs further up",
            Self::Torn => "the line is cut off",
            Self::Damaged => "the compressed file is damaged before the end of this line",
            Self::NoBeginning => "the chain begins in the middle",
            Self::SecondBeginning => "another chain begins here",
            Self::Truncated => "lines are missing at the end",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub fault: Fault,
    /// In which file.
    pub file: String,
    /// In which line, counted from one.
    pub line: u64,
    /// The number that the line states.
    pub seq: Option<u64>,
    /// What had to be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// What came out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The files, in the order of the chain.
    pub files: Vec<String>,
    /// Lines read.
    pub lines: u64,
    /// Number of the first line.
    pub first: Option<u64>,
    /// The last line.
    pub last: Option<Link>,
    /// Records that were never written, as the chain itself says.
    pub lost: u64,
    /// Whether the first line is the first of its chain, or the files before were removed by rotation.
    pub begins_late: bool,
    /// The checkpoint that was looked at.
    pub checkpoint: Option<u64>,
    /// Everything that is wrong.
    pub findings: Vec<Finding>,
}

/// Verifies files in the order of their chain, and the checkpoint beside the last of them, or this one.
///
/// # Errors
/// A file cannot be read.
pub fn verify(paths: &[PathBuf], checkpoint: Option<&Path>, sealer: &Sealer) -> io::Result<Verified> {
    let mut files = Vec::new();
    // A file may be there twice while it is being compressed: as long as it is, what was written counts.
    let is_copy =
        |path: &Path| path.extension().is_some_and(|end| end == "gz") && paths.contains(&path.with_extension(""));
    for path in paths.iter().filter(|path| !is_copy(path)) {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let first = first_seq(path, sealer).map_err(named)?;
        files.push((first.unwrap_or(u64::MAX), path));
    }
    files.sort();
    let mut walk = Walk::new(sealer);
    for (_, path) in &files {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        walk.file(path).map_err(named)?;
    }
    let beside = files.last().map(|(_, path)| checkpoint::path_of(path)).filter(|path| path.exists());
    if let Some(path) = checkpoint.map(Path::to_owned).or(beside) {
        walk.checkpoint(&path);
    }
    Ok(walk.finish())
}

/// Where a file stands in its chain: by its first line, or by its name where none can be read.
fn first_seq(path: &Path, sealer: &Sealer) -> io::Result<Option<u64>> {
    for line in lines(path)? {
        match line {
            Ok(line) => {
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                if let Some(stated) = chain::read(line, sealer) {
                    return Ok(Some(stated.seq));
                }
            }
            Err(Unreadable::File(error)) => return Err(error),
            Err(Unreadable::Damaged { .. }) => break,
        }
    }
    Ok(rotate::first_of(path))
}

/// What the walk wants to know of some records.
#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    records: u64,
    last: Option<Link>,
    expected: Option<Link>,
}

struct Walk<'s> {
    sealer: &'s Sealer,
    verified: Verified,
    /// The line that the next one has to refer to.
    link: Option<Link>,
    /// Hashes of the lines so far, in short: there may be millions.
    seen: HashSet<u64>,
    /// What the first line refers to, if it is not the first of its chain, and where it stands.
    before: Option<(Link, Finding)>,
    /// Where the walk is.
    file: String,
    line: u64,
}

impl<'s> Walk<'s> {
    fn new(sealer: &'s Sealer) -> Self {
        Self {
            sealer,
            verified: Verified::default(),
            link: None,
            seen: HashSet::new(),
            before: None,
            file: String::new(),
            line: 0,
        }
    }

    fn file(&mut self, path: &Path) -> io::Result<()> {
        self.file = path.display().to_string();
        self.line = 0;
        self.verified.files.push(self.file.clone());
        for line in lines(path)? {
            self.line += 1;
            let line = match line {
                Ok(line) => line,
                Err(Unreadable::File(error)) => return Err(error),
                Err(damaged @ Unreadable::Damaged { .. }) => {
                    self.find(Fault::Damaged, None, "the rest of a gzip file", damaged.to_string());
                    continue;
                }
            };
            self.verified.lines += 1;
            let Some(whole) = line.strip_suffix(b"\n") else {
                self.find(Fault::Torn, None, "a line with its end", format!("{} bytes without one", line.len()));
                continue;
            };
            match chain::read(whole, self.sealer) {
                Some(stated) => self.line(&stated, whole),
                None => {
                    let expected = self.link.as_ref().map_or_else(|| "a line".to_owned(), |link| next(link.seq));
                    self.find(Fault::NotALine, None, expected, format!("{} bytes of something else", whole.len()));
                }
            }
        }
        Ok(())
    }

    fn line(&mut self, stated: &Stated, whole: &[u8]) {
        let seq = Some(stated.seq);
        if !stated.is_whole() {
            self.find(Fault::Changed, seq, format!("hash {}", stated.hash), format!("hash {}", stated.computed));
        }
        let again = !self.seen.insert(short(&stated.hash));
        match &self.link {
            None => self.first(stated),
            Some(_) if again => {
                self.find(Fault::Duplicated, seq, "a line that is new", format!("hash {} once more", stated.hash));
                return;
            }
            Some(link) => {
                let (known, due) = (link.clone(), link.seq + 1);
                let linked = stated.prev == known.hash;
                if stated.seq == 1 && stated.prev == Link::start().hash {
                    self.find(Fault::SecondBeginning, seq, next(known.seq), "line 1 of a chain");
                } else if stated.seq < due {
                    self.find(Fault::Reordered, seq, next(known.seq), format!("line {}", stated.seq));
                    return;
                } else if stated.seq > due {
                    let last = stated.seq - 1;
                    let missing = if last == due { next(known.seq) } else { format!("lines {due} to {last}") };
                    self.find(Fault::Missing, seq, missing, format!("line {}", stated.seq));
                } else if !linked {
                    let (expected, found) = (format!("prev {}", known.hash), format!("prev {}", stated.prev));
                    self.find(Fault::Unlinked, seq, expected, found);
                }
            }
        }
        self.link = Some(stated.link());
        self.told(stated, whole);
    }

    fn first(&mut self, stated: &Stated) {
        self.verified.first = Some(stated.seq);
        let start = Link::start();
        if stated.seq == 1 && stated.prev == start.hash {
            return;
        }
        let found = self.finding(
            Fault::NoBeginning,
            Some(stated.seq),
            "line 1, or a record that the files before were removed by rotation",
            format!("line {}", stated.seq),
        );
        self.verified.begins_late = true;
        self.before = Some((Link { seq: stated.seq.saturating_sub(1), hash: stated.prev.clone() }, found));
    }

    /// Records that say something of the chain itself.
    fn told(&mut self, stated: &Stated, whole: &[u8]) {
        let wanted = matches!(&*stated.kind, "lost" | "removed" | "truncated");
        let Some(told) = wanted.then(|| serde_json::from_slice::<Told>(whole).ok()).flatten() else { return };
        match &*stated.kind {
            "lost" => self.verified.lost += told.records,
            "removed" => {
                let whole = stated.is_whole();
                self.before.take_if(|(link, _)| whole && told.last.as_ref() == Some(link));
            }
            "truncated" => {
                let expected =
                    told.expected.map_or_else(|| "more lines".to_owned(), |link| format!("line {}", link.seq));
                let found = "the end of the file, when it was opened again";
                self.find(Fault::Truncated, Some(stated.seq), expected, found);
            }
            _ => {}
        }
    }

    fn checkpoint(&mut self, path: &Path) {
        self.file = path.display().to_string();
        self.line = 1;
        let Some(known) = checkpoint::read_file(path, self.sealer) else {
            self.find(Fault::Changed, None, "a checkpoint made with the same key", "something else");
            return;
        };
        self.verified.checkpoint = Some(known.link.seq);
        let Link { seq, hash } = known.link;
        let last = self.link.as_ref().map_or(0, |link| link.seq);
        if seq > last {
            self.find(Fault::Truncated, Some(seq), format!("lines up to {seq}"), format!("lines up to {last}"));
        } else if !self.seen.contains(&short(&hash)) && self.verified.first.is_none_or(|first| seq >= first) {
            self.find(Fault::Unlinked, Some(seq), format!("line {seq} with hash {hash}"), "no line with that hash");
        }
    }

    fn find(&mut self, fault: Fault, seq: Option<u64>, expected: impl Into<String>, found: impl Into<String>) {
        let finding = self.finding(fault, seq, expected, found);
        self.verified.findings.push(finding);
    }

    fn finding(
        &self,
        fault: Fault,
        seq: Option<u64>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Finding {
        let (file, line) = (self.file.clone(), self.line);
        Finding { fault, file, line, seq, expected: expected.into(), found: found.into() }
    }

    fn finish(mut self) -> Verified {
        if let Some((_, finding)) = self.before.take() {
            self.verified.findings.insert(0, finding);
        }
        self.verified.last = self.link.take();
        self.verified
    }
}

/// The first 64 bits of a hash: enough to tell lines apart.
fn short(hash: &str) -> u64 {
    hash.get(..16).and_then(|start| u64::from_str_radix(start, 16).ok()).unwrap_or_default()
}

fn next(seq: u64) -> String {
    format!("line {}", seq + 1)
}

#[cfg(test)]
mod tests;
