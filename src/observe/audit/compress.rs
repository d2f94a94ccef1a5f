//! Compresses files that were rotated away, on a thread of its own: whoever writes the audit does not wait for it.
//!
//! At every moment one of the two files is whole. A compressed file is written under another name, brought to the disk, read
//! back and compared; only then it gets its name, and only after that the file that it was made of goes. Whatever a crash has
//! left is found when the thread begins, and done again.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};

use super::chain::{Link, Sealer};
use super::log::named;
use super::rotate;
use crate::model::audit::AuditSettings;

/// Bytes that are compressed at once, between two looks at whether the process ends.
const CHUNK: usize = 256 * 1024;

/// What a file is called when it is compressed.
pub(super) fn compressed(path: &Path) -> PathBuf {
    named(path, "gz")
}

/// A file that may go: `keep` others are newer, and it ends with a line of the chain.
#[derive(Debug)]
pub(super) struct Removable {
    pub(super) path: PathBuf,
    pub(super) last: Link,
}

/// The thread.
#[derive(Debug)]
pub(super) struct Compressor {
    wake: Sender<()>,
    removable: Receiver<Removable>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Compressor {
    /// Starts the thread, which begins with what is there already.
    pub(super) fn start(settings: &AuditSettings, sealer: &Sealer) -> io::Result<Self> {
        let (wake, woken) = channel();
        let (found, removable) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (path, keep, sealer, stopped) =
            (settings.path.clone(), settings.rotation.keep, sealer.clone(), Arc::clone(&stop));
        let thread = thread::Builder::new().name("audit-gzip".to_owned()).spawn(move || {
            loop {
                sweep(&path, &stopped);
                for old in keep.map(|keep| rotate::removable(&path, keep, &sealer)).into_iter().flatten() {
                    // Nobody listens only at the end of the process.
                    _ = found.send(old);
                }
                if woken.recv().is_err() {
                    return;
                }
                // One look is enough for all that were rotated meanwhile.
                while woken.try_recv().is_ok() {}
            }
        })?;
        Ok(Self { wake, removable, stop, thread })
    }

    /// A file was rotated away.
    pub(super) fn wake(&self) {
        if self.wake.send(()).is_err() {
            tracing::error!("rotated files of the audit are not compressed any more");
        }
    }

    /// The files that may go.
    pub(super) fn removable(&self) -> impl Iterator<Item = Removable> {
        self.removable.try_iter()
    }

    /// Ends it. What it is in the middle of is done again at the next start.
    pub(super) fn end(self) {
        self.stop.store(true, Ordering::Release);
        drop(self.wake);
        if self.thread.join().is_err() {
            tracing::error!("the thread that compresses the audit has failed");
        }
    }
}

/// Compresses every file that was rotated away and is not compressed.
pub(super) fn sweep(path: &Path, stop: &AtomicBool) {
    for old in rotate::old_files(path).unwrap_or_default() {
        if stop.load(Ordering::Acquire) {
            return;
        }
        if !old.exists() {
            left_over(&old);
        } else if let Err(error) = compress(&old, stop)
            && !stop.load(Ordering::Acquire)
        {
            tracing::warn!(path = %old.display(), %error, "cannot compress an audit file; it stays as it is");
        }
    }
}

/// A half-written file beside one that is compressed, of a process that has crashed.
fn left_over(old: &Path) {
    let half = named(old, "gz.new");
    if half.exists()
        && let Err(error) = fs::remove_file(&half)
    {
        tracing::warn!(path = %half.display(), %error, "cannot remove a file that was half compressed");
    }
}

/// Compresses one file and removes it, unless another process is about to.
fn compress(old: &Path, stop: &AtomicBool) -> io::Result<()> {
    let (target, half) = (compressed(old), named(old, "gz.new"));
    // A crash may have come between the last two steps, or the file may be half of something.
    if !(target.exists() && is_same(old, &target, stop)?) {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(mode(old)?).open(&half)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => {}
        }
        // The other process may have finished while we came.
        if !old.exists() || fs::metadata(&half).map(|there| there.ino()).ok() != Some(file.metadata()?.ino()) {
            return Ok(());
        }
        file.set_len(0)?;
        if !pack(old, &file, stop)? {
            return fs::remove_file(&half);
        }
        file.sync_all()?;
        if !is_same(old, &half, stop)? {
            return Err(io::Error::other("what was compressed is not what was written"));
        }
        fs::rename(&half, &target)?;
        sync_folder(old)?;
    }
    // Behind whoever appends, and only what was compressed.
    let plain = File::open(old)?;
    plain.lock()?;
    if plain.metadata()?.len() == unpacked_length(&target)? {
        fs::remove_file(old)?;
        sync_folder(old)?;
    }
    Ok(())
}

/// The compressed file may be read by whoever may read the other.
fn mode(old: &Path) -> io::Result<u32> {
    Ok(fs::metadata(old)?.mode() & 0o777)
}

/// Whether it came to an end.
fn pack(old: &Path, target: &File, stop: &AtomicBool) -> io::Result<bool> {
    let mut source = File::open(old)?;
    // Without name and time: the same lines are the same file.
    let mut packed = GzBuilder::new().write(target, Compression::default());
    let mut chunk = vec![0; CHUNK];
    loop {
        if stop.load(Ordering::Acquire) {
            return Ok(false);
        }
        let count = source.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        packed.write_all(chunk.get(..count).unwrap_or_default())?;
    }
    packed.finish()?;
    Ok(true)
}

/// Whether a compressed file holds what the other does, every byte of it. One that is damaged does not.
fn is_same(plain: &Path, packed: &Path, stop: &AtomicBool) -> io::Result<bool> {
    let mut plain = File::open(plain)?;
    let mut packed = GzDecoder::new(BufReader::new(File::open(packed)?));
    let (mut expected, mut found) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        if stop.load(Ordering::Acquire) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = fill(&mut plain, &mut expected)?;
        match fill(&mut packed, &mut found) {
            Ok(same) if same == count && expected.get(..count) == found.get(..count) => {}
            Ok(_) | Err(_) => return Ok(false),
        }
        if count == 0 {
            return Ok(true);
        }
    }
}

/// Reads until there is no more room, or no more to read.
fn fill(source: &mut impl Read, chunk: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = chunk.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn unpacked_length(packed: &Path) -> io::Result<u64> {
    let mut source = GzDecoder::new(BufReader::new(File::open(packed)?));
    io::copy(&mut source, &mut io::sink())
}

/// Brings names to the disk.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| ".".as_ref());
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
