//! The open file: locked while something is appended, so that two processes may share it, as they do while one takes over from
//! the other. Whatever its end looks like, no evidence is thrown away.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::chain::{self, Link, Sealer, Stated};
use super::checkpoint;
use super::record::{Continues, Note};
use super::rotate::{self, stamp};

/// Bytes read at once while an end of a line is looked for.
const CHUNK: u64 = 64 * 1024;

/// The file that is written.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) path: PathBuf,
    file: File,
    /// Not so for devices and pipes, which have no end to look at and no other name.
    pub(super) regular: bool,
    /// Where the chain stands.
    pub(super) link: Link,
    /// Bytes up to the end of the last line.
    pub(super) length: u64,
    /// Number of the first line in the file.
    pub(super) first: u64,
    /// Time of the first line.
    pub(super) began: Timestamp,
}

/// Lines to be written, and where each of them ends.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) ends: Vec<(usize, Link)>,
}

impl Log {
    /// Opens the file for appending, mode 0640 if it is new, and locks it. The chain goes on from its last line, or from `before`,
    /// or from the checkpoint or the newest rotated file, or begins. Returns what has to be said about it.
    pub(super) fn open(path: &Path, sealer: &Sealer, before: Option<Continues>) -> io::Result<(Self, Vec<Note>)> {
        let mut notes = Vec::new();
        loop {
            let file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
            let regular = file.metadata()?.is_file();
            let log = Self {
                path: path.to_owned(),
                file,
                regular,
                link: Link::start(),
                length: 0,
                first: 1,
                began: Timestamp::now(),
            };
            if !regular {
                return Ok((log.begin(sealer, before, &mut notes), notes));
            }
            log.file.lock()?;
            if fs::metadata(path).is_ok()
                && log.is_current()
                && let Some(log) = log.settle(sealer, before.clone(), &mut notes)?
            {
                return Ok((log, notes));
            }
        }
    }

    /// Finds out where a locked file stands. None means: it was moved out of the way, and the next one has to be opened.
    fn settle(mut self, sealer: &Sealer, before: Option<Continues>, notes: &mut Vec<Note>) -> io::Result<Option<Self>> {
        let length = self.cut_torn(notes)?;
        if length == 0 {
            return Ok(Some(self.begin(sealer, before, notes)));
        }
        let Some(last) = self.last_line(length, sealer)?.filter(Stated::is_whole) else {
            // The name is taken first, so that nothing else of that name is lost.
            let (aside, _) = new_file(&self.path, &format!("unverified-{}", stamp(Timestamp::now())))?;
            fs::rename(&self.path, &aside)?;
            notes.push(Note::SetAside { file: name_of(&aside) });
            return Ok(None);
        };
        if let Some(first) = self.first_line(sealer)? {
            self.first = first.seq;
            self.began = first.time.parse().unwrap_or(self.began);
        }
        self.length = length;
        self.link = last.link();
        let known = [before, checkpoint::read(&self.path, sealer)].into_iter().flatten().map(|known| known.link);
        if let Some(expected) = known.max_by_key(|link| link.seq).filter(|known| known.seq > self.link.seq) {
            notes.push(Note::Truncated { expected, found: Some(self.link.clone()) });
        }
        let continues = Some(Continues { file: name_of(&self.path), link: self.link.clone() });
        notes.push(Note::Opened { file: name_of(&self.path), algorithm: sealer.algorithm(), continues });
        Ok(Some(self))
    }

    /// Of an empty file.
    fn begin(mut self, sealer: &Sealer, before: Option<Continues>, notes: &mut Vec<Note>) -> Self {
        // Whoever has rotated the file may have been killed before there was a line in this one: the checkpoint is older then.
        let known = || [checkpoint::read(&self.path, sealer), rotate::newest(&self.path, sealer)].into_iter().flatten();
        let latest = || known().max_by_key(|continues| continues.link.seq);
        let continues = before.or_else(|| if self.regular { latest() } else { None });
        if let Some(continues) = &continues {
            self.link = continues.link.clone();
        }
        self.first = self.link.seq + 1;
        let file = name_of(&self.path);
        // What is told about the file comes first in it; what was found on the way after that.
        notes.insert(0, Note::Opened { file, algorithm: sealer.algorithm(), continues });
        self
    }

    /// Whether this is still the file to write.
    pub(super) fn is_current(&self) -> bool {
        if !self.regular {
            return true;
        }
        let Ok(ours) = self.file.metadata() else { return false };
        match fs::metadata(&self.path) {
            Ok(there) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
            // Moved away and not deleted: it is written until somebody says otherwise (SIGHUP).
            Err(error) => error.kind() == io::ErrorKind::NotFound && ours.nlink() > 0,
        }
    }

