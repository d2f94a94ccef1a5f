//! The files that a subcommand works on.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::config::{self, Config};
use crate::model::contract;
use crate::model::source::{Diagnostic, Severity, SourceFile, read_file, read_folder, render};
use crate::policy::compile::Bundle;
use crate::policy::snapshot::{Database, Snapshot};
use crate::proxy::auth::userlist;
use crate::sql::lineage;

/// Where the configuration is looked for when nothing is said.
const DEFAULT: &str = "pgcovenant.yaml";

/// Everything that was read, with its problems.
#[derive(Debug)]
pub struct Input {
    /// The files.
    pub files: Vec<SourceFile>,
    /// The configuration, if one was named and has no errors.
    pub config: Option<Config>,
    /// Contracts and policies, if none has errors.
    pub bundle: Option<Arc<Bundle>>,
    /// Every problem of every file.
    pub diagnostics: Vec<Diagnostic>,
}

impl Input {
    /// Reads a configuration and the policies that it names, or a folder of contracts and policies.
    ///
    /// # Errors
    /// A file cannot be read at all.
    pub fn read(path: Option<&Path>) -> anyhow::Result<Self> {
        let path = match path {
            Some(path) => path,
            None if Path::new(DEFAULT).exists() => Path::new(DEFAULT),
            None => {
                bail!("there is no {DEFAULT} here: name a configuration file, or a folder of contracts and policies")
            }
        };
        let mut input = Self { files: Vec::new(), config: None, bundle: None, diagnostics: Vec::new() };
        let folder = if path.is_dir() { Some(path.to_owned()) } else { input.read_config(path)? };
        if let Some(folder) = folder {
            let files = read_folder(&folder).context("cannot read the policies")?;
            if files.is_empty() && path.is_dir() {
                // Whoever names a folder expects something in it: a mistyped one must not look like a good one.
                bail!("there are no contracts or policies in {}", folder.display());
            }
            let (bundle, diagnostics) = Bundle::from_sources(&files);
            input.bundle = bundle.map(Arc::new);
            input.diagnostics.extend(diagnostics);
            input.files.extend(files);
        }
        Ok(input)
    }

    fn read_config(&mut self, path: &Path) -> anyhow::Result<Option<PathBuf>> {
        let file = read_file(path).context("cannot read the configuration")?;
        let (config, diagnostics) = config::file::read(&file);
        let folder = config.as_ref().and_then(|config| config.policies.clone());
        let verifiers = config.as_ref().and_then(|config| config.auth.verifiers.clone());
        self.files.push(file);
        self.config = config;
        self.diagnostics.extend(diagnostics);
        if let Some(path) = verifiers {
            let file = read_file(&path).context("cannot read the file of verifiers")?;
            self.diagnostics.extend(userlist::read(&file).1);
            self.files.push(userlist::without_secrets(&file));
        }
        Ok(folder)
    }

    /// Number of errors and of warnings.
    pub fn count(&self) -> (usize, usize) {
        let errors = self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
        (errors, self.diagnostics.len() - errors)
    }

    /// Contracts and policies without errors, for commands that work on them.
    ///
    /// # Errors
    /// There are none; the problems are in the message.
    pub fn usable(&self) -> anyhow::Result<&Arc<Bundle>> {
        match &self.bundle {
            Some(bundle) => Ok(bundle),
            None if self.count().0 > 0 => bail!("there are problems in the files\n{}", self.report()),
            None => bail!("the configuration names no `policies`"),
        }
    }

    /// The problems, for people.
    pub fn report(&self) -> String {
        render(&self.diagnostics, &self.files)
    }
}

/// A snapshot without a server, on that day or now: every database as the contracts promise it.
///
/// # Errors
/// The day is beyond what can be reckoned with.
pub fn snapshot(bundle: &Arc<Bundle>, day: Option<Date>) -> anyhow::Result<Snapshot> {
    let mut databases = HashMap::new();
    for name in bundle.databases() {
        let catalog = contract::to_catalog(bundle.contracts(), name);
        let lineages = lineage::of_views(&catalog);
        databases.insert(name.into(), Arc::new(Database { catalog: Arc::new(catalog), lineages }));
    }
    let now = match day {
        Some(day) => day.to_zoned(TimeZone::UTC)?.timestamp(),
        None => Timestamp::now(),
    };
    Ok(Snapshot::at(now, 1, Arc::clone(bundle), databases))
}
