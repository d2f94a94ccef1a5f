//! Where stored verifiers come from: a file, and the server itself over the service account.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;

use super::scram::verifier::Verifier;
use super::userlist::{self, Userlist};
use crate::model::source::{Diagnostic, Severity, read_file};
use crate::upstream::connect::UpstreamError;
use crate::upstream::verifiers::VerifierQuery;

/// Everything that is known of verifiers.
#[derive(Debug, Default)]
pub struct Verifiers {
    file: Option<File>,
    query: Option<VerifierQuery>,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    current: ArcSwap<Version>,
}

/// The file as it was at one time.
#[derive(Debug)]
struct Version {
    changed: Option<SystemTime>,
    users: Userlist,
}

/// A file of verifiers that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read at all.
    #[error("cannot read the file of verifiers: {0}")]
    Unreadable(std::io::Error),
    /// Some of its lines are wrong. They are not shown, for they may hold passwords.
    #[error("there are problems in the file of verifiers{}", .0.iter().map(|problem| format!("\n{problem}")).collect::<String>())]
    Wrong(Vec<Diagnostic>),
}

impl Verifiers {
    /// From these sources; reads the file.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn new(file: Option<PathBuf>, query: Option<VerifierQuery>) -> Result<Self, FileError> {
        let file = file.map(|path| Ok(File { current: ArcSwap::from_pointee(read(&path)?), path })).transpose()?;
        Ok(Self { file, query })
    }

    /// Whether there is any source.
    pub const fn configured(&self) -> bool {
        self.file.is_some() || self.query.is_some()
    }

    /// If the file cannot be used, everything stays as it is.
    fn reload(&self) -> Result<(), FileError> {
        if let Some(file) = &self.file {
            file.current.store(Arc::new(read(&file.path)?));
        }
        Ok(())
    }

    /// Reads the file again, or tells the log why not.
    pub fn reload_or_tell(&self) {
        if let Err(error) = self.reload() {
            tracing::error!(%error, "the verifiers that were read before stay in force");
        }
    }

    /// The verifier of a user, from the file if it has one, from the server otherwise.
    ///
    /// # Errors
    /// The server cannot be asked.
    pub async fn find(&self, user: &str) -> Result<Option<Verifier>, UpstreamError> {
        if let Some(verifier) = self.file.as_ref().and_then(|file| file.current.load().users.get(user).cloned()) {
            return Ok(Some(verifier));
        }
        self.ask(user).await
    }

    /// The one that `find` has found is outdated: what do the sources say now?
    pub async fn find_again(&self, user: &str) -> Option<Verifier> {
        if let (Some(file), None) = (&self.file, &self.query) {
            if file.current.load().changed != changed(&file.path) {
                self.reload_or_tell();
            }
            return file.current.load().users.get(user).cloned();
        }
        self.ask(user).await.unwrap_or_else(|error| {
            tracing::error!(%error, user, "cannot get the verifier of a password");
            None
        })
    }

    async fn ask(&self, user: &str) -> Result<Option<Verifier>, UpstreamError> {
        let Some(query) = &self.query else { return Ok(None) };
        let secret = query.ask(user).await?;
        // Other forms of passwords serve other methods.
        Ok(secret.and_then(|secret| Verifier::parse(&secret).ok()))
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}

fn read(path: &Path) -> Result<Version, FileError> {
    // Before reading: what is written meanwhile counts as a change.
    let changed = changed(path);
    let file = read_file(path).map_err(FileError::Unreadable)?;
    let (users, problems) = userlist::read(&file);
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(FileError::Wrong(problems));
    }
    Ok(Version { changed, users })
}
