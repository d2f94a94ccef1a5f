//! Notices that policy files or certificates have changed.
//!
//! The operating system tells at once where it can. A look at all files twice a second is the fallback for file
//! systems that do not tell, and for volumes that are swapped by a link (a Kubernetes ConfigMap or Secret): what counts is
//! what the files hold, not which event came.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// How often the directory is looked at without being told.
const POLL: Duration = Duration::from_millis(500);

/// Editors and `cp` write in several steps: what the directory holds must stay the same for this long.
const SETTLE: Duration = Duration::from_millis(50);

/// How often it is waited for that: somebody who never stops writing must be heard as well.
const PATIENCE: usize = 8;

/// What is watched.
#[derive(Debug)]
pub enum Watched {
    /// All YAML files of a folder and the folders in it.
    Folder(PathBuf),
    /// These files.
    Files(Vec<PathBuf>),
}

/// Calls `changed` whenever the files hold something else than before. Ends when the returned future is dropped.
pub async fn watch(watched: Watched, mut changed: impl FnMut()) {
    let (tell, mut told) = mpsc::channel(1);
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Our own look at the files is an event as well, and no reason for another one.
        if event.is_ok_and(|event| event.kind.is_access()) {
            return;
        }
        // A full channel means that a look is due anyway.
        let _ = tell.try_send(());
    });
    let watcher = watcher.and_then(|mut watcher| {
        for (folder, mode) in watched.folders() {
            watcher.watch(folder, mode)?;
        }
        Ok(watcher)
    });
    if let Err(error) = &watcher {
        tracing::warn!(%error, ?watched, "not told of changes, looking every {POLL:?} instead");
    }
    let mut known = watched.content();
    loop {
        tokio::select! {
            Some(()) = told.recv() => {}
            () = tokio::time::sleep(POLL) => {
                // This look may have come in the middle of a file's writing.
                if watched.content() != known {
                    tokio::time::sleep(SETTLE).await;
                }
            }
        }
        let now = settled(&watched, known).await;
        if now != known {
            known = now;
            changed();
        }
    }
}

/// What the files hold once it does not change any more: a file that is half written is none.
async fn settled(watched: &Watched, known: u64) -> u64 {
    let mut now = watched.content();
    for _ in 0..PATIENCE {
        if now == known {
            break;
        }
        tokio::time::sleep(SETTLE).await;
        let before = std::mem::replace(&mut now, watched.content());
        if now == before {
            break;
        }
    }
    now
}

impl Watched {
    /// The folders in which something happens when a file changes; a file is often replaced by another one.
    fn folders(&self) -> Vec<(&Path, RecursiveMode)> {
        match self {
            Self::Folder(folder) => vec![(folder, RecursiveMode::Recursive)],
            Self::Files(files) => {
                let folders: BTreeSet<_> = files.iter().filter_map(|file| file.parent()).collect();
                let or_here = |folder: &'_ Path| folder.as_os_str().is_empty();
                let named = folders.into_iter().map(|folder| if or_here(folder) { Path::new(".") } else { folder });
                named.map(|folder| (folder, RecursiveMode::NonRecursive)).collect()
            }
        }
    }

    /// A number over names and contents of all files.
    fn content(&self) -> u64 {
        let mut found = Vec::new();
        let files = match self {
            Self::Folder(folder) => {
                collect(folder, &mut found);
                found.sort();
                &found
            }
            Self::Files(files) => files,
        };
        let mut hasher = DefaultHasher::new();
        for path in files {
            path.hash(&mut hasher);
            std::fs::read(path).unwrap_or_default().hash(&mut hasher);
        }
        hasher.finish()
    }
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn tells_of_every_change_within_a_second() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("policy.yaml");
        std::fs::write(&file, "a: 1").unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&count);
        let task = tokio::spawn(watch(Watched::Folder(directory.path().to_owned()), move || {
            seen.fetch_add(1, Ordering::SeqCst);
        }));
        tokio::time::sleep(Duration::from_millis(200)).await;
        std::fs::write(&file, "a: 2").unwrap();
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(count.load(Ordering::SeqCst), 1);
        // The same content again is no change.
        std::fs::write(&file, "a: 2").unwrap();
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(count.load(Ordering::SeqCst), 1);
        task.abort();
    }

    #[tokio::test]
    async fn files_are_watched_behind_links() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("tls.crt"), directory.path().join("..data"));
        for version in ["one", "two"] {
            std::fs::create_dir(directory.path().join(version)).unwrap();
            std::fs::write(directory.path().join(version).join("tls.crt"), version).unwrap();
        }
        std::os::unix::fs::symlink("one", &link).unwrap();
        std::os::unix::fs::symlink("..data/tls.crt", &file).unwrap();
        let (tell, mut told) = mpsc::channel(8);
        let task = tokio::spawn(watch(Watched::Files(vec![file]), move || tell.try_send(()).unwrap()));
        tokio::time::sleep(Duration::from_millis(200)).await;
        let draft = directory.path().join("..draft");
        std::os::unix::fs::symlink("two", &draft).unwrap();
        std::fs::rename(&draft, &link).unwrap();
        assert_eq!(tokio::time::timeout(Duration::from_secs(10), told.recv()).await, Ok(Some(())));
        task.abort();
    }

    #[tokio::test]
    async fn a_file_that_is_half_written_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("policy.yaml");
        std::fs::write(&file, "a: 1").unwrap();
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let (read, path) = (Arc::clone(&seen), file.clone());
        let task = tokio::spawn(watch(Watched::Folder(directory.path().to_owned()), move || {
            read.lock().unwrap().push(std::fs::read_to_string(&path).unwrap());
        }));
        tokio::time::sleep(Duration::from_millis(200)).await;
        for text in ["", "a", "a: 2"] {
            std::fs::write(&file, text).unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(*seen.lock().unwrap(), ["a: 2"]);
        task.abort();
    }
}
