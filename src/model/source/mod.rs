//! Files that people write: YAML whose every node knows where it stands.
//!
//! A load never stops at the first problem. Readers put each one into [`Problems`] and go on, so that one run shows
//! them all, each with file, line, column, the line itself and what to do about it.

mod diagnostic;
mod folder;
mod node;
mod read;
mod span;
mod suggest;
mod yaml;

pub use diagnostic::{Diagnostic, Problems, Severity, render};
pub use folder::{read_file, read_folder};
pub use node::{Entry, Node, Value};
pub use read::{
    Fields, boolean, date, integer, list, measured, networks, non_empty, number, one_of, string, string_or_list,
};
pub use span::time_span;
pub use suggest::{nearest, suggestion};
pub use yaml::parse;

use std::sync::Arc;

/// One file as read: the name under which it is reported, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as shown to people.
    pub path: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
}

impl SourceFile {
    /// A file of this path and text.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// The folder part of the path, empty for a bare name: files of one folder belong together.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit_once('/').map_or(&self.path, |(_, name)| name)
    }
}
