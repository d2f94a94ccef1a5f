//! What OLD and NEW name, and how it is read.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::{git, live};
use crate::model::diff::{Terms, of_catalog, of_contracts};
use crate::model::source::{SourceFile, read_file, read_folder, render};
use crate::policy::compile::Bundle;

/// One of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A folder or a file.
    Path(PathBuf),
    /// `git:REV` or `git:REV:PATH`.
    Git { revision: String, path: Option<String> },
    /// `pg:DATABASE`.
    Database(String),
}

/// What was read.
pub(super) struct Loaded {
    pub(super) terms: Terms,
    /// Contracts and policies, where policies can be compared.
    pub(super) bundle: Option<Bundle>,
    /// Why they cannot be.
    pub(super) without_policies: Option<String>,
}

impl Source {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        if let Some(database) = text.strip_prefix("pg:") {
            if database.is_empty() {
                bail!("pg: needs the name of a database, as in pg:shop");
            }
            return Ok(Self::Database(database.to_owned()));
        }
        let Some(rest) = text.strip_prefix("git:") else { return Ok(Self::Path(text.into())) };
        let (revision, path) = rest.split_once(':').map_or((rest, None), |(revision, path)| (revision, Some(path)));
        if revision.is_empty() || revision.starts_with('-') {
            bail!("{text}: git: needs a revision, as in git:main or git:v1.2:policies/shop");
        }
        Ok(Self::Git { revision: revision.to_owned(), path: path.map(str::to_owned) })
    }

    /// Reads it. A revision without a path is read where the other one of the two is.
    pub(super) fn load(&self, other: &Self, config: Option<&Path>) -> anyhow::Result<Loaded> {
        match self {
            Self::Database(database) => {
                let catalog = live::catalog(database, config)?;
                Ok(Loaded {
                    terms: of_catalog(&catalog),
                    bundle: None,
                    without_policies: Some(format!("pg:{database} has none")),
                })
            }
            Self::Path(path) if path.is_dir() => {
                let files = read_folder(path)?;
                from_files(&files, true, &path.display().to_string())
            }
            Self::Path(path) => {
                let file = read_file(path)?;
                from_files(&[file], false, &path.display().to_string())
            }
            Self::Git { revision, path } => {
                let place = match (path, other) {
                    (Some(path), _) => git::Place::InRepository(path),
                    (None, Self::Path(path)) => git::Place::Beside(path),
                    (None, Self::Git { path: Some(path), .. }) => git::Place::InRepository(path),
                    (None, Self::Git { .. } | Self::Database(_)) => git::Place::Beside(Path::new(".")),
                };
                let found = git::read(revision, &place)?;
                let name = format!("git:{revision}");
                from_files(&found.files, found.is_folder, path.as_ref().map_or(&name, |path| path))
            }
        }
    }
}

fn from_files(files: &[SourceFile], is_whole: bool, name: &str) -> anyhow::Result<Loaded> {
    let (bundle, diagnostics) = Bundle::from_sources(files);
    let bundle = bundle.with_context(|| format!("{name} has errors\n{}", render(&diagnostics, files)))?;
    if bundle.contracts().next().is_none() {
        bail!("there are no contracts in {name}");
    }
    let terms = of_contracts(bundle.contracts());
    let without_policies = (!is_whole).then(|| format!("{name} is a single file"));
    Ok(Loaded { terms, bundle: Some(bundle).filter(|_| is_whole), without_policies })
}

/// A database and contracts must have something to do with each other.
pub(super) fn check_pair(old: &Loaded, new: &Loaded) -> anyhow::Result<()> {
    let names = |side: &Loaded| -> Vec<String> {
        let mut names: Vec<String> =
            side.terms.documents.iter().flat_map(|document| &document.databases).map(ToString::to_string).collect();
        names.sort();
        names.dedup();
        names
    };
    for (live, written) in [(old, new), (new, old)] {
        if !live.terms.is_live || written.terms.is_live {
            continue;
        }
        let (database, known) = (names(live), names(written));
        if !database.iter().any(|name| known.contains(name)) {
            bail!("no contract is about the database {}; known: {}", database.join(", "), known.join(", "));
        }
    }
    Ok(())
}

/// Whether a file of a whole repository is ours: others have files of this form for other purposes.
pub(super) fn is_ours(file: &SourceFile) -> bool {
    let says = |line: &str| {
        let line = line.trim_end();
        line == "kind: DataContract" || (line.starts_with("apiVersion:") && line.contains("pgcovenant/"))
    };
    file.name().contains(".odcs.") || file.text.lines().any(says)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_a_path_a_revision_or_a_database() {
        let git = |revision: &str, path: Option<&str>| Source::Git {
            revision: revision.to_owned(),
            path: path.map(str::to_owned),
        };
        for (text, expected) in [
            ("policies/shop", Source::Path("policies/shop".into())),
            ("git:HEAD~2", git("HEAD~2", None)),
            ("git:v1.2:policies/shop", git("v1.2", Some("policies/shop"))),
            ("pg:shop", Source::Database("shop".to_owned())),
        ] {
            assert_eq!(Source::parse(text).unwrap(), expected, "{text}");
        }
        for text in ["pg:", "git:", "git::path", "git:--output=x"] {
            assert!(Source::parse(text).is_err(), "{text}");
        }
    }
}
