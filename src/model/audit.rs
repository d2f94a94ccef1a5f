//! How the audit is kept: what the configuration says and the writer does.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// `audit` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSettings {
    /// The file.
    pub path: PathBuf,
    /// Whether the beginning and the end of sessions are recorded.
    pub sessions: bool,
    /// Name of the environment variable with the key of the chain; plain hashes without it.
    pub key_env: Option<String>,
    /// When a new file is begun.
    pub rotation: Rotation,
    /// When the system is told to bring records to the disk.
    pub sync: Sync,
    /// What happens to statements while nothing can be written.
    pub when_unwritable: WhenUnwritable,
}

impl AuditSettings {
    /// The defaults, for a file.
    pub fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            sessions: false,
            key_env: None,
            rotation: Rotation::default(),
            sync: Sync::Never,
            when_unwritable: WhenUnwritable::Pass,
        }
    }
}

/// When a new file is begun, and how many old ones stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rotation {
    /// From this size on, in bytes.
    pub bytes: Option<u64>,
    /// At this age.
    pub every: Option<Duration>,
    /// So many old files stay; all if nothing is said.
    pub keep: Option<usize>,
    /// What becomes of files that are complete.
    pub compress: Compress,
}

/// How files are kept that were rotated away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compress {
    /// As they were written.
    #[default]
    None,
    /// By gzip, a moment after.
    Gzip,
}

/// When records are brought to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// When the system sees fit.
    Never,
    /// So often, if there is anything new.
    Interval(Duration),
    /// Before they count as written.
    Always,
}

/// What happens to statements that would have to be audited while nothing can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenUnwritable {
    /// They run, and the loss is counted.
    Pass,
    /// They are refused.
    Refuse,
}
