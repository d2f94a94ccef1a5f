//! Which columns a rule is about.

use super::Glob;
use crate::model::contract::{Entity, Field};

/// Columns by tag, by name, or by classification: one hit is enough.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    /// Tags of the column or of its table.
    pub tags: Vec<Glob>,
    /// Names.
    pub names: Vec<NamePattern>,
    /// Classifications of the column.
    pub classification: Vec<Glob>,
}

/// `schema.relation.column`, each part a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    schema: Glob,
    relation: Glob,
    column: Glob,
}

/// `schema.relation`, each part a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationPattern {
    schema: Glob,
    relation: Glob,
}

impl Selector {
    /// Whether it selects a column by what the contract says of it.
    pub fn selects_field(&self, entity: &Entity, field: &Field) -> bool {
        let any = |globs: &[Glob], word: &str| globs.iter().any(|glob| glob.matches(word));
        entity.tags.iter().chain(&field.tags).any(|tag| any(&self.tags, tag))
            || field.classification.as_deref().is_some_and(|word| any(&self.classification, word))
    }

    /// Whether a name in it can be that of a column of this relation.
    pub fn reaches(&self, schema: &str, relation: &str) -> bool {
        self.names.iter().any(|pattern| pattern.schema.matches(schema) && pattern.relation.matches(relation))
    }

    /// Whether it selects a column by its name.
    pub fn selects_name(&self, schema: &str, relation: &str, column: &str) -> bool {
        self.names.iter().any(|pattern| pattern.matches(schema, relation, column))
    }
}

impl NamePattern {
    /// Reads `schema.relation.column`; words outside double quotes fold to lower case, as in SQL.
    pub fn parse(text: &str) -> Option<Self> {
        let [schema, relation, column] = <[Glob; 3]>::try_from(parts(text)?).ok()?;
        Some(Self { schema, relation, column })
    }

    /// Whether it stands for this column.
    pub fn matches(&self, schema: &str, relation: &str, column: &str) -> bool {
        self.schema.matches(schema) && self.relation.matches(relation) && self.column.matches(column)
    }

    /// Whether it stands for one column only.
    pub fn is_exact(&self) -> bool {
        self.schema.is_exact() && self.relation.is_exact() && self.column.is_exact()
    }

    /// The pattern for people.
    pub fn display(&self) -> String {
        format!("{}.{}.{}", self.schema.as_str(), self.relation.as_str(), self.column.as_str())
    }
}

impl RelationPattern {
    /// Reads `schema.relation`.
    pub fn parse(text: &str) -> Option<Self> {
        let [schema, relation] = <[Glob; 2]>::try_from(parts(text)?).ok()?;
        Some(Self { schema, relation })
    }

    /// Whether it stands for this relation.
    pub fn matches(&self, schema: &str, relation: &str) -> bool {
        self.schema.matches(schema) && self.relation.matches(relation)
    }
}

/// Cuts at dots outside double quotes.
fn parts(text: &str) -> Option<Vec<Glob>> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut chars = text.trim().chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                part.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            _ if quoted => part.push(c),
            _ => part.push(c.to_ascii_lowercase()),
        }
    }
    parts.push(part);
    let whole = !quoted && parts.iter().all(|part| !part.is_empty());
    whole.then(|| parts.iter().map(|part| Glob::new(part)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_as_in_sql() {
        let pattern = NamePattern::parse("Public.\"Odd.Name\".e*").unwrap();
        assert!(pattern.matches("public", "Odd.Name", "email"));
        assert!(!pattern.matches("Public", "Odd.Name", "email"));
        assert!(!pattern.is_exact());
        assert!(NamePattern::parse("customers.email").is_none());
        assert!(NamePattern::parse("a..b").is_none());
        assert!(NamePattern::parse("a.\"b.c").is_none());
        assert!(RelationPattern::parse("public.*").unwrap().matches("public", "orders"));
    }
}
