//! Names and where they stand.

use crate::model::ident::Ident;

/// A byte range of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// After the last byte.
    pub end: u32,
}

impl Span {
    /// The range from the first byte of `self` to the last of `other`.
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }

    /// The range as indexes.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One identifier where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Folded as PostgreSQL folds it.
    pub ident: Ident,
    /// Where it stands.
    pub span: Span,
}

impl Name {
    /// The folded text.
    pub fn as_str(&self) -> &str {
        self.ident.as_str()
    }
}

/// A dotted name, at least one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Everything before the last dot.
    pub qualifier: Vec<Name>,
    /// The last part.
    pub last: Name,
}

impl Path {
    /// From the first part to the last.
    pub fn span(&self) -> Span {
        self.qualifier.first().map_or(self.last.span, |first| first.span.to(self.last.span))
    }

    /// The range of the qualifier, its dots included up to the last one's predecessor.
    pub fn qualifier_span(&self) -> Option<Span> {
        Some(self.qualifier.first()?.span.to(self.qualifier.last()?.span))
    }
}