    /// Locks the file, and looks whether it is as it was left: another process may have gone on, somebody may have cut it off.
    pub(super) fn lock(&mut self, sealer: &Sealer) -> io::Result<Vec<Note>> {
        let mut notes = Vec::new();
        if !self.regular {
            return Ok(notes);
        }
        self.file.lock()?;
        let there = self.file.metadata()?.len();
        if there == self.length {
            return Ok(notes);
        }
        let length = self.cut_torn(&mut notes)?;
        let last = self.last_line(length, sealer)?.filter(Stated::is_whole);
        match last {
            Some(last) if last.seq >= self.link.seq => self.link = last.link(),
            None if length > self.length => {
                tracing::warn!(path = %self.path.display(), "somebody else writes to the audit file");
            }
            last => {
                let found = last.map(|last| last.link());
                notes.push(Note::Truncated { expected: self.link.clone(), found });
            }
        }
        self.length = length;
        Ok(notes)
    }

    /// Lets others write.
    pub(super) fn unlock(&self) {
        if self.regular
            && let Err(error) = self.file.unlock()
        {
            tracing::warn!(%error, "cannot unlock the audit file");
        }
    }

    /// Writes whole lines. After an error, those that are there in full have been written, and nothing else is there.
    pub(super) fn write(&mut self, batch: &Batch) -> (usize, io::Result<()>) {
        let mut written = 0;
        let result = loop {
            let rest = batch.bytes.get(written..).unwrap_or_default();
            if rest.is_empty() {
                break Ok(());
            }
            match self.file.write(rest) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        let lines = batch.ends.iter().take_while(|(end, _)| *end <= written).count();
        if let Some((end, link)) = lines.checked_sub(1).and_then(|last| batch.ends.get(last)) {
            self.length += *end as u64;
            self.link = link.clone();
        }
        if result.is_err()
            && self.regular
            && let Err(error) = self.file.set_len(self.length)
        {
            // What is left of a line is found and kept when the file is opened again.
            tracing::warn!(%error, "cannot take back what was written in part to the audit file");
        }
        (lines, result)
    }

    /// Brings what was written to the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        if self.regular { self.file.sync_data() } else { Ok(()) }
    }

    /// Copies what follows the last end of a line to a file of its own, and cuts it off. Returns the length that is left.
    fn cut_torn(&self, notes: &mut Vec<Note>) -> io::Result<u64> {
        let there = self.file.metadata()?.len();
        let whole = self.line_start(there)?;
        if whole == there {
            return Ok(there);
        }
        let now = stamp(Timestamp::now());
        let mut source = &self.file;
        source.seek(SeekFrom::Start(whole))?;
        let (kept, mut target) = new_file(&self.path, &format!("torn-{now}"))?;
        io::copy(&mut source.take(there - whole), &mut target)?;
        target.sync_all()?;
        self.file.set_len(whole)?;
        notes.push(Note::Torn { file: name_of(&kept), bytes: there - whole });
        Ok(whole)
    }

    /// Where the line begins that ends before this position.
    fn line_start(&self, end: u64) -> io::Result<u64> {
        let mut before = end;
        while before > 0 {
            let begin = before.saturating_sub(CHUNK);
            let mut chunk = vec![0; usize::try_from(before - begin).unwrap_or_default()];
            self.file.read_exact_at(&mut chunk, begin)?;
            if let Some(at) = chunk.iter().rposition(|byte| *byte == b'\n') {
                return Ok(begin + at as u64 + 1);
            }
            before = begin;
        }
        Ok(0)
    }

    fn last_line(&self, length: u64, sealer: &Sealer) -> io::Result<Option<Stated>> {
        let Some(end) = length.checked_sub(1) else { return Ok(None) };
        let begin = self.line_start(end)?;
        let mut line = vec![0; usize::try_from(end - begin).unwrap_or_default()];
        self.file.read_exact_at(&mut line, begin)?;
        Ok(chain::read(&line, sealer))
    }

    fn first_line(&self, sealer: &Sealer) -> io::Result<Option<Stated>> {
        let mut start = vec![0; usize::try_from(CHUNK).unwrap_or_default()];
        let count = self.file.read_at(&mut start, 0)?;
        let line = start.get(..count).and_then(|there| there.split(|byte| *byte == b'\n').next());
        Ok(line.and_then(|line| chain::read(line, sealer)))
    }
}

/// The last line of a file, if it has the form of one.
pub(super) fn last_line_of(path: &Path, sealer: &Sealer) -> io::Result<Option<Stated>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let log = Log {
        path: path.to_owned(),
        file,
        regular: true,
        link: Link::start(),
        length,
        first: 1,
        began: Timestamp::UNIX_EPOCH,
    };
    log.last_line(length, sealer)
}

/// A new file beside another; a number is added where the name is taken.
fn new_file(path: &Path, ending: &str) -> io::Result<(PathBuf, File)> {
    let mut number = 0;
    loop {
        let suffix = if number == 0 { ending.to_owned() } else { format!("{ending}-{number}") };
        let candidate = named(path, &suffix);
        match OpenOptions::new().write(true).create_new(true).mode(0o640).open(&candidate) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            opened => return Ok((candidate, opened?)),
        }
    }
}

/// The path with something behind it.
pub(super) fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(ending);
    name.into()
}

/// The last part of a path.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
