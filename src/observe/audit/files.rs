//! Reads files of an audit line by line, compressed or not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Take};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

/// What every gzip file begins with.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Why a line cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The system says so.
    #[error(transparent)]
    File(#[from] io::Error),
    /// The file is compressed, and damaged.
    #[error("damaged at byte {at} of the compressed file, behind {behind} bytes of lines: {what}")]
    Damaged {
        /// Bytes of the file that were read.
        at: u64,
        /// Bytes that came out of them.
        behind: u64,
        /// What is wrong there.
        what: String,
    },
}

/// The lines of a file, each with its end, up to the first thing that cannot be read.
#[derive(Debug)]
pub struct Lines {
    source: Source,
    /// Bytes of lines so far.
    behind: u64,
    ended: bool,
}

#[derive(Debug)]
enum Source {
    Plain(BufReader<Take<File>>),
    Gzip(Box<BufReader<MultiGzDecoder<Counted>>>),
    /// Nothing: no gzip file is that short.
    Empty,
}

/// A file whose bytes are counted as they are used.
#[derive(Debug)]
struct Counted {
    file: BufReader<File>,
    used: u64,
    /// The system could not read it.
    failed: bool,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer);
        self.failed |= read.is_err();
        self.used += read.as_ref().map_or(0, |count| *count as u64);
        read
    }
}

impl BufRead for Counted {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let filled = self.file.fill_buf();
        self.failed |= filled.is_err();
        filled
    }

    fn consume(&mut self, count: usize) {
        self.used += count as u64;
        self.file.consume(count);
    }
}

/// The lines of a file up to where it ends now: the running process goes on writing. One is compressed if its name ends with
/// `.gz`, or if it begins as such files do.
///
/// # Errors
/// The file cannot be opened.
pub fn lines(path: &Path) -> io::Result<Lines> {
    let mut file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // The writer holds the lock while it appends: what is there between two of its turns is whole.
    let locked = file.lock_shared();
    let length = file.metadata()?.len();
    if locked.is_ok() {
        file.unlock()?;
    }
    let source = if !is_compressed(path, &mut file)? {
        Source::Plain(BufReader::new(file.take(length)))
    } else if length == 0 {
        Source::Empty
    } else {
        let counted = Counted { file: BufReader::new(file), used: 0, failed: false };
        Source::Gzip(Box::new(BufReader::new(MultiGzDecoder::new(counted))))
    };
    Ok(Lines { source, behind: 0, ended: false })
}

fn is_compressed(path: &Path, file: &mut File) -> io::Result<bool> {
    use std::os::unix::fs::FileExt as _;
    let mut start = [0; 2];
    let there = if file.metadata()?.is_file() { file.read_at(&mut start, 0)? } else { 0 };
    Ok(path.extension().is_some_and(|extension| extension == "gz") || (there == start.len() && start == MAGIC))
}

impl Lines {
    fn unreadable(&self, error: io::Error) -> Unreadable {
        let Source::Gzip(reader) = &self.source else { return error.into() };
        let counted = reader.get_ref().get_ref();
        if counted.failed {
            return error.into();
        }
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => "it is cut off".to_owned(),
            _ => error.to_string(),
        };
        Unreadable::Damaged { at: counted.used, behind: self.behind, what }
    }
}

impl Iterator for Lines {
    type Item = Result<Vec<u8>, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let mut line = Vec::new();
        let read = match &mut self.source {
            Source::Plain(reader) => reader.read_until(b'\n', &mut line),
            Source::Gzip(reader) => reader.read_until(b'\n', &mut line),
            Source::Empty => {
                self.ended = true;
                return Some(Err(Unreadable::Damaged { at: 0, behind: 0, what: "it is empty".to_owned() }));
            }
        };
        match read {
            Ok(0) => {
                self.ended = true;
                None
            }
            Ok(count) => {
                self.behind += count as u64;
                Some(Ok(line))
            }
            Err(error) => {
                self.ended = true;
                Some(Err(self.unreadable(error)))
            }
        }
    }
}
