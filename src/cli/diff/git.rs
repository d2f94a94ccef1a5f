//! Files of a revision, read with the `git` program.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::source::is_ours;
use crate::model::source::SourceFile;

/// Where in a revision to look.
pub(super) enum Place<'a> {
    /// A path from the top of the repository, or from here where it begins with `./`.
    InRepository(&'a str),
    /// Where this folder or file of the working tree is.
    Beside(&'a Path),
}

/// What a revision has there.
pub(super) struct Found {
    pub(super) files: Vec<SourceFile>,
    /// It is a folder and not a single file.
    pub(super) is_folder: bool,
}

/// Larger files are no contracts.
const MAX_BYTES: usize = 8 << 20;

pub(super) fn read(revision: &str, place: &Place<'_>) -> anyhow::Result<Found> {
    let (folder, path) = match place {
        Place::InRepository(path) => (PathBuf::from("."), (*path).to_owned()),
        Place::Beside(path) => beside(path)?,
    };
    let git = Git { folder };
    let commit = format!("{revision}^{{commit}}");
    let known = git.run(&["rev-parse", "--quiet", "--verify", "--end-of-options", &commit])?;
    let Some(known) = known else {
        bail!("git knows no revision {revision} in {}", git.here());
    };
    let commit = String::from_utf8_lossy(&known).trim().to_owned();
    let object = format!("{commit}:{path}");
    let shown = git.whole_path(&path)?;
    let kind = git.run(&["cat-file", "-t", &object])?;
    match kind.as_deref().map(<[u8]>::trim_ascii) {
        Some(b"blob") => {
            let shown = format!("{revision}:{shown}");
            Ok(Found { files: vec![git.file(&object, &shown)?], is_folder: false })
        }
        Some(b"tree") => Ok(Found { files: git.folder(&object, revision, &shown, place)?, is_folder: true }),
        _ => {
            bail!(
                "the revision {revision} has no {} in {}",
                if shown.is_empty() { "files" } else { &shown },
                git.here()
            )
        }
    }
}

/// The folder to run git in, and the path from there.
fn beside(path: &Path) -> anyhow::Result<(PathBuf, String)> {
    if path.is_dir() {
        return Ok((path.to_owned(), "./".to_owned()));
    }
    let name = path.file_name().with_context(|| format!("{} names no file", path.display()))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((parent.to_owned(), format!("./{}", name.to_string_lossy())))
}

/// The program, run in a folder.
struct Git {
    folder: PathBuf,
}

impl Git {
    fn here(&self) -> String {
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        folder.display().to_string()
    }

    /// What it answers; none where it says that there is no such thing.
    fn run(&self, arguments: &[&str]) -> anyhow::Result<Option<Vec<u8>>> {
        let output = Command::new("git")
            .arg("-C")
            .arg(&self.folder)
            .args(arguments)
            .output()
            .context("cannot run git, which is needed to read a revision")?;
        if output.status.success() {
            return Ok(Some(output.stdout));
        }
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("not a git repository") || said.contains("dubious ownership") {
            bail!("git: {}", said.trim());
        }
        Ok(None)
    }

    /// The path from the top of the repository.
    fn whole_path(&self, path: &str) -> anyhow::Result<String> {
        let path = path.trim_end_matches('/');
        let Some(inner) = path.strip_prefix("./").or((path == ".").then_some("")) else { return Ok(path.to_owned()) };
        let prefix = self.run(&["rev-parse", "--show-prefix"])?.unwrap_or_default();
        let prefix = String::from_utf8_lossy(&prefix);
        let whole = format!("{}{}", prefix.trim(), inner);
        Ok(whole.trim_end_matches('/').to_owned())
    }

    fn file(&self, object: &str, shown: &str) -> anyhow::Result<SourceFile> {
        let bytes = self.run(&["cat-file", "blob", object])?;
        let bytes = bytes.with_context(|| format!("git cannot read {shown}"))?;
        if bytes.len() > MAX_BYTES {
            bail!("{shown} is larger than 8 MiB");
        }
        let text = String::from_utf8(bytes).with_context(|| format!("{shown} is no UTF-8"))?;
        Ok(SourceFile::new(shown, text.strip_prefix('\u{feff}').unwrap_or(&text)))
    }

    fn folder(&self, tree: &str, revision: &str, path: &str, place: &Place<'_>) -> anyhow::Result<Vec<SourceFile>> {
        let listed = self.run(&["ls-tree", "-r", "-z", "--full-tree", tree])?;
        let listed = listed.with_context(|| format!("git cannot list {revision}:{path}"))?;
        let mut files = Vec::new();
        for entry in listed.split(|byte| *byte == 0) {
            let entry = String::from_utf8_lossy(entry);
            let Some((head, name)) = entry.split_once('\t') else { continue };
            let hidden = name.split('/').any(|part| part.starts_with('.'));
            let is_yaml =
                Path::new(name).extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
            // 100644 and 100755: links and other repositories are left out.
            if hidden || !is_yaml || !head.starts_with("100") {
                continue;
            }
            let Some(blob) = head.split(' ').nth(2) else { continue };
            let shown = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            files.push(self.file(blob, &format!("{revision}:{shown}"))?);
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let whole_repository = matches!(place, Place::Beside(path) if *path == Path::new(".")) || path.is_empty();
        if whole_repository {
            files.retain(is_ours);
        }
        Ok(files)
    }
}
