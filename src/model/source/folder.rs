//! From a folder to its files: the only reading of files in this room.

use std::fs;
use std::io;
use std::path::Path;

use super::SourceFile;

/// Larger files are no contracts.
const MAX_BYTES: u64 = 8 << 20;
/// Deeper folders are not looked into; links may form a circle.
const MAX_DEPTH: usize = 8;

/// Every `*.yaml` and `*.yml` below a folder, in the order of their paths.
///
/// Names that begin with a dot are left out. A mounted Kubernetes ConfigMap keeps its versions in such folders, and
/// shows its files as links beside them.
///
/// # Errors
/// The folder or a file in it cannot be read; the message names which.
pub fn read_folder(folder: &Path) -> io::Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    collect(folder, MAX_DEPTH, &mut files)?;
    files.sort_by(|one: &SourceFile, other| one.path.cmp(&other.path));
    Ok(files)
}

/// One file.
///
/// # Errors
/// It cannot be read, is no UTF-8, or is far too large; the message names the file.
pub fn read_file(path: &Path) -> io::Result<SourceFile> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    if fs::metadata(path).map_err(named)?.len() > MAX_BYTES {
        return Err(named(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 8 MiB")));
    }
    let text = fs::read_to_string(path).map_err(named)?;
    // Editors of some systems begin a file with a mark that YAML parsers do not want to see.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(SourceFile::new(&path.to_string_lossy(), text))
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<SourceFile>) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    for entry in fs::read_dir(folder).map_err(named)? {
        let path = entry.map_err(named)?.path();
        if path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        if path.is_dir() {
            if depth > 0 {
                collect(&path, depth - 1, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(read_file(&path)?);
        }
    }
    Ok(())
}
