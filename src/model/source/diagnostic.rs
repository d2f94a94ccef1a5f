//! Problems of files, shown the way a compiler shows them.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::SourceFile;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The set of files cannot be used.
    Error,
    /// It can, but probably does not mean what its author meant.
    Warning,
}

/// One problem of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as shown to people.
    pub file: Arc<str>,
    /// 1-based line.
    pub line: u32,
    /// 1-based column, in characters.
    pub column: u32,
    /// The bytes it is about.
    pub span: Range<usize>,
    /// What is wrong; lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}:{}:{}: {severity}: {}", self.file, self.line, self.column, self.message)?;
        self.help.iter().try_for_each(|help| write!(f, " ({help})"))
    }
}

/// Collects the problems of one file.
#[derive(Debug)]
pub struct Problems<'a> {
    file: &'a SourceFile,
    found: Vec<Diagnostic>,
}

impl<'a> Problems<'a> {
    /// Nothing wrong yet.
    pub fn new(file: &'a SourceFile) -> Self {
        Self { file, found: Vec::new() }
    }

    /// The file that is being read.
    pub fn file(&self) -> &'a SourceFile {
        self.file
    }

    /// An error at these bytes.
    pub fn error(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.add(Severity::Error, span, message.into(), None);
    }

    /// An error at these bytes, and what to do about it.
    pub fn error_with(&mut self, span: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Error, span, message.into(), Some(help.into()));
    }

    /// A warning at these bytes, and what to do about it.
    pub fn warn(&mut self, span: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Warning, span, message.into(), Some(help.into()));
    }

    /// Whether there is an error among the problems.
    pub fn failed(&self) -> bool {
        self.found.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// All problems, in the order of the file.
    pub fn into_found(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|problem| problem.span.start);
        self.found
    }

    fn add(&mut self, severity: Severity, span: &Range<usize>, message: String, help: Option<String>) {
        let span = clamp(&self.file.text, span);
        let (line, column) = position(&self.file.text, span.start);
        let diagnostic = Diagnostic { severity, file: Arc::clone(&self.file.path), line, column, span, message, help };
        if !self.found.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }
}

/// The problems as text for people: `file:line:column`, the lines in question, and help.
pub fn render(diagnostics: &[Diagnostic], files: &[SourceFile]) -> String {
    let texts: HashMap<&str, &str> = files.iter().map(|file| (&*file.path, &*file.text)).collect();
    let renderer = Renderer::plain().decor_style(DecorStyle::Ascii);
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&render_one(&renderer, diagnostic, texts.get(&*diagnostic.file).copied().unwrap_or("")));
        out.push_str("\n\n");
    }
    out
}

fn render_one(renderer: &Renderer, diagnostic: &Diagnostic, text: &str) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let annotation = AnnotationKind::Primary.span(clamp(text, &diagnostic.span));
    let snippet = Snippet::source(text).path(&*diagnostic.file).annotation(annotation);
    let mut group = Group::with_title(level.primary_title(diagnostic.message.as_str())).element(snippet);
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group]).to_string()
}

/// Keeps a span inside the text, on character boundaries and on one line: a problem is shown where it begins.
fn clamp(text: &str, span: &Range<usize>) -> Range<usize> {
    let boundary = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = boundary(span.start);
    let line_end = text.get(start..).and_then(|rest| rest.find('\n')).map_or(text.len(), |found| start + found);
    let end = boundary(span.end).clamp(start, line_end.max(start));
    start..end
}

/// 1-based line and column of a byte offset.
fn position(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_shown_where_they_are() {
        let file = SourceFile::new("a/policy.yaml", "one: 1\ntwö: zwei\n");
        let mut problems = Problems::new(&file);
        problems.error_with(&(7..11), "unknown key `twö`", "did you mean `two`?");
        let found = problems.into_found();
        assert_eq!((found[0].line, found[0].column), (2, 1));
        let text = render(&found, std::slice::from_ref(&file));
        assert_eq!(
            text,
            "error: unknown key `twö`\n --> a/policy.yaml:2:1\n  |\n2 | twö: zwei\n  | ^^^\n  |\n  = help: did you mean `two`?\n\n"
        );
    }

    #[test]
    fn spans_outside_the_text_do_no_harm() {
        let file = SourceFile::new("x", "é");
        let mut problems = Problems::new(&file);
        problems.error(&(1..90), "odd");
        problems.error(&(90..91), "beyond");
        assert!(!render(&problems.into_found(), std::slice::from_ref(&file)).is_empty());
    }
}
