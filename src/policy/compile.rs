//! From the files' meaning to the rules of one subject.

use super::snapshot::Database;
use super::subject::Subject;
use super::view::SubjectView;

/// Contracts and policies as loaded from one set of files.
#[derive(Debug, Default)]
pub struct Bundle {}

/// The rules of `subject` in `database`.
pub fn view(_bundle: &Bundle, _database: Option<&Database>, _subject: &Subject) -> SubjectView {
    SubjectView::default()
}
